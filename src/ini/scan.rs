//! Statements: the content of a line, and the part that PHP takes of a wrong line.

use super::bytes::{BLANK, skip, trim};
use super::expression::{self, Outcome};
use super::joined::{Joiner, Kind};
use super::lexer::{Dialect, Lexer, Place};
use super::pieces::Pieces;
use super::token::{Span, Token, Word, check_depth};
use super::typed;
use super::{Event, Mode, Options, SyntaxError, Value};
use crate::find;
use std::ops::ControlFlow;

/// Why reading ends early.
pub(super) enum Stop {
    /// The visitor asked to stop, or the text ends here.
    Done,
    Error(SyntaxError),
}

impl From<SyntaxError> for Stop {
    fn from(error: SyntaxError) -> Self {
        Self::Error(error)
    }
}

/// Who receives the statements.
pub(super) type Visit<'v> = &'v mut dyn FnMut(Event<'_>, u32) -> ControlFlow<()>;

pub(super) struct Scanner<'t, 'o> {
    pub(super) lexer: Lexer<'t>,
    pub(super) options: &'o Options<'o>,
    /// Whether constants may begin with a lower-case letter.
    pub(super) lowercase: bool,
    /// The name or offset being read.
    name: Pieces,
    /// The value being read.
    value: Pieces,
}

/// In front of a key the parser has only the list of earlier statements on its stack.
const STATEMENT: usize = 1;

impl<'t, 'o> Scanner<'t, 'o> {
    pub(super) fn new(text: &'t [u8], options: &'o Options<'o>, dialect: Dialect) -> Self {
        let mut lexer = Lexer::new(text, dialect);
        lexer.room = options.lookup.room();
        let lowercase = options.lookup.has_lowercase_constants();
        Self { lexer, options, lowercase, name: Pieces::default(), value: Pieces::default() }
    }

    pub(super) fn run(&mut self, visit: Visit<'_>) -> Result<(), SyntaxError> {
        loop {
            match self.statement(visit) {
                Ok(()) => {}
                Err(Stop::Done) => return Ok(()),
                Err(Stop::Error(error)) => return Err(error),
            }
        }
    }

    fn statement(&mut self, visit: Visit<'_>) -> Result<(), Stop> {
        self.skip_lines()?;
        let line = self.lexer.line;
        if let Some(key) = self.lexer.plain_key() {
            return self.value(visit, Left { key, offset: None, line });
        }
        match self.lexer.key() {
            Token::EndOfFile => Err(Stop::Done),
            Token::EndOfLine => Ok(()),
            Token::Label(key) => self.entry(visit, key, line),
            Token::Offset(key) => self.array_entry(visit, key, line),
            Token::Section => self.section(visit, line),
            token => Err(token.unexpected("", self.lexer.line).into()),
        }
    }

    /// Comments and empty lines, which are most of a usual php.ini.
    fn skip_lines(&mut self) -> Result<(), Stop> {
        let lexer = &mut self.lexer;
        loop {
            match lexer.byte(lexer.at) {
                Some(b';') => {
                    let (at, lines) = find::comments(lexer.text, lexer.at);
                    lexer.line += lines;
                    match lexer.line_end(at) {
                        Some(end) => lexer.end_line(end),
                        None => return Err(Stop::Done),
                    }
                }
                Some(b'\n' | b'\r') => lexer.end_line(lexer.at),
                _ => return Ok(()),
            };
        }
    }

    fn section(&mut self, visit: Visit<'_>, line: u32) -> Result<(), Stop> {
        if self.options.mode != Mode::Raw
            && let Some(name) = self.lexer.plain_section()
        {
            return emit(visit, Event::Section { name: name.of(self.lexer.text) }, line);
        }
        let mut name = std::mem::take(&mut self.name);
        let result = if self.options.mode == Mode::Raw {
            self.raw_section(&mut name)
        } else {
            self.joined(Place::Section, STATEMENT + 1, &mut name)
        };
        let flow = result.and_then(|()| emit(visit, Event::Section { name: name.text(self.lexer.text) }, line));
        self.name = name;
        flow
    }

    /// All up to the first `]`, as it stands (I-033).
    fn raw_section(&mut self, name: &mut Pieces) -> Result<(), Stop> {
        let lexer = &mut self.lexer;
        let rest = &lexer.text[lexer.at..];
        let Some(len) = find::three([b']', b'\n', b'\r'], rest).filter(|len| rest[*len] == b']') else {
            return Err(Token::EndOfFile.unexpected("']'", lexer.line).into());
        };
        name.clear();
        name.push(lexer.text, Span { start: lexer.at, end: lexer.at + len });
        lexer.at += len + 1;
        lexer.end_header();
        Ok(())
    }

    /// A name or offset up to its `]`.
    fn joined(&mut self, place: Place, depth: usize, name: &mut Pieces) -> Result<(), Stop> {
        let token = self.lexer.word(place);
        let (mode, lookup) = (self.options.mode, self.options.lookup);
        let (_, token) = Joiner::new(&mut self.lexer, lookup, mode, name).join(place, depth, token)?;
        if token != Token::Char(b']') {
            return Err(token.unexpected("']'", self.lexer.line).into());
        }
        Ok(())
    }

    fn array_entry(&mut self, visit: Visit<'_>, key: Span, line: u32) -> Result<(), Stop> {
        let text = self.lexer.text;
        if let Some(offset) = self.plain_offset() {
            return self.value(visit, Left { key, offset: Some(offset.of(text)), line });
        }
        let mut offset = std::mem::take(&mut self.name);
        let result = self.joined(Place::Offset, STATEMENT + 1, &mut offset).and_then(|()| match self.lexer.key() {
            Token::Char(b'=') => self.value(visit, Left { key, offset: Some(offset.text(text)), line }),
            token => Err(token.unexpected("'='", self.lexer.line).into()),
        });
        self.name = offset;
        result
    }

    fn entry(&mut self, visit: Visit<'_>, key: Span, line: u32) -> Result<(), Stop> {
        let lexer = &mut self.lexer;
        let at = skip(lexer.text, lexer.at, BLANK);
        if lexer.byte(at) != Some(b'=') {
            return emit(visit, Event::Bare { key: key.of(lexer.text) }, line);
        }
        lexer.at = skip(lexer.text, at + 1, BLANK);
        self.value(visit, Left { key, offset: None, line })
    }

    /// A value, behind its `=`.
    fn value(&mut self, visit: Visit<'_>, left: Left<'_>) -> Result<(), Stop> {
        if self.options.mode == Mode::Raw {
            return self.raw_value(visit, left);
        }
        if let Some((value, ended)) = self.plain_value() {
            left.emit(visit, self.lexer.text, value)?;
            return if ended { Ok(()) } else { Err(Stop::Done) };
        }
        if let Some((int, ended)) = self.plain_expression() {
            let mut digits = Digits::default();
            left.emit(visit, self.lexer.text, int_value(int, &self.lexer, self.options.mode, &mut digits))?;
            return if ended { Ok(()) } else { Err(Stop::Done) };
        }
        let mut pieces = std::mem::take(&mut self.value);
        let result = self.joined_value(visit, left, &mut pieces);
        self.value = pieces;
        result
    }

    /// As text up to the end of the line (I-085).
    fn raw_value(&mut self, visit: Visit<'_>, left: Left<'_>) -> Result<(), Stop> {
        let lexer = &mut self.lexer;
        let (text, start) = (lexer.text, lexer.at);
        if text.get(start) == Some(&0) {
            // As I-050.13: it ends the value and is dropped.
            lexer.at += 1;
            return left.emit(visit, text, Value::Text(b""));
        }
        let end = lexer.line_end(start);
        let stop = end.unwrap_or(text.len());
        if end.is_none() && text.get(start) == Some(&b';') {
            return Err(Token::EndOfFile.unexpected("", lexer.line).into());
        }
        let line = &text[start..stop];
        let quoted = line.first() == Some(&b'"');
        let comments = if quoted { line.iter().rposition(|byte| *byte == b'"').unwrap_or(0) } else { 0 };
        let cut = find::one(b';', &line[comments..]).map_or(line.len(), |offset| comments + offset);
        let mut value = trim(line, 0, cut);
        if value.len() > 1 && value[0] == b'"' && value[value.len() - 1] == b'"' {
            value = &value[1..value.len() - 1];
        }
        match end {
            Some(end) => {
                lexer.end_line(end);
            }
            None => lexer.at = stop,
        }
        left.emit(visit, text, Value::Text(value))
    }

    pub(super) fn word_value(&self, word: Word) -> Value<'t> {
        match (word, self.options.mode == Mode::Typed) {
            (Word::True, true) => Value::Bool(true),
            (Word::False, true) => Value::Bool(false),
            (Word::Null, true) => Value::Null,
            (Word::True, false) => Value::Text(b"1"),
            _ => Value::Text(b""),
        }
    }

    fn joined_value(&mut self, visit: Visit<'_>, left: Left<'_>, pieces: &mut Pieces) -> Result<(), Stop> {
        let first = self.lexer.value_word();
        let text = self.lexer.text;
        let depth = left.words();
        let token = match first {
            Token::EndOfLine => return left.emit(visit, text, Value::Text(b"")),
            Token::Word(word) => {
                check_depth(depth + 1, self.lexer.line)?;
                left.emit(visit, text, self.word_value(word))?;
                self.lexer.value_word()
            }
            _ => {
                let mode = self.options.mode;
                let mut joiner = Joiner::new(&mut self.lexer, self.options.lookup, mode, pieces);
                let (outcome, token) = expression::read(&mut joiner, depth, first)?;
                let mut digits = Digits::default();
                let value = outcome_value(outcome, pieces, &self.lexer, mode, &mut digits);
                left.emit(visit, text, value)?;
                token
            }
        };
        match token {
            Token::EndOfLine => Ok(()),
            Token::EndOfFile => Err(Stop::Done),
            _ => Err(token.unexpected("", self.lexer.line).into()),
        }
    }
}

