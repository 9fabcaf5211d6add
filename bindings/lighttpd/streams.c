/*
 * Streams of HTTP/2. They share a connection, and lighttpd ends one whose client resets it, and all of them where the connection breaks. What is to
 * be finished must not come to that: a frame that resets such a stream is made one that lighttpd ignores before it reads it, and a connection that
 * broke stays, without its client, until the last of them is over.
 *
 * Such a stream is closed for lighttpd, and has no window to send in. What its backend sends is thrown away where the connection is read, which is
 * done before its streams are looked at.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "private.h"

#include "h2.h"

enum { HEAD = 9, TYPE = 3, STREAM = 5, RST_STREAM = 3, IGNORED = 0xfe };

/** Copies so many bytes at `at` of what was read; 0: they have not come. */
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

/** The stream's client has gone. 1: the work goes on without it. */
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

/** Bytes that were thrown away; -1: every stream has its client. */
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
    if (any && con->h2->sent_goaway == 0) con->h2->sent_goaway = -1; /* it takes no more, and ends with its last stream */
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
    con->is_readable = 1; /* to be asked again, the next time */
    *again = dropped > 0 || !*again;
    if (*again) joblist_append(con); /* what the streams are given now is thrown away then, and their backends can send more */
}

void ol_streams_tick(const ol_plugin *p) {
    for (const ol_job *job = p->jobs; job != NULL; job = job->after) {
        if (!job->unheard || chunkqueue_is_empty(&job->r->write_queue)) continue;
        job->r->con->is_readable = 1; /* lighttpd takes that back where it finds a stream that ended with its connection */
        joblist_append(job->r->con);
    }
}
