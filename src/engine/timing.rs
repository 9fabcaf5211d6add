//! One request's time limit: what its owner asks for, and how the engine's thread sees it run out.

use super::sys;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

/// A limit never fires early; it fires at most this much late (two of the engine's ticks of 10 ms).
pub const SLACK: u64 = super::ticker::TICK;

/// Written by the owner.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Timing {
    /// Restarts << 32 | seconds; 0 seconds: no limit.
    limit: AtomicU64,
    armed_at: AtomicU64,
    clock: AtomicI32,
    hard: AtomicU32,
}

/// Written by the engine's thread, and by the owner while it suspends or resumes the request.
#[derive(Debug, Default)]
pub struct Counted {
    /// Restart << 32 | phase.
    phase: AtomicU64,
    phase_began: AtomicU64,
    /// Restart << 32 | 1: the two numbers below belong to this restart.
    cpu_known: AtomicU64,
    cpu_base: AtomicU64,
    cpu_used: AtomicU64,
    /// For the same restart: until then its CPU time cannot have run out, and its clock need not be read.
    not_before: AtomicU64,
}

/// What is counted.
const FIRST: u64 = 0;
/// The limit has fired; now `hard_timeout` runs.
const HARD: u64 = 1;
/// It has fired, and nothing follows.
const SPENT: u64 = 2;

