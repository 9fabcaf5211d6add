//! What conditions may ask about a request.

use super::cgi_vars::Cgi;
use super::htaccess::Question;
use super::outcome::{Outcome, Ready, Sent};
use super::subrequest::Subrequest;
use super::walk::Found;
use crate::files::Files;
use crate::httpd::expression::budget::Budget;
use crate::httpd::expression::evaluate::{RequestVariables, Seen, Target};
use crate::httpd::model::auth::groups_of;
use crate::httpd::model::server::Server;
use crate::httpd::syntax::path::path_of;
use crate::httpd::syntax::uri;

/// What servers usually have in their environment, whatever it is.
fn is_of_servers(name: &[u8]) -> bool {
    let usual: [&[u8]; 7] = [b"PATH", b"HOME", b"LANG", b"PWD", b"TZ", b"USER", b"INVOCATION_ID"];
    usual.contains(&name) || name.starts_with(b"APACHE_")
}

impl Subrequest<'_, '_> {
    /// What the server says of itself: exactly, where `ServerTokens` says so little that the files tell it.
    fn software(&self) -> Vec<u8> {
        let (major, minor, patch) = self.context.data.version;
        let tokens = self.context.main().identity.as_ref().and_then(|own| own.tokens.as_deref());
        match tokens.unwrap_or(b"Full").to_ascii_lowercase().as_slice() {
            b"prod" | b"productonly" => "Apache".into(),
            b"major" => format!("Apache/{major}"),
            b"minor" => format!("Apache/{major}.{minor}"),
            b"min" | b"minimal" => format!("Apache/{major}.{minor}.{patch}"),
            _ => {
                self.doubt("what the system and modules add to %{SERVER_SOFTWARE} is not known here".into());
                format!("Apache/{major}.{minor}.{patch}")
            }
        }
        .into_bytes()
    }

    /// A URI that a condition asks about: one without a slash in front is beside this one.
    fn beside(&self, uri: &[u8]) -> Vec<u8> {
        match uri.first() {
            Some(b'/') => uri.to_vec(),
            _ => {
                let end = memchr::memrchr(b'/', &self.uri).map_or(0, |at| at + 1);
                [&uri::escape(&self.uri[..end])[..], uri].concat()
            }
        }
    }
}

