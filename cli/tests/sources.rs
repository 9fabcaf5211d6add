//! What is read where a directory, a relative name or something that is no file is named, and that the answer says what it is for.

mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{Place, command, err, json, out};

const FILES: [(&str, &[u8]); 7] = [
    ("etc/php/8.4/fpm/php.ini", b"precision = 5\n"),
    ("etc/php/8.4/fpm/conf.d/10-a.ini", b"memory_limit = 5M\n"),
    ("etc/php/8.4/fpm/php-fpm.conf", b"[www]\nphp_value[user_agent] = pool\n"),
    ("etc/php/8.4/cli/php.ini", b"precision = 6\n"),
    ("apache/httpd.conf", b"LoadModule dir_module modules/mod_dir.so\nDefine E \"\"\nIncludeOptional more/*.conf\nInclude more/[ab].conf\n"),
    ("apache/more/a.conf", b"ServerName included\nDirectoryIndex\n"),
    ("apache/more/b.conf", b"<IfDefine E>\nLoadModule php_module modules/libphp.so\nphp_value precision 7\n</IfDefine>\n"),
];

#[test]
fn a_directory_stands_for_the_file_in_it() {
    let place = Place::new("sources-directory", &FILES);
    let get = |args: &[&str]| out(&place.run(args)).trim().to_owned();
    assert_eq!(get(&["get", "precision", "--php-ini", "etc/php/8.4/fpm"]), "5");
    assert_eq!(get(&["get", "memory_limit", "--php-ini", "etc/php/8.4/fpm"]), "5M");
    assert_eq!(get(&["get", "user_agent", "--fpm-pool", "etc/php/8.4/fpm"]), "pool");
    assert_eq!(get(&["get", "precision", "--httpd-conf", "apache"]), "7");
    assert!(get(&["explain", "precision", "--php-ini", "etc/php/8.4/fpm"]).contains("php.ini:1"));
    assert!(get(&["dump", "--changed", "--php-ini", "etc/php/8.4/fpm"]).contains("10-a.ini:1"));
    assert_eq!(get(&["check", "--php-ini", "etc/php/8.4/fpm"]), "no problems found");
    let diff = get(&["diff", "--a", "--php-ini etc/php/8.4/fpm", "--b", "--php-ini etc/php/8.4/cli"]);
    assert!(diff.contains("precision"), "{diff}");
}

/// Wildcards, too: the root is the main file's directory, wherever the call is made.
#[test]
fn a_main_file_may_be_named_relatively() {
    let place = Place::new("sources-relative", &FILES);
    for (directory, main) in [
        ("apache", "httpd.conf"),
        ("apache", "./httpd.conf"),
        ("apache/more", "../httpd.conf"),
        ("", "apache/httpd.conf"),
    ] {
        let output = command()
            .args(["get", "precision", "--httpd-conf", main])
            .current_dir(place.0.join(directory))
            .output()
            .unwrap();
        assert_eq!(out(&output), "7\n", "{directory} {main}: {output:?}");
    }
}

