//! The block table of a mapped file: who owns which block.

use super::super::sys::Mapping;
use super::layout::{BLOCK, ENTRY, HINT, Layout, PAGE};
use super::page;
use super::process::{self, Owner, World};
use std::fs::File;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, SeqCst},
};

/// See the [module](self).
#[derive(Clone, Copy)]
pub struct Table<'a> {
    map: &'a Mapping,
    layout: Layout,
}

impl<'a> Table<'a> {
    pub fn new(map: &'a Mapping, layout: Layout) -> Self {
        Self { map, layout }
    }

    fn entry(self, block: u32) -> &'a [AtomicU64] {
        let at = PAGE / 8 + block as usize * ENTRY;
        &self.map.words()[at..at + ENTRY]
    }

    /// The words of a block; only of a whole mapping.
    pub fn block(self, block: u32) -> &'a [AtomicU64] {
        let at = self.layout.block(block);
        &self.map.words()[at / 8..(at + BLOCK) / 8]
    }

    pub fn blocks(self) -> impl Iterator<Item = u32> {
        0..self.layout.blocks
    }

    /// Every block, beginning at the hint: below it few are free.
    pub fn behind_hint(self) -> impl Iterator<Item = u32> {
        let blocks = self.layout.blocks;
        let first = (self.hint().load(Relaxed) % u64::from(blocks)) as u32;
        (first..blocks).chain(0..first)
    }

    fn hint(self) -> &'a AtomicU64 {
        &self.map.words()[HINT]
    }

    /// Blocks up to this one are probably in use.
    pub fn claimed(self, block: u32) {
        self.hint().store(u64::from(block) + 1, Relaxed);
    }

    pub fn owner(self, block: u32) -> Owner {
        Owner(self.entry(block)[0].load(Acquire))
    }

    pub fn world(self, block: u32) -> World {
        let entry = self.entry(block);
        World { boot: entry[1].load(Relaxed), namespace: entry[2].load(Relaxed) }
    }

    /// Whether the owner of a block is known to be dead.
    pub fn is_dead(self, file: &File, block: u32, owner: Owner, here: World) -> bool {
        let lives =
            || Entry::of(self.entry(block).iter().map(|word| word.load(Relaxed))).lives(file, self.layout, here);
        owner != Owner::NOBODY
            && match owner.is_cleaning() {
                true => !process::lives(owner), // it has not written its boot and namespace yet
                false => !lives(),
            }
    }

    /// The block changes hands, if it still belongs to `from`.
    pub fn pass(self, block: u32, from: Owner, to: Owner) -> bool {
        self.entry(block)[0].compare_exchange(from.0, to.0, SeqCst, Relaxed).is_ok()
    }

    /// The owner gives it back, or another process takes a dead owner's.
    pub fn free(self, block: u32, from: Owner) -> bool {
        let is_free = self.pass(block, from, Owner::NOBODY);
        if is_free {
            self.hint().fetch_min(block.into(), Relaxed);
        }
        is_free
    }

    /// The owner has cleaned the block; from now on its rows count.
    pub fn settle(self, block: u32, owner: Owner, world: World, page: u32) -> bool {
        let entry = self.entry(block);
        entry[1].store(world.boot, Relaxed);
        entry[2].store(world.namespace, Relaxed);
        entry[3].store(process::clock_offset(), Relaxed);
        entry[4].store(page.into(), Relaxed);
        self.pass(block, owner.cleaning(), owner)
    }
}

/// The entry of a block in the block table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    pub owner: Owner,
    pub world: World,
    /// The offset of its times to milliseconds since 1970.
    pub clock: u64,
    /// The page of its owner.
    pub page: u64,
}

impl Entry {
    pub fn of(mut words: impl Iterator<Item = u64>) -> Self {
        let mut word = || words.next().unwrap_or_default();
        Self { owner: Owner(word()), world: World { boot: word(), namespace: word() }, clock: word(), page: word() }
    }

    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self::of(bytes.as_chunks::<8>().0.iter().map(|word| u64::from_ne_bytes(*word)))
    }

    pub fn has_rows(self) -> bool {
        self.owner != Owner::NOBODY && !self.owner.is_cleaning()
    }

    /// Its page, if it has one of its own.
    pub fn own_page(self, layout: Layout) -> Option<u32> {
        u32::try_from(self.page).ok().filter(|&page| page != page::COMMON && page < layout.pages())
    }

    /// Whether its owner lives, as far as can be seen from here.
    pub fn lives(self, file: &File, layout: Layout, here: World) -> bool {
        match self.own_page(layout) {
            Some(page) if here.judges(self.world).is_none() => page::PageCopy::read(file, layout, page)
                // The page belongs to another owner by now: this one has ended or died.
                .map_or(true, |copy| copy.owner() == self.owner && copy.lives(file, layout, here)),
            _ => page::lives(here, self.owner, self.world, false, file, 0),
        }
    }
}
