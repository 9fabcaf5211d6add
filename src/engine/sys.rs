//! The engine's system calls, each behind a safe function. The only unsafe code outside the C ABI.
//!
//! Here and in files.rs is what all Unix systems have. What Linux has of its own is in linux.rs and epoll.rs; any_unix.rs and poller.rs are the
//! same for every other system, and for Linux with `--cfg outlive_portable`.
#![allow(unsafe_code)]

pub mod files;
pub mod guarded;

#[cfg(all(target_os = "linux", not(outlive_portable)))]
mod epoll;
#[cfg(all(target_os = "linux", not(outlive_portable)))]
#[path = "sys/linux.rs"]
mod system;

#[cfg(not(all(target_os = "linux", not(outlive_portable))))]
mod poller;
#[cfg(not(all(target_os = "linux", not(outlive_portable))))]
#[path = "sys/any_unix.rs"]
mod system;

pub use system::{EventFd, HAS_TIMERS, Poll, thread_of_clock};

use std::alloc::Layout;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Deref;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, compiler_fence, fence};
use std::time::Duration;

/// Milliseconds of a monotonic clock with an arbitrary start.
pub fn now_ms() -> u64 {
    now_ns() / 1_000_000
}

/// The same as of the system's last tick, some milliseconds ago: cheaper.
pub fn tick_ms() -> u64 {
    #[cfg(target_os = "linux")]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC_COARSE;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;
    clock_ns(CLOCK).unwrap_or(0) / 1_000_000
}

/// The same in nanoseconds.
pub fn now_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC).unwrap_or(0)
}

/// A number that no other living thread of the process has. No system call; a load.
#[inline]
pub fn thread_number() -> usize {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    {
        let number: usize;
        // SAFETY: on this system the word at fs:0 is the address of the thread's own control block (the ABI of thread-local storage).
        unsafe {
            std::arch::asm!("mov {}, fs:0", out(reg) number, options(pure, readonly, nostack, preserves_flags));
        }
        number
    }
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    // SAFETY: it always answers, and has no effect.
    unsafe {
        libc::pthread_self() as usize
    }
}

/// Whether a thread may read the CPU time of another; where none may, limits count elapsed time.
pub const HAS_THREAD_CLOCKS: bool = !cfg!(any(target_vendor = "apple", target_os = "openbsd", target_os = "netbsd"));

/// There is none that others may read.
#[cfg(any(target_vendor = "apple", target_os = "openbsd", target_os = "netbsd"))]
pub fn thread_clock() -> i32 {
    0
}

/// The CPU-time clock of the calling thread, for [`thread_cpu_ns`] from any other.
#[cfg(not(any(target_vendor = "apple", target_os = "openbsd", target_os = "netbsd")))]
pub fn thread_clock() -> i32 {
    let mut clock = 0;
    // SAFETY: pthread_self is always a valid thread; `clock` is a valid place. No system call is made.
    match unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) } {
        0 => clock,
        _ => 0,
    }
}

/// CPU time, user and system, that a thread has used, in nanoseconds; `None`: the thread is gone.
pub fn thread_cpu_ns(clock: i32) -> Option<u64> {
    if clock == 0 { None } else { clock_ns(clock as libc::clockid_t) }
}

fn clock_ns(clock: libc::clockid_t) -> Option<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place; an unknown clock is answered with an error.
    match unsafe { libc::clock_gettime(clock, &raw mut time) } {
        0 => Some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64),
        _ => None,
    }
}

/// An event of a watched socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// The token that it was registered with.
    pub token: u64,
    /// The connection is closed or reset.
    pub closed: bool,
    /// The peer has ended its sending side.
    pub half_closed: bool,
}

/// Tells a forked child from the process that made the mark, at the cost of one load: the kernel gives the child a page
/// of zeros in its place.
#[derive(Clone)]
pub struct ForkMark {
    page: NonNull<AtomicU32>,
    process: i32,
    /// Keeps the page mapped.
    _mapping: Arc<MarkedPage>,
}

struct MarkedPage {
    page: NonNull<AtomicU32>,
    size: usize,
}

