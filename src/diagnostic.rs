//! Something odd that was met while reading configuration, and was not an error.

use crate::origin::Origin;
use std::fmt;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Probably not what the author meant.
    Warning,
    /// Something was not read, or has no effect, and would have mattered.
    Error,
}

impl Severity {
    /// The word that is shown.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// A short stable word for programs, such as `syntax` or `unknown-directive`.
    pub code: &'static str,
    /// Where.
    pub origin: Origin,
    /// What it is, what it does, and what to do.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.origin, self.severity.word(), self.message)
    }
}
