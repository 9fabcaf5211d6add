//! `outlive_request`

use super::constants::{OUTLIVE_ENDING_NONE, OUTLIVE_NO_LIMIT};
use super::engine::outlive_engine;
use super::error::{outlive_error, report_code};
use super::host::{
    CHost, Callbacks, Function, outlive_destroy_function, outlive_ended_function, outlive_flush_function,
    outlive_notice_function, outlive_shutdown_function, outlive_write_function,
};
use super::settings::outlive_settings;
use super::text::{bytes, data, optional, outlive_str};
use super::{guard, number, sized_struct};
use crate::config::Settings;
use crate::engine::{Handle, Options, Slot, TAG_BITS};
use crate::error::Code;
use crate::request::Ending;
use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;

/// One request. Made by outlive_request_begin, gone with outlive_request_end: a later call with the same pointer answers
/// OUTLIVE_ERROR_ENDED, as long as the engine lives and fewer than 256 later requests have used the same place.
///
/// One thread at a time works on a request; which one may change. A call that comes while another has not
/// returned is answered with OUTLIVE_ERROR_BUSY. outlive_request_client_gone, outlive_request_is_gone, outlive_request_cancel,
/// outlive_request_id, outlive_request_userdata and outlive_request_time_left may come from any thread at any time before the end.
pub struct outlive_request {
    _private: [u8; 0],
}

/// What a host says when a request begins. OUTLIVE_REQUEST_OPTIONS_INIT sets the size, socket to -1, and the rest to 0.
/// May grow at its end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct outlive_request_options {
    /// sizeof(outlive_request_options)
    pub size: usize,
    /// For people: shown in the live table, cut to 96 bytes. NUL-terminated, copied; may be NULL.
    pub label: *const c_char,
    /// "GET" …; NUL-terminated, copied; NULL: unknown. HEAD: no output reaches the write function.
    pub method: *const c_char,
    /// A connected socket to watch where outlive.detect says so, or -1. Stays the host's, who keeps it open to the end. Any number of
    /// requests may name the same one, as streams of an HTTP/2 connection do: each hears that its client has gone.
    pub socket: c_int,
    /// Not 0: begins in the input stage; outlive_request_run ends that. A host that gives up on half-read input calls
    /// outlive_request_exit with OUTLIVE_ENDING_ABORTED, since a client that has gone may be ignored.
    pub reading_input: c_int,
    /// Where the response's body goes; NULL: nowhere, and it never fails. A HEAD's body never gets there, and buffering may
    /// hold it back to the end: a host sends its status line and headers itself, before the first body byte.
    pub write: outlive_write_function,
    /// Pushes out what the host holds; NULL: nothing to push, and it never fails.
    pub flush: outlive_flush_function,
    /// A stop is due at the next safe point; may be NULL. Not called where the engine has stop queues, and neither is on_forced.
    pub on_stop: outlive_notice_function,
    /// The forced stage: hard_timeout seconds after the limit without a safe point, or the end of a drain; may be NULL. It is
    /// told the cause (OUTLIVE_ENDING_TIME_LIMIT, _SHUTDOWN); unless another ending came first, the request's is then _FORCED.
    pub on_forced: outlive_notice_function,
    /// Handed to all of them. Stays the host's.
    pub userdata: *mut c_void,
    /// It has ended: called by outlive_request_end on its thread, once, behind everything else, and before the request leaves the live table
    /// and the scoreboard: until it returns, a drain waits. May be NULL.
    pub on_ended: outlive_ended_function,
    /// The key by which equal submissions are recognised. It is shown in rows; its meaning is the host's, who scopes it (by
    /// principal, method and path beside the client's own). Any bytes, copied. NULL: none.
    pub key: *const c_void,
    /// Bytes of key, or OUTLIVE_NTS. At most 64 are kept as they are; of a longer one its SHA-256, in hexadecimal digits.
    pub key_len: usize,
    /// Not 0: it works on what was accepted before, for no client. It is accepted (outlive_request_set_accepted) and begins in the state that
    /// outlive_request_finish leaves: output is dropped, its connection status stays 0, it is never gone, and no cap on detached
    /// requests counts it. Limits, cancelling and a drain hold. The socket is not watched.
    pub resumed: c_int,
    /// Which of the engine's stop queues tells of it, from 0.
    pub stop_queue: u32,
}

