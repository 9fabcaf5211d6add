// Configuration: builder, layers, own directives, containers, ini texts; both forms of each call. Works in the directory that its
// argument names.
#include "test.hpp"

#include <fstream>
#include <sys/stat.h>

using outlive::result;

static std::string root;
static const std::string modules = "LoadModule mpm_event_module modules/mod_mpm_event.so\n"
                                   "LoadModule authz_core_module modules/mod_authz_core.so\n"
                                   "LoadModule mime_module modules/mod_mime.so\n"
                                   "LoadModule php_module modules/libphp.so\n";
static std::string put(const std::string &name, const std::string &text) {
    std::ofstream(root + "/" + name, std::ios::binary) << text;
    return root + "/" + name;
}

static void layers() {
    mkdir((root + "/www").c_str(), 0755);
    put("www/save.php", "<?php\n");
    const std::string ini = put("php.ini", "memory_limit = 64M\nignore_user_abort = Off\nmax_execution_time = ${LIMIT}\n");
    const std::string conf = put("httpd.conf", "ServerRoot " + root + "\n" + modules + "Listen 80\nServerName localhost\nDocumentRoot " + root +
                                                   "/www\n<Directory />\n AllowOverride None\n</Directory>\n"
                                                   "<IfDefine FORM>\n<Location /save.php>\n php_admin_value max_execution_time ${LONG}\n"
                                                   "</Location>\n</IfDefine>\n"
                                                   "<If \"%{HTTP:X-Colour} == 'red'\">\n php_value user_agent red\n</If>\n");
    outlive::config_builder builder;
    builder.set_php_version(80300).set_sapi("apache2handler").set_env("LIMIT", "20").define("FORM").define("LONG", "40");
    builder.load_php_ini(ini).load_httpd_conf(std::string_view(conf + "rest").substr(0, conf.size())).set("precision", "7");
    const outlive::config config = builder.build();
    const std::vector<outlive::header> headers = {{"X-Colour", "red"}, {"Accept", ""}};
    outlive::target target;
    target.server_name = "localhost";
    target.port = 80;
    target.uri = std::string_view("/save.php?x=1#####").substr(0, 13);
    target.headers = headers;

    outlive::settings settings = config.resolve(target);
    CHECK(settings.get("max_execution_time") == "40" && settings.get_int("max_execution_time") == 40);
    CHECK(settings.get("user_agent") == "red");
    CHECK(settings.get_quantity("memory_limit") == 64 << 20);
    CHECK(!settings.get_bool("ignore_user_abort") && settings.get_bool("precision"));
    CHECK(config.resolve().get("max_execution_time") == "20");
    target.headers = {};
    CHECK(config.resolve(target).get("user_agent") == "");

    std::string trail;
    CHECK(settings.explain("max_execution_time", [&](const outlive::origin &origin) {
        trail += std::string(origin.value) + (origin.fate == outlive::fate::in_force ? "!" : "") + (origin.locks ? "locked " : " ");
        if (origin.file == ini) {
            CHECK(origin.line == 3);
        }
    }));
    CHECK(trail == "30 20 40!locked ");

    int seen = 0;
    CHECK(!settings.each([&](const outlive::setting &setting) {
        seen++;
        return setting.name == "memory_limit" ? outlive::visit::enough : outlive::visit::more;
    }));
    CHECK(seen > 1);
    int all = 0;
    CHECK(settings.each([&](const outlive::setting &) { all++; }));
    CHECK(all > seen);

    // a visitor's exception stops the visit and comes out, in both forms
    std::error_code code;
    seen = 0;
    for (int form = 0; form < 2; form++) {
        try {
            const auto visitor = [&](const outlive::setting &) {
                if (++seen % 3 == 0) {
                    throw std::runtime_error("third");
                }
            };
            form == 0 ? settings.each(visitor) : settings.each(visitor, code);
            CHECK(false);
        } catch (const std::runtime_error &error) {
            CHECK(error.what() == std::string("third"));
        }
    }
    CHECK(seen == 6);

    // copies are references: they outlive what they came from
    outlive::settings copy = settings, moved = std::move(settings);
    CHECK(!settings && copy.native() == moved.native());
    const std::string_view value = copy.get("max_execution_time");
    moved = outlive::settings();
    outlive::settings &same = copy;
    copy = same;
    CHECK(value == "40");
    outlive::config other = config;
    CHECK(other.native() == config.native());

    THROWS(result::error_not_found, copy.get("no.such"));
    CHECK(copy.get("no.such", code).empty() && code == result::error_not_found);
    CHECK(copy.get_int("precision", code) == 7 && !code);
    CHECK(!copy.get_bool("no.such", code) && code);
    CHECK(copy.get_quantity("no.such", code) == 0 && code);
    CHECK(!copy.explain("no.such", [](const outlive::origin &) {}, code) && code == result::error_not_found);
    THROWS(result::error_argument, settings.get("precision")); // moved from
    THROWS(result::error_argument, outlive::config().resolve());

    target.uri = "/nothing";
    THROWS(result::error_not_served, config.resolve(target));
    outlive_error record;
    CHECK(!config.resolve(target, record) && record.code == OUTLIVE_ERROR_NOT_SERVED);
    CHECK(std::string(record.message).find("404") != std::string::npos);
    CHECK(config.status(target) == 404 && config.status(target, code) == 404 && !code);
    THROWS(result::error_argument, outlive::config().status(target));
    config.refresh();
    target.uri = std::string_view("/save.php\0/x", 12); // must not be cut to what comes before
    CHECK(!config.resolve(target, code) && code == result::error_argument);
}

