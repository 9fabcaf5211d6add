/*
 * One supervised request, from its beginning to its end.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#include "ngx_http_outlive.h"


static ngx_http_outlive_ctx_t *ngx_http_outlive_create_ctx(
    ngx_http_request_t *r);
static void ngx_http_outlive_free_ctx(ngx_http_outlive_ctx_t *ctx);
static ngx_int_t ngx_http_outlive_begin(ngx_http_outlive_ctx_t *ctx,
    ngx_http_outlive_loc_conf_t *olcf);
static int ngx_http_outlive_why(ngx_http_outlive_ctx_t *ctx);
static void ngx_http_outlive_finalize(void *data);
static void ngx_http_outlive_cleanup(void *data);


static ngx_http_outlive_ctx_t  *ngx_http_outlive_free_ctxs;
static outlive_error            ngx_http_outlive_error;


ngx_int_t
ngx_http_outlive_preaccess_handler(ngx_http_request_t *r)
{
    ngx_http_outlive_ctx_t       *ctx;
    ngx_http_outlive_loc_conf_t  *olcf;

    if (r != r->main || ngx_http_outlive_engine == NULL) {
        return NGX_DECLINED;
    }

    olcf = ngx_http_get_module_loc_conf(r, ngx_http_outlive_module);
    ctx = ngx_http_outlive_get_ctx(r);

    if (ctx) {

        /* after a redirect the values of the new location hold */

        if (ctx->stopped
            || (ctx->outlive
                && ctx->conf->policy == olcf->policy))
        {
            return NGX_DECLINED;
        }

        ngx_http_outlive_end(ctx);

        if (olcf->policy == NULL
            || ngx_http_outlive_begin(ctx, olcf) != NGX_OK)
        {
            ngx_http_outlive_detach(ctx);
        }

        return NGX_DECLINED;
    }

    if (olcf->policy == NULL) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_outlive_create_ctx(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_outlive_begin(ctx, olcf) != NGX_OK) {
        ngx_http_outlive_free_ctx(ctx);
        return NGX_DECLINED;
    }

    ctx->finalize.next = r->cleanup;
    r->cleanup = &ctx->finalize;

    ctx->cleanup.next = r->pool->cleanup;
    r->pool->cleanup = &ctx->cleanup;

    ngx_http_set_ctx(r, ctx, ngx_http_outlive_module);

    return NGX_DECLINED;
}


/*
 * Contexts are used again, and not taken from the request's pool: most pools
 * would have to grow for them.
 */

static ngx_http_outlive_ctx_t *
ngx_http_outlive_create_ctx(ngx_http_request_t *r)
{
    ngx_http_outlive_ctx_t  *ctx;

    ctx = ngx_http_outlive_free_ctxs;

    if (ctx) {
        ngx_http_outlive_free_ctxs = ctx->next;
        ngx_memzero(&ctx->conf, offsetof(ngx_http_outlive_ctx_t, look)
                                - offsetof(ngx_http_outlive_ctx_t, conf));

    } else {
        ctx = ngx_calloc(sizeof(ngx_http_outlive_ctx_t), ngx_cycle->log);
        if (ctx == NULL) {
            return NULL;
        }

        ctx->look.data = ctx;
        ctx->finalize.handler = ngx_http_outlive_finalize;
        ctx->finalize.data = ctx;
        ctx->cleanup.handler = ngx_http_outlive_cleanup;
        ctx->cleanup.data = ctx;
    }

    ctx->request = r;
    ctx->look.handler = ngx_http_outlive_look;
    ctx->look.log = r->connection->log;

    return ctx;
}


static void
ngx_http_outlive_free_ctx(ngx_http_outlive_ctx_t *ctx)
{
    ctx->next = ngx_http_outlive_free_ctxs;
    ngx_http_outlive_free_ctxs = ctx;
}


/* a main request's context; redirects clear the contexts of all modules */

