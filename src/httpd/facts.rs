//! What conditions may ask about a request.

use super::evaluate::Facts;
use super::visit::Visit;
use crate::files::Files;

impl Facts for Visit<'_, '_> {
    fn variable(&self, name: &[u8]) -> Option<Vec<u8>> {
        let asked = self.asked;
        let header = |name: &[u8]| Some(asked.header(name).unwrap_or_default().to_vec());
        let engine = &self.engine;
        let text: Vec<u8> = match name {
            b"REQUEST_METHOD" => self.method.unwrap_or(asked.method).to_vec(),
            b"REQUEST_SCHEME" => asked.scheme.to_vec(),
            b"REQUEST_URI" | b"DOCUMENT_URI" => self.uri.clone(),
            b"REQUEST_FILENAME" | b"SCRIPT_FILENAME" if self.unmapped => Vec::new(),
            b"REQUEST_FILENAME" | b"SCRIPT_FILENAME" if self.filename.is_empty() => self.uri.clone(),
            b"REQUEST_FILENAME" | b"SCRIPT_FILENAME" => self.filename.clone(),
            b"PATH_INFO" => self.path_info.clone(),
            b"QUERY_STRING" => self.query.clone().unwrap_or_default(),
            b"CONTEXT_DOCUMENT_ROOT" if !self.context.root.is_empty() => self.context.root.clone(),
            b"DOCUMENT_ROOT" | b"CONTEXT_DOCUMENT_ROOT" => {
                asked.document_root.unwrap_or(engine.document_root(asked.server)).to_vec()
            }
            b"CONTEXT_PREFIX" => self.context.prefix.clone(),
            b"HANDLER" | b"AUTH_TYPE" | b"REMOTE_USER" | b"REMOTE_IDENT" => Vec::new(),
            b"SERVER_NAME" => {
                let own = engine.layers(asked.server).find_map(|server| server.name.as_deref());
                asked.host.clone().or_else(|| own.map(<[u8]>::to_vec))?
            }
            b"SERVER_PORT" => asked.shown_port(engine, self.depth > 0).to_string().into_bytes(),
            b"REQUEST_STATUS" if !self.failed => b"200".to_vec(),
            b"SERVER_PROTOCOL" => asked.protocol.to_vec(),
            b"THE_REQUEST" => [asked.method, b" ", asked.target, b" ", asked.protocol].concat(),
            b"REMOTE_ADDR" | b"CONN_REMOTE_ADDR" => asked.client?.to_vec(),
            b"SERVER_ADDR" => asked.address?.to_vec(),
            b"HTTPS" if asked.scheme.eq_ignore_ascii_case(b"https") => b"on".to_vec(),
            b"HTTPS" => b"off".to_vec(),
            b"IS_SUBREQ" => {
                if self.depth > 0 {
                    b"true".to_vec()
                } else {
                    b"false".to_vec()
                }
            }
            // A host in the request target stands before the header.
            b"HTTP_HOST" if asked.target.first() != Some(&b'/') && asked.host.is_some() => {
                let port = asked.host_port.map_or(String::new(), |port| format!(":{port}"));
                [asked.host.as_deref().unwrap_or_default(), port.as_bytes()].concat()
            }
            b"HTTP_HOST" => return header(b"Host").filter(|host| !host.is_empty()).or_else(|| self.asked.host.clone()),
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
        Some(self.asked.header(name).unwrap_or_default().to_vec())
    }

    fn environment(&self, name: &[u8]) -> Option<Vec<u8>> {
        if let Some((_, value)) = self.env.iter().rev().find(|(own, _)| **own == *name) {
            return Some(value.to_vec());
        }
        if self.engine.data.env_doubt {
            return None;
        }
        let found = self.engine.data.env.iter().find(|(own, _)| own == name);
        Some(found.map(|(_, value)| value.clone()).unwrap_or_default())
    }

    fn files(&self) -> &dyn Files {
        self.engine.files
    }
}
