//! mod_outlive: what it does about a request, whoever answers it.

use super::question::Question;
use super::{Found, Search};
use crate::answering::{Unknown, winner};
use crate::args::{RequestArgs, SourceArgs};
use crate::load::{self, Loaded};
use crate::output::Problem;
use crate::request::with_target;
use crate::view::View;
use crate::{nginx, php_elf};
use outlive::config::{Config, Layer, Outcome, Settings};
use outlive::httpd::{Configuration, Container, DirConfig, Resolution, Run, ServerLayer, ValueKind};
use outlive::request::Begin;
use outlive::target::Target;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// What mod_outlive has to say beside the PHP of a request.
pub struct Watcher {
    /// It is asked as a PHP is, and answers for what it acts on.
    pub question: Question,
    /// A PHP runs the request, and acts on its own values.
    pub beside_php: bool,
}

/// PHP's directives that it acts on, beside its own.
const ACTED_ON: [&[u8]; 3] = [b"ignore_user_abort", b"max_execution_time", b"hard_timeout"];

/// PHP's names of the handler that is mod_php.
pub const MOD_PHP: [&[u8]; 3] = [b"application/x-httpd-php", b"application/x-httpd-php-source", b"php-script"];

/// Whether it acts on a directive.
pub fn acts_on(name: &[u8]) -> bool {
    is_own(name) || ACTED_ON.contains(&name)
}

fn is_own(name: &[u8]) -> bool {
    name.starts_with(b"outlive.")
}

impl Watcher {
    /// Whether it is the one who answers for a directive.
    pub fn answers(&self, name: &[u8]) -> bool {
        is_own(name) || (!self.beside_php && acts_on(name))
    }
}

/// Whether httpd loads it.
pub fn is_loaded(httpd: &Configuration) -> bool {
    httpd.has_module(b"mod_outlive.c")
}

/// What it does about a request of an Apache.
pub struct Looked {
    /// The options that stand for it; none: it does nothing.
    watcher: Option<SourceArgs>,
    settings: Option<(Arc<Configuration>, Run)>,
    /// Why it does nothing, though it is loaded.
    notes: Vec<String>,
}

/// Looks a request up in an Apache that has been read: `source` stands for it.
pub fn look(source: &SourceArgs, loaded: &Loaded, request: &RequestArgs) -> Result<Looked, Problem> {
    let none = Looked { watcher: None, settings: None, notes: Vec::new() };
    let is_asked = request.url.is_some() || request.uri.is_some();
    let httpd = loaded.config.httpd_shared().filter(|httpd| is_asked && is_loaded(httpd));
    let Some(httpd) = httpd else { return Ok(none) };
    let passed = |target: &Target<'_>| httpd.resolve_passed(&**loaded.config.files(), target);
    let Resolution::Run(run) = with_target(request, passed)?? else { return Ok(none) };
    let watch = run.watch.clone().unwrap_or_default();
    if !watch.is_on() {
        let because = watch.engine.map_or_else(
            || "no line says OutliveEngine On for it".to_owned(),
            |(_, origin)| format!("{origin} says OutliveEngine Off"),
        );
        let note = format!("mod_outlive is loaded and does nothing about this request: {because}");
        return Ok(Looked { notes: vec![note], ..none });
    }
    let view = &loaded.view;
    let by = watch.engine.map_or_else(String::new, |(_, origin)| origin.to_string());
    let (search, unknown) = search(view, httpd);
    let old = source.found.as_deref().cloned().unwrap_or_default();
    let found = Found {
        id: "mod_outlive".into(),
        who: Some("mod_outlive in Apache".into()),
        search: Some(search),
        httpd: Some(Arc::clone(httpd)),
        found_by: Some(format!("OutliveEngine On, {by}")),
        version_by: Some(String::new()),
        unknown,
        answer: None,
        steps: Vec::new(),
        notes: Vec::new(),
        ..old
    };
    let source = SourceArgs {
        sapi: Some("apache2handler".into()),
        php: None,
        fpm_pool: None,
        pool: None,
        set: Vec::new(),
        fastcgi_param: Vec::new(),
        found: Some(Arc::new(found)),
        ..source.clone()
    };
    Ok(Looked { watcher: Some(source), settings: Some((Arc::clone(httpd), run)), notes: Vec::new() })
}

