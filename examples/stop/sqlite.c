/* SQLite: a statement that waits for a lock, one that runs, and what does not work.   cc sqlite.c $(pkg-config --cflags --libs outlive sqlite3) */
#include "stop.h"

#include <sqlite3.h>

/* A busy handler that looks: the call ends with SQLITE_BUSY once the request should. */
static int busy(void *request, int times) {
    (void)times;
    if (outlive_request_check(request) == OUTLIVE_STOP) {
        return 0;
    }
    sqlite3_sleep(10);
    return 1;
}

/* From the engine's thread. SQLite allows it from any, as long as the connection is not closed meanwhile: the request ends before. */
static void interrupt(void *db, int ending) {
    (void)ending;
    sqlite3_interrupt(db);
}

int main(int argc, char **argv) {
    static const char endless[] = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    const char *path = argc > 1 ? argv[1] : "stop.db";
    sqlite3 *db, *other;
    host host = host_open(0);
    if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_open(path, &other) != SQLITE_OK ||
        sqlite3_exec(other, "CREATE TABLE IF NOT EXISTS c (x); BEGIN EXCLUSIVE", NULL, NULL, NULL) != SQLITE_OK) {
        fprintf(stderr, "%s\n", sqlite3_errmsg(other));
        return 1;
    }

    outlive_request *request = host_begin(&host, 200, NULL, NULL);
    sqlite3_busy_handler(db, busy, request);
    host_end(request, "waiting for a lock, with a busy handler that checks", sqlite3_errstr(sqlite3_exec(db, "INSERT INTO c VALUES (1)", NULL, NULL, NULL)));

    request = host_begin(&host, 200, interrupt, db);
    sqlite3_busy_handler(db, NULL, NULL);
    sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL);
    host_end(request, "running, with sqlite3_interrupt", sqlite3_errstr(sqlite3_exec(db, endless, NULL, NULL, NULL)));

    /* The same for a statement that waits: the interrupt is only looked at when the time-out is over. */
    sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL);
    request = host_begin(&host, 200, interrupt, db);
    sqlite3_busy_timeout(db, 1500);
    int64_t began = now_ms();
    int answer = sqlite3_exec(db, "INSERT INTO c VALUES (2)", NULL, NULL, NULL);
    char text[100];
    snprintf(text, sizeof text, "%s, %s", sqlite3_errstr(answer), now_ms() - began >= 1500 ? "behind the whole time-out" : "at once");
    host_end(request, "waiting for a lock, with sqlite3_busy_timeout and sqlite3_interrupt", text);
    sqlite3_close(db);
    sqlite3_close(other);
    host_close(&host);
    return 0;
}
