//! The scoreboard: one shared file with the requests in flight of many processes, and the unfinished requests of
//! processes that died.
//!
//! The engines of a host's worker processes map one file and keep a row in it for each request; `outlive status` and
//! `outlive_scoreboard_read` read it. Only metadata: label, method, times, stage, process. It outlives every process, `kill -9`
//! included: a row that a dead process had begun and not ended is *unfinished*.
//!
//! **The file** (`layout.rs`) has room for `outlive.scoreboard_rows` requests at once in all processes together. It is sparse: 185 KiB, 4
//! KiB for each process, and 5 KiB for each 16 requests that a process ever had at once. Where there is no room (all rows in use, or the
//! disk full), a request is not shown but counted; it runs as any other. Put it on a memory file system, such as /run or /dev/shm, never on
//! a network one: processes share its memory. A file of another layout is renamed to PATH.layoutN and a new one is made; processes that use
//! the old one keep it. A reader decodes its own layout alone: `outlive status` names such a file ([`put_aside`]), and the outlive that made it
//! reads it. This is the first layout that is released.
//!
//! **Blocks.** A process claims blocks of 16 rows, each with one compare-and-swap of the owner's word (`process.rs`: number
//! and starting time in one), and keeps them until its engine ends. Where none is left, blocks of dead processes are taken
//! over: empty ones first, then those of the process that died before the last boot, then of the one that started first;
//! what was unfinished there is forgotten. `clear` frees them all. A process that is killed in the middle of a claim leaves
//! a block that shows it, and that any process may take.
//!
//! **Pages** (`page.rs`) have the counters of a process. They are inherited, never emptied: the sum over all pages does not fall when a
//! process dies, and kill -9 loses only what was counted within the last quarter of a second. While a process has requests, its page also
//! holds its heartbeat, which shows a process that hangs; and the lock of a page tells a dead process in another PID namespace from a
//! living one.
//!
//! **Detached requests** that count under `outlive.max_detached_total` stand in a gauge of each engine's page. The sum is over the gauges
//! of living processes, so a killed process leaks nothing. A process counts under a lock on the file (which the kernel releases when its
//! holder dies), so the number reaches the cap and never exceeds it.
//!
//! **Rows** (`row.rs`) are sequence-locked. Begin and end show at once, with a few stores and no system call; so do stage, hold,
//! early finish, a client that went, and a new label. The engine's thread brings bytes written, time limit and thread up to date
//! every quarter of a second; if an engine has used more than 65,536 rows, it updates so many each time, in turns. It reads the cancel words
//! only when a number in the process's page has changed.
//!
//! **Who may use it.** Made with mode 0600; whoever can read it can read the labels. Writers (`opening.rs`) accept a regular file with one
//! name that only their own user may write, or a file of root's that one group may write, and follow no symbolic link that other users
//! could have set: whoever can truncate the file ends, by SIGBUS, every process that has it mapped. A process that will give up its rights
//! makes it with [`prepare`], or opens it and hands the descriptor on. Readers do not map it and check everything in it. Whoever may write
//! it may cancel requests ([`cancel`]): the writers of a file trust each other.
//!
//! **Fork.** A child inherits its parent's mapping and never writes to it; its own engine has its own rows. Several
//! engines in one process, or several copies of this library, work independently.

mod change;
mod layout;
mod opening;
mod page;
mod process;
mod reader;
mod row;
mod table;
mod totals;
mod writer;

pub use change::{Which, cancel, clear, parse_id};
pub use layout::{DEFAULT_ROWS, MOST_ROWS};
pub use reader::{ScoreboardRow, Snapshot, State, put_aside, read, totals};
pub use totals::{Totals, Unresponsive};
pub use writer::prepare;

use super::flag_word::Seen;
use super::numbers::{Gauges, Numbers};
use super::slot::{Host, Slot, state};
use super::sys;
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::request::Ending;
use once_cell::race::OnceBox;
use row::{CPU_LEFT, First, NO_LIMIT, RowWriter};
use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use writer::Writer;

/// Milliseconds to wait for other processes that are counting.
const PATIENCE: u64 = 1_000;
/// Milliseconds between two refreshments.
const REFRESH: u64 = 250;
/// The same without a file: the counts in slots have to be gathered from time to time.
const IDLE: u64 = 10_000;
/// Rows that one refreshment updates at most, so that a million cost no more than these.
const AT_ONCE: u32 = 1 << 16;

