//! The effect of each line: values that mean something other than they seem to, and lines without effect.

use super::{note, stock, warning};
use crate::extensions::Extensions;
use outlive::config::{Directive, Layer, Reason, Settings, Step};
use outlive::diagnostic::{Diagnosis, Diagnostic};
use outlive::origin::Origin;

/// Checks every line that sets a directive.
pub fn check(settings: &Settings, extensions: &Extensions, found: &mut Vec<Diagnostic>) {
    for (directive, _) in settings.each() {
        let Some(explanation) = settings.explain(directive.name()) else { continue };
        let trail = &explanation.trail;
        for (place, step) in trail.iter().enumerate().skip(1).filter(|(_, step)| step.origin.file.is_some()) {
            meaning(directive, &step.value, &step.origin, found);
            extension(extensions, directive, &step.value, &step.origin, found);
            // Only php_flag turns other text into 0.
            if matches!(step.layer, Layer::Httpd(_)) && step.value == b"0" && step.raw != b"0" {
                flag(directive.name(), &step.raw, &step.origin, found);
            }
            effect(directive, step, &trail[place + 1..], found);
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    crate::text::shown(bytes)
}

/// Values that are taken and mean something else.
pub fn meaning(directive: &Directive, value: &[u8], origin: &Origin, found: &mut Vec<Diagnostic>) {
    let (name, bytes) = (shown(directive.name()), value);
    let value = shown(bytes);
    match directive.value_rule() {
        rule if rule.is_bool() && !is_switch(bytes) => {
            let on = outlive::ini::number::boolean(bytes);
            let word = if on { "on" } else { "off" };
            found.push(warning(
                Diagnosis::OddBoolean,
                origin.clone(),
                format!("`{name}` = `{value}` means {word} to PHP; write {word} if that is meant"),
            ));
        }
        rule if rule.is_int() && !bytes.is_empty() && !is_whole(bytes) => {
            let number = outlive::ini::number::int_prefix(bytes);
            found.push(warning(
                Diagnosis::OddNumber,
                origin.clone(),
                format!(
                    "`{name}` = `{value}` means {number} to PHP, which reads leading digits only and knows no units \
                     here; write a plain number"
                ),
            ));
        }
        _ => {}
    }
}

/// mod_php's flags know `on` and `1`; all else is off, also what php.ini takes for on.
pub fn flag(name: &[u8], raw: &[u8], origin: &Origin, found: &mut Vec<Diagnostic>) {
    if !["on", "1", "off", "0"].iter().any(|word| raw.eq_ignore_ascii_case(word.as_bytes())) {
        let (name, raw) = (shown(name), shown(raw));
        let text = format!("php_flag reads `{raw}` as off: it knows on and 1 only; write php_flag {name} on, or off");
        found.push(warning(Diagnosis::OddFlag, origin.clone(), text));
    }
}

/// A value for a missing extension. Lines of the php.ini that comes with PHP, and lines that change nothing, are not
/// reported.
pub fn extension(
    extensions: &Extensions,
    directive: &Directive,
    value: &[u8],
    origin: &Origin,
    found: &mut Vec<Diagnostic>,
) {
    let Some(owner) = extensions.missing(directive) else { return };
    let default = directive.default().unwrap_or_default();
    let boolean = outlive::ini::number::boolean;
    let same = value == default || (directive.value_rule().is_bool() && boolean(value) == boolean(default));
    if !same && !value.is_empty() && !stock::has(directive.name(), value) {
        found.push(stock::missing(directive.name(), owner, origin.clone()));
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
            Diagnosis::WrongLevel,
            origin,
            format!("`{name}` has no effect here: {because}; move it there, or make it an admin value"),
        )),
        Some(Reason::Locked) => found.push(warning(
            Diagnosis::Locked,
            origin,
            format!("`{name}` has no effect here: {because}; change that line, or take this one out"),
        )),
        Some(Reason::Sapi) => found.push(warning(
            Diagnosis::WrongSapi,
            origin,
            format!("`{name}` has no effect here: {because}; set it in php.ini, .user.ini or the pool"),
        )),
        Some(Reason::Earlier) => {
            found.push(warning(Diagnosis::Duplicate, origin, format!("`{name}` has no effect here: {because}")));
        }
        Some(Reason::Later) if matches!(step.layer, Layer::PhpIni | Layer::ScanDir | Layer::UserIni) => {
            // A [PATH=] or [HOST=] section of the same file has a layer of its own, and is meant to differ.
            let again = later.iter().find(|next| next.origin.file == step.origin.file && next.layer == step.layer);
            if let Some(again) = again {
                found.push(note(
                    Diagnosis::Duplicate,
                    origin,
                    format!(
                        "`{name}` is set again in line {}, and the last one counts; take this one out",
                        again.origin.line
                    ),
                ));
            } else if let Some(fixed) = later.iter().find(|next| next.layer == Layer::Sapi)
                && !stock::has(directive.name(), &step.value)
            {
                found.push(note(
                    Diagnosis::FixedBySapi,
                    origin,
                    format!("`{name}` has no effect here: the command line's PHP fixes it at {}", shown(&fixed.value)),
                ));
            }
        }
        _ => {}
    }
}
