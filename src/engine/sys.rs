//! The engine's system calls, each behind a safe function. The only unsafe code outside the C ABI.
//!
//! Linux today. Another system needs its own version of this file and of nothing else.
#![allow(unsafe_code)]

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, compiler_fence, fence};
use std::time::Duration;

/// Milliseconds of a clock that never goes back and does not count from anything in particular.
pub fn now_ms() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC).unwrap_or(0) / 1_000_000
}

/// Nanoseconds of the same clock, as of the last timer interrupt: cheap, a few milliseconds coarse.
pub fn coarse_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC_COARSE).unwrap_or(0)
}

/// The CPU-time clock of the calling thread, for [`thread_cpu_ns`] from any other.
pub fn thread_clock() -> i32 {
    let mut clock = 0;
    // SAFETY: pthread_self is always a valid thread; `clock` is a valid place. No system call is made.
    match unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut clock) } {
        0 => clock,
        _ => 0,
    }
}

/// The kernel's number of the thread behind a CPU-time clock.
pub fn thread_of_clock(clock: i32) -> u32 {
    !(clock >> 3) as u32
}

/// CPU time, user and system, that a thread has used, in nanoseconds; `None`: the thread is gone.
pub fn thread_cpu_ns(clock: i32) -> Option<u64> {
    if clock == 0 { None } else { clock_ns(clock) }
}

fn clock_ns(clock: i32) -> Option<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place; an unknown clock is answered with an error.
    match unsafe { libc::clock_gettime(clock, &raw mut time) } {
        0 => Some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64),
        _ => None,
    }
}

/// Tells a forked child from the process that made the mark, at the price of one load: the kernel hands the child
/// a page of zeros in its place.
pub struct ForkMark {
    page: NonNull<AtomicU32>,
    size: usize,
    process: i32,
}

/// What the page says in the process that made it, where the kernel wipes it in a child.
const HERE: u32 = 1;
/// The kernel cannot wipe pages: the process number has to be asked for each time.
const ASK: u32 = 2;

// SAFETY: the page is only reached through an atomic, and belongs to the mark alone.
unsafe impl Send for ForkMark {}
// SAFETY: as above.
unsafe impl Sync for ForkMark {}

impl ForkMark {
    /// A mark of this process.
    pub fn new() -> io::Result<Self> {
        // SAFETY: sysconf has no preconditions.
        let size = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a fresh anonymous mapping; nothing else is touched.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), size, protection, flags, -1, 0) };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the page just mapped, whole.
        let wiped = unsafe { libc::madvise(page, size, libc::MADV_WIPEONFORK) } == 0;
        let page = NonNull::new(page.cast::<AtomicU32>()).ok_or_else(io::Error::last_os_error)?;
        // SAFETY: mapped, aligned and writable; zero is a valid AtomicU32.
        unsafe { page.as_ref() }.store(if wiped { HERE } else { ASK }, Ordering::Relaxed);
        // SAFETY: getpid has no preconditions.
        Ok(Self { page, size, process: unsafe { libc::getpid() } })
    }

    /// Whether this is the process that made the mark, as far as one load can tell.
    #[inline]
    pub fn is_surely_parent(&self) -> bool {
        // SAFETY: mapped for as long as the mark lives.
        unsafe { self.page.as_ref() }.load(Ordering::Relaxed) == HERE
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

impl Drop for ForkMark {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, with its size; nothing refers to it any more.
        unsafe { libc::munmap(self.page.as_ptr().cast(), self.size) };
    }
}

/// Two halves of one fence, for two sides that each write something and then read what the other wrote: one of them sees the
/// other's. The frequent side pays nothing, the rare side a system call that has every processor on which
/// a thread of this process runs pass a full fence.
#[derive(Debug)]
pub struct Barrier {
    asymmetric: AtomicBool,
}

// As linux/membarrier.h numbers them.
const MEMBARRIER_PRIVATE_EXPEDITED: i32 = 1 << 3;
const MEMBARRIER_REGISTER_PRIVATE_EXPEDITED: i32 = 1 << 4;

