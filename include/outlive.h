/*
 * outlive: PHP's connection handling for any server.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 * Generated from src/capi by cbindgen; change it there. `make header` writes it anew, a test fails when it is stale.
 *
 * Conventions
 *  - Results are int: OUTLIVE_OK 0; positive where there is more than one good outcome; negative errors. Their numbers never
 *    change meaning. outlive_result_name and outlive_result_text say what a number is.
 *  - Outputs go through pointers and are written only on success. An outlive_error record is the caller's and may be NULL.
 *  - Text in is a pointer and a length in bytes, OUTLIVE_NTS for NUL-terminated; it is copied. Text out is a view
 *    (outlive_str), NUL-terminated too; the function says how long it lives.
 *  - A pointer to const: calls may run at the same time. Otherwise the caller takes care, unless "Thread safety" says more.
 *  - Handles end with _free (or _end); free of NULL does nothing.
 *  - Each section says once which threads may call its functions, what holds in a forked child, and whether a signal handler may
 *    call them. A function that differs says so itself.
 *  - Times are milliseconds where a name says _ms or milliseconds, and seconds otherwise; sizes are bytes.
 *  - Callbacks must not throw or longjmp. A panic of the library never crosses the boundary: OUTLIVE_ERROR_PANIC.
 *
 * The smallest useful embedding is four calls: outlive_request_begin, outlive_request_check (or _client_gone),
 * outlive_request_register_shutdown_function, outlive_request_end.
 */

#ifndef OUTLIVE_H
#define OUTLIVE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Handles -------------------------------------------------------------------------------------------------------------
 *
 * What the functions below work on. Their content is the library's business.
 */

/**
 * A configuration: immutable, shared by all threads, counted. To reload, build another and resolve new requests against
 * it; requests in flight keep their settings.
 */
typedef struct outlive_config outlive_config;

/**
 * Collects files, definitions and options, and makes a configuration of them. One thread at a time. Nothing is read from
 * the process's environment, and no file is read, unless it is asked for.
 */
typedef struct outlive_config_builder outlive_config_builder;

/**
 * The php_value, php_flag, php_admin_value and php_admin_flag of one container (a directory section, a location, a virtual
 * host …), or of several merged, for Apache modules: made in the module's create hook, merged in its merge hook. It is
 * plain memory, without global state.
 */
typedef struct outlive_dir_config outlive_dir_config;

/**
 * Manages many requests at once: their time limits, their watched sockets, the table of requests in flight. One per process
 * is usual. It has one thread of its own, started with its first request and ended by outlive_engine_free (none if it is asked for none); it
 * installs no signal handlers and uses no timers of the process.
 *
 * After fork the child cannot use its parent's engine: every call on it, or on its requests, answers
 * OUTLIVE_ERROR_FORKED at once. Prefork servers make an engine in each child.
 */
typedef struct outlive_engine outlive_engine;

/**
 * One request. outlive_request_begin makes it, outlive_request_end frees it. A later call with the same pointer answers
 * OUTLIVE_ERROR_ENDED, as long as the engine lives and fewer than 256 later requests have used the same slot.
 *
 * One thread at a time works on a request; which one may change. A call that comes while another has not
 * returned is answered with OUTLIVE_ERROR_BUSY. outlive_request_client_gone, outlive_request_is_gone, outlive_request_cancel,
 * outlive_request_id, outlive_request_userdata and outlive_request_time_left may come from any thread at any time before the end.
 */
typedef struct outlive_request outlive_request;

/**
 * The values in force for one target: immutable, shared by all threads, counted. The caller of outlive_config_resolve owns
 * one reference; outlive_settings_ref makes another, outlive_settings_free gives one back.
 */
typedef struct outlive_settings outlive_settings;

/* Results, texts and versions -----------------------------------------------------------------------------------------
 *
 * What a call says, in numbers and in words, and which version says it.
 * Unless a function says otherwise: Thread safety: any thread. Fork safety: yes. Signal safety: yes.
 */

#define OUTLIVE_VERSION_MAJOR 0
#define OUTLIVE_VERSION_MINOR 1
#define OUTLIVE_VERSION_PATCH 0
/** The header's version as text, to be compared with outlive_version(). */
#define OUTLIVE_VERSION "0.1.0"

/** The header's version as one number: MAJOR * 10000 + MINOR * 100 + PATCH. */
#define OUTLIVE_VERSION_NUMBER (OUTLIVE_VERSION_MAJOR * 10000 + OUTLIVE_VERSION_MINOR * 100 + OUTLIVE_VERSION_PATCH)

/** A length that says: the text ends at its first NUL. */
#define OUTLIVE_NTS ((size_t)-1)

/** Done. */
#define OUTLIVE_OK 0

/** The request should end now. */
#define OUTLIVE_STOP 1

/** It had been done before (`finish`, `cancel`). */
#define OUTLIVE_ALREADY 2

/** An argument is NULL, too long, or not one of the values it may have. */
#define OUTLIVE_ERROR_ARGUMENT -1
/** No directive, pool, function or request of that name. */
#define OUTLIVE_ERROR_NOT_FOUND -2
/** A file could not be read. */
#define OUTLIVE_ERROR_IO -3
/** A text or file is larger than what is accepted, or nested too deeply. */
#define OUTLIVE_ERROR_TOO_LARGE -4
/** A text breaks the rules of its language. */
#define OUTLIVE_ERROR_SYNTAX -5
/** Apache, or FPM, would refuse to start with this configuration. */
#define OUTLIVE_ERROR_REFUSED -6
/** The server itself would answer this request (an error status or a redirect); no settings are in force. */
#define OUTLIVE_ERROR_NOT_SERVED -7
/** An admin layer has locked the directive. */
#define OUTLIVE_ERROR_LOCKED -8
/** The directive cannot be changed from here. */
#define OUTLIVE_ERROR_ACCESS -9
/** The directive does not take this value. */
#define OUTLIVE_ERROR_VALUE -10
/** The call does not fit the stage that the request is in. */
#define OUTLIVE_ERROR_STAGE -11
/** The request has ended; the handle names nothing any more. */
#define OUTLIVE_ERROR_ENDED -12
/** Another thread is inside a call on this request, or a callback called back where it may not. */
#define OUTLIVE_ERROR_BUSY -13
/** The engine was made in the parent of this process. */
#define OUTLIVE_ERROR_FORKED -14
/** The engine takes no new requests. */
#define OUTLIVE_ERROR_DRAINING -15
/** More requests, or registered functions, than can be held. */
#define OUTLIVE_ERROR_FULL -16
/** The system refused a thread, a descriptor or memory. */
#define OUTLIVE_ERROR_SYSTEM -17
/** Time ran out before the work was done (`drain`). */
#define OUTLIVE_ERROR_TIMEOUT -18
/** A defect in outlive; the call did nothing that can be relied on. */
#define OUTLIVE_ERROR_PANIC -19
/** A visitor asked for no more. */
#define OUTLIVE_ERROR_INTERRUPTED -20
/** This build or system cannot do that. */
#define OUTLIVE_ERROR_UNSUPPORTED -21
/** Bytes of outlive_error.file, the NUL included. */
#define OUTLIVE_ERROR_FILE_SIZE 1024
/** Bytes of outlive_error.message, the NUL included. */
#define OUTLIVE_ERROR_MESSAGE_SIZE 1024

/**
 * A view of text that belongs to the library. Also NUL-terminated (the NUL is not counted), though the text may hold
 * NULs of its own. The function that gives it says how long it lives.
 */
typedef struct outlive_str {
    /**
     * The first byte; never NULL.
     */
    const char *ptr;
    /**
     * Length in bytes, without the terminating NUL.
     */
    size_t len;
} outlive_str;

/**
 * What went wrong, where, and what to do about it. Owned by the caller, who may pass NULL instead wherever one is asked
 * for. Written only when a call fails; a text that is too long is cut.
 */
typedef struct outlive_error {
    /**
     * The negative result code that the call returned.
     */
    int code;
    /**
     * Line, counted from 1; 0: none.
     */
    uint32_t line;
    /**
     * Column, counted from 1; 0: none.
     */
    uint32_t column;
    /**
     * The file, NUL-terminated; empty: none.
     */
    char file[OUTLIVE_ERROR_FILE_SIZE];
    /**
     * For people, NUL-terminated.
     */
    char message[OUTLIVE_ERROR_MESSAGE_SIZE];
} outlive_error;

/**
 * The name of a result code, such as "OUTLIVE_ERROR_LOCKED"; "OUTLIVE_UNKNOWN" for a number that is none.
 *
 * The text is static.
 */
struct outlive_str outlive_result_name(int code);

/**
 * What a result code means, one phrase for people.
 *
 * The text is static.
 */
struct outlive_str outlive_result_text(int code);

/**
 * As outlive_result_name, as a C string.
 *
 * The text is static.
 */
const char *outlive_result_cname(int code);

/**
 * As outlive_result_text, as a C string.
 *
 * The text is static.
 */
const char *outlive_result_ctext(int code);

/**
 * The library's version, "MAJOR.MINOR.PATCH", to be compared with OUTLIVE_VERSION of the header.
 *
 * The text is static and NUL-terminated.
 */
const char *outlive_version(void);

/* The php.ini language ------------------------------------------------------------------------------------------------
 *
 * Reads an ini text as PHP does, statement by statement. Needs nothing of what follows.
 * Unless a function says otherwise: Thread safety: any thread. Fork safety: yes. Signal safety: no.
 */

/** The initialiser of an outlive_ini_options: normal mode, PHP 8.2, no look-up. */
#define OUTLIVE_INI_OPTIONS_INIT \
    {sizeof(outlive_ini_options), OUTLIVE_INI_NORMAL, 0, NULL, 0, NULL, NULL, NULL}