/// What a look at the clock found.
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

    /// `hard_timeout` in seconds, 0: none; of this request and those that follow.
    pub fn set_hard(&self, hard: u32) {
        self.hard.store(hard, Relaxed);
    }

    /// The limit starts anew; when the engine should look first. 0: no limit. The caller arms the deadline behind it, whatever
    /// it is, so that the engine's thread sees the limit or the deadline.
    #[inline]
    pub fn start(&self, seconds: u32, now: u64, cpu: bool) -> u64 {
        let restarts = (self.limit.load(Relaxed) >> 32).wrapping_add(1) & 0xffff_ffff;
        self.armed_at.store(now, Relaxed);
        self.limit.store(restarts << 32 | u64::from(seconds), Release);
        self.first_look(seconds, now, cpu)
    }

    fn first_look(&self, seconds: u32, now: u64, cpu: bool) -> u64 {
        match u64::from(seconds) * 1_000 {
            0 => super::deadlines::NEVER,
            // The thread's CPU clock has to be read once near the start: late by at most 1/256 of the limit.
            limit if cpu => now + (limit >> 8),
            limit => now + limit + SLACK,
        }
    }

    /// The limit in force, in seconds; 0: none.
    pub fn seconds(&self) -> u32 {
        self.limit.load(Relaxed) as u32
    }

    /// The thread that works on the request, as the kernel numbers it.
    pub fn thread(&self) -> u32 {
        sys::thread_of_clock(self.clock.load(Relaxed))
    }

    /// The engine's thread looks. `cpu_ns` reads a thread's CPU clock; none: the limit counts elapsed time.
    pub fn look(
        &self,
        counted: &Counted,
        now: u64,
        suspended: bool,
        cpu_ns: Option<&mut dyn FnMut(i32) -> u64>,
    ) -> Look {
        let limit = self.limit.load(Acquire);
        let (restart, seconds) = (limit >> 32, limit as u32);
        let phase = match counted.phase.load(Relaxed) {
            phase if phase >> 32 == restart => phase & 0xffff_ffff,
            _ => FIRST,
        };
        if seconds == 0 || phase == SPENT {
            return Look::Never;
        }
        let allowed = 1_000 * u64::from(if phase == FIRST { seconds } else { self.hard.load(Relaxed) });
        let left = match cpu_ns {
            Some(_) if suspended => return Look::Never,
            Some(cpu_ns) => match counted.not_before.load(Relaxed) {
                then if then > now && counted.cpu_known.load(Relaxed) == (restart << 32 | 1) => then - now,
                _ => {
                    let left = allowed.saturating_sub(self.cpu_used_ms(counted, restart, cpu_ns));
                    counted.not_before.store(now + left, Relaxed);
                    left
                }
            },
            None => {
                let began = if phase == FIRST { &self.armed_at } else { &counted.phase_began };
                (began.load(Relaxed) + allowed + SLACK).saturating_sub(now)
            }
        };
        if left > 0 { Look::Later(now + left) } else { self.fire(counted, restart, now) }
    }

    /// Milliseconds that are left of the limit, of elapsed time or, where `cpu_ns` reads its clock, of CPU time; `None`: no
    /// limit. Nothing is changed: CPU time counts from the engine's first look.
    pub fn left(
        &self,
        counted: &Counted,
        now: u64,
        suspended: bool,
        cpu_ns: Option<&mut dyn FnMut(i32) -> u64>,
    ) -> Option<u64> {
        let limit = self.limit.load(Acquire);
        let (restart, allowed) = (limit >> 32, 1_000 * u64::from(limit as u32));
        let phase = counted.phase.load(Relaxed);
        let used = match cpu_ns {
            _ if allowed == 0 => return None,
            _ if phase >> 32 == restart && phase & 0xffff_ffff != FIRST => return Some(0),
            None => now.saturating_sub(self.armed_at.load(Relaxed)),
            Some(_) if counted.cpu_known.load(Relaxed) != (restart << 32 | 1) => 0,
            Some(_) if suspended => counted.cpu_used.load(Relaxed) / 1_000_000,
            Some(cpu_ns) => {
                let since = cpu_ns(self.clock.load(Relaxed)).saturating_sub(counted.cpu_base.load(Relaxed));
                (counted.cpu_used.load(Relaxed) + since) / 1_000_000
            }
        };
        Some(allowed.saturating_sub(used))
    }

    fn fire(&self, counted: &Counted, restart: u64, now: u64) -> Look {
        let hard = u64::from(self.hard.load(Relaxed));
        let phase = if hard > 0 { HARD } else { SPENT };
        counted.phase.store(restart << 32 | phase, Relaxed);
        counted.phase_began.store(now, Relaxed);
        counted.cpu_known.store(0, Relaxed);
        // A look soon reads the CPU clock that the next phase counts from.
        Look::Fired(if hard > 0 { now + 1 } else { super::deadlines::NEVER })
    }

    fn cpu_used_ms(&self, counted: &Counted, restart: u64, cpu_ns: &mut dyn FnMut(i32) -> u64) -> u64 {
        let cpu = cpu_ns(self.clock.load(Relaxed));
        if counted.cpu_known.load(Relaxed) != (restart << 32 | 1) {
            counted.cpu_base.store(cpu, Relaxed);
            counted.cpu_used.store(0, Relaxed);
            counted.cpu_known.store(restart << 32 | 1, Relaxed);
        }
        let used = counted.cpu_used.load(Relaxed) + cpu.saturating_sub(counted.cpu_base.load(Relaxed));
        used / 1_000_000
    }

    /// The owner stops working on the request: what it used is kept.
    pub fn suspend(&self, counted: &Counted) {
        let known = (self.limit.load(Relaxed) >> 32) << 32 | 1;
        let used = if counted.cpu_known.load(Relaxed) == known {
            let cpu = sys::thread_cpu_ns(self.clock.load(Relaxed)).unwrap_or(0);
            counted.cpu_used.load(Relaxed) + cpu.saturating_sub(counted.cpu_base.load(Relaxed))
        } else {
            0
        };
        counted.cpu_used.store(used, Relaxed);
        counted.cpu_known.store(known, Relaxed);
    }

    /// The calling thread goes on with it; when the engine should look, at the earliest.
    pub fn resume(&self, counted: &Counted, now: u64) -> u64 {
        let clock = sys::thread_clock();
        counted.cpu_base.store(sys::thread_cpu_ns(clock).unwrap_or(0), Relaxed);
        self.clock.store(clock, Relaxed);
        let used = counted.cpu_used.load(Relaxed) / 1_000_000;
        match u64::from(self.seconds()) * 1_000 {
            0 => super::deadlines::NEVER,
            // After the limit has fired, the hard timeout may be what runs.
            limit => now + limit.saturating_sub(used).min(1_000 * u64::from(self.hard.load(Relaxed).max(1))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::deadlines::NEVER;

    #[test]
    fn elapsed_time_fires_once_then_counts_the_hard_timeout() {
        let (timing, counted) = (Timing::default(), Counted::default());
        timing.hard.store(2, Relaxed);
        assert_eq!(timing.start(1, 5_000, false), 6_000 + SLACK);
        assert_eq!(timing.look(&counted, 5_500, false, None), Look::Later(6_000 + SLACK));
        let fired = 6_000 + SLACK;
        assert_eq!(timing.look(&counted, fired, false, None), Look::Fired(fired + 1));
        assert_eq!(timing.look(&counted, fired + 1, false, None), Look::Later(fired + 2_000 + SLACK));
        assert_eq!(timing.look(&counted, fired + 2_000 + SLACK, false, None), Look::Fired(fired + 2_001 + SLACK));
        let again = timing.start(3, 20_000, false);
        assert_eq!(timing.look(&counted, 20_001, false, None), Look::Later(again));
        assert_eq!(timing.start(0, 21_000, false), NEVER);
        assert_eq!(timing.look(&counted, 99_000, false, None), Look::Never);
    }

    #[test]
    fn cpu_time_is_counted_from_the_first_look_and_stands_still_while_suspended() {
        let (timing, counted) = (Timing::default(), Counted::default());
        assert_eq!(timing.start(1, 0, true), 3);
        let mut cpu = 7_000_000_000;
        assert_eq!(timing.look(&counted, 3, false, Some(&mut |_| cpu)), Look::Later(1_003));
        cpu += 400_000_000;
        assert_eq!(timing.look(&counted, 1_003, false, Some(&mut |_| cpu)), Look::Later(1_603));
        assert_eq!(timing.look(&counted, 1_603, true, Some(&mut |_| cpu)), Look::Never);
        cpu += 600_000_000;
        assert_eq!(timing.look(&counted, 2_000, false, Some(&mut |_| cpu)), Look::Fired(NEVER));
        assert_eq!(timing.look(&counted, 2_001, false, Some(&mut |_| cpu)), Look::Never);
    }

    #[test]
    fn a_clock_that_stands_still_fires_nothing() {
        let (timing, counted) = (Timing::default(), Counted::default());
        let due = timing.start(1, 5_000, false);
        for _ in 0..1_000 {
            assert_eq!(timing.look(&counted, 5_000, false, None), Look::Later(due));
        }
    }

    #[test]
    fn a_clock_that_jumps_back_waits_and_one_that_jumps_ahead_fires_once() {
        let (timing, counted) = (Timing::default(), Counted::default());
        timing.hard.store(1, Relaxed);
        let due = timing.start(2, 1_000_000, false);
        assert_eq!(timing.look(&counted, 3, false, None), Look::Later(due));
        assert!(matches!(timing.look(&counted, u64::MAX / 2, false, None), Look::Fired(_)));
        assert!(matches!(timing.look(&counted, 7, false, None), Look::Later(_)));
        assert!(matches!(timing.look(&counted, u64::MAX / 2 + 10_000, false, None), Look::Fired(_)));
    }

    #[test]
    fn a_cpu_clock_that_goes_back_or_is_gone_counts_nothing() {
        let (timing, counted) = (Timing::default(), Counted::default());
        timing.start(1, 0, true);
        assert_eq!(timing.look(&counted, 3, false, Some(&mut |_| 9_000_000_000)), Look::Later(1_003));
        assert_eq!(timing.look(&counted, 1_003, false, Some(&mut |_| 0)), Look::Later(2_003));
        assert_eq!(timing.look(&counted, u64::MAX - 5_000, false, Some(&mut |_| 0)), Look::Later(u64::MAX - 4_000));
    }
}
