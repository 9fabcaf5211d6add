//! When to look at which slot: one deadline each, and the earliest of each block of 64.
//!
//! Arming is one or two atomic minimums; a tick looks at one number per block and opens only blocks where something is
//! due, so an idle tick over a million requests reads 16,000 numbers.
//!
//! Nothing is lost: a sweep first takes a block's (or slot's) deadline away, then looks at what it guards, then puts back
//! the earliest of what is left with another minimum. Whoever arms after the taking finds "never" and writes; whoever
//! armed before is seen by the look. All accesses are sequentially consistent, because that argument needs it; and so
//! must be the last write of what the look looks at (the flag word's turn, the limit).

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// No deadline.
pub const NEVER: u64 = u64::MAX;

const BLOCK: usize = 64;

/// The deadlines of one chunk of slots, in milliseconds of the engine's clock.
#[derive(Debug)]
pub struct Deadlines {
    blocks: Box<[AtomicU64]>,
    slots: Box<[AtomicU64]>,
}

impl Deadlines {
    /// For `count` slots, none armed.
    pub fn new(count: usize) -> Self {
        let never = |count: usize| (0..count).map(|_| AtomicU64::new(NEVER)).collect();
        Self { blocks: never(count.div_ceil(BLOCK)), slots: never(count) }
    }

    /// Looks at the slot at `due` at the latest.
    pub fn at_most(&self, slot: usize, due: u64) {
        let deadline = &self.slots[slot];
        if deadline.load(SeqCst) > due {
            deadline.fetch_min(due, SeqCst);
        }
        let block = &self.blocks[slot / BLOCK];
        if block.load(SeqCst) > due {
            block.fetch_min(due, SeqCst);
        }
    }

    /// Whether any slot is armed.
    pub fn any(&self) -> bool {
        self.blocks.iter().any(|block| block.load(SeqCst) != NEVER)
    }

    /// Calls `look` for every slot that is due; it answers when to look again.
    pub fn sweep(&self, now: u64, mut look: impl FnMut(usize) -> u64) {
        for (number, block) in self.blocks.iter().enumerate() {
            if block.load(SeqCst) > now {
                continue;
            }
            block.swap(NEVER, SeqCst);
            let first = number * BLOCK;
            let mut earliest = NEVER;
            for (offset, slot) in self.slots[first..self.slots.len().min(first + BLOCK)].iter().enumerate() {
                if slot.load(SeqCst) <= now {
                    slot.swap(NEVER, SeqCst);
                    slot.fetch_min(look(first + offset), SeqCst);
                }
                earliest = earliest.min(slot.load(SeqCst));
            }
            block.fetch_min(earliest, SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn a_sweep_looks_at_what_is_due_and_nothing_else() {
        let deadlines = Deadlines::new(200);
        for (slot, due) in [(0, 10), (63, 20), (64, 5), (199, 30)] {
            deadlines.at_most(slot, due);
        }
        let mut looked = Vec::new();
        deadlines.sweep(20, |slot| {
            looked.push(slot);
            NEVER
        });
        assert_eq!(looked, [0, 63, 64]);
        assert!(deadlines.any());
        deadlines.sweep(30, |_| NEVER);
        assert!(!deadlines.any());
    }

    #[test]
    fn arming_while_sweeping_loses_nothing() {
        let deadlines = Deadlines::new(64);
        let armed = AtomicU64::new(0);
        let seen = AtomicU64::new(0);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..=200_000u64 {
                    armed.store(round, SeqCst);
                    deadlines.at_most((round % 64) as usize, 1);
                }
                done.store(true, SeqCst);
            });
            while !done.load(SeqCst) {
                deadlines.sweep(1, |_| {
                    seen.store(armed.load(SeqCst), SeqCst);
                    NEVER
                });
            }
        });
        deadlines.sweep(1, |_| {
            seen.store(armed.load(SeqCst), SeqCst);
            NEVER
        });
        assert_eq!(seen.into_inner(), 200_000);
        assert!(!deadlines.any());
    }
}
