//! Opens files component by component, so that each directory and link is checked before it is followed.

use super::system;
use std::ffi::{CString, OsStr};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub use super::system::{hold, is_held, let_go, look_at, seal, target_of};

/// The directory where paths begin: the root, or the current directory.
pub fn start(is_absolute: bool) -> io::Result<File> {
    system::to_begin_at(&mut OpenOptions::new()).open(Path::new(if is_absolute { "/" } else { "." }))
}

/// The regular file of this name, for reading and writing; does not follow a link, does not block.
pub fn open_to_write(directory: &File, name: &OsStr) -> io::Result<File> {
    open(directory, name, libc::O_RDWR | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC, 0)
}

/// A new file of this name, with mode 0600; an error where there is anything of that name.
pub fn make(directory: &File, name: &OsStr) -> io::Result<File> {
    open(directory, name, libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW | libc::O_CLOEXEC, 0o600)
}

/// Opens the file of a name within a directory, with flags of open(2).
pub(super) fn open(directory: &File, name: &OsStr, flags: i32, mode: libc::c_uint) -> io::Result<File> {
    let name = CString::new(name.as_bytes())?;
    // SAFETY: an open descriptor and a NUL-terminated name.
    match unsafe { libc::openat(directory.as_raw_fd(), name.as_ptr(), flags, mode) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: just opened, and nobody else's.
        descriptor => Ok(unsafe { File::from_raw_fd(descriptor) }),
    }
}

/// A file's lock, held until this is dropped; the kernel releases it when the process dies.
pub struct Turn<'a>(&'a File);

impl<'a> Turn<'a> {
    /// The lock, if it is free. Does not block.
    pub fn take(file: &'a File) -> Option<Self> {
        // SAFETY: an open descriptor; no memory is involved.
        let answer = unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) };
        (answer == 0).then_some(Self(file))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // SAFETY: as in `take`.
        unsafe { libc::flock(self.0.as_raw_fd(), libc::LOCK_UN) };
    }
}

/// Milliseconds to wait for the lock.
const PATIENCE: u64 = 2_000;

impl<'a> Turn<'a> {
    /// The lock, after a short wait at most. `None`: its holder is stuck.
    pub fn wait(file: &'a File) -> Option<Self> {
        for _ in 0..PATIENCE / 5 {
            if let Some(turn) = Self::take(file) {
                return Some(turn);
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Self::take(file)
    }
}

/// Renames a file within a directory; an existing file of the new name is replaced.
pub fn rename(directory: &File, from: &OsStr, to: &OsStr) -> io::Result<()> {
    let (from, to) = (CString::new(from.as_bytes())?, CString::new(to.as_bytes())?);
    let directory = directory.as_raw_fd();
    // SAFETY: an open descriptor and two NUL-terminated names.
    match unsafe { libc::renameat(directory, from.as_ptr(), directory, to.as_ptr()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The same file, opened again, so that locks belong to this process; if the system refuses, a duplicate of the descriptor.
pub fn open_again(descriptor: i32) -> io::Result<(File, bool)> {
    if let Some(file) = system::opened_again(descriptor) {
        return Ok((file, true));
    }
    // SAFETY: any number is answered; no memory is involved.
    match unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 0) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: just opened, and nobody else's.
        copy => Ok((unsafe { File::from_raw_fd(copy) }, false)),
    }
}
