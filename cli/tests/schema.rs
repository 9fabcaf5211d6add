//! Every JSON output is what its schema in cli/schema says.

mod support;

use jsonschema::Validator;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use support::{Place, out};

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
        vec!["-d", "extension=gd"],
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
        ("-d display_errors=1 -d html_errors=off".to_owned(), "--fpm-pool pool.conf -d html_errors=0".to_owned()),
        ("-d post_max_size=0b11 --php-version 8.1".to_owned(), "-d post_max_size=0b11 --php-version 8.2".to_owned()),
        (format!("{httpd} /x.php"), format!("{httpd} /none")),
        (format!("{httpd} /away"), "--sapi cli".to_owned()),
    ] {
        let output = place.run(&["diff", "--json", "--a", &a, "--b", &b]);
        let value: Value = serde_json::from_str(&out(&output)).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{a} {b}: {errors:#?}");
        assert_eq!(output.status.code(), Some(1), "{a} {b}");
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
