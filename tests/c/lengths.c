/*
 * Every length that the API takes: what cannot be one is an error, and nothing is read. The texts begin at the last byte of a page behind which there
 * is no memory, so that one byte more ends the program. tests/c/run looks that every function with a length is called here.
 */
#include "test.h"

#include <sys/mman.h>
#include <unistd.h>

static const size_t impossible[] = {(size_t)PTRDIFF_MAX + 1, (size_t)PTRDIFF_MAX + 2, SIZE_MAX / 4 * 3, SIZE_MAX - 1};
static const char *edge; /* one byte, and nothing behind it */

static int no_setting(void *userdata, const outlive_origin *origin) {
    (void)userdata, (void)origin;
    return 0;
}

static int no_event(void *userdata, const outlive_ini_event *event) {
    (void)userdata, (void)event;
    return 0;
}

static int no_row(void *userdata, const outlive_scoreboard_row *row) {
    (void)userdata, (void)row;
    return 0;
}

static size_t answered;
static int answers(void *userdata, const char *name, size_t len, outlive_str *value) {
    (void)userdata, (void)name, (void)len;
    value->ptr = edge;
    value->len = answered;
    return 1;
}

#define REFUSED(call) EQUAL(call, OUTLIVE_ERROR_ARGUMENT)

static void texts(const outlive_settings *settings, outlive_request *request, size_t len) {
    outlive_config_builder *builder = outlive_config_builder_new();
    outlive_dir_config *dir_config = outlive_dir_config_new();
    outlive_error error;
    outlive_str view;
    int64_t number;
    int flag;
    size_t count;
    REFUSED(outlive_ini_parse(edge, len, NULL, no_event, NULL, &error));
    CHECK(strlen(error.message) > 0);
    REFUSED(outlive_config_builder_set_sapi(builder, edge, len, NULL));
    REFUSED(outlive_config_builder_set_env(builder, edge, len, "x", 1, NULL));
    REFUSED(outlive_config_builder_set_env(builder, "x", 1, edge, len, NULL));
    REFUSED(outlive_config_builder_set(builder, edge, len, "1", 1, NULL));
    REFUSED(outlive_config_builder_set(builder, "precision", 9, edge, len, NULL));
    REFUSED(outlive_config_builder_load_php_ini(builder, edge, len, NULL));
    REFUSED(outlive_config_builder_load_httpd_conf(builder, edge, len, NULL));
    REFUSED(outlive_config_builder_load_fpm_pool(builder, edge, len, "www", 3, NULL));
    REFUSED(outlive_config_builder_load_fpm_pool(builder, "/none", 5, edge, len, NULL));
    REFUSED(outlive_config_builder_define(builder, edge, len, "1", 1, NULL));
    REFUSED(outlive_config_builder_define(builder, "x", 1, edge, len, NULL));
    REFUSED(outlive_config_builder_set_compiled_in(builder, edge, len, NULL, 0, NULL));
    REFUSED(outlive_config_builder_set_compiled_in(builder, NULL, 0, edge, len, NULL));
    REFUSED(outlive_config_builder_set_binary_dir(builder, edge, len, NULL));
    REFUSED(outlive_config_builder_set_scan_dirs(builder, edge, len, NULL));
    REFUSED(outlive_config_builder_add_fastcgi_param(builder, edge, len, "x=1", 3, NULL));
    REFUSED(outlive_config_builder_add_fastcgi_param(builder, "PHP_VALUE", 9, edge, len, NULL));
    REFUSED(outlive_dir_config_set(dir_config, OUTLIVE_PHP_VALUE_VALUE, edge, len, "1", 1, NULL, 0, 0, NULL));
    REFUSED(outlive_dir_config_set(dir_config, OUTLIVE_PHP_VALUE_VALUE, "precision", 9, edge, len, NULL, 0, 0, NULL));
    REFUSED(outlive_settings_get(settings, edge, len, &view));
    REFUSED(outlive_settings_get_int(settings, edge, len, &number));
    REFUSED(outlive_settings_get_bool(settings, edge, len, &flag));
    REFUSED(outlive_settings_get_quantity(settings, edge, len, &number));
    REFUSED(outlive_settings_explain(settings, edge, len, no_setting, NULL));
    REFUSED(outlive_holds_secret(edge, len, "1", 1));
    REFUSED(outlive_holds_secret("precision", 9, edge, len));
    REFUSED(outlive_request_ini_get(request, edge, len, &view));
    REFUSED(outlive_request_ini_set(request, edge, len, "1", 1, &view));
    REFUSED(outlive_request_ini_set(request, "precision", 9, edge, len, &view));
    REFUSED(outlive_request_ini_restore(request, edge, len));
    REFUSED(outlive_scoreboard_read(edge, len, no_row, NULL, NULL));
    REFUSED(outlive_scoreboard_prepare(edge, len, 0, 0, NULL));
    REFUSED(outlive_scoreboard_clear(edge, len, &count, NULL));
    REFUSED(outlive_scoreboard_clear_process(edge, len, 1, &count, NULL));
    REFUSED(outlive_scoreboard_clear_key(edge, len, "k", 1, &count, NULL));
    REFUSED(outlive_scoreboard_clear_key("/nowhere", 8, edge, len, &count, NULL));
    REFUSED(outlive_scoreboard_cancel(edge, len, 0, 1, NULL));
    REFUSED(outlive_scoreboard_render(edge, len, OUTLIVE_RENDER_JSON, NULL, host_write, NULL, NULL));
    outlive_dir_config_free(dir_config);
    outlive_config_builder_free(builder);
}