/** How ini values are read: constants, operators and ${} are dealt with; every value is text. */
#define OUTLIVE_INI_NORMAL 0
/** Values as they stand. */
#define OUTLIVE_INI_RAW 1
/** As normal, with booleans, null and numbers typed. */
#define OUTLIVE_INI_TYPED 2
/** An ini statement: [name] */
#define OUTLIVE_INI_SECTION 0
/** key = value */
#define OUTLIVE_INI_ENTRY 1
/** key[offset] = value */
#define OUTLIVE_INI_ARRAY_ENTRY 2
/** A key without =, which PHP ignores. */
#define OUTLIVE_INI_BARE 3
/** An ini value's type: text */
#define OUTLIVE_INI_TEXT 0
/** true or false */
#define OUTLIVE_INI_BOOL 1
/** null */
#define OUTLIVE_INI_NULL 2
/** An integer. */
#define OUTLIVE_INI_INT 3
/** A decimal number. */
#define OUTLIVE_INI_FLOAT 4

/**
 * Looks up a name: a variable for ${NAME}, or a constant. Not 0: found, and *value is its text, which has to live until the library's
 * next call of this function. The text's length is given in bytes, never as OUTLIVE_NTS: an impossible length makes outlive_ini_parse
 * answer OUTLIVE_ERROR_ARGUMENT. Must not throw or longjmp.
 */
typedef int (*outlive_ini_lookup)(void *userdata,
                                  const char *name,
                                  size_t len,
                                  struct outlive_str *value);

/** How an ini text is read. OUTLIVE_INI_OPTIONS_INIT sets the size, and the rest to 0. May grow at its end. */
typedef struct outlive_ini_options {
    /**
     * sizeof(outlive_ini_options)
     */
    size_t size;
    /**
     * OUTLIVE_INI_NORMAL, OUTLIVE_INI_RAW or OUTLIVE_INI_TYPED.
     */
    int mode;
    /**
     * As PHP_VERSION_ID; 0: 80200.
     */
    uint32_t php_version;
    /**
     * The file's name for messages, NUL-terminated; NULL: none.
     */
    const char *file;
    /**
     * Not 0: the text ends at its first NUL, as for parse_ini_string.
     */
    int stop_at_nul;
    /**
     * ${NAME}; NULL: there are no variables.
     */
    outlive_ini_lookup variable;
    /**
     * Constants; NULL: the core constants of that PHP version.
     */
    outlive_ini_lookup constant;
    /**
     * Handed to both.
     */
    void *lookup_userdata;
} outlive_ini_options;

/** One statement of an ini text. May grow at its end; `size` says how far. */
typedef struct outlive_ini_event {
    /**
     * Bytes that the library wrote.
     */
    size_t size;
    /**
     * OUTLIVE_INI_SECTION, OUTLIVE_INI_ENTRY, OUTLIVE_INI_ARRAY_ENTRY or OUTLIVE_INI_BARE.
     */
    int kind;
    /**
     * The line of the text, counted from 1.
     */
    uint32_t line;
    /**
     * The key, or the section's name.
     */
    struct outlive_str key;
    /**
     * The offset of an array entry; empty: append.
     */
    struct outlive_str offset;
    /**
     * OUTLIVE_INI_TEXT, or in typed mode OUTLIVE_INI_BOOL, OUTLIVE_INI_NULL, OUTLIVE_INI_INT, OUTLIVE_INI_FLOAT.
     */
    int value_type;
    /**
     * The value, where it is text.
     */
    struct outlive_str text;
    /**
     * The value, where it is an integer, or a boolean (0, 1).
     */
    int64_t integer;
    /**
     * The value, where it is a decimal number.
     */
    double real;
} outlive_ini_event;

/**
 * Sees one statement; it and its texts live until it returns. Returns 0 to see the next one, anything else to end the visit.
 * Must not throw or longjmp.
 */
typedef int (*outlive_ini_visitor)(void *userdata, const struct outlive_ini_event *event);

/**
 * Reads a text in PHP's ini language and hands each section, entry and array entry, in order and with its line, to `visit`.
 * `options` may be NULL.
 *
 * OUTLIVE_ERROR_SYNTAX: with PHP's own message, and the line that PHP names; the statements visited before it count.
 * OUTLIVE_ERROR_INTERRUPTED: the visitor asked for no more.
 */
int outlive_ini_parse(const char *text,
                      size_t len,
                      const struct outlive_ini_options *options,
                      outlive_ini_visitor visit,
                      void *userdata,
                      struct outlive_error *error);

/* Building a configuration --------------------------------------------------------------------------------------------
 *
 * Collects files, values and options; then outlive_config_builder_build makes a configuration of them.
 * Unless a function says otherwise: Thread safety: one thread at a time. Fork safety: yes. Signal safety: no.
 */

/** The initialiser of an outlive_directive: everybody may change it. */
#define OUTLIVE_DIRECTIVE_INIT \
    {sizeof(outlive_directive), NULL, OUTLIVE_ACCESS_ALL, NULL, NULL, NULL, NULL}

/** Who may change a directive: a running program. */
#define OUTLIVE_ACCESS_USER 1
/** .htaccess, .user.ini, php_value. */
#define OUTLIVE_ACCESS_PERDIR 2
/** php.ini, and admin layers. */
#define OUTLIVE_ACCESS_SYSTEM 4
/** Everybody. */
#define OUTLIVE_ACCESS_ALL 7

/** Says whether a directive takes a value: not 0, yes. */
typedef int (*outlive_check_function)(void *userdata, const char *value, size_t len);

/** Frees userdata. Must not throw or longjmp. */
typedef void (*outlive_destroy_function)(void *userdata);

/**
 * A directive of the host's own. OUTLIVE_DIRECTIVE_INIT sets the size, access to OUTLIVE_ACCESS_ALL, and the rest to 0. May
 * grow at its end.
 */
typedef struct outlive_directive {
    /**
     * sizeof(outlive_directive)
     */
    size_t size;
    /**
     * Its name, NUL-terminated; copied.
     */
    const char *name;
    /**
     * Who may change it: OUTLIVE_ACCESS_… bits.
     */
    int access;
    /**
     * Its default, NUL-terminated; copied. NULL: none, which reads as empty.
     */
    const char *default_value;
    /**
     * Says whether it takes a value: not 0, yes. NULL: it takes anything. Any thread may call it, several at once; it
     * must not throw, longjmp, or call the library.
     */
    outlive_check_function check;
    /**
     * Handed to check.
     */
    void *userdata;
    /**
     * Called with userdata when no configuration needs it any more; may be NULL. If registering fails, userdata stays the
     * caller's.
     */
    outlive_destroy_function destroy;
} outlive_directive;

/**
 * A builder with nothing loaded: PHP's defaults. Freed with outlive_config_builder_free. NULL: no memory.
 *
 * Thread safety: any thread. Fork safety: yes. Signal safety: no.
 */
struct outlive_config_builder *outlive_config_builder_new(void);

/**
 * The PHP that is the model, as PHP_VERSION_ID: 70400 to 80500; 80200 if never called.
 *
 * OUTLIVE_ERROR_ARGUMENT: not a version that is known.
 */
int outlive_config_builder_set_php_version(struct outlive_config_builder *builder,
                                           uint32_t version,
                                           struct outlive_error *error);

/**
 * The SAPI that is the model: "apache2handler", "fpm-fcgi", "cgi-fcgi", "cli-server", "cli". If never called: a web server
 * without a SAPI's own overrides.
 */
int outlive_config_builder_set_sapi(struct outlive_config_builder *builder,
                                    const char *name,
                                    size_t len,
                                    struct outlive_error *error);

/** One variable that ${NAME}, PHPRC and PHP_INI_SCAN_DIR may see. */
int outlive_config_builder_set_env(struct outlive_config_builder *builder,
                                   const char *name,
                                   size_t len,
                                   const char *value,
                                   size_t value_len,
                                   struct outlive_error *error);

/**
 * All present variables of the process, except those that were set here before.
 *
 * Thread safety: one thread at a time, and none may change the environment meanwhile. Fork safety: yes. Signal safety: no.
 */
int outlive_config_builder_use_process_env(struct outlive_config_builder *builder);

/** As php -d name=value: on top of php.ini. `value` NULL: as php -d name, which means 1. */
int outlive_config_builder_set(struct outlive_config_builder *builder,
                               const char *name,
                               size_t len,
                               const char *value,
                               size_t value_len,
                               struct outlive_error *error);

/**
 * One php.ini; later ones override earlier ones. `path` NULL: PHP's own search, scan directories included; finding nothing is
 * no error then.
 *
 * OUTLIVE_ERROR_IO: the file cannot be read, or is no file. Syntax errors are diagnostics, because PHP starts nevertheless.
 */
int outlive_config_builder_load_php_ini(struct outlive_config_builder *builder,
                                        const char *path,
                                        size_t len,
                                        struct outlive_error *error);

/**
 * Apache's main configuration file, with everything that it includes.
 *
 * OUTLIVE_ERROR_IO: the file cannot be read, or is no file. outlive_config_builder_build reports what httpd would
 * refuse to start on.
 */
int outlive_config_builder_load_httpd_conf(struct outlive_config_builder *builder,
                                           const char *path,
                                           size_t len,
                                           struct outlive_error *error);

/**
 * A pool of a PHP-FPM configuration; `pool` NULL: the first one.
 *
 * OUTLIVE_ERROR_IO: the file cannot be read, or is no file.
 */
int outlive_config_builder_load_fpm_pool(struct outlive_config_builder *builder,
                                         const char *path,
                                         size_t len,
                                         const char *pool,
                                         size_t pool_len,
                                         struct outlive_error *error);

/** httpd's -D NAME (value NULL), or Define NAME VALUE before its first line. */
int outlive_config_builder_define(struct outlive_config_builder *builder,
                                  const char *name,
                                  size_t len,
                                  const char *value,
                                  size_t value_len,
                                  struct outlive_error *error);

/**
 * Registers a directive of the host's own: it can be set, locked and explained like PHP's.
 *
 * OUTLIVE_ERROR_ARGUMENT: no name, invalid access bits, a wrong size. outlive_config_builder_build reports a name that
 * exists already.
 */
int outlive_config_builder_register(struct outlive_config_builder *builder,
                                    const struct outlive_directive *directive,
                                    struct outlive_error *error);

