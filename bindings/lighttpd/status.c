/*
 * Answers outlive.status-url: a page of the requests in flight and of those that never ended because their worker died; ?json; ?metrics for
 * Prometheus. The library renders them, the same for each server: of all workers if there is a scoreboard, otherwise of the worker that answers.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "private.h"

#include "http_chunk.h"
#include "http_header.h"

#include <string.h>

static int put(void *r, const void *text, size_t length) { return http_chunk_append_mem(r, text, length) != 0; }

static int asked_for(const request_st *r) {
    if (buffer_eq_slen(&r->uri.query, CONST_STR_LEN("json"))) return OUTLIVE_RENDER_JSON;
    return buffer_eq_slen(&r->uri.query, CONST_STR_LEN("metrics")) ? OUTLIVE_RENDER_METRICS : OUTLIVE_RENDER_PAGE;
}

handler_t ol_status_answer(ol_plugin *p, request_st *r) {
    const int what = asked_for(r);
    const char *type = outlive_render_content_type(what);
    outlive_error error = {0};
    outlive_render_options options = OUTLIVE_RENDER_OPTIONS_INIT;
    options.title = "lighttpd";
    if (p->scoreboard == NULL) options.notes = "One worker's requests alone: there is no outlive.scoreboard.";
    const int result = outlive_engine_render(p->engine, what, &options, put, r, &error);
    if (result != OUTLIVE_OK) log_error(r->conf.errh, __FILE__, __LINE__, "outlive.status-url: nothing to show: %s", error.message);
    http_header_response_set(r, HTTP_HEADER_CONTENT_TYPE, CONST_STR_LEN("Content-Type"), type, (uint32_t)strlen(type));
    http_header_response_set(r, HTTP_HEADER_CACHE_CONTROL, CONST_STR_LEN("Cache-Control"), CONST_STR_LEN("no-store"));
    r->http_status = result == OUTLIVE_OK ? 200 : 503;
    r->resp_body_finished = 1;
    return HANDLER_FINISHED;
}
