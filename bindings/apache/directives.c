/*
 * The directives: mod_php's, in the contexts where mod_php takes them, and this module's own.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "private.h"

#include <apr_hash.h>
#include <apr_strings.h>

/** The directives that this module acts on. PHP's other directives are for the module that runs PHP. */
static const char *const acted_on[] = {
    "ignore_user_abort",     "max_execution_time", "hard_timeout",         "outlive.disconnect",         "outlive.detect",
    "outlive.half_close",    "outlive.clock",      "outlive.max_detached", "outlive.max_detached_total", "outlive.max_detached_time",
    "outlive.shutdown_time", "outlive.shutdown",   "outlive.after_finish",
};

/** The most lines of .htaccess files that a child reports. */
#define MOST_NAMED 1000

static int is_acted_on(const char *name) {
    for (size_t i = 0; i < sizeof acted_on / sizeof *acted_on; i++)
        if (strcmp(acted_on[i], name) == 0) return 1;
    return 0;
}

/** How many letters have to change for one word to become the other; at most 32 letters. */
static int distance(const char *left, const char *right) {
    const size_t wide = strlen(right);
    int row[33];
    if (wide > 32 || strlen(left) > 32) return 99;
    for (size_t i = 0; i <= wide; i++) row[i] = (int)i;
    for (int above = 1; *left != '\0'; left++, above++) {
        int before = row[0];
        row[0] = above;
        for (size_t i = 1; i <= wide; i++) {
            const int change = before + (*left != right[i - 1]);
            before = row[i];
            row[i] = change < before + 1 ? change : before + 1;
            if (row[i - 1] + 1 < row[i]) row[i] = row[i - 1] + 1;
        }
    }
    return row[wide];
}

/** The directive that an unknown name probably means; NULL: none is similar. */
static const char *meant_by(const char *name) {
    const char *nearest = NULL;
    int least = 4;
    for (size_t i = 0; i < sizeof acted_on / sizeof *acted_on; i++) {
        const int far = distance(name, acted_on[i]);
        if (far < least) least = far, nearest = acted_on[i];
    }
    return nearest;
}

static int is_own(const char *name) { return strncmp(name, "outlive.", 8) == 0 && strcmp(name, "outlive.scoreboard") != 0; }

static void name_unused(server_rec *server, const ol_section *section) {
    const char *meant = meant_by(section->name);
    if (meant != NULL || is_own(section->name)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server, "outlive: %s:%u: %s %s is unknown%s%s%s", section->file, section->line, section->directive,
                     section->name, meant == NULL ? "" : "; did you mean ", meant == NULL ? "" : meant, meant == NULL ? "" : "?");
        return;
    }
    if (the_process.beside_php) return; /* it is PHP's */
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server,
                 "outlive: %s:%u: %s %s is not applied: mod_outlive acts on connection handling only, and mod_php is not loaded", section->file,
                 section->line, section->directive, section->name);
}

/** A line of an .htaccess file is reported once, although the file is read for each request. */
static int is_new(const cmd_parms *cmd, const ol_section *section, const char *value) {
    static apr_hash_t *named;
    static apr_pool_t *of;
    char *key = apr_psprintf(cmd->temp_pool, "%s:%u:%s:%s", section->file, section->line, section->name, value);
    apr_thread_mutex_lock(the_process.mutex);
    if (of != the_process.pool) {
        of = the_process.pool;
        named = apr_hash_make(of);
    }
    const int is_first = apr_hash_get(named, key, APR_HASH_KEY_STRING) == NULL && apr_hash_count(named) < MOST_NAMED;
    if (is_first) {
        key = apr_pstrdup(of, key);
        apr_hash_set(named, key, APR_HASH_KEY_STRING, key);
    }
    apr_thread_mutex_unlock(the_process.mutex);
    return is_first;
}

static void name_refused(server_rec *server, const ol_section *section);

static const char *set_value(cmd_parms *cmd, void *dir, const char *name, const char *value) {
    ol_container *container = dir;
    int kind = (int)(intptr_t)cmd->info;
    const char *file = cmd->directive->filename;
    unsigned line = (unsigned)cmd->directive->line_num;
    outlive_error error;
    if (container->values == NULL) container->values = outlive_dir_config_new();
    /* httpd itself keeps php_admin_* out of .htaccess. */
    if (outlive_dir_config_set(container->values, kind, name, OUTLIVE_NTS, value, OUTLIVE_NTS, file, line, 0, &error) != OUTLIVE_OK)
        return apr_pstrdup(cmd->pool, error.message);
    ol_section section = {cmd->cmd->name, name, file, line, container};
    if (!the_process.serving) {
        section.name = apr_pstrdup(cmd->pool, name);
        section.file = apr_pstrdup(cmd->pool, file);
        APR_ARRAY_PUSH(the_process.sections, ol_section) = section;
    } else if (the_process.wanted && the_process.config != NULL && is_new(cmd, &section, value)) {
        if (is_acted_on(name)) name_refused(cmd->server, &section);
        else name_unused(cmd->server, &section);
    }
    return NULL;
}

typedef struct refusal {
    server_rec *server;
    const ol_section *section;
} refusal;

static int refused(void *data, const outlive_origin *origin) {
    const refusal *of = data;
    if (origin->fate == OUTLIVE_FATE_REFUSED && origin->line == of->section->line && strcmp(origin->file.ptr, of->section->file) == 0)
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, of->server, "outlive: %s:%u: %s %s \"%s\" is not in force: %s", of->section->file,
                     of->section->line, of->section->directive, of->section->name, origin->raw.ptr, origin->because.ptr);
    return 0;
}