/// The left side of a statement.
#[derive(Clone, Copy)]
struct Left<'a> {
    key: Span,
    offset: Option<&'a [u8]>,
    line: u32,
}

impl Left<'_> {
    /// How many words PHP's parser holds for it, `=` included.
    fn words(&self) -> usize {
        STATEMENT + if self.offset.is_some() { 4 } else { 2 }
    }

    #[inline]
    fn emit(&self, visit: Visit<'_>, text: &[u8], value: Value<'_>) -> Result<(), Stop> {
        let key = self.key.of(text);
        let event = match self.offset {
            None => Event::Entry { key, value },
            Some(offset) => Event::ArrayEntry { key, offset, value },
        };
        emit(visit, event, self.line)
    }
}

#[inline]
fn emit(visit: Visit<'_>, event: Event<'_>, line: u32) -> Result<(), Stop> {
    match visit(event, line) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Stop::Done),
    }
}

/// A place to write an integer.
#[derive(Default)]
struct Digits {
    bytes: [u8; 11],
}

impl Digits {
    fn write(&mut self, int: i32) -> &[u8] {
        let mut rest = int.unsigned_abs();
        let mut at = self.bytes.len();
        loop {
            at -= 1;
            self.bytes[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if int < 0 {
            at -= 1;
            self.bytes[at] = b'-';
        }
        &self.bytes[at..]
    }
}

fn int_value<'a>(int: i32, lexer: &Lexer<'_>, mode: Mode, digits: &'a mut Digits) -> Value<'a> {
    if mode == Mode::Typed && lexer.dialect == Dialect::Php83 {
        return Value::Int(int.into());
    }
    Value::Text(digits.write(int))
}

fn outcome_value<'a>(
    outcome: Outcome,
    pieces: &'a Pieces,
    lexer: &Lexer<'a>,
    mode: Mode,
    digits: &'a mut Digits,
) -> Value<'a> {
    let kind = match outcome {
        Outcome::Int(int) => return int_value(int, lexer, mode, digits),
        Outcome::Text(kind) => kind,
    };
    let text = pieces.text(lexer.text);
    let typed = match (mode, lexer.dialect, kind) {
        (Mode::Typed, Dialect::Php83, Kind::Number(_) | Kind::NumberFirst) => typed::numeric(text),
        (Mode::Typed, Dialect::Php74 | Dialect::Php81, Kind::Number(span)) => {
            typed::number(span.of(lexer.text), lexer.text.get(span.end))
        }
        _ => None,
    };
    typed.unwrap_or(Value::Text(text))
}
