//! Which values a directive accepts, and PHP's messages about other values (facts I-170 … I-183).

use super::{number, zone};
use crate::version::PhpVersion;
use std::fmt;
use std::sync::Arc;

/// PHP refuses a `memory_limit` below what is in use, and this is what a request at rest uses (fact I-177), in bytes.
const MEMORY_AT_REST: i64 = 2 << 20;

/// A host's own check of a value.
pub type HostCheck = Arc<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// The values that a directive takes. Apart from `Choice`, `OnOffOr`, `Whole` and `Host` these are PHP's own rules, which seldom refuse anything.
#[derive(Clone)]
pub enum ValueRule {
    /// Anything.
    Text,
    /// Anything; read as a boolean (I-103).
    Bool,
    /// `opcache.enable`: a boolean that is only switched off once PHP has started (I-184).
    OffLater,
    /// Anything; its leading decimal digits are read (C-146).
    Int,
    /// Anything; read as a quantity, with a warning where it is none (I-100, I-101).
    Quantity,
    /// Anything except empty text (I-183).
    Filled,
    /// A quantity that must not be negative.
    Count,
    /// A number that must not be negative.
    Natural,
    /// `session.cookie_lifetime`: a quantity whose leading digits must not be negative.
    Lifetime,
    /// `session.upload_progress.freq`: a number that is not negative, or up to `100%`.
    Progress,
    /// Text without an end of line.
    Line,
    /// `mail.force_extra_parameters`: anything, and nothing from a `.user.ini`.
    NotByUsers,
    /// `precision`: a number of -1 or more.
    Precision,
    /// `session.name`: neither empty nor a number.
    Name,
    /// `memory_limit`: a quantity of bytes, -1 for none, and not less than what is in use (I-177).
    Memory,
    /// `zend.assertions`: a quantity; -1 only at start-up.
    Assertions,
    /// `output_buffering`: a quantity (I-174).
    Buffering,
    /// `zlib.output_compression`: on, off or a quantity (I-179).
    Switch,
    /// `display_errors`: a boolean, `stdout` or `stderr` (I-182).
    Display,
    /// `syslog.facility`: a facility as `LOG_USER` or `user`; letter case counts.
    Facility,
    /// `opcache.jit`: a mode's name or number.
    Jit,
    /// `date.timezone`: from 8.2 on, a known zone.
    Zone,
    /// `iconv.*_encoding`: anything of less than 64 bytes.
    Charset,
    /// One of these choices, in any letter case.
    Choice(&'static [&'static str]),
    /// On or off, as ini texts have them (php.ini makes `1` of an unquoted `on`, and nothing of `off`), or one of these choices.
    OnOffOr(&'static [&'static str]),
    /// A decimal number in this range, nothing around it; empty text too where the flag says so.
    Whole {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
        /// Whether empty text is taken.
        or_empty: bool,
    },
    /// Anything that PHP reads as a number in this range; before that version of PHP, anything (I-184).
    Between(&'static Between),
    /// The host's own check.
    Host(HostCheck),
}

/// The numbers that a directive of PHP's takes.
#[derive(Debug)]
pub struct Between {
    /// The name in the data file.
    name: &'static str,
    /// The smallest.
    pub min: i64,
    /// The largest.
    pub max: i64,
    /// Whether it is read as a quantity; else its leading decimal digits are, cut down to 32 bits.
    pub is_quantity: bool,
    /// The first version of PHP that minds.
    pub since: PhpVersion,
}

impl Between {
    const fn new(name: &'static str, min: i64, max: i64, is_quantity: bool, since: PhpVersion) -> Self {
        Self { name, min, max, is_quantity, since }
    }
}

/// The largest number of 32 bits.
const PHP_MOST: i64 = 0x7FFF_FFFF;

