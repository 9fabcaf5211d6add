/*
 * Rows 9 to 18 of the performance targets, each beside its peers in the same run: ours and each peer in turn, round by round, in CPU
 * time; the ratio is the median of the rounds' ratios. benches/request.c has ours alone, in more cases.
 */
#include "peers.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 11, LIVE = 1000000, HOT = 64, EXPIRING = 200000, PROPAGATIONS = 500 };

static outlive_engine *engine;
static const outlive_settings *settings;
static outlive_request *request, **live;
static unsigned *shuffled;

/* ---- measuring ---- */

static double clock_ns(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

double thread_ns(void) { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }
double process_ns(void) { return clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

static int compare(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double quantile(double *values, int count, int percent) {
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[(count - 1) * percent / 100];
}

static void print_row(const char *number, const char *what, double ns, double gate) {
    printf("%-3s %-58s %9.2f ns", number, what, ns);
    if (gate > 0) {
        printf("   gate %5.0f ns  %5.2f x%s", gate, ns / gate, ns > gate ? "   over" : "");
    }
    printf("\n");
}

static void print_peer(const char *what, double ns, double ratio, double gate) {
    printf("      beside %-51s %9.2f ns   ratio %.4f", what, ns, ratio);
    if (gate > 0) {
        printf("   gate %.4f%s", gate, ratio > gate ? "   over" : "");
    }
    printf("\n");
}

void compare_row(const char *number, const char *what, measured ours, long count, double gate, double ratio, const peer *peers) {
    double own[ROUNDS], others[4][ROUNDS], ratios[4][ROUNDS];
    ours(count / 10 + 1);
    for (int round = 0; round < ROUNDS; round++) {
        own[round] = ours(count);
        for (int i = 0; peers[i].what != NULL; i++) {
            others[i][round] = peers[i].of(peers[i].count);
            ratios[i][round] = own[round] / others[i][round];
        }
    }
    print_row(number, what, quantile(own, ROUNDS, 50), gate);
    for (int i = 0; peers[i].what != NULL; i++) {
        print_peer(peers[i].what, quantile(others[i], ROUNDS, 50), quantile(ratios[i], ROUNDS, 50), i == 0 ? ratio : 0);
    }
    fflush(stdout);
}

/* ---- ours ---- */

static const outlive_settings *resolve(const char **names, const char **values, int count) {
    outlive_config_builder *builder = outlive_config_builder_new();
    outlive_config *config = NULL;
    const outlive_settings *made = NULL;
    for (int i = 0; i < count; i++) {
        outlive_config_builder_set(builder, names[i], OUTLIVE_NTS, values[i], OUTLIVE_NTS, NULL);
    }
    if (outlive_config_builder_build(builder, &config, NULL) != OUTLIVE_OK || outlive_config_resolve(config, NULL, &made, NULL) != OUTLIVE_OK) {
        abort();
    }
    outlive_config_free(config);
    outlive_config_builder_free(builder);
    return made;
}

static int nothing(void *userdata, const void *buf, size_t len) {
    (void)userdata, (void)buf, (void)len;
    return 0;
}

static int function(outlive_request *of, int ending, void *userdata) {
    (void)of, (void)ending, (void)userdata;
    return OUTLIVE_OK;
}

static outlive_request *begin_with(const outlive_settings *with, int socket) {
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *made = NULL;
    options.write = nothing;
    options.socket = socket;
    if (outlive_request_begin(engine, with, &options, &made, NULL) != OUTLIVE_OK) {
        abort();
    }
    return made;
}

#define TIMED(count, each) \
    double began_ = thread_ns(); \
    for (long i = 0; i < (count); i++) { \
        each; \
    } \
    return (thread_ns() - began_) / (double)(count)

static double begin_end(long count) { TIMED(count, outlive_request_end(begin_with(settings, -1), NULL)); }
static double check(long count) { TIMED(count, outlive_request_check(request)); }
static double write_one(long count) { TIMED(count, outlive_request_write(request, "x", 1)); }
static double set_time_limit(long count) { TIMED(count, outlive_request_set_time_limit(request, 30)); }
static double again_hot(long count) { TIMED(count, outlive_request_set_time_limit(live[i % HOT], 30)); }
static double again_random(long count) { TIMED(count, outlive_request_set_time_limit(live[shuffled[i % LIVE]], 30)); }

static double functions(long count) {
    outlive_request *made = begin_with(settings, -1);
    double began = thread_ns();
    for (long i = 0; i < count; i++) {
        outlive_request_register_shutdown_function(made, function, NULL, NULL);
    }
    outlive_request_end(made, NULL);
    return (thread_ns() - began) / (double)count;
}

/* The process's own time while it rests, for each of the engine's ticks of 10 ms. */
static double tick(long count) {
    struct timespec time = {count / 100, count % 100 * 10000000};
    double began = process_ns();
    nanosleep(&time, NULL);
    return (process_ns() - began) / (double)count;
}

/* ---- the kernel's peers ---- */

static int pair[2];

static double poll_of_kernel(long count) {
    struct pollfd one = {pair[0], POLLIN | POLLRDHUP, 0};
    TIMED(count, poll(&one, 1, 0));
}

static double setitimer_of_kernel(long count) {
    struct itimerval half_a_minute = {{0, 0}, {30, 0}};
    TIMED(count, setitimer(ITIMER_PROF, &half_a_minute, NULL));
}

static const peer kernel_poll[] = {{"poll(POLLRDHUP, 0)", poll_of_kernel, 100000}, {0}};
static const peer kernel_setitimer[] = {{"setitimer(ITIMER_PROF)", setitimer_of_kernel, 100000}, {0}};

/* ---- row 16: many limits run out in one tick ---- */

static long stops;

static void count_stop(void *userdata, int ending) {
    (void)userdata, (void)ending;
    stops++;
}

static long limits_run_out(void) {
    static char text[16384];
    const char *name = "\noutlive_time_limits_total ";
    outlive_engine_metrics(engine, text, sizeof text, NULL);
    const char *found = strstr(text, name);
    return found == NULL ? -1 : atol(found + strlen(name));
}

static double expiry_of(long count, int told) {
    static const char *names[] = {"outlive.clock", "hard_timeout", "max_execution_time"}, *values[] = {"wall", "0", "3600"};
    const outlive_settings *wall = resolve(names, values, 3);
    outlive_request **due = malloc((size_t)count * sizeof *due);
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    options.on_stop = told ? count_stop : NULL;
    stops = 0;
    long before = limits_run_out();
    for (long i = 0; i < count; i++) {
        if (outlive_request_begin(engine, wall, &options, &due[i], NULL) != OUTLIVE_OK) {
            abort();
        }
    }
    /* All in one tick, as near as may be: first the far limits are looked at, then the near ones are set. */
    usleep(50000);
    for (long i = 0; i < count; i++) {
        outlive_request_set_time_limit(due[i], 1);
    }
    usleep(300000); /* new limits have been looked at; no request is due yet */
    if (limits_run_out() != before) {
        for (long i = 0; i < count; i++) {
            outlive_request_end(due[i], NULL);
        }
        free(due);
        outlive_settings_free(wall);
        return 0; /* the machine was too busy to set them all in time */
    }
    double began = process_ns();
    usleep(1000000);
    double both = process_ns() - began;
    if (limits_run_out() - before != count || stops != (told ? count : 0)) {
        fprintf(stderr, "%ld of %ld limits ran out, %ld callbacks\n", limits_run_out() - before, count, stops);
        abort();
    }
    began = process_ns();
    usleep(1000000); /* the ticks alone */
    double ns = (both - (process_ns() - began)) / (double)count;
    for (long i = 0; i < count; i++) {
        outlive_request_end(due[i], NULL);
    }
    free(due);
    outlive_settings_free(wall);
    return ns;
}

static void expiry(void) {
    double alone[3], told[3], others[3];
    for (int round = 0; round < 3; round++) {
        while ((alone[round] = expiry_of(EXPIRING, 0)) <= 0) {
        }
        while ((told[round] = expiry_of(EXPIRING, 1)) <= 0) {
        }
    }
    print_row("16", "a limit that runs out, of 200,000 in one tick", quantile(alone, 3, 50), 200);
    print_row("16", "the same, and on_stop is called", quantile(told, 3, 50), 200);
    for (const peer *peer = peer_timer_expiry; peer->what != NULL; peer++) {
        for (int round = 0; round < 3; round++) {
            others[round] = peer->of(EXPIRING);
        }
        print_peer(peer->what, quantile(others, 3, 50), told[1] / others[1], 0);
    }
}

/* ---- row 17: from the client's close to the safe point ---- */

static atomic_int flag, watched = -1, finished;

/* The least that an event loop can do: epoll, and a store. */
static void *watch(void *argument) {
    int poll = epoll_create1(0);
    struct epoll_event event;
    (void)argument;
    while (!atomic_load(&finished)) {
        int socket = atomic_load(&watched);
        if (socket >= 0) {
            event = (struct epoll_event){.events = EPOLLRDHUP | EPOLLET, .data.fd = socket};
            epoll_ctl(poll, EPOLL_CTL_ADD, socket, &event);
            atomic_store(&watched, -1);
        }
        if (epoll_wait(poll, &event, 1, 10) == 1) {
            atomic_store_explicit(&flag, 1, memory_order_release);
        }
    }
    close(poll);
    return NULL;
}

static double to_flag(void) {
    int ends[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    atomic_store(&flag, 0);
    atomic_store(&watched, ends[0]);
    while (atomic_load(&watched) >= 0) {
        usleep(100);
    }
    usleep(2000);
    double began = clock_ns(CLOCK_MONOTONIC);
    close(ends[1]);
    while (atomic_load_explicit(&flag, memory_order_acquire) == 0) {
    }
    double ns = clock_ns(CLOCK_MONOTONIC) - began;
    close(ends[0]);
    return ns;
}

static double to_check(const outlive_settings *with) {
    int ends[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    outlive_request *made = begin_with(with, ends[0]);
    usleep(2000);
    double began = clock_ns(CLOCK_MONOTONIC);
    close(ends[1]);
    while (outlive_request_check(made) != OUTLIVE_STOP) {
    }
    double ns = clock_ns(CLOCK_MONOTONIC) - began;
    outlive_request_end(made, NULL);
    close(ends[0]);
    return ns;
}

/* An event loop that has seen a hang-up, without the kernel's part: it waits for the word to go, then says so to the library, or stores. */
static _Atomic(outlive_request *) hung_up;
static atomic_int stored;

static void *say(void *argument) {
    (void)argument;
    while (!atomic_load(&finished)) {
        outlive_request *of = atomic_load_explicit(&hung_up, memory_order_acquire);
        if (of != NULL) {
            atomic_store_explicit(&hung_up, NULL, memory_order_relaxed);
            outlive_request_client_gone(of);
        } else if (atomic_load_explicit(&stored, memory_order_acquire) == 1) {
            atomic_store_explicit(&stored, 2, memory_order_release);
        }
    }
    return NULL;
}

static double said_to_check(const outlive_settings *with) {
    outlive_request *made = begin_with(with, -1);
    double began = clock_ns(CLOCK_MONOTONIC);
    atomic_store_explicit(&hung_up, made, memory_order_release);
    while (outlive_request_check(made) != OUTLIVE_STOP) {
    }
    double ns = clock_ns(CLOCK_MONOTONIC) - began;
    outlive_request_end(made, NULL);
    return ns;
}

static double said_to_flag(void) {
    double began = clock_ns(CLOCK_MONOTONIC);
    atomic_store_explicit(&stored, 1, memory_order_release);
    while (atomic_load_explicit(&stored, memory_order_acquire) != 2) {
    }
    return clock_ns(CLOCK_MONOTONIC) - began;
}

static void stay_on(int processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    sched_setaffinity(0, sizeof set, &set);
}

/* Who waits for the bit stays on one processor, who sees the socket on another; a thread begins where its maker is. The least of many is
 * what the way itself takes; more than that is the scheduler's. */
static void propagation(void) {
    static const char *names[] = {"outlive.detect", "ignore_user_abort"}, *values[] = {"watch", "0"};
    static double ours[PROPAGATIONS], kernels[PROPAGATIONS];
    const outlive_settings *with = resolve(names, values, 2);
    outlive_engine *before = engine;
    pthread_t thread;
    cpu_set_t all;
    if (sched_getaffinity(0, sizeof all, &all) != 0 || CPU_COUNT(&all) < 2 || !CPU_ISSET(0, &all) || !CPU_ISSET(1, &all)) {
        printf("17  left out: this takes two processors\n");
        return;
    }
    stay_on(1);
    if (outlive_engine_new(NULL, &engine, NULL) != OUTLIVE_OK) {
        abort();
    }
    outlive_request_end(begin_with(with, -1), NULL); /* its thread is there */
    for (int way = 0; way < 2; way++) {
        atomic_store(&finished, 0);
        stay_on(1);
        pthread_create(&thread, NULL, way == 0 ? say : watch, NULL);
        usleep(10000);
        stay_on(0);
        for (int i = 0; i < PROPAGATIONS; i++) {
            ours[i] = way == 0 ? said_to_check(with) : to_check(with);
            kernels[i] = way == 0 ? said_to_flag() : to_flag();
        }
        atomic_store(&finished, 1);
        pthread_join(thread, NULL);
        static const int percents[] = {0, 10, 50};
        for (int i = 0; i < 3; i++) {
            char what[100];
            double own = quantile(ours, PROPAGATIONS, percents[i]), least = quantile(kernels, PROPAGATIONS, percents[i]);
            snprintf(what, sizeof what, "%s, beyond the peer; %d %% are quicker",
                     way == 0 ? "client_gone() to check()" : "close() to check()", percents[i]);
            print_row("17", what, own - least, percents[i] == 50 ? 1000 : 0);
            print_peer(way == 0 ? "a store, and a load" : "epoll_wait in a thread, and a store", least, own / least, 0);
        }
    }
    sched_setaffinity(0, sizeof all, &all);
    outlive_engine_free(engine);
    engine = before;
    outlive_settings_free(with);
}

/* ---- row 18: settings for one request ---- */

static const outlive_settings *with_values[3], *in_turn[2];

static double values_none(long count) { TIMED(count, outlive_request_end(begin_with(with_values[0], -1), NULL)); }
static double values_ten(long count) { TIMED(count, outlive_request_end(begin_with(with_values[1], -1), NULL)); }
static double values_forty(long count) { TIMED(count, outlive_request_end(begin_with(with_values[2], -1), NULL)); }
static double values_in_turn(long count) { TIMED(count, outlive_request_end(begin_with(in_turn[i % 2], -1), NULL)); }

static void values(void) {
    static const char *names[40], *texts[40];
    int found = php_names(names, texts, 40);
    const peer none[] = {{0}};
    if (found == 0) {
        printf("18  left out: without PHP there are no names to set\n");
        return;
    }
    for (int i = 0; i < 3; i++) {
        static const int many[] = {0, 10, 40};
        with_values[i] = resolve(names, texts, many[i] < found ? many[i] : found);
    }
    in_turn[0] = with_values[2];
    in_turn[1] = resolve(names, texts, found);
    compare_row("18", "begin + end, settings with no value changed", values_none, 100000, 0, 0, peer_values[0]);
    compare_row("18", "the same, 10 values", values_ten, 100000, 0, 0, peer_values[1]);
    compare_row("18", "the same, 40 values", values_forty, 100000, 0, 0, peer_values[2]);
    compare_row("18", "two settings with 40 values in turn", values_in_turn, 100000, 0, 0, none);
    for (int i = 0; i < 3; i++) {
        outlive_settings_free(with_values[i]);
    }
    outlive_settings_free(in_turn[1]);
}

/* ---- */

static void shuffle(void) {
    for (unsigned i = 0; i < LIVE; i++) {
        shuffled[i] = i;
    }
    srand(1);
    for (unsigned i = LIVE - 1; i > 0; i--) {
        unsigned j = (unsigned)(((unsigned long)rand() << 15 ^ (unsigned long)rand()) % (i + 1)), swap = shuffled[i];
        shuffled[i] = shuffled[j];
        shuffled[j] = swap;
    }
}

/* Whether a row was asked for: all, if none was named. */
static int asked(int argc, char **argv, const char *number) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], number) == 0) {
            return 1;
        }
    }
    return argc < 2;
}

