//! From a URI to a file name (facts ).

use super::context::ResolveContext;
use super::redirects::{pathless, redirect, redirect_of};
use super::user_dirs;
use super::walk::SectionRef;
use crate::httpd::expression::evaluate::{RequestVariables, text};
use crate::httpd::model::rewrite::{Forced, Rewritten, Rules, Start, scheme};
use crate::httpd::model::section::Matcher;
use crate::httpd::model::server::{Alias, Passed};
use crate::httpd::syntax::path::path_of;
use crate::httpd::syntax::uri;

/// The part of a URI that stands for a directory outside the document root, without slashes at their ends; empty: none.
#[derive(Clone, Debug, Default)]
pub(super) struct AliasContext {
    pub prefix: Vec<u8>,
    pub root: Vec<u8>,
}

/// The result of mapping a URI.
pub(super) enum Mapped {
    File(Box<Place>),
    Redirect {
        status: u16,
        to: Option<Vec<u8>>,
        because: String,
    },
    Answer {
        status: u16,
        because: String,
    },
    /// A rule answers, or redirects to `to`: what the request is about so far, an error page say, counts no more.
    Ruled {
        status: u16,
        to: Option<Vec<u8>>,
        because: String,
    },
    /// Another server has it, at this URL.
    Passed {
        to: Vec<u8>,
        because: String,
    },
}

/// A file, and how it was found.
#[derive(Default)]
pub(super) struct Place {
    pub filename: Vec<u8>,
    pub uri: Vec<u8>,
    pub query: Option<Vec<u8>>,
    pub forced: Forced,
    /// The status that a rule has given it.
    pub status: Option<u16>,
    pub alias_context: AliasContext,
    /// `[END]`
    pub end: bool,
    /// `ScriptAlias`
    pub script: bool,
    /// A proxy handles it: `<Directory>` sections do not apply.
    pub passed: bool,
}

/// A request that is passed to another server: its status is not known here.
fn passed_on(to: &[u8], origin: &crate::origin::Origin, by: &str) -> Mapped {
    let because = format!(
        "{origin}: passed on to another server ({by}), which answers whatever it will; no file of this one is served"
    );
    Mapped::Passed { to: to.to_vec(), because }
}

/// What `ProxyPass` does to a path. `None`: it does not match. `Some(None)`: it excludes the path from being passed on.
fn proxied(context: &ResolveContext<'_>, one: &Passed, path: &[u8], query: Option<&[u8]>) -> Option<Option<Mapped>> {
    let to = match &one.from {
        Matcher::Literal(from) => {
            let rest = alias(path, from)?;
            one.to.as_ref().map(|to| [to, rest].concat())
        }
        Matcher::Regex(regex) => {
            let groups = context.groups(regex, path, &one.origin)?;
            one.to.as_ref().map(|to| match to.contains(&b'$') {
                true => context.substitute(to, &groups, &one.origin),
                false => [to, path].concat(),
            })
        }
        _ => return None,
    };
    Some(to.map(|to| pass_to(&to, &one.origin, "ProxyPass", path, query)))
}

/// A request that is passed on: to FastCGI with a file, or to another server, whose answer is not known.
pub(super) fn pass_to(
    to: &[u8],
    origin: &crate::origin::Origin,
    by: &str,
    path: &[u8],
    query: Option<&[u8]>,
) -> Mapped {
    let Some(at) = memchr::memmem::find(to, b"fcgi://").filter(|&at| at == 0 || to[..at].ends_with(b"|")) else {
        return passed_on(to, origin, by);
    };
    let authority = at + b"fcgi://".len();
    let slash = memchr::memchr(b'/', &to[authority..]).map_or(to.len(), |end| authority + end);
    let handler = Some([b"proxy:", &to[..slash]].concat().into());
    Mapped::File(Box::new(Place {
        filename: tidy(to[slash..].to_vec()),
        uri: path.to_vec(),
        query: query.map(<[u8]>::to_vec),
        forced: Forced { handler, media_type: None },
        passed: true,
        ..Place::default()
    }))
}

/// The longest path of a system call, and what httpd leaves free of it.
const PATH_MAX: usize = 4096;
const ROOM: usize = 4;

