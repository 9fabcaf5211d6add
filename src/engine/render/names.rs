//! The names of everything that is counted, in one table: series for Prometheus, members for JSON.
#![allow(missing_docs)] // the help of each name says what it is

/// What a series is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// What is so now.
    Gauge,
    /// Times, in seconds.
    Histogram,
}

/// One thing that is counted.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    /// The series; a histogram's without `_bucket`, `_sum` and `_count`.
    pub series: &'static str,
    /// The member of the JSON document; empty: it has none.
    pub member: &'static str,
    /// What it is.
    pub kind: Kind,
    /// One sentence for people.
    pub help: &'static str,
}

const fn counter(series: &'static str, member: &'static str, help: &'static str) -> Name {
    Name { series, member, kind: Kind::Counter, help }
}

const fn gauge(series: &'static str, member: &'static str, help: &'static str) -> Name {
    Name { series, member, kind: Kind::Gauge, help }
}

const fn histogram(series: &'static str, help: &'static str) -> Name {
    Name { series, member: "", kind: Kind::Histogram, help }
}

pub const BEGUN: Name = counter("outlive_requests_begun_total", "begun", "Requests that have begun.");
pub const ENDED: Name = counter("outlive_requests_ended_total", "ended", "Requests that have ended, by ending.");
pub const IN_FLIGHT: Name = gauge("outlive_requests_in_flight", "in_flight", "Requests that run now.");
pub const DETACHED: Name =
    gauge("outlive_requests_detached", "detached", "Requests that still work though their client has gone.");
pub const ACCEPTED: Name =
    gauge("outlive_requests_accepted", "accepted", "Requests that run now and that a journal has accepted.");
pub const GONE: Name =
    counter("outlive_clients_gone_total", "clients_gone", "Requests whose client went before they ended.");
pub const TIME_LIMITS: Name = counter("outlive_time_limits_total", "time_limits", "Time limits that ran out.");
pub const FORCED: Name = counter(
    "outlive_forced_stops_total",
    "forced_stops",
    "Requests that reached no safe point in time, and so the forced stage.",
);
pub const UNFINISHED: Name =
    gauge("outlive_unfinished_requests", "unfinished", "Unfinished requests of processes that died, not yet cleared.");
pub const UNRESPONSIVE: Name = gauge(
    "outlive_unresponsive_processes",
    "unresponsive",
    "Processes that have requests and have given no sign of life for five seconds.",
);
pub const DURATION: Name =
    histogram("outlive_request_duration_seconds", "Time from the begin to the end of requests that have ended.");
pub const DETACHED_DURATION: Name =
    histogram("outlive_detached_duration_seconds", "Time that ended requests worked on after their clients had gone.");
pub const FUNCTIONS: Name =
    counter("outlive_shutdown_functions_total", "shutdown_functions", "Shutdown functions that have run.");
pub const FUNCTION_SECONDS: Name = counter(
    "outlive_shutdown_function_seconds_total",
    "shutdown_function_seconds",
    "Time spent in shutdown functions.",
);
pub const NOT_SHOWN: Name = counter(
    "outlive_requests_not_shown_total",
    "not_shown",
    "Requests that found no room in the scoreboard; they ran as usual.",
);
pub const POLICY: Name = gauge(
    "outlive_policy_info",
    "policies",
    "The policy in force, by the fingerprint of its directives; more than one: processes differ.",
);
pub const BUILD: Name = gauge("outlive_build_info", "version", "The version of outlive.");

/// All of them, in the order in which they are shown.
pub const ALL: [Name; 17] = [
    BEGUN,
    ENDED,
    IN_FLIGHT,
    DETACHED,
    ACCEPTED,
    GONE,
    TIME_LIMITS,
    FORCED,
    UNFINISHED,
    UNRESPONSIVE,
    DURATION,
    DETACHED_DURATION,
    FUNCTIONS,
    FUNCTION_SECONDS,
    NOT_SHOWN,
    POLICY,
    BUILD,
];

/// The label of a series that has one.
pub const fn label(name: &Name) -> &'static str {
    match name.series.as_bytes() {
        b"outlive_requests_ended_total" => "ending",
        b"outlive_policy_info" => "fingerprint",
        b"outlive_build_info" => "version",
        _ => "",
    }
}

/// A fingerprint as people see it.
pub fn fingerprint(number: u64) -> String {
    format!("{number:016x}")
}
