//! nginx's files as a tree of directives, includes resolved.

use super::tokens::{End, Tokens};
use crate::view::View;
use outlive::files::Files;
use outlive::origin::Origin;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// More files are not read, nor deeper ones: each may include all of them again.
const FILES: usize = 20_000;
const DEPTH: usize = 64;

/// One directive.
#[derive(Debug)]
pub struct Directive {
    pub name: Vec<u8>,
    pub args: Vec<Vec<u8>>,
    pub block: Option<Vec<Directive>>,
    pub origin: Origin,
}

impl Directive {
    /// An argument, or nothing.
    pub fn arg(&self, at: usize) -> &[u8] {
        self.args.get(at).map_or(b"", Vec::as_slice)
    }

    pub fn inside(&self) -> &[Directive] {
        self.block.as_deref().unwrap_or_default()
    }
}

struct Reader<'v> {
    view: &'v View,
    /// What relative includes start from.
    dir: PathBuf,
    read: usize,
}

/// Reads the main file.
pub fn read(view: &View, path: &Path) -> Result<Vec<Directive>, String> {
    let path = std::path::absolute(path).map_err(|error| error.to_string())?;
    let dir = path.parent().unwrap_or(Path::new("/")).to_path_buf();
    let mut reader = Reader { view, dir, read: 0 };
    let mut out = Vec::new();
    reader.file(&path, 0, &mut out)?;
    Ok(out)
}

impl Reader<'_> {
    fn file(&mut self, path: &Path, depth: usize, out: &mut Vec<Directive>) -> Result<(), String> {
        self.read += 1;
        if depth > DEPTH || self.read > FILES {
            return Err(format!("{}: files are included too deeply, or too many of them", self.view.shown(path)));
        }
        let text =
            self.view.read(path).map_err(|error| format!("{}: cannot read it: {error}", self.view.shown(path)))?;
        let file: Arc<[u8]> = path.as_os_str().as_bytes().into();
        let mut tokens = Tokens::new(&text);
        match self.block(&mut tokens, &file, depth, 0, out)? {
            End::File => Ok(()),
            _ => Err(format!("{}: unexpected \"}}\"", Origin::new(&file, tokens.line))),
        }
    }

    /// Reads to the end of a block or file.
    fn block(
        &mut self,
        tokens: &mut Tokens<'_>,
        file: &Arc<[u8]>,
        depth: usize,
        nested: usize,
        out: &mut Vec<Directive>,
    ) -> Result<End, String> {
        if nested > DEPTH {
            return Err(format!("{}: blocks are nested too deeply", Origin::new(file, tokens.line)));
        }
        loop {
            let (mut words, line, end) =
                tokens.next().map_err(|error| format!("{}: {}", Origin::new(file, error.line), error.message))?;
            let origin = Origin::new(file, line);
            if matches!(end, End::Close | End::File) {
                return match (end, nested) {
                    (End::File, 1..) => {
                        Err(format!("{}: unexpected end of file, expecting \"}}\"", Origin::new(file, tokens.line)))
                    }
                    (end, _) => Ok(end),
                };
            }
            let name = words.remove(0);
            if end == End::Open && name.ends_with(b"_by_lua_block") {
                tokens.skip_block();
                out.push(Directive { name, args: words, block: None, origin });
                continue;
            }
            if end == End::Plain && name == b"include" {
                self.include(words.first().map_or(b"", Vec::as_slice), &origin, depth, out)?;
                continue;
            }
            let mut block = None;
            if end == End::Open {
                let mut inside = Vec::new();
                self.block(tokens, file, depth, nested + 1, &mut inside)?;
                block = Some(inside);
            }
            out.push(Directive { name, args: words, block, origin });
        }
    }

    fn include(
        &mut self,
        pattern: &[u8],
        origin: &Origin,
        depth: usize,
        out: &mut Vec<Directive>,
    ) -> Result<(), String> {
        let path = self.dir.join(OsStr::from_bytes(pattern));
        if !pattern.iter().any(|byte| b"*?[".contains(byte)) {
            return self
                .file(&path, depth + 1, out)
                .map_err(|error| if self.view.kind(&path).is_err() { format!("{origin}: {error}") } else { error });
        }
        for path in glob(self.view, &path) {
            self.file(&path, depth + 1, out)?;
        }
        Ok(())
    }
}

/// The files that a pattern names, in byte order.
fn glob(view: &View, pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let part = part.as_os_str();
        if !part.as_bytes().iter().any(|byte| b"*?[".contains(byte)) {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        let expand = |path: PathBuf| {
            let mut names = view.list(&path).unwrap_or_default();
            names.retain(|name| fits(part.as_bytes(), name.as_bytes()));
            names.sort_unstable();
            names.into_iter().map(move |name| path.join(name)).collect::<Vec<_>>()
        };
        found = found.into_iter().flat_map(expand).collect();
    }
    found.retain(|path| view.kind(path).is_ok());
    found
}

/// `*`, `?` and `[…]`, as glob(3) has them. When what follows a `*` does not fit, that `*` takes one byte more; those before it need not
/// be asked again, so that no pattern takes long.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    let (mut rest, mut at) = (pattern, 0);
    let mut star: Option<(&[u8], usize)> = None;
    loop {
        let next = match (rest.first(), name.get(at)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                rest = &rest[1..];
                star = Some((rest, at));
                continue;
            }
            (Some(_), Some(&byte)) => one_fits(rest, byte),
            _ => None,
        };
        match (next, star) {
            (Some(length), _) => (rest, at) = (&rest[length..], at + 1),
            (None, Some((behind, from))) if from < name.len() => {
                star = Some((behind, from + 1));
                (rest, at) = (behind, from + 1);
            }
            _ => return false,
        }
    }
}

/// Whether the pattern's first sign fits a byte: how long the sign is.
fn one_fits(pattern: &[u8], byte: u8) -> Option<usize> {
    // A `]` that comes first is one of the bytes.
    let end = pattern.iter().skip(2).position(|&byte| byte == b']').map(|at| at + 2);
    match (pattern, end) {
        ([b'?', ..], _) => Some(1),
        ([b'[', ..], Some(end)) => {
            let (negated, mut rest) = match &pattern[1..end] {
                [b'!' | b'^', inner @ ..] => (true, inner),
                inner => (false, inner),
            };
            let mut found = false;
            while let [low, behind @ ..] = rest {
                (found, rest) = match behind {
                    [b'-', high, behind @ ..] => (found || (low..=high).contains(&&byte), behind),
                    _ => (found || *low == byte, behind),
                };
            }
            (found != negated).then_some(end + 1)
        }
        ([own, ..], _) => (*own == byte).then_some(1),
        ([], _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, fine) in [
            ("*.conf", "a.conf", true),
            ("*.conf", ".a.conf", false),
            ("[a-c]?x*", "bqx", true),
            ("[!a-c]*", "b", false),
            ("*", "default", true),
            ("*", "", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("[]]x[", "]x[", true),
            ("[a-]", "-", true),
            ("", "a", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), fine, "{pattern} {name}");
        }
        // Each `*` might take any part of the name.
        assert!(!fits("*a".repeat(40).as_bytes(), format!("{}b", "a".repeat(200)).as_bytes()));
    }
}
