//! A page: the counters and the self-description of one process.
//!
//! | word | what |
//! | --- | --- |
//! | 0 … 2 | owner, boot, namespace, as in the block table |
//! | 3 | bits: 1 says that the owner holds the lock of this page's first byte as long as it lives |
//! | 4 | the heartbeat: when the owner's thread last ran, milliseconds of the monotonic clock |
//! | 5 | fingerprint of its policy; 0: unknown |
//! | 8 … 10 | gauges: requests in flight, detached, accepted |
//! | 11 | gauge: requests that count under `outlive.max_detached_total` |
//! | 12 | another number each time that somebody has written a cancel word of the owner's rows |
//! | 64 … 127 | the counters: [`Numbers`](crate::engine::numbers::Numbers) |
//!
//! Pages are inherited: a process that claims the page of an ended or dead one continues its counts, so that the sum over all pages never
//! falls and nothing is counted twice. The rest is the owner's own, and counts only while it lives.
//!
//! The first page has no owner: where there are more processes than pages, they count there together.

use super::super::numbers::{self, Gauges, Numbers, WORDS, bucket};
use super::super::sys::{self, Mapping, files};
use super::layout::{Layout, PAGE, USED_PAGES};
use super::process::{self, Owner, World};
use crate::request::Ending;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};

/// The page that is everybody's.
pub const COMMON: u32 = 0;

const OWNER: usize = 0;
const BOOT: usize = 1;
const NAMESPACE: usize = 2;
const LOCK: usize = 3;
const BEAT: usize = 4;
const POLICY: usize = 5;
const GAUGES: usize = 8;
const TOTAL: usize = 11;
const ASKED: usize = 12;
const COUNTERS: usize = 64;
/// Words in front of the counters that are the owner's own.
const OWN: usize = 16;

const LOCKED: u64 = 1;

/// How many pages were ever used: the rest need not be read.
pub fn used(map: &Mapping, layout: Layout) -> u32 {
    bounded(map.words()[USED_PAGES].load(Acquire), layout)
}

fn bounded(used: u64, layout: Layout) -> u32 {
    u32::try_from(used).unwrap_or(u32::MAX).clamp(1, layout.pages())
}

/// Says, behind a cancel word, that there is one.
pub fn ask(file: &File, layout: Layout, number: u32) -> std::io::Result<()> {
    let new = sys::now_ns() << 22 ^ u64::from(std::process::id());
    file.write_all_at(&new.to_ne_bytes(), (layout.page(number) + 8 * ASKED) as u64)
}

/// A page of a mapped file.
#[derive(Clone, Copy)]
pub struct Page<'a> {
    words: &'a [AtomicU64],
    at: usize,
}

impl<'a> Page<'a> {
    pub fn new(map: &'a Mapping, layout: Layout, number: u32) -> Self {
        let at = layout.page(number);
        Self { words: &map.words()[at / 8..(at + PAGE) / 8], at }
    }

    pub fn owner(self) -> Owner {
        Owner(self.words[OWNER].load(Acquire))
    }

    fn world(self) -> World {
        World { boot: self.words[BOOT].load(Relaxed), namespace: self.words[NAMESPACE].load(Relaxed) }
    }

    fn is_locked(self) -> bool {
        self.words[LOCK].load(Relaxed) & LOCKED != 0
    }

    /// Whether its owner is known to be dead.
    fn is_dead(self, file: &File, owner: Owner, here: World) -> bool {
        match owner.is_cleaning() {
            true => !process::lives(owner),
            false => !lives(here, owner, self.world(), self.is_locked(), file, self.at),
        }
    }

    /// Takes a page that is free or a dead process's. False: another process has it.
    pub fn claim(self, map: &Mapping, number: u32, file: &File, owner: Owner, world: World, may_lock: bool) -> bool {
        map.words()[USED_PAGES].fetch_max(u64::from(number) + 1, Release);
        let before = self.owner();
        if before != Owner::NOBODY && !self.is_dead(file, before, world) {
            return false;
        }
        let locked = may_lock && files::hold(file, self.at as u64);
        let is_ours = self.pass(before, owner.cleaning()) && self.settle(file, owner, world, locked);
        if locked && !is_ours {
            files::let_go(file, self.at as u64);
        }
        is_ours
    }

    /// The page changes hands, if it still belongs to `from`.
    fn pass(self, from: Owner, to: Owner) -> bool {
        self.words[OWNER].compare_exchange(from.0, to.0, SeqCst, Relaxed).is_ok()
    }

    /// The new owner publishes its identity.
    fn settle(self, file: &File, owner: Owner, world: World, locked: bool) -> bool {
        // Also takes the disk space: if there is none, this fails instead of a later store.
        if file.write_all_at(&[0; 8 * (OWN - 1)], self.at as u64 + 8).is_err() {
            self.pass(owner.cleaning(), Owner::NOBODY);
            return false;
        }
        self.words[BOOT].store(world.boot, Relaxed);
        self.words[NAMESPACE].store(world.namespace, Relaxed);
        self.words[LOCK].store(if locked { LOCKED } else { 0 }, Relaxed);
        self.words[BEAT].store(sys::now_ms(), Relaxed);
        self.pass(owner.cleaning(), owner)
    }

