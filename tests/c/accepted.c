/* What somebody keeps: accepted, handed back, resumed; keys; shut down and then ended; told at the very end. */
#include "test.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

static outlive_engine *engine;

/* ---- what a host is told ---- */

static int told, ended_by, ended_times, functions;
static outlive_request *ending_now;
static outlive_request_row seen;
static char seen_key[128];

static int remember(outlive_request *request, int ending, void *userdata) {
    (void)request, (void)userdata;
    told = ending;
    functions++;
    return OUTLIVE_OK;
}

static int keep_row(void *userdata, const outlive_request_row *row) {
    (void)userdata;
    seen = *row;
    memcpy(seen_key, row->key.ptr, row->key.len + 1);
    return 0;
}

/* It is still in flight, nothing else can be called on it, and anything else may be. */
static void on_ended(void *userdata, int ending) {
    (void)userdata;
    ended_by = ending;
    ended_times++;
    EQUAL(outlive_request_connection_status(ending_now), OUTLIVE_ERROR_BUSY);
    EQUAL(outlive_request_end(ending_now, NULL), OUTLIVE_ERROR_BUSY);
    CHECK(outlive_request_id(ending_now) != 0);
    memset(&seen, 0, sizeof seen);
    EQUAL(outlive_engine_requests(engine, keep_row, NULL), OUTLIVE_OK);
    CHECK(seen.id == outlive_request_id(ending_now));
    EQUAL(seen.stage, OUTLIVE_STAGE_FINAL_FLUSH);
}

static outlive_request *start(const outlive_settings *settings, const void *key, size_t key_len, int resumed) {
    static host host;
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    host.writes = host.flushes = host.stops = host.forced = 0;
    options.method = "POST";
    options.write = host_write;
    options.flush = host_flush;
    options.on_stop = host_on_stop;
    options.userdata = &host;
    options.on_ended = on_ended;
    options.key = key;
    options.key_len = key_len;
    options.resumed = resumed;
    ending_now = NULL;
    EQUAL(outlive_request_begin(engine, settings, &options, &ending_now, NULL), OUTLIVE_OK);
    told = ended_by = -1;
    ended_times = functions = 0;
    EQUAL(outlive_request_register_shutdown_function(ending_now, remember, NULL, NULL), OUTLIVE_OK);
    return ending_now;
}

static void ends(outlive_request *request, int ending) {
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    EQUAL(told, ending);
    EQUAL(ended_by, ending);
    EQUAL(ended_times, 1);
    EQUAL(functions, 1);
}

/* ---- accepted ---- */

static void accepted(void) {
    const outlive_settings *stop = settings_of("outlive.disconnect=stop\nmax_execution_time=0");
    outlive_request *request = start(stop, NULL, 0, 0);
    EQUAL(outlive_request_set_accepted(request), OUTLIVE_OK);
    EQUAL(outlive_request_set_accepted(request), OUTLIVE_ALREADY);
    EQUAL(outlive_request_ignore_user_abort(request, 0), 1);
    EQUAL(outlive_request_ignore_user_abort(request, -1), 1);
    outlive_request_client_gone(request);
    EQUAL(outlive_request_check(request), OUTLIVE_OK);
    EQUAL(outlive_request_connection_status(request), OUTLIVE_CONNECTION_ABORTED);
    CHECK(outlive_request_time_left(request) == OUTLIVE_NO_LIMIT);
    EQUAL(outlive_engine_requests(engine, keep_row, NULL), OUTLIVE_OK);
    CHECK(seen.accepted && seen.ignores_abort && !seen.resumed && seen.gone_ms >= 0);
    ends(request, OUTLIVE_ENDING_COMPLETED);

    /* gone before, and not told of yet: in or out of a hold */
    for (int held = 0; held < 2; held++) {
        request = start(stop, NULL, 0, 0);
        if (held) {
            outlive_request_hold(request);
        }
        outlive_request_client_gone(request);
        if (held) {
            EQUAL(outlive_request_check(request), OUTLIVE_OK);
        }
        EQUAL(outlive_request_set_accepted(request), OUTLIVE_OK);
        EQUAL(held ? outlive_request_release(request) : outlive_request_check(request), OUTLIVE_OK);
        EQUAL(outlive_request_write(request, "x", 1), OUTLIVE_OK);
        ends(request, OUTLIVE_ENDING_COMPLETED);
    }

    /* what still stops it */
    request = start(stop, NULL, 0, 0);
    EQUAL(outlive_request_set_accepted(request), OUTLIVE_OK);
    EQUAL(outlive_request_cancel(request), OUTLIVE_OK);
    EQUAL(outlive_request_check(request), OUTLIVE_STOP);
    ends(request, OUTLIVE_ENDING_CANCELLED);
    request = start(stop, NULL, 0, 0);
    EQUAL(outlive_request_set_accepted(request), OUTLIVE_OK);
    outlive_request_set_time_limit_ms(request, 0);
    while (outlive_request_check(request) == OUTLIVE_OK) {
        sleep_ms(2);
    }
    ends(request, OUTLIVE_ENDING_TIME_LIMIT);

    /* a cap hands it back */
    const outlive_settings *capped = settings_of("outlive.disconnect=finish\nmax_execution_time=0\noutlive.max_detached=1");
    host host = {0};
    outlive_request *first = begin(engine, capped, &host, "POST");
    outlive_request_client_gone(first);
    request = start(capped, NULL, 0, 0);
    EQUAL(outlive_request_set_accepted(request), OUTLIVE_OK);
    outlive_request_client_gone(request);
    EQUAL(outlive_request_check(request), OUTLIVE_STOP);
    ends(request, OUTLIVE_ENDING_HANDED_BACK);
    outlive_request_end(first, NULL);
    EQUAL(outlive_request_set_accepted(request), OUTLIVE_ERROR_ENDED);
    outlive_settings_free(stop);
    outlive_settings_free(capped);
}

