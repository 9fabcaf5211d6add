//! Who may ask: `Require`, and the older `Order`, `Allow`, `Deny` and `Satisfy`.

use super::methods::{self, Methods, Registered};
use crate::httpd::expression::evaluate::{RequestVariables, Truth, evaluate, in_network, is_network, text};
use crate::httpd::expression::parse::{self, Expr, Word};
use crate::httpd::syntax::messages::lossy;
use crate::httpd::syntax::modules::Registry;
use crate::httpd::syntax::tokens::Tokens;

/// The kinds of `Require`, each with the module that provides it. Kinds of unknown modules are accepted unchecked.
const PROVIDERS: &[(&str, &[&str])] = &[
    ("mod_authz_core.c", &["all", "env", "method", "expr"]),
    ("mod_authz_host.c", &["ip", "host", "forward-dns", "local"]),
    ("mod_authz_user.c", &["user", "valid-user"]),
    ("mod_authz_groupfile.c", &["group", "file-group"]),
    ("mod_authz_owner.c", &["file-owner", "file-group"]),
    ("mod_authz_dbm.c", &["dbm-group", "dbm-file-group"]),
    ("mod_authz_dbd.c", &["dbd-group", "dbd-login", "dbd-logout"]),
    ("mod_authnz_ldap.c", &["ldap-user", "ldap-group", "ldap-dn", "ldap-attribute", "ldap-filter", "ldap-search"]),
    ("mod_ssl.c", &["ssl", "ssl-verify-client"]),
    ("mod_authnz_fcgi.c", &[]),
];

/// What must hold.
#[derive(Debug)]
pub(crate) enum Rule {
    All(Vec<Requirement>),
    Any(Vec<Requirement>),
    None(Vec<Requirement>),
    Not(Box<Rule>),
    Granted,
    Denied,
    Ip(Vec<Box<[u8]>>),
    Local,
    Method(Vec<Box<[u8]>>),
    Env(Vec<Box<[u8]>>),
    Expr(Expr),
    /// A logged-in user; with a text, one of the names in it.
    User(Option<Word>),
    /// A member of one of the groups in this text.
    Group(Word),
    /// Requirements that need a logged-in user: groups and directories.
    LoggedIn(Box<[u8]>),
    /// Over TLS.
    Tls,
    /// Host names, certificates: only a live request can decide.
    Live(Box<[u8]>),
}

/// A rule, and the methods that it is for.
#[derive(Debug)]
pub(crate) struct Requirement {
    pub rule: Rule,
    pub methods: Methods,
}

/// The result of a rule, with httpd's three values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Granted,
    Denied,
    /// Refused because nobody has logged in; a login might grant it.
    NoUser,
    /// Neither granted nor denied.
    Neutral,
    Unknown(String),
}

/// How a container's rules are combined with those of the containers around it, and with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logic {
    And,
    Or,
}

impl Requirement {
    /// The rules of a container as one: it applies to every method that one of them applies to.
    pub fn container(rule: fn(Vec<Self>) -> Rule, list: Vec<Self>) -> Self {
        let methods = list.iter().fold(0, |all, one| all | one.methods);
        Self { rule: rule(list), methods }
    }

    /// `None`: the rule does not apply to this method.
    pub fn check(&self, method: Methods, variables: &dyn RequestVariables) -> Option<Verdict> {
        variables.budget().spend(1);
        (self.methods & method != 0).then(|| self.rule.check(method, variables))
    }

    /// Whether it can refuse but never grant.
    pub fn is_negative(&self) -> bool {
        matches!(self.rule, Rule::Not(_) | Rule::None(_))
    }

    /// Whether it lets everybody in for every method.
    pub fn lets_everybody_in(&self) -> bool {
        let granted =
            |list: &[Self]| matches!(list, [one] if matches!(one.rule, Rule::Granted) && one.methods == methods::ALL);
        matches!(&self.rule, Rule::Any(list) if granted(list))
    }
}

fn addresses(list: Vec<Box<[u8]>>) -> Result<Rule, String> {
    if list.is_empty() {
        return Err("'require ip' requires an argument.".into());
    }
    match list.iter().find(|one| !is_network(one)) {
        Some(wrong) => Err(format!("ip address '{}' appears to be invalid", lossy(wrong))),
        None => Ok(Rule::Ip(list)),
    }
}

