//! Callbacks of the engine's thread, against the end of the request that they are about.

use super::flag_word::Word;
use super::sync::{
    AtomicU32,
    Ordering::{AcqRel, Acquire, Release},
    pause,
};

/// Whether the engine's thread, and no other, is calling the host about a request. It says so, then looks at the flag word's generation.
/// An end changes the generation, then asks. Both do it with a read-modify-write, so one comes after the other: either the end waits for a
/// callback that has begun, or the thread sees that the request has ended. None begins later.
#[derive(Debug, Default)]
pub struct Notice(AtomicU32);

const QUIET: u32 = 0;
const TELLING: u32 = 1;

impl Notice {
    /// Makes the call while the request with this generation cannot end; no call if it has ended.
    pub fn tell(&self, word: &Word, generation: u64, call: impl FnOnce()) {
        self.0.swap(TELLING, AcqRel);
        let _telling = Telling(self);
        if word.load().generation() == generation {
            call();
        }
    }

    /// Called by an end, after it has changed the generation.
    pub fn wait(&self) {
        let mut turn = 0;
        while self.0.compare_exchange(QUIET, QUIET, AcqRel, Acquire).is_err() {
            pause(&mut turn);
        }
    }
}

/// Over when it is dropped, even if the host panics.
struct Telling<'a>(&'a Notice);

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        self.0.0.store(QUIET, Release);
    }
}
