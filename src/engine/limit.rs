//! A time limit as its owner sets it: plain stores into words that the engine's thread reads.

use super::sys;
use crate::request::effective_limit;
use std::sync::atomic::{
    AtomicI32, AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release, fence,
};

/// A limit with this bit is in milliseconds; 0 milliseconds mean that it has passed.
pub const MILLISECONDS: u32 = 1 << 31;
/// A limit that has passed: it fires at the next tick, whatever it counts.
pub const OVER: u32 = MILLISECONDS;

/// A limit in milliseconds; 0 or less: it has passed. Long ones are rounded up to seconds; above the maximum of
/// [`effective_limit`] there is no limit.
pub fn limit_of_ms(milliseconds: i64) -> u32 {
    match u32::try_from(milliseconds.max(0)) {
        Ok(milliseconds) if milliseconds < MILLISECONDS => MILLISECONDS | milliseconds,
        _ => effective_limit(seconds_of_ms(milliseconds)).limit().unwrap_or(0),
    }
}

/// The same in seconds, rounded up: at least 1, since 0 is no limit.
pub fn seconds_of_ms(milliseconds: i64) -> i64 {
    (milliseconds / 1_000 + i64::from(milliseconds % 1_000 > 0)).max(1)
}

/// The milliseconds of a limit.
pub fn milliseconds(limit: u32) -> u64 {
    if limit & MILLISECONDS != 0 { u64::from(limit & !MILLISECONDS) } else { 1_000 * u64::from(limit) }
}

/// The start of the limit. Written by the owner.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Started {
    /// Restarts << [`RESTARTS`], [`TEXT`], [`ODD`], and the limit: seconds, or with [`MILLISECONDS`] those; 0: no limit.
    limit: AtomicU64,
    /// When it started; with [`ODD`] the text.
    at: AtomicU64,
}

/// `set_time_limit` left only a number behind: [`Started::take_text`] makes it the directive's text. It is that of the limit, or with
/// [`ODD`] another one that means no limit.
const TEXT: u64 = 1 << 32;
const ODD: u64 = 1 << 33;
const RESTARTS: u32 = 34;

impl Started {
    /// The limit starts anew.
    #[inline]
    pub fn start(&self, limit: u32, now: u64) {
        self.anew(0, limit, now);
    }

    /// By `set_time_limit`.
    #[inline]
    pub fn set(&self, limit: u32, now: u64) {
        self.anew(TEXT, limit, now);
    }

    /// The same, where there is no limit but a text that is not 0.
    pub fn set_none(&self, text: i64) {
        // The start stays: whoever still sees the limit before must not see it pass.
        self.anew(TEXT, 0, self.at.load(Relaxed));
        fence(Release); // whoever sees the text as a time sees that there is no limit
        self.anew(TEXT | ODD, 0, text as u64);
    }

    #[inline]
    fn anew(&self, flags: u64, limit: u32, at: u64) {
        let restarts = (self.limit.load(Relaxed) >> RESTARTS).wrapping_add(1) << RESTARTS;
        self.at.store(at, Relaxed);
        self.limit.store(restarts | flags | u64::from(limit), Release);
    }

    /// Which start of the limit it is, the limit, and when it started.
    pub fn seen(&self) -> (u32, u32, u64) {
        loop {
            let limit = self.limit.load(Acquire);
            let at = self.at.load(Relaxed);
            fence(Acquire);
            if self.limit.load(Relaxed) == limit {
                return ((limit >> RESTARTS) as u32, limit as u32, at);
            }
        }
    }

    /// The limit in force, in seconds, rounded up; 0: none.
    pub fn seconds(&self) -> u32 {
        match self.limit.load(Relaxed) as u32 {
            limit if limit & MILLISECONDS != 0 => (limit & !MILLISECONDS).div_ceil(1_000).max(1),
            seconds => seconds,
        }
    }

    /// The owner: the limit's text, if it has not been asked for since the limit was set.
    pub fn take_text(&self) -> Option<i64> {
        let limit = self.limit.load(Relaxed);
        if limit & TEXT == 0 {
            return None;
        }
        let text = if limit & ODD != 0 { self.at.load(Relaxed) as i64 } else { self.seconds().into() };
        self.limit.store(limit & !(TEXT | ODD), Release);
        Some(text)
    }
}

/// What the limit runs under. Written by the owner.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Terms {
    /// The CPU-time clock of the thread that works on the request.
    pub clock: AtomicI32,
    /// `hard_timeout`
    pub hard: AtomicU32,
}

impl Terms {
    /// A new request on the thread with this clock.
    #[inline]
    pub fn begin(&self, clock: i32) {
        self.clock.store(clock, Relaxed);
    }

    /// Sets `hard_timeout` in seconds, 0: none; for this request and the following ones in the slot.
    pub fn set_hard(&self, hard: u32) {
        self.hard.store(hard, Relaxed);
    }

    /// The thread that works on the request, as the kernel numbers it.
    pub fn thread(&self) -> u32 {
        sys::thread_of_clock(self.clock.load(Relaxed))
    }
}
