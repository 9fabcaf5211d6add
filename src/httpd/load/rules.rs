//! What a word of a directive may be, for those that tables describe.

use crate::httpd::expression::parse;
use crate::httpd::pattern::{Bad, Pattern};
use crate::httpd::syntax::messages::lossy;
use crate::httpd::syntax::modules::Scope;

/// Whether any rule is about a directive, whatever its words are and wherever it stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ruled {
    without: u8,
}

impl Ruled {
    /// How many lists of rules there are.
    const LISTS: u8 = 4;

    /// One list has none.
    pub fn no_rule(&mut self) -> Result<(), String> {
        self.without += 1;
        Ok(())
    }

    pub fn is_ruled(self) -> bool {
        self.without < Self::LISTS
    }
}

/// A kind of word.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// One of these, letters' case ignored.
    Among(&'static [&'static str]),
    /// One of these, as they stand.
    Exactly(&'static [&'static str]),
    /// Every word of the line is one of these.
    Every(&'static [&'static str]),
    /// As C's `strtol` reads it (what is no number is 0): from the one to the other.
    Number(i64, i64),
    /// The same, or 0.
    ZeroOr(i64, i64),
    /// One of these, or a number as above.
    Or(&'static [&'static str], i64, i64),
    /// Digits to the end, with a sign where they may be less than nothing.
    Digits(i64, i64),
    /// A span of time of at least so many microseconds, in this unit where none is written.
    Span(i64, &'static str),
    /// The same, from nothing to so many microseconds.
    Within(i64),
    /// The same, as mod_md reads it; `%` where this says so.
    Duration(i64, bool),
    /// A name that a form or a cookie can carry.
    Name,
    /// A regular expression.
    Regex,
    /// Nothing at all: the directive is gone.
    Gone(&'static str),
}

impl Rule {
    /// Whether the words keep it; `at` is the one that it is about, and one that is not there is fine.
    pub fn check(self, name: &str, words: &[impl AsRef<[u8]>], at: usize) -> Result<(), String> {
        if let Rule::Gone(what) = self {
            return Err(format!("{name} {what}"));
        }
        if let Rule::Every(list) = self {
            return words.iter().skip(at).try_for_each(|word| Rule::Among(list).one(name, word.as_ref()));
        }
        words.get(at).map_or(Ok(()), |word| self.one(name, word.as_ref()))
    }

    fn one(self, name: &str, word: &[u8]) -> Result<(), String> {
        let must = |fine: bool, what: String| match fine {
            true => Ok(()),
            false => Err(format!("{name} {what}, not '{}'", lossy(word))),
        };
        match self {
            Rule::Among(list) | Rule::Every(list) => must(among(word, list), format!("takes {}", list.join(", "))),
            Rule::Exactly(list) => {
                must(list.iter().any(|own| own.as_bytes() == word), format!("takes {}", list.join(", ")))
            }
            Rule::Number(least, most) => {
                must((least..=most).contains(&number(word)), format!("must be a number from {least} to {most}"))
            }
            Rule::ZeroOr(least, most) => {
                let number = number(word);
                must(number == 0 || (least..=most).contains(&number), format!("must be 0, or from {least} to {most}"))
            }
            Rule::Or(list, least, most) => must(
                among(word, list) || (least..=most).contains(&number(word)),
                format!("takes {} or a number from {least} to {most}", list.join(", ")),
            ),
            Rule::Digits(least, most) => {
                let digits = word.strip_prefix(b"-").unwrap_or(word);
                let fine = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
                must(
                    fine && (least..=most).contains(&number(word)),
                    format!("must be a number between {least} and {most}"),
                )
            }
            Rule::Span(least, unit) => {
                must(span(word, unit).is_some_and(|span| span >= least), "has wrong format".into())
            }
            Rule::Within(most) => {
                must(span(word, "s").is_some_and(|span| (0..=most).contains(&span)), "has wrong format".into())
            }
            Rule::Duration(least, percent) => must(duration(word, percent, least), "has unrecognized format".into()),
            Rule::Name => must(
                !word.is_empty() && memchr::memchr2(b'=', b'&', word).is_none(),
                "cannot be empty, or contain '=' or '&'".into(),
            ),
            Rule::Regex => match Pattern::new(word, false) {
                Err(Bad::Syntax) => Err(format!("{name}: regular expression could not be compiled.")),
                _ => Ok(()),
            },
            Rule::Gone(what) => Err(format!("{name} {what}")),
        }
    }
}

/// A text with `%{…}` in it; `scope`: what it may use where it stands.
pub(super) fn text(name: &str, word: &[u8], scope: Scope) -> Result<(), String> {
    parse::check_text(word, scope)
        .map_err(|error| format!("Could not parse {name} expression '{}': {error}", lossy(word)))
}

pub(super) fn among(word: &[u8], list: &[&str]) -> bool {
    list.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(word))
}

