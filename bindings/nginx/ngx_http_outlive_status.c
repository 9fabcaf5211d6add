/*
 * What can be seen: variables for logs, the page of requests in flight.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#include "ngx_http_outlive.h"


/* what one row takes at most, its label and method escaped */

#define NGX_HTTP_OUTLIVE_ROW  2048


typedef struct {
    ngx_pool_t    *pool;
    ngx_chain_t   *first;
    ngx_chain_t  **last;
    ngx_buf_t     *buf;
    ngx_uint_t     html;   /* unsigned  html:1 */
    ngx_uint_t     rows;
    ngx_uint_t     detached;
    ngx_uint_t     unfinished;
} ngx_http_outlive_page_t;


static ngx_int_t ngx_http_outlive_status_handler(ngx_http_request_t *r);
static int ngx_http_outlive_board_row(void *data,
    const outlive_scoreboard_row *row);
static int ngx_http_outlive_worker_row(void *data,
    const outlive_request_row *row);
static int ngx_http_outlive_row(ngx_http_outlive_page_t *page,
    const outlive_request_row *row, int64_t process, ngx_uint_t unfinished);
static u_char *ngx_http_outlive_escape(ngx_http_outlive_page_t *page,
    u_char *p, const outlive_str *text);
static ngx_buf_t *ngx_http_outlive_room(ngx_http_outlive_page_t *page,
    size_t size);
static ngx_int_t ngx_http_outlive_metrics_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_outlive_send(ngx_http_request_t *r,
    ngx_chain_t *out, ngx_str_t *type);
static ngx_int_t ngx_http_outlive_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


#define NGX_HTTP_OUTLIVE_ENDING         0
#define NGX_HTTP_OUTLIVE_CLIENT_GONE    1
#define NGX_HTTP_OUTLIVE_DETACHED_TIME  2


static ngx_http_variable_t  ngx_http_outlive_variables[] = {

    { ngx_string("outlive_ending"), NULL, ngx_http_outlive_variable,
      NGX_HTTP_OUTLIVE_ENDING, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("outlive_client_gone"), NULL, ngx_http_outlive_variable,
      NGX_HTTP_OUTLIVE_CLIENT_GONE, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("outlive_detached_time"), NULL, ngx_http_outlive_variable,
      NGX_HTTP_OUTLIVE_DETACHED_TIME, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_outlive_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_outlive_variables; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_outlive_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    u_char                  *p;
    ngx_msec_t               ms;
    outlive_str              name;
    ngx_http_outlive_ctx_t  *ctx;

    ctx = ngx_http_outlive_get_ctx(r);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;

    switch (data) {

    case NGX_HTTP_OUTLIVE_ENDING:
        name = outlive_ending_name(ctx->ending);
        v->data = (u_char *) name.ptr;
        v->len = name.len;
        return NGX_OK;

    case NGX_HTTP_OUTLIVE_CLIENT_GONE:
        v->data = (u_char *) (ctx->gone ? "1" : "0");
        v->len = 1;
        return NGX_OK;

    default: /* NGX_HTTP_OUTLIVE_DETACHED_TIME */

        if (!ctx->gone) {
            v->not_found = 1;
            return NGX_OK;
        }

        ms = ctx->outlive ? ngx_current_msec - ctx->gone_at
                          : ctx->detached_time;

        p = ngx_pnalloc(r->pool, NGX_TIME_T_LEN + 4);
        if (p == NULL) {
            return NGX_ERROR;
        }

        v->data = p;
        v->len = ngx_sprintf(p, "%T.%03M", (time_t) ms / 1000, ms % 1000) - p;
        return NGX_OK;
    }
}


char *
ngx_http_outlive_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "is in a location that has another handler";
    }

    clcf->handler = ngx_http_outlive_status_handler;

    return NGX_CONF_OK;
}