impl outlive_request_options {
    /// Nothing that only some hosts ask for.
    #[inline]
    fn is_plain(&self) -> bool {
        self.on_ended.is_none() && self.key_len == 0 && self.resumed | self.stop_queue as c_int == 0
    }
}

// A million requests are half a gigabyte, not one.
const _: () = assert!(size_of::<Slot<CHost>>() == 512);

/// # Safety
/// `request` is NULL or came from outlive_request_begin of an engine that has not been freed.
#[inline]
unsafe fn handle<'e>(request: *const outlive_request) -> Option<Handle<'e, CHost>> {
    let tag = request.addr() as u64 & TAG_BITS;
    let slot = request.map_addr(|address| address & !(TAG_BITS as usize)).cast::<Slot<CHost>>();
    // SAFETY: without its tag it is the address of a slot, which lives as long as its engine.
    unsafe { slot.as_ref() }.map(|slot| Handle { slot, tag })
}

fn pointer(handle: Handle<'_, CHost>) -> *mut outlive_request {
    let slot: *const Slot<CHost> = handle.slot;
    slot.map_addr(|address| address | handle.tag as usize).cast::<outlive_request>().cast_mut()
}

/// Calls with the request's handle, guarded; NULL is OUTLIVE_ERROR_ARGUMENT.
///
/// # Safety
/// As for [`handle`].
unsafe fn with<'e>(request: *const outlive_request, call: impl FnOnce(Handle<'e, CHost>) -> c_int) -> c_int {
    // SAFETY: passed on.
    let Some(handle) = (unsafe { handle(request) }) else { return Code::Argument.number() };
    guard(|| call(handle))
}

/// Begins a request on the calling thread, with the settings in force for it. The settings stay the caller's; the request
/// keeps its own reference, and the place that it had in the engine keeps it until a request with other settings begins
/// there. `options` may be NULL: no output, no watching.
///
/// OUTLIVE_ERROR_ARGUMENT: NULL, or an options size or a key_len that makes no sense, or no such stop queue. OUTLIVE_ERROR_FULL: as many requests are in flight
/// as the engine may hold. OUTLIVE_ERROR_DRAINING: it takes no new ones. OUTLIVE_ERROR_SYSTEM: no thread could be
/// made. Cost: tens of nanoseconds, no system call (but for a watched socket).
/// Thread safety: any thread. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_begin(
    engine: *mut outlive_engine,
    settings: *const outlive_settings,
    options: *const outlive_request_options,
    out: *mut *mut outlive_request,
    error: *mut outlive_error,
) -> c_int {
    guard(|| {
        // SAFETY: NULL, or what the header says.
        let (engine, settings) = unsafe { (engine.as_ref(), outlive_settings::borrow(settings)) };
        let (Some(engine), Some(settings), false) = (engine, settings, out.is_null()) else {
            // SAFETY: NULL or the caller's record.
            return unsafe { report_code(error, Code::Argument, "outlive_request_begin: an argument is NULL") };
        };
        // SAFETY: NULL, or valid for the size that it names, which comes first.
        let is_ours = !options.is_null() && unsafe { (*options).size } == size_of::<outlive_request_options>();
        // SAFETY: it is as large as ours.
        let begun = if is_ours && unsafe { (*options).is_plain() } {
            // SAFETY: as above.
            unsafe { begin::<true>(engine, &settings, &*options) }
        } else {
            // SAFETY: NULL, or valid for the size that it names.
            unsafe { begin_with_other(engine, &settings, options) }
        };
        match begun {
            Ok(handle) => {
                // SAFETY: not NULL, so valid.
                unsafe { *out = pointer(handle) };
                Code::Ok.number()
            }
            Err(code) => {
                let message = match code {
                    Code::Argument => {
                        "outlive_request_options: size is wrong (use OUTLIVE_REQUEST_OPTIONS_INIT), key is NULL or impossibly long, or the engine has no such stop queue"
                    }
                    _ => "",
                };
                // SAFETY: NULL or the caller's record.
                unsafe { report_code(error, code, message) }
            }
        }
    })
}

