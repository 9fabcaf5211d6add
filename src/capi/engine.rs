//! `outlive_engine`

use super::error::{outlive_error, report, report_code};
use super::host::CHost;
use super::text::{optional, outlive_str};
use super::{guard, guard_with, number};
use crate::engine::render::{Extra, What};
use crate::engine::{Engine, EngineOptions, Row, Watching};
use crate::error::Code;
use std::ffi::{OsStr, c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::os::unix::ffi::OsStrExt;
use std::ptr;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Manages many requests at once: their time limits, their watched sockets, the table of requests in flight. One per process
/// is usual. It has one thread of its own, started with its first request and ended by outlive_engine_free (none if it is asked for none); it
/// installs no signal handlers and uses no timers of the process.
///
/// After fork the child cannot use its parent's engine: every call on it, or on its requests, answers
/// OUTLIVE_ERROR_FORKED at once. Prefork servers make an engine in each child.
pub struct outlive_engine {
    pub(super) engine: Engine<CHost>,
}

/// How an engine is made. OUTLIVE_ENGINE_OPTIONS_INIT sets the size, and the rest to 0. May grow at its end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct outlive_engine_options {
    /// sizeof(outlive_engine_options)
    pub size: usize,
    /// How many requests may be in flight at once, at most 4,194,304; 0: 4,194,304.
    pub max_requests: u32,
    /// The scoreboard file in which this engine publishes its requests; made if it does not exist. NUL-terminated, copied.
    /// NULL or empty: the value of outlive.scoreboard in the first settings that have one. See outlive_scoreboard_read.
    pub scoreboard: *const c_char,
    /// Rows of the scoreboard's file, if `scoreboard` or `scoreboard_fd` makes it: how many requests of all processes can be shown at once,
    /// at most 4,194,304. 0: 65,536. An existing file keeps its own number.
    pub scoreboard_rows: u32,
    /// A descriptor of the scoreboard's file, in place of a path; 0 or less: none. For a master process that opens the file before it gives
    /// up its rights, or makes a memory file (memfd_create with MFD_ALLOW_SEALING: it is sealed with F_SEAL_SHRINK, so that nobody can
    /// shorten it while it is in use), and passes the descriptor on. An empty file is made a scoreboard. The descriptor stays the caller's,
    /// and may be closed.
    pub scoreboard_fd: c_int,
    /// How many stop queues the engine has, one for each of the host's event loops, at most 1,024 (outlive_engine_stop_fd,
    /// outlive_engine_next_stop). 0: none; the callbacks on_stop and on_forced report stops, from the engine's thread. With queues, these
    /// callbacks are not called.
    pub stop_queues: u32,
    /// Not 0: the engine has no thread; it looks at limits, caps, sockets and the scoreboard whenever outlive_engine_next_stop is called and no
    /// stop waits. The descriptor of outlive_engine_stop_fd is then readable when there is something to do, by a timer where nothing is due before: wait on
    /// it in any case. For servers whose requests begin, work and end on the thread of one event loop: in a process without a second
    /// thread, system calls and the allocator of the C library are cheaper. A loop that is blocked stops nothing meanwhile. Needs stop_queues =
    /// 1, and Linux (OUTLIVE_ERROR_UNSUPPORTED).
    pub no_thread: c_int,
    /// Where the loop keeps its time, for an engine without a thread: milliseconds of CLOCK_MONOTONIC, no older than what the loop does now. The engine then
    /// reads no clock when a request begins and ends, and the limit that a request begins with counts from it. Aligned to 8 bytes. It stays the
    /// host's, which keeps it for as long as the engine lives. NULL: none.
    pub loop_time: *const u64,
}

/// A stop that a queue reports. OUTLIVE_STOP_INIT sets the size. May grow at its end.
#[repr(C)]
pub struct outlive_stop {
    /// sizeof(outlive_stop)
    pub size: usize,
    /// OUTLIVE_STOP_DUE, _FORCED or _DRAINED.
    pub kind: c_int,
    /// The ending that is due, or the cause of the forced stage: OUTLIVE_ENDING_…; DRAINED: OUTLIVE_ENDING_NONE.
    pub ending: c_int,
    /// The request's, as outlive_request_id; DRAINED: 0.
    pub id: u64,
    /// The request's, as outlive_request_userdata; DRAINED: NULL.
    pub userdata: *mut c_void,
}

