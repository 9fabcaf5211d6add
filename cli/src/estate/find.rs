//! Looks for web servers and PHPs: those that run, then those that are installed.

use super::layouts::{self, Place};
use super::processes::{self, Kind, Process};
use super::{Machine, Php, WebServer, units};
use crate::view::View;
use crate::{envvars, text};
use outlive::config::Sapi;
use outlive::files::Files;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Runs the whole discovery.
pub fn all(view: View) -> Machine {
    let mut machine = Machine { view: view.clone(), ..Machine::default() };
    let running = if view.is_machine() { processes::running(&mut machine.notes) } else { Vec::new() };
    machine.phps = layouts::found(&view).into_iter().map(|place| installed(&view, place)).collect();
    // A container has layouts of its own.
    let mut seen: Vec<PathBuf> = Vec::new();
    for process in running.iter().filter(|process| !process.view.is_machine()) {
        let root =
            process.view.outside(Path::new("/")).ok().and_then(|root| root.canonicalize().ok()).unwrap_or_default();
        if !seen.contains(&root) {
            let places = layouts::found(&process.view).into_iter();
            machine.phps.extend(places.map(|place| installed(&process.view, place)));
            seen.push(root);
        }
    }
    let mut unnamed = Vec::new();
    for process in &running {
        if process.kind == Kind::Fpm {
            fpm(&mut machine, process);
            continue;
        }
        match web_server(process, &mut machine.notes) {
            Some(server) => machine.servers.push(server),
            None if process.program.is_none() => unnamed.push(process),
            None => {}
        }
    }
    for place in layouts::servers(&view) {
        let same = |server: &&WebServer| view.canonical(&server.config) == view.canonical(&place.config);
        if !machine.servers.iter().any(|server| same(&server) && server.view.is_machine() == view.is_machine()) {
            machine.servers.push(stopped(&view, place));
        }
    }
    unnamed.into_iter().for_each(|process| may_be(&mut machine, process));
    // A running server is more likely to be meant than one that is only installed.
    machine.servers.sort_by_key(|server| server.running.is_none());
    tell_apart(&mut machine.phps);
    machine
}

fn installed(view: &View, place: Place) -> Php {
    let program = view.is_file(&place.program).then(|| place.program.clone());
    let what = match (&program, &place.fpm_conf) {
        (Some(program), _) => program.clone(),
        (None, Some(conf)) => conf.clone(),
        (None, None) => place.ini_dir.clone(),
    };
    let fpm_conf = place.fpm_conf.clone().filter(|conf| view.is_file(conf));
    let found_by = format!("found by {}", view.shown(&what));
    let mut php = Php { fpm_conf, program, found_by, ..Php::new(view, place.sapi, Some(place)) };
    if php.sapi == Sapi::Fpm {
        with_unit(&mut php, None);
    }
    php
}

/// What the unit says that starts it.
fn with_unit(php: &mut Php, name: Option<&str>) -> bool {
    let program = php.program.clone().or_else(|| php.place.as_ref().map(|place| place.program.clone()));
    let Some(unit) = program.and_then(|program| units::of(&php.view, name, &program)) else { return false };
    let options = units::options(&unit.command);
    php.notes.extend(unit.notes);
    let says = options.ini.is_some() || options.no_ini || !options.set.is_empty() || !unit.env.is_empty();
    if says {
        php.found_by =
            format!("{}, options and environment from the unit {}, not seen", php.found_by, php.view.shown(&unit.file));
    }
    (php.ini, php.no_ini) = (options.ini, options.no_ini);
    php.set = options.set.into_iter().map(OsString::from_vec).collect();
    php.env = unit.env;
    if let Some(conf) = options.conf {
        php.fpm_conf = Some(conf);
    }
    php.fpm_prefix = options.prefix.or(php.fpm_prefix.take());
    true
}

