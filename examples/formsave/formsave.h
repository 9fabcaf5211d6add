/*
 * formsave: a small HTTP server that saves a form to four tables, A, B, C and D, and lets php.ini and httpd.conf decide
 * what happens when the person closes the browser meanwhile.
 *
 *   main.c    options, configuration, signals, the worker threads
 *   handle.c  one HTTP request becomes one outlive request; which answers it
 *   save.c    the four writes: safe points, the hold, the shutdown function
 *   http.c    reading requests, writing to sockets
 *   store.c   SQLite, with table C in a file of its own so that it can be locked alone
 *   locker.c  the "other connection" that holds a lock on C
 *   pages.c   the files of the site, and what the pages ask for as JSON
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#ifndef FORMSAVE_H
#define FORMSAVE_H

#include <outlive.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

/* Milliseconds that bookkeeping waits for a busy database. SQLite does not queue its writers: of hundreds, on a slow disk, some wait long. */
enum { PATIENCE = 50 * 1000 };

enum {
    HEAD_SIZE = 16 * 1024,  /* the longest request line and headers that are read */
    BODY_SIZE = 16 * 1024,  /* the longest form */
    NOTE_SIZE = 201,        /* a note, NUL included */
    PATH_SIZE = 1024,
    READ_SECONDS = 10,      /* a request must have arrived by then */
    SEND_SECONDS = 10       /* a client that takes nothing for so long has gone */
};

/* ---- http.c ---- */

struct http_request {
    int socket;
    char head[HEAD_SIZE + 1]; /* the strings below point into it */
    char body[BODY_SIZE + 1];
    size_t head_used;         /* bytes of head that are filled: some may belong to the body */
    size_t body_used;
    size_t content_length;
    const char *method;
    const char *path;         /* without the query */
    const char *query;        /* never NULL */
    const char *host;         /* never NULL */
    const char *languages, *cookie; /* Accept-Language; the cookie lang. Empty: there is none */
};

/* Both: 0, or the HTTP status to answer with, or -1 when there is nobody to answer. `stop` is a descriptor that becomes
 * readable when the server stops: no new request is read then. */
int http_read_head(struct http_request *http, int socket, int stop);
int http_read_body(struct http_request *http, outlive_request *request);

/* The value of a field of the form or the query; 0 if there is none. It is cut to size, and made valid UTF-8. */
int http_field(const struct http_request *http, const char *name, char *value, size_t size);

/* All of buf, or -1. Never raises SIGPIPE. */
int http_send(int socket, const void *buf, size_t len);
/* The status line and headers; the answer ends when the connection is closed. */
int http_send_head(int socket, int status, const char *type);
const char *http_reason(int status);
double seconds_now(void);

/* ---- language.c ---- */

enum language { LANGUAGE_EN, LANGUAGE_ZH_CN, LANGUAGE_ZH_TW, LANGUAGES };
enum word { WORD_SAVING, WORD_TABLE, WORD_IS_WRITTEN, WORD_TOLD, WORD_BACK, WORDS };

/* What the reader chose (?lang=, which page.js keeps in a cookie), or what the browser asks for; else English. */
enum language language_of(const struct http_request *http);
const char *language_tag(enum language language);
/* A table's name stands between WORD_TABLE and WORD_IS_WRITTEN. */
const char *language_word(enum language language, enum word word);

/* ---- store.c ---- */

struct store {
    char path[PATH_SIZE];   /* tables A, B, D and the journal */
    char path_c[PATH_SIZE]; /* table C */
    sqlite3 *keeper;        /* open as long as the store: the last connection to close would tidy up, which takes time */
    long long newest;       /* of the journal when the store was opened: what comes behind it is this process's own */
};

struct journal_row {
    long long id;
    const char *path, *method, *host, *note, *begun;
    const char *ending;  /* NULL: it has not ended */
    const char *decided; /* as above */
    const char *written; /* such as "AB": which tables hold its row */
    double seconds;
};