static void errors() {
    try {
        outlive::config_builder().load_httpd_conf(put("bad.conf", modules + "php_value lonely\n")).build();
        CHECK(false);
    } catch (const std::system_error &caught) { // also for those who know nothing of outlive::error
        const auto &error = dynamic_cast<const outlive::error &>(caught);
        CHECK(error.code() == result::error_refused && error.result() == result::error_refused);
        CHECK(error.file() == root + "/bad.conf" && error.line() == 5);
        CHECK(error.message().find("takes two arguments") != std::string_view::npos);
        CHECK(std::string(error.what()).find(root + "/bad.conf:5") == 0);
        const outlive::error copy = error;
        CHECK(copy.message().data() == error.message().data());
    }
    std::error_code code = result::error_panic;
    outlive::config_builder builder;
    CHECK(builder.set("precision", "3", code) == result::ok && !code);
    CHECK(builder.load_php_ini(root + "/missing.ini", code) == result::error_io && code == std::errc::io_error);
    CHECK(builder.load_php_ini("", code) == result::error_io); // an empty path is no search
    CHECK(builder.load_php_ini(std::string_view(), code) == result::error_io);
    CHECK(builder.load_fpm_pool(root + "/missing.conf", code) == result::error_io);
    CHECK(builder.load_fpm_pool(root + "/missing.conf", "www", code) == result::error_io);
    THROWS(result::error_argument, builder.set_php_version(1));
    THROWS(result::error_io, builder.load_httpd_conf(root));
    outlive_error record;
    builder.load_php_ini(root + "/missing.ini", record);
    CHECK(record.code == OUTLIVE_ERROR_IO && std::string(record.file).find("missing.ini") != std::string::npos);
    builder.set_env("A", "b", record); // success clears what was there
    CHECK(record.code == 0 && record.message[0] == 0 && record.file[0] == 0);
    builder.set_env("OUTLIVE_TEST", "mine").use_process_env().load_php_ini(put("env.ini", "user_agent = ${OUTLIVE_TEST}\n"));
    CHECK(builder.build(code) && !code);
    CHECK(!builder.build(code) && code == result::error_argument); // built already
    outlive::config_builder moved = std::move(builder);
    CHECK(builder.set("a", "b", code) == result::error_argument);

    outlive::config odd = outlive::config_builder().load_php_ini(put("odd.ini", "memory_limit = 64M\nuser_agent = a=b\n")).build();
    int found = 0;
    CHECK(odd.diagnostics([&](const outlive::diagnostic &diagnostic) {
        found++;
        CHECK(diagnostic.line == 2 && diagnostic.file == root + "/odd.ini" && !diagnostic.code.empty());
        CHECK(diagnostic.text.find("unexpected '='") != std::string_view::npos && diagnostic.severity != outlive::severity::note);
    }));
    CHECK(found == 1);
}

