//! Which extensions the modelled PHP has: directives of a missing extension do not exist.

use crate::args::SourceArgs;
use crate::statements::statements;
use outlive::PhpVersion;
use outlive::config::{Access, Config, Directive};
use outlive::ini::{Event, Value};
use std::cell::OnceCell;
use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;

/// What Debian compiles in; `libxml`, `hash` and their like bring no directives that anybody sets.
const DEBIAN: [&str; 16] = [
    "core",
    "date",
    "filter",
    "hash",
    "json",
    "libxml",
    "openssl",
    "pcntl",
    "pcre",
    "random",
    "reflection",
    "session",
    "sodium",
    "spl",
    "standard",
    "zlib",
];

/// A directive of an extension that PHP itself does not come with, as Debian's packages of PHP 8.2 have it.
pub struct Recorded {
    pub name: &'static str,
    /// The extension.
    pub owner: &'static str,
    pub default: String,
    pub access: Access,
}

/// All of them; tests/tools/extensions records them.
pub fn recorded() -> impl Iterator<Item = Recorded> {
    include_str!("extensions.tsv").lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut fields = line.split('\t');
        let (name, owner, default) = (fields.next()?, fields.next()?, fields.next()?);
        let access = Access(fields.next()?.parse().ok()?);
        let default = default.replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\");
        Some(Recorded { name, owner, default, access })
    })
}

/// The extension that a recorded directive belongs to.
pub fn recorded_owner(name: &[u8]) -> Option<&'static str> {
    recorded().find(|one| one.name.as_bytes() == name).map(|one| one.owner)
}

/// The extensions of one PHP. Its files are looked through for lines that load some when somebody asks for a directive that
/// is not always there.
pub struct Extensions {
    config: Config,
    /// What `-d` loads, and what `--compiled-in` names.
    by_option: Vec<String>,
    compiled_in: Vec<String>,
    known: OnceCell<Option<HashSet<String>>>,
}

impl Extensions {
    /// Those of a configuration.
    pub fn of(config: &Config, source: &SourceArgs) -> Self {
        let loaded = |text| match crate::pair::pair(text) {
            (name, Some(value)) if loads(name) => Some(module(value)),
            _ => None,
        };
        let by_option = source.set.iter().filter_map(|text| loaded(text)).collect();
        let compiled_in = source.compiled_in.iter().map(|name| module(name.as_bytes())).collect();
        Self { config: config.clone(), by_option, compiled_in, known: OnceCell::new() }
    }

    /// `None`: no line loads any extension, so it is not known which exist, and none counts as missing.
    fn known(&self) -> Option<&HashSet<String>> {
        let read = || {
            let mut loaded: HashSet<String> = self.by_option.iter().cloned().collect();
            // Most files load nothing, and reading them once more costs time.
            for (_, _, text) in self.config.ini_files().filter(|(_, _, text)| find_word(text)) {
                statements(self.config.php_version(), text, &mut |event, _| {
                    if let Event::Entry { key, value: Value::Text(value) } = event
                        && loads(key)
                    {
                        loaded.insert(module(value));
                    }
                });
            }
            if loaded.is_empty() {
                return None;
            }
            loaded.extend(self.compiled_in.iter().cloned());
            Some(loaded)
        };
        self.known.get_or_init(read).as_ref()
    }

    /// Whether a line loads it, or an option names it.
    fn is_named(&self, extension: &str) -> bool {
        self.known().is_some_and(|known| known.contains(extension))
            || self.compiled_in.iter().any(|one| one == extension)
    }

    /// Whether that PHP is known to be without this extension.
    pub fn lack(&self, extension: &str) -> bool {
        let extension = extension.to_ascii_lowercase();
        !DEBIAN.contains(&extension.as_str()) && self.known().is_some_and(|known| !known.contains(&extension))
    }

    /// The extension that the directive belongs to, where that PHP does not have it.
    pub fn missing<'d>(&self, directive: &'d Directive) -> Option<&'d str> {
        let owner = owner(directive);
        if directive.extension() == "host" {
            // No PHP has these without a line that loads them.
            return recorded_owner(directive.name()).filter(|owner| !self.is_named(owner));
        }
        let always = matches!(owner, "outlive" | "host") || owner.starts_with("sapi/");
        // From 8.5 on every PHP has it.
        let always = always || (owner == "opcache" && self.config.php_version() >= PhpVersion::V8_5);
        (!always && self.lack(owner)).then_some(owner)
    }
}

/// The extension's name as a php.ini writes it.
pub fn owner(directive: &Directive) -> &str {
    // The PHPs whose directives were recorded had these two compiled in.
    match directive.name() {
        name if name.starts_with(b"opcache.") => "opcache",
        name if name.starts_with(b"phar.") => "phar",
        _ => directive.extension(),
    }
}

fn loads(key: &[u8]) -> bool {
    key.eq_ignore_ascii_case(b"extension") || key.eq_ignore_ascii_case(b"zend_extension")
}

fn find_word(text: &[u8]) -> bool {
    let word = b"extension";
    text.split(|&byte| byte == b'\n').any(|line| {
        let line = line.trim_ascii_start();
        let rest = line.get(..5).filter(|start| start.eq_ignore_ascii_case(b"zend_")).map_or(line, |_| &line[5..]);
        rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
    })
}

/// `extension=mbstring`, `extension=php_mbstring.dll` and `extension=/x/mbstring.so` mean the same.
fn module(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value).trim().to_ascii_lowercase();
    let name = text.rsplit(['/', '\\']).next().unwrap_or_default();
    let name = name.strip_suffix(".so").or_else(|| name.strip_suffix(".dll")).unwrap_or(name);
    name.strip_prefix("php_").unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_have_many_spellings() {
        for text in ["mbstring", "mbstring.so", "php_mbstring.dll", "/usr/lib/php/20220829/MBString.so"] {
            assert_eq!(module(text.as_bytes()), "mbstring", "{text}");
        }
        assert!(find_word(b"x=1\n Extension = gd\n") && find_word(b"zend_extension=opcache"));
        assert!(!find_word(b"; extension=gd\nextensio = 1\n"));
    }
}
