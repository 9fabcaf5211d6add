//! From options to questions: one for each PHP that they are about.

use super::watch::Watcher;
use super::{Machine, Php, WebServer, follow, named, watch};
use crate::args::{RequestArgs, SourceArgs};
use crate::load::{self, Loaded};
use crate::output::{Problem, note};
use crate::request::with_target;
use outlive::PhpVersion;
use outlive::config::Sapi;
use std::sync::Arc;

/// One PHP that is asked, by options that stand for it.
pub struct Question {
    pub source: SourceArgs,
    pub request: RequestArgs,
    pub loaded: Loaded,
    /// What mod_outlive has to say beside it.
    pub watcher: Option<Box<Watcher>>,
    /// A module in the web server has directives of its own for `outlive.*`: what to look at.
    pub own_words: Option<String>,
    /// Why the PHP is not known, where all that is known is mod_outlive in front of it.
    pub broken: Option<String>,
}

/// All of them.
#[derive(Default)]
pub struct Questions {
    pub all: Vec<Question>,
    /// PHPs that serve no request, as sources.
    pub idle: Vec<SourceArgs>,
    /// Main files of Apaches whose mod_outlive was not asked: no request was named.
    pub watched: Vec<String>,
    /// What was found, where no option names a source.
    pub machine: Option<Machine>,
}

impl Questions {
    pub fn of(all: Vec<Question>) -> Self {
        Self { all, ..Self::default() }
    }

    /// The ids, for people.
    pub fn ids(&self) -> String {
        self.all.iter().map(Question::id).collect::<Vec<_>>().join(", ")
    }
}

impl Question {
    /// Itself, where its PHP is known.
    pub fn whole(&self) -> Result<&Self, Problem> {
        self.broken.as_ref().map_or(Ok(self), |why| Err(Problem::Call(why.clone())))
    }

    /// One that nobody else has a say in.
    pub fn new(source: SourceArgs, request: RequestArgs, mut loaded: Loaded) -> Self {
        let doubts = load::doubts(&loaded, &request);
        loaded.context.notes.extend(doubts);
        Self { source, request, loaded, watcher: None, own_words: None, broken: None }
    }

    pub fn id(&self) -> String {
        self.loaded.context.id(self.loaded.config)
    }
}

/// Whether a particular request is asked about.
pub fn is_request(request: &RequestArgs) -> bool {
    request.url.is_some() || request.uri.is_some() || request.file.is_some() || request.host.is_some()
}

/// Reads what the questions are about.
pub fn all(args: &SourceArgs, request: &RequestArgs) -> Result<Questions, Problem> {
    let is_named = super::names_a_source(args);
    if let Some(id) = args.php.as_ref().filter(|_| is_named) {
        let why = "it names a PHP of `outlive where`, and other options name files: give one or the other";
        return Err(Problem::Call(format!("--php {}: {why}", id.to_string_lossy())));
    }
    // Errors in the arguments are reported first, before anything is looked for.
    load::fit_together(args)?;
    with_target(request, |_| ())?;
    if is_named {
        let source = with_view(args)?;
        if args.nginx_conf.is_some() {
            return named::nginx(&source, request);
        }
        let loaded = load::config_for(&source, request)?;
        return named::apache(&source, request, loaded);
    }
    let machine = super::machine(args)?;
    machine.notes.iter().for_each(|text| note(text));
    let questions =
        if is_request(request) { follow::request(&machine, args, request)? } else { survey(&machine, args, request)? };
    let questions = filtered(questions, args, &machine)?;
    Ok(Questions { machine: Some(machine), ..questions })
}

/// The options with the view that `--root` names.
pub fn with_view(args: &SourceArgs) -> Result<SourceArgs, Problem> {
    let mut source = args.clone();
    if args.root.is_some() {
        source.found = Some(Arc::new(super::Found { view: super::view(args)?, ..Default::default() }));
    }
    Ok(source)
}

