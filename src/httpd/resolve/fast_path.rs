//! Finds the sections of a request where neither access files nor conditions take part: the walk of [`super::walk`]
//! without allocation. Anything unusual is left to the full walk, so that both always agree.

use super::walk::prefixes;
use crate::files::{Files, Kind};
use crate::httpd::load::data::Data;
use crate::httpd::model::fast_index::{Effect, FEW, FastIndex, LONGEST_NAME, OUTSIDE, ServerEntry, Which};
use crate::httpd::model::section::{Hit, Section, options};
use crate::httpd::model::server::Server;
use crate::httpd::pattern::hash::{FNV_START, finish, step};
use crate::httpd::pattern::head::Start;
use crate::httpd::syntax::path::path_of;
use crate::httpd::syntax::tokens;
use crate::httpd::syntax::uri;
use crate::target::Target;
use std::net::IpAddr;

/// The most sections of one request; a request with more takes the full walk.
const MOST: usize = 16;
/// The longest file name; longer ones are left to the full walk.
const LONGEST_PATH: usize = 512;

/// The numbers of the sections that set values, weakest first, and the server's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SectionIds {
    server: usize,
    ids: [u32; MOST],
    length: usize,
}

impl SectionIds {
    pub(crate) fn ids(&self) -> &[u32] {
        &self.ids[..self.length]
    }

    pub(crate) fn server(&self) -> usize {
        self.server
    }
}

/// A few numbers.
struct Few<T> {
    items: [T; MOST],
    length: usize,
}

impl<T: Copy> Few<T> {
    fn new(filler: T) -> Self {
        Self { items: [filler; MOST], length: 0 }
    }

    fn push(&mut self, item: T) -> Option<()> {
        *self.items.get_mut(self.length)? = item;
        self.length += 1;
        Some(())
    }
}

/// A matching section: its place among the server's, its effect, and its number.
type Found = (u32, Effect, u32);

impl Few<Found> {
    fn none() -> Self {
        Self::new((0, Effect::default(), 0))
    }

    /// In the order of the file.
    fn sorted(&mut self) -> &[Found] {
        let own = &mut self.items[..self.length];
        if own.len() > 1 {
            own.sort_unstable_by_key(|&(place, ..)| place);
        }
        own
    }
}

/// A server that takes part: its number, and its entry in the index.
type Layer<'c> = (usize, &'c ServerEntry);

struct Walk<'c> {
    data: &'c Data,
    fast_index: &'c FastIndex,
    layers: [Option<Layer<'c>>; 2],
    met: SectionIds,
    /// The sections that contain `<Files>`.
    with_files: Few<Option<&'c Section>>,
    options: u16,
    closed: bool,
    /// `AllowOverrideList` names something.
    listed: bool,
    /// The file was found by mapping the URI (the caller did not name it), so access control and redirects count.
    mapped: bool,
    /// Whether everybody is let in, as the last section with access control says.
    lets_in: bool,
    wild: [usize; 2],
    /// The depths that a plain or wildcard section may be at, of either server: bit n, as [`crate::httpd::model::server::Index::depths`].
    depths: u64,
}

/// `likely` is told which server it may be, before that is known: what will be wanted of it can be fetched meanwhile.
pub(crate) fn met(data: &Data, files: &dyn Files, target: &Target<'_>, likely: impl Fn(usize)) -> Option<SectionIds> {
    let text = match target.uri {
        Some(text) => text,
        None => target.filename.map(|_| &b"/"[..])?,
    };
    if text.first() != Some(&b'/') {
        return None;
    }
    let number = server(data, target, likely)?;
    let fast_index = &data.fast_index;
    let main = (0, fast_index.own(0)?);
    let host = if number == 0 { None } else { Some((number, fast_index.own(number)?)) };
    let uri = path(text, main.1, host.map(|(_, own)| own))?;
    let mut buffer;
    let filename = match target.filename {
        Some(name) if name.first() == Some(&b'/') && name.last() != Some(&b'/') => name,
        Some(_) => return None,
        None => {
            buffer = [0; LONGEST_PATH];
            mapped(fast_index, files, target, host.unwrap_or(main).1, uri, &mut buffer)?
        }
    };
    let mut walk = Walk {
        data,
        fast_index,
        layers: [Some(main), host],
        met: SectionIds { server: number, ids: [0; MOST], length: 0 },
        with_files: Few::new(None),
        options: OUTSIDE,
        closed: false,
        listed: false,
        mapped: target.filename.is_none(),
        lets_in: true,
        wild: [0, 0],
        depths: 0,
    };
    for (number, own) in walk.layers.into_iter().flatten() {
        walk.depths |= if own.wild { u64::MAX } else { own.depths };
        walk.add(own.effect, own.id, || data.servers.get(number).map(|server| &server.section))?;
    }
    walk.directories(filename)?;
    walk.files(filename)?;
    walk.locations(uri)?;
    (walk.lets_in || !walk.mapped).then_some(walk.met)
}

