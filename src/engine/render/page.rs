//! The status page: the same for every host. It needs no other file.

use super::super::scoreboard::{ScoreboardRow, Snapshot, State};
use super::json::{Counts, stage};
use super::shown::shown;
use super::{Extra, metrics, names};
use crate::request::Ending;
use std::fmt::Write;

/// The frame: the parts that change are between `<!--title-->`, `<!--live-->` and their ends.
const FRAME: &str = include_str!("page.html");
/// The most requests that are listed: a browser cannot show a million.
const MOST: usize = 500;

/// The whole page.
pub fn page(snapshot: &Snapshot, extra: Extra<'_>) -> String {
    let mut live = String::new();
    let title = if extra.title.is_empty() { "outlive".to_owned() } else { html(extra.title) };
    numbers(&mut live, snapshot);
    for note in extra.notes.split(|&byte| byte == b'\n').filter(|note| !note.is_empty()) {
        let _ = writeln!(live, "<p class=\"note\">{}</p>", html(note));
    }
    for process in &snapshot.totals.unresponsive {
        let _ = writeln!(
            live,
            "<p class=\"note bad\" data-is=\"unresponsive\">Process {} has requests and has given no sign of life for {}.</p>",
            process.process,
            duration(process.unresponsive_ms)
        );
    }
    live.push_str(&table(snapshot));
    ended(&mut live, snapshot);
    let version = env!("CARGO_PKG_VERSION");
    FRAME.replace("<!--title-->", &title).replace("<!--version-->", version).replace("<!--live-->", &live)
}

/// The table alone.
pub fn table(snapshot: &Snapshot) -> String {
    if snapshot.rows.is_empty() {
        return "<p id=\"requests\" class=\"soft\">Nothing is in flight.</p>\n".to_owned();
    }
    let mut rows: Vec<_> = snapshot.rows.iter().collect();
    rows.sort_by_key(|row| row.order());
    let mut out = String::from(
        "<div class=\"scroll\" role=\"region\" aria-label=\"Requests\" tabindex=\"0\"><table id=\"requests\"><thead><tr><th scope=\"col\">Request\
         <th scope=\"col\">Client<th scope=\"col\">Does<th scope=\"col\" class=\"n\">For<th scope=\"col\" class=\"n\">Limit<th scope=\"col\" class=\"n\">Process\
         <th scope=\"col\" class=\"n\">Id</tr></thead><tbody>\n",
    );
    for row in rows.iter().take(MOST) {
        put_row(&mut out, row);
    }
    out.push_str("</tbody></table></div>\n");
    if rows.len() > MOST {
        let _ = writeln!(out, "<p class=\"soft\">… and {} more.</p>", rows.len() - MOST);
    }
    out
}

fn put_row(out: &mut String, row: &ScoreboardRow) {
    let request = &row.request;
    let class = match row.state() {
        State::Unfinished => " class=\"dead\"",
        State::Unresponsive => " class=\"stuck\"",
        State::Detached => " class=\"gone\"",
        State::InFlight => "",
    };
    let _ = write!(out, "<tr{class}><td><b>{}</b> <code>{}</code>", html(&request.method), html(&request.label));
    if !request.key.is_empty() {
        let _ = write!(out, " <span class=\"tag\" title=\"key\">{}</span>", html_text(&short_key(&request.key)));
    }
    out.push_str("</td><td>");
    out.push_str(&client(row));
    let does = match row.state() {
        State::Unfinished => "",
        _ if request.finished => "response sent, works on",
        _ => stage(request),
    };
    let limit = if request.time_limit > 0 { format!("{} s", request.time_limit) } else { "none".to_owned() };
    let _ = writeln!(
        out,
        "</td><td>{does}</td><td class=\"n\" data-is=\"for\">{}</td><td class=\"n\" data-is=\"limit\">{limit}</td>\
         <td class=\"n\" data-is=\"process\">{}</td><td class=\"n\" data-is=\"id\">{}</td></tr>",
        duration(request.age_ms),
        row.process,
        row.id().unwrap_or_default()
    );
}

/// The part of a key that a status page shows: too little to use the key.
fn short_key(key: &[u8]) -> String {
    let end = key.len().min(8);
    let more = if key.len() > end { "…" } else { "" };
    format!("{}{more}", shown(&key[..end]))
}

