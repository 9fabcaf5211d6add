//! php-cgi: the program that `Action`, mod_cgi or mod_fcgid starts, itself or by a script.

use super::follow::broken;
use super::{Machine, WebServer, find};
use crate::args::SourceArgs;
use crate::output::Problem;
use crate::view::View;
use outlive::config::Sapi;
use outlive::files::{Files, Kind};
use outlive::httpd::Run;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The options that stand for the PHP that it is.
pub(super) fn source(
    machine: &Machine,
    server: &WebServer,
    source: &SourceArgs,
    run: &Run,
    steps: &[String],
) -> Result<SourceArgs, Problem> {
    let view = &server.view;
    let program = run.program.as_deref().unwrap_or(&run.filename);
    let program = Path::new(OsStr::from_bytes(program));
    let mut real = view.canonical(program);
    let mut env: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let cannot = |error| broken(steps, &format!("cannot read {}: {error}", view.shown(&real)));
    if let Some(text) = script(view, &real).map_err(cannot)? {
        let (target, more) = wrapper(&text).ok_or_else(|| {
            broken(
                steps,
                &format!(
                    "{} is a script, and which PHP it starts is not known; give --sapi cgi-fcgi and --php-ini FILE",
                    view.shown(&real)
                ),
            )
        })?;
        env = more;
        real = view.canonical(&target);
    }
    let ours = || machine.phps.iter().filter(|php| php.sapi == Sapi::Cgi && php.view.root() == view.root());
    let by = |same: &dyn Fn(&Path) -> bool| ours().find(|php| php.program.as_deref().is_some_and(same));
    let known = by(&|own| view.canonical(own) == real).or_else(|| by(&|own| same_text(view, own, &real)));
    let mut source = match known {
        Some(php) => php.source(source, None),
        None => {
            let php = find::program(view, Sapi::Cgi, &real);
            if php.place.is_none()
                && let Err(why) = php.built()
            {
                return Err(broken(steps, &format!("{} runs it: {why}", view.shown(&real))));
            }
            php.source(source, None)
        }
    };
    if let Some(found) = source.found.as_mut().map(Arc::make_mut) {
        if let Some(search) = &mut found.search {
            // The server starts a program in its own directory.
            search.working_dir = program.parent().map(Path::to_path_buf);
        }
        // mod_env's variables are those of the program.
        for variable in run.variables.iter().filter(|one| matches!(&*one.name, b"PHPRC" | b"PHP_INI_SCAN_DIR")) {
            found.env.insert(0, (variable.name.clone(), variable.value.clone()));
        }
        found.env.splice(0..0, env);
    }
    Ok(source)
}

/// A script that starts PHP is short: no more of it is looked at.
const SCRIPT: u64 = 64 << 10;

/// The beginning of a program, where it is a script; none: it is no script.
fn script(view: &View, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut text = vec![0; 2];
    let mut file = open(view, path)?;
    if file.read_exact(&mut text).is_err() || text != b"#!" {
        return Ok(None);
    }
    file.take(SCRIPT).read_to_end(&mut text)?;
    Ok(Some(text))
}

/// Debian keeps one program under two names, and neither is a link. Both are read side by side, and only as far as they are the same.
fn same_text(view: &View, one: &Path, two: &Path) -> bool {
    let (Ok(mut one), Ok(mut two)) = (open(view, one), open(view, two)) else { return false };
    let size = |file: &File| file.metadata().map(|data| data.len()).ok();
    if size(&one) != size(&two) || size(&one).is_none_or(|size| size == 0) {
        return false;
    }
    let (mut left, mut right) = (vec![0; PIECE], vec![0; PIECE]);
    loop {
        match one.read(&mut left) {
            Ok(0) => return true,
            Ok(got) if two.read_exact(&mut right[..got]).is_ok() && left[..got] == right[..got] => {}
            _ => return false,
        }
    }
}

const PIECE: usize = 64 << 10;

/// A regular file; a device or a pipe is not opened.
fn open(view: &View, path: &Path) -> io::Result<File> {
    match view.kind(path)? {
        Kind::File => File::open(view.outside(path)?),
        _ => Err(io::Error::other("it is no regular file")),
    }
}

type Variables = Vec<(Vec<u8>, Vec<u8>)>;

/// The program that a script starts: `exec PROGRAM`, with the variables that it exports.
fn wrapper(text: &[u8]) -> Option<(PathBuf, Variables)> {
    let line = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).find(|line| line.starts_with(b"exec "))?;
    let program = line[5..].split(u8::is_ascii_whitespace).find(|word| !word.is_empty())?;
    let plain =
        program.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/._+-".contains(byte)) && program.starts_with(b"/");
    let env = crate::envvars::read(text, &[]).variables;
    plain.then(|| (PathBuf::from(OsStr::from_bytes(program)), env))
}
