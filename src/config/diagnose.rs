//! The diagnostics about a configuration as it was read.

use super::core::{Assignment, Core, Source};
use super::directive::Directive;
use super::directive_state::{Authority, Refusal, Slot};
use super::reader::{unknown, unknown_at};
use super::removed;
use super::request_layers::Contribution;
use super::text::Text;
pub(super) use crate::diagnostic::add;
use crate::diagnostic::{Diagnosis, Diagnostic, Severity};
use crate::error::Error;
use crate::httpd::{DirConfig, DirValue};
use crate::origin::Origin;
use std::path::Path;

/// At most this many unknown names are reported.
const MOST: usize = 1000;

/// Unknown names, refused and malformed values of everything that was read at start-up.
pub(super) fn startup(core: &Core, out: &mut Vec<Diagnostic>) {
    let mut names: Vec<_> = core.unknown.iter().collect();
    let compare = |one: &(&[u8], &Source, u32), two: &(&[u8], &Source, u32)| {
        (one.1.file.as_deref(), one.2).cmp(&(two.1.file.as_deref(), two.2))
    };
    if names.len() > MOST {
        names.select_nth_unstable_by(MOST, compare);
        names.truncate(MOST);
    }
    names.sort_unstable_by(compare);
    names.retain(|(name, ..)| !removed::is_removed(name, core.version));
    out.extend(names.iter().map(|(name, source, line)| unknown(name, core.version, source, *line)));
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

/// The same for the layers that one request adds.
pub(super) fn contribution(core: &Core, contribution: &Contribution, out: &mut Vec<Diagnostic>) {
    match contribution {
        Contribution::Section(_) => {}
        Contribution::UserIni(user) => {
            out.extend_from_slice(&user.diagnostics);
            user.assignments.iter().for_each(|assignment| value(core, assignment, out));
        }
        Contribution::Containers(containers) => {
            containers.iter().for_each(|container| dir_values(core, &container.values, out));
        }
        Contribution::Server(values) => dir_values(core, values, out),
    }
}

fn dir_values(core: &Core, values: &DirConfig, out: &mut Vec<Diagnostic>) {
    values.iter().for_each(|line| dir_value(core, line, out));
}

/// The same for one line of httpd's.
pub(super) fn dir_value(core: &Core, line: &DirValue, out: &mut Vec<Diagnostic>) {
    match core.find(&line.name) {
        Some(at) => odd(core, &core.directives[at], &Text::new(&line.value), false, &line.origin, out),
        None => add(out, || unknown_at(&line.name, core.version, line.origin.clone())),
    }
}

/// Reports what is odd about one value, whether or not it is the one in force.
fn value(core: &Core, line: &Assignment, out: &mut Vec<Diagnostic>) {
    let directive = &core.directives[line.directive as usize];
    odd(core, directive, &line.value, line.power == Authority::Startup, &line.origin(), out);
}

fn odd(core: &Core, directive: &Directive, value: &Text, at_startup: bool, origin: &Origin, out: &mut Vec<Diagnostic>) {
    let name = String::from_utf8_lossy(&directive.name);
    let text = String::from_utf8_lossy(value.bytes());
    let power = if at_startup { Authority::Startup } else { Authority::Admin };
    let (severity, code, message) = match Slot::new(directive).apply(directive, power, value, core.version) {
        Err(Refusal::Value(why)) => {
            // PHP ignores bad values of its own directives as a rule; a bad `outlive.*` value loses a decision that
            // somebody meant to make.
            let own = matches!(directive.extension, "outlive" | "host");
            let severity = if own { Severity::Error } else { Severity::Warning };
            (
                severity,
                Diagnosis::RefusedValue,
                format!("`{name}` does not take `{text}`: {why}; this line does nothing"),
            )
        }
        _ => match directive.value_rule.warning(value.bytes(), core.version) {
            Some(warning) => {
                (Severity::Warning, Diagnosis::MalformedQuantity, format!("Invalid \"{name}\" setting. {warning}"))
            }
            None => return,
        },
    };
    add(out, || Diagnostic { severity, code, origin: origin.clone(), message });
}

/// A file that is there and cannot be read.
pub(super) fn unreadable(path: &Path, error: &Error) -> Diagnostic {
    let origin = Origin { file: Some(super::build::file_name(path)), line: 0 };
    Diagnostic::new(Severity::Error, Diagnosis::Unreadable, origin, error.message.clone())
}

/// A line of a `.user.ini` that is Apache's.
pub(super) fn apache_syntax(source: &Source, key: &[u8], line: u32) -> Diagnostic {
    let shown = String::from_utf8_lossy(key);
    let message = format!("`{shown}` is Apache's way to write it and does nothing here; write NAME = VALUE");
    Diagnostic::new(Severity::Warning, Diagnosis::ApacheSyntax, source.origin(line), message)
}

/// An array in a `.user.ini`.
pub(super) fn breaks_user_ini(source: &Source, line: u32) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code: Diagnosis::ArrayEntry,
        origin: source.origin(line),
        message: "an array entry in this file makes real PHP fail the request; it is left out here".into(),
    }
}
