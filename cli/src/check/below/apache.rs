//! An Apache: the access files that it reads, and the `.user.ini` files that the PHP in it or behind it reads.

use super::told::Told;
use super::{escaped, is_passed_on, nobody, not_known, of_file, unknown, user_ini};
use crate::args::{RequestArgs, SourceArgs};
use crate::check::walk::{self, Place, Walk, whole};
use crate::check::{finding, mistakes, note, warning};
use crate::estate::question::Question;
use crate::estate::runner::Runner;
use crate::load::Loaded;
use crate::output::Problem;
use crate::request::{THIS_MACHINE, with_target};
use crate::{skipped, text};
use outlive::diagnostic::{Diagnosis, Diagnostic, Severity};
use outlive::httpd::{AccessFile, Configuration, Host, Resolution, Run};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The PHPs behind a handler, for a request.
type Ask<'a> = dyn Fn(&RequestArgs, &[u8]) -> Result<Vec<Question>, Problem> + 'a;

/// A handler, the program that it leads to, and what in its environment chooses a php.ini.
type Behind = (Vec<u8>, Option<Vec<u8>>, Vec<(Vec<u8>, Vec<u8>)>);

/// An Apache that was read.
pub struct Apache<'a> {
    source: &'a SourceArgs,
    loaded: &'a Loaded,
    ask: &'a Ask<'a>,
    /// The name of PHP's own files.
    user_ini: Vec<u8>,
    /// Who is behind a handler.
    known: HashMap<Behind, Result<Vec<Question>, Problem>>,
}

/// A directory that URLs of a host lead to.
struct Root {
    dir: PathBuf,
    /// What these URLs begin with, without a slash at its end.
    uri: Vec<u8>,
}

impl Root {
    /// The document root.
    fn documents(_: &Loaded, _: &Configuration, host: &Host<'_>) -> Vec<Self> {
        vec![Self { dir: path(host.document_root), uri: Vec::new() }]
    }

    /// What `Alias` and `UserDir` name outside of it.
    fn elsewhere(loaded: &Loaded, httpd: &Configuration, host: &Host<'_>) -> Vec<Self> {
        let aliases = host.aliases.iter().map(|(uri, dir)| (uri.to_vec(), path(dir)));
        let users = httpd.user_directories(&**loaded.config.files(), host).into_iter();
        let users = users.map(|(name, dir)| ([b"/~", &name[..]].concat(), path(&dir)));
        let own = path(host.document_root);
        let others = aliases.chain(users).filter(|(_, dir)| !dir.starts_with(&own));
        others.map(|(uri, dir)| Self { dir, uri: uri.strip_suffix(b"/").unwrap_or(&uri).to_vec() }).collect()
    }
}

/// A program that stands for all in its directory.
struct Program {
    request: RequestArgs,
    runs: Runs,
    /// It is not there: what may be put there is asked about.
    made: Option<PathBuf>,
}

/// Who runs a program.
enum Runs {
    By(Runner, Box<Run>),
    /// Another server answers, whoever that has behind it.
    Passed(String),
    /// With the server's reason, where it answers by itself.
    Nobody(Option<String>),
}

impl<'a> Apache<'a> {
    pub fn new(source: &'a SourceArgs, loaded: &'a Loaded, ask: &'a Ask<'a>) -> Self {
        let base = loaded.config.base();
        let user_ini = base.get(b"user_ini.filename").filter(|name| !name.is_empty()).unwrap_or(b".user.ini").to_vec();
        Self { source, loaded, ask, user_ini, known: HashMap::new() }
    }

