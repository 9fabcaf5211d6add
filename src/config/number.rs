//! PHP's conversions from text.

pub(crate) use crate::ini::number::{boolean, int_prefix as integer};
use crate::version::PhpVersion;

/// A quantity, and what PHP warns of (facts I-100, I-101).
pub(crate) fn quantity(text: &[u8], version: PhpVersion) -> (i64, Option<String>) {
    let quantity = crate::ini::number::quantity(text, version);
    (quantity.value, quantity.warning.map(|warning| String::from_utf8_lossy(&warning).into_owned()))
}
