/*
 * The state of a process: the parent reads php.ini, each child makes its engine.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#include "private.h"

#include <apr_strings.h>
#include <http_core.h>
#include <mpm_common.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unixd.h>

ol_process the_process;

int ol_main_pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp) {
    (void)plog, (void)ptemp;
    memset(&the_process, 0, sizeof the_process);
    the_process.sections = apr_array_make(pconf, 16, sizeof(ol_section));
    ol_main_hook_proxy();
    return OK;
}

static apr_status_t free_config(void *data) {
    (void)data;
    outlive_settings_free(the_process.root);
    outlive_config_free(the_process.config);
    the_process.root = NULL;
    the_process.config = NULL;
    return APR_SUCCESS;
}

static int diagnosed(void *data, const outlive_diagnostic *diagnostic) {
    int level = diagnostic->severity >= 2 ? APLOG_ERR : diagnostic->severity == 1 ? APLOG_WARNING : APLOG_INFO;
    ap_log_error(APLOG_MARK, level, 0, (server_rec *)data, "outlive: %s:%u: %s", diagnostic->file.ptr, (unsigned)diagnostic->line,
                 diagnostic->text.ptr);
    return 0;
}

/* Where mod_php has its own compiled in; by `make apache PHP_INI_DIR=…`. */
#ifndef OUTLIVE_PHP_INI_DIR
#define OUTLIVE_PHP_INI_DIR NULL
#define OUTLIVE_PHP_SCAN_DIR NULL
#define BUILT_IN(name, value) #name "=\"\""
#else
#define BUILT_IN(name, value) #name "=\"" value "\""
#endif

/** For those who read this file and do not run it, such as the outlive command: where php.ini is looked for. */
const char ol_built_in[] __attribute__((used)) =
    BUILT_IN(OUTLIVE_PHP_INI_DIR, OUTLIVE_PHP_INI_DIR) " " BUILT_IN(OUTLIVE_PHP_SCAN_DIR, OUTLIVE_PHP_SCAN_DIR);

static int build(outlive_config_builder *builder, outlive_config **config, outlive_error *error) {
    int result = outlive_config_builder_set_sapi(builder, "apache2handler", OUTLIVE_NTS, error);
    if (result == OUTLIVE_OK)
        result = outlive_config_builder_set_compiled_in(builder, OUTLIVE_PHP_INI_DIR, OUTLIVE_NTS, OUTLIVE_PHP_SCAN_DIR, OUTLIVE_NTS, error);
    /* PHPINIDir replaces the search with PHPRC. */
    if (result == OUTLIVE_OK && the_process.php_ini_dir != NULL)
        result = outlive_config_builder_set_env(builder, "PHPRC", OUTLIVE_NTS, the_process.php_ini_dir, OUTLIVE_NTS, error);
    if (result == OUTLIVE_OK) result = outlive_config_builder_use_process_env(builder);
    if (result == OUTLIVE_OK) result = outlive_config_builder_load_php_ini(builder, NULL, 0, error);
    if (result == OUTLIVE_OK) result = outlive_config_builder_build(builder, config, error);
    return result;
}

/** They live as long as httpd's parent, so that they continue over a restart, and children from before the restart
 * count in them, too. */
