//! One server: the main one or a virtual host, with indexes over its literal sections.

use super::answer::ServerLayer;
use super::fast_index::FEW;
use super::section::{Matcher, Section};
use super::vhost::Address;
use crate::httpd::pattern::hash::hash;
use crate::httpd::pattern::head::Head;
use crate::httpd::syntax::uri::Slashes;
use crate::origin::Origin;
use std::borrow::Borrow;

/// An `Alias` of any kind.
#[derive(Debug)]
pub(crate) struct Alias {
    pub from: Matcher,
    pub to: Box<[u8]>,
    /// `ScriptAlias`: what is there is run.
    pub script: bool,
    pub origin: Origin,
}

/// `ProxyPass`.
#[derive(Debug)]
pub(crate) struct Passed {
    pub from: Matcher,
    /// Where to; none: what matches is not passed on.
    pub to: Option<Box<[u8]>>,
    pub origin: Origin,
}

/// What a server says of itself.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    /// `ServerAdmin`
    pub admin: Option<Box<[u8]>>,
    /// `ServerTokens`
    pub tokens: Option<Box<[u8]>>,
}

/// `UserDir`.
#[derive(Debug, Default)]
pub(crate) struct UserDirs {
    pub patterns: Vec<Box<[u8]>>,
    pub enabled: Vec<Box<[u8]>>,
    pub disabled: Vec<Box<[u8]>>,
    pub all_disabled: Option<bool>,
}

/// All servers, the main one first.
#[allow(clippy::vec_box, reason = "they are large: only their places are moved as the list grows")]
pub(crate) type Servers = Vec<Box<Server>>;

/// A server.
#[derive(Debug)]
pub(crate) struct Server {
    pub section: Section,
    pub addresses: Vec<Address>,
    pub name: Option<Box<[u8]>>,
    /// The name that a host without `ServerName` gets: the main server's, or that of its address.
    pub derived_name: Option<Box<[u8]>>,
    pub port: Option<u16>,
    /// What few servers say of themselves.
    pub identity: Option<Box<Identity>>,
    pub aliases_of_name: Vec<Box<[u8]>>,
    pub document_root: Option<Box<[u8]>>,
    pub access_names: Option<Vec<Box<[u8]>>>,
    pub aliases: Vec<Alias>,
    pub user_dirs: Option<Box<UserDirs>>,
    pub virtual_root: Option<Box<[u8]>>,
    pub merge_slashes: Option<bool>,
    /// `TraceEnable`
    pub trace: Option<bool>,
    pub encoded_slashes: Option<Slashes>,
    /// Patterns of URLs that are passed on to another server.
    pub proxied: Vec<Passed>,
    pub dirs: Vec<Section>,
    pub locations: Vec<Section>,
    pub dir_index: Index,
    pub location_index: Index,
    pub file_index: Index,
}

/// Literal sections by hash, the others in order.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Hash and number, sorted.
    literal: Vec<(u64, u32)>,
    /// Once there are many: where the hashes with each beginning of so many bits begin, and where the last ones end.
    starts: Vec<u32>,
    bits: u32,
    /// Each with its head, so that those that cannot match are skipped.
    pub wild: Vec<(Head, u32)>,
    pub regex: Vec<(Head, u32)>,
    /// Bit n: there is a literal path of n components (63: of more).
    pub depths: u64,
}

impl Index {
    fn new(sections: &[impl Borrow<Section>]) -> Self {
        let mut new = Self::default();
        new.literal.reserve_exact(sections.len());
        for (at, section) in sections.iter().map(Borrow::borrow).enumerate() {
            match &section.matcher {
                Matcher::Literal(path) => {
                    new.literal.push((hash(path), at as u32));
                    new.depths |= 1 << section.depth.min(63);
                }
                Matcher::Wild(text) => new.wild.push((Head::of_wildcard(text), at as u32)),
                Matcher::Regex(regex) => new.regex.push((regex.head(), at as u32)),
                _ => new.regex.push((Head::default(), at as u32)),
            }
        }
        new.sort();
        new
    }

    /// Sorts the literal sections: by the first bits of their hashes, in one go, and then the few that have the same ones.
    fn sort(&mut self) {
        if self.literal.len() <= FEW {
            return self.literal.sort_unstable();
        }
        self.bits = self.literal.len().ilog2();
        let bits = self.bits;
        let beginning = |hash: u64| (hash >> (64 - bits)) as usize;
        self.starts = vec![0; (1 << bits) + 1];
        for &(hash, _) in &self.literal {
            self.starts[beginning(hash) + 1] += 1;
        }
        for at in 1..self.starts.len() {
            self.starts[at] += self.starts[at - 1];
        }
        let mut free = self.starts.clone();
        let mut sorted = vec![(0, 0); self.literal.len()];
        for &one in &self.literal {
            let place = &mut free[beginning(one.0)];
            sorted[*place as usize] = one;
            *place += 1;
        }
        for pair in self.starts.windows(2) {
            sorted[pair[0] as usize..pair[1] as usize].sort_unstable();
        }
        self.literal = sorted;
    }

