//! The `outlive.*` directives. A wrong value is refused and reported, never read as something else.

use super::Access;
use super::directive::Directive;
use super::text::Text;
use super::value_rule::ValueRule;
use std::borrow::Cow;

/// Set in files only, not at run time: PERDIR and SYSTEM.
const FILES: Access = Access(6);

const NUMBER: ValueRule = ValueRule::Whole { min: 0, max: u32::MAX as i64, or_empty: false };
const NUMBER_OR_NONE: ValueRule = ValueRule::Whole { min: 0, max: u32::MAX as i64, or_empty: true };

type Row = (&'static str, Access, &'static [u8], ValueRule);

/// Name, access, default (with its NUL) and the rule for its values.
const ROWS: [Row; 14] = [
    ("outlive.accept", FILES, b"off\0", ValueRule::OnOffOr(&["required"])),
    ("outlive.after_finish", Access::ALL, b"discard\0", ValueRule::Choice(&["discard", "abort"])),
    ("outlive.clock", Access::ALL, b"cpu\0", ValueRule::Choice(&["cpu", "wall"])),
    ("outlive.detect", FILES, b"write\0", ValueRule::Choice(&["write", "watch"])),
    ("outlive.disconnect", Access::ALL, b"php\0", ValueRule::Choice(&["php", "finish", "stop", "auto"])),
    ("outlive.duplicates", FILES, b"off\0", ValueRule::OnOffOr(&["conflict"])),
    ("outlive.half_close", FILES, b"gone\0", ValueRule::Choice(&["gone", "open"])),
    ("outlive.max_detached", Access::SYSTEM, b"0\0", NUMBER),
    ("outlive.max_detached_time", Access::ALL, b"0\0", NUMBER),
    ("outlive.max_detached_total", Access::SYSTEM, b"0\0", NUMBER),
    ("outlive.scoreboard", Access::SYSTEM, b"\0", ValueRule::Text),
    ("outlive.scoreboard_rows", Access::SYSTEM, b"65536\0", ValueRule::Whole { min: 1, max: 4 << 20, or_empty: false }),
    ("outlive.shutdown", Access::ALL, b"php\0", ValueRule::Choice(&["php", "all"])),
    ("outlive.shutdown_time", Access::ALL, b"\0", NUMBER_OR_NONE),
];

pub(super) fn directives() -> impl Iterator<Item = Directive> {
    ROWS.into_iter().map(|(name, access, default, value_rule)| Directive {
        name: Cow::Borrowed(name.as_bytes()),
        access,
        default: Some(Text::Static(default)),
        value_rule,
        extension: "outlive",
    })
}
