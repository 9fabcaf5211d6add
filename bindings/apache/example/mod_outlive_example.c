/* A handler that saves in steps, and asks between them. SPDX-License-Identifier: MIT OR Apache-2.0
 *   <Location /example>
 *     SetHandler outlive-example
 *     php_value outlive.detect watch
 *   </Location> */
#include <mod_outlive.h>

#include <http_config.h>
#include <http_log.h>
#include <http_protocol.h>

static APR_OPTIONAL_FN_TYPE(outlive_mod_check) * check;
static APR_OPTIONAL_FN_TYPE(outlive_mod_hold) * hold;
static APR_OPTIONAL_FN_TYPE(outlive_mod_release) * release;
static APR_OPTIONAL_FN_TYPE(outlive_mod_register) * register_shutdown;

static void retrieve(void) { /* all NULL: mod_outlive is not loaded */
    check = APR_RETRIEVE_OPTIONAL_FN(outlive_mod_check);
    hold = APR_RETRIEVE_OPTIONAL_FN(outlive_mod_hold);
    release = APR_RETRIEVE_OPTIONAL_FN(outlive_mod_release);
    register_shutdown = APR_RETRIEVE_OPTIONAL_FN(outlive_mod_register);
}

static void ended(request_rec *r, int ending, void *steps) {
    ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, r, "example: ending %d after %d steps", ending, *(int *)steps);
}

static int handle(request_rec *r) {
    if (r->handler == NULL || strcmp(r->handler, "outlive-example") != 0) return DECLINED;
    int *steps = apr_pcalloc(r->pool, sizeof *steps);
    if (register_shutdown != NULL) register_shutdown(r, ended, steps);
    while (*steps < 40 && (check == NULL || check(r) == OUTLIVE_OK)) {
        if (hold != NULL) hold(r);
        apr_sleep(apr_time_from_msec(50)); /* table B, and then C: never one without the other */
        *steps += 2;
        if (release != NULL) release(r);
    }
    ap_rprintf(r, "%d steps\n", *steps);
    return OK;
}

static void register_hooks(apr_pool_t *pool) {
    (void)pool;
    ap_hook_optional_fn_retrieve(retrieve, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(handle, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA outlive_example_module
    __attribute__((visibility("default"))) = {STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, 0};
