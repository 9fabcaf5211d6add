//! Joins the answers of several PHPs: one answer if all agree, or a table.

use super::question::{Question, Questions};
use super::watch;
use crate::answering::winner;
use crate::args::SourceArgs;
use crate::extensions::Extensions;
use crate::load::{self, Loaded};
use crate::output::{Answer, DIM, Problem, STRONG, note};
use crate::{json, secrets, text};
use outlive::config::{Layer, Outcome, Settings};
use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

/// Puts answers together: the one there is, or those of several PHPs. `one` gives a whole answer, for programs where `json` is set;
/// `several` gives text for people.
pub fn respond(
    questions: &Questions,
    json: bool,
    context: bool,
    one: impl Fn(&Question) -> Result<Answer, Problem>,
    several: impl FnOnce(&Questions) -> Result<Answer, Problem>,
) -> Result<Answer, Problem> {
    if json && context {
        return envelope(questions.all.iter().map(|question| (question, ())), |question, ()| one(question.whole()?));
    }
    match &questions.all[..] {
        [question] => one(question),
        _ if json => Err(Problem::Call(format!(
            "several PHPs are meant: {}; choose one with --php ID or a URL, or add --context for all of them",
            questions.ids()
        ))),
        _ => several(questions),
    }
}

/// The document of `--json --context`.
fn envelope<'q, T>(
    questions: impl Iterator<Item = (&'q Question, T)>,
    one: impl Fn(&Question, T) -> Result<Answer, Problem>,
) -> Result<Answer, Problem> {
    let mut answers = Vec::new();
    let mut notes: Vec<String> = Vec::new();
    let mut status = 0;
    for (question, what) in questions {
        let answer = one(question, what)?;
        status = status.max(answer.status());
        let served = load::served(&question.loaded, &question.request)?;
        answers.push((question, served, answer));
        for note in question.loaded.context.notes(question.loaded.config) {
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    let mut out = String::new();
    let mut object = json::Object::new(&mut out);
    json::list(object.key(b"answers"), &answers, |out, (question, served, answer)| {
        let Loaded { context, config, .. } = &question.loaded;
        context.write_answer(out, config, served, &answer.as_text());
    });
    json::list(object.key(b"notes"), &notes, |out, note| json::maybe(out, Some(note.as_bytes())));
    object.end();
    out.push('\n');
    Ok(Answer::raw(out).with_status(status))
}

/// One PHP's answer for one name.
#[derive(Clone)]
struct Said {
    value: String,
    /// Where it comes from.
    origin: String,
    status: u8,
}

/// The values of names in a question, for people, from whoever answers for each of them.
fn said(question: &Question, names: &[OsString]) -> Result<Vec<Said>, Problem> {
    let mut all: Vec<(OsString, Said)> = Vec::new();
    for (part, names) in watch::parts(question, names)? {
        let said = said_by(part, &names)?;
        all.extend(names.into_iter().zip(said));
    }
    Ok(names.iter().filter_map(|name| all.iter().find(|(own, _)| own == name).map(|(_, said)| said.clone())).collect())
}

fn said_by(question: &Question, names: &[OsString]) -> Result<Vec<Said>, Problem> {
    let settings = match load::outcome(&question.loaded, &question.request)? {
        Outcome::Run(settings) => settings,
        Outcome::Answer { status, because, .. } => {
            let none = Said { value: format!("(no program runs: {status})"), origin: because, status: 1 };
            return Ok(vec![none; names.len()]);
        }
    };
    let extensions = Extensions::of(question.loaded.config, &question.source);
    Ok(names.iter().map(|name| of_name(question, &settings, &extensions, name.as_bytes())).collect())
}

fn of_name(question: &Question, settings: &Settings, extensions: &Extensions, name: &[u8]) -> Said {
    let Loaded { config, context, .. } = &question.loaded;
    if let Some(why) = crate::suggest::why_absent(config, extensions, name) {
        return Said { value: "(no such directive)".into(), origin: why, status: 1 };
    }
    if let Some(why) = context.unknown_value(settings, name) {
        return Said { value: "(not known)".into(), origin: why, status: 2 };
    }
    let Some(explanation) = settings.explain(name) else {
        return Said { value: "(no such directive)".into(), origin: String::new(), status: 1 };
    };
    let value = text::value(secrets::in_force(&explanation).unwrap_or(secrets::HIDDEN));
    let origin = winner(&explanation).map_or_else(String::new, |step| match (&step.origin.file, step.layer) {
        (Some(_), _) => step.origin.to_string(),
        (None, Layer::BuiltIn) => "built-in default".into(),
        (None, layer) => layer.name().into(),
    });
    Said { value, origin, status: 0 }
}

/// The answer about names: of one PHP; of several that agree as of one; otherwise a table.
pub fn about(
    questions: &Questions,
    names: &[OsString],
    json: bool,
    context: bool,
    one: impl Fn(&Question, &[OsString], bool) -> Result<Answer, Problem>,
) -> Result<Answer, Problem> {
    if json && context {
        let parts = questions.all.iter().map(|question| watch::parts(question, names));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        return envelope(parts.into_iter().flatten(), |question, names| one(question, &names, true));
    }
    if names.iter().any(|name| watch::acts_on(name.as_bytes())) {
        for config in &questions.watched {
            note(&format!("{config} loads mod_outlive, which acts on it request by request: give a URL for that"));
        }
    }
    let together = |question: &Question, json: bool| together(watch::parts(question, names)?, json, &one);
    let several = |questions: &Questions| {
        let serving = questions.all.iter().map(|question| said(question, names)).collect::<Result<Vec<_>, _>>()?;
        let same = |one: &Said, two: &Said| (&one.value, one.status) == (&two.value, two.status);
        if serving.iter().all(|said| said.iter().zip(&serving[0]).all(|(one, two)| same(one, two))) {
            note(&format!("the same for all that serve requests here: {}", questions.ids()));
            each_by_itself(questions, names, &serving);
            return together(&questions.all[0], false);
        }
        questions.all.iter().for_each(|question| question.loaded.context.say_notes());
        table(questions, names, &serving)
    };
    respond(questions, json, context, |question| together(question, json), several)
}

/// PHPs that agree may do so by lines of their own: who changes one has not changed the others.
fn each_by_itself(questions: &Questions, names: &[OsString], serving: &[Vec<Said>]) {
    for (place, name) in names.iter().enumerate() {
        let origins = serving.iter().map(|said| &said[place].origin);
        if origins.clone().all(|origin| *origin == serving[0][place].origin) {
            continue;
        }
        let rows = questions.all.iter().zip(origins).map(|(question, origin)| format!("{} {origin}", question.id()));
        let name = text::shown(name.as_bytes());
        note(&format!("{name}: each has it from a place of its own: {}", rows.collect::<Vec<_>>().join("; ")));
    }
}

/// What mod_outlive says and what PHP says, as one answer. Where no program runs, programs are told that alone.
fn together(
    parts: Vec<(&Question, Vec<OsString>)>,
    json: bool,
    one: impl Fn(&Question, &[OsString], bool) -> Result<Answer, Problem>,
) -> Result<Answer, Problem> {
    let answers = parts.iter().map(|(question, names)| one(question, names, json)).collect::<Result<Vec<_>, _>>()?;
    let status = answers.iter().map(Answer::status).max().unwrap_or_default();
    let mut answers = answers.into_iter();
    let (first, last) = match (answers.next(), answers.next()) {
        (Some(first), Some(last)) => (first, last),
        (only, _) => return Ok(only.unwrap_or_else(|| Answer::text(""))),
    };
    let (mut text, rest) = (first.as_text(), last.as_text());
    if !json {
        let gap = if text.lines().count() > 1 && !rest.is_empty() { "\n" } else { "" };
        return Ok(Answer::text(format!("{text}{gap}{rest}")).with_status(status));
    }
    let asked = &parts[parts.len() - 1].0;
    if matches!(load::outcome(&asked.loaded, &asked.request)?, Outcome::Answer { .. }) {
        return Ok(last);
    }
    // Two lists, or two objects.
    text.truncate(text.trim_end().len() - 1);
    let rest = rest.get(1..).unwrap_or_default();
    let comma = if text.len() > 1 && !rest.starts_with([']', '}']) { ", " } else { "" };
    Ok(Answer::raw(format!("{text}{comma}{rest}")).with_status(status))
}

/// A row for each PHP, and below them those that serve no request.
fn table(questions: &Questions, names: &[OsString], serving: &[Vec<Said>]) -> Result<Answer, Problem> {
    let mut out = String::new();
    let idle = idle(questions);
    let idle_said = idle.iter().map(|question| said(question, names)).collect::<Result<Vec<_>, _>>()?;
    let status = serving.iter().flatten().map(|said| said.status).max().unwrap_or_default();
    for (place, name) in names.iter().enumerate() {
        if place > 0 {
            out.push('\n');
        }
        let rows = questions.all.iter().zip(serving).map(|(question, said)| (question.id(), &said[place], ""));
        let idle = idle.iter().zip(&idle_said);
        let idle = idle.map(|(question, said)| (question.id(), &said[place], ", serves no request"));
        let rows: Vec<(String, &Said, &str)> = rows.chain(idle).collect();
        let id = rows.iter().map(|row| row.0.chars().count()).max().unwrap_or_default();
        let value = rows.iter().map(|row| row.1.value.chars().count()).max().unwrap_or_default().min(60);
        let _ = writeln!(
            out,
            "{STRONG}{}{STRONG:#}: it depends on the PHP; {} serve requests here",
            text::shown(name.as_bytes()),
            serving.len()
        );
        for (own, said, rest) in &rows {
            let _ = writeln!(
                out,
                "  {own:id$}  {STRONG}{:value$}{STRONG:#}  {DIM}{}{rest}{DIM:#}",
                said.value, said.origin
            );
        }
    }
    let first = questions.all.first().map(Question::id).unwrap_or_default();
    let _ = writeln!(out, "{DIM}for one of them give its URL, or --php {first}{DIM:#}");
    Ok(Answer::text(out).with_status(status))
}

/// Those that serve no request, read now.
pub fn idle(questions: &Questions) -> Vec<Question> {
    let read = |source: &SourceArgs| {
        let loaded = load::config(source).map_err(|problem| note(&problem.text())).ok()?;
        Some(Question::new(source.clone(), Default::default(), loaded))
    };
    questions.idle.iter().filter_map(read).collect()
}
