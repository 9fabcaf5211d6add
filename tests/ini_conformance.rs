//! Replays every recorded answer of real PHP to an ini text. Each text that has a name is a test:
//! `cargo test --test ini_conformance -- key-012`.

mod ini_support;
mod recorded_support;

use ini_support::{
    Bytes, MODES, Tables, answer, entries_json, from_base64, from_latin1, message, read_json, value_json,
};
use outlive::ini::number::quantity;
use outlive::ini::{Event, Lookup, Mode, Options, constants, scan, tree};
use outlive::version::PhpVersion;
use recorded_support::{Case, Outcome};
use serde_json::{Value as Json, json};
use std::cell::RefCell;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;

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

    fn report(self, at_least: usize) -> Outcome {
        if self.count > 0 {
            return Err(format!("{} of {} differ\n{}", self.count, self.checked, self.shown.join("\n")));
        }
        if self.checked < at_least { Err(format!("only {} answers compared", self.checked)) } else { Ok(()) }
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

fn parses_as_recorded(case: &Json, tables: &Tables) -> Outcome {
    let mut failures = Failures::new();
    let text = text_of(case);
    let expect = &case["expect"];
    for (name, mode) in MODES {
        let expected = if expect[name] == "=NORMAL" { &expect["NORMAL"] } else { &expect[name] };
        let string = floats(&expected["string"]);
        failures.compare(&name, &text, &parsed(&text, mode, tables, false), &string);
        let file = expected.get("file").map_or_else(
            || serde_json::from_str(&string.to_string().replace("in Unknown on", "in @FILE@ on")).expect("json"),
            floats,
        );
        failures.compare(&format!("{name} file"), &text, &parsed(&text, mode, tables, true), &file);
    }
    failures.report(6)
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

/// What is known while php.ini is read: the environment, and the core constants.
fn while_reading_php_ini(recording: &Json) -> Tables {
    let mut tables = Tables::default();
    for (name, value) in recording["fixture"]["env"].as_object().expect("env") {
        tables.variables.insert(name.clone().into_bytes(), value.as_str().expect("text").as_bytes().to_vec());
    }
    for (name, value) in constants::all(PhpVersion::V8_2) {
        tables.constants.insert(name.to_vec(), value.to_vec());
    }
    tables
}

/// php.ini keeps what comes before an error.
fn acts_as_php_ini(case: &Json, tables: &Tables) -> Outcome {
    let mut failures = Failures::new();
    let text = text_of(case);
    let php = &case["as_php_ini"];
    if php["rc"] != 0 {
        return Ok(()); // PHP itself crashed on it (I-044, I-074)
    }
    let (entries, stderr) = as_php_ini(&text, tables);
    if case["origin"] == "generated"
        || php["stderr"].as_str().is_some_and(|text| text.starts_with("PHP:  "))
        || php["stderr"] == ""
    {
        failures.compare(&"stderr", &text, &json!(stderr), &php["stderr"]);
    }
    for row in php["cfg"].as_array().expect("cfg") {
        let key = row[0]
            .as_str()
            .map_or_else(|| from_base64(row[0]["b64"].as_str().expect("key")), |key| key.as_bytes().to_vec());
        if row[1].get("a").is_some() {
            continue; // arrays are what the tree is tested for
        }
        let ours = entries.iter().find(|(name, _)| *name == key).map_or(&Json::Null, |(_, value)| value);
        failures.compare(&row[0], &text, ours, &row[1]);
    }
    failures.report(0)
}

/// The texts of a recording, by their names, in groups of the same stem.
fn named(file: &str, cases: &mut Vec<Case>) {
    let recording = read_json(&format!("ini/{file}.json"));
    let tables = Arc::new((fixture(&recording), while_reading_php_ini(&recording)));
    let Json::Object(mut recording) = recording else { panic!("{file} is no object") };
    let Json::Array(all) = recording["cases"].take() else { panic!("{file} has no cases") };
    for case in all {
        let name = case["id"].as_str().expect("a name").to_owned();
        let tables = Arc::clone(&tables);
        let stem = name.rsplit_once('-').map_or(&*name, |(stem, _)| stem).to_owned();
        cases.push(Case::of(&format!("{file}/{stem}"), &name, move || {
            parses_as_recorded(&case, &tables.0)?;
            acts_as_php_ini(&case, &tables.1)
        }));
    }
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

fn replay_version(name: &str, version: PhpVersion, file: bool, at_least: usize) -> Outcome {
    let recording = read_json(name);
    let mut failures = Failures::new();
    let tables = oracle_tables(version);
    for case in recording["cases"].as_array().expect("cases") {
        let text = from_latin1(case["text"].as_str().expect("text"));
        if text == ANOTHER_PLATFORM.as_bytes() {
            continue;
        }
        let php = case["differs"].get(version.to_string()).unwrap_or(&case["base"]);
        for (place, (name, mode)) in MODES.into_iter().enumerate() {
            let ours = answer(&text, mode, version, &tables, !file);
            failures.compare(&name, &text, &ours, &php[place]);
        }
    }
    failures.report(at_least)
}

/// I-100, I-101
fn quantities_convert_as_php_converts_them() -> Outcome {
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
    failures.report(700)
}

/// The table against the recordings (I-061). What a build or a platform decides (paths, the SAPI, float limits before
/// `precision` is set) is recorded natively for 8.2 only.
fn the_constants_are_the_recorded_ones() -> Outcome {
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
    Ok(())
}

fn main() -> ExitCode {
    let mut cases = Vec::new();
    for (file, at_least) in [("cases", 2258), ("random", 2247)] {
        let before = cases.len();
        named(file, &mut cases);
        assert!(cases.len() - before >= at_least, "only {} texts in {file}", cases.len() - before);
    }
    for version in PhpVersion::ALL {
        cases.push(Case::alone(format!("versions/{version}"), move || {
            replay_version("php/ini-versions.json", version, false, 2999 * 3)
        }));
        // What random comparisons have found stays found.
        cases.push(Case::alone(format!("found/{version}"), move || {
            replay_version("ini/found.json", version, false, 99 * 3)?;
            replay_version("ini/found-files.json", version, true, 97 * 3)
        }));
    }
    cases.push(Case::alone("quantities", quantities_convert_as_php_converts_them));
    cases.push(Case::alone("constants", the_constants_are_the_recorded_ones));
    recorded_support::main(cases)
}
