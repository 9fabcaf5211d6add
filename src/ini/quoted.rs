//! Between double quotes: where a chunk of text ends, and what its backslashes mean (I-052, I-053).

use super::bytes::{BLANK, skip, skip_quoted};
use super::lexer::{Dialect, Lexer};
use super::pieces::Pieces;
use super::token::{Span, Token};
use crate::find;

impl Lexer<'_> {
    /// A word between double quotes.
    pub(super) fn quoted_word(&mut self) -> Token {
        let start = self.at;
        match self.byte(start) {
            None => return Token::EndOfFile,
            Some(b'"') => {
                self.at = skip(self.text, start + 1, BLANK);
                return Token::Char(b'"');
            }
            Some(b'$') if self.byte(start + 1) == Some(b'{') => {
                self.at += 2;
                return Token::Curly;
            }
            _ => {}
        }
        self.at = match self.dialect {
            Dialect::Php74 => self.chunk_end_old(start),
            _ => self.chunk_end(start),
        };
        let span = self.span(start);
        self.count_lines(span);
        Token::Quoted(span)
    }

    fn chunk_end(&self, start: usize) -> usize {
        let mut at = start;
        loop {
            at = skip_quoted(self.text, at);
            match self.byte(at) {
                None => return at,
                Some(b'"') => return at,
                Some(b'$') if self.byte(at + 1) == Some(b'{') => return at,
                Some(b'\\') => {
                    let last = self.byte(at + 1) == Some(b'"') && self.ends_line(at + 2);
                    at = (at + if last { 1 } else { 2 }).min(self.text.len());
                }
                Some(_) => at += 1,
            }
        }
    }

    /// As before PHP 8.1: the first byte of a chunk is never looked at, and a quote is escaped by whatever
    /// backslash is before it.
    fn chunk_end_old(&self, start: usize) -> usize {
        let mut at = start + 1;
        loop {
            at = skip_quoted(self.text, at);
            match self.byte(at) {
                None => return at,
                Some(b'"') if self.text[at - 1] != b'\\' || self.ends_line(at + 1) => return at,
                Some(b'$') if self.byte(at + 1) == Some(b'{') => return at,
                Some(b'\\') if at + 1 < self.text.len() && self.text[at + 1] != b'"' => at += 2,
                Some(_) => at += 1,
            }
        }
    }

    fn ends_line(&self, at: usize) -> bool {
        matches!(self.byte(at), None | Some(b'\n' | b'\r'))
    }

    fn count_lines(&mut self, span: Span) {
        for at in span.start..span.end {
            let byte = self.text[at];
            if byte == b'\n' || (byte == b'\r' && self.byte(at + 1) != Some(b'\n')) {
                self.line += 1;
            }
        }
    }
}

/// Appends a chunk without the backslashes of `\"`, `\\` and `\$`.
pub(super) fn push_unescaped(pieces: &mut Pieces, input: &[u8], span: Span) {
    let mut start = span.start;
    let mut at = span.start;
    while let Some(offset) = find::one(b'\\', &input[at..span.end]) {
        let slash = at + offset;
        if slash + 1 < span.end && matches!(input[slash + 1], b'"' | b'\\' | b'$') {
            pieces.push(input, Span { start, end: slash });
            start = slash + 1;
        }
        at = (slash + 2).min(span.end);
    }
    pieces.push(input, Span { start, end: span.end });
}
