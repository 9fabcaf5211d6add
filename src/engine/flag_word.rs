//! The flag word: the one place where threads meet.
//!
//! One 64-bit atomic per request slot:
//!
//! | bits | what | who writes |
//! | --- | --- | --- |
//! | 0–31 | [`Events`] that wait for the owner; not zero: look | other threads set, the owner clears |
//! | 32–39 | flags that stay, such as [`FLAG_GONE`] | whoever learns it first |
//! | 40–63 | generation; odd: the slot is live | begin and end |
//!
//! The protocol, which makes it race-free (`tests/interleavings` tries every order of its steps):
//! 1. *Raise* (engine thread, any thread, signal handlers): a compare-and-swap that sets bits only while the generation is
//!    the one it was meant for. An event can therefore never reach the next request in the slot.
//! 2. *Safe point* (owner): one load. Equal to the quiet word of its generation: go on.
//! 3. *Clear* (owner): an atomic and-not of exactly the bits that were dealt with. A bit raised meanwhile stays.
//! 4. *Begin* (whoever took the slot from the free list): one write, which moves the generation on. Whatever is raised for the
//!    old one fails at its compare, or is overwritten.
//! 5. *End* (owner): one swap, which moves the generation on and says what was there: a flag that somebody won, and counted, is
//!    seen by the end, which uncounts it.
//! 6. *Enter* (owner, the first time): a raise of [`FLAG_ENTERED`], behind the taking of the owned part. *End quietly* (owner): a
//!    compare-and-swap from the quiet word to the next generation. So of two calls that come at once, against the rules, one fails: the
//!    end finds that somebody entered, or who enters finds that it has ended.
//! 7. *Tell* (engine thread): it says about which slot it calls, looks at the generation once more, then calls; an end asks behind its swap
//!    (`callback_gate`). So a callback that has begun is waited for, and none begins later.
//! 8. *Hint*: C hosts read the events through `outlive_request_flags`, in an atomic of its own that follows the word. Whoever has changed
//!    the word's events (a raise, a clear, an end) stores them there, then looks at the word again, and goes on until it finds what it has
//!    stored. So the last store into the hint has been compared with the word behind it: the hint agrees with the word once everybody has
//!    come that far, and what a late raise for the request before leaves there is gone by then. Until then the hint may say that
//!    something waits where nothing does, which costs a look, and may hide what has been raised at this very moment. Each store is a
//!    swap, so of two that follow each other in the hint, the second then sees in the word what the first had changed: nobody
//!    leaves behind what he has seen before that.

use super::sync::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use crate::request::Events;

/// The client has gone: set until the request ends, counted once.
pub const FLAG_GONE: u64 = 1 << 32;
/// An end had to leave off in the middle of its shutdown functions, and can be called again.
pub const FLAG_LEFT_OFF: u64 = 1 << 33;
/// The function before which it left off had asked to stop.
pub const FLAG_ASKED: u64 = 1 << 34;

/// A call has had the request's owned part: the end has to look at it.
pub const FLAG_ENTERED: u64 = 1 << 35;

/// It counts among the detached requests of all processes, in the scoreboard.
pub const FLAG_COUNTED: u64 = 1 << 36;
/// It counts among them in this engine, which has no place in a scoreboard.
pub const FLAG_COUNTED_HERE: u64 = 1 << 37;
/// There was no room for it among them.
pub const FLAG_REFUSED: u64 = 1 << 38;
/// It was cancelled.
pub const FLAG_CANCELLED: u64 = 1 << 39;

const GENERATION_SHIFT: u32 = 40;
const GENERATION_BITS: u64 = (1 << 24) - 1;

/// The generation of a slot's first request, and of the first after all have had their turn.
const FIRST: u64 = 1;
/// Requests that a slot has in one turn of all generations.
const LAP_BITS: u32 = 23;
/// Bits of an id that say which slot it is.
pub const SLOT_BITS: u32 = 22;

/// The part of a generation that a handle carries.
pub const TAG_BITS: u64 = 0x1ff;

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Word(AtomicU64);

impl Word {
    /// The whole word, to read several parts at one moment.
    #[inline]
    pub fn load(&self) -> Seen {
        Seen(self.0.load(Acquire))
    }

    /// Whether the request with this tag is live and nothing waits for its owner: one relaxed load.
    #[inline]
    pub fn is_quiet(&self, tag: u64) -> bool {
        let word = self.0.load(Relaxed);
        word & (TAG_BITS << GENERATION_SHIFT | 0xffff_ffff) == tag << GENERATION_SHIFT
    }

    /// As [`Word::is_quiet`], once the first call has entered the request; whoever has the owned part then needs to look no further.
    #[inline]
    pub fn is_calm(&self, tag: u64) -> bool {
        let word = self.0.load(Acquire);
        word & (TAG_BITS << GENERATION_SHIFT | FLAG_ENTERED | 0xffff_ffff) == tag << GENERATION_SHIFT | FLAG_ENTERED
    }

