//! Time limits as the machine uses them: commands to the part with a clock.

/// What to do with the request's timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub enum Timer {
    /// It goes on as it is.
    #[default]
    Keep,
    /// It starts anew with this many seconds.
    Start(u32),
    /// It is stopped: no limit.
    Stop,
}

impl Timer {
    /// The limit from now on, in seconds; 0: none. `None`: it stays as it is.
    #[inline]
    pub fn limit(self) -> Option<u32> {
        match self {
            Timer::Keep => None,
            Timer::Start(seconds) => Some(seconds),
            Timer::Stop => Some(0),
        }
    }
}

/// The longest limit that counts: above it there is none (C-145).
const LONGEST: i64 = 999_999_999;

/// The seconds that a limit means; 0 or less, or too many: none (C-145).
pub fn effective_limit(seconds: i64) -> Timer {
    match u32::try_from(seconds) {
        Ok(0) | Err(_) => Timer::Stop,
        Ok(_) if seconds > LONGEST => Timer::Stop,
        Ok(seconds) => Timer::Start(seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_negative_and_huge_mean_none() {
        for none in [0, -1, i64::MIN, 1_000_000_000, i64::MAX] {
            assert_eq!(effective_limit(none), Timer::Stop, "{none}");
        }
        assert_eq!(effective_limit(1), Timer::Start(1));
        assert_eq!(effective_limit(LONGEST), Timer::Start(999_999_999));
    }
}
