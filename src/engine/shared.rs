//! What every slot of an engine, its handles and its thread have in common.

use super::scoreboard::Board;
use super::sys::{self, ForkMark, Poll};
use crate::error::{Code, Error, Result};
use std::sync::atomic::{
    AtomicBool, AtomicI32, AtomicI64, AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};

/// The engine's clock, its counters and its way to wake its thread.
pub struct Shared {
    /// Milliseconds, as of the last tick.
    now: AtomicU64,
    /// The engine's thread waits without a time limit.
    asleep: AtomicBool,
    pub fork: ForkMark,
    pub poll: Poll,
    pub draining: AtomicBool,
    /// The engine's thread is to end.
    pub closing: AtomicBool,
    /// The CPU clock of the engine's thread, which tells it from others; 0: there is none yet.
    pub thread: AtomicI32,
    pub counters: Counters,
    pub board: Board,
}

/// What the metrics are made of.
#[derive(Debug, Default)]
pub struct Counters {
    pub detached: AtomicI64,
    pub detached_most: AtomicI64,
    pub time_limits: AtomicU64,
    pub forced: AtomicU64,
    pub functions: AtomicU64,
    pub function_ns: AtomicU64,
}

impl Counters {
    /// One more detached request; how many there are now.
    pub fn detach(&self) -> i64 {
        let now = self.detached.fetch_add(1, Relaxed) + 1;
        self.detached_most.fetch_max(now, Relaxed);
        now
    }
}

impl Shared {
    pub fn new() -> Result<Self> {
        let refused = |what: &str, error: std::io::Error| {
            Error::new(Code::System, format!("cannot make an engine: the system refused {what} ({error})"))
        };
        Ok(Self {
            now: AtomicU64::new(sys::now_ms()),
            asleep: AtomicBool::new(true),
            fork: ForkMark::new().map_err(|error| refused("a page of memory", error))?,
            poll: Poll::new().map_err(|error| refused("an epoll or event descriptor", error))?,
            draining: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            thread: AtomicI32::new(0),
            counters: Counters::default(),
            board: Board::default(),
        })
    }

    /// The engine's time: at most a tick old while anything is timed, so it costs a load and not a clock.
    pub fn now(&self) -> u64 {
        if self.asleep.load(SeqCst) {
            self.set_now();
        }
        self.now.load(Relaxed)
    }

    /// The engine's thread, and whoever finds it asleep, reads the clock for everybody.
    pub fn set_now(&self) -> u64 {
        let now = sys::now_ms();
        self.now.fetch_max(now, Relaxed).max(now)
    }

    /// Whether the engine's own thread is calling: it runs callbacks, and cannot wait for itself.
    pub fn is_own_thread(&self) -> bool {
        self.thread.load(Relaxed) == sys::thread_clock()
    }

    /// Async-signal-safe.
    pub fn wake_if_asleep(&self) {
        if self.asleep.load(SeqCst) && self.asleep.swap(false, SeqCst) {
            self.poll.wake();
        }
    }

    /// Wakes the thread whether it sleeps or waits for its next tick. Async-signal-safe.
    pub fn wake(&self) {
        self.poll.wake();
    }

    pub fn set_asleep(&self, asleep: bool) {
        self.asleep.store(asleep, SeqCst);
    }
}

/// How many requests an engine can hold at once, unless it is told otherwise.
pub const MOST_REQUESTS: u32 = 4 << 20;

/// The next free slot, as a stack whose top carries a count so that a slot that came back is told from one that
/// never left (ABA).
#[derive(Debug, Default)]
pub struct FreeList {
    top: AtomicU64,
    fresh: AtomicU32,
}

impl FreeList {
    /// A slot that was used before. `look` finds it, and says which comes after it.
    pub fn pop<T>(&self, look: impl Fn(u32) -> (T, u32)) -> Option<T> {
        let mut top = self.top.load(SeqCst);
        loop {
            let (found, next) = look((top as u32).checked_sub(1)?);
            let next = (top >> 32).wrapping_add(1) << 32 | u64::from(next);
            match self.top.compare_exchange_weak(top, next, SeqCst, SeqCst) {
                Ok(_) => return Some(found),
                Err(now) => top = now,
            }
        }
    }

    /// A slot that was never used, below `most`.
    pub fn fresh(&self, most: u32) -> Option<u32> {
        self.fresh.fetch_update(Relaxed, Relaxed, |fresh| (fresh < most).then_some(fresh + 1)).ok()
    }

    /// How many slots were ever used.
    pub fn used(&self) -> u32 {
        self.fresh.load(SeqCst)
    }

    /// Gives a slot back; `set_next` writes what comes after it.
    pub fn push(&self, index: u32, set_next: impl Fn(u32)) {
        let mut top = self.top.load(SeqCst);
        loop {
            set_next(top as u32);
            let new = (top >> 32).wrapping_add(1) << 32 | u64::from(index + 1);
            match self.top.compare_exchange_weak(top, new, SeqCst, SeqCst) {
                Ok(_) => return,
                Err(now) => top = now,
            }
        }
    }
}
