//! The atomics that several threads use. They have one name here so that `tests/interleavings` can compile the same files
//! against a checker's atomics and try every order of the threads' steps.

pub use super::sys::Barrier;
pub use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};
pub use std::sync::{Mutex, MutexGuard};
pub use std::thread::yield_now;

/// Waits a little for another thread, which may be one that only runs while this one sleeps.
pub fn pause(turn: &mut u32) {
    *turn = turn.saturating_add(1);
    if *turn < 64 { yield_now() } else { std::thread::sleep(std::time::Duration::from_micros(50)) }
}

/// Takes a lock whose data a panic cannot leave inconsistent.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The checker does not see std's waiting; a lock that is taken without waiting is visible to it.
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
