//! mod_rewrite, as far as it decides which file answers: rules, conditions, and the flags that steer them.

use super::rewrite_cond::{Condition, Test};
use super::rewrite_expand::{
    Expansion, MOST_INSIDE, begins_query_unsafely, groups_escaped, mark_queries, nests_deeply,
};
use super::rewrite_flags::{self, Flags};
use super::rewrite_map::Map;
use super::section::Text;
use crate::httpd::expression::evaluate::RequestVariables;
use crate::httpd::expression::parse;
use crate::httpd::pattern::{Bad, Groups, Pattern};
use crate::httpd::syntax::modules::Scope;
use crate::httpd::syntax::tokens::{is_space, trim};
use crate::origin::Origin;

/// A path longer than this ends the request, as in httpd: twice its longest request line.
const MAX_PATH: usize = 2 * 8190;
/// What a rule may look at for one step.
const BYTES_OF_A_STEP: usize = 64;
/// Why rules are not followed to the end.
const TOO_MUCH: &str = "the rules of this request take more than 2 million steps: they lead to themselves, or what they make grows without end";
/// httpd has no bound for the query; here one that grows beyond this ends the request as well.
const MAX_QUERY: usize = 1 << 20;

/// The rules of one container.
#[derive(Debug, Default)]
pub(crate) struct RewriteConfig {
    pub engine: Option<bool>,
    pub base: Option<Box<[u8]>>,
    pub rules: Vec<Rule>,
    pub maps: Vec<Map>,
    /// `RewriteOptions`; `None`: not given.
    pub inherit: Option<Inherit>,
    pending: Vec<Condition>,
}

/// How a container inherits the rules around it, and other options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inherit {
    after: bool,
    before: bool,
    down: bool,
    down_before: bool,
    ignore: bool,
    base: bool,
    pub no_slash: bool,
}

impl Inherit {
    /// Takes the words of `RewriteOptions`. Options that do not matter here are accepted and change nothing.
    pub fn take(&mut self, words: impl Iterator<Item = impl AsRef<[u8]>>) -> Result<(), String> {
        for word in words {
            let word = word.as_ref();
            match &*word.to_ascii_lowercase() {
                b"inherit" => self.after = true,
                b"inheritbefore" => self.before = true,
                b"inheritdown" => self.down = true,
                b"inheritdownbefore" => self.down_before = true,
                b"ignoreinherit" => self.ignore = true,
                b"mergebase" => self.base = true,
                b"allownoslash" => self.no_slash = true,
                b"allowanyuri" | b"ignorecontextinfo" | b"legacyprefixdocroot" => {}
                other if other.starts_with(b"maxredirects=") => {}
                _ => return Err(format!("RewriteOptions: unknown option '{}'", String::from_utf8_lossy(word))),
            }
        }
        Ok(())
    }
}

/// The rules of several containers, merged from the outside in.
#[derive(Debug, Default)]
pub(crate) struct Rules<'r> {
    pub engine: bool,
    pub base: Option<&'r [u8]>,
    pub inherit: Inherit,
    rules: Vec<&'r Rule>,
    maps: Vec<&'r Map>,
}

impl<'r> Rules<'r> {
    /// The rules in force in `inner`, inside of these; `None`: a container without rewrite directives.
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
        // Without `RewriteEngine`, a directory inherits it.
        let engine = inner.and_then(|inner| inner.engine).unwrap_or(self.engine);
        Self { engine, base, inherit, rules, maps }
    }
}

#[derive(Debug)]
pub(crate) struct Rule {
    conditions: Vec<Condition>,
    pattern: Pattern,
    not: bool,
    to: Box<[u8]>,
    flags: Flags,
    pub origin: Origin,
}

