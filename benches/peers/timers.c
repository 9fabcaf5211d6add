/* Timers of libev and libevent, a million of them, each driven through its own loop. With NO_LIBEV or NO_LIBEVENT a part is missing. */
#include "peers.h"

#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

enum { HOT = 64 };

static unsigned live;
static const unsigned *order;

static void pause_ms(long milliseconds) {
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

#ifndef NO_LIBEV
/* libev's and libevent's headers use the same names for different things. */
#define EV_COMPAT3 0
#include <ev.h>

static struct ev_loop *loop;
static ev_timer *timers, **in_order;
static long ev_fired;

static void ev_ran_out(struct ev_loop *of, ev_timer *timer, int events) {
    (void)of, (void)timer, (void)events;
    ev_fired++;
}

static void ev_fill(void) {
    loop = ev_loop_new(0);
    timers = calloc(live, sizeof *timers);
    for (unsigned i = 0; i < live; i++) {
        ev_timer_init(&timers[i], ev_ran_out, 0., 3600. + i % 60);
        ev_timer_again(loop, &timers[i]);
    }
    in_order = calloc(live, sizeof *in_order);
    for (unsigned i = 0; i < live; i++) {
        in_order[i] = &timers[order[i]];
    }
}

static double ev_hot(long count) {
    double began = thread_ns();
    for (long i = 0; i < count; i++) {
        ev_timer_again(loop, &timers[i % HOT]);
    }
    return (thread_ns() - began) / (double)count;
}

static double ev_random(long count) {
    double began = thread_ns();
    for (long i = 0; i < count; i++) {
        ev_timer_again(loop, in_order[i % live]);
    }
    return (thread_ns() - began) / (double)count;
}

static double ev_tick(long count) {
    double began = thread_ns();
    for (long i = 0; i < count; i++) {
        ev_run(loop, EVRUN_NOWAIT);
    }
    return (thread_ns() - began) / (double)count;
}

/* All run out in one turn of a loop of their own. */
static double ev_expiry(long count) {
    struct ev_loop *own = ev_loop_new(0);
    ev_timer *due = calloc((size_t)count, sizeof *due);
    for (long i = 0; i < count; i++) {
        ev_timer_init(&due[i], ev_ran_out, 0.001 + 1e-9 * (double)(i % 1000), 0.);
        ev_timer_start(own, &due[i]);
    }
    pause_ms(5);
    ev_fired = 0;
    double began = thread_ns();
    ev_run(own, EVRUN_NOWAIT);
    double ns = (thread_ns() - began) / (double)count;
    if (ev_fired != count) {
        abort();
    }
    ev_loop_destroy(own);
    free(due);
    return ns;
}

static void ev_empty(void) {
    ev_loop_destroy(loop);
    free(in_order);
    free(timers);
}
#define LIBEV(row) row,
#else
#define LIBEV(row)
#endif

#ifndef NO_LIBEVENT
struct event_base;
struct event;
/* As <event2/event.h> declares them; it cannot be included beside <ev.h>. */
struct event_base *event_base_new(void);
void event_base_free(struct event_base *base);
struct event *event_new(struct event_base *base, int socket, short what, void (*call)(int, short, void *), void *argument);
void event_free(struct event *event);
int event_add(struct event *event, const struct timeval *time);
int event_base_loop(struct event_base *base, int flags);
int evthread_use_pthreads(void);
const struct timeval *event_base_init_common_timeout(struct event_base *base, const struct timeval *time);
enum { LOOP_ONCE_NOW = 2 /* EVLOOP_NONBLOCK */ };

static struct event_base *base;
static struct event **events, **events_in_order;
static const struct timeval *common;
static long event_fired;

static void event_ran_out(int socket, short what, void *argument) {
    (void)socket, (void)what, (void)argument;
    event_fired++;
}

static void event_fill(void) {
    struct timeval hour = {3600, 0};
    base = event_base_new();
    common = event_base_init_common_timeout(base, &hour);
    events = calloc(live, sizeof *events);
    for (unsigned i = 0; i < live; i++) {
        events[i] = event_new(base, -1, 0, event_ran_out, NULL);
        event_add(events[i], common);
    }
    events_in_order = calloc(live, sizeof(struct event *));
    for (unsigned i = 0; i < live; i++) {
        events_in_order[i] = events[order[i]];
    }
}

static double event_hot(long count) {
    double began = thread_ns();
    for (long i = 0; i < count; i++) {
        event_add(events[i % HOT], common);
    }
    return (thread_ns() - began) / (double)count;
}

static double event_random(long count) {
    double began = thread_ns();
    for (long i = 0; i < count; i++) {
        event_add(events_in_order[i % live], common);
    }
    return (thread_ns() - began) / (double)count;
}

static double event_tick(long count) {
    double began = thread_ns();
    for (long i = 0; i < count; i++) {
        event_base_loop(base, LOOP_ONCE_NOW);
    }
    return (thread_ns() - began) / (double)count;
}

static double event_expiry(long count) {
    struct event_base *own = event_base_new();
    struct event **due = calloc((size_t)count, sizeof *due);
    struct timeval soon = {0, 1000};
    const struct timeval *shared = event_base_init_common_timeout(own, &soon);
    for (long i = 0; i < count; i++) {
        due[i] = event_new(own, -1, 0, event_ran_out, NULL);
        event_add(due[i], shared);
    }
    pause_ms(5);
    event_fired = 0;
    double began = thread_ns();
    while (event_fired < count) {
        event_base_loop(own, LOOP_ONCE_NOW);
    }
    double ns = (thread_ns() - began) / (double)count;
    for (long i = 0; i < count; i++) {
        event_free(due[i]);
    }
    event_base_free(own);
    free(due);
    return ns;
}

/* As ours: other threads may set limits meanwhile. Stays so for every base that is made later, so it comes last. */
static double event_expiry_with_locks(long count) {
    static int asked;
    if (!asked && evthread_use_pthreads() != 0) {
        abort();
    }
    asked = 1;
    return event_expiry(count);
}

static void event_empty(void) {
    for (unsigned i = 0; i < live; i++) {
        event_free(events[i]);
    }
    event_base_free(base);
    free(events_in_order);
    free(events);
}
#define LIBEVENT(row) row,
#else
#define LIBEVENT(row)
#endif

void timers_start(unsigned count, const unsigned *shuffled) {
    live = count;
    order = shuffled;
#ifndef NO_LIBEV
    ev_fill();
#endif
#ifndef NO_LIBEVENT
    event_fill();
#endif
}

void timers_stop(void) {
#ifndef NO_LIBEV
    ev_empty();
#endif
#ifndef NO_LIBEVENT
    event_empty();
#endif
}

const peer peer_timer_again_hot[] = {LIBEV(((peer){"libev, ev_timer_again", ev_hot, 1000000}))
                                    LIBEVENT(((peer){"libevent, common timeout", event_hot, 1000000})){0}};
const peer peer_timer_again_random[] = {LIBEV(((peer){"libev, ev_timer_again", ev_random, 1000000}))
                                       LIBEVENT(((peer){"libevent, common timeout", event_random, 1000000})){0}};
const peer peer_timer_tick[] = {LIBEV(((peer){"libev, a turn of its loop", ev_tick, 10000}))
                               LIBEVENT(((peer){"libevent, a turn of its loop", event_tick, 10000})){0}};
const peer peer_timer_expiry[] = {LIBEV(((peer){"libev, one callback", ev_expiry, 100000}))
                                 LIBEVENT(((peer){"libevent, one callback", event_expiry, 100000}))
                               LIBEVENT(((peer){"libevent with its locks, one callback", event_expiry_with_locks, 100000})){0}};
