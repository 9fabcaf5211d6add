//! Which slots are free.

use super::biased_lock::{BiasedLock, Taken};
use super::sync::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
    fence, yield_now,
};
use super::threads::{Caller, MOST};

/// How many unused slots a home takes at once: neighbours share deadlines, and should be used by one thread.
const BLOCK: u32 = if cfg!(loom) { 2 } else { 8 };
/// This many slots are taken into use before a home without free slots looks at other homes.
const GENEROUS: u32 = if cfg!(loom) { 2 } else { 1024 };
/// The most free slots that a home's thread keeps for itself.
const MOST_KEPT: u32 = if cfg!(loom) { 1 } else { 255 };

/// A slot's word for the list: the slot below it in its stack, and from bit [`HOME_SHIFT`] on its home.
const NEXT: u32 = (1 << HOME_SHIFT) - 1;
const HOME_SHIFT: u32 = 24;
/// From this bit on, the top of the slots that are kept says how many there are.
const KEPT_SHIFT: u32 = 24;

/// One stack. Its top has a counter against the ABA problem: a slot that was taken and given back is not mistaken for one that
/// never left. Alone in its cache line, because many begins and ends write it.
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

/// What a home's thread keeps for itself: a stack that only who has taken the lock changes, with loads and stores.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Kept {
    lock: BiasedLock,
    /// A counter as in [`Stack`], how many there are, and the slot on top.
    top: AtomicU64,
}

impl Kept {
    /// Behind the lock.
    #[inline(always)]
    fn pop<T>(&self, look: impl Fn(u32) -> (T, u32)) -> Option<T> {
        let top = self.top.load(Relaxed);
        let (found, link) = look((top as u32 & NEXT).checked_sub(1)?);
        self.set(top, kept(top) - 1, link & NEXT);
        Some(found)
    }

    /// Behind the lock; false: it keeps enough.
    #[inline(always)]
    fn push(&self, index: u32, set_next: impl Fn(u32)) -> bool {
        let top = self.top.load(Relaxed);
        let has_room = kept(top) < MOST_KEPT;
        if has_room {
            set_next(top as u32 & NEXT);
            self.set(top, kept(top) + 1, index + 1);
        }
        has_room
    }

    #[inline(always)]
    fn set(&self, top: u64, kept: u32, first: u32) {
        self.top.store((top >> 32).wrapping_add(1) << 32 | u64::from(kept << KEPT_SHIFT | first), Release);
    }
}

fn kept(top: u64) -> u32 {
    top as u32 >> KEPT_SHIFT
}

/// A thread's home: what its thread keeps, and what others have given back.
#[derive(Debug, Default)]
struct Home {
    kept: Kept,
    free: Stack,
}

impl Home {
    /// Apart, so that the other way, which most requests take, is written out where it is called.
    #[cold]
    #[inline(never)]
    fn take_given_back<T>(&self, look: impl Fn(u32) -> (T, u32)) -> Option<T> {
        self.free.pop(look)
    }
}

/// The fields of [`FreeList::fresh`]: how many slots were ever used, and from this bit on how many of them are on their way into
/// a stack.
const ON_THEIR_WAY: u32 = 32;

/// The free slots, and how many were ever used. Each slot has a word for the list: every thread reads it, only the slot's
/// holder writes it.
#[derive(Debug)]
pub struct FreeList {
    /// By the numbers of threads, less one.
    homes: [Home; MOST],
    fresh: AtomicU64,
}

impl Default for FreeList {
    fn default() -> Self {
        Self { homes: std::array::from_fn(|_| Home::default()), fresh: AtomicU64::new(0) }
    }
}

impl FreeList {
    /// A free slot of the caller's home; none: [`FreeList::take_elsewhere`]. `look` returns the word of a slot.
    #[inline(always)]
    pub fn take<T>(&self, caller: Caller<'_>, look: impl Fn(u32) -> (T, u32)) -> Option<T> {
        let (number, is_own) = caller.number();
        let home = &self.homes[usize::from(number - 1) % MOST];
        if is_own && home.kept.lock.take_without_revoking(caller) {
            let found = home.kept.pop(&look);
            home.kept.lock.release(Taken::ByOwner);
            if found.is_some() {
                return found;
            }
        }
        home.take_given_back(look)
    }