/// The result of the rules.
#[derive(Debug)]
pub(crate) enum Rewritten {
    Done(Box<Changed>),
    /// The status, the rule that gives it, and another reason where it is no rule's own answer.
    Status(u16, Origin, Option<&'static str>),
}

/// A request after its rules.
#[derive(Debug)]
pub(crate) struct Changed {
    /// Whether a rule has replaced the path, or passes the request on.
    pub changed: bool,
    /// A path on the disk, a URI, or a URL.
    pub filename: Vec<u8>,
    pub query: Option<Vec<u8>>,
    /// The path behind the file is gone (`[DPI]`).
    pub no_path_info: bool,
    pub pass_through: bool,
    pub end: bool,
    pub proxy: bool,
    /// Characters are not to be escaped (`[NE]`).
    pub no_escape: bool,
    /// The status that `[R]` or a URL has given the request; none: no rule has. It stays where a later rule leads to a path again.
    pub status: Option<u16>,
    /// The rule that changed it last.
    pub origin: Origin,
    pub forced: Forced,
}

/// The handler and media type that `[H]` and `[T]` force.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forced {
    pub handler: Option<Text>,
    pub media_type: Option<Text>,
}

/// Two arguments, and a third that may be there.
type Arguments<'a> = (&'a [u8], &'a [u8], Option<&'a [u8]>);

/// The words of a rule or condition, split as mod_rewrite does, which keeps every backslash. `None`: there are fewer than
/// two.
fn arguments(line: &[u8]) -> Option<Arguments<'_>> {
    let mut rest = line;
    let mut found = [None; 3];
    for (at, place) in found.iter_mut().enumerate() {
        rest = &rest[rest.iter().position(|&byte| !is_space(byte)).unwrap_or(rest.len())..];
        if rest.is_empty() && at == 2 {
            break;
        }
        let quote = rest.first().copied().filter(|byte| matches!(byte, b'"' | b'\''));
        rest = &rest[usize::from(quote.is_some())..];
        let mut end = 0;
        while let Some(&byte) = rest.get(end) {
            if quote.map_or(is_space(byte), |quote| byte == quote) {
                break;
            }
            let escaped = byte == b'\\' && rest.get(end + 1).is_some_and(|&next| is_space(next));
            end += if escaped { 2 } else { 1 };
        }
        let end = end.min(rest.len());
        if end == rest.len() && at == 0 {
            return None;
        }
        *place = Some(&rest[..end]);
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    Some((found[0].unwrap_or_default(), found[1].unwrap_or_default(), found[2]))
}

impl RewriteConfig {
    /// `RewriteCond`. The answer names what the condition tests and cannot be evaluated here, if anything.
    pub fn condition(&mut self, args: &[u8], origin: Origin, scope: Scope) -> Result<Option<&'static str>, String> {
        let shown = String::from_utf8_lossy(args);
        let bad = || format!("RewriteCond: bad argument line '{shown}'");
        let (text, pattern, flags) = arguments(trim(args)).ok_or_else(bad)?;
        let flags = rewrite_flags::of_condition(flags).map_err(|error| format!("RewriteCond: {error}"))?;
        if nests_deeply(text) {
            return Err(format!("RewriteCond: more than {MOST_INSIDE} braces inside one another"));
        }
        let (condition, beyond) = Condition::new(text, pattern, &flags, origin, scope)?;
        self.pending.push(condition);
        Ok(beyond)
    }

    /// `RewriteRule`. A rule whose pattern cannot be used is left out, and the answer names the pattern.
    pub fn rule(&mut self, args: &[u8], origin: Origin) -> Result<Option<&'static str>, String> {
        let shown = String::from_utf8_lossy(args);
        let bad = || format!("RewriteRule: bad argument line '{shown}'");
        let (pattern, to, flags) = arguments(trim(args)).ok_or_else(bad)?;
        let flags = rewrite_flags::of_rule(flags).map_err(|error| format!("RewriteRule: {error}"))?;
        let env = flags.env.iter().flat_map(|(name, value)| [Some(name), value.as_ref()]).flatten();
        if nests_deeply(to) || env.into_iter().any(|text| nests_deeply(text)) {
            return Err(format!("RewriteRule: more than {MOST_INSIDE} braces inside one another"));
        }
        let (not, pattern) = pattern.strip_prefix(b"!").map_or((false, pattern), |rest| (true, rest));
        let shown = String::from_utf8_lossy(pattern);
        let conditions = std::mem::take(&mut self.pending);
        let pattern = match Pattern::new(pattern, flags.any_case) {
            Ok(pattern) => pattern,
            Err(Bad::Syntax) => return Err(format!("RewriteRule: cannot compile regular expression '{shown}'")),
            Err(Bad::Unsupported) => return Ok(Some("this pattern: the rule is left out")),
        };
        self.rules.push(Rule { conditions, pattern, not, to: to.into(), flags, origin });
        Ok(None)
    }
}