/// What opcache takes.
static BETWEEN: [Between; 10] = [
    Between::new("opcache_files", 200, 1_000_000, false, PhpVersion::V8_0),
    Between::new("opcache_wasted", 1, 50, false, PhpVersion::V8_0),
    Between::new("opcache_megabytes", 8, PHP_MOST, false, PhpVersion::V8_0),
    Between::new("opcache_checks", 0, 0, false, PhpVersion::V8_1),
    Between::new("opcache_strings", 0, 4095, true, PhpVersion::V8_2),
    Between::new("jit_counter", 0, 255, true, PhpVersion::V8_0),
    Between::new("jit_unrolls", 1, 9, true, PhpVersion::V8_0),
    Between::new("jit_calls", 1, 9, true, PhpVersion::V8_0),
    Between::new("jit_returns", 0, 3, true, PhpVersion::V8_0),
    Between::new("jit_trace", 4, 1024, true, PhpVersion::V8_0),
];

/// When a value is set.
#[derive(Clone, Copy)]
pub(crate) enum Moment<'a> {
    /// At start-up: php.ini, `-d`.
    Startup,
    /// Later, over this value.
    Later(&'a [u8]),
}

impl fmt::Debug for ValueRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ValueRule {
    /// By its name in the data file.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "bool" => Self::Bool,
            "off_later" => Self::OffLater,
            "int" => Self::Int,
            "quantity" => Self::Quantity,
            "count" => Self::Count,
            "natural" => Self::Natural,
            "lifetime" => Self::Lifetime,
            "progress" => Self::Progress,
            "line" => Self::Line,
            "not_by_users" => Self::NotByUsers,
            "sid_length" => Self::Whole { min: 22, max: 256, or_empty: false },
            "sid_bits" => Self::Whole { min: 4, max: 6, or_empty: false },
            "facility" => Self::Facility,
            "jit" => Self::Jit,
            "zone" => Self::Zone,
            "charset" => Self::Charset,
            "syslog_filter" => Self::Choice(&["all", "no-ctrl", "ascii", "raw"]),
            "filled" => Self::Filled,
            "precision" => Self::Precision,
            "name" => Self::Name,
            "memory" => Self::Memory,
            "assertions" => Self::Assertions,
            "buffering" => Self::Buffering,
            "switch" => Self::Switch,
            "display" => Self::Display,
            name => BETWEEN.iter().find(|known| known.name == name).map_or(Self::Text, Self::Between),
        }
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Bool | Self::OffLater => "bool",
            Self::Int => "int",
            Self::Quantity => "quantity",
            Self::Count => "count",
            Self::Natural => "natural",
            Self::Lifetime => "lifetime",
            Self::Progress => "progress",
            Self::Line => "line",
            Self::NotByUsers => "not_by_users",
            Self::Filled => "filled",
            Self::Precision => "precision",
            Self::Name => "name",
            Self::Memory => "memory",
            Self::Assertions => "assertions",
            Self::Buffering => "buffering",
            Self::Switch => "switch",
            Self::Display => "display",
            Self::Facility => "facility",
            Self::Jit => "jit",
            Self::Zone => "zone",
            Self::Charset => "charset",
            Self::Choice(_) | Self::OnOffOr(_) => "choice",
            Self::Whole { .. } => "whole",
            Self::Between(between) if between.is_quantity => "quantity",
            Self::Between(_) => "int",
            Self::Host(_) => "host",
        }
    }

    /// Whether a value is read as a boolean.
    pub fn is_bool(&self) -> bool {
        matches!(self, Self::Bool | Self::OffLater)
    }

    /// Whether a value is read as a quantity.
    pub fn is_quantity(&self) -> bool {
        matches!(
            self,
            Self::Quantity
                | Self::Count
                | Self::Memory
                | Self::Buffering
                | Self::Between(Between { is_quantity: true, .. })
        )
    }

    /// Whether a value's leading decimal digits are read.
    pub fn is_int(&self) -> bool {
        matches!(self, Self::Int | Self::Between(Between { is_quantity: false, .. }))
    }

    /// Whether the value is taken; the text says why not.
    pub(crate) fn accepts(&self, value: &[u8], moment: Moment<'_>, version: PhpVersion) -> Result<(), String> {
        let fine = match self {
            Self::OffLater if matches!(moment, Moment::Later(_)) && number::boolean(value) => {
                return Err("once PHP has started it can only be switched off".into());
            }
            Self::Filled if value.is_empty() => return Err("it must not be empty".into()),
            Self::Count if number::quantity(value, version).0 < 0 => return Err("it must not be negative".into()),
            Self::Lifetime if number::integer(value) < 0 => {
                return Err("it must not be negative".into());
            }
            // PHP cuts the number down to 32 bits.
            Self::Natural | Self::Progress if (number::integer(value) as i32) < 0 => {
                return Err("it must not be negative".into());
            }
            Self::Progress if value.ends_with(b"%") && number::integer(value) as i32 > 100 => {
                return Err("it must not be more than 100%".into());
            }
            Self::Line if value.iter().any(|byte| b"\r\n\0".contains(byte)) => {
                return Err("it must be one line".into());
            }
            Self::Precision if number::integer(value) < -1 => return Err("it must be -1 or more".into()),
            Self::Name if value.is_empty() || is_number(value) => return Err("it must not be empty or a number".into()),
            Self::Memory => return memory(value, version),
            Self::Assertions => return assertions(value, moment, version),
            Self::Facility => is_facility(value),
            Self::Zone if version >= PhpVersion::V8_2 && !zone::is_known(value) => {
                return Err("PHP knows no such time zone, and keeps the one before".into());
            }
            Self::Jit => is_jit(value),
            Self::Charset if value.len() >= 64 => return Err("it must be shorter than 64 bytes".into()),
            Self::Choice(choices) => choices.iter().any(|choice| value.eq_ignore_ascii_case(choice.as_bytes())),
            Self::OnOffOr(choices) => {
                ON_OFF.iter().chain(*choices).any(|choice| value.eq_ignore_ascii_case(choice.as_bytes()))
            }
            Self::Whole { min, max, or_empty } => {
                (value.is_empty() && *or_empty) || whole(value).is_some_and(|number| (*min..=*max).contains(&number))
            }
            Self::Between(between) if version >= between.since => {
                let number = match between.is_quantity {
                    true => number::quantity(value, version).0,
                    false => i64::from(number::integer(value) as i32),
                };
                (between.min..=between.max).contains(&number)
            }
            Self::Host(check) => check(value),
            _ => true,
        };
        if fine { Ok(()) } else { Err(self.expectation()) }
    }

    /// The accepted values, for people.
    fn expectation(&self) -> String {
        match self {
            Self::Choice(choices) => format!("it must be one of {}", choices.join(", ")),
            Self::OnOffOr(choices) => format!("it must be one of off, on, {}", choices.join(", ")),
            Self::Jit => "it must be disable, on, off, tracing, function or a number such as 1255: up to four digits, of which the last \
                          is 1 to 5, the one before 0 to 3 or 5, then 0 to 2, then 0 or 1"
                .into(),
            Self::Facility => "it must be a facility, such as LOG_USER or user".into(),
            Self::Whole { min, max, .. } => format!("it must be a whole number from {min} to {max}"),
            Self::Between(Between { min, max, .. }) if max == min => format!("it must be {min}"),
            Self::Between(Between { min, max: PHP_MOST, .. }) => format!("it must be {min} or more"),
            Self::Between(Between { min, max, .. }) => format!("it must be from {min} to {max}"),
            _ => "its owner does not take this value".into(),
        }
    }

    /// PHP's warning about a value that is taken nevertheless, without a leading directive name.
    pub(crate) fn warning(&self, value: &[u8], version: PhpVersion) -> Option<String> {
        match self {
            Self::Quantity | Self::Count | Self::Lifetime | Self::Memory | Self::Assertions | Self::Buffering => {
                number::quantity(value, version).1
            }
            Self::Between(between) if between.is_quantity => number::quantity(value, version).1,
            Self::Switch if is_switch(value) => None,
            Self::Switch => number::quantity(value, version).1,
            _ => None,
        }
    }
}