/// # Safety
/// The texts in `options` are NULL or NUL-terminated.
#[inline(always)] // once for plain options as they are today, once for all others
unsafe fn begin<'e, const PLAIN: bool>(
    engine: &'e outlive_engine,
    settings: &Arc<Settings>,
    options: &outlive_request_options,
) -> Result<Handle<'e, CHost>, Code> {
    // SAFETY: passed on; the options live until the call returns.
    let (label, method, callbacks) =
        unsafe { (optional(options.label), optional(options.method), Callbacks::of(options)) };
    let socket = (options.socket >= 0).then_some(options.socket);
    let key = match options.key_len {
        len if PLAIN || len == 0 => &[],
        // SAFETY: passed on.
        len => unsafe { bytes(options.key.cast(), len) }?,
    };
    let options = Options {
        label,
        method,
        socket,
        reading_input: options.reading_input != 0,
        resumed: !PLAIN && options.resumed != 0,
        stop_queue: if PLAIN { 0 } else { options.stop_queue },
        key,
        on_ended: if PLAIN { None } else { options.on_ended },
        callbacks,
    };
    engine.engine.try_begin(settings, options)
}

/// # Safety
/// `options` is NULL or valid for the size that it names, and as for [`begin`].
#[cold]
#[inline(never)]
unsafe fn begin_with_other<'e>(
    engine: &'e outlive_engine,
    settings: &Arc<Settings>,
    options: *const outlive_request_options,
) -> Result<Handle<'e, CHost>, Code> {
    // SAFETY: passed on.
    unsafe { begin::<false>(engine, settings, &other_options(options).ok_or(Code::Argument)?) }
}

/// Options that are missing, or of another version of the header.
///
/// # Safety
/// `options` is NULL or valid for the size that it names.
unsafe fn other_options(options: *const outlive_request_options) -> Option<outlive_request_options> {
    let default = outlive_request_options {
        size: size_of::<outlive_request_options>(),
        label: std::ptr::null(),
        method: std::ptr::null(),
        socket: -1,
        reading_input: 0,
        write: None,
        flush: None,
        on_stop: None,
        on_forced: None,
        userdata: std::ptr::null_mut(),
        on_ended: None,
        key: std::ptr::null(),
        key_len: 0,
        resumed: 0,
        stop_queue: 0,
    };
    // SAFETY: passed on.
    if options.is_null() { Some(default) } else { unsafe { sized_struct(options.cast(), default) } }
}

/// The input has been read: the running stage begins, and with it max_execution_time.
///
/// OUTLIVE_ERROR_STAGE: it was not in the input stage.
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_run(request: *mut outlive_request) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| number(handle.run())) }
}

/// Output, as echo: through output buffering to the host's write function. A safe point before, and another if the client
/// turns out to have gone. `buf` may be NULL if len is 0. A length, never OUTLIVE_NTS.
///
/// OUTLIVE_ERROR_ARGUMENT: no buffer is as long as that, as after an error that a host took for a length ((size_t)-1).
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

/// PHP's flush(): asks the host's flush function; the machine's own buffer (output_buffering) keeps what it has. A safe
/// point, as outlive_request_write.
///
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_flush(request: *mut outlive_request) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| number(handle.flush())) }
}

/// A safe point: OUTLIVE_OK go on, OUTLIVE_STOP end now. Nanoseconds: no lock, no clock, no system call. Once it has said
/// stop, it says so again until the stage ends.
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

