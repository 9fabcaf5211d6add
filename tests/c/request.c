/* One request at a time: what each call answers in each stage. Facts (C-…) are those of real PHP. */
#include "test.h"

#include <sys/wait.h>
#include <unistd.h>

static outlive_engine *engine;

/* ---- shutdown functions ---- */

static char order[64];
static int told[16], status_then[16], count;

static int remember(outlive_request *request, int ending, void *userdata) {
    const char *name = userdata;
    strcat(order, name);
    told[count] = ending;
    status_then[count++] = outlive_request_connection_status(request);
    if (*name == 'e') {
        return OUTLIVE_STOP;
    }
    if (*name == 'r') {
        EQUAL(outlive_request_register_shutdown_function(request, remember, "z", NULL), OUTLIVE_OK);
    }
    if (*name == 'f') {
        return outlive_request_flush(request) == OUTLIVE_STOP ? OUTLIVE_STOP : OUTLIVE_OK;
    }
    if (*name == 'x') {
        EQUAL(outlive_request_end(request, NULL), OUTLIVE_ERROR_STAGE);
        EQUAL(outlive_request_exit(request, OUTLIVE_ENDING_COMPLETED), OUTLIVE_OK);
        EQUAL(outlive_request_check(request), OUTLIVE_STOP);
    }
    return OUTLIVE_OK;
}

static int destroyed;
static void destroy(void *userdata) {
    (void)userdata;
    destroyed++;
}

/* What is destroyed because its pass was ended may not register anything: nothing would run it. */
static outlive_request *ending_now;
static void destroy_and_register(void *userdata) {
    destroy(userdata);
    EQUAL(outlive_request_register_shutdown_function(ending_now, remember, "z", NULL), OUTLIVE_ERROR_STAGE);
}

static void forget(void) {
    order[0] = 0;
    count = destroyed = 0;
}

static void add(outlive_request *request, const char *name) {
    EQUAL(outlive_request_register_shutdown_function(request, remember, (void *)name, destroy), OUTLIVE_OK);
}

static void shutdown_functions(void) {
    const outlive_settings *plain = settings_of("ignore_user_abort=0");
    const outlive_settings *all = settings_of("outlive.shutdown=all");
    host host = {0};
    outlive_request *request = begin(engine, plain, &host, "GET");

    /* in order; one that registers appends; the same one twice runs twice (C-110, C-112) */
    forget();
    add(request, "a"), add(request, "r"), add(request, "b"), add(request, "a");
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    CHECK(strcmp(order, "arbaz") == 0);
    EQUAL(destroyed, 4);
    EQUAL(told[0], OUTLIVE_ENDING_COMPLETED);

    /* "stop here" skips the rest, whose userdata is destroyed all the same (C-113) */
    forget();
    request = begin(engine, plain, &host, "GET");
    add(request, "a"), add(request, "e"), add(request, "b");
    outlive_request_end(request, NULL);
    CHECK(strcmp(order, "ae") == 0);
    EQUAL(destroyed, 3);

    /* so does exit */
    forget();
    request = begin(engine, plain, &host, "GET");
    add(request, "x"), add(request, "b");
    outlive_request_end(request, NULL);
    CHECK(strcmp(order, "x") == 0);

    /* unless all are wanted */
    forget();
    request = begin(engine, all, &host, "GET");
    add(request, "e"), add(request, "x"), add(request, "b");
    outlive_request_end(request, NULL);
    CHECK(strcmp(order, "exb") == 0);

    /* an abort in one ends the pass (C-065, C-067) */
    forget();
    request = begin(engine, plain, &host, "GET");
    add(request, "a"), add(request, "f"), add(request, "b");
    host.broken = 1;
    outlive_request_end(request, NULL);
    CHECK(strcmp(order, "af") == 0);

    outlive_settings_free(plain);
    outlive_settings_free(all);
}

/* ---- aborts ---- */