/// Options that only filter: they choose among the PHPs and do not change one into another.
fn filtered(mut questions: Questions, args: &SourceArgs, machine: &Machine) -> Result<Questions, Problem> {
    let id = args.php.as_ref().map(|id| id.to_string_lossy().into_owned());
    let version = args.php_version.as_deref().map(load::version).transpose()?;
    let sapi = args.sapi.as_ref().map(|sapi| load::sapi(sapi)).transpose()?;
    let fits = |question: &Question| {
        id.as_ref().is_none_or(|id| question.id().starts_with(id.as_str()))
            && version.is_none_or(|version| question.loaded.config.php_version() == version)
            && sapi.is_none_or(|sapi| sapi == Sapi::Web || question.loaded.config.sapi() == sapi)
    };
    // One name may be the beginning of another.
    if let Some(id) = id.as_ref().filter(|id| questions.all.iter().any(|one| one.id() == **id)) {
        questions.all.retain(|one| one.id() == *id);
    }
    let found: Vec<String> = questions.all.iter().map(Question::id).collect();
    questions.all.retain(fits);
    if questions.all.is_empty() {
        let mut there = found;
        for php in &machine.phps {
            match php.pools() {
                Ok(pools) if !pools.is_empty() => there.extend(pools.iter().map(|pool| php.pool_id(&pool.name))),
                _ => there.push(php.id()),
            }
        }
        there.sort();
        there.dedup();
        if there.is_empty() && id.is_none() && version.is_none() && sapi.is_none() {
            return Err(no_php(machine));
        }
        let asked: Vec<String> = [
            id.map(|id| format!("--php {id}")),
            args.php_version.as_ref().map(|version| format!("--php-version {version}")),
            args.sapi.as_ref().map(|sapi| format!("--sapi {}", sapi.to_string_lossy())),
        ]
        .into_iter()
        .flatten()
        .collect();
        let there = if there.is_empty() { "nothing".to_owned() } else { there.join(", ") };
        return Err(Problem::Call(format!(
            "{}: there is no such PHP here; what was found: {there} (`outlive where` lists all); these options choose, they do not make \
             one PHP another; for a PHP that is not here add --built-in or --php-ini FILE",
            asked.join(" ")
        )));
    }
    Ok(questions)
}

/// Web servers were found, and no PHP.
fn no_php(machine: &Machine) -> Problem {
    let kind = |server: &WebServer| if server.is_nginx { "nginx" } else { "Apache" };
    let shown = |server: &WebServer| format!("{} ({})", kind(server), server.view.shown(&server.config));
    let servers: Vec<String> = machine.servers.iter().map(shown).collect();
    Problem::Call(format!(
        "no PHP was found here, only {}: give a URL, which says where its requests go; or name the PHP's files (--php-ini, --fpm-conf) or its \
         tree (--root DIR)",
        servers.join(", ")
    ))
}

