//! Replays every recorded answer of real PHP to an ini text.

mod ini_support;

use ini_support::{
    Bytes, MODES, Tables, answer, entries_json, from_base64, from_latin1, message, read_json, value_json,
};
use outlive::ini::number::quantity;
use outlive::ini::{Event, Lookup, Mode, Options, constants, scan, tree};
use outlive::version::PhpVersion;
use serde_json::{Value as Json, json};
use std::cell::RefCell;
use std::ops::ControlFlow;

fn text_of(case: &Json) -> Vec<u8> {
    match &case["text"] {
        Json::String(text) => text.clone().into_bytes(),
        _ => from_base64(case["text_b64"].as_str().expect("a text")),
    }
}

/// What `${}` and constants are in `cases.json` and `random.json`.
fn fixture(recording: &Json) -> Tables {
    let fixture = &recording["fixture"];
    let mut tables = Tables::default();
    for (name, value) in fixture["env"].as_object().expect("env") {
        tables.variables.insert(name.clone().into_bytes(), value.as_str().expect("text").as_bytes().to_vec());
    }
    let text = fixture["config_directives_for_parse_ini"].as_str().expect("directives");
    let options =
        Options { mode: Mode::Normal, version: PhpVersion::V8_2, stop_at_nul: false, lookup: &Tables::default() };
    scan(text.as_bytes(), &options, &mut |event, _| {
        if let Event::Entry { key, value: outlive::ini::Value::Text(value) } = event {
            tables.variables.insert(key.to_vec(), value.to_vec());
        }
        ControlFlow::Continue(())
    })
    .expect("directives");
    tables.variables.insert(b"max_execution_time".to_vec(), b"0".to_vec());
    add_constants(&mut tables, PhpVersion::V8_2);
    // Recorded with precision=17.
    tables.constants.insert(b"M_PI".to_vec(), b"3.1415926535897931".to_vec());
    for (name, value) in fixture["user_constants"].as_object().expect("constants") {
        let value = value.as_str().map_or(value.to_string(), str::to_string);
        tables.constants.insert(name.clone().into_bytes(), value.into_bytes());
    }
    tables
}

/// The core constants, and those of extensions that the recorded texts use.
fn add_constants(tables: &mut Tables, version: PhpVersion) {
    for (name, value) in constants::all(version) {
        tables.constants.insert(name.to_vec(), value.to_vec());
    }
    let extensions = [
        ("INI_ALL", "7"),
        ("INI_SCANNER_RAW", "1"),
        ("DIRECTORY_SEPARATOR", "/"),
        ("M_PI", "3.1415926535898"),
        ("STDIN", "Resource id #1"),
    ];
    for (name, value) in extensions {
        tables.constants.insert(name.as_bytes().to_vec(), value.as_bytes().to_vec());
    }
}

struct Failures {
    shown: Vec<String>,
    count: usize,
    checked: usize,
}

impl Failures {
    fn new() -> Self {
        Self { shown: Vec::new(), count: 0, checked: 0 }
    }

    fn compare(&mut self, what: &dyn std::fmt::Display, text: &[u8], ours: &Json, php: &Json) {
        self.checked += 1;
        if ours == php {
            return;
        }
        self.count += 1;
        if self.shown.len() < 25 {
            let text = text.escape_ascii();
            self.shown.push(format!("{what}: {text}\n    ours {ours}\n    PHP  {php}"));
        }
    }

    fn report(self, at_least: usize) {
        println!("{} answers compared", self.checked);
        assert!(self.count == 0, "{} of {} differ\n{}", self.count, self.checked, self.shown.join("\n"));
        assert!(self.checked >= at_least, "only {} answers compared", self.checked);
    }
}

fn parsed(text: &[u8], mode: Mode, tables: &Tables, file: bool) -> Json {
    let options = Options { mode, version: PhpVersion::V8_2, stop_at_nul: !file, lookup: tables };
    let both = [false, true].map(|sections| tree::parse(text, &options, sections));
    match &both {
        [Ok(flat), Ok(sections)] => json!({
            "flat": entries_json(flat.entries(), Bytes::Base64),
            "warnings": [],
            "sections": entries_json(sections.entries(), Bytes::Base64),
        }),
        [Err(error), _] | [_, Err(error)] => {
            let warning = message(error, if file { "@FILE@" } else { "Unknown" });
            json!({ "flat": false, "warnings": [[2, warning]], "sections": false })
        }
    }
}

/// The recorded answer with floats as numbers.
fn floats(json: &Json) -> Json {
    match json {
        Json::Object(map) if map.len() == 1 && map.contains_key("f") => {
            json!({ "f": map["f"].as_str().expect("text").parse::<f64>().expect("float") })
        }
        Json::Object(map) => Json::Object(map.iter().map(|(key, value)| (key.clone(), floats(value))).collect()),
        Json::Array(items) => items.iter().map(floats).collect(),
        _ => json.clone(),
    }
}

