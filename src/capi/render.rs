//! What can be seen of an engine or a scoreboard, as text.

use super::engine::outlive_engine;
use super::error::{outlive_error, report, report_code};
use super::guard;
use super::host::outlive_write_function;
use super::scoreboard::path_of;
use super::settings::outlive_settings;
use super::text::optional;
use crate::engine::render::{self, Extra, What};
use crate::error::{Code, Result};
use crate::request::Ending;
use std::ffi::{c_char, c_int, c_void};

/// Numbers for Prometheus, in its text format.
pub const OUTLIVE_RENDER_METRICS: c_int = 0;
/// Numbers and requests as one JSON document, as outlive status --json has them.
pub const OUTLIVE_RENDER_JSON: c_int = 1;
/// An HTML page for people, with everything that it needs in it; it reads itself anew.
pub const OUTLIVE_RENDER_PAGE: c_int = 2;
/// The page's table alone, to stand in another page.
pub const OUTLIVE_RENDER_TABLE: c_int = 3;

/// What a host adds to a page or a document. OUTLIVE_RENDER_OPTIONS_INIT sets the size, and the rest to NULL. May grow at its end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct outlive_render_options {
    /// sizeof(outlive_render_options)
    pub size: usize,
    /// Whose requests these are: the server's name, say. NUL-terminated. NULL: none.
    pub title: *const c_char,
    /// What has to be known beside them, in plain text, one note a line. NUL-terminated. NULL: nothing.
    pub notes: *const c_char,
}

/// Writes what can be seen: of all processes of the engine's scoreboard, or of this engine alone, where it has none. `what` is
/// OUTLIVE_RENDER_METRICS, _JSON, _PAGE or _TABLE; `options` may be NULL. `write` gets the whole text, in one piece, behind everything else; it
/// may call anything but outlive_engine_free. The series and members are the same for every host.
///
/// OUTLIVE_ERROR_ARGUMENT: an argument is NULL, or there is nothing of that number. OUTLIVE_ERROR_IO: the scoreboard cannot be read any more.
/// OUTLIVE_ERROR_INTERRUPTED: `write` said that it failed.
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
    guard(|| {
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
    guard(|| {
        // SAFETY: the caller's pointers: NULL, or what the header says.
        unsafe {
            let Ok(path) = path_of(path, len) else {
                return report_code(error, Code::Argument, "outlive_scoreboard_render: the path is NULL");
            };
            put(what, options, write, userdata, error, |what, extra| render::of_file(path, what, extra))
        }
    })
}

/// The Content-Type of what is rendered, NUL-terminated; it lives for ever. NULL: there is nothing of that number.
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

/// Counts a request that was over before there was anything to watch: a small file that was sent at once, say. Cheaper than begin and end;
/// then the numbers are those of all requests, and it is shown nowhere else. `milliseconds` is how long it took.
///
/// OUTLIVE_ERROR_ARGUMENT: the engine is NULL, or there is no such ending, or it took less than no time.
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

/// Says which policy the host follows, so that everybody who looks at the scoreboard can hold hosts and processes against each other:
/// `outlive_policy_info` with what outlive_settings_fingerprint says. Usually once, with the settings of the whole server, and again
/// after a reload.
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

/// One number for the policy that settings make: of the directives that outlive acts on, as far as they differ from their defaults or are
/// locked. Paths are left out, and how a value is written does not count. 0: settings is NULL.
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