static void nothing_is_left_for_the_next(void) {
    const outlive_settings *plain = settings_of("ignore_user_abort=0");
    host host = {0};
    forget();
    ending_now = begin(engine, plain, &host, "GET");
    add(ending_now, "e");
    EQUAL(outlive_request_register_shutdown_function(ending_now, remember, "b", destroy_and_register), OUTLIVE_OK);
    EQUAL(outlive_request_end(ending_now, NULL), OUTLIVE_OK);
    EQUAL(destroyed, 2);
    ending_now = begin(engine, plain, &host, "GET");
    add(ending_now, "n");
    EQUAL(outlive_request_end(ending_now, NULL), OUTLIVE_OK);
    CHECK(strcmp(order, "en") == 0);
    outlive_settings_free(plain);
}

static void aborts(void) {
    const outlive_settings *off = settings_of("ignore_user_abort=0");
    const outlive_settings *on = settings_of("ignore_user_abort=1");
    host host = {0};
    outlive_request *request = begin(engine, off, &host, "POST");

    /* a failed write is an abort event, there and then; it stays one (C-060, C-062) */
    EQUAL(outlive_request_write(request, "hello", 5), OUTLIVE_OK);
    EQUAL(host.bytes, 5);
    host.broken = 1;
    EQUAL(outlive_request_connection_status(request), OUTLIVE_CONNECTION_NORMAL);
    EQUAL(outlive_request_write(request, "hello", 5), OUTLIVE_STOP);
    EQUAL(outlive_request_check(request), OUTLIVE_STOP);
    EQUAL(outlive_request_write(request, "hello", 5), OUTLIVE_STOP);
    EQUAL(host.writes, 2);
    EQUAL(outlive_request_connection_status(request), OUTLIVE_CONNECTION_ABORTED);
    EQUAL(outlive_request_is_gone(request), 1);
    EQUAL(outlive_request_ending(request), OUTLIVE_ENDING_ABORTED);
    forget();
    add(request, "a");
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    EQUAL(told[0], OUTLIVE_ENDING_ABORTED);
    EQUAL(status_then[0], OUTLIVE_CONNECTION_ABORTED);

    /* ignored, it goes on silently; flush asks the host each time (C-063, C-064) */
    memset(&host, 0, sizeof host);
    host.broken = 1;
    request = begin(engine, on, &host, "POST");
    EQUAL(outlive_request_write(request, "hello", 5), OUTLIVE_OK);
    EQUAL(outlive_request_write(request, "hello", 5), OUTLIVE_OK);
    EQUAL(host.writes, 1);
    EQUAL(outlive_request_flush(request), OUTLIVE_OK);
    EQUAL(outlive_request_flush(request), OUTLIVE_OK);
    EQUAL(host.flushes, 2);
    EQUAL(outlive_request_check(request), OUTLIVE_OK);
    EQUAL(outlive_request_ignore_user_abort(request, 0), 1);
    EQUAL(outlive_request_write(request, "hello", 5), OUTLIVE_OK);
    EQUAL(outlive_request_flush(request), OUTLIVE_STOP);
    outlive_request_end(request, NULL);

    /* the host's word is noticed at the next safe point */
    memset(&host, 0, sizeof host);
    request = begin(engine, off, &host, "POST");
    const uint32_t *flags = outlive_request_flags(request);
    EQUAL(*flags, 0);
    EQUAL(OUTLIVE_CHECK(request, flags), OUTLIVE_OK);
    EQUAL(outlive_request_client_gone(request), OUTLIVE_OK);
    EQUAL(outlive_request_client_gone(request), OUTLIVE_OK);
    CHECK(*flags != 0);
    EQUAL(outlive_request_is_gone(request), 1);
    EQUAL(outlive_request_connection_status(request), OUTLIVE_CONNECTION_NORMAL);
    EQUAL(OUTLIVE_CHECK(request, flags), OUTLIVE_STOP);
    EQUAL(outlive_request_connection_status(request), OUTLIVE_CONNECTION_ABORTED);
    outlive_request_end(request, NULL);

    outlive_settings_free(off);
    outlive_settings_free(on);
}

