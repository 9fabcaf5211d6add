//! A scoreboard as a table for people and as JSON for programs.

use super::{State, View};
use crate::output::{BAD, DIM, ODD, STRONG, width};
use crate::{json, text};
use outlive::engine::scoreboard::{ScoreboardRow, Snapshot};
use outlive::engine::{Row, Watching};
use outlive::request::Stage;
use std::collections::HashSet;
use std::fmt::Write;
use std::path::Path;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

const HEAD: [&str; 9] = ["STATE", "PID", "THREAD", "AGE", "METHOD", "STAGE", "GONE", "LEFT", "HELD"];
/// Columns that hold numbers.
const RIGHT: [bool; 9] = [false, true, true, true, false, false, true, true, false];
/// What is left for a label at least.
const LABEL: usize = 16;

/// The whole table with its summary.
pub fn as_table(view: &View, snapshot: &Snapshot) -> String {
    let mut out = String::new();
    for line in lines(snapshot) {
        let _ = writeln!(out, "{line}");
    }
    let _ = writeln!(out, "{}", summary(view, snapshot));
    out
}

/// The table's lines, its head first; none if there is no row.
pub fn lines(snapshot: &Snapshot) -> Vec<String> {
    if snapshot.rows.is_empty() {
        return Vec::new();
    }
    let cells: Vec<_> = snapshot.rows.iter().map(cells).collect();
    let widths: [usize; 9] = std::array::from_fn(|column| {
        let longest = cells.iter().map(|cells| cells[column].width()).max().unwrap_or(0);
        longest.max(HEAD[column].len())
    });
    let label_width = width().saturating_sub(widths.iter().sum::<usize>() + 2 * HEAD.len()).max(LABEL);
    let head = line(&HEAD.map(str::to_owned), &widths, "LABEL");
    let mut out = vec![format!("{STRONG}{head}{STRONG:#}")];
    for (row, cells) in snapshot.rows.iter().zip(&cells) {
        let line = line(cells, &widths, &cut(&text::shown(&row.request.label), label_width));
        out.push(match State::of(row) {
            State::Unfinished => format!("{BAD}{line}{BAD:#}"),
            State::Detached => format!("{ODD}{line}{ODD:#}"),
            State::InFlight => line,
        });
    }
    out
}

fn cells(row: &ScoreboardRow) -> [String; 9] {
    let request = &row.request;
    let time = |time: Option<u64>| time.map_or_else(|| "-".to_owned(), duration);
    [
        State::of(row).word().to_owned(),
        row.process.to_string(),
        if request.thread == row.process { "-".to_owned() } else { request.thread.to_string() },
        duration(request.age_ms),
        if request.method.is_empty() { "-".to_owned() } else { text::shown(&request.method) },
        stage(request).to_owned(),
        time(request.gone_ms),
        time(request.time_left_ms),
        if request.held { "held" } else { "-" }.to_owned(),
    ]
}

fn line(cells: &[String; 9], widths: &[usize; 9], label: &str) -> String {
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

/// One line about all of it.
pub fn summary(view: &View, snapshot: &Snapshot) -> String {
    let numbers = Numbers::of(snapshot);
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
    }
    match numbers.unfinished {
        0 if view.unfinished => parts.push("nothing unfinished".to_owned()),
        0 => {}
        many => parts.push(format!("{BAD}{many} unfinished{BAD:#}")),
    }
    if snapshot.not_shown > 0 {
        parts.push(format!("{DIM}{} found no room so far and were never shown{DIM:#}", snapshot.not_shown));
    }
    parts.join(", ")
}

/// `3 requests`
pub fn count(number: usize, what: &str) -> String {
    count_with(number, what, "s")
}

fn count_with(number: usize, what: &str, plural: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { plural })
}

struct Numbers {
    in_flight: usize,
    detached: usize,
    unfinished: usize,
    processes: usize,
}

impl Numbers {
    fn of(snapshot: &Snapshot) -> Self {
        let count = |state: State| snapshot.rows.iter().filter(|row| State::of(row) == state).count();
        let alive = snapshot.rows.iter().filter(|row| !row.unfinished);
        let processes = alive.map(|row| row.process).collect::<HashSet<_>>().len();
        let detached = count(State::Detached);
        Self { in_flight: count(State::InFlight) + detached, detached, unfinished: count(State::Unfinished), processes }
    }
}

fn stage(request: &Row) -> &'static str {
    match request.stage {
        Stage::Input => "input",
        Stage::Running if request.finished => "finished early",
        Stage::Running => "running",
        Stage::Shutdown => "shutdown",
        Stage::FinalFlush => "final flush",
        Stage::Ended => "ended",
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
pub fn as_json(path: &Path, snapshot: &Snapshot) -> String {
    let mut out = String::new();
    let mut object = json::Object::new(&mut out);
    object.text("scoreboard", path.as_os_str().as_encoded_bytes());
    let numbers = Numbers::of(snapshot);
    object.plain("in_flight", numbers.in_flight);
    object.plain("detached", numbers.detached);
    object.plain("unfinished", numbers.unfinished);
    object.plain("processes", numbers.processes);
    object.plain("not_shown", snapshot.not_shown);
    json::list(object.key(b"requests"), &snapshot.rows, row_as_json);
    object.end();
    out.push('\n');
    out
}

fn row_as_json(out: &mut String, row: &ScoreboardRow) {
    let request = &row.request;
    let maybe = |number: Option<u64>| number.map_or_else(|| "null".to_owned(), |number| number.to_string());
    let mut object = json::Object::new(out);
    object.text("state", State::of(row).word().as_bytes());
    object.plain("process", row.process);
    object.plain("thread", request.thread);
    object.plain("began_unix_ms", row.began_unix_ms);
    object.plain("age_ms", request.age_ms);
    object.maybe("method", Some(&request.method[..]).filter(|method| !method.is_empty()));
    object.text("label", &request.label);
    let stage = match request.stage {
        Stage::Running => "running",
        _ => stage(request),
    };
    object.text("stage", stage.as_bytes());
    object.plain("connection_status", request.status);
    object.plain("gone_ms", maybe(request.gone_ms));
    object.plain("held", request.held);
    object.plain("ignores_abort", request.ignores_abort);
    object.plain("finished", request.finished);
    object.plain("watched", request.watching == Watching::Socket);
    object.plain("time_limit_s", maybe(Some(request.time_limit.into()).filter(|&limit: &u64| limit > 0)));
    object.plain("time_left_ms", maybe(request.time_left_ms));
    object.plain("written", request.written);
    object.end();
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
