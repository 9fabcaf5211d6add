//! Resident bytes of one of a million tasks of tokio that wait: for ever, or with a time limit.

use std::future::pending;
use std::time::Duration;

const TASKS: usize = 1_000_000;

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("statm");
    let pages: usize = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number of pages");
    pages * 4096
}

fn main() {
    let limited = std::env::args().nth(1).is_some();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let before = resident();
        for _ in 0..TASKS {
            if limited {
                tokio::spawn(async { tokio::time::timeout(Duration::from_secs(3600), pending::<()>()).await });
            } else {
                tokio::spawn(pending::<()>());
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        println!("{:.0}", (resident() - before) as f64 / TASKS as f64);
        std::process::exit(0);
    });
}