    pub fn check(mut self, walk: &mut Walk, told: &mut Told) -> Result<(), Problem> {
        let config = self.loaded.config;
        let Some(httpd) = config.httpd() else { return Ok(()) };
        // What aliases name comes last, as far as the budget reaches.
        for roots in [Root::documents, Root::elsewhere] {
            for host in httpd.hosts() {
                let names = walk::names(&host.access_names, &self.user_ini);
                for root in roots(self.loaded, httpd, &host) {
                    for place in walk.below(&self.loaded.view, &root.dir, &names).iter() {
                        if !walk.takes(&place.dir) {
                            return Ok(());
                        }
                        self.place(httpd, &host, &root, place, told)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn place(
        &mut self,
        httpd: &Configuration,
        host: &Host<'_>,
        root: &Root,
        place: &Place,
        told: &mut Told,
    ) -> Result<(), Problem> {
        let program = self.program(httpd, host, root, place)?;
        // The first of its names counts.
        let is_there = |name: &&&[u8]| place.names.iter().any(|own| own.as_bytes() == **name);
        if let Some(name) = host.access_names.iter().find(is_there) {
            let path = place.dir.join(OsStr::from_bytes(name));
            self.access_file(httpd, host, root, (&path, place.by_link.as_deref()), &program, told)?;
        }
        for name in [self.user_ini.clone(), b"php.ini".to_vec()] {
            if place.names.iter().any(|own| own.as_bytes() == name) {
                self.file_of_php(&place.dir.join(OsStr::from_bytes(&name)), &program, told)?;
            }
        }
        Ok(())
    }

    /// A request for a file of a host, by its URL, and by its path where that is known.
    fn request(host: &Host<'_>, root: &Root, file: &Path, is_named: bool) -> RequestArgs {
        let below = file.strip_prefix(&root.dir).unwrap_or(file).as_os_str().as_bytes();
        RequestArgs {
            host: host.name.map(|name| OsStr::from_bytes(name).to_owned()),
            port: (host.port != 0).then_some(host.port),
            address: host.address.map(|address| address.to_string().into()),
            uri: Some(escaped(&[&root.uri[..], b"/", below].concat()).into()),
            file: is_named.then(|| file.as_os_str().to_owned()),
            client: Some(THIS_MACHINE.into()),
            ..RequestArgs::default()
        }
    }

    /// The first program of a directory that somebody runs, as its URL has it, or else as it is where its URL leads elsewhere: to https, say.
    /// Where there is none, one that may be put there.
    fn program(&self, httpd: &Configuration, host: &Host<'_>, root: &Root, place: &Place) -> Result<Program, Problem> {
        let made = place.dir.join("index.php");
        let (mut passed, mut why) = (None, None);
        for is_made in [false, true] {
            let files = if is_made { std::slice::from_ref(&made) } else { &place.programs[..] };
            for is_named in [false, true] {
                // What is passed on by its URL is not run here by its name.
                for file in files {
                    if is_named && passed.is_some() {
                        break;
                    }
                    if is_made {
                        self.loaded.plant(file);
                    }
                    let request = Self::request(host, root, file, is_named);
                    match self.runs(httpd, &request, root, file)? {
                        Runs::Nobody(because) => why = why.or(because.filter(|_| is_named)),
                        Runs::Passed(because) => passed = passed.or(Some(because)),
                        runs => return Ok(Program { request, runs, made: is_made.then(|| made.clone()) }),
                    }
                }
            }
        }
        let request = Self::request(host, root, &made, true);
        Ok(Program { request, runs: passed.map_or(Runs::Nobody(why), Runs::Passed), made: Some(made) })
    }

    /// Who runs the program of a request, where it is that file.
    fn runs(&self, httpd: &Configuration, request: &RequestArgs, root: &Root, file: &Path) -> Result<Runs, Problem> {
        let files = self.loaded.config.files();
        let run = match with_target(request, |target| httpd.resolve(&**files, target))?? {
            Resolution::Run(run) => run,
            Resolution::Answer { status: 0, because, .. } => return Ok(Runs::Passed(because)),
            Resolution::Answer { status, because, .. } if is_passed_on(status, &because) => {
                return Ok(Runs::Passed(because));
            }
            Resolution::Answer { because, .. } => return Ok(Runs::Nobody(Some(because))),
        };
        let runner = Runner::of(httpd, &run);
        // A FastCGI server may have another path for it.
        let below = file.strip_prefix(&root.dir).unwrap_or(file);
        let own = path(&run.filename);
        let is_it = own == *file || (matches!(runner, Runner::Fcgi) && own.ends_with(below));
        match httpd.no_program(&run).filter(|_| !matches!(runner, Runner::Cgi)) {
            Some((0, because)) if is_it => Ok(Runs::Passed(because)),
            None if is_it => Ok(Runs::By(runner, Box::new(run))),
            _ => Ok(Runs::Nobody(None)),
        }
    }

    /// An `.htaccess`: whether Apache reads it, and what is wrong with it.
    fn access_file(
        &self,
        httpd: &Configuration,
        host: &Host<'_>,
        root: &Root,
        (path, by_link): (&Path, Option<&Path>),
        program: &Program,
        told: &mut Told,
    ) -> Result<(), Problem> {
        let files = self.loaded.config.files();
        let dir = path.parent().unwrap_or(path);
        // Whatever is in the directory, httpd asks for its access file first.
        let request = &Self::request(host, root, &dir.join("index.php"), true);
        let below = [dir.as_os_str().as_bytes(), b"/"].concat();
        let mut met = with_target(request, |target| httpd.access_files(&**files, target, &below))??;
        let mut barred = None;
        if by_link.is_some() {
            // A file that is named is not refused for the links on its path; a URL is.
            let request = Self::request(host, root, dir, false);
            if let Resolution::Answer { status: 403, because, .. } =
                with_target(&request, |target| httpd.resolve(&**files, target))??
                && because.contains("symbolic link")
            {
                met.clear();
                barred = Some(because);
            }
        }
        let text = files.read(path).unwrap_or_default();
        let sets = skipped::set_by_htaccess(&text);
        let bytes = path.as_os_str().as_bytes();
        if !met.iter().any(|one| matches!(one, AccessFile::Read { path } if path == bytes)) {
            let closed = met.iter().find_map(|one| match one {
                AccessFile::Closed { directory, by } if self::path(directory) == dir => Some(by),
                _ => None,
            });
            let why = match (barred, closed) {
                (Some(because), _) => because,
                (None, Some(by)) => format!("AllowOverride None holds here, {by}"),
                (None, None) => match with_target(request, |target| httpd.resolve(&**files, target))?? {
                    Resolution::Answer { because, .. } => because,
                    Resolution::Run(_) => "it stops before this directory".into(),
                },
            };
            told.is_unread(&self.loaded.view, &self.id(), path, unread(path, &why, &sets));
            return Ok(());
        }
        told.is_read(&self.loaded.view, path);
        let mut refused = with_target(request, |target| httpd.refusals(&**files, target))??;
        refused.retain(|error| error.origin.file.as_deref() == Some(bytes));
        for (at, error) in refused.iter().enumerate() {
            let text = match at {
                0 => format!(
                    "{}: every request below is answered with 500{}",
                    error.message,
                    mistakes::fix(&error.message)
                ),
                _ => format!("{}: refused as well; Apache stops before it", error.message),
            };
            told.say(self.loaded, finding(Severity::Error, Diagnosis::ServerError, error.origin.clone(), text));
        }
        if !sets.is_empty() && refused.is_empty() {
            of_file(self.source, self.loaded, &program.request, path, told)?;
        }
        Ok(())
    }

    fn id(&self) -> String {
        self.loaded.context.id(self.loaded.config)
    }

    /// A `.user.ini` or php.ini, for the PHP in this Apache or behind it.
    fn file_of_php(&mut self, path: &Path, program: &Program, told: &mut Told) -> Result<(), Problem> {
        let is_user_ini = path.file_name().is_some_and(|own| own.as_bytes() == self.user_ini);
        let look = if is_user_ini { user_ini } else { of_file };
        let (runner, run) = match (&program.runs, &program.made) {
            // Of a php.ini where no program is, nobody expects anything.
            (_, Some(_)) if !is_user_ini => return Ok(()),
            (Runs::By(runner, run), _) => (runner, run),
            (Runs::Passed(because), _) => {
                told.is_unread(&self.loaded.view, &self.id(), path, not_known(path, because));
                return Ok(());
            }
            (Runs::Nobody(because), _) => {
                told.is_unread(&self.loaded.view, &self.id(), path, nobody(path, because.as_deref()));
                return Ok(());
            }
        };
        if matches!(runner, Runner::Httpd) {
            return look(self.source, self.loaded, &program.request, path, told);
        }
        let handler = run.handler.clone().unwrap_or_default();
        let chooses = |name: &[u8]| matches!(name, b"PHPRC" | b"PHP_INI_SCAN_DIR");
        let variables = run.variables.iter().filter(|one| chooses(&one.name));
        let variables = variables.map(|one| (one.name.to_vec(), one.value.to_vec())).collect();
        // A CGI script is its own program.
        let is_own = matches!(runner, Runner::Cgi) && run.program.is_none();
        let script = run.program.clone().or_else(|| is_own.then(|| run.filename.clone()));
        let id = self.id();
        let asked = self.known.entry((handler.clone(), script, variables));
        match asked.or_insert_with(|| (self.ask)(&program.request, &handler)) {
            Ok(questions) => {
                for question in questions.iter() {
                    program.made.iter().for_each(|file| question.loaded.plant(file));
                    look(&question.source, &question.loaded, &program.request, path, told)?;
                }
            }
            Err(problem) if is_user_ini => told.is_unread(&self.loaded.view, &id, path, unknown(path, problem)),
            Err(_) => {}
        }
        Ok(())
    }
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
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
