//! What the short walk ([`crate::httpd::resolve::fast_path`]) asks of every server, close together in memory.
//!
//! At a random host most of the time of a request goes into fetching what is not in the processor's cache. So what belongs to one
//! host lies in a few lines: one of its own, its literal sections one after another, and their texts one after another.

use super::access::Requirement;
use super::answer::ServerLayer;
use super::section::{Core, Matcher, Section, options, options_below};
use super::server::{Index, Server};
use crate::httpd::syntax::uri;
use std::ops::Range;

/// A longer name is no host's: DNS has none that long.
pub(crate) const LONGEST_NAME: usize = 255;

/// Up to this many names a scan is quicker than a table; nearly every virtual host has fewer.
pub(crate) const FEW: usize = 8;

/// What a section changes in the walk, apart from the values it sets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Effect {
    /// Options below the section: `outer & keep | add`.
    keep: u16,
    add: u16,
    flags: u16,
}

mod flag {
    /// It contains `<If>`.
    pub const IFS: u16 = 1;
    /// It contains `<Files>`.
    pub const FILES: u16 = 2;
    /// `ALLOW`: it has `AllowOverride`. `CLOSED`: with that, no access file is read.
    pub const ALLOW: u16 = 4;
    pub const CLOSED: u16 = 8;
    /// `LIST`: it has `AllowOverrideList`. `LISTED`: that list is not empty.
    pub const LIST: u16 = 16;
    pub const LISTED: u16 = 32;
    /// `GRANTED`: it lets everybody in. `ASKS`: only the full walk can decide who is let in.
    pub const GRANTED: u16 = 64;
    pub const ASKS: u16 = 128;
    /// It may redirect or rewrite a request that is mapped already.
    pub const SENDS: u16 = 256;
}

impl Effect {
    pub fn of(section: &Section) -> Self {
        let mut new = Self { keep: u16::MAX, add: 0, flags: 0 };
        new.put(flag::IFS, !section.ifs.is_empty());
        new.put(flag::FILES, !section.files.is_empty());
        let is_directory = section.layer == ServerLayer::Directory;
        if let Some(allow) = section.allow.filter(|_| is_directory) {
            new.put(flag::ALLOW, true);
            new.put(flag::CLOSED, allow.bits == 0 && !allow.nonfatal_override && !allow.nonfatal_unknown);
        }
        let Some(core) = section.core.as_deref() else { return new };
        // `options_below` has the form `outer & keep | add`: its results for no options and for all of them give both masks.
        new.add = options_below(0, core);
        new.keep = options_below(u16::MAX, core) & !new.add;
        if let Some(list) = core.allow_list.as_ref().filter(|_| is_directory) {
            new.put(flag::LIST, true);
            new.put(flag::LISTED, !list.is_empty());
        }
        let access = access(core);
        new.put(flag::GRANTED, access == Some(true));
        new.put(flag::ASKS, access == Some(false));
        let server = matches!(section.layer, ServerLayer::Server | ServerLayer::VirtualHost);
        let rewrites = core.rewrite.is_some() && !server;
        new.put(flag::SENDS, rewrites || !core.redirects.is_empty() || !core.actions.is_empty());
        new
    }

    fn put(&mut self, flag: u16, on: bool) {
        self.flags |= if on { flag } else { 0 };
    }

    fn has(self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    /// The options below the section.
    pub fn options(self, outer: u16) -> u16 {
        outer & self.keep | self.add
    }

    pub fn has_ifs(self) -> bool {
        self.has(flag::IFS)
    }

    pub fn has_files(self) -> bool {
        self.has(flag::FILES)
    }

    /// Whether access files below are left unread; `None`: the section does not change it.
    pub fn closed(self) -> Option<bool> {
        self.has(flag::ALLOW).then(|| self.has(flag::CLOSED))
    }

    /// Whether `AllowOverrideList` names a directive; `None`: the section does not change it.
    pub fn listed(self) -> Option<bool> {
        self.has(flag::LIST).then(|| self.has(flag::LISTED))
    }

    /// `Some(true)`: everybody is let in. `Some(false)`: only the full walk can decide. `None`: the section does not
    /// change it.
    pub fn lets_in(self) -> Option<bool> {
        (self.flags & (flag::GRANTED | flag::ASKS) != 0).then(|| !self.has(flag::ASKS))
    }

    pub fn sends_elsewhere(self) -> bool {
        self.has(flag::SENDS)
    }
}

/// Access control, as far as it can be decided here. True: everybody is let in; false: the full walk decides.
fn access(core: &Core) -> Option<bool> {
    if core.legacy.is_some() || core.auth_merging.is_some() || core.tls_only {
        return Some(false);
    }
    core.requires.as_deref().map(Requirement::lets_everybody_in)
}

/// So many literal sections have their place in the server's own lines; nearly every virtual host has no more.
const OWN: usize = 2;

/// A literal section.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LiteralSection {
    pub hash: u64,
    text: u32,
    length: u32,
    /// Its place among the server's directories or locations.
    pub section: u32,
    /// Its number among those that set values; 0: it sets none.
    pub id: u32,
    pub effect: Effect,
}

