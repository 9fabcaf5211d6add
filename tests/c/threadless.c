/* Engines without a thread: their loop's descriptor, time and threads. What stops.c asks of the causes of a stop, it asks of them, too. */
#include "stops.h"

#include <dirent.h>
#include <pthread.h>

static int threads_here(void) {
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks != NULL);
    for (struct dirent *task; (task = readdir(tasks));) {
        count += task->d_name[0] != '.';
    }
    closedir(tasks);
    return count;
}

static void refused_without_a_thread(void) {
    outlive_error error;
    for (uint32_t queues = 0; queues < 3; queues += 2) {
        outlive_engine_options options = OUTLIVE_ENGINE_OPTIONS_INIT;
        outlive_engine *engine = NULL;
        options.stop_queues = queues;
        options.no_thread = 1;
        EQUAL(outlive_engine_new(&options, &engine, &error), OUTLIVE_ERROR_ARGUMENT);
        CHECK(strstr(error.message, "one stop queue") != NULL);
        CHECK(engine == NULL);
    }
}

/* Where a loop cannot wait for a timer, whoever asks for no thread is told so. */
static void no_engine_without_a_thread(void) {
    outlive_engine_options options = OUTLIVE_ENGINE_OPTIONS_INIT;
    outlive_engine *engine = NULL;
    outlive_error error;
    options.stop_queues = 1;
    options.no_thread = 1;
    EQUAL(outlive_engine_new(&options, &engine, &error), OUTLIVE_ERROR_UNSUPPORTED);
    CHECK(strstr(error.message, "needs Linux") != NULL);
    CHECK(engine == NULL);
}

/* The descriptor wakes a loop that does nothing else for each deadline, and for nothing between two of them. */
static void deadlines_wake_the_loop(void) {
    int threads = threads_here();
    outlive_engine *engine = engine_with(1);
    const outlive_settings *settings = settings_of("max_execution_time=0\noutlive.clock=wall\nignore_user_abort=1\noutlive.max_detached_time=1");
    outlive_stop stop;
    int here[4], woken = 0;
    outlive_request *requests[3];
    int64_t began = now_ms();
    for (int i = 0; i < 3; i++) {
        requests[i] = start(engine, settings, &here[i], 0, -1);
        outlive_request_set_time_limit_ms(requests[i], i == 2 ? 60000 : 700 - 400 * i);
    }
    for (int left = 2; left > 0;) { /* the second first */
        CHECK(readable(engine, 0, 20000));
        woken++;
        while (next(engine, 0, &stop) == OUTLIVE_OK) {
            left--;
            is(&stop, OUTLIVE_STOP_DUE, OUTLIVE_ENDING_TIME_LIMIT, outlive_request_id(requests[left]), &here[left]);
            CHECK(now_ms() - began >= 690 - 400 * left); /* as exact as the system's own ticks */
            EQUAL(outlive_request_end(requests[left], NULL), OUTLIVE_OK);
        }
    }
    CHECK(woken < 10); /* no tick */
    outlive_request_client_gone(requests[2]);
    CHECK(comes(engine, 0, &stop));
    is(&stop, OUTLIVE_STOP_DUE, OUTLIVE_ENDING_ABORTED, outlive_request_id(requests[2]), &here[2]);
    CHECK(now_ms() - began >= 1290);
    EQUAL(outlive_request_end(requests[2], NULL), OUTLIVE_OK);
    for (int i = 0; i < 10000; i++) { /* what has ended wakes nobody */
        outlive_request_end(start(engine, settings, NULL, 0, -1), NULL);
    }
    EQUAL(next(engine, 0, &stop), OUTLIVE_ERROR_NOT_FOUND);
    CHECK(!readable(engine, 0, 50));
    EQUAL(threads_here(), threads);
    outlive_engine_free(engine);
    outlive_settings_free(settings);
}

typedef struct known {
    outlive_engine *engine;
    uint64_t id;
} known;

static void *cancel_by_id(void *request) {
    known *it = request;
    EQUAL(outlive_engine_cancel(it->engine, it->id), OUTLIVE_OK);
    return NULL;
}

static int keep_row(void *kept, const outlive_scoreboard_row *row) {
    *(outlive_scoreboard_row *)kept = *row;
    return 0;
}

