//! What the tests of ini texts share: recorded bytes, and our answers in the recorded form.
#![allow(dead_code, reason = "each test program uses its own part")]

use outlive::ini::tree::{self, Entries, Item, Key};
use outlive::ini::{Lookup, Mode, Options, SyntaxError, Value};
use outlive::version::PhpVersion;
use serde_json::{Map, Value as Json, json};
use std::borrow::Cow;
use std::collections::HashMap;

pub const MODES: [(&str, Mode); 3] = [("NORMAL", Mode::Normal), ("RAW", Mode::Raw), ("TYPED", Mode::Typed)];

/// Variables and constants from tables.
#[derive(Clone, Default)]
pub struct Tables {
    pub variables: HashMap<Vec<u8>, Vec<u8>>,
    pub env: HashMap<Vec<u8>, Vec<u8>>,
    pub constants: HashMap<Vec<u8>, Vec<u8>>,
}

impl Lookup for Tables {
    fn variable(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        let value = self.variables.get(name).or_else(|| self.env.get(outlive::ini::env_name(name)));
        value.map(|value| Cow::Borrowed(value.as_slice()))
    }

    fn constant(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        self.constants.get(name).map(|value| Cow::Borrowed(value.as_slice()))
    }

    fn has_lowercase_constants(&self) -> bool {
        self.constants.keys().any(|name| name.first().is_some_and(u8::is_ascii_lowercase))
    }
}

pub fn read_json(path: &str) -> Json {
    let path = format!("{}/tests/conformance/{path}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(&path).expect(&path)).expect(&path)
}

/// Bytes that stand as Latin-1 code points.
pub fn from_latin1(text: &str) -> Vec<u8> {
    text.chars().map(|char| u8::try_from(u32::from(char)).expect("Latin-1")).collect()
}

pub fn to_latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

pub fn from_base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        bits = bits << 6 | u32::from(digit(byte));
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

/// How a recording writes bytes.
#[derive(Clone, Copy)]
pub enum Bytes {
    Latin1,
    /// UTF-8, or `{"b64": …}` where they are not or a NUL is among them.
    Base64,
}

fn write_bytes(bytes: &[u8], form: Bytes) -> Json {
    match form {
        Bytes::Latin1 => Json::String(to_latin1(bytes)),
        Bytes::Base64 => match std::str::from_utf8(bytes) {
            Ok(text) if !bytes.contains(&0) => Json::String(text.to_string()),
            _ => json!({ "b64": base64(bytes) }),
        },
    }
}

pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

pub fn value_json(value: Value<'_>, form: Bytes) -> Json {
    match value {
        Value::Text(text) => write_bytes(text, form),
        Value::Bool(value) => json!(value),
        Value::Null => Json::Null,
        Value::Int(value) => json!(value),
        Value::Float(value) if value.is_infinite() => json!({ "inf": 1 }),
        Value::Float(value) => match form {
            Bytes::Latin1 => json!(value),
            Bytes::Base64 => json!({ "f": value }),
        },
    }
}

/// `{"a": [[key, value], …]}`
pub fn entries_json(entries: Entries<'_>, form: Bytes) -> Json {
    let rows: Vec<Json> = entries
        .map(|(key, item)| {
            let key = match key {
                Key::Int(int) => json!(int),
                Key::Text(text) => write_bytes(text, form),
            };
            let item = match item {
                Item::Value(value) => value_json(value, form),
                Item::List(entries) => entries_json(entries, form),
            };
            json!([key, item])
        })
        .collect();
    let mut map = Map::new();
    map.insert("a".to_string(), Json::Array(rows));
    Json::Object(map)
}

/// PHP's message, as `parse_ini_string` puts it.
pub fn message(error: &SyntaxError, file: &str) -> String {
    format!("{} in {file} on line {}\n", error.message, error.line)
}

/// Our answer to a text as `oracle.php` writes PHP's: `{"r": …, "e": …}`.
pub fn answer(text: &[u8], mode: Mode, version: PhpVersion, tables: &Tables, stop_at_nul: bool) -> Json {
    let options = Options { mode, version, stop_at_nul, lookup: tables };
    match tree::parse(text, &options, true) {
        Ok(tree) => json!({ "r": entries_json(tree.entries(), Bytes::Latin1), "e": null }),
        Err(error) => json!({ "r": false, "e": message(&error, "Unknown") }),
    }
}
