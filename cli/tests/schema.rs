//! Every JSON output is what its schema in cli/schema says.

mod support;

use jsonschema::Validator;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use support::{Place, json, out};

fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema").join(name).with_extension("json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn validator(name: &str) -> Validator {
    jsonschema::draft202012::new(&schema(name)).unwrap()
}

const CONF: &str = "\
LoadModule php_module modules/libphp.so
LoadModule dir_module modules/mod_dir.so
LoadModule alias_module modules/mod_alias.so
DocumentRoot www
Redirect /away http://example.org/x
<Directory />
AllowOverride All
php_admin_value precision 5
php_flag display_errors yes
</Directory>
<Files *.php>
SetHandler application/x-httpd-php
</Files>
";

fn place(name: &str) -> Place {
    let ini = b"precision = 1|4\nmemory_limit = \"64M\"\nmemory_limit = 1X\nuser_agent = \"\xc3\xa4 \\\"\x01\"\n\
        mbstring.func_overload = On\nmax_execution_time = 30s\nx y\noutlive.clock = fast\n[PATH=/x]\nprecision = 2\n";
    Place::new(
        &format!("schema-{name}"),
        &[
            ("php.ini", ini),
            ("empty.ini", b""),
            ("bad.ini", b"a = b = c\n"),
            ("typed.ini", b"a = yes\nb = 1.5\nc = null\nd[] = 2\nd[x] = y\n[s]\n7 = z\n"),
            ("pool.conf", b"[www]\nphp_value[precision] = 3\nphp_admin_flag[display_errors] = on\n"),
            ("httpd.conf", CONF.as_bytes()),
            ("www/x.php", b""),
            ("www/.htaccess", b"php_value precision 6\n"),
            ("www/bad/x.php", b""),
            ("www/bad/.htaccess", b"php_admin_value precision 6\n"),
        ],
    )
}

#[test]
fn every_output_is_what_its_schema_says() {
    let place = place("all");
    let root = place.0.to_str().unwrap().to_owned();
    let httpd = ["--httpd-conf", "httpd.conf", "--server-root", &root];
    let mut sources: Vec<Vec<&str>> = vec![
        vec!["--built-in"],
        vec!["--php-ini", "php.ini"],
        vec!["--php-ini", "php.ini", "--sapi", "cli"],
        vec!["--php-ini", "php.ini", "--sapi", "cgi-fcgi", "--file", "/x/y.php"],
        vec!["--php-ini", "php.ini", "--php-version", "7.4", "-d", "precision=9"],
        vec!["--fpm-pool", "pool.conf", "--fastcgi-param", "PHP_VALUE=precision=4"],
        vec!["--built-in", "-d", "extension=gd"],
    ];
    for uri in ["/x.php", "/none", "/away", "/bad/x.php"] {
        sources.push([&httpd[..], &["--uri", uri]].concat());
    }
    let calls: [(&str, &[&str]); 4] = [
        ("get", &["get", "--json", "precision", "memory_limit", "nonsense", "display_errors", "mbstring.language"]),
        ("explain", &["explain", "--json", "precision", "memory_limit", "nonsense", "outlive.clock"]),
        ("dump", &["dump", "--json"]),
        ("check", &["check", "--json", "--portable"]),
    ];
    let (mut seen, mut answers) = (0, 0);
    for (name, call) in calls {
        let validator = validator(name);
        for source in &sources {
            let output = place.run(&[call, source].concat());
            let value: Value =
                serde_json::from_str(&out(&output)).unwrap_or_else(|error| panic!("{error}: {output:?}"));
            let errors: Vec<String> =
                validator.iter_errors(&value).map(|error| format!("{error} at {}", error.instance_path())).collect();
            assert!(errors.is_empty(), "{name} {source:?}: {errors:#?}\n{value:#}");
            seen += 1;
            answers += usize::from(value["status"].is_u64());
        }
    }
    assert_eq!((seen, answers), (4 * sources.len(), 3 * 3), "a call went unseen");
}

