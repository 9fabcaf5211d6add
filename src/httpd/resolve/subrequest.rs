//! One pass over a URI: mapping, sections, access, and what modules prepare before somebody answers (facts ).

use super::cgi_vars::Handing;
use super::context::ResolveContext;
use super::file_kind::FileKind;
use super::if_walk;
use super::mapping::{self, AliasContext, Mapped};
use super::negotiation::Chosen;
use super::outcome::{Looked, Outcome, Ready, answer, missing_elsewhere};
use super::passing::with_files;
use super::redirects;
use super::request::Asked;
use super::walk::{self, Denied, Found, SectionRef, Walked};
use super::walk_cache::{Kind, Merged, WalkCache, Walks};
use crate::httpd::expression::evaluate::RequestVariables;
use crate::httpd::model::answer::ServerLayer;
use crate::httpd::model::auth::Login;
use crate::httpd::model::env::{Env, SetEnv};
use crate::httpd::model::request_header::Headers;
use crate::httpd::model::rewrite::Forced;
use crate::httpd::model::section::{Core, Matcher, options, options_below};
use crate::httpd::syntax::uri;
use std::cell::RefCell;
use std::rc::Rc;

/// One URI that is being resolved: the request itself, a subrequest, or an internal redirect.
#[derive(Clone)]
pub(super) struct Subrequest<'c, 't> {
    pub context: ResolveContext<'c>,
    pub asked: &'t Asked<'t>,
    pub uri: Vec<u8>,
    pub query: Option<Vec<u8>>,
    pub filename: Vec<u8>,
    pub path_info: Vec<u8>,
    /// The file, where the caller named it.
    pub given: Option<Vec<u8>>,
    pub method: Option<&'static [u8]>,
    /// The status that a rule or an error has given it before anybody answers; none: 200.
    pub status: Option<u16>,
    /// It serves an error page, or belongs to a request that does.
    pub failed: bool,
    /// The target of an alias or a user's directory.
    pub alias_context: AliasContext,
    pub depth: u32,
    /// How many internal redirects came before.
    pub redirects: u32,
    /// In a subrequest: the URI of the request that made it.
    pub outer: Option<Vec<u8>>,
    /// Rewriting is over (`[END]`).
    pub ended: bool,
    pub forced: Forced,
    /// `ScriptAlias` leads here.
    pub script: bool,
    /// Conditions are being evaluated before there is a file.
    pub unmapped: bool,
    pub walks: Walks<'c>,
    /// The environment; copies of a request share it.
    pub env: Rc<RefCell<Env>>,
    /// The headers, once a line has changed them; copies of a request and what it redirects to share them.
    pub headers: Rc<RefCell<Option<Headers>>>,
    /// The number of the configuration with which access was checked in the previous request.
    decided: Option<u32>,
    /// It is being handed to a FastCGI server: the variables of CGI exist.
    pub handing: Option<Rc<Handing>>,
    /// The URI and the query before the internal redirect.
    pub before: Option<Rc<UriBefore>>,
    /// Who has logged in.
    pub login: RefCell<Option<Login>>,
    /// Who had logged in in the request before: that counts where access is not checked again.
    pub inherited: Option<Login>,
    /// The handler and the media type, once access is decided.
    pub kind: Option<Rc<FileKind>>,
    /// A type map led here.
    pub mapped: bool,
    /// `Action` led here: the script that it is for.
    pub acting: bool,
}

/// The URI and the query of an earlier request.
pub(super) type UriBefore = (Vec<u8>, Option<Vec<u8>>);

/// Subrequests inside subrequests.
const MAX_DEPTH: u32 = 10;
/// Internal redirects of one request; httpd's own limit.
pub(super) const MAX_REDIRECTS: u32 = 10;
/// The cost of one subrequest, against the budget of a request.
const STEPS_OF_A_SUBREQUEST: u32 = 2_000;

/// The containers of a walk that set more than PHP values, weakest first.
pub(super) fn outer_first<'w>(walked: &'w Walked<'_>) -> impl Iterator<Item = (ServerLayer, &'w Core)> {
    walked.sections.iter().filter_map(|section| Some((section.get().layer, section.get().core.as_deref()?)))
}

