/*
 * What can be seen: the handlers outlive-status (a page, ?json) and outlive-metrics, and a section in mod_status's page. With a scoreboard they show
 * the requests of all children, otherwise those of the child that answers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "status.h"
#include "private.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <mod_status.h>
#include <unistd.h>

typedef struct row {
    int64_t process, age, gone;
    uint64_t written;
    const char *label, *method;
    int stage, held, ignores, finished, unfinished;
    uint32_t limit;
} row;

typedef struct table {
    request_rec *r;
    apr_array_header_t *rows; /* of row */
    int detached, held, unfinished, running;
    const char *alone; /* why there is only this child; NULL: all are here */
} table;

/* ---- gathering ----------------------------------------------------------------------------------------------------------- */

static void add(table *to, const outlive_request_row *seen, int64_t process, int unfinished) {
    row *new = apr_array_push(to->rows);
    *new = (row){process,
                 seen->age_ms,
                 seen->gone_ms,
                 seen->written,
                 apr_pstrmemdup(to->r->pool, seen->label.ptr, seen->label.len),
                 apr_pstrmemdup(to->r->pool, seen->method.ptr, seen->method.len),
                 seen->stage,
                 seen->held,
                 seen->ignores_abort,
                 seen->finished,
                 unfinished,
                 seen->time_limit};
    if (unfinished) to->unfinished++;
    else to->running++;
    if (!unfinished && seen->gone_ms >= 0) to->detached++;
    if (!unfinished && seen->held) to->held++;
}

static int of_all(void *data, const outlive_scoreboard_row *seen) {
    add(data, &seen->request, seen->process, seen->unfinished);
    return 0;
}

static int of_this_child(void *data, const outlive_request_row *seen) {
    add(data, seen, getpid(), 0);
    return 0;
}

/** The dead first, then those whose client has gone, then the oldest. */
static int by_age(const void *left_data, const void *right_data) {
    const row *left = left_data, *right = right_data;
    if (left->unfinished != right->unfinished) return right->unfinished - left->unfinished;
    if ((left->gone >= 0) != (right->gone >= 0)) return left->gone >= 0 ? -1 : 1;
    return left->age < right->age ? 1 : left->age > right->age ? -1 : 0;
}

static void gather(table *to, request_rec *r) {
    *to = (table){.r = r, .rows = apr_array_make(r->pool, 64, sizeof(row))};
    outlive_error error = {0};
    if (the_process.engine == NULL) to->alone = "this child has no engine";
    else if (the_process.scoreboard == NULL) to->alone = "OutliveScoreboard is none";
    else if (outlive_engine_scoreboard(the_process.engine, &error) != OUTLIVE_OK ||
             outlive_scoreboard_read(the_process.scoreboard, OUTLIVE_NTS, of_all, to, &error) != OUTLIVE_OK)
        to->alone = apr_pstrdup(r->pool, error.message);
    if (to->alone != NULL && the_process.engine != NULL) {
        *to = (table){.r = r, .rows = apr_array_make(r->pool, 64, sizeof(row)), .alone = to->alone};
        outlive_engine_requests(the_process.engine, of_this_child, to);
    }
    qsort(to->rows->elts, (size_t)to->rows->nelts, sizeof(row), by_age);
}

static uint64_t ended(int ending) { return __atomic_load_n(&the_process.counters->ended[ending], __ATOMIC_RELAXED); }

/* ---- words --------------------------------------------------------------------------------------------------------------- */

static const char *stage_of(const row *one) {
    switch (one->stage) {
    case OUTLIVE_STAGE_INPUT: return "reading";
    case OUTLIVE_STAGE_RUNNING: return "working";
    case OUTLIVE_STAGE_SHUTDOWN: return "shutdown functions";
    default: return "last output";
    }
}

/** 0.4 s, 12 s, 3 min 20 s, 2 h 5 min. */
static const char *time_of(apr_pool_t *pool, int64_t ms) {
    const long s = (long)(ms / 1000); /* apr_psprintf knows no long long */
    if (s < 10) return apr_psprintf(pool, "%ld.%d s", s, (int)(ms % 1000 / 100));
    if (s < 60) return apr_psprintf(pool, "%ld s", s);
    if (s < 3600) return apr_psprintf(pool, "%ld min %ld s", s / 60, s % 60);
    return apr_psprintf(pool, "%ld h %ld min", s / 3600, s / 60 % 60);
}

/* ---- ?json --------------------------------------------------------------------------------------------------------------- */