/**
 * The directories that the modelled PHP was compiled with: the last place where php.ini is searched, and the scan directory.
 * NULL: none. Only a search (outlive_config_builder_load_php_ini with NULL) looks for a php.ini there; the scan directory is
 * read with a php.ini that was named, too. As php -c DIRECTORY: this with a search, and no PHPRC set.
 *
 * OUTLIVE_ERROR_ARGUMENT: a length is invalid. A missing directory is no error, as in PHP.
 */
int outlive_config_builder_set_compiled_in(struct outlive_config_builder *builder,
                                           const char *directory,
                                           size_t len,
                                           const char *scan_directory,
                                           size_t scan_len,
                                           struct outlive_error *error);

/** The directory of the modelled PHP program; the CGI, FPM and command line SAPIs search it for php.ini, too. */
int outlive_config_builder_set_binary_dir(struct outlive_config_builder *builder,
                                          const char *directory,
                                          size_t len,
                                          struct outlive_error *error);

/**
 * Replaces PHP_INI_SCAN_DIR: directories separated by colons, whose *.ini files are read after php.ini, or without one. An
 * empty element is the compiled-in scan directory, an empty list is none.
 */
int outlive_config_builder_set_scan_dirs(struct outlive_config_builder *builder,
                                         const char *list,
                                         size_t len,
                                         struct outlive_error *error);

/**
 * A parameter that a web server hands to PHP-FPM with the request: `name` is "PHP_VALUE" or "PHP_ADMIN_VALUE", `text` is ini
 * text with one assignment a line. Calls add up, in order.
 *
 * OUTLIVE_ERROR_ARGUMENT: another name.
 */
int outlive_config_builder_add_fastcgi_param(struct outlive_config_builder *builder,
                                             const char *name,
                                             size_t len,
                                             const char *text,
                                             size_t text_len,
                                             struct outlive_error *error);

/**
 * Reads everything and makes the configuration; *out is a reference that the caller owns. It uses up everything that
 * was loaded, whether it succeeds or not; the builder is then freed as usual. With nothing loaded: PHP's defaults.
 *
 * OUTLIVE_ERROR_IO: a file cannot be read. OUTLIVE_ERROR_REFUSED: httpd or FPM would refuse to start, with file and line.
 * OUTLIVE_ERROR_TOO_LARGE: too large or nested too deeply. outlive_config_diagnostics gives everything else that is odd.
 */
int outlive_config_builder_build(struct outlive_config_builder *builder,
                                 struct outlive_config **out,
                                 struct outlive_error *error);

/** Frees a builder, built or not; NULL does nothing. */
void outlive_config_builder_free(struct outlive_config_builder *builder);

/* A server's own containers -------------------------------------------------------------------------------------------
 *
 * For modules of servers that parse and merge their configuration themselves, as Apache's do.
 * Unless a function says otherwise: Thread safety: one thread at a time. Fork safety: yes. Signal safety: no.
 */

/** A line of a container: php_value */
#define OUTLIVE_PHP_VALUE_VALUE 0
/** php_flag */
#define OUTLIVE_PHP_VALUE_FLAG 1
/** php_admin_value */
#define OUTLIVE_PHP_VALUE_ADMIN_VALUE 2
/** php_admin_flag */
#define OUTLIVE_PHP_VALUE_ADMIN_FLAG 3

/**
 * An empty container. Freed with outlive_dir_config_free. NULL: no memory.
 *
 * Thread safety: any thread. Fork safety: yes. Signal safety: no.
 */
struct outlive_dir_config *outlive_dir_config_new(void);

/**
 * One line of the container. `kind`: OUTLIVE_PHP_VALUE_VALUE … Within one container the last line for a name wins, whatever its
 * kind, as in mod_php. `origin_file` (NUL-terminated, may be NULL) and `line` say where the line is.
 *
 * OUTLIVE_ERROR_ACCESS: php_admin_* is not allowed in .htaccess; httpd answers 500. OUTLIVE_ERROR_ARGUMENT: NULL, no such
 * kind, or a name or value that is empty (httpd's "takes two arguments").
 */
int outlive_dir_config_set(struct outlive_dir_config *dir_config,
                           int kind,
                           const char *name,
                           size_t len,
                           const char *value,
                           size_t value_len,
                           const char *origin_file,
                           uint32_t line,
                           int from_htaccess,
                           struct outlive_error *error);

/**
 * A new container: `base` with `add` on top. Per name the inner value wins, unless the outer one is an admin value and the
 * inner is not. NULL counts as empty. Both stay as they are and stay the caller's; so does the result. NULL: no memory.
 *
 * Thread safety: any thread. Fork safety: yes. Signal safety: no.
 */
struct outlive_dir_config *outlive_dir_config_merge(const struct outlive_dir_config *base,
                                                    const struct outlive_dir_config *add);

/** Frees a container; NULL does nothing. Settings that came from it stay. */
void outlive_dir_config_free(struct outlive_dir_config *dir_config);

/* Configuration -------------------------------------------------------------------------------------------------------
 *
 * What was read, and the settings in force for a target.
 * Unless a function says otherwise: Thread safety: any thread. Fork safety: yes. Signal safety: no.
 */

/** The initialiser of an outlive_target: the server itself. */
#define OUTLIVE_TARGET_INIT \
    {sizeof(outlive_target), NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0}

/** How bad a diagnostic is: worth knowing. */
#define OUTLIVE_SEVERITY_NOTE 0
/** Probably a mistake. */
#define OUTLIVE_SEVERITY_WARNING 1
/** A mistake: what the line says is not in force. */
#define OUTLIVE_SEVERITY_ERROR 2

/** A finding about the configuration that is no error. May grow at its end; `size` says how far. */
typedef struct outlive_diagnostic {
    /**
     * Bytes that the library wrote.
     */
    size_t size;
    /**
     * The file; empty: none.
     */
    struct outlive_str file;
    /**
     * Line, counted from 1; 0: none.
     */
    uint32_t line;
    /**
     * One of OUTLIVE_SEVERITY_NOTE …
     */
    int severity;
    /**
     * A short stable word for programs.
     */
    struct outlive_str code;
    /**
     * For people: what it is and what to do.
     */
    struct outlive_str text;
} outlive_diagnostic;

/**
 * Sees one diagnostic; it and its texts live until it returns. Returns 0 to see the next one, anything else to end the visit.
 * Must not throw or longjmp.
 */
typedef int (*outlive_diagnostic_visitor)(void *userdata,
                                          const struct outlive_diagnostic *diagnostic);

/** A request header of a target; both NUL-terminated. */
typedef struct outlive_header {
    /**
     * Its name, in any letter case.
     */
    const char *name;
    /**
     * Its value.
     */
    const char *value;
} outlive_header;

/**
 * The request that settings are asked for. OUTLIVE_TARGET_INIT sets the size, and the rest to 0. Everything is
 * optional; texts are NUL-terminated, NULL where unknown, and only read during the call. May grow at its end.
 */
typedef struct outlive_target {
    /**
     * sizeof(outlive_target)
     */
    size_t size;
    /**
     * The host that was asked for (the Host header, or the URL's), with or without a port.
     */
    const char *server_name;
    /**
     * The local address that was connected to; NULL: 127.0.0.1, or where no virtual host is there, any that has one of the host's name.
     */
    const char *server_address;
    /**
     * The local port that was connected to; 0: the scheme's own.
     */
    int port;
    /**
     * "http" (as NULL) or "https".
     */
    const char *scheme;
    /**
     * The method; NULL: GET.
     */
    const char *method;
    /**
     * The request target as received: path and query, still encoded. NULL, and filename NULL too: the settings of the
     * whole server.
     */
    const char *uri;
    /**
     * The file served, where the host knows it; NULL: derived from the httpd configuration. Without a DocumentRoot, no file is looked for:
     * a server with routes instead of files gets the settings of the path (`<Location>`).
     */
    const char *filename;
    /**
     * The document root, where the host knows it.
     */
    const char *document_root;
    /**
     * "HTTP/1.1" (as NULL), "HTTP/1.0" …
     */
    const char *protocol;
    /**
     * The client's address.
     */
    const char *client_address;
    /**
     * Request headers, which `<If>` may test; NULL: none.
     */
    const struct outlive_header *headers;
    /**
     * How many.
     */
    size_t header_count;
} outlive_target;

/**
 * Makes another reference to the same configuration, which also has to be freed. NULL for NULL.
 *
 * Thread safety: any thread. Fork safety: yes. Signal safety: yes.
 */
const struct outlive_config *outlive_config_ref(const struct outlive_config *config);

/**
 * Visits the diagnostics of reading, in the order of reading.
 *
 * OUTLIVE_ERROR_INTERRUPTED: the visitor asked for no more.
 */
int outlive_config_diagnostics(const struct outlive_config *config,
                               outlive_diagnostic_visitor visit,
                               void *userdata);

/**
 * The settings in force for a target; *out is a reference that the caller owns. Targets to which the same layers apply share
 * one settings object. `target` may be NULL: the settings of the whole server.
 *
 * OUTLIVE_ERROR_NOT_SERVED: httpd would answer by itself (400, 403, 404, 500, a redirect); the record says why,
 * outlive_config_status gives the status.
 */
int outlive_config_resolve(const struct outlive_config *config,
                           const struct outlive_target *target,
                           const struct outlive_settings **out,
                           struct outlive_error *error);

/**
 * What httpd would do with a request. *status 0: a program runs, and outlive_config_resolve gives its settings; otherwise the HTTP
 * status that httpd answers with by itself (301, 400, 403, 404, 500 …), the case of OUTLIVE_ERROR_NOT_SERVED. Without an
 * httpd configuration it is always 0. `target` may be NULL.
 */
int outlive_config_status(const struct outlive_config *config,
                          const struct outlive_target *target,
                          int *status,
                          struct outlive_error *error);

