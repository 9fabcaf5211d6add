/* Settings for a scenario. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "outlive.h"

#include <cJSON.h>

/* Builds what `builder` holds, and frees it. NULL: said why on stderr. */
outlive_config *build(outlive_config_builder *builder);

/* The settings of an object of directives, as of php -d; `more`: "name=value" lines on top, or NULL. NULL: said why. */
const outlive_settings *settings_of(const cJSON *ini, const char *sapi, const char *more);

#endif