/// A server: two cache lines.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct ServerEntry {
    /// As [`super::server::Index::depths`].
    pub depths: u64,
    pub id: u32,
    pub effect: Effect,
    pub merge_slashes: Option<bool>,
    /// Directories that are wildcards, or regular expressions; locations that are either.
    pub wild: bool,
    pub regex: bool,
    pub location_patterns: bool,
    /// One of its URIs may lead to a file outside the document root.
    pub may_leave_docroot: bool,
    /// Its directories and its locations behind them: in `own`, or where they are more, from that place in `parts` on.
    own: [LiteralSection; OWN],
    parts: u32,
    dirs: u32,
    locations: u32,
    /// Where its names begin in `text`, each preceded by its length: behind the texts of its sections, its own name first.
    names: u32,
    names_end: u32,
    /// Where its document root is, which is the main server's unless it has one.
    root: u32,
    root_end: u32,
}

/// All servers.
#[derive(Debug, Default)]
pub(crate) struct FastIndex {
    own: Vec<ServerEntry>,
    parts: Vec<LiteralSection>,
    text: Vec<u8>,
}

/// Which literal sections of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Directories,
    Locations,
}

impl FastIndex {
    /// `None` where the texts exceed 4 GiB, which a configuration never reaches.
    pub fn new(servers: &[Box<Server>], default_root: &[u8]) -> Self {
        let mut new = Self { own: Vec::with_capacity(servers.len()), ..Self::default() };
        let main_root = servers.first().and_then(|main| main.document_root.as_deref()).unwrap_or(default_root);
        let mut places = Vec::new();
        servers.iter().for_each(|server| new.add(server, main_root, &mut places));
        // A virtual host inherits the main server's aliases and rules.
        let main_may_leave = new.own.first().is_some_and(|main| main.may_leave_docroot);
        new.own.iter_mut().for_each(|own| own.may_leave_docroot |= main_may_leave);
        new
    }

    /// `places` is for [`Self::list`] to work in.
    fn add(&mut self, server: &Server, main_root: &[u8], places: &mut Vec<u32>) {
        let first = self.parts.len();
        self.list(&server.dir_index, &server.dirs, places);
        let between = self.parts.len();
        self.list(&server.location_index, &server.locations, places);
        let (dirs, locations) = (between - first, self.parts.len() - between);
        let mut sections = [LiteralSection::default(); OWN];
        if let Some(own) = sections.get_mut(..dirs + locations) {
            own.copy_from_slice(&self.parts[first..]);
            self.parts.truncate(first);
        }
        let names = self.text.len() as u32;
        server.names().for_each(|name| {
            if name.len() <= LONGEST_NAME {
                self.text.push(name.len() as u8);
                let at = self.text.len();
                self.text.extend_from_slice(name);
                self.text[at..].make_ascii_lowercase();
            }
        });
        let names_end = self.text.len() as u32;
        let root = server.document_root.as_deref().unwrap_or(main_root);
        let inherited = self.own.first().filter(|_| server.document_root.is_none());
        let (root_start, root_end) = match inherited.map(|main| (main.root, main.root_end)) {
            Some(known) => known,
            None => {
                self.text.extend_from_slice(root.strip_suffix(b"/").unwrap_or(root));
                (names_end, self.text.len() as u32)
            }
        };
        let index = &server.location_index;
        self.own.push(ServerEntry {
            depths: server.dir_index.depths,
            id: server.section.id,
            effect: Effect::of(&server.section),
            merge_slashes: server.merge_slashes,
            wild: !server.dir_index.wild.is_empty(),
            regex: !server.dir_index.regex.is_empty(),
            location_patterns: !index.wild.is_empty() || !index.regex.is_empty(),
            may_leave_docroot: may_leave_docroot(server, root),
            own: sections,
            parts: first as u32,
            dirs: dirs as u32,
            locations: locations as u32,
            names,
            names_end,
            root: root_start,
            root_end,
        });
    }

