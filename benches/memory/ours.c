/*
 * Resident bytes of a live request, of a million: what the process grew by. For each word of the command line one kind, in a process of its
 * own: plain, limited (the engine has looked at every limit), held, labelled, function, notice.
 */
#include "outlive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LIVE = 1000000 };

static long resident(void) {
    long all = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &all, &pages) != 2) {
        abort();
    }
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static int writes(void *userdata, const void *buf, size_t len) {
    (void)userdata, (void)buf, (void)len;
    return 0;
}

static int function(outlive_request *of, int ending, void *userdata) {
    (void)of, (void)ending, (void)userdata;
    return OUTLIVE_OK;
}

static void told(void *userdata, int ending) { (void)userdata, (void)ending; }

static void measure(const char *kind) {
    const struct timespec ticks = {1, 500000000};
    outlive_config_builder *builder = outlive_config_builder_new();
    outlive_config *config = NULL;
    const outlive_settings *settings = NULL;
    outlive_engine *engine = NULL;
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request **live = malloc(LIVE * sizeof *live);
    if (live == NULL || outlive_config_builder_build(builder, &config, NULL) != OUTLIVE_OK ||
        outlive_config_resolve(config, NULL, &settings, NULL) != OUTLIVE_OK || outlive_engine_new(NULL, &engine, NULL) != OUTLIVE_OK) {
        abort();
    }
    memset(live, 1, LIVE * sizeof *live); /* its pages are not the requests' */
    options.write = writes;
    if (strcmp(kind, "labelled") == 0) {
        options.label = "/form/save", options.method = "POST";
    }
    options.on_stop = strcmp(kind, "notice") == 0 ? told : NULL;
    long before = resident();
    for (long i = 0; i < LIVE; i++) {
        if (outlive_request_begin(engine, settings, &options, &live[i], NULL) != OUTLIVE_OK) {
            abort();
        }
        if (strcmp(kind, "held") == 0) {
            outlive_request_hold(live[i]);
        } else if (strcmp(kind, "function") == 0) {
            outlive_request_register_shutdown_function(live[i], function, NULL, NULL);
        }
    }
    if (strcmp(kind, "limited") == 0) {
        nanosleep(&ticks, NULL);
    }
    printf("%-10s %4ld\n", kind, (resident() - before) / LIVE);
    fflush(stdout);
    _exit(0);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        int status = 0;
        pid_t child = fork();
        if (child == 0) {
            measure(argv[i]);
        }
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
            return 1;
        }
    }
    return 0;
}
