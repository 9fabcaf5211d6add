//! `outlive_scoreboard`

use super::engine::{outlive_engine, outlive_request_row, row_for_c};
use super::error::{outlive_error, report, report_code};
use super::guard_with;
use super::text::bytes;
use crate::engine::scoreboard::{self, ScoreboardRow, Which};
use crate::error::Code;
use std::ffi::{OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// One request in a scoreboard. `size` and `request.size` say how far the two structs go.
#[repr(C)]
pub struct outlive_scoreboard_row {
    /// Bytes that the library wrote.
    pub size: usize,
    /// The process that works on it.
    pub process: i64,
    /// Not 0: that process has died before the request ended. Its times go on counting.
    pub unfinished: c_int,
    /// When it began, milliseconds since 1970.
    pub began_unix_ms: u64,
    /// Not 0: that process is unresponsive: it lives, as far as can be seen, and has given no sign of life for five seconds.
    pub unresponsive: c_int,
    /// The row of the file; together with `count` the ID of this request, ROW.COUNT, as long as the file exists.
    pub row: u32,
    /// Which request of that row it is.
    pub count: u64,
    /// The same columns as in the process's own live table.
    pub request: outlive_request_row,
}

/// Sees one row; the row and its texts live until it returns. Returns 0 to see the next one, anything else to end the visit.
/// May call anything. Must not throw or longjmp.
pub type outlive_scoreboard_visitor =
    Option<unsafe extern "C" fn(userdata: *mut c_void, row: *const outlive_scoreboard_row) -> c_int>;

/// Visits the requests in a scoreboard: those in flight in every process that publishes there, and those that were
/// unfinished when their process died (`unfinished`). Each row is consistent; rows are of slightly different moments, and a
/// request that begins or ends meanwhile may be missing. The whole file is read before the first visit; its content is
/// checked, and it is neither changed nor locked. A file that is empty has no rows.
///
/// OUTLIVE_ERROR_IO: it cannot be read, or is no scoreboard, or was damaged or cut off. OUTLIVE_ERROR_UNSUPPORTED: another
/// version or machine wrote it. OUTLIVE_ERROR_INTERRUPTED: the visitor asked for no more.
/// Thread safety: any thread. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_scoreboard_read(
    path: *const c_char,
    len: usize,
    visit: outlive_scoreboard_visitor,
    userdata: *mut c_void,
    error: *mut outlive_error,
) -> c_int {
    guard_with(error, || {
        // SAFETY: the caller's pointers: NULL, or what the header says.
        unsafe {
            let (Ok(path), Some(visit)) = (path_of(path, len), visit) else {
                return report_code(error, Code::Argument, "outlive_scoreboard_read: an argument is NULL");
            };
            let snapshot = match scoreboard::read(path) {
                Ok(snapshot) => snapshot,
                Err(failure) => return report(error, &failure),
            };
            for mut row in snapshot.rows {
                if visit(userdata, &scoreboard_row(&mut row)) != 0 {
                    return report_code(error, Code::Interrupted, "");
                }
            }
            Code::Ok.number()
        }
    })
}

/// Clears the unfinished requests of dead processes from a scoreboard; those of living processes stay. *cleared (may be
/// NULL) gets their number. Needs the right to write the file.
///
/// Errors as outlive_scoreboard_read.
/// Thread safety: any thread, while any process uses it. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_scoreboard_clear(
    path: *const c_char,
    len: usize,
    cleared: *mut usize,
    error: *mut outlive_error,
) -> c_int {
    guard_with(error, || {
        // SAFETY: the caller's pointers: NULL, or what the header says.
        unsafe {
            let Ok(path) = path_of(path, len) else {
                return report_code(error, Code::Argument, "outlive_scoreboard_clear: the path is NULL");
            };
            answer_cleared(scoreboard::clear(path, Which::All), cleared, error)
        }
    })
}

/// As outlive_scoreboard_clear, but only the requests that were begun with this key.
///
/// OUTLIVE_ERROR_ARGUMENT: the path or the key is NULL. Other errors as outlive_scoreboard_read.
/// Thread safety: any thread, while any process uses it. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_scoreboard_clear_key(
    path: *const c_char,
    len: usize,
    key: *const c_char,
    key_len: usize,
    cleared: *mut usize,
    error: *mut outlive_error,
) -> c_int {
    guard_with(error, || {
        // SAFETY: the caller's pointers: NULL, or what the header says.
        unsafe {
            let (Ok(path), false) = (path_of(path, len), key.is_null()) else {
                return report_code(error, Code::Argument, "outlive_scoreboard_clear_key: an argument is NULL");
            };
            let Ok(key) = bytes(key, key_len) else {
                return report_code(error, Code::Argument, "outlive_scoreboard_clear_key: no key is as long as that");
            };
            answer_cleared(scoreboard::clear(path, Which::Key(key)), cleared, error)
        }
    })
}

/// As outlive_scoreboard_clear, but only the requests of the dead process with this number.
///
/// Errors as outlive_scoreboard_read.
/// Thread safety: any thread, while any process uses it. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_scoreboard_clear_process(
    path: *const c_char,
    len: usize,
    process: i64,
    cleared: *mut usize,
    error: *mut outlive_error,
) -> c_int {
    guard_with(error, || {
        // SAFETY: the caller's pointers: NULL, or what the header says.
        unsafe {
            let Ok(path) = path_of(path, len) else {
                return report_code(error, Code::Argument, "outlive_scoreboard_clear_process: the path is NULL");
            };
            let Ok(process) = u32::try_from(process) else {
                return report_code(
                    error,
                    Code::Argument,
                    "outlive_scoreboard_clear_process: no process has that number",
                );
            };
            answer_cleared(scoreboard::clear(path, Which::Process(process)), cleared, error)
        }
    })
}

