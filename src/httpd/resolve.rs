//! One request, from its target to the containers that take part.

use super::data::Data;
use super::htaccess::Memo;
use super::merges::Past;
use super::request::Asked;
use super::section::{ErrorPage, Section};
use super::server::Server;
use super::visit::{MAX_REDIRECTS, Outcome, Visit};
use super::walk::{Found, Walked, path_of};
use super::{Container, Resolution, Run, uri};
use crate::error::Result;
use crate::files::{Files, Kind};
use crate::target::Target;
use std::os::unix::ffi::OsStrExt;

/// What every step needs.
#[derive(Clone, Copy)]
pub(super) struct Engine<'c> {
    pub data: &'c Data,
    pub files: &'c dyn Files,
    pub memo: &'c Memo,
}

impl<'c> Engine<'c> {
    pub fn main(&self) -> &'c Server {
        &self.data.servers[0]
    }

    /// A virtual host; none for the main server.
    pub fn host(&self, server: usize) -> Option<&'c Server> {
        if server == 0 { None } else { self.data.servers.get(server) }
    }

    /// The host's settings, then the main server's.
    pub fn layers(&self, server: usize) -> impl Iterator<Item = &'c Server> {
        [self.host(server), Some(self.main())].into_iter().flatten()
    }

    pub fn document_root(&self, server: usize) -> &'c [u8] {
        let set = self.layers(server).find_map(|server| server.document_root.as_deref());
        set.unwrap_or(&self.data.default_document_root)
    }

    /// What to do where a file is missing because the document root itself is; empty: that is not why.
    pub fn root_trouble(&self, server: usize, filename: &[u8]) -> String {
        let root = self.document_root(server);
        let bare = root.strip_suffix(b"/").unwrap_or(root);
        // What is missing may be what the root is in.
        let apart = !filename.starts_with(bare) && !bare.starts_with(filename);
        if apart || matches!(self.files.kind(path_of(root)), Ok(Kind::Directory)) {
            return String::new();
        }
        let shown = String::from_utf8_lossy(root);
        match self.layers(server).any(|server| server.document_root.is_some()) {
            true => {
                format!(
                    "; its DocumentRoot {shown} is no directory: create it, or give the file of the request (filename)"
                )
            }
            false => format!(
                "; no DocumentRoot is set, and {shown}, which stands for it, is not there: set DocumentRoot, or give the \
                 file of the request (filename)"
            ),
        }
    }

    pub fn access_names(&self, server: usize) -> Option<&'c [Box<[u8]>]> {
        self.layers(server).find_map(|server| server.access_names.as_deref())
    }

    pub fn root(&self) -> Vec<u8> {
        self.data.root.as_os_str().as_bytes().to_vec()
    }

    /// What a path is; a file does not end in a slash.
    pub fn stat(&self, path: &[u8]) -> Found {
        match self.files.kind(path_of(path)) {
            Ok(Kind::File) if !path.ends_with(b"/") => Found::File,
            Ok(Kind::Directory) => Found::Directory,
            _ => Found::Missing,
        }
    }
}

