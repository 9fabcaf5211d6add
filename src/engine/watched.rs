//! Which requests each watched socket belongs to.
//!
//! Several requests may share a socket: one after the other on a kept-alive connection, or many at once, as in HTTP/2. Each of them is told
//! when it closes, whichever ends first.

use super::sync::lock;
use super::sys::Poll;
use std::io;
use std::sync::Mutex;

/// A request: its slot and generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    pub slot: u32,
    pub generation: u64,
}

/// A registered descriptor, for as long as it refers to one file.
#[derive(Debug, Default)]
struct Registration {
    /// Distinguishes it from earlier registrations of the same number; an event of an earlier one is ignored.
    turn: u32,
    members: Vec<Member>,
}

/// By descriptor. The token of an event identifies a registration, not a request: so requests that join later are found, and a number that
/// refers to another file by now is told from its earlier registration.
#[derive(Debug, Default)]
pub struct Watched(Mutex<Vec<Registration>>);

impl Watched {
    /// Watches a socket for a request. Error: there is nothing to watch, because it is no socket. Requests whose socket was closed,
    /// and whose number refers to another file now, are no longer watched.
    pub fn add(&self, poll: &Poll, socket: i32, member: Member) -> io::Result<()> {
        let place = usize::try_from(socket).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut all = lock(&self.0);
        let (turn, has_members) = all.get(place).map_or((0, false), |one| (one.turn, !one.members.is_empty()));
        let next = turn.wrapping_add(1);
        let is_same = match poll.add(socket, token(socket, next)) {
            Ok(true) => false,
            Ok(false) => {
                // It is still the same file: registered again, so that the new request is told of events that have
                // already happened.
                poll.modify(socket, token(socket, if has_members { turn } else { next }))?;
                has_members
            }
            Err(error) => return Err(error),
        };
        if all.len() <= place {
            all.resize_with(place + 1, Registration::default);
        }
        let registration = &mut all[place];
        if !is_same {
            registration.turn = next;
            registration.members.clear();
        }
        registration.members.push(member);
        Ok(())
    }

    /// Stops watching it for this request, and altogether if it was the last one.
    pub fn remove(&self, poll: &Poll, socket: i32, member: Member) {
        let mut all = lock(&self.0);
        let Some(registration) = usize::try_from(socket).ok().and_then(|place| all.get_mut(place)) else { return };
        let Some(at) = registration.members.iter().position(|&one| one == member) else { return };
        registration.members.swap_remove(at);
        if registration.members.is_empty() {
            poll.remove(socket);
        }
    }

    /// Whether it is watched for this request.
    pub fn has(&self, socket: i32, member: Member) -> bool {
        let all = lock(&self.0);
        let place = usize::try_from(socket).unwrap_or(usize::MAX);
        all.get(place).is_some_and(|registration| registration.members.contains(&member))
    }

    /// The requests whose socket has an event.
    pub fn members(&self, of: u64, members: &mut Vec<Member>) {
        members.clear();
        let all = lock(&self.0);
        let registration = all.get(of as u32 as usize).filter(|one| u64::from(one.turn) == of >> 32);
        members.extend(registration.iter().flat_map(|one| &one.members));
    }
}

fn token(socket: i32, turn: u32) -> u64 {
    u64::from(turn) << 32 | u64::from(socket.unsigned_abs())
}
