#include "settings.h"

#include <stdio.h>
#include <string.h>

static int failed(const outlive_error *error) {
    fprintf(stderr, "%s%s%s\n", error->file, error->file[0] ? ": " : "", error->message);
    return 0;
}

outlive_config *build(outlive_config_builder *builder) {
    outlive_config *config = NULL;
    outlive_error error;
    if (outlive_config_builder_build(builder, &config, &error) != OUTLIVE_OK) {
        failed(&error);
    }
    outlive_config_builder_free(builder);
    return config;
}

const outlive_settings *settings_of(const cJSON *ini, const char *sapi, const char *more) {
    outlive_config_builder *builder = outlive_config_builder_new();
    const outlive_settings *settings = NULL;
    outlive_config *config;
    outlive_error error;
    const cJSON *directive;
    int ok = outlive_config_builder_set_sapi(builder, sapi, OUTLIVE_NTS, &error) == OUTLIVE_OK || failed(&error);
    cJSON_ArrayForEach(directive, ini) {
        const char *value = cJSON_GetStringValue(directive);
        ok = ok && value != NULL &&
             (outlive_config_builder_set(builder, directive->string, OUTLIVE_NTS, value, OUTLIVE_NTS, &error) == OUTLIVE_OK ||
              failed(&error));
    }
    while (ok && more != NULL && *more) {
        const char *equals = strchr(more, '='), *end = more + strcspn(more, "\n");
        ok = outlive_config_builder_set(builder, more, (size_t)(equals - more), equals + 1, (size_t)(end - equals - 1), &error) ==
                 OUTLIVE_OK ||
             failed(&error);
        more = *end ? end + 1 : end;
    }
    config = build(builder);
    if (ok && config != NULL && outlive_config_resolve(config, NULL, &settings, &error) != OUTLIVE_OK) {
        failed(&error);
    }
    outlive_config_free(config);
    return settings;
}
