//! A biased lock: one thread takes it with plain stores, until another one wants it.
//!
//! A locked operation costs more than the rest of a short call, and most requests are worked on by one thread. So a lock is biased towards
//! the first thread that takes it, its *owner*:
//!
//! - The owner takes it so: it stores that it holds the lock, passes the light half of the barrier, and looks whether it still is the owner.
//! - Any other thread *revokes* the bias first, once and for good: it takes the owner's number out of the lock, passes the heavy half of the barrier
//!   (a system call), then looks whether the owner holds the lock. So either the owner sees that the bias is revoked, or the other thread
//!   sees that the owner holds the lock.
//! - From then on every thread, the old owner too, takes the lock with a compare-and-swap, and then looks whether the old owner has released it.
//!
//! Nobody waits: a thread that finds the lock held gets `None`. When two threads come at the same moment, both may get `None`.
//!
//! A lock gets an owner at most once, and loses it at most once, so no later step has to be ordered against a second owner. Once many
//! biases have been revoked ([`MOST_REVOKED`]), new locks get no owner: the host lets many threads work on its requests.
//! `tests/interleavings` tries every order of the steps.

use super::sync::{
    AtomicU8, AtomicU32, Barrier,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use super::threads::{Caller, MOST, Number, Threads};

/// In the place of the owner's number: no thread has taken the lock so far.
const UNBIASED: Number = 0;
/// The same: a thread revokes the bias, and may not have passed the barrier yet.
const REVOKING: Number = MOST as Number + 1;
/// The same: the bias is revoked.
const REVOKED: Number = MOST as Number + 2;

/// After so many revocations no lock gets an owner any more.
const MOST_REVOKED: u32 = if cfg!(loom) { 1 } else { 256 };

/// See the [module](self).
#[derive(Debug, Default)]
pub struct BiasedLock {
    /// The owner's number, or one of the three values above.
    owner: AtomicU8,
    /// 1: the owner holds the lock. Only the owner writes it.
    held_by_owner: AtomicU8,
    /// 1: a thread holds it that took it after the bias was revoked.
    held_by_any: AtomicU8,
}

/// How a lock was taken. Handed back to [`BiasedLock::release`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// By its owner, with plain stores.
    ByOwner,
    /// After the bias was revoked, with a compare-and-swap.
    ByAny,
}

impl BiasedLock {
    /// Takes the lock; revokes the bias where another thread is the owner. `None`: a thread holds it, perhaps the caller.
    #[inline(always)]
    pub fn take(&self, caller: Caller<'_>) -> Option<Taken> {
        if self.take_as_owner(caller) {
            return Some(Taken::ByOwner);
        }
        if self.owner.load(Acquire) == REVOKED { self.take_revoked() } else { self.take_slowly(caller) }
    }

    /// Takes the lock as its owner; a lock without an owner gets the caller. Revokes nothing. False: another thread is the owner, the
    /// bias is revoked, or the lock is held.
    #[inline(always)]
    pub fn take_without_revoking(&self, caller: Caller<'_>) -> bool {
        self.take_as_owner(caller)
            || (self.owner.load(Relaxed) == UNBIASED
                && self.become_owner(caller.thread, caller.threads, caller.barrier, caller.revoked))
    }

    /// Takes the lock, if the caller is its owner and does not hold it. A thread with the number of one that has ended sees what that one
    /// has written here.
    #[inline(always)]
    pub fn take_as_owner(&self, caller: Caller<'_>) -> bool {
        let owner = self.owner.load(Relaxed);
        caller.is(owner) && self.held_by_owner.load(Acquire) == 0 && self.hold_as_owner(owner, caller)
    }

    #[inline(always)]
    fn hold_as_owner(&self, number: Number, caller: Caller<'_>) -> bool {
        self.held_by_owner.store(1, Relaxed);
        caller.barrier.light();
        let is_owner = self.owner.load(Relaxed) == number;
        if !is_owner {
            self.held_by_owner.store(0, Release);
        }
        is_owner
    }

    /// By the caller's parts, which stay in registers.
    #[cold]
    #[inline(never)]
    fn become_owner(&self, thread: u64, threads: &Threads, barrier: &Barrier, revoked: &AtomicU32) -> bool {
        let caller = Caller { thread, threads, barrier, revoked };
        let (number, is_own) = caller.number();
        is_own
            && caller.barrier.is_cheap()
            && caller.revoked.load(Relaxed) < MOST_REVOKED
            && self.owner.compare_exchange(UNBIASED, number, AcqRel, Relaxed).is_ok()
            && self.hold_as_owner(number, caller)
    }

    #[cold]
    #[inline(never)]
    fn take_slowly(&self, caller: Caller<'_>) -> Option<Taken> {
        let owner = self.owner.load(Relaxed);
        if owner == UNBIASED && self.become_owner(caller.thread, caller.threads, caller.barrier, caller.revoked) {
            return Some(Taken::ByOwner);
        }
        if caller.is(owner) && self.held_by_owner.load(Relaxed) != 0 {
            return None; // the caller itself holds it
        }
        self.revoke_and_take(caller)
    }

    /// Revokes the bias, whoever the owner is, and takes the lock. `None`: a thread holds it; the bias is revoked all the same.
    pub fn revoke_and_take(&self, caller: Caller<'_>) -> Option<Taken> {
        if self.owner.load(Acquire) != REVOKED {
            let before = self.owner.swap(REVOKING, AcqRel);
            if before != UNBIASED {
                if before != REVOKING {
                    caller.revoked.fetch_add(1, Relaxed);
                }
                caller.barrier.heavy(); // another thread that revokes it may not have passed it yet
            }
            self.owner.store(REVOKED, Release);
        }
        self.take_revoked()
    }

    /// Takes a lock whose bias is revoked.
    #[inline(always)]
    fn take_revoked(&self) -> Option<Taken> {
        self.held_by_any.compare_exchange(0, 1, Acquire, Relaxed).ok()?;
        if self.held_by_owner.load(Acquire) != 0 {
            self.held_by_any.store(0, Release);
            return None;
        }
        Some(Taken::ByAny)
    }

    /// Whether no thread holds the lock. If so, what the last holder did is visible to the caller.
    pub fn is_free(&self) -> bool {
        self.held_by_owner.load(Acquire) == 0 && self.held_by_any.load(Acquire) == 0
    }

    /// Releases the lock.
    #[inline(always)]
    pub fn release(&self, taken: Taken) {
        match taken {
            Taken::ByOwner => self.held_by_owner.store(0, Release),
            Taken::ByAny => self.held_by_any.store(0, Release),
        }
    }
}
