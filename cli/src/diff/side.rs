//! Sides A and B: common options, and each side's own options on top.

use crate::args::{DiffArgs, RequestArgs, SourceArgs};
use crate::estate::layouts;
use crate::output::Problem;
use clap::Parser;
use outlive::PhpVersion;
use outlive::files::{Disk, Files};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// One side's options, complete.
pub struct Options {
    /// What the call says about this side.
    pub title: String,
    pub source: SourceArgs,
    pub request: RequestArgs,
    /// Only a version was said: PHP as it comes.
    pub is_version: bool,
}

/// The options that one side may have.
#[derive(Debug, Parser)]
#[command(name = "outlive diff", no_binary_name = true, disable_help_flag = true)]
struct Own {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    request: RequestArgs,
}

/// Both sides.
pub fn both(args: &DiffArgs) -> Result<[Options; 2], Problem> {
    let usage = "outlive diff compares two sides: give A and B (files, directories, URLs, PHP versions, @FILE), or \
                 --a OPTIONS and --b OPTIONS; `outlive diff --help` has examples";
    let mut words = args.sides.iter();
    let mut side = |name: &str, options: &Option<OsString>| -> Result<Options, Problem> {
        let mut own: Vec<OsString> = Vec::new();
        let mut titles: Vec<String> = Vec::new();
        if let Some(text) = options {
            own.extend(split(text.as_bytes()).map_err(|why| Problem::Call(format!("--{name} {why}")))?);
            titles.push(text.to_string_lossy().into_owned());
        } else if let Some(word) = words.next() {
            let word_options = meant(word)?;
            titles.push(word.to_string_lossy().into_owned());
            own.extend(word_options);
        } else {
            return Err(Problem::Call(usage.into()));
        }
        let upper = name.to_ascii_uppercase();
        let own = Own::try_parse_from(own).map_err(|error| {
            let text = error.to_string();
            let text = text.trim_start_matches("error: ").split("\n\nUsage").next().unwrap_or_default().trim_end();
            Problem::Call(format!("side {upper}: {text}"))
        })?;
        let mut source = over_source(&args.source, own.source);
        // A version alone is PHP of that version as it comes.
        let is_version = titles.first().is_some_and(|word| PhpVersion::from_text(word).is_some())
            && !crate::estate::names_a_source(&source)
            && source.root.is_none();
        source.built_in |= is_version;
        let request = over_request(&args.request, own.request);
        Ok(Options { title: titles.join(" "), source, request, is_version })
    };
    let both = [side("a", &args.a)?, side("b", &args.b)?];
    match words.next() {
        None => Ok(both),
        Some(word) => Err(Problem::Call(format!("{}: there are two sides already; {usage}", word.to_string_lossy()))),
    }
}

/// The common options with what one word stands for on top.
pub fn with_word(common: &SourceArgs, word: &OsStr) -> Result<SourceArgs, Problem> {
    let own = Own::try_parse_from(meant(word)?);
    let own = own.map_err(|error| Problem::Call(format!("{}: {error}", word.to_string_lossy())))?;
    Ok(over_source(common, own.source))
}

/// The options that one word stands for.
fn meant(word: &OsStr) -> Result<Vec<OsString>, Problem> {
    let bytes = word.as_bytes();
    let option = |name: &str| vec![OsString::from(name), word.to_owned()];
    if let Some(file) = bytes.strip_prefix(b"@") {
        let path = Path::new(OsStr::from_bytes(file));
        let text =
            Disk.read(path).map_err(|error| Problem::Call(format!("cannot read {}: {error}", path.display())))?;
        return split(&text).map_err(|why| Problem::Call(format!("{}: {why}", path.display())));
    }
    if bytes.starts_with(b"http://") || bytes.starts_with(b"https://") {
        return Ok(option("--url"));
    }
    if word.to_str().and_then(PhpVersion::from_text).is_some() {
        return Ok(option("--php-version"));
    }
    let path = Path::new(word);
    // 8.2/fpm/www, as `outlive where` has it.
    let before = bytes.split(|&byte| byte == b'/').next().unwrap_or_default();
    let is_id = bytes.contains(&b'/') && std::str::from_utf8(before).ok().and_then(PhpVersion::from_text).is_some();
    if is_id && !path.exists() {
        return Ok(option("--php"));
    }
    match std::fs::metadata(path) {
        Ok(data) if data.is_dir() => directory(path),
        Ok(_) => file(path),
        Err(error) => Err(Problem::Call(format!(
            "{}: {error}; a side is a file, a directory, a URL, a PHP version or @FILE with options",
            path.display()
        ))),
    }
}

