//! Joined texts: adjacent pieces, double-quoted parts and variables, one inside the other (I-030, I-040, I-054, I-070).
//! Open parts are kept on a stack of our own, so no text can exhaust the program's stack.

use super::lexer::{Dialect, Lexer, Place};
use super::pieces::Pieces;
use super::quoted::push_unescaped;
use super::token::{Span, Token, check_depth};
use super::typed;
use super::{Lookup, Mode, SyntaxError};
use crate::find;
use std::borrow::Cow;

/// The kind of a joined text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Empty,
    /// One number token and nothing else.
    Number(Span),
    /// More, beginning with a number token.
    NumberFirst,
    Other,
}

/// Something open in a joined text.
#[derive(Debug)]
pub(super) enum Frame {
    Quotes { outer: Level },
    Fallback { outer: Level, name: Span, mark: usize },
}

/// Where words are being read: in the innermost open part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    /// `None`: between double quotes.
    place: Option<Place>,
    /// How many words PHP's parser holds below.
    depth: usize,
    /// Whether a piece has been read here; PHP's parser holds one word for all of them.
    some: bool,
}

impl Level {
    fn words(self) -> usize {
        self.depth + usize::from(self.some)
    }
}

/// Everything that reading a joined text needs.
pub(super) struct Joiner<'a, 't> {
    pub(super) lexer: &'a mut Lexer<'t>,
    pub(super) lookup: &'a dyn Lookup,
    pub(super) mode: Mode,
    pub(super) pieces: &'a mut Pieces,
    kind: Kind,
}

impl<'a, 't> Joiner<'a, 't> {
    pub(super) fn new(lexer: &'a mut Lexer<'t>, lookup: &'a dyn Lookup, mode: Mode, pieces: &'a mut Pieces) -> Self {
        Self { lexer, lookup, mode, pieces, kind: Kind::Empty }
    }

    /// Reads pieces from `token` on, over `depth` words. Gives the first word that is not part of the text.
    pub(super) fn join(&mut self, place: Place, depth: usize, token: Token) -> Result<(Kind, Token), SyntaxError> {
        self.pieces.clear();
        self.pieces.frames.clear();
        self.kind = Kind::Empty;
        let mut level = Level { place: Some(place), depth, some: false };
        let mut token = token;
        loop {
            if !self.piece(&mut level, token)? {
                match self.pieces.frames.pop() {
                    None => return Ok((self.kind, token)),
                    Some(frame) => self.close(&mut level, frame, token)?,
                }
            }
            token = match level.place {
                Some(place) => self.lexer.word(place),
                None => self.lexer.quoted_word(),
            };
        }
    }

