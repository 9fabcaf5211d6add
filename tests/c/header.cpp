// The header as a C++11 program sees it: twice, and without a warning.
#include "outlive.h"
#include "outlive.h"

#include <cstdio>
#include <cstring>

static_assert(OUTLIVE_OK == 0 && OUTLIVE_STOP == 1, "results");

int main() {
    outlive_target target = OUTLIVE_TARGET_INIT;
    outlive_ini_options options = OUTLIVE_INI_OPTIONS_INIT;
    outlive_directive directive = OUTLIVE_DIRECTIVE_INIT;
    outlive_request_options request = OUTLIVE_REQUEST_OPTIONS_INIT;
    outlive_engine_options engine = OUTLIVE_ENGINE_OPTIONS_INIT;
    const bool fine = target.size == sizeof target && options.size == sizeof options && directive.size == sizeof directive &&
                      request.size == sizeof request && request.socket == -1 && engine.size == sizeof engine &&
                      std::strcmp(outlive_version(), OUTLIVE_VERSION) == 0;
    std::printf("header: %s\n", fine ? "fine" : "wrong");
    return fine ? 0 : 1;
}