/// Maps a decoded path: rewriting first, then user directories, aliases, the document root.
/// `sub`: for a subrequest; `located`: the sections that are known without a file, where they may matter; `ended`: no rewriting.
pub(super) fn map(
    context: &ResolveContext<'_>,
    server: usize,
    asked: (&[u8], Option<&[u8]>),
    (sub, ended): (bool, bool),
    located: &[SectionRef<'_>],
    variables: &dyn RequestVariables,
) -> Mapped {
    let (path, query) = asked;
    let own = located.iter().rev().find_map(|section| section.get().core.as_ref()?.passed.as_deref());
    let own = own.and_then(|one| proxied(context, one, path, query));
    if let Some(Some(mapped)) = own {
        return mapped;
    }
    let mut passed = context.layers(server).flat_map(|server| &server.proxied).filter(|_| own.is_none());
    if let Some(mapped) = passed.find_map(|one| proxied(context, one, path, query)).flatten() {
        return mapped;
    }
    let mut place = Place { uri: path.to_vec(), query: query.map(<[u8]>::to_vec), ..Place::default() };
    if !ended && let Some(mapped) = rewrite(context, server, sub, &mut place, variables) {
        return mapped;
    }
    if !place.filename.is_empty() {
        return Mapped::File(Box::new(place));
    }
    let (path, query) = (place.uri.clone(), place.query.clone());
    // The redirects without a path of locations and conditions apply before there is a file.
    if let Some(found) = pathless(located).and_then(|one| redirect_of(context, one, &path, query.as_deref(), variables))
    {
        return found;
    }
    for server in context.layers(server) {
        if let Some(core) = &server.section.core
            && let Some(found) = redirect(context, &core.redirects, &path, query.as_deref(), variables)
        {
            return found;
        }
    }
    let found = user_dirs::file(context, server, &path)
        .map(|(file, root)| {
            let end = path[1..].iter().position(|&b| b == b'/').map_or(path.len(), |at| at + 1);
            (file, AliasContext { prefix: path[..end].to_vec(), root }, false)
        })
        .or_else(|| location_alias(context, located, variables))
        .or_else(|| context.layers(server).find_map(|server| alias_file(context, &server.aliases, &path)))
        .or_else(|| virtual_file(context, server, &path, variables).map(|file| (file, AliasContext::default(), false)));
    let Some((filename, alias_context, script)) = found else {
        let filename = under_root(context, server, &path);
        if filename.len() + ROOM >= PATH_MAX {
            let because = format!("the path is longer than {PATH_MAX} bytes, which httpd maps to no file");
            return Mapped::Answer { status: 403, because };
        }
        return Mapped::File(Box::new(Place { filename, ..place }));
    };
    Mapped::File(Box::new(Place { filename: tidy(filename), alias_context, script, ..place }))
}

/// Cleans a path as httpd does: no double slashes, no dots.
pub(super) fn tidy(path: Vec<u8>) -> Vec<u8> {
    let clean = !path.windows(2).any(|two| two == b"//") && memchr::memmem::find(&path, b"/.").is_none();
    if clean {
        return path;
    }
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    let mut segments = path.split(|&b| b == b'/').peekable();
    out.push(b'/');
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"" | b"." => {}
            b".." => {
                out.pop();
                while out.last().is_some_and(|&b| b != b'/') {
                    out.pop();
                }
                if out.is_empty() {
                    out.push(b'/');
                }
            }
            other => {
                out.extend_from_slice(other);
                if !last {
                    out.push(b'/');
                }
            }
        }
    }
    out
}

