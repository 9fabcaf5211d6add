//! php-fpm.conf as it is shipped: where its relative includes start from, as `php-fpm -t` showed it with and without `-p`.

mod support;

use support::{Place, err, out};

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
