//! Something odd that was met while reading configuration, and was not an error.

use crate::origin::Origin;
use std::fmt;

macro_rules! diagnostic_codes {
    ($($(#[doc = $text:literal])* $variant:ident = $name:literal, [$($severity:ident),*];)*) => {
        /// What a finding is about. The one table of the words that programs see: `outlive check --list` prints it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Diagnosis {
            $($(#[doc = $text])* $variant,)*
        }

        impl Diagnosis {
            /// All of them, by name.
            pub const ALL: &'static [Diagnosis] = &[$(Diagnosis::$variant,)*];

            /// The short stable word for programs, such as `unknown-directive`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Diagnosis::$variant => $name,)*
                }
            }

            /// How much it may matter, the least first.
            pub fn severities(self) -> &'static [Severity] {
                match self {
                    $(Diagnosis::$variant => &[$(Severity::$severity,)*],)*
                }
            }

            /// One sentence for people.
            pub fn sentence(self) -> &'static str {
                match self {
                    $(Diagnosis::$variant => concat!($($text),*).trim_ascii(),)*
                }
            }
        }
    };
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Probably not what the author meant.
    Warning,
    /// Something was not read, or has no effect, and would have mattered.
    Error,
}

impl Severity {
    /// The word that is shown.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

diagnostic_codes! {
    /// A line of an ini file is written as in Apache's files, and does nothing.
    ApacheSyntax = "apache-syntax", [Warning];
    /// A `name[]` entry stands where real PHP fails on it; it is left out.
    ArrayEntry = "array-entry", [Error];
    /// A value holds what looks like a comment: `#` begins none there.
    CommentInValue = "comment-in-value", [Warning];
    /// A section is never read: its condition is false, or PHP of this kind has no such sections.
    DeadSection = "dead-section", [Note, Warning];
    /// A directive is set twice where only one line counts.
    Duplicate = "duplicate", [Note, Warning];
    /// A file is UTF-16, or begins with a byte order mark.
    Encoding = "encoding", [Note, Error];
    /// The command line's PHP fixes this directive, whatever php.ini says.
    FixedBySapi = "fixed-by-sapi", [Note];
    /// max_input_time ends programs that have no time limit of their own (fact C-166).
    InputLimitKills = "input-limit-kills", [Warning];
    /// A PHP_VALUE holds the two characters `\n`, which are no new line.
    LiteralNewline = "literal-newline", [Warning];
    /// A line has no effect because an administrator's line has locked the directive.
    Locked = "locked", [Warning];
    /// A macro is odd: it is defined again, or a parameter's name is unusual.
    Macro = "macro", [Warning];
    /// A quantity is read as another number than it looks like.
    MalformedQuantity = "malformed-quantity", [Warning];
    /// A DocumentRoot is no directory, so every request for its host fails.
    NoDocumentRoot = "no-document-root", [Warning];
    /// A line is accepted and does nothing, or PHP does not act on the value.
    NoEffect = "no-effect", [Note, Warning];
    /// A directive belongs to an extension that is not loaded.
    NoExtension = "no-extension", [Note, Warning];
    /// PHP does not start with this line.
    NoStart = "no-start", [Error];
    /// The TypesConfig file cannot be read, so types of files are not known.
    NoTypesFile = "no-types-file", [Warning];
    /// A line of an ini file has no `=`, and does nothing.
    NoValue = "no-value", [Note];
    /// A PHP_VALUE holds something else than `name = value`; it is refused.
    NotAnEntry = "not-an-entry", [Warning];
    /// A directive is understood, and not evaluated here; the answer may be another one.
    NotEvaluated = "not-evaluated", [Warning];
    /// A pool names an account or a directory that is not there; php-fpm would not start on that machine.
    NotHere = "not-here", [Note];
    /// A plain-INI tool reads this line differently from PHP.
    NotPortable = "not-portable", [Note];
    /// Files below a document root were not looked for, or not looked at.
    NotSearched = "not-searched", [Note];
    /// The server answers by itself; no program runs for this request.
    NotServed = "not-served", [Note];
    /// A boolean directive has a value that PHP takes for off, or that looks like something else.
    OddBoolean = "odd-boolean", [Warning];
    /// php_flag has a word that it reads as off.
    OddFlag = "odd-flag", [Warning];
    /// A number is followed by text that PHP does not read.
    OddNumber = "odd-number", [Warning];
    /// A pool lacks what php-fpm needs in each of them; a file that only adds to a pool may.
    PoolIncomplete = "pool-incomplete", [Note];
    /// A server does not start with this line.
    RefusedLine = "refused-line", [Error];
    /// A directive does not take this value; the line does nothing.
    RefusedValue = "refused-value", [Warning, Error];
    /// A [PATH=] or [HOST=] section lasts to the end of the file, other headers included.
    SectionGoesOn = "section-goes-on", [Warning];
    /// A mistake in a file makes the server answer every request below with 500.
    ServerError = "server-error", [Error];
    /// No LoadModule line was read, so Apache's usual modules are assumed.
    StockModules = "stock-modules", [Note];
    /// A file breaks the rules of its language; the rest of it is not read.
    Syntax = "syntax", [Error];
    /// The pool ends a program before its own time limit does, without shutdown functions.
    TerminateBeforeLimit = "terminate-before-limit", [Warning];
    /// A `${NAME}` of an Apache file is not defined, and stays as it is.
    UndefinedVariable = "undefined-variable", [Warning];
    /// No known version of PHP or no known module has a directive of this name.
    UnknownDirective = "unknown-directive", [Note, Warning];
    /// A loaded module's directives are not known here.
    UnknownModule = "unknown-module", [Note];
    /// A file is there and cannot be read, so its lines are not known.
    Unreadable = "unreadable", [Error];
    /// A host name would be looked up; only the server itself can know its address.
    UnresolvedName = "unresolved-name", [Warning];
    /// A `${NAME}` of an ini file is set nowhere, and puts nothing in.
    UnsetVariable = "unset-variable", [Warning];
    /// A regular expression uses what is not supported here; where it would matter, nothing is answered.
    UnsupportedPattern = "unsupported-pattern", [Warning];
    /// Uploads may be larger than a whole request may be.
    UploadOverPost = "upload-over-post", [Warning];
    /// A directive cannot be changed from where this line stands.
    WrongLevel = "wrong-level", [Warning];
    /// A line has no effect because PHP of this kind does not read it.
    WrongSapi = "wrong-sapi", [Warning];
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// What it is about.
    pub code: Diagnosis,
    /// Where.
    pub origin: Origin,
    /// What it is, what it does, and what to do.
    pub message: String,
}

impl Diagnostic {
    /// A finding of one of the severities that its code has.
    pub fn new(severity: Severity, code: Diagnosis, origin: Origin, message: String) -> Self {
        debug_assert!(code.severities().contains(&severity), "{code} is never of severity {}", severity.word());
        Self { severity, code, origin, message }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.origin, self.severity.word(), self.message)
    }
}

/// The most diagnostics of one kind of text that are kept.
const MOST_KEPT: usize = 10_000;

/// Adds a diagnostic, as long as there is room; the last one says that there are more.
pub(crate) fn add(all: &mut Vec<Diagnostic>, make: impl FnOnce() -> Diagnostic) {
    if all.len() < MOST_KEPT {
        all.push(make());
    } else if all.len() == MOST_KEPT {
        let message = "there are more than 10,000 of these: from here on they are not listed".to_owned();
        all.push(Diagnostic { message, ..make() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_says_something() {
        let names: Vec<&str> = Diagnosis::ALL.iter().map(|code| code.name()).collect();
        assert!(names.is_sorted(), "{names:?}");
        for code in Diagnosis::ALL {
            assert!(code.severities().is_sorted() && !code.severities().is_empty(), "{code}");
            assert!(code.sentence().ends_with('.') && code.sentence().len() > 20, "{code}");
            assert!(code.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{code}");
        }
    }
}
