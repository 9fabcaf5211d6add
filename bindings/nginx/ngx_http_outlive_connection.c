/*
 * Handles the events and the output of the client's connection, or of its
 * stream of HTTP/2, before nginx does.
 *
 * While a request goes on without its client, nginx does not learn that the
 * client has gone. Its output is accepted and dropped in send_chain, below all
 * filters, so that filters, subrequests, caches and upstreams work as usual.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#include "ngx_http_outlive.h"


/*
 * milliseconds between two checks whether nginx has read the rest of a request
 * whose client has gone
 */

#define NGX_HTTP_OUTLIVE_LOOK  200


static void ngx_http_outlive_read_handler(ngx_event_t *rev);
static void ngx_http_outlive_write_handler(ngx_event_t *wev);
static void ngx_http_outlive_cannot_write(ngx_event_t *wev);
static ngx_chain_t *ngx_http_outlive_send_chain(ngx_connection_t *c,
    ngx_chain_t *in, off_t limit);
static ngx_chain_t *ngx_http_outlive_drop(ngx_connection_t *c,
    ngx_chain_t *in);
static void ngx_http_outlive_note_frames(ngx_http_outlive_ctx_t *ctx,
    ngx_chain_t *in);
static void ngx_http_outlive_forget_frames(ngx_http_outlive_ctx_t *ctx,
    ngx_chain_t *left);
static void ngx_http_outlive_lose(ngx_http_outlive_ctx_t *ctx);


/*
 * nginx sets the event handlers again for each request, and for some responses
 * in the middle of one. It sets send_chain once for a connection or stream.
 */

void
ngx_http_outlive_attach(ngx_http_outlive_ctx_t *ctx)
{
    ngx_connection_t  *c;

    c = ctx->request->connection;

    if (c->read->handler == ngx_http_outlive_read_handler
        && c->write->handler == ngx_http_outlive_write_handler
        && c->send_chain == ngx_http_outlive_send_chain
        && !c->read->pending_eof)
    {
        return;
    }

    if (ctx->read_handler == NULL) {
        ctx->read_handler = c->read->handler;
        ctx->write_handler = c->write->handler;
    }

    if (c->read->handler == ctx->read_handler) {
        c->read->handler = ngx_http_outlive_read_handler;
    }

    if (c->write->handler == ctx->write_handler) {
        c->write->handler = ngx_http_outlive_write_handler;
    }

    if (ctx->request->stream == NULL || ctx->request->header_sent || ctx->lost)
    {
        if (c->send_chain != ngx_http_outlive_send_chain) {
            ctx->send_chain = c->send_chain;
            c->send_chain = ngx_http_outlive_send_chain;
        }
    }

    /* an event that came before is not delivered again */

    if (ctx->request->stream == NULL && c->read->pending_eof
        && !ctx->gone && !ctx->look.posted)
    {
        ngx_post_event(&ctx->look, &ngx_posted_events);
    }
}


ngx_uint_t
ngx_http_outlive_is_attached(ngx_http_outlive_ctx_t *ctx)
{
    return ctx->request->connection->read->handler
           == ngx_http_outlive_read_handler;
}


void
ngx_http_outlive_detach(ngx_http_outlive_ctx_t *ctx)
{
    ngx_connection_t  *c;

    c = ctx->request->connection;

    if (c->read->handler == ngx_http_outlive_read_handler) {
        c->read->handler = ctx->read_handler;
    }

    if (c->write->handler == ngx_http_outlive_write_handler) {
        c->write->handler = ctx->write_handler;
    }

    if (c->send_chain == ngx_http_outlive_send_chain) {
        c->send_chain = ctx->send_chain;
    }

    if (ctx->look.timer_set) {
        ngx_del_timer(&ctx->look);
    }

    if (ctx->look.posted) {
        ngx_delete_posted_event(&ctx->look);
    }
}


static void
ngx_http_outlive_read_handler(ngx_event_t *rev)
{
    ngx_uint_t               alive;
    ngx_connection_t        *c;
    ngx_http_request_t      *r;
    ngx_http_outlive_ctx_t  *ctx;

    c = rev->data;
    r = c->data;
    ctx = ngx_http_outlive_get_ctx(r);
    r = r->main;

    if (c->close) {
        /* worker_shutdown_timeout */
        ctx->leaving = 1;

        if (ctx->gone) {
            ngx_http_outlive_log_shutdown(ctx);
        }

        ctx->read_handler(rev);
        return;
    }

    if (ctx->tunnel || !ngx_http_outlive_is_gone(r)) {
        ctx->read_handler(rev);
        return;
    }

    if (ngx_http_outlive_is_at_work(ctx)) {
        ngx_http_outlive_look(&ctx->look);
        return;
    }

    /* nginx may read the rest of the request now */

    alive = 1;
    ctx->alive = &alive;

    ctx->read_handler(rev);

    if (!alive) {
        return;
    }

    ctx->alive = NULL;

    if (ctx->outlive) {
        ngx_http_outlive_look(&ctx->look);
    }
}


