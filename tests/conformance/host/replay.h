/* Scenarios on stdin, logs on stdout: a driver of its own, without a server. */
#ifndef REPLAY_H
#define REPLAY_H

/* sapi: "cgi" or "fcgi". jobs: threads that play. wall: limits count elapsed time, so that many can wait at once.
 * What main returns. */
int replay(const char *sapi, int jobs, int wall);

#endif
