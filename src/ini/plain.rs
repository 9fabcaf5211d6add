//! Reads the usual keys and values without cutting them into words first. Anything else is left to the full grammar, which
//! gives the same answers.

use super::bytes::{BLANK, HEADER, class_of, is_identifier, is_number, skip, skip_quoted, skip_text};
use super::expression::{Pending, apply};
use super::lexer::{Dialect, Lexer};
use super::number::int_prefix;
use super::scan::Scanner;
use super::token::{Span, Word};
use super::typed;
use super::{Mode, Value};

/// How many operands an expression may have to count as usual.
const OPERANDS: usize = 64;

impl Lexer<'_> {
    /// A key with the `=` after it and the blanks around that. `None`: the full grammar is needed, and nothing has been read.
    #[inline]
    pub(super) fn plain_key(&mut self) -> Option<Span> {
        let start = self.at;
        let first = class_of(self.byte(start)?);
        if first & self.label == 0 || first & BLANK != 0 {
            return None;
        }
        let mut end = self.label_end(start);
        let equals = skip(self.text, end, BLANK);
        if self.byte(equals) != Some(b'=') {
            return None;
        }
        while class_of(self.text[end - 1]) & BLANK != 0 {
            end -= 1;
        }
        if Word::from_text(&self.text[start..end]).is_some() {
            return None;
        }
        self.at = skip(self.text, equals + 1, BLANK);
        Some(Span { start, end })
    }

    /// A section's name with its `]`, without quotes, escapes and variables; likewise.
    #[inline]
    pub(super) fn plain_section(&mut self) -> Option<Span> {
        let start = self.at;
        let end = skip(self.text, start, HEADER);
        if end == start || self.byte(end) != Some(b']') {
            return None;
        }
        self.at = end + 1;
        self.end_header();
        Some(Span { start, end })
    }
}

impl<'t> Scanner<'t, '_> {
    /// An offset that is empty or a word, with its `]` and `=`; likewise.
    #[inline]
    pub(super) fn plain_offset(&mut self) -> Option<Span> {
        let lexer = &mut self.lexer;
        let (text, start) = (lexer.text, lexer.at);
        let end = skip(text, start, HEADER);
        if lexer.byte(end) != Some(b']') {
            return None;
        }
        let name = &text[start..end];
        let equals = skip(text, end + 1, BLANK);
        if lexer.byte(equals) != Some(b'=') || (is_identifier(name) && self.may_be_constant(name)) {
            return None;
        }
        self.lexer.at = skip(text, equals + 1, BLANK);
        Some(Span { start, end })
    }

    /// Whether an identifier could stand for something else.
    fn may_be_constant(&self, name: &[u8]) -> bool {
        Word::from_text(name).is_some() || self.is_constant(name)
    }

    /// `true`, `false` and `null` left aside, in whatever letter case.
    #[inline]
    fn is_constant(&self, name: &[u8]) -> bool {
        (self.lowercase || !name[0].is_ascii_lowercase())
            && is_identifier(name)
            && self.options.lookup.constant(name).is_some()
    }

    /// Words without operators, quotes or constants, or one double-quoted text without escapes; likewise. The flag: whether
    /// the line ended, too.
    #[inline]
    pub(super) fn plain_value(&mut self) -> Option<(Value<'t>, bool)> {
        let (text, start) = (self.lexer.text, self.lexer.at);
        let (value, at) = match text.get(start) {
            Some(b'"') => {
                let end = skip_quoted(text, start + 1);
                if text.get(end) != Some(&b'"') {
                    return None;
                }
                (Value::Text(&text[start + 1..end]), skip(text, end + 1, BLANK))
            }
            _ => self.plain_words(start)?,
        };
        match text.get(at) {
            None => {
                self.lexer.at = at;
                Some((value, true))
            }
            // A comment without a line end is all that is there.
            Some(b';') if at == start && self.lexer.line_end(at).is_none() => None,
            _ => self.line_done(at).map(|ended| (value, ended)),
        }
    }

    /// Steps over a line end or comment at `at`; `false`: over a comment that ends the text. `None`: neither is there.
    #[inline]
    fn line_done(&mut self, at: usize) -> Option<bool> {
        let end = match self.lexer.byte(at) {
            Some(b'\n' | b'\r') => Some(at),
            Some(b';') => self.lexer.line_end(at),
            _ => return None,
        };
        if let Some(end) = end {
            self.lexer.end_line(end);
        }
        Some(end.is_some())
    }

    #[inline]
    fn plain_words(&self, start: usize) -> Option<(Value<'t>, usize)> {
        let text = self.lexer.text;
        let mut at = start;
        let mut end = start;
        while at < text.len() {
            let word = at;
            at = skip_text(text, at);
            if word == at {
                break;
            }
            let name = &text[word..at];
            if let Some(found) = Word::from_text(name) {
                if word != start {
                    return None;
                }
                return Some((self.word_value(found), skip(text, at, BLANK)));
            }
            if self.is_constant(name) {
                return None;
            }
            end = at;
            if at < text.len() && class_of(text[at]) & BLANK != 0 {
                at = skip(text, at, BLANK);
            } else {
                break;
            }
        }
        if self.options.mode == Mode::Typed && start < end {
            return self.plain_typed(start, end, at);
        }
        // Blanks before the very end belong to the value (I-022).
        let stop = if at == text.len() { at } else { end };
        Some((Value::Text(&text[start..stop]), at))
    }

    /// In typed mode: one word may be a number; numbers among words are read piece by piece.
    fn plain_typed(&self, start: usize, end: usize, at: usize) -> Option<(Value<'t>, usize)> {
        let text = self.lexer.text;
        let value = &text[start..end];
        let one = skip_text(text, start) == end && (at < text.len() || at == end);
        if one && !is_number(value) {
            return Some((Value::Text(value), at));
        }
        // From 8.3 on, PHP looks at a copy of the number, with nothing behind it.
        let next = if self.lexer.dialect == Dialect::Php83 { None } else { text.get(end) };
        one.then(|| (typed::number(value, next).unwrap_or(Value::Text(value)), at))
    }

    /// Constants with an operator between them, as in `E_ALL & ~E_NOTICE`; likewise.
    pub(super) fn plain_expression(&mut self) -> Option<(i32, bool)> {
        let text = self.lexer.text;
        let mut at = self.lexer.at;
        let mut left = None;
        for _ in 0..OPERANDS {
            let sign = self.lexer.byte(at).filter(|byte| matches!(byte, b'~' | b'!'));
            if sign.is_some() {
                at = skip(text, at + 1, BLANK);
            }
            let end = skip_text(text, at);
            let name = &text[at..end];
            if !is_identifier(name) || Word::from_text(name).is_some() {
                return None;
            }
            let mut value = int_prefix(&self.options.lookup.constant(name)?) as i32;
            let plain = sign.is_none() && left.is_none();
            if let Some(sign) = sign {
                value = apply(&Pending::Unary(sign), value);
            }
            if let Some(left) = left {
                value = apply(&left, value);
            }
            at = skip(text, end, BLANK);
            match self.lexer.byte(at) {
                Some(operator @ (b'|' | b'&' | b'^')) => {
                    left = Some(Pending::Binary(operator, value));
                    at = skip(text, at + 1, BLANK);
                }
                _ if plain => return None,
                _ => return self.line_done(at).map(|ended| (value, ended)),
            }
        }
        None
    }
}
