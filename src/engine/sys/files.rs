//! Files that are reached step by step, so that what stands on the way is looked at before it is followed or opened.

use std::ffi::{CString, OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const LOOK: i32 = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;

/// A directory from which paths go on: the root, or where this process stands.
pub fn start(is_absolute: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY);
    options.open(Path::new(if is_absolute { "/" } else { "." }))
}

/// What has this name, for looking at only: nothing is opened that could notice, and no link is followed.
pub fn look_at(directory: &File, name: &OsStr) -> io::Result<File> {
    open(directory, name, LOOK, 0)
}

/// The regular file of this name, for reading and writing; a link is not followed, and nothing is waited for.
pub fn open_to_write(directory: &File, name: &OsStr) -> io::Result<File> {
    open(directory, name, libc::O_RDWR | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC, 0)
}

/// A new file of this name, with mode 0600; an error where there is anything of that name.
pub fn make(directory: &File, name: &OsStr) -> io::Result<File> {
    open(directory, name, libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW | libc::O_CLOEXEC, 0o600)
}

fn open(directory: &File, name: &OsStr, flags: i32, mode: libc::c_uint) -> io::Result<File> {
    let name = CString::new(name.as_bytes())?;
    // SAFETY: an open descriptor and a NUL-terminated name.
    match unsafe { libc::openat(directory.as_raw_fd(), name.as_ptr(), flags, mode) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: just opened, and nobody else's.
        descriptor => Ok(unsafe { File::from_raw_fd(descriptor) }),
    }
}

/// Where a link leads that was looked at.
pub fn target_of(link: &File) -> io::Result<OsString> {
    let mut text = vec![0u8; libc::PATH_MAX as usize];
    // SAFETY: an open descriptor, an empty name (the link itself), and a buffer with its length.
    let len = unsafe { libc::readlinkat(link.as_raw_fd(), c"".as_ptr(), text.as_mut_ptr().cast(), text.len()) };
    let len = usize::try_from(len).map_err(|_| io::Error::last_os_error())?;
    text.truncate(len);
    Ok(OsString::from_vec(text))
}

/// A file's lock, held until this is dropped; the kernel takes it back from a process that dies.
pub struct Turn<'a>(&'a File);

impl<'a> Turn<'a> {
    /// The lock, if nobody has it. Nothing is waited for.
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
