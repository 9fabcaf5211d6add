//! Renders the state of an engine or a scoreboard: numbers for Prometheus, JSON for programs, a page for people. All use one table of
//! names ([`names`]); Apache, nginx, Python and the command show this output.
//!
//! An engine with a scoreboard shows the numbers of all processes, whichever process is asked; without one, only its own.

pub mod json;
pub mod metrics;
pub mod names;
pub mod page;
pub mod shown;
pub mod writer;

use super::numbers::{Gauges, Numbers};
use super::scoreboard::{ScoreboardRow, Snapshot, Totals};
use super::slot::Host;
use super::{Engine, Row};
use crate::error::{Error, Result};
use std::collections::BTreeSet;
use std::ffi::CStr;
use std::path::Path;

/// The format to render.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Numbers for Prometheus.
    Metrics,
    /// Numbers and requests for programs.
    Json,
    /// A page for people.
    Page,
    /// The page's table alone, to stand in another page.
    Table,
}

/// What the host adds to the output.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extra<'a> {
    /// Whose requests these are, for people: a name of the server.
    pub title: &'a [u8],
    /// Notes that are shown with them, one per line.
    pub notes: &'a [u8],
    /// The file, for programs.
    pub scoreboard: Option<&'a [u8]>,
}

impl What {
    /// The Content-Type of a format.
    pub fn content_type(self) -> &'static CStr {
        match self {
            Self::Metrics => metrics::CONTENT_TYPE,
            Self::Json => c"application/json",
            Self::Page | Self::Table => c"text/html; charset=utf-8",
        }
    }

    fn make(
        self,
        totals: impl FnOnce() -> Result<Totals>,
        snapshot: impl FnOnce() -> Result<Snapshot>,
        extra: Extra<'_>,
    ) -> Result<String> {
        Ok(match self {
            Self::Metrics => metrics::text(&totals()?),
            Self::Json => json::document(&snapshot()?, extra),
            Self::Page => page::page(&snapshot()?, extra),
            Self::Table => page::table(&snapshot()?),
        })
    }
}

/// What a scoreboard shows.
pub fn of_file(path: &Path, what: What, extra: Extra<'_>) -> std::result::Result<String, Error> {
    let extra = Extra { scoreboard: Some(path.as_os_str().as_encoded_bytes()), ..extra };
    what.make(|| super::scoreboard::totals(path), || super::scoreboard::read(path), extra)
}

impl<H: Host> Engine<H> {
    /// What the engine shows.
    pub fn render(&self, what: What, extra: Extra<'_>) -> Result<String> {
        what.make(|| self.totals(), || self.snapshot(), extra)
    }

    /// What has been counted: by all processes of its scoreboard, or by this engine alone.
    pub fn totals(&self) -> Result<Totals> {
        let (numbers, gauges) = self.publish();
        match self.shared.board.totals() {
            Some(totals) => totals,
            None => Ok(self.own_totals(numbers, gauges)),
        }
    }

    /// The requests in flight with what has been counted: of all processes of its scoreboard, or of this engine alone.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let (numbers, gauges) = self.publish();
        if let Some(snapshot) = self.shared.board.read() {
            return snapshot;
        }
        let rows = self.requests().zip(0..).map(|(request, number)| own_row(request, number)).collect();
        Ok(Snapshot { rows, totals: self.own_totals(numbers, gauges) })
    }

    fn own_totals(&self, numbers: Numbers, gauges: Gauges) -> Totals {
        let policy = self.shared.board.policy();
        let policies: BTreeSet<u64> = (policy != 0).then_some(policy).into_iter().collect();
        Totals { numbers, gauges, processes: 1, policies, ..Totals::default() }
    }
}

/// A request that is in no scoreboard.
fn own_row(request: Row, row: u32) -> ScoreboardRow {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    ScoreboardRow {
        row,
        count: 0,
        process: std::process::id(),
        unfinished: false,
        unresponsive: false,
        began_unix_ms: (now.as_millis() as u64).saturating_sub(request.age_ms),
        request,
    }
}
