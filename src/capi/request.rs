//! `outlive_request`

mod begin;
mod ending;

pub use begin::outlive_request_options;

use super::constants::OUTLIVE_NO_LIMIT;
use super::host::{CHost, Function, outlive_destroy_function, outlive_shutdown_function};
use super::text::{bytes, data, optional, outlive_str};
use super::{guard, number};
use crate::engine::{Handle, LARGEST, QuickLimit, REACH, Slot, TAG_BITS};
use crate::error::Code;
use std::ffi::{c_char, c_int, c_void};

/// One request. outlive_request_begin makes it, outlive_request_end frees it. A later call with the same pointer answers
/// OUTLIVE_ERROR_ENDED, as long as the engine lives and fewer than 256 later requests have used the same slot.
///
/// One thread at a time works on a request; which one may change. A call that comes while another has not
/// returned is answered with OUTLIVE_ERROR_BUSY. outlive_request_client_gone, outlive_request_is_gone, outlive_request_cancel,
/// outlive_request_id, outlive_request_userdata and outlive_request_time_left may come from any thread at any time before the end.
pub struct outlive_request {
    _private: [u8; 0],
}

// At 192 bytes each, a million requests take a fifth of a gigabyte.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
const _: () = assert!(size_of::<Slot<CHost>>() == 192);

/// A request's pointer is no address of memory: it is its chunk's address, which is a multiple of [`REACH`], plus its place in the chunk
/// times this, plus its tag but the lowest bit, which is 1 while it lives. So a slot may be smaller than the number of its tags.
const TAGS: usize = 256;
const _: () = assert!(size_of::<Slot<CHost>>() <= TAGS);
const _: () = assert!(TAG_BITS == TAGS as u64 * 2 - 1 && REACH == TAGS * LARGEST as usize);

/// # Safety
/// `request` is NULL or came from outlive_request_begin of an engine that has not been freed.
#[inline]
unsafe fn handle<'e>(request: *const outlive_request) -> Option<Handle<'e, CHost>> {
    let address = request.addr();
    let tag = (address % TAGS) as u64 * 2 + 1;
    let back = address % REACH / TAGS * (TAGS - size_of::<Slot<CHost>>());
    let slot = request.map_addr(|address| address - address % TAGS - back).cast::<Slot<CHost>>();
    // SAFETY: it is the address of a slot, which lives as long as its engine.
    unsafe { slot.as_ref() }.map(|slot| Handle { slot, tag })
}

fn pointer(handle: Handle<'_, CHost>) -> *mut outlive_request {
    let slot: *const Slot<CHost> = handle.slot;
    let at = usize::from(handle.slot.lane()) * TAGS + handle.tag as usize / 2;
    slot.map_addr(|address| address - address % REACH + at).cast::<outlive_request>().cast_mut()
}

/// Runs a guarded call on the request's handle; NULL is OUTLIVE_ERROR_ARGUMENT.
///
/// # Safety
/// As for [`handle`].
unsafe fn with<'e>(request: *const outlive_request, call: impl FnOnce(Handle<'e, CHost>) -> c_int) -> c_int {
    // SAFETY: passed on.
    let Some(handle) = (unsafe { handle(request) }) else { return Code::Argument.number() };
    guard(|| call(handle))
}

/// Says that the input has been read: the running stage begins, and max_execution_time with it.
///
/// OUTLIVE_ERROR_STAGE: it was not in the input stage.
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_run(request: *mut outlive_request) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| number(handle.run())) }
}

/// Output, as echo: through output buffering to the host's write function. A safe point before, and another if the client
/// turns out to have gone. `buf` may be NULL if len is 0. `len` is never OUTLIVE_NTS.
///
/// OUTLIVE_ERROR_ARGUMENT: `len` is impossible, such as an error number that a host took for a length ((size_t)-1).
/// OUTLIVE_OK: go on; the bytes were taken, or dropped because the client has gone and that is ignored. OUTLIVE_STOP: the
/// request should end now.
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_write(request: *mut outlive_request, buf: *const c_void, len: usize) -> c_int {
    // SAFETY: the header's contract.
    if let (Some(handle), true) = (unsafe { handle(request) }, !buf.is_null() & (len <= isize::MAX as usize)) {
        // SAFETY: not NULL, and as long as it may be.
        let bytes = unsafe { std::slice::from_raw_parts(buf.cast::<u8>(), len) };
        if handle.writes_directly(bytes) {
            return number(handle.write_directly(bytes));
        }
    }
    // SAFETY: the header's contract.
    unsafe { write_slowly(request, buf, len) }
}