impl<'c, 't> Subrequest<'c, 't> {
    pub fn new(context: ResolveContext<'c>, asked: &'t Asked<'t>, uri: Vec<u8>, query: Option<Vec<u8>>) -> Self {
        Self {
            context,
            asked,
            uri,
            query,
            filename: Vec::new(),
            path_info: Vec::new(),
            given: None,
            method: None,
            status: None,
            failed: false,
            alias_context: AliasContext::default(),
            depth: 0,
            redirects: 0,
            outer: None,
            ended: false,
            forced: Forced::default(),
            script: false,
            unmapped: false,
            walks: Walks::default(),
            env: Rc::default(),
            headers: Rc::default(),
            decided: None,
            handing: None,
            before: None,
            login: RefCell::default(),
            inherited: None,
            kind: None,
            acting: false,
            mapped: false,
        }
    }

    /// The internal redirect to another URI of this server; `None`: its path is broken.
    pub fn other(&self, target: &[u8], status: u16) -> Option<Self> {
        let parsed = uri::parse_own(target).ok()?;
        let mut next = Self::new(self.context, self.asked, parsed.path, parsed.query);
        (next.ended, next.status) = (self.ended, self.status);
        next.redirects = self.redirects + 1;
        next.env = Rc::new(RefCell::new(self.env.borrow().redirected(status)));
        next.headers = Rc::clone(&self.headers);
        next.inherited = self.login.borrow().clone();
        next.before = Some(Rc::new((self.uri.clone(), self.query.clone())));
        Some(next)
    }

    /// The internal redirect to an error page; `None`: its path is broken.
    pub fn page(&self, target: &[u8], status: u16) -> Option<Self> {
        let mut next = self.other(target, status)?;
        next.method = Some(b"GET");
        (next.failed, next.status) = (true, Some(status));
        Some(next)
    }

    pub fn run(self, before: Option<&WalkCache<'c>>, notes: &mut Vec<String>) -> Outcome<'c, 't> {
        match self.look_up(before, notes) {
            Ok(ready) => ready.answered(),
            Err(outcome) => *outcome,
        }
    }

    /// Everything up to the handler; a subrequest gets this far, too.
    pub fn look_up(
        mut self,
        before: Option<&WalkCache<'c>>,
        notes: &mut Vec<String>,
    ) -> Result<Ready<'c, 't>, Box<Outcome<'c, 't>>> {
        let server = self.asked.server;
        let known = self.given.is_some();
        self.walks = Walks::after(before.map(|past| &past.walks), self.context.data.registry.checks_each_uri());
        self.decided = before.map(|past| past.walks.number);
        if self.depth == 0 {
            let layers = [Some(self.context.main()), self.context.host(server)].into_iter().flatten();
            self.change_headers(layers.clone().filter_map(|server| server.section.core.as_deref()), true);
            self.set_env(layers.filter_map(|server| server.section.core.as_deref()));
        }
        if let Some(given) = self.given.take() {
            self.filename = given;
        } else if self.filename.is_empty() {
            self.map()?;
            if self.method.unwrap_or(self.asked.method) == b"TRACE" {
                return Err(Box::new(self.traced()));
            }
        }
        let filename = std::mem::take(&mut self.filename);
        let reusable = before.and_then(|past| past.walked.as_ref());
        self.walks.number = 0;
        let mut walked = match walk::directories(&self.context, server, &filename, known, reusable, notes) {
            Ok(walked) => walked,
            Err(denied) => return Err(Box::new(self.denied(denied))),
        };
        // What a later request in the same directory may reuse; no other follows where the caller named the file.
        let bare = if known { None } else { Some(walked.clone()) };
        if walked.path_info.is_empty() {
            walked.path_info = std::mem::take(&mut self.path_info);
        }
        (self.filename, self.path_info) = (walked.filename.clone(), walked.path_info.clone());
        self.merge(&mut walked, notes);
        if self.depth == 0 {
            let below = walked.sections.iter().map(SectionRef::get).filter(|section| !is_server(section.layer));
            self.set_env(below.filter_map(|section| section.core.as_deref()));
        }
        let Some(bare) = bare else {
            self.late_env(&walked);
            self.late_headers(&walked);
            return Err(Box::new(Outcome::Run(self.made(&walked))));
        };
        let bare = WalkCache { walked: Some(bare), walks: self.walks.clone() };
        // httpd does not check access again where the previous request had the same configuration, not even after a refusal.
        if self.decided == Some(self.walks.number) {
            self.login = RefCell::new(self.inherited.take());
        } else if let Some((status, because)) = self.refused(&walked, notes) {
            return Err(Box::new(self.answer(status, because, &walked, bare)));
        }
        let ready = self.fixups(walked, bare, notes)?;
        ready.subrequest.late_headers(&ready.walked);
        Ok(ready)
    }

