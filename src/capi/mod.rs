//! The C ABI: handles, error records, a guard against panics. This module decides nothing.
//!
//! `include/outlive.h` is generated from this module by cbindgen, so its documentation is written for C programmers.
//! Functions are plain `extern "C"`, with the guard inside: cbindgen does not see through macros.
#![allow(unsafe_code, non_camel_case_types)]

mod builder;
mod config;
mod constants;
mod dir_config;
mod engine;
mod error;
mod host;
mod ini;
mod render;
mod request;
mod scoreboard;
mod search;
mod settings;
mod text;

use crate::error::Code;
use error::{outlive_error, report_code};
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a call; a panic becomes `OUTLIVE_ERROR_PANIC` and never reaches the host.
fn guard(call: impl FnOnce() -> c_int) -> c_int {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(Code::Panic.number())
}

/// As [`guard`], for a call with an error record, which says so too: hosts read it after every failure.
fn guard_with(record: *mut outlive_error, call: impl FnOnce() -> c_int) -> c_int {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        // SAFETY: NULL or the caller's record.
        guard(|| unsafe { report_code(record, Code::Panic, "") })
    })
}

/// The number of a result.
fn number(answer: Result<Code, Code>) -> c_int {
    match answer {
        Ok(code) | Err(code) => code.number(),
    }
}

/// A struct that a caller filled, whatever version of the header it was compiled with: fields that its version lacks are as
/// in `default`; fields that this version lacks must be 0. `None`: its size is invalid, or an unknown field is not 0.
///
/// # Safety
/// `caller` is valid for reading a size_t, and for as many bytes as that says.
unsafe fn sized_struct<T: Copy>(caller: *const std::ffi::c_void, mut default: T) -> Option<T> {
    let known = size_of::<T>();
    // SAFETY: every such struct begins with its size.
    let size = unsafe { caller.cast::<usize>().read_unaligned() };
    if size == known {
        // SAFETY: the caller's struct is as ours; all our structs are plain C data.
        return Some(unsafe { caller.cast::<T>().read() });
    }
    if size < size_of::<usize>() || size > 4096 {
        return None;
    }
    let bytes = caller.cast::<u8>();
    // SAFETY: the caller's struct has `size` bytes.
    if (known..size).any(|at| unsafe { bytes.add(at).read() } != 0) {
        return None;
    }
    // SAFETY: both are valid for the smaller of the two sizes, and all our structs are plain C data.
    unsafe { std::ptr::copy_nonoverlapping(bytes, (&raw mut default).cast::<u8>(), size.min(known)) };
    Some(default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    #[test]
    fn a_panic_is_in_the_record_too() {
        let mut record = std::mem::MaybeUninit::<outlive_error>::zeroed();
        let code = guard_with(record.as_mut_ptr(), || panic!("a defect"));
        assert_eq!(code, Code::Panic.number());
        // SAFETY: zeros are a valid record, and every text has a NUL at its end.
        let record = unsafe { record.assume_init_ref() };
        // SAFETY: as above.
        let message = unsafe { CStr::from_ptr(record.message.as_ptr()) };
        assert_eq!((record.code, message.to_str()), (code, Ok(Code::Panic.text())));
        assert_eq!(guard_with(std::ptr::null_mut(), || panic!("a defect")), code);
    }
}
