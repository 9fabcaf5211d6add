//! Which values are hidden: secrets from files that the calling user may not read. The command may run with more rights than
//! its caller (setuid, capabilities); the caller's rights decide.

use crate::view::View;
use outlive::config::{Explanation, Fate, Step, holds_secret};
use rustix::fs::{Access, access};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// What people see in place of a hidden value; programs see null.
pub const HIDDEN: &[u8] = b"***";

/// Whether the real user may read a file: access() asks for that one, whatever rights this process has. A file that has gone
/// cannot be read.
fn may_read(file: &[u8]) -> bool {
    let path = Path::new(OsStr::from_bytes(file));
    let readable = |path: &Path| access(path, Access::READ_OK).is_ok();
    match ROOTS.lock() {
        Ok(roots) if roots.is_empty() => readable(path),
        Ok(roots) => roots.iter().all(|root| View::below(root).outside(path).is_ok_and(|path| readable(&path))),
        Err(_) => false,
    }
}

/// Directories that stand for `/` in what is shown: names of files are those within.
static ROOTS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// From now on names of files are names below this directory.
pub fn look_below(root: &Path) {
    if let Ok(mut roots) = ROOTS.lock() {
        roots.push(root.to_path_buf());
    }
}

/// A line's text, unless it must be hidden. Values without a file come from the caller, or are public.
pub fn of_step<'a>(name: &[u8], text: &'a [u8], step: &Step) -> Option<&'a [u8]> {
    let is_secret = holds_secret(name, &step.value) || holds_secret(name, &step.raw);
    (!is_secret || step.origin.file.as_deref().is_none_or(may_read)).then_some(text)
}

/// The text of a skipped line, unless it must be hidden.
pub fn of_line<'a>(name: &[u8], value: &'a [u8], file: Option<&[u8]>) -> Option<&'a [u8]> {
    (!holds_secret(name, value) || file.is_none_or(may_read)).then_some(value)
}

/// A value that one of these lines set, unless it must be hidden.
pub fn of_trail<'a>(name: &[u8], value: &'a [u8], trail: &[Step]) -> Option<&'a [u8]> {
    let hides = |step: &Step| step.value == value && of_step(name, value, step).is_none();
    (!trail.iter().any(hides)).then_some(value)
}

/// The value in force, unless it must be hidden.
pub fn in_force(explanation: &Explanation) -> Option<&[u8]> {
    let winner = explanation.trail.iter().rfind(|step| step.fate == Fate::InForce)?;
    of_step(&explanation.name, &explanation.value, winner)
}

/// The message about a hidden value.
pub fn why(explanation: &Explanation) -> Option<String> {
    if in_force(explanation).is_some() {
        return None;
    }
    let winner = explanation.trail.iter().rfind(|step| step.fate == Fate::InForce)?;
    let name = crate::text::shown(&explanation.name);
    Some(format!("{name}: not shown: it holds a secret, and you may not read {}", winner.origin))
}
