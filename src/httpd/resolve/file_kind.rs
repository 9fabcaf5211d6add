//! The handler and the media type of a file that is found.

use super::extension::{self, by_extension, media_type};
use super::subrequest::{Subrequest, outer_first};
use super::walk::{Found, Walked};
use crate::httpd::expression::evaluate::{RequestVariables, text};

/// The handler and the media type of a file; empty: there is none.
#[derive(Debug)]
pub(super) struct FileKind {
    pub handler: Vec<u8>,
    pub media: Vec<u8>,
}

impl<'c> Subrequest<'c, '_> {
    /// The handler in force, or else the media type that a directive sets, or PHP's type from the types file.
    pub(super) fn handler(&self, walked: &Walked<'c>) -> Option<Vec<u8>> {
        let cores = || walked.sections.iter().rev().filter_map(|section| section.get().core.as_deref());
        let forced = || self.forced.media_type.as_ref().map(|kind| kind.to_vec());
        let set = self.set_handler(walked);
        // An empty name is a handler that nobody has; directories are listed all the same.
        if set.as_ref().is_some_and(Vec::is_empty) && walked.found == Found::Directory {
            return None;
        }
        let by_type = || match cores().find_map(|core| core.force_type.as_ref()) {
            // `ForceType` does not apply to a directory.
            _ if walked.found == Found::Directory => None,
            Some(forced) => forced.as_ref().map(|kind| kind.to_vec()),
            None => media_type(&walked.filename, &self.context.data.types, || cores().map(|core| &core.types)),
        };
        set.or_else(|| forced().or_else(by_type).map(without_parameters))
    }

    /// The media type of a file that is found; empty: none.
    pub(super) fn media(&self, walked: &Walked<'c>) -> Vec<u8> {
        if walked.found != Found::File {
            return Vec::new();
        }
        let cores = || walked.sections.iter().rev().filter_map(|section| section.get().core.as_deref());
        let forced = || {
            cores().find_map(|core| core.force_type.as_ref()).map(|forced| forced.as_ref().map(|kind| kind.to_vec()))
        };
        let own = || {
            let types = &self.context.data.types;
            extension::any_type(&walked.filename, types, || cores().map(|core| &core.types)).map(|kind| tidy(&kind))
        };
        let media = self.forced.media_type.as_ref().map(|kind| kind.to_vec());
        media.or_else(|| forced().unwrap_or_else(own)).unwrap_or_default()
    }

    /// The media type that the types file gives a file.
    pub(super) fn type_of_file(&self, walked: &Walked<'c>) -> Option<Vec<u8>> {
        extension::type_of_file(&walked.filename, &self.context.data.types)
    }

    /// The handler, with `SetHandler` before extensions.
    pub(super) fn set_handler(&self, walked: &Walked<'c>) -> Option<Vec<u8>> {
        if let Some(handler) = &self.forced.handler {
            return Some(handler.to_vec());
        }
        let cores = || walked.sections.iter().rev().filter_map(|section| section.get().core.as_deref());
        if let Some((Some(word), origin)) = cores().find_map(|core| core.set_handler.as_ref()) {
            let made = text(word, self);
            self.budget().blame(|| origin.to_string());
            match made {
                Ok(handler) if handler.starts_with(b"proxy:unix") => return Some(handler),
                Ok(handler) => return Some(handler.to_ascii_lowercase()),
                Err(why) => self
                    .doubt(format!("{origin}: SetHandler depends on {why}, which is not known here; taken as not set")),
            }
        }
        let script = || self.script.then(|| b"cgi-script".to_vec());
        if walked.found == Found::Directory {
            return script();
        }
        let own = by_extension(&walked.filename, || outer_first(walked)).map(<[u8]>::to_vec);
        own.or_else(script)
    }
}

/// A media type as mod_mime puts it together: one blank in front of each parameter.
fn tidy(kind: &[u8]) -> Vec<u8> {
    kind.split(|&byte| byte == b';').map(<[u8]>::trim_ascii).collect::<Vec<_>>().join(&b"; "[..])
}

/// A media type as the name of a handler: what stands behind a `;` is no part of it (fact A-130).
fn without_parameters(mut kind: Vec<u8>) -> Vec<u8> {
    if let Some(end) = memchr::memchr(b';', &kind) {
        kind.truncate(kind[..end].trim_ascii_end().len());
    }
    kind
}
