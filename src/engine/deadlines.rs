//! When to look at which slots: one deadline for each group of eight neighbours, and the earliest of each block of groups.
//!
//! Arming is two loads, and a write only where the deadline moves forward; a tick looks at one number per block and opens only
//! blocks where something is due, so an idle tick over a million requests reads 2,000 numbers. A deadline for each slot would
//! cost whoever arms one of a million another cold cache line, and would save looks that cost no more than that.
//!
//! No deadline is lost. A thread that arms a deadline first writes its data (a new generation, a limit), passes the
//! light half of the barrier, then reads the deadline, which may be early enough already. A sweep takes deadlines away,
//! passes the heavy half of the barrier, looks at the data, then writes back the earliest remaining deadline. So either
//! the sweep sees the data, or the arming thread sees that the deadline was taken and writes its own. The same holds
//! between a group's deadline and its block's.

use super::sync::{AtomicU64, Barrier, Ordering::Relaxed};

/// No deadline.
pub const NEVER: u64 = u64::MAX;

/// Neighbouring slots that have one deadline.
const GROUP: usize = if cfg!(loom) { 1 } else { 8 };
/// Groups of a block.
const BLOCK: usize = if cfg!(loom) { 2 } else { 64 };
/// Blocks that are opened between two barriers.
const BATCH: usize = 256;

/// The deadlines of one chunk of slots, in milliseconds of the engine's clock.
#[derive(Debug)]
pub struct Deadlines {
    blocks: Box<[AtomicU64]>,
    groups: Box<[AtomicU64]>,
    slots: usize,
}

/// The scratch memory of a sweep; reused, so that a tick allocates nothing.
#[derive(Debug, Default)]
pub struct Taken {
    blocks: Vec<usize>,
    groups: Vec<usize>,
}

impl Deadlines {
    /// For `count` slots, none armed.
    pub fn new(count: usize) -> Self {
        let never = |count: usize| (0..count).map(|_| AtomicU64::new(NEVER)).collect();
        Self { blocks: never(count.div_ceil(GROUP * BLOCK)), groups: never(count.div_ceil(GROUP)), slots: count }
    }

    /// Arms the slot: it is looked at by `due`, and that look sees what the caller has written. False: it was armed early
    /// enough already.
    #[cfg(test)]
    pub fn at_most(&self, slot: usize, due: u64, barrier: &Barrier) -> bool {
        let is_early = self.is_early(slot, due, barrier);
        if !is_early {
            self.move_forward(slot, due, barrier);
        }
        !is_early
    }

    /// Whether the slot is armed for `due` or earlier; then that look sees what the caller has written.
    #[inline]
    pub fn is_early(&self, slot: usize, due: u64, barrier: &Barrier) -> bool {
        barrier.light();
        let (group, block) = place(slot);
        self.groups[group].load(Relaxed) <= due && self.blocks[block].load(Relaxed) <= due
    }

    /// Fetches what [`Deadlines::is_early`] will read.
    #[cfg(not(loom))]
    #[inline]
    pub fn prefetch(&self, slot: usize) {
        if let Some(deadline) = self.groups.get(place(slot).0) {
            super::sys::prefetch(deadline);
        }
    }

    /// Called after [`Deadlines::is_early`] has returned false.
    pub fn move_forward(&self, slot: usize, due: u64, barrier: &Barrier) {
        let (group, block) = place(slot);
        self.groups[group].fetch_min(due, Relaxed);
        barrier.light();
        self.blocks[block].fetch_min(due, Relaxed);
    }

    /// Whether any slot is armed.
    pub fn any(&self) -> bool {
        self.blocks.iter().any(|block| block.load(Relaxed) != NEVER)
    }

    /// The next deadline that a sweep would find; [`NEVER`]: none.
    #[cfg(not(loom))]
    pub fn earliest(&self) -> u64 {
        self.blocks.iter().map(|block| block.load(Relaxed)).min().unwrap_or(NEVER)
    }

