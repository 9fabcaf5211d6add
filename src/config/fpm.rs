//! FPM pool files: `php_value[]`, `php_flag[]`, `php_admin_value[]`, `php_admin_flag[]`, `include` (facts I-150 … I-152).

use super::build::{cannot_read, file_name};
use super::core::{Assignment, Core, Source};
use super::directive_state::Authority;
use super::layer::Layer;
use super::lookup::CoreLookup;
use super::reader::{text_of, too_large, unknown};
use super::text::Text;
use crate::diagnostic::Diagnostic;
use crate::error::{Code, Error, Result};
use crate::files::Files;
use crate::ini::{self, Event};
use crate::origin::Origin;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Includes nested deeper than this FPM itself refuses.
const DEPTH: u32 = 5;

/// The most files that are read: each may include all of them again.
const FILES: u32 = 10_000;

/// A pool of an FPM configuration, with those of its own settings that matter here.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    /// Its name.
    pub name: Vec<u8>,
    /// `listen`, `user`, `group`, `request_terminate_timeout` and `security.limit_extensions` as written, `$pool` replaced; of two lines
    /// the later one counts.
    pub lines: Vec<(Vec<u8>, Vec<u8>, Origin)>,
    /// Whether it is a chosen pool, whose values are in force.
    pub is_chosen: bool,
}

impl Pool {
    /// The line that counts for one of the names, and where it stands.
    pub fn line(&self, name: &[u8]) -> Option<(&[u8], &Origin)> {
        self.lines.iter().rfind(|(own, ..)| own == name).map(|(_, value, origin)| (&**value, origin))
    }
}

/// The lines that a [`Pool`] keeps.
const KEPT: [&[u8]; 5] = [b"listen", b"user", b"group", b"request_terminate_timeout", b"security.limit_extensions"];

