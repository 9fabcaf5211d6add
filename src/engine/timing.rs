//! One request's time limit: how its owner sets it, and how the engine's thread notices that it has passed.

use super::sync::{Mutex, lock};
use super::sys;
use crate::request::{Timer, effective_limit};
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

/// A limit never fires early; it fires at most this much late (two of the engine's ticks of 10 ms).
pub const SLACK: u64 = super::ticker::TICK;

/// A limit with this bit is in milliseconds; 0 milliseconds mean that it has passed.
const MILLISECONDS: u32 = 1 << 31;
/// A limit that has passed: it fires at the next tick, whatever it counts.
const OVER: u32 = MILLISECONDS;

/// A limit in milliseconds; 0 or less: it has passed. Long ones are rounded up to seconds; above the maximum of
/// [`effective_limit`] there is no limit.
pub fn limit_of_ms(milliseconds: i64) -> u32 {
    match u32::try_from(milliseconds.max(0)) {
        Ok(milliseconds) if milliseconds < MILLISECONDS => MILLISECONDS | milliseconds,
        _ => match effective_limit(seconds_of_ms(milliseconds)) {
            Timer::Start(seconds) => seconds,
            Timer::Stop | Timer::Keep => 0,
        },
    }
}

/// The same in seconds, rounded up: at least 1, since 0 is no limit.
pub fn seconds_of_ms(milliseconds: i64) -> i64 {
    (milliseconds / 1_000 + i64::from(milliseconds % 1_000 > 0)).max(1)
}

fn milliseconds(limit: u32) -> u64 {
    if limit & MILLISECONDS != 0 { u64::from(limit & !MILLISECONDS) } else { 1_000 * u64::from(limit) }
}

/// Written by the owner.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Timing {
    /// Restarts << 32 | limit: seconds, or with [`MILLISECONDS`] those; 0: no limit.
    limit: AtomicU64,
    armed_at: AtomicU64,
    clock: AtomicI32,
    hard: AtomicU32,
}

/// What has been counted since one start of the limit. Behind a lock, because the engine's thread reads it while the owner suspends and
/// resumes; quick calls do not need it.
#[derive(Debug, Default)]
pub struct Counted(Mutex<Count>);

#[derive(Debug, Default)]
struct Count {
    /// Which start of the limit it is about.
    restart: u32,
    phase: Phase,
    /// No CPU time is charged.
    suspended: bool,
    /// `cpu_base` and `cpu_used` are valid.
    cpu_known: bool,
    phase_began: u64,
    /// `phase_began` counts in the first phase, too: the clock was changed.
    moved: bool,
    cpu_base: u64,
    cpu_used: u64,
    /// Before this time the CPU time cannot have run out, so its clock need not be read.
    not_before: u64,
}