impl Rule {
    /// A `Require` line.
    pub fn parse(args: &[u8], registry: &Registry, registered: &Registered) -> Result<Self, String> {
        let mut words = Tokens::new(args);
        let mut kind = words.word();
        let not = kind.eq_ignore_ascii_case(b"not");
        if not {
            kind = words.word();
        }
        let rest = words.rest();
        let list: Vec<Box<[u8]>> = words.map(|word| word.into_owned().into()).collect();
        let broken = |error| format!("Cannot parse expression in require line: {error}");
        let name = String::from_utf8_lossy(&kind).into_owned();
        let known =
            PROVIDERS.iter().any(|(module, names)| names.contains(&&*name) && registry.is_loaded(module.as_bytes()));
        if !known && (registry.strangers().is_empty() || PROVIDERS.iter().any(|(_, names)| names.contains(&&*name))) {
            return Err(format!("Unknown Authz provider: {}", lossy(&kind)));
        }
        let leaf = match &*name {
            "all" => match list.first().map(|word| word.to_ascii_lowercase()).as_deref() {
                Some(b"granted") if list.len() == 1 => Self::Granted,
                Some(b"denied") if list.len() == 1 => Self::Denied,
                _ => return Err("Argument for 'Require all' must be 'granted' or 'denied'".into()),
            },
            "ip" => addresses(list)?,
            "local" => Self::Local,
            "method" => match list.iter().find(|one| !registered.knows(one)) {
                Some(wrong) => return Err(format!("unknown method '{}'", lossy(wrong))),
                None => Self::Method(list),
            },
            "env" => Self::Env(list),
            "expr" => {
                // Double quotes around it are removed; single quotes belong to it.
                let text = rest.strip_prefix(b"\"").map_or(rest, |rest| rest.strip_suffix(b"\"").unwrap_or(rest));
                Self::Expr(parse::parse(text, registry.scope()).map_err(broken)?)
            }
            "valid-user" => Self::User(None),
            "user" => Self::User(Some(parse::parse_text(rest, registry.scope()).map_err(broken)?)),
            "group" => Self::Group(parse::parse_text(rest, registry.scope()).map_err(broken)?),
            "ssl" => Self::Tls,
            "host" | "forward-dns" | "ssl-verify-client" => Self::Live([&kind, b" ".as_slice(), rest].concat().into()),
            _ if !known => Self::Live([&kind, b" ".as_slice(), rest].concat().into()),
            _ => Self::LoggedIn([&kind, b" ".as_slice(), rest].concat().into()),
        };
        Ok(if not { Self::Not(Box::new(leaf)) } else { leaf })
    }

    /// The depth is bounded by the reader of the sections.
    fn check(&self, method: Methods, variables: &dyn RequestVariables) -> Verdict {
        let each = |list: &[Requirement], logic| join(logic, list.iter().map(|one| one.check(method, variables)));
        match self {
            Self::Granted => Verdict::Granted,
            Self::Denied => Verdict::Denied,
            Self::All(list) => each(list, Logic::And),
            Self::Any(list) => each(list, Logic::Or),
            Self::None(list) => negated(each(list, Logic::Or)),
            Self::Not(one) => negated(one.check(method, variables)),
            Self::Ip(list) => match variables.variable(b"REMOTE_ADDR") {
                Some(address) => Verdict::of(list.iter().any(|net| in_network(&address, net).unwrap_or(false))),
                None => Verdict::Unknown("the client's address".into()),
            },
            Self::Local => match variables.variable(b"REMOTE_ADDR") {
                Some(address) => Verdict::of(in_network(&address, b"127.0.0.0/8") == Some(true) || *address == *b"::1"),
                None => Verdict::Unknown("the client's address".into()),
            },
            Self::Method(list) => {
                let asked = variables.variable(b"REQUEST_METHOD").unwrap_or_default();
                let asked: &[u8] = if asked == b"HEAD" { b"GET" } else { &asked };
                Verdict::of(list.iter().any(|one| **one == *asked || (asked == b"GET" && **one == *b"HEAD")))
            }
            Self::Env(list) => {
                let known = list.iter().map(|name| {
                    Some(match variables.is_set(name) {
                        Ok(yes) => Verdict::of(yes),
                        Err(why) => Verdict::Unknown(why),
                    })
                });
                join(Logic::Or, known.chain([Some(Verdict::Denied)]))
            }
            Self::Tls => Verdict::of(variables.variable(b"HTTPS").as_deref() == Some(b"on")),
            Self::Expr(condition) => match evaluate(condition, variables) {
                Truth::Yes => Verdict::Granted,
                // A login may make it true.
                Truth::No if variables.user().is_none() && condition.asks_user() => Verdict::NoUser,
                Truth::No => Verdict::Denied,
                Truth::Unknown(why) => Verdict::Unknown(why),
            },
            Self::User(_) | Self::Group(_) | Self::LoggedIn(_) if variables.user().is_none() => Verdict::NoUser,
            Self::User(None) => Verdict::Granted,
            Self::User(Some(names)) => match text(names, variables) {
                Ok(names) => {
                    Verdict::of(Tokens::new(&names).any(|name| variables.user().is_some_and(|user| *name == user)))
                }
                Err(why) => Verdict::Unknown(why),
            },
            Self::Group(names) => match text(names, variables) {
                Ok(names) => {
                    let own = variables.groups();
                    Verdict::of(
                        Tokens::new(&names).any(|name| own.binary_search_by(|group| (**group).cmp(&name)).is_ok()),
                    )
                }
                Err(why) => Verdict::Unknown(why),
            },
            Self::Live(text) if named_local(text, variables).is_some() => {
                Verdict::of(named_local(text, variables).unwrap_or_default())
            }
            Self::LoggedIn(text) | Self::Live(text) => Verdict::Unknown(format!("Require {}", lossy(text))),
        }
    }
}

