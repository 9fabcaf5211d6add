//! The words of the grammar, with the names that PHP's messages give them (I-090).

use super::SyntaxError;

/// A piece of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    pub(super) fn of(self, text: &[u8]) -> &[u8] {
        &text[self.start..self.end]
    }
}

/// A boolean or null word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    True,
    False,
    Null,
}

impl Word {
    /// The word that a text is, in any letter case (I-016).
    #[inline]
    pub(super) fn from_text(text: &[u8]) -> Option<Self> {
        // Most words are none of these, and the first letter shows it.
        if !(2..=5).contains(&text.len()) || !matches!(text[0] | 0x20, b'f' | b'n' | b'o' | b't' | b'y') {
            return None;
        }
        let mut lower = [0; 5];
        for (to, from) in lower.iter_mut().zip(text) {
            *to = from.to_ascii_lowercase();
        }
        match &lower[..text.len()] {
            b"on" | b"yes" | b"true" => Some(Self::True),
            b"no" | b"off" | b"none" | b"false" => Some(Self::False),
            b"null" => Some(Self::Null),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    EndOfFile,
    EndOfLine,
    Section,
    Label(Span),
    Offset(Span),
    Word(Word),
    Raw(Span),
    Constant(Span),
    Number(Span),
    Text(Span),
    Blank(Span),
    Curly,
    Variable(Span),
    Fallback,
    Quoted(Span),
    Char(u8),
}

impl Token {
    fn name(self) -> String {
        let name = match self {
            Self::EndOfFile => "end of file",
            Self::EndOfLine => "END_OF_LINE",
            Self::Section => "TC_SECTION",
            Self::Label(_) => "TC_LABEL",
            Self::Offset(_) => "TC_OFFSET",
            Self::Word(Word::True) => "BOOL_TRUE",
            Self::Word(Word::False) => "BOOL_FALSE",
            Self::Word(Word::Null) => "NULL_NULL",
            Self::Raw(_) => "TC_RAW",
            Self::Constant(_) => "TC_CONSTANT",
            Self::Number(_) => "TC_NUMBER",
            Self::Text(_) => "TC_STRING",
            Self::Blank(_) => "TC_WHITESPACE",
            Self::Curly => "TC_DOLLAR_CURLY",
            Self::Variable(_) => "TC_VARNAME",
            Self::Fallback => "TC_FALLBACK",
            Self::Quoted(_) => "TC_QUOTED_STRING",
            Self::Char(byte) => return format!("'{}'", char::from(byte)),
        };
        name.to_string()
    }

    /// The error that this word is where only `expected` may stand (empty: too many to name).
    #[cold]
    pub(super) fn unexpected(self, expected: &str, line: u32) -> SyntaxError {
        let mut message = format!("syntax error, unexpected {}", self.name());
        if !expected.is_empty() {
            message.push_str(", expecting ");
            message.push_str(expected);
        }
        SyntaxError { message, line }
    }
}

/// How many words PHP's parser can hold at once; it counts its start as one more.
const DEPTH_LIMIT: usize = 9998;

/// Whether PHP's parser still holds `depth` words; beyond, it gives up with a message of its own.
#[inline]
pub(super) fn check_depth(depth: usize, line: u32) -> Result<(), SyntaxError> {
    if depth > DEPTH_LIMIT {
        return Err(SyntaxError { message: "memory exhausted".to_string(), line });
    }
    Ok(())
}
