//! Which requests each watched socket belongs to.
//!
//! A socket may be that of several requests: of one after the other on a connection that is kept, or of many at once, as in HTTP/2. Each hears of
//! it, whichever ends first.

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

/// A descriptor in the set, for as long as it stands for one file.
#[derive(Debug, Default)]
struct Registration {
    /// Which it is of all that had this number; what the set says of another one comes too late.
    turn: u32,
    members: Vec<Member>,
}

/// By descriptor. What the set is told to give back (its token) names a registration and no request, so that whoever joins later is found,
/// and so that a number which names another file by now is told from the one before.
#[derive(Debug, Default)]
pub struct Watched(Mutex<Vec<Registration>>);

impl Watched {
    /// Watches a socket for a request. A failure says that there is nothing to watch: no socket, or a file. Requests whose socket was
    /// closed, so that its number names another one now, are not watched any more.
    pub fn add(&self, poll: &Poll, socket: i32, member: Member) -> io::Result<()> {
        let place = usize::try_from(socket).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut all = lock(&self.0);
        let (turn, has_members) = all.get(place).map_or((0, false), |one| (one.turn, !one.members.is_empty()));
        let next = turn.wrapping_add(1);
        let is_same = match poll.add(socket, token(socket, next)) {
            Ok(true) => false,
            Ok(false) => {
                // Still the file that is watched: asked anew, so that who joins hears of what has happened already.
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

    /// Watches it no more for this request; not at all, if it was the last.
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

    /// The requests whose socket the set has said something about.
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
