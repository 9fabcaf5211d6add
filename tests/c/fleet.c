/*
 * The scoreboard as all processes of a host have it: counters that never fall, whoever is killed; processes that died in another PID namespace or that hang;
 * requests that others cancel; memory alone in place of a file; files of another layout; what is rendered of all that. The first argument is a directory to work in.
 */
#include "test.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[512];
static const outlive_settings *settings;

/* ---- what is rendered ---- */

typedef struct text {
    char *bytes;
    size_t len;
} text;

static int append(void *userdata, const void *bytes, size_t len) {
    text *to = userdata;
    to->bytes = realloc(to->bytes, to->len + len + 1);
    memcpy(to->bytes + to->len, bytes, len);
    to->len += len;
    to->bytes[to->len] = 0;
    return 0;
}

static int refuse(void *userdata, const void *bytes, size_t len) {
    (void)userdata, (void)bytes, (void)len;
    return -1;
}

static text rendered(const char *board, int what) {
    text to = {NULL, 0};
    outlive_error error = {0};
    if (outlive_scoreboard_render(board, OUTLIVE_NTS, what, NULL, append, &to, &error) != OUTLIVE_OK) {
        fprintf(stderr, "render: %s\n", error.message);
        CHECK(!"it can be rendered");
    }
    return to;
}

/* The value of a series, such as outlive_requests_begun_total; -1: there is none. */
static double series(const char *board, const char *name) {
    char line[256];
    text all = rendered(board, OUTLIVE_RENDER_METRICS);
    snprintf(line, sizeof line, "\n%s ", name);
    const char *found = strstr(all.bytes, line);
    double value = found == NULL ? -1 : atof(found + strlen(line));
    free(all.bytes);
    return value;
}

static void wait_for_series(const char *board, const char *name, double value) {
    for (int i = 0; i < 200 && series(board, name) != value; i++) {
        sleep_ms(50);
    }
    double now = series(board, name);
    if (now != value) {
        fprintf(stderr, "%s is %g, not %g\n", name, now, value);
        CHECK(!"the series has the value");
    }
}

/* ---- processes that serve ---- */

typedef struct process {
    pid_t pid;
    int orders, answers;
} process;

static outlive_engine *engine_of(const char *board, int descriptor) {
    outlive_engine_options options = OUTLIVE_ENGINE_OPTIONS_INIT;
    outlive_engine *engine = NULL;
    outlive_error error = {0};
    options.scoreboard = board;
    options.scoreboard_fd = descriptor;
    if (outlive_engine_new(&options, &engine, &error) != OUTLIVE_OK) {
        fprintf(stderr, "engine: %s: %s\n", error.file, error.message);
        CHECK(!"an engine");
    }
    return engine;
}

/* 'b': a request begins. 'g': its client goes. 'e': all end. 'c': how many have been told to stop, and why the last. 'x': ends well. */
static void serve(const char *board, int descriptor, int orders, int answers) {
    enum { MOST = 64 };
    outlive_request *all[MOST];
    int count = 0, answer[2];
    host hosts[MOST] = {{0}};
    char order;
    alarm(100);
    outlive_engine *engine = engine_of(board, descriptor);
    while (read(orders, &order, 1) == 1 && order != 'x') {
        answer[0] = answer[1] = 0;
        if (order == 'b') {
            all[count] = begin(engine, settings, &hosts[count], "POST");
            count++;
        } else if (order == 'g') {
            EQUAL(outlive_request_client_gone(all[count - 1]), OUTLIVE_OK);
        } else if (order == 'e') {
            while (count > 0) {
                EQUAL(outlive_request_end(all[--count], NULL), OUTLIVE_OK);
            }
        } else {
            for (int i = 0; i < count; i++) {
                if (outlive_request_check(all[i]) == OUTLIVE_STOP) {
                    answer[0]++;
                    answer[1] = outlive_request_ending(all[i]);
                }
            }
        }
        CHECK(write(answers, answer, sizeof answer) == sizeof answer);
    }
    outlive_engine_free(engine);
    fflush(NULL);
    _exit(failures != 0);
}