/// With `--context` the same document stands in an envelope, which has a schema of its own.
#[test]
fn what_an_answer_is_for_has_a_schema() {
    let place = place("context");
    let root = place.0.to_str().unwrap().to_owned();
    let httpd = ["--httpd-conf", "httpd.conf", "--server-root", &root, "--uri"];
    let (envelope, mut seen) = (validator("context"), Vec::new());
    for source in [
        vec!["--built-in"],
        vec!["--php-ini", "php.ini", "--file", "/x/y.php", "--document-root", "/x"],
        vec!["--fpm-pool", "pool.conf", "--pool", "www"],
        [&httpd[..], &["/x.php"]].concat(),
        [&httpd[..], &["/away"]].concat(),
    ] {
        for call in [&["get", "precision", "memory_limit"][..], &["explain", "precision"], &["dump"], &["check"]] {
            let bare = json(&place.run(&[call, &["--json"], &source].concat()));
            let told = json(&place.run(&[call, &["--json", "--context"], &source].concat()));
            let errors: Vec<String> = envelope.iter_errors(&told).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{call:?} {source:?}: {errors:#?}\n{told:#}");
            assert_eq!(told["answers"][0]["answer"], bare, "{call:?} {source:?}");
            let one = &told["answers"][0]["answering_for"];
            seen.push((one["script"].clone(), one["document_root"].clone()));
        }
        let source = source.join(" ");
        let told = json(&place.run(&["diff", "--json", "--context", "--a", &source, "--b", "--built-in --sapi cli"]));
        assert!(validator("diff").is_valid(&told) && told["a"]["answering_for"].is_object(), "{told:#}");
    }
    let (www, script) = (json!(place.path("www")), json!(place.path("www/x.php")));
    for (at, expected) in [
        (0, (json!(null), json!(null))),
        (4, (json!("/x/y.php"), json!("/x"))),
        (12, (script, www)),
        (16, (json!(null), json!(null))),
    ] {
        assert_eq!(seen[at], expected);
    }
}

/// A module that shows nothing: whatever a php.ini may set has no value in any document, and nobody can take it for one.
#[test]
fn what_is_not_known_is_no_value() {
    let conf = format!("{CONF}<Location /x.php>\nphp_admin_value memory_limit 9M\n</Location>\n");
    let place = place("unknown");
    fs::write(place.path("httpd.conf"), &conf).unwrap();
    fs::write(place.path("dir.conf"), format!("PHPIniDir \"{}\"\n{conf}", place.path("ini"))).unwrap();
    fs::create_dir(place.path("ini")).unwrap();
    fs::write(place.path("ini/php.ini"), "user_agent = me\n").unwrap();
    let root = place.0.to_str().unwrap().to_owned();
    let run = |main: &str, args: &[&str]| {
        place.run(&[args, &["--httpd-conf", main, "--server-root", &root, "--uri", "/x.php"]].concat())
    };
    let unknown = |value: &Value| value["unknown"].as_str().is_some_and(|text| text.contains("not known"));
    for (main, name) in
        [("httpd.conf", "max_execution_time"), ("dir.conf", "max_execution_time"), ("dir.conf", "user_agent")]
    {
        let output = run(main, &["get", "--json", name, "memory_limit", "nonsense"]);
        let told = json(&output);
        assert!(output.status.code() == Some(2) && unknown(&told[name]), "{output:?}");
        assert_eq!((&told["memory_limit"], &told["nonsense"]), (&json!("9M"), &json!(null)));
        let output = run(main, &["dump", "--json"]);
        let told = json(&output);
        assert!(validator("dump").is_valid(&told) && output.status.code() == Some(2), "{output:?}");
        let row = &told[name];
        assert!(
            unknown(row) && [&row["value"], &row["global"], &row["layer"]].iter().all(|value| value.is_null()),
            "{row}"
        );
        // What httpd sets is known; what ini_restore() goes back to is not.
        assert_eq!((&told["memory_limit"]["value"], &told["memory_limit"]["global"]), (&json!("9M"), &json!(null)));
        let told = json(&run(main, &["explain", "--json", name]));
        assert!(unknown(&told[0]) && told[0]["value"].is_null(), "{told}");
        for format in ["table", "ini"] {
            let output = run(main, &["dump", "--format", format]);
            let text = out(&output);
            let line = text.lines().find(|line| line.contains(name)).unwrap();
            assert!(line.contains("not known") && output.status.code() == Some(2), "{line}");
        }
        let side = format!("--httpd-conf {main} --server-root {root} --uri /x.php");
        let output = place.run(&["diff", "--json", "--a", &side, "--b", "--built-in --sapi apache2handler"]);
        let told = json(&output);
        assert!(validator("diff").is_valid(&told) && output.status.code() == Some(2), "{told:#}");
        let all = told["differences"].as_array().unwrap();
        let one = all.iter().find(|one| one["name"] == *name).unwrap();
        assert!(one["kind"] == "unknown" && unknown(&one["a"]) && one["a"]["value"].is_null(), "{one:#}");
        assert_eq!(all.iter().find(|one| one["name"] == "memory_limit").unwrap()["kind"], "value");
        let text = out(&place.run(&["diff", "--a", &side, "--b", "--built-in --sapi apache2handler"]));
        assert!(text.contains("Not known on one side or both") && text.contains("are not known"), "{text}");
    }
}

#[test]
fn the_list_of_codes_is_the_librarys_table() {
    let place = place("list");
    let all = json(&place.run(&["check", "--list", "--json"]));
    assert!(validator("check-list").is_valid(&all), "{all}");
    let names: Vec<&str> = all.as_array().unwrap().iter().map(|code| code["code"].as_str().unwrap()).collect();
    let table: Vec<&str> = outlive::diagnostic::Diagnosis::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(names, table);
    let text = place.run(&["check", "--list"]);
    assert_eq!(out(&text).lines().count(), table.len());
    assert_eq!(place.run(&["check", "--list", "php.ini"]).status.code(), Some(2));
}

#[test]
fn ini_parse_writes_one_document_for_each_file() {
    let (place, validator) = (place("parse"), validator("ini-parse"));
    for mode in ["normal", "raw", "typed"] {
        let output = place.run(&["ini", "parse", "--mode", mode, "php.ini", "bad.ini", "typed.ini", "empty.ini"]);
        let text = out(&output);
        assert_eq!(text.lines().count(), 4);
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            assert!(validator.is_valid(&value), "{mode}: {line}");
        }
    }
}

