//! Quantities: `128M`, `0x1F`, ` 2 K` (I-100, I-101).

use super::number::is_space;
use crate::version::PhpVersion;

/// A number with an optional multiplier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    /// The number, in the unit of whoever asks: bytes for `memory_limit`, seconds for `max_input_time`.
    pub value: i64,
    /// PHP's warning, `Invalid quantity …`; a directive's name goes before it (I-102). Bytes: of an invalid prefix,
    /// PHP shows the second byte as it is.
    pub warning: Option<Vec<u8>>,
}

/// A value as a directive for quantities takes it (I-100, I-101). PHP 8.2 and later warn of what they do not
/// understand; before 8.2, what C's `strtol` leaves over is ignored without a warning, and only the very last character
/// can be a multiplier.
///
/// ```
/// use outlive::PhpVersion;
/// use outlive::ini::number::quantity;
///
/// assert_eq!(quantity(b"128M", PhpVersion::V8_2).value, 128 << 20);
/// assert_eq!(quantity(b"0x1F", PhpVersion::V8_2).value, 31);
/// let odd = quantity(b"1T", PhpVersion::V8_2);
/// assert_eq!(odd.value, 1);
/// assert!(odd.warning.is_some_and(|warning| warning.starts_with(b"Invalid quantity")));
/// ```
pub fn quantity(text: &[u8], version: PhpVersion) -> Quantity {
    if version < PhpVersion::V8_2 {
        return Quantity { value: silent(text), warning: None };
    }
    let (value, warning) = match read(text, version) {
        Ok(value) => (value, None),
        Err((value, warning)) => (value, Some(warning)),
    };
    Quantity { value, warning }
}

fn warning(what: &str) -> Vec<u8> {
    format!("Invalid {what} for backwards compatibility").into_bytes()
}

/// PHP puts the byte into its message as it is; at a NUL, the message ends.
fn invalid_prefix(byte: u8) -> Vec<u8> {
    let mut message = b"Invalid prefix \"0".to_vec();
    if byte != 0 {
        message.push(byte);
        message.extend_from_slice(b"\", interpreting as \"0\" for backwards compatibility");
    }
    message
}

fn factor(byte: u8) -> Option<i64> {
    match byte {
        b'k' | b'K' => Some(1 << 10),
        b'm' | b'M' => Some(1 << 20),
        b'g' | b'G' => Some(1 << 30),
        _ => None,
    }
}

/// The value, or the value and what is wrong.
fn read(text: &[u8], version: PhpVersion) -> Result<i64, (i64, Vec<u8>)> {
    let shown = escaped(text);
    let none = |reason: &str| Err((0, warning(&format!("quantity \"{shown}\": {reason}, interpreting as \"0\""))));
    let Some(start) = text.iter().position(|byte| !is_space(*byte)) else { return Ok(0) };
    let end = text.iter().rposition(|byte| !is_space(*byte)).map_or(start, |last| last + 1);
    let negative = text[start] == b'-';
    let mut at = start + usize::from(negative || text[start] == b'+');
    if !text[at..end].first().is_some_and(u8::is_ascii_digit) {
        return none("no valid leading digits");
    }
    let mut base: i32 = 10;
    if text[at] == b'0' && at + 1 < end {
        base = match text[at + 1] {
            b'0'..=b'9' | b'k' | b'K' | b'm' | b'M' | b'g' | b'G' => 8,
            b'x' | b'X' => 16,
            b'o' | b'O' => -8,
            b'b' | b'B' => 2,
            other => return Err((0, invalid_prefix(other))),
        };
        if !matches!(base, 8 | 10) {
            at += 2;
            let rest = &text[at..end];
            if bare_prefix(rest, base, version) {
                if version < PhpVersion::V8_3 && is_zero(rest) {
                    return Ok(0);
                }
                return none("no digits after base prefix");
            }
        }
    }
    let (magnitude, fits, len) = digits(&text[at..end], base.unsigned_abs());
    if len == 0 {
        return none("no valid leading digits");
    }
    let limit = 1_u64 << 63;
    let overflow = !fits || if negative { magnitude > limit } else { magnitude >= limit };
    let value = if negative && !overflow { magnitude.wrapping_neg() } else { magnitude } as i64;
    multiplied(text, end, skip_space(text, at + len, end), value, overflow)
}

fn skip_space(text: &[u8], mut at: usize, end: usize) -> usize {
    while at < end && is_space(text[at]) {
        at += 1;
    }
    at
}

