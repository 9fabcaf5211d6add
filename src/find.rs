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
}
