/* Configuration from files that are right, odd and wrong. Works in the directory that its argument names. */
#include "test.h"

#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *root;

static const char *at(const char *name) {
    static char paths[8][512];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", root, name);
    return path;
}

static void put(const char *name, const char *text, size_t len) {
    FILE *file = fopen(at(name), "wb");
    if (file == NULL || fwrite(text, 1, len, file) != len || fclose(file) != 0) {
        perror(name);
        exit(1);
    }
}

static void put_text(const char *name, const char *format, ...) {
    static char text[65536];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put(name, text, (size_t)len);
}

/* Loads, builds, resolves; the first result that is not OK. */
static int load(const char *ini, const char *conf, const outlive_target *target, const outlive_settings **settings, outlive_error *error) {
    outlive_config_builder *builder = outlive_config_builder_new();
    outlive_config *config = NULL;
    int result = OUTLIVE_OK;
    memset(error, 0, sizeof *error);
    if (ini != NULL) {
        result = outlive_config_builder_load_php_ini(builder, ini, OUTLIVE_NTS, error);
    }
    if (result == OUTLIVE_OK && conf != NULL) {
        result = outlive_config_builder_load_httpd_conf(builder, conf, OUTLIVE_NTS, error);
    }
    if (result == OUTLIVE_OK) {
        result = outlive_config_builder_build(builder, &config, error);
    }
    if (result == OUTLIVE_OK && settings != NULL) {
        result = outlive_config_resolve(config, target, settings, error);
    }
    outlive_config_free(config);
    outlive_config_builder_free(builder);
    return result;
}

static char trail[4096];
static int remember(void *userdata, const outlive_origin *origin) {
    (void)userdata;
    const char *file = strrchr(origin->file.ptr, '/');
    snprintf(trail + strlen(trail), sizeof trail - strlen(trail), "%s:%u=%s:%d ", file ? file + 1 : "", (unsigned)origin->line,
             origin->value.ptr, origin->fate);
    return 0;
}

static void layers(void) {
    outlive_target target = OUTLIVE_TARGET_INIT;
    const outlive_settings *settings = NULL;
    outlive_error error;
    outlive_str value;
    int64_t number;
    int flag;
    mkdir(at("www"), 0755);
    mkdir(at("www/form"), 0755);
    put_text("www/form/save.php", "<?php\n");
    put_text("php.ini", "; a comment\nignore_user_abort = Off\nmemory_limit = 64M\nmax_execution_time = 10\n");
    put_text("httpd.conf",
             "ServerRoot %s\nListen 80\nServerName localhost\nDocumentRoot %s/www\n"
             "<Directory />\n  AllowOverride None\n</Directory>\n"
             "php_value max_execution_time 20\n"
             "<VirtualHost *:80>\n  ServerName shop.example\n  php_flag ignore_user_abort on\n</VirtualHost>\n"
             "<Directory %s/www/form>\n  php_admin_value max_execution_time 40\n</Directory>\n"
             "<Location /form>\n  php_value max_execution_time 60\n</Location>\n",
             root, root, root);
    target.server_name = "shop.example";
    target.port = 80;
    target.uri = "/form/save.php?x=1";
    EQUAL(load(at("php.ini"), at("httpd.conf"), &target, &settings, &error), OUTLIVE_OK);
    if (settings == NULL) {
        fprintf(stderr, "%s:%u: %s\n", error.file, error.line, error.message);
        return;
    }
    EQUAL(outlive_settings_get(settings, "max_execution_time", OUTLIVE_NTS, &value), OUTLIVE_OK);
    TEXT(value, "40");
    EQUAL(outlive_settings_get_int(settings, "max_execution_time", OUTLIVE_NTS, &number), OUTLIVE_OK);
    EQUAL(number, 40);
    EQUAL(outlive_settings_get_bool(settings, "ignore_user_abort", OUTLIVE_NTS, &flag), OUTLIVE_OK);
    EQUAL(flag, 1);
    EQUAL(outlive_settings_get_quantity(settings, "memory_limit", OUTLIVE_NTS, &number), OUTLIVE_OK);
    EQUAL(number, 64 << 20);
    EQUAL(outlive_settings_get(settings, "no.such", OUTLIVE_NTS, &value), OUTLIVE_ERROR_NOT_FOUND);
    EQUAL(outlive_settings_explain(settings, "max_execution_time", OUTLIVE_NTS, remember, NULL), OUTLIVE_OK);
    CHECK(strcmp(trail, ":0=30:1 php.ini:4=10:1 httpd.conf:8=20:1 httpd.conf:17=60:2 httpd.conf:14=40:0 ") == 0);
    if (failures) {
        fprintf(stderr, "%s\n", trail);
    }
    outlive_settings_free(settings);

    target.server_name = "other.example";
    target.uri = "/nothing";
    EQUAL(load(at("php.ini"), at("httpd.conf"), &target, &settings, &error), OUTLIVE_ERROR_NOT_SERVED);
    CHECK(strstr(error.message, "404") != NULL);
    EQUAL(load(NULL, NULL, NULL, &settings, &error), OUTLIVE_OK);
    outlive_settings_get(settings, "max_execution_time", OUTLIVE_NTS, &value);
    TEXT(value, "30");
    outlive_settings_free(settings);
}

