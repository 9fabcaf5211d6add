/* Stops as events: queues, their descriptors, and a drain that does not wait. One loop, several, and loops whose requests are ended by others. */
#include "stops.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- one loop ---- */

static void each_cause(void) {
    outlive_engine *engine = engine_with(1);
    const outlive_settings *plain = settings_of("max_execution_time=0\nignore_user_abort=0");
    const outlive_settings *watched = settings_of("max_execution_time=0\nignore_user_abort=0\noutlive.detect=watch");
    const outlive_settings *capped = settings_of("max_execution_time=0\nignore_user_abort=1\noutlive.max_detached=1");
    outlive_stop stop;
    host host = {0};
    int pair[2];
    EQUAL(next(engine, 0, &stop), OUTLIVE_ERROR_NOT_FOUND);
    CHECK(!readable(engine, 0, 0));

    outlive_request *request = start(engine, plain, &host, 0, -1);
    EQUAL(outlive_request_client_gone(request), OUTLIVE_OK);
    CHECK(comes(engine, 0, &stop));
    is(&stop, OUTLIVE_STOP_DUE, OUTLIVE_ENDING_ABORTED, outlive_request_id(request), &host);
    EQUAL(next(engine, 0, &stop), OUTLIVE_ERROR_NOT_FOUND);
    CHECK(!readable(engine, 0, 50)); /* once for each cause */
    EQUAL(outlive_request_cancel(request), OUTLIVE_OK);
    CHECK(comes(engine, 0, &stop));
    is(&stop, OUTLIVE_STOP_DUE, OUTLIVE_ENDING_CANCELLED, outlive_request_id(request), &host);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);

    EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    request = start(engine, watched, &pair, 0, pair[0]);
    close(pair[1]);
    CHECK(readable(engine, 0, 20000));
    CHECK(comes(engine, 0, &stop));
    is(&stop, OUTLIVE_STOP_DUE, OUTLIVE_ENDING_ABORTED, outlive_request_id(request), &pair);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    close(pair[0]);

    request = start(engine, plain, &host, 0, -1);
    outlive_request_set_time_limit_ms(request, 0);
    CHECK(comes(engine, 0, &stop));
    is(&stop, OUTLIVE_STOP_DUE, OUTLIVE_ENDING_TIME_LIMIT, outlive_request_id(request), &host);
    /* no safe point comes for hard_timeout seconds */
    outlive_request_suspend(request);
    outlive_request_resume(request);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);

    /* the second of two that are detached */
    outlive_request *first = start(engine, capped, NULL, 0, -1);
    request = start(engine, capped, &host, 0, -1);
    EQUAL(outlive_request_set_accepted(request), OUTLIVE_OK);
    outlive_request_client_gone(first);
    outlive_request_client_gone(request);
    CHECK(comes(engine, 0, &stop));
    is(&stop, OUTLIVE_STOP_DUE, OUTLIVE_ENDING_HANDED_BACK, outlive_request_id(request), &host);
    EQUAL(next(engine, 0, &stop), OUTLIVE_ERROR_NOT_FOUND); /* one that ignores its client is told nothing */
    outlive_request_end(first, NULL);
    outlive_request_end(request, NULL);
    EQUAL(host.stops + host.forced, 0);
    outlive_engine_free(engine);
    outlive_settings_free(plain);
    outlive_settings_free(watched);
    outlive_settings_free(capped);
}

static void forced(void) {
    outlive_engine *engine = engine_with(1);
    const outlive_settings *settings = settings_of("outlive.clock=wall\nmax_execution_time=1\nhard_timeout=1");
    outlive_stop stop;
    int here;
    outlive_request *request = start(engine, settings, &here, 0, -1);
    uint64_t id = outlive_request_id(request);
    sleep_ms(2500); /* nobody looks: what is due becomes the force in its place */
    CHECK(readable(engine, 0, 20000));
    CHECK(comes(engine, 0, &stop));
    if (stop.kind == OUTLIVE_STOP_DUE) {
        CHECK(comes(engine, 0, &stop));
    }
    is(&stop, OUTLIVE_STOP_FORCED, OUTLIVE_ENDING_TIME_LIMIT, id, &here);
    EQUAL(next(engine, 0, &stop), OUTLIVE_ERROR_NOT_FOUND);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    outlive_engine_free(engine);
    outlive_settings_free(settings);
}

