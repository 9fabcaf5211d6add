//! Answers on standard output, messages on standard error, and the exit status that goes with them.

use anstyle::{AnsiColor, Style};
use outlive::Error;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Headings and names.
pub const STRONG: Style = Style::new().bold();
/// What is in force.
pub const GOOD: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));
/// What was refused.
pub const BAD: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
/// Warnings.
pub const ODD: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));
/// What matters less.
pub const DIM: Style = Style::new().dimmed();

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
            out.write_all(&self.text).and_then(|()| out.flush())
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
    let _ = writeln!(anstream::stderr(), "{text}");
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
