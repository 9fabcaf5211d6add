//! `outlive check`: what PHP or Apache would silently read differently from what was meant.

pub mod texts;
mod values;

use crate::args::CheckArgs;
use crate::output::{Answer, BAD, DIM, GOOD, ODD, Problem};
use crate::{json, load, plain, suggest};
use outlive::config::{Config, Outcome, Settings};
use outlive::diagnostic::{Diagnostic, Severity};
use outlive::origin::Origin;
use std::fmt::Write;
use std::sync::Arc;

/// Gathers findings and prints them.
pub fn run(args: &CheckArgs) -> Result<Answer, Problem> {
    let config = load::config(&args.source)?;
    let mut found = config.diagnostics().to_vec();
    let settings = match load::outcome(&config, &args.request)? {
        Outcome::Run(settings) => settings,
        Outcome::Answer { status, because, .. } => {
            found.push(note(
                "not-served",
                Origin::default(),
                format!("no program runs for this request (status {status}: {because}); only the files were checked"),
            ));
            config.base()
        }
    };
    found.extend(settings.diagnostics());
    for diagnostic in &mut found {
        name_what_was_meant(&config, diagnostic);
    }
    values::check(&settings, &mut found);
    texts::check(&config, &mut found);
    limits(&settings, &mut found);
    load::with_target(&args.request, |target| texts::user_ini_unseen(&config, target, &mut found))?;
    if args.portable {
        plain::check(&config, &mut found);
    }
    found.sort_by(|one, two| {
        (&one.origin.file, one.origin.line, two.severity).cmp(&(&two.origin.file, two.origin.line, one.severity))
    });
    found.dedup();
    let status = u8::from(found.iter().any(|finding| finding.severity > Severity::Note));
    let answer = if args.json { Answer::raw(as_json(&found)) } else { Answer::text(as_text(&found)) };
    Ok(answer.with_status(status))
}

fn finding(severity: Severity, code: &'static str, origin: Origin, message: String) -> Diagnostic {
    Diagnostic { severity, code, origin, message }
}

/// A finding that is worth knowing.
pub fn note(code: &'static str, origin: Origin, message: String) -> Diagnostic {
    finding(Severity::Note, code, origin, message)
}

/// A finding that is probably not what was meant.
pub fn warning(code: &'static str, origin: Origin, message: String) -> Diagnostic {
    finding(Severity::Warning, code, origin, message)
}

/// A place in a file.
pub fn place(file: &Arc<[u8]>, line: u32) -> Origin {
    Origin::new(file, line)
}

/// An unknown name that is nearly a known one is a slip, not an extension that is not here.
fn name_what_was_meant(config: &Config, diagnostic: &mut Diagnostic) {
    if diagnostic.code != "unknown-directive" {
        return;
    }
    let name = diagnostic.message.split('`').nth(1).unwrap_or_default().to_owned();
    if let Some(meant) = suggest::directive(config, name.as_bytes()) {
        diagnostic.severity = Severity::Warning;
        let _ = write!(diagnostic.message, "; did you mean `{meant}`?");
    }
}

/// Values that are fine by themselves and not together.
fn limits(settings: &Settings, found: &mut Vec<Diagnostic>) {
    let policy = settings.policy();
    if policy.max_execution_time == 0 && policy.max_input_time > 0 {
        let trail = settings.explain(b"max_execution_time").map(|explanation| explanation.trail);
        let origin = trail.and_then(|trail| trail.into_iter().rfind(|step| step.because.is_none()));
        let seconds = policy.max_input_time;
        found.push(warning(
            "input-limit-kills",
            origin.map(|step| step.origin).unwrap_or_default(),
            format!(
                "max_execution_time = 0 with max_input_time = {seconds}: real PHP never stops the input timer then, so \
                 programs die after {seconds} seconds all the same; set max_input_time = -1 or give max_execution_time \
                 a number"
            ),
        ));
    }
}

fn as_text(found: &[Diagnostic]) -> String {
    let mut out = String::new();
    for finding in found {
        let style = match finding.severity {
            Severity::Error => BAD,
            Severity::Warning => ODD,
            Severity::Note => DIM,
        };
        if finding.origin.file.is_some() {
            let _ = write!(out, "{}: ", finding.origin);
        }
        let _ = writeln!(out, "{style}{}{style:#}: {}", finding.severity.word(), finding.message);
    }
    if found.is_empty() {
        let _ = writeln!(out, "{GOOD}nothing suspicious{GOOD:#}");
    }
    out
}

fn as_json(found: &[Diagnostic]) -> String {
    let mut out = String::new();
    json::list(&mut out, found, finding_json);
    out.push('\n');
    out
}

/// One finding for programs.
pub fn finding_json(out: &mut String, finding: &Diagnostic) {
    let mut object = json::Object::new(out);
    object.text("severity", finding.severity.word().as_bytes());
    object.text("code", finding.code.as_bytes());
    object.maybe("file", finding.origin.file.as_deref());
    object.plain("line", json::line(finding.origin.line));
    object.text("message", finding.message.as_bytes());
    object.end();
}
