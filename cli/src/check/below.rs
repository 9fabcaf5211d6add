//! The `.htaccess` and `.user.ini` files below the document roots of web servers: those of every virtual host, when no request is named.

use super::walk::{self, Place, Walk, whole};
use super::{finding, judge_unknown, mistakes, note, of_settings, texts, warning};
use crate::args::{RequestArgs, SourceArgs};
use crate::estate::question::{self, Question, Wanted};
use crate::estate::{self, Machine, WebServer, follow, watch};
use crate::extensions::Extensions;
use crate::load::{self, Loaded};
use crate::output::Problem;
use crate::request::{THIS_MACHINE, with_target};
use crate::{nginx, pools, skipped, text};
use outlive::config::{Config, Outcome};
use outlive::diagnostic::{Diagnosis, Diagnostic, Severity};
use outlive::files::{Files, Kind, Stamp};
use outlive::httpd::{Configuration, Host, OverrideLine, Resolution};
use outlive::origin::Origin;
use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What is found below the roots of the servers that options name.
pub fn of_question(question: &Question, walk: &mut Walk, found: &mut Vec<Diagnostic>) -> Result<(), Problem> {
    let (source, loaded) = (&question.source, &question.loaded);
    let named = |request: &RequestArgs, handler: &[u8]| named_pool(source, loaded, request, handler);
    Apache::new(source, loaded, &named).check(walk, found)
}

/// What is found below the roots of the web servers of a machine.
pub fn of_machine(args: &SourceArgs, walk: &mut Walk, found: &mut Vec<Diagnostic>) -> Result<(), Problem> {
    let args = &Wanted::of(args)?.free(args); // they choose among PHPs, and a server is none
    let machine = estate::machine(args)?;
    let running = machine.servers.iter().any(|server| server.running.is_some());
    let mut known = HashSet::new();
    for server in machine.servers.iter().filter(|server| !running || server.running.is_some()) {
        let mut own = Vec::new();
        if server.is_nginx {
            of_nginx(&machine, server, args, walk, &mut own)?;
        } else {
            // What is wrong with its files is said where the PHP behind it is checked.
            let Ok((source, loaded)) = question::of_apache(&machine, server, args) else { continue };
            let ask = |request: &RequestArgs, _: &[u8]| follow::at(&machine, server, args, request);
            Apache::new(&source, &loaded, &ask).check(walk, &mut own)?;
        }
        let new = |one: &Diagnostic| known.insert((server.view.root().map(Path::to_path_buf), said_once(one)));
        found.extend(own.into_iter().filter(new));
    }
    Ok(())
}

/// Of what several servers say of one line, the first is enough.
pub fn said_once(one: &Diagnostic) -> (String, Diagnosis) {
    (one.origin.to_string(), one.code)
}

/// The PHPs behind a handler, for a request.
type Ask<'a> = dyn Fn(&RequestArgs, &[u8]) -> Result<Vec<Question>, Problem> + 'a;

/// An Apache.
struct Apache<'a> {
    source: &'a SourceArgs,
    loaded: &'a Loaded,
    ask: &'a Ask<'a>,
    /// The name of PHP's own files.
    user_ini: Vec<u8>,
    /// Who is behind a handler; what is not known is said once.
    known: HashMap<Behind, Vec<Question>>,
    /// The access files that a host reads, and what is said of those that one does not.
    read: HashSet<PathBuf>,
    unread: Vec<(PathBuf, Diagnostic)>,
}

/// A handler, the program that it leads to, and what in its environment chooses a php.ini.
type Behind = (Vec<u8>, Option<Vec<u8>>, Vec<(Vec<u8>, Vec<u8>)>);

impl<'a> Apache<'a> {
    fn new(source: &'a SourceArgs, loaded: &'a Loaded, ask: &'a Ask<'a>) -> Self {
        let base = loaded.config.base();
        let user_ini = base.get(b"user_ini.filename").filter(|name| !name.is_empty()).unwrap_or(b".user.ini").to_vec();
        Self { source, loaded, ask, user_ini, known: HashMap::new(), read: HashSet::new(), unread: Vec::new() }
    }

    fn check(mut self, walk: &mut Walk, found: &mut Vec<Diagnostic>) -> Result<(), Problem> {
        self.hosts(walk, found)?;
        // A file that one host reads is read, whatever the others do.
        let Self { read, unread, .. } = self;
        found.extend(unread.into_iter().filter(|(path, _)| !read.contains(path)).map(|(_, said)| said));
        Ok(())
    }

