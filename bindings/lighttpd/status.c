/*
 * What outlive.status-url shows: every request in flight, of all workers where there is a scoreboard, and what workers that died had begun. A page;
 * ?json.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "private.h"

#include "http_chunk.h"
#include "http_header.h"

#include <string.h>
#include <unistd.h>

typedef struct page {
    buffer *rows;
    int json, count, running, detached, unfinished;
} page;

static void text(buffer *to, const char *what) { buffer_append_string_len(to, what, strlen(what)); }

static void number(buffer *to, const char *before, int64_t value) {
    text(to, before);
    buffer_append_int(to, (intmax_t)value);
}

static void quoted(buffer *to, const char *before, outlive_str what) {
    text(to, before);
    text(to, "\"");
    buffer_append_bs_escaped_json(to, what.ptr, what.len);
    text(to, "\"");
}

static void escaped(buffer *to, outlive_str what) { buffer_append_string_encoded(to, what.ptr, what.len, ENCODING_MINIMAL_XML); }

static void put_json(page *to, const outlive_request_row *row, int64_t process, int unfinished) {
    buffer *b = to->rows;
    number(b, to->count == 0 ? "\n {\"process\": " : ",\n {\"process\": ", process);
    quoted(b, ", \"method\": ", row->method);
    quoted(b, ", \"label\": ", row->label);
    number(b, ", \"age_ms\": ", row->age_ms);
    if (row->gone_ms >= 0) number(b, ", \"gone_ms\": ", row->gone_ms);
    number(b, ", \"time_limit\": ", row->time_limit);
    text(b, row->ignores_abort ? ", \"ignores_abort\": true" : ", \"ignores_abort\": false");
    text(b, unfinished ? ", \"unfinished\": true}" : ", \"unfinished\": false}");
}

static void put_html(page *to, const outlive_request_row *row, int64_t process, int unfinished) {
    buffer *b = to->rows;
    text(b, "<tr><td>");
    escaped(b, row->method);
    text(b, " <code>");
    escaped(b, row->label);
    if (unfinished) text(b, "</code><td>never ended: its worker has died");
    else if (row->gone_ms < 0) text(b, "</code><td>there");
    else number(b, row->ignores_abort ? "</code><td>gone, works on; for ms: " : "</code><td>gone, stops; for ms: ", row->gone_ms);
    number(b, "<td>", row->age_ms / 1000);
    number(b, " s<td>", row->time_limit);
    number(b, " s<td>", process);
    text(b, "</tr>\n");
}

static void put(page *to, const outlive_request_row *row, int64_t process, int unfinished) {
    (to->json ? put_json : put_html)(to, row, process, unfinished);
    to->count++;
    if (unfinished) to->unfinished++;
    else to->running++;
    if (!unfinished && row->gone_ms >= 0) to->detached++;
}

static int of_all(void *data, const outlive_scoreboard_row *row) {
    put(data, &row->request, row->process, row->unfinished);
    return 0;
}

static int of_this_worker(void *data, const outlive_request_row *row) {
    put(data, row, getpid(), 0);
    return 0;
}

static void frame(buffer *to, const page *of, int all) {
    if (of->json) {
        text(to, all ? "{\"all_workers\": true" : "{\"all_workers\": false");
        number(to, ", \"in_flight\": ", of->running);
        number(to, ", \"detached\": ", of->detached);
        number(to, ", \"unfinished\": ", of->unfinished);
        text(to, ", \"requests\": [");
        buffer_append_string_len(to, BUF_PTR_LEN(of->rows));
        text(to, "\n]}\n");
        return;
    }
    text(to, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Requests in flight</title><meta http-equiv=\"refresh\" "
             "content=\"2\">"
             "<style>body { font: 1rem/1.5 sans-serif; margin: 2rem } td, th { padding: .2rem 1rem .2rem 0; text-align: left }</style></head><body>\n"
             "<h1>Requests in flight</h1>\n");
    number(to, "<p>", of->running);
    number(to, " in flight, ", of->detached);
    number(to, " of them without their client; ", of->unfinished);
    text(to, all ? " never ended.</p>\n" : " never ended. Only this worker's: no outlive.scoreboard is set.</p>\n");
    text(to, "<table><tr><th>Request<th>Client<th>For<th>Limit (0: none)<th>Process</tr>\n");
    buffer_append_string_len(to, BUF_PTR_LEN(of->rows));
    text(to, "</table>\n</body></html>\n");
}

handler_t ol_status_answer(ol_plugin *p, request_st *r) {
    page all = {.rows = buffer_init(), .json = buffer_eq_slen(&r->uri.query, CONST_STR_LEN("json"))};
    outlive_error error = {0};
    int of_everybody = p->scoreboard != NULL;
    if (of_everybody && outlive_scoreboard_read(p->scoreboard, OUTLIVE_NTS, of_all, &all, &error) != OUTLIVE_OK) {
        log_error(r->conf.errh, __FILE__, __LINE__, "outlive.scoreboard = \"%s\": %s", p->scoreboard, error.message);
        buffer_clear(all.rows);
        all = (page){.rows = all.rows, .json = all.json};
        of_everybody = 0;
    }
    if (!of_everybody) outlive_engine_requests(p->engine, of_this_worker, &all);
    buffer *body = buffer_init();
    frame(body, &all, of_everybody);
    http_header_response_set(r, HTTP_HEADER_CONTENT_TYPE, CONST_STR_LEN("Content-Type"), all.json ? "application/json" : "text/html; charset=utf-8",
                             all.json ? strlen("application/json") : strlen("text/html; charset=utf-8"));
    http_header_response_set(r, HTTP_HEADER_CACHE_CONTROL, CONST_STR_LEN("Cache-Control"), CONST_STR_LEN("no-store"));
    http_chunk_append_buffer(r, body);
    buffer_free(body);
    buffer_free(all.rows);
    r->http_status = 200;
    r->resp_body_finished = 1;
    return HANDLER_FINISHED;
}
