//! Opens files component by component, so that each directory and link is checked before it is followed.

use std::ffi::{CString, OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const LOOK: i32 = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;

/// The directory where paths begin: the root, or the current directory.
pub fn start(is_absolute: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY);
    options.open(Path::new(if is_absolute { "/" } else { "." }))
}

/// The file of this name, only to examine it: opening has no effects, and no link is followed.
pub fn look_at(directory: &File, name: &OsStr) -> io::Result<File> {
    open(directory, name, LOOK, 0)
}

/// The regular file of this name, for reading and writing; does not follow a link, does not block.
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

/// The target of a link that was examined.
pub fn target_of(link: &File) -> io::Result<OsString> {
    let mut text = vec![0u8; libc::PATH_MAX as usize];
    // SAFETY: an open descriptor, an empty name (the link itself), and a buffer with its length.
    let len = unsafe { libc::readlinkat(link.as_raw_fd(), c"".as_ptr(), text.as_mut_ptr().cast(), text.len()) };
    let len = usize::try_from(len).map_err(|_| io::Error::last_os_error())?;
    text.truncate(len);
    Ok(OsString::from_vec(text))
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
    let name = format!("/proc/self/fd/{descriptor}");
    let mut options = OpenOptions::new();
    if let Ok(file) = options.read(true).write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(name) {
        return Ok((file, true));
    }
    // SAFETY: any number is answered; no memory is involved.
    match unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 0) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: just opened, and nobody else's.
        copy => Ok((unsafe { File::from_raw_fd(copy) }, false)),
    }
}

/// Seals a memory file against truncation. `None`: it is another kind of file; `Some(false)`: it can still be truncated.
pub fn seal(file: &File) -> Option<bool> {
    // SAFETY: an open descriptor; no memory is involved.
    let seals = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) };
    if seals < 0 {
        return None;
    }
    // SAFETY: as above.
    let sealed = || unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SHRINK) } == 0;
    Some(seals & libc::F_SEAL_SHRINK != 0 || sealed())
}

/// Locks one byte of a file for as long as it is open here; false: another holds the lock, or there are no such locks. Another opening
/// of the file counts as another holder, even in the same process.
pub fn hold(file: &File, at: u64) -> bool {
    lock(file, at, libc::F_WRLCK, libc::F_OFD_SETLK).is_some()
}

/// Releases such a lock.
pub fn let_go(file: &File, at: u64) {
    lock(file, at, libc::F_UNLCK, libc::F_OFD_SETLK);
}

/// Whether another holds it; true if that is not known.
pub fn is_held(file: &File, at: u64) -> bool {
    lock(file, at, libc::F_WRLCK, libc::F_OFD_GETLK).is_none_or(|kind| kind != libc::F_UNLCK)
}

fn lock(file: &File, at: u64, kind: i32, command: i32) -> Option<i32> {
    // SAFETY: numbers only; zero is valid for each.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = libc::off_t::try_from(at).ok()?;
    lock.l_len = 1;
    // SAFETY: an open descriptor and a valid place.
    let answer = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) };
    (answer == 0).then_some(lock.l_type.into())
}
