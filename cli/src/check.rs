//! `outlive check`: what PHP or Apache would silently read differently from what was meant.

mod below;
mod httpd_lines;
pub mod inert;
mod list;
mod mistakes;
mod pool;
mod stock;
mod texts;
mod values;
mod walk;

use crate::args::{CheckArgs, RequestArgs, SourceArgs};
use crate::diff::side;
use crate::estate::question::{self, Question, Questions};
use crate::estate::{self, agree, named};
use crate::extensions::Extensions;
use crate::output::{Answer, BAD, DIM, GOOD, ODD, Problem, complain};
use crate::{json, load, plain, request, suggest};
use below::Below;
use outlive::config::{Config, Outcome, Settings, versions_with};
use outlive::diagnostic::{Diagnosis, Diagnostic, Severity};
use outlive::error::{Code, Error};
use outlive::origin::Origin;
use std::fmt::Write;
use std::sync::Arc;

/// Gathers findings and prints them.
pub fn run(args: &CheckArgs) -> Result<Answer, Problem> {
    if args.list {
        return Ok(list::answer(args.json));
    }
    let sources = match &args.paths[..] {
        [] => vec![args.source.clone()],
        paths => paths.iter().map(|path| side::with_word(&args.source, path)).collect::<Result<_, _>>()?,
    };
    let mut questions = Questions::default();
    let mut below = Below::default();
    let is_request = question::is_request(&args.request);
    for source in &sources {
        let mut more = match asked(source, &args.request).map_err(with_fix) {
            Err(Problem::Library(error)) if error.code == Code::Refused && error.origin.file.is_some() => {
                return Ok(no_start(&error, args.json));
            }
            more => more?,
        };
        if !is_request {
            below.look(source, &more)?;
        }
        if !estate::names_a_source(source) && !is_request {
            let known = more.all.iter().map(Question::id).collect::<Vec<_>>();
            let idle = agree::idle(&more);
            more.all.extend(idle.into_iter().filter(|one| !known.contains(&one.id())));
        }
        questions.all.append(&mut more.all);
    }
    let (mut below, mut notes) = below.all();
    if args.json && args.source.context {
        return in_envelope(&questions, args, below, notes);
    }
    let mut found: Vec<Diagnostic> = Vec::new();
    for question in &questions.all {
        found.extend(one(question, args.portable)?);
    }
    found.append(&mut notes);
    found.extend(below.drain(..).map(|(_, one)| one));
    sort(&mut found);
    Ok(answer(&found, args.json))
}

/// The PHPs that a source is about. Those behind an nginx depend on the request: without one, those are meant that are named beside it.
fn asked(source: &SourceArgs, request: &RequestArgs) -> Result<Questions, Problem> {
    if source.nginx_conf.is_none() || question::is_request(request) {
        return question::all(source, request);
    }
    named::alone(source)?;
    let rest = SourceArgs { nginx_conf: None, ..source.clone() };
    if !estate::names_a_source(&rest) {
        let text =
            "--nginx-conf names no PHP: give --fpm-conf FILE of the one behind it, or --url URL for a single request";
        return Err(Problem::Call(text.into()));
    }
    question::all(&rest, request)
}

/// One document for programs. What is below document roots stands with the PHP that it is about, and with the first one where that is none of
/// those that were asked.
fn in_envelope(
    questions: &Questions,
    args: &CheckArgs,
    below: Vec<(String, Diagnostic)>,
    notes: Vec<Diagnostic>,
) -> Result<Answer, Problem> {
    let ids: Vec<String> = questions.all.iter().map(Question::id).collect();
    let mut parts: Vec<Vec<Diagnostic>> = vec![Vec::new(); ids.len()];
    for (id, one) in below.into_iter().chain(notes.into_iter().map(|one| (String::new(), one))) {
        let at = ids.iter().position(|own| *own == id).unwrap_or_default();
        parts[at].push(one);
    }
    let one = |question: &Question| {
        let mut found = one(question, args.portable)?;
        let at = questions.all.iter().position(|own| std::ptr::eq(own, question)).unwrap_or_default();
        found.extend(parts[at].iter().cloned());
        sort(&mut found);
        Ok(answer(&found, true))
    };
    agree::respond(questions, true, true, one, |_| Ok(Answer::text("")))
}

