//! Owner, engine's thread and anybody, on one flag word.

use crate::both::Both;
use crate::callback_gate::Gate;
use crate::flag_word::{FLAG_CANCELLED, FLAG_ENTERED, FLAG_GONE, TAG_BITS};
use crate::free_list::FreeList;
use crate::request::Events;
use crate::sync::Barrier;
use crate::threads::{Caller, Threads};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering::Relaxed, Ordering::SeqCst};
use loom::thread;

const TIME_UP: u64 = Events::TIME_UP.0 as u64;
const GONE: u64 = Events::GONE.0 as u64;

/// In every order of steps, where facts are raised; events are shown in the hint behind that, which makes far more orders of it: they are tried
/// as far as [`bounded`] goes.
fn model(raised: u64, steps: impl Fn() + Sync + Send + 'static) {
    if raised as u32 == 0 { loom::model(steps) } else { bounded(steps) }
}

/// Up to three switches between the threads at points where they could go on.
fn bounded(steps: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(steps);
}

/// An event for one request is seen by it, or comes too late; the next in its place never sees it.
#[test]
fn an_event_never_reaches_the_next_request() {
    loom::model(|| {
        let word = Arc::new(Both::default());
        let first = word.begin(|| ());
        let raiser = {
            let word = Arc::clone(&word);
            thread::spawn(move || word.raise(first, TIME_UP, TIME_UP))
        };
        let seen = word.end().events().has(Events::TIME_UP);
        let second = word.begin(|| ());
        assert!(word.is_quiet(second & TAG_BITS), "the next request begins without events");
        let raised = raiser.join().unwrap();
        assert_eq!(raised, seen, "raised and seen are the same thing");
        assert!(word.is_quiet(second & TAG_BITS));
        assert_eq!(word.hint(), 0, "nothing of the old one is left in the hint");
    });
}

/// A quiet end, against a call from another thread that enters and against a client that goes: each has happened before the end,
/// which then is not quiet, or comes too late, and the next request in the place knows nothing of it.
#[test]
fn a_quiet_end_overlooks_nothing() {
    for gone in [FLAG_GONE, GONE | FLAG_GONE] {
        model(gone, move || {
            let word = Arc::new(Both::default());
            let first = word.begin(|| ());
            let others: Vec<_> = [FLAG_ENTERED, gone]
                .into_iter()
                .map(|bits| {
                    let word = Arc::clone(&word);
                    thread::spawn(move || word.raise(first, bits, 0))
                })
                .collect();
            let quiet = word.end_quietly(first & TAG_BITS);
            let left = if quiet { None } else { Some(word.end()) };
            let second = word.begin(|| ());
            let raised: Vec<bool> = others.into_iter().map(|other| other.join().unwrap()).collect();
            assert_eq!(raised, [FLAG_ENTERED, FLAG_GONE].map(|fact| left.is_some_and(|left| left.has(fact))));
            assert!(quiet || raised.contains(&true), "nothing else keeps an end from being quiet");
            assert!(word.end_quietly(second & TAG_BITS));
            assert_eq!(word.hint(), 0);
        });
    }
}

/// The place is taken again and ended again while a late word for the first is on its way.
#[test]
fn not_even_after_two_turns() {
    for both in [[FLAG_CANCELLED, FLAG_GONE], [TIME_UP, GONE]] {
        model(both[0], move || {
            let word = Arc::new(Both::default());
            let first = word.begin(|| ());
            let raisers: Vec<_> = both
                .into_iter()
                .map(|bits| {
                    let word = Arc::clone(&word);
                    thread::spawn(move || word.raise(first, bits, bits))
                })
                .collect();
            let seen = word.end();
            word.begin(|| ());
            assert!(!word.end().has_any(both[0] | both[1]));
            let raised: Vec<bool> = raisers.into_iter().map(|raiser| raiser.join().unwrap()).collect();
            assert_eq!(raised, both.map(|bits| seen.has(bits)));
            assert_eq!(word.hint(), 0);
        });
    }
}

