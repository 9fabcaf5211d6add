//! One pass over a URI: mapping, sections, access, and who answers (facts ).

use super::evaluate::Truth;
use super::extension::{by_extension, media_type};
use super::mapping::{self, Context, Mapped};
use super::merges::{Kind, Merged, Past, Walks};
use super::request::Asked;
use super::resolve::{self, Engine};
use super::section::{AuthMerging, Core, ErrorPage, Text, options};
use super::walk::{self, Denied, Found, Ref, Walked};
use super::{Layer, Run, fastcgi, if_walk, uri};

/// Subrequests inside subrequests.
const MAX_DEPTH: u32 = 10;

/// A URI that is being answered.
#[derive(Clone)]
pub(super) struct Visit<'c, 't> {
    pub engine: Engine<'c>,
    pub asked: &'t Asked<'t>,
    pub uri: Vec<u8>,
    pub query: Option<Vec<u8>>,
    pub filename: Vec<u8>,
    pub path_info: Vec<u8>,
    /// The file that the caller knows.
    pub given: Option<Vec<u8>>,
    pub method: Option<&'static [u8]>,
    /// What an error page is shown for.
    pub failed: bool,
    /// What an alias or a user's directory stands for.
    pub context: Context,
    pub depth: u32,
    /// Per-directory rewriting is over (`[END]`).
    pub ended: bool,
    pub handler: Option<Box<[u8]>>,
    /// Conditions are asked before there is a file.
    pub unmapped: bool,
    walks: Walks<'c>,
    /// What `SetEnv` gave the request that this is a subrequest of.
    pub env: Vec<(Text, Text)>,
    /// What the request before ended with, where access was decided.
    decided: Option<u32>,
}

/// What came of a pass.
pub(super) enum Outcome<'c, 't> {
    Run(Run),
    /// Another URI answers.
    Again {
        next: Box<Visit<'c, 't>>,
        past: Past<'c>,
    },
    Answer {
        status: u16,
        because: String,
        location: Option<Vec<u8>>,
        page: Option<ErrorPage>,
        past: Past<'c>,
    },
}

impl<'c, 't> Outcome<'c, 't> {
    /// An error before any section was looked at.
    pub fn server_error(visit: &Visit<'c, 't>, status: u16, because: &str) -> Self {
        let sections = visit.engine.layers(visit.asked.server).filter_map(|server| server.section.core.as_deref());
        let page = error_page(sections, status);
        let past = Past { walked: None, walks: visit.walks.clone() };
        Outcome::Answer { status, because: because.into(), location: None, page, past }
    }
}

