//! From a request to the PHP that runs it: web server, handler, SAPI, pool.

use super::question::{Question, Questions, of_apache};
use super::{Found, Machine, Php, WebServer, panels, question, watch};
use crate::args::{RequestArgs, SourceArgs};
use crate::load::{self, Loaded};
use crate::nginx;
use crate::output::Problem;
use crate::pools::{self, Address};
use crate::request::with_target;
use crate::text;
use crate::view::View;
use outlive::config::{Outcome, Pool, Sapi};
use outlive::files::{Files, Kind};
use outlive::httpd::{Resolution, Run};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
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

/// The PHPs that run a request which one web server takes.
pub fn at(
    machine: &Machine,
    server: &WebServer,
    args: &SourceArgs,
    request: &RequestArgs,
) -> Result<Vec<Question>, Problem> {
    if server.is_nginx {
        nginx_in_front(machine, server, args, request, false)
    } else {
        let (source, loaded) = of_apache(machine, server, args)?;
        behind_apache(machine, server, source, loaded, request)
    }
}

fn apache_in_front(
    machine: &Machine,
    server: &WebServer,
    args: &SourceArgs,
    request: &RequestArgs,
) -> Result<Vec<Question>, Problem> {
    let (source, loaded) = of_apache(machine, server, args)?;
    let looked = watch::look(&source, &loaded, request)?;
    looked.beside(request, behind_apache(machine, server, source, loaded, request))
}