/// One request in flight, as outlive_engine_requests shows it. May grow at its end; `size` says how far.
#[repr(C)]
pub struct outlive_request_row {
    /// Bytes that the library wrote.
    pub size: usize,
    /// The host's label, cut to 96 bytes.
    pub label: outlive_str,
    /// The method, cut to 8 bytes; empty: unknown.
    pub method: outlive_str,
    /// Milliseconds since it began.
    pub age_ms: i64,
    /// Milliseconds since the client went; -1: it has not been noticed to be gone.
    pub gone_ms: i64,
    /// One of OUTLIVE_STAGE_INPUT …
    pub stage: c_int,
    /// As outlive_request_connection_status.
    pub connection_status: c_int,
    /// Not 0: a hold is open.
    pub held: c_int,
    /// Not 0: an abort would be ignored now.
    pub ignores_abort: c_int,
    /// Not 0: the response was finished early.
    pub finished: c_int,
    /// Not 0: the socket is watched.
    pub watched: c_int,
    /// The time limit in force, seconds; 0: none.
    pub time_limit: u32,
    /// The thread that works on it, as the kernel numbers it.
    pub thread: u32,
    /// Bytes handed to the host's write function.
    pub written: u64,
    /// Milliseconds left of the time limit (of CPU or elapsed time, whichever the limit counts); -1: no limit.
    pub time_left_ms: i64,
    /// As outlive_request_id; 0 in a scoreboard's rows, since ids are each engine's own.
    pub id: u64,
    /// The key that it was begun with (for a key over 64 bytes, its hash); empty: none. May hold any bytes: escape it before you print it.
    pub key: outlive_str,
    /// Not 0: it was accepted (outlive_request_set_accepted).
    pub accepted: c_int,
    /// Not 0: it was begun as resumed.
    pub resumed: c_int,
}

/// Sees one row; the row and its texts live until it returns. Returns 0 to see the next one, anything else to end the visit.
/// May call anything but outlive_engine_free. Must not throw or longjmp.
pub type outlive_request_visitor =
    Option<unsafe extern "C" fn(userdata: *mut c_void, row: *const outlive_request_row) -> c_int>;

/// Makes an engine. `options` may be NULL. On success *out is the caller's, to be freed with outlive_engine_free.
///
/// OUTLIVE_ERROR_ARGUMENT: out is NULL, or the options are invalid. OUTLIVE_ERROR_SYSTEM: no descriptor or memory.
/// OUTLIVE_ERROR_IO, OUTLIVE_ERROR_UNSUPPORTED: options->scoreboard cannot be used; see outlive_engine_scoreboard. OUTLIVE_ERROR_UNSUPPORTED, too:
/// no_thread where it does not work.
/// Thread safety: any thread. Fork safety: make it after the fork. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_engine_new(
    options: *const outlive_engine_options,
    out: *mut *mut outlive_engine,
    error: *mut outlive_error,
) -> c_int {
    guard_with(error, || {
        // SAFETY: the caller's pointers: NULL, or valid.
        unsafe {
            if out.is_null() {
                return report_code(error, Code::Argument, "outlive_engine_new: out is NULL");
            }
            let options = match engine_options(options) {
                Ok(options) => options,
                Err(message) => return report_code(error, Code::Argument, message),
            };
            match Engine::new(options) {
                Ok(engine) => {
                    *out = Box::into_raw(Box::new(outlive_engine { engine }));
                    Code::Ok.number()
                }
                Err(failure) => report(error, &failure),
            }
        }
    })
}

