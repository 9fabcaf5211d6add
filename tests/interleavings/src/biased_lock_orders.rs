//! The owner of a biased lock and threads that revoke the bias; and the free slots that a home's thread keeps.

use crate::biased_lock::BiasedLock;
use crate::free_list::FreeList;
use crate::sync::Barrier;
use crate::threads::{Caller, Threads};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};
use loom::thread;

static BARRIER: Barrier = Barrier;

/// A value behind a lock: the checker finds two threads that hold it at once.
struct Place {
    threads: Threads,
    lock: BiasedLock,
    value: UnsafeCell<u32>,
}

impl Place {
    fn new() -> Self {
        Self { threads: Threads::default(), lock: BiasedLock::default(), value: UnsafeCell::new(0) }
    }

    fn caller(&self, thread: u64) -> Caller<'_> {
        Caller { thread, threads: &self.threads, barrier: &BARRIER, revoked: &self.threads.revoked }
    }

    /// Adds one, if no thread holds the lock.
    fn add(&self, thread: u64) -> bool {
        let Some(taken) = self.lock.take(self.caller(thread)) else { return false };
        self.value.with_mut(|value| unsafe { *value += 1 });
        assert!(self.lock.take(self.caller(thread)).is_none(), "this thread holds it already");
        self.lock.release(taken);
        true
    }
}

fn bounded(switches: usize, steps: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(switches);
    model.check(steps);
}

/// Of the owner and one or two threads that revoke the bias, at most one holds the lock; afterwards any thread can take it.
#[test]
fn one_holds_it_whoever_comes() {
    for (others, switches) in [(1, 4), (2, 2)] {
        bounded(switches, move || {
            let place = Arc::new(Place::new());
            assert!(place.add(1), "no thread holds it");
            let threads: Vec<_> = (0..others)
                .map(|at| {
                    let place = Arc::clone(&place);
                    thread::spawn(move || u32::from(place.add(100 + at)))
                })
                .collect();
            let mine = u32::from(place.add(1)) + u32::from(place.add(1));
            let all: u32 = threads.into_iter().map(|other| other.join().unwrap()).sum();
            assert_eq!(place.value.with(|value| unsafe { *value }), 1 + mine + all);
            assert!(place.add(7) && place.add(1), "no thread holds it");
        });
    }
}

/// Two threads are the first, at once: one becomes the owner, and the other revokes that; each may find that the other holds the lock.
#[test]
fn two_threads_are_the_first() {
    bounded(4, || {
        let place = Arc::new(Place::new());
        let other = {
            let place = Arc::clone(&place);
            thread::spawn(move || u32::from(place.add(2)))
        };
        let mine = u32::from(place.add(1)) + u32::from(place.add(1));
        let all = mine + other.join().unwrap();
        assert_eq!(place.value.with(|value| unsafe { *value }), all);
        assert!(place.add(2) && place.add(1));
    });
}

struct Slots {
    threads: Threads,
    free: FreeList,
    links: [AtomicU32; 2],
    taken: [AtomicU32; 2],
}

impl Slots {
    fn new() -> Self {
        let none = || [AtomicU32::new(0), AtomicU32::new(0)];
        Self { threads: Threads::default(), free: FreeList::default(), links: none(), taken: none() }
    }

    fn caller(&self, thread: u64) -> Caller<'_> {
        Caller { thread, threads: &self.threads, barrier: &BARRIER, revoked: &self.threads.revoked }
    }

    fn take(&self, thread: u64) -> Option<u32> {
        let link = |slot: u32| &self.links[slot as usize];
        let found = self.free.take(self.caller(thread), |slot| (slot, link(slot).load(Relaxed)));
        let slot = found.or_else(|| self.free.take_elsewhere(self.caller(thread), 2, link))?;
        assert_eq!(self.taken[slot as usize].fetch_add(1, Relaxed), 0, "taken twice");
        Some(slot)
    }

    fn give_back(&self, thread: u64, slot: u32) {
        self.taken[slot as usize].fetch_sub(1, Relaxed);
        self.free.give_back(self.caller(thread), slot, &self.links[slot as usize]);
    }

    fn holds_all(&self) -> bool {
        self.free.holds_all(|slot| self.links[slot as usize].load(Relaxed))
    }
}

/// A thread keeps the slots that it gives back; another one that finds no other gets them while the first takes and gives back. No slot is
/// two's, none is lost, and nobody is told that it is full while a slot is free.
#[test]
fn what_a_thread_keeps_is_for_others_too() {
    bounded(3, || {
        let slots = Arc::new(Slots::new());
        for slot in [slots.take(1), slots.take(1)] {
            slots.give_back(1, slot.expect("both are free"));
        }
        let other = {
            let slots = Arc::clone(&slots);
            thread::spawn(move || {
                let slot = slots.take(2).expect("one of two is free at any time");
                slots.give_back(2, slot);
            })
        };
        let slot = slots.take(1).expect("the other takes one");
        assert!(!slots.holds_all(), "one is taken");
        slots.give_back(1, slot);
        other.join().unwrap();
        assert!(slots.holds_all());
        let mut left = [slots.take(1), slots.take(2), slots.take(1)];
        left.sort_unstable();
        assert_eq!(left, [None, Some(0), Some(1)]);
    });
}
