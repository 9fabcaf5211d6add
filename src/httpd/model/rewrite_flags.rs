//! The flags behind a rule or condition, `[L,R=301]`.

use super::section::Text;
use crate::httpd::syntax::tokens;
use crate::httpd::syntax::uri;

/// Rounds of one rule set (`[N]`), unless it says otherwise: httpd's own number.
pub(super) const MAX_ROUNDS: u32 = 32_000;

/// What they say.
#[derive(Debug, Default, Clone)]
pub(super) struct Flags {
    pub last: bool,
    pub end: bool,
    pub pass_through: bool,
    /// `[R]`: sent elsewhere, with this status.
    pub redirect: Option<u16>,
    /// The answer: `[F]`, `[G]`, `[R=404]`.
    pub status: Option<u16>,
    pub chain: bool,
    /// `[N]`: how many rounds at most.
    pub next: Option<u32>,
    pub skip: u32,
    pub append_query: bool,
    pub discard_query: bool,
    pub query_last: bool,
    pub discard_path_info: bool,
    pub proxy: bool,
    pub any_case: bool,
    pub escape: bool,
    pub no_escape: bool,
    /// `[NS]`: not for subrequests.
    pub no_sub: bool,
    pub or_next: bool,
    pub unsafe_3f: bool,
    pub handler: Option<Text>,
    pub media_type: Option<Text>,
    /// `[E=…]`: names and values; none: it is taken away.
    pub env: Vec<(Text, Option<Text>)>,
}

/// Name and value of each flag.
fn each(text: Option<&[u8]>, mut take: impl FnMut(&str, &[u8]) -> Result<(), String>) -> Result<(), String> {
    let Some(text) = text else { return Ok(()) };
    let inner = text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]")).ok_or("bad flag delimiters")?;
    for flag in inner.split(|&b| b == b',') {
        let flag = tokens::trim(flag);
        let (name, value) = match memchr::memchr(b'=', flag) {
            Some(at) => (&flag[..at], &flag[at + 1..]),
            None => (flag, &b""[..]),
        };
        take(&String::from_utf8_lossy(name), value)?;
    }
    Ok(())
}

fn number(value: &[u8]) -> u32 {
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0u32, |sum, byte| sum.saturating_mul(10).saturating_add(u32::from(byte - b'0')))
}

/// The flags of a condition.
pub(super) fn of_condition(text: Option<&[u8]>) -> Result<Flags, String> {
    let mut flags = Flags::default();
    each(text, |name, _| {
        match &*name.to_ascii_lowercase() {
            "nc" | "nocase" => flags.any_case = true,
            "or" | "ornext" => flags.or_next = true,
            "nv" | "novary" => {}
            _ => return Err(format!("unknown flag '{name}'")),
        }
        Ok(())
    })?;
    Ok(flags)
}

/// The flags of a rule.
pub(super) fn of_rule(text: Option<&[u8]>) -> Result<Flags, String> {
    let mut flags = Flags::default();
    each(text, |name, value| {
        match &*name.to_ascii_lowercase() {
            "b" => flags.escape = true,
            "bne" if value.is_empty() => return Err("flag 'BNE' wants a list of characters (i.e. [BNE=...])".into()),
            "bnp" | "bctls" | "bne" | "co" | "cookie" | "unc" | "unsafeprefixstat" | "unsafeprefixstatus" => {}
            "c" | "chain" => flags.chain = true,
            "dpi" | "discardpath" => flags.discard_path_info = true,
            "e" | "env" => flags.env.push(variable(value)),
            "end" => flags.end = true,
            "f" | "forbidden" => flags.status = Some(403),
            "g" | "gone" => flags.status = Some(410),
            "h" | "handler" => flags.handler = Some(value.to_ascii_lowercase().into()),
            "l" | "last" => flags.last = true,
            "n" | "next" if value.is_empty() => flags.next = Some(MAX_ROUNDS),
            "n" | "next" => flags.next = Some(number(value)),
            "nc" | "nocase" => flags.any_case = true,
            "ne" | "noescape" => flags.no_escape = true,
            "ns" | "nosubreq" => flags.no_sub = true,
            "p" | "proxy" => flags.proxy = true,
            "pt" | "passthrough" => flags.pass_through = true,
            "qsa" | "qsappend" => flags.append_query = true,
            "qsd" | "qsdiscard" => flags.discard_query = true,
            "qsl" | "qslast" => flags.query_last = true,
            "r" | "redirect" => return redirect(&mut flags, value),
            "s" | "skip" => flags.skip = number(value),
            "t" | "type" => flags.media_type = Some(value.to_ascii_lowercase().into()),
            "unsafeallow3f" => flags.unsafe_3f = true,
            _ => return Err(format!("unknown flag '{name}'")),
        }
        Ok(())
    })?;
    Ok(flags)
}

/// `NAME:VALUE`, `NAME`, `!NAME`.
fn variable(text: &[u8]) -> (Text, Option<Text>) {
    if let Some(name) = text.strip_prefix(b"!") {
        return (name.into(), None);
    }
    match memchr::memchr(b':', text) {
        Some(at) => (text[..at].into(), Some(text[at + 1..].into())),
        None => (text.into(), Some(Text::default())),
    }
}

/// `[R]`: where the status is no redirect, it is the answer.
fn redirect(flags: &mut Flags, value: &[u8]) -> Result<(), String> {
    let status = match &value.to_ascii_lowercase()[..] {
        b"" | b"temp" => 302,
        b"permanent" => 301,
        b"seeother" => 303,
        [b'0'..=b'9', ..] => {
            let status = u16::try_from(number(value)).unwrap_or(0);
            if !uri::is_status(status) {
                let shown = String::from_utf8_lossy(value);
                return Err(format!("invalid HTTP response code '{shown}' for flag 'R'"));
            }
            status
        }
        // Another word leaves no status.
        _ => 302,
    };
    flags.redirect = Some(status);
    if !(300..400).contains(&status) || status == 304 {
        flags.status = Some(status);
    }
    Ok(())
}
