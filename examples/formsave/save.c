/*
 * The four writes. This file is what formsave is about: it holds no policy. Whether a request goes on when its client has
 * gone, for how long it may run, and whether the four writes belong together is said in php.ini and httpd.conf.
 * See formsave.h.
 */

#define _POSIX_C_SOURCE 200809L

#include "formsave.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What the save knows of itself. The shutdown function needs it after save_form has returned, so it is on the heap. */
struct save {
    struct exchange *exchange;
    long long id;
    double begun;
    double last_sign; /* when the client last got to see something */
    int hold;         /* formsave.hold: the four writes are one held section */
    int accepted;     /* the journal has it: it is done, whatever happens to the client or to this process */
    int progress;     /* formsave.progress: the client gets a sign of life while it waits */
    enum language language;
    char note[NOTE_SIZE];
};

int save_register(outlive_config_builder *builder, outlive_error *error)
{
    static const char *const names[] = {"formsave.hold", "formsave.progress"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        outlive_directive directive = OUTLIVE_DIRECTIVE_INIT;
        directive.name = names[i];
        directive.default_value = "0";
        directive.access = OUTLIVE_ACCESS_ALL;
        int result = outlive_config_builder_register(builder, &directive, error);
        if (result != OUTLIVE_OK)
            return result;
    }
    return OUTLIVE_OK;
}

const char *ending_name(int ending)
{
    switch (ending) {
    case OUTLIVE_ENDING_COMPLETED: return "COMPLETED";
    case OUTLIVE_ENDING_FINISHED: return "FINISHED";
    case OUTLIVE_ENDING_ABORTED: return "ABORTED";
    case OUTLIVE_ENDING_TIME_LIMIT: return "TIME_LIMIT";
    case OUTLIVE_ENDING_FORCED: return "FORCED";
    case OUTLIVE_ENDING_SHUTDOWN: return "SHUTDOWN";
    case OUTLIVE_ENDING_HOST_ERROR: return "HOST_ERROR";
    case OUTLIVE_ENDING_CANCELLED: return "CANCELLED";
    case OUTLIVE_ENDING_HANDED_BACK: return "HANDED_BACK";
    default: return "NONE";
    }
}

/* outlive.accept = on, or required: we have a journal, so both mean the same here. */
static int is_accepting(const outlive_settings *settings)
{
    outlive_str value;
    return outlive_settings_get(settings, "outlive.accept", OUTLIVE_NTS, &value) == OUTLIVE_OK &&
           (strcmp(value.ptr, "on") == 0 || strcmp(value.ptr, "1") == 0 || strcmp(value.ptr, "required") == 0);
}

static int is_on(const outlive_settings *settings, const char *name)
{
    int on = 0;
    return outlive_settings_get_bool(settings, name, OUTLIVE_NTS, &on) == OUTLIVE_OK && on;
}

/* Keeps the layer that is in force, as "examples/httpd.conf:31 ignore_user_abort = on". */
struct decision {
    const char *name;
    char *text;
    size_t size;
};

static int keep_winner(void *userdata, const outlive_origin *layer)
{
    struct decision *decision = userdata;
    char place[PATH_SIZE];
    if (layer->fate != OUTLIVE_FATE_IN_FORCE)
        return 0;
    if (layer->file.len > 0)
        snprintf(place, sizeof place, "%s:%u", layer->file.ptr, (unsigned)layer->line);
    else
        snprintf(place, sizeof place, "%s", layer->layer.ptr);
    snprintf(decision->text, decision->size, "%s %s = %s", place, decision->name, layer->raw.ptr);
    return 0;
}