/* What httpd would answer by itself; and an .htaccess is read again when it changes. */
static void status_and_htaccess(void) {
    outlive_config_builder *builder = outlive_config_builder_new();
    outlive_config *config = NULL;
    const outlive_settings *settings = NULL;
    outlive_error error;
    outlive_str value = {0};
    int status = -1;
    mkdir(at("docs"), 0755);
    put_text("docs/p.php", "<?php");
    put_text("docs/.htaccess", "php_value precision 3\n");
    put_text("docs.conf",
             "LoadModule mpm_event_module x\nLoadModule authz_core_module x\nLoadModule mime_module x\nLoadModule php_module x\n"
             "LoadModule alias_module x\nDocumentRoot %s/docs\nAddHandler application/x-httpd-php .php\nRedirect gone /gone\n"
             "<Directory %s/docs>\nAllowOverride All\n</Directory>\n", root, root);
    EQUAL(outlive_config_builder_load_httpd_conf(builder, at("docs.conf"), OUTLIVE_NTS, &error), OUTLIVE_OK);
    EQUAL(outlive_config_builder_build(builder, &config, &error), OUTLIVE_OK);
    outlive_config_builder_free(builder);
    outlive_target target = OUTLIVE_TARGET_INIT;
    target.uri = "/gone";
    EQUAL(outlive_config_status(config, &target, &status, &error), OUTLIVE_OK);
    EQUAL(status, 410);
    target.uri = "/none.php";
    EQUAL(outlive_config_status(config, &target, &status, &error), OUTLIVE_OK);
    EQUAL(status, 404);
    target.uri = "/p.php";
    EQUAL(outlive_config_status(config, &target, &status, &error), OUTLIVE_OK);
    EQUAL(status, 0);
    for (int i = 0; i < 4; i++) {
        const char *texts[] = {"php_value precision 3\n", "php_value precision 15\n", "php_value precision 6\n", "Nonsense\n"};
        put_text("docs/.htaccess", "%s", texts[i]);
        if (i == 2) {
            outlive_config_refresh(config);
        }
        if (i == 3) {
            EQUAL(outlive_config_resolve(config, &target, &settings, &error), OUTLIVE_ERROR_NOT_SERVED);
            CHECK(strstr(error.message, "500") != NULL && strstr(error.message, "docs/.htaccess:1") != NULL);
            break;
        }
        EQUAL(outlive_config_resolve(config, &target, &settings, &error), OUTLIVE_OK);
        EQUAL(outlive_settings_get(settings, "precision", OUTLIVE_NTS, &value), OUTLIVE_OK);
        TEXT(value, i == 0 ? "3" : i == 1 ? "15" : "6");
        outlive_settings_free(settings);
    }
    EQUAL(outlive_config_status(config, &target, &status, &error), OUTLIVE_OK);
    EQUAL(status, 500);
    outlive_config_free(config);
}

static int found;
static char finding[1024];
static int count_findings(void *userdata, const outlive_diagnostic *diagnostic) {
    (void)userdata;
    found++;
    snprintf(finding, sizeof finding, "%s:%u:%s", diagnostic->file.ptr, (unsigned)diagnostic->line, diagnostic->text.ptr);
    return 0;
}

