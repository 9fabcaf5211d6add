//! An engine's part of the file: the blocks that it has claimed, and the rows of its slots in them.

use super::super::sys::{self, Mapping};
use super::layout::{self, BLOCKS, ENTRY, Found, Layout, NOT_SHOWN, PAGE, ROW, ROWS};
use super::opening::{self, Account};
use super::process::{self, Owner, World};
use super::row::RowWriter;
use crate::error::{Code, Result};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};

/// No block yet.
const NONE: u32 = u32::MAX;
/// Milliseconds between two looks for room when there was none.
const RETRY: u64 = 1_000;

/// The block table of a mapped file.
#[derive(Clone, Copy)]
pub struct Table<'a> {
    words: &'a [AtomicU64],
    layout: Layout,
}

impl<'a> Table<'a> {
    pub fn new(map: &'a Mapping, layout: Layout) -> Self {
        Self { words: map.words(), layout }
    }

    fn entry(self, block: u32) -> &'a [AtomicU64] {
        let at = PAGE / 8 + block as usize * ENTRY;
        &self.words[at..at + ENTRY]
    }

    pub fn blocks(self) -> impl Iterator<Item = u32> {
        0..self.layout.blocks
    }

    pub fn owner(self, block: u32) -> Owner {
        Owner(self.entry(block)[0].load(Acquire))
    }

    pub fn world(self, block: u32) -> World {
        let entry = self.entry(block);
        World { boot: entry[1].load(Relaxed), namespace: entry[2].load(Relaxed) }
    }

    fn gauge(self, block: u32) -> &'a AtomicU64 {
        &self.words[self.layout.gauges() / 8 + block as usize]
    }

    /// Whether the owner of a block is known to be dead.
    pub fn is_dead(self, block: u32, owner: Owner, here: World) -> bool {
        owner != Owner::NOBODY
            && match owner.is_cleaning() {
                true => !process::lives(owner), // it has not said yet to which world it belongs
                false => !here.lives(self.world(block), owner),
            }
    }

    /// The block changes hands, if it still belongs to `from`.
    pub fn pass(self, block: u32, from: Owner, to: Owner) -> bool {
        self.entry(block)[0].compare_exchange(from.0, to.0, SeqCst, Relaxed).is_ok()
    }

    /// The owner has cleaned the block; from now on its rows count.
    fn settle(self, block: u32, owner: Owner, world: World) -> bool {
        let entry = self.entry(block);
        entry[1].store(world.boot, Relaxed);
        entry[2].store(world.namespace, Relaxed);
        entry[3].store(process::clock_offset(), Relaxed);
        self.gauge(block).store(0, Relaxed);
        self.pass(block, owner.cleaning(), owner)
    }
}

/// Makes the file for processes that will run as this user and group, by a process that may still give it to them. One that is there is
/// looked at and never changed: it has to be theirs.
pub fn prepare(path: &Path, user: u32, group: u32) -> Result<()> {
    let file = opening::open(path, Account { user, group: Some(group) })?;
    layout::judge(path, &file).map(|_| ())
}

/// See the [module](self).
pub struct Writer {
    file: File,
    map: Mapping,
    layout: Layout,
    owner: Owner,
    world: World,
    /// The block of each 16 slots.
    blocks: Box<[AtomicU32]>,
    /// The first block that was claimed: detached requests count there.
    home: AtomicU32,
    retry_at: AtomicU64,
    not_shown: AtomicU64,
}

