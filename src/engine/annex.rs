//! What only some requests have: a key, and a callback for the end. It is kept in an array beside the slots; the array of a chunk is made
//! for the first request that needs it, and other requests never touch it.

use super::slot::Host;
use super::whole_words;
use atomic_refcell::AtomicRefCell;
use once_cell::race::OnceBox;
use std::borrow::Cow;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// The longest key that is kept as it is; of a longer one, its hash.
pub const KEY: usize = 64;

/// The stored form of a key: the key itself, or the hash of a long one.
pub fn kept(key: &[u8]) -> Cow<'_, [u8]> {
    if key.len() > KEY { hex(&hmac_sha256::Hash::hash(key)).to_vec().into() } else { key.into() }
}

/// One slot's part of the array. The slot's facts say which fields are valid.
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

    /// A consistent copy, even if it is being written; empty where its writer is stuck.
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

    /// The annex of a slot; makes the array if there is none yet.
    pub fn of(&self, lane: u32) -> &Annex<H> {
        let all = self.all.get_or_init(|| Box::new((0..self.count).map(|_| Annex::default()).collect()));
        &all[lane as usize]
    }
}

/// A key that others read while it may be written anew.
#[derive(Default)]
struct Key {
    turn: AtomicU32,
    /// The key; in the last its length.
    words: [AtomicU64; KEY / 8 + 1],
}

impl Key {
    fn set(&self, key: &[u8]) {
        let mut words = whole_words::of_text(key);
        words[KEY / 8] = key.len() as u64;
        whole_words::write(&self.turn, &self.words, words);
    }

    fn get(&self) -> Vec<u8> {
        let words = whole_words::read(&self.turn, &self.words);
        words.map_or_else(Vec::new, |words| whole_words::text_of(&words, words[KEY / 8] as usize))
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
