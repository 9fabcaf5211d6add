/*
 * One supervised request, from its begin to its end.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#include "ngx_http_outlive.h"


/* bytes of a label, which people read */

#define NGX_HTTP_OUTLIVE_LABEL  96

/* how long a page for our 504 may take */

#define NGX_HTTP_OUTLIVE_ERROR_PAGE_TIME  5000


static ngx_int_t ngx_http_outlive_begin(ngx_http_outlive_ctx_t *ctx,
    ngx_http_outlive_loc_conf_t *olcf);
static void ngx_http_outlive_end(ngx_http_outlive_ctx_t *ctx);
static int ngx_http_outlive_why(ngx_http_outlive_ctx_t *ctx);
static void ngx_http_outlive_finalize(void *data);
static void ngx_http_outlive_cleanup(void *data);
static ngx_uint_t ngx_http_outlive_finishes(ngx_http_outlive_ctx_t *ctx);
static void ngx_http_outlive_log_stop(ngx_http_outlive_ctx_t *ctx);
static void ngx_http_outlive_answer(ngx_http_outlive_ctx_t *ctx,
    ngx_int_t status);
static void ngx_http_outlive_answer_timeout(ngx_event_t *ev);


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

        /* a redirect: what its target says holds from here on */

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

    /* who looks at what is in flight is not in flight */

    if (olcf->policy == NULL || ngx_http_outlive_is_status(r)) {
        return NGX_DECLINED;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_outlive_ctx_t));
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    ctx->request = r;

    if (ngx_http_outlive_begin(ctx, olcf) != NGX_OK) {
        return NGX_DECLINED;
    }

    /* as ngx_http_cleanup_add() and ngx_pool_cleanup_add(), in one piece */

    ctx->finalize.handler = ngx_http_outlive_finalize;
    ctx->finalize.data = ctx;
    ctx->finalize.next = r->cleanup;
    r->cleanup = &ctx->finalize;

    ctx->cleanup.handler = ngx_http_outlive_cleanup;
    ctx->cleanup.data = ctx;
    ctx->cleanup.next = r->pool->cleanup;
    r->pool->cleanup = &ctx->cleanup;

    ngx_http_set_ctx(r, ctx, ngx_http_outlive_module);

    return NGX_DECLINED;
}


/* of a main request; redirects clear the contexts of all modules */

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
    int                       rc;
    u_char                    label[NGX_HTTP_OUTLIVE_LABEL + 1], method[9];
    ngx_msec_t                elapsed;
    ngx_time_t               *tp;
    outlive_error             error;
    ngx_http_request_t       *r;
    outlive_request_options   options = OUTLIVE_REQUEST_OPTIONS_INIT;

    r = ctx->request;

    *ngx_cpymem(label, r->uri.data,
                ngx_min(r->uri.len, sizeof(label) - 1)) = '\0';
    *ngx_cpymem(method, r->method_name.data,
                ngx_min(r->method_name.len, sizeof(method) - 1)) = '\0';

    options.label = (char *) label;
    options.method = (char *) method;
    options.userdata = ctx;

    rc = outlive_request_begin(ngx_http_outlive_engine,
                               olcf->policy->settings, &options,
                               &ctx->outlive, &error);

    if (rc != OUTLIVE_OK) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "outlive: request is not supervised: %s", error.message);
        ctx->outlive = NULL;
        return NGX_ERROR;
    }

    ctx->conf = olcf;
    ctx->ending = OUTLIVE_ENDING_NONE;

    if (olcf->time_limit) {

        /* counted from the first byte of the request */

        tp = ngx_timeofday();
        elapsed = (ngx_msec_t) ((tp->sec - r->start_sec) * 1000
                                + (tp->msec - r->start_msec));

        /* the settings have whole seconds, from here on: so it is mostly */

        if (elapsed || olcf->time_limit % 1000) {
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


static void
ngx_http_outlive_end(ngx_http_outlive_ctx_t *ctx)
{
    outlive_error  error;

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

    if (outlive_request_end(ctx->outlive, &error) != OUTLIVE_OK) {
        ngx_log_error(NGX_LOG_ALERT, ctx->request->connection->log, 0,
                      "outlive: %s", error.message);
    }

    ctx->outlive = NULL;

    ngx_http_outlive_leave(ctx);
}


/* why a request is over that nobody was told to stop */

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


/* the request is over: before it is logged */

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
}


/*
 * The client has gone. NGX_OK: the work goes on; NGX_DECLINED: it has to stop,
 * and the caller sees to that.
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


/* only where nothing of the request is being worked on: in a handler of ours */

void
ngx_http_outlive_stop(ngx_http_outlive_ctx_t *ctx)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    if (ctx->outlive == NULL) {
        return;
    }

    ngx_http_set_log_request(c->log, r);

    if (r->done && !ngx_http_outlive_is_attached(ctx)) {

        /* only the connection is still there: a lingering close */

        ngx_http_outlive_end(ctx);
        ngx_http_outlive_detach(ctx);
        return;
    }

    if (outlive_request_check(ctx->outlive) != OUTLIVE_STOP) {
        return;
    }

    ctx->stopped = 1;

    ngx_http_outlive_log_stop(ctx);
    ngx_http_outlive_end(ctx);
    ngx_http_outlive_detach(ctx);

    if (ctx->gone) {
        c->error = 1;
        r->main->count++;
        ngx_http_finalize_request(r, ctx->ending == OUTLIVE_ENDING_TIME_LIMIT
                                     ? NGX_HTTP_GATEWAY_TIME_OUT
                                     : NGX_HTTP_CLIENT_CLOSED_REQUEST);

    } else if (r->header_sent || r->blocked) {
        r->main->count++;
        ngx_http_finalize_request(r, NGX_ERROR);

    } else if (r->request_body && r->upstream && r->upstream->cleanup == NULL
               && r->request_body->rest)
    {
        /* the request itself has not come */
        c->timedout = 1;
        r->main->count++;
        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);

    } else {
        ngx_http_outlive_answer(ctx, ctx->ending == OUTLIVE_ENDING_CANCELLED
                                     ? NGX_HTTP_SERVICE_UNAVAILABLE
                                     : NGX_HTTP_GATEWAY_TIME_OUT);
    }

    ngx_http_run_posted_requests(c);
}