/**
 * From now on every .htaccess and .user.ini is read again once. Seldom needed: a .htaccess is looked at for every request, as
 * httpd does, and read again when its device, inode, size, modification or change time is another one; a .user.ini is read again
 * after user_ini.cache_ttl seconds, as PHP does. It is for file systems whose clock is too coarse to tell two changes that leave
 * the same size. Everything else that was read stays as it is: build another configuration for that. NULL does nothing.
 *
 * Never waits; requests under way are not disturbed.
 * Thread safety: any thread. Fork safety: yes. Signal safety: yes.
 */
void outlive_config_refresh(const struct outlive_config *config);

/**
 * The settings in force for a request whose merged container is `dir_config` (NULL: an empty one), on top of the
 * configuration's settings for the whole server. *out is a reference that the caller owns.
 */
int outlive_config_resolve_dir(const struct outlive_config *config,
                               const struct outlive_dir_config *dir_config,
                               const struct outlive_settings **out,
                               struct outlive_error *error);

/** Gives a reference back; NULL does nothing. Settings that came from the configuration stay valid. */
void outlive_config_free(const struct outlive_config *config);

/* Settings ------------------------------------------------------------------------------------------------------------
 *
 * The values in force for one kind of request, and where each comes from.
 * Unless a function says otherwise: Thread safety: any thread. Fork safety: yes. Signal safety: no.
 */

/** The fate of a layer's value: it is in force. */
#define OUTLIVE_FATE_IN_FORCE 0
/** A later layer set another one. */
#define OUTLIVE_FATE_OVERRIDDEN 1
/** It was refused. */
#define OUTLIVE_FATE_REFUSED 2

/** One layer that sets a directive. May grow at its end; `size` says how far. */
typedef struct outlive_origin {
    /**
     * Bytes that the library wrote.
     */
    size_t size;
    /**
     * The layer: "built-in default", "php.ini" …
     */
    struct outlive_str layer;
    /**
     * The file; empty: none.
     */
    struct outlive_str file;
    /**
     * Line, counted from 1; 0: none.
     */
    uint32_t line;
    /**
     * The value as it was written.
     */
    struct outlive_str raw;
    /**
     * The value as PHP would store it.
     */
    struct outlive_str value;
    /**
     * The level with which the layer sets it: OUTLIVE_ACCESS_… bits.
     */
    int access;
    /**
     * Not 0: it locks the directive.
     */
    int locks;
    /**
     * OUTLIVE_FATE_IN_FORCE, OUTLIVE_FATE_OVERRIDDEN or OUTLIVE_FATE_REFUSED.
     */
    int fate;
    /**
     * Why it is not in force; empty where it is.
     */
    struct outlive_str because;
} outlive_origin;

/**
 * Sees one layer; it and its texts live until it returns. Returns 0 to see the next one, anything else to end the visit.
 * Must not throw or longjmp.
 */
typedef int (*outlive_origin_visitor)(void *userdata, const struct outlive_origin *origin);

/** One directive, as outlive_settings_each shows it. May grow at its end; `size` says how far. */
typedef struct outlive_setting {
    /**
     * Bytes that the library wrote.
     */
    size_t size;
    /**
     * Its name.
     */
    struct outlive_str name;
    /**
     * The value in force.
     */
    struct outlive_str value;
    /**
     * The value that ini_restore() goes back to.
     */
    struct outlive_str global_value;
    /**
     * Who may change it now: OUTLIVE_ACCESS_… bits.
     */
    int access;
    /**
     * Not 0: an admin layer has locked it.
     */
    int locked;
} outlive_setting;

/**
 * Sees one directive; it and its texts live until it returns. Returns 0 to see the next one, anything else to end the visit.
 * Must not throw or longjmp.
 */
typedef int (*outlive_setting_visitor)(void *userdata, const struct outlive_setting *setting);

/**
 * Makes another reference to the same settings, which also has to be freed. NULL for NULL.
 *
 * Thread safety: any thread. Fork safety: yes. Signal safety: yes.
 */
const struct outlive_settings *outlive_settings_ref(const struct outlive_settings *settings);

/**
 * A directive's value as text, as ini_get() gives it: an Off of php.ini is empty, an On is "1". outlive_settings_explain
 * gives the value as written. *value lives as long as the settings.
 *
 * OUTLIVE_ERROR_NOT_FOUND: no such directive.
 */
int outlive_settings_get(const struct outlive_settings *settings,
                         const char *name,
                         size_t len,
                         struct outlive_str *value);

/**
 * A directive's value as PHP reads an integer: its leading decimal digits, 0 where there are none.
 *
 * OUTLIVE_ERROR_NOT_FOUND: no such directive.
 */
int outlive_settings_get_int(const struct outlive_settings *settings,
                             const char *name,
                             size_t len,
                             int64_t *value);

/**
 * A directive's value as PHP reads a boolean, 0 or 1: "true", "yes", "on" in any letter case, or a number that is not 0.
 *
 * OUTLIVE_ERROR_NOT_FOUND: no such directive.
 */
int outlive_settings_get_bool(const struct outlive_settings *settings,
                              const char *name,
                              size_t len,
                              int *value);

/**
 * A directive's value as PHP reads a quantity: "128M" is 134217728.
 *
 * OUTLIVE_ERROR_NOT_FOUND: no such directive.
 */
int outlive_settings_get_quantity(const struct outlive_settings *settings,
                                  const char *name,
                                  size_t len,
                                  int64_t *value);

/**
 * 1: the value of this directive is a secret, by its name (a password, a token) or because it holds one
 * (`tcp://user:password@host`); 0: it is not. For pages and logs that show settings.
 *
 * OUTLIVE_ERROR_ARGUMENT: an argument is NULL, or a length is invalid.
 */
int outlive_holds_secret(const char *name,
                         size_t len,
                         const char *value,
                         size_t value_len);

/**
 * Why a directive has its value: visits every layer that sets it, from the weakest to the strongest, the built-in
 * default first.
 *
 * OUTLIVE_ERROR_NOT_FOUND: no such directive. OUTLIVE_ERROR_INTERRUPTED: the visitor asked for no more.
 */
int outlive_settings_explain(const struct outlive_settings *settings,
                             const char *name,
                             size_t len,
                             outlive_origin_visitor visit,
                             void *userdata);

/**
 * Visits every directive, sorted by name.
 *
 * OUTLIVE_ERROR_INTERRUPTED: the visitor asked for no more.
 */
int outlive_settings_each(const struct outlive_settings *settings,
                          outlive_setting_visitor visit,
                          void *userdata);

/**
 * One number for the policy of settings: a hash over the directives that outlive acts on and that differ from their defaults or are
 * locked. Paths are left out, and the spelling of a value does not matter. 0: settings is NULL.
 */
uint64_t outlive_settings_fingerprint(const struct outlive_settings *settings);

/** Gives a reference back; NULL does nothing. Requests that began with the settings keep their own. */
void outlive_settings_free(const struct outlive_settings *settings);

/* Engine --------------------------------------------------------------------------------------------------------------
 *
 * Holds the requests in flight: runs their time limits, watches their sockets, shows them as rows, and drains at the end of the process.
 * Unless a function says otherwise: Thread safety: any thread. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
 */

/** The initialiser of an outlive_engine_options: as many requests as there is room for, no scoreboard. */
#define OUTLIVE_ENGINE_OPTIONS_INIT {sizeof(outlive_engine_options), 0, NULL, 0, 0, 0, 0, NULL}

/** The initialiser of an outlive_stop. */
#define OUTLIVE_STOP_INIT {sizeof(outlive_stop), 0, 0, 0, NULL}

/** An outlive_stop's kind: a stop is due at the request's next safe point. */
#define OUTLIVE_STOP_DUE 0
/** The forced stage has come. */
#define OUTLIVE_STOP_FORCED 1
/** The engine has drained: no request is left, and it may be freed. */
#define OUTLIVE_STOP_DRAINED 2

/** How an engine is made. OUTLIVE_ENGINE_OPTIONS_INIT sets the size, and the rest to 0. May grow at its end. */
typedef struct outlive_engine_options {
    /**
     * sizeof(outlive_engine_options)
     */
    size_t size;
    /**
     * How many requests may be in flight at once, at most 4,194,304; 0: 4,194,304.
     */
    uint32_t max_requests;
    /**
     * The scoreboard file in which this engine publishes its requests; made if it does not exist. NUL-terminated, copied.
     * NULL or empty: the value of outlive.scoreboard in the first settings that have one. See outlive_scoreboard_read.
     */
    const char *scoreboard;
    /**
     * Rows of the scoreboard's file, if `scoreboard` or `scoreboard_fd` makes it: how many requests of all processes can be shown at once,
     * at most 4,194,304. 0: 65,536. An existing file keeps its own number.
     */
    uint32_t scoreboard_rows;
    /**
     * A descriptor of the scoreboard's file, in place of a path; 0 or less: none. For a master process that opens the file before it gives
     * up its rights, or makes a memory file (memfd_create with MFD_ALLOW_SEALING: it is sealed with F_SEAL_SHRINK, so that nobody can
     * shorten it while it is in use), and passes the descriptor on. An empty file is made a scoreboard. The descriptor stays the caller's,
     * and may be closed.
     */
    int scoreboard_fd;
    /**
     * How many stop queues the engine has, one for each of the host's event loops, at most 1,024 (outlive_engine_stop_fd,
     * outlive_engine_next_stop). 0: none; the callbacks on_stop and on_forced report stops, from the engine's thread. With queues, these
     * callbacks are not called.
     */
    uint32_t stop_queues;
    /**
     * Not 0: the engine has no thread; it looks at limits, caps, sockets and the scoreboard whenever outlive_engine_next_stop is called and no
     * stop waits. The descriptor of outlive_engine_stop_fd is then readable when there is something to do, by a timer where nothing is due before: wait on
     * it in any case. For servers whose requests begin, work and end on the thread of one event loop: in a process without a second
     * thread, system calls and the allocator of the C library are cheaper. A loop that is blocked stops nothing meanwhile. Needs stop_queues =
     * 1, and Linux (OUTLIVE_ERROR_UNSUPPORTED).
     */
    int no_thread;
    /**
     * Where the loop keeps its time, for an engine without a thread: milliseconds of CLOCK_MONOTONIC, no older than what the loop does now. The engine then
     * reads no clock when a request begins and ends, and the limit that a request begins with counts from it. Aligned to 8 bytes. It stays the
     * host's, which keeps it for as long as the engine lives. NULL: none.
     */
    const uint64_t *loop_time;
} outlive_engine_options;

