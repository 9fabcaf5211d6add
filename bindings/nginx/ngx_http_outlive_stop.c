/*
 * Stops a request: sends its client an error response or ends the connection,
 * and logs the reason.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#include "ngx_http_outlive.h"


/* milliseconds that the error page for a 504 of this module may take */

#define NGX_HTTP_OUTLIVE_ERROR_PAGE_TIME  5000


static ngx_uint_t ngx_http_outlive_finishes(ngx_http_outlive_ctx_t *ctx);
static void ngx_http_outlive_log_stop(ngx_http_outlive_ctx_t *ctx);
static void ngx_http_outlive_answer(ngx_http_outlive_ctx_t *ctx,
    ngx_int_t status);
static void ngx_http_outlive_answer_timeout(ngx_event_t *ev);


/* call this from an event handler of this module, not from nginx's own code */

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

        /* the request is done; its connection is in a lingering close */

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
        /* nginx has not received the whole request */
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


/* worker_shutdown_timeout ends the request */

void
ngx_http_outlive_log_shutdown(ngx_http_outlive_ctx_t *ctx)
{
    ngx_log_t  *log;

    log = ctx->request->connection->log;

    if (!ctx->gone) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "outlive: stopped: worker_shutdown_timeout");
        return;
    }

    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "outlive: stopped %M ms after the client had gone: "
                  "worker_shutdown_timeout",
                  ngx_current_msec - ctx->gone_at);
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
        ngx_http_outlive_log_shutdown(ctx);
        return;

    case OUTLIVE_ENDING_CANCELLED:
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "outlive: stopped: cancelled by its number");
        return;
    }

    /* the engine reads its own clock; nginx's is updated once per event loop */

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
 * The client is connected and has received nothing yet. The upstreams of the
 * request and of its subrequests are released as at any request's end: nginx
 * does not count them as failed.
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