/// # Safety
/// `options` is NULL or valid for the size that it names.
unsafe fn engine_options(options: *const outlive_engine_options) -> Result<EngineOptions, &'static str> {
    if options.is_null() {
        return Ok(EngineOptions::default());
    }
    let default = outlive_engine_options {
        size: 0,
        max_requests: 0,
        scoreboard: ptr::null(),
        scoreboard_rows: 0,
        scoreboard_fd: 0,
        stop_queues: 0,
        no_thread: 0,
        loop_time: ptr::null(),
    };
    // SAFETY: passed on.
    let options = unsafe { super::sized_struct(options.cast(), default) }
        .ok_or("outlive_engine_options: size is wrong; use OUTLIVE_ENGINE_OPTIONS_INIT")?;
    let mut made = EngineOptions {
        stop_queues: options.stop_queues,
        no_thread: options.no_thread != 0,
        ..EngineOptions::default()
    };
    if !options.loop_time.is_null() {
        // SAFETY: not NULL, so valid for as long as the engine lives, and only read. The loop writes it in one piece.
        made.loop_time = Some(unsafe { AtomicU64::from_ptr(options.loop_time.cast_mut()) });
    }
    if options.max_requests != 0 {
        made.most_requests = options.max_requests;
    }
    // SAFETY: NULL or NUL-terminated.
    let path = unsafe { optional(options.scoreboard) };
    if options.scoreboard_rows != 0 {
        made.scoreboard_rows = options.scoreboard_rows;
    }
    made.scoreboard_fd = (options.scoreboard_fd > 0).then_some(options.scoreboard_fd);
    made.scoreboard = (!path.is_empty()).then(|| OsStr::from_bytes(path).into());
    Ok(made)
}

/// Takes no new requests (outlive_request_begin answers OUTLIVE_ERROR_DRAINING), waits up to `milliseconds` for those in
/// flight, detached ones included, then tells the rest to stop with ending OUTLIVE_ENDING_SHUTDOWN, waits two seconds
/// more, and forces what still runs (on_forced). Negative: waits without limit.
///
/// OUTLIVE_OK: nothing is in flight, and every outlive_request_end has finished. OUTLIVE_ERROR_TIMEOUT: something still
/// runs. OUTLIVE_ERROR_BUSY: the caller is a callback on the engine's own thread. Event loops use
/// outlive_engine_begin_drain, which does not wait.
/// Thread safety: any thread. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_engine_drain(engine: *mut outlive_engine, milliseconds: i64) -> c_int {
    guard(|| {
        // SAFETY: NULL or an engine.
        let Some(engine) = (unsafe { engine.as_ref() }) else { return Code::Argument.number() };
        let time = u64::try_from(milliseconds).map_or(Duration::MAX, Duration::from_millis);
        number(engine.engine.drain(time))
    })
}

/// As outlive_engine_drain, without waiting: takes no new requests and returns at once. Those in flight after so many `milliseconds`,
/// detached ones included, are told to stop with ending OUTLIVE_ENDING_SHUTDOWN (accepted ones: _HANDED_BACK), and forced two seconds
/// later. Negative: they have unlimited time. If it is called again, the earlier deadline holds. Once every request has ended,
/// OUTLIVE_STOP_DRAINED is in queue 0.
///
/// OUTLIVE_ERROR_SYSTEM: no thread could be made.
/// Thread safety: any thread. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_engine_begin_drain(engine: *mut outlive_engine, milliseconds: i64) -> c_int {
    guard(|| {
        // SAFETY: NULL or an engine.
        let Some(engine) = (unsafe { engine.as_ref() }) else { return Code::Argument.number() };
        number(engine.engine.begin_drain(u64::try_from(milliseconds).ok()))
    })
}

/// 1: no request is in flight, and every outlive_request_end has finished; 0: not yet.
///
/// Thread safety: any thread. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_engine_is_drained(engine: *const outlive_engine) -> c_int {
    guard(|| {
        // SAFETY: NULL or an engine.
        let Some(engine) = (unsafe { engine.as_ref() }) else { return Code::Argument.number() };
        engine.engine.is_drained().map_or_else(Code::number, c_int::from)
    })
}