/// The file of a URI below the document root; `None` where an alias or rule may matter, it is no file, or the method is
/// unusual.
fn mapped<'b>(
    fast_index: &FastIndex,
    files: &dyn Files,
    target: &Target<'_>,
    own: &ServerEntry,
    uri: &[u8],
    buffer: &'b mut [u8; LONGEST_PATH],
) -> Option<&'b [u8]> {
    if own.may_leave_docroot
        || uri.last() == Some(&b'/')
        || !matches!(target.method, None | Some(b"GET" | b"HEAD" | b"POST"))
    {
        return None;
    }
    // A path that cleaning would change is left to the full walk.
    if !uri::is_clean(uri, true) {
        return None;
    }
    let root = fast_index.root(own);
    let whole = buffer.get_mut(..root.len() + uri.len())?;
    whole[..root.len()].copy_from_slice(root);
    whole[root.len()..].copy_from_slice(uri);
    let whole: &[u8] = whole;
    matches!(files.kind(path_of(whole)), Ok(Kind::File)).then_some(whole)
}

/// Chooses the server as [`super::request::Asked`] does.
fn server(data: &Data, target: &Target<'_>, likely: impl Fn(usize)) -> Option<usize> {
    let https = target.scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"https"));
    let port = match target.port {
        0 if https => 443,
        0 => 80,
        port => port,
    };
    let header = || target.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"host")).map(|(_, value)| *value);
    let mut buffer = [0; LONGEST_NAME];
    let name = match target.server_name.or_else(header) {
        Some(text) => Some(host(tokens::trim(text), &mut buffer)?),
        None if target.protocol.is_some() => return None,
        None => None,
    };
    let ip = target.server_address.and_then(|text| std::str::from_utf8(text).ok()?.parse::<IpAddr>().ok());
    let has = |server: u32, name: &[u8]| {
        likely(server as usize);
        data.fast_index.has_name(server, name)
    };
    let chosen = data.hosts.choose(ip, port, name, has);
    (!chosen.is_one_of_several).then_some(chosen.server as usize)
}

/// A plain host name in lower case, without its port.
fn host<'b>(text: &[u8], buffer: &'b mut [u8; LONGEST_NAME]) -> Option<&'b [u8]> {
    let name = if uri::is_host(text) {
        text
    } else {
        let (name, port) = text.split_at(text.iter().position(|&byte| byte == b':')?);
        // Leading zeros and the like are left to the full parser.
        let plain =
            matches!(port, [_, b'1'..=b'9', rest @ ..] if rest.len() < 4 && rest.iter().all(u8::is_ascii_digit));
        (plain && uri::is_host(name)).then_some(name)?
    };
    let own = buffer.get_mut(..name.len())?;
    own.copy_from_slice(name);
    own.make_ascii_lowercase();
    let own: &[u8] = own;
    Some(if own.len() > 1 { own.strip_suffix(b".").unwrap_or(own) } else { own })
}

/// The path of a target that needs no decoding and no cleaning.
fn path<'t>(text: &'t [u8], main: &ServerEntry, host: Option<&ServerEntry>) -> Option<&'t [u8]> {
    let (mut end, mut before, mut doubtful) = (None, 0, false);
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            ..=b' ' | 0x7f | b'#' => return None,
            b'%' if end.is_none() => return None,
            b'?' if end.is_none() => end = Some(at),
            b'.' | b'/' => doubtful |= before == b'/',
            _ => {}
        }
        before = byte;
    }
    let path = &text[..end.unwrap_or(text.len())];
    if !doubtful {
        return Some(path);
    }
    let merge = host.and_then(|host| host.merge_slashes).or(main.merge_slashes).unwrap_or(true);
    uri::is_clean(path, merge).then_some(path)
}