int store_open(struct store *store, const char *directory, char *error, size_t size);
void store_close(struct store *store);
sqlite3 *store_connect(const struct store *store);
/* accepted: not 0: it is to be done whatever happens to this process. What is not SQLITE_OK was not accepted. */
int store_begin(sqlite3 *db, const struct journal_row *row, int accepted, long long *id);
int store_write(sqlite3 *db, char table, long long id, const char *note);
int store_end(sqlite3 *db, long long id, const char *ending, double seconds, const char *decided);
/* What was accepted before the store was opened, and has no ending: the process that worked on it died, or handed it back. The oldest first. */
int store_unfinished(const struct store *store, sqlite3 *db, void (*visit)(void *userdata, const struct journal_row *row), void *userdata);
/* The newest first, at most `most`. */
int store_each(sqlite3 *db, int most, void (*visit)(void *userdata, const struct journal_row *row), void *userdata);

/* ---- locker.c ---- */

struct locker {
    const struct store *store;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    sqlite3 *db;  /* holds the lock; NULL: nothing is locked */
    double until; /* when it lets go */
    int closing;
};

int locker_open(struct locker *locker, const struct store *store);
void locker_close(struct locker *locker);
/* Locks C for so long from now, or lets go at once with 0. SQLITE_OK when it is so. */
int locker_lock(struct locker *locker, double seconds);
/* Seconds until it lets go; 0: not locked. */
double locker_left(struct locker *locker);

/* ---- pages.c ---- */

struct site {
    struct page {
        const char *path, *file, *type;
        char *text;
        size_t length;
    } pages[8];
};

int site_load(struct site *site, const char *directory, char *error, size_t size);
void site_free(struct site *site);

/* ---- handle.c ---- */

struct server {
    outlive_config *config;
    outlive_engine *engine;
    struct store store;
    struct locker locker;
    struct site site;
    uint16_t port;
    int listener;
    int stop[2]; /* a pipe: its writing end is closed when the server stops */
    pthread_mutex_t mutex;
    unsigned long endings[OUTLIVE_ENDING_HANDED_BACK + 1]; /* how many requests ended how */
};

void handle_connection(struct server *server, int socket);
/* Works on what was accepted before this process began: the same request, for no client. */
void handle_unfinished(struct server *server);

/* One request on its way through the server. */
struct exchange {
    struct server *server;
    struct http_request *http;
    const outlive_settings *settings;
    outlive_request *request;
    sqlite3 *db; /* opened before the request begins, so that on_forced may interrupt it; NULL: none needed */
    int status;
    const char *type;
    int head_sent;
    int forced; /* under the server's mutex */
    const struct journal_row *resumed; /* what it works on was accepted before; NULL: it comes from a client */
};

/* Not 0: the forced stage has come; whatever waits should not. */
int is_forced(struct exchange *exchange);

/* What the answer will be; its head goes out before the first byte of output. */
void reply_begin(struct exchange *exchange, int status, const char *type);
/* Output through outlive: OUTLIVE_OK, OUTLIVE_STOP or an error. */
int reply_bytes(struct exchange *exchange, const char *bytes, size_t length);
int reply_text(struct exchange *exchange, const char *text);
int reply_format(struct exchange *exchange, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;
/* The same, with what HTML or a JSON string must not hold escaped. */
int reply_html(struct exchange *exchange, const char *text);
int reply_json(struct exchange *exchange, const char *text, size_t length);
/* A short page that says what is wrong. */
int reply_error(struct exchange *exchange, int status);

/* ---- save.c ---- */

/* The host's own directives: httpd.conf can set them like any other. */
int save_register(outlive_config_builder *builder, outlive_error *error);
int save_form(struct exchange *exchange);
const char *ending_name(int ending);

/* ---- pages.c ---- */

int page_show(struct exchange *exchange);
int page_saved(struct exchange *exchange);
int page_live(struct exchange *exchange);
int page_metrics(struct exchange *exchange);
int page_lock(struct exchange *exchange);

#endif
