//! The outcome of a pass over a URI: a program, another URI, or an answer with its error page.

use super::subrequest::Subrequest;
use super::walk::{SectionRef, Walked};
use super::walk_cache::WalkCache;
use crate::httpd::expression::evaluate::{RequestVariables, text};
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
        page: Option<Page>,
        past: WalkCache<'c>,
        /// A rule or another server answers: if this is the request for an error page, httpd forgets which error it was.
        afresh: bool,
    },
}

/// The page that stands for an error, put together for this request.
pub(super) enum Page {
    /// A URL path on this server.
    Local(Vec<u8>),
    /// A redirect.
    Elsewhere(Vec<u8>),
}

/// The internal redirect that a directory's rule asks for.
pub(super) struct Sent {
    pub uri: Vec<u8>,
    pub query: Option<Vec<u8>>,
    /// The rule.
    pub origin: Origin,
}

/// A request that has not been answered yet: its file, and the redirect that rules ask for.
pub(super) struct Ready<'c, 't> {
    pub subrequest: Subrequest<'c, 't>,
    pub walked: Walked<'c>,
    pub bare: WalkCache<'c>,
    /// The redirect that a directory's rules ask for.
    pub redirect: Option<Sent>,
}

/// A request up to its handler; or its outcome, where none is asked.
pub(super) type Looked<'c, 't> = Result<Ready<'c, 't>, Box<Outcome<'c, 't>>>;

impl<'c, 't> Outcome<'c, 't> {
    /// The same as a rule's own answer.
    pub fn afresh(mut self) -> Self {
        if let Self::Answer { afresh, .. } = &mut self {
            *afresh = true;
        }
        self
    }

    /// An error before any section was looked at.
    pub fn server_error(subrequest: &Subrequest<'c, 't>, status: u16, because: &str) -> Self {
        let sections =
            subrequest.context.layers(subrequest.asked.server).filter_map(|server| server.section.core.as_deref());
        let page = error_page(sections, status, subrequest);
        let past = WalkCache { walked: None, walks: subrequest.walks.clone() };
        Outcome::Answer { status, because: because.into(), location: None, page, past, afresh: false }
    }
}

/// An answer of a request that has met these sections.
pub(super) fn answer<'c, 't>(
    subrequest: &Subrequest<'c, 't>,
    status: u16,
    because: String,
    sections: &[SectionRef<'c>],
    past: WalkCache<'c>,
) -> Outcome<'c, 't> {
    let cores = sections.iter().rev().filter_map(|section| section.get().core.as_deref());
    let page = error_page(cores, status, subrequest);
    Outcome::Answer { status, because, location: None, page, past, afresh: false }
}

/// The page of an error. A text whose parts are not known is as if the page were not set, and noted.
fn error_page<'a>(
    inner_first: impl Iterator<Item = &'a Core>,
    status: u16,
    variables: &dyn RequestVariables,
) -> Option<Page> {
    let mut cores = inner_first.flat_map(|core| core.error_pages.iter().rev());
    let (_, (page, origin)) = cores.find(|(own, _)| *own == status)?;
    let made = |word| {
        let unknown =
            |why| variables.doubt(format!("{origin}: ErrorDocument {status} depends on {why}; taken as not set"));
        text(word, variables).map_err(unknown).ok()
    };
    match page {
        ErrorPage::Text => None,
        ErrorPage::Local(word) => made(word).map(Page::Local),
        ErrorPage::Elsewhere(word) => made(word).map(Page::Elsewhere),
    }
}

/// The answer for a missing file that httpd passes to PHP-FPM all the same. No error page of httpd's is shown.
pub(super) fn missing_elsewhere<'c, 't>(filename: &[u8], past: WalkCache<'c>) -> Outcome<'c, 't> {
    let name = String::from_utf8_lossy(filename);
    let because =
        format!("{name} does not exist: httpd passes it on nevertheless, and PHP-FPM answers \"File not found.\"");
    // FPM's status counts, whatever the request was about before.
    Outcome::Answer { status: 404, because, location: None, page: None, past, afresh: true }
}
