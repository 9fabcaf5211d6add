//! Result codes and the error record.

use super::text::outlive_str;
use crate::error::{Code, Error};
use crate::request::Ending;
use std::ffi::{c_char, c_int};
use std::ptr;

/// Bytes of outlive_error.file, the NUL included.
pub const OUTLIVE_ERROR_FILE_SIZE: usize = 1024;
/// Bytes of outlive_error.message, the NUL included.
pub const OUTLIVE_ERROR_MESSAGE_SIZE: usize = 1024;

/// What went wrong, where, and what to do about it. Owned by the caller, who may pass NULL instead wherever one is asked
/// for. Written only when a call fails; a text that is too long is cut.
#[repr(C)]
pub struct outlive_error {
    /// The negative result code that the call returned.
    pub code: c_int,
    /// Line, counted from 1; 0: none.
    pub line: u32,
    /// Column, counted from 1; 0: none.
    pub column: u32,
    /// The file, NUL-terminated; empty: none.
    pub file: [c_char; OUTLIVE_ERROR_FILE_SIZE],
    /// For people, NUL-terminated.
    pub message: [c_char; OUTLIVE_ERROR_MESSAGE_SIZE],
}

/// Fills the caller's record, if there is one, and returns the error's code.
///
/// # Safety
/// `record` is NULL or valid for writing.
pub(super) unsafe fn report(record: *mut outlive_error, error: &Error) -> c_int {
    if !record.is_null() {
        // SAFETY: not NULL, so valid; every field is written through a raw pointer, whatever was there before.
        unsafe {
            (&raw mut (*record).code).write(error.code.number());
            (&raw mut (*record).line).write(error.origin.line);
            (&raw mut (*record).column).write(error.column);
            let file = error.origin.file.as_deref().unwrap_or_default();
            copy((&raw mut (*record).file).cast(), OUTLIVE_ERROR_FILE_SIZE, file);
            copy((&raw mut (*record).message).cast(), OUTLIVE_ERROR_MESSAGE_SIZE, error.message.as_bytes());
        }
    }
    error.code.number()
}

/// As [`report`], for an error that has only a code.
///
/// # Safety
/// As for [`report`].
pub(super) unsafe fn report_code(record: *mut outlive_error, code: Code, message: &str) -> c_int {
    let message = if message.is_empty() { code.text() } else { message };
    // SAFETY: passed on.
    unsafe { report(record, &Error::new(code, message)) }
}

/// Copies as much as fits, whole UTF-8 characters where it is UTF-8, and a NUL.
///
/// # Safety
/// `to` is valid for `size` bytes; `size` is not 0.
unsafe fn copy(to: *mut c_char, size: usize, text: &[u8]) {
    let mut end = text.len().min(size - 1);
    if end < text.len() {
        while end > 0 && text[end] & 0xc0 == 0x80 {
            end -= 1;
        }
    }
    // SAFETY: `end` is less than `size`, and no longer than `text`; the record is not part of it.
    unsafe {
        ptr::copy_nonoverlapping(text.as_ptr().cast(), to, end);
        to.add(end).write(0);
    }
}

/// The name of a result code, such as "OUTLIVE_ERROR_LOCKED"; "OUTLIVE_UNKNOWN" for a number that is none.
///
/// The text is static.
/// Thread safety: any thread. Fork safety: yes. Signal safety: yes.
#[unsafe(no_mangle)]
pub extern "C" fn outlive_result_name(code: c_int) -> outlive_str {
    outlive_str::of_static(Code::from_number(code).map_or("OUTLIVE_UNKNOWN\0", Code::name_nul))
}

/// What a result code means, one phrase for people.
///
/// The text is static.
/// Thread safety: any thread. Fork safety: yes. Signal safety: yes.
#[unsafe(no_mangle)]
pub extern "C" fn outlive_result_text(code: c_int) -> outlive_str {
    outlive_str::of_static(Code::from_number(code).map_or("not a result code of this version\0", Code::text_nul))
}

/// As outlive_result_name, as a C string.
///
/// The text is static.
/// Thread safety: any thread. Fork safety: yes. Signal safety: yes.
#[unsafe(no_mangle)]
pub extern "C" fn outlive_result_cname(code: c_int) -> *const c_char {
    Code::from_number(code).map_or("OUTLIVE_UNKNOWN\0", Code::name_nul).as_ptr().cast()
}

/// As outlive_result_text, as a C string.
///
/// The text is static.
/// Thread safety: any thread. Fork safety: yes. Signal safety: yes.
#[unsafe(no_mangle)]
pub extern "C" fn outlive_result_ctext(code: c_int) -> *const c_char {
    Code::from_number(code).map_or("not a result code of this version\0", Code::text_nul).as_ptr().cast()
}

/// The word for an ending: "completed", "aborted", "time limit" …; "none" for OUTLIVE_ENDING_NONE, "unknown" for a number that is
/// no ending.
///
/// The text is static.
/// Thread safety: any thread. Fork safety: yes. Signal safety: yes.
#[unsafe(no_mangle)]
pub extern "C" fn outlive_ending_name(ending: c_int) -> outlive_str {
    outlive_str::of_static(match Ending::from_number(ending) {
        Some(ending) => ending.word_nul(),
        None if ending == 0 => "none\0",
        None => "unknown\0",
    })
}

/// The library's version, "MAJOR.MINOR.PATCH", to be compared with OUTLIVE_VERSION of the header.
///
/// The text is static and NUL-terminated.
/// Thread safety: any thread. Fork safety: yes. Signal safety: yes.
#[unsafe(no_mangle)]
pub extern "C" fn outlive_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
