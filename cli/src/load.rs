//! From options to a configuration.

mod by;
mod options;
mod refused;

use crate::answering::{Context, Served};
use crate::args::{RequestArgs, SourceArgs};
use crate::estate::accounts::{self, Account, Guard};
use crate::estate::{Search, layouts};
use crate::output::{Problem, note};
use crate::pair::{full_pair, pair};
use crate::request::{THIS_MACHINE, with_target};
use crate::view::View;
use crate::{envvars, extensions, php_elf, pools};
use outlive::PhpVersion;
use outlive::config::{Builder, CompiledIn, Config, Directive, Outcome, Sapi};
use outlive::diagnostic::{Diagnosis, Diagnostic, Severity};
use outlive::files::Files;
use outlive::httpd::{Configuration, Resolution};
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

pub use options::{fit_together, in_directories, sapi};

/// The PHP version.
pub fn version(text: &str) -> Result<PhpVersion, Problem> {
    PhpVersion::from_text(text).ok_or_else(|| {
        let known: Vec<_> = PhpVersion::ALL.iter().map(ToString::to_string).collect();
        Problem::Call(format!("--php-version {text}: known are {}", known.join(", ")))
    })
}

/// This process's environment.
pub fn process_env() -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    std::env::vars_os().map(|(name, value)| (name.into_vec(), value.into_vec()))
}

/// As [`config`], for one request: where no pool is named, the one that listens where the request goes is read.
pub fn config_for(args: &SourceArgs, request: &RequestArgs) -> Result<Loaded, Problem> {
    let loaded = config(args)?;
    if args.pool.is_some() || loaded.config.pools().is_empty() {
        return Ok(loaded);
    }
    match with_target(request, |target| pools::choose(&loaded.view, loaded.config, args.fpm_prefix.as_deref(), target))?
    {
        pools::Choice::Stays => Ok(loaded),
        pools::Choice::Other(name) => config(&SourceArgs { pool: Some(OsString::from_vec(name)), ..args.clone() }),
        pools::Choice::Unknown(text) => {
            note(&text);
            Ok(loaded)
        }
        pools::Choice::Wrong(text) => Err(Problem::Call(text)),
    }
}

/// Reads the files that the options and discovery name. The result is never freed: the process ends after its use, and freeing ten
/// thousand virtual hosts would take a tenth of the time of reading them.
pub fn config(args: &SourceArgs) -> Result<Loaded, Problem> {
    if args.found.is_none() {
        fit_together(args)?;
    }
    let args = &in_directories(args)?;
    let found = args.found.clone().unwrap_or_default();
    let view = found.view.clone();
    // Files found by discovery are in their usual places; named files may be copies anywhere.
    let beside = args.httpd_conf.as_deref().filter(|_| !found.in_place);
    let guard = Arc::new(Guard::new(view.clone(), beside));
    let mut builder = Builder::new(guard.clone());
    let mut context = Context { built_in: args.built_in, ..Context::default() };
    by::infer(args, &mut builder, &mut context);
    if let Some(text) = &args.php_version {
        builder.set_php_version(version(text)?);
    }
    if let Some(name) = &args.sapi {
        builder.set_sapi(name.as_bytes()).map_err(|error| options::sapi_meant(name, &error))?;
    }
    for text in &args.env {
        let (name, value) = full_pair("--env", text)?;
        builder.set_env(name, value);
    }
    builder.use_env(found.env.iter().cloned());
    if args.process_env {
        builder.use_env(process_env());
    }
    if let Some(search) = found.search.as_ref().filter(|_| args.php_ini.is_none() && !args.php_ini_search) {
        by_search(search, &mut builder)?;
    }
    php_ini(args, &view, &mut builder)?;
    context.notes = httpd(args, &view, &mut builder)?;
    if let Some(read) = &found.httpd {
        builder.use_httpd(Arc::clone(read));
    }
    for one in extensions::recorded() {
        let default = Some(one.default.as_bytes()).filter(|text| !text.is_empty());
        builder.register(Directive::new(one.name.as_bytes(), one.access, default))?;
    }
    if found.who.is_some() {
        // PHP's built-in limit is for PHP programs.
        builder.set_default(b"max_execution_time", b"0");
    }
    let module = ask_module(&view, &mut builder);
    let accounts = view.clone();
    builder.ask_account(move |user| accounts::environment(&accounts, user));
    if let Some(path) = &args.fpm_pool {
        if let Some(prefix) = &args.fpm_prefix {
            builder.set_fpm_prefix(prefix);
        }
        builder.load_fpm_pool(path, args.pool.as_deref().map(OsStr::as_bytes))?;
    }
    values(args, &mut builder)?;
    for (param, text, origin) in &found.params {
        builder.fastcgi_param_at(*param, text, origin.clone());
    }
    let config: &'static Config = Box::leak(Box::new(builder.build()?));
    let module = module.lock().ok().and_then(|mut module| module.take());
    let by_layout = module.as_ref().and_then(|(path, _, layout)| Some((path.clone(), (*layout)?)));
    by::found(args, config, module.map(|(path, built, _)| (path, built)), &mut context);
    if let Some((path, layout)) = by_layout {
        let by = context.found_by.take().unwrap_or_default();
        context.version_by = context.version_by.take().filter(|by| !by.starts_with("read from"));
        context.found_by =
            Some(format!("{by}; {} is not there, so where the layout {layout} has its files", view.shown(&path)));
    }
    close(&guard, &view, config);
    if found.user_ini_below_home {
        context.notes.extend(below_home(&guard, &view));
    }
    Ok(Loaded { config, context, view, guard, answer: found.answer.clone() })
}

