/* Calls that nobody should make: from callbacks, from two threads, late, on descriptors that are not what they were. Each is
 * answered with a code, and the request goes on as if nothing had been. */
#include "test.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

static outlive_engine *engine;

/* Every call on a request; `answer` for those that need it to themselves. */
static void expect_all(outlive_request *request, int answer) {
    outlive_str value;
    outlive_error error;
    EQUAL(outlive_request_run(request), answer);
    EQUAL(outlive_request_flush(request), answer);
    EQUAL(outlive_request_finish(request), answer);
    EQUAL(outlive_request_hold(request), answer);
    EQUAL(outlive_request_release(request), answer);
    EQUAL(outlive_request_suspend(request), answer);
    EQUAL(outlive_request_resume(request), answer);
    EQUAL(outlive_request_connection_status(request), answer);
    EQUAL(outlive_request_ignore_user_abort(request, 1), answer);
    EQUAL(outlive_request_set_label(request, "other"), answer);
    EQUAL(outlive_request_is_forced(request), answer);
    EQUAL(outlive_request_ending(request), answer);
    EQUAL(outlive_request_exit(request, OUTLIVE_ENDING_HOST_ERROR), answer);
    EQUAL(outlive_request_ini_get(request, "precision", OUTLIVE_NTS, &value), answer);
    EQUAL(outlive_request_ini_set(request, "precision", OUTLIVE_NTS, "3", 1, NULL), answer);
    EQUAL(outlive_request_ini_restore(request, "precision", OUTLIVE_NTS), answer);
    EQUAL(outlive_request_set_accepted(request), answer);
    EQUAL(outlive_request_shut_down(request, NULL, NULL), answer);
    EQUAL(outlive_request_end(request, &error), answer);
    EQUAL(error.code, answer);
}

static outlive_request *inside;
static int called;

static int call_everything_from_write(void *userdata, const void *buf, size_t len) {
    (void)userdata, (void)buf, (void)len;
    called++;
    expect_all(inside, OUTLIVE_ERROR_BUSY);
    EQUAL(outlive_request_is_gone(inside), 0);
    return 0;
}

static int call_everything_from_flush(void *userdata) {
    return call_everything_from_write(userdata, NULL, 0);
}

static void from_output_callbacks(void) {
    const outlive_settings *settings = settings_of("output_buffering=1");
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    options.write = call_everything_from_write;
    options.flush = call_everything_from_flush;
    EQUAL(outlive_request_begin(engine, settings, &options, &inside, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_write(inside, "x", 1), OUTLIVE_OK);
    EQUAL(outlive_request_flush(inside), OUTLIVE_OK);
    EQUAL(outlive_request_connection_status(inside), 0);
    EQUAL(outlive_request_end(inside, NULL), OUTLIVE_OK); /* its last write and flush call everything again */
    EQUAL(called, 3);
    outlive_settings_free(settings);
}

static int told, forced;
static outlive_request *known;

/* The engine's thread may call before a begin has come back. */
static outlive_request *wait_for_it(void) {
    outlive_request *request;
    while ((request = __atomic_load_n(&known, __ATOMIC_SEQ_CST)) == NULL) {
        sleep_ms(1);
    }
    return request;
}

static void end_it(void *userdata, int ending) {
    outlive_request *request = wait_for_it();
    (void)userdata, (void)ending;
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_ERROR_BUSY); /* it waits for the callback that is calling */
    EQUAL(outlive_request_client_gone(request), OUTLIVE_OK);
    EQUAL(outlive_request_is_gone(request), 1);
    __atomic_add_fetch(&told, 1, __ATOMIC_SEQ_CST);
}

static void force_it(void *userdata, int ending) {
    end_it(userdata, ending);
    __atomic_add_fetch(&forced, 1, __ATOMIC_SEQ_CST);
}

static void from_the_engine_s_thread(void) {
    const outlive_settings *settings = settings_of("outlive.clock=wall\nmax_execution_time=1\nhard_timeout=1\nignore_user_abort=1");
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *request = NULL;
    options.on_stop = end_it;
    options.on_forced = force_it;
    EQUAL(outlive_request_begin(engine, settings, &options, &request, NULL), OUTLIVE_OK);
    __atomic_store_n(&known, request, __ATOMIC_SEQ_CST);
    for (int wait = 0; wait < 1000 && __atomic_load_n(&forced, __ATOMIC_SEQ_CST) == 0; wait++) {
        sleep_ms(20);
    }
    EQUAL(__atomic_load_n(&told, __ATOMIC_SEQ_CST), 2);
    EQUAL(forced, 1);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    outlive_settings_free(settings);
}