/* What stood before a syntax error stays (I-092), and the error is told with PHP's words. */
static void syntax_error_in_php_ini(void) {
    outlive_config_builder *builder = outlive_config_builder_new();
    outlive_config *config = NULL;
    const outlive_settings *settings = NULL;
    outlive_str value;
    put_text("bad.ini", "memory_limit = 64M\nuser_agent = a=b\nprecision = 3\n");
    EQUAL(outlive_config_builder_load_php_ini(builder, at("bad.ini"), OUTLIVE_NTS, NULL), OUTLIVE_OK);
    EQUAL(outlive_config_builder_build(builder, &config, NULL), OUTLIVE_OK);
    EQUAL(outlive_config_resolve(config, NULL, &settings, NULL), OUTLIVE_OK);
    outlive_settings_get(settings, "memory_limit", OUTLIVE_NTS, &value);
    TEXT(value, "64M");
    outlive_settings_get(settings, "user_agent", OUTLIVE_NTS, &value);
    TEXT(value, "a");
    outlive_settings_get(settings, "precision", OUTLIVE_NTS, &value);
    TEXT(value, "14");
    EQUAL(outlive_config_diagnostics(config, count_findings, NULL), OUTLIVE_OK);
    EQUAL(found, 1);
    CHECK(strstr(finding, "bad.ini:2:") != NULL && strstr(finding, "unexpected '='") != NULL);
    outlive_settings_free(settings);
    outlive_config_free(config);
    outlive_config_builder_free(builder);
}

static void wrong_files(void) {
    outlive_error error;
    EQUAL(load(at("missing.ini"), NULL, NULL, NULL, &error), OUTLIVE_ERROR_IO);
    CHECK(strstr(error.file, "missing.ini") != NULL && strlen(error.message) > 0);
    EQUAL(load(root, NULL, NULL, NULL, &error), OUTLIVE_ERROR_IO);
    EQUAL(load("/dev/zero", NULL, NULL, NULL, &error), OUTLIVE_ERROR_IO);
    EQUAL(load(NULL, at("missing.conf"), NULL, NULL, &error), OUTLIVE_ERROR_IO);
    EQUAL(load(NULL, root, NULL, NULL, &error), OUTLIVE_ERROR_IO);
    if (geteuid() != 0) {
        put_text("secret.ini", "a=1\n");
        chmod(at("secret.ini"), 0);
        EQUAL(load(at("secret.ini"), NULL, NULL, NULL, &error), OUTLIVE_ERROR_IO);
    }

    put_text("bad.conf", "ServerName localhost\n\n<Directory />\nphp_value a b\n");
    EQUAL(load(NULL, at("bad.conf"), NULL, NULL, &error), OUTLIVE_ERROR_REFUSED);
    CHECK(strstr(error.file, "bad.conf") != NULL && error.line == 3);
    put_text("bad.conf", "ServerName localhost\nphp_value lonely\n");
    EQUAL(load(NULL, at("bad.conf"), NULL, NULL, &error), OUTLIVE_ERROR_REFUSED);
    EQUAL(error.line, 2);
    CHECK(strstr(error.message, "takes two arguments") != NULL);
    put_text("cycle.conf", "Include %s\n", at("cycle.conf"));
    int result = load(NULL, at("cycle.conf"), NULL, NULL, &error);
    CHECK(result == OUTLIVE_ERROR_REFUSED || result == OUTLIVE_ERROR_TOO_LARGE);
    CHECK(strstr(error.file, "cycle.conf") != NULL && error.line == 1);

    static const char nul[] = "memory_limit = 64M\0\nprecision = 3\n";
    put("nul.ini", nul, sizeof nul - 1);
    EQUAL(load(at("nul.ini"), NULL, NULL, NULL, &error), OUTLIVE_OK);
    put("nul.conf", nul, sizeof nul - 1);
    EQUAL(load(NULL, at("nul.conf"), NULL, NULL, &error), OUTLIVE_ERROR_REFUSED);
}

