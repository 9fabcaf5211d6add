//! What only some requests bring along, in an array beside the slots: a key, and a callback for the end. The array of a chunk comes into being
//! with the first request that needs it; others never touch it.

use super::slot::Host;
use atomic_refcell::AtomicRefCell;
use once_cell::race::OnceBox;
use std::borrow::Cow;
use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

/// The longest key that is kept as it is; of a longer one, its hash.
pub const KEY: usize = 64;

/// The stored form of a key: the key itself, or the hash of a long one.
pub fn kept(key: &[u8]) -> Cow<'_, [u8]> {
    if key.len() > KEY { hex(&hmac_sha256::Hash::hash(key)).to_vec().into() } else { key.into() }
}

/// One slot's part of the array. Which of it counts is said by the slot's facts.
pub struct Annex<H: Host> {
    pub on_ended: AtomicRefCell<Option<H::OnEnded>>,
    key: Key,
}

impl<H: Host> Default for Annex<H> {
    fn default() -> Self {
        Self { on_ended: AtomicRefCell::new(None), key: Key::default() }
    }
}

impl<H: Host> Annex<H> {
    /// By the owner, before the slot is live.
    pub fn set_key(&self, key: &[u8]) {
        self.key.set(&kept(key));
    }

    /// Whole, though it may be written meanwhile; empty where its writer does not get on.
    pub fn key(&self) -> Vec<u8> {
        self.key.get()
    }
}

/// The annexes of a chunk.
pub struct Annexes<H: Host> {
    all: OnceBox<Box<[Annex<H>]>>,
    count: usize,
}

impl<H: Host> Annexes<H> {
    pub fn new(count: usize) -> Self {
        Self { all: OnceBox::new(), count }
    }

    /// That of a slot; the array is made if it must be.
    pub fn of(&self, lane: u32) -> &Annex<H> {
        let all = self.all.get_or_init(|| Box::new((0..self.count).map(|_| Annex::default()).collect()));
        &all[lane as usize]
    }
}

/// Bytes that others read while they may be written anew.
#[derive(Default)]
struct Key {
    /// Odd while they are written.
    turn: AtomicU32,
    length: AtomicU32,
    words: [AtomicU64; KEY / 8],
}

impl Key {
    fn set(&self, key: &[u8]) {
        let turn = self.turn.load(Relaxed);
        self.turn.store(turn.wrapping_add(1), Relaxed);
        fence(Release);
        let mut bytes = [0; KEY];
        bytes[..key.len()].copy_from_slice(key);
        self.length.store(key.len() as u32, Relaxed);
        let (parts, _) = bytes.as_chunks();
        for (word, &part) in self.words.iter().zip(parts) {
            word.store(u64::from_ne_bytes(part), Relaxed);
        }
        self.turn.store(turn.wrapping_add(2), Release);
    }

    fn get(&self) -> Vec<u8> {
        for _ in 0..100 {
            let turn = self.turn.load(Acquire);
            let length = self.length.load(Relaxed);
            let words = self.words.each_ref().map(|word| word.load(Relaxed));
            fence(Acquire);
            if turn & 1 == 0 && self.turn.load(Relaxed) == turn {
                let mut key: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
                key.truncate(length as usize);
                return key;
            }
            std::thread::yield_now();
        }
        Vec::new()
    }
}

/// As text: as long as the longest key.
fn hex(hash: &[u8; 32]) -> [u8; KEY] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    std::array::from_fn(|at| DIGITS[usize::from(hash[at / 2] >> (4 * (1 - at % 2)) & 15)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_keys_are_hashed_and_never_cut() {
        let key = Key::default();
        key.set(b"a\0b");
        assert_eq!(key.get(), b"a\0b");
        key.set(b"");
        assert_eq!(key.get(), b"");
        // The hash of "abc" as FIPS 180-2 gives it.
        let of_abc = hex(&hmac_sha256::Hash::hash(b"abc"));
        assert_eq!(&of_abc, b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        key.set(&of_abc);
        assert_eq!(key.get(), of_abc);
    }
}
