//! Lines of php.ini that PHP reads without effect.

use super::{note, place, stock, warning};
use crate::extensions::Extensions;
use crate::skipped;
use crate::statements::statements;
use outlive::config::{Config, Sapi, Settings};
use outlive::diagnostic::{Diagnosis, Diagnostic};
use outlive::ini::{Event, Value};
use outlive::origin::Origin;
use outlive::target::Target;
use std::sync::Arc;

/// Looks at every php.ini text.
pub fn check(config: &Config, extensions: &Extensions, found: &mut Vec<Diagnostic>) {
    for (_, file, text) in config.ini_files() {
        let mut special: Option<String> = None;
        statements(config.php_version(), text, &mut |event, line| match event {
            Event::Section { name } => section(config, name, &mut special, place(file, line), found),
            Event::Bare { key } => bare(key, file, line, found),
            Event::Entry { key, value: Value::Text(value) } => {
                if let Some(owner) = stock::owner(key)
                    && extensions.lack(owner)
                    && !value.is_empty()
                    && !stock::has(key, value)
                {
                    found.push(stock::missing(key, owner, place(file, line)));
                }
            }
            _ => {}
        });
    }
}

/// Looks at the texts of a request's `.user.ini` files. Apache's lines are among the configuration's own diagnostics.
pub fn of_user_ini(config: &Config, settings: &Settings, found: &mut Vec<Diagnostic>) {
    for (file, text) in settings.user_ini_files() {
        statements(config.php_version(), text, &mut |event, line| {
            if let Event::Bare { key } = event
                && !is_apache(key)
            {
                bare(key, file, line, found);
            }
        });
    }
}

/// `[PATH=]` and `[HOST=]` count under CGI and FPM only, and last to the end of the file.
fn section(config: &Config, name: &[u8], special: &mut Option<String>, origin: Origin, found: &mut Vec<Diagnostic>) {
    let shown = crate::text::shown(name);
    let is_special =
        name.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"PATH") || word.eq_ignore_ascii_case(b"HOST"));
    if is_special {
        if matches!(config.sapi(), Sapi::Apache | Sapi::Cli | Sapi::CliServer) {
            let sapi = config.sapi().name();
            let message = format!("[{shown}] and what follows it have no effect: {sapi} does not use such sections");
            found.push(warning(Diagnosis::DeadSection, origin, message));
        }
        *special = Some(shown);
    } else if let Some(open) = special {
        let message = format!(
            "[{shown}] does not end [{open}]: what follows still belongs to it; move [{open}] to the end of the file"
        );
        found.push(warning(Diagnosis::SectionGoesOn, origin, message));
    }
}

/// A line without `=` does nothing.
fn bare(key: &[u8], file: &Arc<[u8]>, line: u32, found: &mut Vec<Diagnostic>) {
    let shown = crate::text::shown(key);
    if is_apache(key) {
        let message = format!("`{shown}` is Apache's way to write it and does nothing here; write NAME = VALUE");
        found.push(warning(Diagnosis::ApacheSyntax, place(file, line), message));
    } else if !key.is_empty() && !key.starts_with(b"#") {
        let (name, value) = shown.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((&shown, "VALUE"));
        let value = value.trim();
        let message = format!("`{shown}` has no `=`, so PHP ignores it; write {name} = {value}, or take it out");
        found.push(note(Diagnosis::NoValue, place(file, line), message));
    }
}

fn is_apache(key: &[u8]) -> bool {
    let first = key.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    let names = ["php_value", "php_flag", "php_admin_value", "php_admin_flag"];
    names.iter().any(|name| first.eq_ignore_ascii_case(name.as_bytes()))
}

/// Files beside the program that this PHP does not read.
pub fn unseen(config: &Config, target: &Target<'_>, found: &mut Vec<Diagnostic>) {
    let run = skipped::run(config, target);
    for file in skipped::beside(config, run.as_ref(), target) {
        let line =
            if file.file.ends_with(b"/.htaccess") { file.lines.first().map_or(0, |line| line.origin.line) } else { 0 };
        let origin = Origin { file: Some(Arc::clone(&file.file)), line };
        found.push(warning(Diagnosis::WrongSapi, origin, file.sentence()));
    }
    for line in skipped::passed_over(config, run.as_ref(), target) {
        let text = format!("`{}` has no effect here: {}", crate::text::shown(&line.name), line.because);
        found.push(warning(Diagnosis::NoEffect, line.origin, text));
    }
}
