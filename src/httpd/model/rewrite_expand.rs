//! Expands the texts of rules and conditions: groups, variables, maps.

use super::header_words::prefixed;
use super::rewrite::State;
use crate::httpd::expression::evaluate::{RequestVariables, Target};
use crate::httpd::pattern::Groups;
use crate::origin::Origin;

/// `[B]`: groups are escaped so that they can stand in a query.
pub(super) fn groups_escaped(groups: &Groups) -> Groups {
    let escape = |group: &Vec<u8>| {
        group.iter().fold(Vec::new(), |mut out, &byte| {
            match byte {
                b' ' => out.push(b'+'),
                _ if byte.is_ascii_alphanumeric() || byte == b'_' => out.push(byte),
                _ => out.extend_from_slice(format!("%{byte:02x}").as_bytes()),
            }
            out
        })
    };
    groups.iter().map(|group| group.as_ref().map(escape)).collect()
}

/// The most braces inside one another in a text.
pub(super) const MOST_INSIDE: usize = 100;

/// Whether a text has more: each takes the text inside it apart by itself.
pub(super) fn nests_deeply(text: &[u8]) -> bool {
    let mut depth = 0usize;
    text.iter().any(|&byte| {
        depth = depth.saturating_add(usize::from(byte == b'{')).saturating_sub(usize::from(byte == b'}'));
        depth > MOST_INSIDE
    })
}

/// What `$1`, `%1`, `%{NAME}` and `${MAP:KEY}` stand for in the texts of one rule.
#[derive(Clone, Copy)]
pub(super) struct Expansion<'a> {
    /// The groups of the rule, and of the last condition.
    pub groups: &'a Groups,
    pub last: &'a Groups,
    pub state: &'a State<'a>,
    pub variables: &'a dyn RequestVariables,
    /// The rule or condition.
    pub place: &'a Origin,
}

impl Expansion<'_> {
    /// A text with all of them replaced.
    pub fn of(&self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() + 32);
        let budget = self.variables.budget();
        budget.afford_bytes(text.len());
        let group =
            |list: &Groups, digit: u8| list.get(usize::from(digit - b'0')).cloned().flatten().unwrap_or_default();
        let mut at = 0;
        while at < text.len() {
            match &text[at..] {
                [b'\\', next, ..] => {
                    out.push(*next);
                    at += 2;
                }
                [b'$', digit @ b'0'..=b'9', ..] => {
                    budget.grow(&mut out, &group(self.groups, *digit));
                    at += 2;
                }
                [b'%', digit @ b'0'..=b'9', ..] => {
                    budget.grow(&mut out, &group(self.last, *digit));
                    at += 2;
                }
                [b'$', b'{', rest @ ..] if closing(rest).is_some() => {
                    let end = closing(rest).unwrap_or(0);
                    budget.grow(&mut out, &self.mapped(&rest[..end]));
                    at += end + 3;
                }
                [b'%', b'{', rest @ ..] if memchr::memchr(b'}', rest).is_some() => {
                    let end = memchr::memchr(b'}', rest).unwrap_or(0);
                    budget.grow(&mut out, &self.variable(&rest[..end]));
                    at += end + 3;
                }
                rest => {
                    out.push(rest[0]);
                    at += 1;
                }
            }
        }
        out
    }

    /// `map:key|default`, each part expanded by itself.
    fn mapped(&self, text: &[u8]) -> Vec<u8> {
        let (name, rest) = match memchr::memchr(b':', text) {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (text, &b""[..]),
        };
        let mut depth = 0;
        let bar = rest.iter().position(|&byte| {
            depth += i32::from(byte == b'{') - i32::from(byte == b'}');
            byte == b'|' && depth == 0
        });
        let (key, default) = bar.map_or((rest, &b""[..]), |at| (&rest[..at], &rest[at + 1..]));
        let key = self.of(key);
        self.variables.budget().afford_names(self.state.maps.len());
        let map = self.state.maps.iter().find(|map| *map.name == *name);
        map.and_then(|map| map.value(&key, self.variables.files())).unwrap_or_else(|| self.of(default))
    }
    fn variable(&self, name: &[u8]) -> Vec<u8> {
        let (state, variables) = (self.state, self.variables);
        if let Some(header) = prefixed(name, b"HTTP:") {
            return variables.header(header).unwrap_or_default();
        }
        if let Some(name) = prefixed(name, b"ENV:") {
            return variables.environment(name).unwrap_or_else(|| self.unknown(&[b"ENV:", name].concat()));
        }
        if let Some((is_file, name)) = looks_ahead(name) {
            // Of a request for the same URI, as it would end: its file.
            let target = if is_file { Target::File(&state.filename) } else { Target::Uri(&state.filename) };
            return match variables.look(target) {
                Some(seen) if name.eq_ignore_ascii_case(b"REQUEST_FILENAME") => seen.filename,
                Some(seen) if name.eq_ignore_ascii_case(b"REMOTE_USER") => seen.user.unwrap_or_default(),
                Some(_) => self.variable(name),
                None => Vec::new(),
            };
        }
        let name = name.to_ascii_uppercase();
        match &name[..] {
            b"QUERY_STRING" => state.query.clone().unwrap_or_default(),
            b"REQUEST_FILENAME" | b"SCRIPT_FILENAME" => state.filename.clone(),
            b"SCRIPT_USER" | b"SCRIPT_GROUP"
                if variables.variable(b"SCRIPT_FILENAME").is_some_and(|file| file.is_empty()) =>
            {
                b"<unknown>".to_vec()
            }
            _ if name.starts_with(b"SSL:") && variables.variable(b"HTTPS").as_deref() != Some(b"on") => Vec::new(),
            _ if !NAMES.contains(&&name[..]) && !name.starts_with(b"SSL:") => Vec::new(),
            b"API_VERSION" => {
                let place = self.place;
                variables.doubt(format!(
                    "{place}: the minor number that mod_rewrite adds to %{{API_VERSION}} is not known here"
                ));
                b"20120211:".to_vec()
            }
            _ => variables.variable(&name).unwrap_or_else(|| self.unknown(&name)),
        }
    }

    fn unknown(&self, name: &[u8]) -> Vec<u8> {
        let (place, name) = (self.place, String::from_utf8_lossy(name));
        let about = format!("{place}: a rewrite rule asks for %{{{name}}}, which is not known here and taken as empty");
        self.variables.doubt(about);
        Vec::new()
    }
}

