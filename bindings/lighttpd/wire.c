/*
 * A client's connection, with TLS or without. lighttpd does not watch the client while it waits for a backend, and ends the request when a write to
 * the client fails. This module handles the connection's events, reads and writes before lighttpd does: it stops a request at once, or lets it go on
 * and drops its output. For streams of HTTP/2, which share a connection, see streams.c.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "private.h"

#include "http_header.h"

#include <stdlib.h>

typedef struct wire {
    ol_plugin *p;
    connection *con;
    fdevent_handler handler; /* lighttpd's own handler, and its context */
    void *context;
    int (*write)(connection *, chunkqueue *, off_t);
    int (*read)(connection *, chunkqueue *, off_t); /* HTTP/2 */
    int again;                                      /* streams.c has scheduled this turn */
    int detached;                                   /* the client has gone, and a request goes on */
} wire;

static wire *wire_of(const ol_plugin *p, const connection *con) { return con->plugin_ctx[p->id]; }

ol_job *ol_wire_job(const ol_plugin *p, const request_st *r) {
    if (r->reqbody_length < 0 || r->reqbody_length != r->reqbody_queue.bytes_in) return NULL;
    if (r->state != CON_STATE_HANDLE_REQUEST && r->state != CON_STATE_WRITE) return NULL;
    ol_job *job = ol_job_of(p, r);
    return job == NULL || job->policy->of.disconnect == NULL || light_btst(r->resp_htags, HTTP_HEADER_UPGRADE) ? NULL : job;
}

/** The job of the connection's request of HTTP/1; NULL: none, as in ol_wire_job. */
static ol_job *job_on(const wire *w) { return w->con->h2 != NULL ? NULL : ol_wire_job(w->p, &w->con->request); }

/* ---- without a client -------------------------------------------------------------------------------------------------- */

static int swallow(connection *con, chunkqueue *output, off_t most) {
    (void)most;
    chunkqueue_mark_written(output, chunkqueue_length(output));
    con->write_request_ts = 0; /* so that no write timeout passes */
    con->is_writable = 1;
    return 0;
}

/** Reports the end of the connection; for HTTP/2 nothing, so that its streams go on. */
static int read_nothing(connection *con, chunkqueue *input, off_t most) {
    wire *w = con->fdn->ctx;
    (void)input, (void)most;
    con->is_readable = 0;
    if (con->h2 == NULL) return -2;
    ol_streams_look(w->p, con, NULL, &w->again);
    return 0;
}

static void detach(wire *w) {
    connection *con = w->con;
    request_st *r = &con->request;
    w->detached = 1;
    fdevent_fdnode_event_del(con->srv->ev, con->fdn); /* epoll would report the hang-up again and again */
    con->network_write = swallow;
    con->network_read = read_nothing;
    con->revents_err = 0;
    con->is_readable = con->h2 != NULL; /* so that read_nothing is called */
    con->is_writable = 1;
    con->traffic_limit_reached = 0;
    con->write_request_ts = 0;
    r->keep_alive = 0;
    r->conf.bytes_per_second = 0;
    r->conf.stream_request_body &= (unsigned short)~FDEVENT_STREAM_REQUEST_POLLIN;
    r->conf.stream_request_body |= FDEVENT_STREAM_REQUEST_POLLRDHUP;
    joblist_append(con);
}

void ol_wire_hang_up(request_st *r) {
    if (r != &r->con->request) r->state = CON_STATE_ERROR; /* a stream */
    else r->con->revents_err |= FDEVENT_HUP;
    joblist_append(r->con);
}

/* ---- with one ---------------------------------------------------------------------------------------------------------- */

static int write_to_client(connection *con, chunkqueue *output, off_t most) {
    const wire *w = NULL;
    /* The plugin is not an argument here; the event handler's context is the wire. */
    w = con->fdn->ctx;
    const int status = w->write(con, output, most);
    if (status >= 0) return status;
    if (con->h2 != NULL && ol_streams_can_read(con)) {
        /* lighttpd first reads what the client sent before the connection broke; read_frames handles the end. */
        con->network_write = swallow;
        con->is_readable = 1;
        joblist_append(con);
        return swallow(con, output, most);
    }
    ol_job *job = job_on(w);
    if (con->h2 != NULL ? !ol_streams_lose(w->p, con) : job == NULL || !ol_job_client_gone(job)) return status;
    detach((wire *)w);
    return swallow(con, output, most);
}

