/* The yardstick: PHP's own scanner and parser, driven through libphp's embed library.
 *
 * zend FILE: reads FILE once, then answers each line "events N" or "map N" on its input with the nanoseconds that N
 * rounds took: zend_parse_ini_string with a callback that does nothing, or parse_ini_string with sections. */
#include <sapi/embed/php_embed.h>
#include <stdio.h>
#include <time.h>
#include <zend_ini_scanner.h>

static void nothing(zval *key, zval *value, zval *offset, int type, void *arg)
{
    (void)key, (void)value, (void)offset, (void)type;
    ++*(size_t *)arg;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static zend_string *slurp(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    zend_string *text = zend_string_alloc(size, 0);
    size_t got = fread(ZSTR_VAL(text), 1, size, file);
    ZSTR_VAL(text)[got] = 0;
    fclose(file);
    return got == size ? text : NULL;
}

static size_t events(zend_string *text)
{
    size_t count = 0;
    zend_parse_ini_string(ZSTR_VAL(text), false, ZEND_INI_SCANNER_NORMAL, nothing, &count);
    return count;
}

static size_t map(zend_string *text)
{
    zval function, result, parameters[2];
    ZVAL_STRING(&function, "parse_ini_string");
    ZVAL_STR_COPY(&parameters[0], text);
    ZVAL_TRUE(&parameters[1]);
    call_user_function(NULL, NULL, &function, &result, 2, parameters);
    size_t count = Z_TYPE(result) == IS_ARRAY ? zend_hash_num_elements(Z_ARRVAL(result)) : 0;
    zval_ptr_dtor(&result);
    zval_ptr_dtor(&parameters[0]);
    zval_ptr_dtor(&function);
    return count;
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    static char entries[] = "memory_limit=-1\nhtml_errors=0\n";
    php_embed_module.ini_entries = entries;
    PHP_EMBED_START_BLOCK(1, argv)
    zend_string *text = slurp(argv[1]);
    char what[16];
    long rounds;
    while (text && scanf("%15s %ld", what, &rounds) == 2) {
        size_t count = 0;
        double start = now();
        for (long round = 0; round < rounds; round++) count += *what == 'm' ? map(text) : events(text);
        printf("%.0f %zu\n", now() - start, count);
        fflush(stdout);
    }
    PHP_EMBED_END_BLOCK()
    return 0;
}
