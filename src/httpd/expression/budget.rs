//! What one request may cost: steps of rules, and looking at files. Only hostile configurations, or such that loop, exceed it.

use crate::files::{Files, Kind, Stamp};
use crate::httpd::pattern::{Groups, Pattern, TooCostly};
use std::cell::{Cell, OnceCell};
use std::ffi::OsString;
use std::io;
use std::ops::Range;
use std::path::Path;

/// All steps of a request.
const MAX_STEPS: u32 = 2_000_000;
/// Looking at a path.
const LOOK: u32 = 10;
/// So many bytes of a file are a step.
const BYTES_OF_A_STEP: usize = 128;
/// A match that was broken off for taking too many steps.
const COSTLY: u32 = 10_000;
/// A pattern that is matched for the first time.
const COMPILE: u32 = 40;
/// So many bytes that are matched, or put together, are a step.
const BYTES: usize = 64;
/// So many variables or headers that are gone through for a name are a step.
const NAMES: usize = 16;
/// So many bytes of a text for each byte of a wildcard pattern are a step: both are gone through at most this often.
const PAIRS: usize = 128;

/// The steps that one request has taken.
#[derive(Debug, Default)]
pub(crate) struct Budget {
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

    /// Names what has just been done as what took the last step, if there is none left and nothing has been named.
    pub fn blame(&self, place: impl FnOnce() -> String) {
        if self.is_used_up() {
            let _ = self.last.get_or_init(place);
        }
    }

    /// Pays for one match of a pattern against a text; false: too few steps are left, so there is none.
    pub fn afford(&self, pattern: &Pattern, text: &[u8]) -> bool {
        self.spend(if pattern.is_new() { COMPILE } else { 1 } + steps(text.len() / BYTES))
    }

    /// Pays for one match of a wildcard pattern.
    pub fn afford_wild(&self, pattern: &[u8], text: &[u8]) -> bool {
        // A `[` may be gone through to the end of the pattern to find out that nothing closes it.
        let classes = 1 + memchr::memchr_iter(b'[', pattern).count();
        let pairs = pattern.len().saturating_mul(text.len()).saturating_mul(classes);
        self.spend(steps(pairs / PAIRS).saturating_add(1))
    }

    /// Pays for a search by name among so many.
    pub fn afford_names(&self, number: usize) -> bool {
        self.spend(1 + steps(number / NAMES))
    }

    /// Pays for bytes that are copied, or gone through once.
    pub fn afford_bytes(&self, length: usize) -> bool {
        self.spend(steps(length / BYTES))
    }

    /// Puts a piece behind a text, if there are steps left for it: so no text grows without end.
    pub fn grow(&self, text: &mut Vec<u8>, piece: &[u8]) {
        if self.spend(steps((text.len() + piece.len()) / BYTES - text.len() / BYTES)) {
            text.extend_from_slice(piece);
        }
    }

    /// Whether a pattern matches anywhere in a text.
    pub fn is_match(&self, pattern: &Pattern, text: &[u8]) -> Result<bool, TooCostly> {
        if !self.afford(pattern, text) {
            return Ok(false);
        }
        pattern.is_match(text).inspect_err(|_| {
            self.spend(COSTLY);
        })
    }

    /// The groups of a pattern's first match; without steps for it there is no match.
    pub fn groups(&self, pattern: &Pattern, text: &[u8]) -> Result<Option<Groups>, TooCostly> {
        self.paid(pattern, text, || pattern.groups(text))
    }

    /// The same, with the place of the match.
    pub fn found(&self, pattern: &Pattern, text: &[u8]) -> Result<Option<(Range<usize>, Groups)>, TooCostly> {
        self.paid(pattern, text, || pattern.found(text))
    }

    fn paid<T>(
        &self,
        pattern: &Pattern,
        text: &[u8],
        find: impl FnOnce() -> Result<Option<T>, TooCostly>,
    ) -> Result<Option<T>, TooCostly> {
        if !self.afford(pattern, text) {
            return Ok(None);
        }
        find().inspect_err(|_| {
            self.spend(COSTLY);
        })
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

/// A number of steps; more than there are is as many as there can be.
fn steps(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// `$0` … `$9` (and `&` for the whole match) put into a text, as far as there are steps for it; `\` protects.
pub(crate) fn substitute(template: &[u8], groups: &[Option<Vec<u8>>], budget: &Budget) -> Vec<u8> {
    let mut out = Vec::with_capacity(template.len() + 32);
    let group = |at: usize| groups.get(at).and_then(Option::as_deref).unwrap_or_default();
    let mut at = 0;
    while at < template.len() {
        let byte = template[at];
        let next = template.get(at + 1).copied();
        match (byte, next) {
            (b'$', Some(digit @ b'0'..=b'9')) => {
                budget.grow(&mut out, group(usize::from(digit - b'0')));
                at += 1;
            }
            (b'\\', Some(escaped @ (b'$' | b'&'))) => {
                out.push(escaped);
                at += 1;
            }
            (b'&', _) => budget.grow(&mut out, group(0)),
            _ => out.push(byte),
        }
        at += 1;
    }
    out
}

/// A request's files, with their costs.
pub(crate) struct Counted<'b> {
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
        self.look(steps(text.len() / BYTES_OF_A_STEP), path, || Ok(text))
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
        self.look(steps(names.len()), path, || Ok(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a match costs, as docs/behaviour/httpd.md has it: not only the first one.
    #[test]
    fn each_match_is_paid_for() {
        let cost = |budget: &Budget, text: &[u8], pattern: &Pattern| {
            let before = budget.spent.get();
            let _ = budget.groups(pattern, text);
            budget.spent.get() - before
        };
        let (budget, pattern) = (Budget::default(), Pattern::new(b"a", false).expect("a pattern"));
        assert_eq!(cost(&budget, b"b", &pattern), 40);
        assert_eq!(cost(&budget, b"b", &pattern), 1);
        assert_eq!(cost(&budget, &[b'b'; 640], &pattern), 11);
        let costly = Pattern::new(br"^(?=(a+)+$)(a|aa)+\1?b$", false).expect("a pattern");
        assert_eq!(cost(&budget, &[b'a'; 60], &costly), 10_040);
        budget.spend(MAX_STEPS);
        assert!(matches!(budget.groups(&pattern, b"a"), Ok(None)));
        budget.blame(|| "here".into());
        budget.blame(|| "elsewhere".into());
        assert!(budget.complaint().is_some_and(|text| text.starts_with("here: ")));
    }

    #[test]
    fn a_text_grows_as_far_as_there_are_steps() {
        let (budget, mut text) = (Budget::default(), Vec::new());
        while text.len() < 64 << 20 {
            let piece = if text.is_empty() { b"x".to_vec() } else { text.clone() };
            budget.grow(&mut text, &piece);
        }
        assert_eq!(budget.spent.get(), 1 << 20);
        budget.grow(&mut text, &vec![b'x'; 64 << 20]);
        assert!(budget.is_used_up() && text.len() == 64 << 20);
    }
}
