//! `outlive dump`

use crate::answering::Context;
use crate::args::{DumpArgs, Format};
use crate::estate::agree;
use crate::estate::question::{self, Question, Questions};
use crate::extensions::Extensions;
use crate::output::{Answer, DIM, Problem, STRONG, fitting, note};
use crate::{get, json, request, secrets, table, text};
use outlive::config::{Directive, Entry, Fate, Layer, Settings, Step};
use std::fmt::Write;

/// One line of the dump.
struct Row<'a> {
    directive: &'a Directive,
    entry: Entry<'a>,
    winner: Step,
    /// The value in force, and what ini_restore() goes back to; none is one that is not to be shown, or not known.
    value: Option<&'a [u8]>,
    global: Option<&'a [u8]>,
    /// Why the value in force is not known, where it is not.
    unknown: Option<String>,
    /// The same of the value that ini_restore() goes back to.
    global_unknown: bool,
}

/// Prints every directive.
pub fn run(args: &DumpArgs) -> Result<Answer, Problem> {
    let format = if args.json { Format::Json } else { args.format };
    let mut request = args.request.clone();
    args.what.as_ref().map_or(Ok(()), |what| request::served_at(what, &mut request))?;
    let questions = question::all(&args.source, &request)?;
    let several = |questions: &Questions| {
        Err(Problem::Call(format!(
            "several PHPs are meant: {}; choose one with --php ID or a URL; `outlive diff ID ID` shows how two of them differ",
            questions.ids()
        )))
    };
    let one = |question: &Question| one(question, args, format);
    agree::respond(&questions, format == Format::Json, args.source.context, one, several)
}

fn one(question: &Question, args: &DumpArgs, format: Format) -> Result<Answer, Problem> {
    let loaded = &question.whole()?.loaded;
    let config = loaded.config;
    let (settings, told) = match get::settings(question, format == Format::Json)? {
        Ok(found) => found,
        Err(answer) => return Ok(answer),
    };
    if args.fingerprint {
        let fingerprint = outlive::engine::render::names::fingerprint(settings.fingerprint());
        return Ok(Answer::raw(format!("{fingerprint}\n")).with_status(told));
    }
    let extensions = Extensions::of(config, &question.source);
    let mut rows = rows(&settings, &extensions, &loaded.context, args.changed);
    if question.watcher.is_some() || question.own_words.is_some() {
        // PHP's defaults are not passed off as the module's values.
        rows.retain(|row| !row.directive.name().starts_with(b"outlive."));
        note(
            "the outlive.* directives are left out: the outlive module of the web server has its own values for this request, not PHP; `outlive explain` follows mod_outlive's",
        );
    }
    loaded.context.say_unnamed(rows.iter().map(|row| row.winner.layer));
    let answer = match format {
        Format::Json => Answer::raw(as_json(&rows)),
        Format::Ini => Answer::raw(as_ini(&rows)),
        Format::Table => Answer::text(as_table(&rows)),
    };
    let unknown = rows.iter().any(|row| row.unknown.is_some() || row.global_unknown);
    Ok(answer.with_status(if unknown { 2 } else { told }))
}

fn rows<'a>(settings: &'a Settings, extensions: &Extensions, context: &Context, changed: bool) -> Vec<Row<'a>> {
    let all = settings.each().filter(|(directive, _)| extensions.missing(directive).is_none());
    let rows = all.filter_map(|(directive, mut entry)| {
        let trail = settings.explain(directive.name())?.trail;
        // Where there is no value at all to go back to, ini_get_all() shows the current one (I-163).
        if directive.default().is_none() && !trail.iter().any(|step| at_startup(step.layer)) {
            entry.global = entry.value;
        }
        let name = directive.name();
        let first = trail.iter().rfind(|step| step.fate != Fate::Refused && at_startup(step.layer));
        let global_unknown = first.or(trail.first()).is_some_and(|step| context.unknown_because(name, step).is_some());
        let global = secrets::of_trail(name, entry.global, &trail).filter(|_| !global_unknown);
        let winner = trail.into_iter().rfind(|step| step.fate == Fate::InForce)?;
        let unknown = context.unknown_because(name, &winner);
        let value = secrets::of_step(name, entry.value, &winner).filter(|_| unknown.is_none());
        Some(Row { directive, entry, winner, value, global, unknown, global_unknown })
    });
    // An unknown value may differ from the default.
    let is_changed = |row: &Row<'_>| {
        row.unknown.is_some() || row.entry.value != row.directive.default().unwrap_or_default() || row.entry.locked
    };
    rows.filter(|row| !changed || is_changed(row)).collect()
}

