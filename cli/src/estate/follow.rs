//! From a request to the PHP that runs it: web server, handler, SAPI, pool.

use super::question::{Question, Questions, of_apache};
use super::runner::Runner;
use super::{Found, Machine, Php, WebServer, cgi, panels, question, watch};
use crate::args::{RequestArgs, SourceArgs};
use crate::load::{self, Loaded};
use crate::nginx;
use crate::output::Problem;
use crate::pools::{self, Address};
use crate::request::with_target;
use crate::text;
use crate::view::View;
use outlive::config::{Outcome, Pool, Sapi};
use outlive::httpd::Resolution;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;

/// The result of a broken chain.
pub(super) fn broken(steps: &[String], why: &str) -> Problem {
    let steps: String = steps.iter().map(|step| format!("  {step}\n")).collect();
    let way = if steps.is_empty() { String::new() } else { format!("\nthe steps so far:\n{}", steps.trim_end()) };
    Problem::Call(format!("which PHP runs this request is not known: {why}{way}"))
}

/// The PHPs that may run a request: one, where only one web server may take it.
pub fn request(machine: &Machine, args: &SourceArgs, request: &RequestArgs) -> Result<Questions, Problem> {
    let wanted = question::Wanted::of(args)?;
    let free = wanted.free(args);
    // The command line SAPI serves no request.
    if wanted.sapi == Some(Sapi::Cli) || machine.servers.is_empty() {
        return without_server(machine, &free, request, &wanted);
    }
    let mut out = Questions::default();
    let mut problems: Vec<Problem> = Vec::new();
    let running = machine.servers.iter().any(|server| server.running.is_some());
    let servers = machine.servers.iter().filter(|server| !running || server.running.is_some());
    let servers: Vec<&WebServer> = servers.collect();
    let several = servers.len() > 1;
    for server in servers {
        let found = if server.is_nginx {
            nginx_in_front(machine, server, &free, request, several)
        } else {
            apache_in_front(machine, server, &free, request)
        };
        match found {
            Ok(questions) => out.all.extend(questions),
            Err(problem) => problems.push(problem),
        }
    }
    if out.all.is_empty() {
        return Err(problems.pop().unwrap_or_else(|| {
            let port = with_target(request, |target| target.port).unwrap_or_default();
            broken(
                &[],
                &format!("no web server that was found listens on port {port}; give --httpd-conf or --nginx-conf FILE"),
            )
        }));
    }
    problems.iter().for_each(|problem| crate::output::note(&problem.text()));
    Ok(out)
}

/// A request without a web server: the built-in one, or a SAPI that is chosen.
fn without_server(
    machine: &Machine,
    args: &SourceArgs,
    request: &RequestArgs,
    wanted: &question::Wanted,
) -> Result<Questions, Problem> {
    let is_cli = wanted.sapi == Some(Sapi::Cli);
    if !is_cli && request.url.is_some() {
        let fpms = machine.phps.iter().filter(|php| php.sapi == Sapi::Fpm).count();
        let what =
            if fpms == 0 { "no web server was found" } else { "PHP-FPM was found, and no web server in front of it" };
        return Err(broken(
            &[],
            &format!("{what}; give --httpd-conf or --nginx-conf FILE, or --php ID and --file PATH without a URL"),
        ));
    }
    let mut out = Questions::default();
    for php in machine.phps.iter().filter(|php| wanted.sapi.is_none_or(|sapi| sapi == php.sapi)) {
        let sources = match php.pools() {
            Ok(pools) if !pools.is_empty() => pools.iter().map(|pool| php.source(args, Some(pool))).collect(),
            _ => vec![php.source(args, None)],
        };
        for source in sources {
            let loaded = load::config(&source)?;
            out.all.push(Question::new(source, request.clone(), loaded));
        }
    }
    let is_web = |question: &Question| question.loaded.config.sapi() != Sapi::Cli;
    if out.all.iter().any(is_web) && !is_cli {
        out.all.retain(is_web);
    }
    Ok(out)
}

fn apache_in_front(
    machine: &Machine,
    server: &WebServer,
    args: &SourceArgs,
    request: &RequestArgs,
) -> Result<Vec<Question>, Problem> {
    let (source, loaded) = of_apache(machine, server, args)?;
    let port = with_target(request, nginx::port_of)?;
    if machine.servers.len() > 1 && loaded.config.httpd().is_some_and(|httpd| !listens(httpd, port)) {
        return Ok(Vec::new());
    }
    let looked = watch::look(&source, &loaded, request)?;
    looked.beside(request, behind_apache(machine, server, source, loaded, request))
}