/// The value in the process that made it, where the kernel wipes the page in a child.
const HERE: u32 = 1;
/// The value where the kernel cannot wipe pages: then the process number is read each time.
const ASK: u32 = 2;

// SAFETY: the page is only reached through an atomic, and belongs to the mark and its copies alone.
unsafe impl Send for ForkMark {}
// SAFETY: as above.
unsafe impl Sync for ForkMark {}
// SAFETY: as above.
unsafe impl Send for MarkedPage {}
// SAFETY: as above.
unsafe impl Sync for MarkedPage {}

impl ForkMark {
    /// A mark of this process.
    pub fn new() -> io::Result<Self> {
        let size = page_size();
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a fresh anonymous mapping; nothing else is touched.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), size, protection, flags, -1, 0) };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let wiped = system::wipe_on_fork(page, size);
        let page = NonNull::new(page.cast::<AtomicU32>()).ok_or_else(io::Error::last_os_error)?;
        // SAFETY: mapped, aligned and writable; zero is a valid AtomicU32.
        unsafe { page.as_ref() }.store(if wiped { HERE } else { ASK }, Ordering::Relaxed);
        // SAFETY: getpid has no preconditions.
        Ok(Self { page, process: unsafe { libc::getpid() }, _mapping: Arc::new(MarkedPage { page, size }) })
    }

    /// Whether this is the process that made the mark, as far as one load can tell.
    #[cfg(all(target_os = "linux", not(outlive_portable)))]
    #[inline]
    pub fn is_surely_parent(&self) -> bool {
        // SAFETY: mapped for as long as the mark lives.
        unsafe { self.page.as_ref() }.load(Ordering::Relaxed) == HERE
    }

    /// Whether this is the process that made the mark.
    #[cfg(not(all(target_os = "linux", not(outlive_portable))))]
    pub fn is_surely_parent(&self) -> bool {
        !self.is_child()
    }

    /// Whether this is a child of the process that made the mark.
    #[inline]
    pub fn is_child(&self) -> bool {
        // SAFETY: mapped for as long as the mark lives.
        match unsafe { self.page.as_ref() }.load(Ordering::Relaxed) {
            HERE => false,
            ASK => self.is_other_process(),
            _ => true,
        }
    }

    #[cold]
    fn is_other_process(&self) -> bool {
        // SAFETY: getpid has no preconditions.
        self.process != unsafe { libc::getpid() }
    }
}

impl Drop for MarkedPage {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, with its size; nothing refers to it any more.
        unsafe { libc::munmap(self.page.as_ptr().cast(), self.size) };
    }
}

/// The two halves of an asymmetric fence, for two sides that each write and then read what the other wrote: at least one
/// sees the other's write. The frequent side costs nothing. The rare side is a system call that makes every processor that
/// runs a thread of this process pass a full fence.
#[derive(Debug)]
pub struct Barrier {
    asymmetric: AtomicBool,
}

impl Barrier {
    /// Where the kernel refuses the call, both halves are ordinary fences.
    pub fn new() -> Self {
        Self { asymmetric: AtomicBool::new(system::can_fence_all_threads()) }
    }

    /// Whether the frequent side costs nothing.
    #[inline]
    pub fn is_cheap(&self) -> bool {
        self.asymmetric.load(Ordering::Relaxed)
    }

