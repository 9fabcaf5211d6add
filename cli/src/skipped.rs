//! Skipped lines: in files that are written for PHP and that this PHP does not read.

use crate::statements::statements;
use crate::text;
use outlive::config::{Config, Layer, Sapi};
use outlive::files::Kind;
use outlive::httpd::{self, Resolution, Run};
use outlive::ini::{Event, Value};
use outlive::origin::Origin;
use outlive::target::Target;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The most bytes of a file that are searched for skipped lines.
const MOST: usize = 1 << 20;

/// One line without effect.
#[derive(Clone, Debug)]
pub struct Skipped {
    /// Where it would have stood in the order of layers.
    pub layer: Layer,
    pub origin: Origin,
    pub name: Vec<u8>,
    pub value: Vec<u8>,
    /// Why, for people.
    pub because: String,
}

/// A file that was not read, its lines, and why.
#[derive(Debug)]
pub struct SkippedFile {
    pub file: Arc<[u8]>,
    pub lines: Vec<Skipped>,
    pub because: String,
}

/// Files beside the program that this PHP does not read.
pub fn beside(config: &Config, run: Option<&Run>, target: &Target<'_>) -> Vec<SkippedFile> {
    let mut found = Vec::new();
    let dirs = directories_of(run, target);
    let (sapi, name) = (config.sapi(), config.sapi().name());
    if matches!(sapi, Sapi::Apache | Sapi::CliServer | Sapi::Cli) {
        let base = config.base();
        let user_ini = base.get(b"user_ini.filename").filter(|name| !name.is_empty()).unwrap_or(b".user.ini").to_vec();
        let instead = if sapi == Sapi::Apache { "; use .htaccess" } else { "" };
        let because = format!("{name} does not read it, only CGI and FPM do{instead}");
        each(config, &dirs, &user_ini, Layer::UserIni, &because, &mut found);
    }
    // php-cgi may run in the program's directory, and looks for a php.ini there.
    if matches!(sapi, Sapi::Apache | Sapi::Fpm | Sapi::CliServer) {
        let instead = if sapi == Sapi::Apache { ".htaccess" } else { ".user.ini" };
        let instead = if sapi == Sapi::CliServer { String::new() } else { format!("; use {instead}") };
        let because = format!("{name} does not look for a php.ini beside the program{instead}");
        each(config, &dirs, b"php.ini", Layer::PhpIni, &because, &mut found);
    }
    // Which .htaccess Apache reads, where it stands in front, is Apache's part.
    if config.httpd().is_none() && matches!(sapi, Sapi::Fpm | Sapi::Cgi | Sapi::CliServer) {
        let instead = if sapi == Sapi::CliServer { "" } else { "; use .user.ini" };
        let because = format!("{name} does not read it: php_value and its like belong to mod_php{instead}");
        each(config, &dirs, b".htaccess", Layer::Httpd(httpd::ServerLayer::Htaccess), &because, &mut found);
    }
    // An .htaccess without PHP directives is not reported.
    found.retain(|file| !file.file.ends_with(b"/.htaccess") || !file.lines.is_empty());
    found
}

/// The php.ini files of Debian's other SAPIs, beside the one that was read: /etc/php/VERSION/SAPI/php.ini.
pub fn of_other_sapis(config: &Config) -> Vec<SkippedFile> {
    let mut found = Vec::new();
    for (layer, file, _) in config.ini_files().filter(|(layer, ..)| *layer == Layer::PhpIni) {
        let path = Path::new(OsStr::from_bytes(file));
        let Some(dir) = path.parent().filter(|_| path.ends_with("php.ini")) else { continue };
        let Some((own, above)) = dir.file_name().zip(dir.parent()) else { continue };
        let sapis = ["apache2", "cgi", "cli", "embed", "fpm"];
        if !sapis.iter().any(|name| own == *name) {
            continue;
        }
        for other in sapis.iter().filter(|name| own != **name) {
            let because = format!("it is the php.ini of another SAPI ({other})");
            each(config, &[above.join(other)], b"php.ini", layer, &because, &mut found);
        }
    }
    found
}

