/*
 * durable: the form of examples/formsave, kept by PostgreSQL until it is done, though the process or the machine dies.
 *
 *   main.c      the master, which replaces workers that died; a worker: HTTP by libmicrohttpd, one outlive request each
 *   journal.c   accept, done, failed, and whose turn it is: five SQL statements
 *   save.c      the four writes, in one of three manners
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef DURABLE_H
#define DURABLE_H

#include <libpq-fe.h>
#include <outlive.h>
#include <pthread.h>

enum { KEY_SIZE = 129, NOTE_SIZE = 201, MOST_ATTEMPTS = 5 };

enum manner {
    MANNER_TRANSACTION, /* A, B, C, D and "done" in one transaction */
    MANNER_KEYED,       /* each by itself, and none twice: a unique key refuses the second one */
    MANNER_NAIVE,       /* each by itself: what a restart does twice stays twice. Here to be seen, not to be copied */
    MANNER_PLAIN        /* one transaction and no journal: what a request costs without. Lost with its process */
};

/* ---- journal.c ---- */

struct journal {
    const char *database; /* a connection string */
    PGconn *keeper;       /* holds the advisory lock that says: this process lives. Used by the resumer's thread alone */
    int owner;            /* its number; 0: the journal cannot be reached */
    pthread_mutex_t mutex;
    struct unsure {       /* keys that may have been committed though no answer came, under the mutex */
        struct unsure *next;
        char key[KEY_SIZE];
    } *unsure;
};

enum accepted { ACCEPTED, IN_FLIGHT, DONE_BEFORE, UNREACHABLE };

/* A number and its lock, anew where the connection was lost. 0, or -1. */
int journal_enrol(struct journal *journal);
/* Commits the submission. Nothing of the work may begin before this has said ACCEPTED. A journal that is slow is waited for as long as the
 * request may run. */
enum accepted journal_accept(struct journal *journal, PGconn *db, outlive_request *request, const char *key, const char *note);
/* What may have been committed though no answer came is anybody's turn; by the resumer's thread, which may wait. */
void journal_release_unsure(struct journal *journal);
/* Takes over what a process that died has left, or handed back. 1: key and note are written; 0: nothing; -1: unreachable. */
int journal_resume(const struct journal *journal, char *key, char *note);
/* Says what became of it, by its ending. MANNER_TRANSACTION says "done" within the work itself. */
void journal_settle(const struct journal *journal, const char *key, int ending, enum manner manner);

/* ---- save.c ---- */

/* Runs one statement with up to two parameters. While it waits, it asks whether it should go on (request may be NULL); a stop cancels
 * the statement in the server. The result is the caller's; NULL: stopped, or no memory. */
PGresult *run_statement(PGconn *db, outlive_request *request, const char *sql, const char *first, const char *second);
/* 1 if the result is a command that succeeded or rows; frees nothing. */
int is_good(const PGresult *result);
/* A, B, C, D. OUTLIVE_OK, or OUTLIVE_STOP: it was stopped, or has failed (then the request's ending is HOST_ERROR). */
int save_tables(PGconn *db, outlive_request *request, const char *key, const char *note, enum manner manner);

#endif
