//! The hash index of a tree: open addressing over node numbers. The configuration's unknown names use it, too.

use super::tree::Key;
use std::hash::{BuildHasher, Hasher, RandomState};

/// The slots of all lists of a tree, those of one list side by side: the next key mostly goes to the same list as the
/// last one, whose slots are then in the cache.
#[derive(Debug)]
pub(crate) struct Index {
    /// The high half of a hash and a node number plus one; 0: free.
    slots: Vec<u64>,
    /// Random for each tree, so that nobody can write a text whose keys all share one slot.
    seed: u64,
}

/// Where the slots of one list are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Region {
    start: usize,
    /// A power of two, or 0 while the list is empty.
    size: usize,
    used: usize,
}

const FOLD: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

fn eight(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

fn four(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |chunk| u64::from(u32::from_le_bytes(*chunk)))
}

/// Up to 16 bytes as two words, by overlapping reads: copies of odd lengths are slow.
fn two_words(bytes: &[u8]) -> (u64, u64) {
    match bytes.len() {
        8.. => (eight(bytes), eight(&bytes[bytes.len() - 8..])),
        4.. => (four(bytes), four(&bytes[bytes.len() - 4..])),
        1.. => {
            let ends = u64::from(bytes[0]) | u64::from(bytes[bytes.len() - 1]) << 8;
            (ends, u64::from(bytes[bytes.len() / 2]))
        }
        0 => (0, 0),
    }
}

impl Index {
    pub(crate) fn with_capacity(keys: usize) -> Self {
        Self { slots: Vec::with_capacity(keys * 2), seed: RandomState::new().build_hasher().finish() | 1 }
    }

    #[inline]
    pub(crate) fn hash(&self, key: Key<'_>) -> u64 {
        let start = self.seed.rotate_left(32);
        match key {
            Key::Int(int) => mix(start ^ int as u64, self.seed ^ FOLD.rotate_left(17)),
            Key::Text(text) => {
                let mut hash = start ^ text.len() as u64;
                let mut rest = text;
                while rest.len() > 16 {
                    hash = mix(hash ^ eight(rest), self.seed ^ eight(&rest[8..]).wrapping_add(FOLD));
                    rest = &rest[16..];
                }
                let (low, high) = two_words(rest);
                mix(hash ^ low, self.seed ^ high.wrapping_add(FOLD))
            }
        }
    }

    #[inline]
    pub(crate) fn find(&self, region: Region, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        let slots = &self.slots[region.start..region.start + region.size];
        let mask = slots.len().wrapping_sub(1);
        let mut at = (hash >> 32) as usize & mask;
        loop {
            let slot = *slots.get(at)?;
            if slot == 0 {
                return None;
            }
            if slot >> 32 == hash >> 32 && is(slot as u32 - 1) {
                return Some(slot as u32 - 1);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a node that is not there yet.
    #[inline]
    pub(crate) fn insert(&mut self, region: &mut Region, hash: u64, node: u32) {
        if region.used * 4 >= region.size * 3 {
            self.grow(region);
        }
        region.used += 1;
        self.fill(*region, hash >> 32 << 32 | u64::from(node + 1));
    }

    fn fill(&mut self, region: Region, slot: u64) {
        let slots = &mut self.slots[region.start..region.start + region.size];
        let mask = slots.len() - 1;
        let mut at = (slot >> 32) as usize & mask;
        while slots[at] != 0 {
            at = (at + 1) & mask;
        }
        slots[at] = slot;
    }

    /// Moves a list to four times as many slots, after all others. The abandoned slots are at most a third of those in
    /// use.
    fn grow(&mut self, region: &mut Region) {
        let old = *region;
        region.start = self.slots.len();
        region.size = if old.size == 0 { 8 } else { old.size * 4 };
        self.slots.resize(region.start + region.size, 0);
        for at in old.start..old.start + old.size {
            let slot = self.slots[at];
            if slot != 0 {
                self.fill(*region, slot);
            }
        }
    }
}
