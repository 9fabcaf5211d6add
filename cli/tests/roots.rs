//! Trees as machines, images and panels have them, asked with nothing but `--root`: what is there, and which PHP runs a URL.

mod support;

use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Output;
use support::{Place, err, json, out};

/// Files below a root.
fn root(name: &str, files: &[(&str, &str)]) -> Place {
    // Several tests lay out the same tree, at the same time.
    let thread = std::thread::current();
    let name = format!("root-{name}-{}", thread.name().unwrap_or_default());
    let bytes: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    Place::new(&name, &bytes)
}

fn ask(place: &Place, args: &[&str]) -> Output {
    place.run(&[args, &["--root", "."]].concat())
}

/// The value, the id and the php.ini of one answer.
fn answer(place: &Place, args: &[&str]) -> (String, String, String) {
    let output = ask(place, &[&["get", "--json", "--context"], args].concat());
    let told = json(&output);
    let one = &told["answers"][0];
    if one["answer"].get("status").is_some() {
        panic!("{args:?}: {told:#} {}", err(&output));
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    assert_eq!(told["answers"].as_array().unwrap().len(), 1, "{told:#}");
    (text(&one["answer"][args[0]]), text(&one["id"]), text(&one["answering_for"]["php_ini"]))
}

fn is(place: &Place, args: &[&str], value: &str, id: &str, php_ini: &str) {
    let got = answer(place, args);
    assert_eq!((&*got.0, &*got.1, &*got.2), (value, id, php_ini), "{args:?}");
}

/// The ids that `where` lists.
fn ids(place: &Place) -> Vec<String> {
    let told = json(&ask(place, &["where", "--json"]));
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/where.json");
    let schema = serde_json::from_str(&fs::read_to_string(schema).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&told).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?} {told:#}");
    told.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

const DEBIAN: [(&str, &str); 10] = [
    (
        "etc/apache2/apache2.conf",
        "ServerName localhost\nUser ${APACHE_RUN_USER}\nGroup ${APACHE_RUN_GROUP}\nIncludeOptional mods-enabled/*.load\nListen 80\n\
         IncludeOptional mods-enabled/*.conf\nIncludeOptional sites-enabled/*.conf\n<Directory /var/www/>\nAllowOverride All\n\
         Require all granted\n</Directory>\nAccessFileName .htaccess\n",
    ),
    ("etc/apache2/envvars", "export APACHE_RUN_USER=www-data\nexport APACHE_RUN_GROUP=www-data\n"),
    (
        "etc/apache2/mods-enabled/a.load",
        "LoadModule mpm_prefork_module /usr/lib/apache2/modules/mod_mpm_prefork.so\nLoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so\n\
         LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so\nLoadModule mime_module /usr/lib/apache2/modules/mod_mime.so\n",
    ),
    (
        "etc/apache2/sites-enabled/000.conf",
        "<VirtualHost *:80>\nDocumentRoot /var/www/html\nDirectoryIndex index.php\n</VirtualHost>\n",
    ),
    ("etc/php/8.2/apache2/php.ini", "memory_limit = 130M\nupload_max_filesize = 3M\n"),
    ("etc/php/8.2/cli/php.ini", "memory_limit = -1\n"),
    ("etc/php/8.2/mods-available/mbstring.ini", "extension=mbstring.so\nmbstring.language = Japanese\n"),
    ("etc/passwd", "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n"),
    ("etc/group", "www-data:x:33:\n"),
    ("var/www/html/index.php", "<?php"),
];

const PHP_82: [(&str, &str); 2] = [
    ("etc/apache2/mods-enabled/php8.2.load", "LoadModule php_module /usr/lib/apache2/modules/libphp8.2.so\n"),
    (
        "etc/apache2/mods-enabled/php8.2.conf",
        "<FilesMatch \".+\\.php$\">\nSetHandler application/x-httpd-php\n</FilesMatch>\n",
    ),
];

fn debian() -> Place {
    let place = root("debian", &[&DEBIAN[..], &PHP_82].concat());
    fs::create_dir_all(place.0.join("etc/php/8.2/apache2/conf.d")).unwrap();
    // As Debian has them: absolute, so they must not lead to this machine's own files.
    symlink("/etc/php/8.2/mods-available/mbstring.ini", place.0.join("etc/php/8.2/apache2/conf.d/20-mbstring.ini"))
        .unwrap();
    place
}

#[test]
fn debian_with_mod_php() {
    let place = debian();
    assert_eq!(ids(&place), ["8.2/apache2", "8.2/cli"]);
    is(&place, &["memory_limit"], "130M", "8.2/apache2", "/etc/php/8.2/apache2/php.ini");
    is(&place, &["memory_limit", "http://localhost/"], "130M", "8.2/apache2", "/etc/php/8.2/apache2/php.ini");
    is(&place, &["memory_limit", "--php", "8.2/cli"], "-1", "8.2/cli", "/etc/php/8.2/cli/php.ini");
    is(&place, &["mbstring.language"], "Japanese", "8.2/apache2", "/etc/php/8.2/apache2/php.ini");
    is(&place, &["session.save_path"], "/var/lib/php/sessions", "8.2/apache2", "/etc/php/8.2/apache2/php.ini");
    // Without a module that runs it the source is sent, and that is the answer.
    for (file, _) in PHP_82 {
        fs::remove_file(place.path(file)).unwrap();
    }
    let output = ask(&place, &["get", "memory_limit", "http://localhost/"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(err(&output).contains("no program runs"), "{output:?}");
}

#[test]
fn what_the_servers_account_may_not_read() {
    use std::os::unix::fs::PermissionsExt;
    let place = debian();
    let chmod =
        |file: &str, mode: u32| fs::set_permissions(place.path(file), fs::Permissions::from_mode(mode)).unwrap();
    fs::write(place.path("var/www/html/.htaccess"), "php_value memory_limit 131M\n").unwrap();
    is(&place, &["memory_limit", "http://localhost/"], "131M", "8.2/apache2", "/etc/php/8.2/apache2/php.ini");
    // Who runs this command may read it all the same.
    chmod("var/www/html/.htaccess", 0o600);
    let output = ask(&place, &["get", "--json", "memory_limit", "http://localhost/"]);
    assert_eq!((json(&output)["status"].as_u64(), output.status.code()), (Some(403), Some(1)), "{output:?}");
    fs::remove_file(place.path("var/www/html/.htaccess")).unwrap();
    chmod("var/www/html", 0o700);
    let output = ask(&place, &["get", "--json", "memory_limit", "http://localhost/"]);
    assert_eq!((json(&output)["status"].as_u64(), output.status.code()), (Some(403), Some(1)), "{output:?}");
    chmod("var/www/html", 0o755);
}

/// Two PHPs in FPM, and a virtual host for each, as Sury's packages are used.
fn sury() -> Place {
    let site = |name: &str, version: &str| {
        format!(
            "<VirtualHost *:80>\nServerName {name}.example\nDocumentRoot /var/www/html\nDirectoryIndex index.php\n<FilesMatch \\.php$>\n\
             SetHandler \"proxy:unix:/run/php/php{version}-fpm.sock|fcgi://localhost\"\n</FilesMatch>\n</VirtualHost>\n"
        )
    };
    let conf = "[global]\ninclude=/etc/php/@V@/fpm/pool.d/*.conf\n";
    let pool = "[www]\nuser = www-data\ngroup = www-data\nlisten = /run/php/php@V@-fpm.sock\n";
    let (a, b) = (site("old", "8.2"), site("new", "8.4"));
    let (conf_old, conf_new) = (conf.replace("@V@", "8.2"), conf.replace("@V@", "8.4"));
    let (pool_old, pool_new) = (pool.replace("@V@", "8.2"), pool.replace("@V@", "8.4"));
    let shop = "[shop]\nuser = www-data\nlisten = /run/php/shop.sock\nphp_admin_value[upload_max_filesize] = 64M\n";
    root(
        "sury",
        &[
            &DEBIAN[..],
            &[
                (
                    "etc/apache2/mods-enabled/proxy.load",
                    "LoadModule proxy_module /x/mod_proxy.so\nLoadModule proxy_fcgi_module /x/mod_proxy_fcgi.so\n",
                ),
                ("etc/apache2/sites-enabled/000.conf", &a),
                ("etc/apache2/sites-enabled/001.conf", &b),
                ("etc/php/8.2/fpm/php-fpm.conf", &conf_old),
                ("etc/php/8.2/fpm/php.ini", "upload_max_filesize = 8M\n"),
                ("etc/php/8.2/fpm/pool.d/www.conf", &pool_old),
                ("etc/php/8.2/fpm/pool.d/shop.conf", shop),
                ("etc/php/8.4/fpm/php-fpm.conf", &conf_new),
                ("etc/php/8.4/fpm/php.ini", "upload_max_filesize = 16M\n"),
                ("etc/php/8.4/fpm/pool.d/www.conf", &pool_new),
            ],
        ]
        .concat(),
    )
}

#[test]
fn two_phps_and_a_virtual_host_for_each() {
    let place = sury();
    fs::write(place.path("var/www/html/.user.ini"), "memory_limit = 77M\n").unwrap();
    let name = "upload_max_filesize";
    is(&place, &[name, "http://old.example/"], "8M", "8.2/fpm/www", "/etc/php/8.2/fpm/php.ini");
    is(&place, &[name, "http://new.example/"], "16M", "8.4/fpm/www", "/etc/php/8.4/fpm/php.ini");
    is(&place, &["memory_limit", "http://new.example/"], "77M", "8.4/fpm/www", "/etc/php/8.4/fpm/php.ini");
    // Without a URL each has its row, and no document is one PHP's.
    let table = out(&ask(&place, &["explain", name]));
    for (id, value) in [("8.2/fpm/www", "8M"), ("8.4/fpm/www", "16M"), ("8.2/fpm/shop", "64M"), ("8.2/cli", "2M")] {
        assert!(table.lines().any(|line| line.trim().starts_with(id) && line.contains(value)), "{id}: {table}");
    }
    assert!(table.contains("serves no request"), "{table}");
    let output = ask(&place, &["get", "--json", name]);
    assert!(output.status.code() == Some(2) && err(&output).contains("8.4/fpm/www"), "{output:?}");
    let all = json(&ask(&place, &["get", "--json", "--context", name]));
    assert_eq!(all["answers"].as_array().unwrap().len(), 3, "{all:#}");
    // Where all agree there is one answer, and it says who does.
    let output = ask(&place, &["get", "precision"]);
    assert_eq!((out(&output).as_str(), output.status.code()), ("14\n", Some(0)));
    assert!(err(&output).contains("8.2/fpm/www, 8.4/fpm/www") || err(&output).contains("8.4/fpm/www"), "{output:?}");
    // One is chosen by its name or the beginning of it.
    is(&place, &[name, "--php", "8.4"], "16M", "8.4/fpm/www", "/etc/php/8.4/fpm/php.ini");
    is(&place, &[name, "--php-version", "8.4"], "16M", "8.4/fpm/www", "/etc/php/8.4/fpm/php.ini");
    let output = ask(&place, &["get", name, "--php", "8.9"]);
    assert!(output.status.code() == Some(2) && err(&output).contains("8.4/fpm/www"), "{output:?}");
    let differ = out(&ask(&place, &["diff", "8.2/fpm/www", "8.4/fpm/www"]));
    assert!(differ.contains(name), "{differ}");
    // A socket that nobody listens on breaks the chain, and the steps so far are told.
    fs::remove_file(place.path("etc/php/8.4/fpm/pool.d/www.conf")).unwrap();
    let output = ask(&place, &["explain", name, "http://new.example/"]);
    let said = err(&output);
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(2), ""), "{output:?}");
    for part in [
        "no pool that was found listens on /run/php/php8.4-fpm.sock",
        "steps so far",
        "its handler is proxy:unix:",
        "8.2/fpm/www",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn the_pools_account_may_not_read_the_program() {
    use std::os::unix::fs::PermissionsExt;
    let place = sury();
    fs::set_permissions(place.path("var/www/html/index.php"), fs::Permissions::from_mode(0o600)).unwrap();
    let output = ask(&place, &["get", "memory_limit", "http://old.example/"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(err(&output).contains("403") && err(&output).contains("www-data may not read"), "{output:?}");
}

#[test]
fn docker_php_fpm() {
    let place = root(
        "docker-fpm",
        &[
            ("usr/local/etc/php/conf.d/docker-php-ext-sodium.ini", "extension=sodium\nmemory_limit = 90M\n"),
            ("usr/local/etc/php/php.ini-production", "memory_limit = 1M\n"),
            ("usr/local/etc/php-fpm.conf", "[global]\ninclude=etc/php-fpm.d/*.conf\n"),
            ("usr/local/etc/php-fpm.d/docker.conf", "[global]\nerror_log = /proc/self/fd/2\n[www]\nclear_env = no\n"),
            (
                "usr/local/etc/php-fpm.d/www.conf",
                "[www]\nuser = www-data\nlisten = 127.0.0.1:9000\nphp_value[precision] = 9\n",
            ),
            ("usr/local/etc/php-fpm.d/zz-docker.conf", "[global]\ndaemonize = no\n[www]\nlisten = 9000\n"),
        ],
    );
    let told = json(&ask(&place, &["where", "--json"]));
    assert_eq!(told[0]["pools"][0]["listen"], "9000", "{told:#}");
    assert_eq!(told[0]["php_ini"], Value::Null);
    is(&place, &["memory_limit"], "90M", "8.2/fpm/www", "");
    is(&place, &["precision"], "9", "8.2/fpm/www", "");
    // The version stands nowhere in such a tree: that is said, and can be given.
    let output = ask(&place, &["get", "memory_limit"]);
    assert!(err(&output).contains("version") && err(&output).contains("assumed"), "{output:?}");
    is(&place, &["precision", "--php-version", "8.4"], "9", "8.4/fpm/www", "");
    // What a packager compiled in is not Debian's.
    for name in ["include_path", "session.save_path"] {
        let output = ask(&place, &["get", name]);
        assert_eq!((output.status.code(), out(&output)), (Some(2), String::new()), "{output:?}");
        assert!(err(&output).contains("compiled into this PHP (docker)"), "{output:?}");
    }
    let row = &json(&ask(&place, &["explain", "include_path", "--json"]))[0];
    assert!(row["value"].is_null() || row["unknown"].is_string(), "{row:#}");
}

#[test]
fn docker_php_apache() {
    let files = [
        (
            "etc/apache2/envvars",
            ": ${APACHE_RUN_USER:=www-data}\nexport APACHE_RUN_USER\n: ${APACHE_RUN_GROUP:=www-data}\nexport APACHE_RUN_GROUP\n",
        ),
        ("etc/apache2/mods-enabled/php.load", "LoadModule php_module /usr/lib/apache2/modules/libphp.so\n"),
        (
            "etc/apache2/mods-enabled/docker-php.conf",
            "<FilesMatch \\.php$>\nSetHandler application/x-httpd-php\n</FilesMatch>\n",
        ),
        ("usr/local/etc/php/php.ini", "memory_limit = 91M\n"),
        ("usr/local/etc/php/conf.d/x.ini", "precision = 4\n"),
    ];
    let debian = DEBIAN.iter().filter(|(name, _)| !name.starts_with("etc/php/") && !name.ends_with("envvars"));
    let place = root("docker-apache", &debian.copied().chain(files).collect::<Vec<_>>());
    is(&place, &["memory_limit"], "91M", "8.2/apache2", "/usr/local/etc/php/php.ini");
    is(&place, &["precision", "http://localhost/index.php"], "4", "8.2/apache2", "/usr/local/etc/php/php.ini");
    assert!(!err(&ask(&place, &["get", "precision"])).contains("not understood"));
}

#[test]
fn rhel() {
    let place = root(
        "rhel",
        &[
            (
                "etc/httpd/conf/httpd.conf",
                "ServerRoot \"/etc/httpd\"\nServerName localhost\nInclude conf.modules.d/*.conf\nListen 80\nUser apache\nGroup apache\n\
                 DocumentRoot \"/var/www/html\"\nDirectoryIndex index.php\n<Directory /var/www>\nRequire all granted\n</Directory>\n\
                 IncludeOptional conf.d/*.conf\n",
            ),
            (
                "etc/httpd/conf.modules.d/00.conf",
                "LoadModule mpm_prefork_module modules/mod_mpm_prefork.so\nLoadModule unixd_module modules/mod_unixd.so\nLoadModule authz_core_module modules/mod_authz_core.so\nLoadModule dir_module modules/mod_dir.so\n\
                 LoadModule proxy_module modules/mod_proxy.so\nLoadModule proxy_fcgi_module modules/mod_proxy_fcgi.so\n",
            ),
            (
                "etc/httpd/conf.d/php.conf",
                "<FilesMatch \\.(php|phar)$>\nSetHandler \"proxy:unix:/run/php-fpm/www.sock|fcgi://localhost\"\n</FilesMatch>\n",
            ),
            ("etc/sysconfig/httpd", "# how\nLANG=C\n"),
            ("etc/php.ini", "memory_limit = 92M\n"),
            ("etc/php.d/20-x.ini", "precision = 5\n"),
            ("etc/php-fpm.conf", "include=/etc/php-fpm.d/*.conf\n[global]\n"),
            (
                "etc/php-fpm.d/www.conf",
                "[www]\nuser = apache\nlisten = /run/php-fpm/www.sock\nphp_value[session.save_path] = /var/lib/php/session\n",
            ),
            ("etc/passwd", "apache:x:48:48::/:/sbin/nologin\n"),
            ("var/www/html/index.php", ""),
        ],
    );
    symlink("../run", place.0.join("var/run")).unwrap();
    is(&place, &["memory_limit", "http://localhost/"], "92M", "8.2/fpm/www", "/etc/php.ini");
    is(&place, &["session.save_path", "http://localhost/"], "/var/lib/php/session", "8.2/fpm/www", "/etc/php.ini");
    is(&place, &["precision", "--php", "8.2/cli"], "5", "8.2/cli", "/etc/php.ini");
}

#[test]
fn alpine_with_nginx() {
    let place = root(
        "alpine",
        &[
            ("etc/nginx/nginx.conf", "user nginx;\nevents {}\nhttp {\n include /etc/nginx/http.d/*.conf;\n}\n"),
            (
                "etc/nginx/http.d/default.conf",
                "server {\n listen 80 default_server;\n root /var/www/localhost/htdocs;\n index index.php;\n\
                 location / { try_files $uri $uri/ /index.php?$args; }\n location ~ \\.php$ {\n  fastcgi_pass 127.0.0.1:9000;\n\
                 include fastcgi.conf;\n  fastcgi_param PHP_ADMIN_VALUE \"memory_limit=93M\\nprecision=7\";\n }\n}\n",
            ),
            (
                "etc/nginx/fastcgi.conf",
                "fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;\nfastcgi_param DOCUMENT_ROOT $document_root;\n",
            ),
            ("etc/php83/php.ini", "upload_max_filesize = 4M\n"),
            ("etc/php83/conf.d/00_x.ini", "post_max_size = 5M\n"),
            ("etc/php83/php-fpm.conf", "include=/etc/php83/php-fpm.d/*.conf\n"),
            ("etc/php83/php-fpm.d/www.conf", "[www]\nuser = nobody\nlisten = 127.0.0.1:9000\n"),
            ("var/www/localhost/htdocs/index.php", ""),
            ("var/www/localhost/htdocs/.user.ini", "upload_max_filesize = 6M\n"),
        ],
    );
    is(&place, &["memory_limit", "http://localhost/any/where"], "93M", "8.3/fpm/www", "/etc/php83/php.ini");
    is(&place, &["upload_max_filesize", "http://localhost/"], "6M", "8.3/fpm/www", "/etc/php83/php.ini");
    is(&place, &["post_max_size", "http://localhost/"], "5M", "8.3/fpm/www", "/etc/php83/php.ini");
    let told = out(&ask(&place, &["explain", "precision", "http://localhost/"]));
    assert!(told.contains("/etc/nginx/http.d/default.conf:9"), "{told}");
    let output = ask(&place, &["get", "precision", "http://localhost/.user.ini"]);
    assert!(err(&output).contains("plain file") && output.status.code() == Some(1), "{output:?}");
}

#[test]
fn cpanel() {
    let socket = "/opt/cpanel/ea-php81/root/usr/var/run/php-fpm/abc.sock";
    let conf = format!(
        "ServerRoot \"/etc/apache2\"\nLoadModule mpm_prefork_module modules/mod_mpm_prefork.so\nListen 80\nLoadModule authz_core_module modules/mod_authz_core.so\n\
         LoadModule dir_module modules/mod_dir.so\nLoadModule proxy_module modules/mod_proxy.so\n\
         LoadModule proxy_fcgi_module modules/mod_proxy_fcgi.so\nDirectoryIndex index.php\n<VirtualHost *:80>\nServerName shop.example\n\
         DocumentRoot /home/shop/public_html\n<Directory /home/shop>\nRequire all granted\n</Directory>\n<FilesMatch \"\\.php$\">\n\
         SetHandler \"proxy:unix:{socket}|fcgi://shop.example\"\n</FilesMatch>\n</VirtualHost>\n"
    );
    let pool = format!("[shop_example]\nuser = shop\nlisten = {socket}\nphp_admin_value[memory_limit] = 94M\n");
    let place = root(
        "cpanel",
        &[
            ("etc/apache2/conf/httpd.conf", &conf),
            ("opt/cpanel/ea-php81/root/etc/php.ini", "post_max_size = 6M\n"),
            ("opt/cpanel/ea-php81/root/etc/php.d/local.ini", "precision = 6\n"),
            (
                "opt/cpanel/ea-php81/root/etc/php-fpm.conf",
                "include=/opt/cpanel/ea-php81/root/etc/php-fpm.d/*.conf\n[global]\n",
            ),
            ("opt/cpanel/ea-php81/root/etc/php-fpm.d/shop.example.conf", &pool),
            ("opt/cpanel/ea-php82/root/etc/php.ini", "post_max_size = 7M\n"),
            ("home/shop/public_html/index.php", ""),
        ],
    );
    let ini = "/opt/cpanel/ea-php81/root/etc/php.ini";
    is(&place, &["memory_limit", "http://shop.example/"], "94M", "8.1/fpm/shop_example", ini);
    is(&place, &["precision", "http://shop.example/"], "6", "8.1/fpm/shop_example", ini);
    // `.user.ini` counts below the home of the pool's user alone: where that is known nothing needs to be said.
    let told = || err(&ask(&place, &["get", "precision", "http://shop.example/"]));
    assert!(told().contains("cPanel's PHP reads .user.ini only below"), "{}", told());
    fs::write(place.path("etc/passwd"), "shop:x:1001:1001::/home/shop:/bin/bash\n").unwrap();
    fs::write(place.path("home/shop/public_html/.user.ini"), "precision = 7\n").unwrap();
    assert!(!told().contains("cPanel's PHP reads"), "{}", told());
    is(&place, &["precision", "http://shop.example/"], "7", "8.1/fpm/shop_example", ini);
    fs::create_dir_all(place.path("home/other")).unwrap();
    fs::write(place.path("etc/passwd"), "shop:x:1001:1001::/home/other:/bin/bash\n").unwrap();
    is(&place, &["precision", "http://shop.example/"], "6", "8.1/fpm/shop_example", ini);
    assert!(ids(&place).contains(&"8.2/cli".to_owned()));
}

/// MultiPHP without FPM: a handler by the PHP's name, which suPHP, `Action` or mod_lsapi runs.
#[test]
fn cpanel_by_handler() {
    let conf = |modules: &str, handler: &str| {
        format!(
            "ServerRoot \"/etc/apache2\"\nServerName shop.example\nListen 80\nLoadModule mpm_prefork_module modules/mod_mpm_prefork.so\n\
             LoadModule authz_core_module modules/mod_authz_core.so\nLoadModule dir_module modules/mod_dir.so\n\
             LoadModule mime_module modules/mod_mime.so\nLoadModule alias_module modules/mod_alias.so\nTypesConfig /dev/null\n{modules}\
             DirectoryIndex index.php\nDocumentRoot /home/shop/public_html\n<Directory />\nAllowOverride All\nRequire all granted\n</Directory>\n\
             AddHandler {handler} .php\n"
        )
    };
    let suphp = conf("LoadModule suphp_module modules/mod_suphp.so\n", "application/x-httpd-ea-php81");
    let place = root(
        "cpanel-handler",
        &[
            ("etc/apache2/conf/httpd.conf", &suphp),
            ("opt/cpanel/ea-php81/root/etc/php.ini", "memory_limit = 81M\n"),
            ("opt/cpanel/ea-php81/root/usr/bin/php-cgi", ""),
            ("opt/cpanel/ea-php82/root/etc/php.ini", "memory_limit = 82M\n"),
            ("opt/cpanel/ea-php82/root/usr/bin/php-cgi", ""),
            ("usr/local/cpanel/cgi-sys/ea-php82", "#!/bin/sh\nexec /opt/cpanel/ea-php82/root/usr/bin/php-cgi\n"),
            ("home/shop/public_html/index.php", ""),
        ],
    );
    let (url, ini) = ("http://shop.example/", "/opt/cpanel/ea-php81/root/etc/php.ini");
    is(&place, &["memory_limit", url], "81M", "8.1/cgi", ini);
    // In an .htaccess the account chooses another one.
    let other = "AddHandler application/x-httpd-ea-php82 .php\n";
    fs::write(place.path("home/shop/public_html/.htaccess"), other).unwrap();
    is(&place, &["memory_limit", url], "82M", "8.2/cgi", "/opt/cpanel/ea-php82/root/etc/php.ini");
    // An Action leads to a program that says which PHP it is.
    let action = "LoadModule actions_module modules/mod_actions.so\nLoadModule cgi_module modules/mod_cgi.so\nScriptAlias /cgi-sys /usr/local/cpanel/cgi-sys\n\
                  Action application/x-httpd-ea-php82 /cgi-sys/ea-php82\n";
    fs::write(place.path("etc/apache2/conf/httpd.conf"), conf(action, "application/x-httpd-ea-php82")).unwrap();
    is(&place, &["memory_limit", url], "82M", "8.2/cgi", "/opt/cpanel/ea-php82/root/etc/php.ini");
    // LiteSpeed's is named, with its php.ini; nothing is answered in its place.
    let lsapi = conf("LoadModule lsapi_module modules/mod_lsapi.so\n", "application/x-httpd-ea-php81___lsphp");
    fs::write(place.path("etc/apache2/conf/httpd.conf"), lsapi).unwrap();
    fs::remove_file(place.path("home/shop/public_html/.htaccess")).unwrap();
    let output = ask(&place, &["get", "memory_limit", url]);
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(2), ""), "{output:?}");
    assert!(
        err(&output).contains("LiteSpeed's PHP by mod_lsapi") && err(&output).contains("--php 8.1/cgi"),
        "{output:?}"
    );
    // A handler that no module has which is known here.
    let strange = conf("LoadModule odd_module modules/mod_odd.so\n", "x-php-odd");
    fs::write(place.path("etc/apache2/conf/httpd.conf"), strange).unwrap();
    let output = ask(&place, &["get", "memory_limit", url]);
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(2), ""), "{output:?}");
    assert!(err(&output).contains("no handler of a module that is known here"), "{output:?}");
}

#[test]
fn xampp() {
    let place = root(
        "xampp",
        &[
            (
                "opt/lampp/etc/httpd.conf",
                "ServerRoot \"/opt/lampp\"\nServerName localhost\nLoadModule mpm_prefork_module modules/mod_mpm_prefork.so\nListen 80\nLoadModule authz_core_module modules/mod_authz_core.so\n\
                 LoadModule dir_module modules/mod_dir.so\nLoadModule mime_module modules/mod_mime.so\n\
                 LoadModule php_module modules/libphp.so\nDirectoryIndex index.php\nDocumentRoot /opt/lampp/htdocs\n\
                 <Directory /opt/lampp/htdocs>\nRequire all granted\n</Directory>\nAddType application/x-httpd-php .php\n\
                 Include etc/extra/x.conf\n",
            ),
            ("opt/lampp/etc/extra/x.conf", "<Location />\nphp_value precision 8\n</Location>\n"),
            ("opt/lampp/etc/php.ini", "memory_limit = 95M\n"),
            ("opt/lampp/etc/mime.types", ""),
            ("opt/lampp/htdocs/index.php", ""),
        ],
    );
    is(&place, &["memory_limit", "http://localhost/"], "95M", "8.2/apache2", "/opt/lampp/etc/php.ini");
    is(&place, &["precision", "http://localhost/"], "8", "8.2/apache2", "/opt/lampp/etc/php.ini");
}

#[test]
fn a_copy_of_the_php_tree_alone() {
    let place = root(
        "copy",
        &[
            ("etc/php/7.4/fpm/php-fpm.conf", "include=/etc/php/7.4/fpm/pool.d/*.conf\n"),
            ("etc/php/7.4/fpm/pool.d/a.conf", "[a]\nlisten = 9001\nphp_value[precision] = 2\n"),
            ("etc/php/7.4/fpm/php.ini", "memory_limit = 96M\n"),
            ("etc/php/7.4/cli/php.ini", ""),
        ],
    );
    assert_eq!(ids(&place), ["7.4/fpm", "7.4/cli"]);
    is(&place, &["precision"], "2", "7.4/fpm/a", "/etc/php/7.4/fpm/php.ini");
    is(&place, &["memory_limit", "--sapi", "cli"], "128M", "7.4/cli", "/etc/php/7.4/cli/php.ini");
    let output = ask(&place, &["get", "precision", "http://localhost/"]);
    assert!(output.status.code() == Some(2) && err(&output).contains("--httpd-conf or --nginx-conf"), "{output:?}");
    let check = ask(&place, &["check"]);
    assert_eq!(check.status.code(), Some(0), "{check:?}");
}

/// The options of a service that no process shows: they stand in its unit.
#[test]
fn a_unit_says_how_fpm_is_started() {
    let place = root(
        "unit",
        &[
            ("etc/php/8.2/fpm/php-fpm.conf", "[www]\nlisten = 9000\n"),
            ("etc/php/8.2/fpm/php.ini", "memory_limit = 1M\n"),
            ("srv/php.ini", "memory_limit = 97M\n"),
            ("srv/more/a.ini", "precision = 3\n"),
            (
                "usr/lib/systemd/system/php8.2-fpm.service",
                "[Service]\nExecStart=/usr/sbin/php-fpm8.2 --nodaemonize \\\n  --fpm-config /etc/php/8.2/fpm/php-fpm.conf\n",
            ),
            (
                "etc/systemd/system/php8.2-fpm.service.d/own.conf",
                "[Service]\nEnvironmentFile=-/etc/default/php\nExecStart=\nExecStart=/usr/sbin/php-fpm8.2 -c /srv/php.ini -d post_max_size=${SIZE}\n",
            ),
            ("etc/default/php", "SIZE=9M\nPHP_INI_SCAN_DIR=/srv/more\n"),
        ],
    );
    is(&place, &["memory_limit"], "97M", "8.2/fpm/www", "/srv/php.ini");
    is(&place, &["precision"], "3", "8.2/fpm/www", "/srv/php.ini");
    is(&place, &["post_max_size"], "9M", "8.2/fpm/www", "/srv/php.ini");
    let told = json(&ask(&place, &["where", "--json"]));
    assert!(told[0]["found_by"].as_str().unwrap().contains("from the unit"), "{told:#}");
}

/// php-cgi by a script, with a PHPRC of its own.
#[test]
fn php_cgi_by_a_wrapper() {
    let place = root(
        "wrapper",
        &[
            &DEBIAN[..],
            &[
                (
                    "etc/apache2/mods-enabled/fcgid.load",
                    "LoadModule fcgid_module /x/mod_fcgid.so\nLoadModule actions_module /x/mod_actions.so\nLoadModule alias_module /x/mod_alias.so\n",
                ),
                (
                    "etc/apache2/sites-enabled/000.conf",
                    "<VirtualHost *:80>\nDocumentRoot /var/www/html\nDirectoryIndex index.php\nAlias /php-bin/ /srv/bin/\n\
                     <Directory /srv/bin>\nRequire all granted\nOptions +ExecCGI\nSetHandler fcgid-script\n</Directory>\nAddHandler php-fcgi .php\nAction php-fcgi /php-bin/php\n</VirtualHost>\n",
                ),
                ("srv/bin/php", "#!/bin/sh\nexport PHPRC=/srv/own\nexec /usr/bin/php-cgi8.2 \"$@\"\n"),
                ("srv/own/php.ini", "memory_limit = 98M\n"),
                ("etc/php/8.2/cgi/php.ini", "memory_limit = 2M\n"),
            ],
        ]
        .concat(),
    );
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(place.path("srv/bin/php"), fs::Permissions::from_mode(0o755)).unwrap();
    is(&place, &["memory_limit", "http://localhost/"], "98M", "8.2/cgi", "/srv/own/php.ini");
}

#[test]
fn what_is_broken_is_said_and_the_rest_goes_on() {
    let place = sury();
    // A pool whose file ends in the middle, a link that leads to itself, and one that leads out.
    fs::write(place.path("etc/php/8.4/fpm/pool.d/www.conf"), "[www\n").unwrap();
    symlink("loop.conf", place.0.join("etc/php/8.2/fpm/pool.d/loop.conf")).unwrap();
    symlink("/../../../../../../../../etc/passwd", place.0.join("etc/php/8.2/fpm/pool.d/out.conf")).unwrap();
    fs::create_dir_all(place.0.join("usr/sbin")).unwrap();
    fs::write(place.path("usr/sbin/php-fpm8.2"), "no program").unwrap();
    let output = ask(&place, &["where"]);
    let (said, told) = (err(&output), out(&output));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(said.contains("8.4/fpm") && told.contains("8.2/fpm"), "{said}\n{told}");
    assert!(told.contains("not an ELF file"), "{told}");
    let output = place.run(&["where", "--root", "none"]);
    assert!(output.status.code() == Some(2) && err(&output).contains("none"), "{output:?}");
}

/// What argument is what does not depend on the files that happen to be there.
#[test]
fn urls_paths_and_names() {
    let place = debian();
    fs::write(place.path("memory_limit"), "").unwrap();
    is(&place, &["memory_limit"], "130M", "8.2/apache2", "/etc/php/8.2/apache2/php.ini");
    let output = ask(&place, &["get", "memory_limit", "example.org/x"]);
    assert!(
        output.status.code() == Some(2) && err(&output).contains("did you mean http://example.org/x"),
        "{output:?}"
    );
    let output = ask(&place, &["get", "memory_limit", "http://a/", "--url", "http://b/"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let output = ask(&place, &["get", "memory_limit", "/var/www/html/index.php"]);
    assert_eq!(out(&output), "130M\n", "{output:?}");
    let output = ask(&place, &["get", "http://localhost/"]);
    assert!(output.status.code() == Some(2) && err(&output).contains("at least one directive"), "{output:?}");
}

/// What decides and is not known is no answer, least of all a blank page or a 404.
#[test]
fn nginx_depends_on_what_is_not_known() {
    for (root, location, said) in [
        ("/srv/$geoip_city", "try_files $uri $uri/ /index.php;", "what try_files finds depends on $geoip_city"),
        ("/srv/$geoip_city", "", "which file is asked for is not known: $geoip_city"),
        (
            "/srv",
            "fastcgi_pass 127.0.0.1:9000; fastcgi_param SCRIPT_FILENAME /x$ssl_cipher;",
            "which file runs depends on $ssl_cipher",
        ),
    ] {
        let conf = format!(
            "events {{}}\nhttp {{\n server {{\n  listen 80;\n  root {root};\n  location / {{\n   {location}\n  }}\n }}\n}}\n"
        );
        let place = Place::new("nginx-unknown", &[("etc/nginx/nginx.conf", conf.as_bytes()), ("srv/index.html", b"")]);
        let output = place.run(&["get", "--json", "memory_limit", "http://localhost/", "--root", "."]);
        let text = out(&output);
        assert!(
            output.status.code() == Some(1) && text.contains("\"status\": null") && text.contains(said),
            "{output:?}"
        );
    }
}
