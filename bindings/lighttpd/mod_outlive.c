/*
 * mod_outlive for lighttpd: decides what happens to a request whose client has gone, and limits the time of requests.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "private.h"

#include "array.h"
#include "plugin_config.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DISCONNECT, TIME_LIMIT, STATUS_URL, MAX_DETACHED, MAX_DETACHED_TIME, HALF_CLOSE, SCOREBOARD };

static const config_plugin_keys_t keys[] = {
    {CONST_STR_LEN("outlive.disconnect"), T_CONFIG_STRING, T_CONFIG_SCOPE_CONNECTION},
    {CONST_STR_LEN("outlive.time-limit"), T_CONFIG_INT, T_CONFIG_SCOPE_CONNECTION},
    {CONST_STR_LEN("outlive.status-url"), T_CONFIG_STRING, T_CONFIG_SCOPE_CONNECTION},
    {CONST_STR_LEN("outlive.max-detached"), T_CONFIG_INT, T_CONFIG_SCOPE_CONNECTION},
    {CONST_STR_LEN("outlive.max-detached-time"), T_CONFIG_INT, T_CONFIG_SCOPE_CONNECTION},
    {CONST_STR_LEN("outlive.half-close"), T_CONFIG_STRING, T_CONFIG_SCOPE_CONNECTION},
    {CONST_STR_LEN("outlive.scoreboard"), T_CONFIG_STRING, T_CONFIG_SCOPE_SERVER},
    {NULL, 0, T_CONFIG_UNSET, T_CONFIG_SCOPE_UNSET},
};

/* ---- options ----------------------------------------------------------------------------------------------------------- */

static void put(ol_options *to, const config_plugin_value_t *value) {
    switch (value->k_id) {
    case DISCONNECT: to->disconnect = strcmp(value->v.b->ptr, "off") == 0 ? NULL : value->v.b->ptr; break;
    case TIME_LIMIT: to->time_limit = (int)value->v.u; break;
    case STATUS_URL: to->status_url = buffer_is_blank(value->v.b) ? NULL : value->v.b; break;
    case MAX_DETACHED: to->max_detached = (int)value->v.u; break;
    case MAX_DETACHED_TIME: to->max_detached_time = (int)value->v.u; break;
    case HALF_CLOSE: to->half_close_is_open = strcmp(value->v.b->ptr, "open") == 0; break;
    default: break;
    }
}

static void put_all(ol_options *to, const config_plugin_value_t *value) {
    for (; value->k_id != -1; value++) put(to, value);
}

/** Puts the options that hold for a request into p->options. */
static void options_of(ol_plugin *p, request_st *r) {
    p->options = p->defaults;
    for (int i = 1; i < p->nconfig; i++)
        if (config_check_cond(r, (uint32_t)p->cvlist[i].k_id)) put_all(&p->options, p->cvlist + p->cvlist[i].v.u2[0]);
}

/** Whether the value is in a list that ends with NULL. */
static int is_one_of(const buffer *value, const char *const *words) {
    for (; *words != NULL; words++)
        if (value->ptr != NULL && strcmp(value->ptr, *words) == 0) return 1;
    return 0;
}

static int is_right(server *srv, const config_plugin_value_t *value) {
    static const char *const disconnect[] = {"off", "finish", "stop", "auto", NULL}, *const half_close[] = {"gone", "open", NULL};
    const char *name = keys[value->k_id].k;
    if (value->k_id == DISCONNECT && !is_one_of(value->v.b, disconnect))
        log_error(srv->errh, __FILE__, __LINE__, "%s = \"%s\" is unknown: it is \"off\", \"finish\", \"stop\" or \"auto\"", name, value->v.b->ptr);
    else if (value->k_id == HALF_CLOSE && !is_one_of(value->v.b, half_close))
        log_error(srv->errh, __FILE__, __LINE__, "%s = \"%s\" is unknown: it is \"gone\" or \"open\"", name, value->v.b->ptr);
    else if (keys[value->k_id].ktype == T_CONFIG_INT && (int)value->v.u < 0)
        log_error(srv->errh, __FILE__, __LINE__, "%s = %d is no number of %s", name, (int)value->v.u,
                  value->k_id == MAX_DETACHED ? "requests" : "seconds");
    else if (value->k_id == STATUS_URL && !buffer_is_blank(value->v.b) && value->v.b->ptr[0] != '/')
        log_error(srv->errh, __FILE__, __LINE__, "%s = \"%s\" is no path: it begins with /", name, value->v.b->ptr);
    else return 1;
    return 0;
}

