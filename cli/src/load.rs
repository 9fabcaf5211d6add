//! From options to a configuration and a target.

use crate::answering::{Context, Served, Unknown};
use crate::args::{RequestArgs, SourceArgs};
use crate::output::{Problem, note};
use crate::{envvars, inferred, php_elf, pools, suggest};
use outlive::PhpVersion;
use outlive::config::{Builder, CompiledIn, Config, FastCgiParam, Layer, Outcome, Sapi};
use outlive::diagnostic::{Diagnosis, Diagnostic, Severity};
use outlive::files::{Disk, Files};
use outlive::httpd::Resolution;
use outlive::target::Target;
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// `NAME=VALUE`, or `NAME` alone.
pub fn pair(text: &OsStr) -> (&[u8], Option<&[u8]>) {
    let bytes = text.as_bytes();
    match bytes.iter().position(|&byte| byte == b'=') {
        Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
        None => (bytes, None),
    }
}

/// `NAME=VALUE` and nothing less.
pub fn full_pair<'a>(option: &str, text: &'a OsStr) -> Result<(&'a [u8], &'a [u8]), Problem> {
    match pair(text) {
        (name, Some(value)) if !name.is_empty() => Ok((name, value)),
        _ => Err(Problem::Call(format!("{option} {}: this takes NAME=VALUE", text.to_string_lossy()))),
    }
}

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

/// Options that mean nothing without another one, and options that exclude each other.
fn fit_together(args: &SourceArgs) -> Result<(), Problem> {
    let needs = |given: bool, option: &str, missing: bool, other: &str, why: &str| {
        let wrong = given && missing;
        if wrong { Err(Problem::Call(format!("{option} needs {other}: {why}"))) } else { Ok(()) }
    };
    if args.php_ini.is_some() && args.php_ini_search {
        let text = "--php-ini names the file, --php-ini-search looks for it: give one of them";
        return Err(Problem::Call(text.into()));
    }
    let sources = [
        (args.php_ini.is_some(), "--php-ini"),
        (args.php_ini_search, "--php-ini-search"),
        (args.scan_dir.is_some(), "--scan-dir"),
        (args.httpd_conf.is_some(), "--httpd-conf"),
        (args.fpm_pool.is_some(), "--fpm-pool"),
    ];
    if let Some((_, option)) = sources.iter().find(|(given, _)| *given && args.built_in) {
        return Err(Problem::Call(format!(
            "--built-in reads nothing, and {option} says what to read: give one of them"
        )));
    }
    needs(
        args.php_ini_path.is_some(),
        "--php-ini-path",
        !args.php_ini_search,
        "--php-ini-search",
        "it says where to look",
    )?;
    let why = "relative includes of that file start from it";
    needs(args.fpm_prefix.is_some(), "--fpm-prefix", args.fpm_pool.is_none(), "--fpm-conf FILE", why)?;
    needs(args.pool.is_some(), "--pool", args.fpm_pool.is_none(), "--fpm-pool FILE", "it names a pool of that file")?;
    let no_httpd = args.httpd_conf.is_none();
    for (given, option) in [
        (args.server_root.is_some(), "--server-root"),
        (args.httpd_version.is_some(), "--httpd-version"),
        (!args.httpd_before.is_empty(), "--httpd-before"),
        (!args.httpd_after.is_empty(), "--httpd-after"),
        (!args.define.is_empty(), "-D"),
    ] {
        let why = if option == "-D" { "it is for <IfDefine>; -d sets a directive" } else { "it is about that file" };
        needs(given, option, no_httpd, "--httpd-conf FILE", why)?;
    }
    Ok(())
}

/// As [`config`], for one request: where no pool is named, the one that listens where the request goes is read.
pub fn config_for(args: &SourceArgs, request: &RequestArgs) -> Result<Loaded, Problem> {
    let loaded = config(args)?;
    if args.pool.is_some() || loaded.config.pools().is_empty() {
        return Ok(loaded);
    }
    match with_target(request, |target| pools::choose(loaded.config, target))? {
        pools::Choice::Stays => Ok(loaded),
        pools::Choice::Other(name) => config(&SourceArgs { pool: Some(OsString::from_vec(name)), ..args.clone() }),
        pools::Choice::Unknown(text) => {
            note(&text);
            Ok(loaded)
        }
        pools::Choice::Wrong(text) => Err(Problem::Call(text)),
    }
}

