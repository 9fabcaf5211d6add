//! Which request each watched socket belongs to.

use super::sync::lock;
use super::sys::Poll;
use std::io;
use std::sync::Mutex;

/// By descriptor: the token of the request for which it is watched; 0: none. A host may use one connection for several
/// requests, or close a socket early and get its number again: the last begin has it, and no other's end takes it away.
#[derive(Debug, Default)]
pub struct Watched(Mutex<Vec<u64>>);

impl Watched {
    /// Watches a socket. A failure says that there is nothing to watch: no socket, or a file.
    pub fn add(&self, poll: &Poll, socket: i32, token: u64) -> io::Result<()> {
        let place = usize::try_from(socket).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut tokens = lock(&self.0);
        poll.add(socket, token)?;
        if tokens.len() <= place {
            tokens.resize(place + 1, 0);
        }
        tokens[place] = token;
        Ok(())
    }

    /// Watches it no more, if it is still this request's.
    pub fn remove(&self, poll: &Poll, socket: i32, token: u64) {
        let mut tokens = lock(&self.0);
        let place = usize::try_from(socket).ok().and_then(|place| tokens.get_mut(place));
        if let Some(known) = place.filter(|known| **known == token) {
            *known = 0;
            poll.remove(socket);
        }
    }
}
