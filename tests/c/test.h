/* The few words that the C tests need. A failed check says where, and the program fails at its end. */
#ifndef OUTLIVE_TEST_H
#define OUTLIVE_TEST_H

#include "outlive.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int failures;
static long checks;

#define CHECK(condition) \
    do { \
        __atomic_add_fetch(&checks, 1, __ATOMIC_RELAXED); \
        if (!(condition)) { \
            __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED); \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
        } \
    } while (0)

#define EQUAL(left, right) \
    do { \
        int64_t left_ = (int64_t)(left), right_ = (int64_t)(right); \
        __atomic_add_fetch(&checks, 1, __ATOMIC_RELAXED); \
        if (left_ != right_) { \
            __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED); \
            fprintf(stderr, "%s:%d: %s is %" PRId64 ", not %" PRId64 "\n", __FILE__, __LINE__, #left, left_, right_); \
        } \
    } while (0)

#define TEXT(view, text) \
    do { \
        outlive_str view_ = (view); \
        __atomic_add_fetch(&checks, 1, __ATOMIC_RELAXED); \
        if (view_.len != strlen(text) || memcmp(view_.ptr, text, view_.len) != 0 || view_.ptr[view_.len] != 0) { \
            __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED); \
            fprintf(stderr, "%s:%d: %s is \"%.*s\", not \"%s\"\n", __FILE__, __LINE__, #view, (int)view_.len, view_.ptr, text); \
        } \
    } while (0)

static inline int finished(const char *name) {
    printf("%s: %ld checks, %d failed\n", name, checks, failures);
    return failures != 0;
}

static inline void sleep_ms(long milliseconds) {
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    while (nanosleep(&time, &time) != 0) {
    }
}

static inline int64_t now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Settings of one text of "name=value" lines, on top of PHP's defaults. */
static inline const outlive_settings *settings_of(const char *lines) {
    outlive_config_builder *builder = outlive_config_builder_new();
    outlive_config *config = NULL;
    const outlive_settings *settings = NULL;
    outlive_error error;
    while (*lines) {
        const char *equals = strchr(lines, '='), *end = strchr(lines, '\n');
        if (end == NULL) {
            end = lines + strlen(lines);
        }
        if (outlive_config_builder_set(builder, lines, (size_t)(equals - lines), equals + 1, (size_t)(end - equals - 1), &error) !=
            OUTLIVE_OK) {
            fprintf(stderr, "%s\n", error.message);
            abort();
        }
        lines = *end ? end + 1 : end;
    }
    if (outlive_config_builder_build(builder, &config, &error) != OUTLIVE_OK ||
        outlive_config_resolve(config, NULL, &settings, &error) != OUTLIVE_OK) {
        fprintf(stderr, "%s\n", error.message);
        abort();
    }
    outlive_config_builder_free(builder);
    outlive_config_free(config);
    return settings;
}

/* A host that remembers. */
typedef struct host {
    int broken;
    int writes, flushes, stops, forced, last_stop;
    size_t bytes;
} host;

static inline int host_write(void *userdata, const void *buf, size_t len) {
    host *self = userdata;
    (void)buf;
    self->writes++;
    if (self->broken) {
        return -1;
    }
    self->bytes += len;
    return 0;
}

static inline int host_flush(void *userdata) {
    host *self = userdata;
    self->flushes++;
    return self->broken ? -1 : 0;
}

static inline void host_on_stop(void *userdata, int ending) {
    host *self = userdata;
    self->last_stop = ending;
    __atomic_add_fetch(&self->stops, 1, __ATOMIC_SEQ_CST);
}

static inline void host_on_forced(void *userdata, int ending) {
    host *self = userdata;
    self->last_stop = ending;
    __atomic_add_fetch(&self->forced, 1, __ATOMIC_SEQ_CST);
}

static inline outlive_request *begin(outlive_engine *engine, const outlive_settings *settings, host *host, const char *method) {
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *request = NULL;
    outlive_error error;
    options.label = "test";
    options.method = method;
    options.write = host_write;
    options.flush = host_flush;
    options.userdata = host;
    if (outlive_request_begin(engine, settings, &options, &request, &error) != OUTLIVE_OK) {
        fprintf(stderr, "begin: %s\n", error.message);
        abort();
    }
    return request;
}

#endif
