//! One answer for several PHPs: the same for all, or a table.

use super::question::{Question, Questions};
use crate::answering::winner;
use crate::args::SourceArgs;
use crate::extensions::Extensions;
use crate::load::{self, Loaded};
use crate::output::{Answer, DIM, Problem, STRONG, note};
use crate::{json, secrets, text};
use outlive::config::{Layer, Outcome};
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
        return envelope(questions, one);
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
fn envelope(questions: &Questions, one: impl Fn(&Question) -> Result<Answer, Problem>) -> Result<Answer, Problem> {
    let mut answers = Vec::new();
    let mut notes: Vec<String> = Vec::new();
    let mut status = 0;
    for question in &questions.all {
        let answer = one(question)?;
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

/// What one PHP says of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub value: String,
    /// Where it comes from.
    pub origin: String,
    pub status: u8,
}

/// The value of a name in a question, for people.
pub fn said(question: &Question, name: &[u8]) -> Result<Said, Problem> {
    let Loaded { config, context, .. } = &question.loaded;
    let settings = match load::outcome(&question.loaded, &question.request)? {
        Outcome::Run(settings) => settings,
        Outcome::Answer { status, because, .. } => {
            return Ok(Said { value: format!("(no program runs: {status})"), origin: because, status: 1 });
        }
    };
    let extensions = Extensions::of(config, &question.source);
    if let Some(why) = crate::suggest::why_absent(config, &extensions, name) {
        return Ok(Said { value: "(no such directive)".into(), origin: why, status: 1 });
    }
    if let Some(why) = context.unknown_value(&settings, name) {
        return Ok(Said { value: "(not known)".into(), origin: why, status: 2 });
    }
    let Some(explanation) = settings.explain(name) else {
        return Ok(Said { value: "(no such directive)".into(), origin: String::new(), status: 1 });
    };
    let value = text::value(secrets::in_force(&explanation).unwrap_or(secrets::HIDDEN));
    let origin = winner(&explanation).map_or_else(String::new, |step| match (&step.origin.file, step.layer) {
        (Some(_), _) => step.origin.to_string(),
        (None, Layer::BuiltIn) => "built-in default".into(),
        (None, layer) => layer.name().into(),
    });
    Ok(Said { value, origin, status: 0 })
}

/// Whether all say the same of every name.
pub fn all_agree(questions: &Questions, names: &[OsString]) -> Result<bool, Problem> {
    for name in names {
        let mut first: Option<Said> = None;
        for question in &questions.all {
            let said = said(question, name.as_bytes())?;
            match &first {
                None => first = Some(said),
                Some(first) if (&first.value, first.status) == (&said.value, said.status) => {}
                Some(_) => return Ok(false),
            }
        }
    }
    Ok(true)
}

/// A row for each PHP, and below them those that serve no request.
pub fn table(questions: &Questions, names: &[OsString]) -> Result<Answer, Problem> {
    let mut out = String::new();
    let mut status = 0;
    let idle = idle(questions);
    for (place, name) in names.iter().enumerate() {
        if place > 0 {
            out.push('\n');
        }
        let mut rows: Vec<(String, Said, bool)> = Vec::new();
        for (question, serves) in questions.all.iter().map(|one| (one, true)).chain(idle.iter().map(|one| (one, false)))
        {
            let said = said(question, name.as_bytes())?;
            status = status.max(if serves { said.status } else { 0 });
            rows.push((question.id(), said, serves));
        }
        let width = |of: &dyn Fn(&(String, Said, bool)) -> usize| rows.iter().map(of).max().unwrap_or_default();
        let (id, value) = (width(&|row| row.0.chars().count()), width(&|row| row.1.value.chars().count()).min(60));
        let serving = rows.iter().filter(|row| row.2).count();
        let _ = writeln!(
            out,
            "{STRONG}{}{STRONG:#}: it depends on the PHP; {serving} serve requests here",
            text::shown(name.as_bytes())
        );
        for (own, said, serves) in &rows {
            let rest = if *serves { String::new() } else { ", serves no request".into() };
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
        Some(Question { source: source.clone(), request: Default::default(), loaded })
    };
    questions.idle.iter().filter_map(read).collect()
}

/// Who agrees, for people.
pub fn who(questions: &Questions) -> String {
    format!("the same for all that serve requests here: {}", questions.ids())
}
