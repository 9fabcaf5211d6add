/*
 * Files that nobody has to look after: httpd's own default handler sends a short one in one piece, or says that there is none, and waits for
 * nothing that could be ended.
 * Such a request is counted, and begins in the engine only when there is something to say of it: its output waits for other filters, it is longer,
 * its client has gone, it fails.
 *
 * That it will be the default handler's is known before all handlers were asked, where each of them goes by the handler's name, and the name
 * is the default one, or no more than the content type. One unknown handler is enough for every request to begin at once.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "private.h"

#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>

/** What goes to the client in one piece, and may wait for nobody but it: as much as a socket's buffer takes. */
#define SHORT 65536

/** Modules whose handlers look at the name first. */
static const char *const by_name[] = {
    "core.c",      "mod_outlive.c",        "mod_asis.c",     "mod_auth_form.c", "mod_autoindex.c",   "mod_cgi.c",  "mod_cgid.c",
    "mod_dav.c",   "mod_fcgid.c",          "mod_imagemap.c", "mod_info.c",      "mod_negotiation.c", "mod_perl.c", "mod_php.c",
    "mod_proxy.c", "mod_proxy_balancer.c", "mod_rewrite.c",  "mod_status.c",    "util_ldap.c",
};

/** Filters that do not wait, and, once httpd has started, those of them that it has. */
static const char *const quick_names[] = {"fixup_headers_out", "mod_expires", "deflate", "brotli_compress"};
static const ap_filter_rec_t *quick[sizeof quick_names / sizeof *quick_names];

static int is_one_of(const char *name, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0) return 1;
    return 0;
}
#define IS_ONE_OF(name, names) is_one_of(name, names, sizeof names / sizeof *names)

/** Every handler of this server goes by the name. */
static int all_by_name;

void ol_main_look_at_handlers(server_rec *server) {
    const apr_array_header_t *handlers = ap_hook_get_handler();
    all_by_name = 1;
    for (size_t i = 0; i < sizeof quick / sizeof *quick; i++) quick[i] = ap_get_output_filter_handle(quick_names[i]);
    for (int i = 0; handlers != NULL && i < handlers->nelts; i++) {
        const char *name = APR_ARRAY_IDX(handlers, i, ap_LINK_handler_t).szName;
        if (name != NULL && IS_ONE_OF(name, by_name)) continue;
        all_by_name = 0;
        ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, server, "outlive: short files begin in the engine, too: %s has a handler that may take any of them",
                     name == NULL ? "a module" : name);
    }
}

/** No more than the content type, which some modules take for a handler all the same. */
static int is_type(const request_rec *r) {
    const char *handler = r->handler, *type = r->content_type;
    if (type == NULL) return 0;
    if (handler != type) {
        const size_t len = strlen(handler);
        if (strncmp(handler, type, len) != 0 || type[len] != ';') return 0;
    }
    const char *slash = strchr(handler, '/'); /* application/x-httpd-cgi, httpd/send-as-is */
    return slash != NULL && handler[0] != 'h' && !(slash[1] == 'x' && slash[2] == '-');
}

int ol_req_is_plain_file(const request_rec *r) {
    if (!all_by_name || r->method_number != M_GET || (r->finfo.filetype != APR_REG && r->finfo.filetype != APR_NOFILE) ||
        r->proxyreq != PROXYREQ_NONE || r->prev != NULL)
        return 0;
    if (r->connection->master != NULL) return 0;                                        /* output of a stream of HTTP/2 waits for others' */
    if (r->finfo.filetype == APR_REG && (r->finfo.protection & APR_UEXECUTE)) return 0; /* XBitHack, of PHP too */
    if (r->handler == NULL || !(is_type(r) || AP_IS_DEFAULT_HANDLER_NAME(r->handler))) return 0;
    /* What is to be read first may not come. */
    return apr_table_get(r->headers_in, "Content-Length") == NULL && apr_table_get(r->headers_in, "Transfer-Encoding") == NULL;
}

int ol_req_handle_file(request_rec *r) {
    ap_set_module_config(r->request_config, &outlive_module, &ol_no_job);
    ol_any_count_live(1);
    ap_add_output_filter_handle(ol_output_filter, NULL, r, r->connection);
    int status = ap_run_handler(r);
    ol_job *job = ol_req_job(r);
    if (job == NULL && ol_req_status(r, status) >= 500) job = ol_req_begin(r); /* to be told */
    if (job == NULL) ap_set_module_config(r->request_config, &outlive_module, NULL);
    if (job != NULL) status = ol_req_finish(job, status);
    else outlive_engine_count(the_process.engine, OUTLIVE_ENDING_COMPLETED, (apr_time_now() - r->request_time) / 1000);
    ol_any_count_live(-1);
    return status;
}

static int is_quick(const ap_filter_t *filter) {
    for (size_t i = 0; filter != NULL && i < sizeof quick / sizeof *quick; i++)
        if (filter->frec == quick[i]) return 1;
    return 0;
}

/** No filter before those of the protocol may wait for anything. */
static int goes_straight(const ap_filter_t *filter) {
    const ap_filter_t *last = filter->r->proto_output_filters;
    for (filter = filter->next; filter != last; filter = filter->next)
        if (!is_quick(filter)) return 0;
    return 1;
}

/** It is all there. */
static int is_whole(const apr_bucket_brigade *brigade) {
    apr_size_t length = 0;
    for (const apr_bucket *bucket = APR_BRIGADE_FIRST(brigade); bucket != APR_BRIGADE_SENTINEL(brigade); bucket = APR_BUCKET_NEXT(bucket)) {
        if (APR_BUCKET_IS_EOS(bucket)) return 1;
        if (APR_BUCKET_IS_METADATA(bucket) || bucket->length > SHORT) return 0;
        length += bucket->length;
        if (length > SHORT) return 0;
    }
    return 0;
}

int ol_req_goes_at_once(const ap_filter_t *filter, const apr_bucket_brigade *brigade) {
    return !filter->c->aborted && is_whole(brigade) && goes_straight(filter);
}
