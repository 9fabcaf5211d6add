//! Which modules are loaded, and which directives they bring (facts; the table is `modules.txt`).

use super::directives::{Act, Arity, act_of};
use super::not_acted::influence;
use super::tokens::same_name;
use crate::error::{Code, Error, Result};
use crate::httpd::pattern::hash::HashIndex;
use std::hash::BuildHasherDefault;

static TABLE: &str = include_str!("modules.txt");

/// Where a directive may stand: the sum of these (see `modules.txt`).
pub(crate) mod place {
    pub const LIMIT: u16 = 1;
    pub const OPTIONS: u16 = 2;
    pub const FILE_INFO: u16 = 4;
    pub const AUTH_CONFIG: u16 = 8;
    pub const INDEXES: u16 = 16;
    /// All that `AllowOverride All` allows.
    pub const ALL: u16 = 31;
    pub const SECTION: u16 = 64;
    pub const SERVER: u16 = 128;
    pub const ON_READ: u16 = 256;
    /// In `<Proxy>`.
    pub const PROXY: u16 = 2048;
}

/// One directive of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Directive {
    pub name: &'static str,
    pub place: u16,
    pub arity: Arity,
    pub act: Act,
    /// It is not evaluated, and may decide which file answers: see [`influence`].
    pub influences: bool,
}

/// What expressions may use where they stand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scope {
    /// In an `.htaccess`: no function that reads files.
    pub restricted: bool,
    /// mod_ssl is loaded, or may be: its variables exist.
    pub ssl: bool,
}

/// The hash of a directive's name, letters' case ignored: eight bytes at a time. Bytes that differ only in the case bit hash
/// alike, letters or not; the names themselves are compared afterwards.
fn name_hash(name: &[u8]) -> u64 {
    const CASE: u64 = 0x2020_2020_2020_2020;
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ (word | CASE)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (words, rest) = name.as_chunks::<8>();
    let hash = words.iter().fold(name.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let last = rest.iter().fold(0, |last, &byte| last << 8 | u64::from(byte));
    let hash = mix(hash, last);
    hash ^ (hash >> 32)
}

/// A line's first word, and the rest. The table is read for every configuration, and its words are short: byte by byte is quickest.
fn cut(line: &'static str) -> (&'static str, &'static str) {
    let end = line.bytes().position(|byte| byte == b' ').unwrap_or(line.len());
    (&line[..end], line.get(end + 1..).unwrap_or_default())
}

#[derive(Clone, Debug)]
struct Module {
    identifier: &'static str,
    source: &'static str,
    from: u32,
    to: u32,
    loaded: bool,
}

/// The modules of one server.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    modules: Vec<Module>,
    directives: Vec<Directive>,
    by_name: HashIndex<u16>,
    /// Identifiers that are not in the table: their directives look like misspellings.
    strangers: Vec<Box<[u8]>>,
    /// Providers and filters that lines have defined for other lines to use.
    aliases: Vec<Box<[u8]>>,
    /// A `LoadModule` line was read.
    has_loaded: bool,
    /// For an `.htaccess`, whose expressions may use less.
    restricted: bool,
}

/// Modules that do not count as compiled in: each excludes another one, or is no stock module.
const OTHERS: [&str; 6] =
    ["php7_module", "php5_module", "mpm_event_module", "mpm_worker_module", "cgid_module", "outlive_module"];

/// Whether a `LoadModule` line's identifier is mod_php's.
pub(crate) fn is_mod_php(identifier: &[u8]) -> bool {
    matches!(identifier, b"php_module" | b"php7_module")
}

