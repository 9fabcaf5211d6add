//! Web servers that options name, and the PHP behind them.

use super::follow::{ask, asked, broken, handed_over, handed_request, own};
use super::question::{self, Question, Questions};
use super::{Machine, WebServer, cgi, watch};
use crate::args::{RequestArgs, SourceArgs};
use crate::load::{self, Loaded};
use crate::output::Problem;
use crate::request::with_target;
use crate::view::View;
use crate::{nginx, pools, text};
use outlive::httpd::Resolution;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::sync::Arc;

/// httpd, that options name without the PHP behind it. A program that its files name is followed, as its modules are.
pub fn apache(source: &SourceArgs, request: &RequestArgs, loaded: Loaded) -> Result<Questions, Problem> {
    let looked = watch::look(source, &loaded, request)?;
    Ok(Questions::of(looked.beside(request, behind_named(source, request, loaded))?))
}

fn behind_named(source: &SourceArgs, request: &RequestArgs, loaded: Loaded) -> Result<Vec<Question>, Problem> {
    let as_is = |loaded| Ok(vec![Question::new(source.clone(), request.clone(), loaded)]);
    let says_php =
        source.php_ini.is_some() || source.php_ini_search || source.fpm_pool.is_some() || source.sapi.is_some();
    let (Some(conf), Some(httpd), false) = (&source.httpd_conf, loaded.config.httpd(), says_php) else {
        return as_is(loaded);
    };
    if request.url.is_none() && request.uri.is_none() {
        return as_is(loaded);
    }
    let Resolution::Run(run) = with_target(request, |target| httpd.resolve(&**loaded.config.files(), target))?? else {
        return as_is(loaded);
    };
    let handler = run.handler.as_deref().unwrap_or_default();
    let mut steps = vec![loaded.view.shown(conf), format!("{} is {}", asked(request), text::shown(&run.filename))];
    steps.push(format!("its handler is {}", text::shown(handler)));
    let is_fcgi = handler.starts_with(b"proxy:") && httpd.no_program(&run).is_none();
    if is_fcgi {
        let why = "PHP-FPM runs it, and no pool was named: give --fpm-conf FILE, and --php-ini FILE of that PHP";
        return Err(broken(&steps, why));
    }
    if !matches!(handler, b"cgi-script" | b"fcgid-script") && run.program.is_none() {
        return as_is(loaded);
    }
    let server = WebServer { view: loaded.view.clone(), config: conf.clone(), ..WebServer::default() };
    let free = SourceArgs { found: Some(source.found.clone().unwrap_or_default()), ..source.clone() };
    let mut source = cgi::source(&Machine::default(), &server, &free, &run, &steps)?;
    if let Some(found) = source.found.as_mut().map(Arc::make_mut) {
        found.httpd = loaded.config.httpd_shared().cloned();
        found.steps = steps;
    }
    let loaded = load::config(&source)?;
    Ok(vec![Question::new(source, request.clone(), loaded)])
}

/// nginx is the one web server that options name.
pub fn alone(source: &SourceArgs) -> Result<(), Problem> {
    if source.nginx_conf.is_some() && source.httpd_conf.is_some() {
        return Err(Problem::Call("--nginx-conf and --httpd-conf name two web servers: give one of them".into()));
    }
    Ok(())
}

/// nginx, that options name, with the pools that they name.
pub fn nginx(source: &SourceArgs, request: &RequestArgs) -> Result<Questions, Problem> {
    let Some(config) = &source.nginx_conf else { return Ok(Questions::default()) };
    alone(source)?;
    let view = source.found.as_ref().map(|found| found.view.clone()).unwrap_or_default();
    let mut source = load::in_directories(source)?;
    let config = source.nginx_conf.take().unwrap_or_else(|| config.clone());
    if !question::is_request(request) {
        return Err(Problem::Call("--nginx-conf needs --url URL: it says which request goes where".into()));
    }
    let server = nginx::read(&view, &config, None)?;
    let steps = vec![view.shown(&config)];
    match ask(&server, &view, request)? {
        nginx::Answer::Own { status, because, location, notes } => {
            let questions = own(source, request, &config, &view, (status, because, location), notes, steps)?.all;
            Ok(Questions::of(watch::of_nginx(&server, questions)))
        }
        nginx::Answer::FastCgi(handed) => {
            let question = behind_nginx(source, request, (&config, &view), *handed, steps)?;
            Ok(Questions::of(watch::of_nginx(&server, vec![question])))
        }
    }
}

/// The pool among those that options name that gets what an nginx hands over.
pub fn behind_nginx(
    source: SourceArgs,
    request: &RequestArgs,
    (config, view): (&Path, &View),
    handed: nginx::Handed,
    mut steps: Vec<String>,
) -> Result<Question, Problem> {
    steps.extend(handed.steps.clone());
    let address = pools::of_pass(view, &handed.pass);
    if source.fpm_pool.is_none() {
        let to = text::shown(&handed.pass);
        return Err(broken(
            &steps,
            &format!("it goes to {to}, and no pool was named: give --fpm-conf FILE, and --php-ini FILE of that PHP"),
        ));
    }
    let request = handed_request(request, &handed);
    let mut source = handed_over(source, config, view, handed, steps.clone());
    let mut loaded = load::config(&source)?;
    if source.pool.is_none() {
        match pools::at(view, loaded.config.pools(), source.fpm_prefix.as_deref(), address.as_ref()) {
            pools::Choice::Stays => {}
            pools::Choice::Other(name) => {
                source.pool = Some(OsString::from_vec(name));
                loaded = load::config(&source)?;
            }
            pools::Choice::Unknown(text) | pools::Choice::Wrong(text) => return Err(broken(&steps, &text)),
        }
    }
    Ok(Question::new(source, request, loaded))
}
