//! The counts of requests, of one engine or of all processes together: counters that only rise, and gauges.

use crate::request::Ending;

/// Places for endings, by number, in a scoreboard; some are unused.
pub const ENDINGS: usize = 16;
/// Upper bounds of the histograms' buckets, in milliseconds; one more bucket has everything above.
pub const BOUNDS: [u64; 13] = [25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 1_800_000];
/// Buckets of a histogram.
pub const BUCKETS: usize = BOUNDS.len() + 1;
/// Words of [`Numbers`] in a scoreboard.
pub const WORDS: usize = 64;

/// Where some of them stand among these words.
pub const BEGUN: usize = 0;
/// Milliseconds of all requests.
pub const REQUEST_MS: usize = 7;
/// The first of the endings.
pub const ENDED: usize = 16;
/// The first bucket of request times.
pub const REQUEST: usize = 32;

/// The bucket of a time in milliseconds.
pub fn bucket(ms: u64) -> usize {
    BOUNDS.partition_point(|&bound| bound < ms)
}

/// How long something took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Milliseconds, all together.
    pub sum_ms: u64,
    /// How many took no longer than each of [`BOUNDS`] and longer than the one before; the last bucket: longer than all.
    pub buckets: [u64; BUCKETS],
}

/// Counters. They never fall.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Requests that began.
    pub begun: u64,
    /// Requests whose client went before they ended.
    pub gone: u64,
    /// Requests that reached the forced stage.
    pub forced: u64,
    /// Time limits that ran out.
    pub time_limits: u64,
    /// Requests that found no room in a scoreboard.
    pub not_shown: u64,
    /// Shutdown functions that ran.
    pub functions: u64,
    /// Nanoseconds spent in them.
    pub function_ns: u64,
    /// Requests that ended, by the number of their ending.
    pub ended: [u64; ENDINGS],
    /// From begin to end.
    pub request: Histogram,
    /// From when the client went to the end.
    pub detached: Histogram,
}

/// Gauges: the present values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Requests that run.
    pub in_flight: u64,
    /// Those of them whose client has gone.
    pub detached: u64,
    /// Those of them that a journal has accepted.
    pub accepted: u64,
}

impl Numbers {
    /// Requests that ended, whatever the ending.
    pub fn ended_at_all(&self) -> u64 {
        self.ended.iter().fold(0, |all, &count| all.wrapping_add(count))
    }

    /// How many ended in one way.
    pub fn ended_as(&self, ending: Ending) -> u64 {
        self.ended[ending as usize % ENDINGS]
    }

    /// As a scoreboard keeps them.
    pub fn to_words(&self) -> [u64; WORDS] {
        let mut words = [0; WORDS];
        let single = [
            self.begun,
            self.gone,
            self.forced,
            self.time_limits,
            self.not_shown,
            self.functions,
            self.function_ns,
            self.request.sum_ms,
            self.detached.sum_ms,
        ];
        words[..single.len()].copy_from_slice(&single);
        words[ENDED..ENDED + ENDINGS].copy_from_slice(&self.ended);
        words[REQUEST..REQUEST + BUCKETS].copy_from_slice(&self.request.buckets);
        words[48..48 + BUCKETS].copy_from_slice(&self.detached.buckets);
        words
    }

    /// From what a scoreboard keeps.
    pub fn of_words(words: &[u64; WORDS]) -> Self {
        Self {
            begun: words[0],
            gone: words[1],
            forced: words[2],
            time_limits: words[3],
            not_shown: words[4],
            functions: words[5],
            function_ns: words[6],
            ended: std::array::from_fn(|at| words[ENDED + at]),
            request: Histogram { sum_ms: words[7], buckets: std::array::from_fn(|at| words[REQUEST + at]) },
            detached: Histogram { sum_ms: words[8], buckets: std::array::from_fn(|at| words[48 + at]) },
        }
    }

    /// Adds other counts. A damaged file may hold any numbers, so the sums saturate.
    pub fn add(&mut self, other: &Self) {
        let (mut own, other) = (self.to_words(), other.to_words());
        own.iter_mut().zip(other).for_each(|(own, other)| *own = own.wrapping_add(other));
        *self = Self::of_words(&own);
    }

    /// Raises each number to that of `newer`, if that is higher: numbers that were read while requests went on may be
    /// slightly too low.
    pub fn rise_to(&mut self, newer: &Self) {
        let (mut own, newer) = (self.to_words(), newer.to_words());
        own.iter_mut().zip(newer).for_each(|(own, newer)| *own = (*own).max(newer));
        *self = Self::of_words(&own);
    }
}

impl Gauges {
    /// Together with others.
    pub fn add(&mut self, other: Self) {
        self.in_flight = self.in_flight.saturating_add(other.in_flight);
        self.detached = self.detached.saturating_add(other.detached);
        self.accepted = self.accepted.saturating_add(other.accepted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_everything_and_times_find_their_bucket() {
        let numbers = Numbers {
            begun: 1,
            gone: 2,
            forced: 3,
            time_limits: 4,
            not_shown: 5,
            functions: 6,
            function_ns: 7,
            ended: std::array::from_fn(|at| 100 + at as u64),
            request: Histogram { sum_ms: 8, buckets: std::array::from_fn(|at| 200 + at as u64) },
            detached: Histogram { sum_ms: 9, buckets: std::array::from_fn(|at| 300 + at as u64) },
        };
        assert_eq!(Numbers::of_words(&numbers.to_words()), numbers);
        let mut twice = numbers.clone();
        twice.add(&numbers);
        assert_eq!((twice.begun, twice.ended[15], twice.detached.buckets[13]), (2, 230, 626));
        twice.rise_to(&numbers);
        assert_eq!(twice.begun, 2);
        assert_eq!([0, 25, 26, 1_000, 1_001, 1_800_000, u64::MAX].map(bucket), [0, 0, 1, 5, 6, 12, 13]);
        assert!(Ending::ALL.iter().all(|&ending| (ending as usize) < ENDINGS));
    }
}
