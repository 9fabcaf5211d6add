//! `outlive dump`

use crate::args::{DumpArgs, Format};
use crate::extensions::Extensions;
use crate::output::{Answer, DIM, Problem, STRONG, width};
use crate::{get, json, load, text};
use outlive::config::{Directive, Entry, Fate, Layer, Outcome, Settings, Step};
use std::fmt::Write;

/// One line of the dump.
struct Row<'a> {
    directive: &'a Directive,
    entry: Entry<'a>,
    winner: Step,
}

/// Prints every directive.
pub fn run(args: &DumpArgs) -> Result<Answer, Problem> {
    let config = load::config(&args.source)?;
    let format = if args.json { Format::Json } else { args.format };
    let settings = match load::outcome(&config, &args.request)? {
        Outcome::Run(settings) => settings,
        answer => return Ok(get::answered(&answer, format == Format::Json)),
    };
    let extensions = Extensions::of(&config, &args.source);
    let rows = rows(&settings, &extensions, args.changed);
    Ok(match format {
        Format::Json => Answer::raw(as_json(&rows)),
        Format::Ini => Answer::raw(as_ini(&rows)),
        Format::Table => Answer::text(as_table(&rows)),
    })
}

fn rows<'a>(settings: &'a Settings, extensions: &Extensions, changed: bool) -> Vec<Row<'a>> {
    let all = settings.each().filter(|(directive, entry)| {
        let shown = !changed || entry.value != directive.default().unwrap_or_default() || entry.locked;
        shown && extensions.missing(directive).is_none()
    });
    let rows = all.filter_map(|(directive, mut entry)| {
        let trail = settings.explain(directive.name())?.trail;
        // Where there is no value at all to go back to, ini_get_all() shows the current one (I-163).
        if directive.default().is_none() && !trail.iter().any(|step| at_startup(step.layer)) {
            entry.global = entry.value;
        }
        let winner = trail.into_iter().rfind(|step| step.fate == Fate::InForce)?;
        Some(Row { directive, entry, winner })
    });
    rows.collect()
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
        inner.text("value", row.entry.value);
        inner.text("global", row.entry.global);
        inner.plain("access", row.entry.access.0);
        inner.plain("locked", row.entry.locked);
        inner.text("layer", row.winner.layer.name().as_bytes());
        inner.maybe("file", row.winner.origin.file.as_deref());
        inner.plain("line", json::line(row.winner.origin.line));
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
        if row.winner.layer != Layer::BuiltIn {
            out.extend_from_slice(format!("; {}\n", place(&row.winner)).as_bytes());
        }
        out.extend_from_slice(row.directive.name());
        out.extend_from_slice(b" = \"");
        for &byte in row.entry.value {
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

fn as_table(rows: &[Row<'_>]) -> String {
    let mut out = String::new();
    let longest = |texts: &mut dyn Iterator<Item = usize>, most: usize| texts.max().unwrap_or(0).clamp(5, most);
    let name = longest(&mut rows.iter().map(|row| row.directive.name().len()), width() / 2);
    let value = longest(&mut rows.iter().map(|row| row.entry.value.len()), width() / 3);
    let _ = writeln!(out, "{STRONG}{:name$}  {:value$}  ORIGIN{STRONG:#}", "NAME", "VALUE");
    for row in rows {
        let shown = text::shown(row.entry.value);
        let lock = if row.entry.locked { " (locked)" } else { "" };
        let shown_name = text::shown(row.directive.name());
        let _ = writeln!(out, "{shown_name:name$}  {shown:value$}  {DIM}{}{lock}{DIM:#}", place(&row.winner));
    }
    out
}
