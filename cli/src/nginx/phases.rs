//! A request on its way through nginx: the server's rewriting, a location, its rewriting, access, try_files, what serves it.

use super::listen::{Server, host};
use super::location::{Kind, kind};
use super::tree::Directive;
use super::variables::Captures;
use super::{Answer, Nginx, port_of, uri};
use crate::text;
use crate::view::View;
use outlive::files::{Files, Kind as FileKind};
use outlive::target::Target;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The number of internal redirects after which nginx answers 500.
const ROUNDS: u32 = 10;

/// How to go on.
pub enum Flow {
    On,
    /// No more of these lines.
    Stop,
    /// Status, why, and where a redirect leads.
    Answer(u16, String, Option<Vec<u8>>),
    /// To another path, within.
    Again(Vec<u8>, Option<Vec<u8>>),
    /// To a named location.
    Named(Vec<u8>),
    /// To a FastCGI server.
    Pass,
}

/// The request.
pub struct Request<'a> {
    pub nginx: &'a Nginx,
    pub view: &'a View,
    pub server: &'a Server<'a>,
    pub target: &'a Target<'a>,
    pub uri: Vec<u8>,
    pub args: Vec<u8>,
    pub captures: Captures,
    pub set: HashMap<String, Result<Vec<u8>, String>>,
    pub uri_changed: bool,
    /// `return` sends a text.
    pub has_text: bool,
    /// http, server, then locations and `if`s, inner ones later.
    levels: Vec<&'a [Directive]>,
    locations: Vec<&'a Directive>,
    /// Where `if`s begin among the levels.
    ifs: usize,
    internal: bool,
    had_error: bool,
    /// The status that `error_page` leaves to what is sent in place of an error.
    kept_status: Option<u16>,
    notes: Vec<String>,
    steps: Vec<String>,
}

impl<'a> Request<'a> {
    pub fn new(
        nginx: &'a Nginx,
        view: &'a View,
        server: &'a Server<'a>,
        target: &'a Target<'a>,
        captures: Captures,
        notes: Vec<String>,
    ) -> Self {
        let mut request = Self {
            nginx,
            view,
            server,
            target,
            uri: Vec::new(),
            args: Vec::new(),
            captures: Captures::default(),
            set: HashMap::new(),
            uri_changed: false,
            has_text: false,
            levels: vec![&nginx.http, server.block],
            locations: Vec::new(),
            ifs: 0,
            internal: false,
            had_error: false,
            kept_status: None,
            notes,
            steps: vec![format!("server at {}", server.origin)],
        };
        request.matched(captures);
        request
    }

    pub fn note(&mut self, text: String) {
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// The lines of that name at the innermost level that has any.
    pub fn lines(&self, name: &[u8]) -> Vec<&'a Directive> {
        let all = self.levels.iter().rev().map(|level| level.iter().filter(|one| one.name == name).collect::<Vec<_>>());
        all.into_iter().find(|lines| !lines.is_empty()).unwrap_or_default()
    }

