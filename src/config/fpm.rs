//! FPM's configuration: pools with `php_value[]`, `php_flag[]`, `php_admin_value[]`, `php_admin_flag[]`, `env[]`, and `include` (facts
//! I-150 … I-157). What php-fpm does not start with is an error.

mod directives;
pub(super) mod glob;
mod pool;

use super::build::{cannot_read, file_name};
use super::builder::AccountReader;
use super::core::{Assignment, Core, Source, Worker};
use super::diagnose;
use super::directive_state::Authority;
use super::layer::Layer;
use super::lookup::CoreLookup;
use super::reader::{text_of, too_large, unknown};
use super::sapi::Sapi;
use super::text::Text;
use crate::diagnostic::{Diagnosis, Diagnostic, Severity};
use crate::error::{Code, Error, Result};
use crate::files::{Files, Kind};
use crate::ini::{self, Event};
use crate::origin::Origin;
use directives::Place;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use pool::Pool;

/// Includes nested deeper than this FPM itself refuses.
const DEPTH: u32 = 4;

/// The most files that are read: each may include all of them again.
const FILES: u32 = 100_000;
/// The most text of all files, and the most lines that say something.
const MAX_TEXTS: usize = 128 << 20;
const MAX_LINES: usize = 1_000_000;

/// Reads the pool of that name, or the first one.
pub(super) fn read(
    core: &mut Core,
    files: &dyn Files,
    path: &Path,
    pool: Option<&[u8]>,
    prefix: Option<&Path>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<()> {
    let mut reading = Reading {
        core,
        lookup: CoreLookup::new(core),
        files,
        prefix: prefix.map(Path::to_path_buf).or_else(|| prefix_of(path)),
        current: None,
        read: 0,
        text_size: 0,
        lines: 0,
        places: HashMap::new(),
        global: Vec::new(),
        pools: Vec::new(),
        values: Vec::new(),
        diagnostics,
    };
    reading.file(path, 0)?;
    let chosen = match pool {
        Some(name) => reading.pools.iter().position(|one| one.name.eq_ignore_ascii_case(name)),
        None => (!reading.pools.is_empty()).then_some(0),
    };
    let Some(chosen) = chosen else {
        let what = pool.map_or("pool".into(), |name| format!("pool [{}]", String::from_utf8_lossy(name)));
        return Err(Error::new(Code::NotFound, format!("{} has no {what}", path.display())));
    };
    reading.whole()?;
    let Reading { mut pools, mut values, .. } = reading;
    pools[chosen].is_chosen = true;
    let lines = values.swap_remove(chosen);
    core.pools.append(&mut pools);
    // FPM applies its values first and its admin values after them; of two lines for one name the first counts.
    for power in [Authority::Free, Authority::Admin] {
        let mut seen = Vec::new();
        for line in lines.iter().filter(|line| line.power == power) {
            if seen.contains(&line.directive) {
                core.doubled.push(line.clone());
            } else {
                seen.push(line.directive);
                core.global.push(line.clone());
            }
        }
    }
    Ok(())
}

/// What the chosen pool makes of the environment: `$NAME` alone is the master's.
pub(super) fn worker(core: &Core, account: Option<&AccountReader>) -> Option<Worker> {
    let pool = core.pools.iter().find(|pool| pool.is_chosen).filter(|_| core.sapi == Sapi::Fpm)?;
    let value = |value: &[u8]| match value.strip_prefix(b"$") {
        Some(name) => core.env.get(name).map(|value| value.to_vec()).unwrap_or_default(),
        None => value.to_vec(),
    };
    let mut env: Vec<_> = pool.env.iter().map(|(name, text, _)| (name.clone(), value(text))).collect();
    if let Some((user, _)) = pool.line(b"user").filter(|(user, _)| !user.is_empty()) {
        match account.and_then(|account| account(user)) {
            Some((name, home)) => env.extend([(b"USER".to_vec(), name), (b"HOME".to_vec(), home)]),
            None if !user.iter().all(u8::is_ascii_digit) => env.push((b"USER".to_vec(), user.to_vec())),
            None => {}
        }
    }
    Some(Worker { env, clears_env: pool.clears_env() })
}

struct Reading<'a> {
    core: &'a Core,
    lookup: CoreLookup<'a>,
    files: &'a dyn Files,
    /// The directory that relative includes start from; none: unknown.
    prefix: Option<PathBuf>,
    /// The pool that lines belong to at the moment; none: they are global.
    current: Option<usize>,
    read: u32,
    text_size: usize,
    lines: usize,
    /// Where each pool stands, by its name in small letters.
    places: HashMap<Vec<u8>, usize>,
    global: Vec<pool::Line>,
    /// Every pool that was met, in order, and what each sets.
    pools: Vec<Pool>,
    values: Vec<Vec<Assignment>>,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Reading<'_> {
    fn file(&mut self, path: &Path, depth: u32) -> Result<()> {
        if depth > DEPTH {
            return Err(Error::new(Code::TooLarge, format!("{}: include is nested too deeply", path.display())));
        }
        self.read += 1;
        if self.read > FILES {
            return Err(Error::new(Code::TooLarge, "more than 100,000 files are included: narrow what this names"));
        }
        let text = self.files.read(path).map_err(|error| cannot_read(path, &error))?;
        self.text_size += text.len();
        if self.text_size > MAX_TEXTS {
            let message =
                "FPM's files are larger than 128 MiB together, read again where they are included again: split them";
            return Err(Error::new(Code::TooLarge, message).at(Origin::new(&file_name(path), 0)));
        }
        let source = Arc::new(Source { layer: Layer::Pool, file: Some(file_name(path)), text, at: None });
        // Each line is a text of its own to FPM, so that no quotes go on into the next one.
        for (line, number) in source.text.split_inclusive(|&byte| byte == b'\n').zip(1..) {
            self.line(line, number, &source, depth)?;
        }
        Ok(())
    }

    fn line(&mut self, text: &[u8], number: u32, source: &Arc<Source>, depth: u32) -> Result<()> {
        // A line that says nothing, as most of the lines of shipped files.
        if matches!(text.trim_ascii_start().first(), None | Some(b';')) && !text.contains(&b'\r') {
            return Ok(());
        }
        self.lines += 1;
        if self.lines > MAX_LINES {
            let message = "FPM's files have more than a million lines that say something: look for files that are included again and again";
            return Err(Error::new(Code::TooLarge, message).at(source.origin(number)));
        }
        // FPM ends the last line, too.
        let text = if text.ends_with(b"\n") { Cow::Borrowed(text) } else { [text, b"\n"].concat().into() };
        let mut events = Vec::new();
        let options = ini::Options {
            mode: ini::Mode::Normal,
            version: self.core.version,
            stop_at_nul: true,
            lookup: &self.lookup,
        };
        let result = ini::scan(&text, &options, &mut |event, _| {
            events.push(Statement::of(event));
            ControlFlow::Continue(())
        });
        self.lookup.unset.tell(source, number, self.diagnostics);
        for event in events {
            self.statement(event, number, source, depth).map_err(|error| match error.origin.file {
                Some(_) => error,
                None => error.at(source.origin(number)),
            })?;
        }
        match result {
            Err(error) if error.is_limit() => {
                Err(too_large(source, ini::SyntaxError { line: number, message: error.message }))
            }
            Err(error) => {
                let message = format!("{}; php-fpm would not start", error.message);
                Err(Error::new(Code::Syntax, message).at(source.origin(number)))
            }
            Ok(()) => Ok(()),
        }
    }

    fn statement(&mut self, event: Statement, number: u32, source: &Arc<Source>, depth: u32) -> Result<()> {
        let origin = source.origin(number);
        match event {
            Statement::Section(name) if name.eq_ignore_ascii_case(b"global") => self.current = None,
            Statement::Section(name) => {
                let new = self.pools.len();
                let place = *self.places.entry(name.to_ascii_lowercase()).or_insert(new);
                self.current = Some(place);
                if place == new {
                    self.pools.push(Pool { name, origin, ..Pool::default() });
                    self.values.push(Vec::new());
                }
            }
            Statement::Bare(key) => return Err(refused(&no_value(&key))),
            Statement::Entry(key, pattern) if key == b"include" => self.include(&pattern, &origin, depth)?,
            Statement::Entry(key, value) => self.entry(&key, &value, origin)?,
            Statement::Array(key, offset, value) => self.array(&key, &offset, &value, number, source)?,
        }
        Ok(())
    }

    /// `NAME = VALUE`
    fn entry(&mut self, key: &[u8], value: &[u8], origin: Origin) -> Result<()> {
        let shown = String::from_utf8_lossy(key);
        let Some(row) = directives::scalar(key, self.core.version) else {
            let what = if directives::takes_brackets(key, self.core.version) {
                format!("`{shown}` takes a name in brackets: {shown}[NAME] = VALUE")
            } else {
                format!("PHP-FPM {} has no directive `{shown}`; take it out", self.core.version)
            };
            return Err(refused(&what));
        };
        match (row.place, self.current) {
            (Place::Global, Some(_)) => {
                return Err(refused(&format!("`{shown}` is no directive of a pool; write it below [global]")));
            }
            (Place::Pool, None) => {
                return Err(refused(&format!("`{shown}` belongs to a pool; write it below the pool's [NAME]")));
            }
            _ => {}
        }
        if let Err(why) = row.takes(value) {
            return Err(refused(&format!("`{shown}` does not take `{}`: {why}", String::from_utf8_lossy(value))));
        }
        let value = self.with_pool(value)?;
        let lines = match self.current {
            Some(at) => &mut self.pools[at].lines,
            None => &mut self.global,
        };
        lines.push((row.name.into(), value, origin));
        Ok(())
    }

    /// `NAME[KEY] = VALUE`
    fn array(&mut self, key: &[u8], name: &[u8], value: &[u8], line: u32, source: &Arc<Source>) -> Result<()> {
        let shown = String::from_utf8_lossy(key);
        let Some(at) = self.current else {
            return Err(refused(&format!("`{shown}[]` belongs to a pool; write it below the pool's [NAME]")));
        };
        if !directives::takes_brackets(key, self.core.version) {
            return Err(refused(&format!("PHP-FPM {} has no directive `{shown}[]`; take it out", self.core.version)));
        }
        match (key, name, value) {
            (b"access.suppress_path", b"", [b'/', ..]) => return Ok(()),
            (b"access.suppress_path", b"", _) => {
                return Err(refused("access.suppress_path[] takes a path that begins with /"));
            }
            (b"access.suppress_path", ..) => {
                return Err(refused("access.suppress_path[] takes no name in its brackets"));
            }
            (_, b"", _) => return Err(refused(&format!("`{shown}[]` needs a name in its brackets"))),
            (b"env", _, b"") => return Err(refused(&format!("`{shown}[{}]` is empty", String::from_utf8_lossy(name)))),
            (b"env", ..) => {
                let line = (name.to_vec(), self.with_pool(value)?, source.origin(line));
                self.pools[at].env.push(line);
                return Ok(());
            }
            _ => {}
        }
        let power = if key.starts_with(b"php_admin") { Authority::Admin } else { Authority::Free };
        let value = match (key.ends_with(b"flag"), directives::switch(value)) {
            (true, Some(on)) => Text::new(if on { b"1" } else { b"0" }),
            (true, None) => {
                let shown = String::from_utf8_lossy(value);
                return Err(refused(&format!("invalid boolean value `{shown}`: write on or off")));
            }
            (false, _) => Text::new(&self.with_pool(value)?),
        };
        match self.core.find(name) {
            Some(directive) => {
                let source = Arc::clone(source);
                self.values[at].push(Assignment { directive: directive as u32, line, power, value, source });
            }
            None => diagnose::add(self.diagnostics, || unknown(name, self.core.version, source, line)),
        }
        Ok(())
    }

    /// What follows in this file belongs to the pool that the included ones end in.
    fn include(&mut self, pattern: &[u8], origin: &Origin, depth: u32) -> Result<()> {
        let mut path = PathBuf::from(std::ffi::OsStr::from_bytes(pattern));
        if path.is_relative() {
            let Some(prefix) = &self.prefix else {
                let message =
                    "this include is relative to FPM's prefix, which is not known: give it (--fpm-prefix DIR)";
                return Err(Error::new(Code::Argument, message));
            };
            path = prefix.join(path);
        }
        let found = glob::glob(self.files, &path, |directory, error| {
            Err(refused(&format!("cannot look into {} for this include: {error}", directory.display())))
        })?;
        if found.is_empty() {
            let severity = if glob::is_pattern(pattern) { Severity::Note } else { Severity::Warning };
            let message = format!("there is no file {}, so nothing is included", path.display());
            self.diagnostics.push(Diagnostic::new(severity, Diagnosis::NoEffect, origin.clone(), message));
        }
        for path in found {
            // A directory is opened, and has no lines.
            if self.files.kind(&path).ok() != Some(Kind::Directory) {
                self.file(&path, depth + 1)?;
            }
        }
        Ok(())
    }

    /// `$pool` is the pool's name.
    fn with_pool(&self, value: &[u8]) -> Result<Vec<u8>> {
        let uses_it = memchr::memmem::find(value, b"$pool").is_some();
        match self.current {
            Some(at) if uses_it && memchr::memmem::find(&self.pools[at].name, b"$pool").is_some() => Err(refused(
                "$pool stands for the pool's name, which has $pool in it: php-fpm replaces it without end and hangs; name the pool otherwise",
            )),
            Some(at) => Ok(replace_pool(value, &self.pools[at].name)),
            None if uses_it => Err(refused("$pool stands for a pool's name, and [global] has none")),
            None => Ok(value.to_vec()),
        }
    }

    /// What php-fpm looks at once all has been read.
    fn whole(&self) -> Result<()> {
        let result = self.whole_global().and_then(|()| {
            self.pools.iter().try_for_each(|pool| {
                let named = |(text, at)| (format!("[{}] {text}", String::from_utf8_lossy(&pool.name)), at);
                pool.check().map_err(named)
            })?;
            pool::listen_twice(&self.pools)
        });
        result.map_err(|(text, at)| refused(&text).at(at))
    }

    fn whole_global(&self) -> std::result::Result<(), pool::Complaint> {
        let line = |name: &str| self.global.iter().rfind(|(own, ..)| own == name.as_bytes());
        let number = |name: &str| line(name).map(|(_, value, at)| (directives::number(value), at));
        if let Some((number, at)) = number("process.priority") {
            pool::priority(number, at)?;
        }
        if let Some((..0, at)) = number("process.max") {
            return Err(("process.max must not be negative".into(), at.clone()));
        }
        if let Some((..512, at)) = number("log_limit") {
            return Err(("log_limit must be 512 or more".into(), at.clone()));
        }
        let known =
            |value: &[u8]| ["epoll", "poll", "select"].iter().any(|one| value.eq_ignore_ascii_case(one.as_bytes()));
        match line("events.mechanism") {
            Some((_, value, at)) if !known(value) => Err((
                format!("events.mechanism = `{}`: Linux has epoll, poll and select", String::from_utf8_lossy(value)),
                at.clone(),
            )),
            _ => Ok(()),
        }
    }
}

