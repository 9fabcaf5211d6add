//! The `.htaccess` and `.user.ini` files below the document roots of web servers: those of every virtual host, when no request is named.

mod apache;
mod nginx;
mod told;

use super::walk::{Walk, whole};
use super::{judge_unknown, note, of_settings, texts, warning};
use crate::args::{RequestArgs, SourceArgs};
use crate::estate::question::{self, Question, Questions, Wanted};
use crate::estate::{self, Machine, follow, named};
use crate::extensions::Extensions;
use crate::load::{self, Loaded};
use crate::output::Problem;
use crate::request::with_target;
use crate::{nginx as servers, pools, text};
use apache::Apache;
use nginx::Nginx;
use outlive::config::{Config, Outcome, Sapi, Settings};
use outlive::diagnostic::{Diagnosis, Diagnostic};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use told::Told;

/// The search below all roots, and what it has found.
#[derive(Default)]
pub struct Below {
    walk: Walk,
    told: Told,
}

impl Below {
    /// Looks below the roots of the servers that a source is about; `questions` are its PHPs.
    pub fn look(&mut self, source: &SourceArgs, questions: &Questions) -> Result<(), Problem> {
        if let Some(machine) = &questions.machine {
            return self.of_machine(machine, source);
        }
        if source.nginx_conf.is_some() {
            return self.of_named_nginx(source);
        }
        questions.all.iter().try_for_each(|question| self.of_question(question))
    }

    /// What was found, each with the id of the PHP or the server that it is about, and then what was not looked at.
    pub fn all(self) -> (Vec<(String, Diagnostic)>, Vec<Diagnostic>) {
        (self.told.all(), self.walk.notes)
    }

    /// Apache that options name.
    fn of_question(&mut self, question: &Question) -> Result<(), Problem> {
        let (source, loaded) = (&question.source, &question.loaded);
        let ask = |request: &RequestArgs, handler: &[u8]| named_pool(source, loaded, request, handler);
        Apache::new(source, loaded, &ask).check(&mut self.walk, &mut self.told)
    }

    /// nginx that options name, with the pools that they name.
    fn of_named_nginx(&mut self, source: &SourceArgs) -> Result<(), Problem> {
        let view = estate::view(source)?;
        let mut source = load::in_directories(&question::with_view(source)?)?;
        let Some(config) = source.nginx_conf.take() else { return Ok(()) };
        let nginx = servers::read(&view, &config, None)?;
        let ask = |request: &RequestArgs, handed: servers::Handed| {
            named::behind_nginx(source.clone(), request, (&config, &view), handed, Vec::new())
        };
        Nginx::new(&nginx, &view, &ask).check(&mut self.walk, &mut self.told)
    }

    /// The web servers of a machine: those that run, where any does.
    fn of_machine(&mut self, machine: &Machine, args: &SourceArgs) -> Result<(), Problem> {
        let args = &Wanted::of(args)?.free(args); // they choose among PHPs, and a server is none
        let running = machine.servers.iter().any(|server| server.running.is_some());
        for server in machine.servers.iter().filter(|server| !running || server.running.is_some()) {
            if server.is_nginx {
                let nginx = match servers::read(&server.view, &server.config, server.root.as_deref()) {
                    Ok(nginx) => nginx,
                    Err(problem) => {
                        self.told.refused(problem);
                        continue;
                    }
                };
                let ask = |request: &RequestArgs, handed: servers::Handed| {
                    follow::behind_nginx(machine, server, args, request, handed, Vec::new())
                };
                Nginx::new(&nginx, &server.view, &ask).check(&mut self.walk, &mut self.told)?;
            } else {
                let (source, loaded) = match question::of_apache(machine, server, args) {
                    Ok(both) => both,
                    Err(problem) => {
                        self.told.refused(problem);
                        continue;
                    }
                };
                let ask = |request: &RequestArgs, _: &[u8]| {
                    follow::behind_apache(machine, server, source.clone(), loaded.clone(), request)
                };
                Apache::new(&source, &loaded, &ask).check(&mut self.walk, &mut self.told)?;
            }
        }
        Ok(())
    }
}

/// The pool behind a handler, among those that options name.
fn named_pool(
    source: &SourceArgs,
    loaded: &Loaded,
    request: &RequestArgs,
    handler: &[u8],
) -> Result<Vec<Question>, Problem> {
    let problem = || {
        let to = text::shown(handler);
        Problem::Call(format!(
            "{to} runs what is here, and no pool was named: give --fpm-conf FILE, and --php-ini FILE of that PHP"
        ))
    };
    let Some(httpd) = loaded.config.httpd().filter(|_| source.fpm_pool.is_some()) else { return Err(problem()) };
    let addresses = pools::of_httpd(&loaded.view, httpd, handler);
    let [address] = &addresses[..] else { return Err(problem()) };
    let name = match pools::at(&loaded.view, loaded.config.pools(), source.fpm_prefix.as_deref(), Some(address)) {
        pools::Choice::Stays => loaded.config.pools().iter().find(|pool| pool.is_chosen).map(|pool| pool.name.clone()),
        pools::Choice::Other(name) => Some(name),
        pools::Choice::Unknown(why) | pools::Choice::Wrong(why) => return Err(Problem::Call(why)),
    };
    let source = SourceArgs { pool: name.map(OsString::from_vec), ..source.clone() };
    let loaded = load::config(&source)?;
    Ok(vec![Question::new(source, request.clone(), loaded)])
}

