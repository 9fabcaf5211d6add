/*
 * Output filters: they see the response's header and its last buffer.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#include "ngx_http_outlive.h"


static ngx_int_t ngx_http_outlive_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_outlive_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


ngx_int_t
ngx_http_outlive_filter_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_outlive_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_outlive_body_filter;

    return NGX_OK;
}


static ngx_int_t
ngx_http_outlive_header_filter(ngx_http_request_t *r)
{
    ngx_int_t                rc;
    ngx_http_outlive_ctx_t  *ctx;

    ctx = ngx_http_outlive_get_ctx(r);

    if (ctx == NULL || ctx->outlive == NULL) {
        return ngx_http_next_header_filter(r);
    }

    if (ctx->lost && r->stream && r == r->main) {

        /* nginx must not send on a stream that is closed */

        r->header_sent = 1;

        if (r->method == NGX_HTTP_HEAD) {
            r->header_only = 1;
        }

        return NGX_OK;
    }

    rc = ngx_http_next_header_filter(r);

    if (rc == NGX_ERROR) {

        /* HTTP/2 does not send headers through send_chain */

        if (r != r->main || !r->connection->error) {
            return rc;
        }

        return ngx_http_outlive_cannot_send(ctx) == NGX_OK ? NGX_OK : rc;
    }

    if (r == r->main && r->upstream && r->upstream->upgrade) {

        /* an upgraded connection is no request any more: limits end here */

        ctx->tunnel = 1;
        outlive_request_set_time_limit(ctx->outlive, 0);
    }

    ngx_http_outlive_attach(ctx);

    return rc;
}


static ngx_int_t
ngx_http_outlive_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_chain_t             *cl;
    ngx_http_outlive_ctx_t  *ctx;

    for (cl = in; cl; cl = cl->next) {

        if (cl->buf->last_buf && r == r->main) {
            ctx = ngx_http_outlive_get_ctx(r);

            if (ctx) {
                ctx->complete = 1;
            }

            break;
        }
    }

    return ngx_http_next_body_filter(r, in);
}
