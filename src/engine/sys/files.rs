//! Opens files component by component, so that each directory and link is checked before it is followed.

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

/// Milliseconds that a turn is waited for.
const PATIENCE: u64 = 2_000;

impl<'a> Turn<'a> {
    /// The lock, waited for a little. `None`: somebody who has it does not get on.
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

/// Gives a file of a directory another name there, which may be another file's.
pub fn rename(directory: &File, from: &OsStr, to: &OsStr) -> io::Result<()> {
    let (from, to) = (CString::new(from.as_bytes())?, CString::new(to.as_bytes())?);
    let directory = directory.as_raw_fd();
    // SAFETY: an open descriptor and two NUL-terminated names.
    match unsafe { libc::renameat(directory, from.as_ptr(), directory, to.as_ptr()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The same file, opened anew, so that locks are this process's own; where the system would not, the same opening again.
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

/// Sees to it that a file of memory cannot be cut off. `None`: it is another kind of file; `Some(false)`: it could be cut off.
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

/// Holds the lock of one byte of a file for as long as it is open here; false: another does, or there are no such locks. Whoever opened
/// the file otherwise is another, in the same process, too.
pub fn hold(file: &File, at: u64) -> bool {
    lock(file, at, libc::F_WRLCK, libc::F_OFD_SETLK).is_some()
}

/// Gives such a lock back.
pub fn let_go(file: &File, at: u64) {
    lock(file, at, libc::F_UNLCK, libc::F_OFD_SETLK);
}

/// Whether another holds it. Where that cannot be known: yes.
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