/** A value that cannot be in force when set here, such as one that needs php_admin_value. */
static void name_refused(server_rec *server, const ol_section *section) {
    const outlive_settings *settings = NULL;
    refusal of = {server, section};
    if (outlive_config_resolve_dir(the_process.config, section->container->values, &settings, NULL) != OUTLIVE_OK) return;
    outlive_settings_explain(settings, section->name, OUTLIVE_NTS, refused, &of);
    outlive_settings_free(settings);
}

/** mod_php runs its programs without us and ignores outlive.*, except for what php.c tells it: the first such line is reported, because
 * it may have been meant for them. */
static void name_not_for_php(server_rec *server) {
    for (int i = 0; the_process.beside_php && i < the_process.sections->nelts; i++) {
        const ol_section *section = &APR_ARRAY_IDX(the_process.sections, i, ol_section);
        if (!is_own(section->name) || !is_acted_on(section->name) || strcmp(section->name, "outlive.disconnect") == 0) continue;
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, server,
                     "outlive: %s:%u: %s %s is not for programs that mod_php runs: they follow ignore_user_abort and max_execution_time",
                     section->file, section->line, section->directive, section->name);
        return;
    }
}

void ol_main_name_unused(server_rec *server) {
    for (int i = 0; i < the_process.sections->nelts; i++) {
        const ol_section *section = &APR_ARRAY_IDX(the_process.sections, i, ol_section);
        if (is_acted_on(section->name)) name_refused(server, section);
        else name_unused(server, section);
    }
    name_not_for_php(server);
}

void ol_main_name_idle(server_rec *server) {
    if (the_process.beside_php || the_process.sections->nelts == 0) return;
    const ol_section *section = &APR_ARRAY_IDX(the_process.sections, 0, ol_section);
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server, "outlive: %s:%u: %s %s has no effect: no line says OutliveEngine On", section->file,
                 section->line, section->directive, section->name);
}

static const char *set_ini_dir(cmd_parms *cmd, void *dir, const char *path) {
    (void)dir;
    if (the_process.php_ini_dir != NULL) return "Only first PHPINIDir directive honored per configuration tree - subsequent ones ignored";
    the_process.php_ini_dir = ap_server_root_relative(cmd->pool, path);
    return the_process.php_ini_dir == NULL ? apr_psprintf(cmd->pool, "PHPINIDir: %s is no path", path) : NULL;
}

static const char *set_engine(cmd_parms *cmd, void *dir, int on) {
    ((ol_container *)dir)->engine = on != 0;
    if (on && !the_process.serving) the_process.wanted = 1;
    (void)cmd;
    return NULL;
}

static const char *set_handlers(cmd_parms *cmd, void *dir, int on) {
    ((ol_container *)dir)->handlers = on != 0;
    if (on && !the_process.serving) the_process.wanted = 1;
    (void)cmd;
    return NULL;
}

static const char *set_scoreboard(cmd_parms *cmd, void *dir, const char *path) {
    (void)dir;
    const char *wrong = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    if (wrong != NULL) return wrong;
    if (strcasecmp(path, "off") == 0 || strcasecmp(path, "on") == 0)
        return apr_psprintf(cmd->pool, "OutliveScoreboard: %s is neither a path nor none", path);
    the_process.scoreboard = strcasecmp(path, "none") == 0 ? path : ap_runtime_dir_relative(cmd->pool, path);
    return the_process.scoreboard == NULL ? apr_psprintf(cmd->pool, "OutliveScoreboard: %s is no path", path) : NULL;
}

#define KIND(kind) ((void *)(intptr_t)(kind))

const command_rec ol_directives[] = {
    AP_INIT_TAKE2("php_value", set_value, KIND(OUTLIVE_PHP_VALUE_VALUE), OR_OPTIONS, "PHP Value Modifier"),
    AP_INIT_TAKE2("php_flag", set_value, KIND(OUTLIVE_PHP_VALUE_FLAG), OR_OPTIONS, "PHP Flag Modifier"),
    AP_INIT_TAKE2("php_admin_value", set_value, KIND(OUTLIVE_PHP_VALUE_ADMIN_VALUE), ACCESS_CONF | RSRC_CONF, "PHP Value Modifier (Admin)"),
    AP_INIT_TAKE2("php_admin_flag", set_value, KIND(OUTLIVE_PHP_VALUE_ADMIN_FLAG), ACCESS_CONF | RSRC_CONF, "PHP Flag Modifier (Admin)"),
    AP_INIT_TAKE1("PHPINIDir", set_ini_dir, NULL, RSRC_CONF, "Directory containing the php.ini file"),
    AP_INIT_FLAG("OutliveEngine", set_engine, NULL, ACCESS_CONF | RSRC_CONF,
                 "On or Off (the default): whether mod_outlive looks after requests here"),
    AP_INIT_FLAG("OutliveHandlers", set_handlers, NULL, ACCESS_CONF | RSRC_CONF,
                 "On or Off (the default): whether SetHandler outlive-status and its like answer here"),
    AP_INIT_TAKE1("OutliveScoreboard", set_scoreboard, NULL, RSRC_CONF, "a file in which all children note their requests in flight, or none"),
    {NULL, {NULL}, NULL, 0, RAW_ARGS, NULL},
};
