/*
 * The values of sections. httpd merges the sections of each request again; equal sections give equal values, so merged
 * values from parts of the configuration are kept, with their settings.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "private.h"

/** How many merged containers a child keeps; further ones are merged for each request. */
#define MOST_KEPT 4096

typedef struct ol_merged {
    const ol_container *add;
    ol_container *result;
    struct ol_merged *next;
} ol_merged;

static unsigned kept;

static apr_status_t forget(void *data) {
    ol_container *container = data;
    outlive_settings_free(container->settings);
    outlive_dir_config_free(container->values);
    container->settings = NULL;
    container->values = NULL;
    return APR_SUCCESS;
}

static ol_container *make(apr_pool_t *pool, int lasting) {
    ol_container *container = apr_pcalloc(pool, sizeof *container);
    container->engine = container->handlers = -1;
    container->lasting = lasting;
    apr_pool_cleanup_register(pool, container, forget, apr_pool_cleanup_null);
    return container;
}

void *ol_any_container_create(apr_pool_t *pool, char *path) {
    (void)path;
    return make(pool, !the_process.serving);
}

static int is_empty(const ol_container *container) { return container->values == NULL && container->engine < 0 && container->handlers < 0; }

static ol_container *merge(apr_pool_t *pool, int lasting, const ol_container *base, const ol_container *add) {
    ol_container *result = make(pool, lasting);
    if (base->values != NULL || add->values != NULL) result->values = outlive_dir_config_merge(base->values, add->values);
    result->engine = add->engine >= 0 ? add->engine : base->engine;
    result->handlers = add->handlers >= 0 ? add->handlers : base->handlers;
    return result;
}

static ol_container *known(const ol_container *base, const ol_container *add) {
    const ol_merged *merged = __atomic_load_n(&base->merged, __ATOMIC_ACQUIRE);
    while (merged != NULL && merged->add != add) merged = merged->next;
    return merged == NULL ? NULL : merged->result;
}

static ol_container *keep(ol_container *base, const ol_container *add) {
    apr_thread_mutex_lock(the_process.mutex);
    ol_container *result = known(base, add);
    if (result == NULL && kept < MOST_KEPT) {
        kept++;
        ol_merged *merged = apr_palloc(the_process.pool, sizeof *merged);
        merged->add = add;
        merged->result = result = merge(the_process.pool, 1, base, add);
        merged->next = base->merged;
        __atomic_store_n(&base->merged, merged, __ATOMIC_RELEASE);
    }
    apr_thread_mutex_unlock(the_process.mutex);
    return result;
}

void *ol_any_container_merge(apr_pool_t *pool, void *base_data, void *add_data) {
    ol_container *base = base_data, *add = add_data;
    if (is_empty(add)) return base;
    if (is_empty(base)) return add;
    if (!the_process.serving) return merge(pool, 1, base, add);
    if (base->lasting && add->lasting) {
        ol_container *result = known(base, add);
        if (result == NULL) result = keep(base, add);
        if (result != NULL) return result;
    }
    return merge(pool, 0, base, add);
}

int ol_req_engine_is_on(const request_rec *r) {
    const ol_container *container = ap_get_module_config(r->per_dir_config, &outlive_module);
    return container->engine == 1 && the_process.engine != NULL;
}

int ol_req_handlers_are_on(const request_rec *r) {
    const ol_container *container = ap_get_module_config(r->per_dir_config, &outlive_module);
    return container->handlers == 1;
}

static int look_for_lock(void *locked, const outlive_setting *setting) {
    if (strcmp(setting->name.ptr, "outlive.disconnect") == 0) *(int *)locked = setting->locked;
    return 0;
}

static int locks_disconnect(const outlive_settings *settings) {
    int locked = 0;
    outlive_settings_each(settings, look_for_lock, &locked);
    return locked;
}

unsigned ol_any_flags_of(const outlive_settings *settings) {
    outlive_str detect;
    const int known = outlive_settings_get(settings, "outlive.detect", OUTLIVE_NTS, &detect) == OUTLIVE_OK;
    return (known && strcasecmp(detect.ptr, "watch") == 0 ? FLAG_WATCHES : 0) |
           (the_process.beside_php && locks_disconnect(settings) ? FLAG_LOCKS_DISCONNECT : 0) |
           (ol_any_is_said(settings, "max_execution_time") ? FLAG_LIMITED : 0);
}

unsigned ol_req_flags(const request_rec *r) {
    const ol_container *container = ap_get_module_config(r->per_dir_config, &outlive_module);
    return container->values == NULL ? the_process.root_flags : __atomic_load_n(&container->flags, __ATOMIC_RELAXED);
}

const outlive_settings *ol_req_settings(request_rec *r) {
    ol_container *container = ap_get_module_config(r->per_dir_config, &outlive_module);
    if (container->values == NULL) return the_process.root;
    const outlive_settings *settings = __atomic_load_n(&container->settings, __ATOMIC_ACQUIRE);
    if (settings != NULL) return settings;
    outlive_error error;
    if (outlive_config_resolve_dir(the_process.config, container->values, &settings, &error) != OUTLIVE_OK) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "outlive: no settings for this request: %s", error.message);
        return NULL;
    }
    __atomic_store_n(&container->flags, ol_any_flags_of(settings), __ATOMIC_RELAXED);
    const outlive_settings *none = NULL;
    if (!__atomic_compare_exchange_n(&container->settings, &none, settings, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        outlive_settings_free(settings); /* another thread was quicker */
        settings = none;
    }
    return settings;
}
