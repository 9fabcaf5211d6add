/* Ids, userdata, what time is left, limits in milliseconds, and cancelling: by pointer, by id, from other threads, too late. */
#include "test.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static outlive_engine *engine;

static int told, answer_inside;
static int remember(outlive_request *request, int ending, void *userdata) {
    (void)userdata;
    told = ending;
    answer_inside = outlive_request_check(request);
    return OUTLIVE_OK;
}

static int ended_by(outlive_request *request) {
    told = -1;
    EQUAL(outlive_request_register_shutdown_function(request, remember, NULL, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    return told;
}

/* ---- ids ---- */

static int keep_ids(void *userdata, const outlive_request_row *row) {
    uint64_t *ids = userdata;
    ids[++ids[0]] = row->id;
    return 0;
}

static void ids(void) {
    enum { TURNS = 3000 };
    const outlive_settings *settings = settings_of("max_execution_time=0");
    static uint64_t seen[TURNS];
    uint64_t rows[8] = {0};
    host host = {0}, other = {0};
    outlive_request *first = begin(engine, settings, &host, "GET"), *second = begin(engine, settings, &other, "GET");
    uint64_t id = outlive_request_id(first);
    CHECK(id != 0 && id != outlive_request_id(second) && outlive_request_id(first) == id);
    CHECK(outlive_request_userdata(first) == &host && outlive_request_userdata(second) == &other);
    EQUAL(outlive_engine_requests(engine, keep_ids, rows), OUTLIVE_OK);
    EQUAL(rows[0], 2);
    CHECK((rows[1] == id && rows[2] == outlive_request_id(second)) || (rows[2] == id && rows[1] == outlive_request_id(second)));
    outlive_request_end(second, NULL);
    EQUAL(outlive_request_id(second), 0);
    CHECK(outlive_request_userdata(second) == NULL);
    /* the same place again and again: each its own number, though a pointer comes back after 256 */
    for (int i = 0; i < TURNS; i++) {
        second = begin(engine, settings, i % 2 ? &host : &other, "GET");
        seen[i] = outlive_request_id(second);
        CHECK(seen[i] != id && (i == 0 || seen[i] > seen[i - 1]));
        CHECK(outlive_request_userdata(second) == (i % 2 ? &host : &other));
        if (i > 0) { /* the one before is not this one */
            EQUAL(outlive_engine_cancel(engine, seen[i - 1]), OUTLIVE_ERROR_NOT_FOUND);
            EQUAL(outlive_request_check(second), OUTLIVE_OK);
        }
        outlive_request_end(second, NULL);
    }
    outlive_request_end(first, NULL);
    outlive_settings_free(settings);
}

/* ---- cancel ---- */

static void cancels(void) {
    const outlive_settings *settings = settings_of("ignore_user_abort=1\nmax_execution_time=0");
    host host = {0};
    outlive_request *request = begin(engine, settings, &host, "POST");
    EQUAL(outlive_request_cancel(request), OUTLIVE_OK);
    EQUAL(outlive_request_time_left(request), 0);
    EQUAL(outlive_request_cancel(request), OUTLIVE_ALREADY);
    EQUAL(outlive_request_check(request), OUTLIVE_STOP);
    EQUAL(outlive_request_ending(request), OUTLIVE_ENDING_CANCELLED);
    EQUAL(outlive_engine_cancel(engine, outlive_request_id(request)), OUTLIVE_ALREADY); /* delivered, and still known */
    EQUAL(outlive_request_connection_status(request), OUTLIVE_CONNECTION_NORMAL);
    EQUAL(ended_by(request), OUTLIVE_ENDING_CANCELLED);
    EQUAL(outlive_request_cancel(request), OUTLIVE_ERROR_ENDED);

    /* a hold delays it */
    request = begin(engine, settings, &host, "POST");
    uint64_t id = outlive_request_id(request);
    outlive_request_hold(request);
    EQUAL(outlive_engine_cancel(engine, id), OUTLIVE_OK);
    EQUAL(outlive_request_check(request), OUTLIVE_OK);
    EQUAL(outlive_request_time_left(request), 0);
    EQUAL(outlive_request_release(request), OUTLIVE_STOP);
    EQUAL(ended_by(request), OUTLIVE_ENDING_CANCELLED);
    EQUAL(outlive_engine_cancel(engine, id), OUTLIVE_ERROR_NOT_FOUND);

    /* an end that comes first: nothing is cut, and it completed */
    request = begin(engine, settings, &host, "POST");
    EQUAL(outlive_request_cancel(request), OUTLIVE_OK);
    EQUAL(ended_by(request), OUTLIVE_ENDING_COMPLETED);
    EQUAL(answer_inside, OUTLIVE_OK);

    /* the client goes first: where that stops, it is the cause */
    const outlive_settings *stops = settings_of("ignore_user_abort=0\nmax_execution_time=0");
    request = begin(engine, stops, &host, "POST");
    outlive_request_cancel(request);
    outlive_request_client_gone(request);
    EQUAL(outlive_request_check(request), OUTLIVE_STOP);
    EQUAL(ended_by(request), OUTLIVE_ENDING_ABORTED);

    /* ids that never were */
    const uint64_t none[] = {0, 1, id + (1u << 22), UINT64_MAX, (uint64_t)1 << 22 | 4194303};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        EQUAL(outlive_engine_cancel(engine, none[i]), OUTLIVE_ERROR_NOT_FOUND);
    }
    outlive_settings_free(settings);
    outlive_settings_free(stops);
}

static int cancel_inside(outlive_request *request, int ending, void *userdata) {
    (void)ending, (void)userdata;
    EQUAL(outlive_request_cancel(request), OUTLIVE_OK);
    EQUAL(outlive_request_check(request), OUTLIVE_OK);
    EQUAL(outlive_request_write(request, "x", 1), OUTLIVE_OK);
    CHECK(outlive_request_time_left(request) > 0);
    return OUTLIVE_OK;
}

static void shutdown_functions_are_not_cut(void) {
    const outlive_settings *settings = settings_of("max_execution_time=0");
    host host = {0};
    outlive_request *request = begin(engine, settings, &host, "POST");
    outlive_request_register_shutdown_function(request, cancel_inside, NULL, NULL);
    EQUAL(ended_by(request), OUTLIVE_ENDING_COMPLETED);
    EQUAL(host.writes, 1);
    outlive_settings_free(settings);
}

/* on_stop is told of it, once. */
static void the_host_is_told(void) {
    const outlive_settings *settings = settings_of("max_execution_time=0");
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *request = NULL;
    host host = {0};
    options.on_stop = host_on_stop;
    options.userdata = &host;
    EQUAL(outlive_request_begin(engine, settings, &options, &request, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_cancel(request), OUTLIVE_OK);
    for (int i = 0; i < 1000 && __atomic_load_n(&host.stops, __ATOMIC_SEQ_CST) == 0; i++) {
        sleep_ms(5);
    }
    sleep_ms(50);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    EQUAL(host.stops, 1);
    EQUAL(host.last_stop, OUTLIVE_ENDING_CANCELLED);
    outlive_settings_free(settings);
}

/* ---- time ---- */

static void time_left(void) {
    const outlive_settings *none = settings_of("max_execution_time=0");
    const outlive_settings *wall = settings_of("outlive.clock=wall\nmax_execution_time=30\nignore_user_abort=1");
    const outlive_settings *locked = settings_of("max_execution_time=30");
    outlive_str text;
    host host = {0};
    outlive_request *request = begin(engine, none, &host, "POST");
    CHECK(outlive_request_time_left(request) == OUTLIVE_NO_LIMIT);
    EQUAL(outlive_request_set_time_limit_ms(request, OUTLIVE_NO_LIMIT), OUTLIVE_OK);
    CHECK(outlive_request_time_left(request) == OUTLIVE_NO_LIMIT);
    EQUAL(outlive_request_set_time_limit_ms(request, 1500), OUTLIVE_OK);
    EQUAL(outlive_request_ini_get(request, "max_execution_time", OUTLIVE_NTS, &text), OUTLIVE_OK);
    TEXT(text, "2");
    EQUAL(outlive_request_set_time_limit_ms(request, OUTLIVE_NO_LIMIT), OUTLIVE_OK);
    EQUAL(outlive_request_ini_get(request, "max_execution_time", OUTLIVE_NTS, &text), OUTLIVE_OK);
    TEXT(text, "0");
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_time_left(request), OUTLIVE_ERROR_ENDED);

    request = begin(engine, wall, &host, "POST");
    int64_t left = outlive_request_time_left(request);
    CHECK(left > 20000 && left <= 30000);
    int64_t began = now_ms();
    EQUAL(outlive_request_set_time_limit_ms(request, 60), OUTLIVE_OK);
    left = outlive_request_time_left(request);
    CHECK(left >= 0 && left <= 60);
    while (outlive_request_check(request) == OUTLIVE_OK && now_ms() - began < 20000) {
        CHECK(outlive_request_time_left(request) >= 0);
        sleep_ms(2);
    }
    CHECK(now_ms() - began >= 59 && now_ms() - began < 20000);
    EQUAL(outlive_request_time_left(request), 0);
    EQUAL(ended_by(request), OUTLIVE_ENDING_TIME_LIMIT);

    /* 0 or less: it has passed, whatever it counts and though the thread uses no CPU time */
    for (int i = 0; i < 2; i++) {
        request = begin(engine, i == 0 ? wall : locked, &host, "POST");
        EQUAL(outlive_request_set_time_limit_ms(request, i == 0 ? 0 : -1000), OUTLIVE_OK);
        EQUAL(outlive_request_ini_get(request, "max_execution_time", OUTLIVE_NTS, &text), OUTLIVE_OK);
        TEXT(text, "1");
        began = now_ms();
        while (outlive_request_check(request) == OUTLIVE_OK && now_ms() - began < 20000) {
            sleep_ms(2);
        }
        EQUAL(ended_by(request), OUTLIVE_ENDING_TIME_LIMIT);
    }

    /* a client that goes: a stop waits at once, or where it is ignored, nothing changes */
    request = begin(engine, none, &host, "POST");
    outlive_request_client_gone(request);
    EQUAL(outlive_request_time_left(request), 0);
    outlive_request_ignore_user_abort(request, 1);
    CHECK(outlive_request_time_left(request) == OUTLIVE_NO_LIMIT);
    outlive_request_end(request, NULL);
    const outlive_settings *capped = settings_of("ignore_user_abort=1\nmax_execution_time=0\noutlive.max_detached_time=100");
    request = begin(engine, capped, &host, "POST");
    CHECK(outlive_request_time_left(request) == OUTLIVE_NO_LIMIT);
    outlive_request_client_gone(request);
    left = outlive_request_time_left(request);
    CHECK(left > 90000 && left <= 100000);
    outlive_request_end(request, NULL);

    /* the cap has passed, and the engine's next look is a few milliseconds away: there is always an end in sight */
    const outlive_settings *second = settings_of("ignore_user_abort=1\nmax_execution_time=0\noutlive.max_detached_time=1");
    outlive_request *many[8];
    for (int i = 0; i < 8; i++) {
        many[i] = begin(engine, second, &host, "POST");
        outlive_request_client_gone(many[i]);
        sleep_ms(3);
    }
    for (int i = 0; i < 8; i++) {
        while ((left = outlive_request_time_left(many[i])) > 0) {
            CHECK(left <= 1000);
            if (left > 1000) {
                break;
            }
            if (left > 3) {
                sleep_ms(left - 3);
            }
        }
        EQUAL(outlive_request_check(many[i]), OUTLIVE_STOP);
        EQUAL(ended_by(many[i]), OUTLIVE_ENDING_ABORTED);
    }
    outlive_settings_free(second);

    /* suspended under a CPU limit: it does not shrink */
    request = begin(engine, locked, &host, "POST");
    outlive_request_suspend(request);
    left = outlive_request_time_left(request);
    sleep_ms(30);
    EQUAL(outlive_request_time_left(request), left);
    outlive_request_end(request, NULL);
    outlive_settings_free(none);
    outlive_settings_free(wall);
    outlive_settings_free(locked);
    outlive_settings_free(capped);
}

static void refused(void) {
    outlive_config_builder *builder = outlive_config_builder_new();
    outlive_config *config = NULL;
    const outlive_settings *settings = NULL, *input = settings_of("max_input_time=30");
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_request *request = NULL;
    host host = {0};
    EQUAL(outlive_config_builder_add_fastcgi_param(builder, "PHP_ADMIN_VALUE", OUTLIVE_NTS, "max_execution_time=30", OUTLIVE_NTS, NULL),
          OUTLIVE_OK);
    EQUAL(outlive_config_builder_build(builder, &config, NULL), OUTLIVE_OK);
    EQUAL(outlive_config_resolve(config, NULL, &settings, NULL), OUTLIVE_OK);
    request = begin(engine, settings, &host, "POST");
    EQUAL(outlive_request_set_time_limit_ms(request, 1), OUTLIVE_ERROR_LOCKED);
    outlive_request_end(request, NULL);
    options.reading_input = 1;
    EQUAL(outlive_request_begin(engine, input, &options, &request, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_set_time_limit_ms(request, 1), OUTLIVE_ERROR_STAGE);
    CHECK(outlive_request_time_left(request) == OUTLIVE_NO_LIMIT); /* max_input_time stops nothing */
    outlive_request_end(request, NULL);
    EQUAL(outlive_request_set_time_limit_ms(request, 1), OUTLIVE_ERROR_ENDED);
    outlive_settings_free(settings);
    outlive_settings_free(input);
    outlive_config_free(config);
    outlive_config_builder_free(builder);
}

/* ---- other threads ---- */

enum { ROUNDS = 2000 };
static uint64_t current;
static int cancelled, over;

/* Cancels whatever runs, as an administrator would, by ids that may be old. */
static void *administrator(void *unused) {
    (void)unused;
    while (!__atomic_load_n(&over, __ATOMIC_ACQUIRE)) {
        uint64_t id = __atomic_load_n(&current, __ATOMIC_ACQUIRE);
        if (id == 0) {
            continue;
        }
        int answer = outlive_engine_cancel(engine, id);
        CHECK(answer == OUTLIVE_OK || answer == OUTLIVE_ALREADY || answer == OUTLIVE_ERROR_NOT_FOUND);
        if (answer == OUTLIVE_OK) {
            __atomic_add_fetch(&cancelled, 1, __ATOMIC_SEQ_CST);
        }
    }
    return NULL;
}

static void by_id_from_another_thread(int rounds) {
    const outlive_settings *settings = settings_of("max_execution_time=0");
    pthread_t thread;
    host host = {0};
    int stopped = 0;
    EQUAL(pthread_create(&thread, NULL, administrator, NULL), 0);
    for (int i = 0; i < rounds; i++) {
        outlive_request *request = begin(engine, settings, &host, "POST");
        if (i % 2) { /* only every other may be hit */
            __atomic_store_n(&current, outlive_request_id(request), __ATOMIC_RELEASE);
            for (int n = 0; n < 20 && outlive_request_check(request) == OUTLIVE_OK; n++) {
            }
        }
        __atomic_store_n(&current, 0, __ATOMIC_RELEASE);
        stopped += outlive_request_ending(request) == OUTLIVE_ENDING_CANCELLED;
        if (i % 2 == 0) {
            EQUAL(outlive_request_check(request), OUTLIVE_OK); /* the last one's id never reaches this one */
        }
        EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    }
    __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    CHECK(stopped <= cancelled);
    outlive_settings_free(settings);
}

static void in_a_child(void) {
    const outlive_settings *settings = settings_of("max_execution_time=0");
    host host = {0};
    outlive_request *request = begin(engine, settings, &host, "POST");
    uint64_t id = outlive_request_id(request);
    /* By shared memory: a checker has its own say on the exit status. */
    int *said = mmap(NULL, sizeof *said, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    if (child == 0) {
        int fine = outlive_request_cancel(request) == OUTLIVE_ERROR_FORKED && outlive_engine_cancel(engine, id) == OUTLIVE_ERROR_FORKED &&
              outlive_request_id(request) == 0 && outlive_request_userdata(request) == NULL &&
              outlive_request_time_left(request) == OUTLIVE_ERROR_FORKED && outlive_request_set_time_limit_ms(request, 5) == OUTLIVE_ERROR_FORKED
;
        outlive_engine_free(engine);
        *said = fine;
        _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && *said == 1);
    munmap(said, sizeof *said);
    outlive_request_end(request, NULL);
    outlive_settings_free(settings);
}

int main(int argc, char **argv) {
    if (outlive_engine_new(NULL, &engine, NULL) != OUTLIVE_OK) {
        return 1;
    }
    TEXT(outlive_ending_name(OUTLIVE_ENDING_CANCELLED), "cancelled");
    TEXT(outlive_ending_name(OUTLIVE_ENDING_HANDED_BACK), "handed back");
    ids();
    cancels();
    shutdown_functions_are_not_cut();
    the_host_is_told();
    time_left();
    refused();
    by_id_from_another_thread(argc > 2 && atoi(argv[2]) < 50 ? ROUNDS / 10 : ROUNDS);
    in_a_child();
    outlive_engine_free(engine);
    return finished("cancel");
}