/// The words for on and off in ini texts.
const ON_OFF: [&str; 9] = ["", "0", "1", "off", "on", "no", "yes", "false", "true"];

fn is_facility(value: &[u8]) -> bool {
    const FACILITIES: [&[u8]; 20] = [
        b"auth",
        b"authpriv",
        b"cron",
        b"daemon",
        b"ftp",
        b"kern",
        b"local0",
        b"local1",
        b"local2",
        b"local3",
        b"local4",
        b"local5",
        b"local6",
        b"local7",
        b"lpr",
        b"mail",
        b"news",
        b"syslog",
        b"user",
        b"uucp",
    ];
    match value.strip_prefix(b"LOG_") {
        Some(name) => FACILITIES.contains(&&*name.to_ascii_lowercase()) && !name.iter().any(u8::is_ascii_lowercase),
        None => FACILITIES.contains(&value) || value == b"security",
    }
}

/// `opcache.jit`: a word, or a number whose four digits have bounds of their own; 0 is off (I-184).
fn is_jit(value: &[u8]) -> bool {
    let words = ["", "off", "no", "false", "disable", "tracing", "on", "yes", "true", "function"];
    if words.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes())) {
        return true;
    }
    let text = value.trim_ascii_start();
    let digits = text.strip_prefix(b"+").or(text.strip_prefix(b"-")).unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let number = number::integer(value);
    let digit = |unit: i64| number / unit % 10;
    number == 0
        || (1..2000).contains(&number)
            && (1..=5).contains(&digit(1))
            && matches!(digit(10), 0..=3 | 5)
            && digit(100) <= 2
}

