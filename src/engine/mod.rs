//! Clocks, threads and sockets for the machine: time limits, the client watcher, the live table, draining.
//!
//! An [`Engine`] has at most one thread of its own, started when the first request needs it and gone with the engine; one that is asked to
//! have none looks around in its host's loop. It
//! installs no signal handler, uses no timer of the process, and makes no system call per request (but for sockets
//! that are watched, requests that are suspended, the end of a request with `on_stop` while callbacks are made, and once for a lock
//! that a second thread takes).
//!
//! A server implements [`Host`] to receive a request's output and notices. This example writes no output.
//!
//! ```
//! use outlive::Code;
//! use outlive::config::Builder;
//! use outlive::engine::{Engine, EngineOptions, Host, Options};
//! use outlive::files::Disk;
//! use outlive::request::Ending;
//! use std::sync::Arc;
//!
//! #[derive(Default)]
//! struct Silent;
//! impl Host for Silent {
//!     type Callbacks = ();
//!     type Function = &'static str;
//!     type OnEnded = ();
//!     type Notices = ();
//!     fn attach(&self, (): (), _: Option<&()>) {}
//!     fn write(&self, _: &[u8]) -> bool {
//!         true
//!     }
//!     fn flush(&self) -> bool {
//!         true
//!     }
//!     fn wants_notice(_: &Self::Callbacks) -> bool {
//!         false
//!     }
//!     fn on_stop(&self, (): &(), _: Ending) {}
//!     fn on_forced(&self, (): &(), _: Ending) {}
//!     fn ended(&self, (): (), _: Ending) {}
//! }
//!
//! let settings = Builder::new(Arc::new(Disk)).build()?.base();
//! let engine = Engine::<Silent>::new(EngineOptions::default())?;
//! let request = engine.begin(&settings, Options::new(()))?;
//! request.register("unlock table C").unwrap();
//! assert_eq!(request.check(), Ok(Code::Ok));
//! request.client_gone().unwrap(); // from any thread
//! assert_eq!(request.check(), Ok(Code::Stop));
//! let ending = request.end(|function, ending| {
//!     assert_eq!((*function, ending), ("unlock table C", Ending::Aborted));
//!     false
//! });
//! assert_eq!(ending, Ok(Ending::Aborted));
//! # Ok::<(), outlive::Error>(())
//! ```

mod annex;
mod begin;
mod biased_lock;
mod call_guard;
mod callback_gate;
mod clock;
mod deadlines;
mod drain;
mod end;
mod flag_word;
mod free_list;
mod gather;
mod handle;
mod limit;
pub mod numbers;
pub mod render;
mod rounds;
pub mod scoreboard;
mod shared;
mod slot;
mod slot_table;
mod snapshot;
mod stop_queue;
mod stops;
mod sync;
mod sys;
mod threads;
mod ticker;
mod timing;
mod watched;
mod whole_words;

pub use begin::Options;
pub use handle::{Answer, Handle};
pub use slot::{Host, NoClient};
pub use snapshot::{Row, Watching};
pub use stop_queue::{Stop, StopKind};

pub(crate) use flag_word::TAG_BITS;
pub(crate) use handle::QuickLimit;
pub(crate) use slot::Slot;
pub(crate) use slot_table::{LARGEST, REACH};

use crate::config::Settings;
use crate::error::{Code, Error, Result};
use crate::request::Ending;
use rounds::Rounds;
use shared::Shared;
use shared::{DRAINING, OPEN};
use slot_table::Table;
use std::path::PathBuf;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Release, SeqCst},
};
use std::sync::{Arc, Mutex, PoisonError};

