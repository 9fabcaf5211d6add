//! The flag word: the one place where threads meet.
//!
//! One 64-bit atomic per request slot:
//!
//! | bits | what | who writes |
//! | --- | --- | --- |
//! | 0–31 | [`Events`] that wait for the owner; not zero: look | other threads set, the owner clears |
//! | 32–39 | lasting facts: [`GONE`](FACT_GONE) | whoever learns it first |
//! | 40–63 | generation; odd: the slot is live | begin and end |
//!
//! The protocol, which makes it race-free:
//! 1. *Raise* (engine thread, any thread, signal handlers): a compare-and-swap that sets bits only while the generation is
//!    the one it was meant for. An event can therefore never reach the next request in the slot.
//! 2. *Safe point* (owner): one load. Equal to the quiet word of its generation: go on.
//! 3. *Clear* (owner): an atomic and-not of exactly the bits that were dealt with. A bit raised meanwhile stays.
//! 4. *Begin, end* (owner): one swap each, which moves the generation on. Whatever was raised before belongs to the old
//!    request and is gone with it; whatever comes later fails at its compare.
//!
//! C hosts read bits 0–31 through `outlive_request_flags`.

use crate::request::Events;
use std::sync::atomic::{AtomicU64, Ordering};

/// The client has gone: kept to the end of the request, counted once.
pub const FACT_GONE: u64 = 1 << 32;

const GENERATION_SHIFT: u32 = 40;
const GENERATION_BITS: u64 = (1 << 24) - 1;

/// The part of a generation that a handle carries.
pub const TAG_BITS: u64 = 0x1ff;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Word(AtomicU64);

impl Word {
    /// Everything, for whoever needs several parts of one moment.
    pub fn load(&self) -> Seen {
        Seen(self.0.load(Ordering::SeqCst))
    }

    /// Whether the request with this tag is live and nothing waits for its owner: one relaxed load.
    pub fn is_quiet(&self, tag: u64) -> bool {
        let word = self.0.load(Ordering::Relaxed);
        word & (TAG_BITS << GENERATION_SHIFT | 0xffff_ffff) == tag << GENERATION_SHIFT
    }

    /// Sets bits for the request with this generation. False: it has ended, or `unless` was set already.
    pub fn raise(&self, generation: u64, bits: u64, unless: u64) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if word >> GENERATION_SHIFT != generation || word & unless != 0 {
                return false;
            }
            match self.0.compare_exchange_weak(word, word | bits, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// The owner: replaces the events `before` by `after`, keeping what was raised meanwhile.
    pub fn settle(&self, before: Events, after: Events) {
        let (cleared, set) = (before.without(after), after.without(before));
        if cleared != Events::NONE {
            self.0.fetch_and(!u64::from(cleared.0), Ordering::SeqCst);
        }
        if set != Events::NONE {
            self.0.fetch_or(u64::from(set.0), Ordering::SeqCst);
        }
    }

    /// The owner: the next generation, without events or facts; live if `live`. What stood there before.
    pub fn turn(&self, live: bool) -> Turn {
        let next = (self.load().generation() + 1) & GENERATION_BITS;
        debug_assert_eq!(next & 1 == 1, live);
        Turn { before: Seen(self.0.swap(next << GENERATION_SHIFT, Ordering::SeqCst)), generation: next }
    }

    /// Where C reads the events.
    pub fn as_ptr(&self) -> *const u32 {
        let low_half = if cfg!(target_endian = "little") { 0 } else { 1 };
        self.0.as_ptr().cast::<u32>().wrapping_add(low_half)
    }
}

/// What a turn left behind, and what it began.
pub struct Turn {
    /// The word before.
    pub before: Seen,
    /// The generation now.
    pub generation: u64,
}

/// A word as it was at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen(u64);

impl Seen {
    /// The events that wait.
    pub fn events(self) -> Events {
        Events(self.0 as u32)
    }

    /// Whether the client has gone.
    pub fn is_gone(self) -> bool {
        self.0 & FACT_GONE != 0
    }

    /// The generation, whole.
    pub fn generation(self) -> u64 {
        self.0 >> GENERATION_SHIFT
    }

    /// Whether a request lives here.
    pub fn is_live(self) -> bool {
        self.generation() & 1 == 1
    }

    /// Whether it is the request with this tag.
    pub fn is_tagged(self, tag: u64) -> bool {
        self.generation() & TAG_BITS == tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_raised_for_one_request_never_reaches_the_next() {
        let word = Word::default();
        word.turn(true);
        let first = word.load().generation();
        assert!(word.raise(first, Events::TIME_UP.0.into(), 0));
        assert!(!word.is_quiet(first & TAG_BITS));
        word.turn(false);
        assert!(!word.raise(first, Events::TIME_UP.0.into(), 0));
        word.turn(true);
        assert!(!word.raise(first, Events::TIME_UP.0.into(), 0));
        let second = word.load();
        assert_eq!(second.events(), Events::NONE);
        assert!(word.is_quiet(second.generation() & TAG_BITS));
        assert!(!word.is_quiet(first & TAG_BITS));
    }

    #[test]
    fn settling_keeps_what_came_meanwhile() {
        let word = Word::default();
        word.turn(true);
        let generation = word.load().generation();
        word.raise(generation, Events::GONE.0.into(), 0);
        let before = word.load().events();
        word.raise(generation, Events::TIME_UP.0.into(), 0);
        word.settle(before, Events::STOPPED);
        assert_eq!(word.load().events(), Events::TIME_UP.with(Events::STOPPED));
    }

    #[test]
    fn a_fact_is_won_by_one() {
        let word = Word::default();
        word.turn(true);
        let generation = word.load().generation();
        assert!(word.raise(generation, FACT_GONE, FACT_GONE));
        assert!(!word.raise(generation, FACT_GONE, FACT_GONE));
        assert!(word.is_quiet(generation & TAG_BITS), "a fact alone asks for nothing");
    }
}