/// A client that has gone is counted once, whoever says so first, and uncounted by the end: nobody is left over.
#[test]
fn a_gone_client_is_counted_once_and_uncounted() {
    for bits in [FLAG_GONE, GONE | FLAG_GONE] {
        model(bits, move || {
            let (word, detached) = (Arc::new(Both::default()), Arc::new(AtomicI64::new(0)));
            let generation = word.begin(|| ());
            let tellers: Vec<_> = (0..2)
                .map(|_| {
                    let (word, detached) = (Arc::clone(&word), Arc::clone(&detached));
                    thread::spawn(move || {
                        let new = word.raise(generation, bits, FLAG_GONE);
                        if new {
                            detached.fetch_add(1, Relaxed);
                        }
                        new
                    })
                })
                .collect();
            let gone = word.end().is_gone();
            if gone {
                detached.fetch_sub(1, Relaxed);
            }
            let told = tellers.into_iter().map(|teller| teller.join().unwrap());
            assert_eq!(told.filter(|&new| new).count(), usize::from(gone));
            assert_eq!(detached.load(Relaxed), 0);
        });
    }
}

/// A safe point clears what it dealt with and nothing else.
#[test]
fn settling_keeps_what_is_raised_meanwhile() {
    loom::model(|| {
        let word = Arc::new(Both::default());
        let generation = word.begin(|| ());
        assert!(word.raise(generation, GONE, 0));
        let other = {
            let word = Arc::clone(&word);
            thread::spawn(move || assert!(word.raise(generation, TIME_UP, TIME_UP)))
        };
        let before = word.load().events();
        let after = before.without(Events::GONE).with(Events::STOPPED);
        word.flags().settle(before, after);
        other.join().unwrap();
        assert_eq!(word.load().events(), Events::TIME_UP.with(Events::STOPPED));
        assert_eq!(word.hint(), Events::TIME_UP.with(Events::STOPPED).0);
    });
}

/// The hint, which the owner asks in place of the word: once it is all over it agrees with the word, whoever stored there last. Two are
/// raised while the owner clears what it has seen of them.
#[test]
fn the_hint_follows_the_word() {
    bounded(|| {
        let word = Arc::new(Both::default());
        let generation = word.begin(|| ());
        let raisers: Vec<_> = [TIME_UP, GONE]
            .into_iter()
            .map(|bits| {
                let word = Arc::clone(&word);
                thread::spawn(move || assert!(word.raise(generation, bits, 0)))
            })
            .collect();
        let before = word.load().events();
        word.flags().settle(before, Events::NONE);
        raisers.into_iter().for_each(|raiser| raiser.join().unwrap());
        assert_eq!(word.hint(), word.load().events().0);
        word.flags().settle(word.load().events(), Events::NONE);
        assert_eq!(word.hint(), 0);
    });
}

/// A late raise for the request before meets one for the next: what is left in the hint is what the next has, be it ended quietly or not.
#[test]
fn what_a_late_raise_leaves_in_the_hint_hides_nothing() {
    for settled in [false, true] {
        bounded(move || {
            let word = Arc::new(Both::default());
            let first = word.begin(|| ());
            let late = {
                let word = Arc::clone(&word);
                thread::spawn(move || word.raise(first, TIME_UP, 0))
            };
            if settled {
                word.flags().settle(word.load().events(), Events::NONE);
            }
            word.end();
            let second = word.begin(|| ());
            let other = {
                let word = Arc::clone(&word);
                thread::spawn(move || word.raise(second, GONE, 0))
            };
            late.join().unwrap();
            assert!(other.join().unwrap());
            assert_eq!(word.load().events(), Events::GONE);
            assert_eq!(word.hint(), Events::GONE.0);
            word.end();
            word.begin(|| ());
            assert_eq!(word.hint(), 0, "the next begins without");
        });
    }
}

/// A signal handler raises on the owner's thread, at any step of a raise of another: when it returns, the owner is told.
#[test]
fn the_owner_sees_what_was_raised_on_its_own_thread() {
    loom::model(|| {
        let word = Arc::new(Both::default());
        let generation = word.begin(|| ());
        let other = {
            let word = Arc::clone(&word);
            thread::spawn(move || word.raise(generation, TIME_UP, 0))
        };
        word.raise(generation, GONE, 0);
        assert_ne!(word.hint(), 0);
        other.join().unwrap();
        assert_eq!(word.hint() as u64, TIME_UP | GONE);
    });
}