/* the client has gone: detaches the request, stops it, or checks again later */

void
ngx_http_outlive_look(ngx_event_t *ev)
{
    ngx_connection_t        *c;
    ngx_http_request_t      *r;
    ngx_http_outlive_ctx_t  *ctx;

    ctx = ev->data;
    r = ctx->request;
    c = r->connection;

    if (ctx->tunnel) {
        return;
    }

    if (!ctx->gone) {

        if (!ngx_http_outlive_is_gone(r)
            || ctx->conf->disconnect == NGX_HTTP_OUTLIVE_OFF)
        {
            return;
        }

        if (!ngx_http_outlive_is_at_work(ctx)) {

            if (!ctx->look.timer_set && !r->request_complete) {
                ngx_add_timer(&ctx->look, NGX_HTTP_OUTLIVE_LOOK);
            }

            return;
        }

        ngx_http_set_log_request(c->log, r);

        if (ngx_http_outlive_client_gone(ctx) == NGX_DECLINED) {
            ngx_http_outlive_stop(ctx);
            return;
        }
    }

    if (outlive_request_check(ctx->outlive) == OUTLIVE_STOP) {
        ngx_http_outlive_stop(ctx);
        return;
    }

    /*
     * A client that only closed its sending side still gets its response. A
     * connection of HTTP/2 may end after one of its streams was reset.
     */

    if (c->error || (!ctx->lost && ngx_http_outlive_is_reset(r))) {
        ngx_http_outlive_lose(ctx);
    }
}


static void
ngx_http_outlive_write_handler(ngx_event_t *wev)
{
    ngx_connection_t        *c;
    ngx_http_request_t      *r;
    ngx_http_outlive_ctx_t  *ctx;

    c = wev->data;
    r = c->data;
    ctx = ngx_http_get_module_ctx(r->main, ngx_http_outlive_module);

    if (ctx && ctx->frames == NULL && !wev->timedout && !c->error) {
        ctx->write_handler(wev);
        return;
    }

    ngx_http_outlive_cannot_write(wev);
}


static void
ngx_http_outlive_cannot_write(ngx_event_t *wev)
{
    ngx_uint_t               timedout;
    ngx_connection_t        *c;
    ngx_http_request_t      *r;
    ngx_http_outlive_ctx_t  *ctx;

    c = wev->data;
    r = c->data;
    ctx = ngx_http_outlive_get_ctx(r);

    if (ctx->frames) {
        ngx_http_outlive_forget_frames(ctx, NULL);
    }

    /* send_timeout has passed: the client does not read */

    timedout = wev->timedout && !wev->delayed;

    /* a stream of HTTP/2 with unsent output learns of an error here */

    if ((timedout || c->error) && !ctx->tunnel
        && ctx->conf->disconnect != NGX_HTTP_OUTLIVE_OFF
        && ngx_http_outlive_is_at_work(ctx))
    {
        ngx_http_set_log_request(c->log, r);

        if (ngx_http_outlive_client_gone(ctx) == NGX_DECLINED) {
            ngx_http_outlive_stop(ctx);
            return;
        }

        if (timedout) {
            c->timedout = 1;
        }

        ngx_http_outlive_lose(ctx);
    }

    ctx->write_handler(wev);
}


/* from now on all output is dropped and counts as sent */

static void
ngx_http_outlive_lose(ngx_http_outlive_ctx_t *ctx)
{
    ngx_event_t         *wev;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;
    wev = c->write;

    ctx->lost = 1;

    r->keepalive = 0;
    r->limit_rate = 0;
    r->limit_rate_set = 1;

    c->error = 0;

#if (NGX_HTTP_SSL)

    if (c->ssl) {
        c->ssl->no_wait_shutdown = 1;
        c->ssl->no_send_shutdown = 1;
    }

#endif

    if (r->stream == NULL) {
        c->read->eof = 1;
    }

    if (wev->timer_set) {
        ngx_del_timer(wev);
    }

    wev->delayed = 0;
    wev->timedout = 0;
    wev->ready = 1;

#if (NGX_HTTP_V2)

    if (r->stream) {
        wev->active = 0;

        if (r->stream->queued == 0) {

            /* the connection was closed with the frames that were waiting */

            (void) ngx_http_outlive_drop(c, ctx->frames);
            ngx_http_outlive_forget_frames(ctx, NULL);
        }
    }

#endif

    ngx_http_outlive_attach(ctx);

    ngx_post_event(wev, &ngx_posted_events);
}


