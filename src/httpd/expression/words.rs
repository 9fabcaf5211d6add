//! The texts of expressions: what stands in quotes, in `%{…}`, and in whole arguments that are put together for each request
//! (facts ).

use super::parse::{MAX_DEPTH, Parsed, Parser, Piece, Word};
use crate::httpd::syntax::messages::lossy;
use crate::httpd::syntax::modules::Scope;

/// The variables that exist, besides those of mod_ssl.
const VARIABLES: &[&str] = &[
    "HTTP_ACCEPT",
    "HTTP_COOKIE",
    "HTTP_FORWARDED",
    "HTTP_HOST",
    "HTTP_PROXY_CONNECTION",
    "HTTP_REFERER",
    "HTTP_USER_AGENT",
    "REQUEST_METHOD",
    "REQUEST_SCHEME",
    "REQUEST_URI",
    "DOCUMENT_URI",
    "REQUEST_FILENAME",
    "SCRIPT_FILENAME",
    "LAST_MODIFIED",
    "SCRIPT_USER",
    "SCRIPT_GROUP",
    "PATH_INFO",
    "QUERY_STRING",
    "IS_SUBREQ",
    "THE_REQUEST",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "REMOTE_HOST",
    "REMOTE_USER",
    "REMOTE_IDENT",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_ADMIN",
    "SERVER_PROTOCOL",
    "DOCUMENT_ROOT",
    "AUTH_TYPE",
    "CONTENT_TYPE",
    "HANDLER",
    "HTTP2",
    "HTTPS",
    "IPV6",
    "REQUEST_STATUS",
    "REQUEST_LOG_ID",
    "CONN_LOG_ID",
    "CONN_REMOTE_ADDR",
    "CONTEXT_PREFIX",
    "CONTEXT_DOCUMENT_ROOT",
    "SERVER_SOFTWARE",
    "API_VERSION",
    "TIME",
    "TIME_YEAR",
    "TIME_MON",
    "TIME_DAY",
    "TIME_HOUR",
    "TIME_MIN",
    "TIME_SEC",
    "TIME_WDAY",
];

/// Whether httpd has a variable of this name.
fn is_variable(name: &[u8]) -> bool {
    VARIABLES.iter().any(|own| own.as_bytes() == name)
}

const FUNCTIONS: &[&str] = &[
    "osenv",
    "env",
    "resp",
    "req",
    "http",
    "note",
    "reqenv",
    "req_novary",
    "tolower",
    "toupper",
    "escape",
    "unescape",
    "base64",
    "unbase64",
    "md5",
    "sha1",
    "ldap",
    "file",
    "filesize",
];

/// The functions that read files; an `.htaccess` may not use them.
const RESTRICTED: [&[u8]; 2] = [b"file", b"filesize"];

impl Parser<'_> {
    pub fn word(&mut self) -> Parsed<Word> {
        let mut word = Vec::new();
        loop {
            self.blanks();
            self.piece(&mut word)?;
            self.blanks();
            if self.rest().first() != Some(&b'.') {
                return Ok(word);
            }
            self.at += 1;
        }
    }

    fn piece(&mut self, word: &mut Word) -> Parsed<()> {
        match self.rest() {
            [quote @ (b'"' | b'\''), ..] => {
                self.at += 1;
                self.string(Some(*quote), word)
            }
            [b'%', b'{', ..] => self.variable().map(|piece| word.push(piece)),
            [b'$', digit @ b'0'..=b'9', ..] => {
                word.push(Piece::Group(digit - b'0'));
                self.at += 2;
                Ok(())
            }
            [b'0'..=b'9' | b'-', ..] => {
                let sign = usize::from(self.rest()[0] == b'-');
                let digits = self.rest()[sign..].iter().take_while(|b| b.is_ascii_digit()).count();
                if digits == 0 {
                    return Err(self.unexpected());
                }
                word.push(Piece::Text(self.rest()[..sign + digits].into()));
                self.at += sign + digits;
                Ok(())
            }
            [b'a'..=b'z' | b'A'..=b'Z' | b'_', ..] => self.call().map(|piece| word.push(piece)),
            _ => Err(self.unexpected()),
        }
    }

    /// A text up to this byte, which is taken as well; without one, up to the end.
    pub fn string(&mut self, end: Option<u8>, word: &mut Word) -> Parsed<()> {
        let mut text = Vec::new();
        loop {
            match self.rest() {
                [] if end.is_none() => break,
                [] => return Err("Unterminated string or variable".into()),
                [b'\\', next, ..] => {
                    text.push(match next {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'b' => 8,
                        b'f' => 12,
                        other => *other,
                    });
                    self.at += 2;
                }
                [byte, ..] if Some(*byte) == end => {
                    self.at += 1;
                    break;
                }
                [b'%', b'{', ..] => {
                    word.push(Piece::Text(std::mem::take(&mut text).into()));
                    word.push(self.variable()?);
                }
                [b'$', digit @ b'0'..=b'9', ..] => {
                    word.push(Piece::Text(std::mem::take(&mut text).into()));
                    word.push(Piece::Group(digit - b'0'));
                    self.at += 2;
                }
                [byte, ..] => {
                    text.push(*byte);
                    self.at += 1;
                }
            }
        }
        word.push(Piece::Text(text.into()));
        Ok(())
    }

    /// `%{NAME}`, or `%{function:argument}`, whose argument may have others in it.
    fn variable(&mut self) -> Parsed<Piece> {
        self.at += 2;
        let length = self.rest().iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        let name = &self.rest()[..length];
        self.at += length;
        if name.is_empty() {
            return Err(self.unexpected());
        }
        match self.rest().first() {
            Some(b'}') => self.at += 1,
            Some(b':') => {
                self.at += 1;
                if self.rest().first() == Some(&b'}') {
                    return Err("syntax error, unexpected T_VAR_END".into());
                }
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err("nested too deeply: simplify it".into());
                }
                let mut argument = Word::new();
                self.string(Some(b'}'), &mut argument)?;
                self.depth -= 1;
                return function(name, argument, self.scope);
            }
            Some(other) => return Err(format!("Invalid character in variable name '{}'", char::from(*other))),
            None => return Err("Unterminated string or variable".into()),
        }
        let upper = name.to_ascii_uppercase();
        let of_ssl = self.scope.ssl && upper.starts_with(b"SSL_");
        match of_ssl || is_variable(&upper) {
            true => Ok(Piece::Variable(upper.into())),
            false => Err(format!("Variable '{}' does not exist", lossy(name))),
        }
    }

    fn call(&mut self) -> Parsed<Piece> {
        let length = self.rest().iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        let name = &self.rest()[..length];
        let start = self.at;
        self.at += length;
        if !self.eat(b"(") {
            self.at = start;
            return Err(self.unexpected());
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("nested too deeply: simplify it".into());
        }
        let argument = self.word()?;
        self.depth -= 1;
        if !self.eat(b")") {
            return Err(self.unexpected());
        }
        function(name, argument, self.scope)
    }
}

fn function(name: &[u8], argument: Word, scope: Scope) -> Parsed<Piece> {
    let name = name.to_ascii_lowercase();
    if scope.restricted && RESTRICTED.contains(&&*name) {
        return Err(format!("{} not available in restricted context", lossy(&name)));
    }
    match FUNCTIONS.iter().any(|f| f.as_bytes() == name) {
        true => Ok(Piece::Call(name.into(), argument)),
        false => Err(format!("Function '{}' does not exist", lossy(&name))),
    }
}
