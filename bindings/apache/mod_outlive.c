/*
 * mod_outlive: PHP's connection handling for any content handler of httpd.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "private.h"

#include <apr_strings.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_status.h>

/* ---- optional functions ------------------------------------------------------------------------------------------------ */

static outlive_request *outlive_mod_request(request_rec *r) {
    ol_job *job = ol_req_begin(r);
    return job == NULL ? NULL : job->request;
}

static int outlive_mod_check(request_rec *r) {
    ol_job *job = ol_req_begin(r);
    if (job == NULL) return r->connection->aborted ? OUTLIVE_STOP : OUTLIVE_OK;
    if (ol_req_check(job) == OUTLIVE_OK) return OUTLIVE_OK;
    ol_req_stop(job);
    return OUTLIVE_STOP;
}

static int outlive_mod_is_gone(request_rec *r) {
    ol_job *job = ol_req_begin(r);
    if (job == NULL) return r->connection->aborted;
    return ol_any_is_aborted(job) || outlive_request_is_gone(job->request) > 0;
}

static int outlive_mod_hold(request_rec *r) {
    ol_job *job = ol_req_begin(r);
    return job == NULL ? OUTLIVE_OK : outlive_request_hold(job->request);
}

static int outlive_mod_release(request_rec *r) {
    ol_job *job = ol_req_begin(r);
    if (job == NULL) return outlive_mod_check(r);
    int result = outlive_request_release(job->request);
    if (result == OUTLIVE_STOP) ol_req_stop(job);
    return result;
}

typedef struct registered {
    request_rec *r;
    outlive_mod_shutdown function;
    void *data;
} registered;

static int run_shutdown(outlive_request *request, int ending, void *data) {
    (void)request;
    const registered *what = data;
    what->function(what->r, ending, what->data);
    return OUTLIVE_OK;
}

static apr_status_t run_at_cleanup(void *data) {
    const registered *what = data;
    if (__atomic_load_n(&the_process.dying, __ATOMIC_ACQUIRE)) return APR_SUCCESS; /* perhaps within a signal handler */
    what->function(what->r, OUTLIVE_ENDING_NONE, what->data);
    return APR_SUCCESS;
}

static int outlive_mod_register(request_rec *r, outlive_mod_shutdown function, void *data) {
    if (function == NULL) return OUTLIVE_ERROR_ARGUMENT;
    ol_job *job = ol_req_begin(r);
    registered *what = apr_palloc(r->pool, sizeof *what);
    *what = (registered){r, function, data};
    if (job != NULL) return outlive_request_register_shutdown_function(job->request, run_shutdown, what, NULL);
    apr_pool_pre_cleanup_register(r->pool, what, run_at_cleanup);
    return OUTLIVE_OK;
}

/* ---- hooks --------------------------------------------------------------------------------------------------------------- */

/** Parts of a response (mod_include) go through the same filter as the whole. */
static void insert_filter(request_rec *r) {
    ol_job *job = r->main == NULL ? NULL : ol_req_job(r);
    if (job != NULL && job->request != NULL) ap_add_output_filter_handle(ol_output_filter, job, r, r->connection);
}

/** The handlers of our own. One hook for all, since httpd asks it for every request. */
static int answer(request_rec *r) {
    if (r->handler == NULL || strncmp(r->handler, "outlive-", 8) != 0 || !ol_req_handlers_are_on(r)) return DECLINED;
    const int status = ol_req_answer_settings(r);
    return status == DECLINED ? ol_req_answer_status(r) : status;
}

static void register_hooks(apr_pool_t *pool) {
    (void)pool;
    /* Before the content filters, whatever they are. */
    ol_output_filter = ap_register_output_filter("OUTLIVE", ol_req_output, NULL, AP_FTYPE_RESOURCE - 1);
    ol_main_register_backend();
    ol_main_register_fcgi_abort();
    ap_hook_pre_config(ol_main_pre_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(ol_main_post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_test_config(ol_main_test_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(ol_main_child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_insert_filter(insert_filter, NULL, NULL, APR_HOOK_LAST);
    ap_hook_handler(ol_req_handle, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(answer, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ap, status_hook, ol_req_status_section, NULL, NULL, APR_HOOK_MIDDLE);
    APR_REGISTER_OPTIONAL_FN(outlive_mod_request);
    APR_REGISTER_OPTIONAL_FN(outlive_mod_check);
    APR_REGISTER_OPTIONAL_FN(outlive_mod_is_gone);
    APR_REGISTER_OPTIONAL_FN(outlive_mod_hold);
    APR_REGISTER_OPTIONAL_FN(outlive_mod_release);
    APR_REGISTER_OPTIONAL_FN(outlive_mod_register);
}

module AP_MODULE_DECLARE_DATA outlive_module __attribute__((visibility("default"))) = {
    STANDARD20_MODULE_STUFF, ol_any_container_create, ol_any_container_merge, NULL, NULL, ol_directives, register_hooks, 0,
};
