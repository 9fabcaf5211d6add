//! The environment of a request, as modules fill it before a program runs: `SetEnvIf` and its relatives, `[E=…]`, `SetEnv`.

use super::section::Text;
use crate::httpd::expression::budget::substitute;
use crate::httpd::expression::evaluate::{RequestVariables, Truth, evaluate_with_groups};
use crate::httpd::expression::parse::{self, Expr};
use crate::httpd::pattern::{Bad, Pattern};
use crate::httpd::syntax::modules::Scope;
use crate::httpd::syntax::tokens::Tokens;
use crate::origin::Origin;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// A variable: its value, or what it depends on that is not known.
type Value = Result<Vec<u8>, String>;

/// The most variables that are kept. Only rules that loop set more.
const MOST: usize = 4096;

/// The variables by name; letter case does not count.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Env(Vec<(Text, Value)>);

impl Env {
    pub fn get(&self, name: &[u8]) -> Option<&Value> {
        self.0.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// So many bytes have its names and values.
    pub fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len)).sum()
    }

    pub fn set(&mut self, name: &[u8], value: Value) {
        match self.0.iter().position(|(own, _)| own.eq_ignore_ascii_case(name)) {
            Some(at) => self.0[at].1 = value,
            None if self.0.len() < MOST => self.0.push((name.into(), value)),
            None => {}
        }
    }

    pub fn unset(&mut self, name: &[u8]) {
        self.0.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
    }

    /// The environment after an internal redirect: every name gets the prefix `REDIRECT_`, and the status is added.
    #[must_use]
    pub fn redirected(&self, status: u16) -> Self {
        let renamed = self.0.iter().map(|(name, value)| ([b"REDIRECT_", &**name].concat().into(), value.clone()));
        let mut new = Self(renamed.collect());
        new.set(b"REDIRECT_STATUS", Ok(status.to_string().into_bytes()));
        new
    }
}

/// A line of `SetEnv`, `PassEnv` or `UnsetEnv`.
#[derive(Debug)]
pub(crate) struct SetEnv {
    pub name: Text,
    /// None: the variable is taken away.
    pub value: Option<Text>,
    pub origin: Origin,
}

/// The characters that make a text a pattern.
const SPECIAL: &[u8] = b"\\^$.*+?()[]{}|";

/// What a rule tests.
#[derive(Debug)]
enum Subject {
    Variable(&'static [u8]),
    /// A header; a variable where there is no such header.
    Named(Text),
    /// The first header whose name matches.
    Headers(Pattern),
    Expr(Expr),
}

/// `SetEnvIf` in one of its forms.
#[derive(Debug)]
pub(crate) struct SetEnvIf {
    subject: Subject,
    /// `None`: the subject is an expression and needs no pattern, or the engine does not support the pattern.
    pattern: Option<Pattern>,
    /// The pattern is plain text: values are set as written.
    plain: bool,
    unsupported: bool,
    /// Names and values; `None`: the variable is removed.
    sets: Vec<(Text, Option<Text>)>,
    pub origin: Origin,
}

impl SetEnvIf {
    /// `SetEnvIf` and `BrowserMatch`, with or without `NoCase`. `subject`: what it tests.
    pub fn new(
        name: &str,
        subject: Option<&[u8]>,
        any_case: bool,
        args: &[u8],
        origin: Origin,
    ) -> Result<Self, String> {
        let mut words = Tokens::new(args);
        let missing = || format!("Missing regular expression for {name}");
        let what = match subject {
            Some(subject) => subject.into(),
            None => words
                .next()
                .filter(|word| !word.is_empty())
                .ok_or_else(|| format!("Missing header-field name for {name}"))?,
        };
        let regex = words.next().filter(|word| !word.is_empty()).ok_or_else(missing)?;
        // With no other special character, a backslash at the end stands for itself.
        let ends = regex.strip_suffix(b"\\").is_some_and(|rest| !rest.iter().any(|byte| SPECIAL.contains(byte)));
        let regex = if ends { [&*regex, b"\\"].concat().into() } else { regex };
        let pattern = match Pattern::new(&regex, any_case) {
            Ok(pattern) => Some(pattern),
            Err(Bad::Syntax) => return Err(format!("{name} regex could not be compiled.")),
            Err(Bad::Unsupported) => None,
        };
        let plain = !any_case && !regex.iter().any(|byte| SPECIAL.contains(byte));
        let unsupported = pattern.is_none();
        Ok(Self { subject: subject_of(&what)?, pattern, plain, unsupported, sets: sets(name, words)?, origin })
    }

