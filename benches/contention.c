/*
 * Threads on one engine: what an operation costs each of them, in CPU time, beside one thread alone. Where threads fight over a cache
 * line it costs more, whatever else the machine is doing. `begin + end` is 1.0 where nothing is shared.
 */
#include "outlive.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifndef COUNT
#define COUNT 400000 /* of an operation, in each thread */
#endif
enum { MOST = 16, ROUNDS = 15 };

static outlive_engine *engine;
static const outlive_settings *settings;
static pthread_barrier_t start;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static outlive_request *begin(void) {
    outlive_request *request = NULL;
    if (outlive_request_begin(engine, settings, NULL, &request, NULL) != OUTLIVE_OK) {
        abort();
    }
    return request;
}

static void begin_end(outlive_request *unused) {
    (void)unused;
    outlive_request_end(begin(), NULL);
}
static void check(outlive_request *request) { outlive_request_check(request); }
static void set_time_limit(outlive_request *request) { outlive_request_set_time_limit(request, 30); }

static const struct {
    const char *name;
    void (*run)(outlive_request *);
} rows[] = {{"begin + end", begin_end}, {"check", check}, {"set_time_limit", set_time_limit}};

struct thread {
    pthread_t id;
    void (*run)(outlive_request *);
    double ns;
};

static void *work(void *userdata) {
    struct thread *thread = userdata;
    outlive_request *request = begin();
    for (int i = 0; i < 1000; i++) {
        thread->run(request);
    }
    pthread_barrier_wait(&start);
    double began = now();
    for (long i = 0; i < COUNT; i++) {
        thread->run(request);
    }
    thread->ns = (now() - began) / COUNT;
    outlive_request_end(request, NULL);
    return NULL;
}

static int compare(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The median over rounds of the threads' mean. */
static double measure(void (*run)(outlive_request *), int count) {
    double all[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        struct thread threads[MOST];
        double sum = 0;
        pthread_barrier_init(&start, NULL, (unsigned)count);
        for (int i = 0; i < count; i++) {
            threads[i].run = run;
            pthread_create(&threads[i].id, NULL, work, &threads[i]);
        }
        for (int i = 0; i < count; i++) {
            pthread_join(threads[i].id, NULL);
            sum += threads[i].ns / count;
        }
        pthread_barrier_destroy(&start);
        all[round] = sum;
    }
    qsort(all, ROUNDS, sizeof all[0], compare);
    return all[ROUNDS / 2];
}

int main(void) {
    outlive_config *config = NULL;
    outlive_config_builder *builder = outlive_config_builder_new();
    if (outlive_config_builder_build(builder, &config, NULL) != OUTLIVE_OK || outlive_config_resolve(config, NULL, &settings, NULL) != OUTLIVE_OK ||
        outlive_engine_new(NULL, &engine, NULL) != OUTLIVE_OK) {
        return 1;
    }
    outlive_request *keep = begin(); /* the engine's thread is awake, as where requests are in flight */
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        double alone = measure(rows[row].run, 1);
        printf("%-16s 1 thread %6.1f ns", rows[row].name, alone);
        for (int count = 2; count <= MOST; count *= 2) {
            printf("   %2d: %5.2f times", count, measure(rows[row].run, count) / alone);
        }
        putchar('\n');
    }
    outlive_request_end(keep, NULL);
    outlive_engine_free(engine);
    outlive_settings_free(settings);
    outlive_config_free(config);
    outlive_config_builder_free(builder);
    return 0;
}
