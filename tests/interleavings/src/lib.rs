//! Every order in which threads may take their steps through the engine's protocols, tried one by one (loom). The files under test
//! are the engine's own, compiled here against the checker's atomics, which also show a thread old values where the
//! memory orders allow it.
#![cfg(test)]
#![allow(dead_code)] // the files hold more than their protocols

#[path = "../../../src/engine/biased_lock.rs"]
mod biased_lock;
#[path = "../../../src/engine/callback_gate.rs"]
mod callback_gate;
#[path = "../../../src/engine/clock.rs"]
mod clock;
#[path = "../../../src/engine/deadlines.rs"]
mod deadlines;
#[path = "../../../src/engine/flag_word.rs"]
mod flag_word;
#[path = "../../../src/engine/free_list.rs"]
mod free_list;
#[path = "../../../src/engine/stop_queue.rs"]
mod stop_queue;
#[path = "../../../src/engine/threads.rs"]
mod threads;
#[path = "../../../src/request/vocabulary.rs"]
mod vocabulary;

mod request {
    pub use super::vocabulary::Events;
}

/// What `src/engine/sync.rs` is for the engine.
mod sync {
    pub use loom::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};
    pub use loom::sync::{Mutex, MutexGuard};
    pub use loom::thread::yield_now;

    pub fn pause(_: &mut u32) {
        yield_now();
    }

    pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap()
    }

    /// The kernel's barrier gives one half for nothing; what both halves promise together is what two fences promise.
    #[derive(Debug)]
    pub struct Barrier;

    impl Barrier {
        pub fn is_cheap(&self) -> bool {
            true
        }

        pub fn light(&self) {
            loom::sync::atomic::fence(Ordering::SeqCst);
        }

        pub fn heavy(&self) {
            loom::sync::atomic::fence(Ordering::SeqCst);
        }
    }
}

/// A flag word with its hint, as a slot has them.
mod both {
    use crate::flag_word::{Flags, Hint, Seen, Word};

    #[derive(Default)]
    pub struct Both(Word, Hint);

    impl std::ops::Deref for Both {
        type Target = Word;

        fn deref(&self) -> &Word {
            &self.0
        }
    }

    impl Both {
        pub fn flags(&self) -> Flags<'_> {
            Flags { word: &self.0, hint: &self.1 }
        }

        pub fn raise(&self, generation: u64, bits: u64, unless: u64) -> bool {
            self.flags().raise(generation, bits, unless)
        }

        pub fn end(&self) -> Seen {
            self.flags().end()
        }

        /// What a host sees.
        pub fn hint(&self) -> u32 {
            self.1.load()
        }
    }
}

mod biased_lock_orders;
mod deadlines_orders;
mod flag_word_orders;
mod stop_queue_orders;