/// Whether PHP has read the layer before any request came.
fn at_startup(layer: Layer) -> bool {
    matches!(layer, Layer::PhpIni | Layer::ScanDir | Layer::Sapi | Layer::CommandLine | Layer::Pool)
}

fn as_json(rows: &[Row<'_>]) -> String {
    let mut out = String::new();
    let mut object = json::Object::new(&mut out);
    for row in rows {
        let mut inner = json::Object::new(object.key(row.directive.name()));
        inner.maybe("value", row.value);
        inner.maybe("global", row.global);
        inner.plain("access", row.entry.access.0);
        inner.plain("locked", row.entry.locked);
        if let Some(why) = &row.unknown {
            for name in ["layer", "file", "line"] {
                inner.plain(name, "null");
            }
            inner.text("unknown", why.as_bytes());
        } else {
            inner.text("layer", row.winner.layer.name().as_bytes());
            inner.maybe("file", row.winner.origin.file.as_deref());
            inner.plain("line", json::line(row.winner.origin.line));
        }
        inner.end();
    }
    object.end();
    out.push('\n');
    out
}

/// A php.ini that PHP reads back to the same values.
fn as_ini(rows: &[Row<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for row in rows {
        if let Some(why) = &row.unknown {
            out.extend_from_slice(format!("; {} is not known: {why}\n", text::shown(row.directive.name())).as_bytes());
            continue;
        }
        if row.winner.layer != Layer::BuiltIn {
            out.extend_from_slice(format!("; {}\n", place(&row.winner)).as_bytes());
        }
        let Some(value) = row.value else {
            out.extend_from_slice(b"; not shown: ");
            out.extend_from_slice(row.directive.name());
            out.push(b'\n');
            continue;
        };
        if value.iter().any(|byte| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\t')) {
            // php.ini has no escape for them, and a terminal would obey them.
            let (name, value) = (text::shown(row.directive.name()), text::shown(value));
            out.extend_from_slice(format!("; {name} has control characters: {value}\n").as_bytes());
            continue;
        }
        out.extend_from_slice(row.directive.name());
        out.extend_from_slice(b" = \"");
        for &byte in value {
            if matches!(byte, b'"' | b'\\' | b'$') {
                out.push(b'\\');
            }
            out.push(byte);
        }
        out.extend_from_slice(b"\"\n");
    }
    out
}

fn place(step: &Step) -> String {
    if step.origin.file.is_some() {
        format!("{}, {}", step.layer.name(), step.origin)
    } else {
        step.layer.name().to_owned()
    }
}

/// Three columns. On a terminal they are as wide as it is; elsewhere nothing is cut.
fn as_table(rows: &[Row<'_>]) -> String {
    let mut out = String::new();
    let cells: Vec<[String; 3]> = rows
        .iter()
        .map(|row| {
            let name = text::shown(row.directive.name());
            if let Some(why) = &row.unknown {
                return [name, "(not known)".to_owned(), why.clone()];
            }
            let lock = if row.entry.locked { " (locked)" } else { "" };
            let origin = format!("{}{lock}", place(&row.winner));
            [name, text::shown(row.value.unwrap_or(secrets::HIDDEN)), origin]
        })
        .collect();
    let most = fitting().unwrap_or(usize::MAX);
    let longest = |column: usize, most: usize| {
        let lengths = cells.iter().map(|row| row[column].chars().count());
        lengths.max().unwrap_or(0).max(5).min(most)
    };
    // One long value must not move all origins to the right.
    let (name, value) = (longest(0, most / 2), longest(1, most.min(120) / 3));
    let origin = most.saturating_sub(name + value + 4).max(10);
    let _ = writeln!(out, "{STRONG}{:name$}  {:value$}  ORIGIN{STRONG:#}", "NAME", "VALUE");
    for [own, shown, place] in &cells {
        let (own, place) = (table::pad(own, name), table::cut_left(place, origin));
        let shown = if fitting().is_some() { table::pad(shown, value) } else { format!("{shown:value$}") };
        let _ = writeln!(out, "{own}  {shown}  {DIM}{place}{DIM:#}");
    }
    out
}
