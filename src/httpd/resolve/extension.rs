//! What a file's extensions mean.

use super::walk::Walked;
use crate::httpd::model::answer::ServerLayer;
use crate::httpd::model::negotiation::{Matching, Negotiation};
use crate::httpd::model::section::{ByExtension, Core};
use crate::httpd::model::types::Types;

/// A file's extensions in lower case, the last one first.
fn extensions(filename: &[u8]) -> Vec<Vec<u8>> {
    // Dots at the beginning belong to the name's first part: `.png` is a hidden file, and no image.
    let name = filename.rsplit(|&b| b == b'/').next().unwrap_or_default();
    let name = &name[name.iter().take_while(|&&byte| byte == b'.').count()..];
    let mut extensions: Vec<Vec<u8>> = name.split(|&b| b == b'.').skip(1).map(<[u8]>::to_ascii_lowercase).collect();
    extensions.reverse();
    extensions
}

/// Which walk a container belongs to. Each walk merges its own containers before the result is joined to the earlier ones.
pub(super) fn walk_of(layer: ServerLayer) -> u8 {
    match layer {
        ServerLayer::Server => 0,
        ServerLayer::VirtualHost => 1,
        ServerLayer::Directory | ServerLayer::Htaccess => 2,
        ServerLayer::Files => 3,
        ServerLayer::Location => 4,
        ServerLayer::If => 5,
    }
}

/// The handler of an extension, as one walk has it.
#[derive(Default)]
struct Said<'a> {
    containers: usize,
    handler: Option<&'a [u8]>,
    /// The first container removes the handler (`RemoveHandler`).
    removes: bool,
}

impl<'a> Said<'a> {
    fn take(&mut self, extension: &[u8], list: &'a ByExtension) {
        self.containers += 1;
        let own = || list.iter().rev().filter(|(own, _)| **own == *extension).map(|(_, handler)| handler.as_deref());
        self.handler = own().flatten().next().or(self.handler);
        let removes = own().any(|handler| handler.is_none());
        match self.containers {
            1 => self.removes = removes,
            // A removal applies to all that has been merged, the container's own additions included.
            _ if removes => self.handler = None,
            _ => {}
        }
    }

    /// Merges this walk onto what was in force before. As in httpd, the first container's removal is lost once another container
    /// is merged onto it: with several containers in one walk, no removal reaches what is outside the walk. The main server's walk
    /// has nothing to be merged onto.
    fn onto(self, walk: u8, before: Option<&'a [u8]>) -> Option<&'a [u8]> {
        match self.removes && self.containers == 1 && walk > 0 {
            true => None,
            false => self.handler.or(before),
        }
    }
}

/// The handler that the containers, weakest first, give an extension (fact A-113; as a real httpd answered).
fn handler<'a>(extension: &[u8], containers: impl Iterator<Item = (ServerLayer, &'a Core)>) -> Option<&'a [u8]> {
    let (mut before, mut said, mut walk) = (None, Said::default(), 0);
    for (layer, core) in containers.filter(|(_, core)| !core.handlers.is_empty() || !core.types.is_empty()) {
        if walk_of(layer) != walk {
            before = std::mem::take(&mut said).onto(walk, before);
            walk = walk_of(layer);
        }
        said.take(extension, &core.handlers);
    }
    said.onto(walk, before)
}

/// The media type that the containers, strongest first, give an extension; `None`: none, or it was removed for good.
fn media<'a>(extension: &[u8], mut inner_first: impl Iterator<Item = &'a ByExtension>) -> Option<&'a [u8]> {
    // In one container an addition beats a removal, which only takes away what is inherited.
    let found = inner_first.find_map(|list| {
        let own = || list.iter().rev().filter(|(own, _)| **own == *extension);
        own().find(|(_, value)| value.is_some()).or_else(|| own().next())
    });
    found?.1.as_deref()
}

/// The last extension of a file name that has a handler.
pub(super) fn by_extension<'a, I: Iterator<Item = (ServerLayer, &'a Core)>>(
    filename: &[u8],
    containers: impl Fn() -> I,
) -> Option<&'a [u8]> {
    extensions(filename).iter().find_map(|extension| handler(extension, containers()))
}

/// The media type by the last extension that has one. From the types file only PHP's own types matter: they decide what runs.
pub(super) fn media_type<'a, I: Iterator<Item = &'a ByExtension>>(
    filename: &[u8],
    types: &Types,
    inner_first: impl Fn() -> I,
) -> Option<Vec<u8>> {
    for extension in extensions(filename) {
        if let Some(own) = media(&extension, inner_first()) {
            return Some(own.to_vec());
        }
        if let Some(media) = types.get(&extension) {
            return media.starts_with(b"application/x-httpd-").then(|| media.to_vec());
        }
    }
    None
}

/// The media type by the last extension that has one, whatever it is.
pub(super) fn any_type<'a, I: Iterator<Item = &'a ByExtension>>(
    filename: &[u8],
    types: &Types,
    inner_first: impl Fn() -> I,
) -> Option<Vec<u8>> {
    let one =
        |extension: &Vec<u8>| media(extension, inner_first()).or_else(|| types.get(extension)).map(<[u8]>::to_vec);
    extensions(filename).iter().find_map(one)
}

/// The media type by the last extension that the types file has.
pub(super) fn type_of_file(filename: &[u8], types: &Types) -> Option<Vec<u8>> {
    extensions(filename).iter().find_map(|extension| types.get(extension).map(<[u8]>::to_vec))
}

/// What the extensions of a file say together.
#[derive(Debug, Default)]
pub(super) struct Meaning {
    pub media: Option<Vec<u8>>,
    pub language: Option<Vec<u8>>,
    pub encoding: Option<Vec<u8>>,
    pub charset: Option<Vec<u8>>,
    /// The parts of the name without a known meaning; the first part is always among them.
    pub unknown: Vec<Vec<u8>>,
}

/// Reads a file's extensions from the first to the last: of two extensions of one kind, the last one counts.
pub(super) fn meaning(walked: &Walked<'_>, name: &[u8], types: &Types, matching: Matching) -> Meaning {
    let cores = || walked.sections.iter().rev().filter_map(|section| section.get().core.as_deref());
    let negotiation = || cores().filter_map(|core: &Core| core.negotiation.as_deref());
    let find = |extension: &[u8], list: fn(&Negotiation) -> &ByExtension| {
        media(extension, negotiation().map(list)).map(<[u8]>::to_vec)
    };
    let mut own = Meaning::default();
    let mut pieces = name.split(|&byte| byte == b'.');
    own.unknown.extend(pieces.next().map(<[u8]>::to_vec));
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        let extension = piece.to_ascii_lowercase();
        let mut known =
            matching.handlers && cores().any(|core| core.handlers.iter().any(|(one, _)| **one == *extension));
        known |= matching.filters && find(&extension, |one| &one.filters).is_some();
        let kind = media(&extension, cores().map(|core| &core.types)).or_else(|| types.get(&extension));
        let kind = kind.map(<[u8]>::to_vec);
        let said = [
            (kind, &mut own.media),
            (find(&extension, |one| &one.languages), &mut own.language),
            (find(&extension, |one| &one.encodings), &mut own.encoding),
            (find(&extension, |one| &one.charsets), &mut own.charset),
        ];
        for (new, place) in said {
            known |= new.is_some();
            *place = new.or(place.take());
        }
        if !known {
            own.unknown.push(piece.to_vec());
        }
    }
    if let Some(forced) = cores().find_map(|core| core.force_type.as_ref()) {
        own.media = forced.as_ref().map(|kind| kind.to_vec());
    }
    own
}
