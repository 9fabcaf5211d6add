/*
 * SQLite. See formsave.h.
 *
 * SQLite locks whole files, so table C lives in a file of its own: another connection can then lock C and nothing else.
 * A, B, C and D are written by separate statements, each its own transaction, as many an application does it. One
 * transaction around all four would be the right tool for "all or nothing"; this server shows what happens without.
 */

#include "formsave.h"

#include <stdio.h>
#include <string.h>

static const char schema[] =
    "PRAGMA journal_mode = WAL;" /* readers do not wait for writers: the pages show what is there while C is locked */
    "PRAGMA table_c.journal_mode = WAL;"
    "CREATE TABLE IF NOT EXISTS a (id INTEGER PRIMARY KEY, note TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS b (id INTEGER PRIMARY KEY, note TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS table_c.c (id INTEGER PRIMARY KEY, note TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS d (id INTEGER PRIMARY KEY, note TEXT NOT NULL);"
    "CREATE TABLE IF NOT EXISTS journal (id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL,"
    " method TEXT NOT NULL, host TEXT NOT NULL, note TEXT NOT NULL, accepted INTEGER NOT NULL, begun TEXT NOT NULL DEFAULT (strftime('%H:%M:%S', 'now', 'localtime')),"
    " ending TEXT, seconds REAL, decided TEXT, calls INTEGER NOT NULL DEFAULT 0);";

sqlite3 *store_connect(const struct store *store)
{
    sqlite3 *db = NULL;
    /* FULL: what the journal has accepted is on the disk, though the machine dies. */
    char *attach = sqlite3_mprintf("PRAGMA synchronous = FULL; ATTACH %Q AS table_c", store->path_c);
    int result = attach == NULL ? SQLITE_NOMEM : sqlite3_open(store->path, &db);
    if (result == SQLITE_OK)
        result = sqlite3_busy_timeout(db, PATIENCE);
    if (result == SQLITE_OK)
        result = sqlite3_exec(db, attach, NULL, NULL, NULL);
    sqlite3_free(attach);
    if (result != SQLITE_OK) {
        fprintf(stderr, "formsave: cannot open %s: %s\n", store->path, sqlite3_errstr(result));
        sqlite3_close(db);
        return NULL;
    }
    return db;
}

static int find_newest(struct store *store)
{
    sqlite3_stmt *select;
    int result = sqlite3_prepare_v2(store->keeper, "SELECT coalesce(max(id), 0) FROM journal", -1, &select, NULL);
    if (result != SQLITE_OK)
        return result;
    if (sqlite3_step(select) == SQLITE_ROW)
        store->newest = sqlite3_column_int64(select, 0);
    return sqlite3_finalize(select);
}

int store_open(struct store *store, const char *directory, char *error, size_t size)
{
    int main_length = snprintf(store->path, sizeof store->path, "%s/formsave.db", directory);
    int c_length = snprintf(store->path_c, sizeof store->path_c, "%s/table-c.db", directory);
    if (main_length >= (int)sizeof store->path || c_length >= (int)sizeof store->path_c) {
        snprintf(error, size, "the name of the data directory is too long");
        return -1;
    }
    store->keeper = store_connect(store);
    if (store->keeper == NULL) {
        snprintf(error, size, "no database in %s", directory);
        return -1;
    }
    if (sqlite3_exec(store->keeper, schema, NULL, NULL, NULL) != SQLITE_OK || find_newest(store) != SQLITE_OK) {
        snprintf(error, size, "cannot make the tables in %s: %s", directory, sqlite3_errmsg(store->keeper));
        store_close(store);
        return -1;
    }
    return 0;
}

void store_close(struct store *store)
{
    sqlite3_close(store->keeper);
    store->keeper = NULL;
}

/* Runs one statement with the values bound so far; it is gone afterwards. */
static int run(sqlite3_stmt *statement)
{
    (void)sqlite3_step(statement); /* what went wrong is said again by: */
    return sqlite3_finalize(statement);
}