char *
ngx_http_outlive_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "is in a location that has another handler";
    }

    clcf->handler = ngx_http_outlive_metrics_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_outlive_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_buf_t                     *head, *tail;
    ngx_uint_t                     all;
    outlive_error                  error;
    ngx_http_outlive_page_t        page;
    ngx_http_outlive_main_conf_t  *omcf;

    static ngx_str_t  html = ngx_string("text/html; charset=utf-8");
    static ngx_str_t  json = ngx_string("application/json");

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_memzero(&page, sizeof(ngx_http_outlive_page_t));

    page.pool = r->pool;
    page.last = &page.first;
    page.html = !(r->args.len == 4 && ngx_strncmp(r->args.data, "json", 4) == 0);

    head = ngx_http_outlive_room(&page, NGX_HTTP_OUTLIVE_ROW);
    if (head == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    page.buf = NULL; /* its numbers are known last */

    omcf = ngx_http_get_module_main_conf(r, ngx_http_outlive_module);
    all = omcf->scoreboard.len && ngx_http_outlive_engine;

    if (all
        && outlive_scoreboard_read((char *) omcf->scoreboard.data,
                                   omcf->scoreboard.len,
                                   ngx_http_outlive_board_row, &page, &error)
           != OUTLIVE_OK)
    {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "outlive_scoreboard \"%V\": %s",
                      &omcf->scoreboard, error.message);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!all && ngx_http_outlive_engine
        && outlive_engine_requests(ngx_http_outlive_engine,
                                   ngx_http_outlive_worker_row, &page)
           != OUTLIVE_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    tail = ngx_http_outlive_room(&page, NGX_HTTP_OUTLIVE_ROW);
    if (tail == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (page.html) {
        head->last = ngx_sprintf(head->last,
            "<!DOCTYPE html><meta charset=\"utf-8\"><title>outlive</title>\n"
            "<style>body{font:15px sans-serif;margin:2em}td,th{text-align:left;"
            "padding:.2em 1em .2em 0}.gone{background:#fff3d6}"
            ".dead{background:#fde2e0}</style>\n<h1>Requests in flight</h1>\n"
            "<p>%ui in flight, %ui of them work on without their clients; "
            "%ui never ended. %s\n<table id=\"requests\"><tr><th>Request"
            "<th>Client<th>For<th>Limit<th>Process</tr>\n",
            page.rows - page.unfinished, page.detached, page.unfinished,
            all ? "All workers." : "This worker's alone: "
                                   "there is no outlive_scoreboard.");
        tail->last = ngx_sprintf(tail->last, "</table>\n");

    } else {
        head->last = ngx_sprintf(head->last,
            "{\"all_workers\": %s, \"in_flight\": %ui, \"detached\": %ui, "
            "\"unfinished\": %ui, \"requests\": [",
            all ? "true" : "false",
            page.rows - page.unfinished, page.detached, page.unfinished);
        tail->last = ngx_sprintf(tail->last, "\n]}\n");
    }

    return ngx_http_outlive_send(r, page.first, page.html ? &html : &json);
}


static int
ngx_http_outlive_board_row(void *data, const outlive_scoreboard_row *row)
{
    return ngx_http_outlive_row(data, &row->request, row->process,
                                row->unfinished != 0);
}


static int
ngx_http_outlive_worker_row(void *data, const outlive_request_row *row)
{
    return ngx_http_outlive_row(data, row, ngx_pid, 0);
}


static int
ngx_http_outlive_row(ngx_http_outlive_page_t *page,
    const outlive_request_row *row, int64_t process, ngx_uint_t unfinished)
{
    u_char     *p;
    ngx_buf_t  *b;

    b = ngx_http_outlive_room(page, NGX_HTTP_OUTLIVE_ROW);
    if (b == NULL) {
        return 1;
    }

    p = b->last;

    p = ngx_sprintf(p, page->html
                       ? (unfinished ? "<tr class=\"dead\"><td><b>"
                          : row->gone_ms >= 0 ? "<tr class=\"gone\"><td><b>"
                          : "<tr><td><b>")
                       : page->rows ? ",\n {\"method\": \""
                       : "\n {\"method\": \"");
    p = ngx_http_outlive_escape(page, p, &row->method);
    p = ngx_sprintf(p, page->html ? "</b> <code>" : "\", \"label\": \"");
    p = ngx_http_outlive_escape(page, p, &row->label);

    if (page->html) {
        p = ngx_sprintf(p, "</code>");

        if (unfinished) {
            p = ngx_sprintf(p, "<td>its process has died");

        } else if (row->gone_ms >= 0) {
            p = ngx_sprintf(p, "<td>gone for %L.%01L s", row->gone_ms / 1000,
                            row->gone_ms % 1000 / 100);

        } else {
            p = ngx_sprintf(p, "<td>there");
        }

        p = ngx_sprintf(p, "<td>%L.%01L s<td>%uD s<td>%L</tr>\n",
                        row->age_ms / 1000, row->age_ms % 1000 / 100,
                        row->time_limit, process);

    } else {
        p = ngx_sprintf(p, "\", \"process\": %L, \"age_ms\": %L, "
                        "\"time_limit\": %uD, \"ignores_abort\": %s, "
                        "\"unfinished\": %s",
                        process, row->age_ms, row->time_limit,
                        row->ignores_abort ? "true" : "false",
                        unfinished ? "true" : "false");

        if (row->gone_ms >= 0) {
            p = ngx_sprintf(p, ", \"gone_ms\": %L", row->gone_ms);
        }

        *p++ = '}';
    }

    b->last = p;

    page->rows++;
    page->unfinished += unfinished;
    page->detached += !unfinished && row->gone_ms >= 0;

    return 0;
}


static u_char *
ngx_http_outlive_escape(ngx_http_outlive_page_t *page, u_char *p,
    const outlive_str *text)
{
    if (page->html) {
        return (u_char *) ngx_escape_html(p, (u_char *) text->ptr, text->len);
    }

    return (u_char *) ngx_escape_json(p, (u_char *) text->ptr, text->len);
}


static ngx_buf_t *
ngx_http_outlive_room(ngx_http_outlive_page_t *page, size_t size)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = page->buf;

    if (b && (size_t) (b->end - b->last) >= size) {
        return b;
    }

    b = ngx_create_temp_buf(page->pool, 16 * NGX_HTTP_OUTLIVE_ROW);
    if (b == NULL) {
        return NULL;
    }

    cl = ngx_alloc_chain_link(page->pool);
    if (cl == NULL) {
        return NULL;
    }

    cl->buf = b;
    cl->next = NULL;

    *page->last = cl;
    page->last = &cl->next;
    page->buf = b;

    return b;
}


