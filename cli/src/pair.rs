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

/// `NAME=VALUE` and nothing less.
pub fn full_pair<'a>(option: &str, text: &'a OsStr) -> Result<(&'a [u8], &'a [u8]), Problem> {
    match pair(text) {
        (name, Some(value)) if !name.is_empty() => Ok((name, value)),
        _ => Err(Problem::Call(format!("{option} {}: this takes NAME=VALUE", text.to_string_lossy()))),
    }
}