/// What httpd runs for the request, where it runs a program: for [`beside`] and [`passed_over`].
pub fn run(config: &Config, target: &Target<'_>) -> Option<Run> {
    match config.httpd()?.resolve(&**config.files(), target) {
        Ok(Resolution::Run(run)) => Some(run),
        _ => None,
    }
}

/// The directories of the program that is asked about, or that httpd runs.
fn directories_of(run: Option<&Run>, target: &Target<'_>) -> Vec<PathBuf> {
    let root = target.document_root.or(run.map(|run| &*run.document_root));
    let file = target.filename.or(run.map(|run| &*run.filename));
    file.map_or_else(Vec::new, |file| directories(root, file))
}

/// From the document root down to the program; all above the program where it lies elsewhere.
fn directories(root: Option<&[u8]>, file: &[u8]) -> Vec<PathBuf> {
    let file = Path::new(OsStr::from_bytes(file));
    let root = root.map(|root| Path::new(OsStr::from_bytes(root))).filter(|root| file.starts_with(root));
    let below = |dir: &&Path| root.is_none_or(|root| dir.starts_with(root));
    let mut dirs: Vec<PathBuf> = file.ancestors().skip(1).take_while(below).map(Path::to_path_buf).collect();
    dirs.reverse();
    dirs
}

fn each(config: &Config, dirs: &[PathBuf], name: &[u8], layer: Layer, because: &str, found: &mut Vec<SkippedFile>) {
    for dir in dirs {
        let path = dir.join(OsStr::from_bytes(name));
        let is_file = config.files().kind(&path).is_ok_and(|kind| kind == Kind::File);
        let bytes = path.as_os_str().as_bytes();
        if !is_file || config.ini_files().any(|(_, read, _)| **read == *bytes) {
            continue;
        }
        let file: Arc<[u8]> = bytes.into();
        let mut text = config.files().read(&path).unwrap_or_default();
        text.truncate(MOST);
        let lines = if matches!(layer, Layer::Httpd(_)) { httpd_lines(&text) } else { ini_lines(config, &text) };
        let line = |(name, value, line)| Skipped {
            layer,
            origin: Origin::new(&file, line),
            name,
            value,
            because: because.to_owned(),
        };
        let lines = lines.into_iter().map(line).collect();
        found.push(SkippedFile { file: Arc::clone(&file), lines, because: because.to_owned() });
    }
}

/// Lines of `.htaccess` files that Apache itself passes over for mod_php: in a block that is false, or in a file that it does not open.
pub fn passed_over(config: &Config, run: Option<&Run>, target: &Target<'_>) -> Vec<Skipped> {
    let mut found = Vec::new();
    let Some(httpd) = config.httpd().filter(|_| matches!(config.sapi(), Sapi::Apache | Sapi::Fpm | Sapi::Cgi)) else {
        return found;
    };
    let Some(run) = run else { return found };
    let counts = |file: &[u8], line: u32| {
        let mut values = run.containers.iter().flat_map(|container| container.values.iter());
        values.any(|value| value.origin.line == line && value.origin.file.as_deref() == Some(file))
    };
    for dir in directories_of(Some(run), target) {
        let path = dir.join(".htaccess");
        let Ok(mut text) = config.files().read(&path) else { continue };
        text.truncate(MOST);
        let file: Arc<[u8]> = path.as_os_str().as_bytes().into();
        let opened = run.containers.iter().any(|container| container.origin.file.as_deref() == Some(&*file));
        let lines = httpd_lines(&text).into_iter().filter(|(.., line)| !counts(&file, *line));
        found.extend(lines.filter_map(|(name, value, line)| {
            let because = match false_block(httpd, &text, line) {
                Some(why) => why,
                None if !opened => "Apache does not read this file: AllowOverride None holds here".to_owned(),
                None => return None,
            };
            let layer = Layer::Httpd(httpd::ServerLayer::Htaccess);
            Some(Skipped { layer, origin: Origin::new(&file, line), name, value, because })
        }));
    }
    found
}

