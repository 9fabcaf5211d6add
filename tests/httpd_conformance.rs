//! Replays every recorded layout: what a real Apache with mod_php answered, and what the resolver says. Each layout is a test:
//! `cargo test --test httpd_conformance -- --exact vh-names`.

mod httpd_support;
mod recorded_support;

use httpd_support::{Layout, compare, layouts, work_directory};
use recorded_support::{Case, Outcome};
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let preamble = Arc::new(httpd_support::preamble());
    let mut cases = Vec::new();
    let mut requests = 0;
    for layout in ["layouts.jsonl", "found.jsonl", "estate.jsonl"].into_iter().flat_map(layouts) {
        requests += layout["expected"]["requests"].as_array().map_or(0, Vec::len);
        let layout = Layout::new(layout);
        let preamble = Arc::clone(&preamble);
        cases.push(Case::alone(layout.name.clone(), move || {
            let place = work_directory(&layout.name);
            layout.place(&place);
            let result = compare(&layout, &place, &preamble);
            let _ = std::fs::remove_dir_all(&place);
            said(&result.wrong)
        }));
    }
    let all = cases.len();
    cases.push(Case::alone("the-recording-is-whole", move || match all >= 901 && requests > 5_650 {
        true => Ok(()),
        false => Err(format!("only {all} layouts and {requests} requests")),
    }));
    let code = recorded_support::main(cases);
    let _ = std::fs::remove_dir_all(work_directory("x").ancestors().nth(2).expect("a directory of this process"));
    code
}

fn said(wrong: &[String]) -> Outcome {
    if wrong.is_empty() { Ok(()) } else { Err(format!("{} differences:\n{}", wrong.len(), wrong.join("\n"))) }
}
