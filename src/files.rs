//! Reading files through one small trait, so that everything can be resolved from memory.

mod directory;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// No configuration file larger than this is read (256 MiB): bounded memory, whatever a path names.
pub const MAX_FILE: u64 = 256 << 20;

/// What a path names, symlinks followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A socket, a pipe, a device: never read.
    Other,
}

/// Identifies a file and its version: equal stamps mean the same content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The device and the inode that the path leads to; 0 where there are none.
    pub place: (u64, u64),
    /// Bytes.
    pub size: u64,
    /// When the content and when the inode were last changed, in nanoseconds of the file system's clock; other file systems may use any number that changes with the file.
    pub changed: (i128, i128),
}

/// What reading configuration needs of a file system.
pub trait Files {
    /// The whole of a regular file. Anything else, and a file over [`MAX_FILE`], is an error.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// What the path names, symlinks followed.
    fn kind(&self, path: &Path) -> io::Result<Kind>;
    /// Whether the last component of the path is itself a symbolic link.
    fn is_symlink(&self, path: &Path) -> bool;
    /// Whether anybody may execute the file or enter the directory. The default implementation is true for directories only.
    fn is_executable(&self, path: &Path) -> bool {
        matches!(self.kind(path), Ok(Kind::Directory))
    }
    /// Identifies the content of a regular file: while the stamp is the same, [`Files::read`] gives the same. `None` (the default): no
    /// stamp is available, so the file must be read again each time. Symlinks are followed.
    fn stamp(&self, _path: &Path) -> io::Result<Option<Stamp>> {
        Ok(None)
    }
    /// The names in a directory, in no particular order, without `.` and `..`.
    fn list(&self, path: &Path) -> io::Result<Vec<OsString>>;
    /// The names in a directory that `wanted` picks, in the order of their bytes, up to the first break: each with its content, or why it
    /// cannot be read, if the listing itself calls it a regular file. `None`: it does not, so the name's path has to be asked for, as for
    /// a symbolic link. What the listing calls a directory, a pipe, a socket or a device is left out. The default implementation
    /// knows no kinds, so it gives every name with `None`.
    fn read_listed(&self, path: &Path, wanted: &dyn Fn(&[u8]) -> bool, visit: &mut Visit<'_>) -> io::Result<()> {
        let mut names = self.list(path)?;
        names.retain(|name| wanted(name.as_bytes()));
        names.sort_unstable();
        let _ = names.iter().try_for_each(|name| visit(name, None));
        Ok(())
    }
}

/// What [`Files::read_listed`] calls for each name.
pub type Visit<'a> = dyn FnMut(&OsStr, Option<io::Result<Vec<u8>>>) -> ControlFlow<()> + 'a;

/// The machine's own files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        // The kind is checked before opening, because opening a device may have effects, and again on the open file.
        match self.kind(path)? {
            Kind::File => {}
            Kind::Directory => return Err(io::Error::new(io::ErrorKind::IsADirectory, "Is a directory")),
            Kind::Other => return Err(not_regular()),
        }
        read_all(open(path)?)
    }

    fn kind(&self, path: &Path) -> io::Result<Kind> {
        let kind = std::fs::metadata(path)?.file_type();
        Ok(if kind.is_file() {
            Kind::File
        } else if kind.is_dir() {
            Kind::Directory
        } else {
            Kind::Other
        })
    }

    fn is_executable(&self, path: &Path) -> bool {
        std::fs::metadata(path).is_ok_and(|found| found.mode() & 0o111 != 0)
    }

    fn is_symlink(&self, path: &Path) -> bool {
        std::fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_symlink())
    }

    fn stamp(&self, path: &Path) -> io::Result<Option<Stamp>> {
        let data = std::fs::metadata(path)?;
        let time = |seconds: i64, nanoseconds: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
        Ok(data.is_file().then(|| Stamp {
            place: (data.dev(), data.ino()),
            size: data.len(),
            changed: (time(data.mtime(), data.mtime_nsec()), time(data.ctime(), data.ctime_nsec())),
        }))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        std::fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn read_listed(&self, path: &Path, wanted: &dyn Fn(&[u8]) -> bool, visit: &mut Visit<'_>) -> io::Result<()> {
        directory::read(path, wanted, visit)
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Without O_NONBLOCK, a pipe that took the file's place in between would wait for a writer; regular files do not care.
    let mut options = std::fs::OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    options.open(path).map_err(|error| match error.raw_os_error() {
        Some(libc::ENXIO) => not_regular(), // a socket
        _ => error,
    })
}

/// A whole file that is at its beginning.
fn read_all(mut file: File) -> io::Result<Vec<u8>> {
    let data = file.metadata()?;
    if data.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "Is a directory"));
    }
    if !data.is_file() {
        return Err(not_regular());
    }
    if data.len() > MAX_FILE {
        return Err(too_large());
    }
    // One byte more than the file's size: a read that does not fill the buffer has reached the end, and no second
    // read is needed.
    let mut bytes = vec![0; data.len() as usize + 1];
    let mut len = 0;
    while len < bytes.len() {
        match file.read(&mut bytes[len..]) {
            Ok(0) => break,
            Ok(got) => len += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if len as u64 == data.len() && len > 0 {
            break;
        }
    }
    let full = len == bytes.len();
    bytes.truncate(len);
    if full || data.len() == 0 {
        // The file grew meanwhile, or its size is not known beforehand, as under /proc.
        (&file).take(MAX_FILE + 1 - len as u64).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > MAX_FILE {
        return Err(too_large());
    }
    Ok(bytes)
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "Not a regular file")
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "File larger than 256 MiB")
}

