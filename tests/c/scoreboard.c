/* The scoreboard: what one process publishes another reads, what a process leaves when it dies, and files that are none. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const outlive_settings *settings;
static char path[512];

typedef struct seen {
    int rows, unfinished;
    int64_t process;
    char labels[8][128];
    outlive_scoreboard_row last;
} seen;

static int look(void *userdata, const outlive_scoreboard_row *row) {
    seen *self = userdata;
    EQUAL(row->size, sizeof *row);
    EQUAL(row->request.size, sizeof row->request);
    if (self->rows < 8) {
        snprintf(self->labels[self->rows], sizeof self->labels[0], "%s", row->request.label.ptr);
    }
    self->rows++;
    self->unfinished += row->unfinished != 0;
    self->process = row->process;
    self->last = *row;
    return 0;
}

static int stop_at_once(void *userdata, const outlive_scoreboard_row *row) {
    (void)row, (void)userdata;
    return 1;
}

static seen read_board(void) {
    seen result = {0};
    outlive_error error = {0};
    EQUAL(outlive_scoreboard_read(path, OUTLIVE_NTS, look, &result, &error), OUTLIVE_OK);
    return result;
}

static outlive_engine *engine_at(const char *scoreboard, int expected, outlive_error *error) {
    outlive_engine_options options = OUTLIVE_ENGINE_OPTIONS_INIT;
    outlive_engine *engine = NULL;
    options.scoreboard = scoreboard;
    EQUAL(outlive_engine_new(&options, &engine, error), expected);
    return engine;
}

static void one_process(void) {
    host host = {0};
    outlive_engine *engine = engine_at(path, OUTLIVE_OK, NULL), *second = engine_at(path, OUTLIVE_OK, NULL);
    struct stat facts;
    EQUAL(stat(path, &facts), 0);
    EQUAL(facts.st_mode & 0777, 0600);
    EQUAL(outlive_engine_scoreboard(engine, NULL), OUTLIVE_OK);
    outlive_request *request = begin(engine, settings, &host, "POST");
    seen seen = read_board();
    EQUAL(seen.rows, 1);
    EQUAL(seen.unfinished, 0);
    EQUAL(seen.process, getpid());
    CHECK(strcmp(seen.labels[0], "test") == 0);
    EQUAL(seen.last.request.stage, OUTLIVE_STAGE_RUNNING);
    EQUAL(seen.last.request.gone_ms, -1);
    EQUAL(seen.last.request.time_limit, 30);
    CHECK(seen.last.request.time_left_ms > 0 && seen.last.request.time_left_ms <= 30000);
    EQUAL(seen.last.request.thread, getenv("OUTLIVE_PORTABLE") != NULL ? 0 : getpid());
    CHECK(seen.last.began_unix_ms / 1000 >= (uint64_t)time(NULL) - 5 && seen.last.began_unix_ms / 1000 <= (uint64_t)time(NULL) + 5);

    outlive_request_set_label(request, "another label, longer than the first one and not short at all");
    outlive_request_ignore_user_abort(request, 1);
    outlive_request_hold(request);
    outlive_request_client_gone(request);
    seen = read_board();
    CHECK(strcmp(seen.labels[0], "another label, longer than the first one and not short at all") == 0);
    EQUAL(seen.last.request.held, 1);
    EQUAL(seen.last.request.ignores_abort, 1);
    CHECK(seen.last.request.gone_ms >= 0);

    outlive_request *other = begin(second, settings, &host, "GET");
    EQUAL(read_board().rows, 2);
    EQUAL(outlive_scoreboard_read(path, strlen(path), stop_at_once, NULL, NULL), OUTLIVE_ERROR_INTERRUPTED);
    EQUAL(outlive_request_end(other, NULL), OUTLIVE_OK);
    EQUAL(read_board().rows, 1);
    outlive_request_release(request);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    EQUAL(read_board().rows, 0);
    outlive_engine_free(engine);
    outlive_engine_free(second);
    EQUAL(read_board().rows, 0);
}

/* A child publishes in its own engine, and dies; its parent's rows are untouched by what it does with the parent's engine. */
static void killed(void) {
    host host = {0};
    size_t cleared = 77;
    outlive_engine *engine = engine_at(path, OUTLIVE_OK, NULL);
    outlive_request *request = begin(engine, settings, &host, "GET");
    int ready[2];
    char byte;
    EQUAL(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        EQUAL(outlive_request_end(request, NULL), OUTLIVE_ERROR_FORKED);
        EQUAL(outlive_request_set_label(request, "stolen"), OUTLIVE_ERROR_FORKED);
        EQUAL(outlive_engine_scoreboard(engine, NULL), OUTLIVE_ERROR_FORKED);
        outlive_engine_free(engine);
        outlive_engine *own = engine_at(path, OUTLIVE_OK, NULL);
        begin(own, settings, &host, "PUT");
        byte = (char)failures;
        CHECK(write(ready[1], &byte, 1) == 1);
        for (;;) {
            pause();
        }
    }
    EQUAL(read(ready[0], &byte, 1), 1);
    EQUAL(byte, 0);
    seen seen = read_board();
    EQUAL(seen.rows, 2);
    EQUAL(seen.unfinished, 0);
    kill(child, SIGKILL);
    siginfo_t info;
    EQUAL(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    EQUAL(read_board().unfinished, 1); /* a zombie finishes nothing */
    EQUAL(waitpid(child, NULL, 0), child);
    seen = read_board();
    EQUAL(seen.rows, 2);
    EQUAL(seen.unfinished, 1);
    EQUAL(outlive_scoreboard_clear(path, OUTLIVE_NTS, &cleared, NULL), OUTLIVE_OK);
    EQUAL(cleared, 1);
    seen = read_board();
    EQUAL(seen.rows, 1);
    EQUAL(seen.process, getpid());
    CHECK(strcmp(seen.labels[0], "test") == 0);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    outlive_engine_free(engine);
    close(ready[0]);
    close(ready[1]);
}

/* The directive instead of the option. */
static void by_directive(void) {
    char lines[600];
    host host = {0};
    outlive_error error = {0};
    outlive_engine *engine = engine_at(NULL, OUTLIVE_OK, NULL);
    EQUAL(outlive_engine_scoreboard(engine, &error), OUTLIVE_ERROR_NOT_FOUND);
    snprintf(lines, sizeof lines, "outlive.scoreboard=%s\n", path);
    const outlive_settings *own = settings_of(lines);
    outlive_request *request = begin(engine, own, &host, "GET");
    EQUAL(outlive_engine_scoreboard(engine, &error), OUTLIVE_OK);
    EQUAL(read_board().rows, 1);
    outlive_request_end(request, NULL);
    outlive_settings_free(own);
    outlive_engine_free(engine);

    /* One that cannot be used is no request's fault. */
    engine = engine_at(NULL, OUTLIVE_OK, NULL);
    own = settings_of("outlive.scoreboard=/nowhere/at/all");
    request = begin(engine, own, &host, "GET");
    EQUAL(outlive_engine_scoreboard(engine, &error), OUTLIVE_ERROR_IO);
    CHECK(strcmp(error.file, "/nowhere/at/all") == 0 && strlen(error.message) > 10);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    outlive_settings_free(own);
    outlive_engine_free(engine);
}

/* A limit on the size of files is an error, not a signal. */
static void small_files_only(const char *directory) {
    char other[600];
    int answer[2], failed = -1;
    snprintf(other, sizeof other, "%s/large", directory);
    /* What failed comes through a pipe: a memory checker has its own idea of a child's exit status. */
    EQUAL(pipe(answer), 0);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {1 << 20, 1 << 20};
        outlive_error error = {0};
        failures = 0;
        setrlimit(RLIMIT_FSIZE, &limit);
        CHECK(engine_at(other, OUTLIVE_ERROR_IO, &error) == NULL);
        CHECK(strstr(error.message, "ulimit") != NULL);
        if (write(answer[1], &failures, sizeof failures) != sizeof failures) {
            abort();
        }
        _exit(0);
    }
    EQUAL(waitpid(child, NULL, 0), child);
    EQUAL(read(answer[0], &failed, sizeof failed), sizeof failed);
    EQUAL(failed, 0);
    close(answer[0]);
    close(answer[1]);
}

