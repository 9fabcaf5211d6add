//! Every recorded trace of real PHP comes out line by line, limits included: from the bare machine, and from an engine's requests.
//! `cargo test --test machine_traces -- engine-pipe/17` plays one, by its line in the file of scenarios.

mod machine_support;
mod recorded_support;

use machine_support::{Layer, bare, differences, engine, lines};
use recorded_support::{Case, Outcome};
use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// Who plays: the machine alone, or requests of an engine, so many at once.
#[derive(Clone, Copy)]
enum Player {
    Bare,
    Engine(usize),
}

struct Set {
    name: &'static str,
    scenarios: &'static str,
    recorded: &'static str,
    at_least: usize,
    layer: Layer,
    player: Player,
}

const fn set(name: &'static str, at_least: usize, layer: Layer, player: Player) -> Set {
    let (scenarios, recorded) = match (at_least, layer) {
        (60, _) => ("scenarios-limits.jsonl", "recorded-limits-cgi.jsonl"),
        (_, Layer::Cgi) => ("scenarios.jsonl", "recorded-cgi.jsonl"),
        (_, Layer::FastCgi) => ("scenarios.jsonl", "recorded-fcgi.jsonl"),
    };
    Set { name, scenarios, recorded, at_least, layer, player }
}

const SETS: [Set; 6] = [
    set("bare-pipe", 1_500, Layer::Cgi, Player::Bare),
    set("bare-fastcgi", 1_500, Layer::FastCgi, Player::Bare),
    set("bare-limits", 60, Layer::Cgi, Player::Bare),
    set("engine-pipe", 1_500, Layer::Cgi, Player::Engine(4)),
    set("engine-fastcgi", 1_500, Layer::FastCgi, Player::Engine(4)),
    set("engine-limits", 60, Layer::Cgi, Player::Engine(60)),
];

fn play(scenarios: &[Value], recorded: &[Value], layer: Layer, player: Player) -> Outcome {
    let logs = match player {
        Player::Bare => scenarios.iter().map(|scenario| bare::run(scenario, layer)).collect(),
        Player::Engine(at_once) => engine::run_all(scenarios, layer, at_once),
    };
    let wrong = differences(scenarios, recorded, &logs);
    let shown = || wrong[..wrong.len().min(5)].join("\n");
    if wrong.is_empty() { Ok(()) } else { Err(format!("{} of {} differ\n{}", wrong.len(), scenarios.len(), shown())) }
}

fn main() -> ExitCode {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/machine");
    let one = std::env::args().skip(1).any(|argument| argument.contains('/') || argument == "--list");
    let mut cases = Vec::new();
    for Set { name, scenarios, recorded, at_least, layer, player } in SETS {
        let (scenarios, recorded) = (lines(&data.join(scenarios)), lines(&data.join(recorded)));
        assert!(scenarios.len() >= at_least, "only {} scenarios for {name}", scenarios.len());
        if !one {
            // One engine plays them all, many at once.
            cases.push(Case::alone(name, move || play(&scenarios, &recorded, layer, player)));
            continue;
        }
        let whole = Arc::new((scenarios, recorded));
        for at in 0..whole.0.len() {
            let whole = Arc::clone(&whole);
            cases.push(Case::of(name, &(at + 1).to_string(), move || {
                play(&whole.0[at..=at], &whole.1[at..=at], layer, player)
            }));
        }
    }
    recorded_support::main(cases)
}