impl Writer {
    /// Opens the file, or makes it.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_or_make(path, Layout { blocks: BLOCKS })
    }

    pub fn open_or_make(path: &Path, new: Layout) -> Result<Self> {
        let refused = |text: &str| Err(layout::refused(path, Code::Io, text));
        let file = opening::open(path, Account { user: sys::effective_user(), group: None })?;
        let found = layout::judge(path, &file)?;
        let layout = if let Found::Ready(layout) = found { layout } else { new };
        if sys::largest_file() < layout.bytes() as u64 {
            return refused("this process may not write files as large as a scoreboard (ulimit -f)");
        }
        if found == Found::Unmade {
            layout::make(&file, layout).map_err(|error| layout::unusable(path, &error))?;
        }
        let map = Mapping::new(&file, layout.bytes()).map_err(|error| layout::unusable(path, &error))?;
        let blocks = (0..layout.blocks).map(|_| AtomicU32::new(NONE)).collect();
        let retry_at = AtomicU64::new(0);
        let not_shown = AtomicU64::new(0);
        let home = AtomicU32::new(NONE);
        Ok(Self { file, map, layout, owner: Owner::this(), world: World::this(), blocks, home, retry_at, not_shown })
    }

    fn table(&self) -> Table<'_> {
        Table::new(&self.map, self.layout)
    }

    /// Slots that can have a row.
    pub fn most(&self) -> u32 {
        self.layout.blocks.saturating_mul(ROWS as u32)
    }

    /// Counts a request that found no room, among those of all processes and among this engine's own.
    pub fn count_not_shown(&self) {
        self.map.words()[NOT_SHOWN].fetch_add(1, Relaxed);
        self.not_shown.fetch_add(1, Relaxed);
    }

    /// How many requests of this engine found no room.
    pub fn not_shown(&self) -> u64 {
        self.not_shown.load(Relaxed)
    }

    /// The row of a slot, if it has one.
    pub fn row(&self, slot: u32) -> Option<RowWriter<'_>> {
        let block = self.blocks.get(slot as usize / ROWS)?.load(Acquire);
        (block != NONE).then(|| self.row_of(block, slot as usize % ROWS))
    }

    /// The row of a slot; its block is claimed if it must be. `None`: there is no room.
    pub fn row_or_claim(&self, slot: u32, now: u64) -> Option<RowWriter<'_>> {
        self.row(slot).or_else(|| self.claim_for(slot, now))
    }

    fn row_of(&self, block: u32, row: usize) -> RowWriter<'_> {
        let at = self.layout.block(block) / 8 + row * ROW;
        RowWriter(self.map.words()[at..].first_chunk().expect("a block of the layout is part of the mapping"))
    }

    #[cold]
    fn claim_for(&self, slot: u32, now: u64) -> Option<RowWriter<'_>> {
        let place = self.blocks.get(slot as usize / ROWS)?;
        if now < self.retry_at.load(Relaxed) {
            return None;
        }
        let Some(block) = self.claim() else {
            self.retry_at.store(now + RETRY, Relaxed);
            return None;
        };
        if place.compare_exchange(NONE, block, SeqCst, Relaxed).is_err() {
            // Another thread was quicker with the same slots.
            self.table().pass(block, self.owner, Owner::NOBODY);
        } else {
            let _ = self.home.compare_exchange(NONE, block, SeqCst, Relaxed);
        }
        self.row(slot)
    }

    /// A block of our own, all its rows free: one that is nobody's; else one of a dead process with nothing unfinished in it;
    /// else, of those with unfinished requests, one of the process that died with a former boot or that started first.
    fn claim(&self) -> Option<u32> {
        let table = self.table();
        let free = table.blocks().find(|&block| {
            table.owner(block) == Owner::NOBODY && table.pass(block, Owner::NOBODY, self.owner.cleaning())
        });
        let block = free.or_else(|| self.take_over())?;
        // Also takes the room on the disk: where there is none, this fails and not a store later, which could only
        // be answered with the end of the process.
        if self.file.write_all_at(&[0; PAGE], self.layout.block(block) as u64).is_err() {
            table.pass(block, self.owner.cleaning(), Owner::NOBODY);
            return None;
        }
        table.settle(block, self.owner, self.world).then_some(block)
    }

    fn take_over(&self) -> Option<u32> {
        let table = self.table();
        let mut judged = std::collections::HashMap::new();
        let mut dead: Vec<_> = table
            .blocks()
            .filter_map(|block| {
                let (owner, world) = (table.owner(block), table.world(block));
                let known = (owner, world.boot, world.namespace);
                let is_dead = *judged.entry(known).or_insert_with(|| table.is_dead(block, owner, self.world));
                is_dead.then(|| {
                    (self.has_unfinished(block, owner), world.boot == self.world.boot, owner.start(), block, owner)
                })
            })
            .collect();
        dead.sort_unstable_by_key(|&(unfinished, same_boot, start, block, _)| (unfinished, same_boot, start, block));
        let taken = dead.into_iter().find(|&(.., block, owner)| table.pass(block, owner, self.owner.cleaning()));
        taken.map(|(.., block, _)| block)
    }

    fn has_unfinished(&self, block: u32, owner: Owner) -> bool {
        !owner.is_cleaning() && (0..ROWS).any(|row| self.row_of(block, row).is_live())
    }

    /// This process's turn to count, until what comes back is dropped; `None`: it is another's.
    pub fn take_turn(&self) -> Option<sys::files::Turn<'_>> {
        sys::files::Turn::take(&self.file)
    }

    /// Detached requests that living processes count; where even those of dead ones make fewer than `enough`, theirs may be among them.
    pub fn detached(&self, enough: u64) -> u64 {
        let table = self.table();
        let counting = || {
            table.blocks().filter_map(|block| {
                // A count below 0 cannot be: whatever stands there, it is not believed.
                let gauge = u64::try_from(table.gauge(block).load(SeqCst) as i64).unwrap_or(0);
                let owner = table.owner(block);
                (gauge > 0 && owner != Owner::NOBODY && !owner.is_cleaning()).then_some((block, owner, gauge))
            })
        };
        let all = counting().map(|(.., gauge)| gauge).fold(0, u64::saturating_add);
        if all < enough {
            return all;
        }
        let lives = |block, owner| owner == self.owner || !table.is_dead(block, owner, self.world);
        counting()
            .filter(|&(block, owner, _)| lives(block, owner))
            .map(|(.., gauge)| gauge)
            .fold(0, u64::saturating_add)
    }

    /// So many more detached requests of this engine. False: it has no block to count them in.
    pub fn count_detached(&self, more: i64) -> bool {
        let home = self.home.load(Acquire);
        if home != NONE {
            self.table().gauge(home).fetch_add(more as u64, SeqCst);
        }
        home != NONE
    }

    /// Gives back every block without live rows. What is live stays, to be seen.
    pub fn release(&self) {
        for place in &self.blocks {
            let block = place.load(Acquire);
            if block != NONE && !self.has_unfinished(block, self.owner) {
                place.store(NONE, Release);
                let _ = self.home.compare_exchange(block, NONE, SeqCst, Relaxed);
                self.table().pass(block, self.owner, Owner::NOBODY);
            }
        }
    }
}
