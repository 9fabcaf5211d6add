/*
 * The status output: the handlers outlive-status (a page, ?json) and outlive-metrics, and a section in mod_status's page. The library
 * renders all of it, the same for every host; with a scoreboard for all children, otherwise for the child that answers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "private.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_status.h>

/** The notes to show with the numbers, one per line. */
static const char *notes(request_rec *r) {
    const char *text = "";
    outlive_error error = {0};
    if (outlive_engine_scoreboard(the_process.engine, &error) != OUTLIVE_OK)
        text = apr_psprintf(r->pool, "Only one child's requests, since %s.\n", error.message);
    if (the_process.beside_php)
        text = apr_pstrcat(
            r->pool, text,
            "Programs that mod_php runs are not listed here: PHP looks after them by itself. httpd's own status page has their requests.\n", NULL);
    return text;
}

static int put(void *data, const void *text, size_t length) { return ap_rwrite(text, (int)length, data) < 0; }

static int answer(request_rec *r, int what) {
    outlive_error error = {0};
    outlive_render_options options = OUTLIVE_RENDER_OPTIONS_INIT;
    options.title = ap_get_server_name(r);
    options.notes = notes(r);
    ap_set_content_type(r, outlive_render_content_type(what));
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    const int result = outlive_engine_render(the_process.engine, what, &options, put, r, &error);
    if (result == OUTLIVE_OK || result == OUTLIVE_ERROR_INTERRUPTED) return OK;
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "outlive: %s: %s", error.file, error.message);
    return HTTP_SERVICE_UNAVAILABLE;
}

int ol_req_answer_status(request_rec *r) {
    const int metrics = r->handler != NULL && strcmp(r->handler, "outlive-metrics") == 0;
    if (r->handler == NULL || (!metrics && strcmp(r->handler, "outlive-status") != 0)) return DECLINED;
    r->allowed = AP_METHOD_BIT << M_GET;
    if (r->method_number != M_GET) return DECLINED;
    if (the_process.engine == NULL) return HTTP_SERVICE_UNAVAILABLE; /* it is in the error log why */
    const int json = r->args != NULL && strcmp(r->args, "json") == 0;
    return answer(r, metrics ? OUTLIVE_RENDER_METRICS : json ? OUTLIVE_RENDER_JSON : OUTLIVE_RENDER_PAGE);
}

/* ---- in mod_status's page ------------------------------------------------------------------------------------------------ */

typedef struct count {
    int running, detached, held, unfinished;
} count;

static void add(count *to, const outlive_request_row *seen, int unfinished) {
    if (unfinished) to->unfinished++;
    else to->running++;
    if (!unfinished && seen->gone_ms >= 0) to->detached++;
    if (!unfinished && seen->held) to->held++;
}

static int of_all(void *data, const outlive_scoreboard_row *seen) {
    add(data, &seen->request, seen->unfinished);
    return 0;
}

static int of_this_child(void *data, const outlive_request_row *seen) {
    add(data, seen, 0);
    return 0;
}

int ol_req_status_section(request_rec *r, int flags) {
    if (!ol_req_handlers_are_on(r) || the_process.engine == NULL) return OK;
    count all = {0, 0, 0, 0};
    outlive_error error = {0};
    if (the_process.scoreboard == NULL || outlive_scoreboard_read(the_process.scoreboard, OUTLIVE_NTS, of_all, &all, &error) != OUTLIVE_OK) {
        memset(&all, 0, sizeof all);
        outlive_engine_requests(the_process.engine, of_this_child, &all);
    }
    if (flags & AP_STATUS_SHORT) {
        ap_rprintf(r, "OutliveInFlight: %d\nOutliveDetached: %d\nOutliveHeld: %d\nOutliveUnfinished: %d\n", all.running, all.detached, all.held,
                   all.unfinished);
        return OK;
    }
    ap_rprintf(r, "<hr>\n<h2 id=\"outlive\">outlive</h2>\n<p>%d in flight, %d of them work on though their client has gone; %d never ended.</p>\n",
               all.running, all.detached, all.unfinished);
    if (!(flags & AP_STATUS_NOTABLE)) outlive_engine_render(the_process.engine, OUTLIVE_RENDER_TABLE, NULL, put, r, &error);
    return OK;
}
