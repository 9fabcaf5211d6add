//! Runs the built command on real files.

mod support;

use serde_json::Value;
use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use support::{Place, command, err, json, out};

const INI: &[u8] =
    b"memory_limit = 256M ; enough\nmemory_limit = \"512M\"\nuser_agent = \"a\xff\"\noutlive.clock = fast\n";

#[test]
fn get_prints_values_and_says_what_there_is_not() {
    let place = Place::new("get", &[("php.ini", INI)]);
    let one = place.run(&["get", "memory_limit", "--php-ini", "php.ini"]);
    assert_eq!((out(&one).as_str(), one.status.code()), ("512M\n", Some(0)));
    let two = place.run(&["get", "memory_limit", "precision", "-d", "precision=3", "--built-in"]);
    assert_eq!(out(&two), "memory_limit = 128M\nprecision = 3\n");
    let none = place.run(&["get", "--json", "memory_limt", "precision", "--built-in"]);
    assert_eq!(none.status.code(), Some(1));
    assert_eq!(out(&none), "{\"memory_limt\": null, \"precision\": \"14\"}\n");
    assert!(err(&none).contains("did you mean `memory_limit`?"), "{}", err(&none));
}

#[test]
fn bytes_that_are_no_text_are_lone_surrogates() {
    let place = Place::new("bytes", &[("php.ini", INI)]);
    let output = place.run(&["get", "--json", "user_agent", "--php-ini", "php.ini"]);
    assert_eq!(out(&output), "{\"user_agent\": \"a\\udcff\"}\n");
}

#[test]
fn explain_names_every_line_and_its_fate() {
    let place = Place::new("explain", &[("php.ini", INI)]);
    let args = ["explain", "memory_limit", "outlive.clock", "--php-ini", "php.ini"];
    let text = out(&place.run(&args));
    for part in
        ["512M  (512 MiB)", "php.ini:1: overridden: php.ini:2 comes later", "php.ini:2: in force", "written \"512M\""]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains('\x1b'), "no colour where there is no terminal");
    let answer = json(&place.run(&[&args[..], &["--json"]].concat()));
    let want = serde_json::json!([
        {"name": "memory_limit", "value": "512M", "access": 7, "locked": false, "trail": [
            {"layer": "built-in default", "file": null, "line": null, "raw": "128M", "value": "128M",
             "fate": "overridden", "because": "php.ini:2 comes later"},
            {"layer": "php.ini", "file": "php.ini", "line": 1, "raw": "256M", "value": "256M",
             "fate": "overridden", "because": "php.ini:2 comes later"},
            {"layer": "php.ini", "file": "php.ini", "line": 2, "raw": "\"512M\"", "value": "512M",
             "fate": "in force", "because": null},
        ]},
        {"name": "outlive.clock", "value": "cpu", "access": 7, "locked": false, "trail": [
            {"layer": "built-in default", "file": null, "line": null, "raw": "cpu", "value": "cpu",
             "fate": "in force", "because": null},
            {"layer": "php.ini", "file": "php.ini", "line": 4, "raw": "fast", "value": "fast", "fate": "refused",
             "because": "the directive does not take this value: it must be one of cpu, wall"},
        ]},
    ]);
    assert_eq!(answer, want);
}

fn httpd() -> Place {
    let conf = "\
LoadModule php_module modules/libphp.so
LoadModule dir_module modules/mod_dir.so
DocumentRoot www
<Directory />
AllowOverride All
php_admin_value precision 5
</Directory>
<Files *.php>
SetHandler application/x-httpd-php
</Files>
";
    Place::new(
        "httpd",
        &[
            ("httpd.conf", conf.as_bytes()),
            ("www/x.php", b""),
            ("www/.htaccess", b"php_value precision 6\nphp_value user_agent here\n"),
            ("www/.user.ini", b"precision = 7\n"),
        ],
    )
}

#[test]
fn a_url_goes_through_httpd_conf() {
    let place = httpd();
    let root = place.0.to_str().unwrap().to_owned();
    let source = ["--httpd-conf", "httpd.conf", "--server-root", &root, "--url", "http://localhost/x.php"];
    let answer = json(&place.run(&[&["get", "--json", "precision", "user_agent"], &source[..]].concat()));
    assert_eq!(answer, serde_json::json!({"precision": "5", "user_agent": "here"}));
    let answer = json(&place.run(&[&["explain", "--json", "precision"], &source[..]].concat()));
    assert_eq!(answer[0]["locked"], true);
    let fates: Vec<_> =
        answer[0]["trail"].as_array().unwrap().iter().map(|step| step["fate"].as_str().unwrap()).collect();
    assert_eq!(fates, ["overridden", "refused", "in force", "skipped"]);
    let found = out(&place.run(&[&["check"], &source[..]].concat()));
    assert!(found.contains(".htaccess:1: warning: `precision` has no effect here: locked by"), "{found}");
    assert!(found.contains(".user.ini: warning: this file has no effect"), "{found}");
}

