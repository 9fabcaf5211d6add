//! What all processes of a scoreboard have counted together, and how those are that live.

use super::super::numbers::{Gauges, Numbers};
use super::super::sys;
use super::layout::Layout;
use super::page::PageCopy;
use super::process::World;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::time::Duration;

/// Milliseconds without a beat after which a process that has requests is looked at again. It beats four times a second.
const SILENCE: u64 = 5_000;
/// How long the second look waits: a machine that was asleep needs a moment until all beat again.
const SECOND_LOOK: Duration = Duration::from_millis(300);

/// What all processes have counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Of all processes that ever used the file, those that have ended or died included. They never fall.
    pub numbers: Numbers,
    /// Of those that live.
    pub gauges: Gauges,
    /// How many live and have had a request; some may have ended meanwhile.
    pub processes: u64,
    /// Requests that dead processes had begun and never ended.
    pub unfinished: u64,
    /// Those that have requests, live as far as can be seen, and do not move.
    pub unresponsive: Vec<Unresponsive>,
    /// The policies that living processes say they follow: fingerprints.
    pub policies: BTreeSet<u64>,
}

/// A process that does not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unresponsive {
    /// As it is numbered in its own PID namespace.
    pub process: u32,
    /// For how many milliseconds.
    pub silent_ms: u64,
}

/// Reads the pages. What is unfinished is not in them.
pub fn read(file: &File, layout: Layout, here: World) -> io::Result<Totals> {
    let mut totals = Totals::default();
    let mut suspects = Vec::new();
    for page in PageCopy::all(file, layout)? {
        let page = page?;
        totals.numbers.add(&page.numbers());
        if !page.lives(file, layout, here) {
            continue;
        }
        totals.processes += 1;
        totals.gauges.add(page.gauges());
        if page.policy() != 0 {
            totals.policies.insert(page.policy());
        }
        if page.gauges().in_flight > 0 && silence(&page) > SILENCE {
            suspects.push(page);
        }
    }
    if !suspects.is_empty() {
        std::thread::sleep(SECOND_LOOK);
    }
    for before in suspects {
        let now = PageCopy::read(file, layout, before.number)?;
        if now.owner() == before.owner() && now.beat() == before.beat() && now.lives(file, layout, here) {
            let process = now.owner().process();
            totals.unresponsive.push(Unresponsive { process, silent_ms: silence(&now) });
        }
    }
    Ok(totals)
}

fn silence(page: &PageCopy) -> u64 {
    sys::now_ms().saturating_sub(page.beat())
}
