/*
 * Time limits, the forced stage, the watcher, drain: the parts with clocks. A slow machine fails none of it: nothing may come too early, counted from
 * before the clock in question can have started; whatever is to come is waited for; and where a limit could pass before the test has done its
 * part, the test looks whether that was so.
 */
#include "test.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

static outlive_engine *engine;

/* Milliseconds within which everything comes that comes at all. */
enum { LONG = 120000 };

#define AWAIT(condition) \
    do { \
        for (int64_t end_ = now_ms() + LONG; !(condition) && now_ms() < end_;) { \
            sleep_ms(5); \
        } \
        CHECK(condition); \
    } while (0)

static outlive_request *begin_told(const outlive_settings *settings, host *host, int socket, int reading_input) {
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *request = NULL;
    options.method = "POST";
    options.write = host_write;
    options.flush = host_flush;
    options.on_stop = host_on_stop;
    options.on_forced = host_on_forced;
    options.userdata = host;
    options.socket = socket;
    options.reading_input = reading_input;
    EQUAL(outlive_request_begin(engine, settings, &options, &request, NULL), OUTLIVE_OK);
    return request;
}

static int64_t cpu_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Works until told to stop, or for so many milliseconds: sleeping, of elapsed time, otherwise of the processor's. */
static void work(outlive_request *request, int64_t most, int sleeping, int *answer) {
    int64_t end = (sleeping ? now_ms() : cpu_ms()) + most;
    while ((*answer = outlive_request_check(request)) == OUTLIVE_OK && (sleeping ? now_ms() : cpu_ms()) < end) {
        if (sleeping) {
            sleep_ms(5);
        }
    }
}

static int told;
/* With userdata, it works until it is told to stop. */
static int remember(outlive_request *request, int ending, void *userdata) {
    int answer;
    told = ending;
    if (userdata != NULL) {
        work(request, LONG, 0, &answer);
        EQUAL(answer, OUTLIVE_STOP);
        *(int *)userdata = 1;
    }
    return OUTLIVE_OK;
}

/* A request that sets its limit of one second anew after 600 ms, just behind *before. One whose limit may have passed before that shows nothing: it is
   followed by another one. */
static outlive_request *begin_and_set_limit(const outlive_settings *settings, host *host, int64_t limit, int64_t *before) {
    for (int64_t end = now_ms() + LONG;;) {
        int answer;
        int64_t began = now_ms();
        outlive_request *request = begin_told(settings, host, -1, 0);
        work(request, 600, 1, &answer);
        *before = now_ms();
        int result = outlive_request_set_time_limit(request, limit);
        if (now_ms() - began < 1000 || now_ms() > end) {
            EQUAL(answer, OUTLIVE_OK);
            EQUAL(result, OUTLIVE_OK);
            return request;
        }
        outlive_request_end(request, NULL);
    }
}

static void elapsed_time(void) {
    const outlive_settings *settings = settings_of("outlive.clock=wall\nmax_execution_time=1\nhard_timeout=1");
    host host = {0};
    int answer;
    int64_t before = now_ms();
    outlive_request *request = begin_told(settings, &host, -1, 0);
    work(request, LONG, 1, &answer);
    EQUAL(answer, OUTLIVE_STOP);
    CHECK(now_ms() - before >= 1000);
    EQUAL(outlive_request_connection_status(request), OUTLIVE_CONNECTION_TIMEOUT);
    EQUAL(outlive_request_ending(request), OUTLIVE_ENDING_TIME_LIMIT);
    AWAIT(host.stops == 1);
    EQUAL(host.last_stop, OUTLIVE_ENDING_TIME_LIMIT);
    /* shutdown functions get a budget of hard_timeout seconds of their own (C-154), from when the stop was told: at least a second after the begin */
    int stopped = 0;
    outlive_request_register_shutdown_function(request, remember, &stopped, NULL);
    told = -1;
    outlive_request_register_shutdown_function(request, remember, NULL, NULL);
    outlive_request_end(request, NULL);
    CHECK(stopped && now_ms() - before >= 2000);
    EQUAL(told, OUTLIVE_ENDING_TIME_LIMIT);

    /* a restart gives the full time again (C-144); 0 stops it */
    request = begin_and_set_limit(settings, &host, 1, &before);
    work(request, LONG, 1, &answer);
    EQUAL(answer, OUTLIVE_STOP);
    CHECK(now_ms() - before >= 950);
    outlive_request_end(request, NULL);
    request = begin_and_set_limit(settings, &host, 0, &before);
    work(request, 1200, 1, &answer);
    EQUAL(answer, OUTLIVE_OK);
    outlive_request_end(request, NULL);
    outlive_settings_free(settings);
}

