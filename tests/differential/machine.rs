//! Compares the machine with traces that a PHP has just recorded: `machine_differential cgi|fcgi SCENARIOS RECORDED`.

#[path = "../machine_support/mod.rs"]
mod machine_support;

use machine_support::{Layer, differences, lines};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    // As a part of `cargo test` there is nothing to compare.
    let [layer, scenarios, recorded] = &arguments[..] else { return ExitCode::SUCCESS };
    let layer = if layer == "cgi" { Layer::Cgi } else { Layer::FastCgi };
    let scenarios = lines(Path::new(scenarios));
    let wrong = differences(&scenarios, &lines(Path::new(recorded)), layer);
    for difference in wrong.iter().take(20) {
        println!("{difference}");
    }
    println!("{} scenarios compared, {} differ", scenarios.len(), wrong.len());
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
