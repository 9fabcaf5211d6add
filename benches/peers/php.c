/* PHP's side: what libphp does for the same, called from C where it is a function of C, and from a loop in PHP (less the empty loop)
 * where it is one of PHP. With NO_PHP this is empty. */
#include "peers.h"

#ifdef NO_PHP

int php_start(void) { return 0; }
void php_stop(void) {}
int php_names(const char **names, const char **values, int most) { return (void)names, (void)values, (void)most, 0; }
const peer peer_begin_end[1], peer_check[1], peer_write[1], peer_time_limit[1], peer_function[1], peer_values[3][2];

#else

#include <sapi/embed/php_embed.h>

#include <ext/standard/basic_functions.h>

#include <stdio.h>
#include <stdlib.h>

static size_t swallow(const char *text, size_t len) {
    (void)text;
    return len;
}

static void flush_nothing(void *context) {
    (void)context;
}

int php_start(void) {
    static char entries[] = "memory_limit=-1\nhtml_errors=0\noutput_buffering=0\nimplicit_flush=0\nmax_execution_time=30\n";
    static char name[] = "peers", *arguments[] = {name, NULL};
    php_embed_module.ini_entries = entries;
    php_embed_module.php_ini_ignore = 1;
    php_embed_module.ub_write = swallow;
    php_embed_module.flush = flush_nothing;
    return php_embed_init(1, arguments) == SUCCESS;
}

void php_stop(void) {
    php_embed_shutdown();
}

static void next_request(void) {
    php_request_shutdown(NULL);
    if (php_request_startup() != SUCCESS) {
        abort();
    }
}

static double begin_end(long count) {
    double began = thread_ns();
    for (long i = 0; i < count; i++) {
        next_request();
    }
    return (thread_ns() - began) / (double)count;
}

/* One turn of a PHP loop around `body`. */
static double loop(const char *body, long count) {
    char text[256];
    snprintf(text, sizeof text, "(function() { for ($i = 0; $i < %ld; $i++) { %s } })();", count, body);
    double began = thread_ns();
    if (zend_eval_string(text, NULL, "bench") != SUCCESS) {
        abort();
    }
    return (thread_ns() - began) / (double)count;
}

static double in_php(const char *body, long count) {
    return loop(body, count) - loop("", count);
}

static double connection_status_of_php(long count) { return in_php("connection_status();", count); }
static double echo_of_php(long count) { return in_php("echo 'x';", count); }
static double set_time_limit_of_php(long count) { return in_php("set_time_limit(30);", count); }

static double zend_set_timeout_of_c(long count) {
    double began = thread_ns();
    for (long i = 0; i < count; i++) {
        zend_set_timeout(30, false);
    }
    return (thread_ns() - began) / (double)count;
}

static double register_and_run(long count) {
    next_request();
    double began = thread_ns();
    if (zend_eval_string("function f() {}", NULL, "bench") != SUCCESS) {
        abort();
    }
    loop("register_shutdown_function('f');", count);
    php_call_shutdown_functions();
    double ns = (thread_ns() - began) / (double)count;
    php_free_shutdown_functions();
    return ns;
}

int php_names(const char **names, const char **values, int most) {
    int count = 0;
    zend_ini_entry *entry;
    ZEND_HASH_FOREACH_PTR(EG(ini_directives), entry) {
        if (count < most && (entry->modifiable & ZEND_INI_PERDIR) && entry->value != NULL && ZSTR_LEN(entry->value) > 0 &&
            zend_alter_ini_entry_chars(entry->name, ZSTR_VAL(entry->value), ZSTR_LEN(entry->value), ZEND_INI_PERDIR,
                                       ZEND_INI_STAGE_HTACCESS) == SUCCESS) {
            names[count] = ZSTR_VAL(entry->name);
            values[count++] = ZSTR_VAL(entry->value);
        }
    }
    ZEND_HASH_FOREACH_END();
    next_request();
    return count;
}

/* A request as mod_php begins it under `many` peer_values of httpd.conf: each is put into force, and taken back at the end. */
static double with_values(long count, int many) {
    static zend_string *names[40], *values[40];
    if (names[0] == NULL) {
        const char *name[40], *value[40];
        int found = php_names(name, value, 40);
        for (int i = 0; i < found; i++) {
            names[i] = zend_string_init(name[i], strlen(name[i]), true);
            values[i] = zend_string_init(value[i], strlen(value[i]), true);
        }
    }
    double began = thread_ns();
    for (long i = 0; i < count; i++) {
        for (int j = 0; j < many && names[j] != NULL; j++) {
            zend_alter_ini_entry(names[j], values[j], ZEND_INI_PERDIR, ZEND_INI_STAGE_HTACCESS);
        }
        next_request();
    }
    return (thread_ns() - began) / (double)count;
}

static double with_none(long count) { return with_values(count, 0); }
static double with_ten(long count) { return with_values(count, 10); }
static double with_forty(long count) { return with_values(count, 40); }

const peer peer_begin_end[] = {{"php_request_startup + shutdown", begin_end, 2000}, {0}};
const peer peer_check[] = {{"connection_status() in PHP", connection_status_of_php, 1000000}, {0}};
const peer peer_write[] = {{"echo of one byte in PHP, unbuffered", echo_of_php, 1000000}, {0}};
const peer peer_time_limit[] = {{"set_time_limit(30) in PHP", set_time_limit_of_php, 100000},
                               {"zend_set_timeout(30, false)", zend_set_timeout_of_c, 100000},
                               {0}};
const peer peer_function[] = {{"register_shutdown_function + run", register_and_run, 1000}, {0}};
const peer peer_values[3][2] = {{{"PHP's request, no value", with_none, 2000}, {0}},
                               {{"PHP's request, 10 altered values", with_ten, 2000}, {0}},
                               {{"PHP's request, 40 altered values", with_forty, 1000}, {0}}};

#endif