/** A stop that a queue reports. OUTLIVE_STOP_INIT sets the size. May grow at its end. */
typedef struct outlive_stop {
    /**
     * sizeof(outlive_stop)
     */
    size_t size;
    /**
     * OUTLIVE_STOP_DUE, _FORCED or _DRAINED.
     */
    int kind;
    /**
     * The ending that is due, or the cause of the forced stage: OUTLIVE_ENDING_…; DRAINED: OUTLIVE_ENDING_NONE.
     */
    int ending;
    /**
     * The request's, as outlive_request_id; DRAINED: 0.
     */
    uint64_t id;
    /**
     * The request's, as outlive_request_userdata; DRAINED: NULL.
     */
    void *userdata;
} outlive_stop;

/** One request in flight, as outlive_engine_requests shows it. May grow at its end; `size` says how far. */
typedef struct outlive_request_row {
    /**
     * Bytes that the library wrote.
     */
    size_t size;
    /**
     * The host's label, cut to 96 bytes.
     */
    struct outlive_str label;
    /**
     * The method, cut to 8 bytes; empty: unknown.
     */
    struct outlive_str method;
    /**
     * Milliseconds since it began.
     */
    int64_t age_ms;
    /**
     * Milliseconds since the client went; -1: it has not been noticed to be gone.
     */
    int64_t gone_ms;
    /**
     * One of OUTLIVE_STAGE_INPUT …
     */
    int stage;
    /**
     * As outlive_request_connection_status.
     */
    int connection_status;
    /**
     * Not 0: a hold is open.
     */
    int held;
    /**
     * Not 0: an abort would be ignored now.
     */
    int ignores_abort;
    /**
     * Not 0: the response was finished early.
     */
    int finished;
    /**
     * Not 0: the socket is watched.
     */
    int watched;
    /**
     * The time limit in force, seconds; 0: none.
     */
    uint32_t time_limit;
    /**
     * The thread that works on it, as the kernel numbers it.
     */
    uint32_t thread;
    /**
     * Bytes handed to the host's write function.
     */
    uint64_t written;
    /**
     * Milliseconds left of the time limit (of CPU or elapsed time, whichever the limit counts); -1: no limit.
     */
    int64_t time_left_ms;
    /**
     * As outlive_request_id; 0 in a scoreboard's rows, since ids are each engine's own.
     */
    uint64_t id;
    /**
     * The key that it was begun with (for a key over 64 bytes, its hash); empty: none. May hold any bytes: escape it before you print it.
     */
    struct outlive_str key;
    /**
     * Not 0: it was accepted (outlive_request_set_accepted).
     */
    int accepted;
    /**
     * Not 0: it was begun as resumed.
     */
    int resumed;
} outlive_request_row;

/**
 * Sees one row; the row and its texts live until it returns. Returns 0 to see the next one, anything else to end the visit.
 * May call anything but outlive_engine_free. Must not throw or longjmp.
 */
typedef int (*outlive_request_visitor)(void *userdata, const struct outlive_request_row *row);

/**
 * Makes an engine. `options` may be NULL. On success *out is the caller's, to be freed with outlive_engine_free.
 *
 * OUTLIVE_ERROR_ARGUMENT: out is NULL, or the options are invalid. OUTLIVE_ERROR_SYSTEM: no descriptor or memory.
 * OUTLIVE_ERROR_IO, OUTLIVE_ERROR_UNSUPPORTED: options->scoreboard cannot be used; see outlive_engine_scoreboard. OUTLIVE_ERROR_UNSUPPORTED, too:
 * no_thread where it does not work.
 * Thread safety: any thread. Fork safety: make it after the fork. Signal safety: no.
 */
int outlive_engine_new(const struct outlive_engine_options *options,
                       struct outlive_engine **out,
                       struct outlive_error *error);

/** 1: no request is in flight, and every outlive_request_end has finished; 0: not yet. */
int outlive_engine_is_drained(const struct outlive_engine *engine);

/**
 * A descriptor (on Linux an eventfd, or the epoll descriptor of an engine without a thread) that is readable while the queue is not empty, for epoll, poll, uv_poll … It is the engine's: wait on it, but
 * do not read, write or close it; outlive_engine_next_stop makes it unreadable. It may be readable while the queue is empty, and is always
 * readable while an entry waits. Take it out of the loop before outlive_engine_free, which closes it.
 *
 * OUTLIVE_ERROR_ARGUMENT: engine is NULL, or there is no such queue.
 */
int outlive_engine_stop_fd(const struct outlive_engine *engine,
                           uint32_t queue);

/**
 * The next stop of a queue. Call it until it answers OUTLIVE_ERROR_NOT_FOUND: then the descriptor is unreadable until more comes.
 *
 * A request has one entry at a time: FORCED replaces a DUE that was not taken. No DUE is reported once outlive_request_end has begun,
 * because shutdown functions run then, and no FORCED once it has returned. This holds if one thread both takes a queue's stops and ends
 * its requests. Otherwise a request may end after its entry was taken: then use userdata as a key to look up, not as a pointer, and act
 * by id (outlive_engine_cancel). DRAINED comes once, as the last entry of queue 0: every outlive_request_end has finished, and
 * outlive_engine_free is allowed.
 *
 * OUTLIVE_ERROR_NOT_FOUND: there is none now. OUTLIVE_ERROR_ARGUMENT: NULL, or no such queue.
 * Thread safety: any thread. Fork safety: OUTLIVE_ERROR_FORKED in a child, where the descriptor is not touched. Signal safety: no.
 */
int outlive_engine_next_stop(struct outlive_engine *engine,
                             uint32_t queue,
                             struct outlive_stop *out);

/**
 * As outlive_request_cancel, for the request with this id (from outlive_request_id, or from a row). Never cancels another request,
 * however late it is called.
 *
 * OUTLIVE_ALREADY: it was cancelled before. OUTLIVE_ERROR_NOT_FOUND: it has ended, or there never was one.
 * Thread safety: any thread. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: yes.
 */
int outlive_engine_cancel(struct outlive_engine *engine,
                          uint64_t id);

/**
 * Visits the requests in flight, in no particular order. Requests go on meanwhile, so the columns of a row may be of
 * slightly different moments.
 *
 * OUTLIVE_ERROR_INTERRUPTED: the visitor asked for no more.
 */
int outlive_engine_requests(const struct outlive_engine *engine,
                            outlive_request_visitor visit,
                            void *userdata);

/**
 * The same text as outlive_engine_render with OUTLIVE_RENDER_METRICS, for Prometheus: the numbers of all processes of the engine's
 * scoreboard, or of this engine alone. Writes at most `len` bytes to `buf`, NUL included; *needed (may be NULL) is the size of the
 * whole text, NUL included. Call with buf NULL and len 0 to learn the size, and expect that the text may have grown at the next call.
 *
 * OUTLIVE_ERROR_TOO_LARGE: it did not fit; the part that fits was written. OUTLIVE_ERROR_ARGUMENT: `len` is
 * impossible. OUTLIVE_ERROR_IO: the scoreboard cannot be read any more.
 */
int outlive_engine_metrics(const struct outlive_engine *engine,
                           char *buf,
                           size_t len,
                           size_t *needed);

/**
 * Whether the engine publishes its requests in a scoreboard. The file that outlive.scoreboard names is opened once, by the
 * first request with such settings; if that fails, requests run as without a scoreboard, and this function gives the
 * reason.
 *
 * OUTLIVE_OK: it publishes. OUTLIVE_ERROR_NOT_FOUND: no scoreboard is named, or no request has named one so far.
 * OUTLIVE_ERROR_IO: the file cannot be opened or made, is not a regular file with one name, is writable by other users
 * (root's file for a group is allowed), is reached by a symbolic link that other users could have set, or is no
 * scoreboard. OUTLIVE_ERROR_UNSUPPORTED: another version or machine wrote it.
 */
int outlive_engine_scoreboard(const struct outlive_engine *engine,
                              struct outlive_error *error);

/**
 * Takes no new requests (outlive_request_begin answers OUTLIVE_ERROR_DRAINING), waits up to `milliseconds` for those in
 * flight, detached ones included, then tells the rest to stop with ending OUTLIVE_ENDING_SHUTDOWN, waits two seconds
 * more, and forces what still runs (on_forced). Negative: waits without limit.
 *
 * OUTLIVE_OK: nothing is in flight, and every outlive_request_end has finished. OUTLIVE_ERROR_TIMEOUT: something still
 * runs. OUTLIVE_ERROR_BUSY: the caller is a callback on the engine's own thread. Event loops use
 * outlive_engine_begin_drain, which does not wait.
 */
int outlive_engine_drain(struct outlive_engine *engine,
                         int64_t milliseconds);

/**
 * As outlive_engine_drain, without waiting: takes no new requests and returns at once. Those in flight after so many `milliseconds`,
 * detached ones included, are told to stop with ending OUTLIVE_ENDING_SHUTDOWN (accepted ones: _HANDED_BACK), and forced two seconds
 * later. Negative: they have unlimited time. If it is called again, the earlier deadline holds. Once every request has ended,
 * OUTLIVE_STOP_DRAINED is in queue 0.
 *
 * OUTLIVE_ERROR_SYSTEM: no thread could be made.
 */
int outlive_engine_begin_drain(struct outlive_engine *engine,
                               int64_t milliseconds);

/**
 * Ends the engine's thread and frees the engine; NULL does nothing. Drain it first. The memory of requests in flight
 * stays, so that late calls on them are still answered; their time limits stop running, and a scoreboard shows them
 * until they or the process end.
 *
 * Thread safety: no other call on the engine and no outlive_request_end may run meanwhile; after OUTLIVE_STOP_DRAINED, or a drain that
 * returned OUTLIVE_OK, none does. Fork safety: in a child it only frees. Signal safety: no.
 */
