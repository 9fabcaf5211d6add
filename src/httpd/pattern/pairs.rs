//! The pairs of neighbouring bytes that every match of a pattern has in it: a text that lacks one of them cannot match, which is told
//! without looking at the text again for each pattern.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

/// A set of pairs: one bit for each of 128 kinds of them. The case of letters is ignored, so that it need not be known whether it
/// counts in a pattern.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pairs(u128);

impl Pairs {
    /// What a text has.
    pub fn of_text(text: &[u8]) -> Self {
        let pairs = text.windows(2).map(|two| bit(two[0], two[1]));
        Self(pairs.fold(0, |all, one| all | one))
    }

    /// Those of every text, so to speak.
    pub fn all() -> Self {
        Self(u128::MAX)
    }

    /// What a pattern, in the engine's spelling, cannot match without. Nothing, where it has what only the engine's other half can
    /// read (look-around, back-references).
    pub fn of_regex(pattern: &str, any_case: bool) -> Self {
        let mut parser = ParserBuilder::new();
        parser.unicode(false).utf8(false).dot_matches_new_line(true).case_insensitive(any_case);
        match parser.build().parse(pattern) {
            Ok(hir) => Self(needed(&hir)),
            Err(_) => Self::default(),
        }
    }

    /// Whether a text that has `text` may have all of these.
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
    /// The byte that came last, where it must be the one before the next.
    last: Option<u8>,
}

impl Run {
    fn byte(&mut self, byte: u8) {
        self.pairs |= self.last.map_or(0, |last| bit(last, byte));
        self.last = Some(byte);
    }

    fn walk(&mut self, hir: &Hir) {
        match hir.kind() {
            // A place takes no room: what stands around it are neighbours.
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
                // Only what all of them have.
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
            // What comes last is not known, or may come from before it.
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
