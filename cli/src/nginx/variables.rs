//! nginx's variables, as far as a request and the files tell them.

use super::phases::Request;
use super::tree::Directive;
use super::{listen, port_of};
use fancy_regex::{BytesMode, Regex, RegexBuilder};
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What an expression matched.
#[derive(Clone, Debug, Default)]
pub struct Captures {
    numbered: Vec<Vec<u8>>,
    named: HashMap<String, Vec<u8>>,
}

/// Lines can double each other's values; a larger one is taken for not known.
const MAX_VALUE: usize = 1 << 20;

/// An expression as nginx has it.
fn regex(pattern: &[u8], caseless: bool) -> Result<Regex, String> {
    let text = std::str::from_utf8(pattern).map_err(|_| "the expression is no UTF-8".to_owned())?;
    let built = RegexBuilder::new(text)
        .bytes_mode(BytesMode::Ascii)
        .case_insensitive(caseless)
        .backtrack_limit(100_000)
        .build();
    built.map_err(|error| format!("the expression is not understood: {error}"))
}

impl Captures {
    /// What a pattern matches in a text. None: no match. An error: not known, and why.
    pub fn of(pattern: &[u8], caseless: bool, text: &[u8]) -> Result<Option<Self>, String> {
        let regex = regex(pattern, caseless)?;
        let found = regex.captures(text).map_err(|error| format!("the expression comes to no end: {error}"))?;
        let Some(found) = found else { return Ok(None) };
        let bytes = |range: Option<std::ops::Range<usize>>| range.map_or_else(Vec::new, |range| text[range].to_vec());
        let numbered = (0..found.len()).map(|at| bytes(found.get(at).map(|one| one.start()..one.end()))).collect();
        let named = regex.capture_names().flatten();
        let named =
            named.map(|name| (name.to_owned(), bytes(found.name(name).map(|one| one.start()..one.end())))).collect();
        Ok(Some(Self { numbered, named }))
    }

    pub fn number(&self, at: usize) -> &[u8] {
        self.numbered.get(at).map_or(b"", Vec::as_slice)
    }
}

/// A text with variables in it; the error is the one that is not known.
type Value = Result<Vec<u8>, String>;

/// Variables within variables no deeper than this.
const DEPTH: u32 = 16;

