//! The files that a pattern names, as glob(3) finds them: what an `include` of FPM or nginx reads.

use crate::files::{Files, Kind};
use crate::httpd::pattern::glob::{Rules, matches};
use std::io::{Error, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The names that are looked at for one pattern, and the paths that match a part of it.
const MAX_NAMES: usize = 2_000_000;
const MAX_FOUND: usize = 100_000;

/// Those that there are, in byte order. `unreadable` is told each directory that cannot be looked into; its error ends the search, `Ok` goes
/// on with the others. It is told of too many names or paths, too (`FileTooLarge`), and nothing is found then.
pub fn glob<E>(
    files: &dyn Files,
    pattern: &Path,
    mut unreadable: impl FnMut(&Path, Error) -> Result<(), E>,
) -> Result<Vec<PathBuf>, E> {
    let rules = Rules { dots: true, ..Rules::default() };
    let mut found = vec![PathBuf::new()];
    let mut looked = 0;
    for part in pattern.components() {
        let part = part.as_os_str();
        if !is_pattern(part.as_bytes()) {
            let plain = unescaped(part.as_bytes());
            found.iter_mut().for_each(|path| path.push(std::ffi::OsStr::from_bytes(&plain)));
            continue;
        }
        let mut next = Vec::new();
        for path in found {
            let mut names = match files.list(&path) {
                Ok(names) => names,
                // A way that ends earlier is no match.
                Err(error) if error.kind() == ErrorKind::NotADirectory => continue,
                Err(_) if files.kind(&path).is_ok_and(|kind| kind != Kind::Directory) => continue,
                Err(error) => {
                    unreadable(&path, error)?;
                    continue;
                }
            };
            looked += names.len();
            names.retain(|name| matches(part.as_bytes(), name.as_bytes(), rules));
            names.sort_unstable();
            next.extend(names.into_iter().map(|name| path.join(name)));
            if looked > MAX_NAMES || next.len() > MAX_FOUND {
                let text = "its pattern matches more than 100,000 paths, or is compared with more than 2 million names: narrow it";
                unreadable(&path, Error::new(ErrorKind::FileTooLarge, text))?;
                return Ok(Vec::new());
            }
        }
        found = next;
    }
    found.retain(|path| files.kind(path).is_ok());
    Ok(found)
}

/// Whether a name holds what stands for others.
pub(super) fn is_pattern(part: &[u8]) -> bool {
    let class = memchr::memchr(b'[', part).is_some_and(|at| memchr::memchr(b']', &part[at..]).is_some());
    class || part.iter().any(|byte| matches!(byte, b'*' | b'?'))
}

fn unescaped(part: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(part.len());
    let mut bytes = part.iter();
    while let Some(&byte) = bytes.next() {
        out.push(if byte == b'\\' { bytes.next().copied().unwrap_or(byte) } else { byte });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let rules = Rules { dots: true, ..Rules::default() };
        for (pattern, name, fine) in [
            ("*.conf", "www.conf", true),
            ("*.conf", ".conf", false),
            ("*.conf", "www.conf~", false),
            ("w?w*", "www", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b", false),
            ("[a-c]*.conf", "b.conf", true),
            ("[!a-c]*.conf", "b.conf", false),
            ("[]x]", "]", true),
            ("[!]a]", "b", true),
            ("[\\]]x", "]x", true),
            ("[\\]]x", "\\]x", false),
            ("[a", "[a", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("*", "", true),
            ("[a-]", "-", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes(), rules), fine, "{pattern} {name}");
        }
        // Each `*` might take any part of the name.
        assert!(!matches("*a".repeat(40).as_bytes(), format!("{}b", "a".repeat(200)).as_bytes(), rules));
        assert_eq!(unescaped(b"a\\.conf"), b"a.conf");
    }
}
