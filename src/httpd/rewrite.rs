//! mod_rewrite, as far as it decides which file answers: rules, conditions, and the flags that steer them.

use super::evaluate::Facts;
use super::pattern::{Bad, Pattern};
use super::rewrite_flags::{Flags, flags_of};
use super::rewrite_map::Map;
use super::words::Words;
use crate::files::Kind;
use crate::origin::Origin;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Rounds of one rule set (`[N]`).
const MAX_ROUNDS: u32 = 100;

/// The rules of one container.
#[derive(Debug, Default)]
pub(super) struct RewriteConfig {
    pub engine: Option<bool>,
    pub base: Option<Box<[u8]>>,
    pub rules: Vec<Rule>,
    pub maps: Vec<Map>,
    /// `RewriteOptions`, where they are given.
    pub inherit: Option<Inherit>,
    pending: Vec<Condition>,
}

/// What becomes of the rules around a container's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Inherit {
    after: bool,
    before: bool,
    down: bool,
    down_before: bool,
    ignore: bool,
    base: bool,
}

impl Inherit {
    /// The words of `RewriteOptions`; those that are about other things change nothing here.
    pub fn parse(words: impl Iterator<Item = impl AsRef<[u8]>>) -> Self {
        let mut new = Self::default();
        for word in words {
            match &*word.as_ref().to_ascii_lowercase() {
                b"inherit" => new.after = true,
                b"inheritbefore" => new.before = true,
                b"inheritdown" => new.down = true,
                b"inheritdownbefore" => new.down_before = true,
                b"ignoreinherit" => new.ignore = true,
                b"mergebase" => new.base = true,
                _ => {}
            }
        }
        new
    }
}

/// The rules of several containers, merged from the outside in.
#[derive(Debug, Default)]
pub(super) struct Rules<'r> {
    pub engine: bool,
    pub base: Option<&'r [u8]>,
    inherit: Inherit,
    rules: Vec<&'r Rule>,
    maps: Vec<&'r Map>,
}

impl<'r> Rules<'r> {
    /// What holds in `inner` (none: a container without any), where these hold around it.
    pub fn merge(self, inner: Option<&'r RewriteConfig>) -> Self {
        let inherit = inner.and_then(|inner| inner.inherit).unwrap_or(self.inherit);
        let own = inner.into_iter().flat_map(|inner| &inner.rules);
        let (rules, keeps) = if inherit.after || (self.inherit.down && !inherit.ignore) {
            (own.chain(self.rules).collect(), true)
        } else if inherit.before || (self.inherit.down_before && !inherit.ignore) {
            (self.rules.into_iter().chain(own).collect(), true)
        } else {
            (own.collect(), false)
        };
        let outer = self.maps.into_iter().filter(|_| keeps);
        let base = inner.and_then(|inner| inner.base.as_deref()).or(self.base.filter(|_| inherit.base));
        let maps = inner.into_iter().flat_map(|inner| &inner.maps).chain(outer).collect();
        // A directory without RewriteEngine goes on with that of the one around it.
        let engine = inner.and_then(|inner| inner.engine).unwrap_or(self.engine);
        Self { engine, base, inherit, rules, maps }
    }
}

#[derive(Debug)]
pub(super) struct Rule {
    conditions: Vec<Condition>,
    pattern: Pattern,
    not: bool,
    to: Box<[u8]>,
    flags: Flags,
    pub origin: Origin,
}

#[derive(Debug)]
struct Condition {
    text: Box<[u8]>,
    test: Test,
    not: bool,
    or_next: bool,
}

#[derive(Debug)]
enum Test {
    Regex(Pattern),
    Same(Box<[u8]>),
    Less(Box<[u8]>),
    Greater(Box<[u8]>),
    File(u8),
    /// Something that is not answered here.
    Beyond,
}

/// What the rules made of a path.
#[derive(Debug)]
pub(super) enum Rewritten {
    Unchanged,
    /// A new path (in a server: a URI or a file; in a directory: below it), a new query, and where.
    Path {
        path: Vec<u8>,
        query: Option<Vec<u8>>,
        pass_through: bool,
        end: bool,
        handler: Option<Box<[u8]>>,
    },
    Redirect {
        to: Vec<u8>,
        status: u16,
        origin: Origin,
    },
    Status(u16, Origin),
    Proxied(Origin),
}

