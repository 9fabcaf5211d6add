//! Cuts the text into words. At every point the longest word wins; on a tie, the one that is tried first here.

use super::bytes::{self, BLANK, HEADER, LABEL, LABEL_8_3, NAME_8_3, TEXT, class_of, skip, skip_label, skip_text};
use super::token::{Span, Token, Word};
use super::{OVER_LIMIT, SyntaxError};
use crate::find;

/// What PHP versions disagree about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dialect {
    /// 7.4 and 8.0
    Php74,
    /// 8.1 and 8.2
    Php81,
    /// 8.3 and later
    Php83,
}

/// Where a joined text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Value,
    Section,
    Offset,
    /// Behind `:-` in a variable.
    Fallback,
}

pub(super) struct Lexer<'t> {
    pub(super) text: &'t [u8],
    pub(super) at: usize,
    pub(super) line: u32,
    pub(super) dialect: Dialect,
    pub(super) label: u8,
    /// How many bytes variables may still put in.
    pub(super) room: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t [u8], dialect: Dialect) -> Self {
        // I-002
        let at = if text.len() > 3 && text.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        let label = if dialect == Dialect::Php83 { LABEL_8_3 } else { LABEL };
        Self { text, at, line: 1, dialect, label, room: super::MAX_SUBSTITUTED }
    }

    /// A variable puts that many bytes in.
    pub(super) fn put_in(&mut self, length: usize) -> Result<(), SyntaxError> {
        let left = self.room.checked_sub(length);
        self.room = left.ok_or_else(|| SyntaxError { message: OVER_LIMIT.to_owned(), line: self.line })?;
        Ok(())
    }

    pub(super) fn byte(&self, at: usize) -> Option<u8> {
        self.text.get(at).copied()
    }

    pub(super) fn span(&self, start: usize) -> Span {
        Span { start, end: self.at }
    }

    /// The end of the line that `at` is in: the position of its line end.
    #[inline]
    pub(super) fn line_end(&self, at: usize) -> Option<usize> {
        find::two([b'\n', b'\r'], &self.text[at..]).map(|offset| at + offset)
    }

    /// Steps over the line end at `at`; CR LF is one.
    #[inline]
    pub(super) fn end_line(&mut self, at: usize) -> Token {
        let both = self.text[at] == b'\r' && self.byte(at + 1) == Some(b'\n');
        self.at = at + 1 + usize::from(both);
        self.line += 1;
        Token::EndOfLine
    }

    /// Where the run of key bytes that starts at `at` ends.
    #[inline]
    pub(super) fn label_end(&self, at: usize) -> usize {
        skip_label(self.text, at, self.label)
    }

    /// Whether a run that ends here swallows the end of the text, as runs did that NUL could be part of (I-021).
    #[inline]
    pub(super) fn swallows_end(&self, end: usize) -> bool {
        end == self.text.len() && self.dialect != Dialect::Php83
    }

    /// A word at key position (I-010).
    pub(super) fn key(&mut self) -> Token {
        let start = self.at;
        let end = self.label_end(start);
        if end > start {
            return self.label(start, end);
        }
        match self.byte(start) {
            None => Token::EndOfFile,
            Some(b'[') => {
                self.at += 1;
                Token::Section
            }
            Some(b'\t' | b'=' | b'\n' | b'\r' | b';') => match self.after_blanks(start) {
                Some(token) => token,
                None => self.skip_blanks(),
            },
            Some(0) => Token::EndOfFile,
            Some(byte) => {
                self.at += 1;
                Token::Char(byte)
            }
        }
    }

    fn skip_blanks(&mut self) -> Token {
        self.at = skip(self.text, self.at, BLANK);
        self.key()
    }

    /// The words at key position that may have blanks in front: `=`, a line end, a comment.
    fn after_blanks(&mut self, start: usize) -> Option<Token> {
        let at = skip(self.text, start, BLANK);
        match self.byte(at)? {
            b'=' => {
                self.at = skip(self.text, at + 1, BLANK);
                Some(Token::Char(b'='))
            }
            b'\n' | b'\r' => Some(self.end_line(at)),
            b';' => Some(self.comment(at)),
            _ => None,
        }
    }

    /// A comment with its line end; without one, the text ends here (I-020).
    pub(super) fn comment(&mut self, at: usize) -> Token {
        match self.line_end(at) {
            Some(end) => self.end_line(end),
            None => Token::EndOfFile,
        }
    }

    fn label(&mut self, start: usize, end: usize) -> Token {
        if self.swallows_end(end) {
            return Token::EndOfFile;
        }
        let text = self.text;
        let name = bytes::trim(text, start, end);
        if self.byte(end) == Some(b'[') {
            self.at = skip(text, end + 1, BLANK);
            return Token::Offset(self.name_span(start, name.len()));
        }
        if name.is_empty() {
            // Only spaces: they are part of whatever is longer.
            if let Some(token) = self.after_blanks(start) {
                return token;
            }
            if skip(text, start, BLANK) > end {
                return self.skip_blanks();
            }
        } else if class_of(text[start]) & BLANK == 0
            && let Some(word) = Word::from_text(name)
        {
            self.at = skip(text, end, BLANK);
            return Token::Word(word);
        }
        self.at = end;
        Token::Label(self.name_span(start, name.len()))
    }

    fn name_span(&self, start: usize, len: usize) -> Span {
        let start = skip(self.text, start, BLANK);
        if len == 0 { Span::default() } else { Span { start, end: start + len } }
    }

    /// `'…'`: at least one byte, no escapes, any line ends (I-051). `None`: two quotes with nothing between.
    fn single_quoted(&mut self) -> Option<Token> {
        let start = self.at + 1;
        match find::one(b'\'', &self.text[start..]) {
            Some(0) => None,
            Some(len) => {
                self.at = start + len + 1;
                Some(Token::Raw(Span { start, end: start + len }))
            }
            None => Some(Token::EndOfFile),
        }
    }

    /// A word of a joined text.
    pub(super) fn word(&mut self, place: Place) -> Token {
        match place {
            Place::Value => self.value_word(),
            _ => self.header_word(place),
        }
    }

    /// A word in a value (I-050).
    pub(super) fn value_word(&mut self) -> Token {
        let start = self.at;
        let Some(byte) = self.byte(start) else { return Token::EndOfLine };
        let blanks = skip(self.text, start, BLANK);
        if blanks > start || matches!(byte, b'\n' | b'\r' | b';' | b'"') {
            return self.value_blanks(start, blanks);
        }
        match byte {
            b'\'' => self.single_quoted().unwrap_or_else(|| self.give_up()),
            b'$' if self.byte(start + 1) == Some(b'{') => {
                self.at += 2;
                Token::Curly
            }
            b'&' | b'|' | b'^' | b'~' | b'(' | b')' | b'!' => {
                self.at = skip(self.text, start + 1, BLANK);
                Token::Char(byte)
            }
            // It ends the value and is not consumed, so the next statement begins with it (I-055).
            b'=' => Token::EndOfLine,
            _ => self.value_run(start),
        }
    }

    fn value_blanks(&mut self, start: usize, at: usize) -> Token {
        match self.byte(at) {
            Some(b'\n' | b'\r') => self.end_line(at),
            Some(b';') => self.comment(at),
            Some(b'"') => {
                self.at = at + 1;
                Token::Char(b'"')
            }
            _ => {
                self.at = at;
                Token::Blank(self.span(start))
            }
        }
    }

    /// A byte that no word begins with ends the value and is dropped (I-050.13).
    fn give_up(&mut self) -> Token {
        self.at += 1;
        Token::EndOfLine
    }

    fn value_run(&mut self, start: usize) -> Token {
        let end = skip_text(self.text, start);
        let end = if self.byte(end) == Some(b'$') { self.dollar_run(start, Place::Value) } else { Some(end) };
        let Some(end) = end else { return Token::EndOfFile };
        if end == start {
            return self.give_up();
        }
        self.at = end;
        let run = &self.text[start..end];
        if let Some(word) = Word::from_text(run) {
            self.at = skip(self.text, end, BLANK);
            return Token::Word(word);
        }
        self.run_token(start)
    }

    fn run_token(&self, start: usize) -> Token {
        let span = self.span(start);
        let run = span.of(self.text);
        if bytes::is_identifier(run) {
            Token::Constant(span)
        } else if bytes::is_number(run) {
            Token::Number(span)
        } else {
            Token::Text(span)
        }
    }

    /// A word in a section header, an offset or a fallback (I-030, I-040).
    fn header_word(&mut self, place: Place) -> Token {
        let start = self.at;
        let close = if place == Place::Fallback { b'}' } else { b']' };
        let Some(byte) = self.byte(start) else { return Token::EndOfFile };
        let at = skip(self.text, start, BLANK);
        match self.byte(at) {
            Some(b'"') => {
                self.at = at + 1;
                return Token::Char(b'"');
            }
            Some(b']') if place == Place::Offset || (place == Place::Section && at == start) => {
                self.at = at + 1;
                if place == Place::Section {
                    self.end_header();
                }
                return Token::Char(b']');
            }
            Some(b'}') if place == Place::Fallback && at == start => {
                self.at = at + 1;
                return Token::Char(b'}');
            }
            _ => {}
        }
        match byte {
            b'\'' if place != Place::Fallback => self.single_quoted().unwrap_or(Token::EndOfFile),
            b'$' if self.byte(start + 1) == Some(b'{') => {
                self.at += 2;
                Token::Curly
            }
            _ => match self.header_run(start, place, close) {
                Some(end) if end > start => {
                    self.at = end;
                    self.run_token(start)
                }
                _ => Token::EndOfFile,
            },
        }
    }

    fn header_run(&self, start: usize, place: Place, close: u8) -> Option<usize> {
        let mut end = start;
        while let Some(byte) = self.byte(end) {
            if byte == b'$' || byte == b'\\' {
                return self.dollar_run(start, place);
            }
            if !plain(byte, place, close) {
                break;
            }
            end += 1;
        }
        Some(end)
    }

    /// A run with `$` in it: `$` takes the next byte along, or the next two if that is a backslash; in headers a
    /// backslash takes the next byte too. Both readings of `$\` are followed, and the longer one wins.
    /// `None`: the run swallowed the end of the text.
    fn dollar_run(&self, start: usize, place: Place) -> Option<usize> {
        const READY: u8 = 1;
        const DOLLAR: u8 = 2;
        const ANY: u8 = 4;
        let close = if place == Place::Fallback { b'}' } else { b']' };
        let (mut state, mut at, mut end) = (READY, start, start);
        while let Some(byte) = self.byte(at) {
            let mut next = 0;
            if state & READY != 0 {
                next |= match byte {
                    b'$' => DOLLAR,
                    b'\\' if place != Place::Value => ANY,
                    _ if plain(byte, place, close) => READY,
                    _ => 0,
                };
            }
            if state & DOLLAR != 0 && byte != b'{' && byte != 0 {
                next |= if byte == b'\\' { READY | ANY } else { READY };
            }
            if state & ANY != 0 {
                next |= READY;
            }
            at += 1;
            if next & READY != 0 {
                end = at;
            }
            state = next;
            if state == 0 {
                return Some(end);
            }
        }
        if state & ANY != 0 { None } else { Some(end) }
    }

    /// Behind the `]` of a header: its line is done, whatever follows (I-032).
    pub(super) fn end_header(&mut self) {
        let at = skip(self.text, self.at, BLANK);
        self.at = at;
        if matches!(self.byte(at), Some(b'\n' | b'\r')) {
            self.end_line(at);
        } else {
            self.line += 1;
        }
    }

    /// A word behind `${` (I-070).
    pub(super) fn variable_word(&mut self) -> Token {
        let start = self.at;
        let mut end = self.label_end(start);
        if self.dialect == Dialect::Php83 && end > start {
            end = skip(self.text, end, NAME_8_3);
        }
        if self.dialect == Dialect::Php83
            && let Some(offset) = find_fallback(&self.text[start..end])
        {
            // PHP reads a name of one byte before `:-` as part of the `:-`.
            if offset <= 1 {
                self.at = start + offset + 2;
                return Token::Fallback;
            }
            end = start + offset;
        }
        if end > start {
            if self.swallows_end(end) {
                return Token::EndOfFile;
            }
            self.at = end;
            let name = bytes::trim(self.text, start, end);
            return Token::Variable(self.name_span(start, name.len()));
        }
        if self.byte(start) == Some(b'}') {
            self.at += 1;
            return Token::Char(b'}');
        }
        Token::EndOfFile
    }
}

fn plain(byte: u8, place: Place, close: u8) -> bool {
    match place {
        Place::Value => class_of(byte) & TEXT != 0,
        Place::Fallback => byte == b']' || (byte != close && class_of(byte) & HEADER != 0),
        _ => class_of(byte) & HEADER != 0,
    }
}

fn find_fallback(name: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(offset) = find::one(b':', &name[from..]) {
        let at = from + offset;
        if name.get(at + 1) == Some(&b'-') {
            return Some(at);
        }
        from = at + 1;
    }
    None
}
