//! Which files an `Include` reads (facts ).

use super::messages::lossy;
use super::reader::Reader;
use super::uri;
use crate::error::{Code, Error, Result};
use crate::files::{Files, Kind};
use crate::httpd::pattern::glob::{self, Rules};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Directories inside directories.
const MAX_NESTING: usize = 50;
/// Files of one `Include`.
const MAX_FILES: usize = 100_000;
/// Names that all `Include`s together compare with their patterns, and paths that they look at.
const MAX_LOOKS: usize = 2_000_000;
/// A path that is looked at counts as so many names: it takes a system call.
const LOOK: usize = 15;

impl Reader<'_> {
    /// A path, from the server's root where it is relative, without `.`, `..` and double slashes.
    pub(crate) fn absolute(&self, path: &[u8]) -> PathBuf {
        let plain = path.len() > 1 && path.starts_with(b"/") && !path.ends_with(b"/");
        let path = Path::new(OsStr::from_bytes(path));
        if plain && uri::is_clean(path.as_os_str().as_bytes(), true) {
            return path.to_path_buf();
        }
        clean(if path.is_absolute() { path.to_path_buf() } else { self.root.join(path) })
    }

    /// The files to read, in order, up to the first error.
    pub(crate) fn include_list(&mut self, path: &[u8], optional: bool) -> Vec<Result<PathBuf>> {
        let mut list = List { files: self.files, optional, found: Vec::new(), looks: self.include_looks };
        let path = self.absolute(path);
        let result = match glob::is_pattern(path.as_os_str().as_bytes()) {
            true => list.pattern(&path),
            false => list.path(&path, 0),
        };
        if let Err(error) = result {
            list.found.push(Err(error));
        }
        self.include_looks = list.looks;
        list.found
    }
}

/// Apache cleans paths by text, without looking at links.
pub(crate) fn clean(path: PathBuf) -> PathBuf {
    use std::path::Component;
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

struct List<'f> {
    files: &'f dyn Files,
    optional: bool,
    found: Vec<Result<PathBuf>>,
    looks: usize,
}

impl List<'_> {
    /// Counts what is looked at: links to directories above make a small tree endless.
    fn look(&mut self, count: usize) -> Result<()> {
        self.looks = self.looks.saturating_add(count);
        match self.looks <= MAX_LOOKS {
            true => Ok(()),
            false => Err(Error::new(
                Code::TooLarge,
                "The Includes up to here look at more than 2 million names (each path that is looked at counts as 15): narrow their patterns, and \
                 look for links to directories above",
            )),
        }
    }

    fn add(&mut self, path: PathBuf) -> Result<()> {
        if self.found.len() >= MAX_FILES {
            return Err(Error::new(Code::TooLarge, "Include names more than 100,000 files: narrow it"));
        }
        self.found.push(Ok(path));
        Ok(())
    }

    /// A file, or a directory with everything in it; an own stack, because directories nest.
    fn path(&mut self, path: &Path, depth: usize) -> Result<()> {
        let mut stack = vec![(path.to_path_buf(), depth)];
        while let Some((path, depth)) = stack.pop() {
            // The way through nested directories takes longer, above all if it goes over links.
            self.look(LOOK * (1 + depth / 4))?;
            match self.files.kind(&path) {
                Ok(Kind::Directory) => {
                    if depth >= MAX_NESTING {
                        let text = format!(
                            "Directory {} exceeds the maximum include directory nesting level of {MAX_NESTING}",
                            path.display()
                        );
                        return Err(Error::new(Code::TooLarge, text));
                    }
                    let names = self.names(&path)?;
                    self.look(names.len())?;
                    stack.extend(names.into_iter().rev().map(|name| (path.join(name), depth + 1)));
                }
                Ok(_) => self.add(path)?,
                Err(_) if self.optional => {}
                Err(error) => {
                    let why = reason(&error);
                    let text = format!("Could not open configuration file {}: {why}", path.display());
                    return Err(Error::new(Code::Refused, text));
                }
            }
        }
        Ok(())
    }

    fn names(&self, path: &Path) -> Result<Vec<OsString>> {
        let listed = self.files.list(path).map_err(|error| {
            let text = format!("Could not open config directory {}: {}", path.display(), reason(&error));
            Error::new(Code::Refused, text)
        });
        let mut names = listed?;
        names.sort_unstable();
        Ok(names)
    }

    /// A path with wildcards: each level in turn, then the files in the order of their names.
    fn pattern(&mut self, path: &Path) -> Result<()> {
        let parts: Vec<&OsStr> = path.iter().skip(1).collect();
        if parts.len() > 4096 {
            return Err(Error::new(Code::TooLarge, "Include has a path of more than 4,096 components"));
        }
        let mut stack = vec![(PathBuf::from("/"), 0usize)];
        while let Some((base, at)) = stack.pop() {
            let wild = parts[at..].iter().position(|part| glob::is_pattern(part.as_bytes()));
            let Some(ahead) = wild else {
                self.path(&parts[at..].iter().fold(base, |path, part| path.join(part)), 0)?;
                continue;
            };
            let dir = parts[at..at + ahead].iter().fold(base, |path, part| path.join(part));
            let last = at + ahead + 1 == parts.len();
            let Some(names) = self.candidates(&dir, parts[at + ahead], last)? else { continue };
            if last {
                for name in names {
                    self.path(&dir.join(name), 0)?;
                }
            } else {
                stack.extend(names.into_iter().rev().map(|name| (dir.join(name), at + ahead + 1)));
            }
            if stack.len() > MAX_FILES {
                return Err(Error::new(Code::TooLarge, "Include matches more than 100,000 directories: narrow it"));
            }
        }
        Ok(())
    }

    fn candidates(&mut self, dir: &Path, pattern: &OsStr, last: bool) -> Result<Option<Vec<OsString>>> {
        let listed = match self.files.list(dir) {
            Ok(names) => names,
            Err(_) if self.optional => return Ok(None),
            Err(error) => {
                let why = reason(&error);
                let text = format!("Include/IncludeOptional: Could not open directory {}: {why}", dir.display());
                return Err(Error::new(Code::Refused, text));
            }
        };
        self.look(LOOK + listed.len())?;
        let rules = Rules { dots: true, ..Rules::default() };
        let mut names = listed;
        names.retain(|name| glob::matches(pattern.as_bytes(), name.as_bytes(), rules));
        if !last {
            self.look(names.len().saturating_mul(LOOK))?;
            names.retain(|name| matches!(self.files.kind(&dir.join(name)), Ok(Kind::Directory)));
        }
        names.sort_unstable();
        if names.is_empty() && !self.optional {
            let text = format!(
                "Include/IncludeOptional: No matches for the wildcard '{}' in '{}', failing",
                lossy(pattern.as_bytes()),
                dir.display()
            );
            return Err(Error::new(Code::Refused, text));
        }
        Ok(Some(names))
    }
}

/// The system's words without the number that Rust adds.
pub(crate) fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "No such file or directory".into(),
        std::io::ErrorKind::PermissionDenied => "Permission denied".into(),
        std::io::ErrorKind::NotADirectory => "Not a directory".into(),
        _ => error.to_string(),
    }
}
