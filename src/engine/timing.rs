//! One request's time limit: how the engine's thread notices that it has passed.

use super::limit::{OVER, Started, Terms, milliseconds};
use super::sys::{self, guarded::Guarded};
use super::threads::Caller;
use std::sync::atomic::Ordering::Relaxed;

/// A limit never fires early; it fires at most this much late (two of the engine's ticks of 10 ms).
pub const SLACK: u64 = super::ticker::TICK;

/// One request's time limit, of which the parts stand where they are needed.
#[derive(Clone, Copy, Debug)]
pub struct Timing<'a> {
    pub started: &'a Started,
    pub terms: &'a Terms,
    pub counted: &'a Counted,
    /// Whoever asks: the engine's thread, or another one.
    pub caller: Caller<'a>,
}

/// What has been counted since one start of the limit. Behind a lock, because the engine's thread reads it while the owner suspends and
/// resumes; quick calls do not need it. Nobody has it for longer than it takes to read a clock.
#[derive(Debug, Default)]
pub struct Counted(Guarded<Count>);

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// Which start of the limit it is about.
    restart: u32,
    phase: Phase,
    /// No CPU time is charged.
    suspended: bool,
    /// `cpu_base` and `cpu_used` are valid.
    cpu_known: bool,
    /// `from` counts in the first phase, too: the clock was changed.
    moved: bool,
    /// Of elapsed time: when the phase began. Of CPU time: until then it cannot have run out, so its clock need not be read.
    from: u64,
    cpu_base: u64,
    cpu_used: u64,
}

impl Count {
    /// Drops the counts of an earlier start.
    fn of(&mut self, restart: u32) -> &mut Self {
        if self.restart != restart {
            *self = Self { restart, suspended: self.suspended, ..Self::default() };
        }
        self
    }

    /// When elapsed time began to count, of a limit that started `at`.
    fn began(&self, at: u64) -> u64 {
        if self.phase == Phase::First && !self.moved { at } else { self.from }
    }

    /// Takes a reading of the CPU clock: returns the nanoseconds used since the phase began, or since the first look at it.
    fn used(&self, cpu: u64) -> u64 {
        self.cpu_used + cpu.saturating_sub(self.cpu_base)
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    First,
    /// The limit has fired; now `hard_timeout` runs.
    Hard,
    /// It has fired, and nothing follows.
    Spent,
}

/// The result of a look at the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Look again then.
    Later(u64),
    /// The limit has fired; look again then.
    Fired(u64),
    /// No limit runs.
    Never,
}