    fn hosts(&mut self, walk: &mut Walk, found: &mut Vec<Diagnostic>) -> Result<(), Problem> {
        let config = self.loaded.config;
        let Some(httpd) = config.httpd() else { return Ok(()) };
        for host in httpd.hosts() {
            let names = walk::names(&host.access_names, &self.user_ini);
            let root = Path::new(OsStr::from_bytes(host.document_root));
            for place in walk.below(&self.loaded.view, root, &names).iter() {
                if !walk.takes(&place.dir) {
                    return Ok(());
                }
                self.place(httpd, &host, place, walk, found)?;
            }
        }
        Ok(())
    }

    fn place(
        &mut self,
        httpd: &Configuration,
        host: &Host<'_>,
        place: &Place,
        walk: &mut Walk,
        found: &mut Vec<Diagnostic>,
    ) -> Result<(), Problem> {
        let request = request_of(host, place);
        // The first of its names counts.
        let is_there = |name: &&[u8]| place.names.iter().any(|own| own.as_bytes() == *name);
        let default: [&[u8]; 1] = [b".htaccess"];
        let names = if host.access_names.is_empty() { &default[..] } else { &host.access_names };
        if let Some(name) = names.iter().find(|name| is_there(name)) {
            let path = place.dir.join(OsStr::from_bytes(name));
            self.access_file(httpd, host, (&path, place.by_link.as_deref()), &request, found)?;
        }
        if is_there(&&*self.user_ini) {
            self.user_ini_file(httpd, &place.dir, &request, walk, found)?;
        }
        Ok(())
    }

    /// An `.htaccess`: whether Apache reads it, and what is wrong with it.
    fn access_file(
        &mut self,
        httpd: &Configuration,
        host: &Host<'_>,
        (path, by_link): (&Path, Option<&Path>),
        request: &RequestArgs,
        found: &mut Vec<Diagnostic>,
    ) -> Result<(), Problem> {
        let config = self.loaded.config;
        let probe = Probe { files: &**config.files(), path, met: Cell::new(false) };
        let mut resolution = with_target(request, |target| httpd.resolve(&probe, target))??;
        if let Some(way) = by_link {
            // A file that is named is not refused for the links on its path; a URL is.
            let uri: String = way.as_os_str().as_bytes().iter().map(|&byte| escaped(byte)).collect();
            let request = RequestArgs { uri: Some(format!("/{uri}/").into()), file: None, ..request.clone() };
            let answer = with_target(&request, |target| httpd.resolve(&**config.files(), target))??;
            if matches!(&answer, Resolution::Answer { status: 403, because, .. } if because.contains("symbolic link")) {
                probe.met.set(false);
                resolution = answer;
            }
        }
        let text = config.files().read(path).unwrap_or_default();
        let sets = skipped::set_by_htaccess(&text);
        if !probe.met.get() {
            let why = match resolution {
                Resolution::Answer { because, .. } => because,
                Resolution::Run(_) => not_allowed(httpd, host, path.parent().unwrap_or(path)),
            };
            self.unread.push((path.to_path_buf(), unread(path, &why, &sets)));
            return Ok(());
        }
        self.read.insert(path.to_path_buf());
        let mut refused = with_target(request, |target| httpd.refusals(&**config.files(), target))??;
        refused.retain(|error| error.origin.file.as_deref() == Some(path.as_os_str().as_bytes()));
        for (at, error) in refused.iter().enumerate() {
            let text = match at {
                0 => format!(
                    "{}: every request below is answered with 500{}",
                    error.message,
                    mistakes::fix(&error.message)
                ),
                _ => format!("{}: refused as well; Apache stops before it", error.message),
            };
            found.push(finding(Severity::Error, Diagnosis::ServerError, error.origin.clone(), text));
        }
        if !sets.is_empty() && refused.is_empty() {
            of_file(self.source, self.loaded, request, path, found)?;
        }
        Ok(())
    }