/// The PHPs that may run a request that an Apache takes; the Apache itself where it answers.
fn behind_apache(
    machine: &Machine,
    server: &WebServer,
    source: SourceArgs,
    loaded: Loaded,
    request: &RequestArgs,
) -> Result<Vec<Question>, Problem> {
    let config = loaded.config;
    let Some(httpd) = config.httpd() else { return Ok(Vec::new()) };
    let port = with_target(request, nginx::port_of)?;
    if machine.servers.len() > 1 && !listens(httpd, port) {
        return Ok(Vec::new());
    }
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
    let sources = if handler.starts_with(b"proxy:") {
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
    } else if matches!(handler, b"cgi-script" | b"fcgid-script") || run.program.is_some() {
        vec![cgi(machine, server, &source, &run, &steps)?]
    } else if let Some(panel) = panels::of_handler(handler) {
        match panels::php(machine, httpd, &server.view, &panel) {
            Ok(php) => vec![php.source(&source, None)],
            Err(why) => return Err(broken(&steps, &why)),
        }
    } else if !watch::MOD_PHP.contains(&handler) && httpd.no_program(&run).is_none() && !httpd.is_stock() {
        let why = "it is no handler of a module that is known here, and one is loaded that is not; give --sapi and --php-ini FILE of the PHP \
                   that runs it";
        return Err(broken(&steps, why));
    } else {
        return Ok(vec![Question::new(source, request.clone(), loaded)]);
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

/// php-cgi, by the program that `Action`, mod_cgi or mod_fcgid starts.
pub(super) fn cgi(
    machine: &Machine,
    server: &WebServer,
    source: &SourceArgs,
    run: &Run,
    steps: &[String],
) -> Result<SourceArgs, Problem> {
    let view = &server.view;
    let program = run.program.as_deref().unwrap_or(&run.filename);
    let program = Path::new(OsStr::from_bytes(program));
    let mut real = view.canonical(program);
    let mut env: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let cannot = |error| broken(steps, &format!("cannot read {}: {error}", view.shown(&real)));
    if let Some(text) = script(view, &real).map_err(cannot)? {
        let (target, more) = wrapper(&text).ok_or_else(|| {
            broken(
                steps,
                &format!(
                    "{} is a script, and which PHP it starts is not known; give --sapi cgi-fcgi and --php-ini FILE",
                    view.shown(&real)
                ),
            )
        })?;
        env = more;
        real = view.canonical(&target);
    }
    let ours = || machine.phps.iter().filter(|php| php.sapi == Sapi::Cgi && php.view.root() == view.root());
    let by = |same: &dyn Fn(&Path) -> bool| ours().find(|php| php.program.as_deref().is_some_and(same));
    let known = by(&|own| view.canonical(own) == real).or_else(|| by(&|own| same_text(view, own, &real)));
    let mut source = match known {
        Some(php) => php.source(source, None),
        None => {
            let php = super::find::program(view, Sapi::Cgi, &real);
            if php.place.is_none()
                && let Err(why) = php.built()
            {
                return Err(broken(steps, &format!("{} runs it: {why}", view.shown(&real))));
            }
            php.source(source, None)
        }
    };
    if let Some(found) = source.found.as_mut().map(Arc::make_mut) {
        if let Some(search) = &mut found.search {
            // The server starts a program in its own directory.
            search.working_dir = program.parent().map(Path::to_path_buf);
        }
        // mod_env's variables are those of the program.
        for variable in run.variables.iter().filter(|one| matches!(&*one.name, b"PHPRC" | b"PHP_INI_SCAN_DIR")) {
            found.env.insert(0, (variable.name.clone(), variable.value.clone()));
        }
        found.env.splice(0..0, env);
    }
    Ok(source)
}

/// A script that starts PHP is short: no more of it is looked at.
const SCRIPT: u64 = 64 << 10;

/// The beginning of a program, where it is a script; none: it is no script.
fn script(view: &View, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut text = vec![0; 2];
    let mut file = open(view, path)?;
    if file.read_exact(&mut text).is_err() || text != b"#!" {
        return Ok(None);
    }
    file.take(SCRIPT).read_to_end(&mut text)?;
    Ok(Some(text))
}

/// Debian keeps one program under two names, and neither is a link. Both are read side by side, and only as far as they are the same.
fn same_text(view: &View, one: &Path, two: &Path) -> bool {
    let (Ok(mut one), Ok(mut two)) = (open(view, one), open(view, two)) else { return false };
    let size = |file: &File| file.metadata().map(|data| data.len()).ok();
    if size(&one) != size(&two) || size(&one).is_none_or(|size| size == 0) {
        return false;
    }
    let (mut left, mut right) = (vec![0; PIECE], vec![0; PIECE]);
    loop {
        match one.read(&mut left) {
            Ok(0) => return true,
            Ok(got) if two.read_exact(&mut right[..got]).is_ok() && left[..got] == right[..got] => {}
            _ => return false,
        }
    }
}

const PIECE: usize = 64 << 10;

/// A regular file; a device or a pipe is not opened.
fn open(view: &View, path: &Path) -> io::Result<File> {
    match view.kind(path)? {
        Kind::File => File::open(view.outside(path)?),
        _ => Err(io::Error::other("it is no regular file")),
    }
}

type Variables = Vec<(Vec<u8>, Vec<u8>)>;

/// The program that a script starts: `exec PROGRAM`, with the variables that it exports.
fn wrapper(text: &[u8]) -> Option<(PathBuf, Variables)> {
    let line = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).find(|line| line.starts_with(b"exec "))?;
    let program = line[5..].split(u8::is_ascii_whitespace).find(|word| !word.is_empty())?;
    let plain =
        program.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/._+-".contains(byte)) && program.starts_with(b"/");
    let env = crate::envvars::read(text, &[]).variables;
    plain.then(|| (PathBuf::from(OsStr::from_bytes(program)), env))
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
pub(super) fn handed_over(
    mut source: SourceArgs,
    request: &RequestArgs,
    config: &Path,
    view: &View,
    handed: nginx::Handed,
    steps: Vec<String>,
) -> (SourceArgs, RequestArgs) {
    let mut found = source.found.as_deref().cloned().unwrap_or_default();
    found.view = view.clone();
    found.server = Some(config.to_path_buf());
    found.notes.extend(handed.notes);
    found.steps = steps;
    found.params = handed.php_values;
    source.found = Some(Arc::new(found));
    let text = |bytes: Vec<u8>| OsString::from_vec(bytes);
    let request = RequestArgs {
        url: None,
        uri: None,
        host: handed.server_name.map(text).or_else(|| request.host.clone()),
        file: handed.script.map(text),
        document_root: handed.document_root.map(text),
        ..request.clone()
    };
    (source, request)
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
    let mut steps = vec![format!("{} ({})", server.view.shown(&server.config), server.found_by)];
    let source = server.source(args);
    let source = SourceArgs { nginx_conf: None, ..source };
    match ask(&nginx, &server.view, request)? {
        nginx::Answer::Own { status, because, location, notes } => {
            let answer = (status, because, location);
            let questions = own(source, request, &server.config, &server.view, answer, notes, steps)?.all;
            Ok(watch::of_nginx(&nginx, questions))
        }
        nginx::Answer::FastCgi(handed) => {
            steps.extend(handed.steps.clone());
            let Some(address) = pools::of_pass(&server.view, &handed.pass) else {
                return Err(broken(&steps, &format!("fastcgi_pass {} is not known", text::shown(&handed.pass))));
            };
            let (php, pool) = pool_at(machine, &server.view, &address, &steps)?;
            let (source, request) = handed_over(source, request, &server.config, &server.view, *handed, steps);
            let source = php.source(&source, Some(pool));
            let loaded = load::config(&source)?;
            Ok(watch::of_nginx(&nginx, vec![Question::new(source, request, loaded)]))
        }
    }
}
