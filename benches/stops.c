/*
 * From a raise to the readable descriptor of a stop queue: the ticker's part of it, by its own thread, beside what a client_gone in another thread
 * takes in all; and many stops at once, which have to be linear.
 *   cc -O2 -Iinclude benches/stops.c -Ltarget/release -loutlive -lpthread && ./a.out
 */
#include "outlive.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int compare(const void *left, const void *right) {
    const double difference = *(const double *)left - *(const double *)right;
    return (difference > 0) - (difference < 0);
}

int main(void) {
    enum { ROUNDS = 2000 };
    static double times[ROUNDS];
    outlive_engine_options options = OUTLIVE_ENGINE_OPTIONS_INIT;
    outlive_config_builder *builder = outlive_config_builder_new();
    outlive_config *config = NULL;
    const outlive_settings *settings = NULL;
    outlive_engine *engine = NULL;
    outlive_stop stop = OUTLIVE_STOP_INIT;
    options.stop_queues = 1;
    if (outlive_config_builder_build(builder, &config, NULL) != OUTLIVE_OK || outlive_config_resolve(config, NULL, &settings, NULL) != OUTLIVE_OK ||
        outlive_engine_new(&options, &engine, NULL) != OUTLIVE_OK) {
        return 1;
    }
    struct pollfd wait = {outlive_engine_stop_fd(engine, 0), POLLIN, 0};
    for (int i = 0; i < ROUNDS; i++) {
        outlive_request *request = NULL;
        outlive_request_begin(engine, settings, NULL, &request, NULL);
        double began = now_us();
        outlive_request_cancel(request);
        poll(&wait, 1, -1);
        times[i] = now_us() - began;
        while (outlive_engine_next_stop(engine, 0, &stop) == OUTLIVE_OK) {
        }
        outlive_request_end(request, NULL);
    }
    qsort(times, ROUNDS, sizeof *times, compare);
    printf("cancel in one thread, readable in it (two switches of threads): median %.1f us, 99th %.1f us\n", times[ROUNDS / 2], times[ROUNDS * 99 / 100]);
    static outlive_request *live[100000];
    for (int i = 0; i < 100000; i++) {
        outlive_request_begin(engine, settings, NULL, &live[i], NULL);
    }
    for (int count = 2500; count <= 10000; count *= 2) {
        double began = now_us();
        for (int i = 0; i < count; i++) {
            outlive_request_cancel(live[i]);
        }
        double raised = now_us();
        for (int told = 0; told < count;) {
            poll(&wait, 1, -1);
            while (outlive_engine_next_stop(engine, 0, &stop) == OUTLIVE_OK) {
                told++;
            }
        }
        double seen = now_us();
        for (int i = 0; i < count; i++) {
            outlive_request_end(live[i], NULL);
            outlive_request_begin(engine, settings, NULL, &live[i], NULL);
        }
        printf("%d of 100,000 live cancelled at once: raised %.2f us each, all told %.2f us each\n", count, (raised - began) / count, (seen - began) / count);
    }
    for (int i = 0; i < 100000; i++) {
        outlive_request_end(live[i], NULL);
    }
    outlive_engine_free(engine);
    outlive_settings_free(settings);
    outlive_config_free(config);
    outlive_config_builder_free(builder);
    return 0;
}
