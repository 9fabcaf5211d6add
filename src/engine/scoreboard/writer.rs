//! An engine's part of the file: its page, the blocks that it has claimed, and the rows of its slots in them.

use super::super::numbers::{Gauges, Numbers};
use super::super::sync::lock;
use super::super::sys::{self, Mapping, files};
use super::layout::{self, BLOCK, Found, Layout, ROWS};
use super::opening::{self, Account};
use super::page::{self, COMMON, Page, PageCopy};
use super::process::{Owner, World};
use super::reader::{self, Snapshot};
use super::row::{self, RowWriter};
use super::table::Table;
use super::totals::Totals;
use crate::error::{Code, Result};
use crate::request::Ending;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};

/// No block, or no page yet.
const NONE: u32 = u32::MAX;
/// Milliseconds between two looks for room when there was none.
const RETRY: u64 = 1_000;

/// Makes the file for processes that will run as this user and group; called by a process that may still give it to them. An existing
/// file is checked and never changed: it has to be theirs.
pub fn prepare(path: &Path, user: u32, group: u32) -> Result<()> {
    opening::open(path, Account { user, group: Some(group) }).map(|_| ())
}

/// Blocks of dead processes that were found and not yet taken, so that a process that needs many searches once.
#[derive(Default)]
struct Dead {
    /// When they were looked for.
    at: u64,
    /// The best last.
    blocks: Vec<(u32, Owner)>,
}

/// See the [module](self).
pub struct Writer {
    /// The path or descriptor that it was opened by, for error messages.
    path: PathBuf,
    file: File,
    map: Mapping,
    layout: Layout,
    /// Where the first block begins, in words.
    first_block: usize,
    owner: Owner,
    world: World,
    /// The file's locks are this engine's own.
    is_own: bool,
    /// The block of each group of 16 slots.
    blocks: Box<[AtomicU32]>,
    /// The page for its counts; claimed with the first request.
    page: AtomicU32,
    /// The counts of this engine that are in the page already.
    told: Mutex<Numbers>,
    dead: Mutex<Dead>,
    retry_at: AtomicU64,
    not_shown: AtomicU64,
    policy: AtomicU64,
    /// What the page said when it was asked last for cancel words.
    asked: AtomicU64,
}

impl Writer {
    /// Opens the file, or makes it with room for so many rows.
    pub fn open(path: &Path, rows: u32) -> Result<Self> {
        let (file, found) = opening::open(path, Account { user: sys::effective_user(), group: None })?;
        Self::of(path, file, found, rows, true)
    }

    /// Takes the file that a descriptor leads to, which stays the caller's.
    pub fn take(descriptor: i32, rows: u32) -> Result<Self> {
        let (file, found, is_own) = opening::take(descriptor)?;
        Self::of(Path::new(&format!("/proc/self/fd/{descriptor}")), file, found, rows, is_own)
    }

