//! An engine without a thread: its host's loop looks around, in rounds, where the engine's thread would.
//!
//! The loop waits on one descriptor, which is readable when there is something to do: a socket has changed, somebody wakes the engine, or
//! its timer rings. The timer stands at the earliest deadline, so there is nothing to do between two deadlines, however many requests begin
//! and end; while a scoreboard shows requests in flight, one round every quarter of a second brings it up to date.
//!
//! No deadline is lost. Who arms one writes it first, and then sees to it that the timer rings by then. A round takes the time that the
//! timer is set to, then looks at all deadlines, and then sets the timer to the earliest of what is left and of what others have asked for
//! meanwhile. Whoever sets it looks whether an earlier time has come up meanwhile, and then sets that.

use super::deadlines::NEVER;
use super::shared::Shared;
use super::slot::Host;
use super::slot_table::Table;
use super::sys::{self, Poll};
use super::ticker::{Round, TICK};
use std::sync::Mutex;
use std::sync::atomic::{
    AtomicI32, AtomicU64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::time::Duration;

/// See the [module](self).
pub struct Rounds {
    /// When the timer rings.
    next: AtomicU64,
    /// The loop's thread, as [`sys::thread_number`] knows it, and its CPU-time clock: read once.
    thread: AtomicUsize,
    clock: AtomicI32,
    /// Where the loop keeps its time.
    time: Option<&'static AtomicU64>,
    /// Held through a round: one at a time, whichever thread calls.
    round: Mutex<Round>,
}

impl Rounds {
    pub fn new(time: Option<&'static AtomicU64>) -> Self {
        Self {
            time,
            next: AtomicU64::new(NEVER),
            thread: AtomicUsize::new(0),
            clock: AtomicI32::new(0),
            round: Mutex::default(),
        }
    }

    /// The time of the loop.
    #[inline]
    pub fn now(&self) -> u64 {
        self.time.map_or_else(sys::tick_ms, |time| time.load(Relaxed))
    }

    /// There is a round by `due`. Async-signal-safe.
    #[inline]
    pub fn by(&self, due: u64, poll: &Poll) {
        if self.next.load(Relaxed) > due {
            self.move_forward(due, poll);
        }
    }

    #[cold]
    #[inline(never)]
    fn move_forward(&self, due: u64, poll: &Poll) {
        if self.next.fetch_min(due, SeqCst) > due {
            self.set(poll);
        }
    }

    fn set(&self, poll: &Poll) {
        loop {
            let next = self.next.load(SeqCst);
            poll.ring_at((next != NEVER).then_some(next));
            if self.next.load(SeqCst) == next {
                return;
            }
        }
    }

    /// The CPU-time clock of the calling thread, which is the loop's: a begin asks for nothing else.
    #[inline]
    pub fn thread_clock(&self) -> i32 {
        if self.thread.load(Relaxed) == sys::thread_number() { self.clock.load(Relaxed) } else { self.read_clock() }
    }

    #[cold]
    #[inline(never)]
    fn read_clock(&self) -> i32 {
        let clock = sys::thread_clock();
        self.clock.store(clock, Relaxed);
        self.thread.store(sys::thread_number(), Relaxed);
        clock
    }

    /// Does what is due. Another thread's round that runs now is enough.
    pub fn look_around<H: Host>(&self, shared: &Shared, table: &Table<H>) {
        let Ok(mut round) = self.round.try_lock() else { return };
        let promised = self.next.swap(NEVER, SeqCst);
        shared.poll.wait(Some(Duration::ZERO), &mut round.seen);
        let now = sys::now_ms();
        let drains = round.step(shared, table, now);
        // Where nothing is in flight, and nothing has happened since the last time, nobody waits for the next refreshment.
        let is_busy = !shared.board.is_due(now) || round.refresh(shared, table, now);
        let mut next = table.deadlines().map(|(deadlines, _)| deadlines.earliest()).min().unwrap_or(NEVER);
        if drains {
            next = next.min(now + TICK);
        }
        if let (Some(refresh), true) = (shared.board.next_refresh(), is_busy) {
            next = next.min(refresh);
        }
        if promised > now {
            next = next.min(promised);
        }
        self.next.fetch_min(next, SeqCst);
        self.set(&shared.poll);
    }
}
