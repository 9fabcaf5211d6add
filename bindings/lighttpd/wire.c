/*
 * In front of a client's connection. lighttpd watches no client while it waits for a backend, and ends the backend's request where a write to
 * the client fails. Here its events and its writes come by first: what is to stop stops at once, and what is to be finished goes on, with
 * output that is thrown away.
 *
 * HTTP/1 only, with TLS or without. Streams of HTTP/2 share a connection, and lighttpd itself ends those that are reset.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "private.h"

#include "http_header.h"

#include <stdlib.h>

typedef struct wire {
    ol_plugin *p;
    connection *con;
    fdevent_handler handler; /* lighttpd's own; with its context */
    void *context;
    int (*write)(connection *, chunkqueue *, off_t);
    int detached; /* nobody is there any more */
} wire;

static wire *wire_of(const ol_plugin *p, const connection *con) { return con->plugin_ctx[p->id]; }

/** The request that was submitted on it, and is being worked on; NULL: none. What has not come completely was not submitted. */
static ol_job *job_on(const wire *w) {
    const request_st *r = &w->con->request;
    if (w->con->h2 != NULL || r->reqbody_length < 0 || r->reqbody_length != r->reqbody_queue.bytes_in) return NULL;
    if (r->state != CON_STATE_HANDLE_REQUEST && r->state != CON_STATE_WRITE) return NULL;
    ol_job *job = ol_job_of(w->p, r);
    return job == NULL || job->policy->of.disconnect == NULL || light_btst(r->resp_htags, HTTP_HEADER_UPGRADE) ? NULL : job;
}

/* ---- without a client -------------------------------------------------------------------------------------------------- */

static int swallow(connection *con, chunkqueue *output, off_t most) {
    (void)most;
    chunkqueue_mark_written(output, chunkqueue_length(output));
    con->write_request_ts = 0; /* no client is slow */
    con->is_writable = 1;
    return 0;
}

/** The connection is closed. */
static int read_nothing(connection *con, chunkqueue *input, off_t most) {
    (void)input, (void)most;
    con->is_readable = 0;
    return -2;
}

static void detach(wire *w) {
    connection *con = w->con;
    request_st *r = &con->request;
    w->detached = 1;
    fdevent_fdnode_event_del(con->srv->ev, con->fdn); /* it would be told of the hang-up again and again */
    con->network_write = swallow;
    con->network_read = read_nothing;
    con->revents_err = 0;
    con->is_readable = 0;
    con->is_writable = 1;
    con->traffic_limit_reached = 0;
    con->write_request_ts = 0;
    r->keep_alive = 0;
    r->conf.bytes_per_second = 0;
    r->conf.stream_request_body &= (unsigned short)~FDEVENT_STREAM_REQUEST_POLLIN;
    r->conf.stream_request_body |= FDEVENT_STREAM_REQUEST_POLLRDHUP;
    joblist_append(con);
}

void ol_wire_hang_up(connection *con) {
    if (con->h2 == NULL) con->revents_err |= FDEVENT_HUP;
    joblist_append(con);
}

/* ---- with one ---------------------------------------------------------------------------------------------------------- */

static int write_to_client(connection *con, chunkqueue *output, off_t most) {
    const wire *w = NULL;
    /* The plugin's number is not known here: the event handler's context is ours. */
    w = con->fdn->ctx;
    const int status = w->write(con, output, most);
    ol_job *job = status >= 0 ? NULL : job_on(w);
    if (job == NULL || !ol_job_client_gone(job)) return status;
    detach((wire *)w);
    return swallow(con, output, most);
}

/** Only its sending side may be closed: a script that has asked all that it wants to, or a browser that was closed. */
static int is_half_closed(const connection *con, int revents) {
    return !(revents & (FDEVENT_HUP | FDEVENT_ERR)) && fdevent_is_tcp_half_closed(con->fd);
}

static handler_t on_event(void *data, int revents) {
    wire *w = data;
    connection *con = w->con;
    if (w->detached && con->request.state != CON_STATE_CLOSE) return HANDLER_GO_ON;
    ol_job *job = revents & (FDEVENT_HUP | FDEVENT_ERR | FDEVENT_RDHUP) ? job_on(w) : NULL;
    if (job == NULL) return w->handler(w->context, revents);
    const int half = is_half_closed(con, revents);
    if (half && job->policy->of.half_close_is_open) return w->handler(w->context, revents);
    if (!ol_job_client_gone(job)) {
        ol_wire_hang_up(con);
        return HANDLER_FINISHED;
    }
    if (half) return w->handler(w->context, revents); /* it still gets its answer, and whoever has gone makes writing fail */
    detach(w);
    return HANDLER_FINISHED;
}

void ol_wire_open(ol_plugin *p, connection *con) {
    wire *w = wire_of(p, con);
    if (con->h2 != NULL || con->fdn == NULL) return;
    if (w == NULL) {
        w = con->plugin_ctx[p->id] = calloc(1, sizeof *w);
        if (w == NULL) return;
        *w = (wire){p, con, con->fdn->handler, con->fdn->ctx, con->network_write, 0};
        con->fdn->handler = on_event;
        con->fdn->ctx = w;
        con->network_write = write_to_client;
    }
    /* Without this, lighttpd looks at nobody who asks at once after connecting. */
    fdevent_fdnode_event_add(con->srv->ev, con->fdn, FDEVENT_RDHUP);
}

void ol_wire_close(ol_plugin *p, connection *con) {
    wire *w = wire_of(p, con);
    if (w == NULL) return;
    con->plugin_ctx[p->id] = NULL;
    con->fdn->handler = w->handler;
    con->fdn->ctx = w->context;
    con->network_write = w->write;
    free(w);
}
