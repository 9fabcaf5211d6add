//! Words that one thread writes and others read without waiting; a reader gets all words of one write. `turn` is a sequence counter beside
//! them, odd while they are written.

use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

/// How often a reader retries while the words are being written.
const TRIES: u32 = 100;

/// By one thread at a time.
pub fn write<const WORDS: usize>(turn: &AtomicU32, words: &[AtomicU64; WORDS], new: [u64; WORDS]) {
    let before = turn.load(Relaxed);
    turn.store(before.wrapping_add(1), Relaxed);
    fence(Release);
    for (word, new) in words.iter().zip(new) {
        word.store(new, Relaxed);
    }
    turn.store(before.wrapping_add(2), Release);
}

/// By one thread at a time: a text that fits, and a zero behind it where there is room. Words behind that keep what they had, which no reader looks
/// for; a short text costs no more than its own words.
#[inline]
pub fn write_text(turn: &AtomicU32, words: &[AtomicU64], text: &[u8]) {
    let before = turn.load(Relaxed);
    turn.store(before.wrapping_add(1), Relaxed);
    fence(Release);
    let (mut words, mut rest) = (words, text);
    while let (Some((word, behind)), Some((new, others))) = (words.split_first(), rest.split_first_chunk()) {
        word.store(u64::from_ne_bytes(*new), Relaxed);
        (words, rest) = (behind, others);
    }
    if let Some(word) = words.first() {
        word.store(word_of(rest), Relaxed);
    }
    turn.store(before.wrapping_add(2), Release);
}

/// The first eight bytes of a text in one word, zeros behind a shorter one. From its two ends, which overlap: no call is made to copy three bytes.
#[inline]
pub fn word_of(text: &[u8]) -> u64 {
    let bits = |bytes: usize| 8 * bytes as u32;
    let little = match (text, text.len()) {
        ([], _) => 0,
        (&[byte], _) => byte.into(),
        (_, length @ 2..4) => {
            let end = |at: usize| u64::from(u16::from_le_bytes([text[at], text[at + 1]]));
            end(0) | end(length - 2) << bits(length - 2)
        }
        (_, length @ 4..8) => {
            let end = |at: usize| u64::from(u32::from_le_bytes([text[at], text[at + 1], text[at + 2], text[at + 3]]));
            end(0) | end(length - 4) << bits(length - 4)
        }
        _ => text.first_chunk().map_or(0, |all| u64::from_le_bytes(*all)),
    };
    u64::from_ne_bytes(little.to_le_bytes())
}

/// `None`: the writer is stuck.
pub fn read<const WORDS: usize>(turn: &AtomicU32, words: &[AtomicU64; WORDS]) -> Option<[u64; WORDS]> {
    for _ in 0..TRIES {
        let before = turn.load(Acquire);
        let seen = words.each_ref().map(|word| word.load(Relaxed));
        fence(Acquire);
        if before & 1 == 0 && turn.load(Relaxed) == before {
            return Some(seen);
        }
        std::thread::yield_now();
    }
    None
}

/// A text as words, zeros behind it; it is not too long.
pub fn of_text<const WORDS: usize>(text: &[u8]) -> [u64; WORDS] {
    let mut parts = [[0; 8]; WORDS];
    parts.as_flattened_mut()[..text.len()].copy_from_slice(text);
    parts.map(u64::from_ne_bytes)
}

/// So many bytes of words.
pub fn text_of(words: &[u64], length: usize) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_never_half_of_another() {
        let (turn, words) = (AtomicU32::new(0), std::array::from_fn::<_, 8, _>(|_| AtomicU64::new(0)));
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (1..20_000).for_each(|number| write(&turn, &words, [number; 8])));
            while !writer.is_finished() {
                let seen = read(&turn, &words);
                assert!(seen.is_none_or(|seen| seen == [seen[0]; 8]), "{seen:?}");
            }
        });
        assert_eq!(read(&turn, &words), Some([19_999; 8]));
        assert_eq!(text_of(&of_text::<2>(b"0123456789"), 10), b"0123456789");
    }

    #[test]
    fn a_word_has_what_fits_of_a_text() {
        let text = b"abcdefghij";
        for length in 0..=text.len() {
            let mut bytes = [0; 8];
            bytes[..length.min(8)].copy_from_slice(&text[..length.min(8)]);
            assert_eq!(word_of(&text[..length]).to_ne_bytes(), bytes, "{length}");
        }
    }

    #[test]
    fn a_text_ends_with_a_zero_where_there_is_room() {
        let (turn, words) = (AtomicU32::new(0), std::array::from_fn::<_, 3, _>(|_| AtomicU64::new(u64::MAX)));
        for text in ["012345678901234567890123", "0123456789012345", "0123456789", "01234567", "012", ""] {
            write_text(&turn, &words, text.as_bytes());
            let read = text_of(&read(&turn, &words).unwrap(), 24);
            assert_eq!(read.split(|&byte| byte == 0).next(), Some(text.as_bytes()));
        }
    }
}