/// A descriptor (on Linux an eventfd, or the epoll descriptor of an engine without a thread) that is readable while the queue is not empty, for epoll, poll, uv_poll … It is the engine's: wait on it, but
/// do not read, write or close it; outlive_engine_next_stop makes it unreadable. It may be readable while the queue is empty, and is always
/// readable while an entry waits. Take it out of the loop before outlive_engine_free, which closes it.
///
/// OUTLIVE_ERROR_ARGUMENT: engine is NULL, or there is no such queue.
/// Thread safety: any thread. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_engine_stop_fd(engine: *const outlive_engine, queue: u32) -> c_int {
    guard(|| {
        // SAFETY: NULL or an engine.
        let Some(engine) = (unsafe { engine.as_ref() }) else { return Code::Argument.number() };
        engine.engine.stop_fd(queue).unwrap_or_else(Code::number)
    })
}

/// The next stop of a queue. Call it until it answers OUTLIVE_ERROR_NOT_FOUND: then the descriptor is unreadable until more comes.
///
/// A request has one entry at a time: FORCED replaces a DUE that was not taken. No DUE is reported once outlive_request_end has begun,
/// because shutdown functions run then, and no FORCED once it has returned. This holds if one thread both takes a queue's stops and ends
/// its requests. Otherwise a request may end after its entry was taken: then use userdata as a key to look up, not as a pointer, and act
/// by id (outlive_engine_cancel). DRAINED comes once, as the last entry of queue 0: every outlive_request_end has finished, and
/// outlive_engine_free is allowed.
///
/// OUTLIVE_ERROR_NOT_FOUND: there is none now. OUTLIVE_ERROR_ARGUMENT: NULL, or no such queue.
/// Thread safety: any thread. Fork safety: OUTLIVE_ERROR_FORKED in a child, where the descriptor is not touched. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_engine_next_stop(
    engine: *mut outlive_engine,
    queue: u32,
    out: *mut outlive_stop,
) -> c_int {
    guard(|| {
        // SAFETY: NULL or an engine.
        let (Some(engine), false) = (unsafe { engine.as_ref() }, out.is_null()) else { return Code::Argument.number() };
        match engine.engine.next_stop(queue, CHost::userdata) {
            Ok(Some((stop, userdata))) => {
                let stop = outlive_stop {
                    size: size_of::<outlive_stop>(),
                    kind: stop.kind as c_int,
                    ending: stop.ending as c_int,
                    id: stop.id,
                    userdata: userdata.unwrap_or(ptr::null_mut()),
                };
                // SAFETY: not NULL, so valid for the struct of any version, which is no smaller than the first.
                unsafe { out.write(stop) };
                Code::Ok.number()
            }
            Ok(None) => Code::NotFound.number(),
            Err(code) => code.number(),
        }
    })
}

/// As outlive_request_cancel, for the request with this id (from outlive_request_id, or from a row). Never cancels another request,
/// however late it is called.
///
/// OUTLIVE_ALREADY: it was cancelled before. OUTLIVE_ERROR_NOT_FOUND: it has ended, or there never was one.
/// Thread safety: any thread. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: yes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_engine_cancel(engine: *mut outlive_engine, id: u64) -> c_int {
    guard(|| {
        // SAFETY: NULL or an engine.
        let Some(engine) = (unsafe { engine.as_ref() }) else { return Code::Argument.number() };
        number(engine.engine.cancel(id))
    })
}

/// Visits the requests in flight, in no particular order. Requests go on meanwhile, so the columns of a row may be of
/// slightly different moments.
///
/// OUTLIVE_ERROR_INTERRUPTED: the visitor asked for no more.
/// Thread safety: any thread. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_engine_requests(
    engine: *const outlive_engine,
    visit: outlive_request_visitor,
    userdata: *mut c_void,
) -> c_int {
    guard(|| {
        // SAFETY: NULL or an engine.
        let (Some(engine), Some(visit)) = (unsafe { engine.as_ref() }, visit) else {
            return Code::Argument.number();
        };
        if engine.engine.is_forked() {
            return Code::Forked.number();
        }
        for mut row in engine.engine.requests() {
            row.label.push(0);
            row.method.push(0);
            row.key.push(0);
            // SAFETY: the host's function with the host's userdata; the row lives through the call.
            if unsafe { visit(userdata, &row_for_c(&row)) } != 0 {
                return Code::Interrupted.number();
            }
        }
        Code::Ok.number()
    })
}