/// The PHPs that may run a request that an Apache takes; the Apache itself where it answers.
pub fn behind_apache(
    machine: &Machine,
    server: &WebServer,
    source: SourceArgs,
    loaded: Loaded,
    request: &RequestArgs,
) -> Result<Vec<Question>, Problem> {
    let config = loaded.config;
    let Some(httpd) = config.httpd() else { return Ok(Vec::new()) };
    let run = match with_target(request, |target| httpd.resolve(&**config.files(), target))?? {
        Resolution::Run(run) => run,
        Resolution::Answer { .. } => return Ok(vec![Question::new(source, request.clone(), loaded)]),
    };
    if httpd.no_program(&run).is_some() && request.file.is_none() {
        return Ok(vec![Question::new(source, request.clone(), loaded)]);
    }
    let mut steps = vec![format!("{} ({})", server.view.shown(&server.config), server.found_by)];
    steps.push(format!("{} is {}", asked(request), text::shown(&run.filename)));
    let handler = run.handler.as_deref().unwrap_or_default();
    steps.push(format!("its handler is {}", if handler.is_empty() { "none".into() } else { text::shown(handler) }));
    let sources = match Runner::of(httpd, &run) {
        Runner::Fcgi => {
            let addresses = pools::of_httpd(&server.view, httpd, handler);
            if addresses.is_empty() {
                return Err(broken(
                    &steps,
                    &format!("{} leads to a balancer without a fcgi member that is known", text::shown(handler)),
                ));
            }
            let mut sources = Vec::new();
            for address in addresses {
                let (php, pool) = pool_at(machine, &server.view, &address, &steps)?;
                sources.push(php.source(&source, Some(pool)));
            }
            sources
        }
        Runner::Cgi => vec![cgi::source(machine, server, &source, &run, &steps)?],
        Runner::Panel(panel) => match panels::php(machine, httpd, &server.view, &panel) {
            Ok(php) => vec![php.source(&source, None)],
            Err(why) => return Err(broken(&steps, &why)),
        },
        Runner::Unknown => {
            let why = "it is no handler of a module that is known here, and one is loaded that is not; give --sapi and --php-ini FILE of the \
                       PHP that runs it";
            return Err(broken(&steps, why));
        }
        Runner::Httpd => return Ok(vec![Question::new(source, request.clone(), loaded)]),
    };
    let shared = config.httpd_shared().cloned();
    let question = |mut source: SourceArgs| {
        if let Some(found) = source.found.as_mut().map(Arc::make_mut) {
            found.httpd.clone_from(&shared);
            found.steps.clone_from(&steps);
        }
        let loaded = load::config(&source)?;
        Ok(Question::new(source, request.clone(), loaded))
    };
    sources.into_iter().map(question).collect()
}

/// Whether a `Listen` line has the port; without any such line nobody knows.
fn listens(httpd: &outlive::httpd::Configuration, port: u16) -> bool {
    let lines = httpd.kept_directives().filter(|line| line.name.eq_ignore_ascii_case(b"Listen"));
    let port_of = |args: &[u8]| {
        let address = args.split(u8::is_ascii_whitespace).find(|word| !word.is_empty())?.to_vec();
        let digits = address.rsplit(|&byte| byte == b':').next().map(<[u8]>::to_vec)?;
        std::str::from_utf8(&digits).ok()?.trim_matches('"').parse::<u16>().ok()
    };
    let mut ports = lines.map(|line| port_of(line.args)).peekable();
    ports.peek().is_none() || ports.any(|own| own.is_none_or(|own| own == port))
}

/// What was asked for, for people.
pub(super) fn asked(request: &RequestArgs) -> String {
    let named = [&request.url, &request.uri, &request.file].into_iter().flatten().next();
    named.map_or_else(|| "the request".to_owned(), |text| text::shown(text.as_bytes()))
}

/// The pool that listens there.
fn pool_at<'m>(
    machine: &'m Machine,
    view: &View,
    address: &Address,
    steps: &[String],
) -> Result<(&'m Php, &'m Pool), Problem> {
    let mut those: Vec<(&Php, &Pool)> = Vec::new();
    let mut others: Vec<String> = Vec::new();
    for php in machine.phps.iter().filter(|php| php.sapi == Sapi::Fpm && php.view.root() == view.root()) {
        match php.pools() {
            Ok(pools) => {
                for pool in pools {
                    let listen = pool.line(b"listen").map(|(listen, _)| listen);
                    if pools::of_pool(view, pool, php.fpm_prefix.as_deref()).as_ref() == Some(address) {
                        those.push((php, pool));
                    } else {
                        others.push(format!(
                            "{} ({})",
                            php.pool_id(&pool.name),
                            text::shown(listen.unwrap_or_default())
                        ));
                    }
                }
            }
            Err(why) => others.push(format!("{}: {why}", php.id())),
        }
    }
    if those.iter().any(|(php, _)| php.running.is_some()) {
        those.retain(|(php, _)| php.running.is_some());
    }
    match those[..] {
        [one] => Ok(one),
        [] => {
            let others = if others.is_empty() {
                "no pool was found at all".to_owned()
            } else {
                format!("found: {}", others.join(", "))
            };
            Err(broken(steps, &format!("{}; {others}; give --fpm-conf FILE of the one that does", address.nobody())))
        }
        [(one, first), (two, second), ..] => Err(broken(
            steps,
            &format!(
                "two pools listen on {address}: {} and {}; only one of them can",
                one.pool_id(&first.name),
                two.pool_id(&second.name)
            ),
        )),
    }
}

