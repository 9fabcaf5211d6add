//! `outlive explain`

use crate::answering::winner;
use crate::args::NamesArgs;
use crate::estate::question::Question;
use crate::estate::watch;
use crate::extensions::Extensions;
use crate::output::{Answer, BAD, DIM, GOOD, Problem, STRONG, note};
use crate::skipped::{self, Skipped};
use crate::{check, get, json, meaning, request, secrets, suggest, text};
use outlive::config::{Access, Config, Explanation, Fate, Layer, Reason, Sapi, Settings, Step};
use outlive::httpd::ServerLayer;
use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

/// Tells why values are in force.
pub fn run(args: &NamesArgs) -> Result<Answer, Problem> {
    get::about(args, one)
}

fn one(question: &Question, names: &[OsString], as_json: bool) -> Result<Answer, Problem> {
    let loaded = &question.loaded;
    let config = loaded.config;
    let (settings, told) = match get::settings(question, as_json)? {
        Ok(found) => found,
        Err(answer) => return Ok(answer),
    };
    let extensions = Extensions::of(config, &question.source);
    let (beside, passed_over) = request::with_target(&question.request, |target| {
        let run = skipped::run(config, target);
        (skipped::beside(config, run.as_ref(), target), skipped::passed_over(config, run.as_ref(), target))
    })?;
    let passed_over: Vec<Skipped> = beside
        .into_iter()
        .chain(skipped::of_other_sapis(config))
        .flat_map(|file| file.lines)
        .chain(skipped::in_dead_sections(config))
        .chain(passed_over)
        .collect();
    let mut status = told;
    let mut found = Vec::new();
    for name in names {
        if let Some(why) = suggest::why_absent(config, &extensions, name.as_bytes()) {
            status = status.max(1);
            note(&why);
            continue;
        }
        let unknown = loaded.context.unknown_value(&settings, name.as_bytes());
        if let Some(why) = &unknown {
            status = 2;
            note(&format!("{}: not known: {why}", text::shown(name.as_bytes())));
        }
        let explanation = settings.explain(name.as_bytes()).map(|explanation| with_owner(explanation, question));
        found.extend(explanation.map(|explanation| Found::new(explanation, unknown, &passed_over)));
        bounded(&settings, name.as_bytes()).into_iter().for_each(|text| note(&text));
        watch::limits_too(question, name.as_bytes()).into_iter().for_each(|text| note(&text));
    }
    let winners = found.iter().filter_map(|found| winner(&found.explanation));
    loaded.context.say_unnamed(winners.map(|step| step.layer));
    let mut out = String::new();
    if as_json {
        json::list(&mut out, &found, write_json);
        out.push('\n');
        return Ok(Answer::raw(out).with_status(status));
    }
    let known = found.iter().filter(|found| found.unknown.is_none());
    for (place, Found { explanation, passed_over, .. }) in known.enumerate() {
        if place > 0 {
            out.push('\n');
        }
        story(&mut out, explanation, passed_over, &settings, question);
    }
    Ok(Answer::text(out).with_status(status))
}

/// What bounds a value from outside: a whole request has to fit, too.
fn bounded(settings: &Settings, name: &[u8]) -> Option<String> {
    if name != b"upload_max_filesize" {
        return None;
    }
    let (upload, post) = (settings.get_quantity(name)?, settings.get_quantity(b"post_max_size")?);
    let explanation = settings.explain(b"post_max_size").filter(|_| post > 0 && post < upload)?;
    let step = winner(&explanation)?;
    let origin = if step.origin.file.is_some() { step.origin.to_string() } else { step.layer.name().to_owned() };
    Some(format!(
        "post_max_size = {} ({origin}) is less: no upload can be larger than that",
        text::value(&explanation.value)
    ))
}

/// Lines of httpd's files that do not count for this PHP: whose they are.
fn with_owner(mut explanation: Explanation, question: &Question) -> Explanation {
    let refused = |step: &&mut Step| step.reason == Some(Reason::Sapi) && matches!(step.layer, Layer::Httpd(_));
    for step in explanation.trail.iter_mut().filter(refused) {
        step.because = watch::whose(question, &explanation.name).or(step.because.take());
    }
    explanation
}

/// What is told of one directive.
struct Found {
    explanation: Explanation,
    /// Why its value is not known.
    unknown: Option<String>,
    /// The lines for it that were skipped.
    passed_over: Vec<Skipped>,
}