static void fpm() {
    const std::string conf = put("fpm.conf", "[one]\nuser = nobody\nlisten = 1\npm = static\npm.max_children = 1\n"
                                             "php_value[precision] = 1\n[two]\nuser = nobody\nlisten = 2\npm = static\npm.max_children = 1\n"
                                             "php_admin_value[precision] = 2\n");
    CHECK(outlive::config_builder().load_fpm_pool(conf).build().resolve().get("precision") == "1");
    CHECK(outlive::config_builder().load_fpm_pool(conf, "two").build().resolve().get("precision") == "2");
}

static void searching() {
    mkdir((root + "/compiled").c_str(), 0755);
    mkdir((root + "/conf.d").c_str(), 0755);
    put("compiled/php.ini", "precision = 11\n");
    put("conf.d/10.ini", "serialize_precision = 12\n");
    const auto settings = outlive::config_builder()
                              .set_sapi("fpm-fcgi")
                              .set_compiled_in(root + "/compiled", root + "/conf.d")
                              .set_binary_dir(root + "/none")
                              .set_scan_dirs(":" + root + "/none")
                              .load_php_ini()
                              .add_fastcgi_param("PHP_VALUE", "user_agent = 13")
                              .build()
                              .resolve();
    CHECK(settings.get("precision") == "11" && settings.get("serialize_precision") == "12" && settings.get("user_agent") == "13");
    THROWS(result::error_argument, outlive::config_builder().add_fastcgi_param("OTHER", "a = 1"));
    CHECK(outlive::config_builder().set_compiled_in("", "").load_php_ini().build().resolve().get("precision") == "14");
}

static void own_directives() {
    auto alive = std::make_shared<int>(0);
    outlive::settings settings;
    {
        outlive::config_builder builder;
        outlive::directive directive{"shop.colour", outlive::access::all, "red", [alive](std::string_view value) {
                                         ++*alive;
                                         if (value == "throw") {
                                             throw std::runtime_error("no");
                                         }
                                         return value.size() <= 3;
                                     }};
        builder.register_directive(std::move(directive));
        std::error_code code;
        outlive::directive wrong{"", outlive::access::all, {}, [alive](std::string_view) { return true; }};
        CHECK(alive.use_count() == 3);
        CHECK(builder.register_directive(std::move(wrong), code) == result::error_argument);
        CHECK(alive.use_count() == 2); // refused, so it was given back, and freed
        CHECK(builder.register_directive({std::string_view("a\0b", 3)}, code) == result::error_argument);
        builder.register_directive({"shop.plain"}).set("shop.colour", "throw").set("shop.plain", "anything");
        settings = builder.build().resolve();
    }
    CHECK(settings.get("shop.colour") == "red"); // what throws is refused
    CHECK(settings.get("shop.plain") == "anything");
    CHECK(*alive > 0 && alive.use_count() == 2);
    outlive::engine engine;
    outlive::request request = engine.begin(settings);
    CHECK(request.ini_set("shop.colour", "sky") == "red" && request.ini_get("shop.colour") == "sky");
    THROWS(result::error_value, request.ini_set("shop.colour", "green"));
    request.end();
    settings = settings_of({}); // the engine keeps the last settings of a place that is free
    engine.begin(settings).end();
    CHECK(alive.use_count() == 1);
}

