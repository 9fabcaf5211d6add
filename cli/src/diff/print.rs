//! How a comparison looks.

use super::{Comparison, Difference, Kind, Side, Standing};
use crate::output::{Answer, BAD, DIM, GOOD, ODD, STRONG, width};
use crate::{json, secrets, table, text};
use outlive::config::{Layer, Outcome};
use outlive::diagnostic::Diagnostic;
use std::fmt::Write;

/// Text for people.
pub fn as_text(comparison: &Comparison) -> Answer {
    let mut out = String::new();
    for (name, side) in [("A", &comparison.a), ("B", &comparison.b)] {
        let _ = writeln!(out, "{STRONG}{name}{STRONG:#}  {}  {DIM}({}){DIM:#}", side.title, model(side));
        if let Outcome::Answer { status, because, .. } = &side.outcome {
            let _ = writeln!(out, "   {BAD}no program runs{BAD:#}: the server answers {status}: {because}");
        }
    }
    let of = |kinds: &[Kind]| comparison.differences.iter().filter(|one| kinds.contains(&one.kind)).collect::<Vec<_>>();
    let both = of(&[Kind::Value, Kind::Meaning, Kind::Access]);
    for difference in &both {
        block(&mut out, difference);
    }
    let unknown = of(&[Kind::Unknown]);
    if !unknown.is_empty() {
        let _ = writeln!(out, "\n{STRONG}Not known on one side or both, so not compared{STRONG:#}");
        table::paragraph(&mut out, "  ", unknown.iter().map(|one| text::shown(&one.name)));
    }
    let (only_a, only_b) = (of(&[Kind::OnlyA]), of(&[Kind::OnlyB]));
    alone(&mut out, "Only A has", &only_a);
    alone(&mut out, "Only B has", &only_b);
    let texts = of(&[Kind::Text]);
    if !texts.is_empty() {
        let _ = writeln!(out, "\n{STRONG}Written differently, and the same to PHP{STRONG:#}");
        table::paragraph(&mut out, "  ", texts.iter().map(|one| text::shown(&one.name)));
    }
    for (name, findings) in ["A", "B"].iter().zip(&comparison.findings) {
        if !findings.is_empty() {
            let _ = writeln!(out, "\n{STRONG}Only {name}'s files{STRONG:#}");
        }
        for finding in findings {
            let _ = writeln!(out, "  {finding}");
        }
    }
    let _ = writeln!(out);
    let same = comparison.same + texts.len();
    let summary = match (both.len(), only_a.len(), only_b.len()) {
        (0, 0, 0) if unknown.is_empty() => format!("{GOOD}no differences{GOOD:#}; {same} directives are the same"),
        (differ, a, b) => {
            let open = match unknown.len() {
                0 => String::new(),
                unknown => format!("; {BAD}{unknown} are not known{BAD:#}"),
            };
            format!("{differ} differ, {a} only in A, {b} only in B; {same} directives are the same{open}")
        }
    };
    if comparison.a.settings().is_some() && comparison.b.settings().is_some() {
        let _ = writeln!(out, "{summary}");
    } else if !comparison.outcomes_differ() {
        let _ = writeln!(out, "no program runs on either side: there are no values to compare");
    }
    Answer::text(out)
}

/// The PHP that is the model.
fn model(side: &Side) -> String {
    let sapi = side.config.sapi().name();
    let sapi = if sapi.is_empty() { "any web server" } else { sapi };
    format!("PHP {}, {sapi}", side.config.php_version())
}

fn block(out: &mut String, difference: &Difference) {
    let name = text::shown(&difference.name);
    let because = difference.because.as_deref().map_or_else(String::new, |why| format!("  {DIM}{why}{DIM:#}"));
    let _ = writeln!(out, "\n{STRONG}{name}{STRONG:#}{because}");
    let value = |standing: &Option<Standing>| standing.as_ref().map_or_else(String::new, shown);
    let (a, b) = (value(&difference.a), value(&difference.b));
    let columns = a.chars().count().max(b.chars().count()).min(width().saturating_sub(8) / 2);
    for (side, value, standing) in [("A", a, &difference.a), ("B", b, &difference.b)] {
        let Some(standing) = standing else { continue };
        let (value, mut place) = (table::pad(&value, columns), place(standing));
        if difference.kind == Kind::Access {
            let _ = write!(place, "; {}", crate::explain::who(&standing.explanation));
        }
        let _ = writeln!(out, "  {ODD}{side}{ODD:#}  {value}  {DIM}{place}{DIM:#}");
    }
}