static void holds(void) {
    const outlive_settings *off = settings_of("ignore_user_abort=0");
    host host = {0};
    outlive_request *request = begin(engine, off, &host, "POST");

    EQUAL(outlive_request_release(request), OUTLIVE_ERROR_STAGE);
    EQUAL(outlive_request_hold(request), OUTLIVE_OK);
    EQUAL(outlive_request_hold(request), OUTLIVE_OK);
    outlive_request_client_gone(request);
    EQUAL(outlive_request_check(request), OUTLIVE_OK);
    EQUAL(outlive_request_connection_status(request), OUTLIVE_CONNECTION_ABORTED);
    EQUAL(outlive_request_write(request, "x", 1), OUTLIVE_OK);
    EQUAL(host.writes, 0);
    EQUAL(outlive_request_release(request), OUTLIVE_OK);
    EQUAL(outlive_request_release(request), OUTLIVE_STOP);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);

    /* the last release asks `ignore` then */
    request = begin(engine, off, &host, "POST");
    outlive_request_hold(request);
    outlive_request_client_gone(request);
    EQUAL(outlive_request_check(request), OUTLIVE_OK);
    outlive_request_ignore_user_abort(request, 1);
    EQUAL(outlive_request_release(request), OUTLIVE_OK);
    EQUAL(outlive_request_check(request), OUTLIVE_OK);
    EQUAL(outlive_request_ending(request), OUTLIVE_ENDING_NONE);
    outlive_request_end(request, NULL);
    outlive_settings_free(off);
}

static int status_of(const char *lines, const char *method) {
    const outlive_settings *settings = settings_of(lines);
    host host = {0};
    outlive_request *request = begin(engine, settings, &host, method);
    outlive_request_client_gone(request);
    int answer = outlive_request_check(request);
    outlive_request_end(request, NULL);
    outlive_settings_free(settings);
    return answer;
}

static void who_decides(void) {
    EQUAL(status_of("outlive.disconnect=finish", "GET"), OUTLIVE_OK);
    EQUAL(status_of("outlive.disconnect=stop\nignore_user_abort=1", "POST"), OUTLIVE_STOP);
    EQUAL(status_of("outlive.disconnect=auto", "GET"), OUTLIVE_STOP);
    EQUAL(status_of("outlive.disconnect=auto", "HEAD"), OUTLIVE_STOP);
    EQUAL(status_of("outlive.disconnect=auto", "POST"), OUTLIVE_OK);
    EQUAL(status_of("outlive.disconnect=auto", "DELETE"), OUTLIVE_OK);
    EQUAL(status_of("outlive.disconnect=auto", NULL), OUTLIVE_OK);
    EQUAL(status_of("outlive.disconnect=php\nignore_user_abort=1", "GET"), OUTLIVE_OK);
}

/* ---- output ---- */

static void output(void) {
    const outlive_settings *buffered = settings_of("output_buffering=4096");
    const outlive_settings *flushing = settings_of("implicit_flush=1");
    const outlive_settings *plain = settings_of("");
    static char bytes[5000];
    host host = {0};
    outlive_request *request = begin(engine, buffered, &host, "GET");

    EQUAL(outlive_request_write(request, bytes, 4095), OUTLIVE_OK);
    EQUAL(host.writes, 0);
    EQUAL(outlive_request_flush(request), OUTLIVE_OK); /* only what is below the buffer (C-030) */
    EQUAL(host.bytes, 0);
    EQUAL(outlive_request_write(request, bytes, 1), OUTLIVE_OK);
    EQUAL(host.bytes, 4096);
    EQUAL(outlive_request_write(request, bytes, 5000), OUTLIVE_OK);
    EQUAL(host.bytes, 9096);
    EQUAL(outlive_request_write(request, bytes, 10), OUTLIVE_OK);
    EQUAL(outlive_request_write(request, NULL, 0), OUTLIVE_OK);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    EQUAL(host.bytes, 9106); /* the rest at the end */

    memset(&host, 0, sizeof host);
    request = begin(engine, flushing, &host, "GET");
    EQUAL(outlive_request_write(request, "x", 1), OUTLIVE_OK);
    EQUAL(host.flushes, 1);
    outlive_request_end(request, NULL);

    /* HEAD has no body, and its client cannot be missed by output (C-040) */
    memset(&host, 0, sizeof host);
    host.broken = 1;
    request = begin(engine, plain, &host, "HEAD");
    EQUAL(outlive_request_write(request, "x", 1), OUTLIVE_OK);
    EQUAL(outlive_request_write(request, "x", 1), OUTLIVE_OK);
    EQUAL(host.writes, 0);
    EQUAL(outlive_request_connection_status(request), 0);
    EQUAL(outlive_request_flush(request), OUTLIVE_STOP);
    outlive_request_end(request, NULL);

    outlive_settings_free(buffered);
    outlive_settings_free(flushing);
    outlive_settings_free(plain);
}

