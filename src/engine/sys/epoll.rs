//! Waiting on Linux: watched sockets by epoll, and event descriptors.

use super::Readiness;
use super::system::owned;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

/// A descriptor that is readable while it is set.
#[derive(Debug)]
pub struct EventFd(OwnedFd);

impl EventFd {
    /// Not set.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no memory is involved.
        owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }).map(Self)
    }

    /// Its number.
    pub fn fd(&self) -> i32 {
        self.0.as_raw_fd()
    }

    /// Sets it. Async-signal-safe.
    pub fn set(&self) {
        let one = 1u64;
        // SAFETY: eight bytes of a live local; the descriptor does not block, and a full counter is set as well.
        unsafe { libc::write(self.fd(), (&raw const one).cast(), 8) };
    }

    /// Clears it.
    pub fn clear(&self) {
        let mut count = 0u64;
        // SAFETY: eight bytes of a live local; the descriptor does not block.
        unsafe { libc::read(self.fd(), (&raw mut count).cast(), 8) };
    }
}

/// A set of watched sockets, and two ways to wake whoever waits on it: at once, and at a time.
pub struct Poll {
    epoll: OwnedFd,
    wake: EventFd,
    timer: Option<OwnedFd>,
}

const WAKE: u64 = u64::MAX;
const TIMER: u64 = u64::MAX - 1;
const WATCH: u32 = (libc::EPOLLRDHUP | libc::EPOLLET) as u32;

impl Poll {
    /// An empty set; with a timer if a host's loop waits on it and not a thread in [`Poll::wait`].
    pub fn new(is_timed: bool) -> io::Result<Self> {
        const FLAGS: libc::c_int = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
        // SAFETY: no memory is involved.
        let epoll = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: as above.
        let timer = || owned(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, FLAGS) });
        let poll = Self { epoll, wake: EventFd::new()?, timer: if is_timed { Some(timer()?) } else { None } };
        poll.control(libc::EPOLL_CTL_ADD, poll.wake.fd(), libc::EPOLLIN as u32, WAKE)?;
        if let Some(timer) = &poll.timer {
            poll.control(libc::EPOLL_CTL_ADD, timer.as_raw_fd(), libc::EPOLLIN as u32, TIMER)?;
        }
        Ok(poll)
    }

    /// A descriptor that is readable while [`Poll::wait`] would find something.
    pub fn fd(&self) -> i32 {
        self.epoll.as_raw_fd()
    }

    /// Wakes the waiter at this time (`None`: no more), in milliseconds of the monotonic clock, and not at an earlier one that was named
    /// before. Async-signal-safe.
    pub fn ring_at(&self, at: Option<u64>) {
        let Some(timer) = &self.timer else { return };
        // SAFETY: numbers only; zero is valid for each.
        let mut time: libc::itimerspec = unsafe { std::mem::zeroed() };
        if let Some(at) = at {
            time.it_value.tv_sec = libc::time_t::try_from(at / 1_000).unwrap_or(libc::time_t::MAX);
            time.it_value.tv_nsec = (at % 1_000 * 1_000_000) as libc::c_long;
            time.it_value.tv_nsec |= libc::c_long::from(at == 0); // a time of zero would be none
        }
        // SAFETY: a valid place; the old time is not asked for.
        unsafe {
            libc::timerfd_settime(timer.as_raw_fd(), libc::TFD_TIMER_ABSTIME, &raw const time, std::ptr::null_mut())
        };
    }

    /// Watches a socket, edge-triggered: an event that is ignored does not come again. False: this file is watched
    /// already, under this number.
    pub fn add(&self, socket: i32, token: u64) -> io::Result<bool> {
        match self.control(libc::EPOLL_CTL_ADD, socket, WATCH, token) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reports the past events of a watched socket again, with this token.
    pub fn modify(&self, socket: i32, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, socket, WATCH, token)
    }

    /// Stops watching it. A socket that was closed meanwhile has left the set already.
    pub fn remove(&self, socket: i32) {
        let _ = self.control(libc::EPOLL_CTL_DEL, socket, 0, 0);
    }

    fn control(&self, operation: i32, socket: i32, events: u32, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events, u64: token };
        // SAFETY: `event` is a valid place; a bad descriptor is answered with an error.
        match unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, socket, &raw mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Wakes the waiter. Async-signal-safe.
    pub fn wake(&self) {
        self.wake.set();
    }

    /// Waits for something to happen, or for the time to pass (`None`: for ever).
    pub fn wait(&self, time: Option<Duration>, seen: &mut Vec<Readiness>) {
        const ROOM: usize = 256;
        let mut events = [const { MaybeUninit::<libc::epoll_event>::uninit() }; ROOM];
        let milliseconds = time.map_or(-1, |time| i32::try_from(time.as_millis()).unwrap_or(i32::MAX));
        seen.clear();
        // SAFETY: `events` has room for ROOM entries.
        let count =
            unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), events.as_mut_ptr().cast(), ROOM as i32, milliseconds) };
        for event in events.iter().take(usize::try_from(count).unwrap_or(0)) {
            // SAFETY: the kernel has written so many.
            let event = unsafe { event.assume_init() };
            let (bits, token) = (event.events as i32, event.u64);
            if token == WAKE {
                self.wake.clear();
            } else if token != TIMER {
                let closed = bits & (libc::EPOLLHUP | libc::EPOLLERR) != 0;
                seen.push(Readiness { token, closed, half_closed: bits & libc::EPOLLRDHUP != 0 });
            }
        }
    }
}