    /// The last line of that name that counts.
    pub fn last(&self, name: &[u8]) -> Option<&'a Directive> {
        self.lines(name).last().copied()
    }

    pub fn is_on(&self, name: &[u8], default: bool) -> bool {
        self.last(name).map_or(default, |one| one.arg(0) == b"on")
    }

    pub fn enter(&mut self, location: &'a Directive) {
        self.levels.push(location.inside());
        self.locations.push(location);
    }

    /// An `if` that holds takes the place of its location, and of an `if` before it.
    pub fn enter_if(&mut self, block: &'a Directive) {
        self.levels.truncate(2 + self.locations.len());
        self.levels.push(block.inside());
        self.ifs += 1;
    }

    pub fn is_in_location(&self) -> bool {
        !self.locations.is_empty()
    }

    pub fn leave_locations(&mut self) {
        self.levels.truncate(2);
        self.locations.clear();
        self.ifs = 0;
    }

    /// How many locations are around a block.
    pub fn depth_of(&self, block: &'a [Directive]) -> usize {
        self.locations.iter().position(|one| std::ptr::eq(one.inside(), block)).map_or(0, |at| at + 1)
    }

    pub fn leave_to(&mut self, depth: usize) {
        self.levels.truncate(2 + depth);
        self.locations.truncate(depth);
    }

    /// The block of the location, `if`s in it included: only there a handler counts.
    pub fn own_levels(&self) -> Vec<&'a [Directive]> {
        if self.locations.is_empty() {
            return vec![self.server.block];
        }
        let from = 2 + self.locations.len() - 1;
        self.levels[from.min(self.levels.len())..].to_vec()
    }

    /// Inner ones first.
    pub fn levels_inner_first(&self) -> impl Iterator<Item = &'a [Directive]> {
        self.levels.clone().into_iter().rev()
    }

    /// The root in force; for an alias what it names.
    pub fn document_root(&mut self) -> Result<Vec<u8>, String> {
        let root = self.root();
        let value = match root {
            Some(root) => self.value(root.arg(0))?,
            None => b"html".to_vec(),
        };
        if value.starts_with(b"/") {
            return Ok(value);
        }
        match &self.nginx.prefix {
            Some(prefix) => Ok([prefix.as_os_str().as_bytes(), b"/", &value].concat()),
            None => Err(format!("the root {} is relative to nginx's prefix", text::shown(&value))),
        }
    }

    /// The innermost `root` or `alias`.
    fn root(&self) -> Option<&'a Directive> {
        let of = |level: &&'a [Directive]| level.iter().rfind(|one| matches!(&*one.name, b"root" | b"alias"));
        self.levels.iter().rev().find_map(of)
    }

    /// What an `alias` takes the place of; none: there is no alias.
    pub fn alias(&self) -> Option<Kind<'a>> {
        let root = self.root().filter(|root| root.name == b"alias")?;
        let location =
            self.locations.iter().rev().find(|one| one.inside().iter().any(|own| std::ptr::eq(own, root)))?;
        Some(kind(location))
    }

    /// The file for a path.
    pub fn file_of(&mut self, uri: &[u8]) -> Result<Vec<u8>, String> {
        let root = self.document_root()?;
        Ok(match self.alias() {
            None => [root, uri.to_vec()].concat(),
            Some(Kind::Regex(..)) => root,
            Some(Kind::Prefix(name) | Kind::Final(name) | Kind::Exact(name)) => {
                [root, uri.strip_prefix(name).unwrap_or(uri).to_vec()].concat()
            }
            Some(Kind::Named(_)) => [root, uri.to_vec()].concat(),
        })
    }

    pub fn path(bytes: &[u8]) -> &Path {
        Path::new(OsStr::from_bytes(bytes))
    }

    /// Runs it to its end.
    pub fn answer(mut self) -> Answer {
        let merge = self.is_on(b"merge_slashes", true);
        let Some((uri, args)) = uri::normal(self.target.uri.unwrap_or(b"/"), merge) else {
            return self.own(400, "the request's path is none".into(), None);
        };
        (self.uri, self.args) = (uri, args);
        let flow = self.run(self.server.block);
        let mut next = match flow {
            Flow::Answer(..) => flow,
            _ => self.location(),
        };
        for _ in 0..=ROUNDS {
            next = match next {
                Flow::Answer(status, because, location) => match self.error_page(status) {
                    Some(flow) => flow,
                    None => return self.own(status, because, location),
                },
                Flow::Again(uri, args) => {
                    let merge = self.is_on(b"merge_slashes", true);
                    // What does not begin with a slash is taken as it is.
                    self.uri = match uri::normal(&escaped(&uri), merge) {
                        Some((path, _)) => path,
                        None => uri,
                    };
                    if let Some(args) = args {
                        self.args = args;
                    }
                    self.internal = true;
                    self.steps.push(format!("goes on as {}", text::shown(&self.uri)));
                    self.uri_changed = false;
                    // The server's lines run once more.
                    match self.run(self.server.block) {
                        answer @ Flow::Answer(..) => answer,
                        _ => self.location(),
                    }
                }
                Flow::Named(name) => self.named(&name),
                Flow::Pass => return self.handed(),
                Flow::On | Flow::Stop => return self.own(404, "nothing serves it".into(), None),
            };
        }
        self.own(500, "nginx goes round in circles (rewrite or internal redirection cycle)".into(), None)
    }

    /// Finds the location, and runs what is in it.
    fn location(&mut self) -> Flow {
        for _ in 0..=ROUNDS {
            self.uri_changed = false;
            let found = self.find_location();
            // A location within one that is internal is internal as well.
            if let Some(line) = self.last(b"internal").filter(|_| !self.internal) {
                return Flow::Answer(404, format!("{}: internal", line.origin), None);
            }
            if !found {
                let location = [&self.uri[..], b"/"].concat();
                return Flow::Answer(301, "nginx adds the slash of its location".into(), Some(location));
            }
            if let Some(location) = self.locations.last() {
                let words: Vec<String> = location.args.iter().map(|arg| text::shown(arg)).collect();
                let step = format!("location {} at {}", words.join(" "), location.origin);
                if self.steps.last() != Some(&step) {
                    self.steps.push(step);
                }
                match self.run(location.inside()) {
                    answer @ Flow::Answer(..) => return answer,
                    _ if self.uri_changed => {
                        self.internal = true;
                        continue;
                    }
                    _ => {}
                }
            }
            return self.serve();
        }
        Flow::Answer(500, "rewrite leads round in circles".into(), None)
    }

    fn named(&mut self, name: &[u8]) -> Flow {
        let all = self.server.block.iter().filter(|one| one.name == b"location");
        let Some(location) = all.into_iter().find(|one| kind(one) == Kind::Named(name)) else {
            return Flow::Answer(500, format!("there is no location {}", text::shown(name)), None);
        };
        self.leave_locations();
        self.enter(location);
        self.internal = true;
        self.uri_changed = false;
        self.steps.push(format!("location {} at {}", text::shown(name), location.origin));
        match self.run(location.inside()) {
            answer @ Flow::Answer(..) => answer,
            _ if self.uri_changed => self.location(),
            _ => self.serve(),
        }
    }

    /// Where `error_page` leads for a status, once.
    fn error_page(&mut self, status: u16) -> Option<Flow> {
        if status < 300 || self.had_error || self.has_text {
            return None;
        }
        let is_it = |one: &&&Directive| {
            one.args[..one.args.len().saturating_sub(1)].iter().any(|arg| *arg == status.to_string().as_bytes())
        };
        let line = *self.lines(b"error_page").iter().find(is_it)?;
        let to = line.args.last()?.clone();
        self.had_error = true;
        // `=CODE` is another status, `=` that of whoever answers.
        let equals = line.args.iter().rev().nth(1).and_then(|arg| arg.strip_prefix(b"="));
        self.kept_status = match equals {
            None => Some(status),
            Some(code) => std::str::from_utf8(code).ok().and_then(|code| code.parse().ok()),
        };
        if to.starts_with(b"@") {
            return Some(Flow::Named(to));
        }
        let value = match self.value(&to) {
            Ok(value) if value.starts_with(b"/") => value,
            Ok(_) => return None,
            Err(why) => {
                self.note(format!("{}: error_page may change this: it depends on {why}", line.origin));
                return None;
            }
        };
        self.steps.push(format!("error_page {status} at {}", line.origin));
        let (path, args) = match value.iter().position(|&byte| byte == b'?') {
            Some(at) => (value[..at].to_vec(), value[at + 1..].to_vec()),
            None => (value, Vec::new()),
        };
        self.has_text = false;
        self.internal = true;
        // The request's own arguments are gone.
        Some(Flow::Again(path, Some(args)))
    }

    /// nginx answers. A page that is sent in place of an error is sent with the error's status.
    pub fn own(self, status: u16, mut because: String, location: Option<Vec<u8>>) -> Answer {
        let kept = self.kept_status.filter(|_| status == 200);
        if kept.is_some() {
            because.push_str("; it is the page for an error");
        }
        let status = kept.unwrap_or(status);
        let location = location.map(|path| self.absolute(path));
        Answer::Own { status, because, location, notes: self.notes }
    }

    /// A path that a redirect leads to, with the scheme, the host and the port before it, as `absolute_redirect` says.
    fn absolute(&self, path: Vec<u8>) -> Vec<u8> {
        if !path.starts_with(b"/") || !self.is_on(b"absolute_redirect", true) {
            return path;
        }
        let named =
            self.is_on(b"server_name_in_redirect", false).then(|| self.server.names.first().map(|name| name.to_vec()));
        let Some(host) = named.flatten().or_else(|| host(self.target)) else { return path };
        let (scheme, usual) = match self.target.scheme {
            Some(b"https") => (&b"https://"[..], 443),
            _ => (&b"http://"[..], 80),
        };
        let port = match port_of(self.target) {
            port if port == usual || !self.is_on(b"port_in_redirect", true) => String::new(),
            port => format!(":{port}"),
        };
        [scheme, &host, port.as_bytes(), &path].concat()
    }

    /// What a path names; with a slash at its end a directory or nothing.
    pub fn kind(&self, path: &[u8]) -> std::io::Result<FileKind> {
        match self.view.kind(Self::path(path))? {
            FileKind::Directory => Ok(FileKind::Directory),
            _ if path.ends_with(b"/") => Err(ErrorKind::NotADirectory.into()),
            other => Ok(other),
        }
    }

    /// The notes to report.
    pub fn told(&mut self) -> (Vec<String>, Vec<String>) {
        (std::mem::take(&mut self.notes), std::mem::take(&mut self.steps))
    }
}

/// A path for another round: what it has of `%` and `?` is its own.
fn escaped(uri: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(uri.len());
    for &byte in uri {
        match byte {
            b'%' | b'?' | b'#' => out.extend(format!("%{byte:02X}").bytes()),
            byte => out.push(byte),
        }
    }
    out
}