static process start(const char *board, int descriptor) {
    int orders[2], answers[2];
    EQUAL(pipe(orders), 0);
    EQUAL(pipe(answers), 0);
    pid_t pid = fork();
    if (pid == 0) {
        failures = 0;
        close(orders[1]);
        close(answers[0]);
        serve(board, descriptor, orders[0], answers[1]);
    }
    close(orders[0]);
    close(answers[1]);
    return (process){pid, orders[1], answers[0]};
}

static int tell(process *to, char order, int *ending) {
    int answer[2] = {-1, -1};
    EQUAL(write(to->orders, &order, 1), 1);
    EQUAL(read(to->answers, answer, sizeof answer), sizeof answer);
    if (ending != NULL) {
        *ending = answer[1];
    }
    return answer[0];
}

static void gone(process *that, int signal) {
    int status;
    if (signal != 0) {
        kill(that->pid, signal);
    } else {
        CHECK(write(that->orders, "x", 1) == 1);
    }
    EQUAL(waitpid(that->pid, &status, 0), that->pid);
    CHECK(signal != 0 || status == 0);
    close(that->orders);
    close(that->answers);
}

typedef struct rows {
    int all, unfinished, unresponsive;
    outlive_scoreboard_row last;
} rows;

static int see(void *userdata, const outlive_scoreboard_row *row) {
    rows *to = userdata;
    to->all++;
    to->unfinished += row->unfinished != 0;
    to->unresponsive += row->unresponsive != 0;
    to->last = *row;
    return 0;
}

static rows look(const char *board) {
    rows seen = {0};
    outlive_error error = {0};
    EQUAL(outlive_scoreboard_read(board, OUTLIVE_NTS, see, &seen, &error), OUTLIVE_OK);
    return seen;
}

/* ---- the tests ---- */

static void counters_never_fall(void) {
    process one = start(path, -1), other = start(path, -1);
    for (int i = 0; i < 3; i++) {
        tell(&one, 'b', NULL);
        tell(&other, 'b', NULL);
    }
    tell(&other, 'g', NULL);
    wait_for_series(path, "outlive_requests_in_flight", 6);
    wait_for_series(path, "outlive_requests_detached", 1);
    EQUAL(series(path, "outlive_requests_begun_total"), 6);
    tell(&one, 'e', NULL);
    wait_for_series(path, "outlive_requests_ended_total{ending=\"completed\"}", 3);
    wait_for_series(path, "outlive_requests_in_flight", 3);
    EQUAL(series(path, "outlive_request_duration_seconds_count"), 3);
    sleep_ms(500);
    gone(&other, SIGKILL);
    wait_for_series(path, "outlive_requests_in_flight", 0);
    EQUAL(series(path, "outlive_unfinished_requests"), 3);
    EQUAL(series(path, "outlive_requests_begun_total"), 6);
    EQUAL(series(path, "outlive_clients_gone_total"), 1);
    /* Whoever comes goes on counting where the dead one stopped. */
    process third = start(path, -1);
    tell(&third, 'b', NULL);
    tell(&third, 'g', NULL);
    tell(&third, 'e', NULL);
    gone(&third, 0); /* what was counted last is there, however short it lived */
    EQUAL(series(path, "outlive_requests_begun_total"), 7);
    EQUAL(series(path, "outlive_clients_gone_total"), 2);
    EQUAL(series(path, "outlive_detached_duration_seconds_count"), 1);
    gone(&one, SIGTERM);
    EQUAL(series(path, "outlive_requests_begun_total"), 7);
    size_t cleared = 0;
    EQUAL(outlive_scoreboard_clear_process(path, OUTLIVE_NTS, 1, &cleared, NULL), OUTLIVE_OK);
    EQUAL(cleared, 0);
    EQUAL(outlive_scoreboard_clear_key(path, OUTLIVE_NTS, "no such", OUTLIVE_NTS, &cleared, NULL), OUTLIVE_OK);
    EQUAL(cleared, 0);
    EQUAL(outlive_scoreboard_clear_process(path, OUTLIVE_NTS, other.pid, &cleared, NULL), OUTLIVE_OK);
    EQUAL(cleared, 3);
    EQUAL(series(path, "outlive_unfinished_requests"), 0);
    EQUAL(series(path, "outlive_requests_begun_total"), 7);
}