ngx_http_outlive_ctx_t *
ngx_http_outlive_find_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    if (!r->internal && !r->filter_finalize) {
        return NULL;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {

        if (cln->handler == ngx_http_outlive_cleanup) {
            ngx_http_set_ctx(r, cln->data, ngx_http_outlive_module);
            return cln->data;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_outlive_begin(ngx_http_outlive_ctx_t *ctx,
    ngx_http_outlive_loc_conf_t *olcf)
{
    ngx_msec_t           elapsed;
    ngx_time_t          *tp;
    ngx_http_request_t  *r;

    static outlive_request_options  options = OUTLIVE_REQUEST_OPTIONS_INIT;

    r = ctx->request;

    options.label = (char *) r->uri.data;
    options.label_len = r->uri.len;
    options.method = (char *) r->method_name.data;
    options.method_len = r->method_name.len;
    options.userdata = ctx;

    if (outlive_request_begin(ngx_http_outlive_engine, olcf->policy->settings,
                              &options, &ctx->outlive,
                              &ngx_http_outlive_error)
        != OUTLIVE_OK)
    {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "outlive: request is not supervised: %s",
                      ngx_http_outlive_error.message);
        ctx->outlive = NULL;
        return NGX_ERROR;
    }

    ctx->conf = olcf;
    ctx->ending = OUTLIVE_ENDING_NONE;

    if (olcf->time_limit) {

        /* the limit counts from the first byte of the request */

        tp = ngx_timeofday();
        elapsed = (ngx_msec_t) ((tp->sec - r->start_sec) * 1000
                                + (tp->msec - r->start_msec));

        /* the settings have the limit in whole seconds from now on */

        if (elapsed || olcf->policy->inexact) {
            elapsed = ngx_min(elapsed, olcf->time_limit - 1);

            outlive_request_set_time_limit_ms(ctx->outlive,
                                              olcf->time_limit - elapsed);
        }
    }

    ngx_http_outlive_enter(ctx);
    ngx_http_outlive_attach(ctx);

    if (ctx->gone) {
        outlive_request_client_gone(ctx->outlive);
        ngx_http_outlive_work_on(ctx);
    }

    return NGX_OK;
}


void
ngx_http_outlive_end(ngx_http_outlive_ctx_t *ctx)
{
    if (ctx->outlive == NULL) {
        return;
    }

    if (ctx->stopped) {
        ctx->ending = outlive_request_ending(ctx->outlive);

    } else {
        ctx->ending = ngx_http_outlive_why(ctx);

        if (ctx->ending != OUTLIVE_ENDING_COMPLETED) {
            outlive_request_exit(ctx->outlive, ctx->ending);
        }
    }

    if (ctx->gone) {
        ctx->detached_time = ngx_current_msec - ctx->gone_at;
    }

    if (outlive_request_end(ctx->outlive, &ngx_http_outlive_error)
        != OUTLIVE_OK)
    {
        ngx_log_error(NGX_LOG_ALERT, ctx->request->connection->log, 0,
                      "outlive: %s", ngx_http_outlive_error.message);
    }

    ctx->outlive = NULL;

    ngx_http_outlive_leave(ctx);
}


/* the ending of a request that was not told to stop */

static int
ngx_http_outlive_why(ngx_http_outlive_ctx_t *ctx)
{
    ngx_uint_t           status;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    if (ctx->leaving) {
        return OUTLIVE_ENDING_SHUTDOWN;
    }

    if (ctx->tunnel) {
        return OUTLIVE_ENDING_COMPLETED;
    }

    status = r->err_status ? r->err_status : r->headers_out.status;

    if (ctx->complete || (r->header_only && r->request_complete)) {
        return status >= NGX_HTTP_INTERNAL_SERVER_ERROR
               ? OUTLIVE_ENDING_HOST_ERROR : OUTLIVE_ENDING_COMPLETED;
    }

    if (!ctx->gone && !r->request_complete
        && (c->error || c->timedout || c->read->eof || c->read->error
            || status == NGX_HTTP_BAD_REQUEST
            || status == NGX_HTTP_REQUEST_TIME_OUT
            || status == NGX_HTTP_CLIENT_CLOSED_REQUEST))
    {
        return OUTLIVE_ENDING_ABORTED;
    }

    return OUTLIVE_ENDING_HOST_ERROR;
}


/* called at the end of a request, before nginx writes the access log */

static void
ngx_http_outlive_finalize(void *data)
{
    ngx_http_outlive_ctx_t *ctx = data;

    ngx_uint_t  detached;

    detached = ctx->outlive && ctx->gone;

    ngx_http_outlive_end(ctx);
    ngx_http_outlive_detach(ctx);

    ctx->over = 1;

    if (ctx->alive) {
        *ctx->alive = 0;
        ctx->alive = NULL;
    }

    if (detached) {
        ngx_log_error(NGX_LOG_INFO, ctx->request->connection->log, 0,
                      "outlive: %s %T.%03M s after the client had gone",
                      outlive_ending_name(ctx->ending).ptr,
                      (time_t) ctx->detached_time / 1000,
                      ctx->detached_time % 1000);
    }
}


static void
ngx_http_outlive_cleanup(void *data)
{
    ngx_http_outlive_ctx_t *ctx = data;

    if (!ctx->over) {
        ngx_http_outlive_finalize(ctx);
    }

    ngx_http_outlive_free_ctx(ctx);
}


/*
 * The client has gone. Returns NGX_OK if the request goes on, and NGX_DECLINED
 * if the caller has to stop it.
 */

ngx_int_t
ngx_http_outlive_client_gone(ngx_http_outlive_ctx_t *ctx)
{
    ngx_http_outlive_loc_conf_t  *olcf;

    if (ctx->outlive == NULL) {
        return NGX_DECLINED;
    }

    if (ctx->gone) {
        return NGX_OK;
    }

    ctx->gone = 1;
    ctx->gone_at = ngx_current_msec;

    outlive_request_client_gone(ctx->outlive);

    if (outlive_request_check(ctx->outlive) == OUTLIVE_STOP) {
        return NGX_DECLINED;
    }

    olcf = ctx->conf;

    ngx_log_error(NGX_LOG_INFO, ctx->request->connection->log, 0,
                  "outlive: the client has gone, the request goes on: "
                  "outlive_disconnect %V in %s:%ui",
                  &ngx_http_outlive_disconnect_name(olcf),
                  olcf->disconnect_place.file, olcf->disconnect_place.line);

    ngx_http_outlive_work_on(ctx);

    return NGX_OK;
}
