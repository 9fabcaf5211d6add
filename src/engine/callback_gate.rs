//! Callbacks of the engine's thread, against the end of the request that they are about.

use super::flag_word::Word;
use super::sync::{Mutex, lock};

/// Held by the engine's thread while it calls the host about a request. An end takes it once after it has changed the flag
/// word's generation: it waits for a callback that has begun, and none begins later.
#[derive(Debug, Default)]
pub struct Notice(Mutex<()>);

impl Notice {
    /// Makes the call while the request with this generation cannot end; no call if it has ended.
    pub fn tell(&self, word: &Word, generation: u64, call: impl FnOnce()) {
        let _telling = lock(&self.0);
        if word.load().generation() == generation {
            call();
        }
    }

    /// Called by an end, after it has changed the generation.
    pub fn wait(&self) {
        drop(lock(&self.0));
    }
}
