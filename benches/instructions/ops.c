/*
 * The hot operations, counted by callgrind between client requests: each line of the table is (what N calls cost) / N on the thread that
 * calls. Run by benches/instructions/run.
 */
#include "outlive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>

enum { TIMES = 2000, FUNCTIONS = 10 };

static outlive_engine *engine;
static const outlive_settings *settings;
static outlive_config *config;

static int writes(void *userdata, const void *buf, size_t len) {
    (void)userdata, (void)buf, (void)len;
    return 0;
}

static int function(outlive_request *request, int ending, void *userdata) {
    (void)request, (void)ending, (void)userdata;
    return OUTLIVE_OK;
}

static int sees(void *userdata, const outlive_ini_event *event) {
    *(size_t *)userdata += event->key.len;
    return 0;
}

static outlive_request *begin(void) {
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *request = NULL;
    options.write = writes;
    if (outlive_request_begin(engine, settings, &options, &request, NULL) != OUTLIVE_OK) {
        abort();
    }
    return request;
}

/* Warm first, then counted; the dump carries its name and how many operations it holds. */
#define COUNT(name, per, body) \
    do { \
        for (int i = 0; i < 3; i++) { \
            body; \
        } \
        CALLGRIND_ZERO_STATS; \
        for (int i = 0; i < TIMES; i++) { \
            body; \
        } \
        CALLGRIND_DUMP_STATS_AT(name "/" #per); \
    } while (0)

static void requests(void) {
    outlive_request *request;
    COUNT("begin + end", 1, outlive_request_end(begin(), NULL));
    COUNT("begin + 10 shutdown functions + end", 1, {
        request = begin();
        for (int n = 0; n < FUNCTIONS; n++) {
            outlive_request_register_shutdown_function(request, function, NULL, NULL);
        }
        outlive_request_end(request, NULL);
    });
    request = begin();
    const uint32_t *flags = outlive_request_flags(request);
    volatile int answer = 0;
    COUNT("check", 1, answer = outlive_request_check(request));
    COUNT("check, header-inline", 1, answer = OUTLIVE_CHECK(request, flags));
    COUNT("write", 1, answer = outlive_request_write(request, "x", 1));
    COUNT("set_time_limit", 1, answer = outlive_request_set_time_limit(request, 30));
    COUNT("hold + release", 1, {
        outlive_request_hold(request);
        answer = outlive_request_release(request);
    });
    outlive_request_end(request, NULL);
}

static void languages(const char *ini, size_t ini_len) {
    size_t seen = 0;
    COUNT("ini scan, a byte of php.ini.example", 0, outlive_ini_parse(ini, ini_len, NULL, sees, &seen, NULL));
    outlive_target target = OUTLIVE_TARGET_INIT;
    const outlive_settings *found;
    outlive_str value;
    target.server_name = "h500.example";
    target.uri = "/a/b/p.php";
    target.filename = "/srv/h500/a/b/p.php";
    COUNT("resolve, 1,000 virtual hosts", 1, {
        outlive_config_resolve(config, &target, &found, NULL);
        outlive_settings_free(found);
    });
    COUNT("settings_get", 1, outlive_settings_get(settings, "max_execution_time", 18, &value));
}

int main(int argc, char **argv) {
    outlive_error error = {0};
    outlive_config_builder *builder = outlive_config_builder_new();
    static char ini[1 << 20];
    if (argc != 3) {
        return 2;
    }
    FILE *file = fopen(argv[1], "rb");
    size_t len = file == NULL ? 0 : fread(ini, 1, sizeof ini, file);
    if (len == 0 || fclose(file) != 0 ||
        outlive_config_builder_load_httpd_conf(builder, argv[2], OUTLIVE_NTS, &error) != OUTLIVE_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    CALLGRIND_ZERO_STATS;
    if (outlive_config_builder_build(builder, &config, &error) != OUTLIVE_OK ||
        outlive_config_resolve(config, NULL, &settings, &error) != OUTLIVE_OK || outlive_engine_new(NULL, &engine, &error) != OUTLIVE_OK) {
        fprintf(stderr, "%s:%u: %s\n", error.file, (unsigned)error.line, error.message);
        return 1;
    }
    CALLGRIND_DUMP_STATS_AT("build, a directive of 1,000 virtual hosts/-1");
    requests();
    languages(ini, len);
    outlive_engine_free(engine);
    outlive_settings_free(settings);
    outlive_config_free(config);
    outlive_config_builder_free(builder);
    return 0;
}