fn replay_parsed(name: &str, at_least: usize) {
    let recording = read_json(name);
    let tables = fixture(&recording);
    let mut failures = Failures::new();
    for case in recording["cases"].as_array().expect("cases") {
        let text = text_of(case);
        let expect = &case["expect"];
        for (name, mode) in MODES {
            let expected = if expect[name] == "=NORMAL" { &expect["NORMAL"] } else { &expect[name] };
            let string = floats(&expected["string"]);
            let what = format!("{} {name}", case["id"]);
            failures.compare(&what, &text, &parsed(&text, mode, &tables, false), &string);
            let file = expected.get("file").map_or_else(
                || serde_json::from_str(&string.to_string().replace("in Unknown on", "in @FILE@ on")).expect("json"),
                floats,
            );
            failures.compare(&format!("{what} file"), &text, &parsed(&text, mode, &tables, true), &file);
        }
    }
    failures.report(at_least);
}

#[test]
fn hand_made_texts_read_as_php_reads_them() {
    replay_parsed("ini/cases.json", 2258 * 6);
}

#[test]
fn random_texts_read_as_php_reads_them() {
    replay_parsed("ini/random.json", 2247 * 6);
}

/// php.ini's own look-up: entries above, then the environment.
struct PhpIni<'a> {
    tables: &'a Tables,
    entries: RefCell<Vec<(Vec<u8>, Json)>>,
    plain: RefCell<std::collections::HashMap<Vec<u8>, Vec<u8>>>,
}

impl Lookup for PhpIni<'_> {
    fn variable(&self, name: &[u8]) -> Option<std::borrow::Cow<'_, [u8]>> {
        match self.plain.borrow().get(name) {
            Some(value) => Some(value.clone().into()),
            None => self.tables.variable(name),
        }
    }

    fn constant(&self, name: &[u8]) -> Option<std::borrow::Cow<'_, [u8]>> {
        self.tables.constant(name)
    }
}

