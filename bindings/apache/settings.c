/*
 * The handler outlive-settings: the values in force for a request, and where each comes from, as JSON.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "private.h"

#include <string.h>

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>

/* ---- JSON ---------------------------------------------------------------------------------------------------------------- */

/** The bytes of a valid UTF-8 sequence at the beginning of text; 0: there is none. */
static size_t sequence(const unsigned char *text, size_t len) {
    const unsigned char first = text[0];
    const size_t size = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : (first & 0xf0) == 0xe0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
    if (size == 0 || size > len) return 0;
    for (size_t i = 1; i < size; i++)
        if ((text[i] & 0xc0) != 0x80) return 0;
    if ((first == 0xe0 && text[1] < 0xa0) || (first == 0xed && text[1] > 0x9f)) return 0; /* too long; surrogates */
    if ((first == 0xf0 && text[1] < 0x90) || (first == 0xf4 && text[1] > 0x8f)) return 0;
    return size;
}

const char *ol_any_json(apr_pool_t *pool, const char *text, size_t len) {
    char *result = apr_palloc(pool, len * 6 + 3), *to = result;
    *to++ = '"';
    for (size_t at = 0; at < len;) {
        const unsigned char *from = (const unsigned char *)text + at;
        const size_t size = sequence(from, len - at);
        if (size == 0) to += sprintf(to, "\\ufffd");
        else if (*from == '"' || *from == '\\') to += sprintf(to, "\\%c", *from);
        else if (*from < 0x20 || *from == 0x7f || *from == '<') to += sprintf(to, "\\u%04x", *from);
        else memcpy(to, from, size), to += size;
        at += size == 0 ? 1 : size;
    }
    *to++ = '"';
    *to = '\0';
    return result;
}

const char *ol_any_html(apr_pool_t *pool, const char *text) {
    const size_t len = strlen(text);
    char *result = apr_palloc(pool, len * 4 + 1), *to = result;
    for (size_t at = 0; at < len;) {
        const unsigned char *from = (const unsigned char *)text + at;
        size_t size = sequence(from, len - at);
        const int control = size == 0 || *from < 0x20 || *from == 0x7f || (size == 2 && *from == 0xc2 && from[1] < 0xa0);
        if (size == 0) size = 1;
        for (size_t i = 0; i < size; i++) {
            if (control) to += sprintf(to, "\\x%02x", from[i]);
            else *to++ = (char)from[i];
        }
        at += size;
    }
    *to = '\0';
    return ap_escape_html(pool, result);
}

static const char *json(apr_pool_t *pool, const char *text) { return text == NULL ? "null" : ol_any_json(pool, text, strlen(text)); }

/* ---- where a value comes from -------------------------------------------------------------------------------------------- */

#define BUILT_IN "built-in default"

typedef struct in_force {
    apr_pool_t *pool;
    const char *layer, *file;
    unsigned line;
} in_force;

static int look(void *data, const outlive_origin *origin) {
    in_force *found = data;
    if (origin->fate != OUTLIVE_FATE_IN_FORCE) return 0;
    found->layer = apr_pstrmemdup(found->pool, origin->layer.ptr, origin->layer.len);
    found->file = origin->file.len == 0 ? NULL : apr_pstrmemdup(found->pool, origin->file.ptr, origin->file.len);
    found->line = origin->line;
    return 0;
}

const char *ol_any_origin_of(apr_pool_t *pool, const outlive_settings *settings, const char *name) {
    in_force found = {pool, BUILT_IN, NULL, 0};
    outlive_settings_explain(settings, name, OUTLIVE_NTS, look, &found);
    return found.file == NULL ? found.layer : apr_psprintf(pool, "%s:%u", found.file, found.line);
}

static int look_who(void *said, const outlive_origin *origin) {
    if (origin->fate == OUTLIVE_FATE_IN_FORCE) *(int *)said = strcmp(origin->layer.ptr, BUILT_IN) != 0;
    return 0;
}

int ol_any_is_said(const outlive_settings *settings, const char *name) {
    int said = 0;
    outlive_settings_explain(settings, name, OUTLIVE_NTS, look_who, &said);
    return said;
}