/// Reads what the options name. It is never freed: the process ends with it, and to take ten thousand virtual hosts apart
/// would cost a tenth of the time that it takes to read them.
pub fn config(args: &SourceArgs) -> Result<Loaded, Problem> {
    fit_together(args)?;
    let args = &in_directories(args)?;
    let mut builder = Builder::new(Arc::new(Disk));
    let mut context = Context { built_in: args.built_in, ..Context::default() };
    infer(args, &mut builder, &mut context);
    if let Some(text) = &args.php_version {
        builder.set_php_version(version(text)?);
    }
    if let Some(sapi) = &args.sapi {
        builder.set_sapi(sapi.as_bytes()).map_err(|error| sapi_meant(sapi, &error))?;
    }
    for text in &args.env {
        let (name, value) = full_pair("--env", text)?;
        builder.set_env(name, value);
    }
    if args.process_env {
        builder.use_env(process_env());
    }
    php_ini(args, &mut builder)?;
    httpd(args, &mut builder)?;
    let module = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&module);
    builder.ask_php_module(move |path| {
        let built = php_elf::read(path);
        let answer = built.clone().unwrap_or_default();
        if let Ok(mut seen) = seen.lock() {
            *seen = Some((path.to_path_buf(), built));
        }
        answer
    });
    if let Some(path) = &args.fpm_pool {
        if let Some(prefix) = &args.fpm_prefix {
            builder.set_fpm_prefix(prefix);
        }
        builder.load_fpm_pool(path, args.pool.as_deref().map(OsStr::as_bytes))?;
    }
    for text in &args.set {
        let (name, value) = pair(text);
        builder.set(name, value)?;
    }
    for text in &args.fastcgi_param {
        let (name, value) = full_pair("--fastcgi-param", text)?;
        let param = match name {
            b"PHP_VALUE" => FastCgiParam::Value,
            b"PHP_ADMIN_VALUE" => FastCgiParam::AdminValue,
            _ => return Err(Problem::Call("--fastcgi-param takes PHP_VALUE=… or PHP_ADMIN_VALUE=…".into())),
        };
        builder.fastcgi_param(param, value);
    }
    let config: &'static Config = Box::leak(Box::new(builder.build()?));
    let module = module.lock().ok().and_then(|mut module| module.take());
    found(args, config, module, &mut context);
    Ok(Loaded { config, context })
}

/// What was read, and what is to be said about it.
pub struct Loaded {
    pub config: &'static Config,
    pub context: Context,
}

impl Loaded {
    /// The document for programs: the answer itself, or with `--context` what it is for around it.
    pub fn document(&self, args: &SourceArgs, request: &RequestArgs, answer: String) -> Result<String, Problem> {
        if !args.context {
            return Ok(answer);
        }
        Ok(self.context.envelope(self.config, &served(self.config, request)?, &answer))
    }
}

/// SAPI and version follow from what is named, where nothing else says them.
fn infer(args: &SourceArgs, builder: &mut Builder, context: &mut Context) {
    let named = args.php_ini.as_ref().map(|path| (path, false));
    let named = named.or(args.php_ini_path.as_ref().map(|path| (path, true)));
    let Some((path, is_directory)) = named.or(args.fpm_pool.as_ref().map(|path| (path, false))) else { return };
    // mod_php is what its own module says.
    if args.httpd_conf.is_some() {
        return;
    }
    let told = inferred::of(path, is_directory);
    let by = format!("from the path {}", path.display());
    if let Some(version) = told.version.filter(|_| args.php_version.is_none()) {
        builder.set_php_version(version);
        context.version_by = Some(by.clone());
    }
    if let Some(sapi) = told.sapi.filter(|_| args.sapi.is_none() && args.fpm_pool.is_none())
        && builder.set_sapi(sapi.as_bytes()).is_ok()
    {
        context.sapi_by = Some(by);
    }
}

