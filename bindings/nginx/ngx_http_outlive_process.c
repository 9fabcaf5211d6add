/*
 * Each worker has an engine, which looks around when its descriptor wakes the
 * worker's event loop, and a queue of the requests that are to be stopped.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#include "ngx_http_outlive.h"

#define NGX_HTTP_OUTLIVE_KEEP  1000


static ngx_int_t ngx_http_outlive_wait(ngx_cycle_t *cycle);
static void ngx_http_outlive_stop_handler(ngx_event_t *rev);
static void ngx_http_outlive_keep_handler(ngx_event_t *ev);


outlive_engine  *ngx_http_outlive_engine;

static ngx_connection_t  *ngx_http_outlive_stops;
static ngx_event_t        ngx_http_outlive_keep;
static ngx_uint_t         ngx_http_outlive_in_flight;
static ngx_uint_t         ngx_http_outlive_detached;


/* the master makes the file while it has the rights; workers only open it */

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

    /* without a master or root's rights, workers keep the user of the master */

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
    outlive_error                  error;
    outlive_engine                *engine;
    ngx_http_outlive_main_conf_t  *omcf;
    outlive_engine_options         options = OUTLIVE_ENGINE_OPTIONS_INIT;

#if (NGX_LINUX && NGX_PTR_SIZE == 8)

    ngx_msec_t                     now;
    ngx_core_conf_t               *ccf;
    struct timespec                ts;

#endif

    omcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_outlive_module);

    if (omcf == NULL || !omcf->enabled
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    options.stop_queues = 1;

#if (NGX_LINUX)

    /*
     * In a process with a second thread each system call and each allocation
     * of the C library costs more: the engine looks around in the event loop.
     */

    options.no_thread = 1;

#if (NGX_PTR_SIZE == 8)

    /*
     * nginx has kept it by this clock since 1.13.10; with timer_resolution it
     * may be older than what the worker does
     */

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    if (ccf->timer_resolution == 0
        && clock_gettime(CLOCK_MONOTONIC, &ts) == 0)
    {
        now = (ngx_msec_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;

        if (now - ngx_current_msec < 60000) {
            options.loop_time = (uint64_t *) &ngx_current_msec;
        }
    }

#endif
#endif

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

    return ngx_http_outlive_wait(cycle);
}


static ngx_int_t
ngx_http_outlive_wait(ngx_cycle_t *cycle)
{
    ngx_event_t       *rev;
    ngx_connection_t  *c;

    c = ngx_get_connection(outlive_engine_stop_fd(ngx_http_outlive_engine, 0),
                           cycle->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    rev = c->read;
    rev->handler = ngx_http_outlive_stop_handler;
    rev->log = cycle->log;

    /* nginx must not wait for this connection, or close it as an idle one */

    rev->channel = 1;
    c->write->channel = 1;

    if (ngx_add_event(rev, NGX_READ_EVENT, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_outlive_stops = c;

    ngx_http_outlive_keep.handler = ngx_http_outlive_keep_handler;
    ngx_http_outlive_keep.log = cycle->log;
    ngx_http_outlive_keep.data = c;

    return NGX_OK;
}


void
ngx_http_outlive_exit_process(ngx_cycle_t *cycle)
{
    if (ngx_http_outlive_engine == NULL) {
        return;
    }

    if (ngx_http_outlive_in_flight) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "outlive: the worker ends with %ui requests in flight, "
                      "%ui of them without their clients",
                      ngx_http_outlive_in_flight, ngx_http_outlive_detached);
    }

    /* the engine closes the descriptor */

    if (ngx_http_outlive_stops) {
        (void) ngx_del_event(ngx_http_outlive_stops->read, NGX_READ_EVENT, 0);
        ngx_free_connection(ngx_http_outlive_stops);
        ngx_http_outlive_stops->fd = (ngx_socket_t) -1;
        ngx_http_outlive_stops = NULL;
    }

    /* requests in flight stay in the scoreboard as never ended */

    outlive_engine_free(ngx_http_outlive_engine);
    ngx_http_outlive_engine = NULL;
}


void
ngx_http_outlive_enter(ngx_http_outlive_ctx_t *ctx)
{
    ngx_http_outlive_in_flight++;
}


void
ngx_http_outlive_leave(ngx_http_outlive_ctx_t *ctx)
{
    ngx_http_outlive_in_flight--;

    if (ctx->detached) {
        ctx->detached = 0;
        ngx_http_outlive_detached--;
    }
}


/*
 * A timer that is set while requests go on without their clients: a worker that
 * shuts down gracefully waits until no such timer is left.
 */

void
ngx_http_outlive_work_on(ngx_http_outlive_ctx_t *ctx)
{
    ctx->detached = 1;
    ngx_http_outlive_detached++;

    if (!ngx_http_outlive_keep.timer_set) {
        ngx_add_timer(&ngx_http_outlive_keep, NGX_HTTP_OUTLIVE_KEEP);
    }
}


static void
ngx_http_outlive_keep_handler(ngx_event_t *ev)
{
    ngx_core_conf_t    *ccf;

    static ngx_msec_t   leaving;
    static ngx_uint_t   told;

    if (ngx_exiting && !told) {

        if (leaving == 0) {
            leaving = ngx_current_msec;
        }

        /*
         * worker_shutdown_timeout ends connections. It does not find streams
         * of HTTP/2 whose connection has ended before.
         */

        ccf = (ngx_core_conf_t *) ngx_get_conf(ngx_cycle->conf_ctx,
                                               ngx_core_module);

        if (ccf->shutdown_timeout
            && ngx_current_msec - leaving >= ccf->shutdown_timeout)
        {
            (void) outlive_engine_begin_drain(ngx_http_outlive_engine, 0);
            told = 1;
        }
    }

    if (ngx_http_outlive_detached) {
        ngx_add_timer(ev, NGX_HTTP_OUTLIVE_KEEP);
    }
}


/* requests begin and end on this thread alone: all of these still exist */

static void
ngx_http_outlive_stop_handler(ngx_event_t *rev)
{
    outlive_stop  stop = OUTLIVE_STOP_INIT;

    while (outlive_engine_next_stop(ngx_http_outlive_engine, 0, &stop)
           == OUTLIVE_OK)
    {
        if (stop.kind != OUTLIVE_STOP_DRAINED) {
            ngx_http_outlive_stop(stop.userdata);
        }
    }
}