/* What waits for a request that ends is gone, whatever its end does; the next in its place is told of its own alone. */
static int look_inside(outlive_request *request, int ending, void *engine) {
    outlive_stop stop;
    (void)request, (void)ending;
    EQUAL(next(engine, 0, &stop), OUTLIVE_ERROR_NOT_FOUND);
    sleep_ms(30);
    EQUAL(next(engine, 0, &stop), OUTLIVE_ERROR_NOT_FOUND);
    EQUAL(outlive_request_cancel(request), OUTLIVE_OK);
    sleep_ms(30);
    EQUAL(next(engine, 0, &stop), OUTLIVE_ERROR_NOT_FOUND); /* due, but it is ending */
    return OUTLIVE_OK;
}

static void ends_take_their_entries_with_them(void) {
    outlive_engine *engine = engine_with(2);
    const outlive_settings *settings = settings_of("max_execution_time=0\nignore_user_abort=0");
    outlive_stop stop;
    int here;
    for (int i = 0; i < 40; i++) {
        outlive_request *request = start(engine, settings, &here, 0, -1);
        outlive_request_client_gone(request);
        if (i % 2) {
            sleep_ms(15); /* it is in the queue by now */
        }
        outlive_request_register_shutdown_function(request, look_inside, engine, NULL);
        EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
        EQUAL(next(engine, 0, &stop), OUTLIVE_ERROR_NOT_FOUND);
        request = start(engine, settings, &stop, 1, -1); /* the same place, another queue */
        EQUAL(next(engine, 1, &stop), OUTLIVE_ERROR_NOT_FOUND);
        EQUAL(outlive_request_cancel(request), OUTLIVE_OK);
        CHECK(comes(engine, 1, &stop));
        is(&stop, OUTLIVE_STOP_DUE, OUTLIVE_ENDING_CANCELLED, outlive_request_id(request), &stop);
        EQUAL(next(engine, 0, &stop), OUTLIVE_ERROR_NOT_FOUND);
        EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    }
    outlive_engine_free(engine);
    outlive_settings_free(settings);
}

/* ---- drain ---- */

static void drained_without_any_request(void) {
    uint32_t queues = no_thread ? 1 : 3;
    outlive_engine *engine = engine_with(queues);
    outlive_stop stop;
    EQUAL(outlive_engine_is_drained(engine), 1);
    EQUAL(outlive_engine_begin_drain(engine, -1), OUTLIVE_OK);
    CHECK(comes(engine, 0, &stop));
    is(&stop, OUTLIVE_STOP_DRAINED, OUTLIVE_ENDING_NONE, 0, NULL);
    EQUAL(outlive_engine_begin_drain(engine, 0), OUTLIVE_OK);
    CHECK(!readable(engine, 0, 60) || next(engine, 0, &stop) == OUTLIVE_ERROR_NOT_FOUND); /* once */
    for (uint32_t queue = 0; queue < queues; queue++) {
        EQUAL(next(engine, queue, &stop), OUTLIVE_ERROR_NOT_FOUND);
    }
    outlive_engine_free(engine);
}