/* Which line of which file decided how the request ends. */
static void who_decided(const struct save *save, int ending, char *text, size_t size)
{
    const outlive_settings *settings = save->exchange->settings;
    struct decision decision = {"ignore_user_abort", text, size};
    outlive_str value;
    if (ending == OUTLIVE_ENDING_COMPLETED && !outlive_request_is_gone(save->exchange->request) && save->exchange->resumed == NULL) {
        snprintf(text, size, "nobody had to: the client stayed");
        return;
    }
    if (ending == OUTLIVE_ENDING_SHUTDOWN || ending == OUTLIVE_ENDING_FORCED || ending == OUTLIVE_ENDING_HOST_ERROR) {
        snprintf(text, size, "the server, not the configuration");
        return;
    }
    if (outlive_settings_get(settings, "outlive.disconnect", OUTLIVE_NTS, &value) == OUTLIVE_OK &&
        strcmp(value.ptr, "php") != 0)
        decision.name = "outlive.disconnect";
    if (save->accepted && (ending == OUTLIVE_ENDING_COMPLETED || ending == OUTLIVE_ENDING_FINISHED))
        decision.name = "outlive.accept";
    else if (ending == OUTLIVE_ENDING_TIME_LIMIT)
        decision.name = "max_execution_time";
    else if (save->hold)
        decision.name = "formsave.hold";
    if (outlive_settings_explain(settings, decision.name, OUTLIVE_NTS, keep_winner, &decision) != OUTLIVE_OK)
        snprintf(text, size, "%s", decision.name);
}

/*
 * The shutdown function: runs once, however the request ends, and is told why. It writes the end of the story into the
 * journal, and tells the client if that is still there.
 */
static int at_the_end(outlive_request *request, int ending, void *userdata)
{
    struct save *save = userdata;
    struct exchange *exchange = save->exchange;
    char decided[PATH_SIZE + 128];
    if (save->accepted && (ending == OUTLIVE_ENDING_HANDED_BACK || ending == OUTLIVE_ENDING_SHUTDOWN))
        return OUTLIVE_OK; /* no end: the next process does it */
    who_decided(save, ending, decided, sizeof decided);
    int result = store_end(exchange->db, save->id, ending_name(ending), seconds_now() - save->begun, decided);
    if (result != SQLITE_OK)
        fprintf(stderr, "formsave: the end of %lld is not in the journal: %s\n", save->id, sqlite3_errstr(result));
    if (!outlive_request_is_gone(request)) {
        /* A stop here only means that nobody reads this; the next shutdown function is to run all the same. */
        (void)reply_format(exchange, "</ol><p>%s <strong>%s</strong>.</p><p><code>", language_word(save->language, WORD_TOLD),
                           ending_name(ending));
        (void)reply_html(exchange, decided);
        (void)reply_format(exchange, "</code></p><p><a href=\"/\">%s</a></p></main></body></html>\n",
                           language_word(save->language, WORD_BACK));
    }
    return OUTLIVE_OK;
}

/*
 * SQLite calls this while another connection holds the lock: not 0 tries again, 0 gives up. Here the program waits, so
 * here it asks whether it should go on waiting: a safe point.
 */
static int while_locked(void *userdata, int tries)
{
    struct save *save = userdata;
    const struct timespec nap = {.tv_nsec = 5 * 1000 * 1000};
    int result = outlive_request_check(save->exchange->request);
    if (result == OUTLIVE_OK && save->progress && seconds_now() - save->last_sign >= 0.1) {
        /* Output is a safe point too, and the only way in which PHP itself would notice. */
        save->last_sign = seconds_now();
        result = reply_text(save->exchange, " .");
    }
    if (result != OUTLIVE_OK || is_forced(save->exchange))
        return 0;
    (void)tries;
    nanosleep(&nap, NULL);
    return 1;
}