void outlive_engine_free(struct outlive_engine *engine);

/* Request -------------------------------------------------------------------------------------------------------------
 *
 * A host begins a request, asks at safe points whether it should stop, and ends it.
 * Unless a function says otherwise: Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
 */

/** The initialiser of an outlive_request_options: no output, no socket to watch. */
#define OUTLIVE_REQUEST_OPTIONS_INIT \
    {sizeof(outlive_request_options), NULL, NULL, -1, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0}

#if defined(__GNUC__) || defined(__clang__)
#define OUTLIVE_LOAD_RELAXED_(flags) __atomic_load_n((flags), __ATOMIC_RELAXED)
#else
#define OUTLIVE_LOAD_RELAXED_(flags) (*(const volatile uint32_t *)(flags))
#endif

/**
 * A safe point for a fraction of a nanosecond: outlive_request_check, called only when something waits. `flags` is what
 * outlive_request_flags gave for this request.
 */
#define OUTLIVE_CHECK(request, flags) \
    (OUTLIVE_LOAD_RELAXED_(flags) == 0 ? OUTLIVE_OK : outlive_request_check(request))

/** Nothing has ended the request yet. */
#define OUTLIVE_ENDING_NONE 0
/** It ran to its end. */
#define OUTLIVE_ENDING_COMPLETED 1
/** It ran to its end after it had finished its response early. */
#define OUTLIVE_ENDING_FINISHED 2
/** The client went, or a cap on detached requests was reached. */
#define OUTLIVE_ENDING_ABORTED 3
/** The time limit. */
#define OUTLIVE_ENDING_TIME_LIMIT 4
/** The forced stage. */
#define OUTLIVE_ENDING_FORCED 5
/** The engine drained. */
#define OUTLIVE_ENDING_SHUTDOWN 6
/** The host said that it failed. */
#define OUTLIVE_ENDING_HOST_ERROR 7
/** It was cancelled: outlive_request_cancel, outlive_engine_cancel. */
#define OUTLIVE_ENDING_CANCELLED 8
/** It was accepted (outlive_request_set_accepted), and a cap or a drain stopped it: the journal gives it to another worker. */
#define OUTLIVE_ENDING_HANDED_BACK 9

/** No limit, where milliseconds are meant. */
#define OUTLIVE_NO_LIMIT INT64_MAX

/** connection_status: the client is there, time is left. */
#define OUTLIVE_CONNECTION_NORMAL 0
/** The client has gone, and that was noticed. */
#define OUTLIVE_CONNECTION_ABORTED 1
/** The time limit was exceeded. */
#define OUTLIVE_CONNECTION_TIMEOUT 2

/** A request's stage: it is being read. */
#define OUTLIVE_STAGE_INPUT 0
/** The program runs. */
#define OUTLIVE_STAGE_RUNNING 1
/** The shutdown functions run. */
#define OUTLIVE_STAGE_SHUTDOWN 2
/** The remaining buffered output is sent. */
#define OUTLIVE_STAGE_FINAL_FLUSH 3

/**
 * Writes all of buf. 0: everything was written. Anything else: the client has gone.
 * May call outlive_request_client_gone and outlive_request_is_gone; any other call on the request is answered with
 * OUTLIVE_ERROR_BUSY. Must not throw or longjmp.
 */
typedef int (*outlive_write_function)(void *userdata, const void *buf, size_t len);

/**
 * Sends what the host still buffers. 0: flushed. Anything else: the client has gone.
 * May call the same functions as outlive_write_function. Must not throw or longjmp.
 */
typedef int (*outlive_flush_function)(void *userdata);

/**
 * Tells the host that a stop is due at the next safe point, or that the forced stage has come. Called from the engine's thread:
 * never after outlive_request_end has returned, but possibly before outlive_request_begin has. May call
 * outlive_request_client_gone and outlive_request_is_gone. Must not throw or longjmp, and should return soon, because all time
 * limits wait for it.
 */
typedef void (*outlive_notice_function)(void *userdata, int ending);

/**
 * Called once a request has ended. May call anything but outlive_engine_free; a call on this request is answered with
 * OUTLIVE_ERROR_BUSY. Must not throw or longjmp.
 */
typedef void (*outlive_ended_function)(void *userdata, int ending);

/**
 * The options of a request. OUTLIVE_REQUEST_OPTIONS_INIT sets the size, socket to -1, and the rest to 0.
 * May grow at its end.
 */
typedef struct outlive_request_options {
    /**
     * sizeof(outlive_request_options)
     */
    size_t size;
    /**
     * A label for people, shown in the live table, cut to 96 bytes. NUL-terminated, or with its length in label_len; copied; may be NULL.
     */
    const char *label;
    /**
     * "GET" …; NUL-terminated, or with its length in method_len; copied; NULL: unknown. HEAD: no output reaches the write function.
     */
    const char *method;
    /**
     * A connected socket to watch if outlive.detect = watch, or -1. It stays the host's, which keeps it open until the request's
     * end. Several requests may have the same socket, such as the streams of an HTTP/2 connection: each is told when the client
     * goes.
     */
    int socket;
    /**
     * Not 0: begins in the input stage; outlive_request_run ends that. A host that gives up on half-read input calls
     * outlive_request_exit with OUTLIVE_ENDING_ABORTED, since a client that has gone may be ignored.
     */
    int reading_input;
    /**
     * Writes the response's body; NULL: output is dropped and never fails. It is not called for the body of a HEAD
     * request, and buffering may delay it to the end: the host sends its status line and headers itself, before the first
     * body byte.
     */
    outlive_write_function write;
    /**
     * Sends what the host buffers; NULL: the host buffers nothing, and a flush never fails.
     */
    outlive_flush_function flush;
    /**
     * Called when a stop is due at the next safe point; may be NULL. If the engine has stop queues, neither this nor on_forced
     * is called.
     */
    outlive_notice_function on_stop;
    /**
     * Called at the forced stage: hard_timeout seconds after the limit without a safe point, or at the end of a drain; may be
     * NULL. Its argument is the cause (OUTLIVE_ENDING_TIME_LIMIT, _SHUTDOWN); the request's ending is then _FORCED, unless
     * another one came first.
     */
    outlive_notice_function on_forced;
    /**
     * Passed to all of these callbacks. Stays the host's.
     */
    void *userdata;
    /**
     * Called once by outlive_request_end, on its thread, after everything else and before the request leaves the live table and the
     * scoreboard; a drain waits until it returns. May be NULL.
     */
    outlive_ended_function on_ended;
    /**
     * The key by which equal submissions are recognised. It is shown in rows. The host defines its meaning and scope
     * (principal, method and path beside the client's own key). Any bytes, copied. NULL: none.
     */
    const void *key;
    /**
     * Length of key in bytes, or OUTLIVE_NTS. A key of more than 64 bytes is replaced by its SHA-256 in hexadecimal digits.
     */
    size_t key_len;
    /**
     * Not 0: it resumes a submission that was accepted before, without a client. It is accepted (outlive_request_set_accepted) and begins
     * as if outlive_request_finish had been called: output is dropped, its connection status stays 0, its client never goes, and no cap on
     * detached requests counts it. Limits, cancelling and a drain hold. The socket is not watched.
     */
    int resumed;
    /**
     * The engine's stop queue that reports its stops, from 0.
     */
    uint32_t stop_queue;
    /**
     * Length of label in bytes, for one without a NUL at its end; 0: it has one.
     */
    size_t label_len;
    /**
     * The same of method.
     */
    size_t method_len;
} outlive_request_options;

/**
 * A shutdown function: registered code that runs when the request ends, once, in the order of registration. `ending`
 * says why it ends. OUTLIVE_OK: the next one runs; OUTLIVE_STOP: the pass ends here, as PHP's exit does it. May call
 * everything but outlive_request_end. Must not throw or longjmp.
 */
typedef int (*outlive_shutdown_function)(struct outlive_request *request, int ending, void *userdata);

/**
 * Begins a request on the calling thread, with the settings in force for it. The settings stay the caller's; the request
 * keeps its own reference, and its slot in the engine keeps that until a request with other settings begins there.
 * `options` may be NULL: no output, no watching.
 *
 * OUTLIVE_ERROR_ARGUMENT: NULL, or an invalid options size or length, or no such stop queue. OUTLIVE_ERROR_FULL: the
 * engine holds its maximum of requests. OUTLIVE_ERROR_DRAINING: it takes no new ones. OUTLIVE_ERROR_SYSTEM: no thread
 * could be made. Cost: tens of nanoseconds, no system call (but for a watched socket).
 * Thread safety: any thread. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
 */
int outlive_request_begin(struct outlive_engine *engine,
                          const struct outlive_settings *settings,
                          const struct outlive_request_options *options,
                          struct outlive_request **out,
                          struct outlive_error *error);

/**
 * The word for an ending: "completed", "aborted", "time limit" …; "none" for OUTLIVE_ENDING_NONE, "unknown" for a number that is
 * no ending.
 *
 * The text is static.
 * Thread safety: any thread. Fork safety: yes. Signal safety: yes.
 */
struct outlive_str outlive_ending_name(int ending);

/**
 * Says that the input has been read: the running stage begins, and max_execution_time with it.
 *
 * OUTLIVE_ERROR_STAGE: it was not in the input stage.
 */
int outlive_request_run(struct outlive_request *request);

/**
 * Output, as echo: through output buffering to the host's write function. A safe point before, and another if the client
 * turns out to have gone. `buf` may be NULL if len is 0. `len` is never OUTLIVE_NTS.
 *
 * OUTLIVE_ERROR_ARGUMENT: `len` is impossible, such as an error number that a host took for a length ((size_t)-1).
 * OUTLIVE_OK: go on; the bytes were taken, or dropped because the client has gone and that is ignored. OUTLIVE_STOP: the
 * request should end now.
 */
