/*
 * Finds out whether the client is still connected, and whether an upstream or a
 * handler is working on its request.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#include "ngx_http_outlive.h"


ngx_uint_t
ngx_http_outlive_is_gone(ngx_http_request_t *r)
{
    int                n;
    char               buf[1];
    ngx_connection_t  *c;

    c = r->connection;

    if (c->error) {
        return 1;
    }

    if (r->stream) {
        return 0;
    }

#if (NGX_HAVE_EPOLLRDHUP)

    if ((ngx_event_flags & NGX_USE_EPOLL_EVENT) && ngx_use_epoll_rdhup) {
        return c->read->pending_eof;
    }

#endif

#if (NGX_HAVE_KQUEUE)

    if (ngx_event_flags & NGX_USE_KQUEUE_EVENT) {
        return c->read->pending_eof;
    }

#endif

    n = recv(c->fd, buf, 1, MSG_PEEK);

    return n == 0 || (n == -1 && ngx_socket_errno != NGX_EAGAIN);
}


/* the client has reset the connection: nothing that is sent arrives */

ngx_uint_t
ngx_http_outlive_is_reset(ngx_http_request_t *r)
{
    int                err;
    socklen_t          len;
    ngx_connection_t  *c;

    c = r->connection;

    if (c->error || c->read->error || c->write->error) {
        return 1;
    }

    if (r->stream) {
        return 0;
    }

    err = 0;
    len = sizeof(int);

    return getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1
           || err != 0;
}


/*
 * Returns 1 if an upstream has received the whole request and has not finished
 * it: outlive_disconnect decides about such a request. A request that nginx
 * has not received completely was not submitted, and nginx ends it by itself.
 */

ngx_uint_t
ngx_http_outlive_is_at_work(ngx_http_outlive_ctx_t *ctx)
{
    ngx_http_request_t  *r, *active;

    r = ctx->request;

    if (ctx->outlive == NULL || r->reading_body || r->request_complete) {
        return 0;
    }

    if (r->request_body == NULL
        && (r->headers_in.content_length_n > 0 || r->headers_in.chunked))
    {
        return 0;
    }

    active = r->connection->data;

    return (r->upstream && r->upstream->cleanup)
           || (active->upstream && active->upstream->cleanup);
}
