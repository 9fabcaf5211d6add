//! A container's directives about a file's variants: languages, encodings, and which of several is preferred.

use super::section::{ByExtension, Text};

/// Directives of mod_mime and mod_negotiation that choose among files.
#[derive(Debug, Default)]
pub(crate) struct Negotiation {
    /// `AddEncoding`
    pub encodings: ByExtension,
    /// `AddLanguage`
    pub languages: ByExtension,
    /// `AddCharset`
    pub charsets: ByExtension,
    /// `AddInputFilter`, `AddOutputFilter`
    pub filters: ByExtension,
    /// `LanguagePriority`
    pub priority: Option<Vec<Text>>,
    /// `ForceLanguagePriority`
    pub force: Option<Force>,
    /// `MultiviewsMatch`
    pub matching: Option<Matching>,
}

/// `ForceLanguagePriority`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Force {
    /// Among several that the client takes, the order of `LanguagePriority` decides.
    pub prefer: bool,
    /// Where the client takes none, it gets the first of `LanguagePriority`.
    pub fallback: bool,
}

/// Which extensions of a variant are known ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Matching {
    pub any: bool,
    pub handlers: bool,
    pub filters: bool,
}

impl Force {
    /// The words of the directive.
    pub fn of(words: &[Text]) -> Result<Self, String> {
        let mut new = Self { prefer: false, fallback: false };
        for word in words {
            match &*word.to_ascii_lowercase() {
                b"none" if words.len() == 1 => {}
                b"none" => return Err("Cannot combine ForceLanguagePriority options with None".into()),
                b"prefer" => new.prefer = true,
                b"fallback" => new.fallback = true,
                _ => return Err(format!("Invalid ForceLanguagePriority option {}", String::from_utf8_lossy(word))),
            }
        }
        Ok(new)
    }
}

impl Matching {
    /// The words of the directive.
    pub fn of(words: &[Text]) -> Result<Self, String> {
        let mut new = Self::default();
        for word in words {
            match &*word.to_ascii_lowercase() {
                b"any" => new.any = true,
                b"handlers" => new.handlers = true,
                b"filters" => new.filters = true,
                b"negotiatedonly" => {}
                _ => return Err(format!("MultiviewsMatch: unknown option {}", String::from_utf8_lossy(word))),
            }
        }
        Ok(new)
    }
}
