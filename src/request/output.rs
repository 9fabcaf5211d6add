//! What lies below the machine, and the buffer above it.

/// The host's side of a request's output.
pub trait Output {
    /// Writes all of `bytes`; false: the client has gone.
    fn write(&mut self, bytes: &[u8]) -> bool;
    /// Pushes what the host itself still holds; false: the client has gone.
    fn flush(&mut self) -> bool;
}

/// `output_buffering`: holds output back until it is large enough (C-030, C-031, I-174).
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    /// `None`: off. `Some(0)`: everything is held to the end.
    limit: Option<usize>,
}

/// A buffer that grew beyond this is not kept for the next request.
const KEEP: usize = 64 << 10;

impl Buffer {
    pub fn reset(&mut self, limit: Option<usize>) {
        self.limit = limit;
        if self.bytes.capacity() > 0 {
            self.bytes.clear();
            self.bytes.shrink_to(KEEP);
        }
    }

    pub fn is_on(&self) -> bool {
        self.limit.is_some()
    }

    /// Adds bytes; whether the buffer is now to be handed down.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        self.bytes.extend_from_slice(bytes);
        matches!(self.limit, Some(limit) if limit > 0 && self.bytes.len() >= limit)
    }

    /// What is held, leaving nothing; the allocation comes back through [`Buffer::give_back`].
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    pub fn give_back(&mut self, mut bytes: Vec<u8>) {
        bytes.clear();
        self.bytes = bytes;
    }

    /// No buffering from here on.
    pub fn turn_off(&mut self) {
        self.limit = None;
    }
}