    /// The owner: clears flags.
    pub fn forget(&self, flags: u64) {
        self.0.fetch_and(!flags, AcqRel);
    }

    /// Who has the free slot: it is live from here on, in the next generation, without events or flags. A plain write: what is
    /// raised at this moment is meant for another generation, and may be lost. `new_lap` is called where generations begin anew.
    #[inline]
    pub fn begin(&self, new_lap: impl FnOnce()) -> u64 {
        let next = (self.load().generation() + 1) & GENERATION_BITS;
        debug_assert_eq!(next & 1, 1, "a slot begins while it is free");
        if next == FIRST {
            new_lap();
        }
        self.0.store(next << GENERATION_SHIFT, Release);
        next
    }

    /// As [`Flags::end`], if it is the request with this tag, nothing waits and nothing has happened. False: it is as it was.
    #[inline]
    pub fn end_quietly(&self, tag: u64) -> bool {
        let word = self.0.load(Relaxed);
        let generation = word >> GENERATION_SHIFT;
        if word != generation << GENERATION_SHIFT || generation & TAG_BITS != tag {
            return false;
        }
        let next = ((generation + 1) & GENERATION_BITS) << GENERATION_SHIFT;
        self.0.compare_exchange(word, next, AcqRel, Relaxed).is_ok()
    }
}

/// What C hosts read: the events that wait. See the [module](self).
#[derive(Debug, Default)]
pub struct Hint(AtomicU32);

impl Hint {
    /// Where C reads them.
    #[cfg(not(loom))]
    pub fn as_ptr(&self) -> *const u32 {
        self.0.as_ptr()
    }

    /// What a host sees there.
    #[cfg(any(test, loom))]
    pub fn load(&self) -> u32 {
        self.0.load(Relaxed)
    }
}

/// The word of a slot with its hint: what changes the events changes both.
#[derive(Clone, Copy, Debug)]
pub struct Flags<'a> {
    pub word: &'a Word,
    pub hint: &'a Hint,
}