/// Applies the multiplier, which is the last character; `at` is where the digits and blanks behind them end.
fn multiplied(text: &[u8], end: usize, at: usize, value: i64, overflow: bool) -> Result<i64, (i64, Vec<u8>)> {
    let shown = escaped(text);
    let range = || warning(&format!("quantity \"{shown}\": value is out of range, using overflow result"));
    if at == end {
        return if overflow { Err((value, range())) } else { Ok(value) };
    }
    let taken = escaped(&text[..at]);
    let last = text[end - 1];
    let name = escaped(&[last]);
    let Some(factor) = factor(last) else {
        let reason = format!("unknown multiplier \"{name}\", interpreting as \"{taken}\"");
        return Err((value, warning(&format!("quantity \"{shown}\": {reason}"))));
    };
    let overflow = overflow || value.checked_mul(factor).is_none();
    let value = value.wrapping_mul(factor);
    if at != end - 1 {
        return Err((value, warning(&format!("quantity \"{shown}\", interpreting as \"{taken}{name}\""))));
    }
    if overflow { Err((value, range())) } else { Ok(value) }
}

/// Whether the prefix is followed by something that C's `strtoul` would skip: white space, a sign, another prefix.
fn bare_prefix(rest: &[u8], base: i32, version: PhpVersion) -> bool {
    match rest {
        [] | [b'+' | b'-', ..] => true,
        [b'0', b'x' | b'X' | b'o' | b'O', ..] => true,
        // In base 16, this `b` is a digit; 8.2 overlooks that.
        [b'0', b'b' | b'B', ..] => base != 16 || version < PhpVersion::V8_3,
        [first, ..] => is_space(*first),
    }
}

/// The only text that PHP 8.2 accepts after a bare prefix: one that `strtoul` reads as a single 0. 8.3 warns of all.
fn is_zero(rest: &[u8]) -> bool {
    let signed = &rest[skip_space(rest, 0, rest.len())..];
    matches!(signed, [b'0'] | [b'+' | b'-', b'0'])
}

/// The digits that a text begins with: their value, whether it fits, and how many they are.
fn digits(text: &[u8], base: u32) -> (u64, bool, usize) {
    let mut value: u64 = 0;
    let mut fits = true;
    let mut len = 0;
    for digit in text.iter().map_while(|byte| char::from(*byte).to_digit(base)) {
        len += 1;
        let next = value.checked_mul(u64::from(base)).and_then(|value| value.checked_add(u64::from(digit)));
        fits &= next.is_some();
        value = if fits { next.unwrap_or(u64::MAX) } else { u64::MAX };
    }
    (value, fits, len)
}

/// As before 8.2: C's `strtol` with base 0, and a multiplier in the last byte.
fn silent(text: &[u8]) -> i64 {
    let start = text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len());
    let negative = text.get(start) == Some(&b'-');
    let signed = negative || text.get(start) == Some(&b'+');
    let rest = &text[start + usize::from(signed)..];
    let (magnitude, fits, _) = match rest {
        [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit() => digits(&rest[2..], 16),
        [b'0', ..] => digits(rest, 8),
        _ => digits(rest, 10),
    };
    let limit = 1_u64 << 63;
    let value = match (negative, fits && magnitude <= limit) {
        (true, true) => magnitude.wrapping_neg() as i64,
        (true, false) => i64::MIN,
        (false, true) => i64::try_from(magnitude).unwrap_or(i64::MAX),
        (false, false) => i64::MAX,
    };
    let factor = text.last().and_then(|last| factor(*last));
    value.wrapping_mul(factor.unwrap_or(1))
}

/// A text in a message: unprintable bytes are shown as escapes.
fn escaped(text: &[u8]) -> String {
    let mut shown = String::with_capacity(text.len());
    for byte in text {
        match byte {
            b'\n' => shown.push_str("\\n"),
            b'\r' => shown.push_str("\\r"),
            b'\t' => shown.push_str("\\t"),
            0x0C => shown.push_str("\\f"),
            0x0B => shown.push_str("\\v"),
            0x1B => shown.push_str("\\e"),
            b'\\' => shown.push_str("\\\\"),
            b' '..=b'~' => shown.push(char::from(*byte)),
            _ => shown.push_str(&format!("\\x{byte:02X}")),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PHP 8.2 lets a zero behind a bare prefix pass; 8.3 does not.
    #[test]
    fn a_bare_prefix_before_a_zero() {
        for text in ["0x 0", "\x0b 0x 0", "0b+0", "-0o 0"] {
            assert_eq!(quantity(text.as_bytes(), PhpVersion::V8_2), Quantity { value: 0, warning: None }, "{text}");
            let warning = quantity(text.as_bytes(), PhpVersion::V8_3).warning.unwrap_or_default();
            assert!(String::from_utf8_lossy(&warning).contains("no digits after base prefix"), "{text}");
        }
    }
}