/// How php.ini was found, or why it is not known.
fn found(
    args: &SourceArgs,
    config: &Config,
    module: Option<(PathBuf, Result<CompiledIn, String>)>,
    context: &mut Context,
) {
    context.httpd.clone_from(&args.httpd_conf);
    context.pool = args
        .fpm_pool
        .as_ref()
        .map(|path| (path.clone(), args.pool.as_ref().map(|name| name.to_string_lossy().into_owned())));
    context.has_sets = !args.set.is_empty() || !args.fastcgi_param.is_empty();
    if args.php_version.is_none() && context.version_by.is_none() {
        context.version_by = Some("assumed".into());
    }
    let built = module.as_ref().and_then(|(_, built)| built.as_ref().ok());
    if let (Some((path, _)), Some(_)) =
        (&module, built.and_then(|built| built.version).filter(|_| args.php_version.is_none()))
    {
        context.version_by = Some(format!("read from {}", path.display()));
    }
    if args.php_ini.is_some() {
        context.found_by = Some("named by --php-ini".into());
        return;
    }
    if args.php_ini_search {
        context.found_by = Some("found by --php-ini-search".into());
        return;
    }
    let Some(httpd) = config.httpd().filter(|_| config.sapi() == Sapi::Apache) else {
        context.unnamed = unnamed(args, config);
        return;
    };
    if let Some((_, origin)) = httpd.php_ini_dir() {
        context.found_by = Some(format!("found by PHPINIDir, {origin}"));
        let scan_given = args.scan_dir.is_some() || args.env.iter().any(|text| pair(text).0 == b"PHP_INI_SCAN_DIR");
        if let Some((_, Err(why))) = module.filter(|_| !scan_given && !args.process_env) {
            let why = format!(
                "which directory of more .ini files mod_php reads is unknown: {why}; give --scan-dir DIRS, or --scan-dir '' for none"
            );
            context.unknown = Some(Unknown { why, overrides: &[Layer::BuiltIn, Layer::PhpIni] });
        }
        return;
    }
    let give = "give --php-ini FILE, or --php-ini-search with --php-ini-path DIR";
    let line = httpd.php_module().map_or_else(String::new, |(_, origin)| format!(", loaded by {origin}"));
    let why = match &module {
        Some((path, Ok(built))) if built.directory.is_some() => {
            context.found_by = Some(format!("found by {}{line}", path.display()));
            None
        }
        Some((path, Ok(_))) => {
            Some(format!("which php.ini mod_php reads is unknown: {} does not show it; {give}", path.display()))
        }
        Some((_, Err(why))) => Some(format!("which php.ini mod_php reads is unknown{line}: {why}; {give}")),
        None if httpd.has_module(b"mod_php.c") || httpd.has_module(b"mod_php7.c") => {
            Some(format!("which php.ini mod_php reads is unknown: no LoadModule line names its file; {give}"))
        }
        None => None,
    };
    context.unknown = why.map(|why| Unknown { why, overrides: &[Layer::BuiltIn] });
    if context.unknown.is_none() && context.found_by.is_none() {
        context.unnamed = unnamed(args, config);
    }
}

/// A server or a pool was named, and no php.ini, which is not found by itself there.
fn unnamed(args: &SourceArgs, config: &Config) -> Option<String> {
    let pool = if args.fpm_pool.is_some() || config.httpd().is_none() {
        ""
    } else {
        ", and --fpm-pool FILE where PHP-FPM runs the programs"
    };
    let who = if args.fpm_pool.is_some() { "PHP-FPM" } else { "a PHP that is not mod_php" };
    (args.fpm_pool.is_some() || config.httpd().is_some()).then(|| {
        format!(
            "no php.ini was named, and {who} reads one: what it sets is not known, so a built-in default holds only where it does not; \
             give --php-ini FILE, or --php-ini-search with --php-ini-path DIR{pool}"
        )
    })
}

/// PHP's names of its SAPIs are not what people call them.
fn sapi_meant(given: &OsStr, error: &outlive::Error) -> Problem {
    let given = given.to_string_lossy().to_ascii_lowercase();
    let called = [
        ("apache2handler", &["apache", "apache2", "httpd", "mod_php", "apache2filter"][..]),
        ("fpm-fcgi", &["fpm", "php-fpm"]),
        ("cgi-fcgi", &["cgi", "fastcgi", "fcgi", "php-cgi"]),
        ("cli-server", &["server", "cli_server"]),
        ("cli", &["php", "command", "shell"]),
    ];
    let name = called.iter().find(|(name, others)| *name == given || others.contains(&given.as_str()));
    let near = || suggest::nearest(called.iter().map(|(name, _)| (*name).to_owned()), &given);
    let name = name.map(|(name, _)| (*name).to_owned()).or_else(near);
    let hint = name.map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
    Problem::Call(format!("{}{hint}", error.message))
}

