//! The files that an `include` names, as glob(3) finds them.

use crate::files::{Files, Kind};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Those that there are, in byte order. The error is that of a directory which cannot be looked into, and its path.
pub(super) fn find(files: &dyn Files, pattern: &Path) -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
    let mut found = vec![PathBuf::new()];
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
                Err(error) => return Err((path, error)),
            };
            names.retain(|name| matches(part.as_bytes(), name.as_bytes()));
            names.sort_unstable();
            next.extend(names.into_iter().map(|name| path.join(name)));
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

/// One thing that a byte is compared with, and how long it is in the pattern.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', next, ..] => (*next == byte).then_some(2),
        [b'[', rest @ ..] => match class(rest, byte) {
            Some((fits, length)) => fits.then_some(length + 1),
            None => (byte == b'[').then_some(1),
        },
        [first, ..] => (*first == byte).then_some(1),
        [] => None,
    }
}

/// `a-z]`: whether the byte is in it, and its length; none: it never ends.
fn class(text: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(text.first(), Some(b'!' | b'^'));
    let start = usize::from(negated);
    let mut at = start;
    let mut fits = false;
    loop {
        let low = *text.get(at)?;
        if low == b']' && at > start {
            return Some((fits != negated, at + 1));
        }
        match (text.get(at + 1), text.get(at + 2)) {
            (Some(b'-'), Some(&high)) if high != b']' => {
                fits |= (low..=high).contains(&byte);
                at += 3;
            }
            _ => {
                fits |= low == byte;
                at += 1;
            }
        }
    }
}

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let hidden = name.first() == Some(&b'.') && pattern.first() != Some(&b'.');
    // Walks both at once, and remembers the last `*` to come back to.
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, n));
            p += 1;
        } else if let Some(length) = one(&pattern[p..], name[n]) {
            p += length;
            n += 1;
        } else {
            let Some((at, from)) = star else { return false };
            star = Some((at, from + 1));
            p = at + 1;
            n = from + 1;
        }
    }
    !hidden && pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
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
            ("[a", "[a", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), fine, "{pattern} {name}");
        }
        assert_eq!(unescaped(b"a\\.conf"), b"a.conf");
    }
}
