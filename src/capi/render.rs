//! The state of an engine or a scoreboard, as text.

use super::engine::outlive_engine;
use super::error::{outlive_error, report, report_code};
use super::host::outlive_write_function;
use super::scoreboard::path_of;
use super::settings::outlive_settings;
use super::text::optional;
use super::{guard, guard_with};
use crate::engine::render::{self, Extra, What};
use crate::error::{Code, Result};
use crate::request::Ending;
use std::ffi::{c_char, c_int, c_void};

/// Numbers for Prometheus, in its text format.
pub const OUTLIVE_RENDER_METRICS: c_int = 0;
/// Numbers and requests as one JSON document, as outlive status --json has them.
pub const OUTLIVE_RENDER_JSON: c_int = 1;
/// An HTML page for people. It needs no other file, and reloads its content by itself.
pub const OUTLIVE_RENDER_PAGE: c_int = 2;
/// The page's table alone, for use in another page.
pub const OUTLIVE_RENDER_TABLE: c_int = 3;

/// A host's additions to a page or a document. OUTLIVE_RENDER_OPTIONS_INIT sets the size, and the rest to NULL. May grow at its
/// end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct outlive_render_options {
    /// sizeof(outlive_render_options)
    pub size: usize,
    /// Whose requests these are, such as the server's name. NUL-terminated. NULL: none.
    pub title: *const c_char,
    /// Notes to show with them, in plain text, one per line. NUL-terminated. NULL: none.
    pub notes: *const c_char,
}

/// Renders the state of all processes of the engine's scoreboard, or of this engine alone if it has none. `what` is OUTLIVE_RENDER_METRICS,
/// _JSON, _PAGE or _TABLE; `options` may be NULL. `write` gets the whole text in one piece, as the last step; it may call anything but
/// outlive_engine_free. The series and members are the same for every host.
///
/// OUTLIVE_ERROR_ARGUMENT: an argument is NULL, or `what` is unknown. OUTLIVE_ERROR_IO: the scoreboard cannot be read
/// any more. OUTLIVE_ERROR_INTERRUPTED: `write` failed.
/// Thread safety: any thread. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_engine_render(
    engine: *const outlive_engine,
    what: c_int,
    options: *const outlive_render_options,
    write: outlive_write_function,
    userdata: *mut c_void,
    error: *mut outlive_error,
) -> c_int {
    guard_with(error, || {
        // SAFETY: the caller's pointers: NULL, or what the header says.
        unsafe {
            let Some(engine) = engine.as_ref() else {
                return report_code(error, Code::Argument, "outlive_engine_render: engine is NULL");
            };
            if engine.engine.is_forked() {
                return report_code(error, Code::Forked, "");
            }
            put(what, options, write, userdata, error, |what, extra| engine.engine.render(what, extra))
        }
    })
}

/// As outlive_engine_render, of the scoreboard with this path.
///
/// OUTLIVE_ERROR_ARGUMENT, OUTLIVE_ERROR_INTERRUPTED: as there. Other errors as outlive_scoreboard_read.
/// Thread safety: any thread. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_scoreboard_render(
    path: *const c_char,
    len: usize,
    what: c_int,
    options: *const outlive_render_options,
    write: outlive_write_function,
    userdata: *mut c_void,
    error: *mut outlive_error,
) -> c_int {
    guard_with(error, || {
        // SAFETY: the caller's pointers: NULL, or what the header says.
        unsafe {
            let Ok(path) = path_of(path, len) else {
                return report_code(error, Code::Argument, "outlive_scoreboard_render: the path is NULL");
            };
            put(what, options, write, userdata, error, |what, extra| render::of_file(path, what, extra))
        }
    })
}

/// The Content-Type of a format, NUL-terminated; the text is static. NULL: `what` is unknown.
///
/// Thread safety: any thread. Fork safety: yes. Signal safety: yes.
#[unsafe(no_mangle)]
pub extern "C" fn outlive_render_content_type(what: c_int) -> *const c_char {
    what_of(what).map_or(std::ptr::null(), |what| what.content_type().as_ptr())
}

