//! What other Unix systems have in the place of Linux's own, or do without; each function as in linux.rs. Built on Linux, too, with
//! `--cfg outlive_portable`.

use super::files::open;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;

pub use super::poller::{EventFd, Poll};

pub const HAS_TIMERS: bool = false;

/// Not known.
pub fn thread_of_clock(_clock: i32) -> u32 {
    0
}

/// Never: the process number is read in its place.
pub fn wipe_on_fork(_page: *mut libc::c_void, _size: usize) -> bool {
    false
}

/// Never: both halves of a barrier are ordinary fences.
pub fn can_fence_all_threads() -> bool {
    false
}

pub fn fence_all_threads() -> bool {
    false
}

/// Nothing is asked for.
pub fn advise_large_pages(_start: *mut libc::c_void, _size: usize) {}

/// It stays without a name: each system has a call of its own for that.
pub fn name_thread(_thread: libc::pthread_t, _name: &CStr) {}

#[cfg(any(target_os = "linux", target_os = "freebsd"))]
pub fn allocate(file: &File, offset: libc::off_t, bytes: libc::off_t) -> i32 {
    // SAFETY: no memory is involved.
    unsafe { libc::posix_fallocate(file.as_raw_fd(), offset, bytes) }
}

/// No space is taken beforehand: a full disk ends the process (SIGBUS) when a row is written. Put scoreboards into memory.
#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
pub fn allocate(_file: &File, _offset: libc::off_t, _bytes: libc::off_t) -> i32 {
    0
}

pub fn to_begin_at(options: &mut OpenOptions) -> &mut OpenOptions {
    options.read(true).custom_flags(libc::O_DIRECTORY)
}

/// Only regular files and directories can be examined: opening anything else could have effects. A link is an error.
pub fn look_at(directory: &File, name: &OsStr) -> io::Result<File> {
    let text = CString::new(name.as_bytes())?;
    // SAFETY: numbers only; zero is valid for each.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: an open descriptor, a NUL-terminated name and a valid place.
    if unsafe { libc::fstatat(directory.as_raw_fd(), text.as_ptr(), &raw mut status, libc::AT_SYMLINK_NOFOLLOW) } != 0 {
        return Err(io::Error::last_os_error());
    }
    match status.st_mode & libc::S_IFMT {
        libc::S_IFREG | libc::S_IFDIR => open(
            directory,
            name,
            libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC,
            0,
        ),
        libc::S_IFLNK => Err(io::Error::from_raw_os_error(libc::ELOOP)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a regular file nor a directory")),
    }
}

/// Links are not examined here.
pub fn target_of(_link: &File) -> io::Result<OsString> {
    Err(io::Error::from_raw_os_error(libc::ELOOP))
}

pub fn opened_again(_descriptor: i32) -> Option<File> {
    None
}

/// There is no such thing as a seal.
pub fn seal(_file: &File) -> Option<bool> {
    None
}

/// There are no locks that belong to an open file and not to a process.
pub fn hold(_file: &File, _at: u64) -> bool {
    false
}

pub fn let_go(_file: &File, _at: u64) {}

/// Not known.
pub fn is_held(_file: &File, _at: u64) -> bool {
    true
}
