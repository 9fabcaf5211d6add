/* One operation of a request, so many times: what benches/instructions counts. `operations NAME COUNT` */
#include "outlive.h"

#include <stdlib.h>
#include <string.h>

static int nothing(void *userdata, const void *buf, size_t len) {
    (void)userdata, (void)buf, (void)len;
    return 0;
}

static int function(outlive_request *of, int ending, void *userdata) {
    (void)of, (void)ending, (void)userdata;
    return OUTLIVE_OK;
}

int main(int argc, char **argv) {
    outlive_engine *engine = NULL;
    outlive_config *config = NULL;
    const outlive_settings *settings = NULL;
    outlive_request *request = NULL;
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_config_builder *builder = outlive_config_builder_new();
    if (argc != 3 || outlive_config_builder_build(builder, &config, NULL) != OUTLIVE_OK ||
        outlive_config_resolve(config, NULL, &settings, NULL) != OUTLIVE_OK || outlive_engine_new(NULL, &engine, NULL) != OUTLIVE_OK) {
        return 1;
    }
    const char *name = argv[1];
    long count = atol(argv[2]);
    options.write = nothing;
    if (strcmp(name, "begin+end") == 0) {
        for (long i = 0; i < count; i++) {
            outlive_request_begin(engine, settings, &options, &request, NULL);
            outlive_request_end(request, NULL);
        }
        return 0;
    }
    outlive_request_begin(engine, settings, &options, &request, NULL);
    static const char *const names[] = {"check", "write", "set_time_limit", "function", "hold+release", "loop"};
    int operation = 0;
    while (strcmp(name, names[operation]) != 0) {
        operation++;
    }
    for (long i = 0; i < count; i++) {
        switch (operation) {
        case 0: outlive_request_check(request); break;
        case 1: outlive_request_write(request, "x", 1); break;
        case 2: outlive_request_set_time_limit(request, 30); break;
        case 3: outlive_request_register_shutdown_function(request, function, NULL, NULL); break;
        case 4:
            outlive_request_hold(request);
            outlive_request_release(request);
            break;
        default: __asm__ volatile("" ::: "memory"); break;
        }
    }
    outlive_request_end(request, NULL);
    return 0;
}
