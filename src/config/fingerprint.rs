//! One number for the policy of settings, so that hosts can be compared.

use super::number;
use super::settings::Settings;
use crate::httpd::pattern::hash::{FNV_START, step};
use crate::version::PhpVersion;

/// The directives of PHP's that outlive acts on, and whether they are switches.
const OF_PHP: [(&str, bool); 6] = [
    ("hard_timeout", false),
    ("ignore_user_abort", true),
    ("implicit_flush", true),
    ("max_execution_time", false),
    ("max_input_time", false),
    ("output_buffering", false),
];

impl Settings {
    /// A hash over the directives that outlive acts on, as far as they differ from their defaults or are locked. Paths are left out, and how a
    /// value is written does not count: two hosts with the same policy have the same number, whatever their files are called. Never 0.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = FNV_START;
        let own = self.each().filter_map(|(directive, _)| std::str::from_utf8(directive.name()).ok());
        let own = own.filter(|name| name.starts_with("outlive.") && *name != "outlive.scoreboard");
        for (name, is_switch) in OF_PHP.into_iter().chain(own.map(|name| (name, false))) {
            let Some(entry) = self.entry(name.as_bytes()) else { continue };
            let canonical = |value: &[u8]| canonical(value, is_switch, self.core.version);
            let value = canonical(entry.value);
            let default = self.directive(name.as_bytes()).and_then(|directive| directive.default());
            if entry.locked || default.map(canonical).unwrap_or_default() != value {
                hash = add(hash, name.as_bytes());
                hash = add(hash, &value);
                hash = add(hash, &[u8::from(entry.locked)]);
            }
        }
        hash.max(1)
    }
}

/// The same value is the same text: `On` and `1`, `4K` and `4096`, `Finish` and `finish`.
fn canonical(value: &[u8], is_switch: bool, version: PhpVersion) -> Vec<u8> {
    if is_switch {
        return vec![b'0' + u8::from(number::boolean(value))];
    }
    let is_number = value.first().is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+'));
    if is_number {
        return number::quantity(value, version).0.to_string().into_bytes();
    }
    value.to_ascii_lowercase()
}

/// FNV-1a, which is the same everywhere and for ever. Each part ends with a byte that no text has.
fn add(hash: u64, part: &[u8]) -> u64 {
    part.iter().chain(&[0xff]).fold(hash, |hash, &byte| step(hash, byte))
}