/// How an engine is made.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Requests that may be live at once; at most 4,194,304.
    pub most_requests: u32,
    /// How many queues report stops, one for each of the host's event loops, at most 1,024. 0: stops are reported by [`Host::on_stop`]
    /// and [`Host::on_forced`].
    pub stop_queues: u32,
    /// The engine has no thread: it looks around when its host's loop asks for the next stop, and the only queue's descriptor is readable
    /// when there is something to do. For hosts whose requests all live on that loop's thread. Linux only.
    pub no_thread: bool,
    /// Where the host's loop keeps its time, in milliseconds of the system's monotonic clock, for an engine without a thread: it reads this and no clock
    /// of its own.
    pub loop_time: Option<&'static AtomicU64>,
    /// The [scoreboard]; `None`: `outlive.scoreboard` of the first settings that have it.
    pub scoreboard: Option<PathBuf>,
    /// A descriptor of the scoreboard's file, in place of its path; it stays the caller's.
    pub scoreboard_fd: Option<i32>,
    /// Rows of the file, if it is made for `scoreboard` or `scoreboard_fd`; at most [`scoreboard::MOST_ROWS`].
    pub scoreboard_rows: u32,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            most_requests: shared::MOST_REQUESTS,
            stop_queues: 0,
            no_thread: false,
            loop_time: None,
            scoreboard: None,
            scoreboard_fd: None,
            scoreboard_rows: scoreboard::DEFAULT_ROWS,
        }
    }
}

/// Keeps many requests at once. Shared by all threads of a process; not by its forked children.
pub struct Engine<H: Host> {
    shared: Arc<Shared>,
    table: Arc<Table<H>>,
    thread: Mutex<Option<sys::Thread>>,
}

impl<H: Host> Engine<H> {
    /// An engine without requests and without a thread.
    pub fn new(options: EngineOptions) -> Result<Self> {
        if options.most_requests == 0 || options.most_requests > shared::MOST_REQUESTS {
            let most = shared::MOST_REQUESTS;
            let asked = options.most_requests;
            let message = format!("an engine may hold from 1 to {most} requests at once, not {asked}");
            return Err(Error::new(Code::Argument, message));
        }
        if options.stop_queues > stops::MOST_QUEUES {
            let (most, asked) = (stops::MOST_QUEUES, options.stop_queues);
            return Err(Error::new(
                Code::Argument,
                format!("an engine may have up to {most} stop queues, not {asked}"),
            ));
        }
        if options.no_thread && options.stop_queues != 1 {
            let message = "an engine without a thread looks around in one loop: it has one stop queue";
            return Err(Error::new(Code::Argument, message));
        }
        if options.no_thread && !sys::HAS_TIMERS {
            return Err(Error::new(Code::Unsupported, "an engine without a thread needs Linux"));
        }
        let rounds = options.no_thread.then(|| Rounds::new(options.loop_time));
        let shared = Arc::new(Shared::new(options.stop_queues, rounds)?);
        let rows = options.scoreboard_rows;
        if rows == 0 || rows > scoreboard::MOST_ROWS {
            let most = scoreboard::MOST_ROWS;
            let message = format!("a scoreboard may have from 1 to {most} rows, not {rows}");
            return Err(Error::new(Code::Argument, message));
        }
        match (&options.scoreboard, options.scoreboard_fd) {
            (Some(_), Some(_)) => {
                let message = "a scoreboard is named by its path or by a descriptor, not by both";
                return Err(Error::new(Code::Argument, message));
            }
            (Some(path), None) => shared.board.open(path, rows)?,
            (None, Some(descriptor)) => shared.board.take(descriptor, rows)?,
            (None, None) => {}
        }
        let table = Arc::new(Table::new(&shared, options.most_requests));
        Ok(Self { shared, table, thread: Mutex::new(None) })
    }

    /// Begins a request on the calling thread.
    pub fn begin(&self, settings: &Arc<Settings>, options: Options<'_, H>) -> Result<Handle<'_, H>> {
        self.try_begin(settings, options).map_err(|code| Error::new(code, code.text()))
    }

    #[inline(always)] // the C ABI calls it with all that it needs in registers
    pub(crate) fn try_begin(
        &self,
        settings: &Arc<Settings>,
        options: Options<'_, H>,
    ) -> std::result::Result<Handle<'_, H>, Code> {
        if self.shared.fork.is_child() {
            return Err(Code::Forked);
        }
        if self.shared.door() != OPEN {
            self.open_door()?;
        }
        if options.stop_queue != 0 {
            self.has_queue(options.stop_queue)?;
        }
        if settings.policy().has_scoreboard {
            self.shared.board.open_once(settings);
        }
        let handle = begin::begin(self.table.take().ok_or(Code::Full)?, settings, options);
        // Checked again, now that a drain would see the request: one of the two notices the other.
        self.shared.barrier.light();
        if self.shared.door() & DRAINING != 0 {
            handle.forget_on_ended(); // it never was
            let _ = handle.end(|_, _| false);
            return Err(Code::Draining);
        }
        Ok(handle)
    }

