//! The classic mistakes below the document roots of five estates, laid out as their operators have them: `outlive check` tells each of them with
//! its line, once, and nothing else.

mod support;

use serde_json::Value;
use support::roots::{DEBIAN, ask, root};
use support::{Place, json, out};

type Files<'a> = [(&'a str, &'a str)];

/// Lays the files out, and compares what is told: file, line (0: the whole file) and code. People are told the same.
#[track_caller]
fn tells(name: &str, files: &[&Files<'_>], want: &[(&str, u64, &str)]) -> Place {
    let place = root(name, &files.concat());
    let output = ask(&place, &["check", "--json"]);
    let document = json(&output);
    let one = |one: &Value| {
        let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
        (text("file"), one["line"].as_u64().unwrap_or_default(), text("code"))
    };
    let got: Vec<(String, u64, String)> = document.as_array().unwrap().iter().map(one).collect();
    let want: Vec<_> = want.iter().map(|(file, line, code)| ((*file).to_owned(), *line, (*code).to_owned())).collect();
    assert!(got == want, "{document:#}\n{got:#?}\n{}", support::err(&output));
    let text = out(&ask(&place, &["check"]));
    assert_eq!(text.lines().count(), want.len(), "{text}");
    place
}

const MAIN: &str = "ServerName localhost\nUser www-data\nGroup www-data\nIncludeOptional mods-enabled/*.load\nListen 80\n\
                    IncludeOptional conf-enabled/*.conf\nIncludeOptional sites-enabled/*.conf\n<Directory /var/www/>\nAllowOverride All\n\
                    Require all granted\n</Directory>\n";
const MODULES: &str = "LoadModule mpm_prefork_module m/1.so\nLoadModule authz_core_module m/2.so\nLoadModule dir_module m/3.so\n\
                       LoadModule mime_module m/4.so\nLoadModule alias_module m/5.so\nLoadModule rewrite_module m/6.so\n";
const DEBIAN_APACHE: [(&str, &str); 4] = [
    ("etc/apache2/apache2.conf", MAIN),
    ("etc/apache2/mods-enabled/a.load", MODULES),
    (DEBIAN[7].0, DEBIAN[7].1),
    (DEBIAN[8].0, DEBIAN[8].1),
];
const MOD_PHP: [(&str, &str); 2] = [
    ("etc/apache2/mods-enabled/php.load", "LoadModule php_module /usr/lib/apache2/modules/libphp8.2.so\n"),
    ("etc/apache2/conf-enabled/php.conf", "<FilesMatch \\.php$>\nSetHandler application/x-httpd-php\n</FilesMatch>\n"),
];
const FPM: [(&str, &str); 2] = [
    ("etc/php/8.2/fpm/php-fpm.conf", "[global]\ninclude=/etc/php/8.2/fpm/pool.d/*.conf\n"),
    ("etc/php/8.2/fpm/php.ini", "\n"),
];

/// Debian's Apache with mod_php: two virtual hosts and an Alias.
#[test]
fn debian_with_mod_php() {
    let sites = "<VirtualHost *:80>\nServerName shop.test\nDocumentRoot /var/www/shop\n</VirtualHost>\n\
                 <VirtualHost *:80>\nServerName blog.test\nDocumentRoot /srv/blog/public\n<Directory /srv/blog>\nAllowOverride None\n\
                 Require all granted\n</Directory>\n</VirtualHost>\n";
    let alias = "Alias /adminer /usr/share/adminer\n<Directory /usr/share/adminer>\nAllowOverride Options FileInfo\nRequire all granted\n</Directory>\n";
    let shop = "RewriteEngine On\nRewriteRule ^index\\.php$ - [L]\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteCond %{REQUEST_FILENAME} !-d\n\
                RewriteRule . /index.php [L]\n<IfModule mod_php7.c>\nphp_value upload_max_filesize 64M\n</IfModule>\n\
                <IfModule mod_php.c>\nphp_value upload_max_filesize 64M\nphp_value post_max_size 32M\n</IfModule>\n";
    let import = "php_value memory_limit \"256M # big\"\nphp_flag display_errors true\nphp_value error_reporting E_ALL\n\
                  php_value disable_functions exec\nphp_value date.timezone Europe/Berln\n";
    let files: [(&str, &str); 19] = [
        ("etc/php/8.2/apache2/php.ini", "memory_limit = 130M\n"),
        ("etc/apache2/sites-enabled/a.conf", sites),
        ("etc/apache2/conf-enabled/adminer.conf", alias),
        ("var/www/shop/index.php", ""),
        ("var/www/shop/.htaccess", shop),
        ("var/www/shop/admin/.htaccess", "php_value max_execution_time = 300\nphp_admin_value open_basedir /\n"),
        ("var/www/shop/admin/index.php", ""),
        ("var/www/shop/admin/deep/.htaccess", "Require all granted\n"),
        ("var/www/shop/api/.user.ini", "memory_limit = 512M\n"),
        ("var/www/shop/api/index.php", ""),
        ("var/www/shop/bom/.htaccess", "\u{feff}php_value memory_limit 1G\n"),
        ("var/www/shop/import/.htaccess", import),
        ("var/www/shop/php.ini", "memory_limit = 512M\n"),
        ("var/www/shop/docs/php.ini", "memory_limit = 512M\n"),
        ("var/www/shop/uploads/.htaccess", "php_flag engine offf\n"),
        ("srv/blog/public/index.php", ""),
        ("srv/blog/public/.htaccess", "php_value memory_limit 512M\n"),
        ("usr/share/adminer/index.php", ""),
        ("usr/share/adminer/.htaccess", "php_value upload_max_filesize 100M\n"),
    ];
    let want = [
        ("/srv/blog/public/.htaccess", 0, "no-effect"),
        ("/usr/share/adminer/.htaccess", 1, "upload-over-post"),
        ("/var/www/shop/.htaccess", 7, "no-effect"),
        ("/var/www/shop/.htaccess", 10, "upload-over-post"),
        ("/var/www/shop/admin/.htaccess", 1, "server-error"),
        ("/var/www/shop/admin/.htaccess", 2, "server-error"),
        ("/var/www/shop/admin/deep/.htaccess", 0, "no-effect"),
        ("/var/www/shop/api/.user.ini", 0, "wrong-sapi"),
        ("/var/www/shop/bom/.htaccess", 1, "server-error"),
        ("/var/www/shop/import/.htaccess", 1, "comment-in-value"),
        ("/var/www/shop/import/.htaccess", 2, "odd-flag"),
        ("/var/www/shop/import/.htaccess", 3, "odd-number"),
        ("/var/www/shop/import/.htaccess", 4, "wrong-level"),
        ("/var/www/shop/import/.htaccess", 5, "refused-value"),
        ("/var/www/shop/php.ini", 0, "wrong-sapi"),
        ("/var/www/shop/uploads/.htaccess", 1, "odd-flag"),
    ];
    tells("classic-debian", &[&DEBIAN_APACHE, &MOD_PHP, &files], &want);
}

/// nginx with two pools: one site with any program, one with a front controller alone.
#[test]
fn nginx_with_two_pools() {
    let to = |socket: &str, root: &str| {
        format!(
            "fastcgi_pass unix:{socket};\nfastcgi_param SCRIPT_FILENAME {root}$fastcgi_script_name;\nfastcgi_param DOCUMENT_ROOT {root};\n"
        )
    };
    let nginx = format!(
        "events {{}}\nhttp {{\nserver {{\nlisten 80 default_server;\nserver_name _;\nreturn 301 https://$host$request_uri;\n}}\n\
         server {{\nlisten 443 ssl;\nserver_name www.test;\nroot /var/www/html;\nindex index.php;\n\
         location / {{ try_files $uri $uri/ /index.php?$args; }}\nlocation ~ \\.php$ {{\ntry_files $uri =404;\n{}}}\n\
         location ~ /\\.ht {{ deny all; }}\n}}\n\
         server {{\nlisten 443 ssl;\nserver_name app.test;\nroot /srv/app/public;\nlocation / {{ try_files $uri /index.php$is_args$args; }}\n\
         location ~ ^/index\\.php(/|$) {{\n{}fastcgi_param PHP_VALUE \"memory_limit=512M\\nmax_execution_time=60\";\ninternal;\n}}\n\
         location ~ \\.php$ {{ return 404; }}\n}}\n}}\n",
        to("/run/php/f.sock", "$document_root"),
        to("/var/run/php/app.sock", "$realpath_root"),
    );
    let www = "[www]\nuser=www-data\nlisten=/run/php/f.sock\npm=static\npm.max_children=1\nphp_admin_value[memory_limit] = 256M\n\
               request_terminate_timeout = 20s\n";
    let app = "[app]\nuser=www-data\nlisten=/run/php/app.sock\npm=ondemand\npm.max_children=5\nphp_value[upload_max_filesize] = ${UPLOADS}\n";
    let admin = "memory_limit = 256M # big\nmax_execution_time = 30s\n#display_errors = On\npost_max_size 32M\n";
    let files: [(&str, &str); 16] = [
        ("etc/nginx/nginx.conf", &nginx),
        (DEBIAN[7].0, DEBIAN[7].1),
        ("etc/php/8.2/fpm/pool.d/www.conf", www),
        ("etc/php/8.2/fpm/pool.d/app.conf", app),
        ("var/www/html/index.php", ""),
        (
            "var/www/html/.user.ini",
            "upload_max_filesize = 64M\npost_max_size = 32M\nmemory_limit = 512M\nphp_value max_input_vars 5000\n",
        ),
        ("var/www/html/.htaccess", "php_value memory_limit 1G\n"),
        ("var/www/html/php.ini", "memory_limit = 1G\n"),
        ("var/www/html/admin/x.php", ""),
        ("var/www/html/admin/.user.ini", admin),
        ("srv/app/public/index.php", ""),
        ("srv/app/public/config.php", ""),
        ("srv/app/public/.user.ini", "\u{feff}allow_url_fopen = Off\nmemory_limit = 1G\n"),
        ("srv/app/public/uploads/.user.ini", "engine = off\n"),
        ("srv/app/public/uploads/a.png", ""),
        ("srv/app/.user.ini", "memory_limt = 1G\n"),
    ];
    let want = [
        ("/etc/php/8.2/fpm/pool.d/app.conf", 6, "unset-variable"),
        ("/etc/php/8.2/fpm/pool.d/www.conf", 7, "terminate-before-limit"),
        ("/srv/app/public/.user.ini", 0, "encoding"),
        ("/srv/app/public/.user.ini", 1, "wrong-level"),
        ("/srv/app/public/uploads/.user.ini", 0, "no-effect"),
        ("/var/www/html/.htaccess", 1, "wrong-sapi"),
        ("/var/www/html/.user.ini", 1, "upload-over-post"),
        ("/var/www/html/.user.ini", 3, "locked"),
        ("/var/www/html/.user.ini", 4, "apache-syntax"),
        ("/var/www/html/admin/.user.ini", 1, "locked"),
        ("/var/www/html/admin/.user.ini", 1, "comment-in-value"),
        ("/var/www/html/admin/.user.ini", 2, "odd-number"),
        ("/var/www/html/admin/.user.ini", 3, "unknown-directive"),
        ("/var/www/html/admin/.user.ini", 4, "no-value"),
        ("/var/www/html/php.ini", 0, "wrong-sapi"),
    ];
    tells("classic-nginx", &[&FPM, &files], &want);
}

/// An Apache that hands programs to PHP-FPM by ProxyPassMatch, on https alone.
#[test]
fn apache_in_front_of_fpm() {
    let sites = "<VirtualHost *:80>\nServerName a.test\nRedirect permanent / https://a.test/\n</VirtualHost>\n\
                 <VirtualHost *:443>\nServerName a.test\nDocumentRoot /var/www/html\nSSLEngine on\nDirectoryIndex index.php\n\
                 ProxyPassMatch ^/(.*\\.php(/.*)?)$ \"fcgi://127.0.0.1:9000/var/www/html/$1\"\n</VirtualHost>\n";
    let pool =
        "[www]\nuser=www-data\nlisten=127.0.0.1:9000\npm=static\npm.max_children=1\nphp_admin_flag[log_errors]=on\n";
    let access = "<IfModule mod_php8.c>\nphp_value memory_limit 1G\n</IfModule>\n<IfModule mod_php.c>\nphp_value memory_limit 2G\n</IfModule>\n\
                  RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^ index.php [L]\n";
    let files: [(&str, &str); 8] = [
        (
            "etc/apache2/mods-enabled/p.load",
            "LoadModule proxy_module m/7.so\nLoadModule proxy_fcgi_module m/8.so\nLoadModule ssl_module m/9.so\n",
        ),
        ("etc/apache2/sites-enabled/a.conf", sites),
        ("etc/php/8.2/fpm/pool.d/www.conf", pool),
        ("var/www/html/index.php", ""),
        ("var/www/html/.htaccess", access),
        ("var/www/html/.user.ini", "memory_limit 256M\nlog_errors = Off\nupload_max_filesize = 20M\n"),
        ("var/www/html/app/.htaccess", "php_value memory_limit 1G\nphp_flag log_errors off\n"),
        ("var/www/html/app/x.php", ""),
    ];
    let want = [
        ("/var/www/html/.htaccess", 2, "no-effect"),
        ("/var/www/html/.htaccess", 5, "no-effect"),
        ("/var/www/html/.user.ini", 1, "no-value"),
        ("/var/www/html/.user.ini", 2, "locked"),
        ("/var/www/html/.user.ini", 3, "upload-over-post"),
        ("/var/www/html/app/.htaccess", 1, "server-error"),
        ("/var/www/html/app/.htaccess", 2, "server-error"),
    ];
    let place = tells("classic-front", &[&DEBIAN_APACHE, &FPM, &files], &want);
    // An Apache that would not start is a problem, whoever else is there.
    std::fs::write(place.path("etc/apache2/sites-enabled/bad.conf"), "Bogus\n").unwrap();
    let output = ask(&place, &["check"]);
    assert!(
        out(&output).contains("/etc/apache2/sites-enabled/bad.conf:1: error: Invalid command 'Bogus'"),
        "{output:?}"
    );
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

/// A panel's accounts: one by PHP-FPM, one by an Action that starts php-cgi.
#[test]
fn cpanel() {
    let conf = "ServerRoot /etc/apache2\nListen 80\nUser www-data\nGroup www-data\nLoadModule mpm_event_module m/1.so\n\
                LoadModule authz_core_module m/2.so\nLoadModule dir_module m/3.so\nLoadModule mime_module m/4.so\nLoadModule alias_module m/5.so\n\
                LoadModule proxy_module m/6.so\nLoadModule proxy_fcgi_module m/7.so\nLoadModule actions_module m/8.so\nLoadModule suexec_module m/10.so\n\
                LoadModule cgid_module m/9.so\nServerName cp.test\nDocumentRoot /var/www/html\nDirectoryIndex index.php\n\
                <Directory />\nAllowOverride All\nOptions All\n</Directory>\nScriptAlias /cgi-sys /usr/local/cpanel/cgi-sys/\n\
                Action application/x-httpd-ea-php81 /cgi-sys/ea-php81\nAddHandler application/x-httpd-ea-php81 .php\n\
                <VirtualHost 10.0.0.5:80>\nServerName anna.test\nDocumentRoot /home/anna/public_html\n<FilesMatch \\.(php[0-9]*|phtml)$>\n\
                SetHandler \"proxy:unix:/opt/cpanel/ea-php81/root/usr/var/run/php-fpm/a.sock|fcgi://anna.test\"\n</FilesMatch>\n</VirtualHost>\n\
                <VirtualHost 10.0.0.5:80>\nServerName shop.test\nDocumentRoot /home/shop/public_html\nSuexecUserGroup shop shop\n</VirtualHost>\n";
    let pool = "[anna]\nuser = anna\nlisten = /opt/cpanel/ea-php81/root/usr/var/run/php-fpm/a.sock\npm = ondemand\npm.max_children = 5\n\
                php_admin_flag[log_errors] = on\n";
    let handler = "<IfModule mime_module>\nAddHandler application/x-httpd-ea-php81 .php .php8 .phtml\n</IfModule>\n";
    let (anna, shop) = (
        format!("{handler}php_value memory_limit 512M\n"),
        format!("{handler}<IfModule php8_module>\nphp_value memory_limit 512M\n</IfModule>\n"),
    );
    let passwd = format!("{}anna:x:1000:1000::/home/anna:/bin/sh\nshop:x:1001:1001::/home/shop:/bin/sh\n", DEBIAN[7].1);
    let files: [(&str, &str); 16] = [
        ("etc/apache2/conf/httpd.conf", conf),
        ("etc/passwd", &passwd),
        (DEBIAN[8].0, DEBIAN[8].1),
        ("usr/local/cpanel/cgi-sys/ea-php81", "#!/bin/bash\nexec /opt/cpanel/ea-php81/root/usr/bin/php-cgi\n"),
        ("opt/cpanel/ea-php81/root/usr/bin/php-cgi", ""),
        ("opt/cpanel/ea-php81/root/usr/sbin/php-fpm", ""),
        ("opt/cpanel/ea-php81/root/etc/php.ini", "memory_limit = 64M\n"),
        ("opt/cpanel/ea-php81/root/etc/php-fpm.conf", "include=/opt/cpanel/ea-php81/root/etc/php-fpm.d/*.conf\n"),
        ("opt/cpanel/ea-php81/root/etc/php-fpm.d/a.conf", pool),
        ("var/www/html/index.html", ""),
        ("home/anna/public_html/index.php", ""),
        ("home/anna/public_html/.user.ini", "upload_max_filesize = 64M\nlog_errors = off\n"),
        ("home/anna/public_html/old/.htaccess", &anna),
        ("home/shop/public_html/index.php", ""),
        ("home/shop/public_html/.htaccess", &shop),
        (
            "home/shop/public_html/.user.ini",
            "[PHP]\nmemory_limit = 512M\nupload_max_filesize = 64M\nsys_temp_dir = /tmp\n",
        ),
    ];
    let want = [
        ("/home/anna/public_html/.user.ini", 1, "upload-over-post"),
        ("/home/anna/public_html/.user.ini", 2, "locked"),
        ("/home/anna/public_html/old/.htaccess", 4, "server-error"),
        ("/home/shop/public_html/.htaccess", 5, "no-effect"),
        ("/home/shop/public_html/.user.ini", 3, "upload-over-post"),
        ("/home/shop/public_html/.user.ini", 4, "wrong-level"),
    ];
    let place = tells("classic-cpanel", &[&files], &want);
    // Each account's files stand with the PHP that reads them.
    let document = json(&ask(&place, &["check", "--json", "--context"]));
    let mut all: Vec<(&str, &str)> = Vec::new();
    for answer in document["answers"].as_array().unwrap() {
        let own = answer["answer"].as_array().unwrap().iter().filter_map(|one| one["file"].as_str());
        all.extend(own.filter(|file| file.ends_with(".user.ini")).map(|file| (answer["id"].as_str().unwrap(), file)));
    }
    let (anna, shop) = ("/home/anna/public_html/.user.ini", "/home/shop/public_html/.user.ini");
    let (fpm, cgi) = ("8.1/fpm/anna", "8.1/cgi");
    assert_eq!(all, [(fpm, anna), (fpm, anna), (cgi, shop), (cgi, shop)], "{document:#}");
}

/// Docker's php:apache.
#[test]
fn docker() {
    let conf = "<FilesMatch \\.php$>\n\tSetHandler application/x-httpd-php\n</FilesMatch>\n\nDirectoryIndex disabled\n\
                DirectoryIndex index.php index.html\n\n<Directory /var/www/>\n\tOptions -Indexes\n\tAllowOverride All\n</Directory>\n";
    let files: [(&str, &str); 11] = [
        ("etc/apache2/mods-enabled/php.load", "LoadModule php_module /usr/lib/apache2/modules/libphp.so\n"),
        ("etc/apache2/conf-enabled/docker-php.conf", conf),
        ("etc/apache2/sites-enabled/000.conf", "<VirtualHost *:80>\nDocumentRoot /var/www/html\n</VirtualHost>\n"),
        ("usr/local/etc/php/php.ini-production", ""),
        ("usr/local/etc/php/conf.d/uploads.ini", "upload_max_filesize=64M\nmemory_limit=256M # big\n"),
        ("var/www/html/index.php", ""),
        ("var/www/html/.htaccess", "php_value memory_limit 1G\nphp_admin_value error_log /x\n"),
        ("var/www/html/a/.user.ini", "memory_limit=1G\n"),
        ("var/www/html/a/x.php", ""),
        ("var/www/html/b/.htaccess", "php_value memory_limit 2G\n"),
        ("var/www/html/c/.htaccess", "Require all granted\n"),
    ];
    let scanned = "/usr/local/etc/php/conf.d/uploads.ini";
    let want = [
        (scanned, 1, "upload-over-post"),
        (scanned, 2, "comment-in-value"),
        ("/var/www/html/.htaccess", 2, "server-error"),
        ("/var/www/html/a/.user.ini", 0, "no-effect"),
        ("/var/www/html/b/.htaccess", 0, "no-effect"),
        ("/var/www/html/c/.htaccess", 0, "no-effect"),
    ];
    let place = tells("classic-docker", &[&DEBIAN_APACHE, &files], &want);
    std::fs::remove_file(place.path("var/www/html/.htaccess")).unwrap();
    let text = out(&ask(&place, &["check"]));
    let left: Vec<&str> = text.lines().filter(|line| line.starts_with("/var")).collect();
    assert!(
        matches!(left[..], [one] if one.contains("a/.user.ini: warning: this file has no effect: apache2handler")),
        "{text}"
    );
}