impl Timing<'_> {
    /// The limit starts anew; when the engine should look first. `limit`: seconds, 0: none, or of [`limit_of_ms`]. The caller arms the
    /// deadline behind it, whatever it is, so that the engine's thread sees the limit or the deadline.
    #[inline]
    pub fn start(&self, limit: u32, now: u64, cpu: bool) -> u64 {
        self.started.start(limit, now);
        first_look(limit, now, cpu)
    }

    /// As [`Timing::start`], by `set_time_limit`: seconds, and not 0.
    #[inline]
    pub fn set_seconds(&self, seconds: u32, now: u64, cpu: bool) -> u64 {
        self.started.set(seconds, now);
        let ms = 1_000 * u64::from(seconds);
        now + if cpu { ms >> CPU_LOOK } else { ms + SLACK }
    }

    /// The same with any limit and its text.
    pub fn set(&self, limit: u32, text: i64, now: u64, cpu: bool) -> u64 {
        if limit == 0 && text != 0 {
            self.started.set_none(text);
        } else {
            self.started.set(limit, now);
            debug_assert_eq!(text, i64::from(self.started.seconds()), "the text of a limit is its seconds");
        }
        first_look(limit, now, cpu)
    }

    /// The engine's thread looks. `counts_cpu`: the limit does not count elapsed time; `cpu_ns` reads a thread's CPU clock.
    pub fn look(&self, now: u64, counts_cpu: impl FnOnce() -> bool, cpu_ns: &mut dyn FnMut(i32) -> u64) -> Look {
        let mut count = self.counted.0.wait(self.caller);
        // Read after taking the lock: then the owner's counts do not belong to a later start.
        let (restart, limit, at) = self.started.seen();
        let count = count.of(restart);
        if limit == 0 || count.phase == Phase::Spent {
            return Look::Never;
        }
        let (allowed, is_cpu) = (self.allowed(count.phase, limit), counts_cpu());
        let left = match is_cpu {
            _ if allowed == 0 => 0, // it had passed before it began
            true if count.suspended => return Look::Never,
            true if count.from > now => count.from - now,
            // It began during this sweep, and the clock may have been read before that.
            true if !count.cpu_known && at >= now => 1,
            true => {
                let cpu = cpu_ns(self.terms.clock.load(Relaxed));
                if !count.cpu_known {
                    (count.cpu_known, count.cpu_base, count.cpu_used) = (true, cpu, 0);
                }
                let left = allowed.saturating_sub(count.used(cpu) / 1_000_000);
                count.from = now + left;
                left
            }
            false => (count.began(at) + allowed + SLACK).saturating_sub(now),
        };
        if left > 0 { Look::Later(now + left) } else { self.fire(count, now, is_cpu) }
    }

    /// Milliseconds that are left of the limit, of elapsed time or, where `cpu_ns` reads its clock, of CPU time; `None`: no
    /// limit. Nothing is changed: CPU time counts from the engine's first look.
    pub fn left(&self, now: u64, cpu_ns: Option<&mut dyn FnMut(i32) -> u64>) -> Option<u64> {
        self.left_or(Some(0), now, cpu_ns)
    }

    /// As [`Timing::left`]; `None` once the limit has fired, too.
    pub fn until_fired(&self, now: u64, cpu_ns: Option<&mut dyn FnMut(i32) -> u64>) -> Option<u64> {
        self.left_or(None, now, cpu_ns)
    }

    fn left_or(&self, fired: Option<u64>, now: u64, cpu_ns: Option<&mut dyn FnMut(i32) -> u64>) -> Option<u64> {
        let counted = self.counted.0.wait(self.caller);
        let (restart, limit, at) = self.started.seen();
        let count = *counted;
        drop(counted); // a host may ask all the time
        let (is_counted, allowed) = (count.restart == restart, milliseconds(limit));
        let used = match cpu_ns {
            _ if limit == 0 => return None,
            _ if is_counted && count.phase != Phase::First => return fired,
            None if is_counted => now.saturating_sub(count.began(at)),
            None => now.saturating_sub(at),
            Some(_) if !is_counted || !count.cpu_known => 0,
            Some(_) if count.suspended => count.cpu_used / 1_000_000,
            Some(cpu_ns) => count.used(cpu_ns(self.terms.clock.load(Relaxed))) / 1_000_000,
        };
        Some(allowed.saturating_sub(used))
    }

    /// Makes the limit count on another clock; the time used so far stays used. `publish` makes the change visible to others.
    /// Returns when the engine should look, at the earliest.
    pub fn change_clock(&self, now: u64, to_cpu: bool, publish: impl FnOnce()) -> u64 {
        let mut count = self.counted.0.wait(self.caller);
        let (restart, limit, at) = self.started.seen();
        let count = count.of(restart);
        let cpu_ns = || sys::thread_cpu_ns(self.terms.clock.load(Relaxed)).unwrap_or(0);
        let used = match to_cpu {
            _ if limit == 0 => 0,
            true => now.saturating_sub(count.began(at)),
            // Rounded up, so that changing the clock repeatedly gains no time.
            false if count.suspended => count.cpu_used.div_ceil(1_000_000),
            false if count.cpu_known => count.used(cpu_ns()).div_ceil(1_000_000),
            false => 0,
        };
        let began = now.saturating_sub(used);
        (count.moved, count.from) = (true, if to_cpu { 0 } else { began });
        (count.cpu_known, count.cpu_base, count.cpu_used) =
            (to_cpu, if to_cpu { cpu_ns() } else { 0 }, used * 1_000_000);
        publish();
        if limit == 0 || count.phase == Phase::Spent || (to_cpu && count.suspended) {
            return super::deadlines::NEVER;
        }
        let allowed = self.allowed(count.phase, limit);
        if to_cpu { now + allowed.saturating_sub(used) } else { began + allowed + SLACK }
    }

    /// Milliseconds.
    fn allowed(&self, phase: Phase, limit: u32) -> u64 {
        if phase == Phase::First { milliseconds(limit) } else { milliseconds(self.terms.hard.load(Relaxed)) }
    }

    fn fire(&self, count: &mut Count, now: u64, is_cpu: bool) -> Look {
        let goes_on = self.terms.hard.load(Relaxed) > 0;
        count.phase = if goes_on { Phase::Hard } else { Phase::Spent };
        (count.cpu_known, count.from) = (false, if is_cpu { 0 } else { now });
        // A look soon reads the CPU clock that the next phase counts from.
        Look::Fired(if goes_on { now + 1 } else { super::deadlines::NEVER })
    }

    /// The owner suspends the request; the CPU time used so far is kept.
    pub fn suspend(&self) {
        let mut count = self.counted.0.wait(self.caller);
        let count = count.of(self.started.seen().0);
        if count.cpu_known && !count.suspended {
            count.cpu_used = count.used(sys::thread_cpu_ns(self.terms.clock.load(Relaxed)).unwrap_or(0));
        }
        count.suspended = true;
    }

    /// The calling thread resumes the request; returns when the engine should look, at the earliest.
    pub fn resume(&self, now: u64) -> u64 {
        let mut count = self.counted.0.wait(self.caller);
        let (restart, limit, _) = self.started.seen();
        let (count, clock) = (count.of(restart), sys::thread_clock());
        self.terms.clock.store(clock, Relaxed);
        if !count.cpu_known {
            count.cpu_used = 0;
        }
        (count.suspended, count.cpu_known, count.cpu_base) = (false, true, sys::thread_cpu_ns(clock).unwrap_or(0));
        match (limit, count.phase) {
            (0, _) | (_, Phase::Spent) => super::deadlines::NEVER,
            (_, phase) => now + self.allowed(phase, limit).saturating_sub(count.cpu_used / 1_000_000),
        }
    }

    /// Called where a request ends while suspended: the next one in the slot must not be.
    pub fn forget_suspension(&self) {
        self.counted.0.wait(self.caller).suspended = false;
    }
}