impl RewriteConfig {
    /// `RewriteCond`; what it asks for and cannot be answered is named.
    pub fn condition(&mut self, args: &[u8]) -> Result<Option<&'static str>, String> {
        let mut words = Words::new(args);
        let (text, pattern, flags) = (words.word(), words.word(), words.next());
        if pattern.is_empty() {
            return Err("RewriteCond: bad argument line".into());
        }
        let flags = flags_of(flags.as_deref())?;
        let (not, pattern) = match pattern.strip_prefix(b"!") {
            Some(rest) => (true, rest),
            None => (false, &*pattern),
        };
        let test = match pattern {
            [b'-', letter @ (b'f' | b'd' | b's' | b'l' | b'L' | b'h' | b'F' | b'U' | b'x' | b'e')] => {
                Test::File(*letter)
            }
            [b'=', rest @ ..] => {
                Test::Same(rest.strip_prefix(b"\"").and_then(|r| r.strip_suffix(b"\"")).unwrap_or(rest).into())
            }
            [b'<', rest @ ..] if !rest.starts_with(b"=") => Test::Less(rest.into()),
            [b'>', rest @ ..] if !rest.starts_with(b"=") => Test::Greater(rest.into()),
            [b'-', b'a'..=b'z', b'a'..=b'z', ..] => Test::Beyond,
            _ if text.eq_ignore_ascii_case(b"expr") => Test::Beyond,
            regex => match Pattern::new(regex, flags.any_case) {
                Ok(regex) => Test::Regex(regex),
                Err(Bad::Syntax) => return Err("RewriteCond: cannot compile regular expression".into()),
                Err(Bad::Unsupported) => Test::Beyond,
            },
        };
        let beyond = match test {
            Test::Beyond => Some("this test"),
            Test::File(b'F' | b'U') => Some("a subrequest: the file is looked for instead"),
            Test::File(b'x') => Some("whether the file may be executed"),
            _ => None,
        };
        self.pending.push(Condition { text: text.into_owned().into(), test, not, or_next: flags.or_next });
        Ok(beyond)
    }

    /// `RewriteRule`; a pattern that cannot be used is named, and the rule left out.
    pub fn rule(&mut self, args: &[u8], origin: Origin) -> Result<Option<&'static str>, String> {
        let mut words = Words::new(args);
        let (pattern, to, flags) = (words.word(), words.word(), words.next());
        if to.is_empty() {
            return Err("RewriteRule: bad argument line".into());
        }
        let flags = flags_of(flags.as_deref())?;
        let (not, pattern) = match pattern.strip_prefix(b"!") {
            Some(rest) => (true, rest),
            None => (false, &*pattern),
        };
        let conditions = std::mem::take(&mut self.pending);
        let pattern = match Pattern::new(pattern, flags.any_case) {
            Ok(pattern) => pattern,
            Err(Bad::Syntax) => return Err("RewriteRule: cannot compile regular expression".into()),
            Err(Bad::Unsupported) => return Ok(Some("this pattern: the rule is left out")),
        };
        self.rules.push(Rule { conditions, pattern, not, to: to.into_owned().into(), flags, origin });
        Ok(None)
    }
}

impl Rules<'_> {
    /// Runs the rules over a path.
    pub fn run(&self, path: &[u8], query: Option<&[u8]>, at: Place, facts: &dyn Facts) -> Rewritten {
        let query = query.map(<[u8]>::to_vec);
        let mut state =
            State { path: path.to_vec(), query, place: at, maps: &self.maps, changed: None, redirect: None };
        let (mut at, mut rounds) = (0, 0);
        while let Some(rule) = self.rules.get(at) {
            at += 1;
            if state.place.sub && rule.flags.redirect.is_some() {
                continue;
            }
            let Some(groups) = rule.applies(&state, facts) else {
                // A chain whose first rule does not apply is skipped as a whole.
                while rule.flags.chain && self.rules.get(at - 1).is_some_and(|rule| rule.flags.chain) {
                    at += 1;
                }
                continue;
            };
            if let Some(answer) = rule.act(&mut state, &groups, facts) {
                return answer;
            }
            if rule.flags.next && rounds < MAX_ROUNDS {
                rounds += 1;
                at = 0;
                continue;
            }
            if rule.flags.last || rule.flags.end || rule.flags.pass_through {
                let (pass_through, end) = (rule.flags.pass_through, rule.flags.end);
                return state.finish(pass_through, end, rule.flags.handler.clone());
            }
            at += rule.flags.skip as usize;
        }
        state.finish(false, false, None)
    }
}

/// Where the rules stand, and what for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// In a server or virtual host, not in a directory.
    pub server: bool,
    /// For a subrequest, which is never sent elsewhere.
    pub sub: bool,
}

