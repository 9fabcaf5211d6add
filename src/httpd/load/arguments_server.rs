//! The rules for the arguments of directives in a server's own files.

use super::rules::Ruled;
use crate::httpd::pattern::{Bad, Pattern};
use crate::httpd::syntax::messages::lossy;
use crate::httpd::syntax::tokens;

/// A directive, and the words that its first argument may have.
const WORDS: &[(&str, &[&str])] = &[
    ("ServerTokens", &["Prod", "ProductOnly", "Major", "Minor", "Min", "Minimal", "OS", "Full"]),
    ("TraceEnable", &["on", "off", "extended"]),
    ("HostnameLookups", &["on", "off", "double"]),
    ("UseCanonicalName", &["on", "off", "dns"]),
    ("UseCanonicalPhysicalPort", &["on", "off"]),
    ("AllowEncodedSlashes", &["on", "off", "nodecode"]),
    ("ProtocolsHonorOrder", &["on", "off"]),
    ("ProxyVia", &["on", "off", "full", "block"]),
    ("ProxyStatus", &["on", "off", "full"]),
    ("ProxyBadHeader", &["IsError", "Ignore", "StartBody"]),
];
/// A directive, and the least and greatest value of its first argument; a text that is no number counts as 0.
const NUMBERS: &[(&str, i64, i64)] = &[
    ("LimitRequestLine", 0, i32::MAX as i64),
    ("LimitRequestFields", 0, i32::MAX as i64),
    ("LimitRequestFieldsize", 0, i32::MAX as i64),
    ("LimitInternalRecursion", 1, i32::MAX as i64),
    ("ListenBacklog", 1, i32::MAX as i64),
    ("DeflateCompressionLevel", 1, 9),
    ("DeflateBufferSize", 1, i32::MAX as i64),
    ("DeflateMemLevel", 1, 9),
    ("DeflateWindowSize", 1, 15),
    ("MaxMemFree", 0, i32::MAX as i64),
    ("ThreadStackSize", 0, i32::MAX as i64),
];
const LEVELS: [&str; 16] = [
    "emerg", "alert", "crit", "error", "warn", "notice", "info", "debug", "trace1", "trace2", "trace3", "trace4",
    "trace5", "trace6", "trace7", "trace8",
];
const PROTOCOL: [&str; 6] = ["Unsafe", "Strict", "RegisteredMethods", "LenientMethods", "Allow0.9", "Require1.0"];

/// Refuses what httpd refuses.
pub(super) fn check(name: &str, words: &[impl AsRef<[u8]>], ruled: &mut Ruled) -> Result<(), String> {
    let word = |at: usize| words.get(at).map_or(&b""[..], AsRef::as_ref);
    let one = word(0);
    let must = |fine: bool, what: &str| if fine { Ok(()) } else { Err(format!("{name} {what}")) };
    if let Some((_, list)) = WORDS.iter().find(|(own, _)| *own == name) {
        return must(among(one, list), &format!("must be one of: {}", list.join(" | ")));
    }
    if let Some(&(_, least, most)) = NUMBERS.iter().find(|(own, ..)| *own == name) {
        return must((least..=most).contains(&number(one)), &format!("must be a number from {least} to {most}"));
    }
    match name {
        "Listen" => listen(words),
        "Mutex" => mutex(words),
        "ProxyTimeout" => must((1..i64::from(i32::MAX)).contains(&number(one)), "must be at least 1 second"),
        "ReceiveBufferSize" | "SendBufferSize" => {
            let size = number(one);
            must(
                size == 0 || (512..=i64::from(i32::MAX)).contains(&size),
                "must be >= 512 bytes, or 0 for system default",
            )
        }
        "HttpProtocolOptions" => {
            each(words, |word| must(among(word, &PROTOCOL), &format!("accepts {}", PROTOCOL.join(", "))))
        }
        "LogLevel" => each(words, |word| {
            let (module, level) = match memchr::memchr(b':', word) {
                Some(at) => (Some(&word[..at]), &word[at + 1..]),
                None => (None, word),
            };
            let fine = among(level, &LEVELS) && module.is_none_or(|module| !module.is_empty());
            must(fine, "keyword must be one of emerg/alert/crit/error/warn/notice/info/debug/trace1/.../trace8")
        }),
        "ErrorLogFormat" if words.len() > 1 => {
            must(among(one, &["request", "connection"]), "type must be one of request, connection")
        }
        "ErrorLogFormat" => must(
            one.is_empty() || memchr::memmem::find(one, b"%M").is_some() || ends_as_message(one),
            "must contain message format string '%M'",
        ),
        "DeflateFilterNote" => {
            must(words.len() < 2 || among(one, &["Input", "Output", "Ratio"]), "type must be Input, Output or Ratio")
        }
        "RequestReadTimeout" => each_always(words, read_timeout),
        "VirtualDocumentRoot" | "VirtualScriptAlias" | "VirtualDocumentRootIP" | "VirtualScriptAliasIP" => {
            must(one.starts_with(b"/") || among(one, &["none"]), "needs an absolute path, or 'none'")?;
            must(among(one, &["none"]) || is_host_format(one), "has a syntax error in its format string")
        }
        "RegexDefaultOptions" => each_always(words, |word| {
            let bare = word.strip_prefix(b"+").or_else(|| word.strip_prefix(b"-")).unwrap_or(word);
            let known = ["none", "ICASE", "EXTENDED", "DOTALL", "DOLLAR_ENDONLY"];
            must(among(bare, &known), &format!("option '{}' unknown", lossy(bare)))
        }),
        "UserDir" => must(!one.is_empty(), "requires an argument"),
        "ProxyPassReverse" => must(words.len() > 1, "needs a path when not defined in a location"),
        _ => ruled.no_rule(),
    }
}