#[test]
fn what_the_server_answers_by_itself_is_said() {
    let place = httpd();
    let root = place.0.to_str().unwrap().to_owned();
    let args =
        ["get", "precision", "--httpd-conf", "httpd.conf", "--server-root", &root, "--uri", "/none.php", "--json"];
    let output = place.run(&args);
    assert_eq!((json(&output)["status"].as_u64(), output.status.code()), (Some(404), Some(1)));
    fs::write(place.path("bad.conf"), "ServerRoot /\nDocumentRot /x\n").unwrap();
    let refused = place.run(&["get", "precision", "--httpd-conf", "bad.conf"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(err(&refused).contains("bad.conf:2: ") && out(&refused).is_empty(), "{refused:?}");
}

#[test]
fn dump_prints_a_php_ini_that_reads_back() {
    let text = b"user_agent = 'a\"b\\$c;d'\nprecision = 3\n";
    let place = Place::new("dump", &[("php.ini", text)]);
    let dumped = out(&place.run(&["dump", "--changed", "--format", "ini", "--php-ini", "php.ini"]));
    fs::write(place.path("again.ini"), &dumped).unwrap();
    for file in ["php.ini", "again.ini"] {
        let value = out(&place.run(&["get", "user_agent", "--php-ini", file]));
        assert_eq!(value, "a\"b\\$c;d\n", "{file}: {dumped}");
    }
    let all = json(&place.run(&["dump", "--json", "--php-ini", "php.ini"]));
    assert!(all.as_object().unwrap().len() > 250);
    assert_eq!(all["precision"]["line"], 2);
    let table = out(&place.run(&["dump", "--changed", "--php-ini", "php.ini"]));
    assert_eq!(table.lines().count(), 3, "{table}");
}

#[test]
fn check_finds_the_classic_mistakes() {
    let text = b"\
max_execution_time = 30s
ignore_user_aborts = On
implicit_flush = enable
post_max_size = 8MB
php_value precision 3
precision = 3
precision = 4
max_input_time = 60
max_execution_time = 0
[PATH=/x]
[PHP]
";
    let place = Place::new("check", &[("php.ini", text), ("fine.ini", b"precision = 3\n")]);
    let output = place.run(&["check", "--json", "--php-ini", "php.ini"]);
    assert_eq!(output.status.code(), Some(1));
    let answer = json(&output);
    let mut found: Vec<_> = answer
        .as_array()
        .unwrap()
        .iter()
        .map(|found| {
            (found["line"].as_u64().unwrap_or(0), found["code"].as_str().unwrap(), found["severity"].as_str().unwrap())
        })
        .collect();
    found.sort_unstable();
    let want = [
        (1, "duplicate", "note"),
        (1, "odd-number", "warning"),
        (2, "unknown-directive", "warning"),
        (3, "odd-boolean", "warning"),
        (4, "malformed-quantity", "warning"),
        (4, "upload-over-post", "warning"),
        (5, "apache-syntax", "warning"),
        (6, "duplicate", "note"),
        (9, "input-limit-kills", "warning"),
        (11, "section-goes-on", "warning"),
    ];
    assert_eq!(found, want, "{answer:#}");
    let fine = place.run(&["check", "--php-ini", "fine.ini"]);
    assert_eq!((out(&fine).as_str(), fine.status.code()), ("no problems found\n", Some(0)));
}

#[test]
fn check_portable_shows_what_plain_tools_read() {
    let place =
        Place::new("portable", &[("php.ini", b"error_reporting = E_ALL\nprecision = 3\nuser_agent = \"x;y\"\n")]);
    let found = out(&place.run(&["check", "--portable", "--php-ini", "php.ini"]));
    assert!(found.contains("PHP reads `error_reporting` as `32767`, a plain-INI tool as `E_ALL`"), "{found}");
    assert!(!found.contains("precision"), "{found}");
}

#[test]
fn ini_parse_is_one_line_of_json_per_file() {
    let place = Place::new(
        "parse",
        &[("a.ini", b"x = E_ALL & ~E_NOTICE\n[s]\n1 = yes\nl[] = ${V}\nl[k] = b\n"), ("b.ini", b"a = b = c\n")],
    );
    let output = place.run(&["ini", "parse", "a.ini", "b.ini", "--env", "V=w"]);
    let lines: Vec<Value> = out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let entries = serde_json::json!([["x", "32759"], ["s", [[1, "1"], ["l", [[0, "w"], ["k", "b"]]]]]]);
    assert_eq!(lines[0], serde_json::json!({"ok": true, "entries": entries}));
    assert_eq!(
        lines[1],
        serde_json::json!({"ok": false, "error": {"message": "syntax error, unexpected '='", "line": 1}})
    );
    let typed = place.run(&["ini", "parse", "a.ini", "--mode", "typed", "-d", "V=d"]);
    assert!(out(&typed).contains(r#"[1, true], ["l", [[0, "d"]"#), "{}", out(&typed));
}

#[test]
fn wrong_calls_end_with_2_and_say_what_to_do() {
    let place = Place::new("wrong", &[("php.ini", b"")]);
    for args in [
        &["get", "x", "--php-ini", "none.ini"][..],
        &["get", "x", "--php-ini", "/proc/self"],
        &["get", "x", "--php-version", "9.9"],
        &["get", "x", "--sapi", "nginx"],
        &["get", "x", "--url", "example.org"],
        &["get", "x", "--env", "NAME"],
        &["get"],
        &["status"],
        &["ini", "parse", "none.ini"],
    ] {
        let output = place.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(!err(&output).is_empty() && out(&output).is_empty(), "{args:?}: {output:?}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let mut child =
        command().args(["dump", "--built-in"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let status = child.wait().unwrap();
    let mut message = String::new();
    child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
    assert!(status.success() && message.is_empty(), "{status} {message}");
}

#[test]
fn help_completions_and_the_manual_page() {
    let help = out(&Command::new(env!("CARGO_BIN_EXE_outlive")).arg("--help").output().unwrap());
    assert!(help.contains("Why is this PHP setting in force?") && help.contains("Examples:"), "{help}");
    assert!(
        ["get", "explain", "dump", "check", "diff", "ini"].iter().all(|name| help.contains(&format!("\n  {name} "))),
        "{help}"
    );
    for shell in ["bash", "zsh", "fish"] {
        let script = command().args(["completions", shell]).output().unwrap();
        assert!(out(&script).contains("explain"), "{shell}");
    }
    assert!(out(&command().arg("man").output().unwrap()).contains(".TH outlive"));
}

/// The options that a `--help` lists.
fn options_of(help: &str) -> Vec<String> {
    let words = help.split(|byte: char| !(byte.is_ascii_alphanumeric() || byte == '-'));
    words.filter(|word| word.starts_with("--") && word.len() > 2).map(str::to_owned).collect()
}

#[test]
fn the_manual_has_a_page_for_each_command_and_every_option_on_it() {
    let place = Place::new("manual", &[]);
    std::fs::create_dir_all(&place.0).unwrap();
    assert_eq!(out(&command().args(["man", "--directory"]).arg(&place.0).output().unwrap()), "");
    let commands = [
        "",
        "get",
        "explain",
        "dump",
        "check",
        "diff",
        "where",
        "ini",
        "ini parse",
        "status",
        "cancel",
        "demo",
        "completions",
        "man",
    ];
    let pages = std::fs::read_dir(&place.0).unwrap().count();
    assert_eq!(pages, commands.len());
    for name in commands {
        let words: Vec<_> = name.split_whitespace().collect();
        let file = [&["outlive"][..], &words].concat().join("-") + ".1";
        // What stands for a hyphen, so that it is not taken for one between words.
        let page = std::fs::read_to_string(place.0.join(&file)).unwrap().replace("\\-", "-");
        let help = out(&command().args(&words).arg("--help").output().unwrap());
        let options = options_of(&help);
        assert!(!options.is_empty(), "{help}");
        for option in options {
            assert!(page.contains(&option), "{file} lacks {option}\n{page}");
        }
    }
    let nowhere = command().args(["man", "--directory", "/nowhere"]).output().unwrap();
    assert!(nowhere.status.code() == Some(2) && err(&nowhere).contains("/nowhere"), "{nowhere:?}");
}

#[test]
fn debians_php_ini_has_the_values_that_php_has() {
    let place = Place::new("command-debian", &[]);
    if !support::debian(&place) {
        return;
    }
    let ini = place.path("usr/lib/php/8.2/php.ini-development");
    let output = command().args(["dump", "--json", "--sapi", "cgi-fcgi", "--php-ini"]).arg(ini).output().unwrap();
    let all = json(&output);
    for (name, value, line) in
        [("error_reporting", "32767", true), ("output_buffering", "4096", true), ("precision", "14", true)]
    {
        assert_eq!(all[name]["value"], value, "{name}");
        assert_eq!(all[name]["line"].is_u64(), line, "{name}");
    }
}