/// Tells that the host saw the client go. Once the response is finished, it does nothing: a client may leave then.
///
/// Thread safety: any thread, at any time before the end. Fork safety: OUTLIVE_ERROR_FORKED in a child.
/// Signal safety: yes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_client_gone(request: *mut outlive_request) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| number(handle.client_gone())) }
}

/// 1: the host, the watcher or an output has noticed that the client has gone; 0: not so far.
///
/// Thread safety: any thread, at any time before the end. Fork safety: OUTLIVE_ERROR_FORKED in a child.
/// Signal safety: yes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_is_gone(request: *const outlive_request) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| handle.is_gone().map_or_else(Code::number, c_int::from)) }
}

/// PHP's connection_status(): OUTLIVE_CONNECTION_NORMAL 0, _ABORTED 1, _TIMEOUT 2, or both (3). Does not look at the
/// socket; only output, the watcher and the host make a client gone.
///
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_connection_status(request: *const outlive_request) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| handle.connection_status().map_or_else(Code::number, c_int::from)) }
}

/// PHP's ignore_user_abort(): 1 on, 0 off, -1 only asks. Returns the setting before, 0 or 1. Where an admin layer has
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
/// OUTLIVE_ERROR_LOCKED: an admin layer set the limit; the running one is untouched. OUTLIVE_ERROR_STAGE: the input is
/// still being read.
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_set_time_limit(request: *mut outlive_request, seconds: i64) -> c_int {
    // SAFETY: the header's contract.
    // Nothing here can panic, so it needs no guard.
    unsafe { handle(request) }.map_or(Code::Argument.number(), |handle| number(handle.set_time_limit(seconds)))
}

/// As outlive_request_set_time_limit, in milliseconds from now. OUTLIVE_NO_LIMIT: none. 0 or less: the limit has passed, and fires at the next
/// tick; so the result of deadline - now can be passed unchecked. outlive_request_ini_get shows full seconds, rounded up.
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

/// Milliseconds until the request may be told to stop, at the earliest: by its time limit, or once its client has gone by
/// outlive.max_detached_time, or by the deadline of a drain. 0: a stop waits (which a hold may keep from being told); before that at least
/// 1, so that an event loop that waits for so long does not spin. OUTLIVE_NO_LIMIT: nothing that is known of will. Negative: an error.
///
/// Where the limit counts CPU time, it does not shrink while the request waits: it is a time-out for others (such as a
/// statement_timeout) only under outlive.clock = wall.
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

/// The request's number, as rows show it: of one engine, never used twice, and not 0. 0: request is NULL, or has ended, or this is a
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

/// Cancels the request: its next safe point says OUTLIVE_STOP, with ending OUTLIVE_ENDING_CANCELLED, whatever ignore_user_abort says and
/// whether it was accepted or not. A hold delays it as any stop; shutdown functions are not cut by it.
///
/// OUTLIVE_ALREADY: it was cancelled before. By pointer only before the end, as outlive_request_client_gone; who cannot know that
/// uses outlive_engine_cancel.
/// Thread safety: any thread, at any time before the end. Fork safety: OUTLIVE_ERROR_FORKED in a child.
/// Signal safety: yes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_cancel(request: *mut outlive_request) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| number(handle.cancel())) }
}

/// Registers a shutdown function. It runs when the request ends, whatever the ending, once, after those registered before;
/// also when one of those registers it. `destroy` (may be NULL) gets the userdata when the request has ended, whether the
/// function ran or was skipped; if registering fails, the userdata stays the caller's.
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

/// Changes what people see of the request: NUL-terminated, copied, cut to 96 bytes; NULL: nothing. For hosts that know more once
/// the input has been read.
///
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_set_label(request: *mut outlive_request, label: *const c_char) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| number(handle.set_label(optional(label)))) }
}

/// 1: the forced stage has come, which a hold does not show otherwise; 0: it has not.
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
/// About half a microsecond.
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

