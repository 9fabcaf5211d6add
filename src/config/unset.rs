//! Variables that a text uses and that are not set.

use super::core::Source;
use super::diagnose;
use crate::diagnostic::{Diagnosis, Diagnostic, Severity};
use std::cell::RefCell;

/// No more than this many names are kept for one statement.
const MOST: usize = 20;

/// The unset names that the current statement uses.
#[derive(Default)]
pub(super) struct Unset {
    /// Whether FPM's pool keeps the environment from the text.
    pub(super) cleared_by_pool: bool,
    names: RefCell<Vec<Vec<u8>>>,
}

impl Unset {
    pub(super) fn add(&self, name: &[u8]) {
        let mut names = self.names.borrow_mut();
        if names.len() < MOST && !names.iter().any(|known| known == name) {
            names.push(name.to_vec());
        }
    }

    /// Adds a diagnostic for each unset name of the finished statement.
    pub(super) fn tell(&self, source: &Source, line: u32, diagnostics: &mut Vec<Diagnostic>) {
        for name in self.names.borrow_mut().drain(..) {
            let name = String::from_utf8_lossy(&name).into_owned();
            diagnose::add(diagnostics, || Diagnostic {
                severity: Severity::Warning,
                code: Diagnosis::UnsetVariable,
                origin: source.origin(line),
                message: match self.cleared_by_pool {
                    false => format!(
                        "${{{name}}} is not known here, so nothing stands in its place: no line above sets `{name}`, and no \
                         environment that was given has it; if the server's has, give it (--env {name}=VALUE)"
                    ),
                    true => format!(
                        "${{{name}}} is not known here, so nothing stands in its place: no line of php.ini sets `{name}`, and \
                         the pool clears the environment (clear_env); write env[{name}] = VALUE into the pool, or, if the web \
                         server hands it over, give it (--cgi-variable {name}=VALUE)"
                    ),
                },
            });
        }
    }
}