int outlive_request_write(struct outlive_request *request,
                          const void *buf,
                          size_t len);

/**
 * PHP's flush(): calls the host's flush function; the output buffer (output_buffering) keeps its content. A safe
 * point, as outlive_request_write.
 */
int outlive_request_flush(struct outlive_request *request);

/**
 * A safe point: OUTLIVE_OK: go on, OUTLIVE_STOP: end now. Takes nanoseconds: no lock, no clock, no system call. Once it
 * has answered OUTLIVE_STOP, it does so again until the stage ends.
 */
int outlive_request_check(struct outlive_request *request);

/**
 * Says that the host saw the client go. After outlive_request_finish it does nothing, because the client may leave then.
 *
 * Thread safety: any thread, at any time before the end. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: yes.
 */
int outlive_request_client_gone(struct outlive_request *request);

/**
 * 1: the host, the watcher or an output has noticed that the client has gone; 0: not so far.
 *
 * Thread safety: any thread, at any time before the end. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: yes.
 */
int outlive_request_is_gone(const struct outlive_request *request);

/**
 * PHP's connection_status(): OUTLIVE_CONNECTION_NORMAL 0, _ABORTED 1, _TIMEOUT 2, or both (3). Does not look at the
 * socket: only output, the watcher and the host notice that a client has gone.
 */
int outlive_request_connection_status(const struct outlive_request *request);

/**
 * PHP's ignore_user_abort(): 1 on, 0 off, -1 leaves it. Returns the previous setting, 0 or 1. Where an admin layer has
 * locked it, it returns the setting and changes nothing.
 */
int outlive_request_ignore_user_abort(struct outlive_request *request,
                                      int enable);

/**
 * PHP's set_time_limit(): a full number of seconds from now; 0 or less, or more than 999,999,999: none. The limit fires
 * within 20 milliseconds of the time, never early.
 *
 * OUTLIVE_ERROR_LOCKED: an admin layer set the limit; the running limit stays. OUTLIVE_ERROR_STAGE: the input is
 * still being read.
 */
int outlive_request_set_time_limit(struct outlive_request *request,
                                   int64_t seconds);

/**
 * As outlive_request_set_time_limit, in milliseconds from now. OUTLIVE_NO_LIMIT: none. 0 or less: the limit has passed and fires at the
 * next tick, so a caller can pass deadline - now unchecked. outlive_request_ini_get shows full seconds, rounded up.
 *
 * Errors as outlive_request_set_time_limit.
 */
int outlive_request_set_time_limit_ms(struct outlive_request *request,
                                      int64_t milliseconds);

/**
 * Milliseconds until the request may be told to stop, at the earliest: by its time limit, by outlive.max_detached_time once its client
 * has gone, or by the deadline of a drain. 0: a stop waits (a hold may delay it); before that at least 1, so that an event loop that
 * waits for this time does not spin. OUTLIVE_NO_LIMIT: there is no known reason to stop. Negative: an error.
 *
 * Where the limit counts CPU time, the result does not shrink while the request waits: use it as a time-out for others
 * (such as a statement_timeout) only under outlive.clock = wall.
 * Thread safety: any thread, before the end. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
 */
int64_t outlive_request_time_left(const struct outlive_request *request);

/**
 * The request's number, as shown in rows; unique within the engine, and not 0. 0: request is NULL, or has ended, or this is a
 * forked child.
 *
 * Thread safety: any thread, before the end. Fork safety: 0 in a child. Signal safety: yes.
 */
uint64_t outlive_request_id(const struct outlive_request *request);

/**
 * The userdata of the options that the request was begun with. NULL: none, or request is NULL, or has ended, or this is a forked child.
 *
 * Thread safety: any thread, before the end. Fork safety: NULL in a child. Signal safety: yes.
 */
void *outlive_request_userdata(const struct outlive_request *request);

/**
 * Cancels the request: its next safe point answers OUTLIVE_STOP, with ending OUTLIVE_ENDING_CANCELLED, whatever ignore_user_abort says
 * and whether it was accepted or not. A hold delays it like any stop; it does not interrupt shutdown functions.
 *
 * OUTLIVE_ALREADY: it was cancelled before. The pointer may be used only before the end, as with
 * outlive_request_client_gone; a caller that cannot know this uses outlive_engine_cancel.
 * Thread safety: any thread, at any time before the end. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: yes.
 */
int outlive_request_cancel(struct outlive_request *request);

/**
 * Registers a shutdown function. It runs once when the request ends, whatever the ending, after those registered before
 * it. A shutdown function may register another one. `destroy` (may be NULL) is called with the userdata when the request
 * has ended, whether the function ran or was skipped; if registering fails, the userdata stays the caller's.
 *
 * OUTLIVE_ERROR_ARGUMENT: function is NULL. OUTLIVE_ERROR_STAGE: too late.
 */
int outlive_request_register_shutdown_function(struct outlive_request *request,
                                               outlive_shutdown_function function,
                                               void *userdata,
                                               outlive_destroy_function destroy);

/**
 * Changes the label of the request: NUL-terminated, copied, cut to 96 bytes; NULL: none. For hosts that know more once the
 * input has been read.
 */
int outlive_request_set_label(struct outlive_request *request,
                              const char *label);

/** 1: the forced stage has come; 0: it has not. Within a hold this is the only way to see it. */
int outlive_request_is_forced(const struct outlive_request *request);

/**
 * Begins a section in which no stop is delivered; nestable. Events still happen in it, and clocks go on; only the stop
 * waits for the last outlive_request_release.
 */
int outlive_request_hold(struct outlive_request *request);

/**
 * Ends the section. The last release is a safe point: OUTLIVE_STOP if a stop waited.
 *
 * OUTLIVE_ERROR_STAGE: nothing was held.
 */
int outlive_request_release(struct outlive_request *request);

/**
 * For event loops: the calling thread stops working on the request. CPU time is not charged until outlive_request_resume.
 * Takes about half a microsecond.
 *
 * OUTLIVE_ERROR_STAGE: it is suspended already.
 */
int outlive_request_suspend(struct outlive_request *request);

/**
 * For event loops: the calling thread goes on with a suspended request; its CPU time is charged from now on.
 *
 * OUTLIVE_ERROR_STAGE: it is not suspended.
 * Thread safety: any one thread. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
 */
int outlive_request_resume(struct outlive_request *request);

/**
 * As fastcgi_finish_request(): sends the buffered output and completes the response; the work goes on. Later output is
 * dropped (outlive.after_finish = discard) or counts as an abort, as in PHP-FPM (abort). A safe point.
 *
 * OUTLIVE_OK: done; the host closes the response now. OUTLIVE_ALREADY: it was complete before. OUTLIVE_STOP: the request
 * should end now instead.
 */
int outlive_request_finish(struct outlive_request *request);

/**
 * The present value of a directive in this request, as ini_get() gives it. *value lives until the next change of a
 * directive in this request, or its end.
 *
 * OUTLIVE_ERROR_NOT_FOUND: no such directive.
 */
int outlive_request_ini_get(const struct outlive_request *request,
                            const char *name,
                            size_t len,
                            struct outlive_str *value);

/**
 * As ini_set(). `previous` (may be NULL) gets the value before, which lives until the next change of a directive in this
 * request, or its end.
 *
 * OUTLIVE_ERROR_NOT_FOUND: no such directive. OUTLIVE_ERROR_LOCKED: an admin layer has locked it.
 * OUTLIVE_ERROR_ACCESS: a running program may not change it. OUTLIVE_ERROR_VALUE: it does not take this value.
 * OUTLIVE_ERROR_STAGE: too late to have an effect (outlive.shutdown_time, once shutdown functions run).
 */
int outlive_request_ini_set(struct outlive_request *request,
                            const char *name,
                            size_t len,
                            const char *value,
                            size_t value_len,
                            struct outlive_str *previous);

/**
 * As ini_restore(): sets the value that the directive had at start-up. Does nothing where a program may not change it.
 *
 * OUTLIVE_ERROR_NOT_FOUND: no such directive. OUTLIVE_ERROR_STAGE: as for outlive_request_ini_set.
 */
int outlive_request_ini_restore(struct outlive_request *request,
                                const char *name,
                                size_t len);

/** Why the request ends: one of OUTLIVE_ENDING_…, OUTLIVE_ENDING_NONE while nothing has ended it. The first cause wins. */
int outlive_request_ending(const struct outlive_request *request);

/**
 * Ends this stage early, as exit(): every safe point answers OUTLIVE_STOP from here on; in a shutdown function it ends
 * the pass. `ending` is reported to the shutdown functions, unless another ending came first.
 *
 * OUTLIVE_ERROR_ARGUMENT: not an ending. OUTLIVE_ERROR_STAGE: too late.
 */
int outlive_request_exit(struct outlive_request *request,
                         int ending);

/**
 * Says that the submission is stored durably: call it after that commit and before the work begins. From here on a disconnect does not
 * stop the request, whatever ignore_user_abort or outlive.disconnect say now or later; nor does an earlier disconnect that no safe point
 * has reported yet. Limits, caps, cancelling and a drain still apply; if a cap or a drain stops it, its ending is
 * OUTLIVE_ENDING_HANDED_BACK. Not a safe point.
 *
 * OUTLIVE_ALREADY: it was accepted before. OUTLIVE_ERROR_STAGE: shutdown functions run or have run.
 */
int outlive_request_set_accepted(struct outlive_request *request);

/**
 * The first part of outlive_request_end: runs the shutdown functions, sends the buffered output, flushes. The request stays in flight
 * until outlive_request_end calls on_ended and frees it: for hosts that wait for something between the two. *ending (may be NULL) gets
 * the ending. Output is refused from here on (OUTLIVE_ERROR_STAGE).
 *
 * OUTLIVE_ALREADY: it was shut down before; *ending is written. Errors as for outlive_request_end; here, too, call
 * again after OUTLIVE_ERROR_BUSY.
 */
int outlive_request_shut_down(struct outlive_request *request,
                              int *ending,
                              struct outlive_error *error);

