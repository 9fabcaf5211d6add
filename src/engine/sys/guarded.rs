//! A value behind a [`BiasedLock`].

use super::super::biased_lock::{BiasedLock, Taken};
use super::super::sync::pause;
use super::super::threads::Caller;
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// See the [module](self).
pub struct Guarded<T> {
    lock: BiasedLock,
    value: UnsafeCell<T>,
}

// SAFETY: the lock hands the value to one thread at a time.
unsafe impl<T: Send> Sync for Guarded<T> {}

impl<T> Guarded<T> {
    pub fn new(value: T) -> Self {
        Self { lock: BiasedLock::default(), value: UnsafeCell::new(value) }
    }

    /// The value, for the caller alone until the guard is dropped; `None`: a caller has it already.
    #[inline(always)]
    pub fn enter(&self, caller: Caller<'_>) -> Option<Guard<'_, T>> {
        let taken = self.lock.take(caller)?;
        Some(Guard { of: self, taken, stays: PhantomData })
    }
}

impl<T> Guarded<T> {
    /// As [`Guarded::enter`], and waits until nobody has it: for what is soon given back.
    #[inline]
    pub fn wait(&self, caller: Caller<'_>) -> Guard<'_, T> {
        let mut turn = 0;
        loop {
            match self.enter(caller) {
                Some(guard) => return guard,
                None => pause(&mut turn),
            }
        }
    }
}

impl<T: Default> Default for Guarded<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> fmt::Debug for Guarded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock.fmt(f)
    }
}

/// The value of a [`Guarded`], for one caller alone.
pub struct Guard<'g, T> {
    of: &'g Guarded<T>,
    taken: Taken,
    /// It stays with its thread: only the owner releases what it took as the owner.
    stays: PhantomData<*const ()>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the lock is taken, so nobody else has a reference.
        unsafe { &*self.of.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and this guard is borrowed for itself alone.
        unsafe { &mut *self.of.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.of.lock.release(self.taken);
    }
}