/* 100 MB of comments and a value, and 100 MB on one line: a result, in time that grows with the bytes. */
static void large_files(size_t megabytes) {
    outlive_error error;
    size_t len = megabytes << 20;
    char *text = malloc(len + 64);
    memset(text, 'x', len);
    for (size_t i = 0; i + 80 < len; i += 80) {
        text[i] = ';';
        text[i + 79] = '\n';
    }
    text[len - 1] = '\n';
    strcpy(text + len, "precision = 3\n");
    put("large.ini", text, len + 14);
    const outlive_settings *settings = NULL;
    outlive_str value;
    EQUAL(load(at("large.ini"), NULL, NULL, &settings, &error), OUTLIVE_OK);
    outlive_settings_get(settings, "precision", OUTLIVE_NTS, &value);
    TEXT(value, "3");
    outlive_settings_free(settings);
    memset(text, 'x', len);
    memcpy(text, "user_agent = ", 13);
    put("large.ini", text, len);
    EQUAL(load(at("large.ini"), NULL, NULL, NULL, &error), OUTLIVE_OK);
    int result = load(NULL, at("large.ini"), NULL, NULL, &error);
    CHECK(result == OUTLIVE_ERROR_REFUSED || result == OUTLIVE_ERROR_TOO_LARGE);
    unlink(at("large.ini"));
    free(text);
}

static int accept_short(void *userdata, const char *value, size_t len) {
    (void)value;
    ++*(int *)userdata;
    return len <= 3;
}

static int destroyed;
static void destroy(void *userdata) {
    (void)userdata;
    destroyed++;
}

static void own_directives(void) {
    outlive_config_builder *builder = outlive_config_builder_new();
    outlive_config *config = NULL;
    outlive_directive directive = OUTLIVE_DIRECTIVE_INIT;
    const outlive_settings *settings = NULL;
    outlive_engine *engine = NULL;
    outlive_error error;
    outlive_str value;
    int asked = 0;
    directive.name = "shop.colour";
    directive.default_value = "red";
    directive.check = accept_short;
    directive.userdata = &asked;
    directive.destroy = destroy;
    EQUAL(outlive_config_builder_register(builder, &directive, &error), OUTLIVE_OK);
    directive.name = "";
    EQUAL(outlive_config_builder_register(builder, &directive, &error), OUTLIVE_ERROR_ARGUMENT);
    directive.name = "b", directive.access = 9;
    EQUAL(outlive_config_builder_register(builder, &directive, &error), OUTLIVE_ERROR_ARGUMENT);
    EQUAL(destroyed, 0);
    EQUAL(outlive_config_builder_set(builder, "shop.colour", OUTLIVE_NTS, "blue", 4, &error), OUTLIVE_OK);
    EQUAL(outlive_config_builder_build(builder, &config, &error), OUTLIVE_OK);
    EQUAL(outlive_config_resolve(config, NULL, &settings, &error), OUTLIVE_OK);
    EQUAL(outlive_settings_get(settings, "shop.colour", OUTLIVE_NTS, &value), OUTLIVE_OK);
    TEXT(value, "red"); /* blue was refused by the check */
    CHECK(asked > 0);
    EQUAL(outlive_engine_new(NULL, &engine, &error), OUTLIVE_OK);
    host host = {0};
    outlive_request *request = begin(engine, settings, &host, "GET");
    EQUAL(outlive_request_ini_set(request, "shop.colour", OUTLIVE_NTS, "sky", 3, &value), OUTLIVE_OK);
    TEXT(value, "red");
    EQUAL(outlive_request_ini_set(request, "shop.colour", OUTLIVE_NTS, "green", 5, &value), OUTLIVE_ERROR_VALUE);
    outlive_request_end(request, NULL);
    outlive_engine_free(engine);
    outlive_config_builder_free(builder);
    outlive_config_free(config);
    EQUAL(destroyed, 0);
    outlive_settings_free(settings);
    EQUAL(destroyed, 1);
}

static char events[512];
static int collect(void *userdata, const outlive_ini_event *event) {
    (void)userdata;
    size_t used = strlen(events);
    snprintf(events + used, sizeof events - used, "%d.%u(%s,%s,%d,%s,%d) ", event->kind, (unsigned)event->line, event->key.ptr,
             event->offset.ptr, event->value_type, event->text.ptr, (int)event->integer);
    return 0;
}