impl Found {
    /// Of another SAPI's php.ini only different values are shown.
    fn new(explanation: Explanation, unknown: Option<String>, all: &[Skipped]) -> Self {
        let is_other = |line: &&Skipped| line.layer != Layer::PhpIni || line.value != explanation.value;
        let passed_over = all.iter().filter(|line| line.name == explanation.name).filter(is_other).cloned().collect();
        Self { explanation, unknown, passed_over }
    }
}

fn write_json(out: &mut String, found: &Found) {
    let Found { explanation, unknown, passed_over } = found;
    let mut object = json::Object::new(out);
    object.text("name", &explanation.name);
    object.maybe("value", secrets::in_force(explanation).filter(|_| unknown.is_none()));
    object.plain("access", explanation.access.0);
    object.plain("locked", explanation.locked);
    if let Some(why) = unknown {
        object.text("unknown", why.as_bytes());
    }
    // A value that an unknown file may override is not called in force.
    let trail = explanation.trail.iter().filter(|step| unknown.is_none() || step.fate != Fate::InForce);
    json::list(object.key(b"trail"), trail.map(Ok).chain(passed_over.iter().map(Err)), |out, step| {
        let mut object = json::Object::new(out);
        let step = match step {
            Ok(step) => step,
            Err(line) => return skipped_json(object, line),
        };
        object.text("layer", step.layer.name().as_bytes());
        object.maybe("file", step.origin.file.as_deref());
        object.plain("line", json::line(step.origin.line));
        object.maybe("raw", secrets::of_step(&explanation.name, &step.raw, step));
        object.maybe("value", secrets::of_step(&explanation.name, &step.value, step));
        object.text("fate", step.fate.words().as_bytes());
        object.maybe("because", step.because.as_deref().map(str::as_bytes));
        object.end();
    });
    object.end();
}

fn skipped_json(mut object: json::Object<'_>, line: &Skipped) {
    object.text("layer", line.layer.name().as_bytes());
    object.maybe("file", line.origin.file.as_deref());
    object.plain("line", json::line(line.origin.line));
    let value = secrets::of_line(&line.name, &line.value, line.origin.file.as_deref());
    object.maybe("raw", value);
    object.maybe("value", value);
    object.text("fate", b"skipped");
    object.text("because", line.because.as_bytes());
    object.end();
}

/// The value, what it means, who may change it; then every line, weakest first.
fn story(
    out: &mut String,
    explanation: &Explanation,
    passed_over: &[Skipped],
    settings: &Settings,
    question: &Question,
) {
    let config = question.loaded.config;
    let name = text::shown(&explanation.name);
    let directive = settings.directive(&explanation.name);
    let meaning = |value: &[u8]| {
        let meaning = directive.and_then(|directive| meaning::of_value(directive, value, config.php_version()));
        meaning.map_or_else(String::new, |meaning| format!("  {DIM}({meaning}){DIM:#}"))
    };
    let value = secrets::in_force(explanation);
    let in_force = value.map_or_else(String::new, meaning);
    let value = text::value(value.unwrap_or(secrets::HIDDEN));
    let _ = writeln!(out, "{STRONG}{name}{STRONG:#} = {STRONG}{value}{STRONG:#}{in_force}");
    let who = match question.loaded.context.who {
        Some(_) => format!("mod_outlive acts on it in httpd; {}", who_beside_php(explanation)),
        None => who(explanation),
    };
    let _ = writeln!(out, "  {DIM}{who}{DIM:#}");
    if let Some(text) = check::inert::says(explanation, config.sapi()) {
        let _ = writeln!(out, "  {BAD}{text}{BAD:#}");
    }
    let layers = explanation.trail.iter().map(|step| step.layer).chain(passed_over.iter().map(|line| line.layer));
    let layer_width = layers.map(|layer| layer.name().len()).max().unwrap_or_default();
    for step in &explanation.trail {
        let value = secrets::of_step(&explanation.name, &step.value, step);
        let written = match value {
            None => text::shown(secrets::HIDDEN),
            Some(value) if step.raw == step.value => format!("{}{}", text::value(value), meaning(value)),
            Some(value) => {
                let (value, meaning) = (text::value(value), meaning(value));
                format!("{value}{meaning}  {DIM}written {}{DIM:#}", text::shown(&step.raw))
            }
        };
        line(out, step, layer_width, &written);
    }
    for one in passed_over {
        let value = secrets::of_line(&one.name, &one.value, one.origin.file.as_deref());
        let meaning = value.map_or_else(String::new, meaning);
        let (layer, value) = (one.layer.name(), text::value(value.unwrap_or(secrets::HIDDEN)));
        let _ = writeln!(out, "{DIM}-{DIM:#} {layer:layer_width$}  {value}{meaning}");
        let _ = writeln!(out, "  {:layer_width$}  {}: {DIM}skipped{DIM:#}: {}", "", one.origin, one.because);
    }
    if let Some(text) = cure(explanation, config) {
        let _ = writeln!(out, "  {DIM}{text}{DIM:#}");
    }
}

