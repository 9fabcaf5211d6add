//! PHP's conversions from text. Quantities stand in until the scanner's own are there.

pub(crate) use crate::ini::number::{boolean, int_prefix as integer};
use crate::version::PhpVersion;

/// A quantity, and what PHP warns of (facts I-100, I-101).
pub(crate) fn quantity(text: &[u8], _version: PhpVersion) -> (i64, Option<String>) {
    let text = text.trim_ascii();
    let factor = match text.last() {
        Some(b'k' | b'K') => 1 << 10,
        Some(b'm' | b'M') => 1 << 20,
        Some(b'g' | b'G') => 1 << 30,
        _ => 1,
    };
    (integer(text).wrapping_mul(factor), None)
}
