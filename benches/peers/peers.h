/* What the parts of this bench share: a row is ours and one peer, measured round by round in turn. */
#ifndef OUTLIVE_BENCH_PEERS_H
#define OUTLIVE_BENCH_PEERS_H

#include "outlive.h"

#include <time.h>

/* Does something `count` times and answers with the CPU nanoseconds of one. */
typedef double (*measured)(long count);

typedef struct peer {
    const char *what;
    measured of;
    long count; /* per round */
} peer;

/* The engine that requests begin in. */
extern outlive_engine *engine;

/* Settings of `count` directives, on top of PHP's defaults. */
const outlive_settings *resolve(const char **names, const char **values, int count);
outlive_request *begin_with(const outlive_settings *with, int socket);

double clock_ns(clockid_t clock);
/* CPU nanoseconds of the calling thread, or of the whole process. */
double thread_ns(void);
double process_ns(void);

/* Prints a row, for each of `peers` (the last has no `what`) ours and its medians and the median of the rounds' ratios. A `gate` is for
 * nanoseconds, `ratio` for ours over the first peer; 0: none. */
void compare_row(const char *number, const char *what, measured ours, long count, double gate, double ratio, const peer *peers);

/* The value below which `percent` of the values are; sorts them. */
double quantile(double *values, int count, int percent);
void print_row(const char *number, const char *what, double ns, double gate);
void print_peer(const char *what, double ns, double ratio, double gate);

/* Rows 16 and 17. */
void expiry(void);
void propagation(void);

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