    /// Calls `look` for every slot that is due, and for its neighbours; `look` returns when to look again.
    pub fn sweep(&self, now: u64, taken: &mut Taken, barrier: &Barrier, mut look: impl FnMut(usize) -> u64) {
        let mut next = 0;
        while next < self.blocks.len() {
            taken.blocks.clear();
            while next < self.blocks.len() && taken.blocks.len() < BATCH {
                let block = &self.blocks[next];
                if block.load(Relaxed) <= now {
                    block.swap(NEVER, Relaxed);
                    taken.blocks.push(next);
                }
                next += 1;
            }
            if !taken.blocks.is_empty() {
                barrier.heavy();
                self.open(now, taken, barrier, &mut look);
            }
        }
    }

    fn open(&self, now: u64, taken: &mut Taken, barrier: &Barrier, look: &mut impl FnMut(usize) -> u64) {
        taken.groups.clear();
        for group in taken.blocks.iter().flat_map(|&block| self.of_block(block)) {
            if self.groups[group].load(Relaxed) <= now {
                self.groups[group].swap(NEVER, Relaxed);
                taken.groups.push(group);
            }
        }
        barrier.heavy();
        for &group in &taken.groups {
            let earliest = self.of_group(group).map(&mut *look).min();
            self.groups[group].fetch_min(earliest.unwrap_or(NEVER), Relaxed);
        }
        for &block in &taken.blocks {
            let earliest = self.of_block(block).map(|group| self.groups[group].load(Relaxed)).min();
            self.blocks[block].fetch_min(earliest.unwrap_or(NEVER), Relaxed);
        }
    }

    fn of_block(&self, block: usize) -> std::ops::Range<usize> {
        block * BLOCK..self.groups.len().min((block + 1) * BLOCK)
    }

    fn of_group(&self, group: usize) -> std::ops::Range<usize> {
        group * GROUP..self.slots.min((group + 1) * GROUP)
    }
}

/// A slot's group, and its block.
#[inline]
fn place(slot: usize) -> (usize, usize) {
    (slot / GROUP, slot / (GROUP * BLOCK))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn a_sweep_looks_at_what_is_due_and_its_neighbours() {
        let (deadlines, barrier, mut taken) = (Deadlines::new(1_003), Barrier::new(), Taken::default());
        for (slot, due) in [(0, 10), (63, 20), (511, 5), (1_002, 30)] {
            deadlines.at_most(slot, due, &barrier);
        }
        let mut looked = Vec::new();
        deadlines.sweep(20, &mut taken, &barrier, |slot| {
            looked.push(slot);
            NEVER
        });
        assert_eq!(looked, [0..8, 56..64, 504..512].into_iter().flatten().collect::<Vec<_>>());
        assert!(deadlines.any());
        looked.clear();
        deadlines.sweep(29, &mut taken, &barrier, |_| unreachable!("nothing is due"));
        deadlines.sweep(30, &mut taken, &barrier, |slot| {
            looked.push(slot);
            NEVER
        });
        assert_eq!(looked, [1_000, 1_001, 1_002]);
        assert!(!deadlines.any());
    }

    #[test]
    fn arming_while_sweeping_loses_nothing() {
        let (deadlines, barrier, mut taken) = (Deadlines::new(64), Barrier::new(), Taken::default());
        let armed = AtomicU64::new(0);
        let seen = AtomicU64::new(0);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..=200_000u64 {
                    armed.store(round, Relaxed);
                    deadlines.at_most((round % 64) as usize, 1, &barrier);
                }
                done.store(true, Relaxed);
            });
            while !done.load(Relaxed) {
                deadlines.sweep(1, &mut taken, &barrier, |_| {
                    seen.store(armed.load(Relaxed), Relaxed);
                    NEVER
                });
            }
        });
        deadlines.sweep(1, &mut taken, &barrier, |_| {
            seen.store(armed.load(Relaxed), Relaxed);
            NEVER
        });
        assert_eq!(seen.into_inner(), 200_000);
        assert!(!deadlines.any());
    }
}