/// A path in a URL.
fn escaped(path: &[u8]) -> String {
    let one = |&byte: &u8| {
        let plain = byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte);
        if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    path.iter().map(one).collect()
}

/// That it is not known who reads a file.
fn unknown(path: &Path, problem: &Problem) -> Diagnostic {
    let why = problem.text();
    let why = why.lines().next().unwrap_or_default();
    not_known(path, why.strip_prefix("which PHP runs this request is not known: ").unwrap_or(why))
}

fn not_known(path: &Path, why: &str) -> Diagnostic {
    let text = format!("this file was not checked, since the PHP that would read it is not known: {why}");
    note(Diagnosis::NotSearched, whole(path), text)
}

/// Whether a server passes a program on that is not there, so that PHP-FPM says so: it may be where PHP looks, in a chroot or a container.
fn is_passed_on(status: u16, because: &str) -> bool {
    status == 404 && because.contains("passes it on nevertheless")
}

/// That no PHP reads a file, and why, where the server says it.
fn nobody(path: &Path, because: Option<&str>) -> Diagnostic {
    let because = because.map_or_else(String::new, |because| format!(" ({because})"));
    let text = format!("nobody reads this file: no PHP runs what is served from this directory{because}");
    note(Diagnosis::NoEffect, whole(path), text)
}

/// The `.user.ini` of a program's directory, for the PHP that runs it: what is wrong with it, or why this PHP does not read it.
fn user_ini(
    source: &SourceArgs,
    loaded: &Loaded,
    request: &RequestArgs,
    path: &Path,
    told: &mut Told,
) -> Result<(), Problem> {
    let why = match load::outcome(loaded, request)? {
        Outcome::Answer { because, .. } => because,
        Outcome::Run(settings) => {
            let is_this = |file: &[u8]| file == path.as_os_str().as_bytes();
            let unreadable = settings.diagnostics().iter().any(|one| one.origin.file.as_deref().is_some_and(is_this));
            let is_read = unreadable || settings.user_ini_files().any(|(file, _)| is_this(file));
            if is_read || !has_user_ini(loaded) {
                told.is_read(&loaded.view, path);
                return of_run(source, loaded, request, &settings, path, told);
            }
            passed_over(loaded, request, path)
        }
    };
    let id = loaded.context.id(loaded.config);
    let text = format!("PHP does not read this file: {why} ({id})");
    told.is_unread(&loaded.view, &id, path, warning(Diagnosis::NoEffect, whole(path), text));
    Ok(())
}

/// Whether a PHP has such files at all.
fn has_user_ini(loaded: &Loaded) -> bool {
    matches!(loaded.config.sapi(), Sapi::Fpm | Sapi::Cgi)
}

/// Why a PHP does not read a `.user.ini`, though it runs the program beside it.
fn passed_over(loaded: &Loaded, request: &RequestArgs, path: &Path) -> String {
    let base = loaded.config.base();
    let name = base.get(b"user_ini.filename").unwrap_or_default();
    if path.file_name().is_none_or(|own| own.as_bytes() != name) {
        return format!("its user_ini.filename is \"{}\"", text::shown(name));
    }
    if let Some(home) = loaded.user_ini_only_below().filter(|home| !path.starts_with(home)) {
        let home = loaded.view.shown(home);
        return format!("it reads none outside of {home}, the home of the account that runs it");
    }
    if request.document_root.is_none() && loaded.config.httpd().is_none() {
        return "the web server hands over no DOCUMENT_ROOT, without which it looks for none; add fastcgi_param DOCUMENT_ROOT $document_root".into();
    }
    "it is neither between the document root and the program, nor beside it, or the account that runs the program may not read it".into()
}

/// What a request finds that is about one file.
fn of_file(
    source: &SourceArgs,
    loaded: &Loaded,
    request: &RequestArgs,
    path: &Path,
    told: &mut Told,
) -> Result<(), Problem> {
    match load::outcome(loaded, request)? {
        Outcome::Run(settings) => of_run(source, loaded, request, &settings, path, told),
        Outcome::Answer { .. } => Ok(()), // no program runs
    }
}

/// The same, where what is in force for the request is known.
fn of_run(
    source: &SourceArgs,
    loaded: &Loaded,
    request: &RequestArgs,
    settings: &Settings,
    path: &Path,
    told: &mut Told,
) -> Result<(), Problem> {
    let config: &Config = loaded.config;
    let mut all = Vec::new();
    of_settings(config, settings, &Extensions::of(config, source), &mut all);
    with_target(request, |target| texts::unseen(config, target, &mut all))?;
    let file = path.as_os_str().as_bytes();
    judge_unknown(config, &mut all);
    for one in all.into_iter().filter(|one| one.origin.file.as_deref() == Some(file)) {
        told.say(loaded, one);
    }
    Ok(())
}