    fn of(path: &Path, file: File, found: Found, rows: u32, is_own: bool) -> Result<Self> {
        let failed = |error: std::io::Error| layout::unusable(path, &error);
        let new = Layout::of_rows(rows);
        let layout = if let Found::Ready(layout) = found { layout } else { new };
        if sys::largest_file() < layout.bytes() as u64 {
            let text = "this process may not write files as large as a scoreboard (ulimit -f)";
            return Err(layout::refused(path, Code::Io, text));
        }
        let layout = match found {
            Found::Ready(layout) => layout,
            _ => match layout::make(path, &file, new)? {
                Found::Ready(layout) => layout,
                _ => return Err(layout::refused(path, Code::Unsupported, "this scoreboard has another layout")),
            },
        };
        let map = Mapping::new(&file, layout.bytes()).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            map,
            layout,
            first_block: layout.block(0) / 8,
            owner: Owner::this(),
            world: World::this(),
            is_own,
            blocks: (0..layout.blocks).map(|_| AtomicU32::new(NONE)).collect(),
            page: AtomicU32::new(NONE),
            told: Mutex::default(),
            dead: Mutex::default(),
            retry_at: AtomicU64::new(0),
            not_shown: AtomicU64::new(0),
            policy: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            file,
        })
    }

    /// The file as others see it.
    pub fn read(&self) -> Result<Snapshot> {
        reader::read_open(&self.file, self.layout).map_err(|error| layout::unusable(&self.path, &error))
    }

    /// What all processes have counted in it.
    pub fn totals(&self) -> Result<Totals> {
        reader::totals_of_open(&self.file, self.layout).map_err(|error| layout::unusable(&self.path, &error))
    }

    fn table(&self) -> Table<'_> {
        Table::new(&self.map, self.layout)
    }

    /// Slots that can have a row.
    #[cfg(test)]
    pub fn most(&self) -> u32 {
        self.layout.blocks.saturating_mul(ROWS as u32)
    }

    /// Counts a request that found no room.
    pub fn count_not_shown(&self) {
        self.not_shown.fetch_add(1, Relaxed);
    }

    /// How many requests of this engine found no room.
    pub fn not_shown(&self) -> u64 {
        self.not_shown.load(Relaxed)
    }

    /// The row of a slot, if it has one.
    #[inline]
    pub fn row(&self, slot: u32) -> Option<RowWriter<'_>> {
        let block = self.blocks.get(slot as usize / ROWS)?.load(Acquire);
        let at = self.first_block + block as usize * (BLOCK / 8);
        (block != NONE).then(|| RowWriter::of(&self.map.words()[at..at + BLOCK / 8], slot as usize % ROWS))
    }

    /// The row of a slot; its block is claimed if it must be. `None`: there is no room.
    pub fn row_or_claim(&self, slot: u32, now: u64) -> Option<RowWriter<'_>> {
        self.row(slot).or_else(|| self.claim_for(slot, now))
    }

    #[cold]
    fn claim_for(&self, slot: u32, now: u64) -> Option<RowWriter<'_>> {
        let page = self.claim_page();
        let place = self.blocks.get(slot as usize / ROWS)?;
        if now < self.retry_at.load(Relaxed) {
            return None;
        }
        let Some(block) = self.claim(page, now) else {
            self.retry_at.store(now + RETRY, Relaxed);
            return None;
        };
        if place.compare_exchange(NONE, block, SeqCst, Relaxed).is_err() {
            // Another thread was quicker with the same slots.
            self.table().free(block, self.owner);
        }
        self.row(slot)
    }

    /// Claims a block and frees all its rows. In this order: a free block; a dead process's block without unfinished
    /// requests; one with unfinished requests, of an earlier boot or of the process that started first.
    fn claim(&self, page: u32, now: u64) -> Option<u32> {
        let table = self.table();
        let cleaning = self.owner.cleaning();
        let is_free = |&block: &u32| table.owner(block) == Owner::NOBODY && table.pass(block, Owner::NOBODY, cleaning);
        // If blocks of dead processes were searched just now, there is no free block either.
        let free = if self.has_looked(now) { None } else { table.behind_hint().find(is_free) };
        if let Some(block) = free {
            table.claimed(block);
        }
        let block = free.or_else(|| self.take_over(now))?;
        // Also takes the disk space: if there is none, this fails instead of a later store, which would end the
        // process. For the same reason the block is read, not touched.
        let (at, mut before) = (self.layout.block(block) as u64, [0; BLOCK]);
        let done = self.file.read_exact_at(&mut before, at);
        if done.and_then(|()| self.file.write_all_at(&row::cleaned(&before), at)).is_err() {
            table.free(block, cleaning);
            return None;
        }
        table.settle(block, self.owner, self.world, page).then_some(block)
    }

    fn has_looked(&self, now: u64) -> bool {
        let known = lock(&self.dead);
        !known.blocks.is_empty() && now < known.at + RETRY
    }

    fn take_over(&self, now: u64) -> Option<u32> {
        let table = self.table();
        let mut known = lock(&self.dead);
        if now >= known.at + RETRY {
            known.blocks.clear();
        }
        for _ in 0..2 {
            while let Some((block, owner)) = known.blocks.pop() {
                if table.pass(block, owner, self.owner.cleaning()) {
                    return Some(block);
                }
            }
            *known = Dead { at: now, blocks: self.find_dead() };
        }
        None
    }

    /// The blocks of dead processes, the best last.
    fn find_dead(&self) -> Vec<(u32, Owner)> {
        let table = self.table();
        let mut judged = std::collections::HashMap::new();
        let mut dead: Vec<_> = table
            .blocks()
            .filter_map(|block| {
                let (owner, world) = (table.owner(block), table.world(block));
                let key = (owner, world.boot, world.namespace);
                let is_dead = *judged.entry(key).or_insert_with(|| table.is_dead(&self.file, block, owner, self.world));
                is_dead.then(|| {
                    (self.has_unfinished(block, owner), world.boot == self.world.boot, owner.start(), block, owner)
                })
            })
            .collect();
        dead.sort_unstable_by_key(|&(unfinished, same_boot, start, block, _)| (unfinished, same_boot, start, block));
        dead.into_iter().rev().map(|(.., block, owner)| (block, owner)).collect()
    }

    fn has_unfinished(&self, block: u32, owner: Owner) -> bool {
        let block = self.table().block(block);
        !owner.is_cleaning() && (0..ROWS).any(|row| RowWriter::of(block, row).is_live())
    }

    /// The page where this engine counts, claimed if it has none.
    pub fn claim_page(&self) -> u32 {
        let known = self.page.load(Acquire);
        if known != NONE {
            return known;
        }
        let _one_at_a_time = lock(&self.told);
        if self.page.load(Acquire) == NONE {
            let page = |number: u32| Page::new(&self.map, self.layout, number);
            let claimed = (1..self.layout.pages())
                .find(|&at| page(at).claim(&self.map, at, &self.file, self.owner, self.world, self.is_own));
            self.page.store(claimed.unwrap_or(COMMON), Release);
            self.set_policy(self.policy.load(Relaxed));
        }
        self.page.load(Acquire)
    }

    /// The page, if it is claimed.
    fn page(&self) -> Option<Page<'_>> {
        let number = self.page.load(Acquire);
        (number != NONE).then(|| Page::new(&self.map, self.layout, number))
    }

    fn own_page(&self) -> Option<Page<'_>> {
        self.page().filter(|_| self.page.load(Acquire) != COMMON)
    }

    /// Which policy this engine follows.
    pub fn set_policy(&self, fingerprint: u64) {
        self.policy.store(fingerprint, Relaxed);
        if let Some(page) = self.own_page() {
            page.set_policy(fingerprint);
        }
    }

    /// Writes the engine's counters into its page; called by the engine's thread, and when somebody asks.
    pub fn publish(&self, numbers: &Numbers, gauges: Gauges, now: u64) {
        let Some(page) = self.page() else { return };
        page.count(numbers, &mut lock(&self.told));
        if let Some(page) = self.own_page() {
            page.set_gauges(gauges);
            page.beat(now);
        }
    }

    /// Whether somebody may have asked for a request of this engine to be cancelled since the last time.
    pub fn is_asked(&self) -> bool {
        let Some(page) = self.page() else { return false };
        let asked = page.asked();
        self.asked.swap(asked, Relaxed) != asked
    }

    /// Counts a request that has ended, beside what the engine publishes.
    pub fn count(&self, ending: Ending, ms: u64) {
        self.claim_page();
        if let Some(page) = self.page() {
            page.count_one(ending, ms);
        }
    }

    /// The lock for counting, held until the result is dropped; `None`: another process holds it.
    pub fn take_turn(&self) -> Option<files::Turn<'_>> {
        files::Turn::take(&self.file)
    }

    /// The detached requests of living processes. If the sum including dead processes is below `enough`, that sum is returned.
    pub fn detached(&self, enough: u64) -> u64 {
        let counting = || {
            (1..page::used(&self.map, self.layout)).filter_map(|number| {
                let page = Page::new(&self.map, self.layout, number);
                if page.owner() == Owner::NOBODY || page.owner().is_cleaning() {
                    return None;
                }
                // A count below 0 is impossible: such a value is ignored.
                let count = u64::try_from(page.total().load(SeqCst) as i64).unwrap_or(0);
                (count > 0).then_some((number, count))
            })
        };
        let all = counting().map(|(_, count)| count).fold(0, u64::saturating_add);
        if all < enough {
            return all;
        }
        let own = self.page.load(Acquire);
        let lives = |number| {
            number == own
                || PageCopy::read(&self.file, self.layout, number)
                    .is_ok_and(|copy| copy.lives(&self.file, self.layout, self.world))
        };
        counting().filter(|&(number, _)| lives(number)).map(|(_, count)| count).fold(0, u64::saturating_add)
    }

    /// Adds to the number of this engine's detached requests. False: it has no page of its own.
    pub fn count_detached(&self, more: i64) -> bool {
        self.own_page().map(|page| page.total().fetch_add(more as u64, SeqCst)).is_some()
    }

    /// Gives back every block without live rows, and the page if no block has any. Live rows stay visible.
    pub fn release(&self) {
        let mut is_empty = true;
        for place in &self.blocks {
            let block = place.load(Acquire);
            if block == NONE {
                continue;
            }
            if self.has_unfinished(block, self.owner) {
                is_empty = false;
                continue;
            }
            place.store(NONE, Release);
            self.table().free(block, self.owner);
        }
        if let Some(page) = self.own_page().filter(|_| is_empty) {
            self.page.store(NONE, Release);
            page.release(&self.file, self.owner);
        }
    }
}