/// Where a detached request counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// In the file.
    InBoard,
    /// In this engine alone: there is no file, or no room in it.
    InEngine,
    /// Nowhere: the cap is reached.
    Refused,
}

/// An engine's scoreboard, if it has one.
#[derive(Default)]
pub(super) struct Board {
    writer: OnceBox<Result<Writer>>,
    /// Detached requests that count in no scoreboard.
    detached: AtomicU64,
    /// The fingerprint of the policy that the host follows; 0: unknown.
    policy: AtomicU64,
    /// Since when this process has been waiting to count; 0: it is not waiting.
    kept_since: AtomicU64,
    refreshed: AtomicU64,
    /// The first row of the next refreshment.
    next: AtomicU32,
}

impl Board {
    /// Opens the file that the host named.
    pub fn open(&self, path: &Path, rows: u32) -> Result<()> {
        // No other thread has the engine yet.
        let _ = self.writer.set(Box::new(Ok(Writer::open(path, rows)?)));
        Ok(())
    }

    /// Takes the file that the host has opened.
    pub fn take(&self, descriptor: i32, rows: u32) -> Result<()> {
        let _ = self.writer.set(Box::new(Ok(Writer::take(descriptor, rows)?)));
        Ok(())
    }

    /// Opens the file that the settings name, if none was named before. An error is kept for [`Board::state`].
    #[inline]
    pub fn open_once(&self, settings: &Settings) {
        self.writer.get_or_init(|| {
            let path = settings.get(b"outlive.scoreboard").unwrap_or_default();
            let rows = settings.policy().scoreboard_rows;
            let writer = Writer::open(Path::new(OsStr::from_bytes(path)), rows);
            if let Ok(writer) = &writer {
                writer.set_policy(self.policy.load(Relaxed));
            }
            Box::new(writer)
        });
    }

    /// Publishes the policy that the host follows.
    pub fn set_policy(&self, fingerprint: u64) {
        self.policy.store(fingerprint, Relaxed);
        if let Some(writer) = self.writer() {
            writer.set_policy(fingerprint);
        }
    }

    /// See [`Board::set_policy`].
    pub fn policy(&self) -> u64 {
        self.policy.load(Relaxed)
    }

    /// Called by the engine's thread: counts one more detached request, if fewer than `most` are detached in all living
    /// processes. `None`: another process is counting; try again.
    pub fn count_detached(&self, most: u32, now: u64) -> Option<Counted> {
        let here = self.detached.load(Relaxed);
        let Some(writer) = self.writer() else {
            return Some(self.count_here(here < u64::from(most)));
        };
        let turn = writer.take_turn();
        if turn.is_none() {
            let since = match self.kept_since.load(Relaxed) {
                0 => now.max(1),
                since => since,
            };
            self.kept_since.store(since, Relaxed);
            // A process that is suspended while it holds the lock must not block others for ever; in that case the cap may be
            // exceeded by one.
            if now < since + PATIENCE {
                return None;
            }
        }
        self.kept_since.store(0, Relaxed);
        let has_room = writer.detached(u64::from(most).saturating_sub(here)) + here < u64::from(most);
        if has_room && writer.count_detached(1) { Some(Counted::InBoard) } else { Some(self.count_here(has_room)) }
    }

    fn count_here(&self, has_room: bool) -> Counted {
        if !has_room {
            return Counted::Refused;
        }
        self.detached.fetch_add(1, Relaxed);
        Counted::InEngine
    }

    /// Uncounts a detached request that has ended.
    pub fn uncount_detached(&self, counted: Counted) {
        match counted {
            Counted::InBoard => {
                self.writer().map(|writer| writer.count_detached(-1));
            }
            Counted::InEngine => {
                self.detached.fetch_sub(1, Relaxed);
            }
            Counted::Refused => {}
        }
    }

    /// Whether there is one; the error if it could not be used.
    pub fn state(&self) -> Result<bool> {
        match self.writer.get() {
            None => Ok(false),
            Some(Ok(_)) => Ok(true),
            Some(Err(error)) => Err(Error::clone(error)),
        }
    }

