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
    /// True: it is.
    pub(super) fn note_skipped_php(&mut self, act: Act, args: &[u8], origin: Origin) -> bool {
        let is_php = memchr::memmem::find(args, b"php").is_some();
        let is_dead = act == Act::IfModule && is_php && args.first() != Some(&b'!');
        if is_dead {
            let module = lossy(args).trim_end_matches('>').trim().to_owned();
            let message = format!(
                "<IfModule {module}> has no effect: no such module is loaded, so nothing in this section counts; mod_php \
                 of PHP 8 is php_module or mod_php.c"
            );
            push(&mut self.diagnostics, Severity::Note, Diagnosis::DeadSection, origin, message);
        }
        is_dead
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

#[cfg(test)]
mod tests {
    use crate::files::Memory;
    use crate::httpd::{Configuration, Options};

    #[test]
    fn sections_for_another_php_are_kept_with_all_their_lines() {
        let conf = "Listen 80\n<IfModule mod_php5.c>\n  php_value a 1\n<IfModule x.c>\nphp_flag b \\\n  on\n</IfModule>\n\
                    php_value c 3\n</IfModule>\nphp_value d 4\n<IfModule mod_php7.c>\n</IfModule>\n<IfModule mod_other.c>\nphp_value e 5\n</IfModule>\n";
        let files = Memory::new().with("/etc/httpd.conf", conf);
        let loaded = Configuration::load(&files, "/etc/httpd.conf".as_ref(), &Options::default()).unwrap();
        let dead: Vec<_> = loaded.dead_sections().collect();
        let lines: Vec<_> =
            dead[0].lines.iter().map(|(number, line)| (*number, String::from_utf8_lossy(line))).collect();
        assert_eq!((dead.len(), dead[0].origin.line, &*dead[0].opening), (2, 2, &b"<IfModule mod_php5.c>"[..]));
        assert_eq!((lines[0].0, &*lines[0].1, lines[5].0, &*lines[5].1), (3, "  php_value a 1", 8, "php_value c 3"));
        assert_eq!((&*lines[6].1, lines.len()), ("</IfModule>", 8));
        assert_eq!(dead[1].origin.line, 11);
    }
}