static ngx_int_t
ngx_http_outlive_metrics_handler(ngx_http_request_t *r)
{
    size_t        size;
    ngx_int_t     rc;
    ngx_chain_t   out;

    static ngx_str_t  type = ngx_string("text/plain; version=0.0.4");

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_outlive_engine == NULL) {
        return NGX_HTTP_NOT_FOUND;
    }

    (void) outlive_engine_metrics(ngx_http_outlive_engine, NULL, 0, &size);

    size += 4096; /* numbers grow meanwhile */

    out.next = NULL;
    out.buf = ngx_create_temp_buf(r->pool, size);
    if (out.buf == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (outlive_engine_metrics(ngx_http_outlive_engine,
                               (char *) out.buf->last, size, &size)
        != OUTLIVE_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    out.buf->last += size - 1;

    return ngx_http_outlive_send(r, &out, &type);
}


static ngx_int_t
ngx_http_outlive_send(ngx_http_request_t *r, ngx_chain_t *out,
    ngx_str_t *type)
{
    off_t         size;
    ngx_int_t     rc;
    ngx_chain_t  *cl;

    size = 0;

    for (cl = out; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);

        if (cl->next == NULL) {
            cl->buf->last_buf = (r == r->main);
            cl->buf->last_in_chain = 1;
        }
    }

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = size;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, out);
}