/// As C's `strtol`: what is no number is 0.
pub(super) fn number(text: &[u8]) -> i64 {
    let (sign, digits) = split_number(text);
    digits.iter().fold(0i64, |sum, byte| sum.saturating_mul(10).saturating_add(i64::from(byte - b'0'))) * sign
}

/// The sign and the digits that a text begins with.
fn split_number(text: &[u8]) -> (i64, &[u8]) {
    let (sign, rest) = match text.split_first() {
        Some((b'-', rest)) => (-1, rest),
        Some((b'+', rest)) => (1, rest),
        _ => (1, text),
    };
    let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    (sign, &rest[..end])
}

/// What stands behind the digits.
fn unit_of(text: &[u8]) -> &[u8] {
    let digits = split_number(text).1.len();
    let signed = usize::from(digits > 0 && matches!(text.first(), Some(b'-' | b'+')));
    &text[digits + signed..]
}

/// httpd's spans, in microseconds: a number, and a unit whose first letters are looked at alone.
fn span(text: &[u8], default: &str) -> Option<i64> {
    let count = number(text);
    if count == i64::MAX || count == -i64::MAX {
        return None;
    }
    let unit = unit_of(text);
    let unit = if unit.is_empty() { default.as_bytes() } else { unit };
    let each = match unit.to_ascii_lowercase()[..] {
        [b's', ..] => 1_000_000,
        [b'h', ..] => 3_600_000_000,
        [b'm', b's', ..] => 1_000,
        [b'm', b'i', ..] => 60_000_000,
        _ => return None,
    };
    count.checked_mul(each)
}

fn duration(text: &[u8], percent: bool, least: i64) -> bool {
    let count = number(text);
    let unit = unit_of(text);
    if percent && unit.starts_with(b"%") {
        return (0..100).contains(&count);
    }
    let each = match &unit.to_ascii_lowercase()[..] {
        b"d" => 86_400_000,
        b"h" => 3_600_000,
        b"mi" => 60_000,
        b"" | b"s" => 1_000,
        b"ms" => 1,
        _ => return false,
    };
    !split_number(text).1.is_empty() && count != i64::MAX && count.saturating_mul(each) >= least
}

/// `scheme://host…`; no schemes: any.
pub(super) fn is_url(word: &[u8], schemes: &[&str]) -> bool {
    let Some(at) = memchr::memmem::find(word, b"://") else { return false };
    at > 0 && (schemes.is_empty() || among(&word[..at], schemes)) && !matches!(word.get(at + 3), None | Some(b'/'))
}

#[cfg(test)]
mod tests {
    use super::super::{arguments, arguments_place};
    use super::*;
    use crate::httpd::syntax::modules::Registry;
    use crate::httpd::syntax::tokens::Tokens;

    /// The builder asks no list again about a directive that none has a rule for, whatever its next line says.
    #[test]
    fn whether_a_rule_is_about_a_directive_depends_on_its_name_alone() {
        let registry = Registry::stock();
        let none = arguments_place::Place::default();
        let host = arguments_place::Place { host: true, ..none };
        let all = arguments_place::Place {
            host: true,
            directory: true,
            location: true,
            files: true,
            conditional: true,
            proxy: true,
            domain_set: true,
        };
        let texts = [
            "",
            "a",
            "on",
            "none",
            "-1",
            "/x",
            "\"\"",
            "auto",
            "a b",
            "on b",
            "/x on",
            "a b c",
            "add /x critical",
            "a b c d e",
        ];
        let mut unruled = 0;
        for directive in registry.all() {
            let mut outcomes = Vec::new();
            for place in [none, host, all] {
                for text in texts {
                    let words: Vec<_> = Tokens::new(text.as_bytes()).collect();
                    let mut ruled = Ruled::default();
                    let checked = arguments::check(directive.name, text.as_bytes(), &words, &registry, &mut ruled)
                        .and_then(|()| arguments_place::check(directive.name, &words, place, &mut ruled));
                    outcomes.push(checked.is_err() || ruled.is_ruled());
                }
            }
            outcomes.dedup();
            assert_eq!(outcomes.len(), 1, "{}", directive.name);
            unruled += usize::from(!outcomes[0]);
        }
        assert!(unruled > 300, "{unruled}");
    }

    #[test]
    fn spans_are_read_as_httpd_reads_them() {
        let all = ["5", "5s", "5ms", "5mi", "5h", "http:", "-1", "5m", "5x", "x", "99999999999999999999"];
        let read: Vec<_> = all.iter().map(|text| span(text.as_bytes(), "s")).collect();
        let some = [5_000_000, 5_000_000, 5_000, 300_000_000, 18_000_000_000, 0, -1_000_000].map(Some);
        assert_eq!(read, [&some[..], &[None; 4]].concat());
    }
}