    /// The groups with names of the patterns that sections are for, as `MATCH_NAME`.
    fn named_groups(&self, sections: &[SectionRef<'c>]) {
        for section in sections.iter().map(SectionRef::get) {
            let Matcher::Regex(pattern) = &section.matcher else { continue };
            if !pattern.has_names() {
                continue;
            }
            let subject = match section.layer {
                ServerLayer::Location => &self.uri,
                _ => &self.filename,
            };
            let name = memchr::memrchr(b'/', subject).map_or(0, |at| at + 1);
            let subject = if section.layer == ServerLayer::Files { &subject[name..] } else { subject };
            self.budget().afford(pattern, subject);
            self.budget().blame(|| section.origin.to_string());
            for (name, text) in pattern.named_groups(subject) {
                let name = [b"MATCH_", &name.to_ascii_uppercase()[..]].concat();
                self.env.borrow_mut().set(&name, Ok(text));
            }
        }
    }

    /// `SetEnvIf` and its relatives, outermost first.
    fn set_env<'a>(&self, cores: impl Iterator<Item = &'a Core>) {
        for rule in cores.flat_map(|core| &core.env_rules) {
            rule.apply(&self.env, self);
            self.budget().blame(|| rule.origin.to_string());
        }
    }

    /// The server itself answers TRACE, before it looks at the file.
    fn traced(&mut self) -> Outcome<'c, 't> {
        let allowed = self.context.layers(self.asked.server).find_map(|server| server.trace).unwrap_or(true);
        let (status, because) = match allowed {
            true => (200, "httpd answers TRACE by itself"),
            false => (405, "TraceEnable is off"),
        };
        let located = self.locate();
        answer(self, status, because.into(), &located.sections, WalkCache { walked: None, walks: self.walks.clone() })
    }

    /// `SetEnv`: it acts after access control and rewriting of the same request.
    pub(super) fn late_env(&self, walked: &Walked<'c>) {
        let cores = walked.sections.iter().filter_map(|section| section.get().core.as_deref());
        let mut lines: Vec<&SetEnv> = cores.flat_map(|core| &core.env).collect();
        let Some(last) = lines.last() else { return };
        if !self.budget().spend_at(u32::try_from(lines.len()).unwrap_or(u32::MAX), || last.origin.to_string()) {
            return;
        }
        // By name, and of one name in the order of the lines: the last one counts.
        lines.sort_by_cached_key(|line| line.name.to_ascii_lowercase());
        let mut env = self.env.borrow_mut();
        for own in lines.chunk_by(|one, other| one.name.eq_ignore_ascii_case(&other.name)) {
            let Some(SetEnv { name, value: Some(value), origin }) = own.last().copied() else { continue };
            let is_paid = self.budget().afford_names(env.len());
            self.budget().blame(|| origin.to_string());
            if is_paid && env.get(name).is_none() {
                env.set(name, Ok(value.to_vec()));
            }
        }
    }

    /// `RequestHeader`: the last thing before somebody answers.
    pub(super) fn late_headers(&self, walked: &Walked<'c>) {
        self.change_headers(walked.sections.iter().filter_map(|section| section.get().core.as_deref()), false);
    }

    /// What mod_rewrite says of the URI that was asked for first, where a server's rules run.
    pub(super) fn set_script_url(&self) {
        let name = |prefix: &str| [prefix.as_bytes(), b"SCRIPT_URL"].concat();
        let known = self.env.borrow().get(&name("")).or(self.env.borrow().get(&name("REDIRECT_"))).cloned();
        let url = known.unwrap_or_else(|| Ok(self.uri.clone()));
        if let Ok(path) = &url {
            self.env.borrow_mut().set(b"SCRIPT_URI", Ok(self.absolute(path)));
        }
        self.env.borrow_mut().set(b"SCRIPT_URL", url);
    }