    /// The frequent side: between its write and its read. Async-signal-safe.
    #[inline]
    pub fn light(&self) {
        if self.asymmetric.load(Ordering::Relaxed) {
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }

    /// The rare side: between its write and its read.
    pub fn heavy(&self) {
        fence(Ordering::SeqCst);
        if self.asymmetric.load(Ordering::Relaxed) && !system::fence_all_threads() {
            // The process was put into a sandbox meanwhile: plain fences are used from now on, and pending writes arrive
            // while we wait.
            self.asymmetric.store(false, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn page_size() -> usize {
    // SAFETY: sysconf has no preconditions.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// Prefetches the cache line at `address`; a hint.
#[inline]
pub fn prefetch<T>(address: *const T) {
    // SAFETY: a hint; it never faults, whatever the address.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Values at a fixed address, on large pages where they fill some: otherwise each of a million requests in random order would cost
/// a page walk.
pub struct Fixed<T> {
    start: NonNull<T>,
    count: usize,
    align: usize,
}

// SAFETY: it owns its values, as a Box<[T]> does.
unsafe impl<T: Send> Send for Fixed<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Fixed<T> {}

impl<T> Fixed<T> {
    const LARGE_PAGE: usize = 2 << 20;

    /// Makes the values with `make(0)`, `make(1)` and so on; at least one.
    pub fn new(count: usize, make: impl Fn(usize) -> T) -> Self {
        Self::aligned(1, count, make)
    }

    /// As [`Fixed::new`]; the address of the first is a multiple of `align`, a power of two.
    pub fn aligned(align: usize, count: usize, make: impl Fn(usize) -> T) -> Self {
        let layout = Self::layout(align, count);
        let Some(start) = map(layout) else { std::alloc::handle_alloc_error(layout) };
        let start = start.cast::<T>();
        if layout.size() >= Self::LARGE_PAGE {
            system::advise_large_pages(start.as_ptr().cast(), layout.size() - layout.size() % Self::LARGE_PAGE);
        }
        for number in 0..count {
            // SAFETY: within the allocation; if `make` panics, what was made is leaked.
            unsafe { start.add(number).write(make(number)) };
        }
        Self { start, count, align }
    }

    /// Whole pages.
    fn layout(align: usize, count: usize) -> Layout {
        let layout = Layout::array::<T>(count).ok().filter(|layout| layout.size() > 0);
        let layout = layout.unwrap_or_else(|| unreachable!("counts are fixed, and nothing that is kept has size 0"));
        let align = if layout.size() >= Self::LARGE_PAGE { align.max(Self::LARGE_PAGE) } else { align };
        let size = layout.size().next_multiple_of(page_size());
        Layout::from_size_align(size, align.max(page_size())).unwrap_or(layout)
    }
}

/// Memory of its own pages: an allocator would take and keep as much again, to align it.
fn map(layout: Layout) -> Option<NonNull<u8>> {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let size = layout.size().checked_add(layout.align())?;
    // SAFETY: a fresh anonymous mapping; of it, what lies before and behind the aligned part, whole pages, is given back at once.
    unsafe {
        let start = libc::mmap(std::ptr::null_mut(), size, protection, flags, -1, 0);
        if start == libc::MAP_FAILED {
            return None;
        }
        let before = start.align_offset(layout.align());
        let aligned = start.byte_add(before);
        if before > 0 {
            libc::munmap(start, before);
        }
        libc::munmap(aligned.byte_add(layout.size()), size - before - layout.size());
        NonNull::new(aligned.cast())
    }
}

/// # Safety
/// What [`map`] has made with this layout, and nobody uses any more.
unsafe fn unmap(start: NonNull<u8>, layout: Layout) {
    // SAFETY: the mapping is the caller's.
    unsafe { libc::munmap(start.as_ptr().cast(), layout.size()) };
}

impl<T> Deref for Fixed<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: so many values were written, and live as long as this does.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }
}

impl<T> Drop for Fixed<T> {
    fn drop(&mut self) {
        // SAFETY: the values are ours, and nobody has them any more; allocated with the same layout.
        unsafe {
            std::ptr::slice_from_raw_parts_mut(self.start.as_ptr(), self.count).drop_in_place();
            unmap(self.start.cast(), Self::layout(self.align, self.count));
        }
    }
}

/// A thread on which the host's signal handlers never run.
///
/// Made by pthread_create: std's own leaves a thread-local with a destructor behind in the thread that spawns, and the system
/// linker then keeps a library that was loaded with dlopen mapped for as long as that thread lives.
pub struct Thread(Option<libc::pthread_t>);

type Work = Box<dyn FnOnce() + Send>;

impl Thread {
    /// Runs `work` on a new thread.
    pub fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let work: Box<Work> = Box::new(Box::new(work));
        let work = Box::into_raw(work);
        // SAFETY: the sets and the thread's number are places that live through the calls; `work` is owned by the new thread from
        // pthread_create's success on, and by us if it fails. All signals are blocked while the new thread inherits its mask.
        unsafe {
            let mut all = std::mem::zeroed();
            let mut before = std::mem::zeroed();
            let mut thread = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
            let failed = libc::pthread_create(&raw mut thread, std::ptr::null(), begin, work.cast());
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
            if failed != 0 {
                drop(Box::from_raw(work));
                return Err(io::Error::from_raw_os_error(failed));
            }
            system::name_thread(thread, c"outlive");
            Ok(Self(Some(thread)))
        }
    }

    /// Waits for its end.
    pub fn join(mut self) {
        if let Some(thread) = self.0.take() {
            // SAFETY: it has been neither joined nor detached, since taking it leaves nothing behind.
            unsafe { libc::pthread_join(thread, std::ptr::null_mut()) };
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            // SAFETY: as in join.
            unsafe { libc::pthread_detach(thread) };
        }
    }
}

extern "C" fn begin(work: *mut libc::c_void) -> *mut libc::c_void {
    // SAFETY: what spawn gave to this thread alone.
    let work: Box<Work> = unsafe { Box::from_raw(work.cast()) };
    // A panic would be a defect; it ends this thread and not the process.
    drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)));
    std::ptr::null_mut()
}

/// A file mapped into memory that other processes write too: nothing but atomics, so that no value is trusted to stay.
pub struct Mapping {
    start: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: the memory is only reached through atomics and belongs to the mapping until it is dropped.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// The first `bytes` of a file, for reading and writing. The caller has looked that the file is as long as that: touching
    /// what lies behind a file's end kills the process (SIGBUS).
    pub fn new(file: &File, bytes: usize) -> io::Result<Self> {
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: a fresh mapping of an open file; nothing else is touched.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, file.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast::<AtomicU64>()).ok_or_else(io::Error::last_os_error)?;
        Ok(Self { start, words: bytes / size_of::<AtomicU64>() })
    }

