//! The ending of a request: why it ends, how a host ends it, and its end.

use super::super::constants::OUTLIVE_ENDING_NONE;
use super::super::error::{outlive_error, report_code};
use super::super::host::Function;
use super::super::{guard_with, number};
use super::{handle, outlive_request, with};
use crate::error::Code;
use crate::request::Ending;
use std::ffi::c_int;

/// Why the request ends: one of OUTLIVE_ENDING_…, OUTLIVE_ENDING_NONE while nothing has ended it. The first cause wins.
///
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_ending(request: *const outlive_request) -> c_int {
    // SAFETY: the header's contract.
    unsafe {
        with(request, |handle| match handle.ending() {
            Ok(ending) => ending.map_or(OUTLIVE_ENDING_NONE, |ending| ending as c_int),
            Err(code) => code.number(),
        })
    }
}

/// Ends this stage early, as exit(): every safe point answers OUTLIVE_STOP from here on; in a shutdown function it ends
/// the pass. `ending` is reported to the shutdown functions, unless another ending came first.
///
/// OUTLIVE_ERROR_ARGUMENT: not an ending. OUTLIVE_ERROR_STAGE: too late.
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_exit(request: *mut outlive_request, ending: c_int) -> c_int {
    // SAFETY: the header's contract.
    unsafe {
        with(request, |handle| match Ending::from_number(ending) {
            Some(ending) => number(handle.exit(ending)),
            None => Code::Argument.number(),
        })
    }
}

/// Says that the submission is stored durably: call it after that commit and before the work begins. From here on a disconnect does not
/// stop the request, whatever ignore_user_abort or outlive.disconnect say now or later; nor does an earlier disconnect that no safe point
/// has reported yet. Limits, caps, cancelling and a drain still apply; if a cap or a drain stops it, its ending is
/// OUTLIVE_ENDING_HANDED_BACK. Not a safe point.
///
/// OUTLIVE_ALREADY: it was accepted before. OUTLIVE_ERROR_STAGE: shutdown functions run or have run.
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_set_accepted(request: *mut outlive_request) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| number(handle.set_accepted())) }
}

/// The first part of outlive_request_end: runs the shutdown functions, sends the buffered output, flushes. The request stays in flight
/// until outlive_request_end calls on_ended and frees it: for hosts that wait for something between the two. *ending (may be NULL) gets
/// the ending. Output is refused from here on (OUTLIVE_ERROR_STAGE).
///
/// OUTLIVE_ALREADY: it was shut down before; *ending is written. Errors as for outlive_request_end; here, too, call
/// again after OUTLIVE_ERROR_BUSY.
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_shut_down(
    request: *mut outlive_request,
    ending: *mut c_int,
    error: *mut outlive_error,
) -> c_int {
    guard_with(error, || {
        // SAFETY: the header's contract.
        unsafe {
            let Some(handle) = handle(request) else {
                return report_code(error, Code::Argument, "outlive_request_shut_down: request is NULL");
            };
            match handle.shut_down(|function, ending| call(request, function, ending)) {
                Ok((code, because)) => {
                    if !ending.is_null() {
                        *ending = because as c_int;
                    }
                    code.number()
                }
                Err(code) => report_code(error, code, ""),
            }
        }
    })
}

/// Whether the function asks to stop.
///
/// # Safety
/// The function and its userdata are as the host registered them.
unsafe fn call(request: *mut outlive_request, function: &mut Function, ending: Ending) -> bool {
    // SAFETY: passed on.
    unsafe { (function.call)(request, ending as c_int, function.userdata) == Code::Stop.number() }
}

/// Ends the request: runs the shutdown functions, sends the buffered output, flushes, and frees it. The pointer is
/// invalid from here on. The shutdown functions, on_ended and outlive_request_shut_down give the ending. After an error
/// the request still exists.
///
/// OUTLIVE_ERROR_BUSY: another call has not returned, or the caller is a callback. If shutdown functions had begun by
/// then, call again when the other call has returned: they go on where they were. OUTLIVE_ERROR_STAGE: it is ending
/// already (the caller is a shutdown function). OUTLIVE_ERROR_ENDED: it has ended.
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_end(request: *mut outlive_request, error: *mut outlive_error) -> c_int {
    guard_with(error, || {
        // SAFETY: the header's contract.
        unsafe {
            let Some(handle) = handle(request) else {
                return report_code(error, Code::Argument, "outlive_request_end: request is NULL");
            };
            match handle.end(|function, ending| call(request, function, ending)) {
                Ok(_) => Code::Ok.number(),
                Err(code) => report_code(error, code, ""),
            }
        }
    })
}

/// The request's flag word, for hosts that need a check within a fraction of a nanosecond: read it with a relaxed atomic
/// load; while it is 0, outlive_request_check would answer OUTLIVE_OK. OUTLIVE_CHECK does that. NULL if request is NULL.
/// Belongs to the request: not to be read after its end, nor in a forked child.
///
/// Thread safety: any thread. Fork safety: no. Signal safety: yes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_flags(request: *const outlive_request) -> *const u32 {
    // SAFETY: the header's contract.
    unsafe { handle(request) }.map_or(std::ptr::null(), |handle| handle.flags())
}
