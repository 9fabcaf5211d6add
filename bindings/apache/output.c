/*
 * The first of all output filters. It gets a handler's output: it passes it on as long as there is a client, and discards it
 * afterwards, and tells the handler either that all is well or that it has to end.
 *
 * Output of unknown length, such as a CGI script's, is read here. Only data that has been read is passed on, so that no script
 * output is lost with a brigade that could not be written, and the wait for more can be ended.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "private.h"

#include <apr_buckets.h>
#include <apr_file_io.h>
#include <apr_network_io.h>
#include <apr_portable.h>
#include <http_protocol.h>

/** Bytes that are passed on at once. */
#define AT_ONCE 65536

ap_filter_rec_t *ol_output_filter;

static int means_gone(const conn_rec *connection, apr_status_t status) {
    return connection->aborted || APR_STATUS_IS_ECONNABORTED(status) || APR_STATUS_IS_ECONNRESET(status) || APR_STATUS_IS_EPIPE(status);
}

/** Passes the brigade on if there is a client; the brigade is empty afterwards. */
static apr_status_t pass(ap_filter_t *filter, apr_bucket_brigade *brigade) {
    ol_job *job = filter->ctx;
    conn_rec *connection = job->connection;
    if (ol_req_check(job) == OUTLIVE_STOP) {
        apr_brigade_cleanup(brigade);
        return ol_req_stop(job);
    }
    /* If only the watcher has seen the client go, it may have closed only its sending side: it still gets its answer, as without this
     * module; if it really has gone, writing fails. */
    if (ol_any_is_aborted(job)) {
        apr_brigade_cleanup(brigade);
        return ol_req_lost(job);
    }
    job->sent = 1;
    apr_status_t status = ap_pass_brigade(filter->next, brigade);
    apr_brigade_cleanup(brigade);
    if (job->request == NULL) return status; /* ended below, by an internal redirect */
    if (means_gone(connection, status)) return ol_req_lost(job);
    return status;
}

/** The descriptor of output that comes through one; -1 otherwise. */
static int descriptor_of(const apr_bucket *bucket) {
    int descriptor = -1;
    if (APR_BUCKET_IS_PIPE(bucket)) apr_os_file_get(&descriptor, bucket->data);
    else if (APR_BUCKET_IS_SOCKET(bucket)) apr_os_sock_get(&descriptor, bucket->data);
    return descriptor;
}

/**
 * Waits for more of a bucket. Where there is no descriptor to wait for, it looks again and again, never later than twice the time that
 * passed anyway, nor than 20 milliseconds.
 */
static apr_status_t await(ol_job *job, apr_bucket *bucket) {
    const int descriptor = descriptor_of(bucket);
    const apr_interval_time_t limit = job->r->server->timeout;
    apr_interval_time_t waited = 0, pause = 200;
    for (;;) {
        const apr_interval_time_t time = descriptor >= 0 ? limit - waited : pause;
        const int seen = ol_req_wait(job, descriptor, time);
        if (ol_req_check(job) == OUTLIVE_STOP) return ol_req_stop(job);
        if ((job->flags & FLAG_WATCHES) && ol_any_is_aborted(job)) {
            apr_status_t status = ol_req_lost(job);
            if (status != APR_SUCCESS) return status;
        }
        const char *data;
        apr_size_t length;
        apr_status_t status = apr_bucket_read(bucket, &data, &length, APR_NONBLOCK_READ);
        if (!APR_STATUS_IS_EAGAIN(status)) return status;
        if (seen <= 0) waited += descriptor >= 0 && seen < 0 ? time : pause;
        if (waited >= limit) return apr_bucket_read(bucket, &data, &length, APR_BLOCK_READ); /* its own limit, and its own error */
        pause = pause < 10000 ? pause * 2 : 20000;
    }
}

/** Reads a bucket of unknown length, so that it has one. What was gathered before is passed on when that takes a while. */
static apr_status_t read_some(ap_filter_t *filter, apr_bucket *bucket, apr_bucket_brigade *gathered) {
    ol_job *job = filter->ctx;
    const char *data;
    apr_size_t length;
    apr_status_t status = apr_bucket_read(bucket, &data, &length, APR_NONBLOCK_READ);
    if (!APR_STATUS_IS_EAGAIN(status)) return status;
    if (!job->discarding) {
        APR_BRIGADE_INSERT_TAIL(gathered, apr_bucket_flush_create(gathered->bucket_alloc));
        status = pass(filter, gathered);
        if (status != APR_SUCCESS) return status;
        if (job->request == NULL) return APR_SUCCESS; /* ended below: nobody waits here any more */
    }
    return await(job, bucket);
}