static void as_json(const table *of) {
    request_rec *r = of->r;
    ap_set_content_type(r, "application/json");
    ap_rprintf(
        r, "{\"all_children\": %s, \"mod_php_is_listed\": %s, \"in_flight\": %d, \"detached\": %d, \"held\": %d, \"unfinished\": %d, \"requests\": [",
        of->alone == NULL ? "true" : "false", the_process.beside_php ? "false" : "null", of->running, of->detached, of->held, of->unfinished);
    for (int i = 0; i < of->rows->nelts; i++) {
        const row *one = &APR_ARRAY_IDX(of->rows, i, row);
        ap_rprintf(r, "%s\n {\"process\": %" APR_INT64_T_FMT ", \"method\": %s, \"label\": %s, \"age_ms\": %" APR_INT64_T_FMT, i == 0 ? "" : ",",
                   (apr_int64_t)one->process, ol_any_json(r->pool, one->method, strlen(one->method)),
                   ol_any_json(r->pool, one->label, strlen(one->label)), (apr_int64_t)one->age);
        if (one->gone >= 0) ap_rprintf(r, ", \"gone_ms\": %" APR_INT64_T_FMT, (apr_int64_t)one->gone);
        ap_rprintf(r, ", \"stage\": \"%s\", \"held\": %s, \"ignores_abort\": %s, \"time_limit\": %u, \"unfinished\": %s}", stage_of(one),
                   one->held ? "true" : "false", one->ignores ? "true" : "false", (unsigned)one->limit, one->unfinished ? "true" : "false");
    }
    ap_rputs("\n]}\n", r);
}

/* ---- outlive-metrics ------------------------------------------------------------------------------------------------------------ */

static void gauge(request_rec *r, const char *name, const char *help, int value) {
    ap_rprintf(r, "# HELP %s %s\n# TYPE %s gauge\n%s %d\n", name, help, name, name, value);
}

static void as_metrics(const table *of) {
    request_rec *r = of->r;
    ap_set_content_type(r, "text/plain; version=0.0.4; charset=utf-8");
    gauge(r, "outlive_requests_in_flight", "Requests that run now.", of->running);
    gauge(r, "outlive_requests_detached", "Requests that work on though their client has gone.", of->detached);
    gauge(r, "outlive_requests_held", "Requests in a section in which no stop is delivered.", of->held);
    gauge(r, "outlive_unfinished_requests", "Requests that children left when they died.", of->unfinished);
    gauge(r, "outlive_scoreboard_readable", "Whether these numbers are of all children (1) or of one (0).", of->alone == NULL);
    if (the_process.counters == NULL) return;
    ap_rputs("# HELP outlive_requests_ended_total Requests that ended, by ending.\n# TYPE outlive_requests_ended_total counter\n", r);
    for (int ending = OUTLIVE_ENDING_COMPLETED; ending <= OUTLIVE_ENDING_HANDED_BACK; ending++) {
        char *name = apr_pstrdup(r->pool, outlive_ending_name(ending).ptr);
        for (char *at = name; *at != '\0'; at++) *at = *at == ' ' ? '_' : *at;
        ap_rprintf(r, "outlive_requests_ended_total{ending=\"%s\"} %" APR_UINT64_T_FMT "\n", name, (apr_uint64_t)ended(ending));
    }
    ap_rprintf(r,
               "# HELP outlive_clients_gone_total Requests whose client went before they ended.\n# TYPE outlive_clients_gone_total counter\n"
               "outlive_clients_gone_total %" APR_UINT64_T_FMT "\n",
               (apr_uint64_t)__atomic_load_n(&the_process.counters->gone, __ATOMIC_RELAXED));
}

/* ---- the page ------------------------------------------------------------------------------------------------------------ */

static void put_client(request_rec *r, const row *one) {
    if (one->unfinished) ap_rputs("<td><span class=\"tag bad\">never ended</span> its process has died", r);
    else if (one->gone < 0) ap_rputs("<td>there", r);
    else
        ap_rprintf(r, "<td><span class=\"tag warn\">gone</span> %s ago, %s", time_of(r->pool, one->gone),
                   one->ignores ? "works on" : "stops at the next safe point");
    if (one->held) ap_rputs(" <span class=\"tag\">held</span>", r);
    ap_rputs("</td>", r);
}