/// # Safety
/// As for [`outlive_request_write`].
#[cold]
unsafe fn write_slowly(request: *const outlive_request, buf: *const c_void, len: usize) -> c_int {
    // SAFETY: the header's contract.
    unsafe {
        with(request, |handle| match data(buf.cast(), len) {
            Ok(bytes) => number(handle.write(bytes)),
            Err(code) => code.number(),
        })
    }
}

/// PHP's flush(): calls the host's flush function; the output buffer (output_buffering) keeps its content. A safe
/// point, as outlive_request_write.
///
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_flush(request: *mut outlive_request) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| number(handle.flush())) }
}

/// A safe point: OUTLIVE_OK: go on, OUTLIVE_STOP: end now. Takes nanoseconds: no lock, no clock, no system call. Once it
/// has answered OUTLIVE_STOP, it does so again until the stage ends.
///
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_check(request: *mut outlive_request) -> c_int {
    // SAFETY: the header's contract.
    match unsafe { handle(request) } {
        Some(handle) if handle.is_quiet() => Code::Ok.number(),
        // SAFETY: as above.
        _ => unsafe { check_slowly(request) },
    }
}

/// # Safety
/// As for [`outlive_request_check`].
#[cold]
unsafe fn check_slowly(request: *const outlive_request) -> c_int {
    // SAFETY: passed on.
    unsafe { with(request, |handle| number(handle.check())) }
}

/// Says that the host saw the client go. After outlive_request_finish it does nothing, because the client may leave then.
///
/// Thread safety: any thread, at any time before the end. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: yes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_client_gone(request: *mut outlive_request) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| number(handle.client_gone())) }
}

/// 1: the host, the watcher or an output has noticed that the client has gone; 0: not so far.
///
/// Thread safety: any thread, at any time before the end. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: yes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_is_gone(request: *const outlive_request) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| handle.is_gone().map_or_else(Code::number, c_int::from)) }
}

/// PHP's connection_status(): OUTLIVE_CONNECTION_NORMAL 0, _ABORTED 1, _TIMEOUT 2, or both (3). Does not look at the
/// socket: only output, the watcher and the host notice that a client has gone.
///
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_connection_status(request: *const outlive_request) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| handle.connection_status().map_or_else(Code::number, c_int::from)) }
}

/// PHP's ignore_user_abort(): 1 on, 0 off, -1 leaves it. Returns the previous setting, 0 or 1. Where an admin layer has
/// locked it, it returns the setting and changes nothing.
///
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_ignore_user_abort(request: *mut outlive_request, enable: c_int) -> c_int {
    // SAFETY: the header's contract.
    unsafe {
        with(request, |handle| {
            let enable = (enable >= 0).then_some(enable != 0);
            handle.ignore_user_abort(enable).map_or_else(Code::number, c_int::from)
        })
    }
}

/// PHP's set_time_limit(): a full number of seconds from now; 0 or less, or more than 999,999,999: none. The limit fires
/// within 20 milliseconds of the time, never early.
///
/// OUTLIVE_ERROR_LOCKED: an admin layer set the limit; the running limit stays. OUTLIVE_ERROR_STAGE: the input is
/// still being read.
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_set_time_limit(request: *mut outlive_request, seconds: i64) -> c_int {
    // SAFETY: the header's contract.
    // Nothing here can panic, so it needs no guard.
    let Some(handle) = (unsafe { handle(request) }) else { return Code::Argument.number() };
    match handle.set_limit_quickly(seconds) {
        QuickLimit::Done => Code::Ok.number(),
        QuickLimit::Arm(due) => arm(handle.slot, due),
        QuickLimit::No => set_limit_slowly(handle, seconds),
    }
}

/// The last steps of outlive_request_set_time_limit, apart so that the others save no registers for them.
#[cold]
#[inline(never)]
fn arm(slot: &Slot<CHost>, due: u64) -> c_int {
    slot.arm(due);
    Code::Ok.number()
}

#[cold]
#[inline(never)]
fn set_limit_slowly(handle: Handle<'_, CHost>, seconds: i64) -> c_int {
    number(handle.set_limit_slowly(seconds))
}