static void cpu_time(void) {
    const outlive_settings *settings = settings_of("max_execution_time=1");
    host host = {0};
    int answer;
    outlive_request *request = begin_told(settings, &host, -1, 0);
    work(request, 1500, 1, &answer); /* sleeping is not counted (C-140) */
    EQUAL(answer, OUTLIVE_OK);
    int64_t before = now_ms();
    work(request, LONG, 0, &answer);
    EQUAL(answer, OUTLIVE_STOP);
    CHECK(now_ms() - before >= 850); /* sleeping has taken a little, too */
    outlive_request_end(request, NULL);

    /* time between suspend and resume is nobody's */
    request = begin_told(settings, &host, -1, 0);
    work(request, 600, 0, &answer);
    outlive_request_suspend(request);
    int64_t began = now_ms();
    while (now_ms() - began < 1500) {
    }
    EQUAL(outlive_request_check(request), OUTLIVE_OK);
    outlive_request_resume(request);
    work(request, 100, 0, &answer);
    EQUAL(answer, OUTLIVE_OK);
    work(request, LONG, 0, &answer);
    EQUAL(answer, OUTLIVE_STOP);
    outlive_request_end(request, NULL);
    outlive_settings_free(settings);
}

static void held_and_forced(void) {
    const outlive_settings *settings = settings_of("outlive.clock=wall\nmax_execution_time=1\nhard_timeout=1");
    host host = {0};
    int answer;
    int64_t before = now_ms();
    outlive_request *request = begin_told(settings, &host, -1, 0);
    EQUAL(outlive_request_hold(request), OUTLIVE_OK);
    work(request, 1500, 1, &answer);
    EQUAL(answer, OUTLIVE_OK);
    AWAIT(outlive_request_connection_status(request) == OUTLIVE_CONNECTION_TIMEOUT);
    int is_forced = host.forced != 0 || outlive_request_is_forced(request) != 0;
    CHECK(!is_forced || now_ms() - before >= 1950);
    AWAIT(host.forced == 1); /* a hold stops no clock */
    CHECK(now_ms() - before >= 1950);
    EQUAL(outlive_request_is_forced(request), 1);
    work(request, 1500, 1, &answer);
    EQUAL(host.forced, 1); /* once */
    EQUAL(outlive_request_release(request), OUTLIVE_STOP);
    EQUAL(outlive_request_ending(request), OUTLIVE_ENDING_FORCED);
    outlive_request_end(request, NULL);
    outlive_settings_free(settings);
}

static void input_time(void) {
    /* exceeding it leaves a mark and nothing else (C-165) */
    const outlive_settings *settings = settings_of("outlive.clock=wall\nmax_input_time=1\nmax_execution_time=1\nhard_timeout=5");
    host host = {0};
    int answer;
    outlive_request *request = begin_told(settings, &host, -1, 1);
    work(request, 1300, 1, &answer);
    EQUAL(answer, OUTLIVE_OK);
    AWAIT(outlive_request_connection_status(request) == OUTLIVE_CONNECTION_TIMEOUT);
    int64_t before = now_ms();
    EQUAL(outlive_request_run(request), OUTLIVE_OK);
    EQUAL(outlive_request_connection_status(request), OUTLIVE_CONNECTION_TIMEOUT);
    answer = outlive_request_check(request);
    CHECK(answer == OUTLIVE_OK || now_ms() - before >= 1000);
    work(request, LONG, 1, &answer);
    EQUAL(answer, OUTLIVE_STOP);
    CHECK(now_ms() - before >= 990);
    outlive_request_end(request, NULL);
    outlive_settings_free(settings);
}

static int gone_within(outlive_request *request, int milliseconds) {
    for (int i = 0; i < milliseconds / 5; i++) {
        if (outlive_request_is_gone(request) == 1) {
            return 1;
        }
        sleep_ms(5);
    }
    return outlive_request_is_gone(request);
}

static int count_watched(void *userdata, const outlive_request_row *row) {
    *(int *)userdata += row->watched != 0;
    return 0;
}

static int watched_rows(void) {
    int count = 0;
    EQUAL(outlive_engine_requests(engine, count_watched, &count), OUTLIVE_OK);
    return count;
}

