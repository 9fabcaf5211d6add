//! Calls that people get wrong, files that cannot be read, and text that fits.

mod support;

use std::fs;
use support::{Place, err, out};

#[test]
fn wrong_calls_say_what_was_meant() {
    let files: [(&str, &[u8]); 3] = [("php.ini", b""), ("apache/httpd.conf", b""), ("pool.d/www.conf", b"[www]\n")];
    let place = Place::new("calls", &files);
    for (args, part) in [
        (&["gett", "precision"][..], "a similar subcommand exists: 'get'"),
        (&["get", "precision", "--php-in", "php.ini"], "a similar argument exists: '--php-ini'"),
        (&["get", "precision", "--sapi", "fpm"], "did you mean `fpm-fcgi`?"),
        (&["get", "precision", "--sapi", "mod_php"], "did you mean `apache2handler`?"),
        (&["get", "precision", "--sapi", "cli-servr"], "did you mean `cli-server`?"),
        (&["get", "precision", "--php-version", "8"], "known are 7.4, 8.0"),
        (&["get", "precision", "--php-ini", "pool.d"], "there is neither a php.ini nor a conf.d"),
        (&["get", "precision", "--httpd-conf", "pool.d"], "there is neither apache2.conf nor httpd.conf"),
        (&["get", "precision", "--fpm-pool", "apache"], "there is neither php-fpm.conf nor www.conf"),
        (&["get", "precision", "--fpm-pool", "pool.d/www.conf", "--pool", "shop"], "has no pool [shop]"),
        (&["get", "precision", "--php-ini", "php.ini", "--php-ini-search"], "give one of them"),
        (&["get", "precision", "--php-ini-path", "."], "--php-ini-path needs --php-ini-search"),
        (&["get", "precision", "--php-ini-search", "--php-ini-path", "none"], "--php-ini-path none: cannot read it"),
        (&["get", "precision", "--scan-dir", "php.ini"], "--scan-dir php.ini: cannot read it"),
        (&["get", "precision", "--pool", "www"], "--pool needs --fpm-pool FILE"),
        (&["get", "precision", "-D", "x"], "-d sets a directive"),
        (&["get", "precision", "--server-root", "/"], "--server-root needs --httpd-conf FILE"),
        (&["get", "precision", "--url", "localhost/x"], "such as http://localhost/x"),
        (&["get", "precision", "--url", "http://a/", "--host", "b"], "--url and --host exclude each other"),
        (&["get", "precision", "--header", "x"], "this takes 'Name: value'"),
        // Where nothing can be found, too.
        (&["get", "precision", "--sapi", "fpm", "--root", "."], "did you mean `fpm-fcgi`?"),
        (&["get", "precision", "--php-version", "8", "--root", "."], "known are 7.4, 8.0"),
        (&["get", "precision", "--env", "NAME", "--root", "."], "this takes NAME=VALUE"),
        (&["get", "precision", "--fastcgi-param", "A=b", "--root", "."], "takes PHP_VALUE"),
        (&["get", "precision", "--url", "localhost/x", "--root", "."], "such as http://localhost/x"),
        (&["get", "precision", "--port", "70000"], "70000 is not in 0..=65535"),
        (&["dump", "--format", "xml"], "table, ini, json"),
        (&["completions", "bsh"], "a similar value exists: 'bash'"),
        (&["check", "none.ini"], "none.ini: No such file"),
        (&["explain"], "<NAME>"),
    ] {
        let output = place.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(err(&output).contains(part) && out(&output).is_empty(), "{args:?}: {output:?}");
    }
}

/// As PHP_INI_SCAN_DIR: a directory that is not there is passed over, but said.
#[test]
fn a_scan_directory_that_is_not_there() {
    let place = Place::new("missing", &[("d/1.ini", b"precision = 3\n")]);
    let output = place.run(&["get", "precision", "--scan-dir", "none:d"]);
    assert_eq!((output.status.code(), out(&output).trim()), (Some(0), "3"));
    assert!(err(&output).contains("--scan-dir none: no such directory"), "{output:?}");
}

#[test]
fn names_that_there_are_not() {
    let place = Place::new("names", &[("php.ini", b"extension=gd\n")]);
    for (args, part) in [
        (&["get", "memory-limit", "--built-in"][..], "did you mean `memory_limit`?"),
        (&["get", "MEMORY_LIMIT", "--built-in"], "did you mean `memory_limit`?"),
        (&["get", "memory_limit=3", "--built-in"], "to set it write -d memory_limit=3"),
        (&["get", "track_errors", "--built-in"], "not in PHP 8.2 (it is in 7.4)"),
        (&["get", "engine", "--sapi", "cli", "--built-in"], "the SAPI cli has no engine"),
        (&["explain", "mbstring.language", "--php-ini", "php.ini"], "say --compiled-in mbstring"),
    ] {
        let output = place.run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(err(&output).contains(part) && out(&output).is_empty(), "{args:?}: {output:?}");
    }
}

