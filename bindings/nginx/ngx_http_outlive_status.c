/*
 * Variables for logs, and the status page: the requests in flight.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#include "ngx_http_outlive.h"


typedef struct {
    ngx_pool_t  *pool;
    ngx_buf_t   *buf;
} ngx_http_outlive_text_t;


static char *ngx_http_outlive_set_handler(ngx_conf_t *cf,
    ngx_http_handler_pt handler);
static ngx_int_t ngx_http_outlive_status_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_outlive_metrics_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_outlive_render(ngx_http_request_t *r, int what);
static int ngx_http_outlive_take(void *data, const void *text, size_t len);
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
    return ngx_http_outlive_set_handler(cf, ngx_http_outlive_status_handler);
}


char *
ngx_http_outlive_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_outlive_set_handler(cf, ngx_http_outlive_metrics_handler);
}


static char *
ngx_http_outlive_set_handler(ngx_conf_t *cf, ngx_http_handler_pt handler)
{
    ngx_http_core_loc_conf_t     *clcf;
    ngx_http_outlive_loc_conf_t  *olcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    olcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_outlive_module);

    if (clcf->handler) {
        return "is in a location that has another handler";
    }

    clcf->handler = handler;
    olcf->status = 1;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_outlive_status_handler(ngx_http_request_t *r)
{
    if (r->args.len == 4 && ngx_strncmp(r->args.data, "json", 4) == 0) {
        return ngx_http_outlive_render(r, OUTLIVE_RENDER_JSON);
    }

    return ngx_http_outlive_render(r, OUTLIVE_RENDER_PAGE);
}


static ngx_int_t
ngx_http_outlive_metrics_handler(ngx_http_request_t *r)
{
    return ngx_http_outlive_render(r, OUTLIVE_RENDER_METRICS);
}


/* the library renders this page, the same for each server */

static ngx_int_t
ngx_http_outlive_render(ngx_http_request_t *r, int what)
{
    ngx_int_t                      rc;
    const char                    *type;
    ngx_chain_t                    out;
    outlive_error                  error;
    outlive_render_options         options = OUTLIVE_RENDER_OPTIONS_INIT;
    ngx_http_outlive_text_t        text;
    ngx_http_outlive_main_conf_t  *omcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_outlive_engine == NULL) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "outlive: nothing to show: no request is supervised "
                      "without outlive_disconnect or outlive_time_limit");
        return NGX_HTTP_NOT_FOUND;
    }

    omcf = ngx_http_get_module_main_conf(r, ngx_http_outlive_module);

    options.title = "nginx";

    if (omcf->scoreboard.len == 0) {
        options.notes = "One worker's requests alone: there is no "
                        "outlive_scoreboard.";
    }

    text.pool = r->pool;
    text.buf = NULL;

    if (outlive_engine_render(ngx_http_outlive_engine, what, &options,
                              ngx_http_outlive_take, &text, &error)
        != OUTLIVE_OK)
    {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "outlive: %s", error.message);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    type = outlive_render_content_type(what);

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = text.buf->last - text.buf->pos;
    r->headers_out.content_type.data = (u_char *) type;
    r->headers_out.content_type.len = ngx_strlen(type);
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    text.buf->last_buf = (r == r->main);
    text.buf->last_in_chain = 1;

    out.buf = text.buf;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static int
ngx_http_outlive_take(void *data, const void *text, size_t len)
{
    ngx_http_outlive_text_t *to = data;

    to->buf = ngx_create_temp_buf(to->pool, len);
    if (to->buf == NULL) {
        return 1;
    }

    to->buf->last = ngx_cpymem(to->buf->last, text, len);

    return 0;
}
