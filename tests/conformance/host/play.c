#include "play.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A stretch without a burn takes microseconds; a limit is a second at least. */
#define STALL_MS 500

typedef struct player {
    outlive_request *request;
    const cJSON *scenario;
    const layer *below;
    int quiet;
    /* Rounds of `repeat` that ran to their end. */
    long rounds;
    int sleep_to_burn;
    int64_t stretch_began;
    int stalled;
    char *output;
    size_t output_size;
} player;

typedef struct function {
    player *player;
    int number;
} function;

static int operations(player *self, const char *who, const cJSON *list);

static int64_t now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void log_line(player *self, const char *format, ...) {
    char text[512];
    va_list arguments;
    if (self->quiet) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    self->below->line(self->below->self, text);
}

static int echo(player *self, size_t len) {
    if (len > self->output_size) {
        self->output = realloc(self->output, len);
        if (self->output == NULL) {
            abort();
        }
        memset(self->output, 'x', len);
        self->output_size = len;
    }
    return outlive_request_write(self->request, self->output, len) != OUTLIVE_STOP;
}

static void stretch_ends(player *self) {
    if (now_ms() - self->stretch_began > STALL_MS) {
        self->stalled = 1;
    }
}

/* Works, or in sleep_to_burn waits, until a limit stops it. */
static void burn(player *self) {
    const uint32_t *flags = outlive_request_flags(self->request);
    stretch_ends(self);
    while (OUTLIVE_CHECK(self->request, flags) == OUTLIVE_OK) {
        if (self->sleep_to_burn) {
            struct timespec millisecond = {0, 1000000};
            nanosleep(&millisecond, NULL);
        }
    }
    self->stretch_began = now_ms();
}

static const char *ini_get(player *self, const char *name) {
    outlive_str value;
    return outlive_request_ini_get(self->request, name, OUTLIVE_NTS, &value) == OUTLIVE_OK ? value.ptr : "?";
}

static void ini_set(player *self, const char *who, const char *text) {
    outlive_str previous;
    char before[128] = "false";
    if (outlive_request_ini_set(self->request, "ignore_user_abort", OUTLIVE_NTS, text, strlen(text), &previous) == OUTLIVE_OK) {
        snprintf(before, sizeof before, "'%s'", previous.ptr);
    }
    log_line(self, "%s set %s %d", who, before, outlive_request_ignore_user_abort(self->request, -1));
}

static int shutdown_function(outlive_request *request, int ending, void *userdata) {
    function *which = userdata;
    player *self = which->player;
    const cJSON *list = cJSON_GetArrayItem(cJSON_GetObjectItem(self->scenario, "sd"), which->number);
    char who[32];
    int ran_through;
    (void)ending;
    self->quiet = 0;
    snprintf(who, sizeof who, "sd%d", which->number);
    log_line(self, "%s in %d", who, outlive_request_connection_status(request));
    ran_through = operations(self, who, list);
    if (ran_through) {
        log_line(self, "%s out %d", who, outlive_request_connection_status(request));
    }
    return ran_through ? OUTLIVE_OK : OUTLIVE_STOP;
}

static void register_function(player *self, const char *who, int number) {
    function *which = malloc(sizeof *which);
    if (which == NULL) {
        abort();
    }
    which->player = self;
    which->number = number;
    if (outlive_request_register_shutdown_function(self->request, shutdown_function, which, free) != OUTLIVE_OK) {
        free(which);
        log_line(self, "%s reg %d refused", who, number);
        return;
    }
    log_line(self, "%s reg %d", who, number);
}

static int finish(player *self, const char *who) {
    switch (outlive_request_finish(self->request)) {
        case OUTLIVE_OK:
            self->below->finish(self->below->self);
            log_line(self, "%s finish true", who);
            return 1;
        case OUTLIVE_ALREADY:
            log_line(self, "%s finish false", who);
            return 1;
        default:
            return 0;
    }
}

/* Rounds without lines of their own, until the connection is no longer as it should be. */
static int repeat(player *self, const char *who, long rounds, const cJSON *list) {
    int goes_on = 1;
    self->quiet++;
    self->rounds = 0;
    while (goes_on && self->rounds < rounds) {
        goes_on = operations(self, who, list);
        self->rounds += goes_on;
        if (outlive_request_connection_status(self->request) != OUTLIVE_CONNECTION_NORMAL) {
            break;
        }
    }
    self->quiet--;
    if (goes_on) {
        log_line(self, "%s repeat %ld", who, self->rounds);
    }
    return goes_on;
}