impl RequestVariables for Subrequest<'_, '_> {
    fn variable(&self, name: &[u8]) -> Option<Vec<u8>> {
        let asked = self.asked;
        let header = |name: &[u8]| match self.given(name) {
            None => Some(Vec::new()),
            Some(value) => value.map_err(|why| self.doubt(why)).ok(),
        };
        let context = &self.context;
        let text: Vec<u8> = match name {
            b"REQUEST_METHOD" => self.method.unwrap_or(asked.method).to_vec(),
            b"REQUEST_SCHEME" => asked.scheme.to_vec(),
            b"REQUEST_URI" | b"DOCUMENT_URI" => self.uri.clone(),
            b"REQUEST_FILENAME" | b"SCRIPT_FILENAME" if self.handing.is_some() => self.handing.as_ref()?.script.clone(),
            b"REQUEST_FILENAME" | b"SCRIPT_FILENAME" | b"SCRIPT_USER" | b"SCRIPT_GROUP" if self.unmapped => Vec::new(),
            b"REQUEST_FILENAME" | b"SCRIPT_FILENAME" if self.filename.is_empty() => self.uri.clone(),
            b"REQUEST_FILENAME" | b"SCRIPT_FILENAME" => self.filename.clone(),
            b"PATH_INFO" => self.path_info.clone(),
            b"QUERY_STRING" => self.query.clone().unwrap_or_default(),
            b"CONTEXT_DOCUMENT_ROOT" if !self.alias_context.root.is_empty() => self.alias_context.root.clone(),
            b"DOCUMENT_ROOT" | b"CONTEXT_DOCUMENT_ROOT" => self.document_root().into_owned(),
            b"CONTEXT_PREFIX" => self.alias_context.prefix.clone(),
            b"REMOTE_IDENT" | b"REQUEST_LOG_ID" | b"CONN_LOG_ID" => Vec::new(),
            // The handler and the type of the answer: they are known once access is decided.
            b"HANDLER" => self.kind.as_ref().map(|kind| kind.handler.clone()).unwrap_or_default(),
            b"CONTENT_TYPE" => self.kind.as_ref().map(|kind| kind.media.clone()).unwrap_or_default(),
            // No file has been sent yet.
            b"LAST_MODIFIED" => b"19700101000000".to_vec(),
            b"SERVER_ADMIN" => {
                let admin = |server: &Server| server.identity.as_ref()?.admin.clone();
                context
                    .layers(asked.server)
                    .find_map(admin)
                    .map_or(b"[no address given]".to_vec(), |admin| admin.into())
            }
            b"AUTH_TYPE" => self.login.borrow().as_ref().map(|login| login.kind.clone()).unwrap_or_default(),
            ssl if ssl.starts_with(b"SSL_") && !asked.scheme.eq_ignore_ascii_case(b"https") => Vec::new(),
            b"API_VERSION" => b"20120211".to_vec(),
            b"HTTP2" if asked.protocol.starts_with(b"HTTP/2") => b"on".to_vec(),
            b"HTTP2" => b"off".to_vec(),
            b"IPV6" => {
                let client = asked.client?;
                let is_new = memchr::memchr(b':', client).is_some() && !client.starts_with(b"::ffff:");
                if is_new { b"on".to_vec() } else { b"off".to_vec() }
            }
            b"REMOTE_USER" => self.user().unwrap_or_default(),
            b"SERVER_NAME" => {
                let own = context.layers(asked.server).find_map(|server| server.name.as_deref());
                asked.host.clone().or_else(|| own.map(<[u8]>::to_vec))?
            }
            b"SERVER_PORT" => asked.shown_port(context, self.depth > 0).to_string().into_bytes(),
            b"REMOTE_HOST" => asked.client?.to_vec(),
            b"REQUEST_STATUS" => self.status.filter(|_| self.depth == 0).unwrap_or(200).to_string().into_bytes(),
            b"SERVER_PROTOCOL" => asked.protocol.to_vec(),
            b"THE_REQUEST" => [asked.method, b" ", asked.target, b" ", asked.protocol].concat(),
            b"REMOTE_ADDR" | b"CONN_REMOTE_ADDR" => asked.client?.to_vec(),
            // A client on this machine has connected to its own address.
            b"SERVER_ADDR" => asked.address.or(asked.client.filter(|client| client.starts_with(b"127.")))?.to_vec(),
            b"SERVER_SOFTWARE" => self.software(),
            b"HTTPS" if asked.scheme.eq_ignore_ascii_case(b"https") => b"on".to_vec(),
            b"HTTPS" => b"off".to_vec(),
            b"IS_SUBREQ" => {
                if self.depth > 0 {
                    b"true".to_vec()
                } else {
                    b"false".to_vec()
                }
            }
            // A host in the request target wins over the header.
            b"HTTP_HOST" if self.has_changed_headers() => return header(b"Host"),
            b"HTTP_HOST" if asked.target.first() != Some(&b'/') && asked.host.is_some() => return asked.named_host(),
            b"HTTP_HOST" => return header(b"Host").filter(|host| !host.is_empty()).or_else(|| asked.named_host()),
            b"HTTP_ACCEPT" => return header(b"Accept"),
            b"HTTP_COOKIE" => return header(b"Cookie"),
            b"HTTP_FORWARDED" => return header(b"Forwarded"),
            b"HTTP_PROXY_CONNECTION" => return header(b"Proxy-Connection"),
            b"HTTP_REFERER" => return header(b"Referer"),
            b"HTTP_USER_AGENT" => return header(b"User-Agent"),
            _ => return None,
        };
        Some(text)
    }

    fn header(&self, name: &[u8]) -> Option<Vec<u8>> {
        let host = || {
            let sent = name.eq_ignore_ascii_case(b"host") && !self.has_changed_headers();
            sent.then(|| self.asked.named_host()).flatten()
        };
        match self.given(name) {
            None => Some(host().unwrap_or_default()),
            Some(value) => value.map_err(|why| self.doubt(why)).ok(),
        }
    }

    fn headers(&self, meant: &mut dyn FnMut(&[u8]) -> bool) -> Option<Result<Vec<u8>, String>> {
        if let Some(headers) = &*self.headers.borrow() {
            return headers.find(meant).cloned();
        }
        if self.asked.header(b"host").is_none()
            && let Some(host) = self.asked.named_host().filter(|_| meant(b"Host"))
        {
            return Some(Ok(host));
        }
        self.asked.headers.iter().find(|(name, _)| meant(name)).map(|(_, value)| Ok(value.to_vec()))
    }

