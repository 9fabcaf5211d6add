//! Which php.ini and which scan directory files PHP would read (facts I-110 … I-116).

use crate::files::{Files, Kind};
use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// What `visit` of [`scan_files`] gets: the path, and the text where it has been read already.
pub(super) type ScanVisit<'a> = dyn FnMut(Arc<[u8]>, Option<std::io::Result<Vec<u8>>>) -> ControlFlow<()> + 'a;

/// The `*.ini` files of a scan directory in byte order (I-115). A missing directory has none.
pub(super) fn scan_files(files: &dyn Files, dir: &Path, visit: &mut ScanVisit<'_>) {
    let mut path = dir.as_os_str().as_bytes().to_vec();
    if !path.ends_with(b"/") {
        path.push(b'/');
    }
    let length = path.len();
    let _ = files.read_listed(dir, &|name| name.ends_with(b".ini"), &mut |name, text| {
        path.truncate(length);
        path.extend_from_slice(name.as_bytes());
        visit(Arc::from(&*path), text)
    });
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
        for dir in ["/s", "/s/"] {
            let mut found = Vec::new();
            scan_files(&files, Path::new(dir), &mut |path, _| {
                found.push(String::from_utf8(path.strip_prefix(b"/s/").unwrap().to_vec()).unwrap());
                ControlFlow::Continue(())
            });
            assert_eq!(found, [".hid.ini", "10.ini", "9.ini", "C.ini", "a.ini", "d.ini"]);
        }
    }
}
