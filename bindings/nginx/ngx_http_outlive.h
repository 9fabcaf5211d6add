/*
 * Declarations that the files of the module share.
 *
 * The module supervises a request from its preaccess phase to its end. It gets
 * the connection's events before nginx does. When it notices that the client
 * has gone, it either hides this from nginx (finish), or ends the request
 * (stop).
 *
 *   _module.c      directives, and the phases in which nginx calls the module
 *   _policy.c      translates a location's values into settings
 *   _request.c     begins and ends a request
 *   _stop.c        stops a request: its response, and the log
 *   _connection.c  the client's events and output; goes on without a client
 *   _client.c      whether the client is connected and a request is worked on
 *   _filter.c      the response's header and its last buffer
 *   _process.c     a worker's engine
 *   _status.c      variables, the status page and the metrics
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#ifndef _NGX_HTTP_OUTLIVE_H_INCLUDED_
#define _NGX_HTTP_OUTLIVE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include <outlive.h>


/* values of outlive_disconnect */

#define NGX_HTTP_OUTLIVE_OFF     0
#define NGX_HTTP_OUTLIVE_FINISH  1
#define NGX_HTTP_OUTLIVE_STOP    2
#define NGX_HTTP_OUTLIVE_AUTO    3

/* a directive with a number is off */

#define NGX_HTTP_OUTLIVE_NONE    0


typedef struct {
    u_char                     *file;
    ngx_uint_t                  line;
} ngx_http_outlive_place_t;


typedef struct {
    ngx_uint_t                  disconnect;
    ngx_msec_t                  time_limit;
    ngx_uint_t                  max_detached;
    ngx_msec_t                  max_detached_time;
    ngx_uint_t                  inexact;   /* no whole seconds: the limit is */
    const outlive_settings     *settings;  /* set for each request */
} ngx_http_outlive_policy_t;


typedef struct {
    ngx_str_t                   scoreboard;
    ngx_array_t                 policies;  /* ngx_http_outlive_policy_t * */
    ngx_http_outlive_place_t    max_detached_place;
    ngx_uint_t                  enabled;   /* unsigned  enabled:1 */
} ngx_http_outlive_main_conf_t;


typedef struct {
    ngx_uint_t                  disconnect;
    ngx_msec_t                  time_limit;
    ngx_uint_t                  max_detached;
    ngx_msec_t                  max_detached_time;

    ngx_http_outlive_place_t    disconnect_place;
    ngx_http_outlive_place_t    time_limit_place;
    ngx_http_outlive_place_t    max_detached_place;
    ngx_http_outlive_place_t    max_detached_time_place;

    ngx_uint_t                  status;    /* unsigned  status:1 */

    ngx_http_outlive_policy_t  *policy;    /* NULL: nothing is configured */
} ngx_http_outlive_loc_conf_t;


typedef struct ngx_http_outlive_ctx_s  ngx_http_outlive_ctx_t;

/* set to zeros for each request, but for what is prepared once: look and on */

struct ngx_http_outlive_ctx_s {
    ngx_http_request_t           *request;  /* the main one */
    ngx_http_outlive_loc_conf_t  *conf;
    outlive_request              *outlive;  /* NULL: the request has ended */

    ngx_event_handler_pt          read_handler;
    ngx_event_handler_pt          write_handler;
    ngx_send_chain_pt             send_chain;
    ngx_chain_t                  *frames;   /* buffers that HTTP/2 has taken */

    ngx_uint_t                   *alive;    /* set to 0 when it is freed */

    ngx_msec_t                    gone_at;
    ngx_msec_t                    detached_time;
    int                           ending;

    unsigned                      gone:1;     /* the client has gone */
    unsigned                      detached:1; /* goes on without its client */
    unsigned                      lost:1;     /* output is dropped */
    unsigned                      stopped:1;
    unsigned                      over:1;
    unsigned                      tunnel:1;   /* an upgraded connection */
    unsigned                      complete:1; /* the response is complete */
    unsigned                      leaving:1;  /* worker_shutdown_timeout */

    ngx_event_t                   look;     /* checks the client later */

    ngx_http_cleanup_t            finalize;
    ngx_pool_cleanup_t            cleanup;
    ngx_http_outlive_ctx_t       *next;     /* of those that are not in use */
};


/* ngx_http_outlive_module.c */

extern ngx_module_t     ngx_http_outlive_module;
extern ngx_conf_enum_t  ngx_http_outlive_disconnects[];

#define ngx_http_outlive_disconnect_name(olcf)                               \
    ngx_http_outlive_disconnects[(olcf)->disconnect].name

/* ngx_http_outlive_policy.c */

ngx_http_outlive_policy_t *ngx_http_outlive_policy(ngx_conf_t *cf,
    ngx_http_outlive_loc_conf_t *olcf);

/* ngx_http_outlive_request.c */

ngx_int_t ngx_http_outlive_preaccess_handler(ngx_http_request_t *r);
ngx_http_outlive_ctx_t *ngx_http_outlive_find_ctx(ngx_http_request_t *r);
ngx_int_t ngx_http_outlive_client_gone(ngx_http_outlive_ctx_t *ctx);
void ngx_http_outlive_end(ngx_http_outlive_ctx_t *ctx);

static ngx_inline ngx_http_outlive_ctx_t *
ngx_http_outlive_get_ctx(ngx_http_request_t *r)
{
    ngx_http_outlive_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r->main, ngx_http_outlive_module);

    return ctx ? ctx : ngx_http_outlive_find_ctx(r->main);
}

/* ngx_http_outlive_stop.c */

void ngx_http_outlive_stop(ngx_http_outlive_ctx_t *ctx);
void ngx_http_outlive_log_shutdown(ngx_http_outlive_ctx_t *ctx);

/* ngx_http_outlive_client.c */

ngx_uint_t ngx_http_outlive_is_gone(ngx_http_request_t *r);
ngx_uint_t ngx_http_outlive_is_reset(ngx_http_request_t *r);
ngx_uint_t ngx_http_outlive_is_at_work(ngx_http_outlive_ctx_t *ctx);

/* ngx_http_outlive_connection.c */

void ngx_http_outlive_look(ngx_event_t *ev);
void ngx_http_outlive_attach(ngx_http_outlive_ctx_t *ctx);
ngx_uint_t ngx_http_outlive_is_attached(ngx_http_outlive_ctx_t *ctx);
void ngx_http_outlive_detach(ngx_http_outlive_ctx_t *ctx);
ngx_int_t ngx_http_outlive_cannot_send(ngx_http_outlive_ctx_t *ctx);

/* ngx_http_outlive_filter.c */

ngx_int_t ngx_http_outlive_filter_init(ngx_conf_t *cf);

/* ngx_http_outlive_process.c */

extern outlive_engine  *ngx_http_outlive_engine;

ngx_int_t ngx_http_outlive_init_module(ngx_cycle_t *cycle);
ngx_int_t ngx_http_outlive_init_process(ngx_cycle_t *cycle);
void ngx_http_outlive_exit_process(ngx_cycle_t *cycle);
void ngx_http_outlive_enter(ngx_http_outlive_ctx_t *ctx);
void ngx_http_outlive_leave(ngx_http_outlive_ctx_t *ctx);
void ngx_http_outlive_work_on(ngx_http_outlive_ctx_t *ctx);

/* ngx_http_outlive_status.c */

char *ngx_http_outlive_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_outlive_metrics(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
ngx_int_t ngx_http_outlive_add_variables(ngx_conf_t *cf);


#endif /* _NGX_HTTP_OUTLIVE_H_INCLUDED_ */