/// Answers for one target.
pub(super) fn resolve(data: &Data, files: &dyn Files, target: &Target<'_>) -> Result<Resolution> {
    let memo = Memo::default();
    let engine = Engine { data, files, memo: &memo };
    let asked = match Asked::new(&engine, target) {
        Ok(asked) => asked,
        Err((status, because)) => return Ok(Resolution::Answer { status, because: because.into(), location: None }),
    };
    let server = asked.server;
    if target.uri.is_none() && target.filename.is_none() {
        return Ok(Resolution::Run(of_server(&engine, &asked)));
    }
    if target.filename.is_none() && asked.method == b"OPTIONS" && uri::is_server(asked.target) {
        // Of the server itself: no section is looked at.
        let because = "httpd answers OPTIONS by itself".into();
        return Ok(Resolution::Answer { status: 200, because, location: None });
    }
    let own = |find: fn(&Server) -> Option<bool>| engine.layers(server).find_map(find);
    let merge = own(|server| server.merge_slashes).unwrap_or(true);
    // Not inherited from the main server.
    let encoded = engine.host(server).unwrap_or(engine.main()).encoded_slashes.unwrap_or_default();
    let parsed = uri::parse(target.uri.unwrap_or(b"/"), merge, encoded);
    let (path, query, early) = match parsed {
        Ok(parsed) => (parsed.path, parsed.query, None),
        Err(answer) => (b"/".to_vec(), None, Some(answer)),
    };
    let mut visit = Visit::new(engine, &asked, path, query);
    visit.given = target.filename.map(<[u8]>::to_vec);
    let mut notes = Vec::new();
    let mut before: Option<Past<'_>> = None;
    let mut failed: Option<(u16, String, Option<Vec<u8>>)> = None;
    for _ in 0..=MAX_REDIRECTS {
        let outcome = match early.filter(|_| failed.is_none()) {
            Some((status, because)) => Outcome::server_error(&visit, status, because),
            None => visit.clone().run(before.as_ref(), &mut notes),
        };
        match outcome {
            Outcome::Run(mut run) => {
                run.notes.splice(..0, std::mem::take(&mut notes));
                run.status = failed.map_or(200, |(status, ..)| status);
                return Ok(Resolution::Run(run));
            }
            Outcome::Again { next, past } => {
                visit = *next;
                before = Some(past);
            }
            Outcome::Answer { status, because, location, page, past } => {
                if let Some((status, because, location)) = failed {
                    return Ok(Resolution::Answer { status, because, location });
                }
                let page = match page {
                    Some(ErrorPage::Local(page)) => page,
                    Some(ErrorPage::Elsewhere(url)) => {
                        let because = format!("{because}; ErrorDocument {status} redirects");
                        return Ok(Resolution::Answer { status: 302, because, location: Some(url.into()) });
                    }
                    _ => return Ok(Resolution::Answer { status, because, location }),
                };
                failed = Some((status, because, location));
                visit = visit.page(&page, status);
                before = Some(past);
            }
        }
    }
    let because = format!("More than {MAX_REDIRECTS} internal redirects: a rewrite or ErrorDocument leads to itself");
    Ok(Resolution::Answer { status: 500, because, location: None })
}

/// What holds for a whole server: nothing in particular was asked for, so nothing is looked for.
fn of_server(engine: &Engine<'_>, asked: &Asked<'_>) -> Run {
    let server = asked.server;
    let own = [Some(engine.main()), engine.host(server)].into_iter().flatten().map(|server| &server.section);
    let container = |section: &Section| {
        let values = std::sync::Arc::clone(&section.values);
        Container { layer: section.layer, origin: section.origin.clone(), values }
    };
    let name = engine.layers(server).find_map(|server| server.name.as_deref()).unwrap_or_default();
    Run {
        filename: Vec::new(),
        path_info: Vec::new(),
        document_root: asked.document_root.unwrap_or(engine.document_root(server)).to_vec(),
        server_name: name.to_vec(),
        containers: own.filter(|section| !section.values.is_empty()).map(container).collect(),
        status: 200,
        handler: None,
        variables: Vec::new(),
        program: None,
        notes: Vec::new(),
    }
}

/// The run of a file.
pub(super) fn run(engine: &Engine<'_>, server: usize, asked: &Asked<'_>, walked: &Walked<'_>) -> Run {
    let mut containers = Vec::with_capacity(walked.sections.len());
    for section in &walked.sections {
        let section: &Section = section.get();
        if !section.values.is_empty() {
            let values = std::sync::Arc::clone(&section.values);
            containers.push(Container { layer: section.layer, origin: section.origin.clone(), values });
        }
    }
    let name = engine.layers(server).find_map(|server| server.name.as_deref()).unwrap_or_default();
    Run {
        filename: walked.filename.clone(),
        path_info: walked.path_info.clone(),
        document_root: asked.document_root.unwrap_or(engine.document_root(server)).to_vec(),
        server_name: name.to_vec(),
        containers,
        status: 200,
        handler: None,
        variables: Vec::new(),
        program: None,
        notes: Vec::new(),
    }
}
