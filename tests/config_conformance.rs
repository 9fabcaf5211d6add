//! Replays what PHP 8.2 answered for 58 directives and 41 values each, through `ini_set` and through php.ini.
//!
//! Left out, because only PHP itself can decide: `open_basedir` at run time (it depends on the path set before, and the recording has no answer), and
//! `output_handler=syslog` (PHP died of it). `opcache.*` was not loaded where this was recorded.

use outlive::config::{Builder, Config};
use outlive::files::Memory;
use serde_json::Value;
use std::sync::Arc;

fn recorded() -> Value {
    serde_json::from_str(include_str!("conformance/ini/directives-set.json")).unwrap()
}

fn config(ini: Option<String>) -> Config {
    let mut builder = match &ini {
        Some(text) => Builder::new(Arc::new(Memory::new().with("/php.ini", text.as_bytes()))),
        None => Builder::new(Arc::new(Memory::new())),
    };
    builder.set_sapi(b"cli").unwrap();
    if ini.is_some() {
        builder.load_php_ini("/php.ini".as_ref()).unwrap();
    }
    builder.build().unwrap()
}

/// A value as `ini_set` makes text of it (I-161).
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "1".into(),
        Value::Bool(false) | Value::Null => String::new(),
        number => number.to_string(),
    }
}

/// I-174, I-177, I-179, I-182, I-183 among them.
#[test]
fn run_time_takes_and_refuses_what_php_does() {
    let settings = config(None).base();
    let (mut compared, mut left_out) = (0, 0);
    for (name, data) in recorded()["directives"].as_object().unwrap() {
        let Some(sets) = data["cli_n"]["set"].as_array() else {
            left_out += 41;
            continue;
        };
        if name.starts_with("opcache.") {
            left_out += sets.len();
            continue;
        }
        let entry = settings.entry(name.as_bytes()).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(Some(entry.value), data["cli_n"]["initial"].as_str().map(str::as_bytes), "{name}");
        assert_eq!(u64::from(entry.access.0), data["cli_n"]["access"].as_u64().unwrap(), "{name}");
        for set in sets {
            let value = text(&set["v"]);
            let taken = settings.may_set(name.as_bytes()) && settings.accepts(name.as_bytes(), value.as_bytes());
            assert_eq!(taken, set["ret"] != Value::Bool(false), "{name} = {value:?}");
            let after = if taken { value.as_bytes() } else { entry.value };
            assert_eq!(Some(after), set["get"].as_str().map(str::as_bytes), "{name} = {value:?}");
            compared += 1;
        }
    }
    println!("{compared} settings compared, {left_out} left out");
    assert_eq!((compared, left_out), (2255, 123));
}

#[test]
fn php_ini_takes_and_refuses_what_php_does() {
    let (mut compared, mut left_out) = (0, 0);
    for (name, data) in recorded()["directives"].as_object().unwrap() {
        for case in data["php_ini"].as_array().unwrap() {
            let value = case["v"].as_str().unwrap();
            let unknown = name.starts_with("opcache.") || case["get_cfg"].is_null();
            if unknown {
                left_out += 1;
                continue;
            }
            let config = config(Some(format!("{name} = \"{value}\"\n")));
            let want = case["get_cfg"][0].as_str().unwrap();
            assert_eq!(config.base().get(name.as_bytes()), Some(want.as_bytes()), "{name} = {value:?}");
            let warned = config.diagnostics().iter().find(|diagnostic| diagnostic.code.name() == "malformed-quantity");
            if let Some(warned) = warned {
                let shown = case["stdout_before"].as_str().unwrap();
                assert!(shown.contains(&warned.message), "{name} = {value:?}: {} and {shown:?}", warned.message);
            }
            compared += 1;
        }
    }
    println!("{compared} texts compared, {left_out} left out");
    assert_eq!((compared, left_out), (1959, 71));
}