/// A directory may stand where a file may: then the file in it is meant that a server would read.
fn in_directories(args: &SourceArgs) -> Result<SourceArgs, Problem> {
    let mut args = args.clone();
    if let Some(directory) = args.php_ini.take_if(|path| path.is_dir()) {
        let names =
            Disk.list(&directory).map_err(|error| Problem::Call(format!("{}: {error}", directory.display())))?;
        let is_ini = |name: &OsString| name.as_bytes().starts_with(b"php") && name.as_bytes().ends_with(b".ini");
        if !names.iter().any(|name| is_ini(name) || name == "conf.d") {
            let text = "there is neither a php.ini nor a conf.d in this directory";
            return Err(Problem::Call(format!("--php-ini {}: {text}", directory.display())));
        }
        (args.php_ini_search, args.php_ini_path) = (true, Some(directory));
    }
    let mains = ["apache2.conf", "httpd.conf", "conf/httpd.conf"];
    in_directory("--httpd-conf", &mut args.httpd_conf, &mains)?;
    in_directory("--fpm-pool", &mut args.fpm_pool, &["php-fpm.conf", "www.conf"])?;
    Ok(args)
}

fn in_directory(option: &str, path: &mut Option<PathBuf>, names: &[&str]) -> Result<(), Problem> {
    let Some(directory) = path.as_ref().filter(|path| path.is_dir()) else { return Ok(()) };
    let there = names.iter().map(|name| directory.join(name)).find(|path| path.is_file());
    let file = there.ok_or_else(|| {
        let names = names.join(" nor ");
        Problem::Call(format!("{option} {}: there is neither {names} in this directory", directory.display()))
    })?;
    *path = Some(file);
    Ok(())
}

fn must_be_directory(option: &str, path: &Path) -> Result<(), Problem> {
    match std::fs::read_dir(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(Problem::Call(format!("{option} {}: cannot read it: {error}", path.display()))),
    }
}

fn php_ini(args: &SourceArgs, builder: &mut Builder) -> Result<(), Problem> {
    if let Some(path) = &args.php_ini {
        builder.load_php_ini(path)?;
    }
    if args.php_ini_search {
        args.php_ini_path.as_deref().map_or(Ok(()), |path| must_be_directory("--php-ini-path", path))?;
        builder.search_php_ini();
        let scan = args.php_ini_path.as_ref().map(|path| path.join("conf.d"));
        builder.set_compiled_in(args.php_ini_path.as_deref(), scan.as_deref());
    }
    if let Some(dirs) = &args.scan_dir {
        for dir in dirs.as_bytes().split(|&byte| byte == b':').filter(|dir| !dir.is_empty()) {
            let dir = Path::new(OsStr::from_bytes(dir));
            if dir.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
                eprintln!("warning: --scan-dir {}: no such directory; PHP passes over it", dir.display());
            } else {
                must_be_directory("--scan-dir", dir)?;
            }
        }
        builder.set_scan_dirs(dirs.as_bytes());
    }
    Ok(())
}

fn httpd(args: &SourceArgs, builder: &mut Builder) -> Result<(), Problem> {
    let Some(path) = &args.httpd_conf else { return Ok(()) };
    builder.load_httpd_conf(path)?;
    let envvars = path.with_file_name("envvars");
    builder.use_env(Disk.read(&envvars).map(|text| envvars::exports(&text)).unwrap_or_default());
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
    Ok(())
}

/// The parts of a URL.
struct Url<'a> {
    scheme: &'a [u8],
    port: u16,
    /// What a browser would say in its Host header.
    authority: &'a [u8],
    uri: &'a [u8],
}

fn url(text: &OsStr) -> Result<Url<'_>, Problem> {
    let bad = || {
        let text = text.to_string_lossy();
        let hint =
            if text.contains("//") || text.is_empty() { String::new() } else { format!(", such as http://{text}") };
        Problem::Call(format!("--url {text}: this takes http://HOST[:PORT]/PATH or https://…{hint}"))
    };
    let bytes = text.as_bytes();
    let (scheme, rest) = match (bytes.strip_prefix(b"http://"), bytes.strip_prefix(b"https://")) {
        (Some(rest), _) => (&b"http"[..], rest),
        (_, Some(rest)) => (&b"https"[..], rest),
        _ => return Err(bad()),
    };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, uri) = rest.split_at(end);
    let colon = authority.iter().rposition(|&byte| byte == b':').filter(|&at| !authority[at..].contains(&b']'));
    let (host, port) = match colon {
        None => (authority, 0),
        Some(at) => {
            let port = std::str::from_utf8(&authority[at + 1..]).ok().and_then(|port| port.parse().ok());
            (&authority[..at], port.ok_or_else(bad)?)
        }
    };
    if host.is_empty() {
        return Err(bad());
    }
    Ok(Url { scheme, port, authority, uri: if uri.is_empty() { b"/" } else { uri } })
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

