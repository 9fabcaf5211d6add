//! The slots of an engine: chunks that double in size and stay where they are, so that a handle can be an address.

use super::deadlines::Deadlines;
use super::shared::{FreeList, Shared};
use super::slot::{Host, Slot};
use once_cell::race::OnceBox;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Slots of the first chunk.
const FIRST: u32 = 64;
/// Enough doublings for any `u32`.
const CHUNKS: usize = 26;

struct Chunk<H: Host> {
    slots: Box<[Slot<H>]>,
    deadlines: Arc<Deadlines>,
}

/// See the [module](self).
pub struct Table<H: Host> {
    shared: Arc<Shared>,
    // A race cell and not a OnceLock: a child forked while another thread fills it would wait for ever.
    chunks: [OnceBox<Chunk<H>>; CHUNKS],
    free: FreeList,
    most: u32,
}

impl<H: Host> Table<H> {
    pub fn new(shared: &Arc<Shared>, most: u32) -> Self {
        Self {
            shared: Arc::clone(shared),
            chunks: std::array::from_fn(|_| OnceBox::new()),
            free: FreeList::default(),
            most,
        }
    }

    /// A free slot; `None`: as many are live as the engine may hold.
    pub fn take(&self) -> Option<&Slot<H>> {
        let used = self.free.pop(|index| {
            let slot = self.slot(index);
            (slot, slot.next_free.load(Relaxed))
        });
        used.or_else(|| self.free.fresh(self.most).map(|index| self.slot(index)))
    }

    pub fn give_back(&self, slot: &Slot<H>) {
        self.free.push(slot.index, |next| slot.next_free.store(next, Relaxed));
    }

    /// The slot with this number; its chunk comes into being with the first.
    pub fn slot(&self, index: u32) -> &Slot<H> {
        let (chunk, offset) = place(index);
        &self.chunk(chunk).slots[offset]
    }

    fn chunk(&self, number: usize) -> &Chunk<H> {
        self.chunks[number].get_or_init(|| {
            let (first, count) = (FIRST * ((1 << number) - 1), FIRST << number);
            let deadlines = Arc::new(Deadlines::new(count as usize));
            let slot = |lane: u32| Slot::new(first + lane, lane as usize, &self.shared, &deadlines);
            Box::new(Chunk { slots: (0..count).map(slot).collect(), deadlines })
        })
    }

    /// Every slot that was ever used.
    pub fn used(&self) -> impl Iterator<Item = &Slot<H>> {
        (0..self.free.used()).map(|index| self.slot(index))
    }

    /// Every chunk's deadlines, with its slots.
    pub fn deadlines(&self) -> impl Iterator<Item = (&Deadlines, &[Slot<H>])> {
        self.chunks.iter().filter_map(|chunk| chunk.get()).map(|chunk| (&*chunk.deadlines, &*chunk.slots))
    }
}

/// Chunk and offset of a slot's number.
fn place(index: u32) -> (usize, usize) {
    let chunk = (index / FIRST + 1).ilog2();
    (chunk as usize, (index - FIRST * ((1 << chunk) - 1)) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fill_chunks_without_gaps() {
        let mut expected = (0, 0);
        for index in 0..100_000 {
            assert_eq!(place(index), expected, "{index}");
            expected.1 += 1;
            if expected.1 == (FIRST as usize) << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
    }
}
