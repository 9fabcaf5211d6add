//! PHP's conversions from text; stands in until the scanner's own are there.

/// A boolean directive's text (fact I-103).
pub(crate) fn boolean(text: &[u8]) -> bool {
    [&b"true"[..], b"yes", b"on"].iter().any(|word| text.eq_ignore_ascii_case(word)) || integer(text) as i32 != 0
}

/// A decimal integer prefix, saturated (facts I-102, C-146).
pub(crate) fn integer(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0i64, |sum, digit| {
        let digit = i64::from(digit - b'0');
        let sum = sum.saturating_mul(10);
        if negative { sum.saturating_sub(digit) } else { sum.saturating_add(digit) }
    })
}

/// A quantity, and what PHP warns of (facts I-100, I-101).
pub(crate) fn quantity(text: &[u8]) -> (i64, Option<String>) {
    let text = text.trim_ascii();
    let factor = match text.last() {
        Some(b'k' | b'K') => 1 << 10,
        Some(b'm' | b'M') => 1 << 20,
        Some(b'g' | b'G') => 1 << 30,
        _ => 1,
    };
    (integer(text).wrapping_mul(factor), None)
}