static ngx_uint_t
ngx_http_outlive_finishes(ngx_http_outlive_ctx_t *ctx)
{
    switch (ctx->conf->disconnect) {

    case NGX_HTTP_OUTLIVE_FINISH:
        return 1;

    case NGX_HTTP_OUTLIVE_AUTO:
        return !(ctx->request->method & (NGX_HTTP_GET|NGX_HTTP_HEAD
                                         |NGX_HTTP_OPTIONS|NGX_HTTP_TRACE));

    default:
        return 0;
    }
}


static void
ngx_http_outlive_log_stop(ngx_http_outlive_ctx_t *ctx)
{
    ngx_log_t                    *log;
    ngx_msec_t                    since;
    ngx_http_outlive_loc_conf_t  *olcf;

    olcf = ctx->conf;
    log = ctx->request->connection->log;
    since = ngx_current_msec - ctx->gone_at;

    switch (outlive_request_ending(ctx->outlive)) {

    case OUTLIVE_ENDING_TIME_LIMIT:
    case OUTLIVE_ENDING_FORCED:
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "outlive: time limit: stopped after %M ms: "
                      "outlive_time_limit in %s:%ui",
                      olcf->time_limit, olcf->time_limit_place.file,
                      olcf->time_limit_place.line);
        return;

    case OUTLIVE_ENDING_SHUTDOWN:
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "outlive: stopped %M ms after the client had gone: "
                      "worker_shutdown_timeout", ctx->gone ? since : 0);
        return;

    case OUTLIVE_ENDING_CANCELLED:
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "outlive: stopped: cancelled by its number");
        return;
    }

    /* the engine has a clock of its own, nginx one that it looks at rarely */

    if (olcf->max_detached_time && since + 50 >= olcf->max_detached_time) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "outlive: the client has gone, stopped after %M ms: "
                      "outlive_max_detached_time in %s:%ui",
                      since, olcf->max_detached_time_place.file,
                      olcf->max_detached_time_place.line);
        return;
    }

    if (ngx_http_outlive_finishes(ctx)) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "outlive: the client has gone, stopped: %ui others work "
                      "on without theirs: outlive_max_detached in %s:%ui",
                      olcf->max_detached, olcf->max_detached_place.file,
                      olcf->max_detached_place.line);
        return;
    }

    ngx_log_error(NGX_LOG_INFO, log, 0,
                  "outlive: the client has gone, stopped: "
                  "outlive_disconnect %V in %s:%ui",
                  &ngx_http_outlive_disconnect_name(olcf),
                  olcf->disconnect_place.file, olcf->disconnect_place.line);
}


/*
 * The client is there, and has got nothing yet. What works for the request, or
 * for a subrequest of it, is let go as at any request's end: a peer whose
 * request is over has not failed.
 */

static void
ngx_http_outlive_answer(ngx_http_outlive_ctx_t *ctx, ngx_int_t status)
{
    ngx_connection_t           *c;
    ngx_http_cleanup_t         *cln;
    ngx_http_request_t         *r, *active;
    ngx_http_cleanup_pt         upstream;

    r = ctx->request;
    c = r->connection;
    active = c->data;

    upstream = NULL;

    if (r->upstream && r->upstream->cleanup) {
        upstream = *r->upstream->cleanup;

    } else if (active->upstream && active->upstream->cleanup) {
        upstream = *active->upstream->cleanup;
    }

    for (cln = r->cleanup; upstream && cln; cln = cln->next) {

        if (cln->handler == upstream) {
            r->count++;
            cln->handler(cln->data);
        }
    }

    c->data = r;
    c->write->delayed = 0;
    r->postponed = NULL;
    r->posted_requests = NULL;
    r->count = 1;

    ctx->look.handler = ngx_http_outlive_answer_timeout;
    ngx_add_timer(&ctx->look, NGX_HTTP_OUTLIVE_ERROR_PAGE_TIME);

    ngx_http_finalize_request(r, status);
}


static void
ngx_http_outlive_answer_timeout(ngx_event_t *ev)
{
    ngx_connection_t        *c;
    ngx_http_request_t      *r;
    ngx_http_outlive_ctx_t  *ctx;

    ctx = ev->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_log_error(NGX_LOG_WARN, c->log, 0,
                  "outlive: the page for the time limit takes more than %d ms",
                  NGX_HTTP_OUTLIVE_ERROR_PAGE_TIME);

    c->timedout = 1;
    r->main->count++;
    ngx_http_finalize_request(r, NGX_ERROR);

    ngx_http_run_posted_requests(c);
}
