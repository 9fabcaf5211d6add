/* Leaves a scoreboard behind as kill -9 does: one request that had begun. The board's file is the argument. */
#include "outlive.h"
#include <signal.h>
#include <stdio.h>

int main(int count, char **arguments) {
    outlive_error error = {0};
    outlive_config *config = NULL;
    const outlive_settings *settings = NULL;
    outlive_engine *engine = NULL;
    outlive_request *request = NULL;
    outlive_config_builder *builder = outlive_config_builder_new();
    if (count != 2 ||
        outlive_config_builder_set(builder, "outlive.scoreboard", OUTLIVE_NTS, arguments[1], OUTLIVE_NTS, &error) != OUTLIVE_OK ||
        outlive_config_builder_build(builder, &config, &error) != OUTLIVE_OK ||
        outlive_config_resolve(config, NULL, &settings, &error) != OUTLIVE_OK ||
        outlive_engine_new(NULL, &engine, &error) != OUTLIVE_OK ||
        outlive_request_begin(engine, settings, NULL, &request, &error) != OUTLIVE_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    raise(SIGKILL);
    return 1;
}