/// As fastcgi_finish_request(): what is buffered goes out, the response is complete, the work goes on. Later output is
/// dropped (outlive.after_finish = discard) or is an abort, as in PHP-FPM (abort). A safe point.
///
/// OUTLIVE_OK: done; the host closes the response now. OUTLIVE_ALREADY: it was complete before. OUTLIVE_STOP: the request
/// should end now instead.
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_finish(request: *mut outlive_request) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| number(handle.finish())) }
}

/// A directive as it is in force in this request now, as ini_get() gives it. *value lives until the next change of a
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

/// As ini_set(). `previous` may be NULL; it is the value before, and lives until the next change of a directive in this
/// request, or its end.
///
/// OUTLIVE_ERROR_NOT_FOUND: no such directive. OUTLIVE_ERROR_LOCKED: an admin layer has locked it. OUTLIVE_ERROR_ACCESS: a
/// running program may not change it. OUTLIVE_ERROR_VALUE: it does not take this value. OUTLIVE_ERROR_STAGE: too late for it to
/// act (outlive.shutdown_time, once shutdown functions run).
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

/// As ini_restore(): the value that the directive had at start-up. Does nothing where a program may not change it.
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

/// The host ends this stage early, as exit(): every safe point says OUTLIVE_STOP from here on; in a shutdown function it
/// ends the pass. `ending` is reported to the shutdown functions, unless another ending came first.
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

/// Says that the submission is kept durably: call it after the commit there, before the work begins. From here on a disconnect does not
/// stop the request, whatever ignore_user_abort or outlive.disconnect say now or later; nor does an earlier disconnect that no safe point
/// has reported yet. Limits, caps, cancelling and a drain hold; stopped by a cap or a drain, its ending is
/// OUTLIVE_ENDING_HANDED_BACK. No safe point.
///
/// OUTLIVE_ALREADY: it was accepted before. OUTLIVE_ERROR_STAGE: shutdown functions run, or are through.
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_set_accepted(request: *mut outlive_request) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(request, |handle| number(handle.set_accepted())) }
}

/// The first part of outlive_request_end: runs the shutdown functions, hands down what is buffered, flushes. The request stays in flight,
/// and outlive_request_end then calls on_ended and frees it: for hosts that wait for something between the two. *ending (may be NULL)
/// is why it ended. Output is refused from here on (OUTLIVE_ERROR_STAGE).
///
/// OUTLIVE_ALREADY: it was shut down before; *ending is written. Errors as outlive_request_end, and as there: after OUTLIVE_ERROR_BUSY call
/// again.
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_shut_down(
    request: *mut outlive_request,
    ending: *mut c_int,
    error: *mut outlive_error,
) -> c_int {
    guard(|| {
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

/// Ends the request: runs the shutdown functions, hands down what is buffered, flushes, frees. The pointer names nothing
/// from here on. The ending is told to the shutdown functions, to on_ended, and by outlive_request_shut_down. After a
/// failure the request is still there.
///
/// OUTLIVE_ERROR_BUSY: another call has not returned, or a callback called. Where shutdown functions had begun by then,
/// call again when the other call has returned: they go on where they were. OUTLIVE_ERROR_STAGE: it is ending already (a
/// shutdown function called). OUTLIVE_ERROR_ENDED: it has ended.
/// Thread safety: the thread that works on it. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_end(request: *mut outlive_request, error: *mut outlive_error) -> c_int {
    guard(|| {
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

/// The request's flag word, for hosts that want a check for a fraction of a nanosecond: read it with a relaxed atomic load;
/// while it is 0, outlive_request_check would say OUTLIVE_OK. OUTLIVE_CHECK does that. NULL if request is NULL. Belongs to
/// the request: not to be read after its end, nor in a forked child.
///
/// Thread safety: any thread. Fork safety: no. Signal safety: yes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_flags(request: *const outlive_request) -> *const u32 {
    // SAFETY: the header's contract.
    unsafe { handle(request) }.map_or(std::ptr::null(), |handle| handle.flags())
}