/// Where the module looks for php.ini without PHPINIDir and PHPRC: what it was built with stands in its file.
fn search(view: &View, httpd: &Configuration) -> (Search, Option<Unknown>) {
    let mut search = Search { working_dir: Some("/".into()), ..Search::default() };
    let Some(module) = httpd.outlive_module() else { return (search, None) };
    let wanted = [(&b"OUTLIVE_PHP_INI_DIR=\""[..], b'"'), (b"OUTLIVE_PHP_SCAN_DIR=\"", b'"')];
    let [ini_dir, scan_dir] = php_elf::texts(view, module, wanted);
    // A module that says neither was built with neither, or cannot be read.
    let unknown = ini_dir.is_none() && httpd.php_ini_dir().is_none();
    [search.ini_dir, search.scan_dir] = [ini_dir, scan_dir].map(|path| path.filter(|path| path.is_absolute()));
    let unknown = unknown.then(|| Unknown {
        why: format!(
            "which php.ini mod_outlive reads is unknown: {} does not show it; give --php-ini FILE",
            view.shown(module)
        ),
        overrides: &[Layer::BuiltIn],
    });
    (search, unknown)
}

impl Looked {
    /// Puts what was found beside the questions about the PHP of the same request. Where that is not known, mod_outlive is all the same.
    pub fn beside(
        self,
        request: &RequestArgs,
        behind: Result<Vec<Question>, Problem>,
    ) -> Result<Vec<Question>, Problem> {
        let mut questions = match (behind, &self.watcher) {
            (Ok(questions), _) => questions,
            (Err(problem), None) => return Err(problem),
            (Err(problem), Some(source)) => {
                let question = Question::new(source.clone(), request.clone(), load::config(source)?);
                vec![Question { broken: Some(problem.text()), ..question }]
            }
        };
        questions.iter_mut().try_for_each(|question| self.beside_one(question))?;
        Ok(questions)
    }

    fn beside_one(&self, question: &mut Question) -> Result<(), Problem> {
        question.loaded.context.notes.extend(self.notes.iter().cloned());
        let (Some(source), Some((httpd, run))) = (&self.watcher, &self.settings) else { return Ok(()) };
        let handler = run.handler.as_deref().unwrap_or_default();
        let no_program = httpd.no_program(run).is_some();
        if MOD_PHP.contains(&handler) && httpd.has_module(b"mod_php.c") {
            return if no_program { Ok(()) } else { told_php(question, run) };
        }
        let mut loaded = load::config(source)?;
        loaded.answer_with(Outcome::Run(loaded.config.of_containers(run.containers.clone())));
        let own = Question::new(source.clone(), question.request.clone(), loaded);
        question.watcher = Some(Box::new(Watcher { question: own, beside_php: !no_program }));
        Ok(())
    }
}

/// Beside mod_php it tells PHP ignore_user_abort, as `outlive.disconnect` says, by a last line of the request.
fn told_php(question: &mut Question, run: &Run) -> Result<(), Problem> {
    let Outcome::Run(settings) = load::outcome(&question.loaded, &question.request)? else { return Ok(()) };
    let name = b"outlive.disconnect";
    let Some((explanation, on)) = settings.explain(name).zip(goes_on(&settings, &question.request)) else {
        return Ok(());
    };
    let origin = winner(&explanation).map(|step| step.origin.clone()).unwrap_or_default();
    let kind = if explanation.locked { ValueKind::AdminFlag } else { ValueKind::Flag };
    let mut values = DirConfig::new();
    values.set(kind, b"ignore_user_abort", if on { b"On" } else { b"Off" }, origin.clone());
    let layer = winner(&explanation).map_or(ServerLayer::Server, |step| match step.layer {
        Layer::Httpd(layer) => layer,
        _ => ServerLayer::Server,
    });
    let mut containers = run.containers.clone();
    containers.push(Container { layer, origin: origin.clone(), values: Arc::new(values) });
    let config: &Config = question.loaded.config;
    let settings = config.of_containers(containers);
    question.loaded.answer_with(Outcome::Run(settings));
    question.loaded.context.notes.push(format!(
        "mod_outlive tells PHP ignore_user_abort = {} for this request, as outlive.disconnect says ({origin})",
        if on { "On" } else { "Off" }
    ));
    Ok(())
}

