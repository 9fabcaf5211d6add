//! `outlive check` looks below the document roots: which `.htaccess` and `.user.ini` files it reads, and what it says of those that no server
//! reads.

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use support::roots::{DEBIAN, ask, root};
use support::{Place, err, out};

const CONF: &str = "\
LoadModule php_module modules/libphp.so
LoadModule dir_module modules/mod_dir.so
LoadModule authz_core_module modules/mod_authz_core.so
DocumentRoot @ROOT@/www
<Directory />
AllowOverride None
</Directory>
<Directory @ROOT@/www>
AllowOverride All
</Directory>
<Directory @ROOT@/www/n?ne>
AllowOverride None
</Directory>
<FilesMatch \\.php$>
SetHandler application/x-httpd-php
</FilesMatch>
<VirtualHost *:80>
ServerName shop
DocumentRoot @ROOT@/shop
<Directory @ROOT@/shop>
Options -FollowSymLinks
AllowOverride All
</Directory>
</VirtualHost>
";

fn tree(name: &str, files: &[(&str, &[u8])]) -> Place {
    let place = Place::new(name, files);
    let conf = format!("ServerRoot @ROOT@\n{CONF}").replace("@ROOT@", place.0.to_str().unwrap());
    fs::write(place.path("httpd.conf"), conf).unwrap();
    place
}