impl Request<'_> {
    /// Takes over what an expression has matched.
    pub fn matched(&mut self, captures: Captures) {
        for (name, value) in &captures.named {
            self.set.insert(name.clone(), Ok(value.clone()));
        }
        self.captures = captures;
    }

    /// A text with its variables replaced.
    pub fn value(&mut self, text: &[u8]) -> Value {
        self.value_at(text, 0)
    }

    fn value_at(&mut self, text: &[u8], depth: u32) -> Value {
        let (mut out, mut rest) = (Vec::new(), text);
        while let Some(at) = memchr::memchr(b'$', rest) {
            out.extend_from_slice(&rest[..at]);
            rest = &rest[at + 1..];
            let braced = rest.first() == Some(&b'{');
            let start = &rest[usize::from(braced)..];
            let length = match start.first() {
                Some(byte) if byte.is_ascii_digit() && !braced => 1,
                _ => start.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count(),
            };
            if length == 0 {
                return Err("a $ without a name".into());
            }
            let name = String::from_utf8_lossy(&start[..length]).into_owned();
            out.extend(self.variable(&name, depth)?);
            if out.len() > MAX_VALUE {
                return Err("a value that is larger than 1 MiB".into());
            }
            rest = start.get(length + usize::from(braced)..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
        Ok(out)
    }

    fn variable(&mut self, name: &str, depth: u32) -> Value {
        if depth > DEPTH {
            return Err(format!("${name}, which leads to itself"));
        }
        if let Ok(at) = name.parse::<usize>() {
            return Ok(self.captures.number(at).to_vec());
        }
        if let Some(value) = self.set.get(name) {
            return value.clone();
        }
        if let Some(value) = self.map(name, depth) {
            return value;
        }
        let target = self.target;
        let text = |bytes: Option<&[u8]>| Ok(bytes.unwrap_or_default().to_vec());
        let header = |name: &str| {
            let plain = |byte: u8| if byte == b'-' { b'_' } else { byte.to_ascii_lowercase() };
            let same = |own: &[u8]| own.iter().map(|byte| plain(*byte)).eq(name.bytes());
            target.headers.iter().find(|(own, _)| same(own)).map(|(_, value)| *value)
        };
        match name {
            "uri" | "document_uri" => Ok(self.uri.clone()),
            "request_uri" => text(target.uri),
            "args" | "query_string" => Ok(self.args.clone()),
            "is_args" => Ok(if self.args.is_empty() { Vec::new() } else { b"?".to_vec() }),
            "host" => {
                Ok(listen::host(target)
                    .unwrap_or_else(|| self.server.names.first().copied().unwrap_or_default().to_vec()))
            }
            "http_host" => text(header("host").or(target.server_name)),
            "server_name" => text(self.server.names.first().copied()),
            "server_port" => Ok(port_of(target).to_string().into_bytes()),
            "scheme" => text(target.scheme.or(Some(b"http"))),
            "https" => Ok(if target.scheme == Some(b"https") { b"on".to_vec() } else { Vec::new() }),
            "request_method" => text(target.method.or(Some(b"GET"))),
            "server_protocol" => text(target.protocol.or(Some(b"HTTP/1.1"))),
            "remote_user" => text(target.user),
            "remote_addr" => target.client_address.map(<[u8]>::to_vec).ok_or("$remote_addr (give --client)".into()),
            "server_addr" => target.server_address.map(<[u8]>::to_vec).ok_or("$server_addr (give --address)".into()),
            "document_root" => self.document_root(),
            "realpath_root" => {
                let root = self.document_root()?;
                let real = self.view.canonical(Path::new(std::ffi::OsStr::from_bytes(&root)));
                Ok(real.as_os_str().as_bytes().to_vec())
            }
            "request_filename" => self.file_of(&self.uri.clone()),
            "fastcgi_script_name" => Ok(self.fastcgi_names()?.0),
            "fastcgi_path_info" => Ok(self.fastcgi_names()?.1),
            "content_type" => text(header("content_type")),
            "content_length" => text(header("content_length")),
            "nginx_version" => Err("$nginx_version".into()),
            _ if name.starts_with("http_") => text(header(&name[5..])),
            _ if name.starts_with("arg_") => Ok(self.argument(&name[4..])),
            _ => Err(format!("${name}")),
        }
    }

    /// The first argument of that name in the query.
    fn argument(&self, name: &str) -> Vec<u8> {
        let pairs = self.args.split(|&byte| byte == b'&');
        let found = pairs.filter_map(|pair| {
            let at = pair.iter().position(|&byte| byte == b'=')?;
            pair[..at].eq_ignore_ascii_case(name.as_bytes()).then(|| pair[at + 1..].to_vec())
        });
        found.into_iter().next().unwrap_or_default()
    }

    /// `fastcgi_split_path_info` and `fastcgi_index`: the script's name, and what follows it.
    fn fastcgi_names(&mut self) -> Result<(Vec<u8>, Vec<u8>), String> {
        if let Some(split) = self.last(b"fastcgi_split_path_info") {
            let captures = Captures::of(split.arg(0), false, &self.uri);
            let captures = captures.map_err(|why| format!("{}: fastcgi_split_path_info: {why}", split.origin))?;
            if let Some(captures) = captures {
                return Ok((captures.number(1).to_vec(), captures.number(2).to_vec()));
            }
        }
        let mut name = self.uri.clone();
        if name.ends_with(b"/")
            && let Some(index) = self.last(b"fastcgi_index")
        {
            name.extend_from_slice(index.arg(0));
        }
        Ok((name, Vec::new()))
    }

    /// What a `map` makes of it; none: no map has it.
    fn map(&mut self, name: &str, depth: u32) -> Option<Value> {
        let nginx = self.nginx;
        let wanted = [b"$", name.as_bytes()].concat();
        let of_map = |one: &&Directive| one.name == b"map" && one.arg(1) == wanted;
        let other = |one: &&Directive| {
            matches!(&*one.name, b"geo" | b"split_clients") && one.args.last().is_some_and(|own| *own == wanted)
        };
        if let Some(other) = nginx.http.iter().find(other) {
            return Some(Err(format!("${name} ({}, {})", String::from_utf8_lossy(&other.name), other.origin)));
        }
        let map = nginx.http.iter().rfind(of_map)?;
        let source = match self.value_at(map.arg(0), depth + 1) {
            Ok(source) => source,
            Err(why) => return Some(Err(why)),
        };
        let hostnames = map.inside().iter().any(|one| one.name == b"hostnames");
        let mut chosen: Option<Vec<u8>> = None;
        let plain = |one: &&Directive| !matches!(&*one.name, b"default" | b"hostnames" | b"volatile");
        for one in map.inside().iter().filter(plain) {
            let key = one.name.strip_prefix(b"\\").unwrap_or(&one.name);
            let is_regex = key.starts_with(b"~") && key.len() == one.name.len();
            if !is_regex && key.eq_ignore_ascii_case(&source) {
                chosen = Some(one.arg(0).to_vec());
                break;
            }
        }
        if chosen.is_none() && hostnames {
            let lower = source.to_ascii_lowercase();
            let tail = map.inside().iter().filter(plain).filter_map(|one| {
                let tail = one.name.strip_prefix(b"*").or(one.name.starts_with(b".").then_some(&one.name[..]))?;
                let exact = one.name.starts_with(b".") && tail[1..].eq_ignore_ascii_case(&lower);
                (exact || (tail.starts_with(b".") && lower.ends_with(&tail.to_ascii_lowercase())))
                    .then_some((tail.len(), one))
            });
            chosen = tail.max_by_key(|(length, _)| *length).map(|(_, one)| one.arg(0).to_vec());
        }
        if chosen.is_none() {
            for one in map.inside().iter().filter(plain) {
                let Some(pattern) = one.name.strip_prefix(b"~") else { continue };
                let (pattern, caseless) = match pattern.strip_prefix(b"*") {
                    Some(pattern) => (pattern, true),
                    None => (pattern, false),
                };
                match Captures::of(pattern, caseless, &source) {
                    Ok(Some(captures)) => {
                        self.matched(captures);
                        chosen = Some(one.arg(0).to_vec());
                        break;
                    }
                    Ok(None) => {}
                    Err(why) => return Some(Err(format!("${name} ({}: {why})", one.origin))),
                }
            }
        }
        let default = || map.inside().iter().find(|one| one.name == b"default").map(|one| one.arg(0).to_vec());
        let text = chosen.or_else(default).unwrap_or_default();
        Some(self.value_at(&text, depth + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_without_end_is_not_a_mismatch() {
        let text = [&[b'a'; 60][..], b"b"].concat();
        assert!(Captures::of(b"^(a|aa)+(?!x)$", false, &text).unwrap_err().contains("no end"));
        assert!(Captures::of(b"(", false, b"").unwrap_err().contains("not understood"));
        assert!(Captures::of(b"^c", false, &text).unwrap().is_none());
        assert_eq!(Captures::of(b"A(.)$", true, &text).unwrap().unwrap().number(1), b"b");
    }
}