/** Whether some of it has no length yet. An error in it is noted: that is how mod_proxy says that a server broke off. */
static int has_unknown_length(ol_job *job, const apr_bucket_brigade *brigade) {
    for (apr_bucket *bucket = APR_BRIGADE_FIRST(brigade); bucket != APR_BRIGADE_SENTINEL(brigade); bucket = APR_BUCKET_NEXT(bucket)) {
        if (bucket->length == (apr_size_t)-1) return 1;
        if (AP_BUCKET_IS_ERROR(bucket)) job->failed = ((const ap_bucket_error *)bucket->data)->status;
    }
    return 0;
}

/** The request has ended below, by an internal redirect: what is left is not for us. */
static apr_status_t pass_rest(ap_filter_t *filter, apr_bucket_brigade *brigade) {
    const apr_status_t status = APR_BRIGADE_EMPTY(brigade) ? APR_SUCCESS : ap_pass_brigade(filter->next, brigade);
    apr_brigade_cleanup(brigade);
    return status;
}

/** Piece by piece. While output is discarded it is read all the same: a script waits until somebody reads. */
static apr_status_t gather(ap_filter_t *filter, apr_bucket_brigade *brigade) {
    ol_job *job = filter->ctx;
    if (job->passing == NULL) job->passing = apr_brigade_create(job->r->pool, brigade->bucket_alloc);
    apr_bucket_brigade *gathered = job->passing;
    apr_size_t length = 0;
    apr_status_t status = APR_SUCCESS;
    while (status == APR_SUCCESS && !APR_BRIGADE_EMPTY(brigade)) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(brigade);
        if (bucket->length == (apr_size_t)-1) status = read_some(filter, bucket, gathered);
        if (status != APR_SUCCESS) break;
        if (job->request == NULL) return pass_rest(filter, brigade);
        APR_BUCKET_REMOVE(bucket);
        length += bucket->length;
        if (job->discarding) apr_bucket_destroy(bucket);
        else APR_BRIGADE_INSERT_TAIL(gathered, bucket);
        if (length < AT_ONCE && !APR_BRIGADE_EMPTY(brigade)) continue;
        length = 0;
        if (job->discarding && ol_req_check(job) == OUTLIVE_STOP) status = ol_req_stop(job);
        else if (!APR_BRIGADE_EMPTY(gathered)) status = pass(filter, gathered);
        if (status == APR_SUCCESS && job->request == NULL) return pass_rest(filter, brigade);
    }
    apr_brigade_cleanup(gathered);
    apr_brigade_cleanup(brigade);
    return status;
}

/** The whole of a short file, whose request has not begun: it does where there is something to say. 0: it has now, and goes the usual way. */
static int pass_file(ap_filter_t *filter, apr_bucket_brigade *brigade, apr_status_t *status) {
    conn_rec *connection = filter->c;
    const int at_once = ol_req_job(filter->r) == NULL && ol_req_goes_at_once(filter, brigade);
    *status = at_once ? ap_pass_brigade(filter->next, brigade) : APR_SUCCESS;
    if (at_once && !means_gone(connection, *status)) return 1;
    ol_job *job = ol_req_begin(filter->r);
    if (job == NULL) {
        ap_filter_t *next = filter->next;
        ap_remove_output_filter(filter);
        if (!at_once) *status = ap_pass_brigade(next, brigade);
        return 1;
    }
    filter->ctx = job;
    if (!at_once) return 0;
    apr_brigade_cleanup(brigade);
    job->sent = 1;
    *status = ol_req_lost(job);
    return 1;
}

apr_status_t ol_req_output(ap_filter_t *filter, apr_bucket_brigade *brigade) {
    apr_status_t status;
    if (filter->ctx == NULL && pass_file(filter, brigade, &status)) return status;
    ol_job *job = filter->ctx;
    if (job->request == NULL && !job->stopped) {
        ap_filter_t *next = filter->next;
        ap_remove_output_filter(filter);
        return ap_pass_brigade(next, brigade);
    }
    if (job->stopped) {
        if (job->request == NULL) return ap_pass_brigade(filter->next, brigade); /* the end of what was cut short */
        apr_brigade_cleanup(brigade);
        return APR_ECONNABORTED;
    }
    if (job->binding != NULL && !APR_BRIGADE_EMPTY(brigade) && APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(brigade))) ol_req_unbind(job);
    const int unknown = has_unknown_length(job, brigade);
    return job->discarding || unknown ? gather(filter, brigade) : pass(filter, brigade);
}
