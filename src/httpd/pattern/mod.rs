//! Regular expressions as PCRE users write them, on bytes, in bounded time.
//!
//! The engine is `fancy-regex`, on top of `regex`. The reasons: users of httpd write look-around, back-references and possessive
//! repetitions, which `regex` alone refuses. PCRE2 itself would add a C library to every host, and a hostile pattern in an `.htaccess`
//! could take ten million steps per match there. Here a pattern that needs no backtracking runs in time linear in the text, and any
//! other stops after [`BACKTRACKS`] steps.
//!
//! Compared with libpcre2 10.42, the library that httpd uses, and httpd's own options: 12,000 random patterns, eight subjects each
//! (`tests/differential/patterns.py`; a part of them is a test below). What differs:
//! - Refused as not supported, with file and line: recursion (`(?R)`, `(?1)`), branch reset (`(?|`), verbs (`(*…)`), callouts, `\X`,
//!   `\C`, `\p{…}`, `(?n)`, `(?U)`, `(?J)`, `(?xx)`, conditions that are no group's number, and a group of nothing but a look-around
//!   that is repeated.
//! - A group that is repeated possessively and may be empty, `(x?)++`, holds what it met last that was not empty; in PCRE the empty end.

pub(crate) mod glob;
pub(crate) mod hash;
pub(crate) mod head;
mod pairs;
mod translate;

use self::head::Head;
use self::pairs::Pairs;
use self::translate::{Translated, translate};
use once_cell::race::OnceBox;
use std::fmt;
use std::ops::Range;

/// The backtracking steps that one match may take. A pattern that needs more is reported as too costly.
const BACKTRACKS: usize = 200_000;
/// Longer patterns are refused.
const MAX_PATTERN: usize = 64 << 10;

/// Why a pattern is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// Not a regular expression: Apache refuses it as well.
    Syntax,
    /// PCRE would take it; this engine does not.
    Unsupported,
}

/// An expression that can be compiled. It is compiled to see that, and again when it is first matched: a compiled one takes several
/// kilobytes, and most of those of a large configuration meet no text that they could match.
pub(crate) struct Pattern {
    regex: OnceBox<fancy_regex::Regex>,
    text: Box<[u8]>,
    any_case: bool,
    head: Head,
}

/// The groups of a match, each with what it holds; group 0 is the match.
pub(crate) type Groups = Vec<Option<Vec<u8>>>;

/// A match that took too many steps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooCostly;

impl Pattern {
    /// Compiles a PCRE pattern. As Apache does, a dot matches line ends too.
    pub fn new(text: &[u8], any_case: bool) -> Result<Self, Bad> {
        if text.len() > MAX_PATTERN {
            return Err(Bad::Unsupported);
        }
        let Translated { pattern, beyond, wrong } = translate(text);
        if beyond {
            return Err(Bad::Unsupported);
        }
        if wrong {
            return Err(Bad::Syntax);
        }
        compile(&pattern, any_case).map_err(|error| match error {
            // What PCRE refuses to repeat was refused before this point: here it is a look-around in a group of its own.
            fancy_regex::Error::ParseError(_, fancy_regex::ParseError::TargetNotRepeatable) => Bad::Unsupported,
            fancy_regex::Error::ParseError(..) => Bad::Syntax,
            fancy_regex::Error::CompileError(inner) if is_syntax(&inner) => Bad::Syntax,
            _ => Bad::Unsupported,
        })?;
        let head = if any_case { Head::default() } else { Head::of_regex(text) };
        let head = head.and(Pairs::of_regex(&pattern, any_case));
        Ok(Self { regex: OnceBox::new(), text: text.into(), any_case, head })
    }

    /// Whether it will be compiled when it is matched.
    pub fn is_new(&self) -> bool {
        self.regex.get().is_none()
    }

    /// The compiled expression; none: it cannot be, which has been seen to be otherwise.
    fn regex(&self) -> Option<&fancy_regex::Regex> {
        let make = || compile(&translate(&self.text).pattern, self.any_case).map(Box::new);
        self.regex.get_or_try_init(make).ok()
    }

    /// The bytes that every match begins with, and the pairs that it contains.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The pattern as it is written.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether it has groups with names.
    pub fn has_names(&self) -> bool {
        self.regex().is_some_and(|regex| regex.capture_names().flatten().next().is_some())
    }

    /// The groups with names of the first match: name and text.
    pub fn named_groups(&self, subject: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let groups = self.groups(subject).ok().flatten().unwrap_or_default();
        let names = self.regex().into_iter().flat_map(fancy_regex::Regex::capture_names).enumerate();
        let found = names.filter_map(|(at, name)| Some((name?.as_bytes().to_vec(), groups.get(at)?.clone()?)));
        found.collect()
    }

    /// Whether it matches anywhere in `subject`.
    pub fn is_match(&self, subject: &[u8]) -> Result<bool, TooCostly> {
        self.regex().ok_or(TooCostly)?.is_match(subject).map_err(|_| TooCostly)
    }