    #[inline]
    fn writer(&self) -> Option<&Writer> {
        self.writer.get().and_then(|writer| writer.as_ref().ok())
    }

    /// How many requests of this engine found no room in the file.
    pub fn not_shown(&self) -> u64 {
        self.writer().map_or(0, Writer::not_shown)
    }

    /// A slot's row, if it has one and this process may write it.
    #[inline]
    fn row<H: Host>(&self, slot: &Slot<H>) -> Option<RowWriter<'_>> {
        let row = self.writer()?.row(slot.index())?;
        (!slot.shared().fork.is_child()).then_some(row)
    }

    /// A request has begun.
    #[inline]
    pub fn began<H: Host>(&self, slot: &Slot<H>) {
        if let Some(writer) = self.writer() {
            began(writer, slot);
        }
    }

    /// The owner's published state has changed.
    #[inline]
    pub fn changed<H: Host>(&self, slot: &Slot<H>) {
        if let Some(row) = self.row(slot) {
            row.set_state(state_of(slot));
        }
    }

    /// Its limit counts on another clock; published at once, because the time left was published for the old one.
    pub fn clock_changed<H: Host>(&self, slot: &Slot<H>) {
        if let Some(row) = self.row(slot) {
            let left = left(slot, slot.shared().now(), &mut |clock| sys::thread_cpu_ns(clock).unwrap_or(0));
            row.refresh(slot.timing().started.seconds(), slot.terms.thread(), left, slot.written.load(Relaxed));
        }
    }

    /// Its client has gone.
    #[inline]
    pub fn gone<H: Host>(&self, slot: &Slot<H>, generation: u64) {
        if let Some(row) = self.row(slot) {
            row.set_gone(slot.gone_at.load(Relaxed), || slot.word.load().generation() == generation);
        }
    }

    /// It has another label.
    pub fn relabelled<H: Host>(&self, slot: &Slot<H>) {
        if let Some(row) = self.row(slot) {
            row.set_label(&slot.shown().label);
        }
    }

    /// It has ended.
    #[inline]
    pub fn ended<H: Host>(&self, slot: &Slot<H>) {
        if let Some(row) = self.row(slot) {
            row.end();
        }
    }

    /// Whether the engine's thread should gather and bring the file up to date now.
    pub fn is_due(&self, now: u64) -> bool {
        let period = if self.writer().is_some() { REFRESH } else { IDLE };
        let is_due = now >= self.refreshed.load(Relaxed) + period;
        if is_due {
            self.refreshed.store(now, Relaxed);
        }
        is_due
    }

    /// Called by the engine's thread: the slots whose rows to update now, of `used` slots, and whether a request may have been asked to be
    /// cancelled since the last call.
    pub fn turn(&self, used: u32) -> (Range<u32>, bool) {
        let Some(writer) = self.writer() else { return (0..0, false) };
        let first = self.next.load(Relaxed);
        let first = if first < used { first } else { 0 };
        self.next.store(first + AT_ONCE, Relaxed);
        (first..first + AT_ONCE, writer.is_asked())
    }

    /// Called by the engine's thread: updates the columns that are not written at each change. `cpu_ns` reads a thread's CPU clock.
    pub fn refresh<H: Host>(&self, slot: &Slot<H>, word: Seen, now: u64, cpu_ns: &mut dyn FnMut(i32) -> u64) {
        let Some(row) = self.writer().and_then(|writer| writer.row(slot.index())) else { return };
        let left = left(slot, now, cpu_ns);
        let generation = word.generation();
        if slot.word.load().generation() != generation {
            return;
        }
        row.refresh(slot.timing().started.seconds(), slot.terms.thread(), left, slot.written.load(Relaxed));
        if word.is_gone() {
            row.set_gone(slot.gone_at.load(Relaxed), || slot.word.load().generation() == generation);
        }
    }

    /// Whether the request that `word` is about was asked to be cancelled.
    pub fn is_cancelled<H: Host>(&self, slot: &Slot<H>, word: Seen) -> bool {
        let Some(row) = self.writer().and_then(|writer| writer.row(slot.index())) else { return false };
        row.is_cancelled() && slot.word.load().generation() == word.generation()
    }

    /// Counts a request that has ended, at once. False: there is no file.
    #[inline]
    pub fn count(&self, ending: Ending, ms: u64) -> bool {
        self.writer().map(|writer| writer.count(ending, ms)).is_some()
    }

    /// Writes the engine's counters into the file.
    pub fn publish(&self, numbers: &Numbers, gauges: Gauges, now: u64) {
        if let Some(writer) = self.writer() {
            writer.publish(numbers, gauges, now);
        }
    }

    /// When [`Board::is_due`] says so next; `None`: there is no file, and nobody waits for it.
    pub fn next_refresh(&self) -> Option<u64> {
        self.writer().map(|_| self.refreshed.load(Relaxed) + REFRESH)
    }

    /// How long the engine's thread may sleep when no deadline is armed; without a request in flight, without limit.
    pub fn pause(&self, is_live: bool) -> Option<Duration> {
        self.writer()?;
        is_live.then_some(Duration::from_millis(REFRESH))
    }

    /// The file as others see it; `None`: there is none.
    pub fn read(&self) -> Option<Result<Snapshot>> {
        self.writer().map(Writer::read)
    }

    /// The counts of all processes in it.
    pub fn totals(&self) -> Option<Result<Totals>> {
        self.writer().map(Writer::totals)
    }

    /// The engine ends: gives its rows back, except those of requests that are still in flight.
    pub fn close(&self) {
        if let Some(writer) = self.writer() {
            writer.release();
        }
    }
}