/// Reads the pool of that name, or the first one.
pub(super) fn read(
    core: &mut Core,
    files: &dyn Files,
    path: &Path,
    pool: Option<&[u8]>,
    prefix: Option<&Path>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<()> {
    let mut pools = Pools {
        core,
        files,
        wanted: pool.map(<[u8]>::to_vec),
        prefix: prefix.map(Path::to_path_buf).or_else(|| prefix_of(path)),
        current: None,
        met: false,
        read: 0,
        lines: Vec::new(),
        all: Vec::new(),
        diagnostics,
    };
    pools.file(path, 0)?;
    if !pools.met {
        let what = pool.map_or("pool".into(), |name| format!("pool [{}]", String::from_utf8_lossy(name)));
        return Err(Error::new(Code::NotFound, format!("{} has no {what}", path.display())));
    }
    let (lines, mut all) = (pools.lines, pools.all);
    all.iter_mut().for_each(|one| one.is_chosen = Some(&one.name) == pools.wanted.as_ref());
    core.pools.append(&mut all);
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

struct Pools<'a> {
    core: &'a Core,
    files: &'a dyn Files,
    wanted: Option<Vec<u8>>,
    /// The directory that relative includes start from; none: unknown.
    prefix: Option<PathBuf>,
    /// The section that lines belong to at the moment.
    current: Option<Vec<u8>>,
    met: bool,
    read: u32,
    lines: Vec<Assignment>,
    /// Every pool that was met, in order.
    all: Vec<Pool>,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Pools<'_> {
    fn file(&mut self, path: &Path, depth: u32) -> Result<()> {
        if depth > DEPTH {
            return Err(Error::new(Code::TooLarge, format!("{}: include is nested too deeply", path.display())));
        }
        self.read += 1;
        if self.read > FILES {
            return Err(Error::new(
                Code::TooLarge,
                format!("{}: more than {FILES} files are included", path.display()),
            ));
        }
        let text = self.files.read(path).map_err(|error| cannot_read(path, &error))?;
        let source = Arc::new(Source { layer: Layer::Pool, file: Some(file_name(path)), text, at: None });
        let lookup = CoreLookup::new(self.core);
        let options =
            ini::Options { mode: ini::Mode::Normal, version: self.core.version, stop_at_nul: false, lookup: &lookup };
        let mut problem = None;
        let result = ini::scan(&source.text, &options, &mut |event, line| {
            lookup.unset.tell(&source, line, self.diagnostics);
            match self.event(event, line, &source, depth) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    problem = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        match (problem, result) {
            (Some(error), _) => Err(error),
            (None, Err(error)) if error.is_limit() => Err(too_large(&source, error)),
            (None, Err(error)) => Err(Error::new(Code::Syntax, error.message).at(source.origin(error.line))),
            (None, Ok(())) => Ok(()),
        }
    }

    fn event(&mut self, event: Event<'_>, line: u32, source: &Arc<Source>, depth: u32) -> Result<()> {
        match event {
            Event::Section { name } => {
                if self.wanted.is_none() && !name.eq_ignore_ascii_case(b"global") {
                    self.wanted = Some(name.to_vec());
                }
                self.current = Some(name.to_vec());
                let is_known = self.all.iter().any(|one| one.name == name);
                if !is_known && !name.eq_ignore_ascii_case(b"global") {
                    self.all.push(Pool { name: name.to_vec(), ..Pool::default() });
                }
                self.met |= self.current == self.wanted;
                Ok(())
            }
            Event::Entry { key: b"include", value } => {
                self.include(text_of(&value), depth).map_err(|error| match error.origin.file {
                    Some(_) => error,
                    None => error.at(source.origin(line)),
                })
            }
            Event::Entry { key, value } if KEPT.contains(&key) => {
                let current = self.current.clone().unwrap_or_default();
                if let Some(one) = self.all.iter_mut().find(|one| one.name == current) {
                    let value = replace_pool(text_of(&value), &current);
                    one.lines.push((key.to_vec(), value, source.origin(line)));
                }
                Ok(())
            }
            Event::ArrayEntry { key, offset, value } if self.current == self.wanted => {
                self.line(key, offset, text_of(&value), line, source)
            }
            _ => Ok(()),
        }
    }

    fn include(&mut self, pattern: &[u8], depth: u32) -> Result<()> {
        let current = self.current.clone();
        let mut pattern = PathBuf::from(std::ffi::OsStr::from_bytes(pattern));
        if pattern.is_relative() {
            let Some(prefix) = &self.prefix else {
                let message =
                    "this include is relative to FPM's prefix, which is not known: give it (--fpm-prefix DIR)";
                return Err(Error::new(Code::Argument, message));
            };
            pattern = prefix.join(pattern);
        }
        for path in glob(self.files, &pattern) {
            self.file(&path, depth + 1)?;
        }
        self.current = current;
        Ok(())
    }

    fn line(&mut self, key: &[u8], name: &[u8], value: &[u8], line: u32, source: &Arc<Source>) -> Result<()> {
        let (power, is_flag) = match key {
            b"php_value" => (Authority::Free, false),
            b"php_flag" => (Authority::Free, true),
            b"php_admin_value" => (Authority::Admin, false),
            b"php_admin_flag" => (Authority::Admin, true),
            _ => return Ok(()),
        };
        let value = match is_flag {
            true => flag(value).ok_or_else(|| {
                let shown = String::from_utf8_lossy(value);
                Error::new(
                    Code::Refused,
                    format!("invalid boolean value `{shown}`; FPM would not start. Write on or off"),
                )
                .at(source.origin(line))
            })?,
            false => Text::new(&replace_pool(value, self.current.as_deref().unwrap_or_default())),
        };
        match self.core.find(name) {
            Some(at) => {
                let source = Arc::clone(source);
                self.lines.push(Assignment { directive: at as u32, line, power, value, source });
            }
            None => self.diagnostics.push(unknown(name, self.core.version, source, line)),
        }
        Ok(())
    }
}

/// The prefix of an FPM whose file is PREFIX/etc/php-fpm.conf, as in Docker's images.
fn prefix_of(path: &Path) -> Option<PathBuf> {
    let dir = path.parent()?;
    dir.ends_with("etc").then(|| dir.parent().map(Path::to_path_buf))?
}

/// FPM's own booleans (I-152).
fn flag(value: &[u8]) -> Option<Text> {
    let is = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()));
    if is(&["on", "1", "yes", "true"]) {
        Some(Text::new(b"1"))
    } else if is(&["off", "0", "no", "false", ""]) {
        Some(Text::new(b"0"))
    } else {
        None
    }
}

/// `$pool` is the pool's name.
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

/// The files that a pattern with `*` and `?` names, in byte order.
fn glob(files: &dyn Files, pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let part = part.as_os_str();
        if !part.as_bytes().iter().any(|byte| matches!(byte, b'*' | b'?')) {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        let expand = |path: PathBuf| {
            let mut names = files.list(&path).unwrap_or_default();
            names.retain(|name| matches(part.as_bytes(), name.as_bytes()));
            names.sort_unstable();
            names.into_iter().map(move |name| path.join(name))
        };
        found = found.into_iter().flat_map(expand).collect();
    }
    found.retain(|path| files.kind(path).is_ok());
    found
}

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let hidden = name.first() == Some(&b'.') && pattern.first() != Some(&b'.');
    // Goes through pattern and name together; after a mismatch it goes back to the last `*`.
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    !hidden && pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, fine) in [
            ("*.conf", "www.conf", true),
            ("*.conf", ".conf", false),
            ("*.conf", "www.conf~", false),
            ("w?w*", "www", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), fine, "{pattern} {name}");
        }
        assert_eq!(replace_pool(b"/run/$pool.sock $pool", b"www"), b"/run/www.sock www");
    }
}