/// As outlive_request_set_time_limit, in milliseconds from now. OUTLIVE_NO_LIMIT: none. 0 or less: the limit has passed and fires at the
/// next tick, so a caller can pass deadline - now unchecked. outlive_request_ini_get shows full seconds, rounded up.
///
/// Errors as outlive_request_set_time_limit.
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_set_time_limit_ms(request: *mut outlive_request, milliseconds: i64) -> c_int {
    // SAFETY: the header's contract.
    unsafe {
        with(request, |handle| {
            number(handle.set_time_limit_ms((milliseconds != OUTLIVE_NO_LIMIT).then_some(milliseconds)))
        })
    }
}

/// Milliseconds until the request may be told to stop, at the earliest: by its time limit, by outlive.max_detached_time once its client
/// has gone, or by the deadline of a drain. 0: a stop waits (a hold may delay it); before that at least 1, so that an event loop that
/// waits for this time does not spin. OUTLIVE_NO_LIMIT: there is no known reason to stop. Negative: an error.
///
/// Where the limit counts CPU time, the result does not shrink while the request waits: use it as a time-out for others
/// (such as a statement_timeout) only under outlive.clock = wall.
/// Thread safety: any thread, before the end. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_time_left(request: *const outlive_request) -> i64 {
    let mut left = OUTLIVE_NO_LIMIT;
    // SAFETY: the header's contract.
    let answer = unsafe {
        with(request, |handle| match handle.time_left() {
            Ok(time) => {
                left = time.and_then(|time| i64::try_from(time).ok()).unwrap_or(OUTLIVE_NO_LIMIT);
                Code::Ok.number()
            }
            Err(code) => code.number(),
        })
    };
    if answer < 0 { answer.into() } else { left }
}

/// The request's number, as shown in rows; unique within the engine, and not 0. 0: request is NULL, or has ended, or this is a
/// forked child.
///
/// Thread safety: any thread, before the end. Fork safety: 0 in a child. Signal safety: yes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_id(request: *const outlive_request) -> u64 {
    // SAFETY: the header's contract.
    // Nothing here can panic, so it needs no guard.
    unsafe { handle(request) }.and_then(|handle| handle.id().ok()).unwrap_or(0)
}

/// The userdata of the options that the request was begun with. NULL: none, or request is NULL, or has ended, or this is a forked child.
///
/// Thread safety: any thread, before the end. Fork safety: NULL in a child. Signal safety: yes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_userdata(request: *const outlive_request) -> *mut c_void {
    // SAFETY: the header's contract.
    // Nothing here can panic, so it needs no guard.
    unsafe { handle(request) }.and_then(|handle| handle.host(CHost::userdata).ok()).unwrap_or(std::ptr::null_mut())
}

/// Cancels the request: its next safe point answers OUTLIVE_STOP, with ending OUTLIVE_ENDING_CANCELLED, whatever ignore_user_abort says
/// and whether it was accepted or not. A hold delays it like any stop; it does not interrupt shutdown functions.
///
/// OUTLIVE_ALREADY: it was cancelled before. The pointer may be used only before the end, as with
/// outlive_request_client_gone; a caller that cannot know this uses outlive_engine_cancel.
/// Thread safety: any thread, at any time before the end. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: yes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_cancel(request: *mut outlive_request) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| number(handle.cancel())) }
}

/// Registers a shutdown function. It runs once when the request ends, whatever the ending, after those registered before
/// it. A shutdown function may register another one. `destroy` (may be NULL) is called with the userdata when the request
/// has ended, whether the function ran or was skipped; if registering fails, the userdata stays the caller's.
///
/// OUTLIVE_ERROR_ARGUMENT: function is NULL. OUTLIVE_ERROR_STAGE: too late.
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_register_shutdown_function(
    request: *mut outlive_request,
    function: outlive_shutdown_function,
    userdata: *mut c_void,
    destroy: outlive_destroy_function,
) -> c_int {
    // SAFETY: the header's contract.
    unsafe {
        with(request, |handle| {
            let Some(call) = function else { return Code::Argument.number() };
            match handle.register(Function { call, userdata, destroy }) {
                Ok(code) => code.number(),
                Err((code, function)) => {
                    std::mem::forget(function); // its userdata stays the caller's
                    code.number()
                }
            }
        })
    }
}

