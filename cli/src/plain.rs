//! `outlive check --portable`: where a plain-INI tool would read a php.ini differently. The configparser crate plays
//! the plain-INI tool.

use crate::check::{note, place};
use crate::statements::statements;
use configparser::ini::Ini;
use outlive::config::Config;
use outlive::diagnostic::{Diagnosis, Diagnostic};
use outlive::ini::{Event, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// Compares every php.ini text.
pub fn check(config: &Config, found: &mut Vec<Diagnostic>) {
    for (_, file, text) in config.ini_files() {
        one(config, file, text, found);
    }
}

fn one(config: &Config, file: &Arc<[u8]>, text: &[u8], found: &mut Vec<Diagnostic>) {
    let Ok(text_utf8) = std::str::from_utf8(text) else {
        found.push(note(
            Diagnosis::NotPortable,
            place(file, 0),
            "plain-INI tools may not read this file: it is not UTF-8".into(),
        ));
        return;
    };
    let mut plain = Ini::new_cs();
    if let Err(error) = plain.read(text_utf8.to_owned()) {
        let message = format!("a plain-INI tool does not read this file: {error}");
        found.push(note(Diagnosis::NotPortable, place(file, 0), message));
        return;
    }
    // Section names and order are the same to both; of a key that comes twice the last one counts for both.
    let mut section = String::from("default");
    let mut last: HashMap<(String, String), (String, u32)> = HashMap::new();
    statements(config.php_version(), text, &mut |event, line| match event {
        Event::Section { name } => section = String::from_utf8_lossy(name).trim().to_owned(),
        Event::Entry { key, value: Value::Text(value) } => {
            let key = String::from_utf8_lossy(key).into_owned();
            last.insert((section.clone(), key), (String::from_utf8_lossy(value).into_owned(), line));
        }
        _ => {}
    });
    for ((section, key), (php, line)) in last {
        let other = match plain.get(&section, &key) {
            Some(other) if other == php || is_switch(&other) => continue,
            Some(other) => format!("as `{}`", crate::text::shown(other.as_bytes())),
            None => "as nothing".to_owned(),
        };
        let php = crate::text::value(php.as_bytes());
        let message = format!("PHP reads `{key}` as `{php}`, a plain-INI tool {other}");
        found.push(note(Diagnosis::NotPortable, place(file, line), message));
    }
}

/// Every tool has a boolean of its own for these words, so they are no difference that matters.
fn is_switch(value: &str) -> bool {
    ["on", "off", "yes", "no", "true", "false"].iter().any(|word| value.eq_ignore_ascii_case(word))
}
