//! Request targets and host names (facts ).

/// A target, taken apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    /// The host of an absolute target.
    pub host: Option<Vec<u8>>,
    /// Decoded and cleaned.
    pub path: Vec<u8>,
    pub query: Option<Vec<u8>>,
}

/// Takes a request target apart; the error is the status that httpd answers.
pub(crate) fn parse(target: &[u8], merge: bool, encoded: Slashes) -> Result<Target, (u16, &'static str)> {
    if memchr::memchr(b'#', target).is_some() {
        return Err((400, "the request target has a #"));
    }
    if target.iter().any(|&b| b <= b' ' || b == 0x7f) {
        return Err((400, "the request target has a blank or control character"));
    }
    parts(target, merge, encoded)
}

/// Splits what a rule, an error page or a condition leads to. No client has sent it: blanks and control characters are taken, and a
/// fragment is cut off.
pub(crate) fn parse_own(target: &[u8]) -> Result<Target, (u16, &'static str)> {
    let end = memchr::memchr(b'#', target).unwrap_or(target.len());
    parts(&target[..end], true, Slashes::Refuse)
}

fn parts(target: &[u8], merge: bool, encoded: Slashes) -> Result<Target, (u16, &'static str)> {
    let (host, rest) = split_host(target)?;
    let (path, query) = match memchr::memchr(b'?', rest) {
        Some(at) => (&rest[..at], Some(rest[at + 1..].to_vec())),
        None => (rest, None),
    };
    let path = if path.is_empty() { &b"/"[..] } else { path };
    if path[0] != b'/' {
        return Err((400, "the request target is neither a path nor a URL"));
    }
    let plain = memchr::memchr(b'%', path).is_none();
    if plain && is_clean(path, merge) {
        return Ok(Target { host, path: path.to_vec(), query });
    }
    let cleaned = clean(&decode_unreserved(path), merge).ok_or((400, "the path leads above the root"))?;
    let mut path = decode(&cleaned, encoded)?;
    if encoded == Slashes::Decode {
        // Decoding may have made new double slashes and dots.
        path = clean(&path, merge).ok_or((400, "the path leads above the root"))?;
    }
    Ok(Target { host, path, query })
}

/// Whether a text is a URL to httpd: what stands before its first colon could be a scheme's name.
pub(crate) fn is_url(text: &[u8]) -> bool {
    let Some(end) = memchr::memchr(b':', text) else { return false };
    end > 0 && text[..end].iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
}

/// Whether a target names the server as a whole: `*`, or a URL without a path.
pub(crate) fn is_server(target: &[u8]) -> bool {
    let no_path = |(host, rest): Split<'_>| host.is_some() && matches!(rest.first(), None | Some(b'?'));
    target == b"*" || split_host(target).is_ok_and(no_path)
}

/// `AllowEncodedSlashes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Slashes {
    #[default]
    Refuse,
    Decode,
    Keep,
}

type Split<'a> = (Option<Vec<u8>>, &'a [u8]);

fn split_host(target: &[u8]) -> Result<Split<'_>, (u16, &'static str)> {
    let scheme =
        memchr::memmem::find(target, b"://").filter(|&at| at > 0 && target[..at].iter().all(u8::is_ascii_alphanumeric));
    let Some(scheme) = scheme else { return Ok((None, target)) };
    let rest = &target[scheme + 3..];
    let end = rest.iter().position(|&b| b == b'/' || b == b'?').unwrap_or(rest.len());
    let authority = &rest[..end];
    let host = authority.rsplit(|&b| b == b'@').next().unwrap_or_default();
    if host.is_empty() {
        return Err((400, "the URL has no host"));
    }
    Ok((Some(host.to_vec()), &rest[end..]))
}

pub(crate) fn is_clean(path: &[u8], merge: bool) -> bool {
    // Paths are short: going byte by byte is quicker than preparing a search for each component.
    let mut rest = path;
    while let [byte, behind @ ..] = rest {
        rest = behind;
        if *byte != b'/' {
            continue;
        }
        match rest {
            [b'/', ..] if merge => return false,
            [b'.'] | [b'.', b'/', ..] | [b'.', b'.'] | [b'.', b'.', b'/', ..] => return false,
            _ => {}
        }
    }
    true
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

fn encoded_at(text: &[u8], at: usize) -> Option<u8> {
    Some(hex(*text.get(at + 1)?)? << 4 | hex(*text.get(at + 2)?)?)
}

/// `%41` and the like are decoded before dots are looked at.
fn decode_unreserved(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut at = 0;
    while at < path.len() {
        match encoded_at(path, at) {
            Some(byte) if path[at] == b'%' && (byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(path[at]);
                at += 1;
            }
        }
    }
    out
}

/// Takes out `/./`, `/../` and (with `merge`) double slashes; none: it leads above the root.
fn clean(path: &[u8], merge: bool) -> Option<Vec<u8>> {
    let mut out: Vec<u8> = vec![b'/'];
    let mut segments = path[1..].split(|&b| b == b'/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"." => {}
            b".." => {
                if out.len() <= 1 {
                    return None;
                }
                out.pop();
                while out.last() != Some(&b'/') {
                    out.pop();
                }
            }
            b"" if !last && merge => {}
            _ => {
                out.extend_from_slice(segment);
                if !last {
                    out.push(b'/');
                }
            }
        }
    }
    Some(out)
}

