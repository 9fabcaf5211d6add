//! Bytes as people see them.

use std::fmt::Write;

/// A value for one line of text: control characters and bytes that are no text become escapes.
pub fn shown(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                let _ = write!(out, "{}", character.escape_default());
            } else {
                out.push(character);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// A value that may be empty.
pub fn value(bytes: &[u8]) -> String {
    if bytes.is_empty() { "(empty)".to_owned() } else { shown(bytes) }
}