static int accept_late(outlive_request *request, int ending, void *userdata) {
    (void)ending, (void)userdata;
    EQUAL(outlive_request_set_accepted(request), OUTLIVE_ERROR_STAGE);
    EQUAL(outlive_request_shut_down(request, NULL, NULL), OUTLIVE_ERROR_STAGE);
    return OUTLIVE_OK;
}

static void too_late(void) {
    const outlive_settings *settings = settings_of("max_execution_time=0");
    outlive_request *request = start(settings, NULL, 0, 0);
    outlive_request_register_shutdown_function(request, accept_late, NULL, NULL);
    ends(request, OUTLIVE_ENDING_COMPLETED);
    outlive_settings_free(settings);
}

/* ---- resumed ---- */

static void resumed(void) {
    const outlive_settings *settings =
        settings_of("outlive.disconnect=stop\noutlive.detect=watch\noutlive.after_finish=abort\nimplicit_flush=1\noutput_buffering=1\nmax_execution_time=30");
    static char much[20000];
    int pair[2];
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *request = NULL;
    host host = {0};
    EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    options.socket = pair[0];
    options.resumed = 1;
    options.write = host_write;
    options.flush = host_flush;
    options.userdata = &host;
    EQUAL(outlive_request_begin(engine, settings, &options, &request, NULL), OUTLIVE_OK);
    EQUAL(outlive_engine_requests(engine, keep_row, NULL), OUTLIVE_OK);
    CHECK(seen.resumed && seen.accepted && seen.finished && !seen.watched && seen.gone_ms < 0);
    close(pair[1]);
    EQUAL(outlive_request_client_gone(request), OUTLIVE_OK);
    EQUAL(outlive_request_is_gone(request), 0);
    EQUAL(outlive_request_write(request, much, sizeof much), OUTLIVE_OK);
    EQUAL(outlive_request_flush(request), OUTLIVE_OK);
    EQUAL(outlive_request_check(request), OUTLIVE_OK);
    EQUAL(outlive_request_finish(request), OUTLIVE_ALREADY);
    EQUAL(outlive_request_set_accepted(request), OUTLIVE_ALREADY);
    EQUAL(outlive_request_connection_status(request), OUTLIVE_CONNECTION_NORMAL);
    int64_t left = outlive_request_time_left(request);
    CHECK(left > 0 && left <= 30000); /* limits hold */
    EQUAL(outlive_request_cancel(request), OUTLIVE_OK);
    EQUAL(outlive_request_check(request), OUTLIVE_STOP);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    EQUAL(host.writes + host.flushes, 0);
    close(pair[0]);

    request = start(settings, NULL, 0, 1);
    ends(request, OUTLIVE_ENDING_FINISHED);
    /* the next one in its place is an ordinary one */
    request = start(settings, NULL, 0, 0);
    EQUAL(outlive_engine_requests(engine, keep_row, NULL), OUTLIVE_OK);
    CHECK(!seen.resumed && !seen.accepted && !seen.finished);
    ends(request, OUTLIVE_ENDING_COMPLETED);

    /* no cap counts it */
    const outlive_settings *capped = settings_of("outlive.disconnect=finish\nmax_execution_time=0\noutlive.max_detached=1\noutlive.max_detached_total=1");
    outlive_request *many[3];
    for (int i = 0; i < 3; i++) {
        options.socket = -1;
        EQUAL(outlive_request_begin(engine, capped, &options, &many[i], NULL), OUTLIVE_OK);
        outlive_request_client_gone(many[i]);
    }
    sleep_ms(60);
    for (int i = 0; i < 3; i++) {
        EQUAL(outlive_request_check(many[i]), OUTLIVE_OK);
        EQUAL(outlive_request_end(many[i], NULL), OUTLIVE_OK);
    }
    outlive_settings_free(settings);
    outlive_settings_free(capped);
}

