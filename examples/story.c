/*
 * The story: a person submits a form, another program holds a lock on table C, the person closes the browser. What happens
 * next is a decision that somebody wrote down. This program starts formsave, plays the person and the other program, and
 * tells for each decision what came of it. It ends with 0 only if all came as the files say.
 *
 * Usage: story FORMSAVE PHP_INI HTTPD_CONF SITE
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOCK_SECONDS 1.0  /* C is locked for so long */
#define STAY_SECONDS 0.3  /* the person stays for so long */
#define LIMIT_SECONDS 1.0 /* max_execution_time of /save/limit, in whose scene C is locked twice as long */

static const struct scene {
    const char *policy, *method, *path, *host;
    enum { LEAVES, STAYS, KILLED } then; /* the person leaves, or waits for the answer; or the server is killed, and started again */
    const char *written, *told, *decided; /* what has to come of it; decided: the directive and its value */
    double least, most;                 /* seconds that it may take */
} scenes[] = {
    {"as PHP: stop, when output fails", "POST", "/save/php", "localhost", LEAVES, "AB", "ABORTED", "ignore_user_abort = 0", 0.25, 1.5},
    {"ignore_user_abort off: stop", "POST", "/save/stop", "localhost", LEAVES, "AB", "ABORTED", "ignore_user_abort = 0", 0.25, 1.5},
    {"ignore_user_abort on: finish", "POST", "/save/finish", "localhost", LEAVES, "ABCD", "COMPLETED", "ignore_user_abort = on", 0.9, 3.0},
    {"on, locked for a virtual host", "POST", "/save/stop", "archive.localhost", LEAVES, "ABCD", "COMPLETED", "ignore_user_abort = on", 0.9, 3.0},
    {"by the request: GET stops", "GET", "/save/auto", "localhost", LEAVES, "AB", "ABORTED", "outlive.disconnect = auto", 0.25, 1.5},
    {"by the request: POST finishes", "POST", "/save/auto", "localhost", LEAVES, "ABCD", "COMPLETED", "outlive.disconnect = auto", 0.9, 3.0},
    {"stop, but not inside a hold", "POST", "/save/hold", "localhost", LEAVES, "ABCD", "ABORTED", "formsave.hold = on", 0.9, 3.0},
    {"a limit of 1 s; the person stays", "POST", "/save/limit", "localhost", STAYS, "AB", "TIME_LIMIT", "max_execution_time = 1", 1.0, 2.5},
    {"accepted; the server is killed", "POST", "/save/accept", "localhost", KILLED, "ABCD", "FINISHED", "outlive.accept = on", 0.0, 3.0},
};

struct outcome {
    char written[8], told[32], decided[512];
    double seconds;
    int calls;        /* how often the shutdown function ran */
    int while_locked; /* it ended before C was free */
};

static const char *directory; /* with the databases; removed at the end */
static char **arguments;      /* of this program: what the server needs */
static pid_t server = -1;
static int colours;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void sleep_until(double when)
{
    double left = when - now();
    if (left > 0) {
        struct timespec nap = {.tv_sec = (time_t)left};
        nap.tv_nsec = (long)((left - (double)nap.tv_sec) * 1e9);
        nanosleep(&nap, NULL);
    }
}

static const char *colour(const char *code)
{
    return colours ? code : "";
}

/* ---- the server, as a program of its own ---- */

/* Starts formsave on a free port. Its number, or -1. */
static int start_server(void)
{
    int out[2], port = -1;
    char line[256];
    if (pipe(out) != 0)
        return -1;
    server = fork();
    if (server == 0) {
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        execl(arguments[1], arguments[1], "-i", arguments[2], "-c", arguments[3], "-s", arguments[4], "-d", directory, "-p", "0", (char *)NULL);
        perror(arguments[1]);
        _exit(127);
    }
    close(out[1]);
    FILE *said = fdopen(out[0], "r");
    if (server > 0 && said != NULL && fgets(line, sizeof line, said) != NULL)
        (void)sscanf(line, "formsave: http://127.0.0.1:%d/", &port);
    if (said != NULL)
        fclose(said);
    return port;
}

