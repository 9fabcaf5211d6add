//! The outcome of a pass over a URI: a program, another URI, or an answer with its error page.

use super::subrequest::Subrequest;
use super::walk::{SectionRef, Walked};
use super::walk_cache::WalkCache;
use crate::httpd::model::answer::Run;
use crate::httpd::model::section::{Core, ErrorPage};
use crate::origin::Origin;

/// The outcome of a pass.
pub(super) enum Outcome<'c, 't> {
    Run(Run),
    /// Another URI answers.
    InternalRedirect {
        next: Box<Subrequest<'c, 't>>,
        /// The rule that leads there.
        by: Option<Origin>,
        past: WalkCache<'c>,
    },
    Answer {
        status: u16,
        because: String,
        location: Option<Vec<u8>>,
        page: Option<ErrorPage>,
        past: WalkCache<'c>,
    },
}

/// Where a rule of a directory sends a request.
pub(super) struct Sent {
    pub uri: Vec<u8>,
    pub query: Option<Vec<u8>>,
    /// The rule.
    pub origin: Origin,
}

/// A request that nothing has answered so far: its file, and where rules send it.
pub(super) struct Ready<'c, 't> {
    pub visit: Subrequest<'c, 't>,
    pub walked: Walked<'c>,
    pub bare: WalkCache<'c>,
    /// The URI and query that rules of a directory put in its place.
    pub redirect: Option<Sent>,
}

impl<'c, 't> Outcome<'c, 't> {
    /// An error before any section was looked at.
    pub fn server_error(visit: &Subrequest<'c, 't>, status: u16, because: &str) -> Self {
        let sections = visit.context.layers(visit.asked.server).filter_map(|server| server.section.core.as_deref());
        let page = error_page(sections, status);
        let past = WalkCache { walked: None, walks: visit.walks.clone() };
        Outcome::Answer { status, because: because.into(), location: None, page, past }
    }
}

pub(super) fn answer<'c, 't>(
    status: u16,
    because: String,
    sections: &[SectionRef<'c>],
    past: WalkCache<'c>,
) -> Outcome<'c, 't> {
    let cores = sections.iter().rev().filter_map(|section| section.get().core.as_deref());
    let page = error_page(cores, status);
    Outcome::Answer { status, because, location: None, page, past }
}

fn error_page<'a>(inner_first: impl Iterator<Item = &'a Core>, status: u16) -> Option<ErrorPage> {
    let mut cores = inner_first.flat_map(|core| core.error_pages.iter().rev());
    match cores.find(|(own, _)| *own == status)? {
        (_, (ErrorPage::Text, _)) => None,
        (_, (page, _)) => Some(page.clone()),
    }
}

/// httpd hands on what it does not have itself, and shows the answer that comes back: no page of its own.
pub(super) fn missing_elsewhere<'c, 't>(filename: &[u8], past: WalkCache<'c>) -> Outcome<'c, 't> {
    let name = String::from_utf8_lossy(filename);
    let because =
        format!("{name} does not exist: httpd hands it on all the same, and PHP-FPM answers \"File not found.\"");
    Outcome::Answer { status: 404, because, location: None, page: None, past }
}