static void containers() {
    using outlive::kind;
    outlive::dir_config outer, inner;
    outer.set(kind::admin_flag, "ignore_user_abort", "on", {"a.conf", 3}).set(kind::value, "precision", "5");
    inner.set(kind::flag, "ignore_user_abort", "off").set(kind::value, "precision", "6", {".htaccess", 1, true});
    std::error_code code;
    CHECK(inner.set(kind::admin_value, "precision", "7", {".htaccess", 2, true}, code) == result::error_access);
    outlive::dir_config merged = outlive::dir_config::merge(outer, inner);
    outlive::config config = outlive::config_builder().build();
    outlive::settings settings = config.resolve_dir(merged);
    CHECK(settings.get_bool("ignore_user_abort") && settings.get("precision") == "6");
    CHECK(config.resolve_dir(outer, code).get("precision") == "5" && !code);
    outlive::dir_config taken(outer.release()); // as a module would, that keeps C handles
    CHECK(!outer && taken);
    CHECK(outer.set(kind::value, "a", "b", {}, code) == result::error_argument);
    THROWS(result::error_argument, outer.set(kind::value, "a", "b"));
}

static void ini_texts() {
    using outlive::ini_event;
    outlive::ini_options options;
    options.mode = outlive::ini_mode::typed;
    options.file = "some.ini";
    options.variable = [](std::string_view name) -> std::optional<std::string> {
        return name == "HOME" ? std::optional<std::string>("a fairly long text, so that it needs memory") : std::nullopt;
    };
    std::string events;
    CHECK(outlive::ini_parse("[s]\na = on\nb[x] = \"${HOME}\"\nc = 42\nd = 1.5\ne\n", options, [&](const ini_event &event) {
        events += std::to_string(static_cast<int>(event.kind)) + "." + std::to_string(event.line) + "(" + std::string(event.key) + "," +
                  std::string(event.offset) + "," + std::to_string(static_cast<int>(event.value_type)) + "," + std::string(event.text) +
                  "," + std::to_string(event.integer) + ") ";
        CHECK(event.value_type != outlive::ini_type::real || event.real == 1.5);
    }));
    CHECK(events == "0.1(s,,0,,0) 1.2(a,,1,,1) 2.3(b,x,0,a fairly long text, so that it needs memory,0) 1.4(c,,3,,42) 1.5(d,,4,,0) 3.6(e,,0,,0) ");
    const auto ignore = [](const ini_event &) {};
    try {
        outlive::ini_parse("a=1\nb=(", options, ignore);
        CHECK(false);
    } catch (const outlive::error &error) {
        CHECK(error.result() == result::error_syntax && error.file() == "some.ini" && error.line() == 2);
    }
    std::error_code code;
    CHECK(!outlive::ini_parse("b=(", options, ignore, code) && code == result::error_syntax);
    int seen = 0;
    CHECK(!outlive::ini_parse("a=1\nb=2\n", {}, [&](const ini_event &) { return seen++, outlive::visit::enough; }, code) && !code);
    CHECK(seen == 1);

    // what a look-up throws comes out, and nothing is visited or looked up after it
    seen = 0;
    std::string last;
    options.constant = [&](std::string_view name) -> std::optional<std::string> {
        last = name;
        if (name == "BAD") {
            throw std::out_of_range("BAD");
        }
        return "found";
    };
    try {
        outlive::ini_parse("a = GOOD\nb = BAD\nc = GOOD\n", options, [&](const ini_event &event) {
            seen++;
            CHECK(event.text == "found");
        });
        CHECK(false);
    } catch (const std::out_of_range &) {
    }
    CHECK(seen == 1);
    CHECK(last == "BAD");
}

int main(int, char **arguments) {
    root = arguments[1];
    layers();
    errors();
    fpm();
    searching();
    own_directives();
    containers();
    ini_texts();
    return finished("config");
}
