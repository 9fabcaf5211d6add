//! The engine's time, and whether its thread is awake to keep it.

use super::sync::{
    AtomicU64, Barrier,
    Ordering::{Relaxed, SeqCst},
};

/// Milliseconds, as of the last tick; [`ASLEEP`]: the engine's thread waits without a time limit.
///
/// The thread says that it will sleep, passes the heavy half of the barrier and looks for work once more. Whoever has written work
/// passes the light half and reads whether it sleeps. So either the thread sees the work, or it is woken.
#[derive(Debug, Default)]
pub struct Clock(AtomicU64);

const ASLEEP: u64 = 0;

impl Clock {
    /// The published time; `None`: the thread sleeps and does not update it.
    #[inline]
    pub fn now(&self) -> Option<u64> {
        match self.0.load(Relaxed) {
            ASLEEP => None,
            now => Some(now),
        }
    }

    /// The engine's thread is awake, and it is `now`.
    pub fn publish(&self, now: u64) -> u64 {
        self.0.store(now.max(1), Relaxed);
        now.max(1)
    }

    /// The engine's thread is about to sleep, unless it finds work after this call.
    pub fn fall_asleep(&self, barrier: &Barrier) {
        self.0.store(ASLEEP, SeqCst);
        barrier.heavy();
    }

    /// Called after writing work: whether the thread sleeps. Async-signal-safe.
    #[inline]
    pub fn sleeps(&self, barrier: &Barrier) -> bool {
        barrier.light();
        self.0.load(Relaxed) == ASLEEP
    }

    /// Whether the caller has to wake it; `now` is the time until the thread reads its own.
    pub fn wake(&self, now: u64) -> bool {
        self.0.compare_exchange(ASLEEP, now.max(1), SeqCst, Relaxed).is_ok()
    }
}