/// All lines that a server does not start with, of which it names the first.
fn no_start(error: &Error, json: bool) -> Answer {
    complain(&Problem::Library(error.clone()));
    answer(&refused(error), json)
}

/// A line that a server does not start with, and those behind it.
fn refused(error: &Error) -> Vec<Diagnostic> {
    let first = (error, "; the server stops at this line");
    let others = error.others.iter().map(|error| (error, "; it would be refused as well"));
    let all = std::iter::once(first).chain(others);
    all.map(|(error, more)| {
        let text = format!("{}{more}", error.message);
        finding(Severity::Error, Diagnosis::RefusedLine, error.origin.clone(), text)
    })
    .collect()
}

fn sort(found: &mut Vec<Diagnostic>) {
    found.sort_by(|one, two| {
        (&one.origin.file, one.origin.line, two.severity).cmp(&(&two.origin.file, two.origin.line, one.severity))
    });
    found.dedup();
}

fn answer(found: &[Diagnostic], json: bool) -> Answer {
    let is_unusable = |one: &Diagnostic| matches!(one.code, Diagnosis::Unreadable | Diagnosis::RefusedLine);
    let status = if found.iter().any(is_unusable) {
        2
    } else {
        u8::from(found.iter().any(|finding| finding.severity > Severity::Note))
    };
    let answer = if json { Answer::raw(as_json(found)) } else { Answer::text(as_text(found)) };
    answer.with_status(status)
}

/// The findings about one PHP.
fn one(question: &Question, portable: bool) -> Result<Vec<Diagnostic>, Problem> {
    let (loaded, source) = (&question.whole()?.loaded, &question.source);
    let config = loaded.config;
    if loaded.context.nothing_read(config) && !loaded.context.has_sets && !source.built_in {
        return Err(Problem::Call(
            "nothing was read, so nothing is checked: give a PATH (a php.ini, a pool, httpd's main file, or a directory such \
             as /etc/php/8.2/fpm or /etc/apache2), or --php-ini, --httpd-conf, --fpm-pool"
                .into(),
        ));
    }
    loaded.context.say(config, None);
    let mut found = config.diagnostics().to_vec();
    let settings = match load::outcome(loaded, &question.request)? {
        Outcome::Run(settings) => settings,
        // A file that is only sent is not a finding.
        Outcome::Answer { status: 200, .. } => config.base(),
        Outcome::Answer { status, because, .. } => {
            let first = not_served(status, &because);
            if status == 500 {
                others(config, question, &first.origin, &mut found)?;
            }
            found.push(first);
            config.base()
        }
    };
    let extensions = Extensions::of(config, source);
    of_settings(config, &settings, &extensions, &mut found);
    pool::check(config, &loaded.view, &mut found);
    texts::check(config, &extensions, &mut found);
    httpd_lines::check(config, &extensions, &mut found);
    judge_unknown(config, &mut found);
    limits(&settings, &mut found);
    request::with_target(&question.request, |target| texts::unseen(config, target, &mut found))?;
    if portable {
        plain::check(config, &mut found);
    }
    sort(&mut found);
    Ok(found)
}

/// The findings about the values of a request.
fn of_settings(config: &Config, settings: &Settings, extensions: &Extensions, found: &mut Vec<Diagnostic>) {
    found.extend(settings.diagnostics());
    values::check(settings, extensions, found);
    inert::check(config, settings, found);
    mistakes::check(config, settings, found);
    texts::of_user_ini(config, settings, found);
}

fn judge_unknown(config: &Config, found: &mut Vec<Diagnostic>) {
    found.retain_mut(|finding| finding.code != Diagnosis::UnknownDirective || is_unknown(config, finding));
}

/// What httpd would refuse to start on, and what to do about it.
fn with_fix(problem: Problem) -> Problem {
    match problem {
        Problem::Library(mut error) => {
            error.message = format!("{}{}", error.message, mistakes::fix(&error.message));
            Problem::Library(error)
        }
        other => other,
    }
}