/// Every PHP that serves requests, or what there is.
fn survey(machine: &Machine, args: &SourceArgs, request: &RequestArgs) -> Result<Questions, Problem> {
    let wanted = Wanted::of(args)?;
    let mut out = Questions::default();
    let mut problems: Vec<Problem> = Vec::new();
    let mut has_apache = false;
    if wanted.takes(Sapi::Apache, None) {
        for server in machine.servers.iter().filter(|server| !server.is_nginx) {
            has_apache = true;
            let (source, loaded) = match of_apache(machine, server, &wanted.free(args)) {
                Ok(both) => both,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            if loaded.config.httpd().is_some_and(watch::is_loaded) {
                out.watched.push(server.view.shown(&server.config));
            }
            if loaded.config.httpd().is_some_and(|httpd| {
                httpd.php_module().is_some() || httpd.has_module(b"mod_php.c") && httpd.php_ini_dir().is_some()
            }) {
                out.all.push(Question::new(source, request.clone(), loaded));
            }
        }
    } else {
        has_apache = true;
    }
    let add_php = |php: &Php, out: &mut Vec<SourceArgs>| {
        let free = wanted.free(args);
        match php.sapi {
            Sapi::Fpm => match php.pools() {
                Ok(pools) if pools.is_empty() => out.push(php.source(&free, None)),
                Ok(pools) => out.extend(pools.iter().map(|pool| php.source(&free, Some(pool)))),
                Err(why) => note(&format!("{}: {why}", php.id())),
            },
            _ => out.push(php.source(&free, None)),
        }
    };
    let mut web: Vec<SourceArgs> = Vec::new();
    let (mut cgi, mut cli) = (Vec::new(), Vec::new());
    for php in machine.phps.iter().filter(|php| wanted.takes(php.sapi, php.version)) {
        match php.sapi {
            Sapi::Apache if has_apache => {}
            Sapi::Apache | Sapi::Fpm => add_php(php, &mut web),
            Sapi::Cgi => add_php(php, &mut cgi),
            _ => add_php(php, &mut cli),
        }
    }
    if wanted.id.is_some() || wanted.sapi.is_some() {
        web.append(&mut cgi);
        web.append(&mut cli);
    } else if out.all.is_empty() && web.is_empty() && problems.is_empty() {
        // As far as is known, nothing serves requests.
        web = if cgi.is_empty() { std::mem::take(&mut cli) } else { std::mem::take(&mut cgi) };
    }
    for source in web {
        match load::config(&source) {
            Ok(loaded) => out.all.push(Question::new(source, request.clone(), loaded)),
            Err(problem) => problems.push(problem),
        }
    }
    out.idle = cgi.into_iter().chain(cli).collect();
    match (out.all.is_empty(), problems.pop()) {
        (true, Some(problem)) => Err(problem),
        (_, problem) => {
            problems.extend(problem);
            for problem in &problems {
                note(&problem.text());
            }
            Ok(out)
        }
    }
}

/// An Apache with the PHP that is a module of it; where there is none the PHP is nobody's.
pub fn of_apache(machine: &Machine, server: &WebServer, args: &SourceArgs) -> Result<(SourceArgs, Loaded), Problem> {
    let mut source = server.source(args);
    let first = machine.servers.iter().find(|other| !other.is_nginx);
    if let Some(found) = source.found.as_mut().and_then(Arc::get_mut) {
        // The first one keeps the short name.
        if first.is_some_and(|first| !std::ptr::eq(first, server)) {
            found.behind = format!("/{}", server.view.shown(&server.config).trim_start_matches('/'));
        }
        found.steps.push(format!("{} ({})", server.view.shown(&server.config), server.found_by));
    }
    let loaded = load::config(&source)?;
    Ok((source, loaded))
}

/// What options about the PHP let through, before it is read.
pub struct Wanted {
    id: Option<String>,
    version: Option<PhpVersion>,
    pub sapi: Option<Sapi>,
}

impl Wanted {
    pub fn of(args: &SourceArgs) -> Result<Self, Problem> {
        Ok(Self {
            id: args.php.as_ref().map(|id| id.to_string_lossy().into_owned()),
            version: args.php_version.as_deref().map(load::version).transpose()?,
            sapi: args.sapi.as_ref().map(|sapi| load::sapi(sapi)).transpose()?.filter(|sapi| *sapi != Sapi::Web),
        })
    }

    /// Whether a PHP of that kind may be meant.
    fn takes(&self, sapi: Sapi, version: Option<PhpVersion>) -> bool {
        let by_id = self.id.as_ref().is_none_or(|id| {
            let mut parts = id.split('/');
            let of_version = parts.next().unwrap_or_default();
            let version = version.map(|version| version.to_string());
            version.is_none_or(|version| version.starts_with(of_version))
                && parts.next().is_none_or(|word| super::word(sapi).starts_with(word))
        });
        by_id
            && self.sapi.is_none_or(|wanted| wanted == sapi)
            && self.version.zip(version).is_none_or(|(wanted, version)| wanted == version)
    }

    /// The options without those that only choose. A version states what is assumed where none is known.
    pub fn free(&self, args: &SourceArgs) -> SourceArgs {
        SourceArgs { php: None, sapi: None, ..args.clone() }
    }
}
