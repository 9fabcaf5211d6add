//! Lines: continuations, blanks, comments (facts A-001 to A-004).

use super::tokens::trim;
use crate::find;
use std::borrow::Cow;
use std::sync::Arc;

/// A text, read line by line. Cheap to clone: the text is shared.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    text: Arc<Vec<u8>>,
    /// Where the next line begins.
    pub at: usize,
    /// The number of the last physical line that was read.
    pub number: u32,
    has_nul: bool,
    /// A `$` stands somewhere in the text: most have none, and then no line need be searched for variables.
    pub has_dollar: bool,
}

impl Lines {
    pub fn new(text: Vec<u8>) -> Self {
        let (has_nul, has_dollar) = (find::one(0, &text).is_some(), find::one(b'$', &text).is_some());
        Self { text: Arc::new(text), at: 0, number: 0, has_nul, has_dollar }
    }

    /// The text as a whole.
    pub fn text(&self) -> &Arc<Vec<u8>> {
        &self.text
    }

    /// The next line, joined and trimmed; empty ones and comments too. `text` is what [`Lines::text`] gave.
    pub fn next_line<'t>(&mut self, text: &'t [u8]) -> Option<Cow<'t, [u8]>> {
        if self.at >= text.len() {
            return None;
        }
        let (first, more) = self.physical(text);
        if !more {
            return Some(Cow::Borrowed(self.finish(first)));
        }
        let mut joined = first.to_vec();
        let mut more = true;
        while more && self.at < text.len() {
            let (piece, again) = self.physical(text);
            joined.extend_from_slice(piece);
            more = again;
        }
        if self.has_nul {
            joined.truncate(find::one(0, &joined).unwrap_or(joined.len()));
        }
        Some(Cow::Owned(trim(&joined).to_vec()))
    }

    fn finish<'t>(&self, line: &'t [u8]) -> &'t [u8] {
        let end = if self.has_nul { find::one(0, line).unwrap_or(line.len()) } else { line.len() };
        trim(&line[..end])
    }

    /// One physical line without its end, and whether the next one continues it.
    fn physical<'t>(&mut self, text: &'t [u8]) -> (&'t [u8], bool) {
        let rest = &text[self.at..];
        self.number = self.number.saturating_add(1);
        let Some(end) = find::near(b'\n', rest) else {
            self.at = text.len();
            return (rest, false);
        };
        self.at += end + 1;
        let line = &rest[..end];
        let bare = line.strip_suffix(b"\r").unwrap_or(line);
        match bare.strip_suffix(b"\\") {
            Some(joined) => (joined, true),
            None => (line, false),
        }
    }
}

/// The first line of an `.htaccess` that Apache refuses to read for its length (A-004).
pub(crate) fn too_long(text: &[u8]) -> Option<u32> {
    let mut number = 0;
    for line in text.split_inclusive(|&b| b == b'\n') {
        number += 1;
        if line.len() > 8192 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(u32, String)> {
        let mut lines = Lines::new(text.as_bytes().into());
        let text = Arc::clone(lines.text());
        let mut out = Vec::new();
        while let Some(line) = lines.next_line(&text) {
            out.push((lines.number, String::from_utf8(line.into_owned()).unwrap()));
        }
        out
    }

    #[test]
    fn continuations_join_and_the_last_line_counts() {
        assert_eq!(lines("a\\\nb\n c \n"), [(2, "ab".into()), (3, "c".into())]);
        assert_eq!(lines("a\\\\\r\nb"), [(2, "a\\b".into())]);
        assert_eq!(lines("a\\"), [(1, "a\\".into())]);
        assert_eq!(lines("a\\ \nb\0c"), [(1, "a\\".into()), (2, "b".into())]);
        assert_eq!(lines("a\\\n"), [(1, "a".into())]);
    }
}
