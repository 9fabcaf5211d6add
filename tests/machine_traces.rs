//! Every recorded trace of real PHP comes out line by line, limits included.

mod machine_support;

use machine_support::{Layer, differences, lines};
use std::path::Path;

fn replay(scenarios: &str, recorded: &str, layer: Layer) -> usize {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/machine");
    let scenarios = lines(&data.join(scenarios));
    let wrong = differences(&scenarios, &lines(&data.join(recorded)), layer);
    assert!(
        wrong.is_empty(),
        "{} of {} differ\n{}",
        wrong.len(),
        scenarios.len(),
        wrong[..wrong.len().min(5)].join("\n")
    );
    scenarios.len()
}

#[test]
fn every_trace_over_a_pipe_is_the_same() {
    assert!(replay("scenarios.jsonl", "recorded-cgi.jsonl", Layer::Cgi) >= 1_500);
}

#[test]
fn every_trace_over_fastcgi_is_the_same() {
    assert!(replay("scenarios.jsonl", "recorded-fcgi.jsonl", Layer::FastCgi) >= 1_500);
}

#[test]
fn every_trace_with_limits_is_the_same() {
    assert!(replay("scenarios-limits.jsonl", "recorded-limits-cgi.jsonl", Layer::Cgi) >= 60);
}
