//! Waiting on any Unix, by what it has: kqueue, epoll, poll. The crate `polling` chooses.
//!
//! These know "readable", where epoll also knows "the peer has ended". So what is readable is looked at, and nothing is taken from it.
//! While bytes wait that the host has not read, an end behind them cannot be seen: such a socket is looked at again ten times a second.

use super::Readiness;
use polling::{Event, Events, Poller};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A descriptor that is readable while it is set: a pipe.
#[derive(Debug)]
pub struct EventFd {
    reads: OwnedFd,
    writes: OwnedFd,
}

impl EventFd {
    /// Not set.
    pub fn new() -> io::Result<Self> {
        let mut ends = [0; 2];
        // SAFETY: room for two descriptors.
        if unsafe { libc::pipe(ends.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just opened, and nobody else's.
        let (reads, writes) = unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
        for end in [&reads, &writes] {
            // SAFETY: open descriptors; no memory is involved.
            unsafe {
                libc::fcntl(end.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC);
                libc::fcntl(end.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK);
            }
        }
        Ok(Self { reads, writes })
    }

    /// Its number.
    pub fn fd(&self) -> i32 {
        self.reads.as_raw_fd()
    }

    /// Sets it. Async-signal-safe.
    pub fn set(&self) {
        // SAFETY: one byte; the descriptor does not block, and a full pipe is set as well.
        unsafe { libc::write(self.writes.as_raw_fd(), c"!".as_ptr().cast(), 1) };
    }

    /// Clears it.
    pub fn clear(&self) {
        let mut bytes = [0u8; 512];
        // SAFETY: a buffer with its length; the descriptor does not block.
        while unsafe { libc::read(self.fd(), bytes.as_mut_ptr().cast(), bytes.len()) } == bytes.len() as isize {}
    }
}

/// A set of watched sockets, and a way to wake the thread that waits on it.
pub struct Poll {
    poller: Poller,
    wake: EventFd,
    tokens: Mutex<HashMap<i32, u64>>,
    waiting: Mutex<Waiting>,
}

/// Of the thread that waits.
struct Waiting {
    events: Events,
    /// Sockets with bytes that the host has not read, and when they are looked at again.
    unread: Vec<i32>,
    again: Instant,
}

/// As no descriptor is numbered; the largest number is the crate's own.
const WAKE: usize = usize::MAX - 1;
const AGAIN: Duration = Duration::from_millis(100);

/// What a look at a readable socket shows.
enum Look {
    Nothing,
    Bytes,
    HalfClosed,
    Closed,
}

impl Poll {
    /// An empty set.
    pub fn new() -> io::Result<Self> {
        let (poller, wake) = (Poller::new()?, EventFd::new()?);
        // SAFETY: the pipe lives as long as the poller, and is removed by nobody.
        unsafe { poller.add(wake.fd(), Event::readable(WAKE))? };
        let waiting = Waiting { events: Events::new(), unread: Vec::new(), again: Instant::now() };
        Ok(Self { poller, wake, tokens: Mutex::default(), waiting: Mutex::new(waiting) })
    }

    /// Watches a socket. False: this file is watched already, under this number.
    pub fn add(&self, socket: i32, token: u64) -> io::Result<bool> {
        // SAFETY: the host keeps the socket open for as long as it is watched; what it closes leaves the set by itself.
        let added = unsafe { self.poller.add(socket, Event::readable(key(socket)?)) };
        let mut tokens = of(&self.tokens);
        match added {
            Ok(()) => {
                // A set that takes the same file twice (kqueue) does not say whether it is the same.
                let is_known = tokens.contains_key(&socket) && !cfg!(target_os = "linux");
                if !is_known {
                    tokens.insert(socket, token);
                }
                Ok(!is_known)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reports the past events of a watched socket again, with this token.
    pub fn modify(&self, socket: i32, token: u64) -> io::Result<()> {
        of(&self.tokens).insert(socket, token);
        self.rearm(socket, Event::readable(key(socket)?))
    }

    /// Stops watching it. A socket that was closed meanwhile has left the set already.
    pub fn remove(&self, socket: i32) {
        of(&self.tokens).remove(&socket);
        if socket >= 0 {
            // SAFETY: only its number is used, and a bad one is answered with an error.
            let _ = self.poller.delete(unsafe { BorrowedFd::borrow_raw(socket) });
        }
    }

    fn rearm(&self, socket: i32, event: Event) -> io::Result<()> {
        // SAFETY: as in `remove`; the number is not negative, since it was added.
        self.poller.modify(unsafe { BorrowedFd::borrow_raw(socket) }, event)
    }

    /// Wakes the waiter. Async-signal-safe.
    pub fn wake(&self) {
        self.wake.set();
    }

    /// Waits for something to happen, or for the time to pass (`None`: for ever).
    pub fn wait(&self, time: Option<Duration>, seen: &mut Vec<Readiness>) {
        let mut waiting = of(&self.waiting);
        let waiting = &mut *waiting;
        seen.clear();
        if !waiting.unread.is_empty() && waiting.again <= Instant::now() {
            for socket in waiting.unread.drain(..) {
                let _ = key(socket).and_then(|key| self.rearm(socket, Event::readable(key)));
            }
        }
        let time = if waiting.unread.is_empty() { time } else { Some(time.unwrap_or(AGAIN).min(AGAIN)) };
        waiting.events.clear();
        if self.poller.wait(&mut waiting.events, time).is_err() {
            return;
        }
        let events: Vec<Event> = waiting.events.iter().collect();
        for event in events {
            if event.key == WAKE {
                self.wake.clear();
                let _ = self.rearm(self.wake.fd(), Event::readable(WAKE));
            } else if let Ok(socket) = i32::try_from(event.key) {
                self.look(socket, event.is_interrupt(), waiting, seen);
            }
        }
    }

    /// An event comes once; whether another is to come is decided here.
    fn look(&self, socket: i32, hung_up: bool, waiting: &mut Waiting, seen: &mut Vec<Readiness>) {
        let Some(token) = of(&self.tokens).get(&socket).copied() else { return };
        let next = match if hung_up { Look::Closed } else { peek(socket) } {
            Look::Nothing => Event::readable(socket as usize),
            Look::Bytes => {
                if waiting.unread.is_empty() {
                    waiting.again = Instant::now() + AGAIN;
                }
                waiting.unread.push(socket);
                Event::none(socket as usize)
            }
            Look::HalfClosed => {
                seen.push(Readiness { token, closed: false, half_closed: true });
                Event::none(socket as usize) // a hang-up is still told
            }
            Look::Closed => {
                seen.push(Readiness { token, closed: true, half_closed: true });
                return;
            }
        };
        let _ = self.rearm(socket, next);
    }
}

fn peek(socket: i32) -> Look {
    let mut byte = 0u8;
    // SAFETY: room for one byte; a bad descriptor is answered with an error.
    match unsafe { libc::recv(socket, (&raw mut byte).cast(), 1, libc::MSG_PEEK | libc::MSG_DONTWAIT) } {
        0 => Look::HalfClosed,
        1.. => Look::Bytes,
        _ => match io::Error::last_os_error().kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Look::Nothing,
            _ => Look::Closed,
        },
    }
}

fn key(socket: i32) -> io::Result<usize> {
    usize::try_from(socket).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// Nobody panics while holding one; if it happens all the same, what it guards is still in order.
fn of<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