    /// A `.user.ini`, for the PHP behind this Apache.
    fn user_ini_file(
        &mut self,
        httpd: &Configuration,
        dir: &Path,
        request: &RequestArgs,
        walk: &mut Walk,
        found: &mut Vec<Diagnostic>,
    ) -> Result<(), Problem> {
        let path = dir.join(OsStr::from_bytes(&self.user_ini));
        let files = self.loaded.config.files();
        let Resolution::Run(run) = with_target(request, |target| httpd.resolve(&**files, target))?? else {
            return Ok(());
        };
        let handler = run.handler.clone().unwrap_or_default();
        let is_elsewhere = handler.starts_with(b"proxy:")
            || run.program.is_some()
            || matches!(&*handler, b"cgi-script" | b"fcgid-script");
        if !is_elsewhere {
            let is_php = watch::MOD_PHP.contains(&&*handler) || httpd.is_stock();
            return if is_php { of_file(self.source, self.loaded, request, &path, found) } else { Ok(()) };
        }
        let chooses = |name: &[u8]| matches!(name, b"PHPRC" | b"PHP_INI_SCAN_DIR");
        let variables = run.variables.iter().filter(|one| chooses(&one.name));
        let variables = variables.map(|one| (one.name.to_vec(), one.value.to_vec())).collect();
        // A CGI script is its own program.
        let program = run.program.clone().or_else(|| (!handler.starts_with(b"proxy:")).then(|| run.filename.clone()));
        let questions = match self.known.entry((handler.to_vec(), program, variables)) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(free) => {
                let asked = (self.ask)(request, &handler);
                free.insert(asked.unwrap_or_else(|problem| {
                    unknown(walk, &path, &problem);
                    Vec::new()
                }))
            }
        };
        for question in questions.iter() {
            of_file(&question.source, &question.loaded, request, &path, found)?;
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

/// nginx reads no file below its roots; PHP-FPM behind it does.
fn of_nginx(
    machine: &Machine,
    server: &WebServer,
    args: &SourceArgs,
    walk: &mut Walk,
    found: &mut Vec<Diagnostic>,
) -> Result<(), Problem> {
    let Ok(nginx) = nginx::read(&server.view, &server.config, server.root.as_deref()) else { return Ok(()) };
    for root in nginx.roots() {
        let dir = Path::new(OsStr::from_bytes(&root.dir));
        let names = walk::names(&[], b".user.ini");
        for place in walk.below(&server.view, dir, &names).iter() {
            let has = |name: &str| place.names.iter().any(|own| own == name);
            let sets = || {
                server
                    .view
                    .read(&place.dir.join(".htaccess"))
                    .is_ok_and(|text| !skipped::set_by_htaccess(&text).is_empty())
            };
            let wanted = [(".user.ini", has(".user.ini")), (".htaccess", has(".htaccess") && sets())];
            let Some(script) = place.script.as_ref().filter(|_| wanted.iter().any(|(_, is)| *is)) else { continue };
            if !walk.takes(&place.dir) {
                return Ok(());
            }
            let first = place.dir.join(if wanted[0].1 { ".user.ini" } else { ".htaccess" });
            let uri = script.strip_prefix(dir).unwrap_or(script).as_os_str().as_bytes();
            let uri: String = uri.iter().map(|&byte| escaped(byte)).collect();
            let url = format!("http://{}:{}/{uri}", root.name, root.port);
            let request =
                RequestArgs { url: Some(url.into()), client: Some(THIS_MACHINE.into()), ..RequestArgs::default() };
            match follow::at(machine, server, args, &request) {
                Ok(questions) => {
                    for question in &questions {
                        for (name, _) in wanted.iter().filter(|(_, is)| *is) {
                            of_file(
                                &question.source,
                                &question.loaded,
                                &question.request,
                                &place.dir.join(name),
                                found,
                            )?;
                        }
                    }
                }
                Err(problem) => unknown(walk, &first, &problem),
            }
        }
    }
    Ok(())
}

/// A byte of a path in a URL.
fn escaped(byte: u8) -> String {
    let plain = byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte);
    if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}

/// Says that it is not known who reads a file.
fn unknown(walk: &mut Walk, path: &Path, problem: &Problem) {
    let why = problem.text();
    let why = why.lines().next().unwrap_or_default();
    let why = why.strip_prefix("which PHP runs this request is not known: ").unwrap_or(why);
    walk.say(path, format!("this file was not checked, since the PHP that would read it is not known: {why}"));
}

/// What a request finds that is about one file.
fn of_file(
    source: &SourceArgs,
    loaded: &Loaded,
    request: &RequestArgs,
    path: &Path,
    found: &mut Vec<Diagnostic>,
) -> Result<(), Problem> {
    let config: &Config = loaded.config;
    let settings = match load::outcome(loaded, request)? {
        Outcome::Run(settings) => settings,
        Outcome::Answer { .. } => return Ok(()), // no program runs
    };
    let mut all = Vec::new();
    of_settings(config, &settings, &Extensions::of(config, source), &mut all);
    with_target(request, |target| texts::unseen(config, target, &mut all))?;
    let file = path.as_os_str().as_bytes();
    judge_unknown(config, &mut all);
    found.extend(all.into_iter().filter(|one| one.origin.file.as_deref() == Some(file)));
    Ok(())
}

/// A request for a program in a directory.
fn request_of(host: &Host<'_>, place: &Place) -> RequestArgs {
    let own = place.script.clone().filter(|script| script.parent() == Some(&*place.dir));
    RequestArgs {
        host: host.name.map(|name| OsStr::from_bytes(name).to_owned()),
        port: (host.port != 0).then_some(host.port),
        address: host.address.map(|address| address.to_string().into()),
        file: Some(own.unwrap_or_else(|| place.dir.join("index.php")).into_os_string()),
        client: Some(THIS_MACHINE.into()),
        ..RequestArgs::default()
    }
}

/// A file that Apache does not read.
fn unread(path: &Path, why: &str, sets: &[Vec<u8>]) -> Diagnostic {
    let names: Vec<String> = sets.iter().take(8).map(|name| text::shown(name)).collect();
    let more = if sets.len() > names.len() { format!(" and {} more", sets.len() - names.len()) } else { String::new() };
    let would = if sets.is_empty() { String::new() } else { format!(" (it would set {}{more})", names.join(", ")) };
    let text = format!("Apache does not read this file: {why}{would}");
    if sets.is_empty() {
        note(Diagnosis::NoEffect, whole(path), text)
    } else {
        warning(Diagnosis::NoEffect, whole(path), text)
    }
}

/// Why `AllowOverride` keeps a directory's file from being read, with its line.
fn not_allowed(httpd: &Configuration, host: &Host<'_>, dir: &Path) -> String {
    let own = |line: &OverrideLine<'_>| line.host.as_ref().is_none_or(|origin| origin == host.origin);
    let mut best: Option<(usize, Origin, bool)> = None;
    for line in httpd.override_lines().filter(own) {
        let Some(depth) = covers(line.directory, dir) else { continue };
        let is_none = line.args.trim_ascii().eq_ignore_ascii_case(b"none");
        // Longer paths count more, and of two as long the later one; those of a virtual host come after the server's.
        let rank = 2 * depth + usize::from(line.host.is_some());
        if best.as_ref().is_none_or(|(known, ..)| rank >= *known) {
            best = Some((rank, line.origin, is_none));
        }
    }
    match best {
        Some((_, origin, true)) => format!("AllowOverride None holds here, {origin}"),
        Some(_) => "AllowOverride allows nothing here".into(),
        None => "no line sets AllowOverride here, which is None then".into(),
    }
}

/// How many components a `<Directory>` has that covers a directory.
fn covers(args: &[u8], dir: &Path) -> Option<usize> {
    let path = args.trim_ascii().trim_ascii_end();
    let path = path.strip_suffix(b">").unwrap_or(path).trim_ascii();
    let path = path.strip_prefix(b"\"").and_then(|path| path.strip_suffix(b"\"")).unwrap_or(path);
    let parts = |path: &Path| path.components().map(|part| part.as_os_str().as_bytes().to_vec()).collect::<Vec<_>>();
    let (pattern, dir) = (parts(Path::new(OsStr::from_bytes(path))), parts(dir));
    let fits = pattern.len() <= dir.len() && pattern.iter().zip(&dir).all(|(pattern, name)| matches(pattern, name));
    fits.then_some(pattern.len())
}

/// `*` and `?` within one name.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|at| matches(rest, &name[at..])),
        Some((b'?', rest)) => name.split_first().is_some_and(|(_, name)| matches(rest, name)),
        Some((byte, rest)) => name.split_first().is_some_and(|(own, name)| own == byte && matches(rest, name)),
    }
}