/// What to change, and where.
fn cure(explanation: &Explanation, config: &Config) -> Option<String> {
    let winner = winner(explanation)?;
    let reload = match config.sapi() {
        Sapi::Apache => ", then reload Apache",
        Sapi::Fpm => ", then reload PHP-FPM",
        Sapi::Cgi => "; PHP processes that start from then on read it",
        _ => "",
    };
    let name = text::shown(&explanation.name);
    if winner.layer == Layer::BuiltIn {
        let last = |wanted| config.ini_files().filter(|(layer, ..)| *layer == wanted).last().map(|(_, file, _)| file);
        if let Some(file) = last(Layer::PhpIni) {
            return Some(format!("to set it: write {name} = VALUE into {}{reload}", text::shown(file)));
        }
        // Images come without a php.ini, and with a directory of more files.
        let file = last(Layer::ScanDir)?;
        let dir = &file[..memchr::memrchr(b'/', file)?];
        return Some(format!("to set it: write {name} = VALUE into a .ini file of {}{reload}", text::shown(dir)));
    }
    winner.origin.file.as_ref()?;
    let after = match winner.layer {
        Layer::PhpIni | Layer::ScanDir | Layer::PathSection | Layer::HostSection | Layer::Pool => reload,
        Layer::FastCgi => ", then reload the web server",
        Layer::Httpd(ServerLayer::Htaccess) => "; the next request sees it",
        Layer::UserIni => "; PHP sees it within user_ini.cache_ttl seconds",
        Layer::Httpd(_) => ", then reload Apache",
        _ => "",
    };
    Some(format!("to change it: edit {}{after}", winner.origin))
}

/// Who may change the directive now.
pub fn who(explanation: &Explanation) -> String {
    let access = explanation.access;
    if explanation.locked {
        let lock = explanation.trail.iter().rfind(|step| step.locks);
        let place = lock.map_or_else(String::new, |step| format!(" by {}", place(step)));
        return format!("locked{place}: neither .htaccess, .user.ini nor the program can change it");
    }
    match (access.allows(Access::PERDIR), access.allows(Access::USER)) {
        (true, true) => "can be changed everywhere, also by the program".to_owned(),
        (true, false) => "can be changed in files, not by the program".to_owned(),
        (false, true) => "can be changed in php.ini and by the program".to_owned(),
        (false, false) => "can be changed in php.ini and by admin values only".to_owned(),
    }
}

/// The same where no PHP program has a word.
fn who_beside_php(explanation: &Explanation) -> String {
    if explanation.locked {
        let lock = explanation.trail.iter().rfind(|step| step.locks);
        let place = lock.map_or_else(String::new, |step| format!(" by {}", place(step)));
        return format!("locked{place}: no .htaccess can change it");
    }
    match explanation.access.allows(Access::PERDIR) {
        true => "php_value sets it in every place, .htaccess too".to_owned(),
        false => "it can be set in php.ini and by php_admin_value".to_owned(),
    }
}

fn place(step: &Step) -> String {
    if step.origin.file.is_some() { step.origin.to_string() } else { step.layer.name().to_owned() }
}

fn line(out: &mut String, step: &Step, width: usize, written: &str) {
    let (mark, style) = match step.fate {
        Fate::InForce => ('>', GOOD),
        Fate::Overridden => (' ', DIM),
        Fate::Refused => ('x', BAD),
    };
    let lock = if step.locks && step.fate != Fate::Refused { ", locks" } else { "" };
    let _ = writeln!(out, "{style}{mark}{style:#} {:width$}  {written}", step.layer.name());
    let origin = if step.origin.file.is_some() { format!("{}: ", step.origin) } else { String::new() };
    let because = step.because.as_deref().map_or_else(String::new, |because| format!(": {because}"));
    let _ = writeln!(out, "  {:width$}  {origin}{style}{}{lock}{style:#}{because}", "", step.fate.words());
}
