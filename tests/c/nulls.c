/* NULL in every pointer position of every function, and structs of other sizes: an error code, never a crash. */
#include "test.h"

#include <stddef.h>

static int visit_nothing_score(void *userdata, const outlive_scoreboard_row *row) {
    (void)userdata, (void)row;
    return 0;
}

static int visit_nothing_ini(void *userdata, const outlive_ini_event *event) {
    (void)userdata, (void)event;
    return 0;
}

static int function(outlive_request *request, int ending, void *userdata) {
    (void)request, (void)ending, (void)userdata;
    return OUTLIVE_OK;
}

static void handles(outlive_engine *engine, const outlive_settings *settings, outlive_config *config) {
    outlive_request *request = NULL;
    outlive_str view;
    int64_t number;
    int flag;
    EQUAL(outlive_engine_new(NULL, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_engine_drain(NULL, 0), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_engine_requests(NULL, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_engine_requests(engine, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_engine_metrics(NULL, NULL, 0, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_engine_metrics(engine, NULL, 10, NULL), OUTLIVE_ERROR_ARGUMENT);
    outlive_engine_free(NULL);

    EQUAL(outlive_request_begin(NULL, settings, NULL, &request, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_begin(engine, NULL, NULL, &request, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_begin(engine, settings, NULL, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_run(NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_write(NULL, "x", 1), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_flush(NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_check(NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_client_gone(NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_is_gone(NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_connection_status(NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_ignore_user_abort(NULL, 1), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_set_time_limit(NULL, 1), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_set_time_limit_ms(NULL, 1), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_time_left(NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_cancel(NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_set_accepted(NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_shut_down(NULL, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_engine_cancel(NULL, 1), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_id(NULL), 0);
    CHECK(outlive_request_userdata(NULL) == NULL);
    EQUAL(outlive_request_register_shutdown_function(NULL, function, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_set_label(NULL, "x"), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_is_forced(NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_hold(NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_release(NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_suspend(NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_resume(NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_finish(NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_ini_get(NULL, "a", 1, &view), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_ini_set(NULL, "a", 1, "b", 1, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_ini_restore(NULL, "a", 1), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_ending(NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_exit(NULL, OUTLIVE_ENDING_COMPLETED), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_end(NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    CHECK(outlive_request_flags(NULL) == NULL);

    /* every option may be absent */
    EQUAL(outlive_request_begin(engine, settings, NULL, &request, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_write(request, "x", 1), OUTLIVE_OK);
    EQUAL(outlive_request_write(request, NULL, 0), OUTLIVE_OK);
    EQUAL(outlive_request_write(request, NULL, 1), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_write(request, "x", SIZE_MAX / 2 + 1), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_flush(request), OUTLIVE_OK);
    EQUAL(outlive_request_register_shutdown_function(request, NULL, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_ini_get(request, NULL, 1, &view), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_ini_get(request, NULL, OUTLIVE_NTS, &view), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_ini_get(request, "precision", OUTLIVE_NTS, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_ini_set(request, NULL, 1, "b", 1, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_ini_set(request, "precision", OUTLIVE_NTS, NULL, 1, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_ini_restore(request, NULL, 1), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);

    EQUAL(outlive_settings_get(NULL, "a", 1, &view), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_settings_get(settings, NULL, 1, &view), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_settings_get(settings, "precision", OUTLIVE_NTS, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_settings_get_int(NULL, "a", 1, &number), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_settings_get_int(settings, "a", 1, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_settings_get_bool(NULL, "a", 1, &flag), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_settings_get_quantity(NULL, "a", 1, &number), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_settings_explain(NULL, "a", 1, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_settings_explain(settings, "a", 1, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_settings_each(NULL, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_settings_each(settings, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    CHECK(outlive_settings_ref(NULL) == NULL);
    outlive_settings_free(NULL);

    EQUAL(outlive_config_resolve(NULL, NULL, &settings, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_resolve(config, NULL, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    int status = 1;
    EQUAL(outlive_config_status(NULL, NULL, &status, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_status(config, NULL, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_status(config, NULL, &status, NULL), OUTLIVE_OK);
    EQUAL(status, 0);
    outlive_config_refresh(NULL);
    outlive_config_refresh(config);
    EQUAL(outlive_config_resolve_dir(NULL, NULL, &settings, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_resolve_dir(config, NULL, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_diagnostics(NULL, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_diagnostics(config, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    CHECK(outlive_config_ref(NULL) == NULL);
    outlive_config_free(NULL);
}

static void builders(void) {
    outlive_config_builder *builder = outlive_config_builder_new();
    outlive_config *config = NULL;
    outlive_error error;
    EQUAL(outlive_config_builder_set_php_version(NULL, 80200, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_builder_set_php_version(builder, 90000, &error), OUTLIVE_ERROR_ARGUMENT);
    CHECK(strstr(error.message, "90000") != NULL);
    EQUAL(outlive_config_builder_set_sapi(builder, NULL, 1, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_builder_set_sapi(builder, "nonsense", OUTLIVE_NTS, &error), OUTLIVE_ERROR_ARGUMENT);
    CHECK(strstr(error.message, "nonsense") != NULL);
    EQUAL(outlive_config_builder_set_env(builder, NULL, 1, "b", 1, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_builder_set_env(builder, "a", 1, NULL, 1, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_builder_use_process_env(NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_builder_set(builder, NULL, 1, "b", 1, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_builder_set(builder, "", 0, "b", 1, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_builder_set_compiled_in(NULL, NULL, 0, NULL, 0, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_builder_set_binary_dir(builder, NULL, 1, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_builder_set_scan_dirs(builder, NULL, 1, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_builder_add_fastcgi_param(builder, NULL, 1, "a=1", 3, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_builder_add_fastcgi_param(builder, "PHP_VALUE", 9, NULL, 1, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_builder_add_fastcgi_param(builder, "OTHER", 5, "a=1", 3, &error), OUTLIVE_ERROR_ARGUMENT);
    CHECK(strstr(error.message, "OTHER") != NULL);
    EQUAL(outlive_config_builder_load_php_ini(NULL, NULL, 0, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_builder_load_httpd_conf(builder, NULL, 1, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_builder_load_fpm_pool(builder, NULL, 1, NULL, 0, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_builder_define(builder, NULL, 1, NULL, 0, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_builder_register(builder, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_builder_build(NULL, &config, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_builder_build(builder, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_builder_build(builder, &config, NULL), OUTLIVE_OK);
    EQUAL(outlive_config_builder_build(builder, &config, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_config_builder_set(builder, "a", 1, "b", 1, NULL), OUTLIVE_ERROR_ARGUMENT);
    outlive_config_free(config);
    outlive_config_builder_free(builder);
    outlive_config_builder_free(NULL);

    outlive_dir_config *dir = outlive_dir_config_new(), *merged = NULL;
    EQUAL(outlive_dir_config_set(NULL, OUTLIVE_PHP_VALUE_VALUE, "a", 1, "b", 1, NULL, 0, 0, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_dir_config_set(dir, OUTLIVE_PHP_VALUE_VALUE, NULL, 1, "b", 1, NULL, 0, 0, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_dir_config_set(dir, OUTLIVE_PHP_VALUE_VALUE, "a", 1, NULL, 1, NULL, 0, 0, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_dir_config_set(dir, 17, "a", 1, "b", 1, NULL, 0, 0, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_dir_config_set(dir, OUTLIVE_PHP_VALUE_VALUE, "a", 1, "", 0, NULL, 0, 0, NULL), OUTLIVE_ERROR_ARGUMENT);
    merged = outlive_dir_config_merge(NULL, NULL);
    CHECK(merged != NULL);
    outlive_dir_config_free(merged);
    outlive_dir_config_free(dir);
    outlive_dir_config_free(NULL);

    size_t cleared = 1;
    EQUAL(outlive_engine_scoreboard(NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_scoreboard_read(NULL, 0, visit_nothing_score, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_scoreboard_read("/nowhere", OUTLIVE_NTS, NULL, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_scoreboard_read("/nowhere", OUTLIVE_NTS, visit_nothing_score, NULL, NULL), OUTLIVE_ERROR_IO);
    EQUAL(outlive_scoreboard_clear(NULL, 0, &cleared, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_scoreboard_clear("/nowhere", OUTLIVE_NTS, NULL, NULL), OUTLIVE_ERROR_IO);
    EQUAL(outlive_scoreboard_clear_key(NULL, 0, "k", 1, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_scoreboard_clear_key("/nowhere", OUTLIVE_NTS, NULL, 0, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_scoreboard_clear_key("/nowhere", OUTLIVE_NTS, "k", 1, NULL, NULL), OUTLIVE_ERROR_IO);
    EQUAL(outlive_scoreboard_clear_process(NULL, 0, 1, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_scoreboard_clear_process("/nowhere", OUTLIVE_NTS, -1, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_scoreboard_clear_process("/nowhere", OUTLIVE_NTS, 1, NULL, NULL), OUTLIVE_ERROR_IO);
    EQUAL(outlive_scoreboard_cancel(NULL, 0, 0, 1, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_scoreboard_cancel("/nowhere", OUTLIVE_NTS, 0, 1, NULL), OUTLIVE_ERROR_IO);
    EQUAL(outlive_scoreboard_render(NULL, 0, OUTLIVE_RENDER_JSON, NULL, NULL, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_scoreboard_render("/nowhere", OUTLIVE_NTS, OUTLIVE_RENDER_JSON, NULL, NULL, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_engine_render(NULL, OUTLIVE_RENDER_JSON, NULL, NULL, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_engine_set_policy(NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_engine_count(NULL, OUTLIVE_ENDING_COMPLETED, 0), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_settings_fingerprint(NULL), 0);
    CHECK(outlive_render_content_type(99) == NULL);

    EQUAL(outlive_ini_parse(NULL, 1, NULL, visit_nothing_ini, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_ini_parse("a=1", 3, NULL, NULL, NULL, NULL), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(outlive_ini_parse(NULL, 0, NULL, visit_nothing_ini, NULL, NULL), OUTLIVE_OK);
}

/* A caller compiled with an older or a newer header. */
static void sizes(outlive_engine *engine, const outlive_settings *settings) {
    struct {
        outlive_request_options options;
        uint64_t more[2];
    } newer = {OUTLIVE_REQUEST_OPTIONS_INIT, {0, 0}};
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_engine_options engine_options = OUTLIVE_ENGINE_OPTIONS_INIT;
    outlive_engine *other = NULL;
    outlive_request *request = NULL;
    newer.options.size = sizeof newer;
    EQUAL(outlive_request_begin(engine, settings, &newer.options, &request, NULL), OUTLIVE_OK);
    outlive_request_end(request, NULL);
    newer.more[1] = 1; /* asks for something that this library does not know */
    EQUAL(outlive_request_begin(engine, settings, &newer.options, &request, NULL), OUTLIVE_ERROR_ARGUMENT);
    options.size = offsetof(outlive_request_options, socket);
    EQUAL(outlive_request_begin(engine, settings, &options, &request, NULL), OUTLIVE_OK);
    outlive_request_end(request, NULL);
    options.size = 0;
    EQUAL(outlive_request_begin(engine, settings, &options, &request, NULL), OUTLIVE_ERROR_ARGUMENT);
    options.size = 1000000;
    EQUAL(outlive_request_begin(engine, settings, &options, &request, NULL), OUTLIVE_ERROR_ARGUMENT);
    engine_options.max_requests = UINT32_MAX;
    EQUAL(outlive_engine_new(&engine_options, &other, NULL), OUTLIVE_ERROR_ARGUMENT);
    engine_options.max_requests = 1;
    EQUAL(outlive_engine_new(&engine_options, &other, NULL), OUTLIVE_OK);
    outlive_request *second = NULL;
    EQUAL(outlive_request_begin(other, settings, NULL, &request, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_begin(other, settings, NULL, &second, NULL), OUTLIVE_ERROR_FULL);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_begin(other, settings, NULL, &second, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_end(second, NULL), OUTLIVE_OK);
    outlive_engine_free(other);
}

int main(void) {
    const outlive_settings *settings = settings_of("");
    outlive_config_builder *builder = outlive_config_builder_new();
    outlive_config *config = NULL;
    outlive_engine *engine = NULL;
    outlive_error error;
    EQUAL(outlive_config_builder_build(builder, &config, &error), OUTLIVE_OK);
    EQUAL(outlive_engine_new(NULL, &engine, &error), OUTLIVE_OK);
    handles(engine, settings, config);
    builders();
    sizes(engine, settings);
    TEXT(outlive_result_name(OUTLIVE_ERROR_LOCKED), "OUTLIVE_ERROR_LOCKED");
    TEXT(outlive_result_name(12345), "OUTLIVE_UNKNOWN");
    CHECK(strcmp(outlive_result_cname(OUTLIVE_ERROR_LOCKED), "OUTLIVE_ERROR_LOCKED") == 0 && strcmp(outlive_result_cname(12345), "OUTLIVE_UNKNOWN") == 0);
    CHECK(strcmp(outlive_result_ctext(OUTLIVE_STOP), outlive_result_text(OUTLIVE_STOP).ptr) == 0);
    CHECK(outlive_result_text(OUTLIVE_STOP).len > 5 && outlive_result_text(-12345).len > 5);
    TEXT(outlive_ending_name(OUTLIVE_ENDING_TIME_LIMIT), "time limit");
    TEXT(outlive_ending_name(OUTLIVE_ENDING_NONE), "none");
    TEXT(outlive_ending_name(99), "unknown");
    CHECK(strcmp(outlive_version(), OUTLIVE_VERSION) == 0);
    EQUAL(OUTLIVE_VERSION_NUMBER, 100);
    outlive_engine_free(engine);
    outlive_config_free(config);
    outlive_config_builder_free(builder);
    outlive_settings_free(settings);
    return finished("nulls");
}
