//! Compares layouts that `tests/differential/httpd.py` has just asked a real server about.
#![cfg(unix)]

#[path = "../httpd_support/mod.rs"]
mod httpd_support;

use httpd_support::{Layout, compare, work_directory};
use std::io::Write;
use std::process::ExitCode;

/// `OUTLIVE_HTTPD_LAYOUTS`: the layouts; `OUTLIVE_HTTPD_DIFFERENT`: where those that differ are appended.
fn main() -> ExitCode {
    // As a part of `cargo test` there is nothing to compare.
    let Ok(path) = std::env::var("OUTLIVE_HTTPD_LAYOUTS") else { return ExitCode::SUCCESS };
    let keep = std::env::var("OUTLIVE_HTTPD_DIFFERENT").unwrap_or_default();
    let preamble = httpd_support::preamble();
    let text = std::fs::read_to_string(path).expect("layouts");
    let (mut all, mut requests, mut values, mut different) = (0, 0, 0, 0);
    for line in text.lines() {
        let layout = Layout::new(serde_json::from_str(line).expect("JSON"));
        let place = work_directory(&layout.name);
        layout.place(&place);
        let result = compare(&layout, &place, &preamble);
        let _ = std::fs::remove_dir_all(&place);
        all += 1;
        requests += result.requests;
        values += result.values;
        if result.wrong.is_empty() {
            continue;
        }
        different += 1;
        for text in &result.wrong {
            println!("{}: {text}", layout.name);
        }
        if !keep.is_empty() {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(&keep);
            writeln!(file.expect("file to keep in"), "{line}").expect("write");
        }
    }
    println!("{all} layouts, {requests} requests and {values} values compared; {different} layouts differ");
    if different == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