/* ---- keys ---- */

static void key_is(const void *key, size_t len, const char *expected, size_t expected_len) {
    const outlive_settings *settings = settings_of("max_execution_time=0");
    outlive_request *request = start(settings, key, len, 0);
    EQUAL(outlive_engine_requests(engine, keep_row, NULL), OUTLIVE_OK);
    EQUAL(seen.key.len, expected_len);
    CHECK(memcmp(seen_key, expected, expected_len) == 0 && seen_key[expected_len] == 0);
    ends(request, OUTLIVE_ENDING_COMPLETED);
    outlive_settings_free(settings);
}

static void keys(void) {
    static const char longest[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    /* sha256sum says so of it */
    static const char a65[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    key_is("order-7", OUTLIVE_NTS, "order-7", 7);
    key_is("a\0\xff\n", 4, "a\0\xff\n", 4);
    key_is(NULL, 0, "", 0);
    key_is("ignored", 0, "", 0);
    key_is(longest, 64, longest, 64);
    key_is(a65, 65, "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0", 64);

    const outlive_settings *settings = settings_of("max_execution_time=0");
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *request = NULL;
    outlive_error error;
    options.key_len = 3;
    EQUAL(outlive_request_begin(engine, settings, &options, &request, &error), OUTLIVE_ERROR_ARGUMENT);
    CHECK(strstr(error.message, "key") != NULL);
    options.key = "abc";
    options.key_len = SIZE_MAX / 2 + 1;
    EQUAL(outlive_request_begin(engine, settings, &options, &request, NULL), OUTLIVE_ERROR_ARGUMENT);
    /* one without a key, where one with a key was */
    EQUAL(outlive_request_begin(engine, settings, NULL, &request, NULL), OUTLIVE_OK);
    EQUAL(outlive_engine_requests(engine, keep_row, NULL), OUTLIVE_OK);
    EQUAL(seen.key.len, 0);
    outlive_request_end(request, NULL);
    outlive_settings_free(settings);
}

/* ---- shut down, then ended ---- */

static int stops_the_pass(outlive_request *request, int ending, void *userdata) {
    (void)request, (void)ending, (void)userdata;
    functions++;
    return OUTLIVE_STOP;
}

static void shut_down(void) {
    const outlive_settings *settings = settings_of("max_execution_time=0\noutput_buffering=1");
    int ending = -1;
    outlive_error error;
    outlive_request *request = start(settings, "k", 1, 0);
    EQUAL(outlive_request_write(request, "body", 4), OUTLIVE_OK);
    EQUAL(outlive_request_shut_down(request, &ending, &error), OUTLIVE_OK);
    EQUAL(ending, OUTLIVE_ENDING_COMPLETED);
    EQUAL(functions, 1);
    EQUAL(ended_times, 0);
    EQUAL(((host *)outlive_request_userdata(request))->bytes, 4); /* the last output is out */
    EQUAL(outlive_engine_requests(engine, keep_row, NULL), OUTLIVE_OK);
    CHECK(seen.id == outlive_request_id(request) && seen.stage == OUTLIVE_STAGE_FINAL_FLUSH && seen.key.len == 1);
    EQUAL(outlive_engine_drain(engine, 0), OUTLIVE_ERROR_TIMEOUT); /* it is in flight; the engine drains from here on */
    ending = -1;
    EQUAL(outlive_request_shut_down(request, &ending, NULL), OUTLIVE_ALREADY);
    EQUAL(ending, OUTLIVE_ENDING_COMPLETED);
    EQUAL(outlive_request_write(request, "more", 4), OUTLIVE_ERROR_STAGE);
    EQUAL(outlive_request_flush(request), OUTLIVE_ERROR_STAGE);
    EQUAL(outlive_request_finish(request), OUTLIVE_ERROR_STAGE);
    EQUAL(outlive_request_set_accepted(request), OUTLIVE_ERROR_STAGE);
    EQUAL(outlive_request_register_shutdown_function(request, remember, NULL, NULL), OUTLIVE_ERROR_STAGE);
    EQUAL(outlive_request_exit(request, OUTLIVE_ENDING_HOST_ERROR), OUTLIVE_ERROR_STAGE);
    EQUAL(outlive_request_cancel(request), OUTLIVE_OK); /* too late to do anything */
    ends(request, OUTLIVE_ENDING_COMPLETED);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_ERROR_ENDED);
    EQUAL(outlive_request_shut_down(request, NULL, NULL), OUTLIVE_ERROR_ENDED);

    /* a begin that comes too late was none: nobody is told of its end */
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    options.on_ended = on_ended;
    ended_times = 0;
    EQUAL(outlive_request_begin(engine, settings, &options, &request, NULL), OUTLIVE_ERROR_DRAINING);
    EQUAL(ended_times, 0);
    outlive_engine_free(engine);
    EQUAL(outlive_engine_new(NULL, &engine, NULL), OUTLIVE_OK);

    /* a stop, and a function that ends the pass: behind them all the same */
    request = start(settings, NULL, 0, 0);
    EQUAL(outlive_request_register_shutdown_function(request, stops_the_pass, NULL, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_register_shutdown_function(request, remember, NULL, NULL), OUTLIVE_OK);
    outlive_request_client_gone(request);
    EQUAL(outlive_request_check(request), OUTLIVE_STOP);
    EQUAL(outlive_request_shut_down(request, &ending, NULL), OUTLIVE_OK);
    EQUAL(ending, OUTLIVE_ENDING_ABORTED);
    EQUAL(functions, 2);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    EQUAL(ended_by, OUTLIVE_ENDING_ABORTED);
    EQUAL(ended_times, 1);
    outlive_settings_free(settings);
}

/* A drain waits for what on_ended does. */
static int entered, leave;
static void slow_ended(void *userdata, int ending) {
    (void)userdata, (void)ending;
    __atomic_store_n(&entered, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&leave, __ATOMIC_SEQ_CST)) {
        sleep_ms(1);
    }
}

static void *end_it(void *request) {
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    return NULL;
}

static void a_drain_waits(void) {
    const outlive_settings *settings = settings_of("max_execution_time=0");
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *request = NULL;
    pthread_t thread;
    options.on_ended = slow_ended;
    EQUAL(outlive_request_begin(engine, settings, &options, &request, NULL), OUTLIVE_OK);
    EQUAL(pthread_create(&thread, NULL, end_it, request), 0);
    while (!__atomic_load_n(&entered, __ATOMIC_SEQ_CST)) {
        sleep_ms(1);
    }
    EQUAL(outlive_engine_drain(engine, 0), OUTLIVE_ERROR_TIMEOUT);
    __atomic_store_n(&leave, 1, __ATOMIC_SEQ_CST);
    EQUAL(outlive_engine_drain(engine, -1), OUTLIVE_OK);
    pthread_join(thread, NULL);
    outlive_settings_free(settings);
}

int main(void) {
    if (outlive_engine_new(NULL, &engine, NULL) != OUTLIVE_OK) {
        return 1;
    }
    accepted();
    too_late();
    resumed();
    keys();
    shut_down();
    a_drain_waits();
    outlive_engine_free(engine);
    return finished("accepted");
}
