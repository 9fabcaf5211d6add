/*
 * Declarations that the files of lighttpd's mod_outlive share. All functions are called from the event loop's thread.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 *   mod_outlive.c the plugin: its options and its hooks
 *   job.c         one request: beginning, stops, end
 *   wire.c        a client's connection: notices that the client has gone, goes on without it
 *   streams.c     the same for streams of HTTP/2, which share a connection
 *   status.c      the page, JSON and metrics of outlive.status-url
 */
#ifndef LIGHTTPD_OUTLIVE_PRIVATE_H
#define LIGHTTPD_OUTLIVE_PRIVATE_H

#include "first.h"

#include "base.h"
#include "buffer.h"
#include "chunk.h"
#include "fdevent.h"
#include "log.h"
#include "plugin.h"
#include "request.h"

#include <outlive.h>

/** The options in force for a request. */
typedef struct ol_options {
    const char *disconnect;   /* finish, stop, auto; NULL: off */
    const buffer *status_url; /* NULL: none */
    int time_limit;           /* seconds; 0: none */
    int max_detached;         /* 0: no cap */
    int max_detached_time;    /* seconds; 0: no cap */
    int half_close_is_open;   /* a client that closes its sending side has not gone */
} ol_options;

/** A set of options and its settings, made once. */
typedef struct ol_policy {
    ol_options of;
    const outlive_settings *settings;
    struct ol_policy *next;
} ol_policy;

/** A request in the engine. */
typedef struct ol_job {
    request_st *r;
    outlive_request *request;
    const ol_policy *policy;
    struct ol_job *before, *after; /* in the plugin's list of all */
    int gone;                      /* the client has gone, or has closed its sending side */
    int stopped;                   /* this module has stopped it */
    int unheard;                   /* a stream of HTTP/2 that goes on without its client */
} ol_job;

typedef struct ol_plugin {
    PLUGIN_DATA;
    ol_options defaults, options;
    server *srv;
    outlive_engine *engine; /* this worker's; NULL: nothing asks for one */
    const char *scoreboard; /* its path; NULL: none */
    int wanted;             /* some line sets a policy, a limit or a page */
    ol_policy *policies;
    ol_job *jobs;
    ol_job *spare; /* those of requests that are over */
    fdnode *stops; /* the descriptor of the engine's queue */
} ol_plugin;

/* ---- job.c ---- */

/** Makes this worker's engine. Returns 0 and logs the reason if it cannot. */
int ol_engine_open(ol_plugin *p);
/** Ends the requests in flight as shut down, and frees the engine. */
void ol_engine_close(ol_plugin *p);
/** Begins a request with the options in p->options, if it has not yet. */
void ol_job_begin(ol_plugin *p, request_st *r);
/** Ends a request, after lighttpd has finished or aborted it. */
void ol_job_end(ol_plugin *p, ol_job *job);
ol_job *ol_job_of(const ol_plugin *p, const request_st *r);
/** The client has gone. Returns 1 if the request goes on, and 0 if the caller has to end it. */
int ol_job_client_gone(ol_job *job);

/* ---- wire.c ---- */

/** The job of a request that was submitted (lighttpd has received it completely), is being worked on and has a policy for disconnects; otherwise
 * NULL. */
ol_job *ol_wire_job(const ol_plugin *p, const request_st *r);
/** Intercepts the events, reads and writes of a connection until it closes. */
void ol_wire_open(ol_plugin *p, connection *con);
/** The connection closes. */
void ol_wire_close(ol_plugin *p, connection *con);
/** Ends a request as lighttpd does when the client resets the connection or the stream. */
void ol_wire_hang_up(request_st *r);

/* ---- streams.c ---- */

/** The connection of HTTP/2 broke. Ends its streams but those that have to be finished. Returns 1 if a stream goes on. */
int ol_streams_lose(const ol_plugin *p, connection *con);
/** Whether lighttpd would read from the connection: it can take more streams, and has not sent GOAWAY. */
int ol_streams_can_read(const connection *con);
/** Handles resets in the input, if there is any, and drops the output of streams without clients. Sets *again if it has scheduled the connection. */
void ol_streams_look(const ol_plugin *p, connection *con, chunkqueue *input, int *again);
/** Called each second: schedules connections whose streams have output to drop, for no event may come any more. */
void ol_streams_tick(const ol_plugin *p);

/* ---- status.c ---- */

handler_t ol_status_answer(ol_plugin *p, request_st *r);

#endif