impl Rules<'_> {
    /// Runs the rules over a request.
    pub fn run(&self, start: Start<'_>, variables: &dyn RequestVariables) -> Rewritten {
        let mut state = State::new(start, &self.maps);
        let (mut at, mut rounds) = (0, 0);
        while let Some(rule) = self.rules.get(at) {
            at += 1;
            if state.sub && (rule.flags.no_sub || rule.flags.redirect.is_some()) {
                continue;
            }
            // A rule's cost grows with the length of the text that it tests.
            let size = state.filename.len() + state.query.as_ref().map_or(0, Vec::len);
            if !variables.budget().spend(1 + rule.conditions.len() as u32 + (size / BYTES_OF_A_STEP) as u32) {
                return Rewritten::Status(500, rule.origin.clone(), Some(TOO_MUCH));
            }
            let applied = rule.apply(&mut state, variables);
            if variables.budget().is_used_up() {
                return Rewritten::Status(500, rule.origin.clone(), Some(TOO_MUCH));
            }
            match applied {
                Applied::Yes => {}
                Applied::No => {
                    // A chain whose first rule does not apply is skipped as a whole.
                    while self.rules.get(at - 1).is_some_and(|rule| rule.flags.chain) {
                        at += 1;
                    }
                    continue;
                }
                Applied::Unsafe => {
                    let why = "an encoded ? (%3f) would begin a query, which only [UnsafeAllow3F] allows";
                    return Rewritten::Status(403, rule.origin.clone(), Some(why));
                }
            }
            if state.filename.len() > MAX_PATH || state.query.as_ref().is_some_and(|query| query.len() > MAX_QUERY) {
                return Rewritten::Status(500, rule.origin.clone(), Some("what it makes grows without end"));
            }
            if let Some(status) = rule.flags.status {
                return Rewritten::Status(status, rule.origin.clone(), None);
            }
            let flags = &rule.flags;
            if flags.pass_through || flags.end || flags.proxy || flags.last {
                return state.finish(flags);
            }
            if let Some(most) = flags.next {
                rounds += 1;
                if rounds >= most {
                    return Rewritten::Status(500, rule.origin.clone(), Some("more rounds than [N] allows"));
                }
                at = 0;
                continue;
            }
            at += flags.skip as usize;
        }
        state.finish(&Flags::default())
    }
}

/// A request before its rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start<'a> {
    /// The path on the disk; in a server the URI.
    pub filename: &'a [u8],
    pub path_info: &'a [u8],
    /// The directory that the rules belong to, with its slash; `None`: a server.
    pub directory: Option<&'a [u8]>,
    pub query: Option<&'a [u8]>,
    /// For a subrequest, which is never redirected.
    pub sub: bool,
}

/// A request under way through its rules.
pub(crate) struct State<'r> {
    pub filename: Vec<u8>,
    path_info: &'r [u8],
    directory: Option<&'r [u8]>,
    pub query: Option<Vec<u8>>,
    sub: bool,
    pub maps: &'r [&'r Map],
    changed: Option<(Origin, bool)>,
    no_path_info: bool,
    status: Option<u16>,
    proxy: bool,
    forced: Forced,
}

