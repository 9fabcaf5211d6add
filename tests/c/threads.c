/* Many threads at once: every request ends once, every shutdown function runs once, whatever the others do meanwhile. */
#include "test.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORKERS = 4, EACH = 2000, SOCKETS = 200 };

static outlive_engine *engine;
static const outlive_settings *settings;
static long ended, destroyed, aborted;
static outlive_request *current[WORKERS];
static int done;

static int count_end(outlive_request *request, int ending, void *userdata) {
    (void)request, (void)userdata;
    __atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
    if (ending == OUTLIVE_ENDING_ABORTED) {
        __atomic_add_fetch(&aborted, 1, __ATOMIC_SEQ_CST);
    }
    return OUTLIVE_OK;
}

static void count_destroy(void *userdata) {
    (void)userdata;
    __atomic_add_fetch(&destroyed, 1, __ATOMIC_SEQ_CST);
}

static void *worker(void *argument) {
    long number = (long)argument;
    host host = {0};
    for (int i = 0; i < EACH; i++) {
        outlive_request *request = begin(engine, settings, &host, "POST");
        outlive_request_register_shutdown_function(request, count_end, NULL, count_destroy);
        __atomic_store_n(&current[number], request, __ATOMIC_SEQ_CST);
        if (i % 10 == 0) {
            outlive_request_client_gone(request);
        }
        for (int j = 0; j < 20; j++) {
            if (outlive_request_check(request) == OUTLIVE_STOP || outlive_request_write(request, "x", 1) == OUTLIVE_STOP) {
                break;
            }
            outlive_request_set_time_limit(request, 30);
        }
        __atomic_store_n(&current[number], NULL, __ATOMIC_SEQ_CST);
        EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    }
    return NULL;
}

/* Says of whatever request it finds that its client has gone; late words find an ended request and are told so. */
static void *meddler(void *argument) {
    (void)argument;
    while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST)) {
        for (int i = 0; i < WORKERS; i++) {
            outlive_request *request = __atomic_load_n(&current[i], __ATOMIC_SEQ_CST);
            if (request != NULL) {
                int answer = outlive_request_client_gone(request);
                CHECK(answer == OUTLIVE_OK || answer == OUTLIVE_ERROR_ENDED);
            }
        }
    }
    return NULL;
}

static int look(void *userdata, const outlive_request_row *row) {
    (void)userdata;
    CHECK(row->label.len == 4 && memcmp(row->label.ptr, "test", 4) == 0);
    return 0;
}

static void *reader(void *argument) {
    (void)argument;
    while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST)) {
        size_t needed;
        EQUAL(outlive_engine_requests(engine, look, NULL), OUTLIVE_OK);
        EQUAL(outlive_engine_metrics(engine, NULL, 0, &needed), OUTLIVE_OK);
    }
    return NULL;
}

static void together(void) {
    pthread_t threads[WORKERS], others[2];
    pthread_create(&others[0], NULL, meddler, NULL);
    pthread_create(&others[1], NULL, reader, NULL);
    for (long i = 0; i < WORKERS; i++) {
        pthread_create(&threads[i], NULL, worker, (void *)i);
    }
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    __atomic_store_n(&done, 1, __ATOMIC_SEQ_CST);
    pthread_join(others[0], NULL);
    pthread_join(others[1], NULL);
    EQUAL(ended, WORKERS * EACH);
    EQUAL(destroyed, WORKERS * EACH);
    CHECK(aborted >= WORKERS * EACH / 10);
}

static outlive_request *shared;
static pthread_barrier_t step;
static int runs, ends;

static void spin(int turns) {
    for (volatile int i = 0; i < turns; i++) {}
}

static int take_a_while(outlive_request *request, int ending, void *userdata) {
    (void)request, (void)ending, (void)userdata;
    __atomic_store_n(&runs, 1, __ATOMIC_SEQ_CST);
    spin(3000);
    __atomic_store_n(&runs, 0, __ATOMIC_SEQ_CST);
    return OUTLIVE_OK;
}

static void end_shared(void) {
    int answer = outlive_request_end(shared, NULL);
    if (answer == OUTLIVE_OK) {
        EQUAL(__atomic_load_n(&runs, __ATOMIC_SEQ_CST), 0);
        __atomic_add_fetch(&ends, 1, __ATOMIC_SEQ_CST);
    } else {
        CHECK(answer == OUTLIVE_ERROR_BUSY || answer == OUTLIVE_ERROR_STAGE || answer == OUTLIVE_ERROR_ENDED);
    }
}

static void *other_end(void *argument) {
    (void)argument;
    for (int i = 0; i < EACH; i++) {
        pthread_barrier_wait(&step);
        spin(i % 100);
        end_shared();
        pthread_barrier_wait(&step);
    }
    return NULL;
}

/* Two threads end one request: one of them does, and none of its functions runs any more then. */
static void two_ends(void) {
    pthread_t other;
    host host = {0};
    destroyed = 0;
    pthread_barrier_init(&step, NULL, 2);
    pthread_create(&other, NULL, other_end, NULL);
    for (int i = 0; i < EACH; i++) {
        shared = begin(engine, settings, &host, "POST");
        for (int j = 0; j < 3; j++) {
            outlive_request_register_shutdown_function(shared, take_a_while, NULL, count_destroy);
        }
        ends = 0;
        pthread_barrier_wait(&step);
        end_shared();
        pthread_barrier_wait(&step);
        if (ends == 0) {
            end_shared(); /* both were told that the other one works on it */
        }
        EQUAL(ends, 1);
    }
    pthread_join(other, NULL);
    EQUAL(destroyed, 3 * EACH);
}

/* Real sockets that clients close at random: each is noticed, none twice. */
static void many_sockets(void) {
    const outlive_settings *watch = settings_of("outlive.detect=watch");
    static outlive_request *requests[SOCKETS];
    static host hosts[SOCKETS];
    int pairs[SOCKETS][2], gone = 0, closed = 0;
    for (int i = 0; i < SOCKETS; i++) {
        outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
        EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]), 0);
        options.socket = pairs[i][0];
        options.on_stop = host_on_stop;
        options.userdata = &hosts[i];
        EQUAL(outlive_request_begin(engine, watch, &options, &requests[i], NULL), OUTLIVE_OK);
    }
    for (int i = 0; i < SOCKETS; i++) {
        if (i * 7 % 3 == 0) {
            close(pairs[i][1]);
            closed++;
        }
    }
    for (int wait = 0; wait < 400 && gone < closed; wait++) {
        sleep_ms(5);
        gone = 0;
        for (int i = 0; i < SOCKETS; i++) {
            gone += outlive_request_is_gone(requests[i]) == 1;
        }
    }
    EQUAL(gone, closed);
    sleep_ms(50);
    for (int i = 0; i < SOCKETS; i++) {
        int left = i * 7 % 3 == 0;
        EQUAL(outlive_request_check(requests[i]), left ? OUTLIVE_STOP : OUTLIVE_OK);
        EQUAL(outlive_request_end(requests[i], NULL), OUTLIVE_OK);
        EQUAL(hosts[i].stops, left);
        close(pairs[i][0]);
        if (!left) {
            close(pairs[i][1]);
        }
    }
    outlive_settings_free(watch);
}

int main(void) {
    settings = settings_of("ignore_user_abort=0");
    if (outlive_engine_new(NULL, &engine, NULL) != OUTLIVE_OK) {
        return 1;
    }
    together();
    two_ends();
    many_sockets();
    EQUAL(outlive_engine_drain(engine, 1000), OUTLIVE_OK);
    outlive_engine_free(engine);
    outlive_settings_free(settings);
    return finished("threads");
}