static void refused(const char *what, int code) {
    outlive_error error = {0};
    seen seen = {0};
    CHECK(engine_at(what, code, &error) == NULL);
    EQUAL(error.code, code);
    CHECK(strcmp(error.file, what) == 0 && error.message[0] != 0);
    EQUAL(outlive_scoreboard_read(what, OUTLIVE_NTS, look, &seen, &error), code);
    EQUAL(outlive_scoreboard_clear(what, OUTLIVE_NTS, NULL, &error), code);
    EQUAL(seen.rows, 0);
}

static void bad_files(const char *directory) {
    char other[600];
    outlive_error error = {0};
    refused(directory, OUTLIVE_ERROR_IO);
    refused("/dev/null", OUTLIVE_ERROR_IO);
    snprintf(other, sizeof other, "%s/link", directory);
    EQUAL(symlink(path, other), 0);
    refused(other, OUTLIVE_ERROR_IO);
    snprintf(other, sizeof other, "%s/pipe", directory);
    EQUAL(mkfifo(other, 0600), 0);
    refused(other, OUTLIVE_ERROR_IO);
    snprintf(other, sizeof other, "%s/text", directory);
    FILE *file = fopen(other, "w");
    fputs("; a php.ini, say\n", file);
    fclose(file);
    refused(other, OUTLIVE_ERROR_IO);
    EQUAL(truncate(other, 1 << 20), 0);
    refused(other, OUTLIVE_ERROR_IO);

    /* Whoever may write may cut off. */
    EQUAL(chmod(path, 0666), 0);
    CHECK(engine_at(path, OUTLIVE_ERROR_IO, &error) == NULL);
    CHECK(strstr(error.message, "chmod") != NULL);
    EQUAL(read_board().rows, 0);
    EQUAL(chmod(path, 0600), 0);

    /* Another byte order; damaged; cut off. Another layout is put aside: tests/c/fleet.c. */
    static const struct {
        int at, byte, code;
    } damages[] = {{8, 1, OUTLIVE_ERROR_UNSUPPORTED}, {33, 0, OUTLIVE_ERROR_IO}, {34, 9, OUTLIVE_ERROR_IO}};
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        int fd = open(path, O_RDWR);
        char byte = (char)damages[i].byte, before;
        EQUAL(pread(fd, &before, 1, damages[i].at), 1);
        EQUAL(pwrite(fd, &byte, 1, damages[i].at), 1);
        refused(path, damages[i].code);
        EQUAL(pwrite(fd, &before, 1, damages[i].at), 1);
        close(fd);
    }
    EQUAL(read_board().rows, 0);
    EQUAL(truncate(path, 1 << 20), 0);
    refused(path, OUTLIVE_ERROR_IO);
    EQUAL(truncate(path, 0), 0);
    EQUAL(read_board().rows, 0);
    outlive_engine_free(engine_at(path, OUTLIVE_OK, NULL));
    EQUAL(outlive_scoreboard_read(NULL, 0, look, NULL, &error), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_scoreboard_read(path, OUTLIVE_NTS, NULL, NULL, &error), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_scoreboard_read("", 0, look, NULL, &error), OUTLIVE_ERROR_IO);
    EQUAL(outlive_scoreboard_clear(NULL, 0, NULL, &error), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_engine_scoreboard(NULL, &error), OUTLIVE_ERROR_ARGUMENT);
}

