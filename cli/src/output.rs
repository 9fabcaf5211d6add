//! Answers on standard output, messages on standard error, and the exit status that goes with them.

use crate::text::shown;
use anstyle::{AnsiColor, Style};
use outlive::Error;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// A style: `{STRONG}` begins it and `{STRONG:#}` ends it. In a text it is a character that no text of people has (Unicode's
/// noncharacters); [`printable`] makes the terminal's own of it, and of nothing else.
#[derive(Clone, Copy)]
pub struct Mark(char);

/// Headings and names.
pub const STRONG: Mark = Mark('\u{fdd1}');
/// What is in force.
pub const GOOD: Mark = Mark('\u{fdd2}');
/// What was refused.
pub const BAD: Mark = Mark('\u{fdd3}');
/// Warnings.
pub const ODD: Mark = Mark('\u{fdd4}');
/// What matters less.
pub const DIM: Mark = Mark('\u{fdd5}');
const END: char = '\u{fdd0}';

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", if f.alternate() { END } else { self.0 })
    }
}

/// What a mark stands for; none: it is none.
fn style(mark: char) -> Option<Style> {
    let coloured = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    Some(match mark {
        '\u{fdd1}' => Style::new().bold(),
        '\u{fdd2}' => coloured(AnsiColor::Green),
        '\u{fdd3}' => coloured(AnsiColor::Red),
        '\u{fdd4}' => coloured(AnsiColor::Yellow),
        '\u{fdd5}' => Style::new().dimmed(),
        _ => return None,
    })
}

/// Text as it goes to people: marks become styles, and every control character but the end of a line becomes an escape, whoever wrote it.
pub fn printable(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut style_now = Style::new();
    let is_kept = |character: char| character == '\n' || character == END || style(character).is_some();
    for chunk in text.utf8_chunks() {
        let mut plain = chunk.valid();
        while let Some(at) = plain.find(is_kept) {
            out += &shown(&plain.as_bytes()[..at]);
            let mark = plain[at..].chars().next().unwrap_or(END);
            match style(mark) {
                Some(style) => {
                    style_now = style;
                    out += &style.render().to_string();
                }
                None if mark == END => out += &style_now.render_reset().to_string(),
                None => out.push('\n'),
            }
            plain = &plain[at + mark.len_utf8()..];
        }
        out += &shown(plain.as_bytes());
        if !chunk.invalid().is_empty() {
            out += &shown(chunk.invalid());
        }
    }
    out
}

/// The whole answer, made before anything is written.
pub struct Answer {
    text: Vec<u8>,
    status: u8,
    raw: bool,
}

/// Why there is none.
pub enum Problem {
    /// The library's error: a file, a place and what to do.
    Library(Error),
    /// The call itself.
    Call(String),
}

impl Problem {
    /// Its text.
    pub fn text(&self) -> String {
        match self {
            Problem::Library(error) => error.to_string(),
            Problem::Call(text) => text.clone(),
        }
    }

    /// The same, of one side of a comparison.
    pub fn of(self, side: &str) -> Self {
        match self {
            Problem::Library(error) => Problem::Call(format!("side {side}: {error}")),
            Problem::Call(text) => Problem::Call(format!("side {side}: {text}")),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Problem::Library(error)
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Problem::Call(error.to_string())
    }
}

impl Answer {
    /// Text for people; styles are taken out where standard output is no terminal.
    pub fn text(text: impl Into<Vec<u8>>) -> Self {
        Self { text: text.into(), status: 0, raw: false }
    }

    /// Bytes that go out as they are.
    pub fn raw(text: impl Into<Vec<u8>>) -> Self {
        Self { text: text.into(), status: 0, raw: true }
    }

    /// The same, with an exit status.
    #[must_use]
    pub fn with_status(mut self, status: u8) -> Self {
        self.status = status;
        self
    }

    /// Its exit status.
    pub fn status(&self) -> u8 {
        self.status
    }

    /// What it says.
    pub fn as_text(&self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }

    /// Writes it. A reader that has gone, such as `head`, is no error.
    pub fn show(self) -> ExitCode {
        let result = if self.raw {
            let mut out = io::stdout().lock();
            out.write_all(&self.text).and_then(|()| out.flush())
        } else {
            let mut out = anstream::stdout().lock();
            out.write_all(printable(&self.text).as_bytes()).and_then(|()| out.flush())
        };
        match result {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => complain(&error.into()),
            _ => ExitCode::from(self.status),
        }
    }
}

/// Says what went wrong; the exit status is 2.
pub fn complain(problem: &Problem) -> ExitCode {
    match problem {
        Problem::Library(error) => note(&format!("{BAD}error:{BAD:#} {error}")),
        Problem::Call(text) => note(&format!("{BAD}error:{BAD:#} {text}")),
    }
    ExitCode::from(2)
}

/// A line on standard error.
pub fn note(text: &str) {
    let _ = writeln!(anstream::stderr(), "{}", printable(text.as_bytes()));
}

/// How many columns text may take where nothing else says it.
const COLUMNS: usize = 100;

/// How many columns text may take: what COLUMNS says, or the terminal's width, or 100.
pub fn width() -> usize {
    fitting().unwrap_or(COLUMNS)
}

/// The same where there is a terminal, or COLUMNS says how wide it is. Into files and pipes nothing is cut.
pub fn fitting() -> Option<usize> {
    let columns =
        std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).filter(|&columns: &usize| columns > 0);
    let terminal = || terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    columns.or_else(terminal).map(|width| width.clamp(40, 300))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marks_become_styles() {
        let text = format!("{BAD}error:{BAD:#} a\u{1b}[31mb\r\u{202e}\nc\u{7}");
        assert_eq!(printable(text.as_bytes()), "\u{1b}[31merror:\u{1b}[0m a\\u{1b}[31mb\\r\\u{202e}\nc\\u{7}");
        assert_eq!(printable(b"\xff\x9b1m"), "\\xff\\x9b1m");
    }
}