/// A statement of one line, kept until the line has been read.
enum Statement {
    Section(Vec<u8>),
    Bare(Vec<u8>),
    Entry(Vec<u8>, Vec<u8>),
    Array(Vec<u8>, Vec<u8>, Vec<u8>),
}

impl Statement {
    fn of(event: Event<'_>) -> Self {
        match event {
            Event::Section { name } => Self::Section(name.to_vec()),
            Event::Bare { key } => Self::Bare(key.to_vec()),
            Event::Entry { key, value } => Self::Entry(key.to_vec(), text_of(&value).to_vec()),
            Event::ArrayEntry { key, offset, value } => {
                Self::Array(key.to_vec(), offset.to_vec(), text_of(&value).to_vec())
            }
        }
    }
}

/// What php-fpm does not start with.
fn refused(what: &str) -> Error {
    Error::new(Code::Refused, format!("{what}; php-fpm would not start"))
}

fn no_value(key: &[u8]) -> String {
    let shown = String::from_utf8_lossy(key);
    if key.starts_with(b"#") || key.starts_with(b"//") {
        return format!("`{shown}` is no comment in FPM's files: begin it with `;`");
    }
    format!("`{shown}` has no `=`: write {shown} = VALUE, or take it out")
}

/// The prefix of an FPM whose file is PREFIX/etc/php-fpm.conf, as in Docker's images.
fn prefix_of(path: &Path) -> Option<PathBuf> {
    let dir = path.parent()?;
    dir.ends_with("etc").then(|| dir.parent().map(Path::to_path_buf))?
}

fn replace_pool(value: &[u8], pool: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = memchr::memmem::find(rest, b"$pool") {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(pool);
        rest = &rest[at + b"$pool".len()..];
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_pool() {
        assert_eq!(replace_pool(b"/run/$pool.sock $pool", b"www"), b"/run/www.sock www");
    }
}
