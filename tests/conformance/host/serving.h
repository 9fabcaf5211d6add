/* What both servers share: sockets, and the play of a scenario beside its client. */
#ifndef SERVING_H
#define SERVING_H

#include "play.h"

#include <stddef.h>

/* A scenario that is played for a client; the first member of both servers' connections. */
typedef struct visit {
    int fd;
    /* The scenario's log file; the client is told what to do by files beside it (../README.md). */
    const char *log;
} visit;

/* Writes all; 0, or -1: the client has gone. */
int send_all(int fd, const void *bytes, size_t len);

/* The three of a layer that are the same everywhere. */
void visit_close(void *userdata, const char *how);
void visit_settle(void *userdata);
void visit_line(void *userdata, const char *text);

/* Reads the scenario file and plays it; only write, flush and finish of `below` are the server's. */
void visit_play(outlive_engine *engine, const outlive_settings *settings, const char *path, visit *self, layer *below);

/* Listens on a free port of 127.0.0.1 and says "NAME PORT" on stdout; the socket, or -1. */
int listen_on_loopback(const char *name);

/* Waits for a client on one of `count` listeners: its number, and the connection in *fd. -1: stdin has ended. */
int next_client(const int *listeners, int count, int *fd);

#endif
