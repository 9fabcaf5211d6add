//! What serves a request in its location: access, try_files, a FastCGI server, an index, a file.

use super::location::Kind;
use super::phases::{Flow, Request};
use super::tree::Directive;
use super::{Answer, Handed};
use crate::text;
use outlive::config::FastCgiParam;
use outlive::files::Kind as FileKind;
use std::io::ErrorKind;
use std::net::IpAddr;

/// Who takes requests away, besides `fastcgi_pass`.
const PASSES: [&[u8]; 5] = [b"proxy_pass", b"uwsgi_pass", b"scgi_pass", b"grpc_pass", b"memcached_pass"];

/// Programs within nginx, which may do anything.
const PROGRAMS: [&[u8]; 12] = [
    b"js_content",
    b"content_by_lua",
    b"content_by_lua_block",
    b"content_by_lua_file",
    b"rewrite_by_lua_block",
    b"rewrite_by_lua_file",
    b"access_by_lua_block",
    b"access_by_lua_file",
    b"perl",
    b"auth_request",
    b"js_access",
    b"auth_jwt",
];

impl<'a> Request<'a> {
    /// From access on.
    pub fn serve(&mut self) -> Flow {
        for name in PROGRAMS {
            if let Some(one) = self.last(name).filter(|one| one.arg(0) != b"off") {
                let name = text::shown(&one.name);
                self.note(format!("{}: {name} may change this: what it does is not known", one.origin));
            }
        }
        if let Some(answer) = self.access() {
            return answer;
        }
        match self.try_files() {
            Flow::On => {}
            other => return other,
        }
        let handler = |name: &[u8]| {
            self.own_levels().into_iter().rev().find_map(|level| level.iter().find(|one| one.name == name))
        };
        if handler(b"fastcgi_pass").is_some() {
            return Flow::Pass;
        }
        for name in PASSES {
            if let Some(one) = handler(name) {
                let to = text::shown(one.arg(0));
                return Flow::Answer(
                    0,
                    format!("{}: passed on to another server ({to}), whose answer is not known here", one.origin),
                    None,
                );
            }
        }
        for name in [
            &b"js_content"[..],
            b"content_by_lua",
            b"content_by_lua_block",
            b"content_by_lua_file",
            b"perl",
            b"stub_status",
            b"empty_gif",
            b"echo",
        ] {
            if let Some(one) = handler(name) {
                let name = text::shown(&one.name);
                return Flow::Answer(0, format!("{}: {name} answers", one.origin), None);
            }
        }
        if self.uri.ends_with(b"/") { self.directory() } else { self.file() }
    }

    /// `allow`, `deny`, `auth_basic`.
    fn access(&mut self) -> Option<Flow> {
        let level = self.own_access();
        for one in level {
            let takes = match self.covers(one.arg(0)) {
                Some(takes) => takes,
                None => {
                    self.note(format!(
                        "{}: access may change this: it depends on the client's address; give --client",
                        one.origin
                    ));
                    return None;
                }
            };
            if takes && one.name == b"deny" {
                return Some(Flow::Answer(403, format!("{}: deny {}", one.origin, text::shown(one.arg(0))), None));
            }
            if takes {
                break;
            }
        }
        let auth = self.last(b"auth_basic").filter(|one| one.arg(0) != b"off")?;
        self.target
            .user
            .is_none()
            .then(|| Flow::Answer(401, format!("{}: auth_basic asks for a password; give --user", auth.origin), None))
    }

