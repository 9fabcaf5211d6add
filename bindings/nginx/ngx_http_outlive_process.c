/*
 * What a worker has of its own: an engine, and the descriptor by which the
 * engine's thread wakes it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#include "ngx_http_outlive.h"

#include <sys/eventfd.h>


#define NGX_HTTP_OUTLIVE_KEEP  1000


static void ngx_http_outlive_wake_handler(ngx_event_t *rev);
static void ngx_http_outlive_keep_handler(ngx_event_t *ev);


outlive_engine  *ngx_http_outlive_engine;

static int                ngx_http_outlive_wake_fd = -1;
static ngx_connection_t  *ngx_http_outlive_wake;
static ngx_queue_t        ngx_http_outlive_requests;
static ngx_event_t        ngx_http_outlive_keep;


/* in the master, while it still may: workers find the file and its owner */

ngx_int_t
ngx_http_outlive_init_module(ngx_cycle_t *cycle)
{
    ngx_uint_t                     same;
    outlive_error                  error;
    ngx_core_conf_t               *ccf;
    ngx_http_outlive_main_conf_t  *omcf;

    omcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_outlive_module);

    if (omcf == NULL || !omcf->enabled || omcf->scoreboard.len == 0
        || ngx_test_config)
    {
        return NGX_OK;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    /* without a master, or without root's rights, nobody becomes another */

    same = geteuid() != 0 || !ccf->master;

    if (outlive_scoreboard_prepare((char *) omcf->scoreboard.data,
                                   omcf->scoreboard.len,
                                   same ? geteuid() : ccf->user,
                                   same ? getegid() : ccf->group,
                                   &error)
        != OUTLIVE_OK)
    {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "outlive_scoreboard \"%V\": %s",
                      &omcf->scoreboard, error.message);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_outlive_init_process(ngx_cycle_t *cycle)
{
    ngx_event_t                   *rev;
    outlive_error                  error;
    outlive_engine                *engine;
    ngx_http_outlive_main_conf_t  *omcf;
    outlive_engine_options         options = OUTLIVE_ENGINE_OPTIONS_INIT;

    omcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_outlive_module);

    if (omcf == NULL || !omcf->enabled
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    ngx_queue_init(&ngx_http_outlive_requests);

    ngx_http_outlive_wake_fd = eventfd(0, EFD_CLOEXEC|EFD_NONBLOCK);
    if (ngx_http_outlive_wake_fd == -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "eventfd() failed");
        return NGX_ERROR;
    }

    ngx_http_outlive_wake = ngx_get_connection(ngx_http_outlive_wake_fd,
                                               cycle->log);
    if (ngx_http_outlive_wake == NULL) {
        return NGX_ERROR;
    }

    rev = ngx_http_outlive_wake->read;
    rev->handler = ngx_http_outlive_wake_handler;
    rev->log = cycle->log;

    /* not one of the connections that a worker waits for, or closes */

    rev->channel = 1;
    ngx_http_outlive_wake->write->channel = 1;

    if (ngx_add_event(rev, NGX_READ_EVENT, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_outlive_keep.handler = ngx_http_outlive_keep_handler;
    ngx_http_outlive_keep.log = cycle->log;
    ngx_http_outlive_keep.data = ngx_http_outlive_wake;

    if (omcf->scoreboard.len) {
        options.scoreboard = (char *) omcf->scoreboard.data;
    }

    if (outlive_engine_new(&options, &engine, &error) != OUTLIVE_OK) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, 0,
                      "outlive: requests are not supervised: %s",
                      error.message);
        return NGX_OK;
    }

    ngx_http_outlive_engine = engine;

    return NGX_OK;
}


void
ngx_http_outlive_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t               n, gone;
    ngx_queue_t             *q;
    ngx_http_outlive_ctx_t  *ctx;

    if (ngx_http_outlive_engine == NULL) {
        return;
    }

    n = 0;
    gone = 0;

    for (q = ngx_queue_head(&ngx_http_outlive_requests);
         q != ngx_queue_sentinel(&ngx_http_outlive_requests);
         q = ngx_queue_next(q))
    {
        ctx = ngx_queue_data(q, ngx_http_outlive_ctx_t, queue);
        gone += ctx->gone;
        n++;
    }

    if (n) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "outlive: the worker ends with %ui requests in flight, "
                      "%ui of them without their clients", n, gone);
    }

    ngx_close_connection(ngx_http_outlive_wake);
    ngx_http_outlive_wake = NULL;

    /* requests in flight stay in the scoreboard, as never ended */

    outlive_engine_free(ngx_http_outlive_engine);
    ngx_http_outlive_engine = NULL;
}


void
ngx_http_outlive_enter(ngx_http_outlive_ctx_t *ctx)
{
    ngx_queue_insert_tail(&ngx_http_outlive_requests, &ctx->queue);
}


void
ngx_http_outlive_leave(ngx_http_outlive_ctx_t *ctx)
{
    ngx_queue_remove(&ctx->queue);
}


/* on the engine's thread; never once the request has ended */

void
ngx_http_outlive_on_stop(void *data, int ending)
{
    ngx_http_outlive_ctx_t *ctx = data;

    __atomic_store_n(&ctx->due, 1, __ATOMIC_RELEASE);
    (void) eventfd_write(ngx_http_outlive_wake_fd, 1);
}


static void
ngx_http_outlive_wake_handler(ngx_event_t *rev)
{
    eventfd_t                n;
    ngx_queue_t             *q;
    ngx_http_outlive_ctx_t  *ctx;

    (void) eventfd_read(ngx_http_outlive_wake_fd, &n);

again:

    for (q = ngx_queue_head(&ngx_http_outlive_requests);
         q != ngx_queue_sentinel(&ngx_http_outlive_requests);
         q = ngx_queue_next(q))
    {
        ctx = ngx_queue_data(q, ngx_http_outlive_ctx_t, queue);

        if (__atomic_exchange_n(&ctx->due, 0, __ATOMIC_ACQUIRE)) {
            ngx_http_outlive_stop(ctx);
            goto again;
        }
    }
}


/* a worker that is told to leave waits for its timers: this is one */

void
ngx_http_outlive_keep_worker(void)
{
    if (!ngx_http_outlive_keep.timer_set) {
        ngx_add_timer(&ngx_http_outlive_keep, NGX_HTTP_OUTLIVE_KEEP);
    }
}


static void
ngx_http_outlive_keep_handler(ngx_event_t *ev)
{
    ngx_queue_t             *q;
    ngx_http_outlive_ctx_t  *ctx;

    for (q = ngx_queue_head(&ngx_http_outlive_requests);
         q != ngx_queue_sentinel(&ngx_http_outlive_requests);
         q = ngx_queue_next(q))
    {
        ctx = ngx_queue_data(q, ngx_http_outlive_ctx_t, queue);

        if (ctx->gone) {
            ngx_add_timer(ev, NGX_HTTP_OUTLIVE_KEEP);
            return;
        }
    }
}
