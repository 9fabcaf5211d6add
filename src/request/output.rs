//! The host's side of a request's output, and the buffer between it and the machine.

/// The host's side of a request's output.
pub trait Output {
    /// Writes all of `bytes`; false: the client has gone.
    fn write(&mut self, bytes: &[u8]) -> bool;
    /// Sends what the host itself still buffers; false: the client has gone.
    fn flush(&mut self) -> bool;
}

/// `output_buffering`: holds output back until it is large enough (C-030, C-031, I-174).
#[derive(Debug, Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
}

/// A buffer that grew beyond this is not kept for the next request.
const KEEP: usize = 64 << 10;

impl Buffer {
    pub fn reset(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEEP);
    }

    /// Adds bytes; whether the buffer is now to be handed down. 0: everything is held to the end.
    pub fn push(&mut self, bytes: &[u8], limit: usize) -> bool {
        self.bytes.extend_from_slice(bytes);
        limit > 0 && self.bytes.len() >= limit
    }

    /// Takes the buffered bytes out; [`Buffer::give_back`] returns the allocation.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    pub fn give_back(&mut self, mut bytes: Vec<u8>) {
        bytes.clear();
        self.bytes = bytes;
    }
}
