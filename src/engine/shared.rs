//! What every slot of an engine, its handles and its thread have in common.

use super::callback_gate::Gate;
use super::clock::Clock;
use super::drain::Drain;
use super::free_list::FreeList;
use super::gather::Gathered;
use super::numbers::{BUCKETS, ENDINGS};
use super::rounds::Rounds;
use super::scoreboard::Board;
use super::stops::StopQueues;
use super::sync::Barrier;
use super::sys::{self, ForkMark, Poll};
use super::threads::{Caller, Threads};
use super::watched::Watched;
use crate::error::{Code, Error, Result};
use std::sync::atomic::{
    AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};

/// The engine's clock, its counters and its way to wake its thread.
pub struct Shared {
    pub fork: ForkMark,
    clock: Clock,
    /// [`OPEN`], or the reasons why a begin has to take the slow path.
    door: AtomicU32,
    pub barrier: Barrier,
    pub poll: Poll,
    /// The host's loop looks around, and no thread does.
    pub rounds: Option<Rounds>,
    pub watched: Watched,
    /// The engine's thread has to end.
    pub closing: AtomicBool,
    /// The number of the engine's thread, which tells it from others; 0: there is none yet.
    pub thread: AtomicUsize,
    pub free: FreeList,
    pub threads: Threads,
    pub counters: Counters,
    pub gathered: Gathered,
    pub board: Board,
    pub drain: Drain,
    pub queues: Option<StopQueues>,
    pub gate: Gate,
}

/// The engine has its thread, and takes requests.
pub const OPEN: u32 = 1;
/// It drains.
pub const DRAINING: u32 = 2;

/// What the metrics are made of.
#[derive(Debug, Default)]
pub struct Counters {
    /// By ending; those that completed are counted in their slots.
    pub endings: [AtomicU64; ENDINGS],
    /// Requests whose client went.
    pub gone: AtomicU64,
    /// Requests that were not quick, by bucket, and their milliseconds; written before the ending is counted.
    pub slow: [AtomicU64; BUCKETS],
    pub slow_ms: AtomicU64,
    /// How long requests worked on after their clients had gone.
    pub detached_for: [AtomicU64; BUCKETS],
    pub detached_ms: AtomicU64,
    pub detached: AtomicI64,
    pub time_limits: AtomicU64,
    pub forced: AtomicU64,
    /// Of threads without numbers; see [`Threads::functions`].
    pub functions: AtomicU64,
    pub function_ns: AtomicU64,
}

impl Counters {
    /// Counts one more detached request; returns how many there are now.
    pub fn detach(&self) -> i64 {
        self.gone.fetch_add(1, Relaxed);
        self.detached.fetch_add(1, Relaxed) + 1
    }
}

impl Shared {
    pub fn new(stop_queues: u32, rounds: Option<Rounds>) -> Result<Self> {
        let refused = |what: &str, error: std::io::Error| {
            Error::new(Code::System, format!("cannot make an engine: the system refused {what} ({error})"))
        };
        Ok(Self {
            fork: ForkMark::new().map_err(|error| refused("a page of memory", error))?,
            clock: Clock::default(),
            door: AtomicU32::new(0),
            barrier: Barrier::new(),
            poll: Poll::new(rounds.is_some()).map_err(|error| refused("an epoll, event or timer descriptor", error))?,
            rounds,
            watched: Watched::default(),
            closing: AtomicBool::new(false),
            thread: AtomicUsize::new(0),
            free: FreeList::default(),
            threads: Threads::default(),
            counters: Counters::default(),
            gathered: Gathered::default(),
            board: Board::default(),
            drain: Drain::default(),
            queues: StopQueues::new(stop_queues)
                .map_err(|error| refused("an event descriptor for each stop queue", error))?,
            gate: Gate::default(),
        })
    }

    /// The reasons against the quick path of a begin; [`OPEN`] alone: none.
    #[inline]
    pub fn door(&self) -> u32 {
        self.door.load(Relaxed)
    }

    pub fn set_door(&self, bit: u32) {
        self.door.fetch_or(bit, SeqCst);
    }

    /// The engine's time: at most a tick old while anything is timed, so it costs a load and not a clock; without a thread, that of the
    /// host's loop, or of the system's last tick.
    #[inline]
    pub fn now(&self) -> u64 {
        match &self.rounds {
            None => self.clock.now().unwrap_or_else(ask_the_system),
            Some(rounds) => rounds.now(),
        }
    }

    /// The same for what counts from within a request: a host's loop may have read its time long before.
    pub fn now_within(&self) -> u64 {
        if self.rounds.is_some() { sys::now_ms() } else { self.now() }
    }

    /// The same, where it takes no more than a load.
    #[inline]
    pub fn tick(&self) -> Option<u64> {
        self.clock.now()
    }

    /// The calling thread, for the engine's locks.
    #[inline(always)]
    pub fn caller(&self) -> Caller<'_> {
        let threads = &self.threads;
        Caller { thread: sys::thread_number() as u64, threads, barrier: &self.barrier, revoked: &threads.revoked }
    }

    /// The calling thread, for the locks of what is counted of limits. The engine's thread owns most of these, and a thread that suspends a
    /// request revokes one; so they have a count of their own, and requests keep theirs.
    #[inline(always)]
    pub fn caller_of_counts(&self) -> Caller<'_> {
        Caller { revoked: &self.threads.revoked_of_counts, ..self.caller() }
    }

    /// The engine's thread reads the clock for everybody; it is awake from here on.
    pub fn publish_now(&self) -> u64 {
        self.clock.publish(sys::now_ms())
    }

    /// The engine's thread is about to sleep, unless it finds work after this call.
    pub fn fall_asleep(&self) {
        self.clock.fall_asleep(&self.barrier);
    }

    /// Whether the engine's own thread is calling: it runs callbacks, and cannot wait for itself.
    pub fn is_own_thread(&self) -> bool {
        self.thread.load(Relaxed) == sys::thread_number()
    }

    /// Called after writing what has to be seen by `due`: a thread that is awake sees it in any case. Async-signal-safe.
    #[inline]
    pub fn wake_by(&self, due: u64) {
        match &self.rounds {
            Some(rounds) => {
                self.barrier.light();
                rounds.by(due, &self.poll);
            }
            None => self.wake_if_asleep(),
        }
    }

    fn wake_if_asleep(&self) {
        if self.clock.sleeps(&self.barrier) && self.clock.wake(sys::now_ms()) {
            self.poll.wake();
        }
    }

    /// Wakes the thread whether it sleeps or waits for its next tick. Async-signal-safe.
    pub fn wake(&self) {
        self.poll.wake();
    }
}

/// A function of its own, so that the caller needs no stack space for the answer.
#[cold]
#[inline(never)]
fn ask_the_system() -> u64 {
    sys::now_ms()
}

/// How many requests an engine can hold at once, unless it is told otherwise.
pub const MOST_REQUESTS: u32 = 4 << 20;
