//! Tokens of a line (fact A-005).

use std::borrow::Cow;

/// The role of each byte in a word: a table, because words are split byte by byte.
static KINDS: [u8; 256] = kinds();
const PLAIN: u8 = 0;
const SPACE: u8 = 1;
const BACKSLASH: u8 = 2;

const fn kinds() -> [u8; 256] {
    let mut kinds = [PLAIN; 256];
    kinds[b' ' as usize] = SPACE;
    let mut byte = 9;
    while byte <= 13 {
        kinds[byte] = SPACE;
        byte += 1;
    }
    kinds[b'\\' as usize] = BACKSLASH;
    kinds
}

/// Apache's white space: space, TAB, LF, VT, FF, CR.
#[inline]
pub(crate) fn is_space(byte: u8) -> bool {
    KINDS[byte as usize] == SPACE
}

/// Whether two names are the same, letter case ignored. Most have the same case too, and that comparison is quicker.
pub(crate) fn same_name(one: &[u8], other: &[u8]) -> bool {
    one == other || one.eq_ignore_ascii_case(other)
}

/// The text without white space around it.
pub(crate) fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text {
        if !is_space(*first) {
            break;
        }
        text = rest;
    }
    while let [rest @ .., last] = text {
        if !is_space(*last) {
            break;
        }
        text = rest;
    }
    text
}

/// The next word, and what follows it and its blanks.
pub(crate) fn next_token(text: &[u8]) -> (Cow<'_, [u8]>, &[u8]) {
    let text = trim_start(text);
    let Some(&first) = text.first() else { return (Cow::Borrowed(b""), b"") };
    if first == b'"' || first == b'\'' {
        return quoted(first, &text[1..]);
    }
    let (end, seen) = word_end(text);
    let (word, rest) = text.split_at(end);
    (if seen & BACKSLASH == 0 { Cow::Borrowed(word) } else { unescape(word, None) }, trim_start(rest))
}

/// Whether a text, without white space around it, is two words and not empty ones: the usual arguments, without quotes.
pub(crate) fn is_two_words(text: &[u8]) -> bool {
    let plain = |text: &[u8]| !matches!(text.first(), None | Some(b'"' | b'\''));
    if !plain(text) {
        return false;
    }
    let rest = trim_start(&text[word_end(text).0..]);
    plain(rest) && word_end(rest).0 == rest.len()
}

/// Where the first white space is, and the kinds of the bytes before it. Eight bytes at a time: most have none that matters.
#[inline]
fn word_end(text: &[u8]) -> (usize, u8) {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = ONES << 7;
    let (mut at, mut seen) = (0, PLAIN);
    let is_end = |at: usize, seen: &mut u8| {
        let kind = KINDS[text[at] as usize];
        *seen |= kind;
        kind == SPACE
    };
    while let Some(eight) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let eight = u64::from_le_bytes(*eight);
        let back = eight ^ (ONES * b'\\' as u64);
        // The top bit of each byte that is at most a space, or a backslash; above the first one there may be others.
        let low = eight.wrapping_sub(ONES * (b' ' as u64 + 1)) & !eight;
        let found = (low | back.wrapping_sub(ONES) & !back) & TOPS;
        if found == 0 {
            at += 8;
            continue;
        }
        at += found.trailing_zeros() as usize / 8;
        if is_end(at, &mut seen) {
            return (at, seen);
        }
        at += 1;
    }
    while at < text.len() && !is_end(at, &mut seen) {
        at += 1;
    }
    (at, seen)
}

fn quoted(quote: u8, text: &[u8]) -> (Cow<'_, [u8]>, &[u8]) {
    let (mut at, mut plain) = (0, true);
    while at < text.len() && text[at] != quote {
        // A backslash protects a backslash and this quote, nothing else.
        let escaped = text[at] == b'\\' && matches!(text.get(at + 1), Some(&next) if next == quote || next == b'\\');
        plain &= !escaped;
        at += if escaped { 2 } else { 1 };
    }
    let rest = text.get(at + 1..).unwrap_or_default();
    let word = &text[..at.min(text.len())];
    (if plain { Cow::Borrowed(word) } else { unescape(word, Some(quote)) }, trim_start(rest))
}

/// A word that has backslashes in it.
fn unescape(word: &[u8], quote: Option<u8>) -> Cow<'_, [u8]> {
    let mut out = Vec::with_capacity(word.len());
    let mut at = 0;
    while at < word.len() {
        if word[at] == b'\\' && matches!(word.get(at + 1), Some(&next) if next == b'\\' || Some(next) == quote) {
            at += 1;
        }
        out.push(word[at]);
        at += 1;
    }
    Cow::Owned(out)
}

fn trim_start(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text {
        if !is_space(*first) {
            break;
        }
        text = rest;
    }
    text
}

/// All words of a text.
pub(crate) struct Tokens<'a>(&'a [u8]);

impl<'a> Tokens<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Self(trim_start(text))
    }

    /// The rest that has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The next word, or an empty one.
    pub fn word(&mut self) -> Cow<'a, [u8]> {
        self.next().unwrap_or_default()
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Cow<'a, [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let (word, rest) = next_token(self.0);
        self.0 = rest;
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        Tokens::new(text.as_bytes()).map(|word| String::from_utf8(word.into_owned()).unwrap()).collect()
    }

    #[test]
    fn two_words_are_counted() {
        for (text, two) in
            [("a b", true), ("a  b\\", true), ("a", false), ("a b c", false), ("", false), ("a \"b c\"", false)]
        {
            assert_eq!(is_two_words(text.as_bytes()), two, "{text}");
        }
    }

    #[test]
    fn words_end_at_white_space_wherever_it_stands() {
        let alphabet = [b'a', b' ', b'\t', b'\\', 1, 0x0e, 0x1f, b'!', 0x7f, 0x80, 0xa0, 0xdc, 0xff];
        let mut state = 7u32;
        for length in (0..40).cycle().take(20_000) {
            let mut next = |most: usize| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 16) as usize % most
            };
            let text: Vec<u8> =
                (0..length).map(|_| if next(4) == 0 { alphabet[next(alphabet.len())] } else { b'x' }).collect();
            let end = text.iter().position(|&byte| is_space(byte)).unwrap_or(length);
            let back = text[..end].contains(&b'\\');
            let (found, seen) = word_end(&text);
            assert_eq!((found, seen & BACKSLASH != 0), (end, back), "{text:?}");
        }
    }

    #[test]
    fn quotes_and_backslashes_are_apaches() {
        assert_eq!(words(r#" a "b c" 'd "e' "#), ["a", "b c", "d \"e"]);
        assert_eq!(words(r#""a"b "a""b""#), ["a", "b", "a", "b"]);
        assert_eq!(words(r#""a\"b" "a\nb" a\\b a\b \"a"#), ["a\"b", "a\\nb", "a\\b", "a\\b", "\\\"a"]);
        assert_eq!(words(r#""un term"#), ["un term"]);
        assert_eq!(words(r#""a\"#), ["a\\"]);
        assert_eq!(words(r#""a\""#), ["a\""]);
    }
}
