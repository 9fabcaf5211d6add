//! Number tokens in typed mode (I-080, I-081).

use super::Value;
use super::bytes;
use super::number::int_prefix;

/// The number that a number token is; `None`: too large, it stays a text. `next` is the byte behind it: PHP compares
/// the least integer together with that, and takes it as one only at the end of a text.
pub(super) fn number(token: &[u8], next: Option<&u8>) -> Option<Value<'static>> {
    let text = std::str::from_utf8(token).ok()?;
    if !token.contains(&b'.') {
        let int = text.parse().ok()?;
        let least = int == i64::MIN && next.is_some_and(|byte| *byte != 0);
        return (!least).then_some(Value::Int(int));
    }
    let whole = text.trim_start_matches('0').find('.')?;
    if whole >= 20 {
        return None;
    }
    text.parse().ok().map(Value::Float)
}

/// How a number token reads once it has been a number, if that differs from the token.
pub(super) fn rewritten(token: &[u8], next: Option<&u8>) -> Option<String> {
    let text = match number(token, next)? {
        Value::Int(int) => int.to_string(),
        Value::Float(float) => float_text(float),
        _ => return None,
    };
    (text.as_bytes() != token).then_some(text)
}

/// A number token as an operand: a number that does not fit becomes the least one, as x86-64 converts it.
pub(super) fn number_as_int(token: &[u8]) -> i32 {
    match number(token, None) {
        Some(Value::Int(int)) => int as i32,
        Some(Value::Float(float)) if float > -2_147_483_649.0 && float < 2_147_483_648.0 => float as i32,
        Some(Value::Float(_)) => i32::MIN,
        _ => int_prefix(token) as i32,
    }
}

/// A number with 14 significant digits, as PHP writes it (`precision=14`).
fn float_text(float: f64) -> String {
    const DIGITS: usize = 14;
    if float == 0.0 {
        return if float.is_sign_negative() { "-0".to_string() } else { "0".to_string() };
    }
    let scientific = format!("{:.*e}", DIGITS - 1, float.abs());
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0');
    let sign = if float < 0.0 { "-" } else { "" };
    if exponent < -4 || exponent >= DIGITS as i32 {
        let (first, rest) = digits.split_at(1);
        let rest = if rest.is_empty() { "0" } else { rest };
        let mark = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{first}.{rest}E{mark}{}", exponent.abs());
    }
    if exponent < 0 {
        return format!("{sign}0.{}{digits}", "0".repeat((-exponent - 1) as usize));
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        return format!("{sign}{digits}{}", "0".repeat(whole - digits.len()));
    }
    format!("{sign}{}.{}", &digits[..whole], &digits[whole..])
}

/// From 8.3 on: a text that began with a number token is a number if all of it reads as one, blanks behind it
/// included.
pub(super) fn numeric(text: &[u8]) -> Option<Value<'static>> {
    let end = text.iter().rposition(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C))? + 1;
    let start = text.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C))?;
    let (text, behind) = (&text[start..end], text.get(end));
    let unsigned = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    if mantissa.first() == Some(&b'-') || !bytes::is_number(mantissa) {
        return None;
    }
    let Some(exponent) = exponent else { return number(text, behind) };
    let digits = exponent.strip_prefix(b"-").or(exponent.strip_prefix(b"+")).unwrap_or(exponent);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let whole = mantissa.iter().skip_while(|byte| **byte == b'0').take_while(|byte| byte.is_ascii_digit()).count();
    if whole >= 20 {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok().map(Value::Float)
}
