//! What a value means, with its unit.

use outlive::PhpVersion;
use outlive::config::{Directive, Settings};
use outlive::ini::number;

/// Directives whose number counts seconds, and what zero or less means to them.
const SECONDS: [(&str, &str); 11] = [
    ("max_execution_time", "no limit"),
    ("max_input_time", "covered by max_execution_time"),
    ("hard_timeout", "no second budget"),
    ("default_socket_timeout", "no waiting"),
    ("session.gc_maxlifetime", "at once"),
    ("session.cookie_lifetime", "until the browser is closed"),
    ("user_ini.cache_ttl", "read anew each second"),
    ("realpath_cache_ttl", "no cache"),
    ("outlive.max_detached_time", "no cap"),
    ("outlive.shutdown_time", "what is left of max_execution_time, as PHP"),
    ("opcache.revalidate_freq", "checked at each request"),
];

/// Directives whose quantity counts bytes.
const BYTES: [&str; 7] = [
    "memory_limit",
    "max_memory_limit",
    "post_max_size",
    "upload_max_filesize",
    "realpath_cache_size",
    "output_buffering",
    "fiber.stack_size",
];

/// What the value in force means.
pub fn of(directive: &Directive, settings: &Settings, version: PhpVersion) -> Option<String> {
    of_value(directive, settings.get(directive.name())?, version)
}

/// A value's meaning for people; nothing where the text says it all.
pub fn of_value(directive: &Directive, value: &[u8], version: PhpVersion) -> Option<String> {
    let name = std::str::from_utf8(directive.name()).ok()?;
    // It takes more words than On and Off, and Off is stored as nothing.
    if name == "display_errors" && value.is_empty() {
        return Some("off".to_owned());
    }
    if directive.value_rule().is_bool() {
        return Some(if number::boolean(value) { "on" } else { "off" }.to_owned());
    }
    let quantity = directive.value_rule().is_quantity();
    let number = if quantity { number::quantity(value, version).value } else { number::int_prefix(value) };
    if let Some((_, nothing)) = SECONDS.iter().find(|(known, _)| *known == name) {
        // For the input limit zero is a limit of its own: none.
        let nothing = if name == "max_input_time" && number == 0 { "no limit" } else { nothing };
        return Some(if number > 0 { count(number, "second") } else { (*nothing).to_owned() });
    }
    if !BYTES.contains(&name) || value.is_empty() {
        return None;
    }
    Some(match (name, number) {
        ("memory_limit" | "max_memory_limit", -1) => "no limit".to_owned(),
        ("output_buffering", 0) => "off".to_owned(),
        ("output_buffering", number) if number < 2 => "on, without a limit".to_owned(),
        ("post_max_size", 0) => "no limit".to_owned(),
        (_, number) => bytes(number),
    })
}

fn count(number: i64, unit: &str) -> String {
    if number == 1 { format!("1 {unit}") } else { format!("{number} {unit}s") }
}

/// 134217728 is 128 MiB.
fn bytes(number: i64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let exact = units.into_iter().find(|(power, _)| number != 0 && number % (1 << power) == 0);
    match exact {
        Some((power, unit)) => format!("{} {unit}", number >> power),
        None => count(number, "byte"),
    }
}
