//! The beginning of a request, and what a host says with it.

use super::super::engine::outlive_engine;
use super::super::error::{outlive_error, report_code};
use super::super::host::{
    CHost, Callbacks, outlive_ended_function, outlive_flush_function, outlive_notice_function, outlive_write_function,
};
use super::super::settings::outlive_settings;
use super::super::text::{bytes, optional};
use super::super::{guard, sized_struct};
use super::{outlive_request, pointer};
use crate::config::Settings;
use crate::engine::{Handle, Options};
use crate::error::Code;
use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;

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
