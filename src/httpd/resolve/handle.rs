//! What answers a request whose file is known: an internal redirect, a listing, a script, or the file itself.

use super::handlers::{Work, work};
use super::outcome::{Outcome, Ready, Sent, missing_elsewhere};
use super::runner::engine_off;
use super::subrequest::Subrequest;
use super::type_map::MAP;
use super::walk::Found;
use crate::httpd::model::answer;
use crate::httpd::model::fastcgi::path_before;
use crate::httpd::model::section::{Core, options};
use crate::httpd::syntax::uri;

impl<'c, 't> Ready<'c, 't> {
    pub fn answered(self) -> Outcome<'c, 't> {
        if let Some(Sent { uri, .. }) = self.redirect.as_ref().filter(|_| self.subrequest.forced.handler.is_some()) {
            // The forced handler replaces the redirect, and gets a name that is no file.
            let status = match self.walked.found {
                Found::Directory => 403,
                Found::Missing => 404,
                Found::File => 200,
            };
            let uri = String::from_utf8_lossy(uri);
            return self
                .own(status, format!("[H] gives its handler redirect:{uri}, which is no file: no program runs"));
        }
        if let Some(Sent { uri, query, origin }) = &self.redirect {
            // httpd reads the path as if it had been asked for: it is decoded again, and what follows a `#` is no part of it and takes
            // the query with it.
            let fragment = memchr::memchr(b'#', uri);
            let path = &uri[..fragment.unwrap_or(uri.len())];
            let path = path.split(|&byte| byte == b'%').map(uri::escape).collect::<Vec<_>>().join(&b'%');
            let query = query.as_ref().filter(|_| fragment.is_none());
            let Some(mut next) = self.subrequest.other(&path, 200) else {
                let because = format!("a rule leads to {}, which is no path", String::from_utf8_lossy(uri));
                return self.own(400, because);
            };
            next.query = query.cloned();
            (next.method, next.failed) = (self.subrequest.method, self.subrequest.failed);
            return Outcome::InternalRedirect { next: Box::new(next), by: Some(origin.clone()), past: self.bare };
        }
        match self.walked.found {
            _ if self.subrequest.asked.routes => Outcome::Run(self.subrequest.made(&self.walked)),
            Found::Directory => self.directory(),
            found => self.file(found),
        }
    }

    pub(super) fn own(&self, status: u16, because: impl Into<String>) -> Outcome<'c, 't> {
        self.subrequest.answer(status, because.into(), &self.walked, self.bare.clone())
    }

    fn cores(&self) -> impl Iterator<Item = &Core> {
        self.walked.sections.iter().rev().filter_map(|section| section.get().core.as_deref())
    }

    fn directory(&self) -> Outcome<'c, 't> {
        let subrequest = &self.subrequest;
        let handler = subrequest.handler(&self.walked);
        if let Some(acting) = self.action(handler.as_deref()) {
            return acting;
        }
        match work(handler.as_deref(), &subrequest.context.data.registry) {
            Work::Send => {}
            Work::File if is_php(handler.as_deref()) => return self.own(403, "a directory cannot be run as a script"),
            Work::Program => return self.own(403, "a directory cannot be run as a program"),
            Work::File | Work::Anything | Work::Unknown => return Outcome::Run(subrequest.made(&self.walked)),
        }
        let get = matches!(subrequest.method.unwrap_or(subrequest.asked.method), b"GET" | b"HEAD");
        // An unknown handler or a forced type keeps the directory from being listed.
        if get && handler.is_none() && subrequest.context.data.registry.is_loaded(b"mod_autoindex.c") {
            return match self.walked.options & options::INDEXES != 0 {
                true => self.own(200, "mod_autoindex lists the directory; no program runs"),
                false => self.own(403, "the directory has no index file, and Options does not allow Indexes"),
            };
        }
        match subrequest.method_answer() {
            Some((status, because)) => self.own(status, because),
            None if !subrequest.uri.ends_with(b"/") => self.own(404, "the URI of a directory has no slash at its end"),
            None => self.own(404, "the directory has no index file"),
        }
    }

