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
use super::stops::StopQueues;
use super::sys::{self, Poll};
use super::ticker::{Round, TICK};
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Mutex, TryLockError};
use std::time::Duration;

/// See the [module](self).
pub struct Rounds {
    /// When the timer rings.
    next: AtomicU64,
    /// Where the loop keeps its time.
    time: Option<&'static AtomicU64>,
    /// Held through a round: one at a time, whichever thread calls.
    round: Mutex<Round>,
}

impl Rounds {
    pub fn new(time: Option<&'static AtomicU64>) -> Self {
        Self { time, next: AtomicU64::new(NEVER), round: Mutex::default() }
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

    /// Does what is due. Another thread's round that runs now is enough.
    pub fn look_around<H: Host>(&self, shared: &Shared, table: &Table<H>) {
        let mut round = match self.round.try_lock() {
            Ok(round) => round,
            // A host's function has panicked in it: what it does next begins anew.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let promised = self.next.swap(NEVER, SeqCst);
        shared.barrier.heavy(); // whoever still read that time has written its work before
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
        // Only rounds add stops, and only rounds make the descriptor unreadable: it stays readable while one waits, whichever thread's round
        // has found it (a drain's, too).
        if shared.queues.as_ref().is_some_and(StopQueues::has_any) {
            shared.wake();
        }
    }
}
