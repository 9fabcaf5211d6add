//! Who may ask: `Require`, and the older `Order`, `Allow` and `Deny`.

use super::evaluate::{Facts, Truth, evaluate, in_network};
use super::expr::{self, Expr};
use super::reader::lossy;
use super::words::Words;

/// What stock modules answer from users, groups and names.
const PROVIDERS: &[&[u8]] = &[
    b"host",
    b"forward-dns",
    b"user",
    b"valid-user",
    b"group",
    b"file-group",
    b"file-owner",
    b"dbm-group",
    b"dbm-file-group",
    b"dbd-group",
    b"dbd-login",
    b"dbd-logout",
    b"ldap-user",
    b"ldap-group",
    b"ldap-dn",
    b"ldap-attribute",
    b"ldap-filter",
    b"ldap-search",
    b"ssl",
    b"ssl-verify-client",
    b"fcgi",
    b"shib-session",
    b"claim",
];

/// What must hold.
#[derive(Debug)]
pub(super) enum Requirement {
    All(Vec<Requirement>),
    Any(Vec<Requirement>),
    None(Vec<Requirement>),
    Not(Box<Requirement>),
    Granted,
    Denied,
    Ip(Vec<Box<[u8]>>),
    Local,
    Method(Vec<Box<[u8]>>),
    Env(Vec<Box<[u8]>>),
    Expr(Expr),
    /// Users, groups, host names: a live request must tell.
    Live(Box<[u8]>),
}

impl Requirement {
    /// A `Require` line.
    pub fn parse(args: &[u8]) -> Result<Self, String> {
        let mut words = Words::new(args);
        let mut kind = words.word();
        let not = kind.eq_ignore_ascii_case(b"not");
        if not {
            kind = words.word();
        }
        let rest = words.rest();
        let list: Vec<Box<[u8]>> = words.map(|word| word.into_owned().into()).collect();
        let leaf = match &*kind.to_ascii_lowercase() {
            b"all" => match list.first().map(|word| word.to_ascii_lowercase()).as_deref() {
                Some(b"granted") => Self::Granted,
                Some(b"denied") => Self::Denied,
                _ => return Err("Argument for 'Require all' must be 'granted' or 'denied'".into()),
            },
            b"ip" => Self::Ip(list),
            b"local" => Self::Local,
            b"method" => Self::Method(list),
            b"env" => Self::Env(list),
            b"expr" => {
                let text = if list.len() == 1 { &list[0] } else { rest };
                Self::Expr(
                    expr::parse(text).map_err(|error| format!("Cannot parse expression in require line: {error}"))?,
                )
            }
            name if !PROVIDERS.contains(&name) => return Err(format!("Unknown Authz provider: {}", lossy(&kind))),
            _ => Self::Live([&kind, b" ".as_slice(), rest].concat().into()),
        };
        Ok(if not { Self::Not(Box::new(leaf)) } else { leaf })
    }

    /// Yes: let in. The depth is bounded by the reader of the sections.
    pub fn check(&self, facts: &dyn Facts) -> Truth {
        match self {
            Self::Granted => Truth::Yes,
            Self::Denied => Truth::No,
            Self::All(list) => all(list.iter().map(|one| one.check(facts))),
            Self::Any(list) => any(list.iter().map(|one| one.check(facts))),
            Self::None(list) => negate(any(list.iter().map(|one| one.check(facts)))),
            Self::Not(one) => negate(one.check(facts)),
            Self::Ip(list) => match facts.variable(b"REMOTE_ADDR") {
                Some(address) => Truth::from(list.iter().any(|net| in_network(&address, net).unwrap_or(false))),
                None => Truth::Unknown("the client's address".into()),
            },
            Self::Local => match facts.variable(b"REMOTE_ADDR") {
                Some(address) => Truth::from(in_network(&address, b"127.0.0.0/8") == Some(true) || *address == *b"::1"),
                None => Truth::Unknown("the client's address".into()),
            },
            Self::Method(list) => {
                let method = facts.variable(b"REQUEST_METHOD").unwrap_or_default();
                Truth::from(list.iter().any(|one| one.eq_ignore_ascii_case(&method)))
            }
            Self::Env(list) => any(list.iter().map(|name| match facts.environment(name) {
                Some(value) => Truth::from(!value.is_empty()),
                None => Truth::Unknown(format!("the environment variable {}", lossy(name))),
            })),
            Self::Expr(condition) => evaluate(condition, facts),
            Self::Live(text) => Truth::Unknown(format!("Require {}", lossy(text))),
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

fn all(truths: impl Iterator<Item = Truth>) -> Truth {
    let mut result = Truth::Yes;
    for truth in truths {
        match truth {
            Truth::No => return Truth::No,
            Truth::Yes => {}
            unknown => result = unknown,
        }
    }
    result
}

fn any(truths: impl Iterator<Item = Truth>) -> Truth {
    let mut result = Truth::No;
    for truth in truths {
        match truth {
            Truth::Yes => return Truth::Yes,
            Truth::No => {}
            unknown => result = unknown,
        }
    }
    result
}

/// `Order`, `Allow from`, `Deny from`.
#[derive(Debug, Default)]
pub(super) struct LegacyAccess {
    pub allow_first: bool,
    pub allow: Vec<Box<[u8]>>,
    pub deny: Vec<Box<[u8]>>,
}

impl LegacyAccess {
    pub fn check(&self, facts: &dyn Facts) -> Truth {
        let (allowed, denied) = (matches(&self.allow, facts), matches(&self.deny, facts));
        match (self.allow_first, allowed, denied) {
            // Order allow,deny: let in what is allowed and not denied.
            (true, allowed, denied) => all([allowed, negate(denied)].into_iter()),
            (false, allowed, denied) => any([allowed, negate(denied)].into_iter()),
        }
    }
}

fn matches(list: &[Box<[u8]>], facts: &dyn Facts) -> Truth {
    any(list.iter().map(|one| {
        if one.eq_ignore_ascii_case(b"all") {
            return Truth::Yes;
        }
        if let Some(name) = one.strip_prefix(b"env=") {
            return match facts.environment(name.strip_prefix(b"!").unwrap_or(name)) {
                Some(value) => Truth::from(value.is_empty() == name.starts_with(b"!")),
                None => Truth::Unknown(format!("the environment variable {}", lossy(name))),
            };
        }
        match facts.variable(b"REMOTE_ADDR") {
            Some(address) => match in_network(&address, one) {
                Some(yes) => Truth::from(yes),
                None => Truth::Unknown(format!("the client's host name ({})", lossy(one))),
            },
            None => Truth::Unknown("the client's address".into()),
        }
    }))
}
