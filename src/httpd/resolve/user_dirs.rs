//! `UserDir`: which directory `/~name` stands for.

use super::context::ResolveContext;
use crate::httpd::model::server::UserDirs;
use crate::httpd::syntax::path::path_of;
use std::os::unix::ffi::OsStrExt;

/// The table of accounts.
const ACCOUNTS: &[u8] = b"/etc/passwd";

/// The file of `/~name/…`, and the directory of that name.
pub(super) fn file(context: &ResolveContext<'_>, server: usize, path: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let rest = path.strip_prefix(b"/~")?;
    let end = memchr::memchr(b'/', rest).unwrap_or(rest.len());
    let (name, rest) = (&rest[..end], &rest[end..]);
    let dirs: &UserDirs = context.layers(server).find_map(|server| server.user_dirs.as_deref())?;
    if !has(dirs, name) {
        return None;
    }
    let home = || {
        let table = context.files.read(path_of(ACCOUNTS)).ok()?;
        accounts(&table).find(|(own, _)| *own == name).map(|(_, home)| home.to_vec())
    };
    let chosen = chosen(context, dirs, name, home)?;
    Some(([&chosen[..], rest].concat(), chosen))
}

/// The names that a server's own `UserDir` lines have a directory for, with it: accounts of this machine, and for a pattern with a path of
/// its own also what is there. A name without a directory is left out.
pub(super) fn all(context: &ResolveContext<'_>, server: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let Some(dirs) = context.data.servers.get(server).and_then(|server| server.user_dirs.as_deref()) else {
        return Vec::new();
    };
    let table = context.files.read(path_of(ACCOUNTS)).unwrap_or_default();
    let mut names: Vec<(Vec<u8>, Option<Vec<u8>>)> =
        accounts(&table).map(|(name, home)| (name.to_vec(), Some(home.to_vec()))).collect();
    for pattern in dirs.patterns.iter().filter(|pattern| pattern.starts_with(b"/")) {
        // `/home/*/www` and `/srv/users` have a directory for each name in them.
        let base = pattern.split(|&byte| byte == b'*').next().unwrap_or(pattern);
        let listed = context.files.list(path_of(base)).unwrap_or_default();
        names.extend(listed.into_iter().map(|name| (name.as_bytes().to_vec(), None)));
    }
    names.sort();
    // Of one name, the account comes last.
    names.reverse();
    names.dedup_by(|one, two| one.0 == two.0);
    names.reverse();
    let is_there = |dir: &Vec<u8>| context.stat(dir) == super::walk::Found::Directory;
    let of = |(name, home): (Vec<u8>, Option<Vec<u8>>)| {
        let dir = has(dirs, &name).then(|| chosen(context, dirs, &name, || home)).flatten()?;
        is_there(&dir).then_some((name, dir))
    };
    names.into_iter().filter_map(of).collect()
}

/// Whether a name may have a directory.
fn has(dirs: &UserDirs, name: &[u8]) -> bool {
    let listed = |list: &[Box<[u8]>]| list.iter().any(|one| **one == *name);
    let is_name = !name.is_empty() && name != b"." && name != b"..";
    is_name && !listed(&dirs.disabled) && (dirs.all_disabled != Some(true) || listed(&dirs.enabled))
}

/// The first of the directories that exists; where none does, the first.
fn chosen(
    context: &ResolveContext<'_>,
    dirs: &UserDirs,
    name: &[u8],
    home: impl FnOnce() -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    // A relative one is below the user's home.
    let home = dirs.patterns.iter().any(|pattern| !pattern.starts_with(b"/")).then(home).flatten();
    let mut made = dirs.patterns.iter().filter_map(|pattern| directory(pattern, name, home.as_deref()));
    let first = made.next()?;
    let exists = |dir: &Vec<u8>| context.files.kind(path_of(dir)).is_ok();
    Some(if exists(&first) { first } else { made.find(exists).unwrap_or(first) })
}

fn directory(pattern: &[u8], name: &[u8], home: Option<&[u8]>) -> Option<Vec<u8>> {
    if !pattern.starts_with(b"/") {
        return Some([home?, b"/", pattern].concat());
    }
    Some(match memchr::memchr(b'*', pattern) {
        Some(star) => [&pattern[..star], name, &pattern[star + 1..]].concat(),
        None => [pattern, b"/", name].concat(),
    })
}

/// Names with their homes.
fn accounts(table: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    table.split(|&byte| byte == b'\n').filter_map(|line| {
        let mut row = line.split(|&byte| byte == b':');
        Some((row.next()?, row.nth(4)?))
    })
}