/// Each line of the answer, without what stands before the names of its files.
fn lines(place: &Place, args: &[&str]) -> Vec<String> {
    let output = place.run(args);
    let text = out(&output).replace(&format!("{}/", place.0.display()), "");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn every_directory_below_the_roots_of_an_apache() {
    let files: [(&str, &[u8]); 15] = [
        ("www/index.php", b""),
        ("www/.htaccess", b"php_value memory_limt 1G\n"),
        ("www/a/b/.htaccess", b"php_flag log_errors true\n"),
        ("www/a/c/.htaccess", b"Require all denied\nphp_flag log_errors yes\n"),
        ("www/bad/.htaccess", b"Bogus x\nphp_admin_value a b\n"),
        ("www/bad/below/.htaccess", b"php_flag log_errors on\n"),
        ("www/none/.htaccess", b"php_value memory_limit 1G\nphp_flag log_errors on\n"),
        ("www/none/x/.htaccess", b"Require all denied\n"),
        ("www/fine/.htaccess", b"php_value memory_limit 1G\nOptions -Indexes\n"),
        ("www/up/.user.ini", b"memory_limit = 1G\n"),
        ("www/up/x.php", b""),
        ("real/.htaccess", b"php_value memory_limit 2G\n"),
        ("shop/x.php", b""),
        ("shop/deep/er/.htaccess", b"php_value max_execution_time 30s\n"),
        ("elsewhere/.htaccess", b"Bogus\n"),
    ];
    let place = tree("below-apache", &files);
    symlink("..", place.path("www/a/loop")).unwrap();
    symlink(place.path("real"), place.path("shop/link")).unwrap();
    let got = lines(&place, &["check", "--httpd-conf", "httpd.conf"]);
    let want = [
        "shop/deep/er/.htaccess:1: warning: `max_execution_time` = `30s`",
        "shop/link/.htaccess: warning: Apache does not read this file: shop/link is a symbolic link that leads nowhere, or Options does not allow \
         FollowSymLinks (it would set memory_limit)",
        "www/.htaccess:1: warning: there is no directive `memory_limt` in PHP 8.2; unless an extension brings it, this line does nothing; did \
         you mean `memory_limit`?",
        "www/a/b/.htaccess:1: warning: php_flag reads `true` as off",
        "www/a/c/.htaccess:2: warning: php_flag reads `yes` as off",
        "www/bad/.htaccess:1: error: Invalid command 'Bogus'",
        "www/bad/.htaccess:2: error: php_admin_value not allowed here: refused as well; Apache stops before it",
        "www/bad/below/.htaccess: warning: Apache does not read this file: www/bad/.htaccess:1: Invalid command 'Bogus'",
        "www/none/.htaccess: warning: Apache does not read this file: AllowOverride None holds here, httpd.conf:13 (it would set memory_limit, \
         log_errors)",
        "www/none/x/.htaccess: note: Apache does not read this file: AllowOverride None holds here, httpd.conf:13",
        "www/up/.user.ini: warning: this file has no effect: apache2handler does not read it",
    ];
    assert_eq!(got.len(), want.len(), "{got:#?}");
    for (got, want) in got.iter().zip(want) {
        assert!(got.starts_with(want), "{got}\n{want}");
    }
    // A request is asked about alone.
    let one = lines(&place, &["check", "--httpd-conf", "httpd.conf", "--url", "http://shop/x.php"]);
    assert!(one.iter().all(|line| !line.contains("www/") && !line.contains("deep/")), "{one:#?}");
    // One document for programs has them too.
    let output = place.run(&["check", "--httpd-conf", "httpd.conf", "--json", "--context"]);
    assert!(out(&output).contains("www/none/x/.htaccess"), "{output:?}");
}

/// A file that one host reads is read, though another one with the same root does not read it.
#[test]
fn a_root_that_two_hosts_have() {
    let place = Place::new(
        "below-two",
        &[("www/.htaccess", b"php_value memory_limit 1G\n"), ("www/x.php", b""), ("other/x.php", b"")],
    );
    let top = place.0.to_str().unwrap();
    let host = |port: u16, allowed: &str| {
        format!(
            "<VirtualHost *:{port}>\nServerName two\nDocumentRoot {top}/www\n<Directory {top}/www>\nAllowOverride {allowed}\n</Directory>\n</VirtualHost>\n"
        )
    };
    let modules = "LoadModule php_module modules/libphp.so\nLoadModule mime_module modules/mod_mime.so\nAddHandler application/x-httpd-php .php\n";
    for (second, unread) in [("All", 0), ("None", 1)] {
        let conf = format!("{modules}DocumentRoot {top}/other\n{}{}", host(80, "None"), host(443, second));
        fs::write(place.path("httpd.conf"), conf).unwrap();
        let got = lines(&place, &["check", "--httpd-conf", "httpd.conf"]);
        let said = got.iter().filter(|line| line.contains("Apache does not read this file")).count();
        assert_eq!(said, unread, "{second}: {got:#?}");
    }
}

/// The pool that a handler leads to reads `.user.ini`; without one that is named, nobody is known.
#[test]
fn files_of_the_pool_behind_apache() {
    let conf = "LoadModule proxy_module m\nLoadModule proxy_fcgi_module m\nLoadModule authz_core_module m\nDocumentRoot @ROOT@/www\n\
                <FilesMatch \\.php$>\nSetHandler \"proxy:unix:@ROOT@/two.sock|fcgi://x\"\n</FilesMatch>\n";
    let files: [(&str, &[u8]); 5] = [
        ("www/a/.user.ini", b"memory_limit = 1G\nprecison = 5\n"),
        ("www/a/x.php", b""),
        ("www/b/.user.ini", b"; nothing\n"),
        ("php.ini", b""),
        ("fpm.conf", b"[one]\nlisten=one.sock\n[two]\nlisten=two.sock\nphp_admin_value[memory_limit]=64M\n"),
    ];
    let place = Place::new("below-pool", &files);
    let top = place.0.to_str().unwrap().to_owned();
    fs::write(place.path("httpd.conf"), conf.replace("@ROOT@", &top)).unwrap();
    let got = lines(
        &place,
        &[
            "check",
            "--httpd-conf",
            "httpd.conf",
            "--fpm-conf",
            "fpm.conf",
            "--fpm-prefix",
            &top,
            "--php-ini",
            "php.ini",
        ],
    );
    let of_user_ini: Vec<&String> = got.iter().filter(|line| line.starts_with("www/")).collect();
    assert_eq!(of_user_ini.len(), 2, "{got:#?}");
    assert!(
        of_user_ini[0]
            .starts_with("www/a/.user.ini:1: warning: `memory_limit` has no effect here: locked by fpm.conf:5"),
        "{got:#?}"
    );
    assert!(
        of_user_ini[1].contains("www/a/.user.ini:2") && of_user_ini[1].contains("did you mean `precision`?"),
        "{got:#?}"
    );
    let got = lines(&place, &["check", "--httpd-conf", "httpd.conf"]);
    let note = got.iter().filter(|line| line.contains(".user.ini: note: this file was not checked")).count();
    assert!(note == 2 && got.iter().any(|line| line.contains("give --fpm-conf FILE")), "{got:#?}");
}

/// What is on a machine: Apache with mod_php, and nginx with PHP-FPM.
#[test]
fn the_roots_of_a_machine() {
    let place = root(
        "below",
        &[
            &DEBIAN[..],
            &[
                ("etc/apache2/mods-enabled/php8.2.load", "LoadModule php_module /usr/lib/apache2/modules/libphp8.2.so\n"),
                (
                    "etc/apache2/mods-enabled/php8.2.conf",
                    "<FilesMatch \".+\\.php$\">\nSetHandler application/x-httpd-php\n</FilesMatch>\n",
                ),
                ("var/www/html/blog/.htaccess", "php_value memori_limit 1G\n"),
                ("var/www/html/blog/.user.ini", "memory_limit = 1G\n"),
                (
                    "etc/nginx/nginx.conf",
                    "events {}\nhttp {\nserver {\nlisten 8080;\nserver_name .n.test;\nroot /srv/n;\nlocation ~ \\.php$ {\n\
                     fastcgi_pass unix:/run/php/f.sock;\nfastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;\n\
                     fastcgi_param DOCUMENT_ROOT $document_root;\n}\n}\n}\n",
                ),
                ("etc/php/8.2/fpm/php-fpm.conf", "include=/etc/php/8.2/fpm/pool.d/*.conf\n"),
                ("etc/php/8.2/fpm/php.ini", "\n"),
                ("etc/php/8.2/fpm/pool.d/www.conf", "[www]\nuser=www-data\nlisten=/run/php/f.sock\npm=static\npm.max_children=1\n"),
                ("srv/n/a dir/x.php", ""),
                ("srv/n/a dir/.user.ini", "sys_temp_dir = /x\n"),
                ("srv/n/.htaccess", "php_value memory_limit 1G\n"),
                ("srv/n/plain/.htaccess", "Require all denied\n"),
                ("srv/other/.htaccess", "Bogus\n"),
            ],
        ]
        .concat(),
    );
    let output = ask(&place, &["check"]);
    let text = out(&output);
    let below: Vec<&str> =
        text.lines().filter(|line| line.starts_with("/var/www") || line.starts_with("/srv")).collect();
    let want = [
        "/srv/n/.htaccess:1: warning: this file has no effect: fpm-fcgi does not read it",
        "/srv/n/a dir/.user.ini:1: warning: `sys_temp_dir` has no effect here",
        "/var/www/html/blog/.htaccess:1: warning: there is no directive `memori_limit`",
        "/var/www/html/blog/.user.ini: warning: this file has no effect: apache2handler does not read it",
    ];
    assert_eq!(below.len(), want.len(), "{text}{}", err(&output));
    for (got, want) in below.iter().zip(want) {
        assert!(got.starts_with(want), "{got}\n{want}");
    }
}

/// How deep is looked is bounded, and said.
#[test]
fn a_root_that_is_too_deep() {
    let flag: &[u8] = b"php_flag log_errors true\n";
    let place = tree("below-deep", &[("www/a/.htaccess", flag), ("www/z/.htaccess", flag)]);
    let deep = format!("{}{}", place.path("www/a"), "/d".repeat(35));
    fs::create_dir_all(&deep).unwrap();
    fs::write(format!("{deep}/.htaccess"), "Bogus\n").unwrap();
    let got = lines(&place, &["check", "--httpd-conf", "httpd.conf"]);
    assert_eq!(got.iter().filter(|line| line.contains("php_flag reads `true` as off")).count(), 2, "{got:#?}");
    assert!(
        got.iter().any(|line| line.contains("more than 32 levels below a document root were not looked into")),
        "{got:#?}"
    );
    assert!(!got.iter().any(|line| line.contains("Bogus")), "{got:#?}");
}