/* What is no text has no end of its own: there (size_t)-1 is refused, too. */
static void data(outlive_engine *engine, outlive_request *request, host *host, size_t len) {
    outlive_ini_options options = OUTLIVE_INI_OPTIONS_INIT;
    outlive_header header = {"a", "b"};
    outlive_target target = OUTLIVE_TARGET_INIT;
    const outlive_settings *settings = NULL;
    outlive_config_builder *builder = outlive_config_builder_new();
    outlive_config *config = NULL;
    char text[64];
    size_t needed;
    REFUSED(outlive_request_write(request, edge, len));
    EQUAL(host->writes, 0);
    REFUSED(outlive_engine_metrics(engine, text, len, &needed));
    options.variable = answers;
    answered = len;
    REFUSED(outlive_ini_parse("a = ${x}", 8, &options, no_event, NULL, NULL));
    options.variable = NULL;
    options.constant = answers;
    REFUSED(outlive_ini_parse("a = X\nb = 1", 11, &options, no_event, NULL, NULL));
    EQUAL(outlive_config_builder_build(builder, &config, NULL), OUTLIVE_OK);
    target.headers = &header;
    target.header_count = len;
    REFUSED(outlive_config_resolve(config, &target, &settings, NULL));
    target.header_count = SIZE_MAX / sizeof header;
    REFUSED(outlive_config_resolve(config, &target, &settings, NULL));
    outlive_config_free(config);
    outlive_config_builder_free(builder);
}

int main(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE) != 0) {
        return 1;
    }
    pages[page - 1] = 'x';
    edge = pages + page - 1;
    const outlive_settings *settings = settings_of("");
    outlive_engine *engine = NULL;
    outlive_request *request = NULL;
    outlive_request_options options = OUTLIVE_REQUEST_OPTIONS_INIT;
    host host = {0};
    options.write = host_write;
    options.userdata = &host;
    EQUAL(outlive_engine_new(NULL, &engine, NULL), OUTLIVE_OK);
    EQUAL(outlive_request_begin(engine, settings, &options, &request, NULL), OUTLIVE_OK);
    for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++) {
        texts(settings, request, impossible[i]);
        data(engine, request, &host, impossible[i]);
    }
    data(engine, request, &host, SIZE_MAX);
    EQUAL(outlive_request_write(request, edge, 1), OUTLIVE_OK);
    EQUAL(host.bytes, 1);
    EQUAL(outlive_request_end(request, NULL), OUTLIVE_OK);
    outlive_engine_free(engine);
    outlive_settings_free(settings);
    munmap(pages, 2 * page);
    return finished("lengths");
}