/// Runs the server's rules. `None`: mapping goes on with the path in `place`, or with its file if a rule named one.
fn rewrite(
    context: &ResolveContext<'_>,
    server: usize,
    sub: bool,
    place: &mut Place,
    variables: &dyn RequestVariables,
) -> Option<Mapped> {
    // A host without rules has none, unless it inherits the main server's.
    let servers = [Some(context.main()), context.host(server)].into_iter().flatten();
    let mut rules = Rules::default();
    for server in servers {
        // `RewriteEngine` is not inherited from the main server.
        rules.engine = false;
        rules = rules.merge(server.section.core.as_ref().and_then(|core| core.rewrite.as_deref()));
    }
    if !rules.engine || place.uri.first() != Some(&b'/') {
        return None;
    }
    let start = Start { filename: &place.uri, path_info: b"", directory: None, query: place.query.as_deref(), sub };
    let done = match rules.run(start, variables) {
        Rewritten::Done(done) => *done,
        Rewritten::Status(status, origin, why) => return Some(rule_answer(status, &origin, why)),
    };
    place.end = done.end;
    place.forced = done.forced;
    if !done.changed {
        return None;
    }
    let before = std::mem::replace(&mut place.query, done.query);
    if done.proxy {
        return Some(pass_to(&done.filename, &done.origin, "RewriteRule [P]", &place.uri, place.query.as_deref()));
    }
    // With `[PT]` the result is always a path, even if it looks like a URL: one that is refused.
    let far = scheme(&done.filename).filter(|_| !done.pass_through);
    if (far.is_none() || done.no_escape)
        && let Some(answer) = control_in(place.query.as_deref(), &done.origin)
    {
        return Some(answer);
    }
    if let Some(start) = far {
        let to = far_away(&done.filename, start, place.query.as_deref(), before.as_deref(), done.no_escape);
        return Some(Mapped::Ruled {
            status: done.status.unwrap_or(302),
            to: Some(to),
            because: format!("{}: RewriteRule redirects", done.origin),
        });
    }
    place.status = done.status;
    if done.pass_through && done.filename.first() == Some(&b'/') {
        place.uri = done.filename;
        return None;
    }
    if done.filename.first() != Some(&b'/') {
        let because = format!("{}: RewriteRule makes a path without a slash in front", done.origin);
        return Some(Mapped::Answer { status: 400, because });
    }
    place.filename =
        if on_disk(context, &done.filename) { done.filename } else { under_root(context, server, &done.filename) };
    None
}

/// The answer of a rule.
pub(super) fn rule_answer(status: u16, origin: &crate::origin::Origin, why: Option<&str>) -> Mapped {
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    Mapped::Ruled { status, to: None, because: format!("{origin}: RewriteRule{why}") }
}

/// A query with blanks or control characters is refused.
pub(super) fn control_in(query: Option<&[u8]>, origin: &crate::origin::Origin) -> Option<Mapped> {
    query?.iter().any(|&byte| byte <= b' ' || byte == 0x7f).then(|| Mapped::Answer {
        status: 403,
        because: format!("{origin}: RewriteRule leaves a blank or a control character in the query"),
    })
}

/// The target of a redirect, escaped, with the query. `start`: the length of its scheme.
pub(super) fn far_away(
    url: &[u8],
    start: usize,
    query: Option<&[u8]>,
    before: Option<&[u8]>,
    as_it_is: bool,
) -> Vec<u8> {
    let mut out = url.to_vec();
    if !as_it_is {
        let path = memchr::memchr(b'/', &url[start..]).map_or(url.len(), |at| start + at);
        out = [&url[..path], &uri::escape(&url[path..])].concat();
    }
    if let Some(query) = query {
        let same = as_it_is || before == Some(query);
        out.push(b'?');
        out.extend(if same { query.to_vec() } else { uri::escape(query) });
    }
    out
}

/// Whether a rewritten path begins with something that is on the disk.
fn on_disk(context: &ResolveContext<'_>, path: &[u8]) -> bool {
    let end = memchr::memchr(b'/', path.get(1..).unwrap_or_default()).map_or(path.len(), |at| at + 1);
    end > 1 && context.files.kind(path_of(&path[..end])).is_ok()
}

fn under_root(context: &ResolveContext<'_>, server: usize, path: &[u8]) -> Vec<u8> {
    let root = context.document_root(server);
    let mut out = root.strip_suffix(b"/").unwrap_or(root).to_vec();
    out.extend_from_slice(path);
    tidy(out)
}

/// The rest of a path after a prefix that ends at a slash.
pub(super) fn alias<'p>(path: &'p [u8], prefix: &[u8]) -> Option<&'p [u8]> {
    let rest = path.strip_prefix(prefix)?;
    let fine = prefix.ends_with(b"/") || rest.is_empty() || rest[0] == b'/';
    fine.then_some(rest)
}

