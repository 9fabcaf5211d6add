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