/// Lines of httpd's own files that stand in an `<IfModule>` for another PHP.
pub fn in_dead_sections(config: &Config) -> Vec<Skipped> {
    let Some(httpd) = config.httpd().filter(|_| config.sapi() == Sapi::Apache) else { return Vec::new() };
    let lines = httpd.dead_sections().flat_map(|dead| {
        let because = in_block(&dead.opening, false);
        let file = dead.origin.file.clone();
        dead.lines.into_iter().filter_map(move |(number, line)| {
            let (name, value) = httpd_line(line)?;
            let origin = Origin { file: file.clone(), line: number };
            let layer = Layer::Httpd(httpd::ServerLayer::Server);
            Some(Skipped { layer, origin, name, value, because: because.clone() })
        })
    });
    lines.collect()
}

/// Why a line does not count that stands in an `<IfModule>` which is false.
fn in_block(block: &[u8], loaded: bool) -> String {
    let has = |what: &[u8]| memchr::memmem::find(&block.to_ascii_lowercase(), what).is_some();
    let of_another = has(b"php") && !has(b"mod_php.c") && !has(b"php_module");
    let why = match (loaded, of_another) {
        (true, _) => "that module is loaded",
        (false, true) => "no such module is loaded; mod_php of PHP 8 is mod_php.c",
        (false, false) => "no such module is loaded",
    };
    format!("it stands in {}, and {why}", text::shown(block))
}

/// Why a line does not count, where an `<IfModule>` around it is false: the innermost one.
fn false_block(httpd: &httpd::Configuration, text: &[u8], line: u32) -> Option<String> {
    let mut open: Vec<Option<String>> = Vec::new();
    for own in text.split(|&byte| byte == b'\n').take(line as usize).map(<[u8]>::trim_ascii) {
        if own.starts_with(b"</") {
            open.pop();
        } else if let Some(block) = own.strip_prefix(b"<").and_then(|block| block.strip_suffix(b">")) {
            let mut words = block.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            let is_module = words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"IfModule"));
            let name = words.next().unwrap_or_default();
            let (wanted, name) = name.strip_prefix(b"!").map_or((true, name), |name| (false, name));
            let loaded = httpd.has_module(name);
            open.push((is_module && loaded != wanted).then(|| in_block(own, loaded)));
        }
    }
    open.into_iter().rev().flatten().next()
}

type Line = (Vec<u8>, Vec<u8>, u32);

fn ini_lines(config: &Config, text: &[u8]) -> Vec<Line> {
    let mut lines = Vec::new();
    statements(config.php_version(), text, &mut |event, line| {
        if let Event::Entry { key, value: Value::Text(value) } = event {
            lines.push((key.to_vec(), value.to_vec(), line));
        }
    });
    lines
}

/// `php_value NAME VALUE` and its like, in whichever block they stand.
fn httpd_lines(text: &[u8]) -> Vec<Line> {
    let one = |(place, line): (usize, &[u8])| {
        let (name, value) = httpd_line(line)?;
        Some((name, value, u32::try_from(place + 1).unwrap_or(u32::MAX)))
    };
    text.split(|&byte| byte == b'\n').enumerate().filter_map(one).collect()
}

/// One of them: name and value.
fn httpd_line(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let names = ["php_value", "php_flag", "php_admin_value", "php_admin_flag"];
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let word = words.next()?;
    names.iter().find(|name| word.eq_ignore_ascii_case(name.as_bytes()))?;
    let name = words.next()?;
    let at = name.as_ptr() as usize - line.as_ptr() as usize + name.len();
    let value = line[at..].trim_ascii();
    let value = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
    Some((name.to_vec(), value.to_vec()))
}

/// The names that the lines of an `.htaccess` set, each once.
pub fn set_by_htaccess(text: &[u8]) -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = Vec::new();
    for (name, ..) in httpd_lines(&text[..text.len().min(MOST)]) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

impl SkippedFile {
    /// The sentence for the whole file.
    pub fn sentence(&self) -> String {
        let mut names: Vec<String> = self.lines.iter().map(|line| text::shown(&line.name)).collect();
        names.dedup();
        let sets = match names.len() {
            0 => String::new(),
            1..=8 => format!(" (it would set {})", names.join(", ")),
            many => format!(" (it would set {} and {} more)", names[..7].join(", "), many - 7),
        };
        format!("this file has no effect: {}{sets}", self.because)
    }
}
