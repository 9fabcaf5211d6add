//! `RewriteMap`: text files and the built-in functions.

use crate::files::Files;
use crate::httpd::syntax::tokens::is_space;
use crate::httpd::syntax::uri;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Where a map's answers come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A text file, read when it is asked.
    Text(Box<[u8]>),
    Lower,
    Upper,
    Escape,
    Unescape,
    /// A program, a database or a random map: its answer is not known, so none is given.
    Beyond,
    /// A random map: known where a key has one value only.
    Random(Box<[u8]>),
}

/// A map.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    pub name: Box<[u8]>,
    pub source: Source,
}

impl Map {
    /// `type:source`, or a text file's path; relative ones are completed by `absolute`.
    pub fn new(name: &[u8], source: &[u8], absolute: impl Fn(&[u8]) -> Box<[u8]>) -> Result<Self, String> {
        let (kind, rest) = match memchr::memchr(b':', source) {
            Some(at) => (&source[..at], &source[at + 1..]),
            None => (&b""[..], source),
        };
        let source = match kind {
            b"txt" => Source::Text(absolute(rest)),
            b"rnd" => Source::Random(absolute(rest)),
            b"dbm" | b"prg" | b"dbd" | b"fastdbd" => Source::Beyond,
            kind if kind.starts_with(b"dbm=") => Source::Beyond,
            b"int" => match rest {
                b"tolower" => Source::Lower,
                b"toupper" => Source::Upper,
                b"escape" => Source::Escape,
                b"unescape" => Source::Unescape,
                other => return Err(format!("RewriteMap: internal map not found:{}", String::from_utf8_lossy(other))),
            },
            _ => Source::Text(absolute(source)),
        };
        Ok(Self { name: name.into(), source })
    }

    /// The value of a key; none: the map has none.
    pub fn value(&self, key: &[u8], files: &dyn Files) -> Option<Vec<u8>> {
        match &self.source {
            Source::Text(path) => in_text(&files.read(Path::new(OsStr::from_bytes(path))).ok()?, key),
            Source::Lower => Some(key.to_ascii_lowercase()),
            Source::Upper => Some(key.to_ascii_uppercase()),
            Source::Escape => Some(uri::escape(key)),
            Source::Unescape => uri::unescape(key),
            Source::Random(path) => {
                let text = files.read(Path::new(OsStr::from_bytes(path))).ok()?;
                in_text(&text, key).filter(|value| memchr::memchr(b'|', value).is_none())
            }
            Source::Beyond => None,
        }
    }
}

fn in_text(text: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    text.split(|&b| b == b'\n').find_map(|line| {
        if line.first().is_none_or(|&b| b == b'#' || is_space(b)) {
            return None;
        }
        let mut words = line.split(|&b| is_space(b)).filter(|word| !word.is_empty());
        let own = words.next()?;
        let value = words.next()?;
        (own == key).then(|| value.to_vec())
    })
}