impl Verdict {
    fn of(yes: bool) -> Self {
        if yes { Self::Granted } else { Self::Denied }
    }
}

fn negated(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Granted => Verdict::Denied,
        // `not`: a rule that did not grant is no reason to grant.
        Verdict::Denied | Verdict::NoUser => Verdict::Neutral,
        other => other,
    }
}

/// Several verdicts as one. A `None` among them is a rule for other methods.
pub(crate) fn join(logic: Logic, verdicts: impl Iterator<Item = Option<Verdict>>) -> Verdict {
    use Verdict::{Denied, Granted, Neutral, NoUser};
    let absent = if logic == Logic::And { Granted } else { Neutral };
    let (mut best, mut doubt) = (Neutral, None);
    for verdict in verdicts.map(|verdict| verdict.unwrap_or(absent.clone())) {
        match (logic, verdict) {
            (Logic::And, Denied) => return Denied,
            (Logic::Or, Granted) => return Granted,
            (_, Verdict::Unknown(why)) => doubt = Some(why),
            (_, Neutral) => {}
            (_, new) if best == Neutral => best = new,
            (_, NoUser) => best = NoUser,
            _ => {}
        }
    }
    doubt.map_or(best, Verdict::Unknown)
}

/// `Order`, `Allow from`, `Deny from` and `Satisfy` of one container. They replace those of the containers around it.
#[derive(Debug, Default)]
pub(crate) struct LegacyAccess {
    /// The methods with `Order allow,deny` (or `mutual-failure`).
    pub allow_first: Methods,
    pub allow: Vec<(Methods, Box<[u8]>)>,
    pub deny: Vec<(Methods, Box<[u8]>)>,
    /// The methods with `Satisfy Any`.
    pub any: Methods,
}

impl LegacyAccess {
    pub fn check(&self, method: Methods, variables: &dyn RequestVariables) -> Truth {
        let (allowed, denied) = (matches(&self.allow, method, variables), matches(&self.deny, method, variables));
        match self.allow_first & method != 0 {
            // Let in what is allowed and not denied.
            true => both(allowed, negate(denied)),
            // Let in what is allowed or not denied.
            false => negate(both(negate(allowed), denied)),
        }
    }
}

fn negate(truth: Truth) -> Truth {
    match truth {
        Truth::Yes => Truth::No,
        Truth::No => Truth::Yes,
        unknown => unknown,
    }
}

fn both(one: Truth, other: Truth) -> Truth {
    match (one, other) {
        (Truth::No, _) | (_, Truth::No) => Truth::No,
        (Truth::Yes, other) => other,
        (unknown, _) => unknown,
    }
}

fn matches(list: &[(Methods, Box<[u8]>)], method: Methods, variables: &dyn RequestVariables) -> Truth {
    let mut doubt = None;
    variables.budget().spend(u32::try_from(list.len()).unwrap_or(u32::MAX));
    for (_, one) in list.iter().filter(|(methods, _)| methods & method != 0) {
        match matches_one(one, variables) {
            Truth::Yes => return Truth::Yes,
            Truth::No => {}
            Truth::Unknown(why) => doubt = Some(why),
        }
    }
    doubt.map_or(Truth::No, Truth::Unknown)
}

fn matches_one(one: &[u8], variables: &dyn RequestVariables) -> Truth {
    if one.eq_ignore_ascii_case(b"all") {
        return Truth::Yes;
    }
    if one.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"env=")) {
        let (name, not) = one[4..].strip_prefix(b"!").map_or((&one[4..], false), |name| (name, true));
        return match variables.is_set(name) {
            Ok(yes) => Truth::from(yes != not),
            Err(why) => Truth::Unknown(why),
        };
    }
    match variables.variable(b"REMOTE_ADDR") {
        Some(address) => match in_network(&address, one) {
            Some(yes) => Truth::from(yes),
            // Every machine calls its own addresses by this name.
            None if is_loopback(&address) => Truth::from(is_or_ends_in(b"localhost", one)),
            None => Truth::Unknown(format!("the client's host name ({})", lossy(one))),
        },
        None => Truth::Unknown("the client's address".into()),
    }
}

fn is_loopback(address: &[u8]) -> bool {
    address == b"::1" || in_network(address, b"127.0.0.0/8") == Some(true)
}

/// Whether a host's name is `domain`, or is in it.
fn is_or_ends_in(host: &[u8], domain: &[u8]) -> bool {
    let Some(at) = host.len().checked_sub(domain.len()) else { return false };
    let whole = at == 0 || domain.first() == Some(&b'.') || host[at - 1] == b'.';
    whole && host[at..].eq_ignore_ascii_case(domain)
}

/// What `Require host` decides for a client on this machine; `None`: not known here.
fn named_local(text: &[u8], variables: &dyn RequestVariables) -> Option<bool> {
    let names = text.strip_prefix(b"host ")?;
    variables.variable(b"REMOTE_ADDR").filter(|address| is_loopback(address))?;
    Some(Tokens::new(names).any(|name| is_or_ends_in(b"localhost", &name)))
}
