//! What only some requests have: callbacks for notices, a label or a method, a key, a callback for the end, caps. It is kept in arrays beside the
//! slots; those of a chunk are made for the first request that needs them, and other requests never touch them.

use super::slot::{Host, LABEL};
use super::sys::Fixed;
use super::whole_words;
use atomic_refcell::AtomicRefCell;
use once_cell::race::OnceBox;
use std::borrow::Cow;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64};

/// The longest key that is kept as it is; of a longer one, its hash.
pub const KEY: usize = 64;

/// The stored form of a key: the key itself, or the hash of a long one.
pub fn kept(key: &[u8]) -> Cow<'_, [u8]> {
    if key.len() > KEY { hex(&hmac_sha256::Hash::hash(key)).to_vec().into() } else { key.into() }
}

/// One slot's part of the array. The slot's state says which fields are valid.
pub struct Annex<H: Host> {
    /// The watched socket; only the owner uses it.
    pub socket: AtomicI32,
    pub max_detached: AtomicU32,
    pub max_detached_time: AtomicU32,
    pub max_detached_total: AtomicU32,
    pub on_ended: AtomicRefCell<Option<H::OnEnded>>,
    key: Key,
}

impl<H: Host> Default for Annex<H> {
    fn default() -> Self {
        Self {
            socket: AtomicI32::new(-1),
            max_detached: AtomicU32::new(0),
            max_detached_time: AtomicU32::new(0),
            max_detached_total: AtomicU32::new(0),
            on_ended: AtomicRefCell::new(None),
            key: Key::default(),
        }
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

/// What the engine's thread needs to tell a host of a stop. Apart, since it is all that many requests have of these arrays, and that thread may
/// go through many of them at once.
pub struct Notified<H: Host> {
    /// Generation << 8 | the events that the host was told of.
    pub events: AtomicU32,
    pub notices: H::Notices,
}

impl<H: Host> Default for Notified<H> {
    fn default() -> Self {
        Self { events: AtomicU32::new(0), notices: H::Notices::default() }
    }
}

/// What people see of a request beside its numbers.
#[derive(Default)]
pub struct Shown {
    pub method: AtomicU64,
    /// Odd while the label is written.
    pub label_turn: AtomicU32,
    pub label: [AtomicU64; LABEL / 8],
}

/// An array beside the slots of a chunk.
pub struct Beside<T> {
    all: OnceBox<Fixed<T>>,
    count: usize,
}

impl<T: Default> Beside<T> {
    pub fn new(count: usize) -> Self {
        Self { all: OnceBox::new(), count }
    }

    /// That of a slot; makes the array if there is none yet.
    #[inline]
    pub fn of(&self, lane: u16) -> &T {
        &self.all.get().unwrap_or_else(|| self.make())[usize::from(lane)]
    }

    #[cold]
    #[inline(never)]
    fn make(&self) -> &Fixed<T> {
        self.all.get_or_init(|| Box::new(Fixed::new(self.count, |_| T::default())))
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