static void drain_in_steps(void) {
    outlive_engine *engine = engine_with(1);
    const outlive_settings *settings = settings_of("max_execution_time=0\nignore_user_abort=1");
    outlive_request *requests[3], *late = NULL;
    outlive_stop stop;
    int here[3];
    for (int i = 0; i < 3; i++) {
        requests[i] = start(engine, settings, &here[i], 0, -1);
    }
    outlive_request_set_accepted(requests[1]);
    int64_t began = now_ms();
    EQUAL(outlive_engine_begin_drain(engine, 60000), OUTLIVE_OK);
    int64_t left = outlive_request_time_left(requests[0]);
    CHECK(left > 50000 && left <= 60000);
    EQUAL(outlive_engine_begin_drain(engine, 150), OUTLIVE_OK); /* the earlier deadline holds */
    EQUAL(outlive_engine_begin_drain(engine, 90000), OUTLIVE_OK);
    EQUAL(outlive_engine_begin_drain(engine, -1), OUTLIVE_OK);
    left = outlive_request_time_left(requests[0]);
    CHECK(left >= 1 && left <= 150);
    EQUAL(outlive_request_begin(engine, settings, NULL, &late, NULL), OUTLIVE_ERROR_DRAINING);
    EQUAL(outlive_engine_is_drained(engine), 0);
    EQUAL(outlive_request_check(requests[0]), OUTLIVE_OK);
    EQUAL(outlive_request_end(requests[2], NULL), OUTLIVE_OK); /* in time */
    int seen = 0;
    for (int i = 0; i < 2; i++) {
        CHECK(comes(engine, 0, &stop));
        int which = stop.userdata == &here[1];
        is(&stop, OUTLIVE_STOP_DUE, which ? OUTLIVE_ENDING_HANDED_BACK : OUTLIVE_ENDING_SHUTDOWN, outlive_request_id(requests[which]), &here[which]);
        seen |= 1 << which;
    }
    EQUAL(seen, 3);
    CHECK(now_ms() - began >= 150);
    EQUAL(outlive_request_check(requests[1]), OUTLIVE_STOP);
    EQUAL(outlive_request_end(requests[1], NULL), OUTLIVE_OK);
    EQUAL(outlive_request_time_left(requests[0]), 0);
    /* the other does not listen: two seconds later it is forced */
    CHECK(comes(engine, 0, &stop));
    is(&stop, OUTLIVE_STOP_FORCED, OUTLIVE_ENDING_SHUTDOWN, outlive_request_id(requests[0]), &here[0]);
    CHECK(now_ms() - began >= 2150);
    EQUAL(next(engine, 0, &stop), OUTLIVE_ERROR_NOT_FOUND);
    EQUAL(outlive_engine_is_drained(engine), 0);
    EQUAL(outlive_request_end(requests[0], NULL), OUTLIVE_OK);
    CHECK(comes(engine, 0, &stop));
    is(&stop, OUTLIVE_STOP_DRAINED, OUTLIVE_ENDING_NONE, 0, NULL);
    EQUAL(outlive_engine_is_drained(engine), 1);
    EQUAL(outlive_engine_drain(engine, 0), OUTLIVE_OK);
    outlive_engine_free(engine);
    outlive_settings_free(settings);
}

/* ---- many loops ---- */

enum { LOOPS = 3, EACH = 60 };

typedef struct loop {
    outlive_engine *engine;
    const outlive_settings *settings;
    uint32_t queue;
    int rounds, ended;
    pthread_barrier_t *drained;
} loop;

/* Each loop begins its requests, has them cancelled by a neighbour, and ends what it is told of; then waits for the drain. */
static void *run_loop(void *userdata) {
    loop *self = userdata;
    outlive_stop stop;
    for (int round = 0; round < self->rounds; round++) {
        outlive_request *requests[EACH];
        for (int i = 0; i < EACH; i++) {
            requests[i] = start(self->engine, self->settings, &requests[i], self->queue, -1);
            EQUAL(outlive_engine_cancel(self->engine, outlive_request_id(requests[i])), OUTLIVE_OK);
        }
        for (int i = 0; i < EACH / 2; i++) { /* half of them end by themselves */
            EQUAL(outlive_request_end(requests[i], NULL), OUTLIVE_OK);
            requests[i] = NULL;
        }
        for (int left = EACH / 2; left > 0; left--) {
            CHECK(comes(self->engine, self->queue, &stop));
            outlive_request **request = stop.userdata;
            CHECK(request >= requests + EACH / 2 && request < requests + EACH && *request != NULL);
            CHECK(outlive_request_id(*request) == stop.id);
            EQUAL(outlive_request_check(*request), OUTLIVE_STOP);
            EQUAL(outlive_request_end(*request, NULL), OUTLIVE_OK);
            *request = NULL;
            self->ended++;
        }
        EQUAL(next(self->engine, self->queue, &stop), OUTLIVE_ERROR_NOT_FOUND);
    }
    /* the last one stays until the drain stops it */
    outlive_request *last = start(self->engine, self->settings, &last, self->queue, -1);
    pthread_barrier_wait(self->drained);
    CHECK(comes(self->engine, self->queue, &stop));
    is(&stop, OUTLIVE_STOP_DUE, OUTLIVE_ENDING_SHUTDOWN, outlive_request_id(last), &last);
    EQUAL(outlive_request_end(last, NULL), OUTLIVE_OK);
    return NULL;
}

