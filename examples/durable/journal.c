/*
 * The journal: five statements. A process that lives holds the advisory lock of its number in a session of its own: PostgreSQL lets go
 * of it when the process dies, at once and without a clock, so no lease has to be renewed. See durable.h.
 */

#define _POSIX_C_SOURCE 200809L

#include "durable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int journal_enrol(struct journal *journal)
{
    if (journal->keeper != NULL && PQstatus(journal->keeper) == CONNECTION_OK) {
        PGresult *alive = PQexec(journal->keeper, "SELECT 1");
        int good = is_good(alive);
        PQclear(alive);
        if (good)
            return 0;
    }
    journal->owner = 0;
    PQfinish(journal->keeper);
    journal->keeper = PQconnectdb(journal->database);
    PGresult *result = PQexec(journal->keeper, "WITH mine AS MATERIALIZED (SELECT nextval('process') AS number) "
                                               "SELECT number, pg_advisory_lock(number) FROM mine");
    if (is_good(result) && PQntuples(result) == 1)
        __atomic_store_n(&journal->owner, atoi(PQgetvalue(result, 0, 0)), __ATOMIC_RELEASE);
    else
        fprintf(stderr, "durable: the journal cannot be reached: %s", PQerrorMessage(journal->keeper));
    PQclear(result);
    return journal->owner != 0 ? 0 : -1;
}

static void add_unsure(struct journal *journal, const char *key)
{
    struct unsure *one = malloc(sizeof *one);
    if (one == NULL)
        abort(); /* the next process takes it up */
    snprintf(one->key, sizeof one->key, "%s", key);
    pthread_mutex_lock(&journal->mutex);
    one->next = journal->unsure;
    journal->unsure = one;
    pthread_mutex_unlock(&journal->mutex);
}

enum accepted journal_accept(struct journal *journal, PGconn *db, outlive_request *request, const char *key, const char *note)
{
    char sql[256];
    int owner = __atomic_load_n(&journal->owner, __ATOMIC_ACQUIRE);
    if (owner == 0 || PQstatus(db) != CONNECTION_OK)
        return UNREACHABLE;
    snprintf(sql, sizeof sql, "INSERT INTO submission (key, note, owner) VALUES ($1, $2, %d) ON CONFLICT (key) DO NOTHING", owner);
    PGresult *result = run_statement(db, request, sql, key, note);
    enum accepted answer = !is_good(result) ? UNREACHABLE : strcmp(PQcmdTuples(result), "1") == 0 ? ACCEPTED : IN_FLIGHT;
    PQclear(result);
    if (answer == IN_FLIGHT) {
        result = run_statement(db, request, "SELECT state FROM submission WHERE key = $1", key, NULL);
        if (!is_good(result) || PQntuples(result) != 1)
            answer = UNREACHABLE;
        else if (strcmp(PQgetvalue(result, 0, 0), "done") == 0)
            answer = DONE_BEFORE;
        PQclear(result);
    }
    if (answer == UNREACHABLE) /* it may have been committed, though its answer was lost: then it is done, and nobody is told "not saved" */
        add_unsure(journal, key);
    return answer;
}

void journal_release_unsure(struct journal *journal)
{
    pthread_mutex_lock(&journal->mutex);
    struct unsure *all = journal->unsure;
    journal->unsure = NULL;
    pthread_mutex_unlock(&journal->mutex);
    while (all != NULL) {
        struct unsure *one = all;
        PGresult *result = run_statement(journal->keeper, NULL, "UPDATE submission SET owner = 0 WHERE key = $1 AND state = 'accepted'", one->key, NULL);
        if (!is_good(result))
            add_unsure(journal, one->key);
        PQclear(result);
        all = one->next;
        free(one);
    }
}

int journal_resume(const struct journal *journal, char *key, char *note)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "UPDATE submission SET owner = %d, attempts = attempts + 1 WHERE key = (SELECT key FROM submission s WHERE state = 'accepted' "
             "AND NOT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = s.owner AND granted) "
             "ORDER BY attempts LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING key, note",
             journal->owner);
    PGresult *result = PQexec(journal->keeper, sql);
    int found = !is_good(result) ? -1 : PQntuples(result);
    if (found == 1) {
        snprintf(key, KEY_SIZE, "%s", PQgetvalue(result, 0, 0));
        snprintf(note, NOTE_SIZE, "%s", PQgetvalue(result, 0, 1));
    }
    PQclear(result);
    return found;
}

void journal_settle(const struct journal *journal, const char *key, int ending, enum manner manner)
{
    /* Completed: done. Stopped by a cap or a drain: somebody else's turn (owner 0 lives nowhere). Anything else has failed, and the number of
     * attempts decides, or what always hits its limit would run for ever. */
    const char *sql = "UPDATE submission SET owner = 0 WHERE key = $1 AND state = 'accepted'";
    char failed[160];
    if (ending == OUTLIVE_ENDING_COMPLETED || ending == OUTLIVE_ENDING_FINISHED) {
        if (manner == MANNER_TRANSACTION)
            return;
        sql = "UPDATE submission SET state = 'done' WHERE key = $1";
    } else if (ending != OUTLIVE_ENDING_HANDED_BACK && ending != OUTLIVE_ENDING_SHUTDOWN) {
        snprintf(failed, sizeof failed, "UPDATE submission SET owner = 0, state = CASE WHEN attempts >= %d THEN 'failed' ELSE state END "
                 "WHERE key = $1 AND state = 'accepted'", MOST_ATTEMPTS);
        sql = failed;
    }
    PGconn *db = PQconnectdb(journal->database);
    PGresult *result = PQstatus(db) == CONNECTION_OK ? run_statement(db, NULL, sql, key, NULL) : NULL;
    if (!is_good(result)) /* the journal is down: our lock is gone with it, so whoever lives afterwards takes it up */
        fprintf(stderr, "durable: what became of a submission cannot be said: %s", PQerrorMessage(db));
    PQclear(result);
    PQfinish(db);
}
