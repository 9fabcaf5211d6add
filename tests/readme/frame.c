/* What stands around the README's lines of C (tests/readme/example): a server's start, four tables, and a client that goes after B. */
#include "outlive.h"
#include <stdio.h>

static outlive_request *request;
static int written;

static int told(outlive_request *ended, int ending, void *userdata) {
    (void)ended, (void)userdata;
    puts(ending == OUTLIVE_ENDING_COMPLETED && written == 4 ? "saved, though the client has gone" : "stopped at a safe point");
    return OUTLIVE_OK;
}

static int write_next_table(void) {
    if (++written == 2) {
        outlive_request_client_gone(request); /* from any thread: the socket says that the browser was closed */
    }
    return written < 4;
}

int main(void) {
    int more = 1;
    outlive_error error = {0};
    outlive_config *config = NULL;
    const outlive_settings *settings = NULL;
    outlive_engine *engine = NULL;
    outlive_config_builder *builder = outlive_config_builder_new();
    if (outlive_config_builder_load_php_ini(builder, "php.ini.example", OUTLIVE_NTS, &error) != OUTLIVE_OK ||
        outlive_config_builder_set(builder, "ignore_user_abort", OUTLIVE_NTS, "On", OUTLIVE_NTS, &error) != OUTLIVE_OK ||
        outlive_config_builder_build(builder, &config, &error) != OUTLIVE_OK ||
        outlive_config_resolve(config, NULL, &settings, &error) != OUTLIVE_OK ||
        outlive_engine_new(NULL, &engine, &error) != OUTLIVE_OK) {
        fprintf(stderr, "%s:%u: %s\n", error.file, (unsigned)error.line, error.message);
        return 1;
    }
#line 1 "README.md"
    README;
    outlive_engine_free(engine);
    outlive_settings_free(settings);
    outlive_config_free(config);
    outlive_config_builder_free(builder);
    return 0;
}