/// The entries of a php.ini outside of `[PATH=]` and `[HOST=]`, and PHP's complaint.
fn as_php_ini(text: &[u8], tables: &Tables) -> (Vec<(Vec<u8>, Json)>, String) {
    let lookup = PhpIni { tables, entries: RefCell::default(), plain: RefCell::default() };
    let options = Options { mode: Mode::Normal, version: PhpVersion::V8_2, stop_at_nul: false, lookup: &lookup };
    let mut special = false;
    let result = scan(text, &options, &mut |event, _| {
        match event {
            Event::Section { name } => {
                let start = name.get(..4).unwrap_or_default();
                special |= start.eq_ignore_ascii_case(b"path") || start.eq_ignore_ascii_case(b"host");
            }
            Event::Entry { key, value: outlive::ini::Value::Text(value) } if !special => {
                lookup.plain.borrow_mut().insert(key.to_vec(), value.to_vec());
                let json = value_json(outlive::ini::Value::Text(value), Bytes::Base64);
                let mut entries = lookup.entries.borrow_mut();
                entries.retain(|(name, _)| name != key);
                entries.push((key.to_vec(), json));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    });
    let stderr = result.err().map_or(String::new(), |error| format!("PHP:  {}", message(&error, "@FILE@")));
    (lookup.entries.into_inner(), stderr)
}

fn replay_as_php_ini(name: &str, at_least: usize) {
    let recording = read_json(name);
    let mut tables = fixture(&recording);
    tables.variables.clear();
    for (name, value) in recording["fixture"]["env"].as_object().expect("env") {
        tables.variables.insert(name.clone().into_bytes(), value.as_str().expect("text").as_bytes().to_vec());
    }
    tables.constants.clear();
    for (name, value) in constants::all(PhpVersion::V8_2) {
        tables.constants.insert(name.to_vec(), value.to_vec());
    }
    let mut failures = Failures::new();
    for case in recording["cases"].as_array().expect("cases") {
        let text = text_of(case);
        let php = &case["as_php_ini"];
        if php["rc"] != 0 {
            continue; // PHP itself crashed on it (I-044, I-074)
        }
        let (entries, stderr) = as_php_ini(&text, &tables);
        if case["origin"] == "generated"
            || php["stderr"].as_str().is_some_and(|text| text.starts_with("PHP:  "))
            || php["stderr"] == ""
        {
            failures.compare(&format!("{} stderr", case["id"]), &text, &json!(stderr), &php["stderr"]);
        }
        for row in php["cfg"].as_array().expect("cfg") {
            let key = row[0]
                .as_str()
                .map_or_else(|| from_base64(row[0]["b64"].as_str().expect("key")), |key| key.as_bytes().to_vec());
            if row[1].get("a").is_some() {
                continue; // arrays are what the tree is tested for
            }
            let ours = entries.iter().find(|(name, _)| *name == key).map_or(&Json::Null, |(_, value)| value);
            failures.compare(&format!("{} {}", case["id"], row[0]), &text, ours, &row[1]);
        }
    }
    failures.report(at_least);
}

#[test]
fn php_ini_keeps_what_comes_before_an_error() {
    replay_as_php_ini("ini/cases.json", 4000);
    replay_as_php_ini("ini/random.json", 2500);
}

/// What `oracle.php` sets up.
fn oracle_tables(version: PhpVersion) -> Tables {
    let mut tables = Tables::default();
    tables.variables.insert(b"memory_limit".to_vec(), b"256M".to_vec());
    for (name, value) in [("FOO", "foo val"), ("BAR", "7"), ("EMPTY", "")] {
        tables.env.insert(name.as_bytes().to_vec(), value.as_bytes().to_vec());
    }
    add_constants(&mut tables, version);
    tables
}

/// The one recorded text whose answers are those of a 32-bit `atoi`, the WebAssembly builds' own: an operand that does
/// not fit in 64 bits. Native PHP gives the other answer (I-063).
const ANOTHER_PLATFORM: &str = " -5[on] =  \t !   9223372036854775808\t'a b\\'#'";

fn replay_versions(name: &str, file: bool, at_least: usize) {
    let recording = read_json(name);
    let mut failures = Failures::new();
    for version in PhpVersion::ALL {
        let tables = oracle_tables(version);
        for case in recording["cases"].as_array().expect("cases") {
            let text = from_latin1(case["text"].as_str().expect("text"));
            if text == ANOTHER_PLATFORM.as_bytes() {
                continue;
            }
            let php = case["differs"].get(version.to_string()).unwrap_or(&case["base"]);
            for (place, (name, mode)) in MODES.into_iter().enumerate() {
                let ours = answer(&text, mode, version, &tables, !file);
                failures.compare(&format!("{version} {name}"), &text, &ours, &php[place]);
            }
        }
    }
    failures.report(at_least);
}

#[test]
fn seven_versions_read_as_they_do() {
    replay_versions("php/ini-versions.json", false, 2999 * 7 * 3);
}

/// I-100, I-101
#[test]
fn quantities_convert_as_php_converts_them() {
    let recording = read_json("ini/quantities.json");
    let mut failures = Failures::new();
    for case in recording["cases"].as_array().expect("cases") {
        let text = from_base64(case["in_b64"].as_str().expect("input"));
        for version in [PhpVersion::V8_2, PhpVersion::V8_3, PhpVersion::V8_4, PhpVersion::V8_5] {
            let ours = quantity(&text, version);
            let warnings: Vec<Json> =
                ours.warning.iter().map(|warning| json!([2, String::from_utf8_lossy(warning)])).collect();
            let ours = json!({ "value": ours.value, "warnings": warnings });
            let php = json!({ "value": case["value"], "warnings": case["warnings"] });
            failures.compare(&version, &text, &ours, &php);
        }
    }
    failures.report(700);
}

/// The table against the recordings (I-061). What a build or a platform decides (paths, the SAPI, float limits before
/// `precision` is set) is recorded natively for 8.2 only.
#[test]
fn the_constants_are_the_recorded_ones() {
    let native = read_json("ini/constants.json");
    let versions = read_json("php/directives.json");
    for (name, text) in native["constants"].as_object().expect("constants") {
        let ours = match name.as_str() {
            "TRUE" => Some(&b"1"[..]), // known in any letter case, so not in the table
            "FALSE" | "NULL" => Some(&b""[..]),
            _ => constants::get(PhpVersion::V8_2, name.as_bytes()),
        };
        assert_eq!(ours, Some(text.as_str().expect("text").as_bytes()), "{name}");
    }
    assert_eq!(constants::all(PhpVersion::V8_2).count() + 3, native["constants"].as_object().expect("map").len());
    for version in PhpVersion::ALL {
        let recorded = versions["versions"][version.to_string()]["core_constants"].as_object().expect("constants");
        for (name, value) in recorded {
            let ours = constants::get(version, name.as_bytes());
            let of_build = ["DIR", "PREFIX", "SAPI", "PATH", "OS_FAMILY", "FLOAT", "_DATE", "PHP_INT_M"];
            if version == PhpVersion::V8_2 || of_build.iter().any(|part| name.contains(part)) {
                continue;
            }
            let text = match value {
                Json::Bool(value) => if *value { "1" } else { "" }.to_string(),
                Json::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(ours, Some(text.as_bytes()), "{version} {name}");
        }
    }
}

#[test]
fn what_comparisons_found_stays_found() {
    replay_versions("ini/found.json", false, 99 * 7 * 3);
    replay_versions("ini/found-files.json", true, 97 * 7 * 3);
}