/* Ends it as an operator would. 0: it ended well. */
static int stop_server(void)
{
    int status;
    if (server <= 0 || kill(server, SIGTERM) != 0)
        return -1;
    while (waitpid(server, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* The process dies as in an accident, and another one takes its place. */
static int restart_server(void)
{
    if (kill(server, SIGKILL) != 0 || waitpid(server, NULL, 0) != server)
        return -1;
    return start_server() > 0 ? 0 : -1;
}

/* ---- the other program ---- */

static sqlite3 *open_database(const char *name)
{
    char path[1024];
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
        fprintf(stderr, "story: cannot open %s: %s\n", path, sqlite3_errmsg(db));
        sqlite3_close(db);
        return NULL;
    }
    sqlite3_busy_timeout(db, 3000);
    return db;
}

static int execute(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    fprintf(stderr, "story: %s: %s\n", sql, sqlite3_errmsg(db));
    return -1;
}

/* ---- the person ---- */

static int submit(const struct scene *scene, int port, const char *note)
{
    char text[1024];
    int is_get = strcmp(scene->method, "GET") == 0;
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int length = is_get ? snprintf(text, sizeof text, "GET %s?note=%s HTTP/1.1\r\nHost: %s\r\n\r\n", scene->path, note, scene->host)
                        : snprintf(text, sizeof text, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %zu\r\n\r\nnote=%s",
                                   scene->path, scene->host, strlen(note) + 5, note);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    if (client < 0)
        return -1;
    if (connect(client, (struct sockaddr *)&address, sizeof address) != 0 ||
        send(client, text, (size_t)length, MSG_NOSIGNAL) != length) {
        perror("story: submitting the form");
        close(client);
        return -1;
    }
    return client;
}

/* Reads until the server closes, at most until then. */
static void read_answer(int client, double until)
{
    char nowhere[4096];
    struct pollfd fd = {.fd = client, .events = POLLIN};
    while (now() < until)
        if (poll(&fd, 1, 100) > 0 && recv(client, nowhere, sizeof nowhere, 0) <= 0)
            return;
}

/* ---- what came of it ---- */

/* 1: it has ended; 0: not yet; -1: no answer. Reads the databases, not the server's words. */
static int look(sqlite3 *db, const char *note, struct outcome *outcome)
{
    static const char sql[] =
        "SELECT iif(EXISTS (SELECT 1 FROM a WHERE note = ?1), 'A', '') || iif(EXISTS (SELECT 1 FROM b WHERE note = ?1), 'B', '') ||"
        " iif(EXISTS (SELECT 1 FROM c WHERE note = ?1), 'C', '') || iif(EXISTS (SELECT 1 FROM d WHERE note = ?1), 'D', ''),"
        " ending, seconds, decided, calls FROM journal WHERE note = ?1 AND ending IS NOT NULL";
    sqlite3_stmt *select;
    if (sqlite3_prepare_v2(db, sql, -1, &select, NULL) != SQLITE_OK)
        return -1;
    sqlite3_bind_text(select, 1, note, -1, SQLITE_STATIC);
    int step = sqlite3_step(select);
    if (step == SQLITE_ROW) {
        snprintf(outcome->written, sizeof outcome->written, "%s", (const char *)sqlite3_column_text(select, 0));
        snprintf(outcome->told, sizeof outcome->told, "%s", (const char *)sqlite3_column_text(select, 1));
        outcome->seconds = sqlite3_column_double(select, 2);
        snprintf(outcome->decided, sizeof outcome->decided, "%s", (const char *)sqlite3_column_text(select, 3));
        outcome->calls = sqlite3_column_int(select, 4);
    }
    sqlite3_finalize(select);
    return step == SQLITE_ROW ? 1 : step == SQLITE_DONE ? 0 : -1;
}

/* Waits until B is written: the program now waits for C. */
static void wait_for_b(sqlite3 *db, const char *note)
{
    sqlite3_stmt *select;
    double until = now() + 5;
    int step = SQLITE_DONE;
    if (sqlite3_prepare_v2(db, "SELECT 1 FROM b WHERE note = ?", -1, &select, NULL) != SQLITE_OK)
        return;
    sqlite3_bind_text(select, 1, note, -1, SQLITE_STATIC);
    while ((step = sqlite3_step(select)) == SQLITE_DONE && now() < until) {
        sqlite3_reset(select);
        sleep_until(now() + 0.01);
    }
    sqlite3_finalize(select);
}

/* Plays one scene. 0: it has come to an end. */
static int play(const struct scene *scene, int port, sqlite3 *db, sqlite3 *other, const char *note, struct outcome *outcome)
{
    int ended = 0, locked = execute(other, "BEGIN IMMEDIATE") == 0;
    int client = locked ? submit(scene, port, note) : -1;
    if (client < 0) {
        if (locked)
            (void)execute(other, "COMMIT");
        return -1;
    }
    wait_for_b(db, note);
    double begun = now(), free_at = begun + (scene->then == STAYS ? 2 * LIMIT_SECONDS : LOCK_SECONDS);
    if (scene->then == STAYS)
        read_answer(client, free_at);
    else
        sleep_until(begun + STAY_SECONDS);
    close(client); /* the person has gone */
    if (scene->then == KILLED && restart_server() != 0)
        return -1;
    while ((ended = look(db, note, outcome)) == 0 && now() < begun + 10) {
        if (locked && now() >= free_at)
            locked = execute(other, "COMMIT") != 0;
        sleep_until(now() + 0.01);
    }
    outcome->while_locked = locked;
    if (locked)
        (void)execute(other, "COMMIT");
    return ended == 1 ? 0 : -1;
}

static int is_right(const struct scene *scene, const struct outcome *outcome)
{
    size_t length = strlen(outcome->decided), wanted = strlen(scene->decided);
    return strcmp(outcome->written, scene->written) == 0 && strcmp(outcome->told, scene->told) == 0 &&
           outcome->calls == 1 && outcome->while_locked == (strcmp(scene->written, "ABCD") != 0) && outcome->seconds >= scene->least && outcome->seconds <= scene->most &&
           length > wanted && strcmp(outcome->decided + length - wanted, scene->decided) == 0;
}

static void show(const struct scene *scene, const struct outcome *outcome)
{
    int all = strcmp(outcome->written, "ABCD") == 0;
    printf("%-33s ", scene->policy);
    for (const char *table = "ABCD"; *table != '\0'; table++) {
        int there = strchr(outcome->written, *table) != NULL;
        printf("%s%c%s ", colour(there ? "\033[32m" : "\033[31m"), there ? *table : '-', colour("\033[0m"));
    }
    printf(" %s%-10s%s %4.1f s  %s\n", colour(all ? "\033[32m" : "\033[33m"), outcome->told, colour("\033[0m"),
           outcome->seconds, outcome->decided);
    if (!is_right(scene, outcome))
        printf("  ^ expected: %s written, told %s once (was %d times), %s C was free, %.1f to %.1f s, decided by %s\n",
               scene->written, scene->told, outcome->calls, strcmp(scene->written, "ABCD") != 0 ? "before" : "when",
               scene->least, scene->most, scene->decided);
    fflush(stdout);
}

static int play_all(int port)
{
    int wrong = 0;
    sqlite3 *db = open_database("formsave.db"), *other = open_database("table-c.db");
    char attach[1100];
    snprintf(attach, sizeof attach, "ATTACH '%s/table-c.db' AS table_c", directory);
    if (db == NULL || other == NULL || execute(db, attach) != 0) {
        sqlite3_close(db);
        sqlite3_close(other);
        return 1;
    }
    printf("\nA form is saved to tables A, B, C and D. Another program holds a lock on C for %.0f s.\n"
           "The person who sent the form closes the browser after %.1f s; once, the server is killed too. What happens next is configuration:\n\n",
           LOCK_SECONDS, STAY_SECONDS);
    printf("%s%-33s %-8s %-10s %6s  %s%s\n", colour("\033[1m"), "policy", "written", "told", "after", "decided by",
           colour("\033[0m"));
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
        char note[32];
        struct outcome outcome = {.told = "(nothing)"};
        snprintf(note, sizeof note, "scene-%zu", i + 1);
        if (play(&scenes[i], port, db, other, note, &outcome) != 0)
            fprintf(stderr, "story: this scene did not end within 10 s:\n");
        show(&scenes[i], &outcome);
        wrong += !is_right(&scenes[i], &outcome);
    }
    sqlite3_close(db);
    sqlite3_close(other);
    return wrong;
}

static void remove_databases(void)
{
    static const char *const names[] = {"formsave.db", "formsave.db-wal", "formsave.db-shm",
                                        "table-c.db",  "table-c.db-wal",  "table-c.db-shm"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        (void)unlink(path);
    }
    if (rmdir(directory) != 0)
        perror(directory);
}

int main(int argc, char **argv)
{
    char template[512];
    const char *where = getenv("TMPDIR"), *no_colour = getenv("NO_COLOR");
    if (argc != 5) {
        fprintf(stderr, "Usage: story FORMSAVE PHP_INI HTTPD_CONF SITE\n");
        return 2;
    }
    arguments = argv;
    colours = isatty(STDOUT_FILENO) && (no_colour == NULL || no_colour[0] == '\0');
    snprintf(template, sizeof template, "%s/formsave-XXXXXX", where != NULL && where[0] != '\0' ? where : "/tmp");
    directory = mkdtemp(template);
    if (directory == NULL) {
        perror(template);
        return 1;
    }
    int wrong = 1, port = start_server();
    if (port > 0)
        wrong = play_all(port);
    else
        fprintf(stderr, "story: the server did not start\n");
    if (stop_server() != 0) {
        fprintf(stderr, "story: the server did not end well\n");
        wrong++;
    }
    remove_databases();
    printf(wrong == 0 ? "\nEach as the files say. Every shutdown function ran once, and knew why.\n"
                      : "\nNot as the files say: see above.\n");
    return wrong == 0 ? 0 : 1;
}
