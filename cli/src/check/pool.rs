//! What keeps php-fpm from starting and is not in its files alone: accounts, directories, and what a pool does not say.

use super::note;
use crate::estate::accounts;
use crate::view::View;
use outlive::config::{Config, Pool};
use outlive::diagnostic::{Diagnosis, Diagnostic};
use outlive::files::{Files, Kind};
use std::cell::LazyCell;
use std::path::Path;

/// Looks at every pool that was read.
pub fn check(config: &Config, view: &View, found: &mut Vec<Diagnostic>) {
    // Each list is read once, however many pools there are.
    let accounts = [false, true].map(|of_groups| LazyCell::new(move || accounts::names(view, of_groups)));
    for pool in config.pools() {
        let name = crate::text::shown(&pool.name);
        // A pool of php_value[] lines alone is a part of another one.
        let begins = ["user", "pm", "pm.max_children"].iter().any(|line| pool.line(line.as_bytes()).is_some());
        if let Some((lacks, at)) = pool.missing().filter(|_| begins) {
            let text = format!(
                "[{name}] has no `{lacks}`, without which php-fpm does not start; fine where another file gives it"
            );
            found.push(note(Diagnosis::PoolIncomplete, at.clone(), text));
        }
        for (line, is_group) in [("user", false), ("group", true), ("listen.owner", false), ("listen.group", true)] {
            let Some((account, at)) = pool.line(line.as_bytes()).filter(|(text, _)| !text.is_empty()) else { continue };
            let account = crate::text::shown(account);
            let number = account.bytes().all(|byte| byte.is_ascii_digit());
            let is_missing = || {
                let known = accounts[usize::from(is_group)].as_ref();
                known.is_some_and(|names| !names.contains(account.as_bytes()))
            };
            if !number && is_missing() {
                let (kind, list) = if is_group { ("group", "group") } else { ("user", "passwd") };
                let text = format!(
                    "[{name}] {line} = {account}: /etc/{list} has no such {kind}, without which php-fpm does not start; make it, or name another"
                );
                found.push(note(Diagnosis::NotHere, at.clone(), text));
            }
        }
        directories(pool, &name, view, found);
    }
}

/// `chdir` lies within `chroot`. Relative paths start from a prefix that may be the pool's, and are left alone.
fn directories(pool: &Pool, name: &str, view: &View, found: &mut Vec<Diagnostic>) {
    let path = |line: &str| {
        let (text, at) = pool.line(line.as_bytes())?;
        text.starts_with(b"/").then(|| (crate::text::shown(text), at.clone()))
    };
    let root = path("chroot");
    for line in ["prefix", "chroot", "chdir"] {
        let Some((text, at)) = path(line) else { continue };
        let place = match &root {
            Some((root, _)) if line == "chdir" => format!("{root}{text}"),
            _ => text,
        };
        if view.kind(Path::new(&place)).ok() != Some(Kind::Directory) {
            let text = format!(
                "[{name}] {line}: there is no directory {place}, and php-fpm would not start; make it, or name another"
            );
            found.push(note(Diagnosis::NotHere, at, text));
        }
    }
}
