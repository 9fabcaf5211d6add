//! The engine's thread tells of stops, a host's loop takes them and ends requests whose places are used again, and a drain ends.

use crate::both::Both;
use crate::flag_word::TAG_BITS;
use crate::free_list::FreeList;
use crate::request::Events;
use crate::stop_queue::{Node, Nodes, Signal, Stop, StopKind, StopQueue};
use crate::sync::Barrier;
use crate::threads::{Caller, Threads};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed, Ordering::SeqCst};
use loom::thread;

const TIME_UP: u64 = Events::TIME_UP.0 as u64;

/// An eventfd.
#[derive(Default)]
struct Flag(AtomicBool);

impl Signal for Flag {
    fn set(&self) {
        self.0.store(true, SeqCst);
    }

    fn clear(&self) {
        self.0.store(false, SeqCst);
    }
}

/// One slot, or two, of an engine with one queue, or two.
struct Places {
    words: [Both; 2],
    /// An end has begun; what a slot's facts say.
    ending: [AtomicBool; 2],
    nodes: [Node; 2],
    queues: [StopQueue<Flag>; 2],
}

impl Nodes for [Node; 2] {
    fn node(&self, index: u32) -> &Node {
        &self[index as usize]
    }
}

impl Places {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            words: Default::default(),
            ending: [AtomicBool::new(false), AtomicBool::new(false)],
            nodes: Default::default(),
            queues: [StopQueue::new(Flag::default()), StopQueue::new(Flag::default())],
        })
    }

    /// What the ticker does when a limit has passed: raises, then pushes. The id is the generation.
    fn tell(&self, slot: usize, queue: usize, generation: u64, kind: StopKind) -> bool {
        if kind == StopKind::Due && !self.words[slot].raise(generation, TIME_UP, TIME_UP) {
            return false;
        }
        let stop = Stop { kind, ending: 4, id: generation };
        self.queues[queue].push(&self.nodes, slot as u32, stop, || {
            self.words[slot].load().generation() == generation
                && (kind == StopKind::Forced || !self.ending[slot].load(Relaxed))
        })
    }

    fn begin(&self, slot: usize) -> u64 {
        self.ending[slot].store(false, Relaxed);
        self.words[slot].begin(|| ())
    }

    /// Quiet, where nothing was raised; else what an end does. Whether it was quiet.
    fn end(&self, slot: usize, queue: usize, between: impl FnOnce()) -> bool {
        let generation = self.words[slot].load().generation();
        if self.words[slot].end_quietly(generation & TAG_BITS) {
            return true;
        }
        self.ending[slot].store(true, Relaxed);
        self.queues[queue].withdraw(&self.nodes, slot as u32, StopKind::Due);
        between();
        self.words[slot].end();
        self.queues[queue].withdraw(&self.nodes, slot as u32, StopKind::Forced);
        false
    }

    fn pop(&self, queue: usize) -> Option<Stop> {
        self.queues[queue].pop(&self.nodes, |_| ()).map(|(stop, _)| stop)
    }

    fn is_set(&self, queue: usize) -> bool {
        self.queues[queue].signal.0.load(SeqCst)
    }
}

/// Raise and push against pop, end and a begin in the same place: an entry is of the request that lives, and nothing of the old one is
/// left for the next, even where that uses another queue.
fn the_next_request_hears_nothing_of_the_old_one(next_queue: usize) {
    loom::model(move || {
        let places = Places::new();
        let first = places.begin(0);
        let engine = {
            let places = Arc::clone(&places);
            thread::spawn(move || places.tell(0, 0, first, StopKind::Due))
        };
        let seen = places.pop(0);
        assert!(seen.is_none_or(|stop| stop.id == first));
        places.end(0, 0, || assert_eq!(places.pop(0), None, "due, though the end has begun"));
        assert_eq!(places.pop(0), None, "an entry is left behind the end");
        let second = places.begin(0);
        assert_eq!(places.pop(next_queue), None);
        let told = engine.join().unwrap();
        assert!(seen.is_none() || told);
        // The second is told of its own.
        assert!(places.tell(0, next_queue, second, StopKind::Due));
        assert!(places.is_set(next_queue));
        assert_eq!(places.pop(next_queue).map(|stop| stop.id), Some(second));
        assert_eq!(places.pop(next_queue), None);
        assert!(!places.is_set(next_queue));
        assert_eq!(places.pop(0), None);
    });
}

#[test]
fn the_next_request_hears_nothing_of_the_old_one_in_the_same_queue() {
    the_next_request_hears_nothing_of_the_old_one(0);
}

#[test]
fn the_next_request_hears_nothing_of_the_old_one_in_another_queue() {
    the_next_request_hears_nothing_of_the_old_one(1);
}