/* Rows 14 and 15. */
static void timers(void) {
    shuffle();
    for (unsigned i = 0; i < LIVE; i++) {
        live[i] = begin_with(settings, -1);
    }
    timers_start(LIVE, shuffled);
    compare_row("14", "set_time_limit over 64 of 1,000,000 live", again_hot, 1000000, 10, 0, peer_timer_again_hot);
    compare_row("14", "set_time_limit over 1,000,000 live, random", again_random, LIVE, 130, 0, peer_timer_again_random);
    sleep(2); /* fresh limits are looked at once */
    compare_row("15", "a tick with nothing due, 1,000,000 live limits", tick, 50, 100000, 0, peer_timer_tick);
    timers_stop();
    for (unsigned i = 0; i < LIVE; i++) {
        outlive_request_end(live[i], NULL);
    }
    sleep(1);
}

int main(int argc, char **argv) {
    int php = php_start();
    settings = resolve(NULL, NULL, 0);
    live = malloc(LIVE * sizeof *live);
    shuffled = malloc(LIVE * sizeof *shuffled);
    if (outlive_engine_new(NULL, &engine, NULL) != OUTLIVE_OK || live == NULL || shuffled == NULL ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) {
        return 1;
    }
    request = begin_with(settings, -1);
    if (asked(argc, argv, "9")) {
        compare_row("9", "begin + end", begin_end, 100000, 30, 1. / 120, peer_begin_end);
    }
    if (asked(argc, argv, "10")) {
        compare_row("10", "check", check, 1000000, 4, 1. / 75, kernel_poll);
        compare_row("10", "check", check, 1000000, 4, 0, peer_check);
    }
    if (asked(argc, argv, "11")) {
        compare_row("11", "write of one byte, with the host's function", write_one, 1000000, 0, 0, peer_write);
    }
    if (asked(argc, argv, "12")) {
        compare_row("12", "set_time_limit", set_time_limit, 1000000, 5, 1. / 120, peer_time_limit);
        compare_row("12", "set_time_limit", set_time_limit, 1000000, 5, 0, kernel_setitimer);
    }
    if (asked(argc, argv, "13")) {
        compare_row("13", "a shutdown function, registered and run", functions, 1000, 10, 0, peer_function);
    }
    outlive_request_end(request, NULL);
    if (asked(argc, argv, "14") || asked(argc, argv, "15")) {
        timers();
    }
    if (asked(argc, argv, "16")) {
        expiry();
    }
    if (asked(argc, argv, "17")) {
        propagation();
    }
    if (asked(argc, argv, "18")) {
        values();
    }
    if (php) {
        php_stop();
    }
    outlive_engine_free(engine);
    outlive_settings_free(settings);
    free(live);
    free(shuffled);
    return 0;
}
