//! The words of `Header` and `RequestHeader`.

use crate::httpd::expression::parse;
use crate::httpd::model::header_words::{Action, Words, prefixed};
use crate::httpd::pattern::{Bad, Pattern};
use crate::httpd::syntax::messages::lossy;
use crate::httpd::syntax::modules::Scope;

/// Refuses what httpd refuses; `request`: the line is a `RequestHeader`.
pub(super) fn check(args: &[u8], request: bool, scope: Scope) -> Result<(), String> {
    let Words { action, header, value, new, clause } = Words::of(args, request)?;
    match action {
        Action::Echo if matches!(Pattern::new(&header, true), Err(Bad::Syntax)) => {
            return Err("Header echo regex could not be compiled".into());
        }
        Action::Edit | Action::EditAll
            if matches!(Pattern::new(value.as_deref().unwrap_or_default(), false), Err(Bad::Syntax)) =>
        {
            return Err("Header edit regex could not be compiled".into());
        }
        _ => {}
    }
    if let Some(clause) = clause {
        check_clause(&clause, scope)?;
    }
    match new.or(value).as_deref().map(|value| value.strip_prefix(b"expr=").ok_or(value)) {
        None => Ok(()),
        Some(Ok(text)) => {
            parse::check_text(text, scope).map_err(|error| format!("Can't parse value expression: {error}"))
        }
        Some(Err(format)) => check_format(format),
    }
}

/// The condition at the end: `early`, `env=…`, `expr=…`.
fn check_clause(clause: &[u8], scope: Scope) -> Result<(), String> {
    if clause.eq_ignore_ascii_case(b"early") {
        return Ok(());
    }
    if let Some(name) = prefixed(clause, b"env=") {
        return match name {
            b"" | b"!" => {
                Err("error: missing environment variable name. envclause should be in the form env=envar".into())
            }
            _ => Ok(()),
        };
    }
    match prefixed(clause, b"expr=") {
        Some(text) => {
            parse::parse(text, scope).map(drop).map_err(|error| format!("Can't parse envclause/expression: {error}"))
        }
        None => Err(format!("Unknown parameter: {}", lossy(clause))),
    }
}

/// `%t`, `%{NAME}e` and the like.
fn check_format(mut text: &[u8]) -> Result<(), String> {
    while let Some(at) = memchr::memchr(b'%', text) {
        text = &text[at + 1..];
        match text.first() {
            None => return Ok(()),
            Some(b'%') => text = &text[1..],
            Some(b'{') => {
                text = memchr::memchr(b'}', text).map_or(&b""[..], |end| &text[end + 1..]);
                text = check_letter(text)?;
            }
            Some(_) => text = check_letter(text)?,
        }
    }
    Ok(())
}

fn check_letter(text: &[u8]) -> Result<&[u8], String> {
    match text.split_first() {
        Some((b'D' | b't' | b'e' | b's' | b'l' | b'i' | b'b', rest)) => Ok(rest),
        other => {
            Err(format!("Unrecognized header format %{}", other.map_or(String::new(), |(l, _)| char::from(*l).into())))
        }
    }
}