/// Force comes while it ends: it may be told until the end has returned, and never after.
#[test]
fn force_is_told_until_the_end_has_returned() {
    loom::model(|| {
        let places = Places::new();
        let first = places.begin(0);
        assert!(places.tell(0, 0, first, StopKind::Due));
        let engine = {
            let places = Arc::clone(&places);
            thread::spawn(move || places.tell(0, 0, first, StopKind::Forced))
        };
        let mut seen = None;
        places.end(0, 0, || seen = places.pop(0));
        assert!(seen.is_none_or(|stop| stop.kind == StopKind::Forced && stop.id == first));
        assert_eq!(places.pop(0), None);
        let told = engine.join().unwrap();
        assert!(seen.is_none() || told);
        assert_eq!(places.pop(0), None, "told behind the end");
    });
}

/// A host empties the queue and clears the signal while the engine's thread pushes: what is in the list is signalled.
#[test]
fn no_wake_up_is_lost() {
    loom::model(|| {
        let places = Places::new();
        let generations = [places.begin(0), places.begin(1)];
        assert!(places.tell(0, 0, generations[0], StopKind::Due));
        let engine = {
            let places = Arc::clone(&places);
            thread::spawn(move || assert!(places.tell(1, 0, generations[1], StopKind::Due)))
        };
        let mut seen = 0;
        while places.pop(0).is_some() {
            seen += 1;
        }
        engine.join().unwrap();
        assert_eq!(
            places.is_set(0),
            seen == 1,
            "set while something waits, clear once the host has seen that nothing does"
        );
        while places.is_set(0) {
            while places.pop(0).is_some() {
                seen += 1;
            }
        }
        assert_eq!(seen, 2);
    });
}

/// Two loops with one queue take what there is: nothing twice, nothing lost.
#[test]
fn each_entry_is_taken_once() {
    loom::model(|| {
        let places = Places::new();
        let generations = [places.begin(0), places.begin(1)];
        assert!(
            places.tell(0, 0, generations[0], StopKind::Due) && places.tell(1, 0, generations[1], StopKind::Forced)
        );
        let other = {
            let places = Arc::clone(&places);
            thread::spawn(move || places.pop(0))
        };
        let mine = places.pop(0);
        let theirs = other.join().unwrap();
        assert!(mine.is_some() && theirs.is_some() && mine != theirs);
        assert_eq!(places.pop(0), None);
    });
}

fn caller(threads: &Threads, thread: u64) -> Caller<'_> {
    Caller { thread, threads, barrier: &Barrier, revoked: &threads.revoked }
}

/// The last requests end while the engine drains: DRAINED comes once, behind both ends, the whole of them.
#[test]
fn drained_comes_once_behind_every_end() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let places = Places::new();
        let free = Arc::new((Threads::default(), FreeList::default()));
        let next = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let freed = Arc::new([UnsafeCell::new(0), UnsafeCell::new(0)]);
        for thread in [1, 2] {
            let slot = free.1.take_elsewhere(caller(&free.0, thread), 2, |slot| &next[slot as usize]);
            assert!(slot.is_some());
        }
        places.begin(0);
        places.begin(1);
        let ends: Vec<_> = (0..2)
            .map(|slot: usize| {
                let (places, free, next, freed) =
                    (Arc::clone(&places), Arc::clone(&free), Arc::clone(&next), Arc::clone(&freed));
                thread::spawn(move || {
                    places.end(slot, 0, || ());
                    // The last that an end touches of an engine, which may be freed behind DRAINED.
                    freed[slot].with_mut(|cell| unsafe { *cell = 1 });
                    free.1.give_back(caller(&free.0, 1 + slot as u64), slot as u32, &next[slot]);
                })
            })
            .collect();
        let mut told = 0;
        for _ in 0..2 {
            let is_idle = places.words.iter().all(|word| !word.load().is_live());
            if is_idle && free.1.holds_all(|slot| next[slot as usize].load(Relaxed)) {
                places.queues[0].push_drained();
            }
            if places.pop(0).is_some_and(|stop| stop.kind == StopKind::Drained) {
                told += 1;
                for cell in &*freed {
                    cell.with(|cell| assert_eq!(unsafe { *cell }, 1, "an end has not returned"));
                }
            }
        }
        for end in ends {
            end.join().unwrap();
        }
        if told == 0 {
            assert!(free.1.holds_all(|slot| next[slot as usize].load(Relaxed)), "both are back");
        }
        assert!(told <= 1);
    });
}

/// A drain begins while a request does: either it sees the request, which is told, or the request sees the drain.
#[test]
fn a_begin_and_the_deadline_of_a_drain_notice_each_other() {
    loom::model(|| {
        let places = Places::new();
        let draining = Arc::new(AtomicBool::new(false));
        let engine = {
            let (places, draining) = (Arc::clone(&places), Arc::clone(&draining));
            thread::spawn(move || {
                draining.store(true, Relaxed);
                Barrier.heavy();
                let word = places.words[0].load();
                word.is_live() && places.tell(0, 0, word.generation(), StopKind::Due)
            })
        };
        let generation = places.begin(0);
        Barrier.light();
        let turned_back = draining.load(Relaxed);
        if turned_back {
            places.end(0, 0, || ());
        }
        let told = engine.join().unwrap();
        let seen = places.pop(0);
        if turned_back {
            assert_eq!(seen, None, "told of a request that never was");
        } else {
            assert!(told && seen.is_some_and(|stop| stop.id == generation));
        }
    });
}
