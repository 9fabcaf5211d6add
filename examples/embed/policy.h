/* What the event-loop servers here begin and end with: arguments, a php.ini, an engine with one stop queue. */
#ifndef POLICY_H
#define POLICY_H

#include <outlive.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct policy {
    const char *directory; /* where tables are written */
    long drain_ms;         /* how long requests may go on once the server is told to end */
    outlive_config *config;
    const outlive_settings *settings;
    outlive_engine *engine;
} policy;

/* DIRECTORY PHP_INI [MILLISECONDS]; says what is wrong, and ends. */
static inline policy policy_open(int argc, char **argv) {
    policy self = {.directory = argc > 1 ? argv[1] : NULL, .drain_ms = argc > 3 ? atol(argv[3]) : 10000};
    outlive_engine_options options = OUTLIVE_ENGINE_OPTIONS_INIT;
    outlive_config_builder *builder = outlive_config_builder_new();
    outlive_error error = {0};
    if (argc < 3) {
        fprintf(stderr, "usage: %s DIRECTORY PHP_INI [MILLISECONDS]\n", argv[0]);
        exit(2);
    }
    options.stop_queues = 1;
    if (outlive_config_builder_load_php_ini(builder, argv[2], OUTLIVE_NTS, &error) != OUTLIVE_OK ||
        outlive_config_builder_build(builder, &self.config, &error) != OUTLIVE_OK ||
        outlive_config_resolve(self.config, NULL, &self.settings, &error) != OUTLIVE_OK ||
        outlive_engine_new(&options, &self.engine, &error) != OUTLIVE_OK) {
        fprintf(stderr, "%s:%u: %s\n", error.file, (unsigned)error.line, error.message);
        exit(1);
    }
    outlive_config_builder_free(builder);
    return self;
}

/* Behind OUTLIVE_STOP_DRAINED, with the queue's descriptor out of the loop. */
static inline void policy_close(policy *self) {
    outlive_engine_free(self->engine);
    outlive_settings_free(self->settings);
    outlive_config_free(self->config);
}

#endif