/* Many die at any moment; the sum over all has what each had counted half a second before. */
static void counters_under_kills(void) {
    double least = series(path, "outlive_requests_begun_total");
    for (int turn = 0; turn < 6; turn++) {
        process workers[4];
        for (int i = 0; i < 4; i++) {
            workers[i] = start(path, -1);
            tell(&workers[i], 'b', NULL);
            tell(&workers[i], 'e', NULL);
        }
        if (turn % 3 == 0) {
            wait_for_series(path, "outlive_requests_begun_total", least + 4);
        }
        double seen = series(path, "outlive_requests_begun_total");
        CHECK(seen >= least && seen <= least + 4);
        for (int i = 0; i < 4; i++) {
            gone(&workers[i], i % 2 ? SIGKILL : 0);
        }
        double after = series(path, "outlive_requests_begun_total");
        CHECK(after >= seen && after >= least + 2); /* those that ended well have said everything */
        least = after;
    }
    outlive_scoreboard_clear(path, OUTLIVE_NTS, NULL, NULL);
}

static void another_namespace(void) {
    rows seen;
    int status;
    if (geteuid() != 0) {
        printf("left out: another PID namespace (needs root)\n");
        return;
    }
    /* A child whose children are in a namespace of their own; it says when the worker there has begun, and waits. */
    int ready[2];
    char byte = 0;
    EQUAL(pipe(ready), 0);
    pid_t outer = fork();
    if (outer == 0) {
        if (unshare(CLONE_NEWPID) != 0) {
            _exit(write(ready[1], "n", 1) == 1 ? 0 : 1);
        }
        process inner = start(path, -1);
        tell(&inner, 'b', NULL);
        CHECK(write(ready[1], "y", 1) == 1);
        waitpid(inner.pid, NULL, 0);
        _exit(0);
    }
    EQUAL(read(ready[0], &byte, 1), 1);
    if (byte != 'y') {
        printf("left out: another PID namespace (unshare is refused)\n");
        waitpid(outer, NULL, 0);
        return;
    }
    seen = look(path);
    EQUAL(seen.all, 1);
    EQUAL(seen.unfinished, 0);
    EQUAL(seen.last.process, 1); /* as it is numbered there */
    /* Another worker, in this namespace, has the number that counts here. */
    process own = start(path, -1);
    tell(&own, 'b', NULL);
    /* The first process of a namespace is killed from outside, by its number there. */
    char name[64], children[64] = "";
    snprintf(name, sizeof name, "/proc/%d/task/%d/children", (int)outer, (int)outer);
    FILE *file = fopen(name, "r");
    CHECK(file != NULL && fgets(children, sizeof children, file) != NULL);
    fclose(file);
    EQUAL(kill(atoi(children), SIGKILL), 0);
    EQUAL(waitpid(outer, &status, 0), outer);
    seen = look(path);
    EQUAL(seen.all, 2);
    EQUAL(seen.unfinished, 1);
    EQUAL(series(path, "outlive_unfinished_requests"), 1);
    wait_for_series(path, "outlive_requests_in_flight", 1);
    size_t cleared = 0;
    EQUAL(outlive_scoreboard_clear(path, OUTLIVE_NTS, &cleared, NULL), OUTLIVE_OK);
    EQUAL(cleared, 1);
    EQUAL(look(path).all, 1);
    tell(&own, 'e', NULL);
    gone(&own, 0);
}

/* One that hangs while its request runs; and two of whom the counters that are gathered now and then do not know it: one is stopped as soon as its first
 * request has begun, the other as soon as its last one has ended. Processes that have nothing to do are silent, too. */