    /// Its owner ends: the counters stay for the next owner, who finds the lock free.
    pub fn release(self, file: &File, owner: Owner) {
        for at in GAUGES..=TOTAL {
            self.words[at].store(0, Relaxed);
        }
        files::let_go(file, self.at as u64);
        self.pass(owner, Owner::NOBODY);
    }

    /// Writes the owner's heartbeat.
    pub fn beat(self, now: u64) {
        self.words[BEAT].store(now, Relaxed);
    }

    /// Adds what the owner has counted since `told`, and sets `told` to the present counts.
    pub fn count(self, numbers: &Numbers, told: &mut Numbers) {
        let (new, old) = (numbers.to_words(), told.to_words());
        for (at, (new, old)) in new.into_iter().zip(old).enumerate() {
            let more = new.saturating_sub(old);
            if more > 0 {
                self.words[COUNTERS + at].fetch_add(more, Relaxed);
            }
        }
        told.rise_to(numbers);
    }

    /// One request that has ended.
    pub fn count_one(self, ending: Ending, ms: u64) {
        let places = [numbers::BEGUN, numbers::ENDED + ending as usize, numbers::REQUEST + bucket(ms)];
        places.iter().for_each(|at| {
            self.words[COUNTERS + at].fetch_add(1, Relaxed);
        });
        if ms > 0 {
            self.words[COUNTERS + numbers::REQUEST_MS].fetch_add(ms, Relaxed);
        }
    }

    /// Writes the gauges; not on the shared first page.
    pub fn set_gauges(self, gauges: Gauges) {
        for (at, value) in [gauges.in_flight, gauges.detached, gauges.accepted].into_iter().enumerate() {
            self.words[GAUGES + at].store(value, Relaxed);
        }
    }

    /// Publishes the policy that the owner follows.
    pub fn set_policy(self, fingerprint: u64) {
        self.words[POLICY].store(fingerprint, Relaxed);
    }

    /// Changes when somebody has asked for a request of the owner's to be cancelled: what has been asked before that is seen behind it.
    pub fn asked(self) -> u64 {
        self.words[ASKED].load(Acquire)
    }

    /// The gauge of detached requests over all processes.
    pub fn total(self) -> &'a AtomicU64 {
        &self.words[TOTAL]
    }
}

/// A copy of a page; its content is not trusted.
#[derive(Clone, Debug)]
pub struct PageCopy {
    words: Vec<u64>,
    pub number: u32,
}

impl PageCopy {
    /// Bytes that are read of a page.
    pub const BYTES: usize = 8 * (COUNTERS + WORDS);

    pub fn read(file: &File, layout: Layout, number: u32) -> std::io::Result<Self> {
        let mut bytes = [0; Self::BYTES];
        file.read_exact_at(&mut bytes, layout.page(number) as u64)?;
        let words = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_ne_bytes(*word)).collect();
        Ok(Self { words, number })
    }

    /// All pages that were ever used.
    pub fn all(file: &File, layout: Layout) -> std::io::Result<impl Iterator<Item = std::io::Result<Self>>> {
        let mut used = [0; 8];
        file.read_exact_at(&mut used, 8 * USED_PAGES as u64)?;
        Ok((0..bounded(u64::from_ne_bytes(used), layout)).map(move |number| Self::read(file, layout, number)))
    }

    pub fn owner(&self) -> Owner {
        Owner(self.words[OWNER])
    }

    pub fn beat(&self) -> u64 {
        self.words[BEAT]
    }

    /// Whether its owner lives; false for a free page and one that is being claimed.
    pub fn lives(&self, file: &File, layout: Layout, here: World) -> bool {
        let (owner, world) = (self.owner(), World { boot: self.words[BOOT], namespace: self.words[NAMESPACE] });
        self.number != COMMON
            && owner != Owner::NOBODY
            && !owner.is_cleaning()
            && lives(here, owner, world, self.words[LOCK] & LOCKED != 0, file, layout.page(self.number))
    }

    pub fn numbers(&self) -> Numbers {
        let mut words = [0; WORDS];
        words.copy_from_slice(&self.words[COUNTERS..]);
        Numbers::of_words(&words)
    }

    pub fn gauges(&self) -> Gauges {
        Gauges { in_flight: self.words[GAUGES], detached: self.words[GAUGES + 1], accepted: self.words[GAUGES + 2] }
    }

    /// 0: not said.
    pub fn policy(&self) -> u64 {
        self.words[POLICY]
    }
}

/// Whether an owner lives, as far as this process can see. An owner in another PID namespace cannot be found by its number, but the
/// kernel releases its lock when it dies.
pub fn lives(here: World, owner: Owner, world: World, is_locked: bool, file: &File, lock: usize) -> bool {
    match here.judges(world) {
        Some(true) => process::lives(owner),
        Some(false) => false,
        None => !is_locked || files::is_held(file, lock as u64),
    }
}