/// Files that notice whether one of them is looked for.
struct Probe<'a> {
    files: &'a dyn Files,
    path: &'a Path,
    met: Cell<bool>,
}

impl Probe<'_> {
    fn see(&self, path: &Path) {
        self.met.set(self.met.get() || path == self.path);
    }
}

impl Files for Probe<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.see(path);
        self.files.read(path)
    }

    fn kind(&self, path: &Path) -> io::Result<Kind> {
        self.files.kind(path)
    }

    fn is_symlink(&self, path: &Path) -> bool {
        self.files.is_symlink(path)
    }

    fn is_executable(&self, path: &Path) -> bool {
        self.files.is_executable(path)
    }

    fn stamp(&self, path: &Path) -> io::Result<Option<Stamp>> {
        self.see(path);
        self.files.stamp(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        self.files.list(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_of_sections() {
        let covers = |args: &str, dir: &str| covers(args.as_bytes(), Path::new(dir));
        assert_eq!(covers("/>", "/srv/www"), Some(1));
        assert_eq!(covers("\"/srv/www/\">", "/srv/www/a"), Some(3));
        assert_eq!(covers("/srv/*/a?>", "/srv/www/ab/c"), Some(4));
        assert_eq!(covers("/srv/www>", "/srv/www2"), None);
        assert_eq!(covers("/srv/www/a>", "/srv/www"), None);
    }
}