fn finding(severity: Severity, code: Diagnosis, origin: Origin, message: String) -> Diagnostic {
    Diagnostic::new(severity, code, origin, message)
}

/// A finding that is worth knowing.
pub fn note(code: Diagnosis, origin: Origin, message: String) -> Diagnostic {
    finding(Severity::Note, code, origin, message)
}

/// A finding that is probably not what was meant.
pub fn warning(code: Diagnosis, origin: Origin, message: String) -> Diagnostic {
    finding(Severity::Warning, code, origin, message)
}

/// A place in a file.
pub fn place(file: &Arc<[u8]>, line: u32) -> Origin {
    Origin::new(file, line)
}

/// That the server answers by itself. Status 500 is a mistake in a file, and the text says which line.
fn not_served(status: u16, because: &str) -> Diagnostic {
    let message = format!("no program runs for this request (status {status}: {because}); only the files were checked");
    if status != 500 {
        return note(Diagnosis::NotServed, Origin::default(), message);
    }
    // FILE:LINE: text
    let mut parts = because.splitn(3, ':');
    let origin = match (parts.next(), parts.next().and_then(|line| line.parse().ok())) {
        (Some(file), Some(line)) => place(&Arc::from(file.as_bytes()), line),
        _ => Origin::default(),
    };
    let what = parts.next().map_or(because, str::trim);
    let fix = mistakes::fix(what);
    finding(
        Severity::Error,
        Diagnosis::ServerError,
        origin,
        format!("{what}: every request below is answered with 500{fix}"),
    )
}

/// Lines of an `.htaccess` that are refused behind the one at which Apache stops.
fn others(config: &Config, question: &Question, first: &Origin, found: &mut Vec<Diagnostic>) -> Result<(), Problem> {
    let Some(httpd) = config.httpd() else { return Ok(()) };
    let all = request::with_target(&question.request, |target| httpd.refusals(&**config.files(), target))??;
    for error in all.into_iter().filter(|error| error.origin != *first) {
        let text = format!("{}: refused as well; Apache stops before it", error.message);
        found.push(finding(Severity::Error, Diagnosis::ServerError, error.origin, text));
    }
    Ok(())
}

/// The finding about an unknown name, if any remains: another version or extension may have it, or a similar name exists.
fn is_unknown(config: &Config, diagnostic: &mut Diagnostic) -> bool {
    let name = diagnostic.message.split('`').nth(1).unwrap_or_default().to_owned();
    // A php.ini is written for all SAPIs and extensions.
    let of_another_sapi = diagnostic.message.contains("another SAPI");
    if of_another_sapi || stock::owner(name.as_bytes()).is_some() {
        return false;
    }
    if let Some(text) = mistakes::commented(&name) {
        diagnostic.message = text;
        return true;
    }
    if versions_with(name.as_bytes()).is_empty()
        && let Some(meant) = suggest::directive(config, name.as_bytes())
    {
        diagnostic.severity = Severity::Warning;
        let _ = write!(diagnostic.message, "; did you mean `{meant}`?");
    }
    true
}

/// Values that are valid alone and contradict each other.
fn limits(settings: &Settings, found: &mut Vec<Diagnostic>) {
    let policy = settings.policy();
    if policy.max_execution_time == 0 && policy.max_input_time > 0 {
        let trail = settings.explain(b"max_execution_time").map(|explanation| explanation.trail);
        let origin = trail.and_then(|trail| trail.into_iter().rfind(|step| step.because.is_none()));
        let seconds = policy.max_input_time;
        found.push(warning(
            Diagnosis::InputLimitKills,
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
        let _ = writeln!(out, "{GOOD}no problems found{GOOD:#}");
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
    object.text("code", finding.code.name().as_bytes());
    object.maybe("file", finding.origin.file.as_deref());
    object.plain("line", json::line(finding.origin.line));
    object.text("message", finding.message.as_bytes());
    object.end();
}