struct State<'r> {
    path: Vec<u8>,
    query: Option<Vec<u8>>,
    place: Place,
    maps: &'r [&'r Map],
    changed: Option<Origin>,
    /// `[R]` has been met: the rules after it go on with the whole URL.
    redirect: Option<(u16, Origin)>,
}

impl State<'_> {
    fn finish(self, pass_through: bool, end: bool, handler: Option<Box<[u8]>>) -> Rewritten {
        if let Some((status, origin)) = self.redirect {
            let query = self.query.iter().flat_map(|query| [&b"?"[..], query]);
            let to = std::iter::once(&self.path[..]).chain(query).collect::<Vec<_>>().concat();
            return Rewritten::Redirect { to, status, origin };
        }
        match self.changed {
            Some(_) => Rewritten::Path { path: self.path, query: self.query, pass_through, end, handler },
            None => Rewritten::Unchanged,
        }
    }
}

type Groups = Vec<Option<Vec<u8>>>;

impl Rule {
    /// The groups of the rule and of its last condition.
    fn applies(&self, state: &State<'_>, facts: &dyn Facts) -> Option<(Groups, Groups)> {
        let found = self.pattern.groups(&state.path).ok()?;
        if found.is_some() == self.not {
            return None;
        }
        let groups = found.unwrap_or_default();
        let mut last = Vec::new();
        let mut alternatives = false;
        for (at, condition) in self.conditions.iter().enumerate() {
            let chained = at > 0 && self.conditions[at - 1].or_next;
            if chained && alternatives {
                continue;
            }
            alternatives = condition.holds(&groups, &mut last, state, facts);
            if !alternatives && !condition.or_next {
                return None;
            }
        }
        Some((groups, last))
    }

    fn act(&self, state: &mut State<'_>, groups: &(Groups, Groups), facts: &dyn Facts) -> Option<Rewritten> {
        if let Some(status) = self.flags.status {
            return Some(Rewritten::Status(status, self.origin.clone()));
        }
        if *self.to == *b"-" {
            if self.flags.handler.is_some() {
                state.changed = Some(self.origin.clone());
            }
            return None;
        }
        let made = match self.flags.escape {
            true => expand(&self.to, &escaped(&groups.0), &escaped(&groups.1), state, facts),
            false => expand(&self.to, &groups.0, &groups.1, state, facts),
        };
        let (path, query) = match memchr::memchr(b'?', &made) {
            Some(at) => (made[..at].to_vec(), Some(made[at + 1..].to_vec())),
            None => (made, None),
        };
        state.query = match (query, state.query.take()) {
            (Some(new), Some(old)) if self.flags.append_query && !new.is_empty() => {
                Some([&new[..], b"&", &old].concat())
            }
            (Some(new), _) => Some(new).filter(|new| !new.is_empty()),
            (None, _) if self.flags.discard_query => None,
            (None, old) => old,
        };
        state.path = path;
        state.changed = Some(self.origin.clone());
        if state.place.server && !state.path.starts_with(b"/") && !is_url(&state.path) {
            state.path.insert(0, b'/');
        }
        if self.flags.proxy {
            return Some(Rewritten::Proxied(self.origin.clone()));
        }
        state.redirect = match self.flags.redirect {
            Some(status) => {
                if state.path.starts_with(b"/") {
                    state.path = qualified(&state.path, facts);
                }
                Some((status, self.origin.clone()))
            }
            None => is_url(&state.path).then(|| (302, self.origin.clone())),
        };
        None
    }
}

/// `[B]`: what groups hold, as it may stand in a query.
fn escaped(groups: &Groups) -> Groups {
    let escape = |group: &Vec<u8>| {
        group.iter().fold(Vec::new(), |mut out, &byte| {
            match byte {
                b' ' => out.push(b'+'),
                _ if byte.is_ascii_alphanumeric() || byte == b'_' => out.push(byte),
                _ => out.extend_from_slice(format!("%{byte:02x}").as_bytes()),
            }
            out
        })
    };
    groups.iter().map(|group| group.as_ref().map(escape)).collect()
}

fn is_url(path: &[u8]) -> bool {
    path.starts_with(b"http://") || path.starts_with(b"https://")
}

