//! The slots of an engine: chunks that stay where they are, so that a handle can be an address.

use super::deadlines::Deadlines;
use super::shared::{MOST_REQUESTS, Shared};
use super::slot::{Common, Host, Slot};
use super::sys::Fixed;
use once_cell::race::OnceBox;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Slots of the first chunk; each following one is twice as large, up to a size that a request can wait for.
const FIRST: u32 = 64;
/// How often they double: to 32,768 slots, six megabytes, three large pages.
const DOUBLINGS: u32 = 9;
/// Slots of the chunks that double, all but the largest.
const SMALL: u32 = FIRST * ((1 << DOUBLINGS) - 1);
pub const LARGEST: u32 = FIRST << DOUBLINGS;
/// Each chunk begins at a multiple of this, so that what identifies its slots to C may be spread over so many numbers.
pub const REACH: usize = (LARGEST as usize) << 8;
/// Enough for as many requests as an engine may be asked for.
pub const CHUNKS: usize = (MOST_REQUESTS / LARGEST + DOUBLINGS + 1) as usize;

struct Chunk<H: Host> {
    slots: Fixed<Slot<H>>,
    common: Arc<Common<H>>,
}

/// See the [module](self).
pub struct Table<H: Host> {
    shared: Arc<Shared>,
    // A race cell instead of a OnceLock: a child that was forked while another thread fills a OnceLock would wait for ever.
    chunks: Box<[OnceBox<Chunk<H>>]>,
    most: u32,
}

impl<H: Host> Table<H> {
    pub fn new(shared: &Arc<Shared>, most: u32) -> Self {
        Self { shared: Arc::clone(shared), chunks: (0..CHUNKS).map(|_| OnceBox::new()).collect(), most }
    }

    /// A free slot; `None`: as many are live as the engine may hold.
    #[inline(always)] // called from the two beginnings alone, and a tenth of each
    pub fn take(&self) -> Option<&Slot<H>> {
        let found = self.shared.free.take(self.shared.caller(), |index| {
            let slot = self.slot(index);
            (slot, slot.next_free.load(Relaxed))
        });
        found.or_else(|| self.take_elsewhere())
    }

    #[cold]
    #[inline(never)]
    fn take_elsewhere(&self) -> Option<&Slot<H>> {
        let link = |index| &self.slot(index).next_free;
        let found = self.shared.free.take_elsewhere(self.shared.caller(), self.most, link);
        found.map(|index| self.slot(index))
    }

    /// The slot with this number; makes its chunk if there is none yet.
    #[inline]
    pub fn slot(&self, index: u32) -> &Slot<H> {
        let (chunk, offset) = place(index);
        &self.chunk(chunk).slots[offset]
    }

    #[inline]
    fn chunk(&self, number: usize) -> &Chunk<H> {
        self.chunks[number].get().unwrap_or_else(|| self.make_chunk(number))
    }

    #[cold]
    fn make_chunk(&self, number: usize) -> &Chunk<H> {
        if let Some(queues) = &self.shared.queues {
            queues.prepare(number);
        }
        self.chunks[number].get_or_init(|| {
            let (first, count) = extent(number as u32);
            let common = Arc::new(Common::new(&self.shared, first, count as usize));
            let slots = Fixed::aligned(REACH, count as usize, |lane| Slot::new(lane, &common));
            Box::new(Chunk { slots, common })
        })
    }

    /// Whether every used slot is free and completely given back.
    pub fn is_all_free(&self) -> bool {
        self.shared.free.holds_all(|index| self.slot(index).next_free.load(Relaxed))
    }

    /// Every slot that was ever used. Those that come soon are fetched meanwhile: of a million none is in a cache.
    pub fn used(&self) -> impl Iterator<Item = &Slot<H>> {
        const AHEAD: u32 = 32;
        let used = self.shared.free.used();
        (0..used).map(move |index| {
            if index + AHEAD < used {
                self.slot(index + AHEAD).prefetch_counts();
            }
            self.slot(index)
        })
    }

    /// Every chunk's deadlines, with its slots.
    pub fn deadlines(&self) -> impl Iterator<Item = (&Deadlines, &[Slot<H>])> {
        self.chunks.iter().filter_map(|chunk| chunk.get()).map(|chunk| (&chunk.common.deadlines, &*chunk.slots))
    }
}

/// Chunk and offset of a slot's number.
#[inline]
pub fn place(index: u32) -> (usize, usize) {
    if index < SMALL {
        let chunk = (index / FIRST + 1).ilog2();
        (chunk as usize, (index - FIRST * ((1 << chunk) - 1)) as usize)
    } else {
        let beyond = index - SMALL;
        ((beyond / LARGEST + DOUBLINGS) as usize, (beyond % LARGEST) as usize)
    }
}

/// A chunk's first slot, and how many it has.
pub fn extent(chunk: u32) -> (u32, u32) {
    match chunk.checked_sub(DOUBLINGS) {
        None => (FIRST * ((1 << chunk) - 1), FIRST << chunk),
        Some(large) => (SMALL + large * LARGEST, LARGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::super::slot::NoClient;
    use super::*;

    #[test]
    fn numbers_fill_chunks_without_gaps() {
        let mut expected = (0, 0);
        for index in 0..MOST_REQUESTS {
            assert_eq!(place(index), expected, "{index}");
            let (first, count) = extent(expected.0 as u32);
            assert_eq!(first + expected.1 as u32, index);
            expected.1 += 1;
            if expected.1 == count as usize {
                expected = (expected.0 + 1, 0);
            }
        }
        assert!(place(MOST_REQUESTS - 1).0 < CHUNKS);
    }

    /// As many threads as slots at once: the free slots of a block that one thread takes are for the others too.
    #[test]
    fn it_is_not_full_while_slots_are_on_their_way() {
        const THREADS: u32 = 16;
        for _ in 0..200 {
            let shared = Arc::new(Shared::new(0, None).unwrap());
            let (free, at_once) = (&shared.free, std::sync::Barrier::new(THREADS as usize));
            let table = Table::<NoClient>::new(&shared, THREADS);
            std::thread::scope(|scope| {
                let take = || {
                    at_once.wait();
                    table.take().expect("there is one for each").index()
                };
                let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(take)).collect();
                let mut taken: Vec<u32> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
                assert!(table.take().is_none(), "now it is full");
                let give_back = |&index: &u32| free.give_back(shared.caller(), index, &table.slot(index).next_free);
                taken.iter().for_each(give_back);
                assert!(table.is_all_free());
                taken.sort_unstable();
                assert!(taken.iter().copied().eq(0..THREADS), "each is taken once: {taken:?}");
            });
        }
    }
}
