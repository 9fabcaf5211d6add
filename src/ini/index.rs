//! The one hash index of a tree: open addressing over node numbers.

use super::tree::Key;
use std::hash::{BuildHasher, Hasher, RandomState};

#[derive(Debug)]
pub(super) struct Index {
    /// The high half of a hash and a node number plus one; 0: free.
    slots: Vec<u64>,
    used: usize,
    /// Differs from tree to tree, so that nobody can write a text whose keys all meet in one slot.
    seed: u64,
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

/// Up to 16 bytes as two words, by reads that overlap: copies of odd lengths are slow.
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
    pub(super) fn with_capacity(keys: usize) -> Self {
        let slots = (keys * 2).next_power_of_two().max(16);
        Self { slots: vec![0; slots], used: 0, seed: RandomState::new().build_hasher().finish() | 1 }
    }

    #[inline]
    pub(super) fn hash(&self, list: u32, key: Key<'_>) -> u64 {
        let start = mix(self.seed ^ u64::from(list), FOLD);
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
    pub(super) fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut at = (hash >> 32) as usize & mask;
        loop {
            let slot = self.slots[at];
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
    pub(super) fn insert(&mut self, hash: u64, node: u32) {
        if self.used * 2 >= self.slots.len() {
            self.grow();
        }
        self.used += 1;
        self.fill(hash >> 32 << 32 | u64::from(node + 1));
    }

    fn fill(&mut self, slot: u64) {
        let mask = self.slots.len() - 1;
        let mut at = (slot >> 32) as usize & mask;
        while self.slots[at] != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }

    #[cold]
    fn grow(&mut self) {
        let size = self.slots.len() * 4;
        for slot in std::mem::replace(&mut self.slots, vec![0; size]) {
            if slot != 0 {
                self.fill(slot);
            }
        }
    }
}
