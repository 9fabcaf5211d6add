//! Searching for bytes with the vector instructions that every processor of the architecture has. The plain functions of
//! `memchr` first detect what this processor has, which in a virtual machine takes longer than reading a whole php.ini.

#[cfg(target_arch = "aarch64")]
use memchr::arch::aarch64::neon::memchr::{One, Three, Two};
#[cfg(target_arch = "x86_64")]
use memchr::arch::x86_64::sse2::memchr::{One, Three, Two};

/// The first place of a byte.
#[inline]
pub(crate) fn one(byte: u8, text: &[u8]) -> Option<usize> {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    if let Some(search) = One::new(byte) {
        return search.find(text);
    }
    memchr::memchr(byte, text)
}

/// The first place of a byte that is near, as the end of a line is: eight bytes at a time.
#[inline]
pub(crate) fn near(byte: u8, text: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const NEAR: usize = 64;
    let mut at = 0;
    while at < NEAR
        && let Some(eight) = text.get(at..).and_then(<[u8]>::first_chunk::<8>)
    {
        // Bytes that are the one looked for become 0; the lowest top bit set is that of the first 0.
        let zero = u64::from_le_bytes(*eight) ^ (ONES * u64::from(byte));
        let found = zero.wrapping_sub(ONES) & !zero & (ONES << 7);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    one(byte, &text[at..]).map(|behind| at + behind)
}

/// The first place of either byte.
#[inline]
pub(crate) fn two(bytes: [u8; 2], text: &[u8]) -> Option<usize> {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    if let Some(search) = Two::new(bytes[0], bytes[1]) {
        return search.find(text);
    }
    memchr::memchr2(bytes[0], bytes[1], text)
}

/// The first place of any of three bytes.
#[inline]
pub(crate) fn three(bytes: [u8; 3], text: &[u8]) -> Option<usize> {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    if let Some(search) = Three::new(bytes[0], bytes[1], bytes[2]) {
        return search.find(text);
    }
    memchr::memchr3(bytes[0], bytes[1], bytes[2], text)
}

/// Passes over comments and empty lines, which are most of a usual php.ini, 32 bytes at a time: a line costs no branch of its own, which a first
/// reading would guess wrong. `at` is in such a line. The answer is a place in the last of them, or in one before it, and how many line ends were
/// passed. Line ends with a CR are left to the caller.
pub(crate) fn comments(text: &[u8], mut at: usize) -> (usize, u32) {
    const BLOCK: usize = 32;
    let block = |at: usize| text.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>);
    let is = |byte: u8, wanted: u8| u8::from(byte == wanted);
    let mut lines = 0;
    while let (Some(here), Some(next)) = (block(at), block(at + 1)) {
        // Sums of bytes that are 0 or 1: the compiler makes vectors of them.
        let (mut ends, mut stops) = (0, 0);
        for (&here, &next) in here.iter().zip(next) {
            let end = is(here, b'\n');
            let goes_on = is(next, b';') | is(next, b'\n');
            stops |= end & (goes_on ^ 1) | is(here, b'\r');
            ends += end;
        }
        if stops != 0 {
            break;
        }
        lines += u32::from(ends);
        at += BLOCK;
    }
    (at, lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_found_where_it_is() {
        let mut text: Vec<u8> = (0..200u16).map(|at| [b'\n' ^ 1, b'\n' | 0x80, 0, 0xff][at as usize % 4]).collect();
        assert_eq!(near(b'\n', &text), None);
        for at in 0..text.len() {
            let was = std::mem::replace(&mut text[at], b'\n');
            for from in [0, 1, 2, 3, 5, 7].into_iter().filter(|from| *from <= at) {
                assert_eq!(near(b'\n', &text[from..]), Some(at - from));
            }
            text[at] = was;
        }
    }

    /// As line by line: comments and empty lines up to the first line of another kind, and the number of their ends.
    #[test]
    fn comments_are_passed_as_line_by_line() {
        let line_by_line = |text: &[u8], mut at: usize| {
            let mut lines = 0;
            while matches!(text.get(at), Some(b';' | b'\n')) {
                let Some(end) = two([b'\n', b'\r'], &text[at..]) else { break };
                if text[at + end] == b'\r' {
                    return (at + end, lines);
                }
                (at, lines) = (at + end + 1, lines + 1);
            }
            (at, lines)
        };
        let mut state = 1u64;
        let mut below = |limit: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % limit
        };
        for round in 0..3_000 {
            let mut text = vec![b';'];
            for _ in 0..below(60) {
                let line = match below(if round % 2 == 0 { 12 } else { 400 }) {
                    0 => &b"a = b\n"[..],
                    1 => b"; x\r\n",
                    2 => b"\r",
                    3 => b" ; y\n",
                    4 => b"\0\n",
                    _ => b"\n",
                };
                text.extend(std::iter::repeat_n(b"x;\0\xff"[below(4)], below(90)));
                text.extend_from_slice(line);
                text.extend(std::iter::repeat_n(b';', below(3)));
            }
            let (mut at, mut lines) = comments(&text, 0);
            // What is left of the last line, as the scanner goes on.
            if let Some(end) = two([b'\n', b'\r'], &text[at..])
                && text[at + end] == b'\n'
            {
                (at, lines) = (at + end + 1, lines + 1);
            }
            let (rest, whole) = (line_by_line(&text, at), line_by_line(&text, 0));
            let place = |at: usize| at + two([b'\n', b'\r'], &text[at..]).unwrap_or(text.len() - at);
            assert_eq!(
                (place(rest.0), lines + rest.1),
                (place(whole.0), whole.1),
                "{:?}",
                String::from_utf8_lossy(&text)
            );
        }
        let many = [&b";\n".repeat(100_000)[..], b"a=b\n"].concat();
        let (at, lines) = comments(&many, 0);
        assert!((199_900..200_000).contains(&at));
        assert_eq!(lines as usize, at / 2);
    }
}