/// Stands for a question mark of the rule's own text; no request has this byte.
const OWN_QUERY: u8 = 1;

/// A rule's text in which its own question marks are marked, apart from those inside of what is expanded.
pub(super) fn mark_queries(text: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(text.len()), 0);
    while at < text.len() {
        let braced = match &text[at..] {
            [b'\\', b'?', ..] => {
                // Neither the rule's own nor the request's.
                at += 2;
                continue;
            }
            [b'$' | b'%', b'{', rest @ ..] => closing(rest).map(|end| end + 3),
            _ => None,
        };
        match braced {
            Some(length) => out.extend_from_slice(&text[at..at + length]),
            None => out.push(if text[at] == b'?' { OWN_QUERY } else { text[at] }),
        }
        at += braced.unwrap_or(1);
    }
    out
}

/// Whether the question mark that begins the query is not the rule's own; `last`: the last one does.
pub(super) fn begins_query_unsafely(marked: &[u8], last: bool) -> bool {
    let find = if last { memchr::memrchr2 } else { memchr::memchr2 };
    find(b'?', OWN_QUERY, marked).is_some_and(|at| marked[at] == b'?')
}

/// Where the brace that was opened before `text` closes.
fn closing(text: &[u8]) -> Option<usize> {
    let mut depth = 0;
    text.iter().position(|&byte| {
        depth += i32::from(byte == b'{') - i32::from(byte == b'}');
        depth < 0
    })
}

/// The name behind `LA-U:` or `LA-F:`, and whether it is the latter. Of several in a row, the last one counts.
fn looks_ahead(mut name: &[u8]) -> Option<(bool, &[u8])> {
    let mut found = None;
    while let Some(rest) = prefixed(name, b"LA-U:").or(prefixed(name, b"LA-F:")) {
        found = Some((name[3].eq_ignore_ascii_case(&b'f'), rest));
        name = rest;
    }
    found
}

/// The variables that mod_rewrite knows by name; it takes every other name as empty (fact A-122).
#[rustfmt::skip]
const NAMES: &[&[u8]] = &[
    b"API_VERSION", b"AUTH_TYPE", b"CONN_REMOTE_ADDR", b"CONTEXT_DOCUMENT_ROOT", b"CONTEXT_PREFIX", b"DOCUMENT_ROOT",
    b"HTTP_ACCEPT", b"HTTP_COOKIE", b"HTTP_FORWARDED", b"HTTP_HOST", b"HTTP_PROXY_CONNECTION", b"HTTP_REFERER",
    b"HTTP_USER_AGENT", b"HTTPS", b"IPV6", b"IS_SUBREQ", b"PATH_INFO", b"REMOTE_ADDR", b"REMOTE_HOST", b"REMOTE_IDENT",
    b"REMOTE_PORT", b"REMOTE_USER", b"REQUEST_METHOD", b"REQUEST_SCHEME", b"REQUEST_URI", b"SCRIPT_GROUP", b"SCRIPT_USER",
    b"SERVER_ADDR", b"SERVER_ADMIN", b"SERVER_NAME", b"SERVER_PORT", b"SERVER_PROTOCOL", b"SERVER_SOFTWARE", b"THE_REQUEST",
    b"TIME", b"TIME_DAY", b"TIME_HOUR", b"TIME_MIN", b"TIME_MON", b"TIME_SEC", b"TIME_WDAY", b"TIME_YEAR",
];
