//! Numbers for the threads that use an engine.
//!
//! A thread keeps its number for good. One that is gone leaves it behind, for the thread that gets its control block after it: two threads that
//! live at once never have the same.

use super::sync::{
    AtomicU32, AtomicU64, Barrier,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// Numbers go from 1 to this.
pub const MOST: usize = if cfg!(loom) { 2 } else { 64 };
/// How many numbers a thread tries before it does without.
const TRIES: usize = if cfg!(loom) { 1 } else { 4 };
/// As many as a number's type has values, so that looking one up needs no test.
const PLACES: usize = if cfg!(loom) { 5 } else { 256 };

/// The number of a thread, or one of the values behind [`MOST`], which no thread has. 0: none.
pub type Number = u8;

/// See the [module](self).
#[derive(Debug)]
pub struct Threads {
    threads: [AtomicU64; PLACES],
    /// By their numbers, less one.
    counts: [Counts; MOST],
    /// How many locks have lost their favourite; see `biased_lock`. Of requests and of free slots, and of the counts of limits.
    pub lost: AtomicU32,
    pub lost_of_counts: AtomicU32,
}

impl Default for Threads {
    fn default() -> Self {
        Self {
            threads: std::array::from_fn(|_| AtomicU64::new(0)),
            counts: std::array::from_fn(|_| Counts::default()),
            lost: AtomicU32::new(0),
            lost_of_counts: AtomicU32::new(0),
        }
    }
}

/// What one thread counts for itself, with plain stores.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counts {
    functions: AtomicU64,
}

impl Threads {
    /// Shutdown functions that have run, as the threads with numbers of their own have counted them.
    pub fn functions(&self) -> u64 {
        self.counts.iter().map(|counts| counts.functions.load(Acquire)).sum()
    }
}

/// The calling thread, and what it needs to take an engine's locks.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'s> {
    /// Not 0, and no other living thread's.
    pub thread: u64,
    pub threads: &'s Threads,
    pub barrier: &'s Barrier,
    /// How many locks of this kind have lost their favourite.
    pub lost: &'s AtomicU32,
}

impl Caller<'_> {
    /// Whether this is its number.
    #[inline(always)]
    pub fn is(self, number: Number) -> bool {
        self.threads.threads[usize::from(number) % PLACES].load(Relaxed) == self.thread
    }

    /// Counts shutdown functions; false: it has no number of its own.
    #[inline]
    pub fn count_functions(self, ran: u64) -> bool {
        let (number, is_own) = self.number();
        if is_own {
            let count = &self.threads.counts[usize::from(number - 1) % MOST].functions;
            count.store(count.load(Relaxed) + ran, Release);
        }
        is_own
    }

    /// Its number, and whether it is its own: where too many threads came before, it is another's.
    #[inline(always)]
    pub fn number(self) -> (Number, bool) {
        let first = first(self.thread);
        if self.is(first) { (first, true) } else { self.find_number(first) }
    }

    #[cold]
    #[inline(never)]
    fn find_number(self, first: Number) -> (Number, bool) {
        for more in 0..TRIES {
            let number = ((usize::from(first) - 1 + more) % MOST + 1) as Number;
            let place = &self.threads.threads[usize::from(number)];
            let is_mine = self.is(number)
                || (place.load(Relaxed) == 0 && place.compare_exchange(0, self.thread, AcqRel, Relaxed).is_ok());
            if is_mine {
                return (number, true);
            }
        }
        (first, false)
    }
}

/// The number that a thread tries first. Threads are addresses, which differ in their upper bits.
#[inline(always)]
fn first(thread: u64) -> Number {
    ((thread.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % MOST + 1) as Number
}