/// A php-fpm that runs: its program and its configuration file can be seen, nothing else.
fn fpm(machine: &mut Machine, process: &Process) {
    let view = &process.view;
    let conf = process.fpm_conf();
    let of_it = |php: &Php| {
        let same = process.program.as_ref().is_none_or(|program| {
            php.program.as_ref().is_some_and(|own| own == program || view.canonical(own) == view.canonical(program))
        });
        php.sapi == Sapi::Fpm && php.view.root() == view.root() && same
    };
    let place = machine.phps.iter().find(|php| of_it(php)).and_then(|php| php.place.clone());
    let free = machine.phps.iter().position(|php| {
        let same_conf = conf.as_ref().is_none_or(|conf| {
            php.fpm_conf.as_ref().is_some_and(|own| own == conf || view.canonical(own) == view.canonical(conf))
        });
        of_it(php) && php.running.is_none() && same_conf
    });
    let at = free.unwrap_or_else(|| {
        machine.phps.push(Php { program: process.program.clone(), ..Php::new(view, Sapi::Fpm, place) });
        machine.phps.len() - 1
    });
    let php = &mut machine.phps[at];
    php.running = Some(process.pid);
    php.found_by = format!("found by process {}", process.pid);
    php.fpm_conf = conf.or(php.fpm_conf.take());
    (php.ini, php.no_ini, php.env, php.set) = (None, false, Vec::new(), Vec::new());
    let conf = php.fpm_conf.clone();
    let has_unit = process.unit.as_deref().is_some_and(|unit| with_unit(php, Some(unit)));
    php.fpm_conf = conf;
    if !has_unit {
        php.notes.push(format!(
            "php-fpm (process {}) does not show its options (-c, -d, -n, -p) or PHP_INI_SCAN_DIR, and no unit tells them: unknown; \
             where it was started with some, give -d, --env, --php-ini",
            process.pid
        ));
    }
    age(process, php.fpm_conf.as_deref(), &mut php.notes);
}

/// What has changed since the process was started.
fn age(process: &Process, conf: Option<&Path>, notes: &mut Vec<String>) {
    if process.deleted {
        let program = process.program.as_deref().unwrap_or(Path::new("its program"));
        notes.push(format!(
            "{}: package replaced, not restarted (process {})",
            process.view.shown(program),
            process.pid
        ));
    }
    if let Some(conf) = conf.filter(|conf| process.is_older_than(conf)) {
        notes.push(format!("{}: changed after start; not in force until reload", process.view.shown(conf)));
    }
    if !process.view.is_machine() {
        notes.push(format!(
            "process {} has a root of its own: files are read through /proc/{}/root",
            process.pid, process.pid
        ));
    }
}

fn path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

/// A web server that runs: its main file is what its arguments or its program say. `machine` is told of one that is not.
fn web_server(process: &Process, machine: &mut Vec<String>) -> Option<WebServer> {
    let is_nginx = process.kind == Kind::Nginx;
    let [root, config, mark] = if is_nginx {
        process.built_with([(b"--prefix=", b' '), (b"--conf-path=", b' '), (b"nginx version: ", b'"')])
    } else {
        process.built_with([(b"HTTPD_ROOT=\"", b'"'), (b"SERVER_CONFIG_FILE=\"", b'"'), (b"SERVER_CONFIG_FILE", b'"')])
    };
    if process.program.is_some() && mark.is_none() {
        let program = process.view.shown(process.program.as_deref().unwrap_or(Path::new("its program")));
        machine.push(format!(
            "process {} is called {}, and {program} is no such web server that is known: passed over",
            process.pid,
            text::shown(process.name.as_bytes())
        ));
        return None;
    }
    let (root_option, config_option) = if is_nginx { ("-p", "-c") } else { ("-d", "-f") };
    let root = process.option(root_option).map(path).or(root);
    let config = process.option(config_option).map(path).or(config)?;
    let config = root.as_ref().map_or(config.clone(), |root| root.join(&config));
    let texts = |name: &str| process.options(name).into_iter().map(OsString::from_vec).collect::<Vec<_>>();
    let mut notes = Vec::new();
    age(process, Some(&config), &mut notes);
    let server = WebServer {
        view: process.view.clone(),
        is_nginx,
        config,
        root,
        running: Some(process.pid),
        found_by: format!("process {}", process.pid),
        ..WebServer::default()
    };
    if is_nginx {
        return Some(WebServer { notes, ..server });
    }
    if process.env.is_none() {
        notes.push(format!("the environment of process {} may not be read; run as root, or give --env", process.pid));
    }
    Some(WebServer {
        env: process.env.clone().unwrap_or_default(),
        defines: texts("-D").into_iter().filter(|name| !name.as_bytes().is_empty()).collect(),
        before: texts("-C"),
        after: texts("-c"),
        notes,
        ..server
    })
}