    /// A slot for a caller whose home has no free ones: an unused slot below `most`, or one of another home, which moves here. `None`: at one
    /// moment no slot was free.
    pub fn take_elsewhere<'s>(
        &self,
        caller: Caller<'_>,
        most: u32,
        link: impl Fn(u32) -> &'s AtomicU32,
    ) -> Option<u32> {
        let home = u32::from(caller.number().0 - 1);
        loop {
            let before = self.tops();
            if let Some(index) = self.find(home, most, &link) {
                link(index).store(home << HOME_SHIFT, Relaxed);
                return Some(index);
            }
            // No slot came into a stack after it was checked, none is kept, and none is on its way.
            let is_none = before.iter().all(|top| top[0] as u32 == 0);
            if is_none && self.fresh.load(Acquire) >> ON_THEIR_WAY == 0 && self.tops() == before {
                return None;
            }
            self.homes.iter().for_each(|home| self.hand_out(home, caller, &link));
            yield_now();
        }
    }

    fn find<'s>(&self, home: u32, most: u32, link: &impl Fn(u32) -> &'s AtomicU32) -> Option<u32> {
        let mut found = None;
        if self.used() < GENEROUS {
            found = self.take_fresh(home, most, link);
        }
        for at in 0..MOST {
            let of = &self.homes[(home as usize + at) % MOST].free;
            found = found.or_else(|| of.pop(|index| (index, link(index).load(Relaxed))));
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
            self.homes[home as usize].free.push(index, |next| word.store(home << HOME_SHIFT | next, Relaxed));
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
        for mut at in tops.as_flattened().iter().map(|&top| top as u32 & NEXT) {
            while let Some(slot) = at.checked_sub(1)
                && held <= used
            {
                held += 1;
                at = link(slot) & NEXT;
            }
        }
        // Tops have counters: if none has changed, all of them and the stacks below had these values at one common moment. Whoever has put
        // a slot there has left: the caller may free all this.
        fence(Acquire);
        held == used
            && self.tops() == tops
            && self.used() == used
            && self.homes.iter().all(|home| home.kept.lock.is_free())
    }

    /// Of each home: what is kept, and what is free for all.
    fn tops(&self) -> [[u64; 2]; MOST] {
        std::array::from_fn(|at| [self.homes[at].kept.top.load(Acquire), self.homes[at].free.top.load(Acquire)])
    }

    /// Others need what is kept at a home: it becomes free for all, and its thread keeps no more.
    #[cold]
    #[inline(never)]
    fn hand_out<'s>(&self, home: &Home, caller: Caller<'_>, link: &impl Fn(u32) -> &'s AtomicU32) {
        if home.kept.top.load(Relaxed) as u32 == 0 {
            return;
        }
        let Some(taken) = home.kept.lock.revoke_and_take(caller) else { return };
        self.fresh.fetch_add(1 << ON_THEIR_WAY, AcqRel);
        while let Some((index, word)) = home.kept.pop(|index| ((index, link(index)), link(index).load(Relaxed))) {
            let of = word.load(Relaxed) & !NEXT;
            home.free.push(index, |next| word.store(of | next, Relaxed));
        }
        self.fresh.fetch_sub(1 << ON_THEIR_WAY, Release);
        home.kept.lock.release(taken);
    }

    /// Gives a slot back to its home. `word` is the slot's own.
    #[inline(always)]
    pub fn give_back(&self, caller: Caller<'_>, index: u32, word: &AtomicU32) {
        let home = word.load(Relaxed) & !NEXT;
        let of = &self.homes[(home >> HOME_SHIFT) as usize % MOST];
        let set_next = |next| word.store(home | next, Relaxed);
        if of.kept.lock.take_as_owner(caller) {
            let is_kept = of.kept.push(index, set_next);
            of.kept.lock.release(Taken::ByOwner);
            if is_kept {
                return;
            }
        }
        of.free.push(index, set_next);
    }
}
