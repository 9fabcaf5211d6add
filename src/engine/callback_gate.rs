//! Callbacks of the engine's thread, against the end of the request that they are about.

use super::sync::{
    AtomicU32, AtomicU64, Barrier,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    fence, pause,
};

/// Which request the engine's thread is calling its host about. It opens the gate once in a tick, says before each call about which slot it
/// is, passes the light half of the barrier, then looks at the flag word's generation. An end changes the generation, then asks whether the gate is
/// open. If it is not, the thread sees the new generation once it has opened it. If it is, the end passes the heavy half of the
/// barrier: either the thread sees the new generation, or the end sees the slot and waits for the callback. None begins later.
#[derive(Debug, Default)]
pub struct Gate {
    is_open: AtomicU32,
    /// The slot's number and one; 0: none.
    about: AtomicU64,
}

impl Gate {
    /// Makes the call, in the engine's thread, while the request with this generation cannot end; no call if it has ended.
    #[inline]
    pub fn tell(&self, slot: u32, barrier: &Barrier, is_live: impl FnOnce() -> bool, call: impl FnOnce()) {
        if self.is_open.load(Relaxed) == 0 {
            self.is_open.store(1, Relaxed);
            fence(SeqCst);
        }
        self.about.store(u64::from(slot) + 1, Relaxed);
        let _telling = Telling(self);
        barrier.light();
        if is_live() {
            call();
        }
    }

    /// The engine's thread makes no more calls for now.
    pub fn close(&self) {
        self.is_open.store(0, Release);
    }

    /// Called by an end of a slot's request, after it has changed the generation.
    pub fn wait(&self, slot: u32, barrier: &Barrier) {
        fence(SeqCst);
        if self.is_open.load(Acquire) == 0 {
            return;
        }
        barrier.heavy();
        let mut turn = 0;
        while self.about.load(Acquire) == u64::from(slot) + 1 {
            pause(&mut turn);
        }
    }
}

/// Over when it is dropped, even if the host panics.
struct Telling<'a>(&'a Gate);

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        self.0.about.store(0, Release);
    }
}
