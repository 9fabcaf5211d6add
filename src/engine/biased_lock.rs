//! A lock that one thread takes with plain stores, until another one wants it.
//!
//! A locked operation costs more than all else that a quick call does, and most requests are worked on by one thread. So the first
//! thread that takes a lock becomes its *favourite*: it says that it is inside, passes the light half of the barrier, and looks whether it
//! is the favourite still. A *stranger* ends that for good: it changes the favourite, passes the heavy half (a system call), then looks
//! whether somebody is inside. So either the favourite sees that it is none any more, or the stranger sees it inside. From then on everybody
//! takes the lock with a compare-and-swap, and asks whether the old favourite has left. Nobody waits: who finds somebody inside is told so, and
//! of two that come at once that may be both.
//!
//! A favourite is made once, by the first who comes, and lost at most once: nothing is ever given back, so nothing has to be ordered
//! against that. Where a host lets many threads work on its requests, no more are made. `tests/interleavings` tries every order of the steps.

use super::sync::{
    AtomicU8,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use super::threads::{Caller, MOST, Number};

/// Nobody has come so far.
const NONE: Number = 0;
/// A stranger has come, and may not have passed the barrier yet.
const ENDING: Number = MOST as Number + 1;
/// There is no favourite any more.
const SHARED: Number = MOST as Number + 2;

/// So many favourites are lost before no more are made.
const PATIENCE: u32 = if cfg!(loom) { 1 } else { 256 };

/// See the [module](self).
#[derive(Debug, Default)]
pub struct BiasedLock {
    favourite: AtomicU8,
    /// The favourite is inside; nobody else writes it.
    alone: AtomicU8,
    /// Another one is.
    other: AtomicU8,
}

/// How it was taken: as its favourite, or not. Handed back to [`BiasedLock::leave`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Alone,
    Shared,
}

impl BiasedLock {
    /// Takes it; `None`: somebody is inside.
    #[inline(always)]
    pub fn take(&self, caller: Caller<'_>) -> Option<Taken> {
        if self.take_as_favourite(caller) {
            return Some(Taken::Alone);
        }
        if self.favourite.load(Acquire) == SHARED { self.take_shared() } else { self.take_slowly(caller) }
    }

    /// Takes it, unless it is another's; false: it is, or somebody is inside.
    #[inline(always)]
    pub fn take_alone(&self, caller: Caller<'_>) -> bool {
        self.take_as_favourite(caller) || (self.favourite.load(Relaxed) == NONE && self.take_first(caller))
    }

    /// Takes it, if it is the caller's; a thread that has the number of one that is gone sees what that has done here.
    #[inline(always)]
    pub fn take_as_favourite(&self, caller: Caller<'_>) -> bool {
        let favourite = self.favourite.load(Relaxed);
        caller.is(favourite) && self.alone.load(Acquire) == 0 && self.step_in(favourite, caller)
    }

    #[inline(always)]
    fn step_in(&self, number: Number, caller: Caller<'_>) -> bool {
        self.alone.store(1, Relaxed);
        caller.barrier.light();
        let is_favourite = self.favourite.load(Relaxed) == number;
        if !is_favourite {
            self.alone.store(0, Release);
        }
        is_favourite
    }

    #[cold]
    #[inline(never)]
    fn take_first(&self, caller: Caller<'_>) -> bool {
        let (number, is_own) = caller.number();
        is_own
            && caller.barrier.is_cheap()
            && caller.lost.load(Relaxed) < PATIENCE
            && self.favourite.compare_exchange(NONE, number, AcqRel, Relaxed).is_ok()
            && self.step_in(number, caller)
    }

    #[cold]
    #[inline(never)]
    fn take_slowly(&self, caller: Caller<'_>) -> Option<Taken> {
        let favourite = self.favourite.load(Relaxed);
        if favourite == NONE && self.take_first(caller) {
            return Some(Taken::Alone);
        }
        if caller.is(favourite) && self.alone.load(Relaxed) != 0 {
            return None; // the caller itself is inside
        }
        self.take_as_stranger(caller)
    }

    /// Takes it for whoever comes: from here on it has no favourite.
    pub fn take_as_stranger(&self, caller: Caller<'_>) -> Option<Taken> {
        if self.favourite.load(Acquire) != SHARED {
            if self.favourite.swap(ENDING, AcqRel) != NONE {
                caller.lost.fetch_add(1, Relaxed);
                caller.barrier.heavy();
            }
            self.favourite.store(SHARED, Release);
        }
        self.take_shared()
    }

    /// Takes it, where it has no favourite.
    #[inline(always)]
    fn take_shared(&self) -> Option<Taken> {
        self.other.compare_exchange(0, 1, Acquire, Relaxed).ok()?;
        if self.alone.load(Acquire) != 0 {
            self.other.store(0, Release);
            return None;
        }
        Some(Taken::Shared)
    }

    /// Whether nobody is inside; who left has left for good.
    pub fn is_free(&self) -> bool {
        self.alone.load(Acquire) == 0 && self.other.load(Acquire) == 0
    }

    /// Gives it back.
    #[inline(always)]
    pub fn leave(&self, taken: Taken) {
        match taken {
            Taken::Alone => self.alone.store(0, Release),
            Taken::Shared => self.other.store(0, Release),
        }
    }
}
