//! From a builder to a configuration: reads the files in PHP's order and applies what they say.

use super::builder::{AccountReader, Builder, FastCgiParam};
use super::core::{Assignment, Core, Directives, Source};
use super::directive::Directive;
use super::directive_state::{Authority, Slot};
use super::discover::{self, Search};
use super::layer::Layer;
use super::reader::{Reader, State};
use super::sapi::Sapi;
use super::unset::Unset;
use super::{Config, diagnose, fastcgi, fpm, outlive_directives, removed, table};
use crate::diagnostic::Diagnostic;
use crate::error::{Code, Error, Result};
use crate::files::{Files, Kind};
use crate::httpd::Configuration;
use crate::origin::Origin;
use crate::version::PhpVersion;
use std::cell::{Cell, RefCell};
use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most text of php.ini and all scan directory files together: they are kept in memory to answer questions about them.
const MAX_TEXTS: usize = 128 << 20;
/// The most files of all scan directories together: a directory may be named more than once.
const MAX_SCANNED: usize = 100_000;

pub(super) fn build(mut builder: Builder) -> Result<Config> {
    let httpd = httpd(&builder)?;
    let sapi = builder.sapi.unwrap_or(match (&httpd, builder.pools.is_empty()) {
        (Some(_), true) => Sapi::Apache,
        // With mod_php in the same server, either of the two may run a request.
        (Some(httpd), false) if httpd.has_module(b"mod_php.c") => Sapi::Web,
        (_, false) => Sapi::Fpm,
        (None, true) => Sapi::Web,
    });
    ask_php_module(&mut builder, sapi, httpd.as_deref());
    let version = builder.version.unwrap_or_default();
    let directives = Directives::new(directives(&builder, version, sapi)?);
    let reader = Reader {
        version,
        sapi: sapi.name(),
        directives: &directives,
        env: &builder.env,
        state: RefCell::new(State { winners: vec![None; directives.len()], ..State::default() }),
        substituted: Cell::new(0),
        text_size: Cell::new(0),
        statements: Cell::new(0),
        unset: Unset::default(),
    };
    read_inis(&builder, sapi, httpd.as_deref(), &reader)?;
    read_fixed(sapi, &reader);
    read_sets(&builder, &reader)?;
    let mut state = reader.state.into_inner();
    let mut diagnostics = std::mem::take(&mut state.diagnostics);
    let mut core = Core {
        version,
        sapi,
        slots: directives.iter().map(Slot::new).collect(),
        directives,
        startup: state.startup,
        winners: state.winners,
        global: Vec::new(),
        doubled: Vec::new(),
        pools: Vec::new(),
        sections: state.sections,
        section_places: state.section_places,
        sources: state.sources,
        unknown: state.unknown,
        env: builder.env,
        worker: None,
        params: builder.variables,
    };
    read_globals(
        &mut core,
        &*builder.files,
        &builder.pools,
        (builder.fpm_prefix.as_deref(), builder.account_reader.as_ref()),
        &builder.params,
        &mut diagnostics,
    )?;
    apply(&mut core);
    removed::check(&core, &mut diagnostics)?;
    diagnose::startup(&core, &mut diagnostics);
    if let Some(httpd) = &httpd {
        diagnostics.extend_from_slice(httpd.diagnostics());
    }
    Ok(Config::new(core, httpd, builder.files, diagnostics))
}

/// Every directive that there is, sorted by name.
fn directives(builder: &Builder, version: PhpVersion, sapi: Sapi) -> Result<Vec<Directive>> {
    let php = table::directives(version).filter(|directive| sapi.knows(directive));
    let mut all: Vec<Directive> =
        php.chain(outlive_directives::directives()).chain(builder.registered.iter().cloned()).collect();
    all.sort_by(|one, two| one.name.cmp(&two.name));
    for directive in &mut all {
        if let Some((_, value)) = builder.defaults.iter().rfind(|(name, _)| **name == *directive.name) {
            directive.default = Some(value.clone());
        }
    }
    match all.windows(2).find(|pair| pair[0].name == pair[1].name) {
        None => Ok(all),
        Some(pair) => {
            let name = String::from_utf8_lossy(&pair[0].name);
            Err(Error::new(Code::Argument, format!("there is a directive `{name}` already")))
        }
    }
}

fn httpd(builder: &Builder) -> Result<Option<Arc<Configuration>>> {
    if let Some(loaded) = &builder.httpd_loaded {
        return Ok(Some(Arc::clone(loaded)));
    }
    let Some(path) = &builder.httpd else { return Ok(None) };
    let mut options = builder.httpd_options.clone();
    options.env.extend(builder.env.iter().map(|(name, value)| (name.to_vec(), value.to_vec())));
    Configuration::load(&*builder.files, path, &options).map(Arc::new).map(Some)
}