/// The `Alias` of the last location that has one: it comes before those of servers.
fn location_alias(
    context: &ResolveContext<'_>,
    located: &[SectionRef<'_>],
    variables: &dyn RequestVariables,
) -> Option<(Vec<u8>, AliasContext, bool)> {
    let ((to, script), origin) =
        located.iter().rev().find_map(|section| section.get().core.as_ref()?.alias.as_ref())?;
    match text(to, variables) {
        Ok(to) if to.starts_with(b"/") => Some((to, AliasContext::default(), *script)),
        Ok(to) => Some(([context.root(), b"/".to_vec(), to].concat(), AliasContext::default(), *script)),
        Err(why) => {
            variables.doubt(format!("{origin}: Alias depends on {why}, which is not known here; taken as none"));
            None
        }
    }
}

fn alias_file(context: &ResolveContext<'_>, aliases: &[Alias], path: &[u8]) -> Option<(Vec<u8>, AliasContext, bool)> {
    aliases.iter().find_map(|one| {
        let (made, alias_context) = match &one.from {
            Matcher::Literal(from) => {
                let prefix = from.strip_suffix(b"/").unwrap_or(from).to_vec();
                let root = one.to.strip_suffix(b"/").unwrap_or(&one.to).to_vec();
                ([&*one.to, alias(path, from)?].concat(), AliasContext { prefix, root })
            }
            Matcher::Regex(regex) => (
                context.substitute(&one.to, &context.groups(regex, path, &one.origin)?, &one.origin),
                AliasContext::default(),
            ),
            _ => return None,
        };
        let made = if made.starts_with(b"/") { made } else { [context.root(), b"/".to_vec(), made].concat() };
        Some((made, alias_context, one.script))
    })
}

fn virtual_file(
    context: &ResolveContext<'_>,
    server: usize,
    path: &[u8],
    variables: &dyn RequestVariables,
) -> Option<Vec<u8>> {
    virtual_root(context, server, variables).map(|root| [&root, path].concat())
}

/// What `VirtualDocumentRoot` names for the request's host, without a slash at its end: `%0` the whole name, `%N`, `%-N`, `%N+` its parts.
pub(super) fn virtual_root(
    context: &ResolveContext<'_>,
    server: usize,
    variables: &dyn RequestVariables,
) -> Option<Vec<u8>> {
    let pattern = context.layers(server).find_map(|server| server.virtual_root.as_deref())?;
    let name = variables.variable(b"SERVER_NAME")?.to_ascii_lowercase();
    let port = variables.variable(b"SERVER_PORT").unwrap_or_default();
    let parts: Vec<&[u8]> = name.split(|&b| b == b'.').collect();
    let mut out = Vec::new();
    let mut at = 0;
    while at < pattern.len() {
        if pattern[at] != b'%' {
            out.push(pattern[at]);
            at += 1;
            continue;
        }
        match pattern.get(at + 1)? {
            b'%' => out.push(b'%'),
            b'p' => out.extend_from_slice(&port),
            _ => {
                let used = interpolate(&pattern[at + 1..], &name, &parts, &mut out)?;
                at += used + 1;
                continue;
            }
        }
        at += 2;
    }
    Some(out.strip_suffix(b"/").unwrap_or(&out).to_vec())
}

/// One `%` part, without the `%`; the answer is its length.
fn interpolate(text: &[u8], name: &[u8], parts: &[&[u8]], out: &mut Vec<u8>) -> Option<usize> {
    let back = text.first() == Some(&b'-');
    let digit = text.get(usize::from(back)).filter(|b| b.is_ascii_digit())?;
    let number = usize::from(digit - b'0');
    let mut used = usize::from(back) + 1;
    let more = text.get(used) == Some(&b'+');
    used += usize::from(more);
    let piece: Vec<u8> = match (number, back, more) {
        (0, ..) => name.to_vec(),
        (n, false, false) => parts.get(n - 1).map_or(b"_".to_vec(), |part| part.to_vec()),
        (n, false, true) => parts.get(n - 1..).filter(|p| !p.is_empty()).map_or(b"_".to_vec(), |p| p.join(&b'.')),
        (n, true, false) => parts.len().checked_sub(n).map_or(b"_".to_vec(), |at| parts[at].to_vec()),
        (n, true, true) => parts.len().checked_sub(n).map_or(b"_".to_vec(), |at| parts[..=at].join(&b'.')),
    };
    // `%2.1` is a letter of a part.
    if text.get(used) == Some(&b'.')
        && let Some(letter) = text.get(used + 1).filter(|b| b.is_ascii_digit() && **b != b'0')
    {
        out.push(piece.get(usize::from(letter - b'1')).copied().unwrap_or(b'_'));
        return Some(used + 2);
    }
    out.extend_from_slice(&piece);
    Some(used)
}