fn decode(path: &[u8], slashes: Slashes) -> Result<Vec<u8>, (u16, &'static str)> {
    let mut out = Vec::with_capacity(path.len());
    let (mut bad, mut hidden) = (false, false);
    let mut at = 0;
    while at < path.len() {
        if path[at] != b'%' {
            out.push(path[at]);
            at += 1;
            continue;
        }
        match encoded_at(path, at) {
            Some(byte) => {
                hidden |= byte == 0 || (byte == b'/' && slashes == Slashes::Refuse);
                if byte == b'/' && slashes == Slashes::Keep {
                    out.extend_from_slice(&path[at..at + 3]);
                } else {
                    out.push(byte);
                }
                at += 3;
            }
            None => {
                bad = true;
                at += 1;
            }
        }
    }
    if bad {
        return Err((400, "a % in the path is not followed by two hexadecimal digits"));
    }
    if hidden {
        return Err((404, "the path has %2f or %00 (AllowEncodedSlashes is off)"));
    }
    Ok(out)
}

/// Whether httpd knows a status.
pub(crate) fn is_status(status: u16) -> bool {
    matches!(status, 100..=103 | 200..=208 | 226 | 300..=305 | 307 | 308 | 400..=417 | 421..=424 | 426 | 428 | 429 | 431 | 451 | 500..=508 | 510 | 511)
}

/// `%XX` decoded; none: one of them is broken.
pub(crate) fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    decode(text, Slashes::Decode).ok()
}

/// The same, and `%2f` stays.
pub(crate) fn unescape_all_but_slashes(text: &[u8]) -> Option<Vec<u8>> {
    decode(text, Slashes::Keep).ok()
}

/// A path as it may stand in a URL.
pub(crate) fn escape(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    for &byte in path {
        if byte.is_ascii_alphanumeric() || b"$-_.+!*'(),:@&=/~;".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02x}").as_bytes());
        }
    }
    out
}

/// A host name and its port, lower case, one trailing dot taken off; none: httpd answers 400.
pub(crate) fn host(text: &[u8]) -> Option<(Vec<u8>, Option<u16>)> {
    let (name, port) = match text {
        [b'[', ..] => {
            let end = memchr::memchr(b']', text)?;
            let inner = std::str::from_utf8(&text[1..end]).ok()?;
            inner.parse::<std::net::Ipv6Addr>().ok()?;
            match &text[end + 1..] {
                [] => (&text[1..end], None),
                [b':', port @ ..] => (&text[1..end], Some(port)),
                _ => return None,
            }
        }
        _ => match memchr::memchr(b':', text) {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        },
    };
    let port = match port {
        Some(port) => {
            let text = std::str::from_utf8(port).ok()?;
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            Some(text.parse::<u16>().ok().filter(|&number| digits && number > 0)?)
        }
        None => None,
    };
    let mut name = name.to_ascii_lowercase();
    if text.first() != Some(&b'[') {
        if !is_host(&name) {
            return None;
        }
        if name.len() > 1 && name.ends_with(b".") {
            name.pop();
        }
    }
    Some((name, port))
}

/// What a byte is in a host name; 0: it cannot be there.
static HOST: [u8; 256] = host_bytes();
const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const SIGN: u8 = 4;
const DOT: u8 = 8;

const fn host_bytes() -> [u8; 256] {
    let mut kinds = [0; 256];
    let mut at = 0;
    while at < 256 {
        kinds[at] = match at as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'0'..=b'9' => DIGIT,
            b'-' | b'_' => SIGN,
            b'.' => DOT,
            _ => 0,
        };
        at += 1;
    }
    kinds
}

/// Letters, digits, `-`, `_` and single dots; something that looks like an IPv4 address must be one.
pub(crate) fn is_host(name: &[u8]) -> bool {
    // One pass: it runs for every request.
    let (mut before, mut first, mut seen) = (0, LETTER, 0);
    for &byte in name {
        let kind = HOST[byte as usize];
        if kind == 0 || kind & before & DOT != 0 {
            return false;
        }
        if before == DOT {
            // The first byte of the last part.
            first = kind;
        }
        seen |= kind;
        before = kind;
    }
    if seen & (LETTER | SIGN) == 0 {
        return String::from_utf8_lossy(name).parse::<std::net::Ipv4Addr>().is_ok();
    }
    seen & DOT == 0 || before == DOT || first == LETTER
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(target: &str) -> Result<String, u16> {
        let parsed = parse(target.as_bytes(), true, Slashes::Refuse);
        parsed.map(|t| String::from_utf8(t.path).unwrap()).map_err(|e| e.0)
    }

    #[test]
    fn paths_are_decoded_and_cleaned() {
        assert_eq!(path("//a/./b/../%70.php?x"), Ok("/a/p.php".into()));
        assert_eq!(path("/a/%2e%2e/b"), Ok("/b".into()));
        assert_eq!(path("/a/.."), Ok("/".into()));
        assert_eq!(path("/a/."), Ok("/a/".into()));
        assert_eq!(path("/../x"), Err(400));
        assert_eq!(path("/a%2fb"), Err(404));
        assert_eq!(path("/a%zz"), Err(400));
        assert_eq!(path("/a#b"), Err(400));
        assert_eq!(path("http://h:1/p"), Ok("/p".into()));
    }

    #[test]
    fn hosts_are_checked() {
        assert_eq!(host(b"A.Test.:80"), Some((b"a.test".to_vec(), Some(80))));
        for bad in [&b"b..test"[..], b"b.test:", b"b test", b":99999", b"", b"1.2.3", b"a.1"] {
            assert_eq!(host(bad), None, "{}", String::from_utf8_lossy(bad));
        }
        assert!(host(b".b.test").is_some() && host(b"127.0.0.1").is_some() && host(b"[::1]:80").is_some());
    }
}