    /// Lists the literal sections by hash. They are read in the order of the file, in which they lie in memory.
    fn list(&mut self, index: &Index, sections: &[Section], places: &mut Vec<u32>) {
        let (first, literals) = (self.parts.len(), index.literals());
        places.clear();
        places.resize(sections.len(), u32::MAX);
        literals.iter().zip(0..).for_each(|(&(_, number), place)| places[number as usize] = place);
        self.parts.resize(first + literals.len(), LiteralSection::default());
        for (number, (section, &place)) in (0..).zip(sections.iter().zip(&*places)) {
            let Matcher::Literal(own) = &section.matcher else { continue };
            let (text, length) = (self.text.len() as u32, own.len() as u32);
            self.text.extend_from_slice(own);
            let (hash, effect) = (literals[place as usize].0, Effect::of(section));
            self.parts[first + place as usize] =
                LiteralSection { hash, text, length, section: number, id: section.id, effect };
        }
    }

    pub fn own(&self, server: usize) -> Option<&ServerEntry> {
        self.own.get(server)
    }

    fn slice(&self, range: Range<u32>) -> &[u8] {
        &self.text[range.start as usize..range.end as usize]
    }

    /// Whether a server has a name, which is in lower case.
    pub fn has_name(&self, server: u32, name: &[u8]) -> bool {
        let own = &self.own[server as usize];
        let mut rest = self.slice(own.names..own.names_end);
        while let Some((&length, behind)) = rest.split_first() {
            let (one, behind) = behind.split_at(usize::from(length));
            if one == name {
                return true;
            }
            rest = behind;
        }
        false
    }

    /// A server's document root, without a slash at its end.
    pub fn root(&self, own: &ServerEntry) -> &[u8] {
        self.slice(own.root..own.root_end)
    }

    /// A server's literal sections of one kind, sorted by hash.
    pub fn parts<'b>(&'b self, own: &'b ServerEntry, which: Which) -> &'b [LiteralSection] {
        let (dirs, count) = (own.dirs as usize, (own.dirs + own.locations) as usize);
        let all = own.own.get(..count).unwrap_or_else(|| &self.parts[own.parts as usize..][..count]);
        match which {
            Which::Directories => &all[..dirs],
            Which::Locations => &all[dirs..],
        }
    }

    /// The sections of `parts` whose text is `path`, which has this hash, in the order of the file. `index` belongs to the
    /// same sections.
    #[inline]
    pub fn find<'b>(
        &'b self,
        parts: &'b [LiteralSection],
        hash: u64,
        path: &'b [u8],
        index: impl FnOnce() -> &'b Index,
    ) -> impl Iterator<Item = &'b LiteralSection> {
        let from =
            if parts.len() <= FEW { parts.iter().position(|part| part.hash == hash) } else { index().first(hash) };
        let rest = &parts[from.unwrap_or(parts.len())..];
        let same = rest.iter().take_while(move |part| part.hash == hash);
        same.filter(move |part| *self.slice(part.text..part.text + part.length) == *path)
    }
}

/// Whether a server has directives that may map a URI outside its document root, or answer it before it is mapped.
fn may_leave_docroot(server: &Server, root: &[u8]) -> bool {
    let core = server.section.core.as_deref();
    let sends = core.is_some_and(|core| core.rewrite.is_some() || !core.redirects.is_empty());
    let elsewhere = !server.aliases.is_empty() || server.user_dirs.is_some() || server.virtual_root.is_some();
    let odd_root = root.first() != Some(&b'/') || !uri::is_clean(root, true);
    sends || elsewhere || odd_root || !server.proxied.is_empty() || server.is_early()
}

/// The options that are in force outside of every section.
pub(crate) const OUTSIDE: u16 = options::FOLLOW;