/// Files that exist in memory only: for tests, fuzzing, and hosts with a store of their own.
///
/// ```
/// use outlive::files::{Files, Kind, Memory};
/// use std::path::Path;
///
/// let files = Memory::new().with("/etc/php/php.ini", "memory_limit = 64M\n");
/// assert_eq!(files.kind(Path::new("/etc/php")).unwrap(), Kind::Directory);
/// assert_eq!(files.read(Path::new("/etc/php/php.ini")).unwrap(), b"memory_limit = 64M\n");
/// assert!(files.read(Path::new("/etc/none.ini")).is_err());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Memory {
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Memory {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a file; its directories come into being with it.
    #[must_use]
    pub fn with(mut self, path: impl Into<PathBuf>, text: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }
}

fn missing() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "No such file or directory")
}

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.kind(path)? {
            Kind::File => Ok(self.files[path].clone()),
            _ => Err(io::Error::new(io::ErrorKind::IsADirectory, "Is a directory")),
        }
    }

    fn kind(&self, path: &Path) -> io::Result<Kind> {
        if self.files.contains_key(path) {
            return Ok(Kind::File);
        }
        let below = self.files.range(path.to_path_buf()..).next().is_some_and(|(name, _)| name.starts_with(path));
        if below { Ok(Kind::Directory) } else { Err(missing()) }
    }

    fn is_symlink(&self, _path: &Path) -> bool {
        false
    }

    /// A hash of the content takes the place of the times.
    fn stamp(&self, path: &Path) -> io::Result<Option<Stamp>> {
        let Some(text) = self.files.get(path) else { return self.kind(path).map(|_| None) };
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Ok(Some(Stamp { place: (0, 0), size: text.len() as u64, changed: (hasher.finish().into(), 0) }))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        match self.kind(path)? {
            Kind::Directory => {}
            _ => return Err(io::Error::new(io::ErrorKind::NotADirectory, "Not a directory")),
        }
        let mut names: Vec<OsString> = self
            .files
            .keys()
            .filter_map(|name| name.strip_prefix(path).ok()?.iter().next().map(OsString::from))
            .collect();
        names.dedup();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_directories_where_files_are() {
        let files = Memory::new().with("/a/b/c.ini", "x=1").with("/a/d.ini", "");
        assert_eq!(files.read(Path::new("/a/b/c.ini")).unwrap(), b"x=1");
        assert_eq!(files.kind(Path::new("/a/b")).unwrap(), Kind::Directory);
        assert!(files.kind(Path::new("/a/x")).is_err());
        assert!(files.read(Path::new("/a")).is_err());
        assert_eq!(files.list(Path::new("/a")).unwrap(), ["b", "d.ini"]);
        assert!(files.list(Path::new("/a/d.ini")).is_err());
    }

    #[test]
    fn files_are_read_whole() {
        assert_eq!(Disk.read(Path::new("/proc/self/comm")).unwrap().last(), Some(&b'\n'));
        let path = std::env::temp_dir().join(format!("outlive-files-{}", std::process::id()));
        for text in [&b""[..], b"x", &[7; 70_000]] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Disk.read(&path).unwrap(), text);
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_is_no_regular_file_is_never_read() {
        assert!(Disk.read(Path::new("/")).is_err());
        assert!(Disk.read(Path::new("/dev/zero")).is_err());
    }
}
