//! The run of a request, and what is passed on to other servers.

use super::cgi_vars::Handing;
use super::context::Passing;
use super::file_kind::FileKind;
use super::htaccess::Memo;
use super::mapping;
use super::outcome::{Outcome, answer, missing_elsewhere};
use super::subrequest::{Subrequest, is_server};
use super::walk::{self, Found, SectionRef, Walked};
use super::walk_cache::WalkCache;
use crate::httpd::model::answer::Run;
use crate::httpd::model::fastcgi;
use crate::httpd::model::rewrite::Forced;
use std::borrow::Cow;
use std::rc::Rc;

impl<'c, 't> Subrequest<'c, 't> {
    /// Another server has the request: its answer, or a run as whoever asks takes it.
    pub(super) fn passed_on(
        &self,
        to: Vec<u8>,
        because: String,
        sections: Vec<SectionRef<'c>>,
        past: WalkCache<'c>,
    ) -> Outcome<'c, 't> {
        if self.context.passing == Passing::Answers {
            return answer(self, 0, because, &sections, past);
        }
        let handler = Some([b"proxy:", &to[..]].concat().into());
        let place = mapping::Place {
            filename: to,
            uri: self.uri.clone(),
            query: self.query.clone(),
            forced: Forced { handler, media_type: None },
            passed: true,
            ..mapping::Place::default()
        };
        self.passed(place, sections)
    }

    /// The request is passed on: FastCGI runs the file that it is given.
    pub(super) fn passed(&self, place: mapping::Place, sections: Vec<SectionRef<'c>>) -> Outcome<'c, 't> {
        let mut subrequest = self.clone();
        let whole = place.filename.clone();
        let (filename, path_info) = match place.forced.handler.as_deref().filter(|handler| is_here(handler)) {
            None => (place.filename, Vec::new()),
            Some(_) => match self.script(&place.filename) {
                Some(found) => found,
                None => return missing_elsewhere(&place.filename, WalkCache::default()),
            },
        };
        (subrequest.forced, subrequest.uri, subrequest.query) = (place.forced, place.uri, place.query);
        let walked = Walked {
            servers: sections.len(),
            sections,
            directory: Vec::new(),
            filename,
            path_info,
            found: Found::File,
            options: 0,
        };
        subrequest.late_env(&walked);
        subrequest.late_headers(&walked);
        Outcome::Run(subrequest.made_of(&walked, (&whole, b"")))
    }

    /// The file that FPM finds on a path, and what follows it.
    pub(super) fn script(&self, path: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        let ends = std::iter::once(path.len()).chain(memchr::memrchr_iter(b'/', path));
        let found = ends.take_while(|&end| end > 0).find(|&end| self.context.stat(&path[..end]) == Found::File)?;
        Some((path[..found].to_vec(), path[found..].to_vec()))
    }

    /// The document root in force. `VirtualDocumentRoot` names it where it has mapped the request: not before, and not below an alias.
    pub(super) fn document_root(&self) -> Cow<'_, [u8]> {
        if let Some(given) = self.asked.document_root {
            return Cow::Borrowed(given);
        }
        let mapped = !self.unmapped && !self.filename.is_empty() && self.alias_context.root.is_empty();
        let named = mapped.then(|| mapping::virtual_root(&self.context, self.asked.server, self)).flatten();
        named.map_or_else(|| Cow::Borrowed(self.context.document_root(self.asked.server)), Cow::Owned)
    }

    pub(super) fn made(&self, walked: &Walked<'c>) -> Run {
        self.made_of(walked, (&walked.filename, &walked.path_info))
    }

    /// The run; `handed`: the path that a proxy is given, and what follows it.
    fn made_of(&self, walked: &Walked<'c>, handed: (&[u8], &[u8])) -> Run {
        let mut run = super::run(&self.context, self.asked.server, self.asked, walked);
        run.document_root = self.document_root().into_owned();
        (run.handler, run.status) = (self.handler(walked), self.status.unwrap_or(200));
        // Only a proxy handler hands variables over.
        let Some(server) = run.handler.as_deref().and_then(|handler| handler.strip_prefix(b"proxy:")) else {
            return run;
        };
        let cores = walked.sections.iter().filter_map(|section| section.get().core.as_deref());
        let server = memchr::memchr(b'|', server).map_or(server, |at| &server[at + 1..]);
        let mut own = self.clone();
        (own.filename, own.path_info) = (handed.0.to_vec(), handed.1.to_vec());
        own.handing = Some(Rc::new(Handing {
            script: [b"proxy:", server, handed.0].concat(),
            signed: cores.clone().filter_map(|core| core.signed).next_back().unwrap_or(false),
        }));
        own.kind = Some(Rc::new(FileKind {
            handler: if walked.directory.is_empty() {
                b"proxy-server".to_vec()
            } else {
                run.handler.clone().unwrap_or_default()
            },
            media: self.media(walked),
        }));
        run.variables = fastcgi::variables(cores, &own, &mut run.notes);
        run
    }
}

/// `<Files>` counts for what is passed on, too, by the last name of its URL; directories do not.
pub(super) fn with_files<'c>(memo: &Memo, mut sections: Vec<SectionRef<'c>>, url: &[u8]) -> Vec<SectionRef<'c>> {
    let servers = sections.iter().take_while(|section| is_server(section.get().layer)).count();
    let met = walk::files(memo, &sections[..servers], url, &mut Vec::new());
    sections.splice(servers..servers, met);
    sections
}

/// Whether a FastCGI server is on this machine, and sees the same files.
fn is_here(handler: &[u8]) -> bool {
    let Some(to) = handler.strip_prefix(b"proxy:") else { return false };
    let host = to.strip_prefix(b"fcgi://").unwrap_or_default();
    to.starts_with(b"unix:") || [&b"localhost"[..], b"127.", b"[::1]"].iter().any(|start| host.starts_with(start))
}