impl<'r> State<'r> {
    fn new(start: Start<'r>, maps: &'r [&'r Map]) -> Self {
        Self {
            filename: start.filename.to_vec(),
            path_info: start.path_info,
            directory: start.directory,
            query: start.query.map(<[u8]>::to_vec),
            sub: start.sub,
            maps,
            changed: None,
            no_path_info: false,
            status: None,
            proxy: false,
            forced: Forced::default(),
        }
    }

    /// The path that rules are matched against: in a directory, without the directory's own path.
    fn subject(&self) -> Vec<u8> {
        let Some(directory) = self.directory else { return self.filename.clone() };
        let rest = if self.no_path_info { &b""[..] } else { self.path_info };
        let full = [&self.filename[..], rest].concat();
        full.strip_prefix(directory).map_or(full.clone(), <[u8]>::to_vec)
    }

    fn finish(self, last: &Flags) -> Rewritten {
        let changed = self.changed.is_some() || last.pass_through;
        let (origin, no_escape) = self.changed.unwrap_or_default();
        Rewritten::Done(Box::new(Changed {
            changed,
            filename: self.filename,
            query: self.query,
            no_path_info: self.no_path_info,
            pass_through: last.pass_through,
            end: last.end,
            proxy: self.proxy,
            no_escape,
            status: self.status,
            origin,
            forced: self.forced,
        }))
    }
}

/// What became of a rule.
enum Applied {
    Yes,
    /// It does not match.
    No,
    /// The question mark of its result comes from the request.
    Unsafe,
}

impl Rule {
    fn apply(&self, state: &mut State<'_>, variables: &dyn RequestVariables) -> Applied {
        let subject = state.subject();
        let Ok(found) = variables.budget().groups(&self.pattern, &subject) else {
            variables.doubt(format!("{}: the rule's pattern takes too many steps; it is left out", self.origin));
            return Applied::No;
        };
        if found.is_some() == self.not {
            return Applied::No;
        }
        let groups = found.unwrap_or_default();
        let Some(last) = self.conditions_hold(&groups, state, variables) else { return Applied::No };
        let no_sub = *self.to == *b"-" || self.flags.status.is_some();
        let place = &self.origin;
        let plain = Expansion { groups: &groups, last: &last, state, variables, place };
        let escaped = (self.flags.escape && !no_sub).then(|| (groups_escaped(&groups), groups_escaped(&last)));
        let sub = match &escaped {
            Some((groups, last)) => Expansion { groups, last, ..plain },
            None => plain,
        };
        let made = if no_sub { Vec::new() } else { sub.of(&self.to) };
        if memchr::memchr(b'?', &made).is_some()
            && !self.flags.unsafe_3f
            && begins_query_unsafely(&sub.of(&mark_queries(&self.to)), self.flags.query_last)
        {
            return Applied::Unsafe;
        }
        for (name, value) in &self.flags.env {
            variables.assign(&plain.of(name), value.as_ref().map(|value| plain.of(value)));
        }
        if no_sub {
            self.force(state);
        } else {
            self.replace(made, state, variables);
        }
        Applied::Yes
    }

    fn force(&self, state: &mut State<'_>) {
        let Forced { handler, media_type } = &mut state.forced;
        *handler = self.flags.handler.clone().or(handler.take());
        *media_type = self.flags.media_type.clone().or(media_type.take());
    }

    /// The groups of the last condition, where all hold.
    fn conditions_hold(&self, groups: &Groups, state: &State<'_>, variables: &dyn RequestVariables) -> Option<Groups> {
        let mut last = Vec::new();
        let mut at = 0;
        while let Some(condition) = self.conditions.get(at) {
            at += 1;
            let holds = condition.holds(groups, &mut last, state, variables);
            match (holds, condition.or_next) {
                (false, false) => return None,
                (true, true) => {
                    // The alternatives that follow are not asked.
                    while self.conditions.get(at - 1).is_some_and(|one| one.or_next) {
                        at += 1;
                    }
                }
                _ => {}
            }
        }
        Some(last)
    }

    fn replace(&self, made: Vec<u8>, state: &mut State<'_>, variables: &dyn RequestVariables) {
        state.filename = made;
        state.no_path_info |= self.flags.discard_path_info;
        self.split_query(state);
        if state.filename.first() != Some(&b'/') && scheme(&state.filename).is_none() {
            state.filename = [state.directory.unwrap_or(b"/"), &state.filename].concat();
        }
        state.changed = Some((self.origin.clone(), self.flags.no_escape));
        if self.flags.proxy {
            state.filename = qualified(&state.filename, variables);
            state.proxy = true;
            return;
        }
        if let Some(status) = self.flags.redirect {
            state.filename = qualified(&state.filename, variables);
            state.status = Some(status);
            return;
        }
        state.filename = reduced(std::mem::take(&mut state.filename), variables);
        if scheme(&state.filename).is_some() {
            state.status = Some(302);
            return;
        }
        self.force(state);
    }