/// No callback runs once an end has returned, and an end does not return while one runs.
#[test]
fn no_callback_about_a_request_that_has_ended() {
    loom::model(|| {
        let (word, gate) = (Arc::new(Both::default()), Arc::new(Gate::default()));
        let (running, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let generation = word.begin(|| ());
        let engine = {
            let (word, gate) = (Arc::clone(&word), Arc::clone(&gate));
            let (running, over) = (Arc::clone(&running), Arc::clone(&over));
            thread::spawn(move || {
                // Of another request first: the gate is open already.
                for about in [1, 0] {
                    gate.tell(
                        about,
                        &Barrier,
                        || about == 1 || word.load().generation() == generation,
                        || {
                            if about == 0 {
                                running.store(true, SeqCst);
                                assert!(!over.load(SeqCst), "called about a request that has ended");
                                thread::yield_now();
                                running.store(false, SeqCst);
                            }
                        },
                    );
                }
                gate.close();
            })
        };
        word.end();
        gate.wait(0, &Barrier);
        assert!(!running.load(SeqCst), "the end came back under a callback");
        over.store(true, SeqCst);
        word.begin(|| ());
        engine.join().unwrap();
    });
}

/// A drain sees the request, or the request sees the drain.
#[test]
fn a_begin_and_a_drain_notice_each_other() {
    loom::model(|| {
        let (word, draining) = (Arc::new(Both::default()), Arc::new(AtomicU32::new(0)));
        let drain = {
            let (word, draining) = (Arc::clone(&word), Arc::clone(&draining));
            thread::spawn(move || {
                draining.store(1, Relaxed);
                Barrier.heavy();
                word.load().is_live()
            })
        };
        word.begin(|| ());
        Barrier.light();
        let turned_back = draining.load(Relaxed) == 1;
        assert!(drain.join().unwrap() || turned_back);
    });
}

struct Places {
    threads: Threads,
    free: FreeList,
    most: u32,
    links: [AtomicU32; 3],
    taken: [AtomicU32; 3],
}

impl Places {
    fn new(most: u32) -> Self {
        let none = || [AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0)];
        Self { threads: Threads::default(), free: FreeList::default(), most, links: none(), taken: none() }
    }

    fn caller(&self, thread: u64) -> Caller<'_> {
        Caller { thread, threads: &self.threads, barrier: &Barrier, revoked: &self.threads.revoked }
    }

    fn take(&self, thread: u64) -> Option<u32> {
        let link = |slot: u32| &self.links[slot as usize];
        let found = self.free.take(self.caller(thread), |slot| (slot, link(slot).load(Relaxed)));
        let slot = found.or_else(|| self.free.take_elsewhere(self.caller(thread), self.most, link))?;
        assert_eq!(self.taken[slot as usize].fetch_add(1, Relaxed), 0, "taken twice");
        Some(slot)
    }

    fn give_back(&self, thread: u64, slot: u32) {
        self.taken[slot as usize].fetch_sub(1, Relaxed);
        self.free.give_back(self.caller(thread), slot, &self.links[slot as usize]);
    }
}

/// A thread that lives where thread 1 does, which came first.
const SAME_HOME: u64 = 5;

/// One thread takes a slot while another takes both and gives them back in the other order, which leaves the first on top again
/// with another one below it (ABA), at the same home or at another: no slot is two's at once, and none is lost.
#[test]
fn a_slot_is_never_taken_twice() {
    for another in [SAME_HOME, 2] {
        bounded(move || {
            let places = Arc::new(Places::new(2));
            for slot in [places.take(1), places.take(1)] {
                places.give_back(1, slot.expect("both are free"));
            }
            let other = {
                let places = Arc::clone(&places);
                thread::spawn(move || {
                    if let Some(slot) = places.take(another) {
                        places.give_back(another, slot);
                    }
                })
            };
            let (first, second) = (places.take(1), places.take(1));
            for slot in [first, second].into_iter().flatten() {
                places.give_back(1, slot);
            }
            other.join().unwrap();
            let mut left = [places.take(1), places.take(1), places.take(1)];
            left.sort_unstable();
            assert_eq!(left, [None, Some(0), Some(1)]);
        });
    }
}

/// Two homes take what was never used, at once, a block for both or one for each: each slot is one's, and neither finds the place full while
/// the other is about to have more than it needs.
#[test]
fn what_was_never_used_is_taken_once() {
    for most in [2, 3] {
        loom::model(move || {
            let places = Arc::new(Places::new(most));
            let other = {
                let places = Arc::clone(&places);
                thread::spawn(move || places.take(2))
            };
            let mine = places.take(1);
            let mut all = vec![mine, other.join().unwrap()];
            all.extend((2..=most).map(|_| places.take(1)));
            all.sort_unstable();
            assert!(all.into_iter().eq([None].into_iter().chain((0..most).map(Some))));
        });
    }
}