impl Count {
    /// Drops the counts of an earlier start.
    fn of(&mut self, restart: u32) -> &mut Self {
        if self.restart != restart {
            *self = Self { restart, suspended: self.suspended, ..Self::default() };
        }
        self
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

impl Timing {
    /// A new request on the calling thread.
    #[inline]
    pub fn begin(&self) {
        self.clock.store(sys::thread_clock(), Relaxed);
    }

    /// Sets `hard_timeout` in seconds, 0: none; for this request and the following ones in the slot.
    pub fn set_hard(&self, hard: u32) {
        self.hard.store(hard, Relaxed);
    }

    /// The limit starts anew; when the engine should look first. `limit`: seconds, 0: none, or of [`limit_of_ms`]. The caller arms the deadline behind it, whatever
    /// it is, so that the engine's thread sees the limit or the deadline.
    #[inline]
    pub fn start(&self, limit: u32, now: u64, cpu: bool) -> u64 {
        let restarts = (self.limit.load(Relaxed) >> 32).wrapping_add(1) & 0xffff_ffff;
        self.armed_at.store(now, Relaxed);
        self.limit.store(restarts << 32 | u64::from(limit), Release);
        first_look(limit, now, cpu)
    }

    /// The limit in force, in seconds, rounded up; 0: none.
    pub fn seconds(&self) -> u32 {
        match self.limit.load(Relaxed) as u32 {
            limit if limit & MILLISECONDS != 0 => (limit & !MILLISECONDS).div_ceil(1_000).max(1),
            seconds => seconds,
        }
    }

    /// The thread that works on the request, as the kernel numbers it.
    pub fn thread(&self) -> u32 {
        sys::thread_of_clock(self.clock.load(Relaxed))
    }

    /// The engine's thread looks. `cpu_ns` reads a thread's CPU clock; none: the limit counts elapsed time.
    pub fn look(&self, counted: &Counted, now: u64, cpu_ns: Option<&mut dyn FnMut(i32) -> u64>) -> Look {
        let mut count = lock(&counted.0);
        // Read after taking the lock: then the owner's counts do not belong to a later start.
        let (restart, limit) = self.started();
        let count = count.of(restart);
        if limit == 0 || count.phase == Phase::Spent {
            return Look::Never;
        }
        let allowed = self.allowed(count.phase, limit);
        let left = match cpu_ns {
            _ if allowed == 0 => 0, // it had passed before it began
            Some(_) if count.suspended => return Look::Never,
            Some(_) if count.not_before > now => count.not_before - now,
            // It began during this sweep, and the clock may have been read before that.
            Some(_) if !count.cpu_known && self.armed_at.load(Relaxed) >= now => 1,
            Some(cpu_ns) => {
                let cpu = cpu_ns(self.clock.load(Relaxed));
                if !count.cpu_known {
                    (count.cpu_known, count.cpu_base, count.cpu_used) = (true, cpu, 0);
                }
                let left = allowed.saturating_sub(count.used(cpu) / 1_000_000);
                count.not_before = now + left;
                left
            }
            None => (self.began(count) + allowed + SLACK).saturating_sub(now),
        };
        if left > 0 { Look::Later(now + left) } else { self.fire(count, now) }
    }

    /// Milliseconds that are left of the limit, of elapsed time or, where `cpu_ns` reads its clock, of CPU time; `None`: no
    /// limit. Nothing is changed: CPU time counts from the engine's first look.
    pub fn left(&self, counted: &Counted, now: u64, cpu_ns: Option<&mut dyn FnMut(i32) -> u64>) -> Option<u64> {
        self.left_or(Some(0), counted, now, cpu_ns)
    }

    /// As [`Timing::left`]; `None` once the limit has fired, too.
    pub fn until_fired(&self, counted: &Counted, now: u64, cpu_ns: Option<&mut dyn FnMut(i32) -> u64>) -> Option<u64> {
        self.left_or(None, counted, now, cpu_ns)
    }

    fn left_or(
        &self,
        fired: Option<u64>,
        counted: &Counted,
        now: u64,
        cpu_ns: Option<&mut dyn FnMut(i32) -> u64>,
    ) -> Option<u64> {
        let count = lock(&counted.0);
        let (restart, limit) = self.started();
        let (is_counted, allowed) = (count.restart == restart, milliseconds(limit));
        let used = match cpu_ns {
            _ if limit == 0 => return None,
            _ if is_counted && count.phase != Phase::First => return fired,
            None if is_counted => now.saturating_sub(self.began(&count)),
            None => now.saturating_sub(self.armed_at.load(Relaxed)),
            Some(_) if !is_counted || !count.cpu_known => 0,
            Some(_) if count.suspended => count.cpu_used / 1_000_000,
            Some(cpu_ns) => count.used(cpu_ns(self.clock.load(Relaxed))) / 1_000_000,
        };
        Some(allowed.saturating_sub(used))
    }

    /// When elapsed time began to count.
    fn began(&self, count: &Count) -> u64 {
        let is_first = count.phase == Phase::First && !count.moved;
        if is_first { self.armed_at.load(Relaxed) } else { count.phase_began }
    }

    /// Makes the limit count on another clock; the time used so far stays used. `publish` makes the change visible to others.
    /// Returns when the engine should look, at the earliest.
    pub fn change_clock(&self, counted: &Counted, now: u64, to_cpu: bool, publish: impl FnOnce()) -> u64 {
        let mut count = lock(&counted.0);
        let (restart, limit) = self.started();
        let count = count.of(restart);
        let cpu_ns = || sys::thread_cpu_ns(self.clock.load(Relaxed)).unwrap_or(0);
        let used = match to_cpu {
            true => now.saturating_sub(self.began(count)),
            // Rounded up, so that changing the clock repeatedly gains no time.
            false if count.suspended => count.cpu_used.div_ceil(1_000_000),
            false if count.cpu_known => count.used(cpu_ns()).div_ceil(1_000_000),
            false => 0,
        };
        (count.moved, count.phase_began, count.not_before) = (true, now.saturating_sub(used), 0);
        (count.cpu_known, count.cpu_base, count.cpu_used) =
            (to_cpu, if to_cpu { cpu_ns() } else { 0 }, used * 1_000_000);
        publish();
        if limit == 0 || count.phase == Phase::Spent || (to_cpu && count.suspended) {
            return super::deadlines::NEVER;
        }
        let allowed = self.allowed(count.phase, limit);
        if to_cpu { now + allowed.saturating_sub(used) } else { count.phase_began + allowed + SLACK }
    }

    /// Which start of the limit it is, and the limit.
    fn started(&self) -> (u32, u32) {
        let limit = self.limit.load(Acquire);
        ((limit >> 32) as u32, limit as u32)
    }

    /// Milliseconds.
    fn allowed(&self, phase: Phase, limit: u32) -> u64 {
        if phase == Phase::First { milliseconds(limit) } else { milliseconds(self.hard.load(Relaxed)) }
    }

    fn fire(&self, count: &mut Count, now: u64) -> Look {
        let goes_on = self.hard.load(Relaxed) > 0;
        count.phase = if goes_on { Phase::Hard } else { Phase::Spent };
        (count.phase_began, count.cpu_known, count.not_before) = (now, false, 0);
        // A look soon reads the CPU clock that the next phase counts from.
        Look::Fired(if goes_on { now + 1 } else { super::deadlines::NEVER })
    }

    /// The owner suspends the request; the CPU time used so far is kept.
    pub fn suspend(&self, counted: &Counted) {
        let mut count = lock(&counted.0);
        let count = count.of(self.started().0);
        if count.cpu_known && !count.suspended {
            count.cpu_used = count.used(sys::thread_cpu_ns(self.clock.load(Relaxed)).unwrap_or(0));
        }
        count.suspended = true;
    }

    /// The calling thread resumes the request; returns when the engine should look, at the earliest.
    pub fn resume(&self, counted: &Counted, now: u64) -> u64 {
        let mut count = lock(&counted.0);
        let (restart, limit) = self.started();
        let (count, clock) = (count.of(restart), sys::thread_clock());
        self.clock.store(clock, Relaxed);
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
    pub fn forget_suspension(&self, counted: &Counted) {
        lock(&counted.0).suspended = false;
    }
}

/// When the engine should look first.
#[inline]
fn first_look(limit: u32, now: u64, cpu: bool) -> u64 {
    match milliseconds(limit) {
        _ if limit == 0 => super::deadlines::NEVER,
        _ if limit == OVER => now,
        // The thread's CPU clock has to be read once near the start: late by at most 1/256 of the limit.
        milliseconds if cpu => now + (milliseconds >> 8),
        milliseconds => now + milliseconds + SLACK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::deadlines::NEVER;

    #[test]
    fn a_limit_in_milliseconds_is_never_early_and_one_that_has_passed_fires_at_once() {
        let (timing, counted) = (Timing::default(), Counted::default());
        assert_eq!(timing.start(limit_of_ms(250), 1_000, false), 1_250 + SLACK);
        assert_eq!(timing.seconds(), 1);
        assert_eq!(timing.look(&counted, 1_249 + SLACK, None), Look::Later(1_250 + SLACK));
        assert_eq!(timing.until_fired(&counted, 1_100, None), Some(150));
        assert!(matches!(timing.look(&counted, 1_250 + SLACK, None), Look::Fired(_)));
        assert_eq!((timing.until_fired(&counted, 1_300, None), timing.left(&counted, 1_300, None)), (None, Some(0)));
        for (over, cpu) in [(0, false), (-5, true), (i64::MIN, false)] {
            assert_eq!(timing.start(limit_of_ms(over), 2_000, cpu), 2_000);
            timing.suspend(&counted);
            let mut read = |_| unreachable!("whatever has been used");
            let clock: Option<&mut dyn FnMut(i32) -> u64> = if cpu { Some(&mut read) } else { None };
            assert!(matches!(timing.look(&counted, 2_000, clock), Look::Fired(_)));
            timing.forget_suspension(&counted);
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
        let (timing, counted) = (Timing::default(), Counted::default());
        timing.hard.store(2, Relaxed);
        assert_eq!(timing.start(1, 5_000, false), 6_000 + SLACK);
        assert_eq!(timing.look(&counted, 5_500, None), Look::Later(6_000 + SLACK));
        let fired = 6_000 + SLACK;
        assert_eq!(timing.look(&counted, fired, None), Look::Fired(fired + 1));
        assert_eq!(timing.look(&counted, fired + 1, None), Look::Later(fired + 2_000 + SLACK));
        assert_eq!(timing.look(&counted, fired + 2_000 + SLACK, None), Look::Fired(fired + 2_001 + SLACK));
        let again = timing.start(3, 20_000, false);
        assert_eq!(timing.look(&counted, 20_001, None), Look::Later(again));
        assert_eq!(timing.start(0, 21_000, false), NEVER);
        assert_eq!(timing.look(&counted, 99_000, None), Look::Never);
    }

    #[test]
    fn cpu_time_is_counted_from_the_first_look_and_stands_still_while_suspended() {
        let (timing, counted) = (Timing::default(), Counted::default());
        assert_eq!(timing.start(1, 0, true), 3);
        let mut cpu = 7_000_000_000;
        assert_eq!(timing.look(&counted, 3, Some(&mut |_| cpu)), Look::Later(1_003));
        cpu += 400_000_000;
        assert_eq!(timing.look(&counted, 1_003, Some(&mut |_| cpu)), Look::Later(1_603));
        lock(&counted.0).suspended = true;
        assert_eq!(timing.look(&counted, 1_603, Some(&mut |_| cpu)), Look::Never);
        lock(&counted.0).suspended = false;
        cpu += 600_000_000;
        assert_eq!(timing.look(&counted, 2_000, Some(&mut |_| cpu)), Look::Fired(NEVER));
        assert_eq!(timing.look(&counted, 2_001, Some(&mut |_| cpu)), Look::Never);
    }

    #[test]
    fn a_clock_that_stands_still_fires_nothing() {
        let (timing, counted) = (Timing::default(), Counted::default());
        let due = timing.start(1, 5_000, false);
        for _ in 0..1_000 {
            assert_eq!(timing.look(&counted, 5_000, None), Look::Later(due));
        }
    }

    #[test]
    fn a_clock_that_jumps_back_waits_and_one_that_jumps_ahead_fires_once() {
        let (timing, counted) = (Timing::default(), Counted::default());
        timing.hard.store(1, Relaxed);
        let due = timing.start(2, 1_000_000, false);
        assert_eq!(timing.look(&counted, 3, None), Look::Later(due));
        assert!(matches!(timing.look(&counted, u64::MAX / 2, None), Look::Fired(_)));
        assert!(matches!(timing.look(&counted, 7, None), Look::Later(_)));
        assert!(matches!(timing.look(&counted, u64::MAX / 2 + 10_000, None), Look::Fired(_)));
    }

    #[test]
    fn a_cpu_clock_that_goes_back_or_is_gone_counts_nothing() {
        let (timing, counted) = (Timing::default(), Counted::default());
        timing.start(1, 0, true);
        assert_eq!(timing.look(&counted, 3, Some(&mut |_| 9_000_000_000)), Look::Later(1_003));
        assert_eq!(timing.look(&counted, 1_003, Some(&mut |_| 0)), Look::Later(2_003));
        assert_eq!(timing.look(&counted, u64::MAX - 5_000, Some(&mut |_| 0)), Look::Later(u64::MAX - 4_000));
    }

    #[test]
    fn a_new_limit_owes_nothing_to_what_was_counted_of_the_one_before() {
        let (timing, counted) = (Timing::default(), Counted::default());
        timing.begin();
        timing.start(1_000, 0, true);
        assert_eq!(timing.look(&counted, 3, Some(&mut |_| 0)), Look::Later(1_000_003));
        // Suspended and resumed before anybody has looked.
        timing.start(1, 10, true);
        timing.suspend(&counted);
        assert_eq!(timing.resume(&counted, 10), 1_010);
        let base = lock(&counted.0).cpu_base;
        assert_eq!(timing.look(&counted, 20, Some(&mut |_| base + 400_000_000)), Look::Later(620));
        // And anew while it is suspended.
        timing.suspend(&counted);
        timing.start(2, 600, true);
        assert_eq!(timing.look(&counted, 607, Some(&mut |_| unreachable!("it is suspended"))), Look::Never);
        assert_eq!(timing.resume(&counted, 700), 2_700);
        let base = lock(&counted.0).cpu_base;
        assert_eq!(timing.look(&counted, 2_700, Some(&mut |_| base + 2_000_000_000)), Look::Fired(NEVER));
    }

    #[test]
    fn what_was_used_of_a_limit_stays_used_on_another_clock() {
        let (timing, counted) = (Timing::default(), Counted::default());
        timing.begin();
        timing.start(10, 1_000, false);
        assert_eq!(timing.change_clock(&counted, 5_000, true, || ()), 5_000 + 6_000);
        let base = lock(&counted.0).cpu_base;
        assert_eq!(timing.left(&counted, 9_000, Some(&mut |_| base + 1_000_000_000)), Some(5_000));
        assert_eq!(timing.look(&counted, 9_000, Some(&mut |_| base + 1_000_000_000)), Look::Later(9_000 + 5_000));
        // It has used four seconds and a bit; to and fro makes that no less.
        let due = timing.change_clock(&counted, 9_000, false, || ());
        assert!((9_000 + 5_900..9_000 + 6_000 + SLACK).contains(&due), "{due}");
        for _ in 0..100 {
            timing.change_clock(&counted, 9_000, true, || ());
            timing.change_clock(&counted, 9_000, false, || ());
        }
        assert!(timing.left(&counted, 9_000, None).unwrap() <= 5_900);
        assert!(matches!(timing.look(&counted, due, None), Look::Fired(_)));
        assert_eq!(timing.look(&counted, due + 1, None), Look::Never);
        assert_eq!(timing.change_clock(&counted, due + 1, true, || ()), NEVER);
        timing.start(0, due, false);
        assert_eq!(timing.change_clock(&counted, due, false, || ()), NEVER, "there is no limit");
    }

    #[test]
    fn a_clock_that_is_changed_while_suspended_charges_from_the_resume_on() {
        let (timing, counted) = (Timing::default(), Counted::default());
        timing.begin();
        timing.start(10, 0, true);
        timing.suspend(&counted);
        assert_eq!(timing.change_clock(&counted, 100, false, || ()), 10_100 + SLACK);
        assert_eq!(timing.change_clock(&counted, 300, true, || ()), NEVER);
        assert_eq!(timing.left(&counted, 400, Some(&mut |_| unreachable!("suspended"))), Some(9_800));
        assert_eq!(timing.resume(&counted, 500), 500 + 9_800);
    }

    #[test]
    fn a_clock_that_was_read_before_the_request_began_is_not_its_base() {
        let (timing, counted) = (Timing::default(), Counted::default());
        timing.start(1, 50, true);
        assert_eq!(
            timing.look(&counted, 50, Some(&mut |_| unreachable!("read earlier in this sweep"))),
            Look::Later(51)
        );
        assert_eq!(timing.look(&counted, 60, Some(&mut |_| 7)), Look::Later(1_060));
    }
}
