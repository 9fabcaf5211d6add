/*
 * Translates a location's values into settings of the library.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#include "ngx_http_outlive.h"


static const outlive_settings *ngx_http_outlive_settings(ngx_conf_t *cf,
    ngx_http_outlive_policy_t *policy);
static void ngx_http_outlive_free_settings(void *data);


/* locations with the same values share their settings */

ngx_http_outlive_policy_t *
ngx_http_outlive_policy(ngx_conf_t *cf, ngx_http_outlive_loc_conf_t *olcf)
{
    ngx_uint_t                      i;
    ngx_http_outlive_policy_t     **policies, **p, *policy;
    ngx_http_outlive_main_conf_t   *omcf;

    omcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_outlive_module);
    omcf->enabled = 1;

    policies = omcf->policies.elts;

    for (i = 0; i < omcf->policies.nelts; i++) {
        policy = policies[i];

        if (policy->disconnect == olcf->disconnect
            && policy->time_limit == olcf->time_limit
            && policy->max_detached == olcf->max_detached
            && policy->max_detached_time == olcf->max_detached_time)
        {
            return policy;
        }
    }

    policy = ngx_pcalloc(cf->pool, sizeof(ngx_http_outlive_policy_t));
    if (policy == NULL) {
        return NULL;
    }

    policy->disconnect = olcf->disconnect;
    policy->time_limit = olcf->time_limit;
    policy->inexact = olcf->time_limit % 1000 != 0;
    policy->max_detached = olcf->max_detached;
    policy->max_detached_time = olcf->max_detached_time;

    policy->settings = ngx_http_outlive_settings(cf, policy);
    if (policy->settings == NULL) {
        return NULL;
    }

    p = ngx_array_push(&omcf->policies);
    if (p == NULL) {
        return NULL;
    }

    *p = policy;

    return policy;
}


static const outlive_settings *
ngx_http_outlive_settings(ngx_conf_t *cf, ngx_http_outlive_policy_t *policy)
{
    int                       rc;
    u_char                    time_limit[NGX_INT64_LEN + 1];
    u_char                    max_detached[NGX_INT64_LEN + 1];
    u_char                    max_detached_time[NGX_INT64_LEN + 1];
    ngx_uint_t                i;
    outlive_error             error;
    outlive_config           *config;
    ngx_pool_cleanup_t       *cln;
    outlive_config_builder   *builder;
    const outlive_settings   *settings;

    const char  *directives[][2] = {
        { "max_execution_time", (char *) time_limit },
        { "outlive.clock", "wall" },
        { "outlive.detect", "write" },
        { "outlive.disconnect", (char *)
                       ngx_http_outlive_disconnects[policy->disconnect].name
                                                                    .data },
        { "outlive.max_detached_total", (char *) max_detached },
        { "outlive.max_detached_time", (char *) max_detached_time }
    };

    if (policy->disconnect == NGX_HTTP_OUTLIVE_OFF) {
        directives[3][1] = "php";
    }

    /* in seconds; 0 is no limit: PHP's default of 30 s does not apply here */

    ngx_sprintf(time_limit, "%M%Z", (policy->time_limit + 999) / 1000);
    ngx_sprintf(max_detached, "%ui%Z", policy->max_detached);
    ngx_sprintf(max_detached_time, "%M%Z",
                (policy->max_detached_time + 999) / 1000);

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    settings = NULL;
    config = NULL;
    ngx_memzero(&error, sizeof(outlive_error));
    builder = outlive_config_builder_new();
    rc = builder ? OUTLIVE_OK : OUTLIVE_ERROR_SYSTEM;

    for (i = 0; rc == OUTLIVE_OK
                && i < sizeof(directives) / sizeof(directives[0]); i++)
    {
        rc = outlive_config_builder_set(builder,
                                        directives[i][0], OUTLIVE_NTS,
                                        directives[i][1], OUTLIVE_NTS, &error);
    }

    if (rc == OUTLIVE_OK) {
        rc = outlive_config_builder_build(builder, &config, &error);
    }

    if (rc == OUTLIVE_OK) {
        rc = outlive_config_resolve(config, NULL, &settings, &error);
    }

    outlive_config_free(config);
    outlive_config_builder_free(builder);

    if (rc != OUTLIVE_OK) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "outlive: no settings: %s", error.message);
        return NULL;
    }

    cln->handler = ngx_http_outlive_free_settings;
    cln->data = (void *) settings;

    return settings;
}


static void
ngx_http_outlive_free_settings(void *data)
{
    outlive_settings_free(data);
}
