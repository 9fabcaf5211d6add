//! Arming against sweeping, and against falling asleep: nothing that was to be looked at is lost.

use crate::clock::Clock;
use crate::deadlines::{Deadlines, NEVER, Taken};
use crate::sync::{AtomicU64, Barrier, Ordering::Relaxed};
use loom::sync::Arc;
use loom::thread;

/// The limit that an owner sets is seen by a sweep under way or by the next; `armed` says which deadlines stood before.
fn a_limit_is_seen(armed: &'static [(usize, u64)]) {
    loom::model(move || {
        let (deadlines, limit) = (Arc::new(Deadlines::new(2)), Arc::new(AtomicU64::new(0)));
        for &(slot, due) in armed {
            deadlines.at_most(slot, due, &Barrier);
        }
        let owner = {
            let (deadlines, limit) = (Arc::clone(&deadlines), Arc::clone(&limit));
            thread::spawn(move || {
                limit.store(7, Relaxed);
                deadlines.at_most(0, 1, &Barrier);
            })
        };
        let mut seen = false;
        let mut sweep = |deadlines: &Deadlines| {
            deadlines.sweep(1, &mut Taken::default(), &Barrier, |slot| {
                seen |= slot == 0 && limit.load(Relaxed) == 7;
                NEVER
            });
        };
        sweep(&deadlines);
        owner.join().unwrap();
        sweep(&deadlines);
        assert!(seen, "a limit was lost");
    });
}

#[test]
fn a_limit_is_seen_where_no_deadline_stood() {
    a_limit_is_seen(&[]);
}

#[test]
fn a_limit_is_seen_where_one_is_being_taken() {
    a_limit_is_seen(&[(0, 1)]);
}

#[test]
fn a_limit_is_seen_where_the_neighbour_s_is_being_taken() {
    a_limit_is_seen(&[(1, 1)]);
}

#[test]
fn a_limit_is_seen_where_a_later_one_stood() {
    a_limit_is_seen(&[(0, 5), (1, 1)]);
}

/// Two owners of one block, armed at once.
#[test]
fn both_of_a_block_are_seen() {
    loom::model(|| {
        let deadlines = Arc::new(Deadlines::new(2));
        let other = {
            let deadlines = Arc::clone(&deadlines);
            thread::spawn(move || deadlines.at_most(1, 3, &Barrier))
        };
        deadlines.at_most(0, 2, &Barrier);
        other.join().unwrap();
        let mut seen = [false; 2];
        deadlines.sweep(3, &mut Taken::default(), &Barrier, |slot| {
            seen[slot] = true;
            NEVER
        });
        assert_eq!(seen, [true, true]);
        assert!(!deadlines.any());
    });
}

/// A thread that falls asleep sees what was armed, or is woken.
#[test]
fn who_falls_asleep_sees_or_is_woken() {
    loom::model(|| {
        let (deadlines, clock) = (Arc::new(Deadlines::new(2)), Arc::new(Clock::default()));
        clock.publish(1);
        let owner = {
            let (deadlines, clock) = (Arc::clone(&deadlines), Arc::clone(&clock));
            thread::spawn(move || deadlines.at_most(0, 5, &Barrier) && clock.sleeps(&Barrier) && clock.wake(2))
        };
        clock.fall_asleep(&Barrier);
        let seen = deadlines.any();
        let woken = owner.join().unwrap();
        assert!(seen || woken);
    });
}
