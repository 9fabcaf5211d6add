//! Texts in and out.

use crate::error::Code;
use std::ffi::{CStr, c_char};
use std::slice;

/// As a length: the text ends at its first NUL.
pub const OUTLIVE_NTS: usize = usize::MAX;

/// A view of text that belongs to the library. Also NUL-terminated (the NUL is not counted), though the text may hold
/// NULs of its own. The function that gives it says how long it lives.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct outlive_str {
    /// The first byte; never NULL.
    pub ptr: *const c_char,
    /// Length in bytes, without the terminating NUL.
    pub len: usize,
}

impl outlive_str {
    /// A view of bytes that are known to be NUL-terminated.
    pub(super) fn of_terminated(text: &[u8]) -> Self {
        Self { ptr: text.as_ptr().cast(), len: text.len() }
    }

    /// A view of a constant that ends in a NUL.
    pub(super) fn of_static(text: &'static str) -> Self {
        debug_assert!(text.ends_with('\0'));
        Self { ptr: text.as_ptr().cast(), len: text.len() - 1 }
    }
}

/// The bytes that a caller passed. NULL is an empty text if the length is 0.
///
/// # Safety
/// `ptr` is NULL, or valid for `len` bytes, or NUL-terminated where `len` is OUTLIVE_NTS; unchanged while the result lives.
pub(super) unsafe fn bytes<'a>(ptr: *const c_char, len: usize) -> Result<&'a [u8], Code> {
    match (ptr.is_null(), len) {
        (true, 0) => Ok(&[]),
        (true, _) => Err(Code::Argument),
        // SAFETY: the caller says that it is NUL-terminated.
        (false, OUTLIVE_NTS) => Ok(unsafe { CStr::from_ptr(ptr) }.to_bytes()),
        (false, len) if len > isize::MAX as usize => Err(Code::Argument),
        // SAFETY: the caller says that it is valid for `len` bytes; a slice can be as long as that.
        (false, len) => Ok(unsafe { slice::from_raw_parts(ptr.cast(), len) }),
    }
}

/// As [`bytes`], for data that is not NUL-terminated: OUTLIVE_NTS is then an impossible length.
///
/// # Safety
/// `ptr` is NULL or valid for `len` bytes, unchanged while the result lives.
pub(super) unsafe fn data<'a>(ptr: *const c_char, len: usize) -> Result<&'a [u8], Code> {
    // SAFETY: passed on.
    if len == OUTLIVE_NTS { Err(Code::Argument) } else { unsafe { bytes(ptr, len) } }
}

/// The bytes of an optional NUL-terminated text; NULL is empty.
///
/// # Safety
/// `ptr` is NULL or NUL-terminated, unchanged while the result lives.
pub(super) unsafe fn optional<'a>(ptr: *const c_char) -> &'a [u8] {
    // SAFETY: not NULL, so NUL-terminated.
    if ptr.is_null() { &[] } else { unsafe { CStr::from_ptr(ptr) }.to_bytes() }
}

/// A text with a NUL behind it, for as long as a visitor looks.
pub(super) struct Terminated(Vec<u8>);

impl Terminated {
    pub fn new(text: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(text.len() + 1);
        bytes.extend_from_slice(text);
        bytes.push(0);
        Self(bytes)
    }

    pub fn view(&self) -> outlive_str {
        outlive_str::of_terminated(&self.0[..self.0.len() - 1])
    }
}
