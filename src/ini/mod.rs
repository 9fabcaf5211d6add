//! The php.ini language: an event scanner that allocates nothing on the usual path.
//!
//! [`scan`] reads a text statement by statement; [`tree`] collects it as PHP's `parse_ini_string()` does; [`number`] reads quantities such as `64M`.
//!
//! ```
//! use outlive::PhpVersion;
//! use outlive::ini::{Event, Lookup, Mode, Options, Value, scan};
//! use std::borrow::Cow;
//! use std::ops::ControlFlow;
//!
//! /// Nothing is behind `${NAME}`, and no constant is known.
//! struct Nothing;
//! impl Lookup for Nothing {
//!     fn variable(&self, _: &[u8]) -> Option<Cow<'_, [u8]>> {
//!         None
//!     }
//!     fn constant(&self, _: &[u8]) -> Option<Cow<'_, [u8]>> {
//!         None
//!     }
//! }
//!
//! let options = Options { mode: Mode::Normal, version: PhpVersion::V8_2, stop_at_nul: false, lookup: &Nothing };
//! let mut seen = Vec::new();
//! let result = scan(b"[PHP]\nmemory_limit = \"64\" M ; enough\nx = (1\n", &options, &mut |event, line| {
//!     if let Event::Entry { key, value: Value::Text(value) } = event {
//!         seen.push((line, key.to_vec(), value.to_vec()));
//!     }
//!     ControlFlow::Continue(())
//! });
//! // What stands before a syntax error counts (I-092).
//! assert_eq!(seen, [(2, b"memory_limit".to_vec(), b"64M".to_vec())]);
//! assert_eq!(result.unwrap_err().message, "syntax error, unexpected END_OF_LINE, expecting '^' or '|' or '&' or ')'");
//! ```
#![forbid(unsafe_code)]

mod bytes;
pub mod constants;
mod expression;
pub(crate) mod index;
mod joined;
mod lexer;
pub mod number;
mod pieces;
mod plain;
mod quantity;
mod quoted;
mod scan;
mod token;
pub mod tree;
mod typed;

use self::lexer::Dialect;
use self::scan::Scanner;
use crate::find;
use crate::version::PhpVersion;
use std::borrow::Cow;
use std::ops::ControlFlow;

/// How values are read; PHP's three scanner modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Constants, operators, `${}`; every value is text.
    #[default]
    Normal,
    /// Values as they stand.
    Raw,
    /// As `Normal`, with booleans, null and numbers typed.
    Typed,
}

/// How many bytes `${NAME}` may put into the values of one text in all (16 MiB). Lines can double each other's values, so
/// without a limit a page of text could need more memory than any machine has.
pub const MAX_SUBSTITUTED: usize = 16 << 20;

/// The variables and constants that a text may use.
pub trait Lookup {
    /// The value behind `${NAME}`: a directive set so far, else the environment; `None`: neither has it. A name may hold NUL
    /// bytes: PHP compares a directive's name whole, and asks the environment for [`env_name`].
    fn variable(&self, name: &[u8]) -> Option<Cow<'_, [u8]>>;
    /// Called for a variable that [`Lookup::variable`] does not know and that has no fallback in the text: it becomes empty.
    fn unset(&self, _name: &[u8]) {}
    /// The text of a constant; `None`: no such constant, the word stays as it is.
    fn constant(&self, name: &[u8]) -> Option<Cow<'_, [u8]>>;
    /// Whether some constant's name begins with a lower-case letter. Where none does, most words of a text need no look-up.
    fn has_lowercase_constants(&self) -> bool {
        true
    }
    /// How many bytes `${NAME}` may put into the next text; more is an error ([`SyntaxError::is_limit`]). A look-up for
    /// many texts returns what is left each time.
    fn room(&self) -> usize {
        MAX_SUBSTITUTED
    }
}

/// The part of a `${NAME}` that the environment is asked for: to PHP it is a C string.
pub fn env_name(name: &[u8]) -> &[u8] {
    &name[..find::one(0, name).unwrap_or(name.len())]
}

/// How to read a text.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The scanner mode.
    pub mode: Mode,
    /// The PHP version whose dialect is read.
    pub version: PhpVersion,
    /// Whether the text ends at its first NUL byte, as `parse_ini_string` has it (fact I-001).
    pub stop_at_nul: bool,
    /// Variables and constants.
    pub lookup: &'a dyn Lookup,
}

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Text; the only kind in `Normal` and `Raw`.
    Text(&'a [u8]),
    /// `true`, `on`, `yes`, `false`, `off`, `no`, `none` (typed mode).
    Bool(bool),
    /// `null` (typed mode).
    Null,
    /// An integer (typed mode).
    Int(i64),
    /// A decimal number (typed mode).
    Float(f64),
}

/// One statement. Borrowed texts live until the visitor returns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// `[name]`
    Section {
        /// Its name.
        name: &'a [u8],
    },
    /// `key = value`
    Entry {
        /// The key.
        key: &'a [u8],
        /// The value.
        value: Value<'a>,
    },
    /// `key[offset] = value`
    ArrayEntry {
        /// The key.
        key: &'a [u8],
        /// The offset; empty: append.
        offset: &'a [u8],
        /// The value.
        value: Value<'a>,
    },
    /// A key without `=`, which PHP ignores (fact I-014).
    Bare {
        /// The key.
        key: &'a [u8],
    },
}

/// PHP's own message, without its ` in FILE on line N`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// `syntax error, unexpected …`
    pub message: String,
    /// The line that PHP names.
    pub line: u32,
}

const OVER_LIMIT: &str =
    "the values of ${NAME} in this text are larger than 16 MiB together; the rest of it is not read";

impl SyntaxError {
    /// Whether the text exceeds [`Lookup::room`]; PHP itself would have accepted it.
    pub fn is_limit(&self) -> bool {
        self.message == OVER_LIMIT
    }
}

/// Reads a text and hands each statement, with its line, to `visit`, which may break off. What was visited before a
/// syntax error stands.
pub fn scan(
    text: &[u8],
    options: &Options<'_>,
    visit: &mut dyn FnMut(Event<'_>, u32) -> ControlFlow<()>,
) -> Result<(), SyntaxError> {
    let end = if options.stop_at_nul { find::one(0, text) } else { None };
    let dialect = match options.version {
        PhpVersion::V7_4 | PhpVersion::V8_0 => Dialect::Php74,
        PhpVersion::V8_1 | PhpVersion::V8_2 => Dialect::Php81,
        _ => Dialect::Php83,
    };
    Scanner::new(&text[..end.unwrap_or(text.len())], options, dialect).run(visit)
}
