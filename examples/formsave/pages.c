/* The files of the site, and what the pages ask for as JSON. See formsave.h. */

#define _POSIX_C_SOURCE 200809L

#include "formsave.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- files, read once ---- */

static char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    char *text = NULL;
    size_t used = 0, room = 0;
    for (;;) {
        if (used == room) {
            char *more = realloc(text, room += 16 * 1024);
            if (more == NULL)
                break;
            text = more;
        }
        size_t got = fread(text + used, 1, room - used, file);
        used += got;
        if (got == 0)
            break;
    }
    if (ferror(file) || !feof(file)) {
        free(text);
        text = NULL;
    }
    fclose(file);
    *length = used;
    return text;
}

int site_load(struct site *site, const char *directory, char *error, size_t size)
{
    static const struct site empty = {{
        {"/", "index.html", "text/html; charset=utf-8", NULL, 0},
        {"/", "index.zh-CN.html", "text/html; charset=utf-8", NULL, 0},
        {"/", "index.zh-TW.html", "text/html; charset=utf-8", NULL, 0},
        {"/live", "live.html", "text/html; charset=utf-8", NULL, 0},
        {"/live", "live.zh-CN.html", "text/html; charset=utf-8", NULL, 0},
        {"/live", "live.zh-TW.html", "text/html; charset=utf-8", NULL, 0},
        {"/style.css", "style.css", "text/css; charset=utf-8", NULL, 0},
        {"/page.js", "page.js", "text/javascript; charset=utf-8", NULL, 0},
    }};
    *site = empty;
    for (size_t i = 0; i < sizeof site->pages / sizeof site->pages[0]; i++) {
        char path[PATH_SIZE];
        struct page *page = &site->pages[i];
        snprintf(path, sizeof path, "%s/%s", directory, page->file);
        page->text = read_file(path, &page->length);
        if (page->text == NULL) {
            snprintf(error, size, "cannot read %s: %s", path, strerror(errno));
            return -1;
        }
    }
    return 0;
}

void site_free(struct site *site)
{
    for (size_t i = 0; i < sizeof site->pages / sizeof site->pages[0]; i++)
        free(site->pages[i].text);
}

int page_show(struct exchange *exchange)
{
    struct site *site = &exchange->server->site;
    const char *language = language_tag(language_of(exchange->http));
    const struct page *found = NULL; /* in that language, or the one that there is */
    for (size_t i = 0; i < sizeof site->pages / sizeof site->pages[0]; i++) {
        const struct page *page = &site->pages[i];
        if (strcmp(page->path, exchange->http->path) == 0 && (found == NULL || strstr(page->file, language) != NULL))
            found = page;
    }
    if (found == NULL)
        return reply_error(exchange, 404);
    reply_begin(exchange, 200, found->type);
    return reply_bytes(exchange, found->text, found->length);
}

/* ---- JSON ---- */

struct list {
    struct exchange *exchange;
    int result; /* the first that is not OUTLIVE_OK: the rest is not written */
    int rows;
};

static void put(struct list *list, const char *text)
{
    if (list->result == OUTLIVE_OK)
        list->result = reply_text(list->exchange, text);
}

/* ,"name":"text" or ,"name":null */
static void put_text(struct list *list, const char *name, const char *text)
{
    if (list->result == OUTLIVE_OK)
        list->result = reply_format(list->exchange, ",\"%s\":%s", name, text == NULL ? "null" : "\"");
    if (text != NULL && list->result == OUTLIVE_OK)
        list->result = reply_json(list->exchange, text, strlen(text));
    if (text != NULL)
        put(list, "\"");
}

static void put_seconds(struct list *list, const char *name, double seconds)
{
    if (list->result == OUTLIVE_OK)
        list->result = reply_format(list->exchange, ",\"%s\":%.3f", name, seconds);
}

static void put_number(struct list *list, const char *name, long long number)
{
    if (list->result == OUTLIVE_OK)
        list->result = reply_format(list->exchange, ",\"%s\":%lld", name, number);
}

/* Begins a row with its first number, so that all that follows begins with a comma. */
static void put_row(struct list *list, const char *name, long long number)
{
    const char *between = list->rows++ == 0 ? "" : ",\n";
    if (list->result == OUTLIVE_OK)
        list->result = reply_format(list->exchange, "%s{\"%s\":%lld", between, name, number);
}