/// Whether a request goes on without its client; None: PHP's own words decide.
fn goes_on(settings: &Settings, request: &RequestArgs) -> Option<bool> {
    let said = settings.get(b"outlive.disconnect")?.to_ascii_lowercase();
    match &*said {
        b"finish" => Some(true),
        b"stop" => Some(false),
        b"auto" => {
            let method = request.method.as_deref().map_or(&b"GET"[..], OsStr::as_bytes);
            Some(!Begin::of_method(method, false).safe_method)
        }
        _ => None,
    }
}

/// nginx's module takes `outlive_*` directives, which are not followed here: they are named, and no PHP is asked in its place.
pub fn of_nginx(nginx: &nginx::Nginx, questions: Vec<Question>) -> Vec<Question> {
    let Some(line) = nginx.module_line() else { return questions };
    let words = format!(
        "the outlive module in nginx acts on it by directives of its own, such as {line}, which are named here and not followed: the innermost \
         level that has outlive_disconnect, outlive_time_limit or outlive_max_detached counts, and its outlive_status page shows what is in flight"
    );
    questions.into_iter().map(|one| Question { own_words: Some(words.clone()), ..one }).collect()
}

/// What the names of a question are about: each part with the names that it answers for.
pub fn parts<'q>(question: &'q Question, names: &[OsString]) -> Result<Vec<(&'q Question, Vec<OsString>)>, Problem> {
    if let (Some(words), Some(name)) = (&question.own_words, names.iter().find(|name| is_own(name.as_bytes()))) {
        return Err(Problem::Call(format!("{}: not known: {words}", crate::text::shown(name.as_bytes()))));
    }
    let Some(watcher) = &question.watcher else { return Ok(vec![(question.whole()?, names.to_vec())]) };
    let (own, rest): (Vec<_>, Vec<_>) = names.iter().cloned().partition(|name| watcher.answers(name.as_bytes()));
    if !rest.is_empty() {
        question.whole()?;
    }
    Ok([(&watcher.question, own), (question, rest)].into_iter().filter(|(_, names)| !names.is_empty()).collect())
}

/// Why a line of httpd's files does not count for a PHP that is not mod_php, where mod_outlive is loaded.
pub fn whose(question: &Question, name: &[u8]) -> Option<String> {
    let config = question.loaded.config;
    config.httpd().filter(|httpd| is_loaded(httpd))?;
    let sapi = config.sapi().name();
    Some(match (acts_on(name), &question.watcher) {
        (true, Some(_)) => format!("it is mod_outlive's, which acts on it in httpd; {sapi} does not see it"),
        (true, None) => format!("it is mod_outlive's, which does nothing about this request; {sapi} does not see it"),
        (false, _) => format!(
            "php_value and its like belong to mod_php and mod_outlive; mod_outlive does not act on it, and {sapi} does not see it"
        ),
    })
}

/// A directive that mod_outlive acts on beside the PHP, by lines of its own.
pub fn limits_too(question: &Question, name: &[u8]) -> Option<String> {
    let watcher = question.watcher.as_ref().filter(|watcher| !watcher.answers(name) && acts_on(name))?;
    let Ok(Outcome::Run(settings)) = load::outcome(&watcher.question.loaded, &watcher.question.request) else {
        return None;
    };
    let explanation = settings.explain(name)?;
    let step = winner(&explanation).filter(|step| step.layer != Layer::BuiltIn)?;
    let (name, value) = (crate::text::shown(name), crate::text::value(&step.value));
    Some(format!("mod_outlive acts on a value of its own for this request: {name} = {value} ({})", step.origin))
}
