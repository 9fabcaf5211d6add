//! What is worth saying about a configuration as it was read.

use super::check::Check;
use super::core::{Assignment, Core, Source};
use super::reader::unknown;
use super::slot::{Power, Refusal, Slot};
use crate::diagnostic::{Diagnostic, Severity};
use crate::error::Error;
use crate::origin::Origin;
use std::path::Path;

/// Unknown names, refused and malformed values of everything that was read at start-up.
pub(super) fn startup(core: &Core, out: &mut Vec<Diagnostic>) {
    let from = out.len();
    for (name, entry) in &core.unknown {
        out.push(unknown(name, core.version, &entry.source, entry.line));
    }
    out[from..].sort_by(|one, two| place(&one.origin).cmp(&place(&two.origin)));
    for winner in core.winners.iter().flatten() {
        value(core, &core.startup[*winner as usize], out);
    }
    for assignment in &core.global {
        value(core, assignment, out);
    }
    for section in &core.sections {
        for assignment in &section.assignments {
            value(core, assignment, out);
        }
    }
}

fn place(origin: &Origin) -> (Option<&[u8]>, u32) {
    (origin.file.as_deref(), origin.line)
}

/// What is odd about one value, whatever else stands for the directive.
pub(super) fn value(core: &Core, assignment: &Assignment, out: &mut Vec<Diagnostic>) {
    let directive = &core.directives[assignment.directive as usize];
    let name = String::from_utf8_lossy(&directive.name);
    let text = String::from_utf8_lossy(assignment.value.bytes());
    let mut slot = Slot::new(directive);
    let power = if assignment.power == Power::PerDir { Power::Admin } else { assignment.power };
    if let Err(Refusal::Value(why)) = slot.apply(directive, power, &assignment.value, core.version) {
        let own = matches!(directive.check, Check::Words(_) | Check::Whole { .. } | Check::Host(_));
        out.push(Diagnostic {
            severity: if own { Severity::Error } else { Severity::Warning },
            code: "refused-value",
            origin: assignment.origin(),
            message: format!("`{name}` does not take `{text}`: {why}; this line does nothing"),
        });
    } else if let Some(warning) = directive.check.warning(assignment.value.bytes()) {
        out.push(Diagnostic {
            severity: Severity::Warning,
            code: "malformed-quantity",
            origin: assignment.origin(),
            message: format!("Invalid \"{name}\" setting. {warning}"),
        });
    }
}

/// A file that is there and cannot be read.
pub(super) fn unreadable(path: &Path, error: &Error) -> Diagnostic {
    let origin = Origin { file: Some(super::build::file_name(path)), line: 0 };
    Diagnostic { severity: Severity::Error, code: "unreadable", origin, message: error.message.clone() }
}

/// An array in a `.user.ini`.
pub(super) fn breaks_user_ini(source: &Source, line: u32) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code: "array-entry",
        origin: source.origin(line),
        message: "an array entry in this file makes real PHP fail the request; it is left out here".into(),
    }
}