/// The client that asks where none is named: somebody at this machine.
const THIS_MACHINE: &str = "127.0.0.1";
/// An address that is nobody's.
const ELSEWHERE: &str = "192.0.2.1";

fn status(outcome: &Outcome) -> Option<u16> {
    match outcome {
        Outcome::Answer { status, .. } => Some(*status),
        _ => None,
    }
}

/// What becomes of the request that the options describe.
pub fn outcome(config: &Config, args: &RequestArgs) -> Result<Outcome, Problem> {
    let own = with_target(args, |target| config.outcome_of_php(target))??;
    if args.client.is_none() {
        let elsewhere = RequestArgs { client: Some(ELSEWHERE.into()), ..args.clone() };
        let other = with_target(&elsewhere, |target| config.outcome_of_php(target))??;
        if status(&own) != status(&other) {
            note(&format!(
                "asked as from this machine ({THIS_MACHINE}); other clients may get another answer: --client ADDRESS asks as one of them"
            ));
        }
    }
    Ok(own)
}

/// Which file runs, and below which document root, as far as the options and the server's files tell. Where the server answers by
/// itself, no file does.
pub fn served(config: &Config, args: &RequestArgs) -> Result<Served, Problem> {
    with_target(args, |target| {
        let named = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        let named = Served { document_root: named(target.document_root), script: named(target.filename) };
        let Some(httpd) = config.httpd().filter(|_| target.uri.is_some()) else { return Ok(named) };
        Ok(match httpd.resolve(&Disk, target)? {
            Resolution::Run(run) if httpd.no_program(&run).is_none() => {
                Served { document_root: Some(run.document_root), script: Some(run.filename) }
            }
            _ => Served::default(),
        })
    })?
}

/// Hands over the target that the options describe.
pub fn with_target<T>(args: &RequestArgs, then: impl FnOnce(&Target<'_>) -> T) -> Result<T, Problem> {
    fn bytes(text: &Option<OsString>) -> Option<&[u8]> {
        text.as_deref().map(OsStr::as_bytes)
    }
    let url = args.url.as_deref().map(url).transpose()?;
    for (given, option) in [(args.host.is_some(), "--host"), (args.uri.is_some(), "--uri")] {
        if given && url.is_some() {
            return Err(Problem::Call(format!("--url says what {option} says: give one of them")));
        }
    }
    let headers: Vec<(&[u8], &[u8])> = args.header.iter().map(|text| header(text)).collect::<Result<_, _>>()?;
    let target = Target {
        server_name: bytes(&args.host).or(url.as_ref().map(|url| url.authority)),
        server_address: bytes(&args.address),
        port: args.port.or(url.as_ref().map(|url| url.port)).unwrap_or_default(),
        scheme: url.as_ref().map(|url| url.scheme),
        method: bytes(&args.method),
        protocol: bytes(&args.protocol),
        uri: bytes(&args.uri).or(url.as_ref().map(|url| url.uri)),
        filename: bytes(&args.file),
        document_root: bytes(&args.document_root),
        client_address: bytes(&args.client).or(Some(THIS_MACHINE.as_bytes())),
        user: bytes(&args.user),
        headers: &headers,
    };
    Ok(then(&target))
}

fn header(text: &OsStr) -> Result<(&[u8], &[u8]), Problem> {
    let bytes = text.as_bytes();
    let colon = bytes.iter().position(|&byte| byte == b':');
    let colon =
        colon.ok_or_else(|| Problem::Call(format!("--header {}: this takes 'Name: value'", text.to_string_lossy())))?;
    Ok((bytes[..colon].trim_ascii(), bytes[colon + 1..].trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart() {
        let of =
            |text: &'static str| url(OsStr::new(text)).ok().map(|url| (url.scheme, url.authority, url.port, url.uri));
        assert_eq!(of("http://a.b"), Some((&b"http"[..], &b"a.b"[..], 0, &b"/"[..])));
        assert_eq!(of("https://a:8443/x?y"), Some((&b"https"[..], &b"a:8443"[..], 8443, &b"/x?y"[..])));
        assert_eq!(of("http://[::1]:80/"), Some((&b"http"[..], &b"[::1]:80"[..], 80, &b"/"[..])));
        assert_eq!(of("http://[::1]/"), Some((&b"http"[..], &b"[::1]"[..], 0, &b"/"[..])));
        assert_eq!(of("ftp://a/"), None);
        assert_eq!(of("http:///x"), None);
        assert_eq!(of("http://a:x/"), None);
    }
}
