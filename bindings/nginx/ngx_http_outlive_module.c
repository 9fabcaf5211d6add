/*
 * The module's directives, and how its configuration is created and merged.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#include "ngx_http_outlive.h"


static char *ngx_http_outlive_disconnect(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_outlive_time(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_outlive_max_detached(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_outlive_scoreboard(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static void *ngx_http_outlive_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_outlive_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_outlive_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_outlive_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_http_outlive_init(ngx_conf_t *cf);


/* in the order of the NGX_HTTP_OUTLIVE_ constants */

ngx_conf_enum_t  ngx_http_outlive_disconnects[] = {
    { ngx_string("off"), NGX_HTTP_OUTLIVE_OFF },
    { ngx_string("finish"), NGX_HTTP_OUTLIVE_FINISH },
    { ngx_string("stop"), NGX_HTTP_OUTLIVE_STOP },
    { ngx_string("auto"), NGX_HTTP_OUTLIVE_AUTO },
    { ngx_null_string, 0 }
};


static ngx_command_t  ngx_http_outlive_commands[] = {

    { ngx_string("outlive_disconnect"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_outlive_disconnect,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("outlive_time_limit"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_outlive_time,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_outlive_loc_conf_t, time_limit),
      (void *) offsetof(ngx_http_outlive_loc_conf_t, time_limit_place) },

    { ngx_string("outlive_max_detached"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_outlive_max_detached,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("outlive_max_detached_time"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_outlive_time,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_outlive_loc_conf_t, max_detached_time),
      (void *) offsetof(ngx_http_outlive_loc_conf_t,
                        max_detached_time_place) },

    { ngx_string("outlive_scoreboard"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_outlive_scoreboard,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("outlive_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_outlive_status,
      0,
      0,
      NULL },

    { ngx_string("outlive_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_outlive_metrics,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_outlive_module_ctx = {
    ngx_http_outlive_add_variables,        /* preconfiguration */
    ngx_http_outlive_init,                 /* postconfiguration */

    ngx_http_outlive_create_main_conf,     /* create main configuration */
    ngx_http_outlive_init_main_conf,       /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_outlive_create_loc_conf,      /* create location configuration */
    ngx_http_outlive_merge_loc_conf        /* merge location configuration */
};


ngx_module_t  ngx_http_outlive_module = {
    NGX_MODULE_V1,
    &ngx_http_outlive_module_ctx,          /* module context */
    ngx_http_outlive_commands,             /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_outlive_init_module,          /* init module */
    ngx_http_outlive_init_process,         /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_outlive_exit_process,         /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void
ngx_http_outlive_note_place(ngx_conf_t *cf, ngx_http_outlive_place_t *place)
{
    place->file = cf->conf_file->file.name.data;
    place->line = cf->conf_file->line;
}


static char *
ngx_http_outlive_disconnect(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_outlive_loc_conf_t *olcf = conf;

    ngx_str_t        *value;
    ngx_conf_enum_t  *e;

    if (olcf->disconnect != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (e = ngx_http_outlive_disconnects; e->name.len; e++) {

        if (e->name.len == value[1].len
            && ngx_strcmp(e->name.data, value[1].data) == 0)
        {
            olcf->disconnect = e->value;
            ngx_http_outlive_note_place(cf, &olcf->disconnect_place);
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\", it must be "
                       "\"finish\", \"stop\", \"auto\" or \"off\"",
                       &value[1], &cmd->name);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_outlive_time(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char *p = conf;

    ngx_msec_t  *field, time;
    ngx_str_t   *value;

    field = (ngx_msec_t *) (p + cmd->offset);

    if (*field != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        time = NGX_HTTP_OUTLIVE_NONE;

    } else {
        time = ngx_parse_time(&value[1], 0);

        if (time == (ngx_msec_t) NGX_ERROR || time == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid value \"%V\" in \"%V\", it must be "
                               "a time such as \"500ms\", \"60s\" or \"5m\", "
                               "or \"off\"",
                               &value[1], &cmd->name);
            return NGX_CONF_ERROR;
        }
    }

    *field = time;

    ngx_http_outlive_note_place(cf,
                   (ngx_http_outlive_place_t *) (p + (uintptr_t) cmd->post));

    return NGX_CONF_OK;
}


static char *
ngx_http_outlive_max_detached(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_outlive_loc_conf_t *olcf = conf;

    ngx_int_t                      n;
    ngx_str_t                     *value;
    ngx_http_outlive_main_conf_t  *omcf;

    if (olcf->max_detached != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        olcf->max_detached = NGX_HTTP_OUTLIVE_NONE;
        return NGX_CONF_OK;
    }

    n = ngx_atoi(value[1].data, value[1].len);

    if (n == NGX_ERROR || n == 0 || n > NGX_MAX_INT32_VALUE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"%V\", it must be "
                           "a number from 1 to %d, or \"off\"",
                           &value[1], &cmd->name, NGX_MAX_INT32_VALUE);
        return NGX_CONF_ERROR;
    }

    olcf->max_detached = n;
    ngx_http_outlive_note_place(cf, &olcf->max_detached_place);

    omcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_outlive_module);

    if (omcf->max_detached_place.file == NULL) {
        omcf->max_detached_place = olcf->max_detached_place;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_outlive_scoreboard(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_outlive_main_conf_t *omcf = conf;

    ngx_str_t  *value;

    if (omcf->scoreboard.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"\" in \"%V\", it must be a path",
                           &cmd->name);
        return NGX_CONF_ERROR;
    }

    omcf->scoreboard = value[1];

    if (ngx_conf_full_name(cf->cycle, &omcf->scoreboard, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static void *
ngx_http_outlive_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_outlive_main_conf_t  *omcf;

    omcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_outlive_main_conf_t));
    if (omcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&omcf->policies, cf->pool, 4,
                       sizeof(ngx_http_outlive_policy_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return omcf;
}


static char *
ngx_http_outlive_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_outlive_main_conf_t *omcf = conf;

    if (omcf->max_detached_place.file && omcf->scoreboard.data == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"outlive_max_detached\" counts in all workers together "
                      "and needs \"outlive_scoreboard\", which is not set "
                      "in %s:%ui",
                      omcf->max_detached_place.file,
                      omcf->max_detached_place.line);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static void *
ngx_http_outlive_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_outlive_loc_conf_t  *olcf;

    olcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_outlive_loc_conf_t));
    if (olcf == NULL) {
        return NULL;
    }

    olcf->disconnect = NGX_CONF_UNSET_UINT;
    olcf->time_limit = NGX_CONF_UNSET_MSEC;
    olcf->max_detached = NGX_CONF_UNSET_UINT;
    olcf->max_detached_time = NGX_CONF_UNSET_MSEC;

    return olcf;
}


static char *
ngx_http_outlive_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_outlive_loc_conf_t *prev = parent;
    ngx_http_outlive_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    if (conf->disconnect == NGX_CONF_UNSET_UINT) {
        conf->disconnect_place = prev->disconnect_place;
    }

    if (conf->time_limit == NGX_CONF_UNSET_MSEC) {
        conf->time_limit_place = prev->time_limit_place;
    }

    if (conf->max_detached == NGX_CONF_UNSET_UINT) {
        conf->max_detached_place = prev->max_detached_place;
    }

    if (conf->max_detached_time == NGX_CONF_UNSET_MSEC) {
        conf->max_detached_time_place = prev->max_detached_time_place;
    }

    ngx_conf_merge_uint_value(conf->disconnect, prev->disconnect,
                              NGX_HTTP_OUTLIVE_OFF);
    ngx_conf_merge_msec_value(conf->time_limit, prev->time_limit,
                              NGX_HTTP_OUTLIVE_NONE);
    ngx_conf_merge_uint_value(conf->max_detached, prev->max_detached,
                              NGX_HTTP_OUTLIVE_NONE);
    ngx_conf_merge_msec_value(conf->max_detached_time, prev->max_detached_time,
                              NGX_HTTP_OUTLIVE_NONE);

    /*
     * requests for the status page are not supervised; an "if" has the handler
     * of its location
     */

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname && clcf->handler == NULL) {
        conf->status = prev->status;
    }

    if (conf->status
        || (conf->disconnect == NGX_HTTP_OUTLIVE_OFF
            && conf->time_limit == NGX_HTTP_OUTLIVE_NONE))
    {
        return NGX_CONF_OK;
    }

    conf->policy = ngx_http_outlive_policy(cf, conf);

    return conf->policy ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* handlers and filters are installed only if a directive enables them */

static ngx_int_t
ngx_http_outlive_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt           *h;
    ngx_http_core_main_conf_t     *cmcf;
    ngx_http_outlive_main_conf_t  *omcf;

    omcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_outlive_module);

    if (!omcf->enabled) {
        return NGX_OK;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PREACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_outlive_preaccess_handler;

    return ngx_http_outlive_filter_init(cf);
}
