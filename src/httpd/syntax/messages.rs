//! Texts that several parts use, and the list of diagnostics.

use crate::diagnostic::{self, Diagnosis, Diagnostic, Severity};
use crate::origin::Origin;
use std::borrow::Cow;

/// A text for people.
pub(crate) fn lossy(text: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(text)
}

/// The message for a directive in a wrong place.
pub(crate) fn not_allowed(name: &str, parent: Option<&[u8]>) -> String {
    match parent {
        Some(parent) => format!("{name} not allowed in {}> context", lossy(parent)),
        None => format!("{name} not allowed here"),
    }
}

/// Adds a diagnostic, as long as there is room; the last one says that there are more.
pub(crate) fn push(to: &mut Vec<Diagnostic>, severity: Severity, code: Diagnosis, origin: Origin, message: String) {
    diagnostic::add(to, || Diagnostic::new(severity, code, origin, message));
}
