/*
 * What one request costs through the C ABI, beside the gates that the project set itself. Medians of 21 rounds; read ratios rather
 * than absolutes, machines differ. `random` works over a million live requests, which are shuffled once, so it pays for their cache misses.
 */
#include "outlive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 21, LIVE = 1000000 };

static outlive_engine *engine;
static const outlive_settings *settings;
static outlive_request *request, **live;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time); /* what others do on the machine is not ours */
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int compare(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static int nothing(void *userdata, const void *buf, size_t len) {
    (void)userdata, (void)buf, (void)len;
    return 0;
}

static int function(outlive_request *of, int ending, void *userdata) {
    (void)of, (void)ending, (void)userdata;
    return OUTLIVE_OK;
}

static outlive_request *begin(void) {
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *made = NULL;
    options.write = nothing;
    if (outlive_request_begin(engine, settings, &options, &made, NULL) != OUTLIVE_OK) {
        abort();
    }
    return made;
}

static void begin_end(long count) {
    for (long i = 0; i < count; i++) {
        outlive_request_end(begin(), NULL);
    }
}

static void begin_end_one_function(long count) {
    for (long i = 0; i < count; i++) {
        outlive_request *made = begin();
        outlive_request_register_shutdown_function(made, function, NULL, NULL);
        outlive_request_end(made, NULL);
    }
}

static void begin_end_eleven_functions(long count) {
    for (long i = 0; i < count; i++) {
        outlive_request *made = begin();
        for (int j = 0; j < 11; j++) {
            outlive_request_register_shutdown_function(made, function, NULL, NULL);
        }
        outlive_request_end(made, NULL);
    }
}

static void check(long count) {
    for (long i = 0; i < count; i++) {
        outlive_request_check(request);
    }
}

static void check_inline(long count) {
    const uint32_t *flags = outlive_request_flags(request);
    for (long i = 0; i < count; i++) {
        if (OUTLIVE_CHECK(request, flags) != OUTLIVE_OK) {
            abort();
        }
    }
}

static void write_one(long count) {
    for (long i = 0; i < count; i++) {
        outlive_request_write(request, "x", 1);
    }
}

static void callback_alone(long count) {
    int (*volatile call)(void *, const void *, size_t) = nothing;
    for (long i = 0; i < count; i++) {
        call(NULL, "x", 1);
    }
}

static void set_time_limit(long count) {
    for (long i = 0; i < count; i++) {
        outlive_request_set_time_limit(request, 30);
    }
}

static void check_random(long count) {
    for (long i = 0; i < count; i++) {
        outlive_request_check(live[i]);
    }
}

static void write_random(long count) {
    for (long i = 0; i < count; i++) {
        outlive_request_write(live[i], "x", 1);
    }
}

static void set_time_limit_random(long count) {
    for (long i = 0; i < count; i++) {
        outlive_request_set_time_limit(live[i], 30);
    }
}

static void end_begin_random(long count) {
    for (long i = 0; i < count; i++) {
        outlive_request_end(live[i], NULL);
        live[i] = begin();
    }
}

static double measure(void (*work)(long), long count) {
    double rounds[ROUNDS];
    work(count / 10 + 1);
    for (int i = 0; i < ROUNDS; i++) {
        double began = now();
        work(count);
        rounds[i] = (now() - began) / (double)count;
    }
    qsort(rounds, ROUNDS, sizeof *rounds, compare);
    return rounds[ROUNDS / 2];
}

/* CPU seconds that the process takes while its own threads rest. */
static double rest(int seconds) {
    struct timespec before, after, pause = {seconds, 0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    nanosleep(&pause, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    return (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
}

static void row(const char *what, double ns, double gate) {
    printf("%-46s %8.2f ns   gate %6.0f   %5.2f x%s\n", what, ns, gate, ns / gate, ns > gate ? "   over" : "");
}

int main(void) {
    outlive_config_builder *builder = outlive_config_builder_new();
    outlive_config *config = NULL;
    if (outlive_config_builder_build(builder, &config, NULL) != OUTLIVE_OK ||
        outlive_config_resolve(config, NULL, &settings, NULL) != OUTLIVE_OK || outlive_engine_new(NULL, &engine, NULL) != OUTLIVE_OK) {
        return 1;
    }
    double hot = measure(begin_end, 1000000), one = measure(begin_end_one_function, 1000000);
    double eleven = measure(begin_end_eleven_functions, 200000);
    row("begin + end", hot, 30);
    printf("%-46s %8.2f ns\n", "begin + register one function + end", one);
    row("each further function: register + run", (eleven - one) / 10, 10);
    request = begin();
    row("check", measure(check, 10000000), 4);
    row("check, inline on the flag word", measure(check_inline, 10000000), 1);
    double callback = measure(callback_alone, 10000000);
    row("write, without the host's function", measure(write_one, 10000000) - callback, 4);
    row("set_time_limit", measure(set_time_limit, 10000000), 5);
    outlive_request_end(request, NULL);

    live = malloc(LIVE * sizeof *live);
    if (live == NULL) {
        return 1;
    }
    for (unsigned i = 0; i < LIVE; i++) {
        live[i] = begin();
    }
    srand(1);
    for (unsigned i = LIVE - 1; i > 0; i--) {
        unsigned j = (unsigned)(((unsigned long)rand() << 15 ^ (unsigned long)rand()) % (i + 1));
        outlive_request *swap = live[i];
        live[i] = live[j];
        live[j] = swap;
    }
    row("end + begin, random over 1,000,000 live", measure(end_begin_random, LIVE), 250);
    row("check, random over 1,000,000 live", measure(check_random, LIVE), 60);
    row("write, random over 1,000,000 live", measure(write_random, LIVE), 60);
    row("set_time_limit, random over 1,000,000 live", measure(set_time_limit_random, LIVE), 60);

    /* Each fresh CPU limit is looked at once near its start, to read the thread's clock; from then on nothing is due. */
    set_time_limit_random(LIVE);
    row("a million fresh limits: each one's first look", rest(2) * 1e9 / LIVE, 200);
    printf("%-46s %8.3f %%    gate      1 %%\n", "ticks over 1,000,000 live limits, of one core", rest(5) / 5 * 100);
    for (unsigned i = 0; i < LIVE; i++) {
        outlive_request_end(live[i], NULL);
    }
    outlive_engine_free(engine);
    outlive_settings_free(settings);
    outlive_config_free(config);
    outlive_config_builder_free(builder);
    free(live);
    return 0;
}
