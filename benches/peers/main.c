/*
 * Rows 9 to 18 of the performance targets, each beside its peers in the same run: ours and each peer in turn, round by round, in CPU
 * time; the ratio is the median of the rounds' ratios. benches/request.c has ours alone, in more cases.
 */
#include "peers.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 11, LIVE = 1000000, HOT = 64 };

outlive_engine *engine;
static const outlive_settings *settings;
static outlive_request *request, **live, **in_order;
static unsigned *shuffled;

/* ---- measuring ---- */

double clock_ns(clockid_t clock) {
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

double quantile(double *values, int count, int percent) {
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[(count - 1) * percent / 100];
}

void print_row(const char *number, const char *what, double ns, double gate) {
    printf("%-3s %-58s %9.2f ns", number, what, ns);
    if (gate > 0) {
        printf("   gate %5.0f ns  %5.2f x%s", gate, ns / gate, ns > gate ? "   over" : "");
    }
    printf("\n");
}

void print_peer(const char *what, double ns, double ratio, double gate) {
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

const outlive_settings *resolve(const char **names, const char **values, int count) {
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

outlive_request *begin_with(const outlive_settings *with, int socket) {
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
static double again_random(long count) { TIMED(count, outlive_request_set_time_limit(in_order[i % LIVE], 30)); }

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
    for (unsigned i = 0; i < LIVE; i++) {
        in_order[i] = live[shuffled[i]]; /* whose turn it is, is known: each contestant has its handles in the order of use */
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
    in_order = malloc(LIVE * sizeof *in_order);
    shuffled = malloc(LIVE * sizeof *shuffled);
    if (outlive_engine_new(NULL, &engine, NULL) != OUTLIVE_OK || live == NULL || in_order == NULL || shuffled == NULL ||
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
    free(in_order);
    free(shuffled);
    return 0;
}