impl Flags<'_> {
    /// Sets bits for the request with this generation. False: it has ended, or `unless` was set already.
    pub fn raise(self, generation: u64, bits: u64, unless: u64) -> bool {
        let mut word = self.word.0.load(Relaxed);
        loop {
            if word >> GENERATION_SHIFT != generation || word & unless != 0 {
                return false;
            }
            match self.word.0.compare_exchange_weak(word, word | bits, AcqRel, Relaxed) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        if bits as u32 != 0 {
            self.show(word | bits);
        }
        true
    }

    /// The owner: replaces the events `before` by `after`, keeping what was raised meanwhile.
    #[inline]
    pub fn settle(self, before: Events, after: Events) {
        if before != after {
            let (cleared, set) = (before.without(after), after.without(before));
            self.word.0.fetch_and(!u64::from(cleared.0), AcqRel);
            self.show(self.word.0.fetch_or(u64::from(set.0), AcqRel) | u64::from(set.0));
        }
    }

    /// The owner ends the request: the word is free from here on. Returns its final value.
    #[inline]
    pub fn end(self) -> Seen {
        let next = ((self.word.load().generation() + 1) & GENERATION_BITS) << GENERATION_SHIFT;
        debug_assert_eq!(next >> GENERATION_SHIFT & 1, 0, "a slot ends while it is live");
        let seen = Seen(self.word.0.swap(next, AcqRel));
        // Where no event is left, whoever has cleared the last one has shown that.
        if seen.events() != Events::NONE {
            self.show(next);
        }
        seen
    }

    /// The hint follows the word, which the caller has seen or made like this.
    #[cold]
    #[inline(never)]
    fn show(self, mut word: u64) {
        loop {
            self.hint.0.swap(word as u32, AcqRel);
            let now = self.word.0.load(Relaxed);
            if now as u32 == word as u32 {
                return;
            }
            word = now;
        }
    }
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
        self.0 & FLAG_GONE != 0
    }

    /// Whether all these flags are set.
    pub fn has(self, flags: u64) -> bool {
        self.0 & flags == flags
    }

    /// Whether any of these flags is set.
    pub fn has_any(self, flags: u64) -> bool {
        self.0 & flags != 0
    }

    /// The generation, whole.
    pub fn generation(self) -> u64 {
        self.0 >> GENERATION_SHIFT
    }

    /// Whether a request lives here.
    pub fn is_live(self) -> bool {
        self.generation() & 1 == 1
    }

    /// The id of the request that lives here: how many have begun in this slot, and which slot that is. `lap`: how often all
    /// generations have had their turn; read between two equal generations it is that of this one.
    pub fn id(self, lap: u32, slot: u32) -> u64 {
        let begun = u64::from(lap) << LAP_BITS | self.generation() >> 1;
        (begun + 1) << SLOT_BITS | u64::from(slot)
    }

    /// Whether it is the request with this tag.
    pub fn is_tagged(self, tag: u64) -> bool {
        self.generation() & TAG_BITS == tag
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::ops::Deref;

    /// A word with its hint.
    #[derive(Default)]
    struct Both(Word, Hint);

    impl Deref for Both {
        type Target = Word;

        fn deref(&self) -> &Word {
            &self.0
        }
    }

    impl Both {
        fn flags(&self) -> Flags<'_> {
            Flags { word: &self.0, hint: &self.1 }
        }

        fn raise(&self, generation: u64, bits: u64, unless: u64) -> bool {
            self.flags().raise(generation, bits, unless)
        }

        fn end(&self) -> Seen {
            self.flags().end()
        }
    }

    #[test]
    fn what_is_raised_for_one_request_never_reaches_the_next() {
        let word = Both::default();
        word.begin(|| ());
        let first = word.load().generation();
        assert!(word.raise(first, Events::TIME_UP.0.into(), 0));
        assert!(!word.is_quiet(first & TAG_BITS));
        word.end();
        assert!(!word.raise(first, Events::TIME_UP.0.into(), 0));
        word.begin(|| ());
        assert!(!word.raise(first, Events::TIME_UP.0.into(), 0));
        let second = word.load();
        assert_eq!(second.events(), Events::NONE);
        assert!(word.is_quiet(second.generation() & TAG_BITS));
        assert!(!word.is_quiet(first & TAG_BITS));
    }

    #[test]
    fn settling_keeps_what_came_meanwhile() {
        let word = Both::default();
        word.begin(|| ());
        let generation = word.load().generation();
        word.raise(generation, Events::GONE.0.into(), 0);
        let before = word.load().events();
        word.raise(generation, Events::TIME_UP.0.into(), 0);
        word.flags().settle(before, Events::STOPPED);
        assert_eq!(word.load().events(), Events::TIME_UP.with(Events::STOPPED));
    }

    #[test]
    fn what_has_happened_keeps_an_end_from_being_quiet() {
        let word = Both::default();
        for what in [FLAG_ENTERED, FLAG_GONE, Events::TIME_UP.0.into()] {
            let generation = word.begin(|| ());
            word.raise(generation, what, 0);
            assert!(!word.end_quietly(generation & TAG_BITS));
            assert_eq!(word.end().generation(), generation);
        }
        let generation = word.begin(|| ());
        assert!(!word.end_quietly((generation + 2) & TAG_BITS), "another request");
        assert!(word.end_quietly(generation & TAG_BITS));
        assert!(!word.end_quietly(generation & TAG_BITS), "it has ended");
        assert!(!word.load().is_live());
    }

    #[test]
    fn the_hint_shows_the_events_and_no_flags() {
        let word = Both::default();
        let generation = word.begin(|| ());
        word.raise(generation, FLAG_GONE, FLAG_GONE);
        assert_eq!(word.1.load(), 0, "a flag alone asks for nothing");
        word.raise(generation, Events::GONE.0.into(), 0);
        word.raise(generation, Events::TIME_UP.0.into(), 0);
        assert_eq!(word.1.load(), Events::GONE.with(Events::TIME_UP).0);
        word.flags().settle(Events::GONE.with(Events::TIME_UP), Events::STOPPED);
        assert_eq!(word.1.load(), Events::STOPPED.0);
        word.flags().settle(Events::STOPPED, Events::NONE);
        assert_eq!(word.1.load(), 0);
        word.raise(generation, Events::CAP.0.into(), 0);
        word.end();
        assert_eq!(word.1.load(), 0, "the next request begins without");
        assert!(!word.raise(generation, Events::GONE.0.into(), 0));
        assert_eq!(word.1.load(), 0);
    }

    /// Every request of a slot has an id of its own, where generations begin anew, too.
    #[test]
    fn ids_are_never_used_twice() {
        let (word, mut lap, mut last) = (Both::default(), u32::MAX, 0);
        for _ in 0..3 {
            word.0.0.store(word.0.0.load(Relaxed) | (GENERATION_BITS - 5) << GENERATION_SHIFT, Relaxed);
            for _ in 0..5 {
                word.begin(|| lap = lap.wrapping_add(1));
                let id = word.load().id(lap.wrapping_add(1), 7);
                assert!(id > last && id % (1 << SLOT_BITS) == 7, "{id} {last}");
                last = id;
                word.end();
            }
        }
    }

    #[test]
    fn a_flag_is_won_by_one() {
        let word = Both::default();
        word.begin(|| ());
        let generation = word.load().generation();
        assert!(word.raise(generation, FLAG_GONE, FLAG_GONE));
        assert!(!word.raise(generation, FLAG_GONE, FLAG_GONE));
        assert!(word.is_quiet(generation & TAG_BITS), "a flag alone asks for nothing");
    }
}