static void one_that_hangs(void) {
    process stuck = start(path, -1), idle = start(path, -1), quick = start(path, -1), done = start(path, -1);
    tell(&idle, 'b', NULL);
    tell(&idle, 'e', NULL);
    wait_for_series(path, "outlive_requests_in_flight", 0);
    tell(&stuck, 'b', NULL);
    tell(&done, 'b', NULL);
    wait_for_series(path, "outlive_requests_in_flight", 2);
    tell(&done, 'e', NULL);
    kill(done.pid, SIGSTOP);
    kill(stuck.pid, SIGSTOP);
    kill(idle.pid, SIGSTOP); /* it has nothing to do, so its silence says nothing */
    tell(&quick, 'b', NULL);
    kill(quick.pid, SIGSTOP);
    EQUAL(series(path, "outlive_unresponsive_processes"), 0);
    sleep_ms(5300);
    wait_for_series(path, "outlive_unresponsive_processes", 2);
    rows seen = look(path);
    CHECK(seen.all == 2 && seen.unresponsive == 2 && (seen.last.process == stuck.pid || seen.last.process == quick.pid));
    text page = rendered(path, OUTLIVE_RENDER_PAGE);
    CHECK(strstr(page.bytes, "unresponsive</span>") != NULL);
    free(page.bytes);
    /* A machine that wakes up raises no alarm: whoever moves between two looks is well. */
    process *all[] = {&stuck, &idle, &quick, &done};
    for (size_t i = 0; i < 4; i++) {
        kill(all[i]->pid, SIGCONT);
    }
    wait_for_series(path, "outlive_unresponsive_processes", 0);
    EQUAL(look(path).unresponsive, 0);
    tell(&stuck, 'e', NULL);
    tell(&quick, 'e', NULL);
    for (size_t i = 0; i < 4; i++) {
        gone(all[i], 0);
    }
}

static void cancelled(void) {
    int ending = 0;
    process worker = start(path, -1);
    tell(&worker, 'b', NULL);
    rows seen = look(path);
    EQUAL(seen.all, 1);
    CHECK(seen.last.count > 0);
    EQUAL(outlive_scoreboard_cancel(path, OUTLIVE_NTS, seen.last.row, seen.last.count + 1, NULL), OUTLIVE_ERROR_NOT_FOUND);
    EQUAL(outlive_scoreboard_cancel(path, OUTLIVE_NTS, seen.last.row + 1, 1, NULL), OUTLIVE_ERROR_NOT_FOUND);
    EQUAL(outlive_scoreboard_cancel(path, OUTLIVE_NTS, UINT32_MAX, 1, NULL), OUTLIVE_ERROR_NOT_FOUND);
    EQUAL(outlive_scoreboard_cancel(path, OUTLIVE_NTS, seen.last.row, 0, NULL), OUTLIVE_ERROR_NOT_FOUND);
    EQUAL(tell(&worker, 'c', NULL), 0);
    EQUAL(outlive_scoreboard_cancel(path, OUTLIVE_NTS, seen.last.row, seen.last.count, NULL), OUTLIVE_OK);
    for (int i = 0; i < 100 && tell(&worker, 'c', &ending) == 0; i++) {
        sleep_ms(20);
    }
    EQUAL(ending, OUTLIVE_ENDING_CANCELLED);
    tell(&worker, 'e', NULL);
    EQUAL(outlive_scoreboard_cancel(path, OUTLIVE_NTS, seen.last.row, seen.last.count, NULL), OUTLIVE_ERROR_NOT_FOUND);
    /* The next request in the row is another one, though the word is still there; so is one of the next process. */
    tell(&worker, 'b', NULL);
    EQUAL(look(path).last.row, seen.last.row);
    sleep_ms(600);
    EQUAL(tell(&worker, 'c', NULL), 0);
    tell(&worker, 'e', NULL);
    gone(&worker, 0);
    uint64_t before = seen.last.count;
    worker = start(path, -1);
    tell(&worker, 'b', NULL);
    seen = look(path);
    CHECK(seen.last.count > before); /* a count never comes again */
    tell(&worker, 'e', NULL);
    gone(&worker, 0);
    wait_for_series(path, "outlive_requests_ended_total{ending=\"cancelled\"}", 1);
}

