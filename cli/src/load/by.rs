//! How the files were found, and which are not known.

use crate::answering::{Context, Unknown};
use crate::args::SourceArgs;
use crate::inferred;
use crate::pair::pair;
use outlive::config::{Builder, CompiledIn, Config, Layer, Sapi};
use std::path::PathBuf;

/// SAPI and version follow from what is named, where nothing else says them.
pub fn infer(args: &SourceArgs, builder: &mut Builder, context: &mut Context) {
    let named = args.php_ini.as_ref().map(|path| (path, false));
    let named = named.or(args.php_ini_path.as_ref().map(|path| (path, true)));
    let Some((path, is_directory)) = named.or(args.fpm_pool.as_ref().map(|path| (path, false))) else { return };
    // mod_php's version is read from its module.
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
pub fn found(
    args: &SourceArgs,
    config: &Config,
    module: Option<(PathBuf, Result<CompiledIn, String>)>,
    context: &mut Context,
) {
    context.httpd.clone_from(&args.httpd_conf);
    if let Some(by) = args.found.as_deref() {
        context.of_found(by);
    }
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
    if args.found.as_ref().is_some_and(|by| by.search.is_some() || by.answer.is_some()) {
        return;
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
