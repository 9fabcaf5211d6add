/* What the programs here have in common: a request under a wall clock that is told to stop after a while. */
#ifndef STOP_H
#define STOP_H

#include <outlive.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct host {
    outlive_engine *engine;
    outlive_config *config;
    const outlive_settings *settings;
} host;

/* `queues`: stop queues; 0: on_stop tells. */
static inline host host_open(uint32_t queues) {
    host self = {0};
    outlive_error error = {0};
    outlive_engine_options options = OUTLIVE_ENGINE_OPTIONS_INIT;
    outlive_config_builder *builder = outlive_config_builder_new();
    options.stop_queues = queues;
    /* Elapsed time: a call that blocks uses no CPU time. */
    if (outlive_config_builder_set(builder, "outlive.clock", OUTLIVE_NTS, "wall", OUTLIVE_NTS, &error) != OUTLIVE_OK ||
        outlive_config_builder_build(builder, &self.config, &error) != OUTLIVE_OK ||
        outlive_config_resolve(self.config, NULL, &self.settings, &error) != OUTLIVE_OK ||
        outlive_engine_new(&options, &self.engine, &error) != OUTLIVE_OK) {
        fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    outlive_config_builder_free(builder);
    return self;
}

/* A request that may run for so many milliseconds. */
static inline outlive_request *host_begin(host *self, int64_t milliseconds, outlive_notice_function on_stop, void *userdata) {
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *request = NULL;
    outlive_error error;
    options.on_stop = on_stop;
    options.userdata = userdata;
    if (outlive_request_begin(self->engine, self->settings, &options, &request, &error) != OUTLIVE_OK) {
        fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    outlive_request_set_time_limit_ms(request, milliseconds);
    return request;
}

/* Says what came of a call, and ends its request. */
static inline void host_end(outlive_request *request, const char *what, const char *came_of_it) {
    int answer = outlive_request_check(request), ending = outlive_request_ending(request);
    printf("%s: %s; %s: %s\n", what, came_of_it, answer == OUTLIVE_STOP ? "stopped" : "not stopped", outlive_ending_name(ending).ptr);
    fflush(stdout);
    outlive_request_end(request, NULL);
}

static inline void host_close(host *self) {
    outlive_engine_free(self->engine);
    outlive_settings_free(self->settings);
    outlive_config_free(self->config);
}

static inline int64_t now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

#endif
