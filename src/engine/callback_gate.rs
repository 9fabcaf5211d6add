//! Callbacks of the engine's thread, against the end of the request that they are about.

use super::flag_word::Word;
use super::sync::{Mutex, lock};

/// Held by the engine's thread while it calls the host about a request. An end passes through once behind its turn of the word:
/// a callback that has begun is waited for, and none begins later.
#[derive(Debug, Default)]
pub struct Notice(Mutex<()>);

impl Notice {
    /// Calls while the request with this generation cannot end; not at all if it has.
    pub fn tell(&self, word: &Word, generation: u64, call: impl FnOnce()) {
        let _telling = lock(&self.0);
        if word.load().generation() == generation {
            call();
        }
    }

    /// An end, behind its turn.
    pub fn wait(&self) {
        drop(lock(&self.0));
    }
}
