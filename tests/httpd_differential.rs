//! Compares layouts that `tests/differential/httpd.py` has just asked a real server about.
#![cfg(unix)]

mod httpd_support;

use httpd_support::{Layout, compare, work_directory};
use std::io::Write;

/// `OUTLIVE_HTTPD_LAYOUTS`: the layouts; `OUTLIVE_HTTPD_DIFFERENT`: where those that differ are appended.
#[test]
#[ignore = "needs layouts from tests/differential/httpd.py"]
fn random_layouts_get_apaches_answers() {
    let path = std::env::var("OUTLIVE_HTTPD_LAYOUTS").expect("OUTLIVE_HTTPD_LAYOUTS names a file of layouts");
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
    assert_eq!(different, 0);
}
