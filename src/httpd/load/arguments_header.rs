//! The words of `Header` and `RequestHeader`.

use crate::httpd::expression::parse;
use crate::httpd::pattern::{Bad, Pattern};
use crate::httpd::syntax::messages::lossy;
use crate::httpd::syntax::modules::Scope;
use crate::httpd::syntax::tokens::Tokens;

/// The action of one line.
const ACTIONS: [&str; 10] = ["set", "setifempty", "add", "append", "merge", "unset", "echo", "note", "edit", "edit*"];

/// Refuses what httpd refuses; `request`: the line is a `RequestHeader`.
pub(super) fn check(args: &[u8], request: bool, scope: Scope) -> Result<(), String> {
    let mut words = Tokens::new(args);
    let mut action = words.word().to_ascii_lowercase();
    if !request && matches!(&*action, b"always" | b"onsuccess") {
        action = words.word().to_ascii_lowercase();
    }
    let header = words.word();
    let (mut value, mut new, mut clause) = (words.next(), None, None);
    if action.starts_with(b"edit") {
        new = words.next();
    }
    if value.is_some() {
        clause = words.next();
    }
    if words.next().is_some() {
        return Err("Too many arguments to directive".into());
    }
    let action = ACTIONS.iter().find(|own| own.as_bytes() == action).ok_or_else(|| {
        "first argument must be 'add', 'set', 'setifempty', 'append', 'merge', 'unset', 'echo', 'note', 'edit', or 'edit*'"
            .to_owned()
    })?;
    match *action {
        "unset" | "echo" => {
            if *action == "echo" && request {
                return Err("Header echo only valid on Header directives".into());
            }
            if clause.is_some() {
                return Err(format!("header {action} takes two arguments"));
            }
            clause = value.take();
            if *action == "echo" && matches!(Pattern::new(&header, true), Err(Bad::Syntax)) {
                return Err("Header echo regex could not be compiled".into());
            }
        }
        "edit" | "edit*" => {
            if new.is_none() {
                return Err("Header edit requires a match and a substitution".into());
            }
            let regex = value.as_deref().unwrap_or_default();
            if matches!(Pattern::new(regex, false), Err(Bad::Syntax)) {
                return Err("Header edit regex could not be compiled".into());
            }
            value = new;
        }
        "note" if request => return Err("RequestHeader does not support the 'note' action".into()),
        _ if value.is_none() => return Err("Header requires three arguments".into()),
        _ => {}
    }
    if let Some(clause) = clause {
        check_clause(&clause, scope)?;
    }
    match value.as_deref().map(|value| value.strip_prefix(b"expr=").ok_or(value)) {
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
    let prefix = |name: &[u8]| {
        let (first, rest) = clause.split_at_checked(name.len())?;
        first.eq_ignore_ascii_case(name).then_some(rest)
    };
    if let Some(name) = prefix(b"env=") {
        return match name {
            b"" | b"!" => {
                Err("error: missing environment variable name. envclause should be in the form env=envar".into())
            }
            _ => Ok(()),
        };
    }
    match prefix(b"expr=") {
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