static ngx_chain_t *
ngx_http_outlive_send_chain(ngx_connection_t *c, ngx_chain_t *in, off_t limit)
{
    ngx_chain_t             *chain;
    ngx_http_request_t      *r;
    ngx_http_outlive_ctx_t  *ctx;

    r = c->data;
    ctx = ngx_http_outlive_get_ctx(r);

    if (ctx->lost) {
        return ngx_http_outlive_drop(c, in);
    }

    if (ctx->request->stream) {
        ngx_http_outlive_forget_frames(ctx, NULL);
        ngx_http_outlive_note_frames(ctx, in);
    }

    chain = ctx->send_chain(c, in, limit);

    if (ctx->frames) {
        ngx_http_outlive_forget_frames(ctx, chain);
    }

    if (chain != NGX_CHAIN_ERROR
        || ngx_http_outlive_cannot_send(ctx) != NGX_OK)
    {
        return chain;
    }

    return ngx_http_outlive_drop(c, in);
}


/* returns NGX_OK if the request goes on; unsent output counts as sent */

ngx_int_t
ngx_http_outlive_cannot_send(ngx_http_outlive_ctx_t *ctx)
{
    if (ctx->tunnel
        || ctx->conf->disconnect == NGX_HTTP_OUTLIVE_OFF
        || !ngx_http_outlive_is_at_work(ctx))
    {
        return NGX_DECLINED;
    }

    if (ngx_http_outlive_client_gone(ctx) == NGX_DECLINED) {

        /* nginx would go on to fill its cache: this stops it, too */

        ngx_post_event(&ctx->look, &ngx_posted_events);
        return NGX_DECLINED;
    }

    ngx_http_outlive_lose(ctx);

    return NGX_OK;
}


static ngx_chain_t *
ngx_http_outlive_drop(ngx_connection_t *c, ngx_chain_t *in)
{
    ngx_http_request_t  *r;

    for ( /* void */ ; in; in = in->next) {

        if (ngx_buf_in_memory(in->buf)) {
            in->buf->pos = in->buf->last;
        }

        if (in->buf->in_file) {
            in->buf->file_pos = in->buf->file_last;
        }
    }

    r = c->data;

#if (NGX_HTTP_V2)

    /* frames that are already waiting refer to the stream */

    if (r->main->stream && r->main->stream->queued) {
        return NULL;
    }

#endif

    c->buffered &= ~NGX_LOWLEVEL_BUFFERED;

    return NULL;
}


/*
 * HTTP/2 puts buffers into frames, and a buffer is busy until its frame is
 * sent. If the connection ends first, nginx does not release the buffers: the
 * module notes them here and releases them itself.
 */

static void
ngx_http_outlive_note_frames(ngx_http_outlive_ctx_t *ctx, ngx_chain_t *in)
{
    ngx_chain_t  *cl;

    for ( /* void */ ; in; in = in->next) {

        if (ngx_buf_special(in->buf)) {
            continue;
        }

        cl = ngx_alloc_chain_link(ctx->request->pool);
        if (cl == NULL) {
            return;
        }

        cl->buf = in->buf;
        cl->next = ctx->frames;
        ctx->frames = cl;
    }
}


/* removes the buffers that were sent, or that HTTP/2 did not take */

static void
ngx_http_outlive_forget_frames(ngx_http_outlive_ctx_t *ctx, ngx_chain_t *left)
{
    ngx_chain_t  *cl, *ln, **ll;

    if (left == NGX_CHAIN_ERROR) {
        left = NULL;
    }

    ll = &ctx->frames;

    while (*ll) {
        cl = *ll;

        for (ln = left; ln && ln->buf != cl->buf; ln = ln->next) { /* void */ }

        if (ngx_buf_size(cl->buf) && ln == NULL) {
            ll = &cl->next;
            continue;
        }

        *ll = cl->next;
        ngx_free_chain(ctx->request->pool, cl);
    }
}