    /// Takes a word that begins or is a piece; `false`: it is neither.
    fn piece(&mut self, level: &mut Level, token: Token) -> Result<bool, SyntaxError> {
        match token {
            Token::Raw(span) | Token::Text(span) | Token::Blank(span) => self.push(level, span)?,
            Token::Quoted(span) => {
                self.check(level.words() + 1)?;
                push_unescaped(self.pieces, self.lexer.text, span);
            }
            Token::Constant(span) => self.constant(level, span)?,
            Token::Number(span) => self.number(level, span)?,
            Token::Curly => self.variable(level)?,
            Token::Char(b'"') if level.place.is_some() => {
                let depth = level.words() + 2;
                self.check(depth)?;
                self.joins();
                self.pieces.frames.push(Frame::Quotes { outer: *level });
                *level = Level { place: None, depth, some: false };
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn check(&self, depth: usize) -> Result<(), SyntaxError> {
        check_depth(depth, self.lexer.line)
    }

    /// Notes that a piece follows which is no number token.
    fn joins(&mut self) {
        self.kind = match self.kind {
            Kind::Empty | Kind::Other => Kind::Other,
            Kind::Number(_) | Kind::NumberFirst => Kind::NumberFirst,
        };
    }

    fn push(&mut self, level: &mut Level, span: Span) -> Result<(), SyntaxError> {
        self.check(level.words() + 1)?;
        level.some = true;
        self.joins();
        self.pieces.push(self.lexer.text, span);
        Ok(())
    }

    fn constant(&mut self, level: &mut Level, span: Span) -> Result<(), SyntaxError> {
        if level.place == Some(Place::Section) {
            return self.push(level, span);
        }
        let text = self.lexer.text;
        match constant(self.lookup, span.of(text)) {
            None => self.push(level, span),
            Some(value) => {
                self.check(level.words() + 1)?;
                level.some = true;
                self.joins();
                self.pieces.push_text(text, &value);
                Ok(())
            }
        }
    }

    /// Before 8.3, typed mode makes a number of each number token, and a text of it again where it is joined.
    fn number(&mut self, level: &mut Level, span: Span) -> Result<(), SyntaxError> {
        self.check(level.words() + 1)?;
        level.some = true;
        let text = self.lexer.text;
        let typed = self.mode == Mode::Typed && level.place == Some(Place::Value);
        if self.kind == Kind::Empty {
            self.kind = Kind::Number(span);
        } else {
            self.joins();
        }
        if typed && self.lexer.dialect < Dialect::Php83 {
            match typed::rewritten(span.of(text), text.get(span.end)) {
                Some(number) => self.pieces.push_text(text, number.as_bytes()),
                None => self.pieces.push(text, span),
            }
        } else {
            self.pieces.push(text, span);
        }
        Ok(())
    }

    /// Behind `${`: the name, and `}` or `:-`.
    fn variable(&mut self, level: &mut Level) -> Result<(), SyntaxError> {
        let depth = level.words();
        self.check(depth + 1)?;
        self.joins();
        let word = self.lexer.variable_word();
        let Token::Variable(name) = word else { return Err(word.unexpected("TC_VARNAME", self.lexer.line)) };
        self.check(depth + 2)?;
        let fallback = self.lexer.dialect == Dialect::Php83;
        let word = self.lexer.variable_word();
        match word {
            Token::Char(b'}') => {
                self.check(depth + 3)?;
                level.some |= level.place.is_some();
                let text = self.lexer.text;
                match self.lookup.variable(name.of(text)) {
                    Some(value) => {
                        self.lexer.put_in(value.len())?;
                        self.pieces.push_text(text, &value);
                    }
                    None => self.lookup.unset(name.of(text)),
                }
            }
            Token::Fallback => {
                self.check(depth + 3)?;
                let mark = self.pieces.copy(self.lexer.text).len();
                self.pieces.frames.push(Frame::Fallback { outer: *level, name, mark });
                *level = Level { place: Some(Place::Fallback), depth: depth + 3, some: false };
            }
            _ => {
                let expected = if fallback { "TC_FALLBACK or '}'" } else { "'}'" };
                return Err(word.unexpected(expected, self.lexer.line));
            }
        }
        Ok(())
    }

    /// The end of the innermost thing that is open, if `token` is that.
    fn close(&mut self, level: &mut Level, frame: Frame, token: Token) -> Result<(), SyntaxError> {
        let line = self.lexer.line;
        match frame {
            Frame::Quotes { outer } => {
                if token != Token::Char(b'"') {
                    return Err(token.unexpected("TC_DOLLAR_CURLY or TC_QUOTED_STRING or '\"'", line));
                }
                self.check(level.depth + 1)?;
                *level = outer;
                level.some = true;
            }
            Frame::Fallback { outer, name, mark } => {
                self.check(level.depth + 1)?;
                if token != Token::Char(b'}') {
                    return Err(token.unexpected("'}'", line));
                }
                self.check(level.depth + 2)?;
                let text = self.lexer.text;
                let buffer = self.pieces.copy(text);
                if let Some(value) = self.lookup.variable(name.of(text)) {
                    self.lexer.put_in(value.len())?;
                    buffer.truncate(mark);
                    buffer.extend_from_slice(&value);
                } else if let Some(nul) = find::one(0, &buffer[mark..]) {
                    // To PHP a fallback is a C string.
                    buffer.truncate(mark + nul);
                }
                *level = outer;
                level.some |= level.place.is_some();
            }
        }
        Ok(())
    }
}

/// The text of a constant. `true`, `false` and `null` are constants in any letter case (I-041).
pub(super) fn constant<'l>(lookup: &'l dyn Lookup, name: &[u8]) -> Option<Cow<'l, [u8]>> {
    if matches!(name.len(), 4 | 5) {
        if name.eq_ignore_ascii_case(b"true") {
            return Some(Cow::Borrowed(b"1"));
        }
        if name.eq_ignore_ascii_case(b"false") || name.eq_ignore_ascii_case(b"null") {
            return Some(Cow::Borrowed(b""));
        }
    }
    lookup.constant(name)
}
