/*
 * Beside mod_php: PHP supervises the requests that it runs, and only ignore_user_abort controls that. The value of outlive.disconnect is
 * passed to it as such a line: as the last one of the request's configuration, through mod_php's own directive.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "private.h"

#include <http_core.h>

int ol_req_is_php(const request_rec *r) {
    static const char *const handlers[] = {"application/x-httpd-php", "application/x-httpd-php-source", "php-script"};
    if (!the_process.beside_php || r->handler == NULL) return 0;
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++)
        if (strcmp(r->handler, handlers[i]) == 0) return 1;
    return 0;
}

/** 1: it goes on without its client. 0: it ends. -1: PHP's own directive decides. */
static int goes_on(const request_rec *r, const outlive_settings *settings) {
    outlive_str said;
    if (outlive_settings_get(settings, "outlive.disconnect", OUTLIVE_NTS, &said) != OUTLIVE_OK || strcasecmp(said.ptr, "php") == 0) return -1;
    if (strcasecmp(said.ptr, "auto") != 0) return strcasecmp(said.ptr, "finish") == 0;
    return r->method_number != M_GET && r->method_number != M_OPTIONS && r->method_number != M_TRACE; /* HEAD is a GET here */
}

static const command_rec *directive_of(const module *php, const char *name) {
    const command_rec *at = php->cmds;
    while (at != NULL && at->name != NULL && strcmp(at->name, name) != 0) at++;
    return at == NULL || at->name == NULL ? NULL : at;
}

void ol_req_tell_php(request_rec *r) {
    const outlive_settings *settings = ol_req_settings(r);
    const int on = settings == NULL ? -1 : goes_on(r, settings);
    module *php = ap_find_linked_module("mod_php.c");
    if (on < 0 || php == NULL || php->create_dir_config == NULL) return;
    /* As an admin's line it also holds against ignore_user_abort() in the program. */
    const command_rec *directive = directive_of(php, ol_req_flags(r) & FLAG_LOCKS_DISCONNECT ? "php_admin_flag" : "php_flag");
    if (directive == NULL || directive->args_how != TAKE2) return;
    ap_conf_vector_t *line = ap_create_per_dir_config(r->pool);
    cmd_parms parms = {.override = RSRC_CONF | ACCESS_CONF,
                       .pool = r->pool,
                       .temp_pool = r->pool,
                       .server = r->server,
                       .cmd = directive,
                       .info = directive->cmd_data};
    void *section = php->create_dir_config(r->pool, NULL);
    if (directive->AP_TAKE2(&parms, section, "ignore_user_abort", on ? "On" : "Off") != NULL) return;
    ap_set_module_config(line, php, section);
    r->per_dir_config = ap_merge_per_dir_configs(r->pool, r->per_dir_config, line);
}
