/* Row 16: many limits that run out in one tick. */
#include "peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXPIRING = 200000 };

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

void expiry(void) {
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
