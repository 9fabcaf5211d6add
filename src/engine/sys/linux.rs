//! What Linux alone has, or has under a name of its own. any_unix.rs is the same for other systems.

use super::files::open;
use std::ffi::{CStr, OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;

pub use super::epoll::{EventFd, Poll};

/// Whether a host's loop can wait on a [`Poll`].
pub const HAS_TIMERS: bool = true;

/// The kernel's number of the thread behind a CPU-time clock.
pub fn thread_of_clock(clock: i32) -> u32 {
    !(clock >> 3) as u32
}

/// Has the kernel give a forked child zeros in place of these pages; false: it does not.
pub fn wipe_on_fork(page: *mut libc::c_void, size: usize) -> bool {
    // A system that accepts unknown advice (qemu's user mode) ignores all advice.
    // SAFETY: advice about whole pages of the caller's.
    let takes = |advice| unsafe { libc::madvise(page, size, advice) } == 0;
    takes(libc::MADV_WIPEONFORK) && !takes(-1)
}

// As linux/membarrier.h numbers them.
const MEMBARRIER_PRIVATE_EXPEDITED: i32 = 1 << 3;
const MEMBARRIER_REGISTER_PRIVATE_EXPEDITED: i32 = 1 << 4;

/// Announces that this process will use [`fence_all_threads`]; false: the kernel has no such call.
pub fn can_fence_all_threads() -> bool {
    membarrier(MEMBARRIER_REGISTER_PRIVATE_EXPEDITED)
}

/// Makes every processor that runs a thread of this process pass a full fence; false: it was refused.
pub fn fence_all_threads() -> bool {
    membarrier(MEMBARRIER_PRIVATE_EXPEDITED)
}

fn membarrier(command: i32) -> bool {
    // SAFETY: no memory is involved; an unknown command is answered with an error.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Asks for large pages.
pub fn advise_large_pages(start: *mut libc::c_void, size: usize) {
    // SAFETY: advice about memory of the caller's.
    unsafe { libc::madvise(start, size, libc::MADV_HUGEPAGE) };
}

/// Names a thread, for people who look at processes.
pub fn name_thread(thread: libc::pthread_t, name: &CStr) {
    // SAFETY: a thread that has not been joined, and a NUL-terminated name.
    unsafe { libc::pthread_setname_np(thread, name.as_ptr()) };
}

/// Takes disk space for a part of a file: 0, or the error's number.
pub fn allocate(file: &File, offset: libc::off_t, bytes: libc::off_t) -> i32 {
    // SAFETY: no memory is involved.
    match unsafe { libc::fallocate(file.as_raw_fd(), 0, offset, bytes) } {
        0 => 0,
        _ => io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO),
    }
}

/// How a directory is opened that paths begin at.
pub fn to_begin_at(options: &mut OpenOptions) -> &mut OpenOptions {
    options.read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY)
}

/// The file of this name, only to examine it: opening has no effects, and no link is followed.
pub fn look_at(directory: &File, name: &OsStr) -> io::Result<File> {
    open(directory, name, libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC, 0)
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

/// The file behind a descriptor of this process, opened again; `None`: the system refuses.
pub fn opened_again(descriptor: i32) -> Option<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    options.open(format!("/proc/self/fd/{descriptor}")).ok()
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

/// A descriptor that a call has just opened; closed when dropped.
pub fn owned(descriptor: i32) -> io::Result<std::os::fd::OwnedFd> {
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, and nobody else's.
    Ok(unsafe { std::os::fd::OwnedFd::from_raw_fd(descriptor) })
}