static void finishing(void) {
    const outlive_settings *plain = settings_of("output_buffering=1");
    const outlive_settings *fpm = settings_of("outlive.after_finish=abort");
    static char bytes[9000];
    host host = {0};
    outlive_request *request = begin(engine, plain, &host, "POST");

    EQUAL(outlive_request_write(request, "answer", 6), OUTLIVE_OK);
    EQUAL(host.writes, 0);
    EQUAL(outlive_request_finish(request), OUTLIVE_OK);
    EQUAL(host.bytes, 6);
    EQUAL(host.flushes, 1);
    EQUAL(outlive_request_finish(request), OUTLIVE_ALREADY);
    host.broken = 1;
    EQUAL(outlive_request_write(request, bytes, 9000), OUTLIVE_OK);
    EQUAL(outlive_request_flush(request), OUTLIVE_OK);
    EQUAL(outlive_request_client_gone(request), OUTLIVE_OK); /* it may leave now */
    EQUAL(outlive_request_is_gone(request), 0);
    EQUAL(outlive_request_check(request), OUTLIVE_OK);
    forget();
    add(request, "a");
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    EQUAL(told[0], OUTLIVE_ENDING_FINISHED);
    EQUAL(status_then[0], 0);

    /* as PHP-FPM has it: exactly 8183 bytes pass, flush never (C-192, C-193) */
    memset(&host, 0, sizeof host);
    request = begin(engine, fpm, &host, "POST");
    EQUAL(outlive_request_finish(request), OUTLIVE_OK);
    EQUAL(outlive_request_write(request, bytes, 8183), OUTLIVE_OK);
    EQUAL(outlive_request_connection_status(request), 0);
    EQUAL(outlive_request_write(request, bytes, 1), OUTLIVE_STOP);
    EQUAL(outlive_request_connection_status(request), 1);
    outlive_request_end(request, NULL);
    request = begin(engine, fpm, &host, "POST");
    EQUAL(outlive_request_finish(request), OUTLIVE_OK);
    EQUAL(outlive_request_flush(request), OUTLIVE_STOP);
    outlive_request_end(request, NULL);

    outlive_settings_free(plain);
    outlive_settings_free(fpm);
}

/* ---- settings at run time ---- */