type Module = Arc<Mutex<Option<(PathBuf, Result<CompiledIn, String>, Option<&'static str>)>>>;

/// A mod_php is asked what it was built with; where its file is not there, its layout is.
fn ask_module(view: &View, builder: &mut Builder) -> Module {
    let module = Arc::new(Mutex::new(None));
    let (seen, view) = (Arc::clone(&module), view.clone());
    builder.ask_php_module(move |path| {
        let (mut built, mut layout) = (php_elf::read(&view, path), None);
        let exists = view.is_file(path);
        // An image may lack its programs. A program that exists and cannot be read is not guessed.
        if let Some(place) =
            layouts::of_program(&view, path).filter(|_| built.is_err() && !exists && !view.is_machine())
        {
            layout = Some(place.layout);
            built = Ok(CompiledIn {
                directory: Some(place.ini_dir),
                scan_directory: place.scan_dir,
                version: place.version,
            });
        }
        let answer = built.clone().unwrap_or_default();
        if let Ok(mut seen) = seen.lock() {
            *seen = Some((path.to_path_buf(), built, layout));
        }
        answer
    });
    module
}

/// What `-d` and `--fastcgi-param` say.
fn values(args: &SourceArgs, builder: &mut Builder) -> Result<(), Problem> {
    for text in &args.set {
        let (name, value) = pair(text);
        builder.set(name, value)?;
    }
    for text in &args.cgi_variable {
        let (name, value) = full_pair("--cgi-variable", text)?;
        builder.cgi_variable(name, value);
    }
    for text in &args.fastcgi_param {
        let (param, value) = options::fastcgi_param(text)?;
        builder.fastcgi_param(param, value);
    }
    Ok(())
}

/// Where a PHP that was found looks for its files.
fn by_search(search: &Search, builder: &mut Builder) -> Result<(), Problem> {
    if let Some(dir) = &search.program_dir {
        builder.set_binary_dir(dir);
    }
    if let Some(dir) = &search.working_dir {
        builder.set_working_directory(dir);
    }
    match &search.ini {
        Some(ini) => builder.load_php_ini(ini)?,
        None if search.no_ini => {}
        None => builder.search_php_ini(),
    }
    builder.set_compiled_in(search.ini_dir.as_deref(), search.scan_dir.as_deref());
    if search.no_scan {
        builder.set_scan_dirs(b"");
    }
    Ok(())
}

/// cPanel's change of PHP: where it counts, nothing needs to be said.
fn below_home(guard: &Guard, view: &View) -> Option<String> {
    match guard.user_ini_below_home() {
        Some(home) if view.is_dir(home) => None,
        Some(home) => Some(format!(
            "cPanel's PHP reads .user.ini only below the home of the account that runs it, and {} is not here",
            view.shown(home)
        )),
        None => Some(
            "cPanel's PHP reads .user.ini only below the home of the account that runs it, which is not known here: it is taken to count \
             wherever it stands below the document root"
                .into(),
        ),
    }
}

/// From now on files are read with the rights of the servers' accounts.
fn close(guard: &Guard, view: &View, config: &Config) {
    let last = |httpd: &Configuration, name: &str| {
        let line = httpd.kept_directives().filter(|line| line.name.eq_ignore_ascii_case(name.as_bytes())).last();
        line.map(|line| String::from_utf8_lossy(line.args).trim().trim_matches('"').to_owned())
    };
    let server = config.httpd().and_then(|httpd| {
        let user = last(httpd, "User")?;
        Account::of(view, &user, last(httpd, "Group").as_deref())
    });
    let pool = config.pools().iter().find(|pool| pool.is_chosen);
    let line =
        |name: &[u8]| pool.and_then(|pool| pool.line(name)).map(|(text, _)| String::from_utf8_lossy(text).into_owned());
    let program = match config.sapi() {
        Sapi::Fpm => line(b"user").and_then(|user| Account::of(view, &user, line(b"group").as_deref())),
        // Each host has its own.
        Sapi::Cgi if config.httpd().and_then(|httpd| last(httpd, "SuexecUserGroup")).is_some() => None,
        _ => server.clone(),
    };
    let user_ini = config.base().get(b"user_ini.filename").unwrap_or_default().to_vec();
    guard.close(server, program, &user_ini);
}

/// The configuration that was read, with notes.
#[derive(Clone)]
pub struct Loaded {
    pub config: &'static Config,
    pub context: Context,
    pub view: View,
    guard: Arc<Guard>,
    /// What becomes of the request, where it is known already: the web server answers by itself.
    answer: Option<Outcome>,
}

impl Loaded {
    /// The one directory below which this PHP reads `.user.ini`; none: it has no such bound.
    pub fn user_ini_only_below(&self) -> Option<&Path> {
        self.guard.user_ini_only_below()
    }

    /// From now on a file counts as there: what would be in force for it.
    pub fn plant(&self, path: &Path) {
        self.guard.plant(path);
    }

    /// From now on this is what becomes of the request.
    pub fn answer_with(&mut self, outcome: Outcome) {
        self.answer = Some(outcome);
    }
}

fn must_be_directory(view: &View, option: &str, path: &Path) -> Result<(), Problem> {
    match view.list(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(Problem::Call(format!("{option} {}: cannot read it: {error}", path.display()))),
    }
}

fn php_ini(args: &SourceArgs, view: &View, builder: &mut Builder) -> Result<(), Problem> {
    if let Some(path) = &args.php_ini {
        builder.load_php_ini(path)?;
    }
    if args.php_ini_search {
        args.php_ini_path.as_deref().map_or(Ok(()), |path| must_be_directory(view, "--php-ini-path", path))?;
        builder.search_php_ini();
        let scan = args.php_ini_path.as_ref().map(|path| path.join("conf.d"));
        builder.set_compiled_in(args.php_ini_path.as_deref(), scan.as_deref());
    }
    if let Some(dirs) = &args.scan_dir {
        for dir in dirs.as_bytes().split(|&byte| byte == b':').filter(|dir| !dir.is_empty()) {
            let dir = Path::new(OsStr::from_bytes(dir));
            if view.kind(dir).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
                note(&format!("warning: --scan-dir {}: no such directory; PHP ignores it", dir.display()));
            } else {
                must_be_directory(view, "--scan-dir", dir)?;
            }
        }
        builder.set_scan_dirs(dirs.as_bytes());
    }
    Ok(())
}