/* A master makes it of memory alone, and hands the descriptor on. */
static void memory_alone(void) {
    char name[64];
    outlive_error error = {0};
    outlive_engine *engine = NULL;
    outlive_engine_options options = OUTLIVE_ENGINE_OPTIONS_INIT;
    int board = memfd_create("board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    snprintf(name, sizeof name, "/proc/%d/fd/%d", (int)getpid(), board);
    process one = start(NULL, board), other = start(NULL, board);
    tell(&one, 'b', NULL);
    tell(&other, 'b', NULL);
    CHECK(fcntl(board, F_GET_SEALS) & F_SEAL_SHRINK);
    EQUAL(ftruncate(board, 0), -1);
    EQUAL(look(name).all, 2);
    wait_for_series(name, "outlive_requests_begun_total", 2); /* what is counted just before a kill may be lost */
    gone(&one, SIGKILL);
    rows seen = look(name);
    CHECK(seen.all == 2 && seen.unfinished == 1);
    wait_for_series(name, "outlive_requests_in_flight", 1);
    EQUAL(series(name, "outlive_requests_begun_total"), 2);
    tell(&other, 'e', NULL);
    gone(&other, 0);
    close(board);
    /* Memory that could be cut off under those who use it is refused, and what is none, too. */
    board = memfd_create("board", MFD_CLOEXEC);
    options.scoreboard_fd = board;
    EQUAL(outlive_engine_new(&options, &engine, &error), OUTLIVE_ERROR_IO);
    CHECK(strstr(error.message, "F_SEAL_SHRINK") != NULL);
    close(board);
    EQUAL(outlive_engine_new(&options, &engine, &error), OUTLIVE_ERROR_IO);
    options.scoreboard_fd = open("/dev/null", O_RDWR);
    EQUAL(outlive_engine_new(&options, &engine, &error), OUTLIVE_ERROR_IO);
    options.scoreboard = path;
    EQUAL(outlive_engine_new(&options, &engine, &error), OUTLIVE_ERROR_ARGUMENT);
    close(options.scoreboard_fd);
    /* A file that the master may open and the workers may not. */
    if (geteuid() == 0) {
        char own[600];
        snprintf(own, sizeof own, "%s-of-root", path);
        board = open(own, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        pid_t child = fork();
        if (child == 0) {
            failures = 0;
            CHECK(setgid(65534) == 0 && setuid(65534) == 0);
            engine = engine_of(NULL, board);
            host host = {0};
            outlive_request *request = begin(engine, settings, &host, "GET");
            EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
            outlive_engine_free(engine);
            _exit(failures != 0);
        }
        int status = -1;
        EQUAL(waitpid(child, &status, 0), child);
        EQUAL(status, 0);
        close(board);
        EQUAL(series(own, "outlive_requests_begun_total"), 1);
    }
}

/* What another version uses is put aside; its processes keep it. */
static void another_layout(void) {
    char other[600], aside[700];
    struct stat before, after;
    outlive_error error = {0};
    rows none = {0};
    snprintf(other, sizeof other, "%s-other", path);
    snprintf(aside, sizeof aside, "%s.layout7", other);
    process old = start(other, -1);
    tell(&old, 'b', NULL);
    int fd = open(other, O_RDWR);
    uint64_t layout = 7;
    EQUAL(pwrite(fd, &layout, 8, 16), 8);
    close(fd);
    EQUAL(outlive_scoreboard_read(other, OUTLIVE_NTS, see, &none, &error), OUTLIVE_ERROR_UNSUPPORTED);
    EQUAL(stat(other, &before), 0);
    /* Several at once: one of them makes the new one. */
    process new[4];
    for (int i = 0; i < 4; i++) {
        new[i] = start(other, -1);
    }
    for (int i = 0; i < 4; i++) {
        tell(&new[i], 'b', NULL);
    }
    EQUAL(look(other).all, 4);
    EQUAL(stat(aside, &after), 0);
    CHECK(before.st_ino == after.st_ino);
    tell(&old, 'b', NULL);
    tell(&old, 'e', NULL);
    for (int i = 0; i < 4; i++) {
        tell(&new[i], 'e', NULL);
        gone(&new[i], 0);
    }
    gone(&old, 0);
}

static void many_rows(void) {
    enum { ROWS = 200000 };
    static outlive_request *all[ROWS];
    char large[600];
    host host = {0};
    outlive_engine_options options = OUTLIVE_ENGINE_OPTIONS_INIT;
    outlive_engine *engine = NULL;
    const int count = getenv("FEW") != NULL ? 3000 : ROWS;
    snprintf(large, sizeof large, "%s-large", path);
    options.scoreboard = large;
    options.scoreboard_rows = 4194305;
    EQUAL(outlive_engine_new(&options, &engine, NULL), OUTLIVE_ERROR_ARGUMENT);
    options.scoreboard_rows = 4194304;
    EQUAL(outlive_engine_new(&options, &engine, NULL), OUTLIVE_OK);
    for (int i = 0; i < count; i++) {
        all[i] = begin(engine, settings, &host, "GET");
    }
    rows seen = look(large);
    EQUAL(seen.all, count);
    EQUAL(series(large, "outlive_requests_not_shown_total"), 0);
    /* The last row is brought up to date in its turn, and is cancelled without waiting for it. It is that of one of the last eight. */
    for (int i = count - 8; i < count; i++) {
        EQUAL(outlive_request_write(all[i], "x", 1), OUTLIVE_OK);
    }
    for (int i = 0; i < 300 && seen.last.request.written == 0; i++) {
        sleep_ms(100);
        seen = look(large);
    }
    EQUAL(seen.last.request.written, 1);
    EQUAL(outlive_scoreboard_cancel(large, OUTLIVE_NTS, seen.last.row, seen.last.count, NULL), OUTLIVE_OK);
    int stopped = 0;
    for (int tries = 0; tries < 300 && stopped == 0; tries++) {
        sleep_ms(100);
        for (int i = 0; i < count; i++) {
            stopped += outlive_request_check(all[i]) == OUTLIVE_STOP;
        }
    }
    EQUAL(stopped, 1);
    for (int i = 0; i < count; i++) {
        EQUAL(outlive_request_end(all[i], NULL), OUTLIVE_OK);
    }
    outlive_engine_free(engine);
    EQUAL(look(large).all, 0);
    EQUAL(series(large, "outlive_requests_ended_total{ending=\"completed\"}"), count - 1);
    EQUAL(series(large, "outlive_requests_ended_total{ending=\"cancelled\"}"), 1);
    unlink(large);
}

static void pages_and_documents(void) {
    host host = {0};
    text to = {NULL, 0};
    outlive_error error = {0};
    outlive_render_options options = OUTLIVE_RENDER_OPTIONS_INIT;
    char policy[64];
    outlive_engine *engine = engine_of(NULL, -1);
    const outlive_settings *other = settings_of("ignore_user_abort=On\noutlive.max_detached=5");
    const outlive_settings *same = settings_of("ignore_user_abort=1\noutlive.max_detached=05\noutlive.scoreboard=/run/elsewhere");
    CHECK(outlive_settings_fingerprint(other) != outlive_settings_fingerprint(settings));
    CHECK(outlive_settings_fingerprint(other) == outlive_settings_fingerprint(same));
    EQUAL(outlive_settings_fingerprint(NULL), 0);
    EQUAL(outlive_engine_set_policy(engine, other), OUTLIVE_OK);
    EQUAL(outlive_engine_count(engine, OUTLIVE_ENDING_COMPLETED, 70), OUTLIVE_OK);
    EQUAL(outlive_engine_count(engine, OUTLIVE_ENDING_NONE, 0), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_engine_count(engine, OUTLIVE_ENDING_COMPLETED, -1), OUTLIVE_ERROR_ARGUMENT);
    outlive_request *request = begin(engine, settings, &host, "GET");
    options.title = "a <shop>";
    options.notes = "one\ntwo";
    EQUAL(outlive_engine_render(engine, OUTLIVE_RENDER_PAGE, &options, append, &to, &error), OUTLIVE_OK);
    CHECK(strstr(to.bytes, "a &lt;shop&gt;") != NULL && strstr(to.bytes, "<p class=\"note\">two</p>") != NULL);
    CHECK(strstr(to.bytes, "<dd id=\"in-flight\">1</dd>") != NULL && strstr(to.bytes, "</html>") != NULL);
    to.len = 0;
    EQUAL(outlive_engine_render(engine, OUTLIVE_RENDER_TABLE, NULL, append, &to, &error), OUTLIVE_OK);
    CHECK(strncmp(to.bytes, "<div", 4) == 0);
    to.len = 0;
    EQUAL(outlive_engine_render(engine, OUTLIVE_RENDER_JSON, &options, append, &to, &error), OUTLIVE_OK);
    CHECK(strstr(to.bytes, "\"in_flight\": 1") != NULL && strstr(to.bytes, "\"notes\": [\"one\", \"two\"]") != NULL);
    to.len = 0;
    EQUAL(outlive_engine_render(engine, OUTLIVE_RENDER_METRICS, NULL, append, &to, &error), OUTLIVE_OK);
    snprintf(policy, sizeof policy, "outlive_policy_info{fingerprint=\"%016" PRIx64 "\"} 1\n", outlive_settings_fingerprint(other));
    CHECK(strstr(to.bytes, policy) != NULL);
    CHECK(strstr(to.bytes, "\noutlive_requests_begun_total 2\n") != NULL);
    CHECK(strstr(to.bytes, "\noutlive_request_duration_seconds_bucket{le=\"0.05\"} 0\n") != NULL);
    CHECK(strstr(to.bytes, "\noutlive_request_duration_seconds_bucket{le=\"0.1\"} 1\n") != NULL);
    CHECK(strstr(to.bytes, "\noutlive_request_duration_seconds_sum 0.07\n") != NULL);
    EQUAL(outlive_engine_render(engine, OUTLIVE_RENDER_METRICS, NULL, refuse, NULL, &error), OUTLIVE_ERROR_INTERRUPTED);
    EQUAL(outlive_engine_render(engine, 9, NULL, append, &to, &error), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_engine_render(engine, OUTLIVE_RENDER_PAGE, NULL, NULL, &to, &error), OUTLIVE_ERROR_ARGUMENT);
    options.size = 3;
    EQUAL(outlive_engine_render(engine, OUTLIVE_RENDER_PAGE, &options, append, &to, &error), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_scoreboard_render("/nowhere", OUTLIVE_NTS, OUTLIVE_RENDER_PAGE, NULL, append, &to, &error), OUTLIVE_ERROR_IO);
    CHECK(strncmp(outlive_render_content_type(OUTLIVE_RENDER_METRICS), "text/plain; version=0.0.4", 25) == 0);
    CHECK(outlive_render_content_type(OUTLIVE_RENDER_JSON) != NULL && outlive_render_content_type(OUTLIVE_RENDER_TABLE) != NULL);
    CHECK(outlive_render_content_type(-1) == NULL);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    outlive_engine_free(engine);
    outlive_settings_free(other);
    outlive_settings_free(same);
    free(to.bytes);
}

int main(int argc, char **argv) {
    (void)argc;
    snprintf(path, sizeof path, "%s/board", argv[1]);
    settings = settings_of("ignore_user_abort=1\nmax_execution_time=0");
    counters_never_fall();
    counters_under_kills();
    another_namespace();
    one_that_hangs();
    cancelled();
    memory_alone();
    another_layout();
    many_rows();
    pages_and_documents();
    outlive_settings_free(settings);
    return finished("fleet");
}