    fn environment(&self, name: &[u8]) -> Option<Vec<u8>> {
        match self.of_cgi(name) {
            Cgi::Value(value) => return Some(value),
            Cgi::Unknown => return None,
            Cgi::Doubtful(why) => {
                self.doubt(why);
                return None;
            }
            Cgi::Unset => {}
        }
        self.budget().afford_names(self.env.borrow().len());
        if let Some(value) = self.env.borrow().get(name) {
            return value.as_ref().ok().cloned();
        }
        let found = self.context.data.env.iter().find(|(own, _)| own == name);
        if found.is_none() && is_of_servers(name) {
            return None;
        }
        Some(found.map(|(_, value)| value.clone()).unwrap_or_default())
    }

    fn is_set(&self, name: &[u8]) -> Result<bool, String> {
        match self.of_cgi(name) {
            Cgi::Unset => {}
            Cgi::Doubtful(why) => return Err(why),
            Cgi::Unknown | Cgi::Value(_) => return Ok(true),
        }
        self.budget().afford_names(self.env.borrow().len());
        match self.env.borrow().get(name) {
            Some(Err(why)) => Err(why.clone()),
            found => Ok(found.is_some()),
        }
    }

    fn assign(&self, name: &[u8], value: Option<Vec<u8>>) {
        if !self.budget().afford_names(self.env.borrow().len()) {
            return;
        }
        match value {
            Some(value) => self.env.borrow_mut().set(name, Ok(value)),
            None => self.env.borrow_mut().unset(name),
        }
    }

    fn user(&self) -> Option<Vec<u8>> {
        self.login.borrow().as_ref().map(|login| login.user.clone())
    }

    fn groups(&self) -> Vec<Vec<u8>> {
        let login = self.login.borrow();
        let Some((login, file)) = login.as_ref().and_then(|login| Some((login, login.groups.as_deref()?))) else {
            return Vec::new();
        };
        let file = self.context.files.read(path_of(file)).unwrap_or_default();
        groups_of(&file, &login.user).into_iter().map(<[u8]>::to_vec).collect()
    }

    fn is_here(&self, authority: &[u8]) -> bool {
        let Some((host, port)) = uri::host(authority) else { return false };
        let scheme: &[u8] = self.asked.scheme;
        let usual = if scheme.eq_ignore_ascii_case(b"https") { 443 } else { 80 };
        let context = &self.context;
        let own = context.host(self.asked.server).unwrap_or(context.main());
        // Names count with the port of ServerName, which is 0 where that gives none, whatever port the request came to.
        port.unwrap_or(usual) == own.port.unwrap_or(0) && own.has_name(&host)
    }

    fn budget(&self) -> &Budget {
        &self.context.memo.budget
    }

    fn doubt(&self, about: String) {
        self.context.memo.doubt(about);
    }

    fn look(&self, target: Target<'_>) -> Option<Seen> {
        // A subrequest for its own URI would never end.
        if self.outer.as_deref() == Some(&self.uri) && !matches!(target, Target::FileAgain(_)) {
            return None;
        }
        if self.unmapped && !matches!(target, Target::Uri(_)) {
            self.context.memo.silence("a condition asks for a file (-F) before the request has one".into());
            return None;
        }
        let (path, is_file) = match target {
            Target::Uri(path) => (path, false),
            Target::File(path) | Target::FileAgain(path) => (path, true),
        };
        // It is copied to be asked with, and to be known again.
        self.budget().afford_bytes(self.env.borrow().size());
        let question = Question {
            depth: self.depth,
            is_file,
            target: path.to_vec(),
            uri: self.uri.clone(),
            filename: self.filename.clone(),
            walks: self.walks.number,
            login: self.login.borrow().clone(),
            env: self.env.borrow().clone(),
            headers: self.headers.borrow().clone(),
        };
        self.context.memo.seen_by(question, || {
            let looked = if is_file {
                self.sub_file(path)
            } else {
                self.sub(&self.beside(path), Some(&self.past()), &mut Vec::new())
            };
            let seen = |status, filename, is_file, user| Seen { status, filename, is_file, user };
            Some(match looked {
                Ok(Ready { redirect: Some(Sent { uri: to, .. }), subrequest, .. }) => {
                    seen(200, [b"redirect:", &to[..]].concat(), false, subrequest.user())
                }
                Ok(ready) => {
                    let is_file = ready.walked.found == Found::File;
                    seen(200, ready.walked.filename, is_file, ready.subrequest.user())
                }
                Err(outcome) => match *outcome {
                    Outcome::Answer { status, .. } => seen(status, path.to_vec(), false, None),
                    _ => return None,
                },
            })
        })
    }

    fn files(&self) -> &dyn Files {
        self.context.files
    }
}
