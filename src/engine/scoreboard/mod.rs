//! The scoreboard: requests in flight of many processes in one shared file, and what a process that died has left.
//!
//! The engines of a host's worker processes map one file and keep a row in it for each request; `outlive status` and
//! `outlive_scoreboard_read` read it. Only metadata: label, method, times, stage, process. It outlives every process, `kill -9`
//! included: a row that a dead process had begun and not ended is *unfinished*.
//!
//! **The file** (`layout.rs`) has room for `outlive.scoreboard_rows` requests at once in all processes together. It is sparse: 185 KiB, 4 KiB
//! for each process, and 5 KiB for each 16 requests that a process ever had at once. Where there is no room (all rows in use, or the disk full),
//! a request is not shown but counted; it runs as any other. The place for it is a memory file system, such as
//! /run or /dev/shm, and never a network one: what counts is memory that processes share. A file of another layout is put aside as
//! PATH.layoutN, and a new one made; who uses it keeps it.
//!
//! **Blocks.** A process claims blocks of 16 rows, each with one compare-and-swap of the owner's word (`process.rs`: number
//! and starting time in one), and keeps them until its engine ends. Where none is left, blocks of dead processes are taken
//! over: empty ones first, then those of the process that died before the last boot, then of the one that started
//! first; what was unfinished there is forgotten. `clear` frees them all. A process that is killed in the middle of a
//! claim leaves a block that says so, and that anybody may take.
//!
//! **Pages** (`page.rs`) have the counters of a process. They are inherited, never emptied: a sum over all pages does not fall, whoever dies,
//! and kill -9 loses what was counted within the last quarter of a second. There, too, its heart beats while it has requests, so that one that
//! hangs is seen; and the lock of a page tells a dead process in another PID namespace from a living one.
//!
//! **Detached requests** that count under `outlive.max_detached_total` stand in a gauge of each engine's page. The sum is over the
//! gauges of living processes, so one that was killed leaks nothing; who counts takes a turn (a lock on the file, which the kernel takes back
//! from the dead), so that there are never more than the cap and never fewer than could be.
//!
//! **Rows** (`row.rs`) are sequence-locked. Begin and end show at once, with a few stores and no system call; so do stage, hold,
//! early finish, a client that went, and a new label. The engine's thread brings bytes written, time limit and thread up to date
//! every quarter of a second.
//!
//! **Who may use it.** Made with mode 0600; whoever can read it can read the labels. Writers (`opening.rs`) take a regular file with one
//! name that is their user's own and nobody else's to write, or root's with a group that may write it, and go by no symbolic link that
//! others could have set: whoever can cut it off ends, by SIGBUS, every process that has it mapped. A process that will give up its
//! rights makes it with [`prepare`], or opens it and hands the descriptor on. Readers do not map it and believe nothing in it. Whoever may write
//! it may cancel requests ([`cancel`]): writers of one file trust each other.
//!
//! **Fork.** A child has a mapping of its parent's, and never writes to it; its own engine has rows of its own. Several
//! engines in one process, or several copies of this library, do not know of each other and need not.

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
use super::slot::{Host, Slot, facts};
use super::sys;
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::request::Ending;
use once_cell::race::OnceBox;
use row::{CPU_LEFT, First, NO_LIMIT, RowWriter};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use writer::Writer;

/// Milliseconds that other processes' counting is waited for.
const PATIENCE: u64 = 1_000;
/// Milliseconds between two refreshments.
const REFRESH: u64 = 250;
/// And where there is no file: counts in slots have to be gathered now and then.
const IDLE: u64 = 10_000;

/// Where a detached request counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// In the file.
    InBoard,
    /// In this engine alone: there is no file, or no room in it.
    InEngine,
    /// Nowhere: there are as many as there may be.
    Refused,
}

/// An engine's scoreboard, or that it has none.
#[derive(Default)]
pub(super) struct Board {
    writer: OnceBox<Result<Writer>>,
    /// Detached requests that count in no scoreboard.
    detached: AtomicU64,
    /// The fingerprint of the policy that the host follows; 0: unknown.
    policy: AtomicU64,
    /// Since when other processes have kept this one from counting; 0: they do not.
    kept_since: AtomicU64,
    refreshed: AtomicU64,
}

impl Board {
    /// Opens the file that the host named.
    pub fn open(&self, path: &Path, rows: u32) -> Result<()> {
        // Nobody else has the engine yet.
        let _ = self.writer.set(Box::new(Ok(Writer::open(path, rows)?)));
        Ok(())
    }

    /// Takes the file that the host has opened.
    pub fn take(&self, descriptor: i32, rows: u32) -> Result<()> {
        let _ = self.writer.set(Box::new(Ok(Writer::take(descriptor, rows)?)));
        Ok(())
    }

    /// Opens the file that the settings name, if none was named before. What is wrong with it is kept for [`Board::state`].
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

    /// Which policy the host follows, for all to see.
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

    /// The engine's thread: one more detached request, if fewer than `most` are detached in all living processes. `None`: another
    /// process is counting just now; ask again.
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
            // A process that is stopped in its turn keeps nobody for ever; then two may be let in where there is room for one.
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

    /// A request that counted has ended.
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

