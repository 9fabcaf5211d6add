//! Row 3: the first scan of a fresh process, where page faults and untrained branches count.

use super::{Zend, best, events, median, time};
use std::hint::black_box;
use std::path::Path;
use std::process::Command;

/// How many processes of each kind.
const PROCESSES: usize = 9;
const GATE: f64 = 0.50;

/// The fresh process: one scan, and how long it took.
pub fn sample(path: &str) {
    let text = std::fs::read(path).expect("a text");
    println!("{}", time(1, || black_box(events(black_box(&text)))));
}

fn ours(path: &Path) -> f64 {
    let program = std::env::current_exe().expect("a program");
    let output = Command::new(program).arg("--cold").arg(path).output().expect("a process");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a time")
}

fn theirs(program: &Path, path: &Path) -> Option<f64> {
    let mut zend = Zend::start(program, path)?;
    let time = zend.time("events", 1);
    zend.stop();
    Some(time)
}

/// Measures the row; `false`: its gate is missed.
pub fn measure(program: Option<&Path>, path: &Path) -> bool {
    const NAME: &str = "3 events, cold";
    if !path.exists() {
        println!("{NAME:<22} no {}", path.display());
        return true;
    }
    let pairs: Vec<_> = (0..PROCESSES)
        .map(|_| (ours(path), program.and_then(|program| theirs(program, path)).unwrap_or(f64::NAN)))
        .collect();
    let (our, their): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
    let (least, middle) = (best(&our), median(our));
    if program.is_none() {
        println!("{NAME:<22} {:>9.1} us", middle / 1e3);
        return true;
    }
    let their_middle = median(their.clone());
    let ratio = middle / their_middle;
    let verdict = if ratio <= GATE { "ok" } else { "MISSED" };
    println!(
        "{NAME:<22} {:>9.1} us   PHP {:>9.1} us   ratio of medians {ratio:.3} (of bests {:.3})   gate {GATE:.2}   stretch 0.47   {verdict}",
        middle / 1e3,
        their_middle / 1e3,
        least / best(&their)
    );
    ratio <= GATE
}