    /// The groups of the first match.
    pub fn groups(&self, subject: &[u8]) -> Result<Option<Groups>, TooCostly> {
        Ok(self.found(subject)?.map(|(_, groups)| groups))
    }

    /// The same, with where the match is.
    pub fn found(&self, subject: &[u8]) -> Result<Option<(Range<usize>, Groups)>, TooCostly> {
        let found = self.regex().ok_or(TooCostly)?.captures(subject).map_err(|_| TooCostly)?;
        Ok(found.map(|found| {
            let group = |at| found.get(at).map(|group| subject[group.start()..group.end()].to_vec());
            let place = found.get(0).map_or(0..0, |whole| whole.start()..whole.end());
            (place, (0..found.len()).map(group).collect())
        }))
    }
}

fn compile(pattern: &str, any_case: bool) -> Result<fancy_regex::Regex, fancy_regex::Error> {
    let mut builder = fancy_regex::RegexBuilder::new(pattern);
    builder
        .bytes_mode(fancy_regex::BytesMode::Ascii)
        .unicode_mode(false)
        .dot_matches_new_line(true)
        .case_insensitive(any_case)
        .backtrack_limit(BACKTRACKS)
        .delegate_size_limit(2 << 20)
        .delegate_dfa_size_limit(1 << 20)
        .max_prog_size(100_000);
    builder.build()
}