#[inline(never)] // most engines have no scoreboard
fn began<H: Host>(writer: &Writer, slot: &Slot<H>) {
    let began = slot.began.load(Relaxed);
    let Some(row) = writer.row_or_claim(slot.index(), began) else { return writer.count_not_shown() };
    let limit = slot.timing().started.seconds();
    let whole = u64::from(limit) * 1_000;
    let state = slot.state.load(Relaxed);
    // Without the bit, the stored value is an earlier request's.
    let shown = (state & (state::METHOD | state::LABELLED) != 0).then(|| slot.shown());
    let first = First {
        began,
        limit,
        thread: slot.terms.thread(),
        left: match limit {
            0 => NO_LIMIT,
            _ if state & state::CPU != 0 => whole | CPU_LEFT,
            _ => began + whole,
        },
        state: state_of(slot),
        method: shown.filter(|_| state & state::METHOD != 0).map_or(0, |shown| shown.method.load(Relaxed)),
        label: shown.filter(|_| state & state::LABELLED != 0).map_or(&[], |shown| &shown.label),
        key: &[],
    };
    if state & state::KEYED == 0 {
        row.begin(&first);
    } else {
        begin_with_key(row, slot, first);
    }
    slot.shared().wake_by(began + REFRESH);
}

#[cold]
#[inline(never)]
fn begin_with_key<H: Host>(row: RowWriter<'_>, slot: &Slot<H>, first: First<'_>) {
    row.begin(&First { key: &slot.annex().key(), ..first });
}

/// The rest of the limit, as a row shows it.
fn left<H: Host>(slot: &Slot<H>, now: u64, cpu_ns: &mut dyn FnMut(i32) -> u64) -> u64 {
    match slot.time_left(now, cpu_ns) {
        None => NO_LIMIT,
        Some(left) if slot.state.load(Relaxed) & state::CPU != 0 => left | CPU_LEFT,
        Some(left) => now + left,
    }
}

fn state_of<H: Host>(slot: &Slot<H>) -> u64 {
    let state = slot.state.load(Relaxed);
    let bit = |ours: u32, theirs: u64| if state & ours != 0 { theirs } else { 0 };
    u64::from(state & state::STAGE)
        | bit(state::HELD, row::state::HELD)
        | bit(state::FINISHED, row::state::FINISHED)
        | bit(state::IGNORES, row::state::IGNORES)
        | bit(state::WATCHED, row::state::WATCHED)
        | bit(state::ACCEPTED, row::state::ACCEPTED)
        | bit(state::RESUMED, row::state::RESUMED)
        | u64::from((state & state::STATUS) >> state::STATUS_SHIFT) << row::state::STATUS_SHIFT
}

/// Whether a journal has accepted it.
pub(super) fn is_accepted<H: Host>(slot: &Slot<H>) -> bool {
    slot.state.load(Relaxed) & state::ACCEPTED != 0
}
