//! The pairs of neighbouring bytes that every match of a pattern contains. A text that lacks one of them cannot match; the text's own
//! pairs are found once for all patterns.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

/// A set of pairs: one bit for each of 128 kinds of them. Letter case is ignored, so the set is right for case-sensitive and
/// case-insensitive patterns.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pairs(u128);

impl Pairs {
    /// The pairs of a text.
    pub fn of_text(text: &[u8]) -> Self {
        let pairs = text.windows(2).map(|two| bit(two[0], two[1]));
        Self(pairs.fold(0, |all, one| all | one))
    }

    /// Every pair: no pattern is excluded.
    pub fn all() -> Self {
        Self(u128::MAX)
    }

    /// The pairs that a pattern, in the engine's spelling, needs. The empty set for patterns with look-around or back-references,
    /// which the parser used here does not read.
    pub fn of_regex(pattern: &str, any_case: bool) -> Self {
        let mut parser = ParserBuilder::new();
        parser.unicode(false).utf8(false).dot_matches_new_line(true).case_insensitive(any_case);
        match parser.build().parse(pattern) {
            Ok(hir) => Self(needed(&hir)),
            Err(_) => Self::default(),
        }
    }

    /// Whether a text with the pairs `text` may contain all of these.
    #[inline]
    pub fn may_be_in(self, text: Self) -> bool {
        self.0 & !text.0 == 0
    }
}

fn bit(first: u8, second: u8) -> u128 {
    let pair = u16::from_le_bytes([first.to_ascii_lowercase(), second.to_ascii_lowercase()]);
    1 << (pair.wrapping_mul(0x9e37) >> 9)
}

fn needed(hir: &Hir) -> u128 {
    let mut run = Run::default();
    run.walk(hir);
    run.pairs
}

/// The state so far. The parser limits nesting to 250.
#[derive(Default)]
struct Run {
    pairs: u128,
    /// The previous byte, if it directly precedes the next one in every match.
    last: Option<u8>,
}

impl Run {
    fn byte(&mut self, byte: u8) {
        self.pairs |= self.last.map_or(0, |last| bit(last, byte));
        self.last = Some(byte);
    }

    fn walk(&mut self, hir: &Hir) {
        match hir.kind() {
            // An anchor takes no bytes: the bytes around it are neighbours.
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(text) => text.0.iter().for_each(|&byte| self.byte(byte)),
            HirKind::Class(class) => match one_letter(class) {
                Some(byte) => self.byte(byte),
                None => self.last = None,
            },
            HirKind::Repetition(repetition) => self.repeated(repetition),
            HirKind::Capture(group) => self.walk(&group.sub),
            HirKind::Concat(list) => list.iter().for_each(|one| self.walk(one)),
            HirKind::Alternation(list) => {
                // Only the pairs that all alternatives have.
                self.pairs |= list.iter().map(needed).fold(u128::MAX, |all, one| all & one);
                self.last = None;
            }
        }
    }

    fn repeated(&mut self, repetition: &Repetition) {
        if repetition.min > 0 {
            self.walk(&repetition.sub);
        }
        if (repetition.min, repetition.max) != (1, Some(1)) {
            // The last byte is not known, or may be one from before the repetition.
            self.last = None;
        }
    }
}

/// A class that is one byte, or the two cases of one letter.
fn one_letter(class: &Class) -> Option<u8> {
    let Class::Bytes(class) = class else { return None };
    let first = class.ranges().first()?.start().to_ascii_lowercase();
    let mut all = class.ranges().iter();
    let same = all.all(|range| range.start() == range.end() && range.start().to_ascii_lowercase() == first);
    same.then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_missing_is_not_asked_for() {
        let may =
            |pattern: &str, text: &str| Pairs::of_regex(pattern, false).may_be_in(Pairs::of_text(text.as_bytes()));
        assert!(!may("/other/.*[.]php$", "/app/index.php") && may("/other/.*[.]php$", "/other/x.php"));
        assert!(
            !may("abc", "ab") && may("ab?c", "ac") && may("ab*c", "ac") && !may("(ab)+", "ba") && may("(ab)+", "ab")
        );
        assert!(may("abc|xyz", "xyz") && !may("abc|abd", "xyz") && may("(?i)ABC", "abc") && may("a(b|)c", "ac"));
        assert!(may("(?=ab)", "x") && may("a[bc]d", "acd") && may("a{0}bc", "bc") && !may("a\\bbc", "xy"));
    }
}