    /// The rules of the innermost level that has any, in order.
    fn own_access(&self) -> Vec<&'a Directive> {
        let rules = |level: &'a [Directive]| {
            level.iter().filter(|one| matches!(&*one.name, b"allow" | b"deny")).collect::<Vec<_>>()
        };
        self.levels_inner_first().map(rules).find(|rules| !rules.is_empty()).unwrap_or_default()
    }

    /// Whether a rule is for the client; none: it is not known.
    fn covers(&self, rule: &[u8]) -> Option<bool> {
        if rule == b"all" {
            return Some(true);
        }
        let client: IpAddr = std::str::from_utf8(self.target.client_address?).ok()?.parse().ok()?;
        let text = std::str::from_utf8(rule).ok()?;
        let (net, bits) = match text.split_once('/') {
            Some((net, bits)) => (net.parse::<IpAddr>().ok()?, Some(bits.parse::<u32>().ok()?)),
            None => (text.parse().ok()?, None),
        };
        Some(match (client, net) {
            (IpAddr::V4(client), IpAddr::V4(net)) => {
                let shift = 32 - bits.unwrap_or(32).min(32);
                shift == 32 || client.to_bits() >> shift == net.to_bits() >> shift
            }
            (IpAddr::V6(client), IpAddr::V6(net)) => {
                let shift = 128 - bits.unwrap_or(128).min(128);
                shift == 128 || client.to_bits() >> shift == net.to_bits() >> shift
            }
            _ => false,
        })
    }

    fn try_files(&mut self) -> Flow {
        // An `if` has none of its location's.
        let Some(one) = self.own_levels().last().and_then(|level| level.iter().find(|one| one.name == b"try_files"))
        else {
            return Flow::On;
        };
        let last = one.args.len().saturating_sub(1);
        for arg in &one.args[..last] {
            let value = match self.value(arg) {
                Ok(value) => value,
                Err(why) => {
                    self.note(format!(
                        "{}: try_files may change this: it depends on {why}, which is not known",
                        one.origin
                    ));
                    continue;
                }
            };
            let (name, wants_dir) = match value.strip_suffix(b"/").filter(|_| arg.ends_with(b"/")) {
                Some(name) => (name.to_vec(), true),
                None => (value.clone(), false),
            };
            let path = match self.tried(&name) {
                Ok(path) => path,
                Err(why) => {
                    let because = format!("{}: what try_files finds depends on {why}, which is not known", one.origin);
                    return Flow::Answer(0, because, None);
                }
            };
            let kind = self.kind(&path);
            let found =
                if wants_dir { matches!(kind, Ok(FileKind::Directory)) } else { matches!(kind, Ok(FileKind::File)) };
            if found {
                // Without the slash of the word: a directory is then redirected to.
                self.uri = match self.alias() {
                    Some(Kind::Prefix(prefix) | Kind::Final(prefix) | Kind::Exact(prefix))
                        if !name.starts_with(prefix) =>
                    {
                        [prefix, &name].concat()
                    }
                    _ => name,
                };
                return Flow::On;
            }
        }
        let fallback = one.arg(last).to_vec();
        if let Some(code) = fallback.strip_prefix(b"=") {
            let status = std::str::from_utf8(code).ok().and_then(|text| text.parse().ok()).unwrap_or(500);
            return Flow::Answer(status, format!("{}: try_files found nothing", one.origin), None);
        }
        if fallback.starts_with(b"@") {
            return Flow::Named(fallback);
        }
        match self.value(&fallback) {
            Ok(value) => {
                let (path, args) = match value.iter().position(|&byte| byte == b'?') {
                    Some(at) => (value[..at].to_vec(), Some(value[at + 1..].to_vec())),
                    None => (value, Some(Vec::new())),
                };
                Flow::Again(path, args)
            }
            Err(why) => Flow::Answer(
                0,
                format!("{}: where try_files leads depends on {why}, which is not known", one.origin),
                None,
            ),
        }
    }

    /// The file that a word of `try_files` names.
    fn tried(&mut self, name: &[u8]) -> Result<Vec<u8>, String> {
        let root = self.document_root()?;
        Ok(match self.alias() {
            Some(Kind::Prefix(prefix) | Kind::Final(prefix) | Kind::Exact(prefix)) => {
                [&root[..], name.strip_prefix(prefix).unwrap_or(name)].concat()
            }
            _ => [&root[..], name].concat(),
        })
    }

    /// An index file, a listing, or 403.
    fn directory(&mut self) -> Flow {
        let lines = self.lines(b"index");
        let names: Vec<Vec<u8>> = match lines[..] {
            [] => vec![b"index.html".to_vec()],
            _ => lines.iter().flat_map(|one| one.args.clone()).collect(),
        };
        for name in names {
            if name.starts_with(b"/") && !name.contains(&b'$') {
                return Flow::Again(name, None);
            }
            let value = match self.value(&name) {
                Ok(value) => value,
                Err(why) => {
                    self.note(format!(
                        "index {} may change this: it depends on {why}, which is not known",
                        text::shown(&name)
                    ));
                    continue;
                }
            };
            let uri = [&self.uri[..], &value].concat();
            // Where the root is not known, nothing below it is; that is reported later.
            let Ok(path) = self.file_of(&uri) else { break };
            match self.kind(&path) {
                Ok(_) => return Flow::Again(uri, None),
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    return Flow::Answer(403, format!("{} may not be read", text::shown(&path)), None);
                }
                Err(_) => {}
            }
        }
        let dir = match self.file_of(&self.uri.clone()) {
            Ok(dir) => dir,
            Err(why) => return Flow::Answer(0, format!("which file is asked for is not known: {why}"), None),
        };
        if self.kind(&dir).is_err() {
            return Flow::Answer(404, format!("{} does not exist", text::shown(&dir)), None);
        }
        if self.is_on(b"autoindex", false) {
            return Flow::Answer(200, "nginx lists the directory; no program runs".into(), None);
        }
        Flow::Answer(403, "the directory has no index file, and autoindex is off".into(), None)
    }

    fn file(&mut self) -> Flow {
        let path = match self.file_of(&self.uri.clone()) {
            Ok(path) => path,
            Err(why) => return Flow::Answer(0, format!("which file is asked for is not known: {why}"), None),
        };
        let method = self.target.method.unwrap_or(b"GET");
        match self.kind(&path) {
            Ok(FileKind::Directory) => {
                Flow::Answer(301, "nginx adds a directory's slash".into(), Some([&self.uri[..], b"/"].concat()))
            }
            Ok(_) if !matches!(method, b"GET" | b"HEAD") => {
                Flow::Answer(405, "a plain file takes GET and HEAD only".into(), None)
            }
            Ok(FileKind::File) => Flow::Answer(200, "no program runs: a plain file".into(), None),
            Ok(FileKind::Other) => Flow::Answer(404, format!("{} is not a regular file", text::shown(&path)), None),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                Flow::Answer(403, format!("{} may not be read", text::shown(&path)), None)
            }
            Err(_) => Flow::Answer(404, format!("{} does not exist", text::shown(&path)), None),
        }
    }

    /// To a FastCGI server.
    pub fn handed(mut self) -> Answer {
        let pass =
            self.own_levels().into_iter().rev().find_map(|level| level.iter().find(|one| one.name == b"fastcgi_pass"));
        let Some(pass) = pass else { return self.own(404, "nothing serves it".into(), None) };
        let to = match self.value(pass.arg(0)) {
            Ok(to) => self.upstream(to),
            Err(why) => {
                return self.own(
                    0,
                    format!("{}: where fastcgi_pass leads depends on {why}, which is not known", pass.origin),
                    None,
                );
            }
        };
        let mut handed = Handed { pass: to, ..Handed::default() };
        for line in self.lines(b"fastcgi_param") {
            let name = line.arg(0);
            let known = matches!(
                name,
                b"SCRIPT_FILENAME" | b"DOCUMENT_ROOT" | b"SERVER_NAME" | b"PHP_VALUE" | b"PHP_ADMIN_VALUE"
            );
            if !known {
                continue;
            }
            let value = match self.value(line.arg(1)) {
                Ok(value) if value.is_empty() && line.arg(2) == b"if_not_empty" => continue,
                Ok(value) => value,
                Err(why) if name == b"SCRIPT_FILENAME" => {
                    let because = format!("{}: which file runs depends on {why}, which is not known", line.origin);
                    return self.own(0, because, None);
                }
                Err(why) => {
                    let name = text::shown(name);
                    self.note(format!(
                        "{}: {name} may change this: it depends on {why}, which is not known",
                        line.origin
                    ));
                    continue;
                }
            };
            match name {
                b"SCRIPT_FILENAME" => handed.script = Some(value),
                b"DOCUMENT_ROOT" => handed.document_root = Some(value),
                b"SERVER_NAME" => handed.server_name = Some(value),
                name => {
                    let param = if name == b"PHP_VALUE" { FastCgiParam::Value } else { FastCgiParam::AdminValue };
                    // Of two lines PHP sees the later one.
                    handed.php_values.retain(|(known, ..)| *known != param);
                    handed.php_values.push((param, value, line.origin.clone()));
                }
            }
        }
        handed.php_values.sort_by_key(|(param, ..)| *param != FastCgiParam::Value);
        let Some(script) = handed.script.take() else {
            return self.own(
                200,
                format!(
                    "{}: no SCRIPT_FILENAME is handed over: PHP-FPM runs nothing and sends a blank page",
                    pass.origin
                ),
                None,
            );
        };
        let Some(script) = self.script(&script) else {
            let script = text::shown(&script);
            return self.own(
                404,
                format!(
                    "{script} does not exist: nginx passes it on nevertheless, and PHP-FPM answers \"File not found.\""
                ),
                None,
            );
        };
        handed.script = Some(script);
        (handed.notes, handed.steps) = self.told();
        Answer::FastCgi(Box::new(handed))
    }

    /// What PHP takes for its file: the longest beginning of the path that is one (cgi.fix_pathinfo). A directory is taken as well, where
    /// no slash is behind it: which status that gives is for the pool to say.
    fn script(&self, path: &[u8]) -> Option<Vec<u8>> {
        if !path.ends_with(b"/") && self.view.is_dir(Self::path(path)) {
            return Some(path.to_vec());
        }
        let mut path = path;
        loop {
            match self.kind(path) {
                Ok(FileKind::File) => return Some(path.to_vec()),
                Ok(_) => return None,
                Err(_) => {
                    let at = path.iter().rposition(|&byte| byte == b'/').filter(|&at| at > 0)?;
                    path = &path[..at];
                }
            }
        }
    }

    /// The first server of an `upstream`, or the address itself.
    fn upstream(&mut self, to: Vec<u8>) -> Vec<u8> {
        let nginx = self.nginx;
        let Some(group) = nginx.http.iter().find(|one| one.name == b"upstream" && one.arg(0) == to) else { return to };
        let servers: Vec<&Directive> = group
            .inside()
            .iter()
            .filter(|one| one.name == b"server" && !one.args.iter().any(|arg| arg == b"down" || arg == b"backup"))
            .collect();
        let Some(first) = servers.first() else { return to };
        if servers.len() > 1 {
            let first = text::shown(first.arg(0));
            self.note(format!(
                "{}: {} servers take turns, and this is the first one, {first}",
                group.origin,
                servers.len()
            ));
        }
        first.arg(0).to_vec()
    }
}