static void loops(int rounds) {
    outlive_engine *engine = engine_with(LOOPS);
    const outlive_settings *settings = settings_of("max_execution_time=0");
    pthread_t threads[LOOPS];
    pthread_barrier_t drained;
    loop all[LOOPS];
    outlive_stop stop;
    pthread_barrier_init(&drained, NULL, LOOPS + 1);
    for (uint32_t i = 0; i < LOOPS; i++) {
        all[i] = (loop){.engine = engine, .settings = settings, .queue = i, .rounds = rounds, .drained = &drained};
        EQUAL(pthread_create(&threads[i], NULL, run_loop, &all[i]), 0);
    }
    pthread_barrier_wait(&drained);
    EQUAL(outlive_engine_begin_drain(engine, 0), OUTLIVE_OK);
    for (int i = 0; i < LOOPS; i++) {
        pthread_join(threads[i], NULL);
        EQUAL(all[i].ended, rounds * EACH / 2);
    }
    CHECK(comes(engine, 0, &stop));
    is(&stop, OUTLIVE_STOP_DRAINED, OUTLIVE_ENDING_NONE, 0, NULL);
    outlive_engine_free(engine);
    outlive_settings_free(settings);
    pthread_barrier_destroy(&drained);
}

/* Workers end requests while a loop is told of them: it acts by id, which is always safe; behind DRAINED the engine is freed at once. */
static outlive_engine *shared;
static const outlive_settings *shared_settings;

static void *work(void *rounds) {
    for (int i = 0; i < *(int *)rounds; i++) {
        outlive_request *request = start(shared, shared_settings, NULL, 0, -1);
        if (i % 3) {
            outlive_engine_cancel(shared, outlive_request_id(request));
        }
        if (i % 7 == 0) {
            sleep_ms(1);
        }
        outlive_request_check(request);
        EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    }
    return NULL;
}