    #[cold]
    fn open_door(&self) -> std::result::Result<(), Code> {
        if self.shared.door() & DRAINING != 0 { Err(Code::Draining) } else { self.start_thread() }
    }

    fn start_thread(&self) -> std::result::Result<(), Code> {
        if self.shared.rounds.is_some() {
            self.shared.set_door(OPEN);
            return Ok(());
        }
        let mut thread = sync::lock(&self.thread);
        if thread.is_none() {
            let (shared, table) = (Arc::clone(&self.shared), Arc::clone(&self.table));
            // The first request must not get the time when the engine was made: the thread may not have read the clock yet.
            self.shared.publish_now();
            let spawned = sys::Thread::spawn(move || ticker::run(&shared, &table));
            *thread = Some(spawned.map_err(|_| Code::System)?);
            self.shared.set_door(OPEN);
        }
        Ok(())
    }

    /// Cancels the request with this id; see [`Handle::cancel`]. Never cancels another one: `NotFound` where it has ended.
    pub fn cancel(&self, id: u64) -> Answer {
        if self.shared.fork.is_child() {
            return Err(Code::Forked);
        }
        let index = (id & ((1 << flag_word::SLOT_BITS) - 1)) as u32;
        if index >= self.shared.free.used() {
            return Err(Code::NotFound);
        }
        let slot = self.table.slot(index);
        let word = slot.word.load();
        let is_it = slot.id(word) == Some(id);
        is_it.then(|| handle::cancel(slot, word.generation())).flatten().ok_or(Code::NotFound)
    }

    /// Whether any request is in flight.
    pub fn is_idle(&self) -> bool {
        drain::is_idle(&self.table)
    }

    /// Whether requests are published in a scoreboard; `Err`: the scoreboard that the settings name cannot be used.
    pub fn scoreboard(&self) -> Result<bool> {
        self.shared.board.state()
    }

    /// Whether this is a forked child's view of its parent's engine.
    pub fn is_forked(&self) -> bool {
        self.shared.fork.is_child()
    }
}

impl<H: Host> Engine<H> {
    /// Ends the thread; time limits do not run any more. In a forked child there is none to end.
    pub fn close(&mut self) {
        if self.shared.fork.is_child() {
            // The thread is the parent's: in this process there is none to join or detach.
            std::mem::forget(self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take());
            return;
        }
        self.shared.closing.store(true, SeqCst);
        self.shared.wake();
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // The caller may be a callback on the engine's own thread, which cannot wait for itself.
        if let Some(thread) = thread.filter(|_| !self.shared.is_own_thread()) {
            thread.join();
        }
        self.publish();
        self.shared.board.close();
    }

    /// The counts since the thread's last round.
    fn publish(&self) -> (numbers::Numbers, numbers::Gauges) {
        let (numbers, gauges) = gather::gather(&self.shared, &self.table, |_, _| ());
        self.shared.board.publish(&numbers, gauges, sys::now_ms());
        (numbers, gauges)
    }

    /// Counts a request that needed no supervision, so that the numbers cover all requests. Cheaper than beginning and ending it; it is
    /// shown nowhere else.
    pub fn count(&self, ending: Ending, ms: u64) -> Answer {
        if self.shared.fork.is_child() {
            return Err(Code::Forked);
        }
        // Written directly where others read it: the engine's thread need not run.
        if !self.shared.board.count(ending, ms) {
            gather::count_slow(&self.shared, ms);
            self.shared.counters.endings[ending as usize].fetch_add(1, Release);
        }
        Ok(Code::Ok)
    }

    /// Publishes the policy that the host follows ([`Settings::fingerprint`] of its settings) in the scoreboard.
    pub fn set_policy(&self, settings: &Settings) {
        self.shared.board.set_policy(settings.fingerprint());
    }
}

impl<H: Host> Drop for Engine<H> {
    fn drop(&mut self) {
        self.close();
    }
}
