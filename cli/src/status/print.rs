//! A scoreboard as a table for people and as JSON for programs.

use super::View;
use crate::output::{BAD, DIM, ODD, STRONG, width};
use crate::text;
use outlive::engine::render::Extra;
use outlive::engine::render::json::{self, Counts};
use outlive::engine::scoreboard::{ScoreboardRow, Snapshot, State};
use outlive::request::Stage;
use std::fmt::Write;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

const COLUMNS: usize = 11;
const HEAD: [&str; COLUMNS] = ["STATE", "ID", "PID", "THREAD", "AGE", "METHOD", "STAGE", "GONE", "LEFT", "HELD", "KEY"];
/// Columns that hold numbers.
const RIGHT: [bool; COLUMNS] = [false, true, true, true, true, false, false, true, true, false, false];
/// What is left for a label at least.
const LABEL: usize = 16;

/// The whole table with its summary.
pub fn as_table(view: &View, snapshot: &Snapshot) -> String {
    let mut out = String::new();
    for line in lines(view, snapshot) {
        let _ = writeln!(out, "{line}");
    }
    let _ = writeln!(out, "{}", summary(view, snapshot));
    out
}

/// The table's lines, its head first; none if there is no row.
pub fn lines(view: &View, snapshot: &Snapshot) -> Vec<String> {
    if snapshot.rows.is_empty() {
        return Vec::new();
    }
    let cells: Vec<_> = snapshot.rows.iter().map(|row| cells(view, row)).collect();
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        let longest = cells.iter().map(|cells| cells[column].width()).max().unwrap_or(0);
        longest.max(HEAD[column].len())
    });
    let label_width = width().saturating_sub(widths.iter().sum::<usize>() + 2 * HEAD.len()).max(LABEL);
    let head = line(&HEAD.map(str::to_owned), &widths, "LABEL");
    let mut out = vec![format!("{STRONG}{head}{STRONG:#}")];
    for (row, cells) in snapshot.rows.iter().zip(&cells) {
        let line = line(cells, &widths, &cut(&text::shown(&row.request.label), label_width));
        out.push(match row.state() {
            State::Unfinished | State::Unresponsive => format!("{BAD}{line}{BAD:#}"),
            State::Detached => format!("{ODD}{line}{ODD:#}"),
            State::InFlight => line,
        });
    }
    out
}

fn cells(view: &View, row: &ScoreboardRow) -> [String; COLUMNS] {
    let request = &row.request;
    let time = |time: Option<u64>| time.map_or_else(|| "-".to_owned(), duration);
    [
        row.state().word().to_owned(),
        row.id().unwrap_or_else(|| "-".to_owned()),
        row.process.to_string(),
        if request.thread == row.process { "-".to_owned() } else { request.thread.to_string() },
        duration(request.age_ms),
        if request.method.is_empty() { "-".to_owned() } else { text::shown(&request.method) },
        stage(row).to_owned(),
        time(request.gone_ms),
        time(request.time_left_ms),
        if request.held { "held" } else { "-" }.to_owned(),
        match (&request.key[..], request.accepted) {
            (b"", false) => "-".to_owned(),
            (b"", true) => "accepted".to_owned(),
            (key, _) if view.unfinished => text::shown(key),
            (key, _) => short(key),
        },
    ]
}

/// The beginning of a key: an onlooker must not be able to use it. With --unfinished the key is whole, because it is needed to act on the
/// request.
fn short(key: &[u8]) -> String {
    match key.get(..8) {
        Some(start) if key.len() > 8 => format!("{}…", text::shown(start)),
        _ => text::shown(key),
    }
}

fn line(cells: &[String; COLUMNS], widths: &[usize; COLUMNS], label: &str) -> String {
    let mut out = String::new();
    for ((cell, &width), right) in cells.iter().zip(widths).zip(RIGHT) {
        let blanks = " ".repeat(width.saturating_sub(cell.width()));
        let _ = if right { write!(out, "{blanks}{cell}  ") } else { write!(out, "{cell}{blanks}  ") };
    }
    out.push_str(label);
    out.truncate(out.trim_end().len());
    out
}

/// As much as fits, with a mark where something is left out.
fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut used = 1;
    let fits = text.chars().take_while(|character| {
        used += character.width().unwrap_or(0);
        used <= columns
    });
    fits.chain(['…']).collect()
}

/// The summary line.
pub fn summary(view: &View, snapshot: &Snapshot) -> String {
    let (numbers, totals) = (Counts::of(snapshot), &snapshot.totals);
    let mut parts = Vec::new();
    if !view.unfinished {
        let in_flight = match numbers.in_flight {
            0 => "no requests in flight".to_owned(),
            many => {
                format!("{} in flight in {}", count(many, "request"), count_with(numbers.processes, "process", "es"))
            }
        };
        parts.push(in_flight);
        if numbers.detached > 0 {
            parts.push(format!("{ODD}{} detached{ODD:#}", numbers.detached));
        }
        if numbers.accepted > 0 {
            parts.push(format!("{} accepted", numbers.accepted));
        }
        for process in &totals.unresponsive {
            parts.push(format!(
                "{BAD}process {} is unresponsive: no sign of life for {}{BAD:#}",
                process.process,
                duration(process.unresponsive_ms)
            ));
        }
    }
    match numbers.unfinished {
        0 if view.unfinished => parts.push("nothing unfinished".to_owned()),
        0 => {}
        many => parts.push(format!("{BAD}{many} unfinished{BAD:#}")),
    }
    if totals.numbers.not_shown > 0 {
        parts.push(format!("{DIM}{} found no room and were not shown{DIM:#}", totals.numbers.not_shown));
    }
    let mut text = parts.join(", ");
    for note in view.notes().lines() {
        let _ = write!(text, "\n{ODD}{note}{ODD:#}");
    }
    text
}

/// `3 requests`
pub fn count(number: usize, what: &str) -> String {
    count_with(number, what, "s")
}

fn count_with(number: usize, what: &str, plural: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { plural })
}

fn stage(row: &ScoreboardRow) -> &'static str {
    match row.request.stage {
        Stage::Running if row.request.resumed => "resumed",
        Stage::Running if row.request.finished => "finished early",
        _ => json::stage(&row.request),
    }
}

/// Two units at most.
fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    match seconds {
        0..60 => format!("{seconds}.{} s", milliseconds % 1_000 / 100),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {:02}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// One line; see cli/schema/status.json.
pub fn as_json(view: &View, snapshot: &Snapshot) -> String {
    let notes = view.notes();
    let scoreboard = Some(view.path.as_os_str().as_encoded_bytes());
    json::document(snapshot, Extra { scoreboard, notes: notes.as_bytes(), ..Extra::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_units_at_most() {
        let shown = [0, 999, 59_999, 61_000, 3_600_000, 90_061_000].map(duration);
        assert_eq!(shown, ["0.0 s", "0.9 s", "59.9 s", "1m 01s", "1h 00m", "1d 01h"]);
    }

    #[test]
    fn labels_are_cut_by_what_they_take_on_the_screen() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("表表表表", 6), "表表…");
    }
}