/// The thread's CPU clock has to be read once near the start: late by at most 1/256 of the limit.
const CPU_LOOK: u32 = 8;

/// When the engine should look first.
#[inline]
fn first_look(limit: u32, now: u64, cpu: bool) -> u64 {
    match milliseconds(limit) {
        _ if limit == 0 => super::deadlines::NEVER,
        _ if limit == OVER => now,
        milliseconds if cpu => now + (milliseconds >> CPU_LOOK),
        milliseconds => now + milliseconds + SLACK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::deadlines::NEVER;
    use crate::engine::limit::{MILLISECONDS, limit_of_ms, seconds_of_ms};
    use crate::engine::sync::Barrier;
    use crate::engine::threads::Threads;
    use std::sync::LazyLock;

    fn unread(_: i32) -> u64 {
        unreachable!("it counts elapsed time")
    }

    #[derive(Default)]
    struct Parts {
        started: Started,
        terms: Terms,
        counted: Counted,
    }

    impl Parts {
        fn timing(&self) -> Timing<'_> {
            static SHARED: LazyLock<(Threads, Barrier)> = LazyLock::new(|| (Threads::default(), Barrier::new()));
            let (threads, barrier) = &*SHARED;
            let caller = Caller { thread: sys::thread_number() as u64, threads, barrier, revoked: &threads.revoked };
            Timing { started: &self.started, terms: &self.terms, counted: &self.counted, caller }
        }
    }

    #[test]
    fn a_limit_in_milliseconds_is_never_early_and_one_that_has_passed_fires_at_once() {
        let parts = Parts::default();
        let timing = parts.timing();
        assert_eq!(timing.start(limit_of_ms(250), 1_000, false), 1_250 + SLACK);
        assert_eq!(timing.started.seconds(), 1);
        assert_eq!(timing.look(1_249 + SLACK, || false, &mut unread), Look::Later(1_250 + SLACK));
        assert_eq!(timing.until_fired(1_100, None), Some(150));
        assert!(matches!(timing.look(1_250 + SLACK, || false, &mut unread), Look::Fired(_)));
        assert_eq!((timing.until_fired(1_300, None), timing.left(1_300, None)), (None, Some(0)));
        for (over, cpu) in [(0, false), (-5, true), (i64::MIN, false)] {
            assert_eq!(timing.start(limit_of_ms(over), 2_000, cpu), 2_000);
            timing.suspend();
            let mut read = |_| unreachable!("whatever has been used");
            assert!(matches!(timing.look(2_000, || cpu, &mut read), Look::Fired(_)));
            timing.forget_suspension();
        }
        for (milliseconds, limit, seconds) in [
            (i64::from(u32::MAX / 2), MILLISECONDS | (u32::MAX / 2), 2_147_484),
            (i64::from(MILLISECONDS), 2_147_484, 2_147_484),
            (999_999_999_000, 999_999_999, 999_999_999),
            (999_999_999_001, 0, 1_000_000_000),
            (1_001, MILLISECONDS | 1_001, 2),
            (-1_001, OVER, 1),
        ] {
            assert_eq!((limit_of_ms(milliseconds), seconds_of_ms(milliseconds)), (limit, seconds), "{milliseconds}");
        }
    }

    #[test]
    fn elapsed_time_fires_once_then_counts_the_hard_timeout() {
        let parts = Parts::default();
        let timing = parts.timing();
        timing.terms.hard.store(2, Relaxed);
        assert_eq!(timing.start(1, 5_000, false), 6_000 + SLACK);
        assert_eq!(timing.look(5_500, || false, &mut unread), Look::Later(6_000 + SLACK));
        let fired = 6_000 + SLACK;
        assert_eq!(timing.look(fired, || false, &mut unread), Look::Fired(fired + 1));
        assert_eq!(timing.look(fired + 1, || false, &mut unread), Look::Later(fired + 2_000 + SLACK));
        assert_eq!(timing.look(fired + 2_000 + SLACK, || false, &mut unread), Look::Fired(fired + 2_001 + SLACK));
        let again = timing.start(3, 20_000, false);
        assert_eq!(timing.look(20_001, || false, &mut unread), Look::Later(again));
        assert_eq!(timing.start(0, 21_000, false), NEVER);
        assert_eq!(timing.look(99_000, || false, &mut unread), Look::Never);
    }

    #[test]
    fn cpu_time_is_counted_from_the_first_look_and_stands_still_while_suspended() {
        let parts = Parts::default();
        let timing = parts.timing();
        assert_eq!(timing.start(1, 0, true), 3);
        let mut cpu = 7_000_000_000;
        assert_eq!(timing.look(3, || true, &mut |_| cpu), Look::Later(1_003));
        cpu += 400_000_000;
        assert_eq!(timing.look(1_003, || true, &mut |_| cpu), Look::Later(1_603));
        timing.counted.0.wait(timing.caller).suspended = true;
        assert_eq!(timing.look(1_603, || true, &mut |_| cpu), Look::Never);
        timing.counted.0.wait(timing.caller).suspended = false;
        cpu += 600_000_000;
        assert_eq!(timing.look(2_000, || true, &mut |_| cpu), Look::Fired(NEVER));
        assert_eq!(timing.look(2_001, || true, &mut |_| cpu), Look::Never);
    }

    #[test]
    fn a_clock_that_stands_still_fires_nothing() {
        let parts = Parts::default();
        let timing = parts.timing();
        let due = timing.start(1, 5_000, false);
        for _ in 0..1_000 {
            assert_eq!(timing.look(5_000, || false, &mut unread), Look::Later(due));
        }
    }

    #[test]
    fn a_clock_that_jumps_back_waits_and_one_that_jumps_ahead_fires_once() {
        let parts = Parts::default();
        let timing = parts.timing();
        timing.terms.hard.store(1, Relaxed);
        let due = timing.start(2, 1_000_000, false);
        assert_eq!(timing.look(3, || false, &mut unread), Look::Later(due));
        assert!(matches!(timing.look(u64::MAX / 2, || false, &mut unread), Look::Fired(_)));
        assert!(matches!(timing.look(7, || false, &mut unread), Look::Later(_)));
        assert!(matches!(timing.look(u64::MAX / 2 + 10_000, || false, &mut unread), Look::Fired(_)));
    }

    #[test]
    fn a_cpu_clock_that_goes_back_or_is_gone_counts_nothing() {
        let parts = Parts::default();
        let timing = parts.timing();
        timing.start(1, 0, true);
        assert_eq!(timing.look(3, || true, &mut |_| 9_000_000_000), Look::Later(1_003));
        assert_eq!(timing.look(1_003, || true, &mut |_| 0), Look::Later(2_003));
        assert_eq!(timing.look(u64::MAX - 5_000, || true, &mut |_| 0), Look::Later(u64::MAX - 4_000));
    }

    #[test]
    fn a_new_limit_owes_nothing_to_what_was_counted_of_the_one_before() {
        let parts = Parts::default();
        let timing = parts.timing();
        timing.terms.begin(sys::thread_clock());
        timing.start(1_000, 0, true);
        assert_eq!(timing.look(3, || true, &mut |_| 0), Look::Later(1_000_003));
        // Suspended and resumed before anybody has looked.
        timing.start(1, 10, true);
        timing.suspend();
        assert_eq!(timing.resume(10), 1_010);
        let base = timing.counted.0.wait(timing.caller).cpu_base;
        assert_eq!(timing.look(20, || true, &mut |_| base + 400_000_000), Look::Later(620));
        // And anew while it is suspended.
        timing.suspend();
        timing.start(2, 600, true);
        assert_eq!(timing.look(607, || true, &mut |_| unreachable!("it is suspended")), Look::Never);
        assert_eq!(timing.resume(700), 2_700);
        let base = timing.counted.0.wait(timing.caller).cpu_base;
        assert_eq!(timing.look(2_700, || true, &mut |_| base + 2_000_000_000), Look::Fired(NEVER));
    }

    #[test]
    fn what_was_used_of_a_limit_stays_used_on_another_clock() {
        let parts = Parts::default();
        let timing = parts.timing();
        timing.terms.begin(sys::thread_clock());
        timing.start(10, 1_000, false);
        assert_eq!(timing.change_clock(5_000, true, || ()), 5_000 + 6_000);
        let base = timing.counted.0.wait(timing.caller).cpu_base;
        assert_eq!(timing.left(9_000, Some(&mut |_| base + 1_000_000_000)), Some(5_000));
        assert_eq!(timing.look(9_000, || true, &mut |_| base + 1_000_000_000), Look::Later(9_000 + 5_000));
        // It has used four seconds and a bit; to and fro makes that no less.
        let due = timing.change_clock(9_000, false, || ());
        assert!((9_000 + 5_900..9_000 + 6_000 + SLACK).contains(&due), "{due}");
        for _ in 0..100 {
            timing.change_clock(9_000, true, || ());
            timing.change_clock(9_000, false, || ());
        }
        assert!(timing.left(9_000, None).unwrap() <= 5_900);
        assert!(matches!(timing.look(due, || false, &mut unread), Look::Fired(_)));
        assert_eq!(timing.look(due + 1, || false, &mut unread), Look::Never);
        assert_eq!(timing.change_clock(due + 1, true, || ()), NEVER);
        timing.start(0, due, false);
        assert_eq!(timing.change_clock(due, false, || ()), NEVER, "there is no limit");
    }

    #[test]
    fn a_clock_that_is_changed_while_suspended_charges_from_the_resume_on() {
        let parts = Parts::default();
        let timing = parts.timing();
        timing.terms.begin(sys::thread_clock());
        timing.start(10, 0, true);
        timing.suspend();
        assert_eq!(timing.change_clock(100, false, || ()), 10_100 + SLACK);
        assert_eq!(timing.change_clock(300, true, || ()), NEVER);
        assert_eq!(timing.left(400, Some(&mut |_| unreachable!("suspended"))), Some(9_800));
        assert_eq!(timing.resume(500), 500 + 9_800);
    }

    #[test]
    fn a_clock_that_was_read_before_the_request_began_is_not_its_base() {
        let parts = Parts::default();
        let timing = parts.timing();
        timing.start(1, 50, true);
        assert_eq!(timing.look(50, || true, &mut |_| unreachable!("read earlier in this sweep")), Look::Later(51));
        assert_eq!(timing.look(60, || true, &mut |_| 7), Look::Later(1_060));
    }

    #[test]
    fn the_text_of_a_limit_is_what_was_asked_for() {
        let parts = Parts::default();
        let timing = parts.timing();
        timing.start(30, 1_000, false);
        assert_eq!(timing.started.take_text(), None, "nobody has set it");
        for text in [0, -1, 1_000_000_000, i64::MAX, i64::MIN] {
            assert_eq!(timing.set(0, text, 1_000, true), NEVER);
            assert_eq!((timing.started.take_text(), timing.started.take_text()), (Some(text), None));
            assert_eq!(timing.change_clock(1_000, false, || ()), NEVER);
            assert_eq!((timing.look(99_000, || false, &mut unread), timing.left(99_000, None)), (Look::Never, None));
        }
        assert_eq!(timing.set_seconds(7, 1_000, false), 8_000 + SLACK);
        assert_eq!(
            (timing.started.take_text(), timing.look(8_000, || false, &mut unread)),
            (Some(7), Look::Later(8_000 + SLACK))
        );
        timing.set(limit_of_ms(1_500), 2, 1_000, false);
        assert_eq!((timing.started.take_text(), timing.left(1_000, None)), (Some(2), Some(1_500)));
    }
}
