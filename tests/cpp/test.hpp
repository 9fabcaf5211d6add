// The few words that the C++ tests need. A failed check says where, and the program fails at its end.
#ifndef OUTLIVE_TEST_HPP
#define OUTLIVE_TEST_HPP

#include "outlive.hpp"

#include <cstdio>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

inline int failures;
inline long checks;

#define CHECK(...) \
    do { \
        checks++; \
        if (!(__VA_ARGS__)) { \
            failures++; \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #__VA_ARGS__); \
        } \
    } while (0)

// The statement throws outlive::error with this result.
#define THROWS(code, ...) \
    do { \
        checks++; \
        bool threw_ = false; \
        try { \
            static_cast<void>(__VA_ARGS__); \
        } catch (const outlive::error &error_) { \
            threw_ = error_.result() == (code); \
            if (!threw_) { \
                std::fprintf(stderr, "%s:%d: threw \"%s\"\n", __FILE__, __LINE__, error_.what()); \
            } \
        } \
        if (!threw_) { \
            failures++; \
            std::fprintf(stderr, "%s:%d: does not throw %s: %s\n", __FILE__, __LINE__, #code, #__VA_ARGS__); \
        } \
    } while (0)

inline int finished(const char *name) {
    std::printf("%s: %ld checks, %d failed\n", name, checks, failures);
    return failures != 0;
}

// Settings on top of PHP's defaults.
inline outlive::settings settings_of(std::initializer_list<std::pair<const char *, const char *>> lines) {
    outlive::config_builder builder;
    for (const auto &[name, value] : lines) {
        builder.set(name, value);
    }
    return builder.build().resolve();
}

#endif
