//! `NAME=VALUE`, as many options take it.

use crate::output::Problem;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// `NAME=VALUE`, or `NAME` alone.
pub fn pair(text: &OsStr) -> (&[u8], Option<&[u8]>) {
    let bytes = text.as_bytes();
    match bytes.iter().position(|&byte| byte == b'=') {
        Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
        None => (bytes, None),
    }
}

/// An environment's `NAME=VALUE`; none: there is no `=`.
pub fn variable(text: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let at = text.iter().position(|&byte| byte == b'=')?;
    Some((text[..at].to_vec(), text[at + 1..].to_vec()))
}

/// `NAME=VALUE` and nothing less.
pub fn full_pair<'a>(option: &str, text: &'a OsStr) -> Result<(&'a [u8], &'a [u8]), Problem> {
    match pair(text) {
        (name, Some(value)) if !name.is_empty() => Ok((name, value)),
        _ => Err(Problem::Call(format!("{option} {}: this takes NAME=VALUE", text.to_string_lossy()))),
    }
}
