//! How PHP reads the text of a value as an integer or a boolean. Quantities have a file of their own.

pub use super::quantity::{Quantity, quantity};

/// White space for C's `isspace` in the C locale.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | 9..=13)
}

/// The integer that a text begins with, as C's `strtol` reads it in base 10: white space and a sign are allowed,
/// suffixes mean nothing, no digits are 0, and what does not fit is the nearest that does (C-146).
pub fn int_prefix(text: &[u8]) -> i64 {
    let start = text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len());
    let (negative, digits) = match &text[start..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let mut value: i64 = 0;
    for digit in digits.iter().take_while(|byte| byte.is_ascii_digit()).map(|byte| i64::from(byte - b'0')) {
        let next = value.checked_mul(10);
        let next = next.and_then(|next| if negative { next.checked_sub(digit) } else { next.checked_add(digit) });
        let Some(next) = next else { return if negative { i64::MIN } else { i64::MAX } };
        value = next;
    }
    value
}

/// A value as a boolean directive takes it: `true`, `yes` and `on` in any letter case, else whether the integer that
/// it begins with, cut to 32 bits, is not zero (I-103).
pub fn boolean(text: &[u8]) -> bool {
    let word = |word: &[u8]| text.eq_ignore_ascii_case(word);
    word(b"true") || word(b"yes") || word(b"on") || int_prefix(text) as i32 != 0
}
