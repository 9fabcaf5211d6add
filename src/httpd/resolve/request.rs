//! The part of a request that no internal redirect changes: the server, the client, the method (fact A-061).

use super::context::ResolveContext;
use crate::httpd::syntax::tokens;
use crate::httpd::syntax::uri;
use crate::target::Target;
use std::net::IpAddr;

/// The request as it came.
#[derive(Debug)]
pub(super) struct Asked<'t> {
    pub server: usize,
    /// The host's name, checked and in lower case; none: there was none.
    pub host: Option<Vec<u8>>,
    pub host_port: Option<u16>,
    pub scheme: &'t [u8],
    pub method: &'t [u8],
    pub protocol: &'t [u8],
    pub target: &'t [u8],
    pub client: Option<&'t [u8]>,
    /// Who has logged in.
    pub user: Option<&'t [u8]>,
    pub address: Option<&'t [u8]>,
    pub document_root: Option<&'t [u8]>,
    /// No file is looked for.
    pub routes: bool,
    pub headers: &'t [(&'t [u8], &'t [u8])],
}

impl<'t> Asked<'t> {
    /// Chooses the server. The error is the status that httpd answers.
    pub fn new(context: &ResolveContext<'_>, target: &Target<'t>) -> Result<Self, (u16, &'static str)> {
        let scheme = target.scheme.unwrap_or(b"http");
        let default = if scheme.eq_ignore_ascii_case(b"https") { 443 } else { 80 };
        let port = if target.port == 0 { default } else { target.port };
        let text = target.uri.unwrap_or(b"/");
        let protocol = target.protocol.unwrap_or(b"HTTP/1.1");
        let (host, host_port) = match host_of(text, target)? {
            Some((host, host_port)) => (Some(host), host_port),
            // A caller that gives no host at all has not sent a request without one.
            None if target.protocol.is_some() && !protocol.ends_with(b"/1.0") && !protocol.ends_with(b"/0.9") => {
                return Err((400, "an HTTP/1.1 request needs a Host header"));
            }
            None => (None, None),
        };
        let ip = target.server_address.and_then(|text| std::str::from_utf8(text).ok()?.parse::<IpAddr>().ok());
        let has = |server: u32, name: &[u8]| {
            context.data.servers.get(server as usize).is_some_and(|server| server.has_name(name))
        };
        let chosen = context.data.hosts.choose(ip, port, host.as_deref(), has);
        if chosen.is_one_of_several {
            context.memo.doubt(
                "virtual hosts at several addresses have this name; the first one is taken: give the address".into(),
            );
        }
        let server = chosen.server as usize;
        Ok(Self {
            server,
            host,
            host_port,
            scheme,
            method: target.method.unwrap_or(b"GET"),
            protocol,
            target: text,
            client: target.client_address,
            user: target.user,
            address: target.server_address,
            document_root: target.document_root,
            routes: target.routes
                && target.filename.is_none()
                && target.document_root.is_none()
                && !context.layers(server).any(|server| server.document_root.is_some()),
            headers: target.headers,
        })
    }

    pub fn header(&self, name: &[u8]) -> Option<&'t [u8]> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// The host of a URL that leads back here.
    pub fn authority(&self, context: &ResolveContext<'_>, sub: bool) -> Vec<u8> {
        let server = context.layers(self.server).find_map(|server| server.name.as_deref());
        let host = self.host.as_deref().or(server).unwrap_or(b"localhost");
        let bracketed = [b"[", host, b"]"].concat();
        let host = if memchr::memchr(b':', host).is_some() { &bracketed } else { host };
        match self.shown_port(context, sub) {
            port if port == self.default_port() => host.to_vec(),
            port => [host, format!(":{port}").as_bytes()].concat(),
        }
    }

    /// What a Host header would say.
    pub fn named_host(&self) -> Option<Vec<u8>> {
        let port = self.host_port.map_or(String::new(), |port| format!(":{port}"));
        self.host.as_ref().map(|host| [host, port.as_bytes()].concat())
    }

    fn default_port(&self) -> u16 {
        if self.scheme.eq_ignore_ascii_case(b"https") { 443 } else { 80 }
    }

    /// The server's port as httpd reports it: the one in the request's host, else that of `ServerName`. A subrequest
    /// has no host of its own.
    pub fn shown_port(&self, context: &ResolveContext<'_>, sub: bool) -> u16 {
        let own = context.host(self.server).unwrap_or(context.main()).port;
        self.host_port.filter(|_| !sub).or(own).unwrap_or(self.default_port())
    }
}

type Host = Option<(Vec<u8>, Option<u16>)>;

fn host_of(text: &[u8], target: &Target<'_>) -> Result<Host, (u16, &'static str)> {
    const BAD: (u16, &str) = (400, "the Host header is not a host name");
    if text.first() != Some(&b'/')
        && let Ok(uri::Target { host: Some(host), .. }) = uri::parse(text, true, uri::Slashes::Keep)
    {
        return uri::host(&host).map(Some).ok_or(BAD);
    }
    let header = target.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"host")).map(|(_, value)| *value);
    match target.server_name.or(header) {
        Some(text) => uri::host(tokens::trim(text)).map(Some).ok_or(BAD),
        None => Ok(None),
    }
}
