//! Which php.ini and which scan directory files PHP would read (facts I-110 … I-116).

use crate::files::{Files, Kind};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where to look.
pub(super) struct Search<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) sapi: &'static str,
    /// Directories in order, or single files.
    pub(super) places: Vec<PathBuf>,
}

impl Search<'_> {
    /// The php.ini that is read: `php-SAPI.ini` anywhere before `php.ini` anywhere (I-110).
    pub(super) fn php_ini(&self) -> Option<PathBuf> {
        let own = (!self.sapi.is_empty()).then(|| format!("php-{}.ini", self.sapi));
        own.iter().map(String::as_str).chain(["php.ini"]).find_map(|name| {
            let mut candidates = self.places.iter().map(|place| place.join(name));
            candidates.find(|path| self.files.kind(path).is_ok_and(|kind| kind == Kind::File))
        })
    }
}

/// The elements of a `:` list.
pub(super) fn split(list: &[u8]) -> impl Iterator<Item = &Path> {
    list.split(|&byte| byte == b':').map(|part| Path::new(OsStr::from_bytes(part)))
}

/// The scan directories that a `PHP_INI_SCAN_DIR` names; an empty element is the compiled-in one (I-114).
pub(super) fn scan_dirs(list: Option<&[u8]>, compiled_in: Option<&Path>) -> Vec<PathBuf> {
    let Some(list) = list else { return compiled_in.map(Path::to_path_buf).into_iter().collect() };
    if list.is_empty() {
        return Vec::new();
    }
    let pick =
        |part: &Path| if part.as_os_str().is_empty() { compiled_in.map(Path::to_path_buf) } else { Some(part.into()) };
    split(list).filter_map(pick).collect()
}

/// The `*.ini` names of a scan directory in byte order (I-115), each with its kind where the listing tells it: asking for it
/// costs as much as reading the file. A missing directory has none.
pub(super) fn scan_files(files: &dyn Files, dir: &Path) -> Vec<(PathBuf, Option<Kind>)> {
    let mut names: Vec<(OsString, Option<Kind>)> = files.list_kinds(dir).unwrap_or_default();
    names.retain(|(name, _)| name.as_bytes().ends_with(b".ini"));
    names.sort_unstable_by(|(a, _), (b, _)| a.as_bytes().cmp(b.as_bytes()));
    let path = |name: &OsStr| {
        let mut path = PathBuf::with_capacity(dir.as_os_str().len() + 1 + name.len());
        path.push(dir);
        path.push(name);
        path
    };
    names.into_iter().map(|(name, kind)| (path(&name), kind)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Memory;

    #[test]
    fn a_sapi_s_own_file_wins_in_every_directory() {
        let files = Memory::new().with("/a/php.ini", "").with("/b/php-cli.ini", "");
        let places = vec![PathBuf::from("/a"), PathBuf::from("/b")];
        let search = |sapi| Search { files: &files, sapi, places: places.clone() }.php_ini();
        assert_eq!(search("cli"), Some("/b/php-cli.ini".into()));
        assert_eq!(search("fpm-fcgi"), Some("/a/php.ini".into()));
    }

    #[test]
    fn scan_lists_and_their_order() {
        let dir = Some(Path::new("/etc/conf.d"));
        assert_eq!(scan_dirs(None, dir), [Path::new("/etc/conf.d")]);
        assert!(scan_dirs(Some(b""), dir).is_empty());
        let both = scan_dirs(Some(b":/x"), dir);
        assert_eq!(both, [Path::new("/etc/conf.d"), Path::new("/x")]);
        let names = ["10.ini", "9.ini", "a.ini", "C.ini", ".hid.ini", "x.INI", "x.ini~", "d.ini/f"];
        let files = names.iter().fold(Memory::new(), |files, name| files.with(format!("/s/{name}"), ""));
        let found = scan_files(&files, Path::new("/s"));
        let found: Vec<_> = found.iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(found, [".hid.ini", "10.ini", "9.ini", "C.ini", "a.ini", "d.ini"]);
    }
}