static void ini_texts(void) {
    static const char text[] = "[s]\na = on\nb[x] = \"text\"\nc = 42\nd = E_ALL\ne\n";
    outlive_ini_options options = OUTLIVE_INI_OPTIONS_INIT;
    outlive_error error;
    options.mode = OUTLIVE_INI_TYPED;
    EQUAL(outlive_ini_parse(text, sizeof text - 1, &options, collect, NULL, &error), OUTLIVE_OK);
    CHECK(strcmp(events, "0.1(s,,0,,0) 1.2(a,,1,,1) 2.3(b,x,0,text,0) 1.4(c,,3,,42) 1.5(d,,0,32767,0) 3.6(e,,0,,0) ") == 0);
    if (failures) {
        fprintf(stderr, "%s\n", events);
    }
    options.file = "some.ini";
    EQUAL(outlive_ini_parse("a=1\nb=(", OUTLIVE_NTS, &options, collect, NULL, &error), OUTLIVE_ERROR_SYNTAX);
    CHECK(strcmp(error.file, "some.ini") == 0 && error.line == 2 && strstr(error.message, "syntax error, unexpected") != NULL);
    options.mode = 7;
    EQUAL(outlive_ini_parse("a=1", 3, &options, collect, NULL, &error), OUTLIVE_ERROR_ARGUMENT);
}

/* Everything that decides which php.ini is read, and what comes behind it; each value says which file it is from. */
static void searching(void) {
    static const struct {
        const char *name, *expected;
    } rows[] = {
        {"precision", "11"},          /* php.ini in the compiled-in directory */
        {"serialize_precision", "12"}, /* its scan directory, by the empty element */
        {"max_input_time", "13"},     /* the other scan directory */
        {"max_input_nesting_level", "14"},
        {"html_errors", "1"},         /* -d without a value */
        {"default_socket_timeout", "15"},
        {"user_agent", "16"},
        {"docref_ext", "17"}, /* the scan directory alone, without a search */
    };
    outlive_error error;
    outlive_str value;
    mkdir(at("compiled"), 0755);
    mkdir(at("conf.d"), 0755);
    mkdir(at("more.d"), 0755);
    mkdir(at("bin"), 0755);
    put_text("compiled/php.ini", "precision = 11\nserialize_precision = 1\nmax_input_time = 1\nhtml_errors = 0\n");
    put_text("conf.d/10.ini", "serialize_precision = 12\nmax_input_time = 2\n");
    put_text("more.d/10.ini", "max_input_time = 13\n");
    put_text("bin/php-fpm-fcgi.ini", "max_input_nesting_level = 14\n");
    put_text("alone.ini", "docref_ext = 1\n");
    put_text("more.d/20.ini", "docref_ext = 17\n");
    for (int kind = 0; kind < 3; kind++) { /* a search; a search beside the program; a named file */
        outlive_config_builder *builder = outlive_config_builder_new();
        outlive_config *config = NULL;
        const outlive_settings *settings = NULL;
        char list[1024];
        snprintf(list, sizeof list, ":%s", at("more.d"));
        EQUAL(outlive_config_builder_set_sapi(builder, "fpm-fcgi", OUTLIVE_NTS, &error), OUTLIVE_OK);
        EQUAL(outlive_config_builder_set_compiled_in(builder, at("compiled"), OUTLIVE_NTS, at("conf.d"), OUTLIVE_NTS, &error), OUTLIVE_OK);
        EQUAL(outlive_config_builder_set_scan_dirs(builder, list, OUTLIVE_NTS, &error), OUTLIVE_OK);
        if (kind == 1) {
            EQUAL(outlive_config_builder_set_binary_dir(builder, at("bin"), OUTLIVE_NTS, &error), OUTLIVE_OK);
        }
        EQUAL(outlive_config_builder_load_php_ini(builder, kind == 2 ? at("alone.ini") : NULL, OUTLIVE_NTS, &error), OUTLIVE_OK);
        EQUAL(outlive_config_builder_set(builder, "html_errors", OUTLIVE_NTS, NULL, 0, &error), OUTLIVE_OK);
        EQUAL(outlive_config_builder_add_fastcgi_param(builder, "PHP_VALUE", OUTLIVE_NTS, "default_socket_timeout = 15\nuser_agent = 1", OUTLIVE_NTS, &error), OUTLIVE_OK);
        EQUAL(outlive_config_builder_add_fastcgi_param(builder, "PHP_ADMIN_VALUE", OUTLIVE_NTS, "user_agent = 16", OUTLIVE_NTS, &error), OUTLIVE_OK);
        EQUAL(outlive_config_builder_build(builder, &config, &error), OUTLIVE_OK);
        EQUAL(outlive_config_resolve(config, NULL, &settings, &error), OUTLIVE_OK);
        for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
            const char *expected = rows[row].expected;
            if ((row == 0 && kind > 0) || (row == 3 && kind != 1)) {
                continue; /* another php.ini was found */
            }
            EQUAL(outlive_settings_get(settings, rows[row].name, OUTLIVE_NTS, &value), OUTLIVE_OK);
            TEXT(value, expected);
        }
        outlive_settings_free(settings);
        outlive_config_free(config);
        outlive_config_builder_free(builder);
    }
}

