/* The four writes. See durable.h. */

#define _POSIX_C_SOURCE 200809L

#include "durable.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

int is_good(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

PGresult *run_statement(PGconn *db, outlive_request *request, const char *sql, const char *first, const char *second)
{
    const char *values[2] = {first, second};
    int stopped = 0;
    if (!PQsendQueryParams(db, sql, first == NULL ? 0 : second == NULL ? 1 : 2, NULL, values, NULL, NULL, 0))
        return NULL;
    while (PQconsumeInput(db) && PQisBusy(db)) {
        struct pollfd fd = {.fd = PQsocket(db), .events = POLLIN};
        (void)poll(&fd, 1, 20);
        if (!stopped && request != NULL && outlive_request_check(request) != OUTLIVE_OK) {
            char why[256];
            PGcancel *cancel = PQgetCancel(db);
            stopped = 1;
            if (cancel == NULL || !PQcancel(cancel, why, sizeof why))
                fprintf(stderr, "durable: a statement cannot be cancelled\n");
            PQfreeCancel(cancel);
        }
    }
    PGresult *result = PQgetResult(db), *more;
    while ((more = PQgetResult(db)) != NULL)
        PQclear(more);
    if (stopped && !is_good(result)) {
        PQclear(result);
        return NULL;
    }
    return result;
}

/* 1 if it went well. */
static int execute(PGconn *db, outlive_request *request, const char *sql, const char *key, const char *note)
{
    PGresult *result = run_statement(db, request, sql, key, note);
    int good = is_good(result);
    if (!good && outlive_request_check(request) == OUTLIVE_OK) {
        fprintf(stderr, "durable: %s: %s", sql, PQerrorMessage(db));
        (void)outlive_request_exit(request, OUTLIVE_ENDING_HOST_ERROR);
    }
    PQclear(result);
    return good;
}

/* The unique key fences: PostgreSQL may still be running a statement of a process that was killed. */
static int mark_done(PGconn *db, outlive_request *request, const char *key)
{
    PGresult *result = run_statement(db, request, "UPDATE submission SET state = 'done' WHERE key = $1 AND state = 'accepted'", key, NULL);
    int done = is_good(result) && strcmp(PQcmdTuples(result), "1") == 0;
    PQclear(result);
    return done;
}

int save_tables(PGconn *db, outlive_request *request, const char *key, const char *note, enum manner manner)
{
    int together = manner == MANNER_TRANSACTION || manner == MANNER_PLAIN;
    int good = !together || execute(db, request, "BEGIN", NULL, NULL);
    for (const char *table = "abcd"; good && *table != '\0'; table++) {
        char sql[128];
        if (outlive_request_check(request) != OUTLIVE_OK)
            good = 0; /* a safe point: a limit, a cap, a drain; never the client, once it is accepted */
        snprintf(sql, sizeof sql, "INSERT INTO %c (key, note) VALUES ($1, $2)%s", *table,
                 manner == MANNER_KEYED ? " ON CONFLICT (key) DO NOTHING" : "");
        good = good && execute(db, request, sql, key, note);
    }
    if (together) {
        good = good && (manner == MANNER_PLAIN || mark_done(db, request, key));
        PGresult *result = run_statement(db, NULL, good ? "COMMIT" : "ROLLBACK", NULL, NULL);
        good = good && is_good(result);
        PQclear(result);
    }
    if (!good && outlive_request_check(request) == OUTLIVE_OK)
        (void)outlive_request_exit(request, OUTLIVE_ENDING_HOST_ERROR);
    return good ? OUTLIVE_OK : OUTLIVE_STOP;
}
