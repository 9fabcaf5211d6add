//! The flags behind a rule or condition, `[L,R=301]`.

/// What they say.
#[derive(Debug, Default, Clone)]
pub(super) struct Flags {
    pub last: bool,
    pub end: bool,
    pub pass_through: bool,
    pub redirect: Option<u16>,
    pub status: Option<u16>,
    pub chain: bool,
    pub next: bool,
    pub skip: u32,
    pub append_query: bool,
    pub discard_query: bool,
    pub proxy: bool,
    pub any_case: bool,
    pub escape: bool,
    pub or_next: bool,
    pub handler: Option<Box<[u8]>>,
}

/// `[flags]`.
pub(super) fn flags_of(text: Option<&[u8]>) -> Result<Flags, String> {
    let mut flags = Flags { or_next: false, ..Flags::default() };
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(flags) };
    let inner = text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]"));
    let inner = inner.ok_or("RewriteRule: bad flag delimiters")?;
    for flag in inner.split(|&b| b == b',') {
        let flag = super::words::trim(flag);
        let mut parts = flag.splitn(2, |&b| b == b'=');
        let name = parts.next().unwrap_or_default().to_ascii_uppercase();
        let value = parts.next();
        let number = value.and_then(|value| std::str::from_utf8(value).ok()?.parse::<u16>().ok());
        match &name[..] {
            b"L" | b"LAST" => flags.last = true,
            b"END" => flags.end = true,
            b"PT" | b"PASSTHROUGH" => flags.pass_through = true,
            b"R" | b"REDIRECT" => match number.or(redirect_word(value)) {
                Some(status) if !(300..400).contains(&status) => flags.status = Some(status),
                status => flags.redirect = Some(status.unwrap_or(302)),
            },
            b"F" | b"FORBIDDEN" => flags.status = Some(403),
            b"G" | b"GONE" => flags.status = Some(410),
            b"C" | b"CHAIN" => flags.chain = true,
            b"N" | b"NEXT" => flags.next = true,
            b"S" | b"SKIP" => flags.skip = number.unwrap_or(0).into(),
            b"QSA" | b"QSAPPEND" => flags.append_query = true,
            b"QSD" | b"QSDISCARD" => flags.discard_query = true,
            b"P" | b"PROXY" => flags.proxy = true,
            b"B" => flags.escape = true,
            b"NC" | b"NOCASE" => flags.any_case = true,
            b"OR" | b"ORNEXT" => flags.or_next = true,
            b"H" | b"HANDLER" => flags.handler = value.map(Into::into),
            _ => {}
        }
    }
    Ok(flags)
}

fn redirect_word(value: Option<&[u8]>) -> Option<u16> {
    match &value?.to_ascii_lowercase()[..] {
        b"permanent" => Some(301),
        b"temp" => Some(302),
        b"seeother" => Some(303),
        _ => None,
    }
}