    /// From the URI to a file.
    fn map(&mut self) -> Result<(), Box<Outcome<'c, 't>>> {
        let server = self.asked.server;
        let located = self.context.data.early.then(|| {
            // Twice, as httpd does: before the URI is decoded and after.
            self.locate();
            self.locate()
        });
        let sections = located.as_ref().map_or(&[][..], |located| &located.sections);
        if self.context.has_rules(server) {
            self.set_script_url();
        }
        let (asked, how) = ((&*self.uri, self.query.as_deref()), (self.depth > 0, self.ended));
        match mapping::map(&self.context, server, asked, how, sections, self) {
            Mapped::File(place) if place.passed => {
                let located = located.unwrap_or_else(|| self.locate());
                let sections = with_files(self.context.memo, located.sections, &place.filename);
                Err(Box::new(self.passed(*place, sections)))
            }
            Mapped::File(place) => {
                (self.filename, self.uri, self.query) = (place.filename, place.uri, place.query);
                (self.forced, self.alias_context, self.script) = (place.forced, place.alias_context, place.script);
                self.ended |= place.end;
                self.status = place.status.or(self.status);
                Ok(())
            }
            Mapped::Redirect { status, to, because } => Err(Box::new(self.redirected(status, to, because))),
            Mapped::Ruled { status, to: Some(to), because } => {
                Err(Box::new(self.redirected(status, Some(to), because).afresh()))
            }
            Mapped::Passed { to, because } => {
                let located = located.unwrap_or_else(|| self.locate());
                let past = WalkCache { walked: None, walks: self.walks.clone() };
                Err(Box::new(self.passed_on(
                    to.clone(),
                    because,
                    with_files(self.context.memo, located.sections, &to),
                    past,
                )))
            }
            Mapped::Answer { status, because } => {
                let located = located.unwrap_or_else(|| self.locate());
                let past = WalkCache { walked: None, walks: self.walks.clone() };
                Err(Box::new(answer(self, status, because, &located.sections, past)))
            }
            Mapped::Ruled { status, to: None, because } => {
                let located = located.unwrap_or_else(|| self.locate());
                let past = WalkCache { walked: None, walks: self.walks.clone() };
                Err(Box::new(answer(self, status, because, &located.sections, past).afresh()))
            }
        }
    }