fn answer<'c, 't>(status: u16, because: String, sections: &[Ref<'c>], past: Past<'c>) -> Outcome<'c, 't> {
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

/// The containers of a walk that say more than values, weakest first.
fn outer_first<'w>(walked: &'w Walked<'_>) -> impl Iterator<Item = (Layer, &'w Core)> {
    walked.sections.iter().filter_map(|section| Some((section.get().layer, section.get().core.as_deref()?)))
}

impl<'c, 't> Visit<'c, 't> {
    pub fn new(engine: Engine<'c>, asked: &'t Asked<'t>, uri: Vec<u8>, query: Option<Vec<u8>>) -> Self {
        Self {
            engine,
            asked,
            uri,
            query,
            filename: Vec::new(),
            path_info: Vec::new(),
            given: None,
            method: None,
            failed: false,
            context: Context::default(),
            depth: 0,
            ended: false,
            handler: None,
            unmapped: false,
            walks: Walks::default(),
            env: Vec::new(),
            decided: None,
        }
    }

    /// A visit to another URI of this server; none: its path is broken.
    fn other(&self, target: &[u8]) -> Option<Self> {
        let parsed = uri::parse(target, true, uri::Slashes::Refuse).ok()?;
        let mut next = Self::new(self.engine, self.asked, parsed.path, parsed.query);
        next.depth = self.depth;
        next.ended = self.ended;
        Some(next)
    }

    /// A visit to an error page.
    pub fn page(&self, target: Box<[u8]>) -> Self {
        let mut next = self.other(&target).unwrap_or_else(|| Self::new(self.engine, self.asked, b"/".to_vec(), None));
        next.method = Some(b"GET");
        next.failed = true;
        next
    }

    pub fn run(&mut self, before: Option<&Past<'c>>, notes: &mut Vec<String>) -> Outcome<'c, 't> {
        let server = self.asked.server;
        let known = self.given.is_some();
        self.walks = Walks::after(before.map(|past| &past.walks));
        self.decided = before.map(|past| past.walks.number);
        if let Some(given) = self.given.take() {
            self.filename = given;
        } else {
            let located = self.engine.data.early.then(|| {
                // Twice, as httpd: before the URI is decoded and after.
                self.locate();
                self.locate()
            });
            let sections = located.as_ref().map_or(&[][..], |located| &located.sections);
            let (query, sub) = (self.query.as_deref(), self.depth > 0);
            match mapping::map(&self.engine, server, &self.uri, query, sub, sections, self) {
                Mapped::File { filename, uri, query, handler, context } => {
                    (self.filename, self.uri, self.query, self.handler) = (filename, uri, query, handler);
                    self.context = context;
                }
                Mapped::Redirect { status, to, because } => return self.redirected(status, to, because),
                Mapped::Answer { status, because } => {
                    let located = located.unwrap_or_else(|| self.locate());
                    let past = Past { walked: None, walks: self.walks.clone() };
                    return answer(status, because, &located.sections, past);
                }
            }
        }
        let filename = std::mem::take(&mut self.filename);
        let reusable = before.and_then(|past| past.walked.as_ref());
        self.walks.number = 0;
        let mut walked = match walk::directories(&self.engine, server, &filename, known, reusable, notes) {
            Ok(walked) => walked,
            Err(denied) => return self.denied(denied),
        };
        // What a later request in the same directory may reuse; nothing comes later where the file is known.
        let bare = if known { None } else { Some(walked.clone()) };
        (self.filename, self.path_info) = (walked.filename.clone(), walked.path_info.clone());
        self.merge(&mut walked, notes);
        let Some(bare) = bare else { return Outcome::Run(self.made(&walked)) };
        let bare = Past { walked: Some(bare), walks: self.walks.clone() };
        if let Some(answer) = self.refused(&walked, &bare, notes) {
            return answer;
        }
        self.fixups(walked, bare, notes)
    }

    /// The walks that come before mapping, which has no file yet: they decide error pages, and what later walks remember.
    fn locate(&mut self) -> Merged<'c> {
        let servers = [Some(self.engine.main()), self.engine.host(self.asked.server)].into_iter().flatten();
        let ground = Merged { number: 0, sections: servers.map(|server| Ref::Conf(&server.section)).collect() };
        self.unmapped = true;
        // What is odd about them is said when they count.
        let merged = self.located(ground, &mut Vec::new());
        self.unmapped = false;
        merged
    }

    fn located(&mut self, mut merged: Merged<'c>, notes: &mut Vec<String>) -> Merged<'c> {
        let server = self.asked.server;
        if self.engine.layers(server).any(|server| !server.locations.is_empty()) {
            let met = walk::locations(&self.engine, server, &self.uri, notes);
            merged = self.walks.join(Kind::Location, met, merged).0;
        }
        let mut walks = std::mem::take(&mut self.walks);
        let merged = if_walk::conditions(&mut walks, merged, self, notes);
        self.walks = walks;
        merged
    }

    /// Everything in merge order.
    fn merge(&mut self, walked: &mut Walked<'c>, notes: &mut Vec<String>) {
        let mut ground = std::mem::take(&mut walked.sections);
        let met = ground.split_off(walked.servers);
        let mut merged = self.walks.join(Kind::Directory, met, Merged { number: 0, sections: ground }).0;
        if merged.sections.iter().any(|section| !section.get().files.is_empty()) {
            let met = walk::files(&merged.sections, &walked.filename, notes);
            merged = self.walks.join(Kind::Files, met, merged).0;
        }
        walked.sections = self.located(merged, notes).sections;
    }

    fn made(&self, walked: &Walked<'c>) -> Run {
        let mut run = resolve::run(&self.engine, self.asked.server, self.asked, walked);
        run.handler = self.handler(walked);
        // Only a handler that passes the request on hands anything over.
        if run.handler.as_deref().is_some_and(|handler| handler.starts_with(b"proxy:")) {
            let cores = walked.sections.iter().filter_map(|section| section.get().core.as_deref());
            run.variables = fastcgi::variables(cores, self, &mut run.notes);
        }
        run
    }

    pub(super) fn redirected(&self, status: u16, to: Option<Vec<u8>>, because: String) -> Outcome<'c, 't> {
        let location = to.map(|to| if to.starts_with(b"/") { self.absolute(&to) } else { to });
        Outcome::Answer { status, because, location, page: None, past: Past::default() }
    }

    fn absolute(&self, path: &[u8]) -> Vec<u8> {
        let authority = self.asked.authority(&self.engine, self.depth > 0);
        [self.asked.scheme, b"://", &authority, path].concat()
    }

    fn denied(&self, denied: Denied) -> Outcome<'c, 't> {
        Outcome::server_error(self, denied.status, &denied.because)
    }

    pub(super) fn answer(&self, status: u16, because: String, walked: &Walked<'c>, bare: Past<'c>) -> Outcome<'c, 't> {
        answer(status, because, &walked.sections, bare)
    }

    /// `Require`, `Allow` and `Deny`.
    fn refused(&self, walked: &Walked<'c>, bare: &Past<'c>, notes: &mut Vec<String>) -> Option<Outcome<'c, 't>> {
        // httpd does not ask again where the request before had the same configuration, not even after a refusal.
        if self.decided == Some(self.walks.number) {
            return None;
        }
        let mut verdict: Option<(Truth, String)> = None;
        for section in &walked.sections {
            let section = section.get();
            let Some(core) = &section.core else { continue };
            let Some(requires) = &core.requires else { continue };
            let own = requires.check(self);
            let place = section.origin.to_string();
            let merged = match (core.auth_merging, verdict.take()) {
                (Some(AuthMerging::And), Some((Truth::No, outer))) => (Truth::No, outer),
                (Some(AuthMerging::Or), Some((Truth::Yes, outer))) => (Truth::Yes, outer),
                _ => (own, place),
            };
            verdict = Some(merged);
        }
        let legacy = walked.sections.iter().rev().find_map(|section| {
            let section = section.get();
            let legacy = section.core.as_ref()?.legacy.as_ref()?;
            Some((legacy.check(self), section.origin.to_string()))
        });
        for (truth, place) in verdict.into_iter().chain(legacy) {
            match truth {
                Truth::Yes => {}
                Truth::No => {
                    let because = format!("{place}: access is denied (Require, or Order, Allow and Deny)");
                    return Some(self.answer(403, because, walked, bare.clone()));
                }
                Truth::Unknown(why) => notes.push(format!("{place}: access depends on {why}; taken as granted")),
            }
        }
        None
    }

    fn fixups(&mut self, walked: Walked<'c>, bare: Past<'c>, notes: &mut Vec<String>) -> Outcome<'c, 't> {
        if let Some(outcome) = self.rewrite(&walked, &bare) {
            return outcome;
        }
        for section in walked.sections.iter().rev() {
            // A server's own redirects were looked at before mapping.
            let section = section.get();
            let Some(core) =
                section.core.as_ref().filter(|_| !matches!(section.layer, Layer::Server | Layer::VirtualHost))
            else {
                continue;
            };
            match mapping::redirect(&core.redirects, &self.uri, self.query.as_deref()) {
                Some(Mapped::Redirect { status, to, because }) => return self.redirected(status, to, because),
                Some(Mapped::Answer { status, because }) => return self.answer(status, because, &walked, bare),
                _ => {}
            }
        }
        match walked.found {
            Found::Directory => self.directory(walked, bare, notes),
            found => self.file(walked, bare, found),
        }
    }

    /// A directory: the slash, the index files, the fallback.
    fn directory(&self, walked: Walked<'c>, bare: Past<'c>, notes: &mut Vec<String>) -> Outcome<'c, 't> {
        let cores = || walked.sections.iter().rev().filter_map(|section| section.get().core.as_deref());
        let has_dir = self.engine.data.registry.is_loaded(b"mod_dir.c");
        if !self.uri.ends_with(b"/") {
            return self.slash(&walked).unwrap_or_else(|| {
                let missing = (404, "the URI of a directory has no slash at its end");
                let (status, because) = self.method_answer().unwrap_or(missing);
                self.answer(status, because.into(), &walked, bare)
            });
        }
        let default: [Box<[u8]>; 1] = [Box::from(&b"index.html"[..])];
        let names = cores().find_map(|core| core.index.as_deref()).unwrap_or(&default);
        let mut worst: Option<(u16, String, Option<Vec<u8>>)> = None;
        for name in names.iter().filter(|_| has_dir) {
            let target =
                if name.starts_with(b"/") { name.to_vec() } else { [&uri::escape(&self.uri)[..], name].concat() };
            match self.sub(&target, &walked, &bare, notes) {
                Some(Outcome::Answer { status, because, location, .. }) if status != 404 => {
                    if (300..400).contains(&status) {
                        return Outcome::Answer { status, because, location, page: None, past: Past::default() };
                    }
                    worst = Some((status, because, location));
                }
                Some(Outcome::Run(run)) => return Outcome::Run(run),
                Some(Outcome::Again { next, past }) => return Outcome::Again { next, past },
                _ => {}
            }
        }
        if let Some((status, because, _)) = worst {
            return self.answer(status, because, &walked, bare);
        }
        if self.handler(&walked).is_some_and(|handler| handler.ends_with(b"x-httpd-php")) {
            return self.answer(403, "a directory cannot be run as a script".into(), &walked, bare);
        }
        if self.engine.data.registry.is_loaded(b"mod_autoindex.c") {
            if walked.options & options::INDEXES != 0 {
                return self.answer(200, "mod_autoindex lists the directory; no program runs".into(), &walked, bare);
            }
            return self.answer(
                403,
                "the directory has no index file, and Options does not allow Indexes".into(),
                &walked,
                bare,
            );
        }
        match self.method_answer() {
            Some((status, because)) => self.answer(status, because.into(), &walked, bare),
            None => self.answer(404, "the directory has no index file".into(), &walked, bare),
        }
    }

    /// The redirect that gives a directory's URI its slash; none: it has one, or nobody gives it.
    pub(super) fn slash(&self, walked: &Walked<'c>) -> Option<Outcome<'c, 't>> {
        let mut cores = walked.sections.iter().rev().filter_map(|section| section.get().core.as_deref());
        let has_dir = self.engine.data.registry.is_loaded(b"mod_dir.c");
        let wanted = has_dir && cores.find_map(|core| core.index_slash).unwrap_or(true);
        if self.uri.ends_with(b"/") || !wanted {
            return None;
        }
        let mut to = uri::escape(&self.uri);
        to.push(b'/');
        if let Some(query) = &self.query {
            to = [&to[..], b"?", query].concat();
        }
        Some(self.redirected(301, Some(to), "the directory's URI gets a slash (DirectorySlash)".into()))
    }

    /// A subrequest, followed through its own internal redirects.
    fn sub(
        &self,
        target: &[u8],
        walked: &Walked<'c>,
        bare: &Past<'c>,
        notes: &mut Vec<String>,
    ) -> Option<Outcome<'c, 't>> {
        let mut next = self.other(target)?;
        next.env.clone_from(&self.env);
        next.env.extend(walked.sections.iter().filter_map(|s| s.get().core.as_ref()).flat_map(|core| core.env.clone()));
        next.depth = self.depth + 1;
        next.method = Some(b"GET");
        next.failed = self.failed;
        if next.depth > MAX_DEPTH {
            let because =
                format!("More than {MAX_DEPTH} subrequests inside one another: DirectoryIndex leads to itself");
            return Some(Outcome::Answer { status: 500, because, location: None, page: None, past: Past::default() });
        }
        if next.query.is_none() {
            next.query.clone_from(&self.query);
        }
        Some(next.run(Some(bare), notes))
    }

    fn fallback(&self, walked: &Walked<'c>, bare: &Past<'c>, notes: &mut Vec<String>) -> Option<Outcome<'c, 't>> {
        let mut cores = walked.sections.iter().rev().filter_map(|section| section.get().core.as_deref());
        let (target, _) = cores.find_map(|core| core.fallback.as_ref())?;
        let target = target.as_ref()?;
        if !self.engine.data.registry.is_loaded(b"mod_dir.c") || **target == *self.uri {
            return None;
        }
        match self.sub(target, walked, bare, notes)? {
            Outcome::Answer { status: 404, .. } => None,
            other => Some(other),
        }
    }

    /// The handler in force, or else the media type that some directive gives, or the types file where it makes a program of it.
    fn handler(&self, walked: &Walked<'c>) -> Option<Vec<u8>> {
        let cores = || walked.sections.iter().rev().filter_map(|section| section.get().core.as_deref());
        self.set_handler(walked).or_else(|| match cores().find_map(|core| core.force_type.as_ref()) {
            Some(forced) => forced.as_ref().map(|kind| kind.to_vec()),
            None => media_type(&walked.filename, &self.engine.data.types, || cores().map(|core| &core.types)),
        })
    }

    /// The handler, with `SetHandler` before extensions.
    fn set_handler(&self, walked: &Walked<'c>) -> Option<Vec<u8>> {
        if let Some(handler) = &self.handler {
            return Some(handler.to_vec());
        }
        let cores = || walked.sections.iter().rev().filter_map(|section| section.get().core.as_deref());
        if let Some(Some(handler)) = cores().find_map(|core| core.set_handler.as_ref()) {
            return Some(handler.to_vec());
        }
        by_extension(&walked.filename, || outer_first(walked)).map(<[u8]>::to_vec)
    }

    /// What httpd says to methods that a plain file does not take.
    fn method_answer(&self) -> Option<(u16, &'static str)> {
        const KNOWN: &[&[u8]] = &[
            b"PUT",
            b"DELETE",
            b"CONNECT",
            b"PATCH",
            b"PROPFIND",
            b"PROPPATCH",
            b"MKCOL",
            b"COPY",
            b"MOVE",
            b"LOCK",
            b"UNLOCK",
        ];
        match self.method.unwrap_or(self.asked.method) {
            b"GET" | b"HEAD" | b"POST" => None,
            b"OPTIONS" => Some((200, "httpd answers OPTIONS by itself")),
            b"TRACE" => Some((200, "httpd answers TRACE by itself")),
            known if KNOWN.contains(&known) => Some((405, "the method is not allowed on a plain file")),
            _ => Some((501, "the method is not known")),
        }
    }

    fn file(&self, walked: Walked<'c>, bare: Past<'c>, found: Found) -> Outcome<'c, 't> {
        let mut notes = Vec::new();
        if found == Found::Missing
            && self.set_handler(&walked).is_none()
            && let Some(outcome) = self.fallback(&walked, &bare, &mut notes)
        {
            return outcome;
        }
        let cores = || walked.sections.iter().rev().filter_map(|section| section.get().core.as_deref());
        let handler = self.handler(&walked);
        if let Some(handler) = &handler {
            let actions = cores().flat_map(|core| core.actions.iter().rev());
            let action = actions.into_iter().find(|(name, ..)| **name == **handler);
            if let Some((_, script, anyway)) = action.filter(|(.., anyway)| found == Found::File || *anyway) {
                let _ = anyway;
                let target = [&script[..], &uri::escape(&self.uri)].concat();
                if let Some(mut next) = self.other(&target) {
                    next.query.clone_from(&self.query);
                    return Outcome::Again { next: Box::new(next), past: bare };
                }
            }
        }
        if handler.as_deref().is_none_or(|handler| handler == b"default-handler")
            && let Some((status, because)) = self.method_answer()
        {
            return self.answer(status, because.into(), &walked, bare);
        }
        if found == Found::Missing {
            let mut because = format!("{} does not exist", String::from_utf8_lossy(&walked.filename));
            because.push_str(&self.engine.root_trouble(self.asked.server, &walked.filename));
            return self.answer(404, because, &walked, bare);
        }
        let accept = cores().find_map(|core| core.path_info).flatten();
        let program = handler.is_some() && handler.as_deref() != Some(b"default-handler");
        if !walked.path_info.is_empty() && !accept.unwrap_or(program) {
            return self.answer(
                404,
                "the URI goes on behind a file that takes no path (AcceptPathInfo)".into(),
                &walked,
                bare,
            );
        }
        Outcome::Run(self.made(&walked))
    }
}