impl Barrier {
    /// Where the kernel refuses the call, both halves are ordinary fences.
    pub fn new() -> Self {
        Self { asymmetric: AtomicBool::new(membarrier(MEMBARRIER_REGISTER_PRIVATE_EXPEDITED)) }
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
        if self.asymmetric.load(Ordering::Relaxed) && !membarrier(MEMBARRIER_PRIVATE_EXPEDITED) {
            // The process was put into a sandbox since: fences from now on, and what was on its way arrives while we wait.
            self.asymmetric.store(false, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn membarrier(command: i32) -> bool {
    // SAFETY: no memory is involved; an unknown command is answered with an error.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Fetches what lies at `address` into the cache, if it can be.
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

/// Asks for large pages behind `bytes` bytes of memory, so that a million requests do not cost a page walk each.
pub fn prefer_large_pages<T>(memory: *const T, bytes: usize) {
    const LARGE: usize = 2 << 20;
    let first = memory.addr().next_multiple_of(LARGE);
    let Some(rest) = (memory.addr() + bytes).checked_sub(first).filter(|&rest| rest >= LARGE) else { return };
    let start = memory.map_addr(|_| first).cast_mut().cast();
    // SAFETY: advice about memory that is the caller's; what it holds stays as it is.
    unsafe { libc::madvise(start, rest - rest % LARGE, libc::MADV_HUGEPAGE) };
}

/// What was seen of a watched socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// What it was registered with.
    pub token: u64,
    /// The connection is closed or reset.
    pub closed: bool,
    /// The peer has ended its sending side.
    pub half_closed: bool,
}

/// A set of watched sockets, and a way to wake whoever waits on it.
pub struct Poll {
    epoll: i32,
    wake: i32,
}

const WAKE: u64 = u64::MAX;

impl Poll {
    /// An empty set.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no memory is involved.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if epoll < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: no memory is involved.
        let wake = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        let poll = Self { epoll, wake };
        if wake < 0 {
            return Err(io::Error::last_os_error());
        }
        poll.control(libc::EPOLL_CTL_ADD, wake, libc::EPOLLIN as u32, WAKE)?;
        Ok(poll)
    }

    /// Watches a socket; edge-triggered, so that what is not acted on does not come again.
    pub fn add(&self, socket: i32, token: u64) -> io::Result<()> {
        let events = (libc::EPOLLRDHUP | libc::EPOLLET) as u32;
        match self.control(libc::EPOLL_CTL_ADD, socket, events, token) {
            // The host uses one connection for several requests in turn, and an old one was not removed.
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => {
                self.control(libc::EPOLL_CTL_MOD, socket, events, token)
            }
            other => other,
        }
    }

    /// Watches it no more. A socket that was closed meanwhile is out of the set already.
    pub fn remove(&self, socket: i32) {
        let _ = self.control(libc::EPOLL_CTL_DEL, socket, 0, 0);
    }

    fn control(&self, operation: i32, socket: i32, events: u32, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: token };
        // SAFETY: `event` is a valid place; a bad descriptor is answered with an error.
        match unsafe { libc::epoll_ctl(self.epoll, operation, socket, &raw mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Wakes the waiter. Async-signal-safe.
    pub fn wake(&self) {
        let one = 1u64;
        // SAFETY: eight bytes of a live local; the descriptor does not block, and a full counter wakes as well.
        unsafe { libc::write(self.wake, (&raw const one).cast(), 8) };
    }

    /// Waits for something to happen, or for the time to pass (`None`: for ever).
    pub fn wait(&self, time: Option<Duration>, seen: &mut Vec<Readiness>) {
        const ROOM: usize = 256;
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; ROOM];
        let milliseconds = time.map_or(-1, |time| i32::try_from(time.as_millis()).unwrap_or(i32::MAX));
        seen.clear();
        // SAFETY: `events` has room for ROOM entries.
        let count = unsafe { libc::epoll_wait(self.epoll, events.as_mut_ptr(), ROOM as i32, milliseconds) };
        for event in events.iter().take(usize::try_from(count).unwrap_or(0)) {
            let (bits, token) = (event.events as i32, event.u64);
            if token == WAKE {
                let mut count = 0u64;
                // SAFETY: eight bytes of a live local; the descriptor does not block.
                unsafe { libc::read(self.wake, (&raw mut count).cast(), 8) };
            } else {
                let closed = bits & (libc::EPOLLHUP | libc::EPOLLERR) != 0;
                seen.push(Readiness { token, closed, half_closed: bits & libc::EPOLLRDHUP != 0 });
            }
        }
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        for descriptor in [self.wake, self.epoll] {
            if descriptor >= 0 {
                // SAFETY: opened by `new`, closed once.
                unsafe { libc::close(descriptor) };
            }
        }
    }
}

/// Runs `spawn` with every signal blocked, so that the thread it makes never takes one that is the host's.
pub fn without_signals<T>(spawn: impl FnOnce() -> T) -> T {
    // SAFETY: both sets are valid places, filled before they are used; the mask is put back as it was.
    unsafe {
        let mut all = std::mem::zeroed::<libc::sigset_t>();
        let mut before = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        let made = spawn();
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
        made
    }
}