fn client(row: &ScoreboardRow) -> String {
    let request = &row.request;
    let goes_on = if request.ignores_abort || request.accepted { "works on" } else { "stops at the next safe point" };
    let mut text = match (row.state(), request.gone_ms) {
        (State::Unfinished, _) => "<span class=\"tag bad\">never ended</span> its process has died".to_owned(),
        (_, Some(gone)) => format!("<span class=\"tag warn\">gone</span> {} ago, {goes_on}", duration(gone)),
        _ if request.resumed => "none: taken up from the journal".to_owned(),
        _ => "there".to_owned(),
    };
    let tags = [
        (row.state() == State::Unresponsive, " <span class=\"tag bad\">unresponsive</span>"),
        (request.accepted, " <span class=\"tag good\">accepted</span>"),
        (request.held, " <span class=\"tag\">held</span>"),
    ];
    tags.iter().filter(|(is_so, _)| *is_so).for_each(|(_, tag)| text.push_str(tag));
    text
}

fn numbers(out: &mut String, snapshot: &Snapshot) {
    let counts = Counts::of(snapshot);
    let all = [
        ("in-flight", "in flight", counts.in_flight, ""),
        ("detached", "working on, client gone", counts.detached, "warn"),
        ("accepted", "accepted by a journal", counts.accepted, "good"),
        ("held", "in a held section", counts.held, ""),
        ("unresponsive", "unresponsive processes", snapshot.totals.unresponsive.len(), "bad"),
        ("unfinished", "never ended", counts.unfinished, "bad"),
    ];
    out.push_str("<dl class=\"numbers\">");
    for (id, what, value, class) in all {
        let class = if value > 0 { class } else { "" };
        let _ = write!(out, "<div class=\"number {class}\"><dt>{what}</dt><dd id=\"{id}\">{value}</dd></div>");
    }
    out.push_str("</dl>\n");
}

/// How requests have ended since the file was made.
fn ended(out: &mut String, snapshot: &Snapshot) {
    let numbers = &snapshot.totals.numbers;
    let ended: Vec<_> = Ending::ALL
        .iter()
        .map(|&ending| (metrics::key(ending), format!("{} {}", numbers.ended_as(ending), ending.word())))
        .map(|(key, text)| format!("<span data-ending=\"{key}\">{text}</span>"))
        .collect();
    let _ = writeln!(out, "<p class=\"soft\" id=\"endings\">Ended so far: {}.</p>", ended.join(", "));
    if numbers.not_shown > 0 {
        let _ = writeln!(out, "<p class=\"soft\">{} found no room here and were never shown.</p>", numbers.not_shown);
    }
    let policies: Vec<_> = snapshot.totals.policies.iter().map(|&policy| names::fingerprint(policy)).collect();
    if policies.len() > 1 {
        let _ =
            writeln!(out, "<p class=\"note\">The processes follow different policies: {}.</p>", policies.join(", "));
    }
}

/// 0.4 s, 12 s, 3 min 20 s, 2 h 5 min.
fn duration(ms: u64) -> String {
    match ms / 1_000 {
        s @ 0..10 => format!("{s}.{} s", ms % 1_000 / 100),
        s @ 10..60 => format!("{s} s"),
        s @ 60..3_600 => format!("{} min {} s", s / 60, s % 60),
        s => format!("{} h {} min", s / 3_600, s / 60 % 60),
    }
}

fn html(bytes: &[u8]) -> String {
    html_text(&shown(bytes))
}

fn html_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_stays_text() {
        let mut snapshot = Snapshot::default();
        assert!(page(&snapshot, Extra::default()).contains("Nothing is in flight."));
        let request = crate::engine::Row {
            id: 0,
            label: b"/<script>\x1b\xff".to_vec(),
            method: b"P&T".to_vec(),
            age_ms: 125_000,
            stage: crate::request::Stage::Running,
            status: 0,
            gone_ms: Some(4_200),
            held: false,
            ignores_abort: true,
            finished: false,
            time_limit: 30,
            time_left_ms: None,
            written: 0,
            thread: 1,
            watching: crate::engine::Watching::No,
            key: b"0123456789".to_vec(),
            accepted: true,
            resumed: false,
        };
        snapshot.rows.push(ScoreboardRow {
            row: 17,
            count: 4,
            process: 9,
            unfinished: false,
            unresponsive: false,
            began_unix_ms: 0,
            request,
        });
        let extra = Extra { title: b"<shop>", notes: b"one\ntwo <b>", scoreboard: None };
        let page = page(&snapshot, extra);
        for text in [
            "/&lt;script&gt;\\u{1b}\\xff",
            "P&amp;T",
            "&lt;shop&gt;",
            "two &lt;b&gt;",
            "01234567…",
            "17.4",
            "2 min 5 s",
            "4.2 s ago, works on",
        ] {
            assert!(page.contains(text), "{text} is not in\n{page}");
        }
        assert!(!page.contains("<script>\\u") && !page.contains("0123456789"));
    }
}
