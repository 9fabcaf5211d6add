//! Which options may be combined, and what short forms mean.

use crate::args::SourceArgs;
use crate::estate::layouts;
use crate::output::Problem;
use crate::pair::full_pair;
use crate::suggest;
use crate::view::View;
use outlive::config::{FastCgiParam, Sapi};
use outlive::files::Files;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The errors of a call itself, before any file is read: options that need another one, options that exclude each other, and unknown
/// values.
pub fn fit_together(args: &SourceArgs) -> Result<(), Problem> {
    args.php_version.as_deref().map(super::version).transpose()?;
    args.sapi.as_deref().map(sapi).transpose()?;
    args.env.iter().try_for_each(|text| full_pair("--env", text).map(|_| ()))?;
    args.cgi_variable.iter().try_for_each(|text| full_pair("--cgi-variable", text).map(|_| ()))?;
    args.fastcgi_param.iter().try_for_each(|text| fastcgi_param(text).map(|_| ()))?;
    if let Some(prefix) = args.fpm_prefix.as_deref().filter(|prefix| !prefix.is_dir()) {
        let text = format!("--fpm-prefix {}: no such directory; php-fpm would not start with it", prefix.display());
        return Err(Problem::Call(text));
    }
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
        (args.nginx_conf.is_some(), "--nginx-conf"),
        (args.root.is_some(), "--root"),
        (args.php.is_some(), "--php"),
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

/// `PHP_VALUE=…` or `PHP_ADMIN_VALUE=…`
pub fn fastcgi_param(text: &OsStr) -> Result<(FastCgiParam, &[u8]), Problem> {
    let (name, value) = full_pair("--fastcgi-param", text)?;
    match name {
        b"PHP_VALUE" => Ok((FastCgiParam::Value, value)),
        b"PHP_ADMIN_VALUE" => Ok((FastCgiParam::AdminValue, value)),
        _ => Err(Problem::Call(
            "--fastcgi-param takes PHP_VALUE=… or PHP_ADMIN_VALUE=…; --cgi-variable takes the others".into(),
        )),
    }
}

/// PHP's names of its SAPIs are not what people call them.
pub fn sapi_meant(given: &OsStr, error: &outlive::Error) -> Problem {
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

/// The SAPI that an option names.
pub fn sapi(given: &OsStr) -> Result<Sapi, Problem> {
    Sapi::from_name(given.as_bytes()).ok_or_else(|| {
        let names: Vec<&str> = Sapi::ALL.iter().map(|sapi| sapi.name()).collect();
        let why = format!("no such SAPI: {}; known are {}", given.to_string_lossy(), names.join(", "));
        sapi_meant(given, &outlive::Error::new(outlive::Code::Argument, why))
    })
}

/// A directory may stand where a file may: then the file in it is meant that a server would read.
pub fn in_directories(args: &SourceArgs) -> Result<SourceArgs, Problem> {
    let mut args = args.clone();
    let view = args.found.as_ref().map(|found| found.view.clone()).unwrap_or_default();
    if let Some(directory) = args.php_ini.take_if(|path| view.is_dir(path)) {
        let names =
            view.list(&directory).map_err(|error| Problem::Call(format!("{}: {error}", directory.display())))?;
        let is_ini = |name: &OsString| layouts::is_ini(name);
        if !names.iter().any(|name| is_ini(name) || name == "conf.d") {
            let text = "there is neither a php.ini nor a conf.d in this directory";
            return Err(Problem::Call(format!("--php-ini {}: {text}", directory.display())));
        }
        (args.php_ini_search, args.php_ini_path) = (true, Some(directory));
    }
    let mains = ["apache2.conf", "httpd.conf", "conf/httpd.conf"];
    in_directory(&view, "--httpd-conf", &mut args.httpd_conf, &mains)?;
    in_directory(&view, "--fpm-pool", &mut args.fpm_pool, &["php-fpm.conf", "www.conf"])?;
    in_directory(&view, "--nginx-conf", &mut args.nginx_conf, &["nginx.conf"])?;
    Ok(args)
}

fn in_directory(view: &View, option: &str, path: &mut Option<PathBuf>, names: &[&str]) -> Result<(), Problem> {
    let Some(directory) = path.as_ref().filter(|path| view.is_dir(path)) else { return Ok(()) };
    let there = names.iter().map(|name| directory.join(name)).find(|path| view.is_file(path));
    let file = there.ok_or_else(|| {
        let names = names.join(" nor ");
        Problem::Call(format!("{option} {}: there is neither {names} in this directory", directory.display()))
    })?;
    *path = Some(file);
    Ok(())
}
