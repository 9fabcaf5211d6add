//! A text put together from pieces: borrowed while it is one piece of the input, copied when it is not.

use super::expression::Pending;
use super::joined::Frame;
use super::token::Span;

#[derive(Debug, Default)]
pub(super) struct Pieces {
    borrowed: Span,
    copied: bool,
    buffer: Vec<u8>,
    /// What is open while the pieces are read; kept here so that its room serves the next text, too.
    pub(super) frames: Vec<Frame>,
    /// Operators that wait for their right side; kept for the same reason.
    pub(super) pending: Vec<Pending>,
}

impl Pieces {
    pub(super) fn clear(&mut self) {
        self.borrowed = Span::default();
        self.copied = false;
        self.buffer.clear();
    }

    /// Appends a piece of the input.
    pub(super) fn push(&mut self, input: &[u8], span: Span) {
        if span.start == span.end {
            return;
        }
        if self.copied {
            self.buffer.extend_from_slice(span.of(input));
        } else if self.borrowed.start == self.borrowed.end {
            self.borrowed = span;
        } else if self.borrowed.end == span.start {
            self.borrowed.end = span.end;
        } else {
            self.copy(input);
            self.buffer.extend_from_slice(span.of(input));
        }
    }

    /// Appends a text that is not part of the input.
    pub(super) fn push_text(&mut self, input: &[u8], text: &[u8]) {
        if !text.is_empty() {
            self.copy(input).extend_from_slice(text);
        }
    }

    /// Goes over to copying, and hands out the copy so far.
    pub(super) fn copy(&mut self, input: &[u8]) -> &mut Vec<u8> {
        if !self.copied {
            self.buffer.extend_from_slice(self.borrowed.of(input));
            self.copied = true;
        }
        &mut self.buffer
    }

    pub(super) fn text<'a>(&'a self, input: &'a [u8]) -> &'a [u8] {
        if self.copied { &self.buffer } else { self.borrowed.of(input) }
    }
}