/// A server of which only the name may be seen is the one that is installed where layouts have it.
fn may_be(machine: &mut Machine, process: &Process) {
    let is_nginx = process.kind == Kind::Nginx;
    let mut those = machine.servers.iter_mut().filter(|server| {
        server.is_nginx == is_nginx && server.running.is_none() && server.view.root() == process.view.root()
    });
    if let (Some(server), None) = (those.next(), those.next()) {
        server.running = Some(process.pid);
        server.found_by = format!("{}, where a {} that runs is taken to have it", server.found_by, process.name);
    }
}

/// A web server that is installed and not known to run.
fn stopped(view: &View, place: layouts::ServerPlace) -> WebServer {
    let mut env = Vec::new();
    let mut notes = Vec::new();
    let mut defines = Vec::new();
    let directory = place.config.parent().unwrap_or(Path::new("/")).as_os_str().as_bytes().to_vec();
    let mut files: Vec<PathBuf> = place.environment.iter().cloned().collect();
    if !place.is_nginx {
        files.extend([PathBuf::from("/etc/default/apache2")].into_iter().filter(|path| view.is_file(path)));
    }
    for file in files {
        let Ok(text) = view.read(&file) else { continue };
        let mut known: Vec<(&[u8], &[u8])> = vec![(b"APACHE_CONFDIR", &directory)];
        known.extend(env.iter().map(|(name, value): &(Vec<u8>, Vec<u8>)| (&**name, &**value)));
        let read = envvars::read(&text, &known);
        for (line, text) in read.not_understood {
            notes.push(format!("{}:{line}: not understood: {text}", view.shown(&file)));
        }
        // What the start script hands to httpd.
        let options = read
            .variables
            .iter()
            .filter(|(name, _)| matches!(&**name, b"OPTIONS" | b"APACHE_ARGUMENTS" | b"HTTPD_OPTIONS"));
        for (_, value) in options {
            let words: Vec<&[u8]> = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
            let mut words = words.into_iter();
            while let Some(word) = words.next() {
                match word.strip_prefix(b"-D") {
                    Some(b"") => defines.extend(words.next().map(|name| OsString::from_vec(name.to_vec()))),
                    Some(name) => defines.push(OsString::from_vec(name.to_vec())),
                    None => {}
                }
            }
        }
        env.extend(read.variables);
    }
    WebServer {
        view: view.clone(),
        is_nginx: place.is_nginx,
        found_by: view.shown(&place.config),
        config: place.config,
        root: place.root,
        env,
        defines,
        notes,
        ..WebServer::default()
    }
}

/// Ids that would be equal get a path behind them: where a layout has one of them, that one keeps the short name.
fn tell_apart(phps: &mut [Php]) {
    for at in 0..phps.len() {
        let one = &phps[at];
        let in_place = |php: &Php| {
            php.place.as_ref().is_some_and(|place| place.fpm_conf.is_none() || place.fpm_conf == php.fpm_conf)
        };
        // Where a version is not known, one is assumed, and the id says that one.
        let same = |other: &Php| other.id_alone() == one.id_alone() && in_place(other);
        let is_first = in_place(one) && !phps[..at].iter().any(same);
        let in_container = one.view.root().is_some_and(|root| root.starts_with("/proc"));
        if is_first && !in_container {
            continue;
        }
        let path = one.fpm_conf.clone().or_else(|| one.program.clone());
        let path = path.or_else(|| one.place.as_ref().map(|place| place.ini_dir.clone())).unwrap_or_default();
        phps[at].behind = format!("/{}", one.view.shown(&path).trim_start_matches('/'));
    }
}

/// A program that is in no layout.
pub fn program(view: &View, sapi: Sapi, path: &Path) -> Php {
    Php {
        program: Some(path.to_path_buf()),
        found_by: format!("found by {}", view.shown(path)),
        ..Php::new(view, sapi, layouts::of_program(view, path))
    }
}