/** Makes the scoreboard's file while lighttpd has root's rights, and gives it to the account that serves. */
static void prepare_scoreboard(ol_plugin *p, server *srv, const buffer *path) {
    if (buffer_is_blank(path)) return;
    uid_t user = geteuid();
    gid_t group = getegid();
    if (user == 0 && srv->srvconf.username != NULL) {
        const struct passwd *account = getpwnam(srv->srvconf.username->ptr);
        if (account != NULL) user = account->pw_uid, group = account->pw_gid;
    }
    outlive_error error = {0};
    p->scoreboard = path->ptr;
    if (srv->srvconf.preflight_check || outlive_scoreboard_prepare(path->ptr, OUTLIVE_NTS, user, group, &error) == OUTLIVE_OK) return;
    log_error(srv->errh, __FILE__, __LINE__, "outlive.scoreboard = \"%s\": there is none: %s", path->ptr, error.message);
    p->scoreboard = NULL;
}

SETDEFAULTS_FUNC(set_defaults) {
    ol_plugin *p = p_d;
    p->srv = srv;
    if (!config_plugin_values_init(srv, p, keys, "mod_outlive")) return HANDLER_ERROR;
    /* The global section, if there is one, comes first; then the sections with conditions. */
    for (int i = !p->cvlist[0].v.u2[1]; i < p->nconfig; i++) {
        for (const config_plugin_value_t *value = p->cvlist + p->cvlist[i].v.u2[0]; value->k_id != -1; value++) {
            if (!is_right(srv, value)) return HANDLER_ERROR;
            if (value->k_id == SCOREBOARD) prepare_scoreboard(p, srv, value->v.b);
            else p->wanted = 1;
        }
    }
    if (p->nconfig > 0 && p->cvlist->v.u2[1]) put_all(&p->defaults, p->cvlist + p->cvlist->v.u2[0]);
    return HANDLER_GO_ON;
}

/* ---- hooks ------------------------------------------------------------------------------------------------------------- */

static handler_t worker_init(server *srv, void *p_d) {
    ol_plugin *p = p_d;
    (void)srv;
    return !p->wanted || ol_engine_open(p) ? HANDLER_GO_ON : HANDLER_ERROR;
}

URIHANDLER_FUNC(uri_clean) {
    ol_plugin *p = p_d;
    if (p->engine == NULL) return HANDLER_GO_ON;
    options_of(p, r);
    if (p->options.status_url != NULL && buffer_is_equal(p->options.status_url, &r->uri.path)) return ol_status_answer(p, r);
    if (p->options.disconnect == NULL && p->options.time_limit == 0) return HANDLER_GO_ON;
    ol_job_begin(p, r);
    if (p->options.disconnect != NULL) ol_wire_open(p, r->con);
    return HANDLER_GO_ON;
}

/** lighttpd calls this also when it restarts the handling of the same request, and when it shuts down, which ol_engine_close handles. */
REQUEST_FUNC(request_reset) {
    ol_plugin *p = p_d;
    ol_job *job = ol_job_of(p, r);
    if (job != NULL && (r->state == CON_STATE_RESPONSE_END || r->state == CON_STATE_ERROR || r->state == CON_STATE_CLOSE)) ol_job_end(p, job);
    return HANDLER_GO_ON;
}

TRIGGER_FUNC(each_second) {
    ol_streams_tick(p_d);
    return HANDLER_GO_ON;
}

CONNECTION_FUNC(connection_closes) {
    ol_wire_close(p_d, con);
    return HANDLER_GO_ON;
}

INIT_FUNC(init) {
    ol_plugin *p = calloc(1, sizeof *p);
    if (p == NULL) abort(); /* lighttpd itself aborts if there is no memory */
    return p;
}

FREE_FUNC(cleanup) { ol_engine_close(p_d); }

__attribute_cold__ __attribute__((visibility("default"))) int mod_outlive_plugin_init(plugin *p);
int mod_outlive_plugin_init(plugin *p) {
    p->version = LIGHTTPD_VERSION_ID;
    p->name = "outlive";
    p->init = init;
    p->priv_defaults = set_defaults;
    p->worker_init = worker_init;
    p->handle_uri_clean = uri_clean;
    p->handle_request_reset = request_reset;
    p->handle_connection_close = connection_closes;
    p->handle_trigger = each_second;
    p->cleanup = cleanup;
    return 0;
}
