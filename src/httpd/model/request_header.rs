//! `RequestHeader`: the headers of a request as mod_headers changes them (fact A-127).

use super::header_words::{Action, Words, prefixed};
use super::section::Text;
use crate::httpd::expression::parse::{self, Expr, Word};
use crate::httpd::pattern::Pattern;
use crate::httpd::syntax::modules::Scope;
use crate::origin::Origin;

/// One line.
#[derive(Debug)]
pub(crate) struct RequestHeader {
    pub change: Change,
    /// The header's name.
    pub name: Text,
    /// What is set, or put in place of a match.
    pub value: Made,
    pub condition: Condition,
    pub origin: Origin,
}

/// What a line does.
#[derive(Debug)]
pub(crate) enum Change {
    Set,
    SetIfEmpty,
    Add,
    Append,
    Merge,
    Unset,
    /// `edit`; with the flag, `edit*`: every match. Without a pattern, it is one that the engine does not support.
    Edit(Option<Pattern>, bool),
}

/// When a line counts.
#[derive(Debug)]
pub(crate) enum Condition {
    Always,
    /// Before any section is looked at.
    Early,
    /// The variable is set; with the flag, it is not.
    Env(Text, bool),
    Expr(Expr),
}

/// How a value is put together.
#[derive(Debug)]
pub(crate) enum Made {
    Expr(Word),
    Pieces(Vec<Piece>),
}

/// A piece of a value.
#[derive(Debug)]
pub(crate) enum Piece {
    Text(Vec<u8>),
    /// `%{NAME}e`
    Env(Text),
    /// `%t` and others, which differ each time.
    Unknown(char),
    /// `%{NAME}s`
    Tls,
}

impl RequestHeader {
    /// The words of a line, which have been checked.
    pub fn new(args: &[u8], origin: Origin, scope: Scope) -> Result<Self, String> {
        let Words { action, header, value, new, clause } = Words::of(args, true)?;
        let value = value.unwrap_or_default();
        let (change, text) = match action {
            Action::Set => (Change::Set, value),
            Action::SetIfEmpty => (Change::SetIfEmpty, value),
            Action::Add => (Change::Add, value),
            Action::Append => (Change::Append, value),
            Action::Merge => (Change::Merge, value),
            Action::Edit | Action::EditAll => {
                let pattern = Pattern::new(&value, false).ok();
                (Change::Edit(pattern, matches!(action, Action::EditAll)), new.unwrap_or_default())
            }
            // Others are refused where the words are read.
            Action::Unset | Action::Echo | Action::Note => (Change::Unset, Text::default()),
        };
        let value = match text.strip_prefix(b"expr=") {
            Some(text) => Made::Expr(
                parse::parse_text(text, scope).map_err(|error| format!("Can't parse value expression: {error}"))?,
            ),
            None => Made::Pieces(pieces(&text)),
        };
        let name = header.split(|&byte| byte == b':').next().unwrap_or_default().into();
        Ok(Self { change, name, value, condition: condition(clause.as_deref(), scope)?, origin })
    }
}

fn condition(clause: Option<&[u8]>, scope: Scope) -> Result<Condition, String> {
    let Some(clause) = clause else { return Ok(Condition::Always) };
    if clause.eq_ignore_ascii_case(b"early") {
        return Ok(Condition::Early);
    }
    if let Some(name) = prefixed(clause, b"env=") {
        let bare = name.strip_prefix(b"!");
        return Ok(Condition::Env(bare.unwrap_or(name).into(), bare.is_some()));
    }
    let text = prefixed(clause, b"expr=").unwrap_or_default();
    parse::parse(text, scope).map(Condition::Expr).map_err(|error| format!("Can't parse envclause/expression: {error}"))
}

/// The pieces of a format that has been checked.
fn pieces(mut text: &[u8]) -> Vec<Piece> {
    let mut all = Vec::new();
    while !text.is_empty() {
        let end = memchr::memchr(b'%', text).unwrap_or(text.len());
        if end > 0 {
            all.push(Piece::Text(unescaped(&text[..end])));
        }
        text = text.get(end + 1..).unwrap_or_default();
        if end == 0 && text.is_empty() || text.first() == Some(&b'%') {
            all.push(Piece::Text(b"%".to_vec()));
            text = text.get(1..).unwrap_or_default();
            continue;
        }
        let (mut name, mut rest) = (&b""[..], text);
        if let Some(inner) = text.strip_prefix(b"{") {
            let close = memchr::memchr(b'}', inner).unwrap_or(inner.len());
            (name, rest) = (&inner[..close], inner.get(close + 1..).unwrap_or_default());
        }
        let Some((&letter, rest)) = rest.split_first() else { break };
        all.push(match letter {
            b'e' => Piece::Env(name.into()),
            b's' => Piece::Tls,
            letter => Piece::Unknown(char::from(letter)),
        });
        text = rest;
    }
    all
}