/* ---- shutdown functions ---- */

static int order[8], ran;
static int in_a_function(outlive_request *request, int ending, void *userdata) {
    outlive_error error;
    order[ran++] = (int)(long)userdata;
    EQUAL(ending, OUTLIVE_ENDING_COMPLETED);
    EQUAL(outlive_request_end(request, &error), OUTLIVE_ERROR_STAGE);
    EQUAL(outlive_request_run(request), OUTLIVE_ERROR_STAGE);
    EQUAL(outlive_request_release(request), OUTLIVE_ERROR_STAGE);
    EQUAL(outlive_request_hold(request), OUTLIVE_OK); /* an open hold ends with its function */
    EQUAL(outlive_request_write(request, "x", 1), OUTLIVE_OK);
    return -77; /* not a code that stops */
}

static void from_shutdown_functions(void) {
    const outlive_settings *settings = settings_of("");
    host host = {0};
    outlive_request *request = begin(engine, settings, &host, "GET");
    outlive_request_register_shutdown_function(request, in_a_function, (void *)1, NULL);
    outlive_request_register_shutdown_function(request, in_a_function, (void *)2, NULL);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    EQUAL(ran, 2);
    EQUAL(host.bytes, 2);
    outlive_settings_free(settings);
}

/* ---- two threads on one request ---- */

static int in_flush, let_go;
static int blocking_flush(void *userdata) {
    (void)userdata;
    if (__atomic_exchange_n(&in_flush, 1, __ATOMIC_SEQ_CST) == 0) {
        while (!__atomic_load_n(&let_go, __ATOMIC_SEQ_CST)) {
            sleep_ms(1);
        }
    }
    return 0;
}

static void *flushing(void *argument) {
    EQUAL(outlive_request_flush(argument), OUTLIVE_OK);
    return NULL;
}

static pthread_t other;
static int lets_another_thread_in(outlive_request *request, int ending, void *userdata) {
    (void)ending, (void)userdata;
    ran++;
    pthread_create(&other, NULL, flushing, request);
    while (!__atomic_load_n(&in_flush, __ATOMIC_SEQ_CST)) {
        sleep_ms(1);
    }
    return OUTLIVE_OK;
}

static int plain_function(outlive_request *request, int ending, void *userdata) {
    (void)request, (void)ending, (void)userdata;
    ran++;
    return OUTLIVE_OK;
}