    /// The literal sections: hash and number, sorted.
    pub fn literals(&self) -> &[(u64, u32)] {
        &self.literal
    }

    /// Where in [`Self::literals`] a hash's entries begin.
    pub fn first(&self, hash: u64) -> Option<usize> {
        match self.literal.len() {
            ..=FEW => self.literal.iter().position(|&(own, _)| own == hash),
            _ => {
                let beginning = (hash >> (64 - self.bits)) as usize;
                let (from, to) = (self.starts[beginning] as usize, self.starts[beginning + 1] as usize);
                let same = &self.literal[from..to];
                // Nearly always there is one, or none.
                let at = match same.len() {
                    ..=FEW => same.iter().position(|&(own, _)| own == hash)?,
                    _ => same.partition_point(|&(own, _)| own < hash),
                };
                same.get(at).filter(|&&(own, _)| own == hash).map(|_| from + at)
            }
        }
    }

    /// The entries of a hash, in the order of the file.
    fn entries(&self, hash: u64) -> impl Iterator<Item = u32> + '_ {
        let rest = &self.literal[self.first(hash).unwrap_or(self.literal.len())..];
        rest.iter().take_while(move |&&(own, _)| own == hash).map(|&(_, at)| at)
    }

    pub fn has_literals(&self) -> bool {
        !self.literal.is_empty()
    }

    /// The literal sections whose text is `path`, whose hash is known.
    pub fn find<'i>(&'i self, hash: u64, path: &'i [u8], sections: &'i [Section]) -> impl Iterator<Item = u32> + 'i {
        self.entries(hash)
            .filter(move |&at| matches!(&sections[at as usize].matcher, Matcher::Literal(own) if **own == *path))
    }
}

impl Server {
    pub fn new(layer: ServerLayer, origin: Origin) -> Self {
        Self {
            section: Section::new(layer, Matcher::Always, origin),
            addresses: Vec::new(),
            name: None,
            derived_name: None,
            port: None,
            identity: None,
            aliases_of_name: Vec::new(),
            document_root: None,
            access_names: None,
            aliases: Vec::new(),
            user_dirs: None,
            virtual_root: None,
            merge_slashes: None,
            trace: None,
            encoded_slashes: None,
            proxied: Vec::new(),
            dirs: Vec::new(),
            locations: Vec::new(),
            dir_index: Index::default(),
            location_index: Index::default(),
            file_index: Index::default(),
        }
    }

    /// `ServerName`, or its default.
    pub fn own_name(&self) -> Option<&[u8]> {
        self.name.as_deref().or(self.derived_name.as_deref())
    }

    /// The names of access files, the first of which counts: what the first of `layers` says that says anything.
    pub fn access_names<'s>(layers: impl IntoIterator<Item = &'s Self>) -> impl Iterator<Item = &'s [u8]> {
        let said = layers.into_iter().find_map(|server| server.access_names.as_deref());
        let default = said.is_none().then_some(&b".htaccess"[..]);
        said.unwrap_or_default().iter().map(|name| &**name).chain(default)
    }

    /// All names, wildcards included.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.own_name().into_iter().chain(self.aliases_of_name.iter().map(|name| &**name))
    }

    /// Whether a name, which is in lower case, is one of them.
    pub fn has_name(&self, name: &[u8]) -> bool {
        self.names().any(|own| own.eq_ignore_ascii_case(name))
    }

    /// Gives a name to a host that has none.
    pub fn derive_name(&mut self, main: Option<&[u8]>) {
        if self.name.is_some() {
            return;
        }
        self.derived_name = match self.addresses.first().map(|address| address.ip) {
            Some(Some(ip)) if ip.is_loopback() => Some(Box::from(&b"localhost"[..])),
            // Other addresses would have to be looked up; names from a lookup are never needed.
            Some(Some(_)) => None,
            _ => main.map(Into::into),
        };
    }

    /// Whether conditions, redirects or aliases stand outside directories and files, where httpd evaluates them before the request
    /// has a file.
    pub fn is_early(&self) -> bool {
        let leads = |section: &Section| {
            section
                .core
                .as_ref()
                .is_some_and(|core| !core.redirects.is_empty() || core.alias.is_some() || core.passed.is_some())
        };
        let early = |section: &Section| !section.ifs.is_empty() || leads(section);
        !self.section.ifs.is_empty() || self.locations.iter().any(early)
    }

    /// Builds the indexes, once everything has been read.
    pub fn finish(&mut self) {
        self.dir_index = Index::new(&self.dirs);
        let dirs = &self.dirs;
        // Both lists are stable: among equals the order of the file stays.
        self.dir_index.wild.sort_by_key(|&(_, at)| dirs[at as usize].depth);
        self.dir_index.regex.sort_by_key(|&(_, at)| dirs[at as usize].depth);
        self.location_index = Index::new(&self.locations);
        self.file_index = Index::new(&self.section.files);
    }
}