static void watching(void) {
    const outlive_settings *watch = settings_of("outlive.detect=watch");
    const outlive_settings *open = settings_of("outlive.detect=watch\noutlive.half_close=open");
    const outlive_settings *plain = settings_of("");
    int pair[2];
    host host = {0};
    outlive_request *request;

    EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    request = begin_told(watch, &host, pair[0], 0);
    EQUAL(outlive_request_is_gone(request), 0);
    close(pair[1]);
    CHECK(gone_within(request, LONG));
    AWAIT(host.stops == 1);
    EQUAL(host.last_stop, OUTLIVE_ENDING_ABORTED);
    EQUAL(outlive_request_check(request), OUTLIVE_STOP);
    outlive_request_end(request, NULL);
    close(pair[0]);

    /* the end of the sending side alone: as configured */
    EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    request = begin_told(watch, &host, pair[0], 0);
    shutdown(pair[1], SHUT_WR);
    CHECK(gone_within(request, LONG));
    outlive_request_end(request, NULL);
    request = begin_told(open, &host, pair[0], 0);
    EQUAL(gone_within(request, 100), 0);
    close(pair[1]);
    CHECK(gone_within(request, LONG));
    outlive_request_end(request, NULL);
    close(pair[0]);

    /* many requests on one socket, as in HTTP/2: each hears of it, whichever ends first */
    EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct host hosts[4] = {{0}};
    outlive_request *streams[4];
    for (int i = 0; i < 4; i++) {
        streams[i] = begin_told(i == 2 ? open : watch, &hosts[i], pair[0], 0);
    }
    outlive_request_end(streams[3], NULL); /* neither the last that joined nor the first takes it along */
    outlive_request_end(streams[0], NULL);
    shutdown(pair[1], SHUT_WR); /* the end of the sending side: each by its own words */
    CHECK(gone_within(streams[1], LONG));
    EQUAL(gone_within(streams[2], 100), 0);
    streams[0] = begin_told(watch, &hosts[0], pair[0], 0); /* who joins late hears what has happened */
    CHECK(gone_within(streams[0], LONG));
    EQUAL(outlive_request_end(streams[1], NULL), OUTLIVE_OK);
    close(pair[1]);
    CHECK(gone_within(streams[2], LONG));
    outlive_request_end(streams[0], NULL);
    outlive_request_end(streams[2], NULL);
    close(pair[0]);

    /* a number that names a new socket: the old request is not watched any more, and hears nothing of the new one's client */
    int other[2];
    EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    int kept = dup(pair[0]); /* so that the old one's end is not seen */
    request = begin_told(watch, &host, pair[0], 0);
    EQUAL(watched_rows(), 1);
    EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
    EQUAL(dup2(other[0], pair[0]), pair[0]);
    streams[0] = begin_told(watch, &hosts[0], pair[0], 0);
    EQUAL(watched_rows(), 1);
    close(other[1]);
    CHECK(gone_within(streams[0], LONG));
    EQUAL(gone_within(request, 100), 0);
    outlive_request_end(request, NULL);
    outlive_request_end(streams[0], NULL);
    close(other[0]), close(pair[0]), close(pair[1]), close(kept);

    /* without the directive nobody looks (C-004); what cannot be watched is not */
    EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    request = begin_told(plain, &host, pair[0], 0);
    close(pair[1]);
    EQUAL(gone_within(request, 100), 0);
    outlive_request_end(request, NULL);
    close(pair[0]);
    FILE *file = tmpfile();
    request = begin_told(watch, &host, fileno(file), 0);
    EQUAL(gone_within(request, 50), 0);
    outlive_request_end(request, NULL);
    fclose(file);
    request = begin_told(watch, &host, 9999, 0);
    EQUAL(outlive_request_check(request), OUTLIVE_OK);
    outlive_request_end(request, NULL);

    outlive_settings_free(watch);
    outlive_settings_free(open);
    outlive_settings_free(plain);
}

static void detached_caps(void) {
    const outlive_settings *count = settings_of("ignore_user_abort=1\noutlive.max_detached=1");
    const outlive_settings *time = settings_of("ignore_user_abort=1\noutlive.max_detached_time=1");
    host host = {0};
    int answer;
    outlive_request *one = begin_told(count, &host, -1, 0), *two = begin_told(count, &host, -1, 0);
    outlive_request_client_gone(one);
    EQUAL(outlive_request_check(one), OUTLIVE_OK);
    outlive_request_client_gone(two);
    EQUAL(outlive_request_check(one), OUTLIVE_OK);
    EQUAL(outlive_request_check(two), OUTLIVE_STOP);
    EQUAL(outlive_request_ending(two), OUTLIVE_ENDING_ABORTED);
    outlive_request_end(one, NULL);
    outlive_request_end(two, NULL);
    one = begin_told(count, &host, -1, 0); /* there is room again */
    outlive_request_client_gone(one);
    EQUAL(outlive_request_check(one), OUTLIVE_OK);
    outlive_request_end(one, NULL);

    one = begin_told(time, &host, -1, 0);
    int64_t before = now_ms();
    outlive_request_client_gone(one);
    work(one, LONG, 1, &answer);
    EQUAL(answer, OUTLIVE_STOP);
    CHECK(now_ms() - before >= 950);
    outlive_request_end(one, NULL);
    outlive_settings_free(count);
    outlive_settings_free(time);
}

