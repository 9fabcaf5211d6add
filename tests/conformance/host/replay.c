/* What lies below php-cgi is imitated: a pipe whose writes fail once it is closed, or FastCGI records that are written when
 * they are full. Nothing else is: the requests, their limits and their clocks are the library's. */
#include "replay.h"

#include "play.h"
#include "settings.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD = 8184, HEADERS = 68, ATTEMPTS = 5 };

/* A connection without a client. */
typedef struct connection {
    int fastcgi;
    int closed;
    int headers_sent;
    size_t pending;
    cJSON *log;
} connection;

static int take(void *userdata, const void *buf, size_t len) {
    connection *self = userdata;
    (void)buf;
    if (!self->fastcgi) {
        return self->closed ? -1 : 0;
    }
    if (!self->headers_sent) {
        self->headers_sent = 1;
        self->pending += HEADERS;
    }
    self->pending += len;
    if (self->pending < RECORD) {
        return 0;
    }
    /* What does not fill another record is kept; more goes out at once, but for what is no multiple of eight. */
    self->pending -= RECORD;
    if (self->pending >= RECORD) {
        self->pending = len % 8;
    }
    return self->closed ? -1 : 0;
}

static int push(void *userdata) {
    connection *self = userdata;
    self->pending = 0;
    return self->fastcgi && self->closed ? -1 : 0;
}

static void close_client(void *userdata, const char *how) {
    connection *self = userdata;
    (void)how;
    self->closed = 1;
}

static void nothing(void *userdata) {
    (void)userdata;
}

static void add_line(void *userdata, const char *text) {
    connection *self = userdata;
    cJSON_AddItemToArray(self->log, cJSON_CreateString(text));
}

/* What all threads share. */
typedef struct replayer {
    outlive_engine *engine;
    int fastcgi, wall, failed;
    pthread_mutex_t input, output;
} replayer;

static cJSON *play_once(replayer *self, const cJSON *scenario, int *stalled) {
    const layer below = {.write = take, .flush = push, .close = close_client, .settle = nothing, .finish = nothing, .line = add_line};
    connection client = {0};
    layer own = below;
    outlive_error error;
    outcome how = {0, 0};
    cJSON *answer = cJSON_CreateObject();
    const outlive_settings *settings =
        settings_of(cJSON_GetObjectItem(scenario, "ini"), "cgi-fcgi", self->wall ? "outlive.clock=wall" : NULL);
    cJSON_AddItemToObject(answer, "id", cJSON_Duplicate(cJSON_GetObjectItem(scenario, "id"), 1));
    client.fastcgi = self->fastcgi;
    client.log = cJSON_CreateArray();
    own.self = &client;
    error.message[0] = 0;
    if (settings == NULL || play(self->engine, settings, scenario, &own, self->wall, &how, &error) != 0) {
        cJSON_AddStringToObject(answer, "error", settings == NULL ? "the ini values are refused" : error.message);
    }
    outlive_settings_free(settings);
    cJSON_AddItemToObject(answer, "log", client.log);
    cJSON_AddStringToObject(answer, "ending", outlive_ending_name(how.ending).ptr);
    *stalled = how.stalled;
    return answer;
}

static void answer_one(replayer *self, const char *line) {
    cJSON *scenario = cJSON_Parse(line), *answer = NULL;
    char *text;
    int stalled = 1;
    for (int attempt = 0; stalled && attempt < ATTEMPTS; attempt++) {
        cJSON_Delete(answer);
        answer = play_once(self, scenario, &stalled);
    }
    if (scenario == NULL) {
        cJSON_AddStringToObject(answer, "error", "not JSON");
    } else if (stalled) {
        cJSON_AddStringToObject(answer, "error", "this machine is too busy for limits of elapsed time");
    }
    text = cJSON_PrintUnformatted(answer);
    pthread_mutex_lock(&self->output);
    puts(text);
    fflush(stdout);
    pthread_mutex_unlock(&self->output);
    free(text);
    cJSON_Delete(answer);
    cJSON_Delete(scenario);
}

static void *work(void *userdata) {
    replayer *self = userdata;
    char *line = NULL;
    size_t size = 0;
    for (;;) {
        ssize_t len;
        pthread_mutex_lock(&self->input);
        len = getline(&line, &size, stdin);
        pthread_mutex_unlock(&self->input);
        if (len < 0) {
            free(line);
            return NULL;
        }
        answer_one(self, line);
    }
}

int replay(const char *sapi, int jobs, int wall) {
    replayer self = {.fastcgi = strcmp(sapi, "fcgi") == 0, .wall = wall};
    pthread_t *threads = calloc((size_t)jobs, sizeof *threads);
    outlive_error error;
    if (threads == NULL || outlive_engine_new(NULL, &self.engine, &error) != OUTLIVE_OK) {
        fprintf(stderr, "no engine\n");
        return 1;
    }
    pthread_mutex_init(&self.input, NULL);
    pthread_mutex_init(&self.output, NULL);
    printf("{\"driver\": \"outlive %s\", \"sapi\": \"%s\"}\n", outlive_version(), sapi);
    fflush(stdout);
    for (int i = 0; i < jobs; i++) {
        self.failed |= pthread_create(&threads[i], NULL, work, &self);
    }
    for (int i = 0; i < jobs && !self.failed; i++) {
        pthread_join(threads[i], NULL);
    }
    free(threads);
    outlive_engine_free(self.engine);
    return self.failed;
}