#[test]
fn diff_has_every_kind_of_difference() {
    let (place, validator) = (place("diff"), validator("diff"));
    let root = place.0.to_str().unwrap().to_owned();
    let httpd = format!("--httpd-conf httpd.conf --server-root {root} --uri");
    let mut kinds = Vec::new();
    for (a, b) in [
        ("--php-ini php.ini".to_owned(), "--php-ini empty.ini".to_owned()),
        ("--php-ini php.ini --php-version 7.4".to_owned(), "--php-ini php.ini --php-version 8.4".to_owned()),
        (
            "--built-in -d display_errors=1 -d html_errors=off".to_owned(),
            "--fpm-pool pool.conf -d html_errors=0".to_owned(),
        ),
        (
            "--built-in -d post_max_size=0b11 --php-version 8.1".to_owned(),
            "--built-in -d post_max_size=0b11 --php-version 8.2".to_owned(),
        ),
        (format!("{httpd} /x.php"), format!("{httpd} /none")),
        (format!("{httpd} /away"), "--built-in --sapi cli".to_owned()),
        (format!("{httpd} /x.php"), "--built-in --sapi apache2handler".to_owned()),
    ] {
        let output = place.run(&["diff", "--json", "--a", &a, "--b", &b]);
        let value: Value = serde_json::from_str(&out(&output)).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{a} {b}: {errors:#?}");
        let has_unknown = value["differences"].to_string().contains(r#""kind":"unknown""#);
        assert_eq!(output.status.code(), Some(if has_unknown { 2 } else { 1 }), "{a} {b}");
        kinds.extend(value["differences"].as_array().unwrap().iter().map(|one| one["kind"].clone()));
    }
    let known = schema("diff")["$defs"]["difference"]["properties"]["kind"]["enum"].clone();
    for kind in known.as_array().unwrap() {
        assert!(kinds.contains(kind), "nothing was of the kind {kind}");
    }
}

#[test]
fn the_schemas_would_notice() {
    for (name, wrong) in [
        ("get", json!({"precision": 3})),
        ("explain", json!([{"name": "x"}])),
        ("dump", json!({"precision": {"value": "3"}})),
        ("check", json!([{"severity": "bad", "code": "x", "file": null, "line": null, "message": ""}])),
        ("context", json!({"answers": [], "notes": []})),
        ("ini-parse", json!({"ok": true})),
        ("diff", json!({"a": {}, "b": {}, "same": 0, "differences": []})),
    ] {
        assert!(!validator(name).is_valid(&wrong), "{name}");
    }
    // Whatever lies there is a schema of the right draft.
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("schema")).unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(jsonschema::draft202012::meta::is_valid(&schema(&name)), "{name}");
    }
}
