//! Numbers as Prometheus reads them, in its text format 0.0.4.

use super::super::numbers::{BOUNDS, Histogram};
use super::super::scoreboard::Totals;
use super::names::{self, Kind, Name};
use crate::request::Ending;
use std::ffi::CStr;
use std::fmt::Write;

/// The Content-Type of the text.
pub const CONTENT_TYPE: &CStr = c"text/plain; version=0.0.4; charset=utf-8";

/// The whole text. The series are those of [`names::ALL`], always all of them: a counter that first appears with a value above 0 loses its
/// first rise.
pub fn text(totals: &Totals) -> String {
    let mut out = String::new();
    for name in &names::ALL {
        let kind = match name.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let _ = writeln!(out, "# HELP {} {}\n# TYPE {} {kind}", name.series, name.help, name.series);
        series(&mut out, name, totals);
    }
    out
}

fn series(out: &mut String, name: &Name, totals: &Totals) {
    let numbers = &totals.numbers;
    match name.series {
        series if series == names::DURATION.series => return histogram(out, series, &numbers.request),
        series if series == names::DETACHED_DURATION.series => return histogram(out, series, &numbers.detached),
        _ => {}
    }
    let label = names::label(name);
    for (of, value) in values(name, totals) {
        let _ = match label {
            "" => writeln!(out, "{} {value}", name.series),
            label => writeln!(out, "{}{{{label}=\"{of}\"}} {value}", name.series),
        };
    }
}

/// The values of a series that is no histogram, each with the value of its label.
pub(super) fn values(name: &Name, totals: &Totals) -> Vec<(String, String)> {
    let (numbers, gauges) = (&totals.numbers, totals.gauges);
    let one = |value: u64| vec![(String::new(), value.to_string())];
    match name.series {
        series if series == names::BEGUN.series => one(numbers.begun),
        series if series == names::ENDED.series => {
            let ended = |ending: &Ending| (key(*ending), numbers.ended_as(*ending).to_string());
            Ending::ALL.iter().map(ended).collect()
        }
        series if series == names::IN_FLIGHT.series => one(gauges.in_flight),
        series if series == names::DETACHED.series => one(gauges.detached),
        series if series == names::ACCEPTED.series => one(gauges.accepted),
        series if series == names::GONE.series => one(numbers.gone),
        series if series == names::TIME_LIMITS.series => one(numbers.time_limits),
        series if series == names::FORCED.series => one(numbers.forced),
        series if series == names::UNFINISHED.series => one(totals.unfinished),
        series if series == names::UNRESPONSIVE.series => one(totals.unresponsive.len() as u64),
        series if series == names::FUNCTIONS.series => one(numbers.functions),
        series if series == names::FUNCTION_SECONDS.series => {
            vec![(String::new(), thousandths(numbers.function_ns / 1_000_000))]
        }
        series if series == names::NOT_SHOWN.series => one(numbers.not_shown),
        series if series == names::POLICY.series => {
            totals.policies.iter().map(|&policy| (names::fingerprint(policy), "1".to_owned())).collect()
        }
        series if series == names::BUILD.series => vec![(env!("CARGO_PKG_VERSION").to_owned(), "1".to_owned())],
        _ => Vec::new(),
    }
}

/// An ending in one word, as series and JSON members have it.
pub fn key(ending: Ending) -> String {
    ending.word().replace(' ', "_")
}

fn histogram(out: &mut String, series: &str, histogram: &Histogram) {
    let mut count = 0u64;
    for (bucket, ended) in histogram.buckets.iter().enumerate() {
        count = count.wrapping_add(*ended);
        let bound = BOUNDS.get(bucket).map_or_else(|| "+Inf".to_owned(), |&ms| thousandths(ms));
        let _ = writeln!(out, "{series}_bucket{{le=\"{bound}\"}} {count}");
    }
    let _ = writeln!(out, "{series}_sum {}\n{series}_count {count}", thousandths(histogram.sum_ms));
}

/// Milliseconds as seconds, with no more digits than they need.
fn thousandths(ms: u64) -> String {
    let text = format!("{}.{:03}", ms / 1_000, ms % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_name_has_its_series() {
        let mut totals = Totals::default();
        totals.numbers.ended[Ending::Completed as usize] = 7;
        totals.numbers.request.buckets = std::array::from_fn(|at| at as u64);
        totals.numbers.request.sum_ms = 12_340;
        totals.policies.insert(0xabc);
        let text = text(&totals);
        for name in &names::ALL {
            assert!(text.contains(&format!("# HELP {} ", name.series)), "{}", name.series);
            let lines = text.lines().filter(|line| line.starts_with(name.series)).count();
            assert!(lines > 0, "{} has no value", name.series);
        }
        let names: HashSet<_> = names::ALL.iter().map(|name| name.series).collect();
        assert_eq!(names.len(), names::ALL.len());
        for line in [
            "outlive_requests_ended_total{ending=\"completed\"} 7",
            "outlive_requests_ended_total{ending=\"finished\"} 0",
            "outlive_request_duration_seconds_bucket{le=\"0.025\"} 0",
            "outlive_request_duration_seconds_bucket{le=\"1800\"} 78",
            "outlive_request_duration_seconds_bucket{le=\"+Inf\"} 91",
            "outlive_request_duration_seconds_sum 12.34",
            "outlive_request_duration_seconds_count 91",
            "outlive_policy_info{fingerprint=\"0000000000000abc\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
