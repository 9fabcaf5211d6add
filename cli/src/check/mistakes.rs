//! The classic mistakes: what people write when they mean something else, and limits that contradict each other.

use super::{finding, note, place, warning};
use outlive::config::{Config, Directive, Fate, Layer, Settings};
use outlive::diagnostic::{Diagnosis, Diagnostic, Severity};
use outlive::ini::number;
use outlive::origin::Origin;
use std::fmt::Write;

/// Looks at the values in force, and at the texts that they come from.
pub fn check(config: &Config, settings: &Settings, found: &mut Vec<Diagnostic>) {
    uploads(config, settings, found);
    comments(config, settings, found);
    terminate(config, settings, found);
    for (_, file, text) in config.ini_files() {
        encoding(text, &place(file, 0), found);
    }
    for (file, text) in settings.user_ini_files() {
        encoding(text, &place(file, 0), found);
    }
}

/// Where the value in force was set; nowhere: it is the default.
fn origin(settings: &Settings, name: &str) -> Option<Origin> {
    let trail = settings.explain(name.as_bytes())?.trail;
    let winner = trail.into_iter().rfind(|step| step.fate == Fate::InForce)?;
    (winner.layer != Layer::BuiltIn).then_some(winner.origin)
}

/// A file larger than the whole request may be.
fn uploads(config: &Config, settings: &Settings, found: &mut Vec<Diagnostic>) {
    let size = |name: &str| {
        let value = settings.get(name.as_bytes()).unwrap_or_default();
        number::quantity(value, config.php_version()).value
    };
    let shown = |name: &str| crate::text::shown(settings.get(name.as_bytes()).unwrap_or_default());
    let (post, upload) = ("post_max_size", "upload_max_filesize");
    // If both are defaults, it is not a mistake of the user's.
    let at = origin(settings, upload).or_else(|| origin(settings, post));
    if let Some(at) = at
        && size(post) > 0
        && size(post) < size(upload)
    {
        let text = format!(
            "upload_max_filesize = {} is more than post_max_size = {}: a request that large is refused whole, and the program \
             sees neither file nor fields; set post_max_size a little above it",
            shown(upload),
            shown(post)
        );
        found.push(warning(Diagnosis::UploadOverPost, at, text));
    }
}

/// FPM ends the program before PHP's own limit can.
fn terminate(config: &Config, settings: &Settings, found: &mut Vec<Diagnostic>) {
    let limit = settings.policy().max_execution_time;
    let pools = config.pools().iter().filter(|pool| pool.is_chosen);
    for (value, at) in pools.filter_map(|pool| pool.line(b"request_terminate_timeout")) {
        let Some(seconds) = seconds(value).filter(|&seconds| seconds > 0 && seconds < limit) else { continue };
        let text = format!(
            "request_terminate_timeout = {} is less than max_execution_time = {limit}: FPM kills the process after {seconds} seconds, so \
             that limit is never met and no shutdown function runs; make it larger than max_execution_time",
            crate::text::shown(value)
        );
        found.push(warning(Diagnosis::TerminateBeforeLimit, at.clone(), text));
    }
}

/// FPM's times: a number and s, m, h or d.
fn seconds(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    let digits = text.trim_end_matches(['s', 'm', 'h', 'd']);
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return None,
    };
    digits.parse::<i64>().ok()?.checked_mul(unit)
}

/// `256M # big`: `#` and `//` begin no comment behind a value.
fn comments(config: &Config, settings: &Settings, found: &mut Vec<Diagnostic>) {
    let mut told: Vec<Origin> = Vec::new();
    for (directive, _) in settings.each() {
        let Some(explanation) = settings.explain(directive.name()) else { continue };
        for step in explanation.trail.iter().filter(|step| step.origin.file.is_some()) {
            let Some(mark) = comment_mark(&step.value) else { continue };
            let name = crate::text::shown(directive.name());
            let mut text = format!(
                "`{name}` = `{}`: {mark} begins no comment here, the text behind it is part of the value",
                crate::text::shown(&step.value)
            );
            if let Some(number) = quantity(directive, &step.value, config) {
                let _ = write!(text, ", which means {number} to PHP");
            }
            text.push_str("; only `;` begins a comment");
            found.push(warning(Diagnosis::CommentInValue, step.origin.clone(), text));
            told.push(step.origin.clone());
        }
    }
    // What PHP says of such a value is its consequence.
    found.retain(|one| one.code != Diagnosis::MalformedQuantity || !told.contains(&one.origin));
}

fn quantity(directive: &Directive, value: &[u8], config: &Config) -> Option<String> {
    let is = directive.value_rule().is_quantity() || directive.value_rule().is_int();
    let meaning = crate::meaning::of_value(directive, value, config.php_version());
    meaning.filter(|_| is).or_else(|| is.then(|| number::quantity(value, config.php_version()).value.to_string()))
}

fn comment_mark(value: &[u8]) -> Option<&'static str> {
    let has =
        |mark: &[u8]| value.windows(mark.len() + 1).any(|part| part[0].is_ascii_whitespace() && &part[1..] == mark);
    if has(b"#") {
        Some("#")
    } else if has(b"//") {
        Some("//")
    } else {
        None
    }
}

/// A byte order mark or UTF-16.
fn encoding(text: &[u8], origin: &Origin, found: &mut Vec<Diagnostic>) {
    let origin = origin.clone();
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        let text = "this file is UTF-16, which PHP cannot read; save it as UTF-8".into();
        found.push(finding(Severity::Error, Diagnosis::Encoding, origin, text));
    } else if text.starts_with(b"\xef\xbb\xbf") {
        let text = "this file begins with a byte order mark (BOM); PHP skips it, other programs may not".into();
        found.push(note(Diagnosis::Encoding, origin, text));
    }
}

/// Advice for one of httpd's error messages.
pub fn fix(what: &str) -> &'static str {
    let takes_two = ["php_value", "php_flag", "php_admin_value", "php_admin_flag"];
    if what.contains("\\xef\\xbb\\xbf") || what.contains('\u{feff}') {
        return "; the file begins with a byte order mark (BOM): save it without one";
    }
    if takes_two.iter().any(|name| what.starts_with(&format!("{name} takes two arguments"))) {
        return "; write NAME VALUE, without `=`, a value with blanks in quotes, and a comment on a line of its own";
    }
    if what.starts_with("php_admin_") {
        return "; write php_value or php_flag, or move the line into a <Directory> of the server's configuration";
    }
    ""
}

/// A name that was probably meant as a comment.
pub fn commented(name: &str) -> Option<String> {
    let mark = if name.starts_with('#') { "#" } else { name.starts_with("//").then_some("//")? };
    Some(format!("`{name}`: {mark} begins no comment in an ini file; this line sets an unused name; write `;`"))
}
