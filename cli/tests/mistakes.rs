//! The classic mistakes, as `outlive check` and `explain` tell them; what PHP and Apache make of each was seen on the real ones.

mod support;

use support::{Place, err, json, out};

/// Severity, code and line of everything that `check` says.
fn found(place: &Place, args: &[&str]) -> Vec<(String, String, u64)> {
    let answer = json(&place.run(&[&["check", "--json"], args].concat()));
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let each = answer.as_array().unwrap().iter();
    each.map(|one| (text(&one["severity"]), text(&one["code"]), one["line"].as_u64().unwrap_or(0))).collect()
}

fn has(place: &Place, args: &[&str], severity: &str, code: &str, line: u64) {
    let all = found(place, args);
    assert!(all.contains(&(severity.into(), code.into(), line)), "{code}: {all:?}");
}

fn lacks(place: &Place, args: &[&str], code: &str) {
    let all = found(place, args);
    assert!(all.iter().all(|(_, own, _)| own != code), "{code}: {all:?}");
}

#[test]
fn a_file_larger_than_the_request_may_be() {
    let ini = |upload: &str, post: &str| format!("upload_max_filesize={upload}\npost_max_size={post}\n");
    for (upload, post, is) in [("64M", "8M", true), ("8M", "8M", false), ("64M", "0", false), ("1G", "1000M", true)] {
        let place = Place::new("upload", &[("php.ini", ini(upload, post).as_bytes())]);
        match is {
            true => has(&place, &["php.ini"], "warning", "upload-over-post", 1),
            false => lacks(&place, &["php.ini"], "upload-over-post"),
        }
    }
    let place = Place::new("defaults", &[("php.ini", b"")]);
    lacks(&place, &["php.ini"], "upload-over-post");
}

#[test]
fn what_begins_no_comment() {
    let ini = b"memory_limit = 256M # big\n#max_input_vars = 5\nuser_agent = \"x//y\"\nprecision = 5 // five\nupload_max_filesize=1M ; fine\n";
    let place = Place::new("comments", &[("php.ini", ini)]);
    has(&place, &["php.ini"], "warning", "comment-in-value", 1);
    has(&place, &["php.ini"], "warning", "comment-in-value", 4);
    let text = out(&place.run(&["check", "php.ini"]));
    assert!(text.contains("256 GiB"), "{text}");
    assert!(text.contains("`#max_input_vars`: # begins no comment") && !text.contains("did you mean"), "{text}");
    assert!(!text.contains("php.ini:3:") && !text.contains("php.ini:5:"), "{text}");
}

#[test]
fn a_section_may_repeat_what_the_file_says() {
    let ini = b"precision = 4\n[HOST=a.test]\nprecision = 5\n[HOST=b.test]\nprecision = 6\n";
    let place = Place::new("sections", &[("php.ini", ini)]);
    lacks(&place, &["--php-ini", "php.ini", "--sapi", "fpm-fcgi", "--host", "b.test"], "duplicate");
}

#[test]
fn files_in_the_words_of_another_program() {
    let files: [(&str, &[u8]); 3] =
        [("php.ini", b"\xff\xfem\0"), ("www/.user.ini", b"php_value memory_limit 5M\n"), ("www/a.php", b"")];
    let place = Place::new("words", &files);
    let (script, root) = (place.path("www/a.php"), place.path("www"));
    let args = ["--php-ini", "php.ini", "--sapi", "fpm-fcgi", "--file", &script, "--document-root", &root];
    has(&place, &args, "warning", "apache-syntax", 1);
    has(&place, &args, "error", "encoding", 0);
    let value = ["--built-in", "--sapi", "fpm-fcgi", "--fastcgi-param", "PHP_VALUE=precision=1\\nmemory_limit=5M"];
    has(&place, &value, "warning", "literal-newline", 1);
}

#[test]
fn what_is_wrong_with_an_htaccess() {
    let conf = b"LoadModule php_module x\nDocumentRoot www\n<Directory />\nAllowOverride All\n</Directory>\n<FilesMatch \"\\.php$\">\n\
        SetHandler application/x-httpd-php\n</FilesMatch>\n";
    for (text, want) in [
        (&b"\xef\xbb\xbfphp_value memory_limit 5M\n"[..], "save it without one"),
        (b"php_value memory_limit = 5M\n", "without `=`"),
        (b"php_value memory_limit 5M # five\n", "a comment on a line of its own"),
        (b"php_admin_value memory_limit 5M\n", "write php_value"),
    ] {
        let place = Place::new("htaccess", &[("httpd.conf", conf), ("www/a.php", b""), ("www/.htaccess", text)]);
        let conf = place.path("httpd.conf");
        let told = out(&place.run(&["check", "--httpd-conf", &conf, "--url", "http://localhost/a.php"]));
        assert!(told.contains("every request below is answered with 500") && told.contains(want), "{told}");
    }
}

