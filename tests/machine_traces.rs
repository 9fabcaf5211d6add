//! Every recorded trace of real PHP comes out line by line, limits included: from the bare machine, and from an engine's requests.

mod machine_support;

use machine_support::{Layer, bare, differences, engine, lines};
use serde_json::Value;
use std::path::Path;

fn replay(scenarios: &str, recorded: &str, at_least: usize, logs: impl FnOnce(&[Value]) -> Vec<Vec<String>>) {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/machine");
    let scenarios = lines(&data.join(scenarios));
    assert!(scenarios.len() >= at_least);
    let wrong = differences(&scenarios, &lines(&data.join(recorded)), &logs(&scenarios));
    assert!(
        wrong.is_empty(),
        "{} of {} differ\n{}",
        wrong.len(),
        scenarios.len(),
        wrong[..wrong.len().min(5)].join("\n")
    );
}

fn bare(layer: Layer) -> impl FnOnce(&[Value]) -> Vec<Vec<String>> {
    move |scenarios| scenarios.iter().map(|scenario| bare::run(scenario, layer)).collect()
}

#[test]
fn every_trace_over_a_pipe_is_the_same() {
    replay("scenarios.jsonl", "recorded-cgi.jsonl", 1_500, bare(Layer::Cgi));
}

#[test]
fn every_trace_over_fastcgi_is_the_same() {
    replay("scenarios.jsonl", "recorded-fcgi.jsonl", 1_500, bare(Layer::FastCgi));
}

#[test]
fn every_trace_with_limits_is_the_same() {
    replay("scenarios-limits.jsonl", "recorded-limits-cgi.jsonl", 60, bare(Layer::Cgi));
}

#[test]
fn an_engine_gives_every_trace_over_a_pipe() {
    replay("scenarios.jsonl", "recorded-cgi.jsonl", 1_500, |scenarios| engine::run_all(scenarios, Layer::Cgi, 4));
}

#[test]
fn an_engine_gives_every_trace_over_fastcgi() {
    replay("scenarios.jsonl", "recorded-fcgi.jsonl", 1_500, |scenarios| engine::run_all(scenarios, Layer::FastCgi, 4));
}

#[test]
fn an_engine_gives_every_trace_with_limits() {
    replay("scenarios-limits.jsonl", "recorded-limits-cgi.jsonl", 60, |scenarios| {
        engine::run_all(scenarios, Layer::Cgi, 60)
    });
}