#[test]
fn the_answer_says_what_it_is_for() {
    let place = Place::new("sources-context", &FILES);
    let told = |args: &[&str]| {
        let told = json(&place.run(&[&["get", "precision", "--json", "--context"], args].concat()));
        let it = &told["answers"][0]["answering_for"];
        let text = |name: &str| it[name].as_str().unwrap_or_default().to_owned();
        (
            told["answers"][0]["id"].as_str().unwrap().to_owned(),
            text("sapi"),
            text("php_version"),
            text("php_ini"),
            text("found_by"),
        )
    };
    let (id, sapi, version, ini, by) = told(&["--php-ini", "etc/php/8.4/fpm/php.ini"]);
    assert_eq!((&*id, &*sapi, &*version, &*ini), ("8.4/fpm", "fpm-fcgi", "8.4", "etc/php/8.4/fpm/php.ini"));
    assert!(by.contains("from the path etc/php/8.4/fpm/php.ini") && by.contains("named by --php-ini"), "{by}");
    // What is said counts, not what a path looks like.
    let (id, ..) = told(&["--php-ini", "etc/php/8.4/cli/php.ini", "--sapi", "cgi-fcgi", "--php-version", "8.1"]);
    assert_eq!(id, "8.1/cgi");
    let (_, sapi, ..) = told(&["--php-ini", "etc/php/8.4/cli/php.ini"]);
    assert_eq!(sapi, "cli");
    // Without --context the documents are what they were.
    assert_eq!(
        json(&place.run(&["get", "precision", "--json", "--php-ini", "etc/php/8.4/cli/php.ini"]))["precision"],
        "6"
    );
    // On a terminal it is the first line; nothing of it goes into what a pipe takes from standard output.
    let call = format!("{} get precision --php-ini etc/php/8.4/fpm", env!("CARGO_BIN_EXE_outlive"));
    let output = Command::new("script")
        .args(["-qec", &call, "/dev/null"])
        .current_dir(&place.0)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = out(&output);
    assert!(text.contains("answering for: PHP 8.4 (from the path etc/php/8.4/fpm) in PHP-FPM"), "{text}");
    assert!(text.contains("php.ini etc/php/8.4/fpm/php.ini + 1 file"), "{text}");
    assert_eq!(err(&place.run(&["get", "precision", "--php-ini", "etc/php/8.4/fpm"])), "");
}

#[test]
fn nothing_that_was_read_is_said_to_be_nothing() {
    let place = Place::new("sources-nothing", &[("x", b"")]);
    std::fs::create_dir(place.0.join("empty")).unwrap();
    for call in [
        &["get", "precision"][..],
        &["explain", "precision"],
        &["dump"],
        &["get", "precision", "-d", "x=1"],
        &["check"],
    ] {
        let output = place.run(&[call, &["--root", "empty"]].concat());
        let said = err(&output);
        assert!(output.status.code() == Some(2) && out(&output).is_empty(), "{call:?} {output:?}");
        assert!(said.contains("no PHP and no web server was found below") && said.contains("--built-in"), "{said}");
        assert_eq!(err(&place.run(&[call, &["--built-in"]].concat())), "", "{call:?}");
    }
    assert!(err(&place.run(&["diff", "8.2", "8.4"])).contains("A: nothing was read: PHP's built-in defaults"));
    assert_eq!(place.run(&["check", "--built-in"]).status.code(), Some(0));
    let both = place.run(&["get", "precision", "--built-in", "--php-ini", "x"]);
    assert!(both.status.code() == Some(2) && err(&both).contains("give one of them"), "{both:?}");
}

#[test]
fn what_is_no_file_is_not_opened() {
    let place = Place::new("sources-kinds", &[("php.ini", b"")]);
    for name in ["pipe", "pipe.ini", "pipe.conf"] {
        assert!(Command::new("mkfifo").arg(place.path(name)).status().unwrap().success());
    }
    for file in ["pipe", "pipe.ini", "pipe.conf", "/dev/zero", "/dev/null"] {
        for call in [
            vec!["check".to_owned(), file.to_owned()],
            vec!["diff".to_owned(), file.to_owned(), "php.ini".to_owned()],
            vec!["diff".to_owned(), format!("@{file}"), "php.ini".to_owned()],
            ["get", "precision", "--php-ini", file].map(str::to_owned).to_vec(),
            ["explain", "precision", "--httpd-conf", file].map(str::to_owned).to_vec(),
            ["dump", "--fpm-pool", file].map(str::to_owned).to_vec(),
            ["ini", "parse", file].map(str::to_owned).to_vec(),
        ] {
            let mut child = command();
            child.args(&call).current_dir(&place.0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = child.spawn().unwrap();
            let begun = Instant::now();
            let status = loop {
                if let Some(status) = child.try_wait().unwrap() {
                    break status;
                }
                if begun.elapsed() > Duration::from_secs(60) {
                    let _ = child.kill();
                    panic!("{call:?} does not end");
                }
                std::thread::sleep(Duration::from_millis(2));
            };
            assert_eq!(status.code(), Some(2), "{call:?}");
        }
    }
}
