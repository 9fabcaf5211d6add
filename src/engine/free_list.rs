//! Which slots are free.

use super::sync::{AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

/// The free slots, as a stack whose top carries a count so that a slot that came back is told from one that never left
/// (ABA); and how many slots were ever used. Alone in its cache line: every begin and end of every thread writes it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct FreeList {
    top: AtomicU64,
    fresh: AtomicU32,
}

impl FreeList {
    /// Takes a slot that was used before. `look` reads the slot's successor in the list.
    #[inline]
    pub fn pop<T>(&self, look: impl Fn(u32) -> (T, u32)) -> Option<T> {
        let mut top = self.top.load(Acquire);
        loop {
            let (found, next) = look((top as u32).checked_sub(1)?);
            let next = (top >> 32).wrapping_add(1) << 32 | u64::from(next);
            match self.top.compare_exchange_weak(top, next, Acquire, Acquire) {
                Ok(_) => return Some(found),
                Err(now) => top = now,
            }
        }
    }

    /// A slot that was never used, below `most`.
    pub fn fresh(&self, most: u32) -> Option<u32> {
        self.fresh.fetch_update(Relaxed, Relaxed, |fresh| (fresh < most).then_some(fresh + 1)).ok()
    }

    /// How many slots were ever used.
    pub fn used(&self) -> u32 {
        self.fresh.load(Acquire)
    }

    /// Whether every slot that was ever used is free, and whoever gave it back is done with it. `next` says what comes after a slot. False
    /// also where slots come and go meanwhile.
    pub fn holds_all(&self, next: impl Fn(u32) -> u32) -> bool {
        let (used, top) = (self.used(), self.top.load(Acquire));
        let (mut held, mut at) = (0, top as u32);
        while let Some(slot) = at.checked_sub(1)
            && held < used
        {
            held += 1;
            at = next(slot);
        }
        at == 0 && held == used && self.top.load(Acquire) == top && self.used() == used
    }

    /// Gives a slot back; `set_next` writes its successor.
    #[inline]
    pub fn push(&self, index: u32, set_next: impl Fn(u32)) {
        let mut top = self.top.load(Relaxed);
        loop {
            set_next(top as u32);
            let new = (top >> 32).wrapping_add(1) << 32 | u64::from(index + 1);
            match self.top.compare_exchange_weak(top, new, Release, Relaxed) {
                Ok(_) => return,
                Err(now) => top = now,
            }
        }
    }
}