fn is_switch(value: &[u8]) -> bool {
    value.eq_ignore_ascii_case(b"on") || value.eq_ignore_ascii_case(b"off")
}

/// A number of seconds or of requests as the `outlive.*` directives take them; `None`: empty, or none.
pub(crate) fn whole_number(value: &[u8]) -> Option<u32> {
    whole(value).and_then(|number| u32::try_from(number).ok())
}

/// A decimal number with nothing around it.
fn whole(value: &[u8]) -> Option<i64> {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn memory(value: &[u8], version: PhpVersion) -> Result<(), String> {
    let (bytes, _) = number::quantity(value, version);
    // Before 8.2 every negative number was a very large one.
    let enough = bytes == -1 || bytes >= MEMORY_AT_REST || (bytes < 0 && version < PhpVersion::V8_2);
    if enough { Ok(()) } else { Err(format!("{bytes} bytes are less than a request at rest uses ({MEMORY_AT_REST})")) }
}

fn assertions(value: &[u8], moment: Moment<'_>, version: PhpVersion) -> Result<(), String> {
    let Moment::Later(current) = moment else { return Ok(()) };
    let (new, old) = (number::quantity(value, version).0, number::quantity(current, version).0);
    let crosses = new != old && (new < 0 || old < 0);
    if crosses { Err("assertions are taken in or left out at start-up only".into()) } else { Ok(()) }
}

/// A decimal number as PHP's `is_numeric` sees it: blanks around it, a sign, a fraction, an exponent.
fn is_number(value: &[u8]) -> bool {
    let text = value.trim_ascii();
    let text = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(text);
    let mut rest = &text[whole..];
    let mut fraction = 0;
    if let Some(after) = rest.strip_prefix(b".") {
        fraction = digits(after);
        rest = &after[fraction..];
    }
    if whole + fraction == 0 {
        return false;
    }
    if let [b'e' | b'E', after @ ..] = rest {
        let after = after.strip_prefix(b"-").or_else(|| after.strip_prefix(b"+")).unwrap_or(after);
        let power = digits(after);
        return power > 0 && power == after.len();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_names() {
        for number in ["0", "-1", " 1", "1 ", "1.5", ".5", "5.", "1e3", "1E-3", "+2"] {
            assert!(is_number(number.as_bytes()), "{number}");
        }
        for name in ["", ".", "1K", "e3", "1e", "0x10", "PHPSESSID", "- 1"] {
            assert!(!is_number(name.as_bytes()), "{name}");
        }
    }

    /// As a real PHP 8.2 accepted and refused them.
    #[test]
    fn facilities_zones_and_character_sets() {
        let takes =
            |rule: &ValueRule, value: &str, version| rule.accepts(value.as_bytes(), Moment::Startup, version).is_ok();
        for (value, fine) in
            [("LOG_USER", true), ("local3", true), ("security", true), ("log_user", false), ("USER", false)]
        {
            assert_eq!(takes(&ValueRule::Facility, value, PhpVersion::V8_2), fine, "{value}");
        }
        for value in ["LOG_NOPE", "LOG_user", "LOG_SECURITY", "", "128", "LOG_", "user "] {
            assert!(!takes(&ValueRule::Facility, value, PhpVersion::V8_2), "{value}");
        }
        for (value, fine) in
            [("europe/paris", true), ("Etc/GMT+5", true), ("", false), ("UTC ", false), ("+02:00", false)]
        {
            assert_eq!(takes(&ValueRule::Zone, value, PhpVersion::V8_2), fine, "{value}");
            assert!(takes(&ValueRule::Zone, value, PhpVersion::V8_1));
        }
        // As a real PHP 8.2 with opcache accepted and refused them.
        for (value, fine) in [
            ("tracing", true),
            ("TRACING", true),
            ("1255", true),
            ("12", true),
            ("0000", true),
            ("1256", false),
            ("1265", false),
            ("1305", false),
            ("2205", false),
            ("12055", false),
            ("1111x", false),
            ("abc", false),
        ] {
            assert_eq!(takes(&ValueRule::Jit, value, PhpVersion::V8_2), fine, "{value}");
        }
        assert!(takes(&ValueRule::Charset, &"x".repeat(63), PhpVersion::V8_2));
        assert!(!takes(&ValueRule::Charset, &"x".repeat(64), PhpVersion::V8_2));
    }

    /// As php8.2 with opcache has them (I-184).
    #[test]
    fn opcache_refuses_numbers_out_of_range() {
        let rule = ValueRule::named;
        let takes =
            |name: &str, value: &str, version| rule(name).accepts(value.as_bytes(), Moment::Startup, version).is_ok();
        for (name, good, bad) in [
            (
                "jit",
                &["0", "5", "11", "1255", "+1205", " 12", "0205", "tracing", ""][..],
                &["10", "40", "1241", "1205x", "8", "2011", "-11", "0x10"][..],
            ),
            ("jit_counter", &["0", "255", "abc"], &["-1", "256", "1K"]),
            ("jit_unrolls", &["1", "9", "1e3"], &["0", "10", "abc"]),
            ("jit_returns", &["0", "3"], &["-1", "4"]),
            ("opcache_files", &["200", "1000000", "300x", "4294967496"], &["199", "64M", "0x7FFF", "1000001"]),
            ("opcache_wasted", &["1", "50", "1K"], &["0", "51", "64M", ""]),
            ("opcache_megabytes", &["8", "64M"], &["7", "-1", "1K", "2 M"]),
            ("opcache_strings", &["0", "4095", "1K"], &["-1", "4096", "0x7FFF", "2 M"]),
            ("opcache_checks", &["0", "abc", "0x20"], &["1", "-1", "1K"]),
        ] {
            for value in good {
                assert!(takes(name, value, PhpVersion::V8_2), "{name} {value}");
            }
            for value in bad {
                assert!(!takes(name, value, PhpVersion::V8_2), "{name} {value}");
            }
        }
        assert!(takes("opcache_strings", "4096", PhpVersion::V8_1));
        assert!(takes("opcache_files", "1", PhpVersion::V7_4));
        let later =
            |value: &str| rule("off_later").accepts(value.as_bytes(), Moment::Later(b"1"), PhpVersion::V8_2).is_ok();
        assert!(later("0") && later("") && later("abc") && !later("1") && !later("yes") && !later("64M"));
    }

    #[test]
    fn strict_checks_say_what_they_want() {
        let choice = ValueRule::Choice(&["php", "all"]);
        assert!(choice.accepts(b"PHP", Moment::Startup, PhpVersion::V8_2).is_ok());
        let refused = choice.accepts(b"both", Moment::Startup, PhpVersion::V8_2).unwrap_err();
        assert_eq!(refused, "it must be one of php, all");
        let switch = ValueRule::OnOffOr(&["required"]);
        for (value, fine) in
            [("", true), ("1", true), ("On", true), ("Required", true), ("2", false), ("require", false)]
        {
            assert_eq!(switch.accepts(value.as_bytes(), Moment::Startup, PhpVersion::V8_2).is_ok(), fine, "{value}");
        }
        let whole = ValueRule::Whole { min: 0, max: 10, or_empty: true };
        for (value, fine) in [("", true), ("10", true), ("11", false), ("-1", false), (" 1", false), ("1s", false)] {
            assert_eq!(whole.accepts(value.as_bytes(), Moment::Startup, PhpVersion::V8_2).is_ok(), fine, "{value}");
        }
    }
}