/** HTTP/2: reads, and handles resets and the connection's end before lighttpd does. */
static int read_frames(connection *con, chunkqueue *input, off_t most) {
    wire *w = con->fdn->ctx;
    const int status = w->read(con, input, most);
    if (con->h2 == NULL) return status;
    if (status != 0 && ol_streams_lose(w->p, con)) {
        con->request.state = CON_STATE_WRITE; /* as it is while there are streams; reading may have made it CON_STATE_ERROR */
        detach(w);
        return con->network_read(con, input, most);
    }
    if (status == 0) ol_streams_look(w->p, con, input, &w->again);
    return status;
}

/** Whether the client has closed its sending side and may still receive: a browser that was closed looks the same. */
static int is_half_closed(const connection *con, int revents) {
    return !(revents & (FDEVENT_HUP | FDEVENT_ERR)) && fdevent_is_tcp_half_closed(con->fd);
}

/**
 * Does what lighttpd does when the client has closed its sending side. lighttpd would check the socket a second time after it has written to it, and
 * end the request if the client's reset has arrived by then.
 */
static handler_t sending_has_ended(wire *w, int revents) {
    connection *con = w->con;
    request_st *r = &con->request;
    r->conf.stream_request_body &= (unsigned short)~(FDEVENT_STREAM_REQUEST_BUFMIN | FDEVENT_STREAM_REQUEST_POLLIN);
    r->conf.stream_request_body |= FDEVENT_STREAM_REQUEST_POLLRDHUP | FDEVENT_STREAM_REQUEST_TCP_FIN;
    con->is_readable = 1; /* lighttpd can read the end */
    if (chunkqueue_is_empty(con->read_queue)) r->keep_alive = 0;
    fdevent_fdnode_event_clr(con->srv->ev, con->fdn, FDEVENT_IN | FDEVENT_RDHUP);
    return w->handler(w->context, revents & ~FDEVENT_RDHUP);
}

static handler_t on_event(void *data, int revents) {
    wire *w = data;
    connection *con = w->con;
    if (w->detached && con->request.state != CON_STATE_CLOSE) {
        if (con->h2 != NULL) fdevent_fdnode_event_del(con->srv->ev, con->fdn); /* lighttpd would read from it */
        return HANDLER_GO_ON;
    }
    /* HTTP/2: the client may have submitted requests before the connection ended. lighttpd reads them first; read_frames handles the end. */
    if (con->h2 != NULL && (revents & (FDEVENT_HUP | FDEVENT_ERR | FDEVENT_RDHUP)) && ol_streams_can_read(con))
        return w->handler(w->context, FDEVENT_IN | (revents & FDEVENT_OUT));
    if (con->h2 != NULL && (revents & (FDEVENT_HUP | FDEVENT_ERR)) && ol_streams_lose(w->p, con)) {
        detach(w);
        return HANDLER_FINISHED;
    }
    ol_job *job = revents & (FDEVENT_HUP | FDEVENT_ERR | FDEVENT_RDHUP) ? job_on(w) : NULL;
    if (job == NULL) return w->handler(w->context, revents);
    const int half = is_half_closed(con, revents);
    if (half && job->policy->of.half_close_is_open) return sending_has_ended(w, revents);
    if (!ol_job_client_gone(job)) {
        ol_wire_hang_up(&con->request);
        return HANDLER_FINISHED;
    }
    if (half) return sending_has_ended(w, revents); /* it still gets its response; if it has gone, a write fails later */
    detach(w);
    return HANDLER_FINISHED;
}

void ol_wire_open(ol_plugin *p, connection *con) {
    wire *w = wire_of(p, con);
    if (con->fdn == NULL) return;
    con->revents_err = 0; /* events that arrived together with this request: epoll reports them again, to on_event */
    if (w == NULL) {
        w = con->plugin_ctx[p->id] = calloc(1, sizeof *w);
        if (w == NULL) return;
        *w = (wire){p, con, con->fdn->handler, con->fdn->ctx, con->network_write, NULL, 0, 0};
        con->fdn->handler = on_event;
        con->fdn->ctx = w;
        con->network_write = write_to_client;
    }
    if (con->h2 != NULL) {
        if (con->network_read == read_frames) return;
        w->read = con->network_read; /* another function than for HTTP/1 */
        con->network_read = read_frames;
        return;
    }
    /* lighttpd does not wait for events of a client that sends its request immediately after it has connected. */
    fdevent_fdnode_event_add(con->srv->ev, con->fdn, FDEVENT_RDHUP);
}

void ol_wire_close(ol_plugin *p, connection *con) {
    wire *w = wire_of(p, con);
    if (w == NULL) return;
    con->plugin_ctx[p->id] = NULL;
    con->fdn->handler = w->handler;
    con->fdn->ctx = w->context;
    con->network_write = w->write;
    if (w->read != NULL) con->network_read = w->read;
    free(w);
}
