//! The conditions of rewrite rules.

use super::rewrite::{State, condition_expr};
use super::rewrite_expand::Expansion;
use super::rewrite_flags::Flags;
use super::section::Text;
use crate::files::Kind;
use crate::httpd::expression::evaluate;
use crate::httpd::expression::evaluate::{RequestVariables, Target, Truth, evaluate_with_groups};
use crate::httpd::expression::parse::Expr;
use crate::httpd::pattern::{Bad, Groups, Pattern};
use crate::httpd::syntax::modules::Scope;
use crate::origin::Origin;
use std::cmp::Ordering;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A condition.
#[derive(Debug)]
pub(super) struct Condition {
    text: Text,
    test: Test,
    not: bool,
    any_case: bool,
    pub or_next: bool,
    origin: Origin,
}

/// What it asks.
#[derive(Debug)]
pub(super) enum Test {
    Regex(Pattern),
    Same(Text),
    /// The orderings that make it true, and whether numbers are compared.
    Order(&'static [Ordering], bool, Text),
    File(u8),
    Expr(Expr),
    /// Something that is not answered here.
    Beyond,
}

const LESS: &[Ordering] = &[Ordering::Less];
const NOT_MORE: &[Ordering] = &[Ordering::Less, Ordering::Equal];
const MORE: &[Ordering] = &[Ordering::Greater];
const NOT_LESS: &[Ordering] = &[Ordering::Greater, Ordering::Equal];
const EQUAL: &[Ordering] = &[Ordering::Equal];

impl Condition {
    /// A condition, and what it tests that cannot be evaluated here, if anything.
    pub fn new(
        text: &[u8],
        pattern: &[u8],
        flags: &Flags,
        origin: Origin,
        scope: Scope,
    ) -> Result<(Self, Option<&'static str>), String> {
        let (mut not, pattern) = pattern.strip_prefix(b"!").map_or((false, pattern), |rest| (true, rest));
        let order = |orders, numbers, text: &[u8]| Test::Order(orders, numbers, text.into());
        let test = match pattern {
            _ if text.eq_ignore_ascii_case(b"expr") => condition_expr(pattern, scope)?,
            [b'-', letter @ (b'f' | b's' | b'd' | b'x' | b'h' | b'l' | b'L' | b'F' | b'U')] => Test::File(*letter),
            [b'-', b'l', b't', rest @ ..] if !rest.is_empty() => order(LESS, true, rest),
            [b'-', b'l', b'e', rest @ ..] if !rest.is_empty() => order(NOT_MORE, true, rest),
            [b'-', b'g', b't', rest @ ..] if !rest.is_empty() => order(MORE, true, rest),
            [b'-', b'g', b'e', rest @ ..] if !rest.is_empty() => order(NOT_LESS, true, rest),
            [b'-', b'e', b'q', rest @ ..] if !rest.is_empty() => order(EQUAL, true, rest),
            [b'-', b'n', b'e', rest @ ..] if !rest.is_empty() => {
                not = !not;
                order(EQUAL, true, rest)
            }
            [b'>', b'=', rest @ ..] => order(NOT_LESS, false, rest),
            [b'>', rest @ ..] if !rest.is_empty() => order(MORE, false, rest),
            [b'<', b'=', rest @ ..] => order(NOT_MORE, false, rest),
            [b'<', rest @ ..] if !rest.is_empty() => order(LESS, false, rest),
            b"=\"\"" => Test::Same(Text::default()),
            [b'=', rest @ ..] if !rest.is_empty() => Test::Same(rest.into()),
            regex => match Pattern::new(regex, flags.any_case) {
                Ok(regex) => Test::Regex(regex),
                Err(Bad::Syntax) => {
                    let shown = String::from_utf8_lossy(regex);
                    return Err(format!("RewriteCond: cannot compile regular expression '{shown}'"));
                }
                Err(Bad::Unsupported) => Test::Beyond,
            },
        };
        let beyond = match test {
            Test::Beyond => Some("this pattern: it is taken as not matching"),
            _ => None,
        };
        let (any_case, or_next) = (flags.any_case, flags.or_next);
        Ok((Self { text: text.into(), test, not, any_case, or_next, origin }, beyond))
    }

    pub fn holds(
        &self,
        groups: &Groups,
        last: &mut Groups,
        state: &State<'_>,
        variables: &dyn RequestVariables,
    ) -> bool {
        if let Test::Expr(expr) = &self.test {
            let (truth, found) = evaluate_with_groups(expr, variables);
            if let Truth::Unknown(why) = &truth {
                variables.doubt(format!("{}: RewriteCond depends on {why}; taken as false", self.origin));
            }
            if truth == Truth::Yes && !self.not {
                *last = found;
            }
            return (truth == Truth::Yes) != self.not;
        }
        let text = Expansion { groups, last, state, variables, place: &self.origin }.of(&self.text);
        let path = Path::new(std::ffi::OsStr::from_bytes(&text));
        let kind = || variables.files().kind(path);
        let yes = match &self.test {
            Test::Regex(regex) => match variables.budget().groups(regex, &text) {
                Ok(Some(found)) => {
                    if !self.not {
                        *last = found;
                    }
                    true
                }
                Ok(None) => false,
                Err(_) => {
                    variables.doubt(format!(
                        "{}: RewriteCond has the pattern {regex:?}, which takes too many steps; taken as false",
                        self.origin
                    ));
                    false
                }
            },
            Test::Same(other) if self.any_case => text.eq_ignore_ascii_case(other),
            Test::Same(other) => text == **other,
            Test::Order(orders, true, other) => orders.contains(&number(&text).cmp(&number(other))),
            Test::Order(orders, _, other) => orders.contains(&self.compare(&text, other)),
            Test::File(b'f') => matches!(kind(), Ok(Kind::File)),
            Test::File(b'd') => matches!(kind(), Ok(Kind::Directory)),
            Test::File(b's') => {
                matches!(kind(), Ok(Kind::File)) && variables.files().read(path).is_ok_and(|bytes| !bytes.is_empty())
            }
            Test::File(b'l' | b'L' | b'h') => variables.files().is_symlink(path),
            Test::File(b'U') => variables.look(Target::Uri(&text)).is_some_and(|seen| seen.status < 400),
            // A rewritten subrequest is not a file, nor is a directory without an index file.
            Test::File(b'F') => {
                variables.look(Target::File(&text)).is_some_and(|seen| seen.status < 300 && seen.is_file)
            }
            Test::File(b'x') => variables.files().is_executable(path),
            Test::File(_) | Test::Beyond | Test::Expr(_) => false,
        };
        yes != self.not
    }

    /// As mod_rewrite compares texts: the longer one is the greater.
    fn compare(&self, one: &[u8], other: &[u8]) -> Ordering {
        match self.any_case {
            true => one.to_ascii_lowercase().cmp(&other.to_ascii_lowercase()),
            false => one.len().cmp(&other.len()).then_with(|| one.cmp(other)),
        }
    }
}

/// As C's `atoi`.
fn number(text: &[u8]) -> i64 {
    evaluate::number(text)
}