impl Registry {
    /// Only the modules that are compiled in.
    pub fn new() -> Self {
        let mut new = Self {
            modules: Vec::with_capacity(140),
            directives: Vec::with_capacity(800),
            by_name: HashIndex::with_capacity_and_hasher(512, BuildHasherDefault::default()),
            strangers: Vec::new(),
            aliases: Vec::new(),
            has_loaded: false,
            restricted: false,
        };
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            new.table_line(line);
        }
        let compiled_in: Vec<usize> = (0..new.modules.len()).filter(|&at| new.modules[at].loaded).collect();
        for at in compiled_in {
            new.index(at);
        }
        new
    }

    /// Every stock module, as if compiled in.
    pub fn stock() -> Self {
        let mut new = Self::new();
        for at in 0..new.modules.len() {
            if !new.modules[at].loaded && !OTHERS.contains(&new.modules[at].identifier) {
                new.index(at);
            }
        }
        new
    }

    /// The same modules, for an `.htaccess`.
    #[must_use]
    pub fn restricted(&self) -> Self {
        Self { restricted: true, ..self.clone() }
    }

    /// What expressions may use.
    pub fn scope(&self) -> Scope {
        Scope { restricted: self.restricted, ssl: self.is_loaded(b"mod_ssl.c") || !self.strangers.is_empty() }
    }

    /// Whether a `LoadModule` line was read.
    pub fn has_loaded(&self) -> bool {
        self.has_loaded
    }

    fn table_line(&mut self, line: &'static str) {
        let (first, rest) = cut(line);
        let (second, third) = cut(rest);
        let third = cut(third).0;
        if third.is_empty() {
            return;
        }
        let end = self.directives.len() as u32;
        if first == "module" || first == "static" {
            let loaded = first == "static";
            self.modules.push(Module { identifier: second, source: third, from: end, to: end, loaded });
            return;
        }
        let place = second.parse().unwrap_or(0);
        let influences = influence(first, b"").is_some();
        self.directives.push(Directive { name: first, place, arity: Arity::of(third), act: act_of(first), influences });
        if let Some(module) = self.modules.last_mut() {
            module.to = end + 1;
        }
    }

    fn index(&mut self, at: usize) {
        self.modules[at].loaded = true;
        for number in self.modules[at].from..self.modules[at].to {
            let key = name_hash(self.directives[number as usize].name.as_bytes());
            self.by_name.entry(key).or_insert(number as u16);
        }
    }

    /// `LoadModule`. False: not in the table.
    pub fn load(&mut self, identifier: &[u8]) -> Result<bool> {
        self.has_loaded = true;
        if let Some(at) = self.modules.iter().position(|module| module.identifier.as_bytes() == identifier) {
            if !self.modules[at].loaded {
                self.index(at);
            }
            return Ok(true);
        }
        if self.strangers.len() >= 10_000 {
            return Err(Error::new(Code::TooLarge, "More than 10,000 unknown modules: remove LoadModule lines"));
        }
        if !self.strangers.iter().any(|known| **known == *identifier) {
            self.strangers.push(identifier.into());
        }
        Ok(false)
    }

    /// The modules that the table does not know.
    pub fn strangers(&self) -> &[Box<[u8]>] {
        &self.strangers
    }

    /// Keeps a name that a line gives to a provider or filter of its own. Those past 1,000 are left out.
    pub fn add_alias(&mut self, name: &[u8]) {
        if self.aliases.len() < 1000 {
            self.aliases.push(name.into());
        }
    }

    /// Whether a line has made a provider or filter of this name.
    pub fn has_alias(&self, name: &[u8]) -> bool {
        self.aliases.len() >= 1000 || self.aliases.iter().any(|own| own.eq_ignore_ascii_case(name))
    }

    /// Whether a module is loaded that wants access checked for every URI of a request, not once for each configuration.
    pub fn checks_each_uri(&self) -> bool {
        const MODULES: [&[u8]; 4] = [b"mod_allowmethods.c", b"mod_auth_form.c", b"mod_lua.c", b"mod_log_debug.c"];
        MODULES.iter().any(|name| self.is_loaded(name))
    }

    /// `<IfModule>`'s question: an identifier or a source file's name, exact case.
    pub fn is_loaded(&self, name: &[u8]) -> bool {
        self.modules.iter().any(|m| m.loaded && (m.identifier.as_bytes() == name || m.source.as_bytes() == name))
            || self.strangers.iter().any(|known| **known == *name)
    }

    /// A directive of a loaded module; sections with their `<`. Case is ignored.
    pub fn find(&self, name: &[u8]) -> Option<u16> {
        let number = *self.by_name.get(&name_hash(name))?;
        same_name(self.directives[usize::from(number)].name.as_bytes(), name).then_some(number)
    }

    #[cfg(test)]
    pub fn all(&self) -> &[Directive] {
        &self.directives
    }

    pub fn directive(&self, number: u16) -> &Directive {
        &self.directives[usize::from(number)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn the_table_has_no_two_names_with_one_hash() {
        let registry = Registry::new();
        let mut seen: HashMap<u64, &str> = HashMap::new();
        for directive in &registry.directives {
            let name = *seen.entry(name_hash(directive.name.as_bytes())).or_insert(directive.name);
            assert!(name.eq_ignore_ascii_case(directive.name), "{name} {}", directive.name);
        }
        assert!(registry.modules.len() > 100 && registry.directives.len() > 700);
    }

    #[test]
    fn what_is_loaded_is_known() {
        let mut registry = Registry::new();
        assert!(registry.find(b"DOCUMENTROOT").is_some() && registry.find(b"php_value").is_none());
        assert!(registry.is_loaded(b"http_core.c") && !registry.is_loaded(b"mod_php.c"));
        assert!(registry.load(b"php_module").unwrap() && !registry.load(b"no_module").unwrap());
        assert!(registry.find(b"PHP_Value").is_some() && registry.is_loaded(b"mod_php.c"));
    }
}
