//! The counts of all processes of a scoreboard together, and the state of the living ones.
//!
//! An idle process has no heartbeat either, because its thread sleeps. So the rows decide whether a process is unresponsive: they show what has
//! begun and not ended, while its gauges are as old as its last heartbeat. Only the rows of processes without a heartbeat are read.

use super::super::numbers::{Gauges, Numbers};
use super::super::sys;
use super::layout::Layout;
use super::page::PageCopy;
use super::process::{Owner, World};
use super::reader;
use super::table::Entry;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::time::Duration;

/// Milliseconds without a heartbeat, counted while it has requests, after which a process is checked a second time. It
/// beats four times a second.
const MOST_WITHOUT_HEARTBEAT: u64 = 5_000;
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
    /// Milliseconds since its last heartbeat, or since the oldest of its requests began, whichever is less.
    pub unresponsive_ms: u64,
    /// Where it counts.
    pub(super) page: u32,
}

/// Reads the pages, and the rows of processes without a heartbeat; unfinished requests are not counted here. `entries`: the blocks that have rows.
pub fn read(file: &File, layout: Layout, here: World, entries: &[(u32, Entry)]) -> io::Result<Totals> {
    let mut totals = Totals::default();
    let mut suspects = Vec::new();
    let blocks = Blocks::of(entries, layout);
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
        if is_long(since(page.beat())) && is_long(blocks.without_heartbeat(file, layout, &page)?) {
            suspects.push(page);
        }
    }
    if !suspects.is_empty() {
        std::thread::sleep(SECOND_LOOK);
    }
    for before in suspects {
        let now = PageCopy::read(file, layout, before.number)?;
        if now.owner() != before.owner() || now.beat() != before.beat() || !now.lives(file, layout, here) {
            continue;
        }
        // It may have ended its requests meanwhile, and sleep.
        let without = blocks.without_heartbeat(file, layout, &now)?;
        if let Some(unresponsive_ms) = without.filter(|&ms| ms > MOST_WITHOUT_HEARTBEAT) {
            let process = now.owner().process();
            totals.unresponsive.push(Unresponsive { process, unresponsive_ms, page: now.number });
        }
    }
    Ok(totals)
}

fn is_long(unresponsive_ms: Option<u64>) -> bool {
    unresponsive_ms.is_some_and(|ms| ms > MOST_WITHOUT_HEARTBEAT)
}

/// Which blocks belong to which page, sorted by page.
struct Blocks(Vec<(u32, u32, Owner)>);

impl Blocks {
    fn of(entries: &[(u32, Entry)], layout: Layout) -> Self {
        let pages = entries.iter().filter_map(|(block, entry)| Some((entry.own_page(layout)?, *block, entry.owner)));
        let mut blocks: Vec<_> = pages.collect();
        blocks.sort_unstable_by_key(|&(page, block, _)| (page, block));
        Self(blocks)
    }

    /// Milliseconds in which the owner of the page had requests and did not beat; `None`: it has no requests.
    fn without_heartbeat(&self, file: &File, layout: Layout, page: &PageCopy) -> io::Result<Option<u64>> {
        let first = self.0.partition_point(|&(number, ..)| number < page.number);
        let of_page = self.0[first..].iter().take_while(|&&(number, ..)| number == page.number);
        let mut oldest = None::<u64>;
        for &(_, block, _) in of_page.filter(|&&(.., owner)| owner == page.owner()) {
            let copy = reader::copy_of(file, layout, block)?;
            let began = reader::rows(&copy).filter(|row| row.is_live()).map(|row| row.columns().began).min();
            oldest = began.into_iter().chain(oldest).min();
        }
        Ok(oldest.and_then(|began| since(began.max(page.beat()))))
    }
}

/// Milliseconds since `then`; `None`: it is in the future.
fn since(then: u64) -> Option<u64> {
    sys::now_ms().checked_sub(then)
}
