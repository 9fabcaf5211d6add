/*
 * Waiting for an HTTP server. mod_proxy_http reads its response through an input filter of ours, which waits for a stop as well.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "private.h"

#include <apr_network_io.h>
#include <apr_portable.h>
#include <http_core.h>
#include <mod_proxy.h>

static ap_filter_rec_t *waiting_filter;

static int nothing_yet(apr_status_t status, const apr_bucket_brigade *brigade) {
    return APR_STATUS_IS_EAGAIN(status) || (status == APR_SUCCESS && APR_BRIGADE_EMPTY(brigade));
}

static apr_status_t wait_for_server(ap_filter_t *filter, apr_bucket_brigade *brigade, ap_input_mode_t mode, apr_read_type_e block, apr_off_t bytes) {
    ol_job *job = filter->ctx;
    apr_socket_t *socket = ap_get_conn_socket(filter->c);
    apr_os_sock_t descriptor = -1;
    if (job->request == NULL || block != APR_BLOCK_READ || socket == NULL || (mode != AP_MODE_READBYTES && mode != AP_MODE_GETLINE) ||
        apr_os_sock_get(&descriptor, socket) != APR_SUCCESS)
        return ap_get_brigade(filter->next, brigade, mode, block, bytes);
    apr_interval_time_t limit = -1, waited = 0;
    apr_socket_timeout_get(socket, &limit);
    for (;;) {
        if (ol_req_check(job) == OUTLIVE_STOP) return ol_req_stop(job);
        apr_status_t status = ap_get_brigade(filter->next, brigade, mode, APR_NONBLOCK_READ, bytes);
        if (!nothing_yet(status, brigade)) return status;
        const apr_time_t from = apr_time_now();
        const int seen = ol_req_wait(job, descriptor, limit < 0 ? -1 : limit - waited);
        if (seen < 0) return APR_TIMEUP;
        waited = seen > 0 ? 0 : waited + (apr_time_now() - from);
        if (limit >= 0 && waited >= limit) return APR_TIMEUP;
        if ((job->flags & FLAG_WATCHES) && ol_any_is_aborted(job) && (status = ol_req_lost(job)) != APR_SUCCESS) return status;
    }
}

/** mod_proxy begins to read a response. */
static int create_req(request_rec *r, request_rec *response) {
    ol_job *job = ol_req_job(r);
    if (job == NULL || job->request == NULL || !job->inside) return OK;
    ap_add_input_filter_handle(waiting_filter, job, response, response->connection);
    /* Leave the chains as if our filter were not there yet: mod_proxy's next filter has to be found in both chains,
     * above ours. */
    response->input_filters = response->connection->input_filters;
    return OK;
}

void ol_main_register_backend(void) {
    waiting_filter = ap_register_input_filter("OUTLIVE_WAIT", wait_for_server, NULL, AP_FTYPE_CONNECTION - 1);
    APR_OPTIONAL_HOOK(proxy, create_req, create_req, NULL, NULL, APR_HOOK_MIDDLE); /* mod_proxy may be loaded or not */
}
