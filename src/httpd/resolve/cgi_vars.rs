//! The variables of CGI, as a program's environment has them: they exist once a request is handed to a FastCGI server (fact A-123).

use super::subrequest::Subrequest;
use crate::httpd::expression::evaluate::RequestVariables;
use crate::httpd::syntax::uri;

/// A request that is being handed over.
#[derive(Clone, Debug)]
pub(super) struct Handing {
    /// The file with the server in front, `proxy:fcgi://localhost/www/p.php`.
    pub script: Vec<u8>,
    /// `ServerSignature` is on.
    pub signed: bool,
}

/// What is known of a variable of CGI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cgi {
    /// The server does not set it: it is what rules have made it.
    Unset,
    /// The server sets it, to what is not known here.
    Unknown,
    /// Whether it is set depends on this, which is not known here.
    Doubtful(String),
    Value(Vec<u8>),
}

impl Cgi {
    fn of(value: Option<Vec<u8>>) -> Self {
        value.map_or(Self::Unknown, Self::Value)
    }

    /// A header as a variable.
    fn header(value: Option<Result<Vec<u8>, String>>) -> Self {
        value.map_or(Self::Unset, |value| value.map_or_else(Self::Doubtful, Self::Value))
    }

    /// A variable that is only set where there is something to say.
    fn some(value: Option<Vec<u8>>) -> Self {
        value.map_or(Self::Unset, Self::Value)
    }
}

/// Headers with a variable of their own, or with none, since they are secrets or were a danger to programs.
const NOT_AS_HTTP: [&[u8]; 5] =
    [b"content_type", b"content_length", b"authorization", b"proxy_authorization", b"proxy"];

impl Subrequest<'_, '_> {
    /// A variable of CGI; before the request is handed over, there is none.
    pub(super) fn of_cgi(&self, name: &[u8]) -> Cgi {
        let Some(handing) = &self.handing else { return Cgi::Unset };
        let upper = name.to_ascii_uppercase();
        if let Some(header) = upper.strip_prefix(b"HTTP_") {
            return self.of_header(&header.to_ascii_lowercase());
        }
        let not_empty = |text: &[u8]| (!text.is_empty()).then(|| text.to_vec());
        let before = self.before.as_deref();
        match &upper[..] {
            b"GATEWAY_INTERFACE" => Cgi::Value(b"CGI/1.1".to_vec()),
            b"CONTENT_TYPE" => Cgi::header(self.given(b"Content-Type")),
            b"CONTENT_LENGTH" => Cgi::header(self.given(b"Content-Length")),
            b"REQUEST_URI" => Cgi::Value(self.asked.target.to_vec()),
            b"SCRIPT_NAME" => Cgi::Value(self.uri.strip_suffix(&self.path_info[..]).unwrap_or(&self.uri).to_vec()),
            b"PATH_INFO" => Cgi::some(not_empty(&self.path_info)),
            b"PATH_TRANSLATED" if self.path_info.is_empty() => Cgi::Unset,
            b"PATH_TRANSLATED" => Cgi::of(self.translated()),
            b"SERVER_SIGNATURE" if handing.signed => Cgi::Unknown,
            b"SERVER_SIGNATURE" => Cgi::Value(Vec::new()),
            b"REMOTE_USER" => Cgi::some(self.user()),
            b"AUTH_TYPE" => Cgi::some(not_empty(&self.variable(b"AUTH_TYPE").unwrap_or_default())),
            b"REDIRECT_URL" => Cgi::some(before.map(|(uri, _)| uri.clone())),
            b"REDIRECT_QUERY_STRING" => Cgi::some(before.and_then(|(_, query)| query.clone())),
            b"HTTPS" if self.asked.scheme.eq_ignore_ascii_case(b"https") => Cgi::Value(b"on".to_vec()),
            b"PATH" => {
                Cgi::of(self.context.data.env.iter().find(|(own, _)| own == b"PATH").map(|(_, path)| path.clone()))
            }
            b"SCRIPT_FILENAME"
            | b"REQUEST_METHOD"
            | b"REQUEST_SCHEME"
            | b"QUERY_STRING"
            | b"DOCUMENT_ROOT"
            | b"CONTEXT_DOCUMENT_ROOT"
            | b"CONTEXT_PREFIX"
            | b"SERVER_NAME"
            | b"SERVER_PORT"
            | b"SERVER_ADDR"
            | b"SERVER_PROTOCOL"
            | b"SERVER_ADMIN"
            | b"SERVER_SOFTWARE"
            | b"REMOTE_ADDR"
            | b"REMOTE_PORT" => Cgi::of(self.variable(&upper)),
            _ => Cgi::Unset,
        }
    }

    /// A header as a variable. Only names of letters, digits and `-` become one.
    fn of_header(&self, wanted: &[u8]) -> Cgi {
        if NOT_AS_HTTP.contains(&wanted) {
            return Cgi::Unset;
        }
        let meant = |own: &[u8]| {
            let same = |(one, other): (&u8, &u8)| match *one {
                b'-' => *other == b'_',
                one => one.is_ascii_alphanumeric() && one.to_ascii_lowercase() == *other,
            };
            own.len() == wanted.len() && own.iter().zip(wanted).all(same)
        };
        Cgi::header(self.headers(&mut |own| meant(own)))
    }

    /// The file that the path behind the script would be, were it a URI.
    fn translated(&self) -> Option<Vec<u8>> {
        let found = self.sub(&uri::escape(&self.path_info), None, &mut Vec::new()).ok()?;
        Some([found.walked.filename, found.walked.path_info].concat())
    }
}