/// A path of this server as a URL.
fn qualified(path: &[u8], facts: &dyn Facts) -> Vec<u8> {
    let fact = |name: &[u8]| facts.variable(name).unwrap_or_default();
    let (scheme, port) = (fact(b"REQUEST_SCHEME"), fact(b"SERVER_PORT"));
    let usual: &[u8] = if scheme.eq_ignore_ascii_case(b"https") { b"443" } else { b"80" };
    let port = if port == usual { Vec::new() } else { [b":", &port[..]].concat() };
    [&scheme[..], b"://", &fact(b"SERVER_NAME"), &port, path].concat()
}

impl Condition {
    fn holds(&self, groups: &Groups, last: &mut Groups, state: &State<'_>, facts: &dyn Facts) -> bool {
        let text = expand(&self.text, groups, last, state, facts);
        let path = Path::new(std::ffi::OsStr::from_bytes(&text));
        let kind = || facts.files().kind(path);
        let yes = match &self.test {
            Test::Regex(regex) => match regex.groups(&text) {
                Ok(Some(found)) => {
                    *last = found;
                    true
                }
                _ => false,
            },
            Test::Same(other) => text == **other,
            Test::Less(other) => text < other.to_vec(),
            Test::Greater(other) => text > other.to_vec(),
            Test::File(b'f' | b'F') => matches!(kind(), Ok(Kind::File)),
            Test::File(b'd') => matches!(kind(), Ok(Kind::Directory)),
            Test::File(b's') => facts.files().read(path).is_ok_and(|bytes| !bytes.is_empty()),
            Test::File(b'l' | b'L' | b'h') => facts.files().is_symlink(path),
            Test::File(b'e') => kind().is_ok(),
            Test::File(_) | Test::Beyond => false,
        };
        yes != self.not
    }
}

/// `$1`, `%1`, `%{NAME}` put in.
fn expand(text: &[u8], groups: &Groups, last: &Groups, state: &State<'_>, facts: &dyn Facts) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 32);
    let mut at = 0;
    let group = |list: &Groups, digit: u8| list.get(usize::from(digit - b'0')).cloned().flatten().unwrap_or_default();
    while at < text.len() {
        match &text[at..] {
            [b'\\', next, ..] => {
                out.push(*next);
                at += 2;
            }
            [b'$', digit @ b'0'..=b'9', ..] => {
                out.extend(group(groups, *digit));
                at += 2;
            }
            [b'%', digit @ b'0'..=b'9', ..] => {
                out.extend(group(last, *digit));
                at += 2;
            }
            [b'$', b'{', rest @ ..] if closing(rest).is_some() => {
                let end = closing(rest).unwrap_or(0);
                out.extend(mapped(&rest[..end], groups, last, state, facts));
                at += end + 3;
            }
            [b'%', b'{', rest @ ..] if memchr::memchr(b'}', rest).is_some() => {
                let end = memchr::memchr(b'}', rest).unwrap_or(0);
                out.extend(variable(&rest[..end], state, facts));
                at += end + 3;
            }
            rest => {
                out.push(rest[0]);
                at += 1;
            }
        }
    }
    out
}

/// Where the brace that was opened before `text` closes.
fn closing(text: &[u8]) -> Option<usize> {
    let mut depth = 0;
    text.iter().position(|&byte| {
        depth += i32::from(byte == b'{') - i32::from(byte == b'}');
        depth < 0
    })
}

/// `map:key|default`, each part expanded by itself.
fn mapped(text: &[u8], groups: &Groups, last: &Groups, state: &State<'_>, facts: &dyn Facts) -> Vec<u8> {
    let (name, rest) = match memchr::memchr(b':', text) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &b""[..]),
    };
    let mut depth = 0;
    let bar = rest.iter().position(|&byte| {
        depth += i32::from(byte == b'{') - i32::from(byte == b'}');
        byte == b'|' && depth == 0
    });
    let (key, default) = bar.map_or((rest, &b""[..]), |at| (&rest[..at], &rest[at + 1..]));
    let key = expand(key, groups, last, state, facts);
    let map = state.maps.iter().find(|map| *map.name == *name);
    map.and_then(|map| map.value(&key, facts.files())).unwrap_or_else(|| expand(default, groups, last, state, facts))
}

fn variable(name: &[u8], state: &State<'_>, facts: &dyn Facts) -> Vec<u8> {
    if let Some(header) = name.strip_prefix(b"HTTP:") {
        return facts.header(header).unwrap_or_default();
    }
    if let Some(name) = name.strip_prefix(b"ENV:") {
        return facts.environment(name).unwrap_or_default();
    }
    if name == b"QUERY_STRING" {
        return state.query.clone().unwrap_or_default();
    }
    facts.variable(name).unwrap_or_default()
}
