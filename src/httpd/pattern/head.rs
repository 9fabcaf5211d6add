//! The bytes that every match of a pattern begins with, and the pairs of bytes that it contains: these alone show for most
//! patterns that they cannot match a text.

use super::pairs::Pairs;

/// Up to sixteen bytes, so that one or two comparisons of machine words are enough.
const LENGTH: usize = 16;

/// The head of a pattern.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head {
    text: u128,
    mask: u128,
    pairs: Pairs,
}

/// The head of a text, to be compared with those of many patterns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    text: u128,
    pairs: Pairs,
}

impl Start {
    /// For wildcards, which have a head and no pairs.
    pub fn new(text: &[u8]) -> Self {
        Self { text: word(text), pairs: Pairs::all() }
    }

    /// For regular expressions too.
    pub fn with_pairs(text: &[u8]) -> Self {
        Self { text: word(text), pairs: Pairs::of_text(text) }
    }
}

/// No head has a NUL in it, so a text that is shorter differs from it.
fn word(text: &[u8]) -> u128 {
    let mut bytes = [0; LENGTH];
    let length = text.len().min(LENGTH);
    bytes[..length].copy_from_slice(&text[..length]);
    u128::from_le_bytes(bytes)
}

impl Head {
    fn new(text: &[u8]) -> Self {
        let length = text.len().min(LENGTH);
        Self { text: word(text), mask: word(&[0xff; LENGTH][..length]), pairs: Pairs::default() }
    }

    /// The literal prefix of a wildcard pattern, up to its first special byte.
    pub fn of_wildcard(pattern: &[u8]) -> Self {
        let special = |&b: &u8| matches!(b, b'*' | b'?' | b'[' | b'\\' | 0);
        Self::new(&pattern[..pattern.iter().position(special).unwrap_or(pattern.len())])
    }

    /// The head of a case-sensitive regular expression: the literal bytes after its `^`. Empty where the pattern has an
    /// alternative anywhere.
    pub fn of_regex(pattern: &[u8]) -> Self {
        let Some(rest) = pattern.strip_prefix(b"^").filter(|rest| memchr::memchr(b'|', rest).is_none()) else {
            return Self::default();
        };
        let (mut bytes, mut at) = (Vec::with_capacity(LENGTH), 0);
        while bytes.len() <= LENGTH {
            match &rest[at.min(rest.len())..] {
                // A repeated byte may be missing from the text.
                [b'*' | b'?' | b'{' | b'+', ..] => {
                    bytes.pop();
                    break;
                }
                [b'\\', byte, ..] if byte.is_ascii_punctuation() => {
                    bytes.push(*byte);
                    at += 2;
                }
                [byte, ..] if byte.is_ascii_alphanumeric() || b"/-_,:;=@%&~!\"'<>".contains(byte) => {
                    bytes.push(*byte);
                    at += 1;
                }
                _ => break,
            }
        }
        Self::new(&bytes)
    }

    /// The head with the pattern's pairs added.
    pub(super) fn and(self, pairs: Pairs) -> Self {
        Self { pairs, ..self }
    }

    /// False: a text with this start and these pairs cannot match.
    #[inline]
    pub fn may_match(&self, start: Start) -> bool {
        (self.text ^ start.text) & self.mask == 0 && self.pairs.may_be_in(start.pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_must_be_there_counts() {
        let may = |pattern: &[u8], text: &[u8]| Head::of_regex(pattern).may_match(Start::new(text));
        assert!(!may(b"^/a/", b"/b/") && may(b"^/a/", b"/a/x") && !may(b"^/abc", b"/ab"));
        assert!(may(b"^/ab?", b"/a") && may(b"^/ab*", b"/ac") && may(b"^/ab{0}", b"/a") && !may(b"^/ab?", b"/x"));
        assert!(may(b"^/a|b", b"b") && may(b"/a", b"b") && may(b"^/(?i)A", b"/a") && may(b"^.a", b"/a"));
        assert!(!may(br"^/a\.b", b"/aXb") && may(br"^/a\d", b"/a1") && may(br"^/a\.?b", b"/ab"));
        assert!(may(b"^/0123456789abcdefX*", b"/0123456789abcdef") && may(b"^/0123456789abcdX*", b"/0123456789abcd"));
        let may = |pattern: &[u8], text: &[u8]| Head::of_wildcard(pattern).may_match(Start::new(text));
        assert!(!may(b"/a*", b"/b") && may(b"/a*", b"/ab") && may(b"*a", b"x") && may(br"\*", b"*"));
    }
}
