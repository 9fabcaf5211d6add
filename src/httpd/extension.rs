//! What a file's extensions mean.

use super::section::ByExtension;
use super::types::Types;

/// A file's extensions in lower case, the last one first.
fn extensions(filename: &[u8]) -> Vec<Vec<u8>> {
    let name = filename.rsplit(|&b| b == b'/').next().unwrap_or_default();
    let mut extensions: Vec<Vec<u8>> = name.split(|&b| b == b'.').skip(1).map(<[u8]>::to_ascii_lowercase).collect();
    extensions.reverse();
    extensions
}

/// What the containers say of an extension; none: nothing, or that it means nothing.
fn meaning<'a>(extension: &[u8], mut inner_first: impl Iterator<Item = &'a ByExtension>) -> Option<&'a [u8]> {
    // In one container an addition beats a removal, which only takes away what is inherited.
    let found = inner_first.find_map(|list| {
        let own = || list.iter().rev().filter(|(own, _)| **own == *extension);
        own().find(|(_, value)| value.is_some()).or_else(|| own().next())
    });
    found?.1.as_deref()
}

/// The last extension of a file name that has a meaning.
pub(super) fn by_extension<'a, I: Iterator<Item = &'a ByExtension>>(
    filename: &[u8],
    inner_first: impl Fn() -> I,
) -> Option<&'a [u8]> {
    extensions(filename).iter().find_map(|extension| meaning(extension, inner_first()))
}

/// The media type by the last extension that has one. What the types file says of a file that is only sent is nobody's concern here.
pub(super) fn media_type<'a, I: Iterator<Item = &'a ByExtension>>(
    filename: &[u8],
    types: &Types,
    inner_first: impl Fn() -> I,
) -> Option<Vec<u8>> {
    for extension in extensions(filename) {
        if let Some(own) = meaning(&extension, inner_first()) {
            return Some(own.to_vec());
        }
        if let Some(media) = types.get(&extension) {
            return media.starts_with(b"application/x-httpd-").then(|| media.to_vec());
        }
    }
    None
}