/// Gives what is to be said of the file with httpd's environment.
fn httpd(args: &SourceArgs, view: &View, builder: &mut Builder) -> Result<Vec<String>, Problem> {
    let Some(path) = &args.httpd_conf else { return Ok(Vec::new()) };
    builder.load_httpd_conf(path)?;
    let mut notes = Vec::new();
    let envvars = path.with_file_name("envvars");
    // A server that was found has brought its environment along.
    if args.found.as_ref().is_none_or(|found| found.env.is_empty())
        && let Ok(text) = view.read(&envvars)
    {
        let directory = path.parent().map(|dir| dir.as_os_str().as_bytes()).unwrap_or_default();
        let read = envvars::read(&text, &[(b"APACHE_CONFDIR", directory)]);
        let odd = read.not_understood.iter();
        notes.extend(odd.map(|(line, text)| format!("{}:{line}: not understood: {text}", view.shown(&envvars))));
        builder.use_env(read.variables);
    }
    for text in &args.define {
        let (name, value) = pair(text);
        builder.define(name, value);
    }
    let options = builder.httpd_options();
    options.server_root.clone_from(&args.server_root);
    let bytes = |list: &[OsString]| list.iter().map(|text| text.as_bytes().to_vec()).collect();
    options.before = bytes(&args.httpd_before);
    options.after = bytes(&args.httpd_after);
    if let Some(version) = &args.httpd_version {
        let parts: Option<Vec<u32>> = version.split('.').map(|part| part.parse().ok()).collect();
        options.version = match parts.as_deref() {
            Some([major, minor, patch]) => (*major, *minor, *patch),
            Some([major, minor]) => (*major, *minor, 0),
            _ => return Err(Problem::Call(format!("--httpd-version {version}: this takes a version such as 2.4.62"))),
        };
    }
    Ok(notes)
}

