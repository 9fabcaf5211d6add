//! `Redirect` and its relatives: which one is in force, and the URL that it makes (facts ).

use super::context::ResolveContext;
use super::mapping::{Mapped, alias};
use super::walk::SectionRef;
use crate::httpd::expression::evaluate::{RequestVariables, text};
use crate::httpd::model::section::{Matcher, Redirect};
use crate::httpd::syntax::uri;

/// The schemes whose port is left out of a URL that is put together.
const PORTS: [(&[u8], u16); 20] = [
    (b"http", 80),
    (b"https", 443),
    (b"ftp", 21),
    (b"gopher", 70),
    (b"ldap", 389),
    (b"nntp", 119),
    (b"snews", 563),
    (b"imap", 143),
    (b"pop", 110),
    (b"sip", 5060),
    (b"rtsp", 554),
    (b"wais", 210),
    (b"z39.50r", 210),
    (b"z39.50s", 210),
    (b"prospero", 191),
    (b"nfs", 2049),
    (b"tip", 3372),
    (b"acap", 674),
    (b"telnet", 23),
    (b"ssh", 22),
];

/// The target of a redirect that was put together: all but its query and fragment is escaped, its password is hidden, and a port that is 0
/// or its scheme's own is left out. What stands behind an authority that is none is lost.
fn escaped(to: &[u8]) -> Vec<u8> {
    let end = memchr::memchr2(b'?', b'#', to).unwrap_or(to.len());
    let scheme = memchr::memchr2(b':', b'/', &to[..end]).filter(|&at| at > 0 && to[at..end].starts_with(b"://"));
    let Some(scheme) = scheme else { return [&uri::escape(&to[..end])[..], &to[end..]].concat() };
    let start = scheme + b"://".len();
    let path = memchr::memchr(b'/', &to[start..end]).map_or(end, |at| start + at);
    let Some((authority, is_whole)) = authority(&to[start..path], &to[..scheme]) else {
        return to[..=scheme].to_vec();
    };
    let rest = if is_whole { path } else { end };
    let tail = if is_whole { &to[end..] } else { b"" };
    [&to[..start], &uri::escape(&authority), &uri::escape(&to[rest..end]), tail].concat()
}

/// An authority as it is shown, and whether its port is a number; none: it has a bracket that is not closed.
fn authority(text: &[u8], scheme: &[u8]) -> Option<(Vec<u8>, bool)> {
    let host = memchr::memrchr(b'@', text).map_or(0, |at| at + 1);
    let bracket = if text[host..].starts_with(b"[") { memchr::memchr(b']', &text[host..])? } else { 0 };
    let colon = memchr::memchr(b':', &text[host + bracket..]).map(|at| host + bracket + at);
    let mut shown = match memchr::memchr(b':', &text[..host]) {
        Some(at) => [&text[..at], b":XXXXXXXX@"].concat(),
        None => text[..host].to_vec(),
    };
    shown.extend_from_slice(&text[host..colon.unwrap_or(text.len())]);
    let Some(port) = colon.map(|at| &text[at + 1..]) else { return Some((shown, true)) };
    // As C's strtol has it, in 16 bits.
    let digits = port.strip_prefix(b"-").or(port.strip_prefix(b"+")).unwrap_or(port);
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number =
        digits[..length].iter().fold(0u16, |sum, &byte| sum.wrapping_mul(10).wrapping_add(u16::from(byte - b'0')));
    let usual = PORTS.iter().find(|(own, _)| scheme.eq_ignore_ascii_case(own)).map_or(0, |&(_, port)| port);
    let number = if port.starts_with(b"-") { number.wrapping_neg() } else { number };
    if number != 0 && number != usual {
        shown.extend([b":", port].concat());
    }
    Some((shown, port.is_empty() || length > 0 && length == digits.len()))
}

/// The redirect without a path that is in force: of one container the last one counts, and inner containers replace it.
pub(super) fn pathless<'s>(sections: &'s [SectionRef<'_>]) -> Option<&'s Redirect> {
    let cores = sections.iter().rev().filter_map(|section| section.get().core.as_deref());
    cores.flat_map(|core| core.redirects.iter().rev()).find(|one| matches!(one.from, Matcher::Always))
}

/// `Redirect` and `RedirectMatch` with a path.
pub(super) fn redirect(
    context: &ResolveContext<'_>,
    list: &[Redirect],
    path: &[u8],
    query: Option<&[u8]>,
    variables: &dyn RequestVariables,
) -> Option<Mapped> {
    let mut with_path = list.iter().filter(|one| !matches!(one.from, Matcher::Always));
    with_path.find_map(|one| redirect_of(context, one, path, query, variables))
}

/// What one redirect does to a path; `None`: it is for others.
pub(super) fn redirect_of(
    context: &ResolveContext<'_>,
    one: &Redirect,
    path: &[u8],
    query: Option<&[u8]>,
    variables: &dyn RequestVariables,
) -> Option<Mapped> {
    let to = match &one.from {
        Matcher::Literal(from) => [&one.to[..], &uri::escape(alias(path, from)?)].concat(),
        Matcher::Regex(regex) => {
            escaped(&context.substitute(&one.to, &context.groups(regex, path, &one.origin)?, &one.origin))
        }
        Matcher::Always => match one.composed.as_ref().map(|word| text(word, variables)) {
            Some(Ok(to)) => escaped(&to),
            Some(Err(why)) => {
                variables.doubt(format!("{}: Redirect depends on {why}; taken as none", one.origin));
                return None;
            }
            None => one.to.to_vec(),
        },
        _ => return None,
    };
    let because = format!("{}: Redirect", one.origin);
    if !(300..400).contains(&one.status) {
        return Some(Mapped::Answer { status: one.status, because });
    }
    if to.first() != Some(&b'/') && memchr::memchr(b':', &to).is_none() {
        return Some(Mapped::Answer { status: 500, because: format!("{because} leads to what is no URL") });
    }
    let to = match query {
        Some(query) if memchr::memchr(b'?', &to).is_none() => [&to[..], b"?", query].concat(),
        _ => to,
    };
    Some(Mapped::Redirect { status: one.status, to: Some(to), because })
}