fn shown(standing: &Standing) -> String {
    if standing.unknown.is_some() {
        return "(not known)".to_owned();
    }
    let Some(value) = secrets::in_force(&standing.explanation) else {
        return text::shown(secrets::HIDDEN);
    };
    let value = text::value(value);
    match &standing.meaning {
        Some(meaning) if *meaning != value => format!("{value} ({meaning})"),
        _ => value,
    }
}

/// Who set it, and where.
fn place(standing: &Standing) -> String {
    if let Some(why) = &standing.unknown {
        return why.clone();
    }
    let step = &standing.winner;
    let lock = if standing.explanation.locked { ", locked" } else { "" };
    if step.origin.file.is_some() {
        format!("{}{lock}  {}", step.layer.name(), step.origin)
    } else {
        format!("{}{lock}", step.layer.name())
    }
}

/// Directives that the other side does not have. Lines that set one matter most, so they come first.
fn alone(out: &mut String, title: &str, all: &[&Difference]) {
    if all.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{STRONG}{title}{STRONG:#}");
    let standing =
        |one: &&Difference| one.a.as_ref().or(one.b.as_ref()).is_some_and(|it| it.winner.layer != Layer::BuiltIn);
    let (set, unset): (Vec<_>, Vec<_>) = all.iter().copied().partition(standing);
    for one in set {
        let Some(it) = one.a.as_ref().or(one.b.as_ref()) else { continue };
        let name = text::shown(&one.name);
        let why = one.because.as_deref().unwrap_or_default();
        let _ = writeln!(out, "  {ODD}{name}{ODD:#} = {}  {DIM}{}; {why}{DIM:#}", shown(it), place(it));
    }
    let names = unset.iter().map(|one| text::shown(&one.name));
    table::paragraph(out, "  ", names);
}

/// One document for programs.
/// With `context`, what each side is for stands in it, too.
pub fn as_json(comparison: &Comparison, context: bool) -> Answer {
    let mut out = String::new();
    let mut object = json::Object::new(&mut out);
    side(object.key(b"a"), &comparison.a, &comparison.findings[0], context);
    side(object.key(b"b"), &comparison.b, &comparison.findings[1], context);
    object.plain("same", comparison.same);
    json::list(object.key(b"differences"), &comparison.differences, |out, difference| {
        let mut object = json::Object::new(out);
        object.text("name", &difference.name);
        object.text("kind", difference.kind.word().as_bytes());
        standing(object.key(b"a"), difference.a.as_ref());
        standing(object.key(b"b"), difference.b.as_ref());
        object.maybe("because", difference.because.as_deref().map(str::as_bytes));
        object.end();
    });
    object.end();
    out.push('\n');
    Answer::raw(out)
}

fn side(out: &mut String, side: &Side, findings: &[Diagnostic], context: bool) {
    let mut object = json::Object::new(out);
    object.text("given", side.title.as_bytes());
    object.text("php_version", side.config.php_version().to_string().as_bytes());
    object.text("sapi", side.config.sapi().name().as_bytes());
    match &side.outcome {
        Outcome::Run(_) => object.plain("answer", "null"),
        Outcome::Answer { .. } => crate::get::answer_json(object.key(b"answer"), &side.outcome),
    }
    if context {
        side.context.write_json(object.key(b"answering_for"), side.config, &side.served);
    }
    json::list(object.key(b"findings"), findings, crate::check::finding_json);
    object.end();
}

fn standing(out: &mut String, standing: Option<&Standing>) {
    let Some(standing) = standing else {
        out.push_str("null");
        return;
    };
    let (explanation, step) = (&standing.explanation, &standing.winner);
    let mut object = json::Object::new(out);
    let value = secrets::in_force(explanation).filter(|_| standing.unknown.is_none());
    object.maybe("value", value);
    object.plain("access", explanation.access.0);
    object.plain("locked", explanation.locked);
    if let Some(why) = &standing.unknown {
        for name in ["layer", "file", "line", "raw", "meaning"] {
            object.plain(name, "null");
        }
        object.text("unknown", why.as_bytes());
        object.end();
        return;
    }
    object.text("layer", step.layer.name().as_bytes());
    object.maybe("file", step.origin.file.as_deref());
    object.plain("line", json::line(step.origin.line));
    object.maybe("raw", value.map(|_| &*step.raw));
    object.maybe("meaning", value.and(standing.meaning.as_deref()).map(str::as_bytes));
    object.end();
}