static int set(outlive_request *request, const char *name, const char *value) {
    return outlive_request_ini_set(request, name, OUTLIVE_NTS, value, OUTLIVE_NTS, NULL);
}

static int set_too_late(outlive_request *request, int ending, void *userdata) {
    outlive_str value;
    (void)ending;
    EQUAL(set(request, "outlive.shutdown_time", "60"), OUTLIVE_ERROR_STAGE);
    EQUAL(outlive_request_ini_get(request, "outlive.shutdown_time", OUTLIVE_NTS, &value), OUTLIVE_OK);
    TEXT(value, "1");
    return remember(request, ending, userdata);
}

/* Whatever a running program may set acts from the next safe point on. */
static void set_while_running(void) {
    const outlive_settings *cpu = settings_of("ignore_user_abort=1\nmax_execution_time=1");
    const outlive_settings *wall = settings_of("outlive.clock=wall\nmax_execution_time=1");
    const outlive_settings *capped = settings_of("ignore_user_abort=1\noutlive.max_detached_time=1\nmax_execution_time=0");
    host host = {0};
    int answer;
    /* what was slept away stays so when elapsed time begins to count */
    outlive_request *request = begin_told(cpu, &host, -1, 0);
    work(request, 700, 1, &answer);
    int64_t before = now_ms();
    EQUAL(set(request, "outlive.clock", "wall"), OUTLIVE_OK);
    work(request, LONG, 1, &answer);
    EQUAL(answer, OUTLIVE_STOP);
    CHECK(now_ms() - before >= 900); /* the first part has taken a little of the processor */
    EQUAL(outlive_request_ending(request), OUTLIVE_ENDING_TIME_LIMIT);
    outlive_request_end(request, NULL);
    /* and the other way about: sleeping is not counted any more, and working is */
    request = begin_told(wall, &host, -1, 0);
    EQUAL(set(request, "outlive.clock", "cpu"), OUTLIVE_OK);
    work(request, 1500, 1, &answer);
    EQUAL(answer, OUTLIVE_OK);
    work(request, LONG, 0, &answer);
    EQUAL(answer, OUTLIVE_STOP);
    outlive_request_end(request, NULL);
    request = begin_told(wall, &host, -1, 0); /* nothing of it is left in the next one */
    work(request, LONG, 1, &answer);
    EQUAL(answer, OUTLIVE_STOP);
    outlive_request_end(request, NULL);

    /* the cap on detached time, before and after the client has gone, and taken away */
    for (int gone_first = 0; gone_first < 2; gone_first++) {
        request = begin_told(cpu, &host, -1, 0);
        EQUAL(outlive_request_set_time_limit(request, 0), OUTLIVE_OK);
        before = now_ms();
        if (gone_first) {
            outlive_request_client_gone(request);
        }
        EQUAL(set(request, "outlive.max_detached_time", "1"), OUTLIVE_OK);
        outlive_request_client_gone(request);
        work(request, LONG, 1, &answer);
        EQUAL(answer, OUTLIVE_STOP);
        CHECK(now_ms() - before >= 900);
        EQUAL(outlive_request_ending(request), OUTLIVE_ENDING_ABORTED);
        outlive_request_end(request, NULL);
    }
    request = begin_told(capped, &host, -1, 0);
    outlive_request_client_gone(request);
    EQUAL(set(request, "outlive.max_detached_time", "0"), OUTLIVE_OK);
    work(request, 1300, 1, &answer);
    EQUAL(answer, OUTLIVE_OK);
    EQUAL(outlive_request_ini_restore(request, "outlive.max_detached_time", OUTLIVE_NTS), OUTLIVE_OK);
    work(request, LONG, 1, &answer);
    EQUAL(answer, OUTLIVE_STOP);
    outlive_request_end(request, NULL);

    /* the shutdown functions' own budget; too late once they run */
    int stopped = 0;
    request = begin_told(wall, &host, -1, 0);
    EQUAL(outlive_request_set_time_limit(request, 0), OUTLIVE_OK);
    EQUAL(set(request, "outlive.shutdown_time", "1"), OUTLIVE_OK);
    outlive_request_register_shutdown_function(request, set_too_late, &stopped, NULL);
    before = now_ms();
    outlive_request_end(request, NULL);
    CHECK(stopped && now_ms() - before >= 900);

    /* what a running program may not set says so */
    request = begin_told(cpu, &host, -1, 0);
    EQUAL(set(request, "outlive.detect", "watch"), OUTLIVE_ERROR_ACCESS);
    EQUAL(set(request, "outlive.half_close", "open"), OUTLIVE_ERROR_ACCESS);
    EQUAL(set(request, "outlive.max_detached", "1"), OUTLIVE_ERROR_ACCESS);
    EQUAL(set(request, "outlive.clock", "sun"), OUTLIVE_ERROR_VALUE);
    EQUAL(set(request, "outlive.shutdown_time", "0.5"), OUTLIVE_ERROR_VALUE);
    outlive_request_end(request, NULL);
    outlive_settings_free(cpu);
    outlive_settings_free(wall);
    outlive_settings_free(capped);
}