    /// `SetEnvIfExpr`.
    pub fn expr(name: &str, args: &[u8], scope: Scope, origin: Origin) -> Result<Self, String> {
        let mut words = Tokens::new(args);
        let text =
            words.next().filter(|word| !word.is_empty()).ok_or_else(|| format!("Missing expression for {name}"))?;
        let expr = parse::parse(&text, scope)
            .map_err(|error| format!("Could not parse expression \"{}\": {error}", String::from_utf8_lossy(&text)))?;
        Ok(Self {
            subject: Subject::Expr(expr),
            pattern: None,
            plain: false,
            unsupported: false,
            sets: sets(name, words)?,
            origin,
        })
    }

    /// Sets the rule's variables, if the rule matches.
    pub fn apply(&self, env: &RefCell<Env>, variables: &dyn RequestVariables) {
        let (truth, groups) = self.holds(env, variables);
        if truth == Truth::No {
            return;
        }
        let (mut env, budget) = (env.borrow_mut(), variables.budget());
        for (name, value) in &self.sets {
            if !budget.afford_names(env.len()) {
                return;
            }
            match (&truth, value) {
                (Truth::Unknown(why), _) => env.set(name, Err(why.clone())),
                (_, None) => env.unset(name),
                (_, Some(value)) if self.plain => env.set(name, Ok(value.to_vec())),
                (_, Some(value)) => env.set(name, Ok(substitute(value, &groups, budget))),
            }
        }
    }

    fn holds(&self, env: &RefCell<Env>, variables: &dyn RequestVariables) -> (Truth, Vec<Option<Vec<u8>>>) {
        let unknown = |why: String| (Truth::Unknown(why), Vec::new());
        let text = match &self.subject {
            Subject::Expr(expr) => return evaluate_with_groups(expr, variables),
            Subject::Variable(name) => match variables.variable(name) {
                Some(text) => text,
                None => return unknown(format!("%{{{}}}", String::from_utf8_lossy(name))),
            },
            Subject::Named(name) => match variables.headers(&mut |own| own.eq_ignore_ascii_case(name)) {
                Some(Ok(text)) => text,
                Some(Err(why)) => return unknown(why),
                None => match env.borrow().get(name) {
                    Some(Ok(text)) => text.clone(),
                    Some(Err(why)) => return unknown(why.clone()),
                    None => Vec::new(),
                },
            },
            Subject::Headers(names) => {
                let meant = &mut |own: &[u8]| variables.budget().is_match(names, own).unwrap_or(false);
                match variables.headers(meant).transpose() {
                    Ok(text) => text.unwrap_or_default(),
                    Err(why) => return unknown(why),
                }
            }
        };
        let Some(pattern) = &self.pattern else { return unknown("a pattern that is not supported".into()) };
        match variables.budget().groups(pattern, &text) {
            Ok(Some(groups)) => (Truth::Yes, groups),
            Ok(None) => (Truth::No, Vec::new()),
            Err(_) => unknown(format!("the pattern {pattern:?}, which takes too many steps")),
        }
    }

    /// Whether the pattern is one that this engine does not support.
    pub fn is_unsupported(&self) -> bool {
        self.unsupported
    }
}

fn subject_of(what: &[u8]) -> Result<Subject, String> {
    const SPECIAL: [(&[u8], &[u8]); 6] = [
        (b"remote_addr", b"REMOTE_ADDR"),
        (b"remote_host", b"REMOTE_HOST"),
        (b"server_addr", b"SERVER_ADDR"),
        (b"request_uri", b"REQUEST_URI"),
        (b"request_method", b"REQUEST_METHOD"),
        (b"request_protocol", b"SERVER_PROTOCOL"),
    ];
    if let Some((_, name)) = SPECIAL.iter().find(|(own, _)| what.eq_ignore_ascii_case(own)) {
        return Ok(Subject::Variable(name));
    }
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if what.iter().all(plain) {
        return Ok(Subject::Named(what.into()));
    }
    match Pattern::new(what, true) {
        Ok(pattern) => Ok(Subject::Headers(pattern)),
        Err(_) => Err("Header name regex could not be compiled.".into()),
    }
}

fn sets(name: &str, words: Tokens<'_>) -> Result<Vec<(Text, Option<Text>)>, String> {
    // In the order of the names: the last one about a name counts.
    let mut sets = BTreeMap::new();
    // An empty word ends the list.
    for word in words.take_while(|word| !word.is_empty()) {
        let set: (Text, Option<Text>) = match (word.strip_prefix(b"!"), memchr::memchr(b'=', &word)) {
            (Some(gone), _) => (gone.into(), None),
            (None, Some(at)) => (word[..at].into(), Some(word[at + 1..].into())),
            (None, None) => (word.as_ref().into(), Some(Box::from(&b"1"[..]))),
        };
        sets.insert(set.0.to_ascii_lowercase(), set);
    }
    match sets.is_empty() {
        true => Err(format!("Missing envariable expression for {name}")),
        false => Ok(sets.into_values().collect()),
    }
}
