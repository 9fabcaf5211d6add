//! Replays every recorded layout: what a real Apache with mod_php answered, and what the resolver says.
#![cfg(unix)]

mod httpd_support;

use httpd_support::{Layout, compare, layouts, work_directory};

#[test]
fn every_recorded_layout_gets_apaches_answers() {
    let preamble = httpd_support::preamble();
    let mut wrong = Vec::new();
    let (mut all, mut requests, mut values) = (0, 0, 0);
    for file in ["layouts.jsonl", "found.jsonl", "estate.jsonl"] {
        for layout in layouts(file) {
            let layout = Layout::new(layout);
            let place = work_directory(&layout.name);
            layout.place(&place);
            let result = compare(&layout, &place, &preamble);
            let _ = std::fs::remove_dir_all(&place);
            all += 1;
            requests += result.requests;
            values += result.values;
            wrong.extend(result.wrong.into_iter().map(|text| format!("{}: {text}", layout.name)));
        }
    }
    println!("{all} layouts, {requests} requests and {values} values compared");
    assert!(all >= 879 && requests > 5_400);
    let shown: Vec<&String> = wrong.iter().take(200).collect();
    assert!(wrong.is_empty(), "{} differences:\n{shown:#?}", wrong.len());
}