/// Changes the label of the request: NUL-terminated, copied, cut to 96 bytes; NULL: none. For hosts that know more once the
/// input has been read.
///
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_set_label(request: *mut outlive_request, label: *const c_char) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| number(handle.set_label(optional(label)))) }
}

/// 1: the forced stage has come; 0: it has not. Within a hold this is the only way to see it.
///
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_is_forced(request: *const outlive_request) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| handle.is_forced().map_or_else(Code::number, c_int::from)) }
}

/// Begins a section in which no stop is delivered; nestable. Events still happen in it, and clocks go on; only the stop
/// waits for the last outlive_request_release.
///
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_hold(request: *mut outlive_request) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| number(handle.hold())) }
}

/// Ends the section. The last release is a safe point: OUTLIVE_STOP if a stop waited.
///
/// OUTLIVE_ERROR_STAGE: nothing was held.
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_release(request: *mut outlive_request) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| number(handle.release())) }
}

/// For event loops: the calling thread stops working on the request. CPU time is not charged until outlive_request_resume.
/// Takes about half a microsecond.
///
/// OUTLIVE_ERROR_STAGE: it is suspended already.
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_suspend(request: *mut outlive_request) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| number(handle.suspend())) }
}

/// For event loops: the calling thread goes on with a suspended request; its CPU time is charged from now on.
///
/// OUTLIVE_ERROR_STAGE: it is not suspended.
/// Thread safety: any one thread. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_resume(request: *mut outlive_request) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| number(handle.resume())) }
}

/// As fastcgi_finish_request(): sends the buffered output and completes the response; the work goes on. Later output is
/// dropped (outlive.after_finish = discard) or counts as an abort, as in PHP-FPM (abort). A safe point.
///
/// OUTLIVE_OK: done; the host closes the response now. OUTLIVE_ALREADY: it was complete before. OUTLIVE_STOP: the request
/// should end now instead.
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_finish(request: *mut outlive_request) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| number(handle.finish())) }
}

/// The present value of a directive in this request, as ini_get() gives it. *value lives until the next change of a
/// directive in this request, or its end.
///
/// OUTLIVE_ERROR_NOT_FOUND: no such directive.
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_ini_get(
    request: *const outlive_request,
    name: *const c_char,
    len: usize,
    value: *mut outlive_str,
) -> c_int {
    // SAFETY: the header's contract.
    unsafe {
        with(request, |handle| match bytes(name, len) {
            Ok(name) if !value.is_null() => match handle.ini_get(name, outlive_str::of_terminated) {
                Ok(text) => {
                    *value = text;
                    Code::Ok.number()
                }
                Err(code) => code.number(),
            },
            _ => Code::Argument.number(),
        })
    }
}

/// As ini_set(). `previous` (may be NULL) gets the value before, which lives until the next change of a directive in this
/// request, or its end.
///
/// OUTLIVE_ERROR_NOT_FOUND: no such directive. OUTLIVE_ERROR_LOCKED: an admin layer has locked it.
/// OUTLIVE_ERROR_ACCESS: a running program may not change it. OUTLIVE_ERROR_VALUE: it does not take this value.
/// OUTLIVE_ERROR_STAGE: too late to have an effect (outlive.shutdown_time, once shutdown functions run).
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_ini_set(
    request: *mut outlive_request,
    name: *const c_char,
    len: usize,
    value: *const c_char,
    value_len: usize,
    previous: *mut outlive_str,
) -> c_int {
    // SAFETY: the header's contract.
    unsafe {
        with(request, |handle| {
            let (Ok(name), Ok(value)) = (bytes(name, len), bytes(value, value_len)) else {
                return Code::Argument.number();
            };
            let mut before = None;
            let answer = handle.ini_set(name, value, |text| before = Some(outlive_str::of_terminated(text)));
            if let (Some(before), false) = (before, previous.is_null()) {
                *previous = before;
            }
            number(answer)
        })
    }
}

/// As ini_restore(): sets the value that the directive had at start-up. Does nothing where a program may not change it.
///
/// OUTLIVE_ERROR_NOT_FOUND: no such directive. OUTLIVE_ERROR_STAGE: as for outlive_request_ini_set.
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_ini_restore(
    request: *mut outlive_request,
    name: *const c_char,
    len: usize,
) -> c_int {
    // SAFETY: the header's contract.
    unsafe {
        with(request, |handle| match bytes(name, len) {
            Ok(name) => number(handle.ini_restore(name)),
            Err(code) => code.number(),
        })
    }
}