/// The delegate reports broken syntax and patterns that are too large in one type.
fn is_syntax(error: &fancy_regex::CompileError) -> bool {
    let text = error.to_string();
    !(text.contains("size limit")
        || text.contains("complex")
        || text.contains("too big")
        || text.contains("Unsupported"))
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", String::from_utf8_lossy(&self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::head::Start;
    use super::*;

    /// Patterns of a small alphabet, so that many match, with everything that decides what must be there.
    fn random_pattern(random: &mut impl FnMut(usize) -> usize, depth: usize, out: &mut String) {
        for _ in 0..1 + random(4) {
            match random(if depth == 0 { 8 } else { 13 }) {
                0..=3 => out.push(['a', 'b', '/', 'p', 'H', '7'][random(6)]),
                4 => out.push_str(["ab", "/a/", "php", "aB", "b7"][random(5)]),
                5 => out.push_str(["[ab]", "[^a]", "[pP]", "[[:alpha:]]", "\\d", "\\w", "\\.", "\\x61"][random(8)]),
                6 => out.push_str(["^", "$", "\\b", "\\B", "\\A", "\\z", "\\Z", "\\K"][random(8)]),
                7 => out.push_str([".", "\\Qa.\\E", "(?i)", "(?-i)", "(?x)", " ", "(?s)", "\\/"][random(8)]),
                kind => {
                    out.push_str(["(", "(?:", "(?i:", "(?=", "(?!", "(?<=", "(?>"][random(7)]);
                    random_pattern(random, depth - 1, out);
                    if kind > 10 {
                        out.push('|');
                        random_pattern(random, depth - 1, out);
                    }
                    out.push(')');
                }
            }
            out.push_str(["", "", "", "", "?", "*", "+", "{2}", "{0,1}", "{0}", "++", "*?"][random(12)]);
        }
    }

    #[test]
    fn what_matches_is_never_taken_for_what_cannot() {
        let mut state = 7u64;
        let mut random = |limit: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % limit
        };
        let (mut patterns, mut matched, mut skipped) = (0, 0, 0);
        while patterns < 6_000 {
            let mut text = String::new();
            random_pattern(&mut random, 3, &mut text);
            let any_case = random(4) == 0;
            let Ok(pattern) = Pattern::new(text.as_bytes(), any_case) else { continue };
            patterns += 1;
            for _ in 0..12 {
                let subject: Vec<u8> = (0..random(14)).map(|_| b"abB/pPhH7.\n "[random(12)]).collect();
                let may = pattern.head().may_match(Start::with_pairs(&subject));
                let Ok(hit) = pattern.is_match(&subject) else { continue };
                assert!(may || !hit, "{text} matches {:?}", String::from_utf8_lossy(&subject));
                matched += usize::from(hit);
                skipped += usize::from(!may);
            }
        }
        assert!(matched > 5_000 && skipped > 5_000, "{matched} {skipped}");
    }

    fn hit(pattern: &str, text: &[u8]) -> bool {
        Pattern::new(pattern.as_bytes(), false).unwrap().is_match(text).unwrap()
    }

    #[test]
    fn what_pcre_users_write_is_taken() {
        assert!(hit(r"^/(?<y>\d{4})/(?!draft)[^/]++$", b"/2024/post"));
        assert!(hit(r"(a|b)\1", b"xbb") && !hit(r"(a|b)\1", b"xab"));
        assert!(hit(r"(?>a+)b", b"aab") && hit(r"(?<=x)y", b"xy") && hit(r"(?i:PHP)$", b"a.php"));
        assert!(hit(r"\/a\-b\_c\<", b"/a-b_c<") && hit("a{,2}b{x", b"a{,2}b{x") && hit(r"[]a]", b"]"));
        assert!(hit(r"[[:alpha:]&&[]x", b"[x") && hit(r"\Qa.b\E$", b"a.b") && hit(r"(?P<n>a)(?P=n)", b"aa"));
        assert!(hit("(?!/zz)p.php", b"/www/a/p.php") && hit("^(?!/zz)/", b"/www"));
        assert!(hit("\\xe9", b"\xe9") && hit("^.$", b"\n") && hit("^.$", b"\xff"));
        assert!(Pattern::new("é".as_bytes(), false).unwrap().is_match("é".as_bytes()).unwrap());
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in ["[", "(", "a**b(", "*a", ")", "(?<n>", "\\"] {
            assert_eq!(Pattern::new(bad.as_bytes(), false).err(), Some(Bad::Syntax), "{bad}");
        }
        for beyond in ["(?R)", "(?|a|b)", "(*ACCEPT)", r"\X"] {
            assert_eq!(Pattern::new(beyond.as_bytes(), false).err(), Some(Bad::Unsupported), "{beyond}");
        }
    }

    #[test]
    fn hostile_patterns_end() {
        let text = vec![b'a'; 5_000];
        let _ = Pattern::new(br"^(?=(a+)+$)(a|aa)+\1?b$", false).map(|p| p.is_match(&text));
        let _ = Pattern::new(&b"(".repeat(60_000), false);
        let _ = Pattern::new(b"((((a{1000}){1000}){1000}){1000})", false);
        let _ = Pattern::new(&[b"(a".repeat(2_000), b")*".repeat(2_000)].concat(), false);
        let _ = Pattern::new(&b"a|".repeat(20_000), false).map(|p| p.is_match(&text));
    }

    /// Random patterns and what PCRE2 said of them (`tests/differential/patterns.py`); `OUTLIVE_PATTERNS` names another file. Where this
    /// engine takes a pattern that PCRE2 takes, the groups are the same; what it does not take is [`Bad::Unsupported`], and rare.
    #[test]
    fn patterns_match_as_with_pcre() {
        let own = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/httpd/patterns.jsonl");
        let path = std::env::var("OUTLIVE_PATTERNS").unwrap_or_else(|_| own.into());
        let bytes = |value: &serde_json::Value| -> Vec<u8> {
            value.as_str().unwrap().chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
        };
        let (mut all, mut compared, mut unsupported, mut costly) = (0, 0, Vec::new(), 0);
        let mut wrong = Vec::new();
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = bytes(&case[0]);
            let shown = String::from_utf8_lossy(&text).into_owned();
            all += 1;
            let pattern = match (Pattern::new(&text, false), case[1].as_array()) {
                (Err(Bad::Unsupported), Some(_)) => {
                    unsupported.push(shown);
                    continue;
                }
                (Err(_), None) => continue,
                // PCRE2 refuses the pattern, and this crate takes it.
                (Ok(_), None) => {
                    wrong.push(format!("{shown}: PCRE2 refuses it"));
                    continue;
                }
                (Err(Bad::Syntax), Some(_)) => {
                    wrong.push(format!("{shown}: refused"));
                    continue;
                }
                (Ok(pattern), Some(_)) => pattern,
            };
            for answer in case[1].as_array().unwrap() {
                let subject = bytes(&answer[0]);
                let Ok(own) = pattern.groups(&subject) else {
                    costly += 1;
                    continue;
                };
                let mut own = own.map(|groups| groups.into_iter().collect::<Vec<_>>());
                // PCRE2 leaves groups out that come after the last one that took part.
                if let Some(groups) = &mut own {
                    let last = groups.iter().rposition(Option::is_some).map_or(0, |at| at + 1);
                    groups.truncate(last);
                }
                let theirs = answer[1]
                    .as_array()
                    .map(|groups| groups.iter().map(|group| group.as_str().map(|_| bytes(group))).collect::<Vec<_>>());
                compared += 1;
                assert!(theirs.is_none() || pattern.head().may_match(Start::with_pairs(&subject)), "{shown}");
                if own != theirs || pattern.is_match(&subject).ok() != Some(theirs.is_some()) {
                    wrong
                        .push(format!("{shown} on {:?}: {own:?}, PCRE2 {theirs:?}", String::from_utf8_lossy(&subject)));
                }
            }
        }
        println!(
            "{all} patterns, {compared} matches compared, {costly} too costly, {} not supported",
            unsupported.len()
        );
        println!("not supported: {:?}", unsupported.iter().take(300).collect::<Vec<_>>());
        println!("{} differ: {:#?}", wrong.len(), wrong.iter().take(200).collect::<Vec<_>>());
        assert!(all > 1_000 && compared > 2_000);
        assert!(wrong.is_empty());
    }
}