static char labels[256];
static int rows, gone_rows;
static int count_rows(void *userdata, const outlive_request_row *row) {
    (void)userdata;
    rows++;
    strncat(labels, row->label.ptr, sizeof labels - strlen(labels) - 1);
    gone_rows += row->gone_ms >= 0;
    TEXT(row->method, "POST");
    CHECK(row->size == sizeof *row && row->age_ms >= 0 && (row->thread != 0 || getenv("OUTLIVE_PORTABLE") != NULL));
    return 0;
}

static void live_table(void) {
    const outlive_settings *settings = settings_of("ignore_user_abort=1");
    host host = {0};
    outlive_request *one = begin_told(settings, &host, -1, 0), *two = begin_told(settings, &host, -1, 0);
    char text[8192], tiny[10];
    size_t needed = 0;
    outlive_request_client_gone(two);
    EQUAL(outlive_request_set_label(one, "a label as long as it takes to show that what is too long is cut, between two whole characters: é"), OUTLIVE_OK);
    EQUAL(outlive_request_set_label(two, "short"), OUTLIVE_OK);
    rows = gone_rows = 0;
    EQUAL(outlive_engine_requests(engine, count_rows, NULL), OUTLIVE_OK);
    EQUAL(rows, 2);
    EQUAL(gone_rows, 1);
    EQUAL(strlen(labels), 96 + 5);
    CHECK(strstr(labels, "short") != NULL);
    EQUAL(outlive_engine_metrics(engine, NULL, 0, &needed), OUTLIVE_OK);
    CHECK(needed > 100 && needed < sizeof text);
    EQUAL(outlive_engine_metrics(engine, tiny, sizeof tiny, &needed), OUTLIVE_ERROR_TOO_LARGE);
    EQUAL(strlen(tiny), sizeof tiny - 1);
    EQUAL(outlive_engine_metrics(engine, text, sizeof text, &needed), OUTLIVE_OK);
    CHECK(strstr(text, "outlive_requests_in_flight 2\n") != NULL);
    CHECK(strstr(text, "outlive_requests_detached 1\n") != NULL);
    outlive_request_end(one, NULL);
    outlive_request_end(two, NULL);
    outlive_settings_free(settings);
}

static void *stubborn(void *argument) {
    outlive_request *request = argument;
    while (outlive_request_check(request) == OUTLIVE_OK) {
        sleep_ms(5);
    }
    EQUAL(outlive_request_ending(request), OUTLIVE_ENDING_SHUTDOWN);
    outlive_request_end(request, NULL);
    return NULL;
}

static void draining(void) {
    const outlive_settings *settings = settings_of("");
    host host = {0};
    outlive_request *request = begin_told(settings, &host, -1, 0), *other = NULL;
    outlive_error error;
    pthread_t thread;
    pthread_create(&thread, NULL, stubborn, request);
    EQUAL(outlive_engine_drain(engine, 100), OUTLIVE_OK);
    pthread_join(thread, NULL);
    CHECK(host.stops <= 1); /* it may have come to a safe point before anybody could tell it */
    EQUAL(outlive_request_begin(engine, settings, NULL, &other, &error), OUTLIVE_ERROR_DRAINING);
    CHECK(strlen(error.message) > 0);
    outlive_settings_free(settings);
}

int main(void) {
    if (outlive_engine_new(NULL, &engine, NULL) != OUTLIVE_OK) {
        return 1;
    }
    elapsed_time();
    cpu_time();
    held_and_forced();
    input_time();
    watching();
    detached_caps();
    set_while_running();
    live_table();
    draining();
    outlive_engine_free(engine);
    return finished("time");
}