/// A text with its escapes: `\n`, `\r`, `\t`, `\\`.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let known = match bytes.peek() {
            Some(b'\\') => Some(b'\\'),
            Some(b'n') => Some(b'\n'),
            Some(b'r') => Some(b'\r'),
            Some(b't') => Some(b'\t'),
            _ => None,
        };
        match known.filter(|_| byte == b'\\') {
            Some(meant) => {
                bytes.next();
                out.push(meant);
            }
            None => out.push(byte),
        }
    }
    out
}

/// A header's value, or what it depends on that is not known.
pub(crate) type Value = Result<Vec<u8>, String>;

/// The most headers that are kept, and the most bytes of one: only lines that are applied in circles make more.
const MOST: usize = 1000;
const LONGEST: usize = 64 << 10;

/// The headers of a request; letter case of names does not count.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Headers(Vec<(Text, Value)>);

impl Headers {
    pub fn get(&self, name: &[u8]) -> Option<&Value> {
        self.find(&mut |own| own.eq_ignore_ascii_case(name))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The first one whose name is meant.
    pub fn find(&self, meant: &mut dyn FnMut(&[u8]) -> bool) -> Option<&Value> {
        self.0.iter().find(|(own, _)| meant(own)).map(|(_, value)| value)
    }

    pub fn add(&mut self, name: &[u8], value: Value) {
        if self.0.len() < MOST {
            self.0.push((name.into(), value));
        }
    }

    pub fn unset(&mut self, name: &[u8]) {
        self.0.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
    }

    /// The first one of this name gets the value, others of the name go.
    pub fn set(&mut self, name: &[u8], value: Value) {
        let Some(at) = self.0.iter().position(|(own, _)| own.eq_ignore_ascii_case(name)) else {
            return self.add(name, value);
        };
        self.0[at].1 = value;
        let mut place = 0;
        self.0.retain(|(own, _)| {
            place += 1;
            place <= at + 1 || !own.eq_ignore_ascii_case(name)
        });
    }

    /// Puts a text behind the first one of this name.
    pub fn append(&mut self, name: &[u8], value: Value) {
        match self.0.iter_mut().find(|(own, _)| own.eq_ignore_ascii_case(name)) {
            Some((_, Ok(known))) if value.is_ok() && known.len() < LONGEST => {
                known.extend_from_slice(b", ");
                known.extend(value.unwrap_or_default());
            }
            Some((_, known @ Ok(_))) if value.is_err() => *known = value,
            Some(_) => {}
            None => self.add(name, value),
        }
    }

    /// Each one of this name is made anew.
    pub fn edit(&mut self, name: &[u8], mut new: impl FnMut(&[u8]) -> Value) {
        for (_, value) in self.0.iter_mut().filter(|(own, _)| own.eq_ignore_ascii_case(name)) {
            if let Ok(known) = value {
                *value = new(known);
            }
        }
    }
}

/// Whether a list of words, which commas separate and quotes hold together, has this one.
pub(crate) fn has_word(mut list: &[u8], word: &[u8]) -> bool {
    while !list.is_empty() {
        list = list.trim_ascii_start();
        let mut quoted = false;
        let end = list.iter().position(|&byte| {
            quoted ^= byte == b'"';
            byte == b',' && !quoted
        });
        let end = end.unwrap_or(list.len());
        if list[..end] == *word {
            return true;
        }
        list = list.get(end + 1..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_whole_words() {
        for (list, word, has) in
            [("a, b", "b", true), ("a, bc", "b", false), ("\"a, b\"", "b", false), ("", "b", false), ("b ", "b", false)]
        {
            assert_eq!(has_word(list.as_bytes(), word.as_bytes()), has, "{list} {word}");
        }
    }

    #[test]
    fn what_is_not_known_stays_so() {
        let mut headers = Headers::default();
        headers.add(b"A", Ok(b"1".to_vec()));
        headers.add(b"a", Ok(b"2".to_vec()));
        headers.append(b"A", Ok(b"3".to_vec()));
        assert_eq!(headers.get(b"a"), Some(&Ok(b"1, 3".to_vec())));
        headers.append(b"A", Err("x".into()));
        headers.append(b"A", Ok(b"4".to_vec()));
        assert_eq!(headers.get(b"a"), Some(&Err("x".into())));
        headers.set(b"a", Ok(b"5".to_vec()));
        headers.edit(b"A", |known| Ok([known, b"!"].concat()));
        assert_eq!(headers, Headers(vec![(Text::from(&b"A"[..]), Ok(b"5!".to_vec()))]));
    }
}
