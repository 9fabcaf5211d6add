//! Type maps: files that name the variants of a document, one of which is chosen as under MultiViews (fact A-124).

use super::extension::Meaning;
use super::negotiation::{Variant, What, best_of};
use super::outcome::{Outcome, Ready};
use crate::httpd::syntax::path::path_of;
use crate::httpd::syntax::uri;

/// The media type of a map.
pub(super) const MAP: &[u8] = b"application/x-type-map";
/// The most variants of one map.
const MOST: usize = 100;

/// One variant, as a map has it.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// A path beside the map; none: the map has the text itself.
    pub uri: Option<Vec<u8>>,
    pub media: Option<Vec<u8>>,
    /// How good the map says it is (`qs`).
    pub quality: f64,
    pub language: Option<Vec<u8>>,
    pub encoding: Option<Vec<u8>>,
    pub charset: Option<Vec<u8>>,
    pub length: Option<u64>,
    has_body: bool,
}

/// Reads a map. The error is the line that is none of a map's.
pub(super) fn read(text: &[u8]) -> Result<Vec<Record>, String> {
    let (mut all, mut own) = (Vec::new(), Record { quality: 1.0, ..Record::default() });
    let mut lines = text.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    while let Some(line) = lines.next() {
        if line.starts_with(b"#") {
            continue;
        }
        if line.trim_ascii().is_empty() {
            keep(&mut all, &mut own);
            continue;
        }
        let Some(colon) = memchr::memchr(b':', line) else {
            return Err(String::from_utf8_lossy(line).into_owned());
        };
        let value = line[colon + 1..].trim_ascii();
        match &*line[..colon].trim_ascii().to_ascii_lowercase() {
            b"uri" => own.uri = Some(value.to_vec()),
            b"content-type" => own.take_type(value),
            b"content-language" => {
                let first = value.split(|&byte| byte == b',').next().unwrap_or_default();
                own.language = Some(first.trim_ascii().to_ascii_lowercase());
            }
            b"content-encoding" => own.encoding = Some(value.to_ascii_lowercase()),
            b"content-length" => own.length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()),
            b"body" => {
                own.has_body = true;
                lines.by_ref().take_while(|line| !line.starts_with(value)).for_each(drop);
                keep(&mut all, &mut own);
            }
            _ => {}
        }
    }
    keep(&mut all, &mut own);
    Ok(all)
}

fn keep(all: &mut Vec<Record>, own: &mut Record) {
    let own = std::mem::replace(own, Record { quality: 1.0, ..Record::default() });
    if (own.uri.is_some() || own.has_body) && all.len() < MOST {
        all.push(own);
    }
}

impl Record {
    fn take_type(&mut self, text: &[u8]) {
        let mut parts = text.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        self.media = parts.next().map(<[u8]>::to_ascii_lowercase);
        for part in parts {
            let Some(at) = memchr::memchr(b'=', part) else { continue };
            let value = part[at + 1..].trim_ascii();
            match &*part[..at].trim_ascii().to_ascii_lowercase() {
                b"qs" => {
                    self.quality = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0);
                }
                b"charset" => self.charset = Some(value.to_ascii_lowercase()),
                _ => {}
            }
        }
    }

    pub fn meaning(&self) -> Meaning {
        Meaning {
            media: self.media.clone(),
            language: self.language.clone(),
            encoding: self.encoding.clone(),
            charset: self.charset.clone(),
            ..Meaning::default()
        }
    }
}

impl<'c, 't> Ready<'c, 't> {
    /// The variant that answers where the file is a map.
    pub(super) fn by_map(&self) -> Outcome<'c, 't> {
        let (subrequest, name) = (&self.subrequest, String::from_utf8_lossy(&self.walked.filename));
        if subrequest.mapped {
            return self.own(506, format!("{name} is a type map, and another one leads to it"));
        }
        let text = match subrequest.context.files.read(path_of(&self.walked.filename)) {
            Ok(text) => text,
            Err(error) => return self.own(403, format!("the type map {name} cannot be read: {error}")),
        };
        let records = match read(&text) {
            Ok(records) => records,
            Err(line) => return self.own(500, format!("{name}: a type map has no line without a colon: {line}")),
        };
        let mut variants: Vec<Variant<'c, 't>> =
            records.into_iter().filter_map(|record| subrequest.variant_of(record, &self.walked.filename)).collect();
        match best_of(subrequest, &mut variants, &self.walked).map(|at| variants.swap_remove(at).what) {
            None => self.own(406, format!("{name}: no variant of this type map is one that the client takes")),
            Some(What::Named(target)) => self.led_to(&target),
            Some(_) => self.own(200, format!("no program runs: {name} has the text that is sent")),
        }
    }

    /// The internal redirect to a variant.
    fn led_to(&self, target: &[u8]) -> Outcome<'c, 't> {
        let subrequest = &self.subrequest;
        let full = [&uri::escape(subrequest.parent())[..], target].concat();
        let full = [full, uri::escape(&self.walked.path_info)].concat();
        let Some(mut next) = subrequest.other(&full, 200) else {
            return self.own(400, format!("a type map leads to {}, which is no path", String::from_utf8_lossy(&full)));
        };
        if next.query.is_none() {
            next.query.clone_from(&subrequest.query);
        }
        (next.method, next.failed, next.mapped) = (subrequest.method, subrequest.failed, true);
        Outcome::InternalRedirect { next: Box::new(next), by: None, past: self.bare.clone() }
    }
}