static void ended_by_others(int rounds) {
    pthread_t threads[2];
    outlive_stop stop;
    int drained = 0;
    shared = engine_with(1);
    shared_settings = settings_of("max_execution_time=0");
    for (int i = 0; i < 2; i++) {
        EQUAL(pthread_create(&threads[i], NULL, work, &rounds), 0);
    }
    for (int i = 0; i < 50; i++) {
        readable(shared, 0, 5);
        while (next(shared, 0, &stop) == OUTLIVE_OK) {
            EQUAL(stop.kind, OUTLIVE_STOP_DUE);
            int answer = outlive_engine_cancel(shared, stop.id);
            CHECK(answer == OUTLIVE_ALREADY || answer == OUTLIVE_ERROR_NOT_FOUND);
        }
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    EQUAL(outlive_engine_begin_drain(shared, -1), OUTLIVE_OK);
    while (!drained && comes(shared, 0, &stop)) {
        drained = stop.kind == OUTLIVE_STOP_DRAINED;
    }
    CHECK(drained);
    outlive_engine_free(shared);
    outlive_settings_free(shared_settings);
}

/* Ten thousand at once: each told once. */
static void many(int count) {
    outlive_engine *engine = engine_with(1);
    const outlive_settings *settings = settings_of("max_execution_time=0\nignore_user_abort=0");
    outlive_request **requests = calloc((size_t)count, sizeof *requests);
    outlive_stop stop;
    int told = 0;
    for (int i = 0; i < count; i++) {
        requests[i] = start(engine, settings, &requests[i], 0, -1);
    }
    for (int i = 0; i < count; i++) {
        outlive_request_client_gone(requests[i]);
    }
    while (told < count && comes(engine, 0, &stop)) {
        outlive_request **request = stop.userdata;
        CHECK(outlive_request_id(*request) == stop.id);
        EQUAL(outlive_request_end(*request, NULL), OUTLIVE_OK);
        *request = NULL;
        told++;
    }
    EQUAL(told, count);
    EQUAL(next(engine, 0, &stop), OUTLIVE_ERROR_NOT_FOUND);
    free(requests);
    outlive_engine_free(engine);
    outlive_settings_free(settings);
}

static void refused(void) {
    outlive_engine_options options = OUTLIVE_ENGINE_OPTIONS_INIT;
    outlive_request_options given = OUTLIVE_REQUEST_OPTIONS_INIT;
    const outlive_settings *settings = settings_of("max_execution_time=0");
    outlive_engine *engine = NULL, *none = engine_with(0), *two = engine_with(2);
    outlive_request *request = NULL;
    outlive_stop stop = OUTLIVE_STOP_INIT;
    outlive_error error;
    options.stop_queues = 1025;
    EQUAL(outlive_engine_new(&options, &engine, &error), OUTLIVE_ERROR_ARGUMENT);
    CHECK(strstr(error.message, "1025") != NULL);
    EQUAL(outlive_engine_stop_fd(NULL, 0), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_engine_stop_fd(none, 0), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_engine_stop_fd(two, 2), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_engine_next_stop(NULL, 0, &stop), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_engine_next_stop(two, 0, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_engine_next_stop(two, 2, &stop), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_engine_next_stop(none, 0, &stop), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_engine_begin_drain(NULL, 0), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_engine_is_drained(NULL), OUTLIVE_ERROR_ARGUMENT);
    for (int i = 0; i < 2; i++) {
        given.stop_queue = i == 0 ? 2 : 1;
        EQUAL(outlive_request_begin(i == 0 ? two : none, settings, &given, &request, &error), OUTLIVE_ERROR_ARGUMENT);
        CHECK(strstr(error.message, "stop queue") != NULL);
    }

    /* a child of a fork neither gets stops nor takes its parent's */
    request = start(two, settings, &stop, 1, -1);
    EQUAL(outlive_request_cancel(request), OUTLIVE_OK);
    CHECK(readable(two, 1, 20000));
    int fd = outlive_engine_stop_fd(two, 1);
    /* By shared memory: a checker has its own say on the exit status. */
    int *said = mmap(NULL, sizeof *said, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    if (child == 0) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int fine = outlive_engine_next_stop(two, 1, &stop) == OUTLIVE_ERROR_FORKED && outlive_engine_stop_fd(two, 1) == OUTLIVE_ERROR_FORKED &&
                   outlive_engine_begin_drain(two, 0) == OUTLIVE_ERROR_FORKED && outlive_engine_is_drained(two) == OUTLIVE_ERROR_FORKED &&
                   poll(&wait, 1, 0) == 1;
        outlive_engine_free(two);
        outlive_engine_free(none);
        *said = fine;
        _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && *said == 1);
    munmap(said, sizeof *said);
    CHECK(comes(two, 1, &stop));
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);

    /* without queues a drain can be asked about */
    request = start(none, settings, &(host){0}, 0, -1);
    EQUAL(outlive_engine_begin_drain(none, -1), OUTLIVE_OK);
    EQUAL(outlive_engine_is_drained(none), 0);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    EQUAL(outlive_engine_is_drained(none), 1);
    outlive_engine_free(none);
    outlive_engine_free(two);
    outlive_settings_free(settings);
}

int main(int argc, char **argv) {
    int few = argc > 2 && atoi(argv[2]) < 50;
    int is_portable = getenv("OUTLIVE_PORTABLE") != NULL;
    for (no_thread = 0; no_thread < (is_portable ? 1 : 2); no_thread++) {
        each_cause();
        forced();
        drained_without_any_request();
        drain_in_steps();
    }
    no_thread = 0;
    ends_take_their_entries_with_them();
    loops(few ? 2 : 20);
    ended_by_others(few ? 300 : 3000);
    many(few ? 1000 : 10000);
    refused();
    return finished("stops");
}