static void make_counters(apr_pool_t *forever) {
    static const char name[] = "mod_outlive counters 3";
    void *counters = NULL;
    apr_pool_userdata_get(&counters, name, forever);
    if (counters == NULL) {
        counters = mmap(NULL, sizeof(ol_counters), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (counters == MAP_FAILED) return;
        apr_pool_userdata_set(counters, name, NULL, forever); /* a copy of the name: the module is loaded anew */
    }
    the_process.counters = counters;
}

/** Without a file the children share memory alone, which lives as long as httpd's parent; nobody else can read it. */
static void make_board(apr_pool_t *forever) {
    static const char name[] = "mod_outlive board 1";
    void *board = NULL;
    apr_pool_userdata_get(&board, name, forever);
    if (board == NULL) {
        const int made = memfd_create("outlive", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (made <= 0) return;
        board = apr_pmemdup(forever, &made, sizeof made);
        apr_pool_userdata_set(board, name, NULL, forever);
    }
    the_process.board = *(int *)board;
}

/** The scoreboard's file is made here, because the parent has the right to, and belongs to the children. */
static void make_scoreboard(apr_pool_t *pconf, server_rec *server) {
    outlive_str said = {"", 0};
    outlive_settings_get(the_process.root, "outlive.scoreboard", OUTLIVE_NTS, &said);
    const char *path = the_process.scoreboard;
    if (path == NULL) path = said.len > 0 ? apr_pstrdup(pconf, said.ptr) : ap_runtime_dir_relative(pconf, "outlive.scoreboard");
    the_process.scoreboard = NULL;
    if (path == NULL || strcasecmp(path, "none") == 0) {
        make_board(server->process->pool);
        return;
    }
    const int is_root = geteuid() == 0;
    const uid_t user = is_root ? ap_unixd_config.user_id : geteuid();
    const gid_t group = is_root ? ap_unixd_config.group_id : getegid();
    outlive_error error = {0};
    if (outlive_scoreboard_prepare(path, OUTLIVE_NTS, user, group, &error) == OUTLIVE_OK) the_process.scoreboard = path;
    else
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server, "outlive: %s: no scoreboard: %s; or set OutliveScoreboard to another file, or to none",
                     path, error.message);
}

/** Reads php.ini, and reports about the lines of all files. */
static int read_all(apr_pool_t *pconf, server_rec *server) {
    outlive_error error = {0};
    outlive_config *config = NULL;
    outlive_config_builder *builder = outlive_config_builder_new();
    int result = builder == NULL ? OUTLIVE_ERROR_SYSTEM : build(builder, &config, &error);
    outlive_config_builder_free(builder);
    if (result == OUTLIVE_OK) result = outlive_config_resolve(config, NULL, &the_process.root, &error);
    if (result != OUTLIVE_OK) {
        outlive_config_free(config);
        ap_log_error(APLOG_MARK, APLOG_EMERG, 0, server, "outlive: %s:%u: %s", error.file, (unsigned)error.line, error.message);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    the_process.config = config;
    the_process.root_flags = ol_any_flags_of(the_process.root);
    apr_pool_cleanup_register(pconf, NULL, free_config, apr_pool_cleanup_null);
    if (!the_process.beside_php) outlive_config_diagnostics(config, diagnosed, server);
    ol_main_name_unused(server);
    return OK;
}

int ol_main_post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *server) {
    (void)plog, (void)ptemp;
    /* httpd reads its configuration twice before it starts; only the second time counts. */
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) return OK;
    the_process.beside_php = ap_find_linked_module("mod_php.c") != NULL;
    if (!the_process.wanted) {
        ol_main_name_idle(server);
        return OK;
    }
    const int status = read_all(pconf, server);
    if (status != OK) return status;
    make_counters(server->process->pool);
    make_scoreboard(pconf, server);
    ap_add_version_component(pconf, apr_pstrcat(pconf, "outlive/", outlive_version(), NULL));
    return OK;
}

/** `apachectl configtest`, which does not get as far as that. */
void ol_main_test_config(apr_pool_t *pconf, server_rec *server) {
    the_process.beside_php = ap_find_linked_module("mod_php.c") != NULL;
    if (the_process.wanted) read_all(pconf, server);
    else ol_main_name_idle(server);
}

/** Runs before anything of the child is freed. */
static apr_status_t begin_to_die(void *data) {
    (void)data;
    __atomic_store_n(&the_process.dying, 1, __ATOMIC_RELEASE);
    return APR_SUCCESS;
}

/** Not while a request runs: under prefork this is then a signal handler, which may have interrupted the request anywhere. The
 * process ends right after it. */
static apr_status_t free_engine(void *data) {
    (void)data;
    if (ol_any_jobs()) return APR_SUCCESS;
    outlive_engine_free(the_process.engine);
    the_process.engine = NULL;
    ol_main_close_interrupter();
    return APR_SUCCESS;
}

void ol_main_child_init(apr_pool_t *pchild, server_rec *server) {
    the_process.serving = 1;
    apr_pool_create(&the_process.pool, pchild);
    apr_thread_mutex_create(&the_process.mutex, APR_THREAD_MUTEX_DEFAULT, pchild);
    if (!the_process.wanted) return;
    ol_main_look_at_handlers(server);
    outlive_error error = {0};
    outlive_engine_options options = OUTLIVE_ENGINE_OPTIONS_INIT;
    options.scoreboard = the_process.scoreboard;
    options.scoreboard_fd = the_process.board;
    int result = outlive_engine_new(&options, &the_process.engine, &error);
    if (result != OUTLIVE_OK && (options.scoreboard != NULL || options.scoreboard_fd > 0)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server, "outlive: %s: no scoreboard: %s", error.file, error.message);
        options.scoreboard = the_process.scoreboard = NULL;
        options.scoreboard_fd = 0;
        result = outlive_engine_new(&options, &the_process.engine, &error);
    }
    if (result != OUTLIVE_OK) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, server, "outlive: this child has no engine and serves without outlive: %s", error.message);
        return;
    }
    outlive_engine_set_policy(the_process.engine, the_process.root);
    apr_pool_cleanup_register(pchild, NULL, free_engine, apr_pool_cleanup_null);
    apr_pool_pre_cleanup_register(pchild, NULL, begin_to_die);
}
