//! The argument of a section: the text between its name and its `>` (facts ).

use crate::httpd::expression::parse;
use crate::httpd::model::section::Matcher;
use crate::httpd::pattern::glob;
use crate::httpd::pattern::{Bad, Pattern};
use crate::httpd::syntax::directives::Act;
use crate::httpd::syntax::messages::lossy;
use crate::httpd::syntax::modules::Scope;
use crate::httpd::syntax::tokens::{next_token, trim};
use crate::httpd::syntax::uri;

/// A matcher and its rank, or why it cannot be used.
type Made = Result<(Matcher, u32), String>;

/// The text up to the last `>`.
pub(super) fn before_bracket<'a>(name: &str, args: &'a [u8]) -> Result<&'a [u8], String> {
    let end = if args.last() == Some(&b'>') { Some(args.len() - 1) } else { memchr::memrchr(b'>', args) };
    let Some(end) = end else {
        return Err(format!("{name}> directive missing closing '>'"));
    };
    let text = trim(&args[..end]);
    if text.is_empty() { Err(format!("{name}> directive requires additional arguments")) } else { Ok(text) }
}

fn regex(text: &[u8], depth: u32) -> Result<Made, String> {
    match Pattern::new(text, false) {
        Ok(pattern) => Ok(Ok((Matcher::Regex(Box::new(pattern)), depth))),
        Err(Bad::Syntax) => Err("Regex could not be compiled".into()),
        Err(Bad::Unsupported) => Ok(Err(format!(
            "The pattern {} uses what is not supported here; this section is taken as never matching: rewrite it",
            lossy(text)
        ))),
    }
}

fn slashes(text: &[u8]) -> u32 {
    memchr::memchr_iter(b'/', text).count() as u32
}

fn one(name: &str, rest: &[u8]) -> Result<(), String> {
    match rest {
        [] => Ok(()),
        _ => Err(format!("Multiple {name}> arguments not (yet) supported.")),
    }
}

/// `<Directory>` and `<DirectoryMatch>`.
pub(super) fn directory(name: &str, args: &[u8], act: Act) -> Result<Made, String> {
    let text = before_bracket(name, args)?;
    let (mut word, mut rest) = next_token(text);
    let tilde = act == Act::Directory && *word == *b"~";
    if tilde {
        (word, rest) = next_token(rest);
    }
    one(name, rest)?;
    if tilde || act == Act::DirectoryMatch {
        return regex(&word, slashes(&word));
    }
    if let Some((path, depth)) = plain(&word) {
        return Ok(Ok((Matcher::Literal(path.into()), depth)));
    }
    let path = clean(&word);
    let depth = slashes(&path).saturating_sub(1);
    let matcher = match glob::is_pattern(&path) {
        _ if path.first() != Some(&b'/') => Matcher::Never,
        true => Matcher::Wild(path.into()),
        false => Matcher::Literal(path.into()),
    };
    Ok(Ok((matcher, depth)))
}

/// Most directories are plain and clean: their path, with a slash at its end, and its depth. `None`: a closer look is needed.
fn plain(path: &[u8]) -> Option<(Vec<u8>, u32)> {
    let (mut before, mut slashes) = (0, 0);
    for &byte in path {
        match byte {
            b'/' | b'.' if before == b'/' => return None,
            b'*' | b'?' | b'\\' | b'[' | b']' => return None,
            _ => slashes += u32::from(byte == b'/'),
        }
        before = byte;
    }
    if path.first() != Some(&b'/') {
        return None;
    }
    let open = usize::from(before != b'/');
    let mut out = Vec::with_capacity(path.len() + open);
    out.extend_from_slice(path);
    out.extend_from_slice(&b"/"[..open]);
    Some((out, slashes + open as u32 - 1))
}

/// A directory's path: no double slashes, no dots, a slash at the end.
fn clean(path: &[u8]) -> Vec<u8> {
    let absolute = path.first() == Some(&b'/');
    if absolute && uri::is_clean(path, true) {
        let mut out = Vec::with_capacity(path.len() + 1);
        out.extend_from_slice(path);
        if !path.ends_with(b"/") {
            out.push(b'/');
        }
        return out;
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." if absolute || parts.last().is_some_and(|last| *last != b"..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    let mut out = if absolute { b"/".to_vec() } else { Vec::new() };
    for part in parts {
        out.extend_from_slice(part);
        out.push(b'/');
    }
    out
}

/// `<Location>`, `<Files>` and their `Match` forms.
pub(super) fn simple(name: &str, args: &[u8], act: Act) -> Result<Made, String> {
    let text = before_bracket(name, args)?;
    let (mut word, mut rest) = next_token(text);
    let plain = matches!(act, Act::Location | Act::Files);
    let tilde = plain && *word == *b"~";
    if tilde {
        (word, rest) = next_token(rest);
    }
    one(name, rest)?;
    if tilde || !plain {
        return regex(&word, 0);
    }
    let matcher = match glob::is_pattern(&word) {
        true => Matcher::Wild(word.into_owned().into()),
        false => Matcher::Literal(word.into_owned().into()),
    };
    Ok(Ok((matcher, 0)))
}

/// `<If>`, `<ElseIf>`, `<Else>`; `last`: the condition before it in the same container.
pub(super) fn condition(
    name: &str,
    args: &[u8],
    act: Act,
    last: Option<&Matcher>,
    scope: Scope,
) -> Result<Made, String> {
    let Some(end) = memchr::memrchr(b'>', args) else {
        return Err(format!("{name}> directive missing closing '>'"));
    };
    let text = trim(&args[..end]);
    let chained = act != Act::If;
    if act == Act::Else {
        if !text.is_empty() {
            return Err("<Else> directive does not take an argument".into());
        }
    } else if text.is_empty() {
        return Err(format!("{name}> directive requires additional arguments"));
    }
    let expr = match act {
        Act::Else => None,
        _ => {
            // One word: a condition with blanks stands in quotes.
            let parsed = parse::parse(&next_token(text).0, scope);
            Some(Box::new(parsed.map_err(|error| format!("Cannot parse condition clause: {error}"))?))
        }
    };
    if chained && !matches!(last, Some(Matcher::Condition { expr: Some(_), .. })) {
        return Err("<Else> or <ElseIf> section without previous <If> or <ElseIf> section in same scope".into());
    }
    Ok(Ok((Matcher::Condition { expr, chained }, 0)))
}
