//! Where files are looked for: on this machine, or below a directory that stands for `/` (an unpacked image, a mounted disk, a
//! copy, a container).

use outlive::files::{Disk, Files, Kind, Stamp, Visit};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// As many symbolic links on one path as Linux follows.
const LINKS: u32 = 40;

/// One view of a file system. Paths that are asked for, and that answers show, are those within it.
#[derive(Clone, Debug, Default)]
pub struct View {
    root: Option<Arc<Path>>,
    /// What stands before paths that people see, such as `container(77):`.
    label: Arc<str>,
}

impl View {
    /// Everything below `root`: absolute links lead below it as well, and `..` never out of it.
    pub fn below(root: &Path) -> Self {
        Self { root: Some(root.into()), label: "".into() }
    }

    /// The same, of a process with a root of its own.
    pub fn of_process(pid: u32) -> Self {
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        Self { root: Some(root.into()), label: format!("container({pid}):").into() }
    }

    /// Whether this machine's processes, accounts and environment belong to it.
    pub fn is_machine(&self) -> bool {
        self.root.is_none()
    }

    /// The directory that stands for `/`.
    pub fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// A path for people.
    pub fn shown(&self, path: &Path) -> String {
        format!("{}{}", self.label, crate::text::shown(path.as_os_str().as_bytes()))
    }

    /// The path on this machine, all links followed.
    pub fn outside(&self, path: &Path) -> io::Result<PathBuf> {
        match &self.root {
            None => Ok(path.to_path_buf()),
            Some(root) => Ok(join(root, &self.walk(path, true)?)),
        }
    }

    /// The path within the view, all links followed; itself where it leads nowhere.
    pub fn canonical(&self, path: &Path) -> PathBuf {
        let found = match &self.root {
            None => path.canonicalize(),
            Some(_) => self.walk(path, true).and_then(|path| self.kind(&path).map(|_| path)),
        };
        found.unwrap_or_else(|_| path.to_path_buf())
    }

    /// Where a path leads, all links followed, whether there is something or not; itself where that cannot be told.
    pub fn leads_to(&self, path: &Path) -> PathBuf {
        self.walk(path, true).unwrap_or_else(|_| path.to_path_buf())
    }

    pub fn is_file(&self, path: &Path) -> bool {
        self.kind(path).is_ok_and(|kind| kind == Kind::File)
    }

    pub fn is_dir(&self, path: &Path) -> bool {
        self.kind(path).is_ok_and(|kind| kind == Kind::Directory)
    }

    /// The names in a directory with their kinds, as the listing tells them; none: it does not, or the name is a symbolic link.
    pub fn entries(&self, path: &Path) -> io::Result<Vec<(OsString, Option<Kind>)>> {
        let kind = |entry: &std::fs::DirEntry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => Some(Kind::Directory),
            Ok(kind) if kind.is_file() => Some(Kind::File),
            Ok(kind) if kind.is_symlink() => None,
            Ok(_) => Some(Kind::Other),
            Err(_) => None,
        };
        let entries = std::fs::read_dir(self.outside(path)?)?;
        entries.map(|entry| entry.map(|entry| (entry.file_name(), kind(&entry)))).collect()
    }

    /// Follows links component by component, as the kernel would with this root directory.
    fn walk(&self, path: &Path, last: bool) -> io::Result<PathBuf> {
        let root = self.root.as_deref().unwrap_or(Path::new("/"));
        let mut left: VecDeque<OsString> = parts(path);
        let (mut done, mut links) = (PathBuf::from("/"), 0);
        while let Some(part) = left.pop_front() {
            if part == ".." {
                done.pop();
                continue;
            }
            let next = done.join(&part);
            if last || !left.is_empty() {
                match std::fs::read_link(join(root, &next)) {
                    Ok(target) => {
                        links += 1;
                        if links > LINKS {
                            return Err(io::Error::from_raw_os_error(libc_eloop()));
                        }
                        if target.is_absolute() {
                            done = PathBuf::from("/");
                        }
                        for part in parts(&target).into_iter().rev() {
                            left.push_front(part);
                        }
                        continue;
                    }
                    // It is no link. A missing file is noticed when it is opened.
                    Err(error) if matches!(error.raw_os_error(), Some(22)) => {}
                    // So does a name that is yet to be made, such as a socket's.
                    Err(error) if error.kind() == io::ErrorKind::NotFound && left.is_empty() => {}
                    Err(error) => return Err(error),
                }
            }
            done = next;
        }
        Ok(done)
    }
}

/// "Too many levels of symbolic links", on Linux.
fn libc_eloop() -> i32 {
    rustix::io::Errno::LOOP.raw_os_error()
}

/// The names on a path; `..` stays, `/` and `.` go.
fn parts(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsStr::new("..").to_owned()),
            _ => None,
        })
        .collect()
}

fn join(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

impl Files for View {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Disk.read(&self.outside(path)?)
    }

    fn kind(&self, path: &Path) -> io::Result<Kind> {
        Disk.kind(&self.outside(path)?)
    }

    fn is_symlink(&self, path: &Path) -> bool {
        match &self.root {
            None => Disk.is_symlink(path),
            Some(root) => self.walk(path, false).is_ok_and(|path| Disk.is_symlink(&join(root, &path))),
        }
    }

    fn stamp(&self, path: &Path) -> io::Result<Option<Stamp>> {
        Disk.stamp(&self.outside(path)?)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        Disk.list(&self.outside(path)?)
    }

    fn read_listed(&self, path: &Path, wanted: &dyn Fn(&[u8]) -> bool, visit: &mut Visit<'_>) -> io::Result<()> {
        Disk.read_listed(&self.outside(path)?, wanted, visit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn nothing_leads_out() {
        let root = std::env::temp_dir().join(format!("outlive-view-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(root.join("etc/conf.d")).unwrap();
        std::fs::create_dir_all(root.join("mods")).unwrap();
        std::fs::write(root.join("mods/a.ini"), "inside").unwrap();
        symlink("/mods/a.ini", root.join("etc/conf.d/a.ini")).unwrap();
        symlink("../../../../../../mods/a.ini", root.join("etc/conf.d/b.ini")).unwrap();
        symlink("/etc/conf.d", root.join("linked")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("/etc/passwd", root.join("out")).unwrap();
        let view = View::below(&root);
        for path in ["/etc/conf.d/a.ini", "/etc/conf.d/b.ini", "/linked/a.ini", "/../../mods/a.ini"] {
            assert_eq!(view.read(Path::new(path)).unwrap(), b"inside", "{path}");
        }
        assert!(view.read(Path::new("/out")).is_err());
        let error = view.read(Path::new("/loop")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc_eloop()));
        assert_eq!(view.canonical(Path::new("/linked/b.ini")), Path::new("/mods/a.ini"));
        std::fs::remove_dir_all(&root).unwrap();
    }
}