/// Says on standard error what could not be read, and gives the exit status that goes with it. `check` has a list of its
/// own for this.
pub fn tell(config: &Config, outcome: &Outcome) -> u8 {
    let own = if let Outcome::Run(settings) = outcome { settings.diagnostics() } else { Vec::new() };
    let mut status = 0;
    let tells = |finding: &&Diagnostic| finding.severity == Severity::Error || finding.code == Diagnosis::UnsetVariable;
    for finding in config.diagnostics().iter().chain(&own).filter(tells) {
        note(&format!("{finding}"));
        if matches!(finding.code, Diagnosis::Unreadable | Diagnosis::NoStart) {
            status = 2;
        }
    }
    status
}

/// An address that is nobody's.
const ELSEWHERE: &str = "192.0.2.1";

fn status(outcome: &Outcome) -> Option<u16> {
    match outcome {
        Outcome::Answer { status, .. } => Some(*status),
        _ => None,
    }
}

/// The outcome of the request that the options describe.
pub fn outcome(loaded: &Loaded, args: &RequestArgs) -> Result<Outcome, Problem> {
    if let Some(answer) = &loaded.answer {
        return Ok(answer.clone());
    }
    let outcome = with_target(args, |target| loaded.config.outcome_of_php(target))??;
    // Without httpd the client's address does not matter, and an error concerns all clients.
    let wrong = matches!(outcome, Outcome::Answer { status: 404.., .. });
    if args.client.is_none() && !wrong && loaded.config.httpd().is_some() {
        let elsewhere = RequestArgs { client: Some(ELSEWHERE.into()), ..args.clone() };
        let other = with_target(&elsewhere, |target| loaded.config.outcome_of_php(target))??;
        if status(&outcome) != status(&other) {
            note(&format!(
                "this is the answer for a client on this machine ({THIS_MACHINE}); others may get another one: give --client ADDRESS"
            ));
        }
    }
    let refused = match &outcome {
        Outcome::Run(settings) => refused::why(loaded, settings, served(loaded, args)?.script),
        Outcome::Answer { .. } => None,
    };
    Ok(match refused {
        Some((status, because)) => Outcome::Answer { status, because, location: None },
        None => outcome,
    })
}

/// What httpd's part of an answer depends on that is not known.
pub fn doubts(loaded: &Loaded, args: &RequestArgs) -> Vec<String> {
    let asked = with_target(args, |target| {
        let httpd = loaded.config.httpd().filter(|_| target.uri.is_some() || target.filename.is_some())?;
        httpd.resolve(&**loaded.config.files(), target).ok()
    });
    match asked {
        Ok(Some(Resolution::Run(run))) => {
            run.notes.into_iter().filter(|note| !loaded.context.notes.contains(note)).collect()
        }
        _ => Vec::new(), // what is wrong with the request itself is said where it is answered
    }
}

/// Which file runs, and below which document root, as far as the options and the server's files tell. Where the server answers by
/// itself, no file does.
pub fn served(loaded: &Loaded, args: &RequestArgs) -> Result<Served, Problem> {
    if matches!(loaded.answer, Some(Outcome::Answer { .. })) {
        return Ok(Served::default());
    }
    let config = loaded.config;
    with_target(args, |target| {
        let named = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        let named = Served { document_root: named(target.document_root), script: named(target.filename) };
        let Some(httpd) = config.httpd().filter(|_| target.uri.is_some()) else { return Ok(named) };
        Ok(match httpd.resolve(&**config.files(), target)? {
            Resolution::Run(run) if httpd.no_program(&run).is_none() => {
                Served { document_root: Some(run.document_root), script: Some(run.filename) }
            }
            _ => Served::default(),
        })
    })?
}