    /// The walks before mapping, when there is no file yet. They decide error pages, and later walks may reuse their results.
    fn locate(&mut self) -> Merged<'c> {
        let servers = [Some(self.context.main()), self.context.host(self.asked.server)].into_iter().flatten();
        let ground =
            Merged { number: 0, sections: servers.map(|server| SectionRef::Config(&server.section)).collect() };
        self.unmapped = true;
        // Notes are dropped: the later walk makes them again.
        let merged = self.located(ground, &mut Vec::new());
        self.unmapped = false;
        merged
    }

    fn located(&mut self, mut merged: Merged<'c>, notes: &mut Vec<String>) -> Merged<'c> {
        let server = self.asked.server;
        if self.context.layers(server).any(|server| !server.locations.is_empty()) {
            let met = walk::locations(&self.context, server, &self.uri, notes);
            merged = self.walks.join(Kind::Location, &self.uri, met, merged).0;
        }
        self.named_groups(&merged.sections);
        let mut walks = std::mem::take(&mut self.walks);
        let merged = if_walk::conditions(&mut walks, merged, self, notes);
        self.walks = walks;
        merged
    }

    /// Everything in merge order.
    fn merge(&mut self, walked: &mut Walked<'c>, notes: &mut Vec<String>) {
        let mut ground = std::mem::take(&mut walked.sections);
        let met = ground.split_off(walked.servers);
        let ground = Merged { number: 0, sections: ground };
        let mut merged = self.walks.join(Kind::Directory, &walked.directory, met, ground).0;
        if merged.sections.iter().any(|section| !section.get().files.is_empty()) {
            let met = walk::files(self.context.memo, &merged.sections, &walked.filename, notes);
            let name = memchr::memrchr(b'/', &walked.filename).map_or(0, |at| at + 1);
            merged = self.walks.join(Kind::Files, &walked.filename[name..], met, merged).0;
        }
        walked.sections = self.located(merged, notes).sections;
        // The options asked for later include those of files, locations and conditions.
        let cores = walked.sections.iter().filter_map(|section| section.get().core.as_deref());
        walked.options = cores.fold(options::FOLLOW, options_below);
    }

    pub(super) fn redirected(&self, status: u16, to: Option<Vec<u8>>, because: String) -> Outcome<'c, 't> {
        let location = to.map(|to| if to.starts_with(b"/") { self.absolute(&to) } else { to });
        if location.as_ref().is_some_and(|to| to.iter().any(|byte| *byte < b' ' || *byte == 0x7f)) {
            let because = format!("{because}, to a URL with control characters, which httpd does not send");
            return Outcome::server_error(self, 500, &because);
        }
        Outcome::Answer { status, because, location, page: None, past: WalkCache::default(), afresh: false }
    }

    fn absolute(&self, path: &[u8]) -> Vec<u8> {
        let authority = self.asked.authority(&self.context, self.depth > 0);
        [self.asked.scheme, b"://", &authority, path].concat()
    }

    fn denied(&self, denied: Denied) -> Outcome<'c, 't> {
        Outcome::server_error(self, denied.status, &denied.because)
    }

    pub(super) fn answer(
        &self,
        status: u16,
        because: String,
        walked: &Walked<'c>,
        bare: WalkCache<'c>,
    ) -> Outcome<'c, 't> {
        answer(self, status, because, &walked.sections, bare)
    }

    fn fixups(
        mut self,
        walked: Walked<'c>,
        bare: WalkCache<'c>,
        notes: &mut Vec<String>,
    ) -> Result<Ready<'c, 't>, Box<Outcome<'c, 't>>> {
        match self.negotiated(&walked, &bare, notes) {
            Chosen::Nothing => {}
            Chosen::Answer(answer) => return Err(answer),
            Chosen::File(found) => {
                let (path_info, alias_context) = (self.path_info.clone(), self.alias_context.clone());
                let mut taken = Ready { subrequest: self, walked, bare, redirect: None }.taken(*found);
                (taken.subrequest.path_info, taken.walked.path_info) = (path_info.clone(), path_info);
                taken.subrequest.alias_context = alias_context;
                let Ready { mut subrequest, walked, bare, redirect } = taken;
                // The rules run again, on the name that they have left.
                if let Some(sent) = &redirect {
                    let filename = [b"redirect:", &sent.uri[..]].concat();
                    let again = subrequest.rewrite(&Walked { filename, ..walked.clone() }, &bare)?;
                    if again.is_some() {
                        return Ok(Ready { subrequest, walked, bare, redirect: again });
                    }
                }
                if redirect.is_some()
                    && subrequest.set_handler(&walked).is_some_and(|handler| handler.starts_with(b"proxy:"))
                {
                    return Err(Box::new(missing_elsewhere(b"redirect:", bare)));
                }
                if redirect.is_some() && subrequest.set_handler(&walked).is_some() {
                    let because = "MultiViews chooses a file that a rule redirects: its handler is given \"redirect:\", which is no file";
                    return Err(Box::new(subrequest.answer(200, because.into(), &walked, bare)));
                }
                if redirect.is_some() {
                    return Ok(Ready { subrequest, walked, bare, redirect });
                }
                return subrequest.fixups(walked, bare, notes);
            }
        }
        let handler = self.set_handler(&walked).unwrap_or_default();
        self.kind = Some(Rc::new(FileKind { handler, media: self.media(&walked) }));
        let redirect = self.rewrite(&walked, &bare)?;
        if let Some(mapped) = self.redirects(&walked) {
            return Err(Box::new(match mapped {
                Mapped::Redirect { status, to, because } => self.redirected(status, to, because),
                Mapped::Answer { status, because } => self.answer(status, because, &walked, bare),
                _ => return Ok(Ready { subrequest: self, walked, bare, redirect }),
            }));
        }
        self.late_env(&walked);
        let ready = Ready { subrequest: self, walked, bare, redirect };
        match ready.walked.found {
            Found::Directory => ready.index(notes),
            Found::Missing => ready.fallback(notes),
            Found::File => Ok(ready),
        }
    }

    /// What the redirects of sections say. Those with a path, of a server itself, were looked at before mapping.
    fn redirects(&self, walked: &Walked<'c>) -> Option<Mapped> {
        let query = self.query.as_deref();
        let below = walked.sections.iter().rev().map(SectionRef::get).filter(|section| !is_server(section.layer));
        let mut cores = below.filter_map(|section| section.core.as_deref());
        let pathless = redirects::pathless(&walked.sections);
        pathless.and_then(|one| redirects::redirect_of(&self.context, one, &self.uri, query, self)).or_else(|| {
            cores.find_map(|core| redirects::redirect(&self.context, &core.redirects, &self.uri, query, self))
        })
    }

    /// Makes a subrequest for a URI and resolves it up to its handler.
    pub(super) fn sub(&self, target: &[u8], before: Option<&WalkCache<'c>>, notes: &mut Vec<String>) -> Looked<'c, 't> {
        match uri::parse_own(target) {
            Ok(parsed) => self.sub_of(Self::new(self.context, self.asked, parsed.path, parsed.query), before, notes),
            Err((status, because)) => Err(unanswered(status, because.into())),
        }
    }

    /// The same for a file, wherever it is: one without a slash in front is beside this request's file. It has a URI only where it is
    /// in the same directory.
    pub(super) fn sub_file(&self, path: &[u8]) -> Looked<'c, 't> {
        let directory = |path: &[u8]| memchr::memrchr(b'/', path).map_or(0, |at| at + 1);
        let own = &self.filename[..directory(&self.filename)];
        let whole = if path.starts_with(b"/") { path.to_vec() } else { [own, path].concat() };
        if whole.first() != Some(&b'/') {
            return Err(unanswered(404, "a file without a slash in front is beside no file".into()));
        }
        let mut filename = mapping::tidy(whole);
        if filename.len() > 1 && filename.ends_with(b"/") {
            filename.pop();
        }
        let (parent, name) = filename.split_at(directory(&filename));
        let uri = if parent == own { [self.parent(), name].concat() } else { Vec::new() };
        let next = Self { filename, ..Self::new(self.context, self.asked, uri, None) };
        self.sub_of(next, Some(&self.past()), &mut Vec::new())
    }

    /// The same for a file beside this request's, with its query and what follows its file in the URI.
    pub(super) fn sub_beside(
        &self,
        filename: Vec<u8>,
        uri: Vec<u8>,
        before: &WalkCache<'c>,
        notes: &mut Vec<String>,
    ) -> Looked<'c, 't> {
        let mut next = Self { filename, ..Self::new(self.context, self.asked, uri, self.query.clone()) };
        next.path_info.clone_from(&self.path_info);
        self.sub_of(next, Some(before), notes)
    }

    /// The walks so far: where a subrequest has met the same, access is not checked again.
    pub(super) fn past(&self) -> WalkCache<'c> {
        WalkCache { walked: None, walks: self.walks.clone() }
    }

    fn sub_of(&self, mut next: Self, before: Option<&WalkCache<'c>>, notes: &mut Vec<String>) -> Looked<'c, 't> {
        self.budget().afford_bytes(self.env.borrow().size());
        next.env = Rc::new(RefCell::new(self.env.borrow().clone()));
        next.headers = Rc::new(RefCell::new(self.headers.borrow().clone()));
        next.inherited = self.login.borrow().clone();
        next.depth = self.depth + 1;
        next.method = Some(b"GET");
        next.failed = self.failed;
        next.outer = Some(self.uri.clone());
        next.redirects = self.redirects;
        let why = match next.depth > MAX_DEPTH || next.redirects >= MAX_REDIRECTS {
            true if next.depth <= MAX_DEPTH => format!("More than {MAX_REDIRECTS} internal redirects"),
            true => format!("More than {MAX_DEPTH} subrequests inside one another: DirectoryIndex leads to itself"),
            false if !self.budget().spend(STEPS_OF_A_SUBREQUEST) => {
                "This request takes too many subrequests: DirectoryIndex or a rule leads to itself".into()
            }
            false => return next.look_up(before, notes),
        };
        Err(unanswered(500, why))
    }
}

/// The answer of a subrequest that met no section.
fn unanswered<'c, 't>(status: u16, because: String) -> Box<Outcome<'c, 't>> {
    Box::new(Outcome::Answer { status, because, location: None, page: None, past: WalkCache::default(), afresh: false })
}

pub(super) fn is_server(layer: ServerLayer) -> bool {
    matches!(layer, ServerLayer::Server | ServerLayer::VirtualHost)
}