pub(super) fn ask(server: &nginx::Nginx, view: &View, request: &RequestArgs) -> Result<nginx::Answer, Problem> {
    with_target(request, |target| server.ask(view, target))
}

/// nginx answers by itself: no PHP is read for it.
pub(super) fn own(
    source: SourceArgs,
    request: &RequestArgs,
    config: &Path,
    view: &View,
    (status, because, location): (u16, String, Option<Vec<u8>>),
    notes: Vec<String>,
    steps: Vec<String>,
) -> Result<Questions, Problem> {
    let found = Found {
        view: view.clone(),
        id: "nginx".into(),
        server: Some(config.to_path_buf()),
        answer: Some(Outcome::Answer { status, because, location }),
        notes,
        steps,
        ..source.found.as_deref().cloned().unwrap_or_default()
    };
    let source = SourceArgs {
        found: Some(Arc::new(found)),
        built_in: true,
        php_ini: None,
        fpm_pool: None,
        pool: None,
        ..source
    };
    let loaded: Loaded = load::config(&source)?;
    Ok(Questions::of(vec![Question::new(source, request.clone(), loaded)]))
}

/// The request as the PHP behind nginx gets it.
pub fn handed_request(request: &RequestArgs, handed: &nginx::Handed) -> RequestArgs {
    let text = |bytes: &Option<Vec<u8>>| bytes.clone().map(OsString::from_vec);
    RequestArgs {
        url: None,
        uri: None,
        host: text(&handed.server_name).or_else(|| request.host.clone()),
        file: text(&handed.script),
        document_root: text(&handed.document_root),
        ..request.clone()
    }
}

/// What nginx hands over, as options for the PHP behind it.
pub(super) fn handed_over(
    mut source: SourceArgs,
    config: &Path,
    view: &View,
    handed: nginx::Handed,
    steps: Vec<String>,
) -> SourceArgs {
    let mut found = source.found.as_deref().cloned().unwrap_or_default();
    found.view = view.clone();
    found.server = Some(config.to_path_buf());
    found.notes.extend(handed.notes);
    found.steps = steps;
    found.params = handed.php_values;
    source.found = Some(Arc::new(found));
    source
}

fn nginx_in_front(
    machine: &Machine,
    server: &WebServer,
    args: &SourceArgs,
    request: &RequestArgs,
    several: bool,
) -> Result<Vec<Question>, Problem> {
    let nginx = nginx::read(&server.view, &server.config, server.root.as_deref())?;
    let port = with_target(request, nginx::port_of)?;
    if several && !nginx.listens(port) {
        return Ok(Vec::new());
    }
    let steps = vec![format!("{} ({})", server.view.shown(&server.config), server.found_by)];
    let source = SourceArgs { nginx_conf: None, ..server.source(args) };
    match ask(&nginx, &server.view, request)? {
        nginx::Answer::Own { status, because, location, notes } => {
            let answer = (status, because, location);
            let questions = own(source, request, &server.config, &server.view, answer, notes, steps)?.all;
            Ok(watch::of_nginx(&nginx, questions))
        }
        nginx::Answer::FastCgi(handed) => {
            let question = behind_nginx(machine, server, args, request, *handed, steps)?;
            Ok(watch::of_nginx(&nginx, vec![question]))
        }
    }
}

/// The PHP that gets what an nginx hands over.
pub fn behind_nginx(
    machine: &Machine,
    server: &WebServer,
    args: &SourceArgs,
    request: &RequestArgs,
    handed: nginx::Handed,
    mut steps: Vec<String>,
) -> Result<Question, Problem> {
    steps.extend(handed.steps.clone());
    let Some(address) = pools::of_pass(&server.view, &handed.pass) else {
        return Err(broken(&steps, &format!("fastcgi_pass {} is not known", text::shown(&handed.pass))));
    };
    let (php, pool) = pool_at(machine, &server.view, &address, &steps)?;
    let source = SourceArgs { nginx_conf: None, ..server.source(args) };
    let request = handed_request(request, &handed);
    let source = handed_over(source, &server.config, &server.view, handed, steps);
    let source = php.source(&source, Some(pool));
    let loaded = load::config(&source)?;
    Ok(Question::new(source, request, loaded))
}
