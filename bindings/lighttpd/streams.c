/*
 * Streams of HTTP/2 share a connection. lighttpd ends a stream that its client resets, and all streams of a connection that breaks. A stream that
 * has to be finished is protected from both: this module changes the type of its RST_STREAM frame to one that lighttpd ignores, and keeps a broken
 * connection open until its last stream has ended.
 *
 * lighttpd sees such a stream as closed, with no window to send in. Its output is dropped when the connection is read, which lighttpd does before it
 * handles the streams.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "private.h"

#include "h2.h"

enum { HEAD = 9, TYPE = 3, STREAM = 5, RST_STREAM = 3, IGNORED = 0xfe };

/** Copies `count` bytes of the input from offset `at`. Returns 0 if there are not so many. */
static int peek(const chunkqueue *input, off_t at, unsigned char *to, off_t count) {
    for (const chunk *c = input->first; c != NULL && count > 0; c = c->next) {
        const off_t length = (off_t)buffer_clen(c->mem) - c->offset;
        for (; at < length && count > 0; at++, count--) *to++ = (unsigned char)c->mem->ptr[c->offset + at];
        at -= length;
    }
    return count == 0;
}

static void poke(chunkqueue *input, off_t at, unsigned char byte) {
    for (chunk *c = input->first; c != NULL; c = c->next) {
        const off_t length = (off_t)buffer_clen(c->mem) - c->offset;
        if (at < length) {
            c->mem->ptr[c->offset + at] = (char)byte;
            return;
        }
        at -= length;
    }
}

static unsigned number(const unsigned char *bytes, int count) {
    unsigned found = 0;
    for (int i = 0; i < count; i++) found = found << 8 | bytes[i];
    return found;
}

/** The stream's client has gone. Returns 1 if the request goes on without it. */
static int let_go(const ol_plugin *p, request_st *r) {
    ol_job *job = ol_wire_job(p, r);
    if (job == NULL || !ol_job_client_gone(job)) return 0;
    job->unheard = 1;
    r->h2state = H2_STATE_CLOSED;
    r->h2_swin = INT32_MIN / 2;
    r->conf.bytes_per_second = 0;
    return 1;
}

static void take_resets(const ol_plugin *p, connection *con, chunkqueue *input) {
    unsigned char head[HEAD];
    for (off_t at = 0; peek(input, at, head, HEAD); at += HEAD + number(head, TYPE)) {
        if (head[TYPE] != RST_STREAM) continue;
        for (uint32_t i = 0; i < con->h2->rused; i++)
            if (con->h2->r[i]->h2id == (number(head + STREAM, 4) & 0x7fffffff) && let_go(p, con->h2->r[i])) poke(input, at + TYPE, IGNORED);
    }
}

/** Drops the output of streams without clients. Returns the number of bytes, or -1 if there is no such stream. */
static off_t drop_output(const ol_plugin *p, connection *con) {
    off_t dropped = -1;
    for (uint32_t i = 0; i < con->h2->rused; i++) {
        request_st *r = con->h2->r[i];
        const ol_job *job = ol_job_of(p, r);
        if (job == NULL || !job->unheard) continue;
        const off_t length = chunkqueue_length(&r->write_queue);
        chunkqueue_mark_written(&r->write_queue, length);
        dropped = length + (dropped < 0 ? 0 : dropped);
    }
    return dropped;
}

int ol_streams_lose(const ol_plugin *p, connection *con) {
    int any = 0;
    for (uint32_t i = 0; i < con->h2->rused; i++) {
        request_st *r = con->h2->r[i];
        const ol_job *job = ol_job_of(p, r);
        if ((job != NULL && job->unheard) || let_go(p, r)) any = 1;
        else r->state = CON_STATE_ERROR;
    }
    if (any && con->h2->sent_goaway == 0) con->h2->sent_goaway = -1; /* it takes no new streams, and closes after the last one */
    return any;
}

int ol_streams_can_read(const connection *con) {
    const h2con *h2 = con->h2;
    return h2->sent_goaway <= 0 && h2->rused < sizeof h2->r / sizeof *h2->r;
}

void ol_streams_look(const ol_plugin *p, connection *con, chunkqueue *input, int *again) {
    if (input != NULL) take_resets(p, con, input);
    const off_t dropped = drop_output(p, con);
    if (dropped < 0) return;
    con->is_readable = 1; /* so that lighttpd reads it again */
    *again = dropped > 0 || !*again;
    if (*again) joblist_append(con); /* drops the output that the streams get in this turn, so that their backends can send more */
}

void ol_streams_tick(const ol_plugin *p) {
    for (const ol_job *job = p->jobs; job != NULL; job = job->after) {
        if (!job->unheard || chunkqueue_is_empty(&job->r->write_queue)) continue;
        job->r->con->is_readable = 1; /* lighttpd has set it to 0 if a stream ended with its connection */
        joblist_append(job->r->con);
    }
}