/// `%+m` and the like are the message as well.
fn ends_as_message(format: &[u8]) -> bool {
    memchr::memchr_iter(b'%', format).any(|at| {
        let letter = format[at + 1..].iter().find(|byte| !matches!(byte, b'-' | b'+' | b' ' | b'0'..=b'9'));
        letter == Some(&b'M')
    })
}

fn among(word: &[u8], list: &[&str]) -> bool {
    list.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(word))
}

/// As C's `strtol`: what is no number is 0.
fn number(text: &[u8]) -> i64 {
    let (sign, digits) = match text.split_first() {
        Some((b'-', rest)) => (-1, rest),
        _ => (1, text),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    sign * digits.fold(0i64, |sum, byte| sum.saturating_mul(10).saturating_add(i64::from(byte - b'0')))
}

fn each(words: &[impl AsRef<[u8]>], check: impl Fn(&[u8]) -> Result<(), String>) -> Result<(), String> {
    words.iter().map(AsRef::as_ref).take_while(|word| !word.is_empty()).try_for_each(check)
}

fn each_always(words: &[impl AsRef<[u8]>], check: impl Fn(&[u8]) -> Result<(), String>) -> Result<(), String> {
    words.iter().map(AsRef::as_ref).try_for_each(check)
}

/// `[address:]port [protocol]`.
fn listen(words: &[impl AsRef<[u8]>]) -> Result<(), String> {
    let ([one] | [one, _]) = words else { return Err("Listen requires 1 or 2 arguments.".into()) };
    let one = one.as_ref();
    let port = memchr::memrchr(b':', one).map_or(one, |at| &one[at + 1..]);
    let fine = !port.is_empty() && port.iter().all(u8::is_ascii_digit);
    match fine {
        false => Err("Port must be specified".into()),
        true if (1..=65_535).contains(&number(port)) => Ok(()),
        true => Err("Invalid address or port".into()),
    }
}

/// The pattern of `<ProxyMatch>`.
pub(super) fn proxy_match(text: &[u8]) -> Result<(), String> {
    let (word, rest) = tokens::next_token(text);
    if !rest.is_empty() {
        return Err("Multiple <ProxyMatch> arguments not (yet) supported.".into());
    }
    match Pattern::new(&word, false) {
        Err(Bad::Syntax) => Err("Regex could not be compiled".into()),
        _ => Ok(()),
    }
}

/// `ProxyPass` and `ProxyPassMatch` in a server; in a `<Location>` the path is the section's.
pub(super) fn proxy_pass(name: &str, words: &[Box<[u8]>], in_location: bool) -> Result<(), String> {
    if in_location {
        // The path is the section's; expressions are worked out later.
        let to: &[u8] = words.first().map_or(b"", |word| word);
        if words.get(1).is_some_and(|word| !word.contains(&b'=')) {
            return Err("ProxyPass|ProxyPassMatch can not have a path when defined in a location.".into());
        }
        let fine = *to == *b"!" || memchr::memmem::find(to, b"://").is_some() || to.contains(&b'%');
        return if fine { Ok(()) } else { Err(format!("{name} URL must be absolute!: {}", lossy(to))) };
    }
    let [_, to, rest @ ..] = words else { return Err(format!("{name} needs a path when not defined in a location")) };
    let absolute = memchr::memmem::find(to, b"://").is_some_and(|at| at > 0);
    if **to != *b"!" && !absolute {
        return Err(format!("{name} URL must be absolute!: {}", lossy(to)));
    }
    let bare = |word: &[u8]| among(word, &["nocanon", "interpolate", "noquery"]);
    match rest.iter().find(|word| !word.contains(&b'=') && !bare(word)) {
        Some(_) => Err(format!("Invalid {name} parameter. Parameter must be in the form 'key=value'.")),
        None => Ok(()),
    }
}

/// `Mutex MECHANISM[:…] [names] [OmitPID]`.
fn mutex(words: &[impl AsRef<[u8]>]) -> Result<(), String> {
    let one = words.first().map_or(&b""[..], AsRef::as_ref);
    let kind = memchr::memchr(b':', one).map_or(one, |at| &one[..at]);
    let known = ["none", "default", "no", "yes", "flock", "fcntl", "file", "sem", "posixsem", "sysvsem", "pthread"];
    let for_all = words.len() < 2 || words.get(1).is_some_and(|word| among(word.as_ref(), &["default"]));
    if among(kind, &["none", "no"]) && for_all {
        return Err("None is not allowed for mutex type default".into());
    }
    if among(kind, &known) { Ok(()) } else { Err(format!("Invalid Mutex argument {}", lossy(one))) }
}

/// `header=20-40,MinRate=500` and its like.
fn read_timeout(word: &[u8]) -> Result<(), String> {
    let fail = |what: &str| Err(format!("RequestReadTimeout: {}: {what}", lossy(word)));
    let Some(at) = memchr::memchr(b'=', word) else {
        return fail("parameter must be in the form 'key=value'");
    };
    if !among(&word[..at], &["handshake", "header", "body"]) {
        return fail("Unknown RequestReadTimeout parameter");
    }
    let mut parts = word[at + 1..].split(|&byte| byte == b',');
    let mut times = parts.next().unwrap_or_default().split(|&byte| byte == b'-');
    let is_number = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let (first, most) = (times.next().unwrap_or_default(), times.next());
    let rate = parts.next();
    if let Some(most) = most {
        if rate.is_none() {
            return fail("Must set MinRate option if using timeout range");
        }
        if !is_number(most) || number(most) <= number(first) {
            return fail("Maximum timeout must be larger than initial timeout");
        }
    }
    if !is_number(first) {
        return fail("Value not numerical");
    }
    match rate.map(|rate| rate.split_at(rate.len().min(8))) {
        None => Ok(()),
        Some((key, value)) if among(key, &["minrate="]) && is_number(value) && number(value) > 0 => Ok(()),
        Some((key, _)) if among(key, &["minrate="]) => fail("Minimum data rate must be larger than 0"),
        Some(_) => fail("Cannot parse what stands behind the comma"),
    }
}

/// `%%`, `%p`, and `%N.M` with `-` and `+`.
fn is_host_format(format: &[u8]) -> bool {
    let mut rest = format;
    while let Some(at) = memchr::memchr(b'%', rest) {
        rest = &rest[at + 1..];
        match rest.first() {
            Some(b'%' | b'p') => rest = &rest[1..],
            _ => {
                let Some(after) = part(rest) else { return false };
                rest = after;
                if let Some(after) = rest.strip_prefix(b".") {
                    let Some(after) = part(after) else { return false };
                    rest = after;
                }
            }
        }
    }
    true
}

/// `-2+`: what stands behind it.
fn part(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (first, rest) = text.split_first()?;
    first.is_ascii_digit().then(|| rest.strip_prefix(b"+").unwrap_or(rest))
}