static void from_another_thread(void) {
    const outlive_settings *settings = settings_of("");
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *request = NULL;
    pthread_t thread;
    options.flush = blocking_flush;

    EQUAL(outlive_request_begin(engine, settings, &options, &request, NULL), OUTLIVE_OK);
    pthread_create(&thread, NULL, flushing, request);
    while (!__atomic_load_n(&in_flush, __ATOMIC_SEQ_CST)) {
        sleep_ms(1);
    }
    expect_all(request, OUTLIVE_ERROR_BUSY);
    EQUAL(outlive_request_check(request), OUTLIVE_OK); /* looks and takes nothing */
    EQUAL(outlive_request_is_gone(request), 0);
    __atomic_store_n(&let_go, 1, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);

    /* behind a shutdown function: the end leaves off, and goes on where it was when it is called again */
    in_flush = let_go = ran = 0;
    EQUAL(outlive_request_begin(engine, settings, &options, &request, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_register_shutdown_function(request, lets_another_thread_in, NULL, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_register_shutdown_function(request, plain_function, NULL, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_ERROR_BUSY);
    EQUAL(ran, 1);
    __atomic_store_n(&let_go, 1, __ATOMIC_SEQ_CST);
    pthread_join(other, NULL);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    EQUAL(ran, 2);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_ERROR_ENDED);
    outlive_settings_free(settings);
}

/* ---- descriptors ---- */

static int is_gone_soon(outlive_request *request) {
    for (int wait = 0; wait < 500; wait++) {
        if (outlive_request_is_gone(request) == 1) {
            return 1;
        }
        sleep_ms(10);
    }
    return 0;
}

/* A socket is closed before its request ends, and its number is another request's by then. */
static void descriptors_behind_our_back(void) {
    const outlive_settings *settings = settings_of("outlive.detect=watch\nignore_user_abort=0");
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *one = NULL, *two = NULL, *three = NULL;
    int first[2], second[2];
    EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, first), 0);
    options.socket = first[0];
    EQUAL(outlive_request_begin(engine, settings, &options, &one, NULL), OUTLIVE_OK);
    close(first[0]);
    EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, second), 0);
    if (second[0] != first[0]) {
        EQUAL(dup2(second[0], first[0]), first[0]);
        close(second[0]);
    }
    EQUAL(outlive_request_begin(engine, settings, &options, &two, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_end(one, NULL), OUTLIVE_OK); /* takes nothing away from the other */
    close(second[1]);
    EQUAL(is_gone_soon(two), 1);
    EQUAL(outlive_request_end(two, NULL), OUTLIVE_OK);
    close(first[0]);
    close(first[1]);

    /* one connection, two requests at once: the later one is told */
    EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, first), 0);
    options.socket = first[0];
    EQUAL(outlive_request_begin(engine, settings, &options, &one, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_begin(engine, settings, &options, &two, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_end(one, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_begin(engine, settings, &options, &three, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_end(two, NULL), OUTLIVE_OK);
    close(first[1]);
    EQUAL(is_gone_soon(three), 1);
    EQUAL(outlive_request_end(three, NULL), OUTLIVE_OK);
    close(first[0]);

    /* no socket at all, and one that was closed before */
    options.socket = 1 << 20;
    EQUAL(outlive_request_begin(engine, settings, &options, &one, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_check(one), OUTLIVE_OK);
    EQUAL(outlive_request_end(one, NULL), OUTLIVE_OK);
    outlive_settings_free(settings);
}

/* A pipe in place of a socket has no client that could go while there is something to read in it. */
static void a_pipe_for_a_socket(void) {
    const outlive_settings *settings = settings_of("outlive.detect=watch\nignore_user_abort=0");
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *request = NULL;
    int ends[2];
    EQUAL(pipe(ends), 0);
    EQUAL(write(ends[1], "!", 1), 1);
    options.socket = ends[0];
    EQUAL(outlive_request_begin(engine, settings, &options, &request, NULL), OUTLIVE_OK);
    sleep_ms(200);
    EQUAL(outlive_request_is_gone(request), 0);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    close(ends[0]);
    close(ends[1]);
    outlive_settings_free(settings);
}

/* ---- late ---- */

static void late(void) {
    const outlive_settings *settings = settings_of("");
    host host = {0};
    outlive_request *old = begin(engine, settings, &host, "GET");
    EQUAL(outlive_request_end(old, NULL), OUTLIVE_OK);
    expect_all(old, OUTLIVE_ERROR_ENDED);
    outlive_request *now = begin(engine, settings, &host, "GET"); /* in the same place */
    expect_all(old, OUTLIVE_ERROR_ENDED);
    EQUAL(outlive_request_check(now), OUTLIVE_OK);
    EQUAL(outlive_request_end(now, NULL), OUTLIVE_OK);
    outlive_settings_free(settings);
}

static int refusing_write(void *userdata, const void *buf, size_t len) {
    (void)userdata, (void)buf, (void)len;
    return -2147483647 - 1; /* any number but 0 is a failure */
}

static void failing_callbacks(void) {
    const outlive_settings *settings = settings_of("ignore_user_abort=0");
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *request = NULL;
    options.write = refusing_write;
    EQUAL(outlive_request_begin(engine, settings, &options, &request, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_write(request, "x", 1), OUTLIVE_STOP);
    EQUAL(outlive_request_finish(request), OUTLIVE_STOP);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    outlive_settings_free(settings);
}

int main(void) {
    if (outlive_engine_new(NULL, &engine, NULL) != OUTLIVE_OK) {
        return 1;
    }
    from_output_callbacks();
    from_the_engine_s_thread();
    from_shutdown_functions();
    from_another_thread();
    descriptors_behind_our_back();
    a_pipe_for_a_socket();
    late();
    failing_callbacks();
    EQUAL(outlive_engine_drain(engine, 1000), OUTLIVE_OK);
    outlive_engine_free(engine);
    return finished("misuse");
}
