//! What each line comes to: values that mean something else than they seem to, and lines that have no effect.

use super::{note, warning};
use outlive::config::{Check, Directive, Layer, Reason, Settings, Step};
use outlive::diagnostic::Diagnostic;

/// Looks at every line that had a say in any directive.
pub fn check(settings: &Settings, found: &mut Vec<Diagnostic>) {
    for (directive, _) in settings.each() {
        let Some(explanation) = settings.explain(directive.name()) else { continue };
        let trail = &explanation.trail;
        for (place, step) in trail.iter().enumerate().skip(1).filter(|(_, step)| step.origin.file.is_some()) {
            meaning(directive, step, found);
            effect(directive, step, &trail[place + 1..], found);
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    crate::text::shown(bytes)
}

/// Values that are taken and mean something else.
fn meaning(directive: &Directive, step: &Step, found: &mut Vec<Diagnostic>) {
    let name = shown(directive.name());
    let value = shown(&step.value);
    match directive.check() {
        Check::Bool if !is_switch(&step.value) => {
            let on = outlive::ini::number::boolean(&step.value);
            let word = if on { "on" } else { "off" };
            found.push(warning(
                "odd-boolean",
                step.origin.clone(),
                format!("`{name}` = `{value}` means {word} to PHP; write {word} if that is meant"),
            ));
        }
        Check::Int if !step.value.is_empty() && !is_whole(&step.value) => {
            let number = outlive::ini::number::int_prefix(&step.value);
            found.push(warning(
                "odd-number",
                step.origin.clone(),
                format!(
                    "`{name}` = `{value}` means {number} to PHP, which reads leading digits only and knows no units \
                     here; write a plain number"
                ),
            ));
        }
        _ => {}
    }
}

fn is_switch(value: &[u8]) -> bool {
    let words = ["", "0", "1", "on", "off", "yes", "no", "true", "false", "none"];
    words.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
}

fn is_whole(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// Lines that do nothing.
fn effect(directive: &Directive, step: &Step, later: &[Step], found: &mut Vec<Diagnostic>) {
    let name = shown(directive.name());
    let because = step.because.as_deref().unwrap_or_default();
    let origin = step.origin.clone();
    match step.reason {
        Some(Reason::Level) => found.push(warning(
            "wrong-level",
            origin,
            format!("`{name}` has no effect here: {because}; move it there, or make it an admin value"),
        )),
        Some(Reason::Locked) => found.push(warning(
            "locked",
            origin,
            format!("`{name}` has no effect here: {because}; change that line, or take this one out"),
        )),
        Some(Reason::Sapi) => found.push(warning(
            "wrong-sapi",
            origin,
            format!("`{name}` has no effect here: {because}; set it in php.ini, .user.ini or the pool"),
        )),
        Some(Reason::Earlier) => {
            found.push(warning("duplicate", origin, format!("`{name}` has no effect here: {because}")));
        }
        Some(Reason::Later) if matches!(step.layer, Layer::PhpIni | Layer::ScanDir) => {
            let again = later.iter().find(|next| next.origin.file == step.origin.file);
            if let Some(again) = again {
                found.push(note(
                    "duplicate",
                    origin,
                    format!(
                        "`{name}` is set again in line {}, and the last one counts; take this one out",
                        again.origin.line
                    ),
                ));
            } else if let Some(fixed) = later.iter().find(|next| next.layer == Layer::Sapi) {
                found.push(note(
                    "fixed-by-sapi",
                    origin,
                    format!("`{name}` has no effect here: the command line's PHP fixes it at {}", shown(&fixed.value)),
                ));
            }
        }
        _ => {}
    }
}
