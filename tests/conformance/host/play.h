/* Plays one scenario on one request, whatever lies below it. The scenario language stands in ../README.md. */
#ifndef PLAY_H
#define PLAY_H

#include "outlive.h"

#include <cJSON.h>

/* What lies below the library's own buffers, and where the log goes. */
typedef struct layer {
    void *self;
    /* Where output goes; 0: taken, anything else: the client has gone. */
    int (*write)(void *self, const void *buf, size_t len);
    int (*flush)(void *self);
    /* The client closes its end, in the way that `how` names; returns when that has happened. NULL: as hard as it can. */
    void (*close)(void *self, const char *how);
    /* Returns when what is on its way to the client and back has arrived. */
    void (*settle)(void *self);
    /* The response is complete. */
    void (*finish)(void *self);
    /* The response's status, before any output. NULL: there is none. */
    void (*code)(void *self, int status);
    /* Bytes of the request's body that came. */
    size_t received;
    /* One line of the log. */
    void (*line)(void *self, const char *text);
} layer;

/* How a scenario went. */
typedef struct outcome {
    int ending;
    /* With sleep_to_burn: the machine stood still for so long that the limits mean nothing. Play it again. */
    int stalled;
} outcome;

/* With sleep_to_burn, `burn` sleeps: for settings with outlive.clock = wall. Returns 0, or -1 with `error` filled in. */
int play(outlive_engine *engine, const outlive_settings *settings, const cJSON *scenario, const layer *below, int sleep_to_burn,
         outcome *out, outlive_error *error);

#endif
