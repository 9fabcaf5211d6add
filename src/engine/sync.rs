//! The atomics of the parts that threads meet in. They stand behind one name so that `tests/interleavings` can compile the very
//! same files against a checker's atomics and try every order in which threads may take their steps.

pub use super::sys::Barrier;
pub use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
pub use std::sync::{Mutex, MutexGuard};
pub use std::thread::yield_now;

/// Takes a lock that guards nothing which a panic could have left half done.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What std does while it waits is not instrumented; a lock that was got without waiting is seen by the checker.
    #[cfg(outlive_tsan)]
    loop {
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
            Err(std::sync::TryLockError::WouldBlock) => std::thread::yield_now(),
        }
    }
    #[cfg(not(outlive_tsan))]
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
