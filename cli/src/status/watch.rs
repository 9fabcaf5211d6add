//! `outlive status --watch`: the table, drawn anew each second; without a terminal, printed each second.

use super::{View, print};
use crate::output::{BAD, DIM, Problem, STRONG, printable};
use crossterm::event::{self, Event, KeyCode, KeyModifiers};
use crossterm::terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{cursor, queue, terminal};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(1);
/// How long a signal may wait.
const LOOK: Duration = Duration::from_millis(200);

/// Shows it until it is told to end, or its output is closed.
pub fn run(view: &View) -> Result<(), Problem> {
    if io::stdout().is_terminal() && !view.json { on_a_terminal(view) } else { into_a_pipe(view) }
}

fn into_a_pipe(view: &View) -> Result<(), Problem> {
    loop {
        let text = view.text(&view.look()?);
        let mut out = anstream::stdout().lock();
        let text = if view.json { text } else { printable(text.as_bytes()) };
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            other => other?,
        }
        drop(out);
        std::thread::sleep(EVERY);
    }
}

fn on_a_terminal(view: &View) -> Result<(), Problem> {
    let told_to_end = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&told_to_end))?;
    }
    let screen = Screen::enter()?;
    while !told_to_end.load(Relaxed) {
        screen.draw(&lines(view))?;
        let next = Instant::now() + EVERY;
        while Instant::now() < next && !told_to_end.load(Relaxed) {
            if event::poll(LOOK.min(next.saturating_duration_since(Instant::now())))? {
                match event::read()? {
                    Event::Key(key) if is_end(key.code, key.modifiers) => return Ok(()),
                    Event::Resize(..) => break,
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

fn is_end(key: KeyCode, with: KeyModifiers) -> bool {
    match key {
        KeyCode::Char('c' | 'd') => with.contains(KeyModifiers::CONTROL),
        KeyCode::Char('q' | 'Q') | KeyCode::Esc => true,
        _ => false,
    }
}

/// What stands on the screen: the summary on top, so that it is there however short the screen is.
fn lines(view: &View) -> Vec<String> {
    let mut lines = vec![format!("{STRONG}{}{STRONG:#}  {DIM}q ends{DIM:#}", view.path.display())];
    match view.look() {
        Ok(snapshot) => {
            lines.push(print::summary(view, &snapshot));
            lines.push(String::new());
            lines.extend(print::lines(view, &snapshot));
        }
        // The file may be made or repaired meanwhile.
        Err(Problem::Library(error)) => lines.push(format!("{BAD}{error}{BAD:#}")),
        Err(Problem::Call(text)) => lines.push(format!("{BAD}{text}{BAD:#}")),
    }
    lines
}

/// The terminal, put back as it was when this goes.
struct Screen {
    colours: bool,
}

impl Screen {
    fn enter() -> io::Result<Self> {
        let colours = anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never;
        terminal::enable_raw_mode()?;
        let screen = Self { colours };
        let mut out = io::stdout();
        queue!(out, EnterAlternateScreen, cursor::Hide, terminal::DisableLineWrap)?;
        out.flush()?;
        Ok(screen)
    }

    fn draw(&self, lines: &[String]) -> io::Result<()> {
        let height = terminal::size().map_or(24, |(_, height)| usize::from(height)).max(4);
        let mut out = io::stdout().lock();
        queue!(out, cursor::MoveTo(0, 0))?;
        let whole = lines.len() <= height;
        let shown = if whole { lines.len() } else { height - 1 };
        for (number, line) in lines[..shown].iter().enumerate() {
            let end = if number + 1 == height { "" } else { "\r\n" };
            self.put(&mut out, line)?;
            queue!(out, Clear(ClearType::UntilNewLine))?;
            write!(out, "{end}")?;
        }
        if !whole {
            self.put(&mut out, &format!("{DIM}… and {} more{DIM:#}", lines.len() - shown))?;
            queue!(out, Clear(ClearType::UntilNewLine))?;
        } else if shown < height {
            queue!(out, Clear(ClearType::FromCursorDown))?;
        }
        out.flush()
    }

    fn put(&self, out: &mut impl Write, line: &str) -> io::Result<()> {
        let line = printable(line.as_bytes());
        if self.colours { write!(out, "{line}") } else { write!(out, "{}", anstream::adapter::strip_str(&line)) }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let mut out = io::stdout();
        let _ = queue!(out, terminal::EnableLineWrap, cursor::Show, LeaveAlternateScreen);
        let _ = out.flush();
        let _ = terminal::disable_raw_mode();
    }
}