static int count_row(void *userdata, const outlive_scoreboard_row *row) {
    (void)row;
    ++*(long *)userdata;
    return 0;
}

static long not_shown(outlive_engine *engine) {
    static char text[16384];
    const char *name = "\noutlive_requests_not_shown_total ", *found;
    EQUAL(outlive_engine_metrics(engine, text, sizeof text, NULL), OUTLIVE_OK);
    found = strstr(text, name);
    CHECK(found != NULL);
    return found == NULL ? -1 : atol(found + strlen(name));
}

/* More requests at once than a file has room for: the rest run as any other, and are counted. */
static void full(void) {
    enum { ROOM = 65536, MORE = 3 };
    static outlive_request *all[ROOM + MORE];
    host host = {0};
    long rows = 0;
    outlive_engine *engine = engine_at(path, OUTLIVE_OK, NULL);
    for (int i = 0; i < ROOM; i++) {
        all[i] = begin(engine, settings, &host, "GET");
    }
    EQUAL(not_shown(engine), 0);
    for (int i = ROOM; i < ROOM + MORE; i++) {
        all[i] = begin(engine, settings, &host, "GET");
    }
    EQUAL(not_shown(engine), MORE);
    EQUAL(outlive_scoreboard_read(path, OUTLIVE_NTS, count_row, &rows, NULL), OUTLIVE_OK);
    EQUAL(rows, ROOM);
    for (int i = 0; i < ROOM + MORE; i++) {
        EQUAL(outlive_request_check(all[i]), OUTLIVE_OK);
        EQUAL(outlive_request_end(all[i], NULL), OUTLIVE_OK);
    }
    EQUAL(read_board().rows, 0);
    EQUAL(not_shown(engine), MORE);
    outlive_engine_free(engine);
}

int main(int argc, char **argv) {
    (void)argc;
    snprintf(path, sizeof path, "%s/board", argv[1]);
    settings = settings_of("");
    one_process();
    killed();
    full();
    by_directive();
    small_files_only(argv[1]);
    bad_files(argv[1]);
    outlive_settings_free(settings);
    return finished("scoreboard");
}