/**
 * The request's flag word, for hosts that need a check within a fraction of a nanosecond: read it with a relaxed atomic
 * load; while it is 0, outlive_request_check would answer OUTLIVE_OK. OUTLIVE_CHECK does that. NULL if request is NULL.
 * Belongs to the request: not to be read after its end, nor in a forked child.
 *
 * Thread safety: any thread. Fork safety: no. Signal safety: yes.
 */
const uint32_t *outlive_request_flags(const struct outlive_request *request);

/**
 * Ends the request: runs the shutdown functions, sends the buffered output, flushes, and frees it. The pointer is
 * invalid from here on. The shutdown functions, on_ended and outlive_request_shut_down give the ending. After an error
 * the request still exists.
 *
 * OUTLIVE_ERROR_BUSY: another call has not returned, or the caller is a callback. If shutdown functions had begun by
 * then, call again when the other call has returned: they go on where they were. OUTLIVE_ERROR_STAGE: it is ending
 * already (the caller is a shutdown function). OUTLIVE_ERROR_ENDED: it has ended.
 */
int outlive_request_end(struct outlive_request *request,
                        struct outlive_error *error);

/* Scoreboard ----------------------------------------------------------------------------------------------------------
 *
 * The shared file of all processes' requests, as another program reads it. Times are milliseconds.
 * Unless a function says otherwise: Thread safety: any thread. Fork safety: yes. Signal safety: no.
 */

/** One request in a scoreboard. `size` and `request.size` say how far the two structs go. */
typedef struct outlive_scoreboard_row {
    /**
     * Bytes that the library wrote.
     */
    size_t size;
    /**
     * The process that works on it.
     */
    int64_t process;
    /**
     * Not 0: that process has died before the request ended. Its times go on counting.
     */
    int unfinished;
    /**
     * When it began, milliseconds since 1970.
     */
    uint64_t began_unix_ms;
    /**
     * Not 0: that process is unresponsive: it lives, as far as can be seen, and has given no sign of life for five seconds.
     */
    int unresponsive;
    /**
     * The row of the file; together with `count` the ID of this request, ROW.COUNT, as long as the file exists.
     */
    uint32_t row;
    /**
     * Which request of that row it is.
     */
    uint64_t count;
    /**
     * The same columns as in the process's own live table.
     */
    struct outlive_request_row request;
} outlive_scoreboard_row;

/**
 * Sees one row; the row and its texts live until it returns. Returns 0 to see the next one, anything else to end the visit.
 * May call anything. Must not throw or longjmp.
 */
typedef int (*outlive_scoreboard_visitor)(void *userdata, const struct outlive_scoreboard_row *row);

/**
 * Visits the requests in a scoreboard: those in flight in every process that publishes there, and those that were
 * unfinished when their process died (`unfinished`). Each row is consistent; rows are of slightly different moments, and a
 * request that begins or ends meanwhile may be missing. The whole file is read before the first visit; its content is
 * checked, and it is neither changed nor locked. A file that is empty has no rows.
 *
 * OUTLIVE_ERROR_IO: it cannot be read, or is no scoreboard, or was damaged or cut off. OUTLIVE_ERROR_UNSUPPORTED: another
 * version or machine wrote it. OUTLIVE_ERROR_INTERRUPTED: the visitor asked for no more.
 */
int outlive_scoreboard_read(const char *path,
                            size_t len,
                            outlive_scoreboard_visitor visit,
                            void *userdata,
                            struct outlive_error *error);

/**
 * Clears the unfinished requests of dead processes from a scoreboard; those of living processes stay. *cleared (may be
 * NULL) gets their number. Needs the right to write the file.
 *
 * Errors as outlive_scoreboard_read.
 * Thread safety: any thread, while any process uses it. Fork safety: yes. Signal safety: no.
 */
int outlive_scoreboard_clear(const char *path,
                             size_t len,
                             size_t *cleared,
                             struct outlive_error *error);

/**
 * As outlive_scoreboard_clear, but only the requests that were begun with this key.
 *
 * OUTLIVE_ERROR_ARGUMENT: the path or the key is NULL. Other errors as outlive_scoreboard_read.
 * Thread safety: any thread, while any process uses it. Fork safety: yes. Signal safety: no.
 */
int outlive_scoreboard_clear_key(const char *path,
                                 size_t len,
                                 const char *key,
                                 size_t key_len,
                                 size_t *cleared,
                                 struct outlive_error *error);

/**
 * As outlive_scoreboard_clear, but only the requests of the dead process with this number.
 *
 * Errors as outlive_scoreboard_read.
 * Thread safety: any thread, while any process uses it. Fork safety: yes. Signal safety: no.
 */
int outlive_scoreboard_clear_process(const char *path,
                                     size_t len,
                                     int64_t process,
                                     size_t *cleared,
                                     struct outlive_error *error);

/**
 * Cancels a request of any process that publishes in the scoreboard, by its row and count: as outlive_request_cancel, within a quarter of
 * a second; never another request. Needs the right to write the file.
 *
 * OUTLIVE_ERROR_NOT_FOUND: the request is over, or its process has died, or there never was one. Other errors as
 * outlive_scoreboard_read. OUTLIVE_OK: the process will be told; ending the request is up to that process.
 * Thread safety: any thread, while any process uses it. Fork safety: yes. Signal safety: no.
 */
int outlive_scoreboard_cancel(const char *path,
                              size_t len,
                              uint32_t row,
                              uint64_t count,
                              struct outlive_error *error);

/**
 * Makes the file of a scoreboard for processes that will run as `user` and `group`, if there is none, and gives it to them: for a process
 * that will give up its rights, or whose children do. An existing file is checked and never changed: it has to be a scoreboard or empty,
 * owned by `user` (or by root, if `group` may write it), with one name, and not writable by others.
 *
 * OUTLIVE_ERROR_ARGUMENT: the path is NULL. OUTLIVE_ERROR_IO: it cannot be made, or is something else; or a symbolic link on the way is
 * one that other users could have set. OUTLIVE_ERROR_UNSUPPORTED: another version or machine wrote it.
 */
int outlive_scoreboard_prepare(const char *path,
                               size_t len,
                               uint32_t user,
                               uint32_t group,
                               struct outlive_error *error);

/* Rendering -----------------------------------------------------------------------------------------------------------
 *
 * Numbers for Prometheus, a document for programs and a page for people, the same from every host.
 * Unless a function says otherwise: Thread safety: any thread. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
 */

/** The initialiser of an outlive_render_options: no title, no notes. */
#define OUTLIVE_RENDER_OPTIONS_INIT {sizeof(outlive_render_options), NULL, NULL}

/** Numbers for Prometheus, in its text format. */
#define OUTLIVE_RENDER_METRICS 0
/** Numbers and requests as one JSON document, as outlive status --json has them. */
#define OUTLIVE_RENDER_JSON 1
/** An HTML page for people. It needs no other file, and reloads its content by itself. */
#define OUTLIVE_RENDER_PAGE 2
/** The page's table alone, for use in another page. */
#define OUTLIVE_RENDER_TABLE 3

/**
 * A host's additions to a page or a document. OUTLIVE_RENDER_OPTIONS_INIT sets the size, and the rest to NULL. May grow at its
 * end.
 */
typedef struct outlive_render_options {
    /**
     * sizeof(outlive_render_options)
     */
    size_t size;
    /**
     * Whose requests these are, such as the server's name. NUL-terminated. NULL: none.
     */
    const char *title;
    /**
     * Notes to show with them, in plain text, one per line. NUL-terminated. NULL: none.
     */
    const char *notes;
} outlive_render_options;

/**
 * Renders the state of all processes of the engine's scoreboard, or of this engine alone if it has none. `what` is OUTLIVE_RENDER_METRICS,
 * _JSON, _PAGE or _TABLE; `options` may be NULL. `write` gets the whole text in one piece, as the last step; it may call anything but
 * outlive_engine_free. The series and members are the same for every host.
 *
 * OUTLIVE_ERROR_ARGUMENT: an argument is NULL, or `what` is unknown. OUTLIVE_ERROR_IO: the scoreboard cannot be read
 * any more. OUTLIVE_ERROR_INTERRUPTED: `write` failed.
 */
int outlive_engine_render(const struct outlive_engine *engine,
                          int what,
                          const struct outlive_render_options *options,
                          outlive_write_function write,
                          void *userdata,
                          struct outlive_error *error);

/**
 * As outlive_engine_render, of the scoreboard with this path.
 *
 * OUTLIVE_ERROR_ARGUMENT, OUTLIVE_ERROR_INTERRUPTED: as there. Other errors as outlive_scoreboard_read.
 * Thread safety: any thread. Fork safety: yes. Signal safety: no.
 */
int outlive_scoreboard_render(const char *path,
                              size_t len,
                              int what,
                              const struct outlive_render_options *options,
                              outlive_write_function write,
                              void *userdata,
                              struct outlive_error *error);

/**
 * The Content-Type of a format, NUL-terminated; the text is static. NULL: `what` is unknown.
 *
 * Thread safety: any thread. Fork safety: yes. Signal safety: yes.
 */
const char *outlive_render_content_type(int what);

/**
 * Counts a request that needed no supervision, such as a small file that was sent at once, so that the numbers cover all requests.
 * Cheaper than begin and end; the request is shown nowhere else. `milliseconds` is how long it took.
 *
 * OUTLIVE_ERROR_ARGUMENT: the engine is NULL, or there is no such ending, or `milliseconds` is negative.
 */
int outlive_engine_count(struct outlive_engine *engine,
                         int ending,
                         int64_t milliseconds);

/**
 * Publishes which policy the host follows (outlive_settings_fingerprint, shown as `outlive_policy_info`), so that hosts and
 * processes can be compared. Usually called once, with the settings of the whole server, and again after a reload.
 *
 * OUTLIVE_ERROR_ARGUMENT: an argument is NULL.
 */
int outlive_engine_set_policy(struct outlive_engine *engine,
                              const struct outlive_settings *settings);

#ifdef __cplusplus
}
#endif

#endif /* OUTLIVE_H */
