/* What the tests of stops share: an engine with queues, a request that stops by them, and waiting for the next one. */
#include "test.h"

#include <poll.h>

/* The engines of one loop look around in it, and have no thread. */
static int no_thread;

static inline outlive_engine *engine_with(uint32_t queues) {
    outlive_engine_options options = OUTLIVE_ENGINE_OPTIONS_INIT;
    outlive_engine *engine = NULL;
    options.stop_queues = queues;
    options.no_thread = no_thread;
    EQUAL(outlive_engine_new(&options, &engine, NULL), OUTLIVE_OK);
    return engine;
}

static inline outlive_request *start(outlive_engine *engine, const outlive_settings *settings, void *userdata, uint32_t queue, int socket) {
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *request = NULL;
    options.userdata = userdata;
    options.stop_queue = queue;
    options.socket = socket;
    options.on_stop = host_on_stop; /* never called: the queue tells */
    options.on_forced = host_on_forced;
    EQUAL(outlive_request_begin(engine, settings, &options, &request, NULL), OUTLIVE_OK);
    return request;
}

static inline int readable(outlive_engine *engine, uint32_t queue, int milliseconds) {
    struct pollfd wait = {.fd = outlive_engine_stop_fd(engine, queue), .events = POLLIN};
    CHECK(wait.fd >= 0);
    return poll(&wait, 1, milliseconds) == 1;
}

static inline int next(outlive_engine *engine, uint32_t queue, outlive_stop *stop) {
    outlive_stop given = OUTLIVE_STOP_INIT;
    int answer = outlive_engine_next_stop(engine, queue, &given);
    *stop = given;
    return answer;
}

/* Waits for the next stop of a queue. */
static inline int comes(outlive_engine *engine, uint32_t queue, outlive_stop *stop) {
    for (int64_t until = now_ms() + 20000; now_ms() < until;) {
        if (next(engine, queue, stop) == OUTLIVE_OK) {
            return 1;
        }
        readable(engine, queue, 100);
    }
    return 0;
}

static inline void is(const outlive_stop *stop, int kind, int ending, uint64_t id, void *userdata) {
    EQUAL(stop->size, sizeof *stop);
    EQUAL(stop->kind, kind);
    EQUAL(stop->ending, ending);
    CHECK(stop->id == id && stop->userdata == userdata);
}