/// Label, method and key have a NUL at their end.
pub(super) fn row_for_c(row: &Row) -> outlive_request_row {
    let text = |text: &[u8]| outlive_str::of_terminated(&text[..text.len() - 1]);
    let milliseconds = |time: u64| i64::try_from(time).unwrap_or(i64::MAX);
    outlive_request_row {
        size: size_of::<outlive_request_row>(),
        label: text(&row.label),
        method: text(&row.method),
        age_ms: milliseconds(row.age_ms),
        gone_ms: row.gone_ms.map_or(-1, milliseconds),
        stage: row.stage as c_int,
        connection_status: row.status.into(),
        held: row.held.into(),
        ignores_abort: row.ignores_abort.into(),
        finished: row.finished.into(),
        watched: (row.watching == Watching::Socket).into(),
        time_limit: row.time_limit,
        thread: row.thread,
        written: row.written,
        time_left_ms: row.time_left_ms.map_or(-1, milliseconds),
        id: row.id,
        key: text(&row.key),
        accepted: row.accepted.into(),
        resumed: row.resumed.into(),
    }
}

/// The same text as outlive_engine_render with OUTLIVE_RENDER_METRICS, for Prometheus: the numbers of all processes of the engine's
/// scoreboard, or of this engine alone. Writes at most `len` bytes to `buf`, NUL included; *needed (may be NULL) is the size of the
/// whole text, NUL included. Call with buf NULL and len 0 to learn the size, and expect that the text may have grown at the next call.
///
/// OUTLIVE_ERROR_TOO_LARGE: it did not fit; the part that fits was written. OUTLIVE_ERROR_ARGUMENT: `len` is
/// impossible. OUTLIVE_ERROR_IO: the scoreboard cannot be read any more.
/// Thread safety: any thread. Fork safety: OUTLIVE_ERROR_FORKED in a child. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_engine_metrics(
    engine: *const outlive_engine,
    buf: *mut c_char,
    len: usize,
    needed: *mut usize,
) -> c_int {
    guard(|| {
        // SAFETY: NULL or an engine.
        let Some(engine) = (unsafe { engine.as_ref() }) else { return Code::Argument.number() };
        if len > isize::MAX as usize || buf.is_null() && len > 0 {
            return Code::Argument.number();
        }
        if engine.engine.is_forked() {
            return Code::Forked.number();
        }
        let text = match engine.engine.render(What::Metrics, Extra::default()) {
            Ok(text) => text,
            Err(failure) => return failure.code.number(),
        };
        let whole = text.len() + 1;
        // SAFETY: the caller's pointers: NULL, or valid for what they are said to be; at most `len` bytes are written.
        unsafe {
            if !needed.is_null() {
                *needed = whole;
            }
            if len > 0 {
                let fits = text.len().min(len - 1);
                ptr::copy_nonoverlapping(text.as_ptr().cast(), buf, fits);
                buf.add(fits).write(0);
            }
        }
        if len == 0 && buf.is_null() || whole <= len { Code::Ok.number() } else { Code::TooLarge.number() }
    })
}

/// Ends the engine's thread and frees the engine; NULL does nothing. Drain it first. The memory of requests in flight
/// stays, so that late calls on them are still answered; their time limits stop running, and a scoreboard shows them
/// until they or the process end.
///
/// Thread safety: no other call on the engine and no outlive_request_end may run meanwhile; after OUTLIVE_STOP_DRAINED, or a drain that
/// returned OUTLIVE_OK, none does. Fork safety: in a child it only frees. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_engine_free(engine: *mut outlive_engine) {
    if engine.is_null() {
        return;
    }
    guard(|| {
        // SAFETY: made by outlive_engine_new and not freed before.
        let mut engine = ManuallyDrop::new(unsafe { Box::from_raw(engine) });
        engine.engine.close();
        if engine.engine.is_idle() {
            // SAFETY: not used again.
            unsafe { ManuallyDrop::drop(&mut engine) };
        }
        Code::Ok.number()
    });
}
