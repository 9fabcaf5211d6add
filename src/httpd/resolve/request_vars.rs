//! What conditions may ask about a request.

use super::outcome::{Outcome, Ready, Sent};
use super::subrequest::Subrequest;
use crate::files::Files;
use crate::httpd::expression::evaluate::{RequestVariables, Seen, Target};
use crate::httpd::syntax::uri;

impl Subrequest<'_, '_> {
    /// A variable of CGI; `None`: there is none of this name.
    fn of_cgi(&self, name: &[u8]) -> Option<Vec<u8>> {
        if let Some(header) = name.strip_prefix(b"HTTP_") {
            let meant = |own: &[u8]| {
                own.len() == header.len()
                    && own.iter().zip(header).all(|(one, other)| {
                        one.to_ascii_uppercase() == *other || (*other == b'_' && !one.is_ascii_alphanumeric())
                    })
            };
            return self.headers(&mut |own| meant(own));
        }
        let known: [&[u8]; 11] = [
            b"SCRIPT_FILENAME",
            b"REQUEST_METHOD",
            b"REQUEST_SCHEME",
            b"QUERY_STRING",
            b"DOCUMENT_ROOT",
            b"SERVER_NAME",
            b"SERVER_PORT",
            b"SERVER_ADDR",
            b"SERVER_PROTOCOL",
            b"REMOTE_ADDR",
            b"CONTEXT_PREFIX",
        ];
        match name {
            b"REQUEST_URI" => Some(self.asked.target.to_vec()),
            b"PATH_INFO" => (!self.path_info.is_empty()).then(|| self.path_info.clone()),
            b"SCRIPT_NAME" => Some(self.uri.strip_suffix(&self.path_info[..]).unwrap_or(&self.uri).to_vec()),
            b"HTTPS" if self.asked.scheme.eq_ignore_ascii_case(b"https") => Some(b"on".to_vec()),
            name if known.contains(&name) => self.variable(name),
            _ => None,
        }
    }
}

/// What servers usually have in their environment, whatever it is.
fn is_of_servers(name: &[u8]) -> bool {
    let usual: [&[u8]; 7] = [b"PATH", b"HOME", b"LANG", b"PWD", b"TZ", b"USER", b"INVOCATION_ID"];
    usual.contains(&name) || name.starts_with(b"APACHE_")
}

impl RequestVariables for Subrequest<'_, '_> {
    fn variable(&self, name: &[u8]) -> Option<Vec<u8>> {
        let asked = self.asked;
        let header = |name: &[u8]| Some(asked.header(name).unwrap_or_default().to_vec());
        let context = &self.context;
        let text: Vec<u8> = match name {
            b"REQUEST_METHOD" => self.method.unwrap_or(asked.method).to_vec(),
            b"REQUEST_SCHEME" => asked.scheme.to_vec(),
            b"REQUEST_URI" | b"DOCUMENT_URI" => self.uri.clone(),
            b"REQUEST_FILENAME" | b"SCRIPT_FILENAME" if self.unmapped => Vec::new(),
            b"REQUEST_FILENAME" | b"SCRIPT_FILENAME" if self.filename.is_empty() => self.uri.clone(),
            b"REQUEST_FILENAME" | b"SCRIPT_FILENAME" => self.filename.clone(),
            b"PATH_INFO" => self.path_info.clone(),
            b"QUERY_STRING" => self.query.clone().unwrap_or_default(),
            b"CONTEXT_DOCUMENT_ROOT" if !self.alias_context.root.is_empty() => self.alias_context.root.clone(),
            b"DOCUMENT_ROOT" | b"CONTEXT_DOCUMENT_ROOT" => {
                asked.document_root.unwrap_or(context.document_root(asked.server)).to_vec()
            }
            b"CONTEXT_PREFIX" => self.alias_context.prefix.clone(),
            b"HANDLER" | b"AUTH_TYPE" | b"REMOTE_IDENT" | b"REQUEST_LOG_ID" | b"CONN_LOG_ID" => Vec::new(),
            ssl if ssl.starts_with(b"SSL_") && !asked.scheme.eq_ignore_ascii_case(b"https") => Vec::new(),
            b"API_VERSION" => b"20120211".to_vec(),
            b"HTTP2" if asked.protocol.starts_with(b"HTTP/2") => b"on".to_vec(),
            b"HTTP2" => b"off".to_vec(),
            b"IPV6" => {
                let client = asked.client?;
                let is_new = memchr::memchr(b':', client).is_some() && !client.starts_with(b"::ffff:");
                if is_new { b"on".to_vec() } else { b"off".to_vec() }
            }
            b"REMOTE_USER" => asked.user.unwrap_or_default().to_vec(),
            b"SERVER_NAME" => {
                let own = context.layers(asked.server).find_map(|server| server.name.as_deref());
                asked.host.clone().or_else(|| own.map(<[u8]>::to_vec))?
            }
            b"SERVER_PORT" => asked.shown_port(context, self.depth > 0).to_string().into_bytes(),
            b"REMOTE_HOST" => asked.client?.to_vec(),
            b"REQUEST_STATUS" if !self.failed => b"200".to_vec(),
            b"SERVER_PROTOCOL" => asked.protocol.to_vec(),
            b"THE_REQUEST" => [asked.method, b" ", asked.target, b" ", asked.protocol].concat(),
            b"REMOTE_ADDR" | b"CONN_REMOTE_ADDR" => asked.client?.to_vec(),
            // A client on this machine has connected to its own address.
            b"SERVER_ADDR" => asked.address.or(asked.client.filter(|client| client.starts_with(b"127.")))?.to_vec(),
            b"SERVER_SOFTWARE" => {
                let (major, minor, patch) = context.data.version;
                self.doubt("what ServerTokens and modules add to %{SERVER_SOFTWARE} is not known here".into());
                format!("Apache/{major}.{minor}.{patch}").into_bytes()
            }
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
            b"HTTP_HOST" if asked.target.first() != Some(&b'/') && asked.host.is_some() => return asked.named_host(),
            b"HTTP_HOST" => return header(b"Host").filter(|host| !host.is_empty()).or_else(|| asked.named_host()),
            b"HTTP_ACCEPT" => return header(b"Accept"),
            b"HTTP_COOKIE" => return header(b"Cookie"),
            b"HTTP_FORWARDED" => return header(b"Forwarded"),
            b"HTTP_PROXY_CONNECTION" => return header(b"Proxy-Connection"),
            b"HTTP_REFERER" => return header(b"Referer"),
            b"HTTP_USER_AGENT" => return header(b"User-Agent"),
            b"CONTENT_TYPE" => return header(b"Content-Type"),
            _ => return None,
        };
        Some(text)
    }