/// Takes from the module's file what neither a call nor a file has set: php.ini directory, scan directory, version.
fn ask_php_module(builder: &mut Builder, sapi: Sapi, httpd: Option<&Configuration>) {
    let module = httpd.and_then(Configuration::php_module).filter(|_| sapi == Sapi::Apache);
    let (Some((module, _)), Some(reader)) = (module, &builder.module_reader) else { return };
    // A list without an empty element does not use the module's own directory.
    let list = builder.scan_dirs.as_deref().or_else(|| builder.env.get(&b"PHP_INI_SCAN_DIR"[..]).map(|list| &**list));
    let whole =
        list.is_some_and(|list| list.is_empty() || list.split(|&byte| byte == b':').all(|part| !part.is_empty()));
    let named = !builder.inis.is_empty()
        || builder.search
        || (whole && httpd.is_some_and(|httpd| httpd.php_ini_dir().is_some()));
    if builder.version.is_some() && named {
        return;
    }
    let built = reader(module);
    builder.version = builder.version.or(built.version);
    if builder.inis.is_empty() && !builder.search {
        (builder.search, builder.by_module) = (true, true);
        builder.compiled_in = built.directory;
        builder.compiled_in_scan = built.scan_directory;
    }
}

/// php.ini and the scan directories.
fn read_inis(builder: &Builder, sapi: Sapi, httpd: Option<&Configuration>, reader: &Reader<'_>) -> Result<()> {
    let files = &*builder.files;
    for path in &builder.inis {
        read_file(files, path, Layer::PhpIni, reader)?;
    }
    // It is for what runs in httpd.
    let within = matches!(sapi, Sapi::Apache | Sapi::Web);
    let php_ini_dir = httpd.filter(|_| within).and_then(Configuration::php_ini_dir).map(|(path, _)| path);
    if builder.inis.is_empty()
        && let Some(found) = find_ini(builder, sapi, php_ini_dir)
    {
        read_file(files, &found, Layer::PhpIni, reader)?;
    }
    let asked = builder.search || php_ini_dir.is_some() || !builder.inis.is_empty();
    let from_env = || builder.env.get(&b"PHP_INI_SCAN_DIR"[..]).map(|list| &**list).filter(|_| asked);
    let list = builder.scan_dirs.as_deref().or_else(from_env);
    let compiled_in = builder.compiled_in_scan.as_deref().filter(|_| asked || list.is_some());
    let mut scanned = 0;
    for dir in discover::scan_dirs(list, compiled_in) {
        let mut result = Ok(());
        let place = || Origin::new(&file_name(&dir), 0);
        discover::scan_files(files, &dir, &mut |name, text| {
            scanned += 1;
            if scanned > MAX_SCANNED {
                let message = "the scan directories up to this one have more than 100,000 .ini files together, each counted as often as its \
                               directory is named: PHP would read them all at each start; take out what is not needed";
                result = Err(Error::new(Code::TooLarge, message).at(place()));
                return ControlFlow::Break(());
            }
            let path = Path::new(OsStr::from_bytes(&name));
            // As in PHP, a file that cannot be read does not stop the next one from being read; what is no file is skipped.
            match text.unwrap_or_else(|| files.read(path)) {
                Ok(text) => result = read_text(text, name, Layer::ScanDir, reader),
                Err(error) if files.kind(path).is_ok_and(|kind| kind == Kind::File) => {
                    let diagnostic = diagnose::unreadable(path, &cannot_read(path, &error));
                    reader.state.borrow_mut().diagnostics.push(diagnostic);
                }
                Err(_) => {}
            }
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        result?;
    }
    Ok(())
}

/// The php.ini that PHP itself would find; `PHPINIDir` is the whole search path where it is set (I-120).
fn find_ini(builder: &Builder, sapi: Sapi, php_ini_dir: Option<&Path>) -> Option<PathBuf> {
    let files = &*builder.files;
    let is_file = |path: &Path| files.kind(path).is_ok_and(|kind| kind == Kind::File);
    let mut places: Vec<PathBuf> = Vec::new();
    if let Some(place) = php_ini_dir {
        if is_file(place) {
            return Some(place.to_path_buf());
        }
        places.extend(discover::split(place.as_os_str().as_bytes()).map(Path::to_path_buf));
    } else if builder.search {
        let phprc = builder.env.get(&b"PHPRC"[..]).map_or(&b""[..], |value| value);
        let phprc_path = Path::new(std::ffi::OsStr::from_bytes(phprc));
        if !phprc.is_empty() && is_file(phprc_path) {
            return Some(phprc_path.to_path_buf());
        }
        places.extend(discover::split(phprc).filter(|part| !part.as_os_str().is_empty()).map(Path::to_path_buf));
        let (here, beside) = sapi.searches();
        // httpd has changed its directory to / before PHP searches.
        let cwd = builder.working_directory.clone();
        places.extend(here.then(|| cwd.unwrap_or_else(|| PathBuf::from(if builder.by_module { "/" } else { "." }))));
        places.extend(builder.binary_dir.clone().filter(|_| beside));
        places.extend(builder.compiled_in.clone());
    }
    Search { files, sapi: sapi.name(), places }.php_ini()
}

/// The name that origins show for a path.
pub(super) fn file_name(path: &Path) -> Arc<[u8]> {
    path.as_os_str().as_bytes().into()
}

fn read_file(files: &dyn Files, path: &Path, layer: Layer, reader: &Reader<'_>) -> Result<()> {
    let text = files.read(path).map_err(|error| cannot_read(path, &error))?;
    read_text(text, file_name(path), layer, reader)
}

fn read_text(text: Vec<u8>, file: Arc<[u8]>, layer: Layer, reader: &Reader<'_>) -> Result<()> {
    let read: usize = reader.text_size.get().saturating_add(text.len());
    reader.text_size.set(read);
    if read > MAX_TEXTS {
        let message =
            format!("php.ini and the files of the scan directories are larger than {} MiB together", MAX_TEXTS >> 20);
        return Err(Error::new(Code::TooLarge, message).at(Origin::new(&file, 0)));
    }
    reader.read(&Arc::new(Source { layer, file: Some(file), text, at: None }))
}

/// The error for a file that cannot be read.
pub(super) fn cannot_read(path: &Path, error: &std::io::Error) -> Error {
    let code = if error.kind() == std::io::ErrorKind::FileTooLarge { Code::TooLarge } else { Code::Io };
    Error::new(code, format!("cannot read {}: {error}", path.display()))
}

fn read_fixed(sapi: Sapi, reader: &Reader<'_>) {
    let source = Arc::new(Source { layer: Layer::Sapi, file: None, text: Vec::new(), at: None });
    let mut state = reader.state.borrow_mut();
    for (name, value) in sapi.fixed() {
        reader.entry(&mut state, name.as_bytes(), value.as_bytes(), 0, &source);
    }
}

/// `-d`: all of them make one text (I-117).
fn read_sets(builder: &Builder, reader: &Reader<'_>) -> Result<()> {
    let mut text = Vec::new();
    for (name, value) in &builder.sets {
        text.extend_from_slice(name);
        text.push(b'=');
        match value {
            None => text.push(b'1'),
            Some(value) if as_it_is(value) => text.extend_from_slice(value),
            Some(value) => {
                text.push(b'"');
                text.extend_from_slice(value);
                text.push(b'"');
            }
        }
        text.push(b'\n');
    }
    reader.read(&Arc::new(Source { layer: Layer::CommandLine, file: None, text, at: None }))
}

/// Whether a `-d` value is read as ini text, or is put in quotes first (I-117).
fn as_it_is(value: &[u8]) -> bool {
    value.first().is_none_or(|&byte| byte.is_ascii_alphanumeric() || byte == b'"' || byte == b'\'')
}

/// FPM's pool first, then what the web server hands over (I-150).
fn read_globals(
    core: &mut Core,
    files: &dyn Files,
    pools: &[(PathBuf, Option<Vec<u8>>)],
    (prefix, account): (Option<&Path>, Option<&AccountReader>),
    params: &[(FastCgiParam, Vec<u8>, Option<Origin>)],
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<()> {
    for (path, pool) in pools {
        fpm::read(core, files, path, pool.as_deref(), prefix, diagnostics)?;
    }
    core.worker = fpm::worker(core, account);
    for (param, text, origin) in params {
        fastcgi::read(core, *param, text, origin.as_ref(), diagnostics);
    }
    Ok(())
}

/// Works out the values in force before any request. Refused values show in `explain` and in the diagnostics.
fn apply(core: &mut Core) {
    for (at, winner) in core.winners.iter().enumerate() {
        if let Some(winner) = winner {
            let value = &core.startup[*winner as usize].value;
            let _ = core.slots[at].apply(&core.directives[at], Authority::Startup, value, core.version);
        }
    }
    if !core.sapi.has_pool() {
        return;
    }
    for Assignment { directive, power, value, .. } in &core.global {
        let at = *directive as usize;
        let _ = core.slots[at].apply(&core.directives[at], *power, value, core.version);
    }
}
