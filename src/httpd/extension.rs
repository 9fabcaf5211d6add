//! What a file's extensions mean.

use super::section::ByExtension;

/// The last extension of a file name that has a meaning.
pub(super) fn by_extension<'a, I: Iterator<Item = &'a ByExtension>>(
    filename: &[u8],
    inner_first: impl Fn() -> I,
) -> Option<&'a [u8]> {
    let name = filename.rsplit(|&b| b == b'/').next().unwrap_or_default();
    let mut extensions: Vec<Vec<u8>> = name.split(|&b| b == b'.').skip(1).map(<[u8]>::to_ascii_lowercase).collect();
    extensions.reverse();
    extensions.iter().find_map(|extension| {
        // In one container an addition beats a removal, which only takes away what is inherited.
        let found = inner_first().find_map(|list| {
            let own = || list.iter().rev().filter(|(own, _)| **own == **extension);
            own().find(|(_, value)| value.is_some()).or_else(|| own().next())
        });
        found?.1.as_deref()
    })
}
