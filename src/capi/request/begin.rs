//! The beginning of a request, and its options.

use super::super::engine::outlive_engine;
use super::super::error::{outlive_error, report_code};
use super::super::host::{
    CHost, Callbacks, outlive_ended_function, outlive_flush_function, outlive_notice_function, outlive_write_function,
};
use super::super::settings::outlive_settings;
use super::super::text::{bytes, optional};
use super::super::{guard_with, sized_struct};
use super::{outlive_request, pointer};
use crate::config::Settings;
use crate::engine::{Handle, Options};
use crate::error::Code;
use std::ffi::{c_char, c_int, c_void};
use std::slice;
use std::sync::Arc;

/// The options of a request. OUTLIVE_REQUEST_OPTIONS_INIT sets the size, socket to -1, and the rest to 0.
/// May grow at its end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct outlive_request_options {
    /// sizeof(outlive_request_options)
    pub size: usize,
    /// A label for people, shown in the live table, cut to 96 bytes. NUL-terminated, or with its length in label_len; copied; may be NULL.
    pub label: *const c_char,
    /// "GET" …; NUL-terminated, or with its length in method_len; copied; NULL: unknown. HEAD: no output reaches the write function.
    pub method: *const c_char,
    /// A connected socket to watch if outlive.detect = watch, or -1. It stays the host's, which keeps it open until the request's
    /// end. Several requests may have the same socket, such as the streams of an HTTP/2 connection: each is told when the client
    /// goes.
    pub socket: c_int,
    /// Not 0: begins in the input stage; outlive_request_run ends that. A host that gives up on half-read input calls
    /// outlive_request_exit with OUTLIVE_ENDING_ABORTED, since a client that has gone may be ignored.
    pub reading_input: c_int,
    /// Writes the response's body; NULL: output is dropped and never fails. It is not called for the body of a HEAD
    /// request, and buffering may delay it to the end: the host sends its status line and headers itself, before the first
    /// body byte.
    pub write: outlive_write_function,
    /// Sends what the host buffers; NULL: the host buffers nothing, and a flush never fails.
    pub flush: outlive_flush_function,
    /// Called when a stop is due at the next safe point; may be NULL. If the engine has stop queues, neither this nor on_forced
    /// is called.
    pub on_stop: outlive_notice_function,
    /// Called at the forced stage: hard_timeout seconds after the limit without a safe point, or at the end of a drain; may be
    /// NULL. Its argument is the cause (OUTLIVE_ENDING_TIME_LIMIT, _SHUTDOWN); the request's ending is then _FORCED, unless
    /// another one came first.
    pub on_forced: outlive_notice_function,
    /// Passed to all of these callbacks. Stays the host's.
    pub userdata: *mut c_void,
    /// Called once by outlive_request_end, on its thread, after everything else and before the request leaves the live table and the
    /// scoreboard; a drain waits until it returns. May be NULL.
    pub on_ended: outlive_ended_function,
    /// The key by which equal submissions are recognised. It is shown in rows. The host defines its meaning and scope
    /// (principal, method and path beside the client's own key). Any bytes, copied. NULL: none.
    pub key: *const c_void,
    /// Length of key in bytes, or OUTLIVE_NTS. A key of more than 64 bytes is replaced by its SHA-256 in hexadecimal digits.
    pub key_len: usize,
    /// Not 0: it resumes a submission that was accepted before, without a client. It is accepted (outlive_request_set_accepted) and begins
    /// as if outlive_request_finish had been called: output is dropped, its connection status stays 0, its client never goes, and no cap on
    /// detached requests counts it. Limits, cancelling and a drain hold. The socket is not watched.
    pub resumed: c_int,
    /// The engine's stop queue that reports its stops, from 0.
    pub stop_queue: u32,
    /// Length of label in bytes, for one without a NUL at its end; 0: it has one.
    pub label_len: usize,
    /// The same of method.
    pub method_len: usize,
}

impl outlive_request_options {
    /// Whether the options have only what every host may set.
    #[inline]
    fn is_plain(&self) -> bool {
        self.on_ended.is_none() && self.key_len == 0 && self.resumed | self.stop_queue as c_int == 0
    }
}

/// Begins a request on the calling thread, with the settings in force for it. The settings stay the caller's; the request
/// keeps its own reference, and its slot in the engine keeps that until a request with other settings begins there.
/// `options` may be NULL: no output, no watching.
///
/// OUTLIVE_ERROR_ARGUMENT: NULL, or an invalid options size or length, or no such stop queue. OUTLIVE_ERROR_FULL: the
/// engine holds its maximum of requests. OUTLIVE_ERROR_DRAINING: it takes no new ones. OUTLIVE_ERROR_SYSTEM: no thread
/// could be made. Cost: tens of nanoseconds, no system call (but for a watched socket).
/// Thread safety: any thread. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_request_begin(
    engine: *mut outlive_engine,
    settings: *const outlive_settings,
    options: *const outlive_request_options,
    out: *mut *mut outlive_request,
    error: *mut outlive_error,
) -> c_int {
    guard_with(error, || {
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
                        "outlive_request_options: size is wrong (use OUTLIVE_REQUEST_OPTIONS_INIT), a key, label or method with a length is NULL or impossibly long, or the engine has no such stop queue"
                    }
                    _ => "",
                };
                // SAFETY: NULL or the caller's record.
                unsafe { report_code(error, code, message) }
            }
        }
    })
}

/// A text that has a length, or a NUL at its end where that is 0.
///
/// # Safety
/// As for [`bytes`], or as for [`optional`] where the length is 0.
#[inline(always)]
unsafe fn text<'a>(ptr: *const c_char, len: usize) -> Result<&'a [u8], Code> {
    if !ptr.is_null() && len as isize > 0 {
        // SAFETY: passed on.
        return Ok(unsafe { slice::from_raw_parts(ptr.cast(), len) });
    }
    // SAFETY: passed on.
    unsafe { if len == 0 { Ok(optional(ptr)) } else { bytes(ptr, len) } }
}

/// # Safety
/// The texts in `options` are NULL, or as their lengths say.
#[inline(always)] // once for plain options as they are today, once for all others
unsafe fn begin<'e, const PLAIN: bool>(
    engine: &'e outlive_engine,
    settings: &Arc<Settings>,
    options: &outlive_request_options,
) -> Result<Handle<'e, CHost>, Code> {
    // SAFETY: passed on; the options live until the call returns.
    let (label, method, callbacks) = unsafe {
        (text(options.label, options.label_len)?, text(options.method, options.method_len)?, Callbacks::of(options))
    };
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
        label_len: 0,
        method_len: 0,
    };
    // SAFETY: passed on.
    if options.is_null() { Some(default) } else { unsafe { sized_struct(options.cast(), default) } }
}
