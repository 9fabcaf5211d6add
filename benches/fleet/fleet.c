/*
 * What a large scoreboard costs: N requests at once begin, are seen, and end. Prints a line for each, as benches/README.md has them.
 *
 * fleet BOARD [requests]
 */
#include "outlive.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int count(void *userdata, const outlive_scoreboard_row *row) {
    (void)row;
    ++*(long *)userdata;
    return 0;
}

static int drop(void *userdata, const void *text, size_t len) {
    (void)text;
    *(size_t *)userdata = len;
    return 0;
}

static const outlive_settings *unlimited(void) {
    outlive_config_builder *builder = outlive_config_builder_new();
    outlive_config *config = NULL;
    const outlive_settings *settings = NULL;
    if (outlive_config_builder_set(builder, "max_execution_time", OUTLIVE_NTS, "0", 1, NULL) != OUTLIVE_OK ||
        outlive_config_builder_build(builder, &config, NULL) != OUTLIVE_OK || outlive_config_resolve(config, NULL, &settings, NULL) != OUTLIVE_OK) {
        abort();
    }
    outlive_config_builder_free(builder);
    outlive_config_free(config);
    return settings;
}

static void begin_and_end(const outlive_settings *settings, const char *board, const char *what) {
    enum { TIMES = 2000000 };
    outlive_engine_options options = OUTLIVE_ENGINE_OPTIONS_INIT;
    outlive_engine *engine = NULL;
    options.scoreboard = board;
    if (outlive_engine_new(&options, &engine, NULL) != OUTLIVE_OK) abort();
    double least = 1e9;
    for (int round = 0; round < 5; round++) {
        double start = now(CLOCK_MONOTONIC);
        for (int i = 0; i < TIMES; i++) {
            outlive_request_options given = OUTLIVE_REQUEST_OPTIONS_INIT;
            outlive_request *request = NULL;
            if (outlive_request_begin(engine, settings, &given, &request, NULL) != OUTLIVE_OK || outlive_request_end(request, NULL) != OUTLIVE_OK) abort();
        }
        double took = now(CLOCK_MONOTONIC) - start;
        least = took < least ? took : least;
    }
    printf("begin + end, %-24s %8.1f ns\n", what, least / TIMES * 1e9);
    outlive_engine_free(engine);
}

int main(int argc, char **argv) {
    const long requests = argc > 2 ? atol(argv[2]) : 1000000;
    const outlive_settings *settings = unlimited();
    outlive_request **all = calloc((size_t)requests, sizeof *all);
    outlive_engine_options options = OUTLIVE_ENGINE_OPTIONS_INIT;
    outlive_engine *engine = NULL;
    outlive_error error = {0};
    long rows = 0;
    size_t length = 0;
    if (argc < 2 || all == NULL) {
        fprintf(stderr, "fleet BOARD [requests]\n");
        return 2;
    }
    begin_and_end(settings, NULL, "no scoreboard");
    begin_and_end(settings, argv[1], "in a scoreboard");
    unlink(argv[1]);
    options.scoreboard = argv[1];
    options.scoreboard_rows = 4194304;
    if (outlive_engine_new(&options, &engine, &error) != OUTLIVE_OK) {
        fprintf(stderr, "%s: %s\n", error.file, error.message);
        return 1;
    }
    double start = now(CLOCK_MONOTONIC);
    for (long i = 0; i < requests; i++) {
        outlive_request_options given = OUTLIVE_REQUEST_OPTIONS_INIT;
        given.label = "/orders/new";
        given.method = "POST";
        if (outlive_request_begin(engine, settings, &given, &all[i], NULL) != OUTLIVE_OK) abort();
    }
    printf("%ld requests begin %21.2f s\n", requests, now(CLOCK_MONOTONIC) - start);
    double cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    sleep(3);
    printf("heartbeat and counters of all of them %.1f %% of a processor\n", (now(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 3 * 100);
    start = now(CLOCK_MONOTONIC);
    if (outlive_scoreboard_read(argv[1], OUTLIVE_NTS, count, &rows, &error) != OUTLIVE_OK) return 1;
    printf("%ld rows are read %21.2f s\n", rows, now(CLOCK_MONOTONIC) - start);
    start = now(CLOCK_MONOTONIC);
    if (outlive_scoreboard_render(argv[1], OUTLIVE_NTS, OUTLIVE_RENDER_METRICS, NULL, drop, &length, &error) != OUTLIVE_OK) return 1;
    printf("metrics, %zu bytes %20.2f ms\n", length, (now(CLOCK_MONOTONIC) - start) * 1e3);
    start = now(CLOCK_MONOTONIC);
    for (long i = 0; i < requests; i++) {
        if (outlive_request_end(all[i], NULL) != OUTLIVE_OK) abort();
    }
    printf("they end %31.2f s\n", now(CLOCK_MONOTONIC) - start);
    outlive_engine_free(engine);
    unlink(argv[1]);
    free(all);
    outlive_settings_free(settings);
    return rows != requests;
}
