//! Waiting on any Unix, by what it has: kqueue, epoll, poll. The crate `polling` chooses.
//!
//! These know "readable", where epoll also knows "the peer has ended". So what is readable is looked at, and nothing is taken from it.
//! While bytes wait that the host has not read, an end behind them cannot be seen: such a socket is looked at again ten times a second.

use super::Readiness;
use crate::engine::sync::lock;
use polling::{Event, Events, Poller};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Mutex;
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
    /// By descriptor, as it is registered now. Held through each change of the poller's set: an event finds the token that it belongs to.
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

/// As no token is numbered, since no descriptor is; the largest number is the crate's own.
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
    /// An empty set. No system has a timer here, by which a host's loop could wait on it.
    pub fn new(is_timed: bool) -> io::Result<Self> {
        if is_timed {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let (poller, wake) = (Poller::new()?, EventFd::new()?);
        // SAFETY: the pipe lives as long as the poller, and is removed by nobody.
        unsafe { poller.add(wake.fd(), Event::readable(WAKE))? };
        let waiting = Waiting { events: Events::new(), unread: Vec::new(), again: Instant::now() };
        Ok(Self { poller, wake, tokens: Mutex::default(), waiting: Mutex::new(waiting) })
    }

    /// Watches a socket. False: this file is watched already, under this number. Error: it is no socket; an end of another file cannot be
    /// looked for without taking from it.
    pub fn add(&self, socket: i32, token: u64) -> io::Result<bool> {
        if !is_socket(socket) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut tokens = lock(&self.tokens);
        // SAFETY: the host keeps the socket open for as long as it is watched; what it closes leaves the set by itself.
        match unsafe { self.poller.add(socket, Event::readable(key(token))) } {
            Ok(()) => {
                tokens.insert(socket, token);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reports the past events of a watched socket again, with this token.
    pub fn modify(&self, socket: i32, token: u64) -> io::Result<()> {
        let mut tokens = lock(&self.tokens);
        tokens.insert(socket, token);
        self.rearm(socket, Event::readable(key(token)))
    }

    /// Stops watching it. A socket that was closed meanwhile has left the set already.
    pub fn remove(&self, socket: i32) {
        let mut tokens = lock(&self.tokens);
        tokens.remove(&socket);
        if socket >= 0 {
            // SAFETY: only its number is used, and a bad one is answered with an error.
            let _ = self.poller.delete(unsafe { BorrowedFd::borrow_raw(socket) });
        }
    }

    fn rearm(&self, socket: i32, event: Event) -> io::Result<()> {
        // SAFETY: as in `remove`; the number is not negative, since it was added.
        self.poller.modify(unsafe { BorrowedFd::borrow_raw(socket) }, event)
    }

    /// Not asked for: see [`Poll::new`].
    pub fn fd(&self) -> i32 {
        -1
    }

    /// Not asked for: see [`Poll::new`].
    pub fn ring_at(&self, _at: Option<u64>) {}

    /// Wakes the waiter. Async-signal-safe.
    pub fn wake(&self) {
        self.wake.set();
    }

    /// Waits for something to happen, or for the time to pass (`None`: for ever).
    pub fn wait(&self, time: Option<Duration>, seen: &mut Vec<Readiness>) {
        let mut waiting = lock(&self.waiting);
        let waiting = &mut *waiting;
        seen.clear();
        if !waiting.unread.is_empty() && waiting.again <= Instant::now() {
            let tokens = lock(&self.tokens);
            for socket in waiting.unread.drain(..) {
                let _ = tokens.get(&socket).map(|&token| self.rearm(socket, Event::readable(key(token))));
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
            } else {
                self.look(&event, waiting, seen);
            }
        }
    }

    /// An event comes once; whether another is to come is decided here. One of an earlier registration of the number says nothing about
    /// the file that it refers to now, which has events of its own.
    fn look(&self, event: &Event, waiting: &mut Waiting, seen: &mut Vec<Readiness>) {
        let socket = event.key as u32 as i32;
        let tokens = lock(&self.tokens);
        let Some(&token) = tokens.get(&socket).filter(|&&token| key(token) == event.key) else { return };
        let next = match if event.is_interrupt() { Look::Closed } else { peek(socket) } {
            Look::Nothing => Event::readable(event.key),
            Look::Bytes => {
                if waiting.unread.is_empty() {
                    waiting.again = Instant::now() + AGAIN;
                }
                waiting.unread.push(socket);
                Event::none(event.key)
            }
            Look::HalfClosed => {
                seen.push(Readiness { token, closed: false, half_closed: true });
                Event::none(event.key) // a hang-up is still told
            }
            Look::Closed => {
                seen.push(Readiness { token, closed: true, half_closed: true });
                return;
            }
        };
        let _ = self.rearm(socket, next);
    }
}

fn is_socket(descriptor: i32) -> bool {
    let mut kind: libc::c_int = 0;
    let mut size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: a valid place with its size; any number is answered.
    unsafe { libc::getsockopt(descriptor, libc::SOL_SOCKET, libc::SO_TYPE, (&raw mut kind).cast(), &raw mut size) == 0 }
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

/// What the crate keeps of a token: all of it, or on 32-bit systems the descriptor in its lower half.
fn key(token: u64) -> usize {
    token as usize
}