int store_begin(sqlite3 *db, const struct journal_row *row, int accepted, long long *id)
{
    sqlite3_stmt *insert;
    static const char sql[] = "INSERT INTO journal (path, method, host, note, accepted) VALUES (?, ?, ?, ?, ?)";
    int result = sqlite3_prepare_v2(db, sql, -1, &insert, NULL);
    if (result != SQLITE_OK)
        return result;
    sqlite3_bind_text(insert, 1, row->path, -1, SQLITE_STATIC);
    sqlite3_bind_text(insert, 2, row->method, -1, SQLITE_STATIC);
    sqlite3_bind_text(insert, 3, row->host, -1, SQLITE_STATIC);
    sqlite3_bind_text(insert, 4, row->note, -1, SQLITE_STATIC);
    sqlite3_bind_int(insert, 5, accepted);
    result = run(insert);
    if (result == SQLITE_OK)
        *id = sqlite3_last_insert_rowid(db);
    return result;
}

int store_write(sqlite3 *db, char table, long long id, const char *note)
{
    char sql[64];
    sqlite3_stmt *insert; /* done twice, it is there once: the id is the key */
    snprintf(sql, sizeof sql, "INSERT OR IGNORE INTO %c (id, note) VALUES (?, ?)", table);
    int result = sqlite3_prepare_v2(db, sql, -1, &insert, NULL);
    if (result != SQLITE_OK)
        return result;
    sqlite3_bind_int64(insert, 1, id);
    sqlite3_bind_text(insert, 2, note, -1, SQLITE_STATIC);
    return run(insert);
}

int store_end(sqlite3 *db, long long id, const char *ending, double seconds, const char *decided)
{
    sqlite3_stmt *update;
    /* calls: so that "the shutdown function runs once" can be checked, and not only said. */
    static const char sql[] =
        "UPDATE journal SET ending = ?, seconds = ?, decided = ?, calls = calls + 1 WHERE id = ?";
    int result = sqlite3_prepare_v2(db, sql, -1, &update, NULL);
    if (result != SQLITE_OK)
        return result;
    sqlite3_bind_text(update, 1, ending, -1, SQLITE_STATIC);
    sqlite3_bind_double(update, 2, seconds);
    sqlite3_bind_text(update, 3, decided, -1, SQLITE_STATIC);
    sqlite3_bind_int64(update, 4, id);
    return run(update);
}

int store_unfinished(const struct store *store, sqlite3 *db, void (*visit)(void *userdata, const struct journal_row *row), void *userdata)
{
    static const char sql[] = "SELECT id, path, method, host, note FROM journal WHERE accepted AND ending IS NULL AND id <= ? ORDER BY id";
    sqlite3_stmt *select;
    int result = sqlite3_prepare_v2(db, sql, -1, &select, NULL);
    if (result != SQLITE_OK)
        return result;
    sqlite3_bind_int64(select, 1, store->newest);
    while (sqlite3_step(select) == SQLITE_ROW) {
        struct journal_row row = {
            .id = sqlite3_column_int64(select, 0),
            .path = (const char *)sqlite3_column_text(select, 1),
            .method = (const char *)sqlite3_column_text(select, 2),
            .host = (const char *)sqlite3_column_text(select, 3),
            .note = (const char *)sqlite3_column_text(select, 4),
        };
        visit(userdata, &row);
    }
    return sqlite3_finalize(select);
}

int store_each(sqlite3 *db, int most, void (*visit)(void *userdata, const struct journal_row *row), void *userdata)
{
    static const char sql[] =
        "SELECT id, path, method, note, begun, ending, decided, seconds,"
        " iif(id IN (SELECT id FROM a), 'A', '') || iif(id IN (SELECT id FROM b), 'B', '') ||"
        " iif(id IN (SELECT id FROM c), 'C', '') || iif(id IN (SELECT id FROM d), 'D', '')"
        " FROM journal ORDER BY id DESC LIMIT ?";
    sqlite3_stmt *select;
    int result = sqlite3_prepare_v2(db, sql, -1, &select, NULL);
    if (result != SQLITE_OK)
        return result;
    sqlite3_bind_int(select, 1, most);
    while (sqlite3_step(select) == SQLITE_ROW) {
        struct journal_row row = {
            .id = sqlite3_column_int64(select, 0),
            .path = (const char *)sqlite3_column_text(select, 1),
            .method = (const char *)sqlite3_column_text(select, 2),
            .note = (const char *)sqlite3_column_text(select, 3),
            .begun = (const char *)sqlite3_column_text(select, 4),
            .ending = (const char *)sqlite3_column_text(select, 5),
            .decided = (const char *)sqlite3_column_text(select, 6),
            .seconds = sqlite3_column_double(select, 7),
            .written = (const char *)sqlite3_column_text(select, 8),
        };
        visit(userdata, &row);
    }
    return sqlite3_finalize(select);
}
