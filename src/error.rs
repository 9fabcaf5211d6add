//! One error type, and the one table of result codes.

use crate::origin::Origin;
use std::fmt;

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal, $text:literal;)*) => {
        /// The result of a call: 0 or positive for success, negative for an error.
        ///
        /// Numbers never change their meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $variant = $number,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The code of a number.
            pub fn from_number(number: i32) -> Option<Code> {
                match number {
                    $($number => Some(Code::$variant),)*
                    _ => None,
                }
            }

            /// The name that the C header gives it, with a NUL behind it.
            pub(crate) fn name_nul(self) -> &'static str {
                match self {
                    $(Code::$variant => concat!($name, "\0"),)*
                }
            }

            /// One sentence for people, with a NUL behind it.
            pub(crate) fn text_nul(self) -> &'static str {
                match self {
                    $(Code::$variant => concat!($text, "\0"),)*
                }
            }
        }
    };
}

codes! {
    /// Done.
    Ok = 0, "OUTLIVE_OK", "done; go on";
    /// The request should end now.
    Stop = 1, "OUTLIVE_STOP", "the request should end now";
    /// It had been done before (`finish`, `cancel`).
    Already = 2, "OUTLIVE_ALREADY", "this had been done before";
    /// An argument is NULL, too long, or not one of the values it may have.
    Argument = -1, "OUTLIVE_ERROR_ARGUMENT", "an argument is NULL or not one of the values it may have";
    /// No directive, pool or function of that name.
    NotFound = -2, "OUTLIVE_ERROR_NOT_FOUND", "there is nothing of that name";
    /// A file could not be read.
    Io = -3, "OUTLIVE_ERROR_IO", "a file could not be read";
    /// A text or file is larger than what is accepted, or nested too deeply.
    TooLarge = -4, "OUTLIVE_ERROR_TOO_LARGE", "larger or deeper than what is accepted";
    /// A text breaks the rules of its language.
    Syntax = -5, "OUTLIVE_ERROR_SYNTAX", "the text breaks the rules of its language";
    /// Apache, or FPM, would refuse to start with this configuration.
    Refused = -6, "OUTLIVE_ERROR_REFUSED", "the server would refuse to start with this configuration";
    /// The server itself would answer this request (an error status or a redirect); no settings are in force.
    NotServed = -7, "OUTLIVE_ERROR_NOT_SERVED", "the server would not run a program for this request";
    /// An admin layer has locked the directive.
    Locked = -8, "OUTLIVE_ERROR_LOCKED", "an administrator's setting has locked this directive";
    /// The directive cannot be changed from here.
    Access = -9, "OUTLIVE_ERROR_ACCESS", "this directive cannot be changed from here";
    /// The directive does not take this value.
    Value = -10, "OUTLIVE_ERROR_VALUE", "the directive does not take this value";
    /// The call does not fit the stage that the request is in.
    Stage = -11, "OUTLIVE_ERROR_STAGE", "the request is in a stage where this call makes no sense";
    /// The request has ended; the handle names nothing any more.
    Ended = -12, "OUTLIVE_ERROR_ENDED", "the request has ended";
    /// Another thread is inside a call on this request, or a callback called back where it may not.
    Busy = -13, "OUTLIVE_ERROR_BUSY", "another call on this request has not returned yet";
    /// The engine was made in the parent of this process.
    Forked = -14, "OUTLIVE_ERROR_FORKED", "the engine belongs to the parent of this process";
    /// The engine takes no new requests.
    Draining = -15, "OUTLIVE_ERROR_DRAINING", "the engine is draining and takes no new requests";
    /// More requests, or registered functions, than can be held.
    Full = -16, "OUTLIVE_ERROR_FULL", "no room for one more";
    /// The system refused a thread, a descriptor or memory.
    System = -17, "OUTLIVE_ERROR_SYSTEM", "the system refused a thread, a descriptor or memory";
    /// Time ran out before the work was done (`drain`).
    Timeout = -18, "OUTLIVE_ERROR_TIMEOUT", "the time given was not enough";
    /// A defect in outlive; the call did nothing that can be relied on.
    Panic = -19, "OUTLIVE_ERROR_PANIC", "a defect in outlive itself; please report it";
    /// A callback asked to stop.
    Interrupted = -20, "OUTLIVE_ERROR_INTERRUPTED", "a visitor asked for no more";
    /// This build or system cannot do that.
    Unsupported = -21, "OUTLIVE_ERROR_UNSUPPORTED", "this system cannot do that";
}

impl Code {
    /// The number that C sees.
    pub fn number(self) -> i32 {
        self as i32
    }

    /// The name that the C header gives it.
    pub fn name(self) -> &'static str {
        self.name_nul().trim_end_matches('\0')
    }

    /// One sentence for people.
    pub fn text(self) -> &'static str {
        self.text_nul().trim_end_matches('\0')
    }
}

/// What went wrong, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The kind.
    pub code: Code,
    /// File and line, where there are any.
    pub origin: Origin,
    /// Column, counted from 1; 0 where there is none.
    pub column: u32,
    /// For people: what, and what to do.
    pub message: String,
    /// Where a server would not start: the other lines that it refuses as well, had it read on. It stops at this one.
    pub others: Vec<Error>,
}

impl Error {
    /// An error without a place.
    #[cold]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, origin: Origin::default(), column: 0, message: message.into(), others: Vec::new() }
    }

    /// The same error, at a place.
    #[must_use]
    pub fn at(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.origin.file.is_some() {
            write!(f, "{}", self.origin)?;
            if self.column > 0 {
                write!(f, ":{}", self.column)?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_unique_and_found_again() {
        let mut names = std::collections::HashSet::new();
        for &code in Code::ALL {
            assert_eq!(Code::from_number(code.number()), Some(code));
            assert!(names.insert(code.name()));
            assert!(code.name().starts_with("OUTLIVE_"));
            assert_eq!(code.name().starts_with("OUTLIVE_ERROR_"), code.number() < 0);
        }
        assert_eq!(Code::from_number(1000), None);
    }
}
