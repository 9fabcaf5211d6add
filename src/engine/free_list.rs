//! Which slots are free.

use super::sync::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence, yield_now,
};

/// Stacks of free slots. A thread has one of them as its home, so that threads seldom write the same cache line.
const STACKS: usize = if cfg!(loom) { 2 } else { 16 };
/// How many unused slots a home takes at once: neighbours share deadlines, and should be used by one thread.
const BLOCK: u32 = if cfg!(loom) { 2 } else { 8 };
/// This many slots are taken into use before a home without free slots looks at other homes.
const GENEROUS: u32 = if cfg!(loom) { 2 } else { 1024 };

/// A slot's word for the list: the slot below it in its stack, and from bit [`HOME_SHIFT`] on its home.
const NEXT: u32 = (1 << HOME_SHIFT) - 1;
const HOME_SHIFT: u32 = 24;

/// One stack. Its top has a counter against the ABA problem: a slot that was taken and given back is not mistaken for one that
/// never left. Alone in its cache line, because every begin and end of a thread writes its home's top.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stack {
    top: AtomicU64,
}

impl Stack {
    /// `look` returns the word of a slot.
    #[inline]
    fn pop<T>(&self, look: impl Fn(u32) -> (T, u32)) -> Option<T> {
        let mut top = self.top.load(Acquire);
        loop {
            let (found, link) = look((top as u32).checked_sub(1)?);
            let next = (top >> 32).wrapping_add(1) << 32 | u64::from(link & NEXT);
            match self.top.compare_exchange_weak(top, next, Acquire, Acquire) {
                Ok(_) => return Some(found),
                Err(now) => top = now,
            }
        }
    }

    #[inline]
    fn push(&self, index: u32, set_next: impl Fn(u32)) {
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

/// The fields of [`FreeList::fresh`]: how many slots were ever used, and from this bit on how many of them are on their way into
/// a stack.
const ON_THEIR_WAY: u32 = 32;

/// The free slots, and how many were ever used. Each slot has a word for the list: every thread reads it, only the slot's
/// holder writes it.
#[derive(Debug, Default)]
pub struct FreeList {
    stacks: [Stack; STACKS],
    fresh: AtomicU64,
}

impl FreeList {
    /// The home of a thread, from any number that is unique to the thread.
    #[inline]
    pub fn home(thread: usize) -> u32 {
        // The numbers are addresses, which differ in their upper bits.
        ((thread as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32 % STACKS as u32
    }

    /// A free slot of this home; none: [`FreeList::take_elsewhere`]. `look` returns the word of a slot.
    #[inline]
    pub fn take<T>(&self, home: u32, look: impl Fn(u32) -> (T, u32)) -> Option<T> {
        self.stacks[home as usize].pop(look)
    }

    /// A slot for a home without free ones: an unused slot below `most`, or one of another home, which moves here. `None`: at one
    /// moment no slot was free.
    pub fn take_elsewhere<'s>(&self, home: u32, most: u32, link: impl Fn(u32) -> &'s AtomicU32) -> Option<u32> {
        loop {
            let before = self.tops();
            if let Some(index) = self.find(home, most, &link) {
                link(index).store(home << HOME_SHIFT, Relaxed);
                return Some(index);
            }
            // No slot came into a stack after it was checked, and none is on its way.
            if self.fresh.load(Acquire) >> ON_THEIR_WAY == 0 && self.tops() == before {
                return None;
            }
            yield_now();
        }
    }

    fn find<'s>(&self, home: u32, most: u32, link: &impl Fn(u32) -> &'s AtomicU32) -> Option<u32> {
        let mut found = None;
        if self.used() < GENEROUS {
            found = self.take_fresh(home, most, link);
        }
        for at in 0..STACKS as u32 {
            found =
                found.or_else(|| self.take((home + at) % STACKS as u32, |index| (index, link(index).load(Relaxed))));
        }
        found.or_else(|| self.take_fresh(home, most, link))
    }

    /// Takes an unused block: its first slot is the caller's, the others become free.
    fn take_fresh<'s>(&self, home: u32, most: u32, link: &impl Fn(u32) -> &'s AtomicU32) -> Option<u32> {
        let up_to = |first: u32| first.saturating_add(BLOCK).min(most);
        let others = |first: u32| u64::from(up_to(first) - first - 1) << ON_THEIR_WAY;
        let more = |fresh: u64| {
            let first = fresh as u32;
            (first < most).then(|| fresh + u64::from(up_to(first) - first) + others(first))
        };
        let first = self.fresh.fetch_update(Relaxed, Relaxed, more).ok()? as u32;
        for index in first + 1..up_to(first) {
            let word = link(index);
            self.stacks[home as usize].push(index, |next| word.store(home << HOME_SHIFT | next, Relaxed));
        }
        self.fresh.fetch_sub(others(first), Release);
        Some(first)
    }

    /// How many slots were ever used, or are about to be.
    pub fn used(&self) -> u32 {
        self.fresh.load(Acquire) as u32
    }

    /// Whether every used slot is free and completely given back. `link` returns a slot's word. Also false where slots are taken or given
    /// back meanwhile.
    pub fn holds_all(&self, link: impl Fn(u32) -> u32) -> bool {
        let (used, tops) = (self.used(), self.tops());
        let mut held = 0;
        for mut at in tops.map(|top| top as u32) {
            while let Some(slot) = at.checked_sub(1)
                && held <= used
            {
                held += 1;
                at = link(slot) & NEXT;
            }
        }
        // Tops have counters: if none has changed, all of them and the stacks below had these values at one common moment.
        fence(Acquire);
        held == used && self.tops() == tops && self.used() == used
    }

    fn tops(&self) -> [u64; STACKS] {
        std::array::from_fn(|at| self.stacks[at].top.load(Acquire))
    }

    /// Gives a slot back to its home. `word` is the slot's own.
    #[inline]
    pub fn give_back(&self, index: u32, word: &AtomicU32) {
        let home = word.load(Relaxed) & !NEXT;
        self.stacks[(home >> HOME_SHIFT) as usize % STACKS].push(index, |next| word.store(home | next, Relaxed));
    }
}