/* One operation; 0: nothing behind it runs. */
static int operation(player *self, const char *who, const cJSON *what) {
    const char *name = cJSON_GetStringValue(cJSON_GetArrayItem(what, 0));
    const cJSON *argument = cJSON_GetArrayItem(what, 1);
    const int number = argument == NULL ? 0 : argument->valueint;
    const char *text = cJSON_GetStringValue(argument);
    outlive_request *request = self->request;
    if (name == NULL) {
        log_line(self, "%s: an operation is a list that begins with its name", who);
        return 0;
    }
    if (strcmp(name, "echo") == 0) {
        if (!echo(self, (size_t)number)) {
            return 0;
        }
        log_line(self, "%s echo", who);
    } else if (strcmp(name, "flush") == 0) {
        if (outlive_request_flush(request) == OUTLIVE_STOP) {
            return 0;
        }
        log_line(self, "%s flush", who);
    } else if (strcmp(name, "close") == 0) {
        self->below->close(self->below->self, text);
    } else if (strcmp(name, "settle") == 0) {
        self->below->settle(self->below->self);
    } else if (strcmp(name, "iua") == 0) {
        log_line(self, "%s iua %d", who, outlive_request_ignore_user_abort(request, number));
    } else if (strcmp(name, "iuaq") == 0) {
        log_line(self, "%s iua %d", who, outlive_request_ignore_user_abort(request, -1));
    } else if (strcmp(name, "set") == 0) {
        ini_set(self, who, text);
    } else if (strcmp(name, "get") == 0) {
        log_line(self, "%s get '%s'", who, ini_get(self, "ignore_user_abort"));
    } else if (strcmp(name, "restore") == 0) {
        outlive_request_ini_restore(request, "ignore_user_abort", OUTLIVE_NTS);
        log_line(self, "%s restore %d", who, outlive_request_ignore_user_abort(request, -1));
    } else if (strcmp(name, "st") == 0) {
        const int status = outlive_request_connection_status(request);
        log_line(self, "%s st %d/%d", who, status, status & OUTLIVE_CONNECTION_ABORTED);
    } else if (strcmp(name, "sd") == 0) {
        register_function(self, who, number);
    } else if (strcmp(name, "exit") == 0) {
        outlive_request_exit(request, OUTLIVE_ENDING_COMPLETED);
        log_line(self, "%s exit", who);
        return 0;
    } else if (strcmp(name, "stl") == 0) {
        const int done = outlive_request_set_time_limit(request, number) == OUTLIVE_OK;
        log_line(self, "%s stl %s %s", who, done ? "true" : "false", ini_get(self, "max_execution_time"));
    } else if (strcmp(name, "burn") == 0) {
        log_line(self, "%s burn", who);
        burn(self);
        return 0;
    } else if (strcmp(name, "finish") == 0) {
        return finish(self, who);
    } else if (strcmp(name, "repeat") == 0) {
        return repeat(self, who, number, cJSON_GetArrayItem(what, 2));
    } else if (strcmp(name, "code") == 0) {
        if (self->below->code != NULL) {
            self->below->code(self->below->self, number);
        }
    } else if (strcmp(name, "input") == 0) {
        log_line(self, "%s input %zu", who, self->below->received);
    } else if (strcmp(name, "count") == 0) {
        log_line(self, "%s count %ld", who, self->rounds);
    } else {
        log_line(self, "%s does not know %s", who, name);
        return 0;
    }
    return 1;
}

/* 1: the list ran to its end. */
static int operations(player *self, const char *who, const cJSON *list) {
    const cJSON *what;
    cJSON_ArrayForEach(what, list) {
        if (!operation(self, who, what)) {
            return 0;
        }
    }
    log_line(self, "%s end", who);
    return 1;
}

int play(outlive_engine *engine, const outlive_settings *settings, const cJSON *scenario, const layer *below, int sleep_to_burn,
         outcome *out, outlive_error *error) {
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    const char *method = cJSON_GetStringValue(cJSON_GetObjectItem(scenario, "method"));
    player self = {0};
    int result;
    self.scenario = scenario;
    self.below = below;
    self.sleep_to_burn = sleep_to_burn;
    self.stretch_began = now_ms();
    options.label = "scenario";
    options.method = method == NULL ? "GET" : method;
    options.write = below->write;
    options.flush = below->flush;
    options.userdata = below->self;
    if (outlive_request_begin(engine, settings, &options, &self.request, error) != OUTLIVE_OK) {
        return -1;
    }
    operations(&self, "main", cJSON_GetObjectItem(scenario, "main"));
    self.quiet = 0;
    out->ending = outlive_request_ending(self.request);
    result = outlive_request_end(self.request, error);
    if (sleep_to_burn) {
        stretch_ends(&self);
    }
    out->stalled = sleep_to_burn && self.stalled;
    free(self.output);
    return result == OUTLIVE_OK ? 0 : -1;
}