#[test]
fn a_variable_that_is_not_set_is_named() {
    let place =
        Place::new("unset", &[("php.ini", b"memory_limit=\"${MEM}M\"\n"), ("b.ini", b"user_agent=${MEM:-x}\n")]);
    let output = place.run(&["get", "memory_limit", "--php-ini", "php.ini"]);
    assert!(err(&output).contains("php.ini:1: warning: ${MEM}") && err(&output).contains("--env MEM="), "{output:?}");
    let output = place.run(&["get", "memory_limit", "--php-ini", "php.ini", "--env", "MEM=64"]);
    assert_eq!((&*out(&output), &*err(&output)), ("64M\n", ""));
    // A fallback is a value.
    let output = place.run(&["get", "user_agent", "--php-ini", "b.ini", "--php-version", "8.3"]);
    assert_eq!((&*out(&output), &*err(&output)), ("x\n", ""));
    has(&place, &["php.ini"], "warning", "unset-variable", 1);
}

/// mod_php shows them and runs exec() all the same; FPM's pool adds to php.ini.
#[test]
fn values_that_do_nothing_where_they_stand() {
    let conf = "LoadModule php_module x\nDocumentRoot www\n<FilesMatch \"\\.php$\">\nSetHandler application/x-httpd-php\n</FilesMatch>\n\
        php_admin_value disable_functions \"exec,system\"\nphp_admin_value opcache.memory_consumption 64\nphp_value error_reporting E_ALL\n\
        php_value date.timezone Europe/Nowhere\n";
    let files: [(&str, &[u8]); 4] = [
        ("httpd.conf", conf.as_bytes()),
        ("www/a.php", b""),
        ("php.ini", b"disable_functions=passthru\n"),
        ("fpm.conf", b"[www]\nphp_admin_value[disable_functions]=system\n"),
    ];
    let place = Place::new("inert", &files);
    let args = ["--httpd-conf", "httpd.conf", "--php-ini", "php.ini", "--url", "http://localhost/a.php"];
    has(&place, &args, "warning", "no-effect", 6);
    has(&place, &args, "warning", "no-effect", 7);
    has(&place, &args, "warning", "odd-number", 8);
    has(&place, &args, "warning", "refused-value", 9);
    let told = out(&place.run(&[&["explain", "disable_functions"], &args[..]].concat()));
    assert!(told.contains("does not act on it") && told.contains("`passthru`"), "{told}");
    let told = out(&place.run(&["explain", "disable_functions", "--php-ini", "php.ini", "--fpm-pool", "fpm.conf"]));
    assert!(told.contains("passthru,system are all disabled"), "{told}");
}

/// A hundred megabytes of buffer are a quantity, and a mode is a word or four digits.
#[test]
fn the_just_in_time_compiler() {
    let place = Place::new(
        "jit",
        &[("php.ini", b"opcache.jit_buffer_size=100M\nopcache.jit=1255\n"), ("b.ini", b"opcache.jit=fast\n")],
    );
    let args = ["--php-ini", "php.ini", "--compiled-in", "opcache"];
    assert_eq!(found(&place, &args), []);
    has(&place, &["--php-ini", "b.ini", "--compiled-in", "opcache"], "warning", "refused-value", 1);
    for (version, want) in [("8.3", "tracing\n"), ("8.4", "disable\n")] {
        let output = place.run(&["get", "opcache.jit", "--built-in", "--php-version", version]);
        assert_eq!(out(&output), want);
    }
}

#[test]
fn a_pool_that_ends_the_program_before_php_does() {
    let pool = |timeout: &str, limit: &str| {
        format!("[www]\nrequest_terminate_timeout={timeout}\nphp_value[max_execution_time]={limit}\n")
    };
    for (timeout, limit, is) in [
        ("30s", "60", true),
        ("1m", "120", true),
        ("30", "30", false),
        ("0", "60", false),
        ("9", "0", false),
        ("2h", "60", false),
    ] {
        let place = Place::new("terminate", &[("fpm.conf", pool(timeout, limit).as_bytes())]);
        match is {
            true => has(&place, &["--fpm-conf", "fpm.conf"], "warning", "terminate-before-limit", 2),
            false => lacks(&place, &["--fpm-conf", "fpm.conf"], "terminate-before-limit"),
        }
    }
}

#[test]
fn several_pools_and_none_named() {
    let text = b"[one]\nphp_value[precision]=5\n[two]\nphp_value[precision]=6\n";
    let place = Place::new("several", &[("fpm.conf", text)]);
    let told = err(&place.run(&["get", "precision", "--fpm-conf", "fpm.conf"]));
    assert!(told.contains("several pools and none named: this is the first one, [one]; [two]"), "{told}");
    let output = place.run(&["get", "precision", "--fpm-conf", "fpm.conf", "--pool", "two"]);
    assert_eq!((&*out(&output), &*err(&output)).0, "6\n");
    assert!(!err(&output).contains("several pools"), "{output:?}");
}

#[test]
fn a_line_of_httpd_that_has_too_many_words() {
    let head =
        "ServerName localhost\nLoadModule mpm_prefork_module m/mod_mpm_prefork.so\nLoadModule php_module m/libphp.so\n";
    for line in ["php_value memory_limit = 64M", "php_value memory_limit 64M # big"] {
        let place = Place::new("words", &[("httpd.conf", format!("{head}{line}\n").as_bytes())]);
        let output = place.run(&["check", "--httpd-conf", "httpd.conf"]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let told = err(&output);
        assert!(told.contains("httpd.conf:4: php_value takes two arguments") && told.contains("without `=`"), "{told}");
    }
}
