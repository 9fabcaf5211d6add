//! nginx's files as a tree of directives, includes resolved.

use super::tokens::{End, Tokens};
use crate::view::View;
use outlive::config::glob;
use outlive::files::Files;
use outlive::origin::Origin;
use std::ffi::OsStr;
use std::io::ErrorKind;
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
        // A directory that cannot be looked into has nothing for nginx.
        let found = glob(self.view, &path, |directory, error| match error.kind() {
            ErrorKind::FileTooLarge => Err(format!("{origin}: {}: {error}", directory.display())),
            _ => Ok(()),
        })?;
        for path in found {
            self.file(&path, depth + 1, out)?;
        }
        Ok(())
    }
}
