/*
 * PostgreSQL by libpq: a query that waits for a lock is cancelled off the loop; or the server itself ends it, told what time is left.
 *   cc libpq.c $(pkg-config --cflags --libs outlive libpq)      ./a.out CONNINFO
 */
#include "stop.h"

#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>

/* PQcancel makes a connection of its own and waits for it: not in the loop's thread, nor in the engine's. */
static void *cancel(void *handle) {
    char error[256];
    if (!PQcancel(handle, error, sizeof error)) {
        fprintf(stderr, "%s\n", error);
    }
    PQfreeCancel(handle);
    return NULL;
}

/* An event loop in little: the connection and the stop queue. The SQLSTATE of what came. */
static void run(host *host, PGconn *connection, const char *sql, char state[6]) {
    pthread_t thread;
    int is_cancelling = 0;
    PGresult *result;
    PQsendQuery(connection, sql);
    while (PQisBusy(connection)) {
        struct pollfd wait[2] = {{PQsocket(connection), POLLIN, 0}, {outlive_engine_stop_fd(host->engine, 0), POLLIN, 0}};
        outlive_stop stop = OUTLIVE_STOP_INIT;
        poll(wait, 2, -1);
        while (outlive_engine_next_stop(host->engine, 0, &stop) == OUTLIVE_OK) {
            if (stop.kind == OUTLIVE_STOP_DUE && !is_cancelling) {
                is_cancelling = pthread_create(&thread, NULL, cancel, PQgetCancel(connection)) == 0;
            }
        }
        if (wait[0].revents && !PQconsumeInput(connection)) {
            fprintf(stderr, "%s", PQerrorMessage(connection));
            break;
        }
    }
    if (is_cancelling) { /* before the connection is used again: a late cancel would hit the next query */
        pthread_join(thread, NULL);
    }
    strcpy(state, "00000");
    while ((result = PQgetResult(connection)) != NULL) {
        const char *said = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        if (said != NULL) {
            snprintf(state, 6, "%s", said);
        }
        PQclear(result);
    }
}

int main(int argc, char **argv) {
    host host = host_open(1);
    PGconn *connection = PQconnectdb(argc > 1 ? argv[1] : ""), *other = PQconnectdb(argc > 1 ? argv[1] : "");
    char state[6], sql[100];
    if (PQstatus(connection) != CONNECTION_OK || PQstatus(other) != CONNECTION_OK) {
        fprintf(stderr, "%s", PQerrorMessage(connection));
        return 1;
    }
    PQclear(PQexec(other, "CREATE TABLE IF NOT EXISTS c (x int)"));
    PQclear(PQexec(other, "BEGIN"));
    PQclear(PQexec(other, "LOCK TABLE c"));

    outlive_request *request = host_begin(&host, 300, NULL, NULL);
    run(&host, connection, "INSERT INTO c VALUES (1)", state);
    host_end(request, "waiting for a lock, with PQcancel", state);

    /* time_left is elapsed time only under outlive.clock = wall. 0 would be no time-out at all for PostgreSQL; a stop that waits is taken before. */
    request = host_begin(&host, 1000, NULL, NULL);
    outlive_request_set_time_limit_ms(request, 60000);
    int64_t left = outlive_request_time_left(request);
    snprintf(sql, sizeof sql, "SET statement_timeout = %d", (int)(left < 500 ? left : 500));
    PQclear(PQexec(connection, sql));
    run(&host, connection, "INSERT INTO c VALUES (2)", state);
    host_end(request, "waiting for a lock, with statement_timeout", state);
    PQfinish(connection);
    PQfinish(other);
    host_close(&host);
    return 0;
}
