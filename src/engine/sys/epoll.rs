//! Waiting on Linux: watched sockets by epoll, and event descriptors.

use super::Readiness;
use super::system::owned;
use std::io;
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

/// A set of watched sockets, and a way to wake the thread that waits on it.
pub struct Poll {
    epoll: OwnedFd,
    wake: EventFd,
}

const WAKE: u64 = u64::MAX;
const WATCH: u32 = (libc::EPOLLRDHUP | libc::EPOLLET) as u32;

impl Poll {
    /// An empty set.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no memory is involved.
        let epoll = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        let poll = Self { epoll, wake: EventFd::new()? };
        poll.control(libc::EPOLL_CTL_ADD, poll.wake.fd(), libc::EPOLLIN as u32, WAKE)?;
        Ok(poll)
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
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; ROOM];
        let milliseconds = time.map_or(-1, |time| i32::try_from(time.as_millis()).unwrap_or(i32::MAX));
        seen.clear();
        // SAFETY: `events` has room for ROOM entries.
        let count = unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), events.as_mut_ptr(), ROOM as i32, milliseconds) };
        for event in events.iter().take(usize::try_from(count).unwrap_or(0)) {
            let (bits, token) = (event.events as i32, event.u64);
            if token == WAKE {
                self.wake.clear();
            } else {
                let closed = bits & (libc::EPOLLHUP | libc::EPOLLERR) != 0;
                seen.push(Readiness { token, closed, half_closed: bits & libc::EPOLLRDHUP != 0 });
            }
        }
    }
}
