//! What one request may cost: steps of rules, and looking at files. Only hostile configurations, or such that loop, exceed it.

use crate::files::{Files, Kind, Stamp};
use std::cell::{Cell, OnceCell};
use std::ffi::OsString;
use std::io;
use std::path::Path;

/// All steps of a request.
const MAX_STEPS: u32 = 2_000_000;
/// Looking at a path.
const LOOK: u32 = 10;
/// So many bytes of a file are a step.
const BYTES_OF_A_STEP: usize = 128;

/// The steps that one request has taken.
#[derive(Debug, Default)]
pub(super) struct Budget {
    spent: Cell<u32>,
    /// Set once it is used up: what took the last step, where that is known.
    last: OnceCell<String>,
}

impl Budget {
    /// Takes steps; false: too few are left.
    pub fn spend(&self, steps: u32) -> bool {
        self.spent.set(self.spent.get().saturating_add(steps));
        !self.is_used_up()
    }

    /// Whether more steps were taken than there are.
    pub fn is_used_up(&self) -> bool {
        self.spent.get() > MAX_STEPS
    }

    /// Takes steps for what has a place of its own: a file, or `file:line`.
    pub fn spend_at(&self, steps: u32, place: impl FnOnce() -> String) -> bool {
        let had = !self.is_used_up();
        let has = self.spend(steps);
        if had && !has {
            let _ = self.last.set(place());
        }
        has
    }

    /// Why the request cannot be answered; none: it can.
    pub fn complaint(&self) -> Option<String> {
        self.is_used_up().then(|| {
            let last = self.last.get().map_or(String::new(), |last| format!("{last}: "));
            format!(
                "{last}the files and rules of this request take more than 2 million steps, so they are not followed to the end: look for \
                 rules that lead to themselves, very large files, and long lists of names that are looked for"
            )
        })
    }
}

/// A request's files, with their costs.
pub(super) struct Counted<'b> {
    pub files: &'b dyn Files,
    pub budget: &'b Budget,
}

impl Counted<'_> {
    fn look<T>(&self, steps: u32, path: &Path, then: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.budget.spend_at(steps, || path.display().to_string()) {
            true => then(),
            false => Err(io::Error::new(io::ErrorKind::QuotaExceeded, "this request looks at too many files")),
        }
    }
}

impl Files for Counted<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let text = self.look(LOOK, path, || self.files.read(path))?;
        let steps = u32::try_from(text.len() / BYTES_OF_A_STEP).unwrap_or(u32::MAX);
        self.look(steps, path, || Ok(text))
    }

    fn kind(&self, path: &Path) -> io::Result<Kind> {
        self.look(LOOK, path, || self.files.kind(path))
    }

    fn is_symlink(&self, path: &Path) -> bool {
        self.look(LOOK, path, || Ok(self.files.is_symlink(path))).unwrap_or(false)
    }

    fn is_executable(&self, path: &Path) -> bool {
        self.look(LOOK, path, || Ok(self.files.is_executable(path))).unwrap_or(false)
    }

    fn stamp(&self, path: &Path) -> io::Result<Option<Stamp>> {
        self.look(LOOK, path, || self.files.stamp(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let names = self.look(LOOK, path, || self.files.list(path))?;
        self.look(u32::try_from(names.len()).unwrap_or(u32::MAX), path, || Ok(names))
    }
}