fn what_of(number: c_int) -> Option<What> {
    Some(match number {
        OUTLIVE_RENDER_METRICS => What::Metrics,
        OUTLIVE_RENDER_JSON => What::Json,
        OUTLIVE_RENDER_PAGE => What::Page,
        OUTLIVE_RENDER_TABLE => What::Table,
        _ => return None,
    })
}

/// Counts a request that needed no supervision, such as a small file that was sent at once, so that the numbers cover all requests.
/// Cheaper than begin and end; the request is shown nowhere else. `milliseconds` is how long it took.
///
/// OUTLIVE_ERROR_ARGUMENT: the engine is NULL, or there is no such ending, or `milliseconds` is negative.
/// Thread safety: any thread. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_engine_count(engine: *mut outlive_engine, ending: c_int, milliseconds: i64) -> c_int {
    guard(|| {
        // SAFETY: NULL or an engine.
        let Some(engine) = (unsafe { engine.as_ref() }) else { return Code::Argument.number() };
        match (Ending::from_number(ending), u64::try_from(milliseconds)) {
            (Some(ending), Ok(ms)) => super::number(engine.engine.count(ending, ms)),
            _ => Code::Argument.number(),
        }
    })
}

/// Publishes which policy the host follows (outlive_settings_fingerprint, shown as `outlive_policy_info`), so that hosts and
/// processes can be compared. Usually called once, with the settings of the whole server, and again after a reload.
///
/// OUTLIVE_ERROR_ARGUMENT: an argument is NULL.
/// Thread safety: any thread. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_engine_set_policy(
    engine: *mut outlive_engine,
    settings: *const outlive_settings,
) -> c_int {
    guard(|| {
        // SAFETY: NULL, or what the header says.
        let (Some(engine), Some(settings)) =
            (unsafe { engine.as_ref() }, unsafe { outlive_settings::borrow(settings) })
        else {
            return Code::Argument.number();
        };
        if engine.engine.is_forked() {
            return Code::Forked.number();
        }
        engine.engine.set_policy(&settings);
        Code::Ok.number()
    })
}

/// One number for the policy of settings: a hash over the directives that outlive acts on and that differ from their defaults or are
/// locked. Paths are left out, and the spelling of a value does not matter. 0: settings is NULL.
///
/// Thread safety: any thread. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_settings_fingerprint(settings: *const outlive_settings) -> u64 {
    let mut number = 0;
    guard(|| {
        // SAFETY: NULL, or settings.
        if let Some(settings) = unsafe { outlive_settings::borrow(settings) } {
            number = settings.fingerprint();
        }
        Code::Ok.number()
    });
    number
}

/// # Safety
/// The caller's pointers: NULL, or what the header says.
unsafe fn put(
    what: c_int,
    options: *const outlive_render_options,
    write: outlive_write_function,
    userdata: *mut c_void,
    error: *mut outlive_error,
    make: impl FnOnce(What, Extra<'_>) -> Result<String>,
) -> c_int {
    let Some(what) = what_of(what) else {
        // SAFETY: passed on.
        return unsafe { report_code(error, Code::Argument, "there is nothing of that number to render") };
    };
    let default = outlive_render_options { size: 0, title: std::ptr::null(), notes: std::ptr::null() };
    // SAFETY: passed on; texts are NULL or NUL-terminated, and live through the call.
    unsafe {
        let options = if options.is_null() { Some(default) } else { super::sized_struct(options.cast(), default) };
        let (Some(options), Some(write)) = (options, write) else {
            let text = "write is NULL, or outlive_render_options has a wrong size; use OUTLIVE_RENDER_OPTIONS_INIT";
            return report_code(error, Code::Argument, text);
        };
        let extra = Extra { title: optional(options.title), notes: optional(options.notes), scoreboard: None };
        match make(what, extra) {
            Ok(text) if write(userdata, text.as_ptr().cast(), text.len()) == 0 => Code::Ok.number(),
            Ok(_) => report_code(error, Code::Interrupted, ""),
            Err(failure) => report(error, &failure),
        }
    }
}
