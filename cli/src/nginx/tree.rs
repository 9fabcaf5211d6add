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
            names.retain(|name| fits(part.as_bytes(), name.as_bytes(), true));
            names.sort_unstable();
            names.into_iter().map(move |name| path.join(name)).collect::<Vec<_>>()
        };
        found = found.into_iter().flat_map(expand).collect();
    }
    found.retain(|path| view.kind(path).is_ok());
    found
}

/// `*`, `?` and `[…]`, as glob(3) has them.
fn fits(pattern: &[u8], name: &[u8], first: bool) -> bool {
    match (pattern.first(), name.first()) {
        (None, None) => true,
        (Some(b'*' | b'?' | b'['), Some(b'.')) if first => false,
        (Some(b'*'), _) => (0..=name.len()).any(|skip| fits(&pattern[1..], &name[skip..], false)),
        (Some(b'?'), Some(_)) => fits(&pattern[1..], &name[1..], false),
        (Some(b'['), Some(&byte)) => {
            let Some(end) = pattern.iter().skip(2).position(|&byte| byte == b']').map(|at| at + 2) else {
                return false;
            };
            let inner = &pattern[1..end];
            let (negated, inner) = match inner.first() {
                Some(b'!' | b'^') => (true, &inner[1..]),
                _ => (false, inner),
            };
            let mut found = false;
            let mut rest = inner;
            while let Some(&low) = rest.first() {
                if rest.get(1) == Some(&b'-')
                    && let Some(&high) = rest.get(2)
                {
                    found |= (low..=high).contains(&byte);
                    rest = &rest[3..];
                } else {
                    found |= low == byte;
                    rest = &rest[1..];
                }
            }
            found != negated && fits(&pattern[end + 1..], &name[1..], false)
        }
        (Some(one), Some(two)) if one == two => fits(&pattern[1..], &name[1..], false),
        _ => false,
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
        ] {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes(), true), fine, "{pattern} {name}");
        }
    }
}
