//! The atomics of the parts that threads meet in. They stand behind one name so that `tests/interleavings` can compile the very
//! same files against a checker's atomics and try every order in which threads may take their steps.

pub use super::sys::Barrier;
pub use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
pub use std::sync::{Mutex, MutexGuard};

/// Takes a lock that guards nothing which a panic could have left half done.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