static void secrets(void) {
    EQUAL(outlive_holds_secret("mysqli.default_pw", OUTLIVE_NTS, "hush", OUTLIVE_NTS), 1);
    EQUAL(outlive_holds_secret("session.save_path", OUTLIVE_NTS, "tcp://cache?auth=hush", OUTLIVE_NTS), 1);
    EQUAL(outlive_holds_secret("mysqli.default_pw", OUTLIVE_NTS, NULL, 0), 0);
    EQUAL(outlive_holds_secret("precision", OUTLIVE_NTS, "14", 2), 0);
    EQUAL(outlive_holds_secret(NULL, 1, "14", 2), OUTLIVE_ERROR_ARGUMENT);
}

/* A server with routes in place of files: what <Location> says of a path, and no file is looked for. */
static void routes(void) {
    outlive_config_builder *builder = outlive_config_builder_new();
    outlive_config *config = NULL;
    const outlive_settings *settings = NULL;
    outlive_target target = OUTLIVE_TARGET_INIT;
    outlive_error error;
    outlive_str text;
    int status = -1;
    char path[] = "/tmp/outlive-routes-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    fprintf(file, "ServerName localhost\nListen 80\n<Location /save>\nphp_value max_execution_time 7\n</Location>\n"
                  "<Location /closed>\nRequire all denied\n</Location>\nRedirect /old /save\n");
    fclose(file);
    EQUAL(outlive_config_builder_load_httpd_conf(builder, path, OUTLIVE_NTS, &error), OUTLIVE_OK);
    EQUAL(outlive_config_builder_build(builder, &config, &error), OUTLIVE_OK);
    target.method = "PUT"; /* no method is too much for a route */
    target.uri = "/save/42?a=b";
    EQUAL(outlive_config_resolve(config, &target, &settings, &error), OUTLIVE_OK);
    EQUAL(outlive_settings_get(settings, "max_execution_time", OUTLIVE_NTS, &text), OUTLIVE_OK);
    TEXT(text, "7");
    EQUAL(outlive_config_status(config, &target, &status, &error), OUTLIVE_OK);
    EQUAL(status, 0);
    outlive_settings_free(settings);
    target.uri = "/other";
    EQUAL(outlive_config_resolve(config, &target, &settings, &error), OUTLIVE_OK);
    EQUAL(outlive_settings_get(settings, "max_execution_time", OUTLIVE_NTS, &text), OUTLIVE_OK);
    TEXT(text, "30");
    outlive_settings_free(settings);
    /* access and redirects hold as anywhere; a root that is named is one, and its files are */
    target.uri = "/closed";
    EQUAL(outlive_config_status(config, &target, &status, &error), OUTLIVE_OK);
    EQUAL(status, 403);
    target.uri = "/old";
    EQUAL(outlive_config_status(config, &target, &status, &error), OUTLIVE_OK);
    EQUAL(status, 302);
    target.uri = "/save/42";
    target.document_root = "/nonexistent";
    target.method = "GET";
    EQUAL(outlive_config_status(config, &target, &status, &error), OUTLIVE_OK);
    EQUAL(status, 404);
    remove(path);
    outlive_config_free(config);
    outlive_config_builder_free(builder);
}

int main(int count, char **arguments) {
    if (count < 2) {
        fprintf(stderr, "usage: %s DIRECTORY [MEGABYTES]\n", arguments[0]);
        return 2;
    }
    root = arguments[1];
    layers();
    searching();
    status_and_htaccess();
    syntax_error_in_php_ini();
    wrong_files();
    large_files(count > 2 ? (size_t)atoi(arguments[2]) : 100);
    own_directives();
    ini_texts();
    secrets();
    routes();
    return finished("config");
}
