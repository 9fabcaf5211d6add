//! The counts of all processes of a scoreboard together, and the state of the living ones.

use super::super::numbers::{Gauges, Numbers};
use super::super::sys;
use super::layout::Layout;
use super::page::PageCopy;
use super::process::World;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::time::Duration;

/// Milliseconds without a heartbeat after which a process that has requests is checked a second time. It beats four
/// times a second.
const SILENCE: u64 = 5_000;
/// How long the second check waits: after a machine was asleep, it takes a moment until all processes beat again.
const SECOND_LOOK: Duration = Duration::from_millis(300);

/// What all processes have counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Of all processes that ever used the file, those that have ended or died included. They never fall.
    pub numbers: Numbers,
    /// The gauges of living processes.
    pub gauges: Gauges,
    /// How many live and have had a request; some may have ended meanwhile.
    pub processes: u64,
    /// Requests that dead processes had begun and never ended.
    pub unfinished: u64,
    /// The unresponsive processes: they have requests and live, as far as can be seen, and have no heartbeat.
    pub unresponsive: Vec<Unresponsive>,
    /// The fingerprints of the policies that living processes follow.
    pub policies: BTreeSet<u64>,
}

/// An unresponsive process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unresponsive {
    /// As it is numbered in its own PID namespace.
    pub process: u32,
    /// Milliseconds since its last heartbeat.
    pub silent_ms: u64,
}

/// Reads the pages; unfinished requests are not counted there.
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