impl<'c> Walk<'c> {
    fn server(&self, number: usize) -> Option<&'c Server> {
        self.data.servers.get(number).map(|server| &**server)
    }

    /// Adds a container on the way down to the file; `section` fetches it where its `<Files>` are needed. `None`: the full walk
    /// is needed.
    fn add(&mut self, effect: Effect, id: u32, section: impl FnOnce() -> Option<&'c Section>) -> Option<()> {
        self.options = effect.options(self.options);
        self.closed = effect.closed().unwrap_or(self.closed);
        self.listed = effect.listed().unwrap_or(self.listed);
        if effect.has_files() {
            self.with_files.push(Some(section()?))?;
        }
        self.keep(effect, id)
    }

    fn add_section(&mut self, section: &'c Section) -> Option<()> {
        self.add(Effect::of(section), section.id, || Some(section))
    }

    fn keep(&mut self, effect: Effect, id: u32) -> Option<()> {
        if effect.has_ifs() || self.mapped && effect.sends_elsewhere() {
            return None;
        }
        self.lets_in = effect.lets_in().unwrap_or(self.lets_in);
        if id != 0 {
            *self.met.ids.get_mut(self.met.length)? = id;
            self.met.length += 1;
        }
        Some(())
    }

    fn directories(&mut self, filename: &[u8]) -> Option<()> {
        let (mut end, mut depth, mut state) = (1, 0, step(FNV_START, b'/'));
        loop {
            let whole = end > filename.len();
            if self.depths & (1 << depth.min(63)) == 0 {
                // No section stands at this depth.
                if !whole && (!self.closed || self.listed) {
                    return None;
                }
            } else if whole {
                // `<Directory>` sections that match the file itself, as if it were a directory: hardly anybody writes one.
                self.whole(depth, finish(state), filename)?;
            } else {
                self.matching(depth, finish(state), &filename[..end])?;
                if !self.closed || self.listed {
                    return None;
                }
            }
            if end >= filename.len() {
                break;
            }
            let mut next = end;
            while let Some(&byte) = filename.get(next).filter(|&&byte| byte != b'/') {
                state = step(state, byte);
                next += 1;
            }
            state = step(state, b'/');
            let trusted = self.options & (options::FOLLOW | options::OWNER) == options::FOLLOW;
            if !trusted && self.mapped {
                // Links have to be looked at.
                return None;
            }
            if !trusted && next == filename.len() {
                break;
            }
            end = next + 1;
            depth += 1;
        }
        self.regexes(filename)
    }

    /// The plain and wildcard sections of a file's name with a slash.
    fn whole(&mut self, depth: u32, hash: u64, filename: &[u8]) -> Option<()> {
        let mut may = false;
        for which in 0..2 {
            let Some((number, own)) = self.layers[which] else { continue };
            may |= own.depths & (1 << depth.min(63)) != 0 && self.has_hash(number, own, hash)?;
            if own.wild {
                // Wildcard sections are sorted by depth; the walk has passed all that are at smaller depths.
                let server = self.server(number)?;
                let next = server.dir_index.wild.get(self.wild[which]);
                may |= next.is_some_and(|&(_, number)| server.dirs[number as usize].depth <= depth);
            }
        }
        if !may {
            return Some(());
        }
        let mut buffer = [0; LONGEST_PATH];
        let own = buffer.get_mut(..=filename.len())?;
        own[..filename.len()].copy_from_slice(filename);
        own[filename.len()] = b'/';
        self.matching(depth, hash, own)
    }

    fn has_hash(&self, number: usize, own: &ServerEntry, hash: u64) -> Option<bool> {
        let parts = self.fast_index.parts(own, Which::Directories);
        match parts.len() {
            ..=FEW => Some(parts.iter().any(|part| part.hash == hash)),
            _ => Some(self.server(number)?.dir_index.first(hash).is_some()),
        }
    }

    fn matching(&mut self, depth: u32, hash: u64, path: &[u8]) -> Option<()> {
        for which in 0..2 {
            let Some((number, own)) = self.layers[which] else { continue };
            let literal = own.depths & (1 << depth.min(63)) != 0;
            if !own.wild {
                // Without wildcards there is nothing to sort: equal literals stand in the order of the file.
                if literal {
                    let (fast_index, data) = (self.fast_index, self.data);
                    let parts = fast_index.parts(own, Which::Directories);
                    for part in fast_index.find(parts, hash, path, || &data.servers[number].dir_index) {
                        let section = || data.servers.get(number)?.dirs.get(part.section as usize);
                        self.add(part.effect, part.id, section)?;
                    }
                }
                continue;
            }
            let server = self.server(number)?;
            let start = Start::new(path);
            let mut hits = Few::none();
            if literal {
                let parts = self.fast_index.parts(own, Which::Directories);
                let mut found = self.fast_index.find(parts, hash, path, || &server.dir_index);
                found.try_for_each(|part| hits.push((part.section, part.effect, part.id)))?;
            }
            while let Some(&(head, number)) = server.dir_index.wild.get(self.wild[which]) {
                let section = &server.dirs[number as usize];
                if section.depth > depth {
                    break;
                }
                self.wild[which] += 1;
                if section.depth == depth && head.may_match(start) && matches!(section.matcher.hits(path), Hit::Yes) {
                    hits.push((number, Effect::of(section), section.id))?;
                }
            }
            for &(place, effect, id) in hits.sorted() {
                self.add(effect, id, || Some(&server.dirs[place as usize]))?;
            }
        }
        Some(())
    }

    /// Both lists are sorted by depth; the main server's come first among equals.
    fn regexes(&mut self, filename: &[u8]) -> Option<()> {
        if !self.layers.into_iter().flatten().any(|(_, own)| own.regex) {
            return Some(());
        }
        let servers = self.layers.map(|layer| layer.and_then(|(number, _)| self.server(number)));
        let start = Start::with_pairs(filename);
        let mut places = [0, 0];
        loop {
            // The next entry of each list whose head may match: the others are skipped.
            let mut next = |which: usize| {
                let server = servers[which]?;
                let rest = &server.dir_index.regex[places[which]..];
                let ahead = rest.iter().position(|(head, _)| head.may_match(start)).unwrap_or(rest.len());
                places[which] += ahead;
                rest.get(ahead).map(|&(_, number)| &server.dirs[number as usize])
            };
            let (which, section) = match (next(0), next(1)) {
                (Some(main), Some(host)) if main.depth <= host.depth => (0, main),
                (_, Some(host)) => (1, host),
                (Some(main), None) => (0, main),
                (None, None) => return Some(()),
            };
            places[which] += 1;
            if hits(section, filename)? {
                self.add_section(section)?;
            }
        }
    }

    fn files(&mut self, filename: &[u8]) -> Option<()> {
        if self.with_files.length == 0 {
            return Some(());
        }
        let name = &filename[memchr::memrchr(b'/', filename).map_or(0, |at| at + 1)..];
        for at in 0..self.with_files.length {
            let outer = self.with_files.items[at]?;
            for section in &outer.files {
                if hits(section, name)? {
                    self.keep(Effect::of(section), section.id)?;
                }
            }
        }
        Some(())
    }

    fn locations(&mut self, uri: &[u8]) -> Option<()> {
        let (fast_index, data) = (self.fast_index, self.data);
        for (number, own) in self.layers.into_iter().flatten() {
            let parts = fast_index.parts(own, Which::Locations);
            if parts.is_empty() && !own.location_patterns {
                continue;
            }
            let mut met = Few::none();
            let mut fits = Some(());
            if !parts.is_empty() {
                prefixes(uri, |prefix, hash| {
                    for part in fast_index.find(parts, hash, prefix, || &data.servers[number].location_index) {
                        fits = fits.and_then(|()| met.push((part.section, part.effect, part.id)));
                    }
                });
            }
            fits?;
            if own.location_patterns {
                let start = Start::with_pairs(uri);
                let server = self.server(number)?;
                for &(head, place) in server.location_index.wild.iter().chain(&server.location_index.regex) {
                    let section = &server.locations[place as usize];
                    if head.may_match(start) && hits(section, uri)? {
                        met.push((place, Effect::of(section), section.id))?;
                    }
                }
            }
            for &(_, effect, id) in met.sorted() {
                self.keep(effect, id)?;
            }
        }
        Some(())
    }
}

/// `None`: the pattern took too many steps; the full walk reports that to the caller.
fn hits(section: &Section, text: &[u8]) -> Option<bool> {
    match section.matcher.hits(text) {
        Hit::Yes => Some(true),
        Hit::No => Some(false),
        Hit::TooCostly => None,
    }
}
