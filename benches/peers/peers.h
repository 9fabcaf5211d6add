/* What the parts of this bench share: a row is ours and one peer, measured round by round in turn. */
#ifndef OUTLIVE_BENCH_PEERS_H
#define OUTLIVE_BENCH_PEERS_H

#include "outlive.h"

/* Does something `count` times and answers with the CPU nanoseconds of one. */
typedef double (*measured)(long count);

typedef struct peer {
    const char *what;
    measured of;
    long count; /* per round */
} peer;

/* CPU nanoseconds of the calling thread, or of the whole process. */
double thread_ns(void);
double process_ns(void);

/* Prints a row, for each of `peers` (the last has no `what`) ours and its medians and the median of the rounds' ratios. A `gate` is for
 * nanoseconds, `ratio` for ours over the first peer; 0: none. */
void compare_row(const char *number, const char *what, measured ours, long count, double gate, double ratio, const peer *peers);

extern const peer peer_begin_end[], peer_check[], peer_write[], peer_time_limit[], peer_function[], peer_values[3][2], peer_timer_again_hot[],
    peer_timer_again_random[], peer_timer_tick[], peer_timer_expiry[];

/* Whether PHP was found when this was built; starts it. */
int php_start(void);
void php_stop(void);

/* The first `most` names that an Apache file may set, and their values; how many there are. */
int php_names(const char **names, const char **values, int most);

/* Fills the timers of libev and libevent; frees them. */
void timers_start(unsigned live, const unsigned *shuffled);
void timers_stop(void);

#endif
