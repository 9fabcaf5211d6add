//! `.user.ini`: which files are read for a script, and for how long they count (facts I-140 … I-144).

use super::build::file_name;
use super::core::{Assignment, Core, Source};
use super::diagnose;
use super::directive_state::Authority;
use super::layer::Layer;
use super::lookup::CoreLookup;
use super::reader::{syntax, text_of, unknown};
use super::request_layers::UserIni;
use super::text::Text;
use crate::diagnostic::{Diagnosis, Diagnostic, Severity};
use crate::files::Files;
use crate::ini::{self, Event};
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The directory part of a path, without its last slash; `None`: there is none.
pub(super) fn directory(path: &[u8]) -> Option<&[u8]> {
    let slash = memchr::memrchr(b'/', path)?;
    Some(&path[..slash])
}

/// The directories whose files count, outermost first (I-140, I-141).
fn directories<'a>(root: &[u8], script_dir: &'a [u8]) -> Vec<&'a [u8]> {
    let trimmed = root.len() - root.iter().rev().take_while(|&&byte| byte == b'/').count();
    let root = &root[..trimmed];
    if !script_dir.starts_with(root) {
        return vec![script_dir];
    }
    // The prefix is compared as text, so it may end in the middle of a name.
    let slashes = memchr::memchr_iter(b'/', script_dir).filter(|&at| at >= root.len());
    let mut all: Vec<&[u8]> = slashes.map(|at| &script_dir[..at]).collect();
    all.push(script_dir);
    all.dedup();
    all
}

/// A `.user.ini` larger than this is not read, and no more than this of all that count for a script: they may be read for every request.
const MAX_SIZE: usize = 16 << 20;
const MAX_SIZES: usize = 32 << 20;
/// The most lines that set something, of all of them.
const MAX_LINES: usize = 200_000;

/// Reads the files for a script.
pub(super) fn read(core: &Core, files: &dyn Files, name: &[u8], root: &[u8], script_dir: &[u8]) -> UserIni {
    let mut user = UserIni::default();
    let mut size = 0;
    for dir in directories(root, script_dir) {
        let mut path = dir.to_vec();
        path.push(b'/');
        path.extend_from_slice(name);
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(&path));
        match files.read(&path) {
            Ok(text) if text.len() > MAX_SIZE => not_read(&path, "it is larger than 16 MiB", &mut user),
            Ok(text) if text.len() + size > MAX_SIZES => {
                not_read(&path, "this one and those above it are larger than 32 MiB together", &mut user);
            }
            Ok(text) => {
                size += text.len();
                read_text(core, &path, text, &mut user);
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => {
                let error = super::build::cannot_read(&path, &error);
                user.diagnostics.push(diagnose::unreadable(&path, &error));
            }
        }
    }
    user.rehash();
    user
}

/// Notes that a file is left out, which PHP would have read.
fn not_read(path: &Path, why: &str, user: &mut UserIni) {
    let error = std::io::Error::new(ErrorKind::FileTooLarge, format!("{why}; PHP would read it"));
    user.diagnostics.push(diagnose::unreadable(path, &super::build::cannot_read(path, &error)));
}

fn read_text(core: &Core, path: &Path, text: Vec<u8>, user: &mut UserIni) {
    let source = Arc::new(Source { layer: Layer::UserIni, file: Some(file_name(path)), text, at: None });
    let lookup = CoreLookup::of_request(core);
    let options = ini::Options { mode: ini::Mode::Normal, version: core.version, stop_at_nul: false, lookup: &lookup };
    let UserIni { sources, assignments, diagnostics, .. } = user;
    let mut many = None;
    let result = ini::scan(&source.text, &options, &mut |event, line| {
        lookup.unset.tell(&source, line, diagnostics);
        if assignments.len() >= MAX_LINES {
            many = Some(line);
            return ControlFlow::Break(());
        }
        match event {
            Event::Entry { key, value } => match core.find(key) {
                Some(at) => assignments.push(Assignment {
                    directive: at as u32,
                    line,
                    power: Authority::User,
                    value: Text::new(text_of(&value)),
                    source: Arc::clone(&source),
                }),
                None => diagnose::add(diagnostics, || unknown(key, core.version, &source, line)),
            },
            // PHP breaks down on these (I-144).
            Event::ArrayEntry { .. } => diagnose::add(diagnostics, || diagnose::breaks_user_ini(&source, line)),
            Event::Bare { key } if is_apache(key) => {
                diagnose::add(diagnostics, || diagnose::apache_syntax(&source, key, line));
            }
            Event::Section { name } if is_for_some(name) => {
                diagnose::add(diagnostics, || diagnose::breaks_user_ini(&source, line));
            }
            Event::Section { .. } | Event::Bare { .. } => {}
        }
        ControlFlow::Continue(())
    });
    if let Some(line) = many {
        let message = "the .user.ini files of this script set more than 200,000 values: this line and those after it are not read, as PHP would";
        let origin = source.origin(line);
        diagnostics.push(Diagnostic::new(Severity::Error, Diagnosis::Unreadable, origin, message.into()));
    }
    if let Err(error) = result {
        diagnostics.push(syntax(&source, &error));
    }
    sources.push(source);
}

/// Whether a section is for some hosts or paths alone, as php.ini has them.
fn is_for_some(name: &[u8]) -> bool {
    name.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"HOST=") || start.eq_ignore_ascii_case(b"PATH="))
}

/// Whether a line is written as in an `.htaccess`.
fn is_apache(key: &[u8]) -> bool {
    let first = key.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    let names = ["php_value", "php_flag", "php_admin_value", "php_admin_flag"];
    names.iter().any(|name| first.eq_ignore_ascii_case(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(root: &str, dir: &str) -> Vec<String> {
        let dirs = directories(root.as_bytes(), dir.as_bytes());
        dirs.into_iter().map(|dir| String::from_utf8(dir.to_vec()).unwrap()).collect()
    }

    #[test]
    fn the_walk_goes_from_the_root_to_the_script() {
        assert_eq!(walk("/www", "/www"), ["/www"]);
        assert_eq!(walk("/www/", "/www/a/b"), ["/www", "/www/a", "/www/a/b"]);
        assert_eq!(walk("/", "/a/b"), ["", "/a", "/a/b"]);
        assert_eq!(walk("", "/a"), ["", "/a"]);
        assert_eq!(walk("/elsewhere", "/www/a"), ["/www/a"]);
    }

    #[test]
    fn the_prefix_is_text() {
        assert_eq!(walk("/www/a", "/www/ab/c"), ["/www/ab", "/www/ab/c"]);
    }
}