/// What can be read is read, what was skipped is said, and the status tells.
#[test]
fn a_tree_that_can_be_read_in_part() {
    let files: [(&str, &[u8]); 3] =
        [("php.ini", b"precision = 3\n"), ("d/1.ini", b""), ("d/2.ini", b"user_agent = x\n")];
    let place = Place::new("unreadable", &files);
    // Larger than any configuration, and no block of it is on the disk.
    fs::File::create(place.path("d/1.ini")).unwrap().set_len(300 << 20).unwrap();
    let source = ["--php-ini", "php.ini", "--scan-dir", "d"];
    for call in [&["get", "precision", "user_agent"][..], &["explain", "precision"], &["dump", "--changed"], &["check"]]
    {
        let output = place.run(&[call, &source].concat());
        assert_eq!(output.status.code(), Some(2), "{call:?}");
        let (said, text) = (err(&output) + &out(&output), out(&output));
        assert!(said.contains("cannot read d/1.ini"), "{call:?}: {said}");
        assert!(call[0] == "check" || text.contains('3'), "{call:?}: {text}");
    }
    let diff = place.run(&["diff", "--a", "--php-ini php.ini --scan-dir d", "--b", "--php-ini php.ini"]);
    assert_eq!(diff.status.code(), Some(2), "{diff:?}");
    assert!(out(&diff).contains("cannot read d/1.ini") && out(&diff).contains("user_agent"), "{diff:?}");
}

#[test]
fn a_broken_php_ini_is_told_by_every_command() {
    let place = Place::new("broken", &[("php.ini", b"precision = 3\nx = a = b\nuser_agent = never\n")]);
    for call in [&["get", "precision"][..], &["explain", "precision"], &["dump"]] {
        let output = place.run(&[call, &["--php-ini", "php.ini"]].concat());
        assert!(err(&output).contains("php.ini:2: error: syntax error"), "{call:?}: {output:?}");
        assert!(out(&output).contains('3'));
    }
}

#[test]
fn tables_fit_where_there_is_a_width_and_are_whole_elsewhere() {
    let long = "/a/very/long/name/of/a/directory/that/nobody/wants/to/see/in/one/piece";
    let place = Place::new("fit", &[("php.ini", format!("include_path = {long}\n").as_bytes())]);
    let args = ["dump", "--changed", "--php-ini", "php.ini"];
    let mut narrow = support::command();
    let narrow = out(&narrow.args(args).env("COLUMNS", "50").current_dir(&place.0).output().unwrap());
    assert!(narrow.lines().all(|line| line.trim_end().chars().count() <= 50) && narrow.contains('…'), "{narrow}");
    let whole = out(&place.run(&args));
    assert!(whole.contains(long) && !whole.contains('…'), "{whole}");
}

#[test]
fn every_help_has_examples_and_fits() {
    for args in [&[][..], &["get"], &["explain"], &["dump"], &["check"], &["diff"], &["ini", "parse"]] {
        let mut command = support::command();
        let help = out(&command.args(args).arg("--help").env("COLUMNS", "80").output().unwrap());
        assert!(help.contains("Example") && help.contains("outlive "), "{args:?}: {help}");
        let long: Vec<&str> = help.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(long.is_empty(), "{args:?}: {long:#?}");
    }
}

#[test]
fn explain_is_a_story() {
    let files: [(&str, &[u8]); 4] = [
        ("php.ini", b"memory_limit = 256M ; plenty\n"),
        ("www.conf", b"[www]\nphp_admin_value[memory_limit] = 64M\n"),
        ("www/x.php", b""),
        ("www/.user.ini", b"memory_limit = 1G\n"),
    ];
    let place = Place::new("story", &files);
    let args = ["explain", "memory_limit", "--php-ini", "php.ini", "--fpm-pool", "www.conf", "--file", "www/x.php"];
    let text = out(&place.run(&[&args[..], &["--document-root", "www"]].concat()));
    let want = "\
memory_limit = 64M  (64 MiB)
  locked by www.conf:2: neither .htaccess, .user.ini nor the program can change it
  built-in default  128M  (128 MiB)
                    overridden: php.ini:1 comes later
  php.ini           256M  (256 MiB)
                    php.ini:1: overridden: www.conf:2 comes later
> FPM pool          64M  (64 MiB)
                    www.conf:2: in force, locks
x .user.ini         1G  (1 GiB)
                    www/.user.ini:1: refused: locked by www.conf:2
  to change it: edit www.conf:2, then reload PHP-FPM
";
    assert_eq!(text, want);
}