/// A php.ini, a pool or httpd's main file, by what is in it.
fn file(path: &Path) -> Result<Vec<OsString>, Problem> {
    let option = |name: &str| Ok(vec![OsString::from(name), path.as_os_str().to_owned()]);
    if path.extension().is_some_and(|extension| extension == "ini") {
        return option("--php-ini");
    }
    let text = Disk.read(path).map_err(|error| Problem::Call(format!("cannot read {}: {error}", path.display())))?;
    let mut lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let first = lines.find(|line| !line.is_empty() && !matches!(line[0], b'#' | b';')).unwrap_or_default();
    let is_section = first.first() == Some(&b'[');
    match (path.extension().is_some_and(|extension| extension == "conf"), is_section) {
        (true, true) => option("--fpm-pool"),
        (true, false) if !first.contains(&b'=') => option("--httpd-conf"),
        (true, false) if first.starts_with(b"include") => option("--fpm-pool"),
        _ => option("--php-ini"),
    }
}

/// A directory as Debian has them: /etc/php/8.2/fpm, /etc/apache2.
fn directory(path: &Path) -> Result<Vec<OsString>, Problem> {
    let mut out: Vec<OsString> = Vec::new();
    let has = |name: &str| path.join(name).is_file();
    if let Some(main) = ["apache2.conf", "httpd.conf", "conf/httpd.conf"].into_iter().find(|name| has(name)) {
        out.extend(["--httpd-conf".into(), path.join(main).into_os_string()]);
    }
    let inis = std::fs::read_dir(path).into_iter().flatten().flatten();
    if inis.map(|entry| entry.file_name()).any(|name| layouts::is_ini(&name)) || path.join("conf.d").is_dir() {
        out.extend(["--php-ini-search".into(), "--php-ini-path".into(), path.as_os_str().to_owned()]);
    }
    if has("php-fpm.conf") {
        out.extend(["--fpm-pool".into(), path.join("php-fpm.conf").into_os_string()]);
    }
    if out.is_empty() {
        let text = "there is neither a php.ini, a conf.d, a php-fpm.conf, an apache2.conf nor an httpd.conf in it";
        return Err(Problem::Call(format!("{}: {text}", path.display())));
    }
    Ok(out)
}

/// Splits as a shell would: blanks, quotes, backslashes; `#` begins a comment.
fn split(text: &[u8]) -> Result<Vec<OsString>, String> {
    let (mut out, mut word) = (Vec::new(), None::<Vec<u8>>);
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\'' | b'"' => {
                let word = word.get_or_insert_default();
                loop {
                    match bytes.next() {
                        None => return Err(format!("{}: a quote is not closed", String::from_utf8_lossy(text))),
                        Some(end) if end == byte => break,
                        Some(b'\\') if byte == b'"' => word.extend(bytes.next()),
                        Some(other) => word.push(other),
                    }
                }
            }
            b'\\' => word.get_or_insert_default().extend(bytes.next()),
            b'#' if word.is_none() => {
                bytes.by_ref().find(|&byte| byte == b'\n');
            }
            blank if blank.is_ascii_whitespace() => out.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    out.extend(word);
    Ok(out.into_iter().map(OsString::from_vec).collect())
}

/// The side's own options override the common ones; options that may be repeated are joined, the side's own last.
fn over_source(base: &SourceArgs, own: SourceArgs) -> SourceArgs {
    let mut all = base.clone();
    // A php.ini of its own takes the place of a search, and the other way round.
    if own.php_ini.is_some() {
        (all.php_ini_search, all.php_ini_path) = (false, None);
    }
    if own.php_ini_search {
        all.php_ini = None;
    }
    macro_rules! over {
        ($($field:ident)*; $($many:ident)*; $($flag:ident)*) => {
            // All of them, so that none is forgotten.
            let SourceArgs { $($field,)* $($many,)* $($flag,)* found: _ } = own;
            $(if $field.is_some() { all.$field = $field; })*
            $(all.$many.extend($many);)*
            $(all.$flag |= $flag;)*
        };
    }
    over!(root php nginx_conf php_ini php_ini_path scan_dir httpd_conf server_root httpd_version fpm_pool fpm_prefix pool sapi php_version;
        define httpd_before httpd_after set fastcgi_param cgi_variable env compiled_in; php_ini_search process_env built_in context);
    all
}

fn over_request(base: &RequestArgs, own: RequestArgs) -> RequestArgs {
    let mut all = base.clone();
    if own.url.is_some() {
        (all.host, all.uri) = (None, None);
    }
    if own.host.is_some() || own.uri.is_some() {
        all.url = None;
    }
    macro_rules! over {
        ($($field:ident)*) => {
            let RequestArgs { $($field,)* header } = own;
            $(if $field.is_some() { all.$field = $field; })*
            all.header.extend(header);
        };
    }
    over!(url host port address uri method protocol file document_root client user);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        let of = |text: &str| split(text.as_bytes()).map(|words| words.join(OsStr::new("|")));
        assert_eq!(of("--php-ini 'a b.ini'  -d\tx=\"1 \\\" 2\" # why\n--sapi c\\ d ''"), {
            Ok("--php-ini|a b.ini|-d|x=1 \" 2|--sapi|c d|".into())
        });
        assert!(of("'x").is_err());
        assert_eq!(of(" \n"), Ok("".into()));
    }
}
