//! php-fpm.conf as it is shipped: where its relative includes start from, as `php-fpm -t` showed it with and without `-p`.

mod support;

use support::{Place, err, json, out};

const CONF: &[u8] = b"[global]\ninclude=etc/php-fpm.d/*.conf\n";
const POOL: &[u8] = b"[www]\nphp_value[memory_limit]=57M\n";

#[test]
fn relative_includes_start_from_the_prefix() {
    // As Docker's images have it: /usr/local/etc/php-fpm.conf.
    let place = Place::new("fpm-docker", &[("local/etc/php-fpm.conf", CONF), ("local/etc/php-fpm.d/www.conf", POOL)]);
    let conf = place.path("local/etc/php-fpm.conf");
    let output = place.run(&["get", "memory_limit", "--fpm-conf", &conf]);
    assert_eq!((&*out(&output), &*err(&output)), ("57M\n", ""));
    let place = Place::new("fpm-other", &[("php-fpm.conf", CONF), ("p/etc/php-fpm.d/www.conf", POOL)]);
    let (conf, prefix) = (place.path("php-fpm.conf"), place.path("p"));
    let output = place.run(&["get", "memory_limit", "--fpm-conf", &conf, "--fpm-prefix", &prefix]);
    assert_eq!((&*out(&output), &*err(&output)), ("57M\n", ""));
    let output = place.run(&["get", "memory_limit", "--fpm-conf", &conf]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("php-fpm.conf:2") && err(&output).contains("--fpm-prefix"), "{output:?}");
}

/// The pool's values are what they are; a default holds only as long as the php.ini that nobody named does not set it.
#[test]
fn a_php_ini_that_nobody_named_is_asked_for() {
    let place = Place::new(
        "fpm-unnamed",
        &[
            ("www.conf", POOL),
            ("php.ini", b"precision = 3\n"),
            ("httpd.conf", b"LoadModule dir_module modules/mod_dir.so\n"),
        ],
    );
    for (source, who) in
        [(["--fpm-pool", "www.conf"], "PHP-FPM reads one"), (["--httpd-conf", "httpd.conf"], "--fpm-pool FILE")]
    {
        for call in [&["get", "precision", "memory_limit"][..], &["explain", "precision"], &["dump"]] {
            let said = err(&place.run(&[call, &source].concat()));
            assert!(said.contains(who) && said.contains("not known") && said.contains("give --php-ini FILE"), "{said}");
            assert_eq!(err(&place.run(&[call, &source, &["--php-ini", "php.ini"]].concat())), "");
        }
        let told = json(&place.run(&[&["get", "precision", "--json", "--context"], &source[..]].concat()));
        assert!(told["notes"][0].as_str().unwrap().contains(who), "{told}");
        let side = source.join(" ");
        assert!(err(&place.run(&["diff", "--a", &side, "--b", "--built-in"])).contains("A: no php.ini was named"));
    }
    assert_eq!(err(&place.run(&["get", "memory_limit", "--fpm-pool", "www.conf"])), "");
}

/// A server that hands `a.php` to one address and `b.php` to another one, in front of three pools.
#[test]
fn the_pool_that_listens_where_the_handler_leads() {
    let pools = "[one]\nlisten=@ROOT@/one.sock\nphp_value[memory_limit]=51M\n[two]\nlisten=@ROOT@/$pool.sock\n\
                 php_value[memory_limit]=52M\n[three]\nlisten=[::]:9003\nphp_value[memory_limit]=53M\n";
    let handler = |file: &str, to: &str| format!("<Files {file}>\nSetHandler \"proxy:{to}\"\n</Files>\n");
    let conf = [
        "ServerName localhost\nDocumentRoot @ROOT@/www\n".to_owned(),
        handler("a.php", "unix:@ROOT@/two.sock|fcgi://localhost"),
        handler("b.php", "fcgi://127.0.0.1:9003"),
        handler("c.php", "fcgi://127.0.0.1:9999"),
        handler("d.php", "fcgi://php:9003"),
    ];
    let files: [(&str, &[u8]); 4] = [("www/a.php", b""), ("www/b.php", b""), ("www/c.php", b""), ("www/d.php", b"")];
    let place = Place::new("fpm-pools", &files);
    let root = place.0.to_str().unwrap().to_owned();
    std::fs::write(place.path("fpm.conf"), pools.replace("@ROOT@", &root)).unwrap();
    std::fs::write(place.path("httpd.conf"), conf.concat().replace("@ROOT@", &root)).unwrap();
    for (file, value, told) in [
        ("a.php", "52M\n", ""),
        ("b.php", "53M\n", ""),
        ("c.php", "51M\n", "no pool that was read listens"),
        ("d.php", "51M\n", "another machine or container"),
    ] {
        let (url, httpd, fpm) = (format!("http://localhost/{file}"), place.path("httpd.conf"), place.path("fpm.conf"));
        let output = place.run(&["get", "memory_limit", "--httpd-conf", &httpd, "--fpm-conf", &fpm, "--url", &url]);
        assert_eq!(out(&output), value, "{file}: {output:?}");
        assert!(err(&output).contains(told), "{file}: {output:?}");
    }
}

#[test]
fn calls_that_do_not_fit_together() {
    let place = Place::new("fpm-calls", &[("a.conf", POOL)]);
    for args in [&["--fpm-prefix", "/"][..], &["--fpm-conf", "a.conf", "--fpm-pool", "a.conf"]] {
        let output = place.run(&[&["get", "memory_limit"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}

/// Each file includes all of them: without a bound that is 40 to the power of six.
#[test]
fn files_that_include_each_other_come_to_an_end() {
    let names: Vec<String> = (0..40).map(|number| format!("d/{number}.conf")).collect();
    let place = Place::new("fpm-loop", &[]);
    let text = format!("include={}/*.conf\n", place.path("d"));
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (&**name, text.as_bytes())).collect();
    let place = Place::new("fpm-loop", &files);
    let output = place.run(&["get", "memory_limit", "--fpm-conf", "d/0.conf"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("include"), "{output:?}");
}
