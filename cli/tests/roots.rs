//! Trees of whole machines, asked with nothing but `--root`: what is there, which PHP runs a URL, and what is said where that is not known.

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use support::roots::{DEBIAN, ask, ids, is, root};
use support::{Place, err, json, out};

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