static void run_time(void) {
    const outlive_settings *plain = settings_of("ignore_user_abort=On\nmax_execution_time=7");
    host host = {0};
    outlive_request *request = begin(engine, plain, &host, "POST");
    outlive_str value, before;

    EQUAL(outlive_request_ignore_user_abort(request, -1), 1);
    EQUAL(outlive_request_ini_get(request, "ignore_user_abort", OUTLIVE_NTS, &value), OUTLIVE_OK);
    TEXT(value, "1");
    EQUAL(outlive_request_ignore_user_abort(request, 0), 1);
    EQUAL(outlive_request_ini_get(request, "ignore_user_abort", OUTLIVE_NTS, &value), OUTLIVE_OK);
    TEXT(value, "0");
    EQUAL(outlive_request_ini_set(request, "ignore_user_abort", OUTLIVE_NTS, "yes", 3, &before), OUTLIVE_OK);
    TEXT(before, "0");
    EQUAL(outlive_request_ignore_user_abort(request, -1), 1);
    EQUAL(outlive_request_ini_set(request, "ignore_user_abort", OUTLIVE_NTS, "maybe", 5, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_ignore_user_abort(request, -1), 0);
    EQUAL(outlive_request_ini_restore(request, "ignore_user_abort", OUTLIVE_NTS), OUTLIVE_OK);
    EQUAL(outlive_request_ignore_user_abort(request, -1), 1);

    /* set_time_limit is ini_set of max_execution_time (C-144) */
    EQUAL(outlive_request_set_time_limit(request, -5), OUTLIVE_OK);
    EQUAL(outlive_request_ini_get(request, "max_execution_time", OUTLIVE_NTS, &value), OUTLIVE_OK);
    TEXT(value, "-5");
    EQUAL(outlive_request_ini_set(request, "max_execution_time", OUTLIVE_NTS, "9", 1, &before), OUTLIVE_OK);
    TEXT(before, "-5");
    EQUAL(outlive_request_ini_restore(request, "max_execution_time", OUTLIVE_NTS), OUTLIVE_OK);
    EQUAL(outlive_request_ini_get(request, "max_execution_time", OUTLIVE_NTS, &value), OUTLIVE_OK);
    TEXT(value, "7");

    EQUAL(outlive_request_ini_set(request, "no.such", OUTLIVE_NTS, "1", 1, NULL), OUTLIVE_ERROR_NOT_FOUND);
    EQUAL(outlive_request_ini_get(request, "no.such", OUTLIVE_NTS, &value), OUTLIVE_ERROR_NOT_FOUND);
    EQUAL(outlive_request_ini_set(request, "hard_timeout", OUTLIVE_NTS, "1", 1, NULL), OUTLIVE_ERROR_ACCESS);
    EQUAL(outlive_request_ini_set(request, "outlive.disconnect", OUTLIVE_NTS, "perhaps", 7, NULL), OUTLIVE_ERROR_VALUE);
    EQUAL(outlive_request_ini_set(request, "outlive.disconnect", OUTLIVE_NTS, "stop", 4, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_ignore_user_abort(request, -1), 0);
    outlive_request_end(request, NULL);

    /* nothing leaks into the next request (C-003) */
    request = begin(engine, plain, &host, "POST");
    EQUAL(outlive_request_ignore_user_abort(request, -1), 1);
    outlive_request_end(request, NULL);
    outlive_settings_free(plain);
}

/* Locked by an admin layer (C-086, C-087). */
static void locks(void) {
    outlive_config_builder *builder = outlive_config_builder_new();
    outlive_dir_config *dir = outlive_dir_config_new();
    const outlive_settings *settings = NULL;
    outlive_config *config = NULL;
    outlive_error error;
    host host = {0};
    EQUAL(outlive_config_builder_build(builder, &config, &error), OUTLIVE_OK);
    EQUAL(outlive_dir_config_set(dir, OUTLIVE_PHP_VALUE_ADMIN_FLAG, "ignore_user_abort", OUTLIVE_NTS, "on", OUTLIVE_NTS, "a.conf", 3, 0,
                                 &error),
          OUTLIVE_OK);
    EQUAL(outlive_dir_config_set(dir, OUTLIVE_PHP_VALUE_ADMIN_VALUE, "max_execution_time", OUTLIVE_NTS, "5", OUTLIVE_NTS, "a.conf", 4, 0,
                                 &error),
          OUTLIVE_OK);
    EQUAL(outlive_dir_config_set(dir, OUTLIVE_PHP_VALUE_ADMIN_VALUE, "user_agent", OUTLIVE_NTS, "5", OUTLIVE_NTS, ".htaccess", 4, 1, &error),
          OUTLIVE_ERROR_ACCESS);
    EQUAL(error.line, 4);
    CHECK(strcmp(error.file, ".htaccess") == 0);
    EQUAL(outlive_config_resolve_dir(config, dir, &settings, &error), OUTLIVE_OK);
    outlive_dir_config_free(dir);
    outlive_config_free(config);
    outlive_config_builder_free(builder);

    outlive_request *request = begin(engine, settings, &host, "POST");
    EQUAL(outlive_request_ignore_user_abort(request, 0), 1);
    EQUAL(outlive_request_ignore_user_abort(request, -1), 1);
    EQUAL(outlive_request_set_time_limit(request, 100), OUTLIVE_ERROR_LOCKED);
    EQUAL(outlive_request_ini_set(request, "ignore_user_abort", OUTLIVE_NTS, "0", 1, NULL), OUTLIVE_ERROR_LOCKED);
    EQUAL(outlive_request_ini_restore(request, "ignore_user_abort", OUTLIVE_NTS), OUTLIVE_OK);
    EQUAL(outlive_request_ignore_user_abort(request, -1), 1);
    outlive_request_end(request, NULL);
    outlive_settings_free(settings);
}

/* ---- stages and misuse ---- */

static void stages(void) {
    const outlive_settings *plain = settings_of("");
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *request = NULL;
    char *label = strdup("a label that is freed");
    options.reading_input = 1;
    options.label = label;
    EQUAL(outlive_request_begin(engine, plain, &options, &request, NULL), OUTLIVE_OK);
    free(label);
    EQUAL(outlive_request_set_time_limit(request, 3), OUTLIVE_ERROR_STAGE);
    EQUAL(outlive_request_finish(request), OUTLIVE_ERROR_STAGE);
    EQUAL(outlive_request_run(request), OUTLIVE_OK);
    EQUAL(outlive_request_run(request), OUTLIVE_ERROR_STAGE);
    EQUAL(outlive_request_resume(request), OUTLIVE_ERROR_STAGE);
    EQUAL(outlive_request_suspend(request), OUTLIVE_OK);
    EQUAL(outlive_request_suspend(request), OUTLIVE_ERROR_STAGE);
    EQUAL(outlive_request_resume(request), OUTLIVE_OK);
    EQUAL(outlive_request_exit(request, 99), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_exit(request, OUTLIVE_ENDING_HOST_ERROR), OUTLIVE_OK);
    EQUAL(outlive_request_check(request), OUTLIVE_STOP);
    EQUAL(outlive_request_ending(request), OUTLIVE_ENDING_HOST_ERROR);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);

    /* after the end the pointer names nothing, also when its place is used again */
    outlive_request *old = request;
    host host = {0};
    for (int i = 0; i < 2; i++) {
        outlive_str value;
        outlive_error error;
        EQUAL(outlive_request_check(old), OUTLIVE_ERROR_ENDED);
        EQUAL(outlive_request_write(old, "x", 1), OUTLIVE_ERROR_ENDED);
        EQUAL(outlive_request_client_gone(old), OUTLIVE_ERROR_ENDED);
        EQUAL(outlive_request_is_gone(old), OUTLIVE_ERROR_ENDED);
        EQUAL(outlive_request_connection_status(old), OUTLIVE_ERROR_ENDED);
        EQUAL(outlive_request_set_time_limit(old, 1), OUTLIVE_ERROR_ENDED);
        EQUAL(outlive_request_ini_get(old, "precision", OUTLIVE_NTS, &value), OUTLIVE_ERROR_ENDED);
        EQUAL(outlive_request_end(old, &error), OUTLIVE_ERROR_ENDED);
        EQUAL(error.code, OUTLIVE_ERROR_ENDED);
        if (i == 0) {
            request = begin(engine, plain, &host, "GET");
        }
    }
    EQUAL(outlive_request_check(request), OUTLIVE_OK);
    outlive_request_end(request, NULL);
    outlive_settings_free(plain);
}

static outlive_request *inside;
static int answer_inside;
static int calls_back(void *userdata, const void *buf, size_t len) {
    (void)userdata, (void)buf, (void)len;
    answer_inside = outlive_request_flush(inside);
    EQUAL(outlive_request_client_gone(inside), OUTLIVE_OK);
    return 0;
}

static void callbacks(void) {
    const outlive_settings *settings = settings_of("output_buffering=4096");
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    options.write = calls_back;
    EQUAL(outlive_request_begin(engine, settings, &options, &inside, NULL), OUTLIVE_OK);
    static char bytes[4096];
    EQUAL(outlive_request_write(inside, bytes, sizeof bytes), OUTLIVE_OK);
    EQUAL(answer_inside, OUTLIVE_ERROR_BUSY);
    EQUAL(outlive_request_check(inside), OUTLIVE_STOP);
    outlive_request_end(inside, NULL);
    outlive_settings_free(settings);
}

static void draining(void) {
    const outlive_settings *plain = settings_of("");
    outlive_engine *other = NULL;
    outlive_request *request = NULL, *late = NULL;
    EQUAL(outlive_engine_new(NULL, &other, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_begin(other, plain, NULL, &request, NULL), OUTLIVE_OK);
    EQUAL(outlive_engine_drain(other, 1), OUTLIVE_ERROR_TIMEOUT); /* nobody asks at a safe point */
    EQUAL(outlive_request_begin(other, plain, NULL, &late, NULL), OUTLIVE_ERROR_DRAINING);
    EQUAL(outlive_request_check(request), OUTLIVE_STOP);
    EQUAL(outlive_request_ending(request), OUTLIVE_ENDING_FORCED); /* told to stop, and then forced, while it never asked */
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    EQUAL(outlive_engine_drain(other, 0), OUTLIVE_OK);
    outlive_engine_free(other);
    outlive_settings_free(plain);
}

static void in_a_forked_child(void) {
    const outlive_settings *plain = settings_of("");
    host host = {0};
    outlive_request *request = begin(engine, plain, &host, "GET"), *other = NULL;
    /* What failed comes through a pipe: a memory checker has its own idea of a child's exit status. */
    int answer[2], failed = -1;
    EQUAL(pipe(answer), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        failures = 0;
        EQUAL(outlive_request_begin(engine, plain, NULL, &other, NULL), OUTLIVE_ERROR_FORKED);
        EQUAL(outlive_request_check(request), OUTLIVE_ERROR_FORKED);
        EQUAL(outlive_request_write(request, "x", 1), OUTLIVE_ERROR_FORKED);
        EQUAL(outlive_request_set_time_limit(request, 1), OUTLIVE_ERROR_FORKED);
        EQUAL(outlive_request_client_gone(request), OUTLIVE_ERROR_FORKED);
        EQUAL(outlive_request_end(request, NULL), OUTLIVE_ERROR_FORKED);
        EQUAL(outlive_engine_drain(engine, 0), OUTLIVE_ERROR_FORKED);
        EQUAL(outlive_engine_metrics(engine, NULL, 0, NULL), OUTLIVE_ERROR_FORKED);
        outlive_engine_free(engine);
        outlive_engine *own = NULL;
        EQUAL(outlive_engine_new(NULL, &own, NULL), OUTLIVE_OK);
        request = begin(own, plain, &host, "GET");
        EQUAL(outlive_request_check(request), OUTLIVE_OK);
        EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
        outlive_engine_free(own);
        outlive_settings_free(plain);
        if (write(answer[1], &failures, sizeof failures) != sizeof failures) {
            abort();
        }
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    EQUAL(read(answer[0], &failed, sizeof failed), sizeof failed);
    EQUAL(failed, 0);
    close(answer[0]);
    close(answer[1]);
    EQUAL(outlive_request_check(request), OUTLIVE_OK);
    outlive_request_end(request, NULL);
    outlive_settings_free(plain);
}

int main(void) {
    outlive_error error;
    if (outlive_engine_new(NULL, &engine, &error) != OUTLIVE_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    shutdown_functions();
    nothing_is_left_for_the_next();
    aborts();
    holds();
    who_decides();
    output();
    finishing();
    run_time();
    locks();
    stages();
    callbacks();
    draining();
    in_a_forked_child();
    EQUAL(outlive_engine_drain(engine, 0), OUTLIVE_OK);
    outlive_engine_free(engine);
    return finished("request");
}