/// # Safety
/// `cleared` is NULL or valid; `error` too.
unsafe fn answer_cleared(answer: crate::error::Result<usize>, cleared: *mut usize, error: *mut outlive_error) -> c_int {
    // SAFETY: passed on.
    unsafe {
        match answer {
            Ok(count) => {
                if !cleared.is_null() {
                    *cleared = count;
                }
                Code::Ok.number()
            }
            Err(failure) => report(error, &failure),
        }
    }
}

/// Cancels a request of any process that publishes in the scoreboard, by its row and count: as outlive_request_cancel, within a quarter of
/// a second; never another request. Needs the right to write the file.
///
/// OUTLIVE_ERROR_NOT_FOUND: the request is over, or its process has died, or there never was one. Other errors as
/// outlive_scoreboard_read. OUTLIVE_OK: the process will be told; ending the request is up to that process.
/// Thread safety: any thread, while any process uses it. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_scoreboard_cancel(
    path: *const c_char,
    len: usize,
    row: u32,
    count: u64,
    error: *mut outlive_error,
) -> c_int {
    guard_with(error, || {
        // SAFETY: the caller's pointers: NULL, or what the header says.
        unsafe {
            let Ok(path) = path_of(path, len) else {
                return report_code(error, Code::Argument, "outlive_scoreboard_cancel: the path is NULL");
            };
            match scoreboard::cancel(path, row, count) {
                Ok(true) => Code::Ok.number(),
                Ok(false) => report_code(error, Code::NotFound, "that request is over, or its process has died"),
                Err(failure) => report(error, &failure),
            }
        }
    })
}

/// Makes the file of a scoreboard for processes that will run as `user` and `group`, if there is none, and gives it to them: for a process
/// that will give up its rights, or whose children do. An existing file is checked and never changed: it has to be a scoreboard or empty,
/// owned by `user` (or by root, if `group` may write it), with one name, and not writable by others.
///
/// OUTLIVE_ERROR_ARGUMENT: the path is NULL. OUTLIVE_ERROR_IO: it cannot be made, or is something else; or a symbolic link on the way is
/// one that other users could have set. OUTLIVE_ERROR_UNSUPPORTED: another version or machine wrote it.
/// Thread safety: any thread. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_scoreboard_prepare(
    path: *const c_char,
    len: usize,
    user: u32,
    group: u32,
    error: *mut outlive_error,
) -> c_int {
    guard_with(error, || {
        // SAFETY: the caller's pointers: NULL, or what the header says.
        unsafe {
            let Ok(path) = path_of(path, len) else {
                return report_code(error, Code::Argument, "outlive_scoreboard_prepare: the path is NULL");
            };
            match scoreboard::prepare(path, user, group) {
                Ok(()) => Code::Ok.number(),
                Err(failure) => report(error, &failure),
            }
        }
    })
}

/// Whether the engine publishes its requests in a scoreboard. The file that outlive.scoreboard names is opened once, by the
/// first request with such settings; if that fails, requests run as without a scoreboard, and this function gives the
/// reason.
///
/// OUTLIVE_OK: it publishes. OUTLIVE_ERROR_NOT_FOUND: no scoreboard is named, or no request has named one so far.
/// OUTLIVE_ERROR_IO: the file cannot be opened or made, is not a regular file with one name, is writable by other users
/// (root's file for a group is allowed), is reached by a symbolic link that other users could have set, or is no
/// scoreboard. OUTLIVE_ERROR_UNSUPPORTED: another version or machine wrote it.
/// Thread safety: any thread. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_engine_scoreboard(engine: *const outlive_engine, error: *mut outlive_error) -> c_int {
    guard_with(error, || {
        // SAFETY: the caller's pointers: NULL, or what the header says.
        unsafe {
            let Some(engine) = engine.as_ref() else {
                return report_code(error, Code::Argument, "outlive_engine_scoreboard: engine is NULL");
            };
            if engine.engine.is_forked() {
                return report_code(error, Code::Forked, "");
            }
            match engine.engine.scoreboard() {
                Ok(true) => Code::Ok.number(),
                Ok(false) => report_code(error, Code::NotFound, "no scoreboard is set"),
                Err(failure) => report(error, &failure),
            }
        }
    })
}

/// # Safety
/// As for [`bytes`].
pub(super) unsafe fn path_of<'a>(path: *const c_char, len: usize) -> Result<&'a Path, Code> {
    if path.is_null() {
        return Err(Code::Argument);
    }
    // SAFETY: passed on.
    unsafe { bytes(path, len) }.map(|path| Path::new(OsStr::from_bytes(path)))
}

fn scoreboard_row(row: &mut ScoreboardRow) -> outlive_scoreboard_row {
    row.request.label.push(0);
    row.request.method.push(0);
    row.request.key.push(0);
    outlive_scoreboard_row {
        size: size_of::<outlive_scoreboard_row>(),
        process: row.process.into(),
        unfinished: row.unfinished.into(),
        began_unix_ms: row.began_unix_ms,
        request: row_for_c(&row.request),
        unresponsive: row.unresponsive.into(),
        row: row.row,
        count: row.count,
    }
}