static void put_table(const table *of) {
    request_rec *r = of->r;
    if (of->rows->nelts == 0) {
        ap_rputs("<p id=\"requests\" class=\"soft\">Nothing is in flight.</p>\n", r);
        return;
    }
    ap_rputs("<div class=\"scroll\"><table id=\"requests\"><thead><tr><th>Request<th>Client<th>Does<th class=\"n\">For<th class=\"n\">Limit"
             "<th class=\"n\">Process</tr></thead><tbody>\n",
             r);
    for (int i = 0; i < of->rows->nelts; i++) {
        const row *one = &APR_ARRAY_IDX(of->rows, i, row);
        ap_rprintf(r, "<tr%s><td><b>%s</b> <code>%s</code></td>",
                   one->unfinished  ? " class=\"dead\""
                   : one->gone >= 0 ? " class=\"gone\""
                                    : "",
                   ol_any_html(r->pool, one->method), ol_any_html(r->pool, one->label));
        put_client(r, one);
        ap_rprintf(r, "<td>%s</td><td class=\"n\" data-is=\"for\">%s</td>", one->unfinished ? "" : stage_of(one), time_of(r->pool, one->age));
        if (one->limit > 0) ap_rprintf(r, "<td class=\"n\" data-is=\"limit\">%u s</td>", (unsigned)one->limit);
        else ap_rputs("<td class=\"n\" data-is=\"limit\">none</td>", r);
        ap_rprintf(r, "<td class=\"n\" data-is=\"process\">%" APR_INT64_T_FMT "</td></tr>\n", (apr_int64_t)one->process);
    }
    ap_rputs("</tbody></table></div>\n", r);
}

static void number(request_rec *r, const char *id, const char *what, int value, const char *kind) {
    ap_rprintf(r, "<div class=\"number %s\"><dt>%s</dt><dd id=\"%s\">%d</dd></div>", value > 0 ? kind : "", what, id, value);
}

static void put_numbers(const table *of) {
    ap_rputs("<dl class=\"numbers\">", of->r);
    number(of->r, "in-flight", "in flight", of->running, "");
    number(of->r, "detached", "working on, client gone", of->detached, "warn");
    number(of->r, "held", "in a held section", of->held, "");
    number(of->r, "unfinished", "never ended", of->unfinished, "bad");
    ap_rputs("</dl>\n", of->r);
}

/** How requests ended since httpd was started. */
static void put_endings(request_rec *r) {
    if (the_process.counters == NULL) return;
    ap_rputs("<p class=\"soft\" id=\"endings\">Ended since the start:", r);
    for (int ending = OUTLIVE_ENDING_COMPLETED; ending <= OUTLIVE_ENDING_HANDED_BACK; ending++)
        ap_rprintf(r, "%s %" APR_UINT64_T_FMT " %s", ending == OUTLIVE_ENDING_COMPLETED ? "" : ",", (apr_uint64_t)ended(ending),
                   outlive_ending_name(ending).ptr);
    ap_rputs(".</p>\n", r);
}

static void as_page(const table *of) {
    request_rec *r = of->r;
    ap_set_content_type(r, "text/html; charset=utf-8");
    ap_rputs(ol_status_head, r);
    ap_rprintf(r, "<header><h1>Requests in flight</h1><p class=\"soft\">%s · outlive %s · <a href=\"?json\">JSON</a></p></header>\n",
               ap_escape_html(r->pool, ap_get_server_name(r)), outlive_version());
    put_numbers(of);
    if (of->alone != NULL) ap_rprintf(r, "<p class=\"note\">Only this child's requests, since %s.</p>\n", ap_escape_html(r->pool, of->alone));
    if (the_process.beside_php)
        ap_rputs(
            "<p class=\"note\" id=\"php\">Programs that mod_php runs are not listed here: PHP looks after them by itself. httpd's own status page "
            "has their requests.</p>\n",
            r);
    put_table(of);
    put_endings(r);
    ap_rputs("<p class=\"soft\">This page is read anew every two seconds. <em>Never ended</em>: a child died while it worked on the request; "
             "what it had done so far is not known.</p>\n</main></body></html>\n",
             r);
}

int ol_req_answer_status(request_rec *r) {
    const int metrics = r->handler != NULL && strcmp(r->handler, "outlive-metrics") == 0;
    if (r->handler == NULL || (!metrics && strcmp(r->handler, "outlive-status") != 0)) return DECLINED;
    r->allowed = AP_METHOD_BIT << M_GET;
    if (r->method_number != M_GET) return DECLINED;
    table all;
    gather(&all, r);
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    if (metrics) as_metrics(&all);
    else if (r->args != NULL && strcmp(r->args, "json") == 0) as_json(&all);
    else as_page(&all);
    return OK;
}

/* ---- in mod_status's page ------------------------------------------------------------------------------------------------ */

int ol_req_status_section(request_rec *r, int flags) {
    if (!ol_req_handlers_are_on(r)) return OK;
    table all;
    gather(&all, r);
    if (flags & AP_STATUS_SHORT) {
        ap_rprintf(r, "OutliveInFlight: %d\nOutliveDetached: %d\nOutliveHeld: %d\nOutliveUnfinished: %d\n", all.running, all.detached, all.held,
                   all.unfinished);
        return OK;
    }
    ap_rprintf(r, "<hr>\n<h2 id=\"outlive\">outlive</h2>\n<p>%d in flight, %d of them work on though their client has gone; %d never ended.</p>\n",
               all.running, all.detached, all.unfinished);
    if (!(flags & AP_STATUS_NOTABLE)) put_table(&all);
    return OK;
}