/* OUTLIVE_OK, OUTLIVE_STOP, or an error of outlive. */
static int write_tables(struct save *save)
{
    struct exchange *exchange = save->exchange;
    for (const char *table = "abcd"; *table != '\0'; table++) {
        int result = outlive_request_check(exchange->request);
        if (result == OUTLIVE_OK && is_forced(exchange))
            result = OUTLIVE_STOP; /* even inside the hold: the operator cannot wait any longer */
        if (result != OUTLIVE_OK)
            return result;
        int sqlite = store_write(exchange->db, *table, save->id, save->note);
        if (sqlite == SQLITE_BUSY || sqlite == SQLITE_INTERRUPT)
            return OUTLIVE_STOP; /* while_locked was told to stop, or the forced stage has come */
        if (sqlite != SQLITE_OK) {
            fprintf(stderr, "formsave: table %c: %s\n", *table - 'a' + 'A', sqlite3_errmsg(exchange->db));
            return outlive_request_exit(exchange->request, OUTLIVE_ENDING_HOST_ERROR) == OUTLIVE_OK ? OUTLIVE_STOP
                                                                                                   : OUTLIVE_ERROR_STAGE;
        }
        result = reply_format(exchange, "<li>%s%c%s</li>\n", language_word(save->language, WORD_TABLE), *table - 'a' + 'A',
                              language_word(save->language, WORD_IS_WRITTEN));
        if (result != OUTLIVE_OK)
            return result;
    }
    return OUTLIVE_OK;
}

int save_form(struct exchange *exchange)
{
    struct save *save = calloc(1, sizeof *save);
    if (save == NULL)
        return reply_error(exchange, 500);
    save->exchange = exchange;
    save->language = language_of(exchange->http);
    save->begun = save->last_sign = seconds_now();
    save->hold = is_on(exchange->settings, "formsave.hold");
    save->progress = is_on(exchange->settings, "formsave.progress");
    save->accepted = is_accepting(exchange->settings) && strcmp(exchange->http->method, "GET") != 0;
    int sqlite = SQLITE_OK;
    if (exchange->resumed != NULL) {
        save->id = exchange->resumed->id;
        snprintf(save->note, sizeof save->note, "%s", exchange->resumed->note);
    } else if (!http_field(exchange->http, "note", save->note, sizeof save->note) || save->note[0] == '\0') {
        free(save);
        return reply_error(exchange, 400);
    } else {
        struct journal_row row = {.path = exchange->http->path, .method = exchange->http->method, .host = exchange->http->host, .note = save->note};
        sqlite = store_begin(exchange->db, &row, save->accepted, &save->id);
    }
    if (sqlite != SQLITE_OK) {
        fprintf(stderr, "formsave: the journal: %s\n", sqlite3_errstr(sqlite));
        free(save);
        return reply_error(exchange, 503);
    }
    /* From here on the request ends with at_the_end, whatever happens; `save` is freed after it. */
    int result = outlive_request_register_shutdown_function(exchange->request, at_the_end, save, free);
    if (result != OUTLIVE_OK) {
        free(save);
        return reply_error(exchange, 500);
    }

    /* Behind the journal's commit, before the work. Of what is resumed it is known already. */
    if (save->accepted && exchange->resumed == NULL)
        (void)outlive_request_set_accepted(exchange->request);

    reply_begin(exchange, 200, "text/html; charset=utf-8");
    const char *saving = language_word(save->language, WORD_SAVING);
    result = reply_format(exchange,
                          "<!doctype html><html lang=\"%s\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">"
                          "<title>%s</title><link rel=\"stylesheet\" href=\"/style.css\"></head><body><main><h1>%s</h1><ol class=\"steps\">\n",
                          language_tag(save->language), saving, saving);
    if (result != OUTLIVE_OK)
        return result;

    sqlite3_busy_handler(exchange->db, while_locked, save);
    if (save->hold)
        result = outlive_request_hold(exchange->request);
    if (result == OUTLIVE_OK)
        result = write_tables(save);
    if (save->hold) {
        int released = outlive_request_release(exchange->request); /* a stop that waited is delivered here */
        if (result == OUTLIVE_OK)
            result = released;
    }
    /* The shutdown function waits with patience of its own, not with ours. */
    sqlite3_busy_timeout(exchange->db, PATIENCE);
    return result;
}
