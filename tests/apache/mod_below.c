/* For the tests: a content filter that answers by an internal redirect in the middle of a response, and keeps what else comes.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include <httpd.h>

#include <apr_buckets.h>
#include <http_config.h>
#include <http_request.h>
#include <util_filter.h>

static apr_status_t below(ap_filter_t *filter, apr_bucket_brigade *brigade) {
    apr_brigade_cleanup(brigade);
    if (filter->ctx == NULL) {
        filter->ctx = filter;
        ap_internal_redirect("/f.txt", filter->r);
    }
    return APR_SUCCESS;
}

static void register_hooks(apr_pool_t *pool) {
    (void)pool;
    ap_register_output_filter("BELOW", below, NULL, AP_FTYPE_RESOURCE);
}

module AP_MODULE_DECLARE_DATA below_module = {STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, 0};
