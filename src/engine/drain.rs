//! The drain of an engine: no new requests, time for those in flight, then they are told to stop, then they are forced.

use super::shared::{DRAINING, Shared};
use super::slot::{Host, Slot};
use super::slot_table::Table;
use super::{Answer, Engine, ticker};
use crate::error::Code;
use crate::request::{Ending, Events};
use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};
use std::time::{Duration, Instant};

/// Milliseconds that requests which were told to stop may take to their next safe point before a drain forces them.
const GRACE: u64 = 2_000;
/// How often a blocking drain checks.
const LOOK: Duration = Duration::from_millis(5);
/// No deadline.
const NEVER: u64 = u64::MAX;

/// It waits for requests, or for its deadline.
const WAITS: u32 = 0;
/// Requests were told to stop.
const TOLD: u32 = 1;
/// Requests were forced.
const FORCED: u32 = 2;
/// There are none left.
const DONE: u32 = 3;

/// The progress of a drain. Only the engine's thread writes it, except for the deadline.
#[derive(Debug)]
pub struct Drain {
    /// When requests are told to stop.
    deadline: AtomicU64,
    /// When they are forced.
    force_at: AtomicU64,
    step: AtomicU32,
}

impl Default for Drain {
    fn default() -> Self {
        Self { deadline: AtomicU64::new(NEVER), force_at: AtomicU64::new(NEVER), step: AtomicU32::new(WAITS) }
    }
}

impl Drain {
    /// When requests will be told to stop; `None`: they were, or will not be.
    pub fn deadline(&self) -> Option<u64> {
        let deadline = self.deadline.load(Relaxed);
        (deadline != NEVER && self.step.load(Relaxed) == WAITS).then_some(deadline)
    }
}

/// Called by the engine's thread: does what is due of a drain. Returns whether more will be due.
pub fn step<H: Host>(shared: &Shared, table: &Table<H>, now: u64) -> bool {
    let (drain, at) = (&shared.drain, shared.drain.step.load(Relaxed));
    if shared.door() & DRAINING == 0 || at == DONE {
        return false;
    }
    if is_empty(table) {
        if let Some(queues) = &shared.queues {
            queues.push_drained();
        }
        drain.step.store(DONE, Release);
        return false;
    }
    if at == WAITS && now >= drain.deadline.load(Relaxed) {
        for (slot, generation) in live(table) {
            slot.flags().raise(generation, Events::DRAIN.0.into(), 0);
            slot.look_at(0);
        }
        drain.force_at.store(now + GRACE, Relaxed);
        drain.step.store(TOLD, Release);
    } else if at == TOLD && now >= drain.force_at.load(Relaxed) {
        for (slot, generation) in live(table) {
            ticker::force(slot, generation, Ending::Shutdown);
        }
        drain.step.store(FORCED, Release);
    }
    true
}

/// Whether no request is in flight and every end has returned.
fn is_empty<H: Host>(table: &Table<H>) -> bool {
    is_idle(table) && table.is_all_free()
}

/// Whether no request is in flight; an end may still be in its last steps.
pub fn is_idle<H: Host>(table: &Table<H>) -> bool {
    table.used().all(|slot| !slot.word.load().is_live())
}

/// The requests in flight. An action for one that has ended meanwhile has no effect, because of its generation.
fn live<H: Host>(table: &Table<H>) -> impl Iterator<Item = (&Slot<H>, u64)> {
    let words = table.used().map(|slot| (slot, slot.word.load()));
    words.filter(|(_, word)| word.is_live()).map(|(slot, word)| (slot, word.generation()))
}

impl<H: Host> Engine<H> {
    /// Takes no new requests, and returns at once. Those in flight after so many milliseconds, detached ones included, are told to stop
    /// with ending SHUTDOWN, and forced two seconds later; `None`: they have unlimited time. If it is called again, the earlier deadline
    /// holds. With stop queues, the first queue reports the end of the drain.
    pub fn begin_drain(&self, milliseconds: Option<u64>) -> Answer {
        if self.shared.fork.is_child() {
            return Err(Code::Forked);
        }
        self.shared.set_door(DRAINING);
        self.shared.barrier.heavy();
        if let Some(time) = milliseconds {
            self.shared.drain.deadline.fetch_min(super::sys::now_ms().saturating_add(time).min(NEVER - 1), SeqCst);
        }
        if self.shared.queues.is_some() {
            self.start_thread()?;
        }
        self.shared.wake();
        Ok(Code::Ok)
    }

    /// Whether no request is in flight, and every end has returned or no longer needs the engine.
    pub fn is_drained(&self) -> Result<bool, Code> {
        if self.shared.fork.is_child() { Err(Code::Forked) } else { Ok(is_empty(&self.table)) }
    }

    /// As [`Engine::begin_drain`], and waits until the drain is complete. `Err(Timeout)`: something still runs after the force. `Busy`:
    /// called from a callback on the engine's own thread, which the drain needs.
    pub fn drain(&self, time: Duration) -> Answer {
        if self.shared.is_own_thread() {
            return Err(Code::Busy);
        }
        self.begin_drain(if time == Duration::MAX { None } else { u64::try_from(time.as_millis()).ok() })?;
        let until = Instant::now().checked_add(time);
        loop {
            let has_forced = self.shared.drain.step.load(Acquire) == FORCED;
            if is_empty(&self.table) {
                return Ok(Code::Ok);
            }
            if let Some(rounds) = &self.shared.rounds {
                rounds.look_around(&self.shared, &self.table);
            }
            std::thread::sleep(LOOK);
            if has_forced && until.is_some_and(|until| Instant::now() >= until) {
                return if is_empty(&self.table) { Ok(Code::Ok) } else { Err(Code::Timeout) };
            }
        }
    }
}
