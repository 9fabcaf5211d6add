//! Trees as images, distributions and panels lay them out, asked with nothing but `--root`: each is found, and its PHP runs a URL.

mod support;

use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use support::roots::{DEBIAN, ask, ids, is, root};
use support::{Place, err, json, out};

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

/// A php-fpm.conf that Docker's images and FreeBSD's ports have in one place: whose php.ini is there decides.
#[test]
fn freebsd_is_not_docker() {
    let pool = "[www]\nuser = root\nlisten = 127.0.0.1:9000\npm = static\npm.max_children = 1\n";
    let files = [
        ("usr/local/etc/php-fpm.conf", "[global]\ninclude=/usr/local/etc/php-fpm.d/*.conf\n"),
        ("usr/local/etc/php-fpm.d/www.conf", pool),
        ("usr/local/etc/php/ext-10-x.ini", "precision = 4\n"),
        ("usr/local/etc/php.ini", "memory_limit = 96M\n"),
    ];
    let place = root("freebsd", &files);
    is(&place, &["memory_limit"], "96M", "8.2/fpm/www", "/usr/local/etc/php.ini");
    is(&place, &["precision"], "4", "8.2/fpm/www", "/usr/local/etc/php.ini");
    // Without a php.ini, its scan directory tells it apart.
    let place = root("freebsd-bare", &files[..3]);
    is(&place, &["precision"], "4", "8.2/fpm/www", "");
}

const FPM_MODULES: &str = "LoadModule mpm_event_module m\nLoadModule authz_core_module m\nLoadModule dir_module m\nLoadModule proxy_module m\nLoadModule proxy_fcgi_module m\n\
    Listen 7080\nDirectoryIndex index.php\n";

/// A panel's virtual hosts have the machine's address, which nobody who asks for a URL knows; its pools listen below their prefix.
#[test]
fn hosts_with_an_address_and_a_pool_with_a_prefix() {
    let conf = format!(
        "{FPM_MODULES}<VirtualHost 10.0.0.1:7080>\nServerName shop.test\nDocumentRoot /var/www/shop\n<Files ~ \\.php$>\n\
         SetHandler proxy:unix:/var/www/system/shop.test/php-fpm.sock|fcgi://x\n</Files>\n</VirtualHost>\n"
    );
    let pool = "[shop.test]\nprefix = /var/www/system/$pool\nuser = root\nlisten = php-fpm.sock\npm = static\npm.max_children = 1\n\
        php_value[memory_limit] = 97M\n";
    let files = [
        ("etc/apache2/apache2.conf", &*conf),
        ("opt/plesk/php/8.2/etc/php-fpm.conf", "include=/opt/plesk/php/8.2/etc/php-fpm.d/*.conf\n"),
        ("opt/plesk/php/8.2/etc/php-fpm.d/shop.conf", pool),
        ("opt/plesk/php/8.2/etc/php.ini", "memory_limit = 1M\n"),
        ("var/www/shop/index.php", "<?php"),
    ];
    let place = root("panel", &files);
    let ini = "/opt/plesk/php/8.2/etc/php.ini";
    is(&place, &["memory_limit", "http://shop.test:7080/"], "97M", "8.2/fpm/shop.test", ini);
    // An address that is given decides.
    let output = ask(&place, &["get", "memory_limit", "http://shop.test:7080/", "--address", "10.0.0.9"]);
    assert_ne!(output.status.code(), Some(0), "{output:?}");
}

/// Where the address is not known, a host with the name is meant, wherever it is; of several the first one, which is said.
#[test]
fn a_name_is_looked_for_at_every_address() {
    let host = |address: &str, name: &str, limit: &str| {
        format!("<VirtualHost {address}:7080>\nServerName {name}\nphp_value memory_limit {limit}\n</VirtualHost>\n")
    };
    let conf = format!(
        "LoadModule mime_module m/mod_mime.so\nLoadModule php_module m/libphp8.2.so\nAddHandler application/x-httpd-php .php\n\
         DocumentRoot www\n{}{}{}{}",
        host("*", "other.test", "90M"),
        host("10.0.0.1", "shop.test", "91M"),
        host("10.0.0.1", "twice.test", "92M"),
        host("10.0.0.2", "twice.test", "93M")
    );
    let place = Place::new("names", &[("httpd.conf", conf.as_bytes()), ("php.ini", b""), ("www/index.php", b"<?php")]);
    let asked = |url: &str, more: &[&str]| {
        let files = ["get", "memory_limit", "--httpd-conf", "httpd.conf", "--php-ini", "php.ini", "--url", url];
        let output = place.run(&[&files, more].concat());
        (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (out, err) = asked("http://shop.test:7080/index.php", &[]);
    assert!(out.contains("91M"), "{out}{err}");
    let (out, err) = asked("http://unknown.test:7080/index.php", &[]);
    assert!(out.contains("90M"), "{out}{err}");
    let (out, err) = asked("http://twice.test:7080/index.php", &[]);
    assert!(out.contains("92M") && err.contains("at several addresses have this name"), "{out}{err}");
    let (out, err) = asked("http://twice.test:7080/index.php", &["--address", "10.0.0.2"]);
    assert!(out.contains("93M") && !err.contains("several addresses"), "{out}{err}");
}

/// Where PHP-FPM runs behind Apache, an `.htaccess` that Apache does not open is named as it is under mod_php.
#[test]
fn an_htaccess_that_apache_does_not_open_is_named_before_fpm() {
    let conf = format!(
        "{FPM_MODULES}DocumentRoot /var/www\n<Directory />\nAllowOverride None\n</Directory>\n<Files ~ \\.php$>\n\
         SetHandler proxy:unix:/run/a.sock|fcgi://x\n</Files>\n"
    );
    let pool = "[www]\nuser = root\nlisten = /run/a.sock\npm = static\npm.max_children = 1\n";
    let files = [
        ("etc/apache2/apache2.conf", &*conf),
        ("etc/php/8.2/fpm/php-fpm.conf", pool),
        ("etc/php/8.2/fpm/php.ini", ""),
        ("var/www/index.php", "<?php"),
        ("var/www/.htaccess", "php_value memory_limit 1G\n"),
    ];
    let place = root("fpm-none", &files);
    let told = out(&ask(&place, &["explain", "memory_limit", "http://localhost:7080/"]));
    assert!(told.contains("skipped: Apache does not read this file: AllowOverride None"), "{told}");
}