/* ---- secrets ------------------------------------------------------------------------------------------------------------- */

static const char *shown(apr_pool_t *pool, const outlive_setting *setting, outlive_str value) {
    if (outlive_holds_secret(setting->name.ptr, setting->name.len, value.ptr, value.len)) return "\"***\"";
    return ol_any_json(pool, value.ptr, value.len);
}

/* ---- the handler --------------------------------------------------------------------------------------------------------- */

typedef struct answer {
    request_rec *r;
    const outlive_settings *settings;
    const char *names; /* ",a,b,": only these; NULL: all */
    int count, as_php;
} answer;

static int put(void *data, const outlive_setting *setting) {
    answer *to = data;
    apr_pool_t *pool = to->r->pool;
    if (to->names != NULL && strstr(to->names, apr_pstrcat(pool, ",", setting->name.ptr, ",", NULL)) == NULL) return 0;
    in_force found = {pool, BUILT_IN, NULL, 0};
    outlive_settings_explain(to->settings, setting->name.ptr, setting->name.len, look, &found);
    /* PHP's built-in time limit is for PHP programs: nobody wrote it, so it limits nothing else. */
    const int unsaid = !to->as_php && strcmp(setting->name.ptr, "max_execution_time") == 0 && strcmp(found.layer, BUILT_IN) == 0;
    ap_rprintf(to->r, "%s\n  %s: {\"value\": %s, \"global\": %s, \"access\": %d, \"locked\": %s, \"layer\": %s", to->count++ == 0 ? "" : ",",
               ol_any_json(pool, setting->name.ptr, setting->name.len), unsaid ? "\"0\"" : shown(pool, setting, setting->value),
               unsaid ? "\"0\"" : shown(pool, setting, setting->global_value), setting->access, setting->locked ? "true" : "false",
               json(pool, found.layer));
    if (found.file != NULL) ap_rprintf(to->r, ", \"file\": %s, \"line\": %u", json(pool, found.file), found.line);
    ap_rputs("}", to->r);
    return 0;
}

/** What mod_php would answer where it would not run a file; OK: it would run it. */
static int as_php(const request_rec *r, const outlive_settings *settings) {
    int engine = 1;
    outlive_settings_get_bool(settings, "engine", OUTLIVE_NTS, &engine);
    if (!engine) return DECLINED;
    if (r->used_path_info == AP_REQ_REJECT_PATH_INFO && r->path_info != NULL && *r->path_info != '\0') return HTTP_NOT_FOUND;
    if (r->finfo.filetype == APR_NOFILE) return HTTP_NOT_FOUND;
    return r->finfo.filetype == APR_DIR ? HTTP_FORBIDDEN : OK;
}

int ol_req_answer_settings(request_rec *r) {
    const int php = r->handler != NULL && strcmp(r->handler, "outlive-settings-as-php") == 0;
    if (r->handler == NULL || (!php && strcmp(r->handler, "outlive-settings") != 0)) return DECLINED;
    answer to = {r, ol_req_settings(r), NULL, 0, php};
    if (to.settings == NULL) return HTTP_INTERNAL_SERVER_ERROR;
    const int status = php ? as_php(r, to.settings) : OK;
    if (status != OK) return status;
    if (r->args != NULL && strncmp(r->args, "name=", 5) == 0) to.names = apr_pstrcat(r->pool, ",", r->args + 5, ",", NULL);
    ap_set_content_type(r, "application/json");
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    ap_rprintf(r, "{\"outlive\": \"%s\", \"engine\": %s,\n \"uri\": %s, \"file\": %s, \"path_info\": %s, \"host\": %s,\n \"settings\": {",
               outlive_version(), ol_req_engine_is_on(r) ? "true" : "false", json(r->pool, r->uri), json(r->pool, r->filename),
               json(r->pool, r->path_info), json(r->pool, ap_get_server_name(r)));
    outlive_settings_each(to.settings, put, &to);
    ap_rputs("\n }}\n", r);
    return OK;
}
