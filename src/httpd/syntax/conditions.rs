//! The containers that are decided while reading (facts ).

use super::directives::Act;
use super::messages::{lossy, push};
use super::reader::Reader;
use super::tokens::{Tokens, next_token, trim};
use crate::diagnostic::{Diagnosis, Severity};
use crate::httpd::pattern::Pattern;
use crate::origin::Origin;
use std::cmp::Ordering;

/// The result of a condition.
pub(super) enum Verdict {
    Holds,
    Fails,
    Wrong(String),
}

impl From<bool> for Verdict {
    fn from(holds: bool) -> Self {
        if holds { Self::Holds } else { Self::Fails }
    }
}

impl Reader<'_> {
    pub(super) fn condition(&self, act: Act, args: &[u8]) -> Verdict {
        if act == Act::IfVersion {
            return if_version(self.version, args).unwrap_or_else(Verdict::Wrong);
        }
        let name = match act {
            Act::IfModule => "<IfModule>",
            Act::IfDefine => "<IfDefine>",
            Act::IfFile => "<IfFile>",
            Act::IfDirective => "<IfDirective>",
            _ => "<IfSection>",
        };
        let Some(end) = memchr::memrchr(b'>', args) else {
            return Verdict::Wrong(format!("{name} directive missing closing '>'"));
        };
        let text = trim(&args[..end]);
        let (not, text) = match text.strip_prefix(b"!") {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (word, _) = next_token(text);
        if word.is_empty() {
            return Verdict::Wrong(format!("{name} directive requires additional arguments"));
        }
        let found = match act {
            Act::IfModule => self.registry.is_loaded(&word),
            Act::IfDefine => self.defines.is_defined(&word),
            Act::IfFile => self.files.kind(&self.absolute(&word)).is_ok(),
            Act::IfDirective => self.registry.find(&word).is_some(),
            _ => self.registry.find(&[b"<", &*word].concat()).is_some(),
        };
        Verdict::from(found != not)
    }
}

impl Reader<'_> {
    /// `<IfModule mod_php5.c>` is meant for another PHP, or was forgotten in an upgrade.
    pub(super) fn note_skipped_php(&mut self, act: Act, args: &[u8], origin: Origin) {
        let is_php = memchr::memmem::find(args, b"php").is_some();
        if act == Act::IfModule && is_php && args.first() != Some(&b'!') {
            let module = lossy(args).trim_end_matches('>').trim().to_owned();
            let message = format!(
                "<IfModule {module}> has no effect: no such module is loaded, so nothing in this section counts; mod_php \
                 of PHP 8 is php_module or mod_php.c"
            );
            push(&mut self.diagnostics, Severity::Note, Diagnosis::DeadSection, origin, message);
        }
    }
}

const BAD_VERSION: &str = "Version appears to be invalid. It must have the format major[.minor[.patch]] where major, \
                           minor and patch are numbers.";

/// `<IfVersion [op] V>`.
fn if_version(have: (u32, u32, u32), args: &[u8]) -> Result<Verdict, String> {
    let mut words = Tokens::new(args);
    let (mut op, mut wanted, tail) = (words.word(), words.next(), words.next());
    if wanted.is_none() {
        wanted = Some(std::mem::replace(&mut op, b"=".as_slice().into()));
    }
    let wanted = wanted.unwrap_or_default();
    let closed = wanted.strip_suffix(b">");
    let wanted = match (closed, tail) {
        (Some(wanted), None) => wanted,
        (_, Some(tail)) if *tail == *b">" => &*wanted,
        _ => return Err("<IfVersion> directive missing closing '>'".into()),
    };
    let (not, bare) = match op.strip_prefix(b"!") {
        Some(rest) if !rest.is_empty() => (true, rest),
        _ => (false, &*op),
    };
    let holds = match bare {
        b"~" => matches_version(have, wanted)?,
        b"=" | b"==" if wanted.first() == Some(&b'/') => {
            let inner = wanted[1..].strip_suffix(b"/").ok_or("Missing delimiting / of regular expression.")?;
            matches_version(have, inner)?
        }
        b"=" | b"==" => compare(have, wanted)? == Ordering::Equal,
        b"<" => compare(have, wanted)? == Ordering::Less,
        b"<=" => compare(have, wanted)? != Ordering::Greater,
        b">" => compare(have, wanted)? == Ordering::Greater,
        b">=" => compare(have, wanted)? != Ordering::Less,
        _ => return Err(format!("unrecognized operator '{}'", lossy(&op))),
    };
    Ok(Verdict::from(holds != not))
}

fn compare(have: (u32, u32, u32), wanted: &[u8]) -> Result<Ordering, String> {
    let mut parts = [0u32; 3];
    for (count, part) in wanted.split(|&b| b == b'.').enumerate() {
        let text = std::str::from_utf8(part).ok().filter(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit()));
        let number = text.and_then(|text| text.parse().ok());
        match (parts.get_mut(count), number) {
            (Some(place), Some(number)) => *place = number,
            _ => return Err(BAD_VERSION.into()),
        }
    }
    Ok(have.cmp(&(parts[0], parts[1], parts[2])))
}

fn matches_version(have: (u32, u32, u32), regex: &[u8]) -> Result<bool, String> {
    let pattern = Pattern::new(regex, false).map_err(|_| "Unable to compile regular expression".to_owned())?;
    let text = format!("{}.{}.{}", have.0, have.1, have.2);
    Ok(pattern.is_match(text.as_bytes()).unwrap_or(false))
}