    fn file(&self, found: Found) -> Outcome<'c, 't> {
        let (subrequest, walked) = (&self.subrequest, &self.walked);
        let handler = subrequest.handler(walked);
        // Any type of the types file may have an `Action`; nothing else is done about most of them.
        let kind = handler.clone().or_else(|| subrequest.type_of_file(walked));
        if let Some(acting) = self.action(kind.as_deref()) {
            return acting;
        }
        let work = match work(handler.as_deref(), &subrequest.context.data.registry) {
            Work::File if self.is_switched_off(handler.as_deref()) => Work::Send,
            work => work,
        };
        let plain = work == Work::Send;
        if plain && let Some((status, because)) = subrequest.method_answer() {
            return self.own(status, because);
        }
        let proxied = handler.as_deref().is_some_and(|handler| handler.starts_with(b"proxy:"));
        // FastCGI alone is given the file; other servers answer whatever they will.
        let is_script = handler.as_deref().is_some_and(|handler| {
            [&b"fcgi://"[..], b"balancer://"].iter().any(|scheme| memchr::memmem::find(handler, scheme).is_some())
        });
        if found == Found::Missing && proxied && !is_script {
            return Outcome::Run(subrequest.made(walked));
        }
        if found == Found::Missing && proxied {
            return missing_elsewhere(&walked.filename, self.bare.clone());
        }
        // PHP-FPM looks for what the URL's path and the file's make together.
        let before = handler.as_deref().filter(|_| is_script).map_or(&b""[..], path_before);
        if before.iter().any(|&byte| byte != b'/') {
            let whole = [before, &walked.filename, &walked.path_info].concat();
            if subrequest.script(&whole).is_none() {
                return missing_elsewhere(&whole, self.bare.clone());
            }
        }
        // A file without a handler is a map by its type.
        let is_map = matches!(kind.as_deref(), Some(b"type-map" | MAP)) && work != Work::Send;
        if found == Found::File && is_map && subrequest.context.data.registry.is_loaded(b"mod_negotiation.c") {
            return self.by_map();
        }
        if work == Work::Program && walked.options & options::EXEC == 0 && !subrequest.script {
            return self.own(403, "a program is not run where Options does not allow ExecCGI");
        }
        if work == Work::Anything {
            return Outcome::Run(subrequest.made(walked));
        }
        if found == Found::Missing {
            return self.missing();
        }
        let accept = self.cores().find_map(|core| core.path_info).flatten();
        // For a proxy, the other server decides.
        if !walked.path_info.is_empty() && !proxied && !accept.unwrap_or(!plain) {
            return self.own(404, "the URI goes on behind a file that takes no path (AcceptPathInfo)");
        }
        let mut run = subrequest.made(walked);
        let by_script = matches!(run.handler.as_deref(), Some(b"cgi-script" | b"fcgid-script"));
        if subrequest.acting && by_script && !walked.path_info.is_empty() {
            self.act_on(&mut run);
        }
        Outcome::Run(run)
    }

    /// Whether mod_php is the handler, and `engine` is off: the file is sent as a plain one.
    fn is_switched_off(&self, handler: Option<&[u8]>) -> bool {
        let php = matches!(handler, Some(b"application/x-httpd-php" | b"php-script"));
        if !php {
            return false;
        }
        let sections = self.walked.sections.iter().map(|section| section.get());
        let data = self.subrequest.context.data;
        let values: Vec<_> = sections.filter(|one| !one.values.is_empty()).map(|one| data.values(one)).collect();
        engine_off(values.iter().map(|one| &**one)).is_some()
    }

    /// The script of an `Action` runs for the file that the rest of the URI names.
    fn act_on(&self, run: &mut answer::Run) {
        let mut notes = Vec::new();
        if let Ok(target) = self.subrequest.sub(&uri::escape(&self.walked.path_info), None, &mut notes) {
            let script = std::mem::replace(&mut run.filename, target.walked.filename);
            (run.program, run.path_info) = (Some(script), target.walked.path_info);
        }
    }

    /// The redirect to the script of an `Action` for this handler or media type.
    fn action(&self, kind: Option<&[u8]>) -> Option<Outcome<'c, 't>> {
        let (kind, subrequest) = (kind?, &self.subrequest);
        let mut actions = self.cores().flat_map(|core| core.actions.iter().rev());
        let (_, script, anyway) = actions.find(|(name, ..)| **name == *kind)?;
        if self.walked.found == Found::Missing && !anyway {
            return Some(self.missing());
        }
        let target = [&script[..], &uri::escape(&subrequest.uri)].concat();
        let mut next = subrequest.other(&target, 200)?;
        next.query.clone_from(&subrequest.query);
        (next.method, next.failed, next.acting) = (subrequest.method, subrequest.failed, true);
        Some(Outcome::InternalRedirect { next: Box::new(next), by: None, past: self.bare.clone() })
    }

    fn missing(&self) -> Outcome<'c, 't> {
        let mut because = format!("{} does not exist", String::from_utf8_lossy(&self.walked.filename));
        because.push_str(&self.subrequest.context.root_trouble(self.subrequest.asked.server, &self.walked.filename));
        self.own(404, because)
    }
}

impl Subrequest<'_, '_> {
    /// httpd's answer to methods that a plain file does not accept.
    pub(super) fn method_answer(&self) -> Option<(u16, &'static str)> {
        match self.method.unwrap_or(self.asked.method) {
            b"GET" | b"HEAD" | b"POST" => None,
            b"OPTIONS" => Some((200, "httpd answers OPTIONS by itself")),
            b"TRACE" => Some((200, "httpd answers TRACE by itself")),
            known if self.context.data.methods.knows(known) => Some((405, "the method is not allowed on a plain file")),
            _ => Some((501, "the method is not known")),
        }
    }
}

fn is_php(handler: Option<&[u8]>) -> bool {
    handler.is_some_and(|handler| handler == b"php-script" || handler.starts_with(b"application/x-httpd-php"))
}
