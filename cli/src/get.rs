//! `outlive get`

use crate::answering::winner;
use crate::args::NamesArgs;
use crate::estate::agree;
use crate::estate::question::{self, Question};
use crate::extensions::Extensions;
use crate::output::{Answer, Problem, note};
use crate::{json, load, request, secrets, suggest, text};
use outlive::config::{Outcome, Settings};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// Prints the values in force.
pub fn run(args: &NamesArgs) -> Result<Answer, Problem> {
    let alone = request::divided(&args.names, &args.request)?.0.len() == 1;
    about(args, |question, names, as_json| one(question, names, as_json, alone))
}

/// Answers a call about names; `one` answers for one PHP, as JSON where the flag is set.
pub fn about(
    args: &NamesArgs,
    one: impl Fn(&Question, &[OsString], bool) -> Result<Answer, Problem>,
) -> Result<Answer, Problem> {
    let (names, request) = request::divided(&args.names, &args.request)?;
    let questions = question::all(&args.source, &request)?;
    agree::about(&questions, &names, args.json, args.source.context, one)
}

/// The settings that a question is about, with the exit status so far; or the answer, where no program runs.
pub fn settings(question: &Question, as_json: bool) -> Result<Result<(Arc<Settings>, u8), Answer>, Problem> {
    let loaded = &question.whole()?.loaded;
    loaded.context.say(loaded.config, None);
    let outcome = load::outcome(loaded, &question.request)?;
    let told = load::tell(loaded.config, &outcome);
    match outcome {
        Outcome::Run(settings) => Ok(Ok((settings, told))),
        answer => answered(&answer, as_json).map(Err),
    }
}

fn one(question: &Question, names: &[OsString], as_json: bool, alone: bool) -> Result<Answer, Problem> {
    let loaded = &question.loaded;
    let config = loaded.config;
    let (settings, told) = match settings(question, as_json)? {
        Ok(found) => found,
        Err(answer) => return Ok(answer),
    };
    let extensions = Extensions::of(config, &question.source);
    let mut status = told;
    let mut value =
        |name| match (suggest::why_absent(config, &extensions, name), loaded.context.unknown_value(&settings, name)) {
            (None, None) => {
                let hidden = settings.explain(name).and_then(|explanation| secrets::why(&explanation));
                let Some(why) = hidden else { return settings.get(name).map(Ok) };
                status = 2;
                note(&why);
                None
            }
            (Some(why), _) => {
                status = status.max(1);
                note(&why);
                None
            }
            (None, Some(why)) => {
                status = 2;
                note(&format!("{}: not known: {why}", text::shown(name)));
                Some(Err(why))
            }
        };
    let asked = names.iter().filter_map(|name| settings.explain(name.as_bytes()));
    loaded.context.say_unnamed(asked.filter_map(|explanation| winner(&explanation).map(|step| step.layer)));
    let found: Vec<_> = names.iter().map(|name| (name.as_bytes(), value(name.as_bytes()))).collect();
    if as_json {
        let mut out = String::new();
        let mut object = json::Object::new(&mut out);
        for (name, value) in found {
            match value {
                Some(Err(why)) => unknown_json(object.key(name), &why),
                known => json::maybe(object.key(name), known.and_then(Result::ok)),
            }
        }
        object.end();
        out.push('\n');
        return Ok(Answer::raw(out).with_status(status));
    }
    let mut out = Vec::new();
    for (name, value) in found {
        let Some(Ok(value)) = value else { continue };
        if !alone {
            out.extend_from_slice(name);
            out.extend_from_slice(b" = ");
        }
        out.extend_from_slice(text::shown(value).as_bytes());
        out.push(b'\n');
    }
    Ok(Answer::text(out).with_status(status))
}

/// Neither a text nor null, which means that there is no such directive: nobody takes it for either.
fn unknown_json(out: &mut String, why: &str) {
    let mut object = json::Object::new(out);
    object.text("unknown", why.as_bytes());
    object.end();
}

/// The server answers by itself: no program runs, and no value is in force.
pub fn answered(outcome: &Outcome, as_json: bool) -> Result<Answer, Problem> {
    let Outcome::Answer { status, because, location } = outcome else { return Ok(Answer::text("")) };
    if !as_json {
        let to = location.as_deref().map_or_else(String::new, |to| format!(" to {}", text::shown(to)));
        let who = match status {
            0 => "another server answers".to_owned(),
            status => format!("the server answers {status}{to}"),
        };
        note(&format!("no program runs for this request: {who}: {because}"));
        return Ok(Answer::text("").with_status(1));
    }
    let mut out = String::new();
    answer_json(&mut out, outcome);
    out.push('\n');
    Ok(Answer::raw(out).with_status(1))
}

/// The server's own answer for programs.
pub fn answer_json(out: &mut String, outcome: &Outcome) {
    let Outcome::Answer { status, because, location } = outcome else { return };
    let mut object = json::Object::new(out);
    match status {
        0 => object.plain("status", "null"),
        status => object.plain("status", status),
    }
    object.text("because", because.as_bytes());
    if let Some(location) = location {
        object.text("location", location);
    }
    object.end();
}