    /// A slot's row, if it has one and is ours to write.
    #[inline]
    fn row<H: Host>(&self, slot: &Slot<H>) -> Option<RowWriter<'_>> {
        let row = self.writer()?.row(slot.index)?;
        (!slot.shared.fork.is_child()).then_some(row)
    }

    /// A request has begun.
    #[inline]
    pub fn began<H: Host>(&self, slot: &Slot<H>) {
        if let Some(writer) = self.writer() {
            began(writer, slot);
        }
    }

    /// What the owner publishes has changed.
    #[inline]
    pub fn changed<H: Host>(&self, slot: &Slot<H>) {
        if let Some(row) = self.row(slot) {
            row.set_facts(facts_of(slot));
        }
    }

    /// Its limit counts on another clock; said at once, because what is left was said on the old one.
    pub fn clock_changed<H: Host>(&self, slot: &Slot<H>) {
        if let Some(row) = self.row(slot) {
            let left = left(slot, slot.shared.now(), &mut |clock| sys::thread_cpu_ns(clock).unwrap_or(0));
            row.refresh(slot.timing.seconds(), slot.timing.thread(), left, slot.written.load(Relaxed));
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
            row.set_label(&slot.label);
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

    /// The engine's thread: brings up to date what is not worth a store each time. `cpu_ns` reads a thread's CPU clock. True: somebody wants
    /// the request to be cancelled.
    pub fn refresh<H: Host>(&self, slot: &Slot<H>, word: Seen, now: u64, cpu_ns: &mut dyn FnMut(i32) -> u64) -> bool {
        let Some(row) = self.writer().and_then(|writer| writer.row(slot.index)) else { return false };
        let left = left(slot, now, cpu_ns);
        let is_cancelled = row.is_cancelled();
        let generation = word.generation();
        if slot.word.load().generation() != generation {
            return false;
        }
        row.refresh(slot.timing.seconds(), slot.timing.thread(), left, slot.written.load(Relaxed));
        if word.is_gone() {
            row.set_gone(slot.gone_at.load(Relaxed), || slot.word.load().generation() == generation);
        }
        is_cancelled
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

    /// How long the engine's thread may sleep when no deadline is armed: as long as no request is in flight, for ever.
    pub fn pause(&self, is_live: bool) -> Option<Duration> {
        self.writer()?;
        is_live.then_some(Duration::from_millis(REFRESH))
    }

    /// The file as others see it; `None`: there is none.
    pub fn read(&self) -> Option<Result<Snapshot>> {
        self.writer().map(Writer::read)
    }

    /// What all processes have counted in it.
    pub fn totals(&self) -> Option<Result<Totals>> {
        self.writer().map(Writer::totals)
    }

    /// The engine ends: nothing of it is left in the file, but for requests that are still in flight.
    pub fn close(&self) {
        if let Some(writer) = self.writer() {
            writer.release();
        }
    }
}

#[cold]
fn began<H: Host>(writer: &Writer, slot: &Slot<H>) {
    let began = slot.began.load(Relaxed);
    let Some(row) = writer.row_or_claim(slot.index, began) else { return writer.count_not_shown() };
    let limit = slot.timing.seconds();
    let whole = u64::from(limit) * 1_000;
    let facts = slot.facts.load(Relaxed);
    // What was not given is an old request's.
    let none: [AtomicU64; super::slot::LABEL / 8] = Default::default();
    let key = if facts & facts::KEYED != 0 { slot.annex().key() } else { Vec::new() };
    row.begin(&First {
        began,
        limit,
        thread: slot.timing.thread(),
        left: match limit {
            0 => NO_LIMIT,
            _ if facts & facts::CPU != 0 => whole | CPU_LEFT,
            _ => began + whole,
        },
        facts: facts_of(slot),
        method: if facts & facts::METHOD != 0 { slot.method.load(Relaxed) } else { 0 },
        label: if facts & facts::LABELLED != 0 { &slot.label } else { &none },
        key: &key,
    });
    slot.shared.wake_if_asleep();
}

/// The rest of the limit, as a row shows it.
fn left<H: Host>(slot: &Slot<H>, now: u64, cpu_ns: &mut dyn FnMut(i32) -> u64) -> u64 {
    match slot.time_left(now, cpu_ns) {
        None => NO_LIMIT,
        Some(left) if slot.facts.load(Relaxed) & facts::CPU != 0 => left | CPU_LEFT,
        Some(left) => now + left,
    }
}

fn facts_of<H: Host>(slot: &Slot<H>) -> u64 {
    let facts = slot.facts.load(Relaxed);
    let bit = |ours: u32, theirs: u64| if facts & ours != 0 { theirs } else { 0 };
    u64::from(facts & facts::STAGE)
        | bit(facts::HELD, row::facts::HELD)
        | bit(facts::FINISHED, row::facts::FINISHED)
        | bit(facts::IGNORES, row::facts::IGNORES)
        | bit(facts::WATCHED, row::facts::WATCHED)
        | bit(facts::ACCEPTED, row::facts::ACCEPTED)
        | bit(facts::RESUMED, row::facts::RESUMED)
        | u64::from((facts & facts::STATUS) >> facts::STATUS_SHIFT) << row::facts::STATUS_SHIFT
}

/// Whether a journal has accepted it.
pub(super) fn is_accepted<H: Host>(slot: &Slot<H>) -> bool {
    slot.facts.load(Relaxed) & facts::ACCEPTED != 0
}
