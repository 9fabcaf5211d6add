//! Sums up the counts that each slot has kept with plain stores.

use super::flag_word::Seen;
use super::numbers::{Gauges, Numbers, bucket};
use super::scoreboard;
use super::shared::Shared;
use super::slot::{Host, Slot};
use super::slot_table::Table;
use super::sync::lock;
use crate::request::Ending;
use std::sync::Mutex;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// A request that ends quietly and is no older than this, in milliseconds, is counted with one store.
pub const QUICK: u64 = super::numbers::BOUNDS[0];

/// Bits of a slot's word for quick ends that hold how many there were; the bits above hold their milliseconds. Both wrap around. The sums
/// stay right as long as the words are gathered at least once per round, which the thread does while it is awake, and everybody who asks
/// for the numbers.
const COUNT_BITS: u32 = 36;
const COUNT: u64 = (1 << COUNT_BITS) - 1;
const TIME: u64 = u64::MAX >> COUNT_BITS;

/// How many requests completed in a slot, and how long the quick ones took.
#[derive(Debug, Default)]
pub struct Completed(AtomicU64);

impl Completed {
    /// One more. One writer at a time, so no read-modify-write is needed.
    #[inline]
    pub fn count(&self, ms: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(ms << COUNT_BITS | 1), Release);
    }
}

/// What has been gathered so far.
#[derive(Debug, Default)]
pub struct Gathered(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    numbers: Numbers,
    /// The sums over all slots, when they were last looked at.
    count: u64,
    time: u64,
    completed: u64,
    quick_ms: u64,
}

/// The engine's numbers now. `each` sees every request that is live.
pub fn gather<H: Host>(shared: &Shared, table: &Table<H>, mut each: impl FnMut(&Slot<H>, Seen)) -> (Numbers, Gauges) {
    let mut state = lock(&shared.gathered.0);
    let counters = &shared.counters;
    let load = |counter: &AtomicU64| counter.load(Acquire);
    // Endings first: a request that ends meanwhile is missing now and counted the next time; nothing is counted twice. The same holds for
    // times: an end counts its time before itself.
    let mut new = Numbers { ended: counters.endings.each_ref().map(load), ..Numbers::default() };
    let (mut count, mut time, mut gauges) = (0u64, 0u64, Gauges::default());
    for slot in table.used() {
        let quick = slot.completed.0.load(Acquire);
        (count, time) = (count.wrapping_add(quick & COUNT), time.wrapping_add(quick >> COUNT_BITS));
        let word = slot.word.load();
        if word.is_live() {
            gauges.in_flight += 1;
            gauges.detached += u64::from(word.is_gone());
            gauges.accepted += u64::from(scoreboard::is_accepted(slot));
            each(slot, word);
        }
    }
    state.completed += count.wrapping_sub(state.count) & COUNT;
    state.quick_ms += time.wrapping_sub(state.time) & TIME;
    (state.count, state.time) = (count & COUNT, time & TIME);
    new.ended[Ending::Completed as usize] += state.completed;
    let ended = new.ended_at_all();
    new.begun = ended + gauges.in_flight;
    new.request.buckets = counters.slow.each_ref().map(load);
    let slow: u64 = new.request.buckets.iter().sum();
    new.request.buckets[0] += ended.saturating_sub(slow);
    new.request.sum_ms = state.quick_ms + load(&counters.slow_ms);
    new.detached.buckets = counters.detached_for.each_ref().map(load);
    new.detached.sum_ms = load(&counters.detached_ms);
    new.gone = load(&counters.gone);
    new.forced = load(&counters.forced);
    new.time_limits = load(&counters.time_limits);
    new.functions = load(&counters.functions) + shared.threads.functions();
    new.function_ns = load(&counters.function_ns);
    new.not_shown = shared.board.not_shown();
    state.numbers.rise_to(&new);
    (state.numbers.clone(), gauges)
}

/// Counts a request that does not end as a quick one.
#[cold]
#[inline(never)]
pub fn count_slow(shared: &Shared, ms: u64) {
    if ms > QUICK {
        shared.counters.slow[bucket(ms)].fetch_add(1, Relaxed);
    }
    if ms > 0 {
        shared.counters.slow_ms.fetch_add(ms, Relaxed);
    }
}

/// Counts a request that ends `ms` milliseconds after its client went.
pub fn count_detached(shared: &Shared, ms: u64) {
    shared.counters.detached_for[bucket(ms)].fetch_add(1, Relaxed);
    shared.counters.detached_ms.fetch_add(ms, Relaxed);
}