/* Another thread, and another process by the scoreboard, reach a loop that waits. */
static void others_wake_the_loop(const char *directory) {
    char path[512];
    snprintf(path, sizeof path, "%s/board", directory);
    outlive_engine_options options = OUTLIVE_ENGINE_OPTIONS_INIT;
    outlive_engine *engine = NULL;
    options.stop_queues = 1;
    options.no_thread = 1;
    options.scoreboard = path;
    EQUAL(outlive_engine_new(&options, &engine, NULL), OUTLIVE_OK);
    const outlive_settings *settings = settings_of("max_execution_time=0");
    outlive_stop stop;
    pthread_t other;
    outlive_request *request = start(engine, settings, &stop, 0, -1);
    known it = {engine, outlive_request_id(request)};
    EQUAL(pthread_create(&other, NULL, cancel_by_id, &it), 0);
    CHECK(readable(engine, 0, 20000));
    CHECK(comes(engine, 0, &stop));
    is(&stop, OUTLIVE_STOP_DUE, OUTLIVE_ENDING_CANCELLED, it.id, &stop);
    pthread_join(other, NULL);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);

    sleep_ms(600); /* nothing is in flight, and nothing wakes the loop; the next request does, for those who look at the file */
    while (next(engine, 0, &stop) == OUTLIVE_OK || readable(engine, 0, 300)) {
    }
    request = start(engine, settings, &stop, 0, -1);
    outlive_scoreboard_row row = {0};
    EQUAL(outlive_scoreboard_read(path, OUTLIVE_NTS, keep_row, &row, NULL), OUTLIVE_OK);
    EQUAL(outlive_scoreboard_cancel(path, OUTLIVE_NTS, row.row, row.count, NULL), OUTLIVE_OK);
    CHECK(comes(engine, 0, &stop));
    is(&stop, OUTLIVE_STOP_DUE, OUTLIVE_ENDING_CANCELLED, outlive_request_id(request), &stop);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    outlive_engine_free(engine);
    outlive_settings_free(settings);
}

/* ---- the loop's time, and its threads ---- */

/* A limit that is set within a request counts from now, however long ago the loop has read its time. */
static void limits_within_a_request(void) {
    uint64_t loop_time = (uint64_t)now_ms();
    outlive_engine_options options = OUTLIVE_ENGINE_OPTIONS_INIT;
    outlive_engine *engine = NULL;
    options.stop_queues = 1;
    options.no_thread = 1;
    options.loop_time = &loop_time;
    EQUAL(outlive_engine_new(&options, &engine, NULL), OUTLIVE_OK);
    const outlive_settings *settings = settings_of("max_execution_time=0\noutlive.clock=wall");
    outlive_stop stop;
    outlive_request *request = start(engine, settings, &stop, 0, -1);
    sleep_ms(1200); /* the loop is in one handler */
    int64_t set = now_ms();
    EQUAL(outlive_request_set_time_limit(request, 1), OUTLIVE_OK);
    CHECK(comes(engine, 0, &stop));
    CHECK(now_ms() - set >= 1000);
    is(&stop, OUTLIVE_STOP_DUE, OUTLIVE_ENDING_TIME_LIMIT, outlive_request_id(request), &stop);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    outlive_engine_free(engine);
    outlive_settings_free(settings);
}

typedef struct {
    outlive_engine *engine;
    const outlive_settings *settings;
    int works; /* until its limit of processor time stops it */
} turn;

static void *takes_its_turn(void *data) {
    turn *it = data;
    outlive_stop stop = OUTLIVE_STOP_INIT;
    outlive_request *request = start(it->engine, it->settings, &stop, 0, -1);
    int64_t until = now_ms() + 60000;
    int came = 0;
    while (it->works && !came && now_ms() < until) {
        came = readable(it->engine, 0, 0) && next(it->engine, 0, &stop) == OUTLIVE_OK;
    }
    EQUAL(came, it->works);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    return NULL;
}

/* A thread may have the place in memory of one that has ended, but not its clock. */
static void the_clock_of_another_thread(void) {
    outlive_engine *engine = engine_with(1);
    const outlive_settings *settings = settings_of("max_execution_time=1\noutlive.clock=cpu");
    for (int works = 0; works < 2; works++) {
        turn it = {engine, settings, works};
        pthread_t thread;
        EQUAL(pthread_create(&thread, NULL, takes_its_turn, &it), 0);
        pthread_join(thread, NULL);
    }
    outlive_engine_free(engine);
    outlive_settings_free(settings);
}

int main(int argc, char **argv) {
    no_thread = 1;
    refused_without_a_thread();
    if (getenv("OUTLIVE_PORTABLE") != NULL) {
        no_engine_without_a_thread();
        return finished("threadless");
    }
    CHECK(argc > 1);
    deadlines_wake_the_loop();
    others_wake_the_loop(argv[1]);
    limits_within_a_request();
    the_clock_of_another_thread();
    return finished("threadless");
}
