//! Which bytes may stand where: one table with one bit for each kind of run.

/// May be part of a key, before PHP 8.3 (I-011).
pub(super) const LABEL: u8 = 1;
/// May be part of a key, from PHP 8.3 on: without `]` and NUL.
pub(super) const LABEL_8_3: u8 = 2;
/// Plain in an unquoted value (I-050.9).
pub(super) const TEXT: u8 = 4;
/// May be part of a variable's name behind its first byte, from PHP 8.3 on: as `LABEL_8_3`, and NUL.
pub(super) const NAME_8_3: u8 = 16;
/// Part of an identifier, digits included.
pub(super) const IDENTIFIER: u8 = 8;
/// Space or tab.
pub(super) const BLANK: u8 = 32;
/// Plain between double quotes.
pub(super) const QUOTED: u8 = 64;
/// Plain in a section header or an offset (I-030).
pub(super) const HEADER: u8 = 128;

const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        table[index] = class(index as u8);
        index += 1;
    }
    table
}

const fn class(byte: u8) -> u8 {
    let mut bits = LABEL | LABEL_8_3 | NAME_8_3 | TEXT | QUOTED | HEADER;
    match byte {
        b'=' | b'&' | b'|' | b'^' | b'~' | b'(' | b')' | b'!' => bits &= !(LABEL | LABEL_8_3 | NAME_8_3 | TEXT),
        b'\n' | b'\r' => bits = 0,
        b'\t' => bits = (bits | BLANK) & !(LABEL | LABEL_8_3 | NAME_8_3 | TEXT),
        b' ' => bits = (bits | BLANK) & !TEXT,
        b';' => bits = QUOTED,
        b'$' => bits = 0,
        b'{' | b'}' | b'[' => bits &= !(LABEL | LABEL_8_3 | NAME_8_3),
        b']' => bits &= !(LABEL_8_3 | NAME_8_3 | HEADER),
        b'"' => bits = 0,
        b'\'' => bits &= !(TEXT | HEADER),
        b'\\' => bits &= !(QUOTED | HEADER),
        0 => bits &= !(LABEL_8_3 | TEXT),
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' => bits |= IDENTIFIER,
        _ => {}
    }
    bits
}

/// All bits of a byte.
#[inline(always)]
pub(super) fn class_of(byte: u8) -> u8 {
    CLASSES[byte as usize]
}

/// The first position from `at` on whose byte is not of the kind.
#[inline(always)]
pub(super) fn skip(text: &[u8], mut at: usize, kind: u8) -> usize {
    while at < text.len() && class_of(text[at]) & kind != 0 {
        at += 1;
    }
    at
}

/// The same byte in all eight places of a word.
const fn all(byte: u8) -> u64 {
    byte as u64 * 0x0101_0101_0101_0101
}

/// Has the high bit set in the first byte that is less than `limit` (at most 128), and maybe in later ones.
#[inline(always)]
fn less(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(all(limit)) & !word
}

/// The same for the first byte that is `byte`.
#[inline(always)]
fn equal(word: u64, byte: u8) -> u64 {
    less(word ^ all(byte), 1)
}

/// The first position from `at` on whose byte is not of the kind. `stops` marks high bits as `less` does, of at least
/// these bytes. Eight bytes are tested together, without a branch for each: processors predict the end of a run badly.
#[inline(always)]
fn skip_words(text: &[u8], mut at: usize, kind: u8, stops: impl Fn(u64) -> u64) -> usize {
    while let Some(eight) = text.get(at..).and_then(|rest| rest.first_chunk()) {
        let mut found = stops(u64::from_le_bytes(*eight)) & all(0x80);
        while found != 0 {
            let place = at + found.trailing_zeros() as usize / 8;
            if class_of(text[place]) & kind == 0 {
                return place;
            }
            found &= found - 1;
        }
        at += 8;
    }
    skip(text, at, kind)
}

/// As `skip` for `LABEL` and `LABEL_8_3`.
#[inline]
pub(super) fn skip_label(text: &[u8], at: usize, kind: u8) -> usize {
    skip_words(text, at, kind, |word| {
        let lower = word | all(0x20);
        stops_text(word) | equal(lower, b'{') | equal(lower, b'}')
    })
}

/// As `skip` for `TEXT`.
#[inline]
pub(super) fn skip_text(text: &[u8], at: usize) -> usize {
    skip_words(text, at, TEXT, stops_text)
}

/// The last one finds `^`, `|`, `~` and a backslash.
#[inline(always)]
fn stops_text(word: u64) -> u64 {
    less(word, b'*') | equal(word, b';') | equal(word, b'=') | equal(word | all(0x22), b'~')
}

/// As `skip` for `QUOTED`.
#[inline]
pub(super) fn skip_quoted(text: &[u8], at: usize) -> usize {
    skip_words(text, at, QUOTED, |word| {
        equal(word, b'"') | equal(word, b'$') | equal(word, b'\\') | equal(word, b'\n') | equal(word, b'\r')
    })
}

/// Without blanks (spaces and tabs) at both ends.
#[inline]
pub(super) fn trim(text: &[u8], mut start: usize, mut end: usize) -> &[u8] {
    while start < end && class_of(text[start]) & BLANK != 0 {
        start += 1;
    }
    while end > start && class_of(text[end - 1]) & BLANK != 0 {
        end -= 1;
    }
    &text[start..end]
}

/// `[A-Za-z_][A-Za-z0-9_]*`
pub(super) fn is_identifier(text: &[u8]) -> bool {
    !text.is_empty() && !text[0].is_ascii_digit() && text.iter().all(|byte| class_of(*byte) & IDENTIFIER != 0)
}

/// `-?digits`, or digits with one point before, among or behind them (I-050.6).
pub(super) fn is_number(text: &[u8]) -> bool {
    let (sign, digits) = if text.first() == Some(&b'-') { (true, &text[1..]) } else { (false, text) };
    let points = digits.iter().filter(|byte| **byte == b'.').count();
    let plain = digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    plain && digits.len() > points && (points == 0 || (points == 1 && !sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_and_plain_skipping_agree() {
        for byte in 0..=255 {
            for place in 0..40 {
                let mut text = [b'a'; 40];
                text[place] = byte;
                for kind in [LABEL, LABEL_8_3] {
                    assert_eq!(skip_label(&text, 0, kind), skip(&text, 0, kind), "{byte} at {place}");
                }
                assert_eq!(skip_text(&text, 0), skip(&text, 0, TEXT), "{byte} at {place}");
                assert_eq!(skip_quoted(&text, 0), skip(&text, 0, QUOTED), "{byte} at {place}");
            }
        }
    }
}