    fn header(&self, name: &[u8]) -> Option<Vec<u8>> {
        let own = self.asked.header(name).map(<[u8]>::to_vec);
        let host = || name.eq_ignore_ascii_case(b"host").then(|| self.asked.named_host()).flatten();
        Some(own.or_else(host).unwrap_or_default())
    }

    fn headers(&self, meant: &mut dyn FnMut(&[u8]) -> bool) -> Option<Vec<u8>> {
        if self.asked.header(b"host").is_none()
            && let Some(host) = self.asked.named_host().filter(|_| meant(b"Host"))
        {
            return Some(host);
        }
        self.asked.headers.iter().find(|(name, _)| meant(name)).map(|(_, value)| value.to_vec())
    }

    fn environment(&self, name: &[u8]) -> Option<Vec<u8>> {
        if self.handing
            && let Some(value) = self.of_cgi(name)
        {
            return Some(value);
        }
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
        if self.handing && self.of_cgi(name).is_some() {
            return Ok(true);
        }
        match self.env.borrow().get(name) {
            Some(Err(why)) => Err(why.clone()),
            found => Ok(found.is_some()),
        }
    }

    fn assign(&self, name: &[u8], value: Option<Vec<u8>>) {
        match value {
            Some(value) => self.env.borrow_mut().set(name, Ok(value)),
            None => self.env.borrow_mut().unset(name),
        }
    }

    fn user(&self) -> Option<&[u8]> {
        self.asked.user
    }

    fn is_here(&self, authority: &[u8]) -> bool {
        let Some((host, port)) = uri::host(authority) else { return false };
        let scheme: &[u8] = self.asked.scheme;
        let usual = if scheme.eq_ignore_ascii_case(b"https") { 443 } else { 80 };
        let context = &self.context;
        let own = context.host(self.asked.server).unwrap_or(context.main());
        port.unwrap_or(usual) == self.asked.port && own.has_name(&host)
    }

    fn spend(&self, steps: u32) -> bool {
        self.context.memo.spend(steps)
    }

    fn doubt(&self, about: String) {
        self.context.memo.doubt(about);
    }

    fn look(&self, target: Target<'_>) -> Option<Seen> {
        let uri = match target {
            Target::Uri(uri) => uri.to_vec(),
            Target::File(path) => {
                let root = self.context.document_root(self.asked.server);
                let below = path.strip_prefix(root.strip_suffix(b"/").unwrap_or(root));
                match below.filter(|below| below.starts_with(b"/")) {
                    Some(below) => uri::escape(below),
                    None => return Some(Seen { status: 200, filename: path.to_vec() }),
                }
            }
        };
        // A subrequest for its own URI would never end.
        if self.outer.as_deref() == Some(&self.uri) {
            return None;
        }
        Some(match self.sub(&uri, None, &mut Vec::new())? {
            Ok(Ready { redirect: Some(Sent { uri: to, .. }), .. }) => {
                Seen { status: 200, filename: [b"redirect:", &to[..]].concat() }
            }
            Ok(ready) => Seen { status: 200, filename: ready.walked.filename },
            Err(outcome) => match *outcome {
                Outcome::Answer { status, .. } => Seen { status, filename: uri },
                _ => return None,
            },
        })
    }

    fn files(&self) -> &dyn Files {
        self.context.files
    }
}