    /// All of it.
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: mapped, page-aligned, `words` long, for as long as `self` lives; any bits are a valid AtomicU64.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.words) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, with its size; nothing refers to it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.words * size_of::<AtomicU64>()) };
    }
}

/// Opens a file that other users may have replaced: a symbolic link as its last component is not followed, and a pipe
/// or a terminal in its place does not block.
pub fn open_warily(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// Whether opening failed because of a symbolic link.
pub fn is_link_error(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ELOOP)
}

/// Takes disk space for a part of a file, so that writing there cannot fail later. Some file systems cannot guarantee
/// this.
pub fn reserve(file: &File, offset: u64, bytes: u64) -> io::Result<()> {
    let (Ok(offset), Ok(bytes)) = (libc::off_t::try_from(offset), libc::off_t::try_from(bytes)) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    loop {
        match system::allocate(file, offset, bytes) {
            0 | libc::EOPNOTSUPP | libc::ENOSYS => return Ok(()),
            libc::EINTR => {}
            number => return Err(io::Error::from_raw_os_error(number)),
        }
    }
}

/// How large a file this process may make (RLIMIT_FSIZE); going beyond ends it with a signal.
pub fn largest_file() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place.
    match unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) } {
        #[allow(clippy::useless_conversion)] // 32 bits on 32-bit systems, signed on some
        0 => u64::try_from(limit.rlim_cur).unwrap_or(u64::MAX),
        _ => u64::MAX,
    }
}

/// Whether there is a process of that number, a zombie included, as this process sees them.
pub fn process_exists(process: u32) -> bool {
    let Some(process) = libc::pid_t::try_from(process).ok().filter(|&process| process > 0) else { return false };
    // SAFETY: signal 0 is never delivered; only whether it could be is asked.
    let answer = unsafe { libc::kill(process, 0) };
    answer == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}

/// The user that this process acts as.
pub fn effective_user() -> u32 {
    // SAFETY: geteuid has no preconditions.
    unsafe { libc::geteuid() }
}