    fn split_query(&self, state: &mut State<'_>) {
        let find = if self.flags.query_last { memchr::memrchr } else { memchr::memchr };
        let at = find(b'?', &state.filename);
        let discards = self.to.ends_with(b"?") || self.flags.discard_query && !self.to.contains(&b'?');
        let query = at.map(|at| state.filename.split_off(at)[1..].to_vec());
        if discards {
            state.query = None;
            return;
        }
        let Some(new) = query else { return };
        state.query = match state.query.take() {
            old if self.flags.append_query && new.is_empty() => old,
            Some(old) if self.flags.append_query => Some([&new[..], b"&", &old].concat()),
            _ => Some(new),
        };
        if let Some(query) = &mut state.query
            && query.ends_with(b"&")
        {
            query.pop();
        }
        state.query = state.query.take().filter(|query| !query.is_empty());
    }
}

/// The length of a URL's scheme with its `://` or `:`; `None`: it is no URL.
pub(crate) fn scheme(path: &[u8]) -> Option<usize> {
    const SCHEMES: [&[u8]; 18] = [
        b"ajp://",
        b"balancer://",
        b"ftp://",
        b"fcgi://",
        b"gopher://",
        b"http://",
        b"https://",
        b"h2c://",
        b"h2://",
        b"ldap://",
        b"mailto:",
        b"news:",
        b"nntp://",
        b"scgi://",
        b"uwsgi://",
        b"unix:",
        b"ws://",
        b"wss://",
    ];
    let starts = |scheme: &&&[u8]| path.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    SCHEMES.iter().find(starts).map(|scheme| scheme.len())
}

fn port(variables: &dyn RequestVariables) -> Vec<u8> {
    let fact = |name: &[u8]| variables.variable(name).unwrap_or_default();
    let usual: &[u8] = if fact(b"REQUEST_SCHEME").eq_ignore_ascii_case(b"https") { b"443" } else { b"80" };
    let port = fact(b"SERVER_PORT");
    if port == usual { Vec::new() } else { [b":", &port[..]].concat() }
}

/// A path of this server as a URL.
fn qualified(path: &[u8], variables: &dyn RequestVariables) -> Vec<u8> {
    if scheme(path).is_some() {
        return path.to_vec();
    }
    let fact = |name: &[u8]| variables.variable(name).unwrap_or_default();
    let slash: &[u8] = if path.starts_with(b"/") { b"" } else { b"/" };
    [&fact(b"REQUEST_SCHEME")[..], b"://", &fact(b"SERVER_NAME"), &port(variables), slash, path].concat()
}

/// A URL that leads back here, as a path.
fn reduced(url: Vec<u8>, variables: &dyn RequestVariables) -> Vec<u8> {
    let start = [&variables.variable(b"REQUEST_SCHEME").unwrap_or_default()[..], b"://"].concat();
    if !url.get(..start.len()).is_some_and(|own| own.eq_ignore_ascii_case(&start)) || url.len() <= start.len() {
        return url;
    }
    let rest = &url[start.len()..];
    let end = memchr::memchr(b'/', rest).unwrap_or(rest.len());
    match variables.is_here(&rest[..end]) {
        true if end == rest.len() => b"/".to_vec(),
        true => rest[end..].to_vec(),
        false => url,
    }
}

/// Whether a text is a valid expression; for [`Test::Expr`].
pub(super) fn condition_expr(text: &[u8], scope: Scope) -> Result<Test, String> {
    let shown = String::from_utf8_lossy(text);
    parse::parse(text, scope)
        .map(Test::Expr)
        .map_err(|error| format!("RewriteCond: cannot compile expression \"{shown}\": {error}"))
}
