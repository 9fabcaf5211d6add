/*
 * What the files of lighttpd's mod_outlive share. Everything here is called from the event loop.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 *   mod_outlive.c the plugin: its options, and when lighttpd calls it
 *   job.c         one request: beginning, stops, ending
 *   wire.c        what stands in front of a client's connection: noticing that it goes, working on without it
 *   streams.c     the same for streams of HTTP/2, which share one
 *   status.c      what outlive.status-url shows
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
    const char *disconnect;   /* finish, stop, auto; NULL: off, as lighttpd is by itself */
    const buffer *status_url; /* NULL: none */
    int time_limit;           /* seconds; 0: none */
    int max_detached;         /* 0: no cap */
    int max_detached_time;    /* seconds; 0: no cap */
    int half_close_is_open;   /* the end of a client's sending means nothing */
} ol_options;

/** The settings that some options make; made once. */
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
    int gone;                      /* the client has gone, as far as anybody knows */
    int stopped;                   /* it was ended here */
    int unheard;                   /* a stream of HTTP/2 that works on without its client */
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

/** Makes this worker's engine. 0: it cannot, which is logged. */
int ol_engine_open(ol_plugin *p);
/** What still runs was ended by the server. */
void ol_engine_close(ol_plugin *p);
/** Begins a request with the options in p->options, if it has not yet. */
void ol_job_begin(ol_plugin *p, request_st *r);
/** The request is over, one way or another. */
void ol_job_end(ol_plugin *p, ol_job *job);
ol_job *ol_job_of(const ol_plugin *p, const request_st *r);
/** The client has gone. 1: the work goes on. 0: it is to end, which the caller sees to. */
int ol_job_client_gone(ol_job *job);

/* ---- wire.c ---- */

/** The request, if it was submitted, is being worked on, and somebody decided what becomes of it; NULL: not so. What has not come completely was not
 * submitted. */
ol_job *ol_wire_job(const ol_plugin *p, const request_st *r);
/** Stands in front of a connection, for as long as it lasts. */
void ol_wire_open(ol_plugin *p, connection *con);
/** The connection closes. */
void ol_wire_close(ol_plugin *p, connection *con);
/** Ends a request as lighttpd itself does where its client resets the connection, or the stream. */
void ol_wire_hang_up(request_st *r);

/* ---- streams.c ---- */

/** The connection of HTTP/2 broke: streams that are to be finished go on, the others end. 1: some go on. */
int ol_streams_lose(const ol_plugin *p, connection *con);
/** Whether lighttpd reads from the connection, if there is something: it has places for more streams, and has not given the connection up. */
int ol_streams_can_read(const connection *con);
/** Looks for resets in what was read, if anything, and throws away what nobody is there for. *again: the connection's turn comes once more. */
void ol_streams_look(const ol_plugin *p, connection *con, chunkqueue *input, int *again);
/** Each second: the last output of a stream that nobody hears may have come when nothing more happens on its connection. */
void ol_streams_tick(const ol_plugin *p);

/* ---- status.c ---- */

handler_t ol_status_answer(ol_plugin *p, request_st *r);

#endif