static void put_journal(void *userdata, const struct journal_row *row)
{
    struct list *list = userdata;
    put_row(list, "id", row->id);
    put_text(list, "path", row->path);
    put_text(list, "method", row->method);
    put_text(list, "note", row->note);
    put_text(list, "begun", row->begun);
    put_text(list, "written", row->written);
    put_text(list, "ending", row->ending);
    put_text(list, "decided", row->decided);
    put_seconds(list, "seconds", row->seconds);
    put(list, "}");
}

int page_saved(struct exchange *exchange)
{
    struct list list = {.exchange = exchange, .result = OUTLIVE_OK};
    reply_begin(exchange, 200, "application/json");
    list.result = reply_format(exchange, "{\"locked\":%.1f,\"saved\":[", locker_left(&exchange->server->locker));
    int result = store_each(exchange->db, 30, put_journal, &list);
    if (result != SQLITE_OK)
        fprintf(stderr, "formsave: the list of what was saved: %s\n", sqlite3_errstr(result));
    put(&list, "]}\n");
    return list.result;
}

static int put_request(void *userdata, const outlive_request_row *row)
{
    static const char *const stages[] = {"reading", "running", "shutdown functions", "last output"};
    struct list *list = userdata;
    if (strcmp(row->label.ptr, "/live.json") == 0)
        return 0; /* who only looks is not shown */
    put_row(list, "thread", row->thread);
    put_text(list, "method", row->method.ptr);
    put_text(list, "path", row->label.ptr);
    put_text(list, "stage", row->stage >= 0 && row->stage < 4 ? stages[row->stage] : "?");
    put_seconds(list, "age", (double)row->age_ms / 1000);
    put_seconds(list, "gone", row->gone_ms < 0 ? -1 : (double)row->gone_ms / 1000);
    put_number(list, "held", row->held);
    put_number(list, "ignores_abort", row->ignores_abort);
    put_number(list, "watched", row->watched);
    put_number(list, "time_limit", row->time_limit);
    put(list, "}");
    return list->result == OUTLIVE_OK ? 0 : 1;
}

int page_live(struct exchange *exchange)
{
    struct server *server = exchange->server;
    struct list list = {.exchange = exchange, .result = OUTLIVE_OK};
    reply_begin(exchange, 200, "application/json");
    list.result = reply_format(exchange, "{\"locked\":%.1f,\"requests\":[", locker_left(&server->locker));
    int result = outlive_engine_requests(server->engine, put_request, &list);
    if (result != OUTLIVE_OK && result != OUTLIVE_ERROR_INTERRUPTED)
        fprintf(stderr, "formsave: the requests in flight: %s\n", outlive_result_text(result).ptr);
    pthread_mutex_lock(&server->mutex);
    unsigned long endings[OUTLIVE_ENDING_HANDED_BACK + 1];
    memcpy(endings, server->endings, sizeof endings);
    pthread_mutex_unlock(&server->mutex);
    put(&list, "],\"endings\":");
    list.rows = 0;
    put_row(&list, ending_name(OUTLIVE_ENDING_COMPLETED), (long long)endings[OUTLIVE_ENDING_COMPLETED]);
    for (int ending = OUTLIVE_ENDING_FINISHED; ending <= OUTLIVE_ENDING_HANDED_BACK; ending++)
        put_number(&list, ending_name(ending), (long long)endings[ending]);
    put(&list, "}}\n");
    return list.result;
}

/* The engine's numbers, for Prometheus. */
int page_metrics(struct exchange *exchange)
{
    char text[16 * 1024];
    size_t needed = 0;
    int result = outlive_engine_metrics(exchange->server->engine, text, sizeof text, &needed);
    if (result != OUTLIVE_OK)
        return reply_error(exchange, 500);
    reply_begin(exchange, 200, "text/plain; version=0.0.4");
    return reply_bytes(exchange, text, needed - 1);
}

/* Locks table C for some seconds, or lets go of it. */
int page_lock(struct exchange *exchange)
{
    char field[16], *end;
    if (!http_field(exchange->http, "seconds", field, sizeof field))
        return reply_error(exchange, 400);
    double seconds = strtod(field, &end);
    if (end == field || *end != '\0' || !(seconds >= 0 && seconds <= 600))
        return reply_error(exchange, 400);
    if (locker_lock(&exchange->server->locker, seconds) != SQLITE_OK)
        return reply_error(exchange, 503);
    reply_begin(exchange, 200, "application/json");
    return reply_format(exchange, "{\"locked\":%.1f}\n", locker_left(&exchange->server->locker));
}
