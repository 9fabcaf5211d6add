//! Numbers for the threads that use an engine.
//!
//! A thread keeps its number as long as it lives. When it has ended, its number belongs to the thread that gets its control block (the memory by
//! which a thread is known here). Two threads that live at once never have the same number.

use super::sync::{
    AtomicU32, AtomicU64, Barrier,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// Numbers go from 1 to this.
pub const MOST: usize = if cfg!(loom) { 2 } else { 64 };
/// How many numbers a thread tries before it goes on without one of its own.
const TRIES: usize = if cfg!(loom) { 1 } else { 4 };
/// As many as [`Number`] has values, so that an index needs no bounds check.
const PLACES: usize = if cfg!(loom) { 5 } else { 256 };

/// The number of a thread, 1 to [`MOST`]; 0: none. No thread has a greater one: `biased_lock` gives those values a meaning of their own.
pub type Number = u8;

/// See the [module](self).
#[derive(Debug)]
pub struct Threads {
    /// The thread that has each number; 0: nobody has it.
    threads: [AtomicU64; PLACES],
    /// What each numbered thread counts; number 1 is at index 0.
    counts: [Counts; MOST],
    /// How many locks of requests and of free slots have had their bias revoked; see `biased_lock`.
    pub revoked: AtomicU32,
    /// How many locks of the counts of limits have.
    pub revoked_of_counts: AtomicU32,
}

impl Default for Threads {
    fn default() -> Self {
        Self {
            threads: std::array::from_fn(|_| AtomicU64::new(0)),
            counts: std::array::from_fn(|_| Counts::default()),
            revoked: AtomicU32::new(0),
            revoked_of_counts: AtomicU32::new(0),
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
    /// How many shutdown functions the threads with numbers of their own have run.
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
    /// How many locks of this kind have had their bias revoked.
    pub revoked: &'s AtomicU32,
}

impl Caller<'_> {
    /// Whether the caller has this number.
    #[inline(always)]
    pub fn is(self, number: Number) -> bool {
        self.threads.threads[usize::from(number) % PLACES].load(Relaxed) == self.thread
    }

    /// Counts shutdown functions for this thread; false: nothing is counted, because the thread has no number of its own.
    #[inline]
    pub fn count_functions(self, ran: u64) -> bool {
        let (number, is_own) = self.number();
        if is_own {
            let count = &self.threads.counts[usize::from(number - 1) % MOST].functions;
            count.store(count.load(Relaxed) + ran, Release);
        }
        is_own
    }

    /// The caller's number, and whether it is its own. False: too many threads came before, and it is the number of another one.
    #[inline(always)]
    pub fn number(self) -> (Number, bool) {
        let first = first(self.thread);
        if self.is(first) { (first, true) } else { self.threads.find(self.thread, first) }
    }
}

impl Threads {
    /// The number of a thread, for which `first` is not the one that it has. By its parts, so that a caller stays in registers.
    #[cold]
    #[inline(never)]
    fn find(&self, thread: u64, first: Number) -> (Number, bool) {
        for more in 0..TRIES {
            let number = ((usize::from(first) - 1 + more) % MOST + 1) as Number;
            let place = &self.threads[usize::from(number)];
            let is_mine = place.load(Relaxed) == thread
                || (place.load(Relaxed) == 0 && place.compare_exchange(0, thread, AcqRel, Relaxed).is_ok());
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
