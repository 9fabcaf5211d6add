//! Which sections a request meets, where neither files nor conditions take part: the walk of [`super::walk`] on the stack.
//! Whatever is out of the ordinary is left to the full walk, so that both always agree.

use super::Layer;
use super::data::Data;
use super::head::Start;
use super::modules::{FNV_START, finish, step};
use super::override_args::options_below;
use super::section::{Hit, Section, options};
use super::server::Server;
use super::uri;
use super::walk::prefixes;
use crate::target::Target;
use std::net::{IpAddr, Ipv4Addr};

/// Sections of one request; those with more take the full walk.
const MOST: usize = 16;
/// The longest host name, as DNS has it.
const LONGEST_NAME: usize = 255;

/// The sections with values, weakest first, by their places in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Met {
    places: [usize; MOST],
    length: usize,
}

impl Met {
    pub(crate) fn places(&self) -> &[usize] {
        &self.places[..self.length]
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

    fn all(&self) -> &[T] {
        &self.items[..self.length]
    }
}

impl Few<u32> {
    fn sorted(&mut self) -> &[u32] {
        let own = &mut self.items[..self.length];
        own.sort_unstable();
        own
    }
}

struct Walk<'c> {
    servers: [Option<&'c Server>; 2],
    met: Met,
    /// Those that have `<Files>` in them.
    with_files: Few<&'c Section>,
    options: u16,
    closed: bool,
    /// `AllowOverrideList` names something.
    listed: bool,
    wild: [usize; 2],
    /// The depths that a plain or wildcard section may be at, of either server: bit n, as [`super::server::Index::depths`].
    depths: u64,
}

pub(super) fn met(data: &Data, target: &Target<'_>) -> Option<Met> {
    let filename = target.filename.filter(|name| name.first() == Some(&b'/') && name.last() != Some(&b'/'))?;
    let text = target.uri.unwrap_or(b"/");
    if text.first() != Some(&b'/') {
        return None;
    }
    let number = server(data, target)?;
    let main = data.servers.first()?;
    let host = if number == 0 { None } else { data.servers.get(number) };
    let uri = path(text, main, host)?;
    let mut walk = Walk {
        servers: [Some(main), host],
        met: Met { places: [0; MOST], length: 0 },
        with_files: Few::new(&main.section),
        options: options::FOLLOW,
        closed: false,
        listed: false,
        wild: [0, 0],
        depths: 0,
    };
    for server in walk.servers.into_iter().flatten() {
        let index = &server.dir_index;
        walk.depths |= if index.wild.is_empty() { index.depths } else { u64::MAX };
        walk.add(&server.section)?;
    }
    walk.directories(filename)?;
    walk.files(filename)?;
    walk.locations(uri)?;
    Some(walk.met)
}

/// As [`super::request::Asked`] chooses it.
fn server(data: &Data, target: &Target<'_>) -> Option<usize> {
    let https = target.scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"https"));
    let port = match target.port {
        0 if https => 443,
        0 => 80,
        port => port,
    };
    let header = || target.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"host")).map(|(_, value)| *value);
    let mut buffer = [0; LONGEST_NAME];
    let name = match target.server_name.or_else(header) {
        Some(text) => Some(host(super::words::trim(text), &mut buffer)?),
        None if target.protocol.is_some() => return None,
        None => None,
    };
    let ip = target.server_address.and_then(|text| std::str::from_utf8(text).ok()?.parse::<IpAddr>().ok());
    let ip = ip.or_else(|| data.hosts.by_ip.then_some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    Some(data.hosts.find(ip, port, name, &data.servers) as usize)
}

/// A plain host name in lower case, without its port.
fn host<'b>(text: &[u8], buffer: &'b mut [u8; LONGEST_NAME]) -> Option<&'b [u8]> {
    let name = if uri::is_host(text) {
        text
    } else {
        let (name, port) = text.split_at(text.iter().position(|&byte| byte == b':')?);
        // Leading zeros and the like are the full parser's matter.
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
fn path<'t>(text: &'t [u8], main: &Server, host: Option<&Server>) -> Option<&'t [u8]> {
    let mut end = None;
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            ..=b' ' | 0x7f | b'#' => return None,
            b'%' if end.is_none() => return None,
            b'?' if end.is_none() => end = Some(at),
            _ => {}
        }
    }
    let merge = host.and_then(|host| host.merge_slashes).or(main.merge_slashes).unwrap_or(true);
    let path = &text[..end.unwrap_or(text.len())];
    uri::is_clean(path, merge).then_some(path)
}

impl<'c> Walk<'c> {
    /// None: what comes cannot be told without a full walk.
    fn add(&mut self, section: &'c Section) -> Option<()> {
        if !section.ifs.is_empty() {
            return None;
        }
        if let Some(core) = &section.core {
            self.options = options_below(self.options, core);
            if section.layer == Layer::Directory {
                if let Some(allow) = core.allow {
                    self.closed = allow.bits == 0 && !allow.nonfatal_override && !allow.nonfatal_unknown;
                }
                if let Some(list) = &core.allow_list {
                    self.listed = !list.is_empty();
                }
            }
        }
        if !section.files.is_empty() {
            self.with_files.push(section)?;
        }
        self.keep(section)
    }

    fn keep(&mut self, section: &'c Section) -> Option<()> {
        if !section.ifs.is_empty() {
            return None;
        }
        if !section.values.is_empty() {
            *self.met.places.get_mut(self.met.length)? = std::ptr::from_ref(section) as usize;
            self.met.length += 1;
        }
        Some(())
    }

    fn directories(&mut self, filename: &[u8]) -> Option<()> {
        let (mut end, mut depth, mut state) = (1, 0, step(FNV_START, b'/'));
        loop {
            let whole = end > filename.len();
            if self.depths & (1 << depth.min(63)) == 0 {
                // No section is so deep.
                if !whole && (!self.closed || self.listed) {
                    return None;
                }
            } else if whole {
                // The file itself, as if it were a directory: nothing of the kind is ever written down, or almost.
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
        // Wildcard sections are sorted by depth, and the walk has passed all that are less deep.
        let wild = |(which, server): (usize, &Server)| {
            let next = server.dir_index.wild.get(self.wild[which]);
            next.is_some_and(|&(_, number)| server.dirs[number as usize].depth <= depth)
        };
        let mut servers = self.servers.into_iter().enumerate().filter_map(|(which, server)| Some((which, server?)));
        if !servers.any(|(which, server)| server.dir_index.has_hash(hash) || wild((which, server))) {
            return Some(());
        }
        let mut buffer = [0; 512];
        let own = buffer.get_mut(..=filename.len())?;
        own[..filename.len()].copy_from_slice(filename);
        own[filename.len()] = b'/';
        self.matching(depth, hash, own)
    }

    fn matching(&mut self, depth: u32, hash: u64, path: &[u8]) -> Option<()> {
        for which in 0..2 {
            let Some(server) = self.servers[which] else { continue };
            let index = &server.dir_index;
            let literal = index.depths & (1 << depth.min(63)) != 0;
            let at = &mut self.wild[which];
            if *at >= index.wild.len() {
                // Without wildcards there is nothing to sort: equal literals stand in the order of the file.
                if literal {
                    for number in index.find(hash, path, &server.dirs) {
                        self.add(&server.dirs[number as usize])?;
                    }
                }
                continue;
            }
            let start = Start::new(path);
            let mut hits = Few::new(0);
            if literal {
                index.find(hash, path, &server.dirs).try_for_each(|number| hits.push(number))?;
            }
            while let Some(&(head, number)) = index.wild.get(*at) {
                let section = &server.dirs[number as usize];
                if section.depth > depth {
                    break;
                }
                *at += 1;
                if section.depth == depth && head.may_match(start) && matches!(section.matcher.hits(path), Hit::Yes) {
                    hits.push(number)?;
                }
            }
            for &number in hits.sorted() {
                self.add(&server.dirs[number as usize])?;
            }
        }
        Some(())
    }

    /// Both lists are sorted by depth; the main server's come first among equals.
    fn regexes(&mut self, filename: &[u8]) -> Option<()> {
        if self.servers.into_iter().flatten().all(|server| server.dir_index.regex.is_empty()) {
            return Some(());
        }
        let start = Start::new(filename);
        let mut places = [0, 0];
        loop {
            let next = |which: usize| {
                let server = self.servers[which]?;
                let &(head, number) = server.dir_index.regex.get(places[which])?;
                Some((server.dirs[number as usize].depth, which, head, &*server.dirs[number as usize]))
            };
            let (main, host) = (next(0), next(1));
            let Some((_, which, head, section)) = (match (main, host) {
                (Some(main), Some(host)) => Some(if host.0 < main.0 { host } else { main }),
                (main, host) => main.or(host),
            }) else {
                return Some(());
            };
            places[which] += 1;
            if head.may_match(start) && hits(section, filename)? {
                self.add(section)?;
            }
        }
    }

    fn files(&mut self, filename: &[u8]) -> Option<()> {
        if self.with_files.length == 0 {
            return Some(());
        }
        let name = &filename[memchr::memrchr(b'/', filename).map_or(0, |at| at + 1)..];
        for at in 0..self.with_files.length {
            let outer = self.with_files.all()[at];
            for section in &outer.files {
                if hits(section, name)? {
                    self.keep(section)?;
                }
            }
        }
        Some(())
    }

    fn locations(&mut self, uri: &[u8]) -> Option<()> {
        for server in self.servers.into_iter().flatten() {
            let index = &server.location_index;
            if server.locations.is_empty() {
                continue;
            }
            let start = Start::new(uri);
            let mut numbers = Few::new(0);
            if index.has_literals() {
                let mut fits = Some(());
                prefixes(uri, |prefix, hash| {
                    for number in index.find(hash, prefix, &server.locations) {
                        fits = fits.and_then(|()| numbers.push(number));
                    }
                });
                fits?;
            }
            for &(head, number) in index.wild.iter().chain(&index.regex) {
                if head.may_match(start) && hits(&server.locations[number as usize], uri)? {
                    numbers.push(number)?;
                }
            }
            for &number in numbers.sorted() {
                self.keep(&server.locations[number as usize])?;
            }
        }
        Some(())
    }
}

/// None: the pattern took too long, which the full walk tells the caller.
fn hits(section: &Section, text: &[u8]) -> Option<bool> {
    match section.matcher.hits(text) {
        Hit::Yes => Some(true),
        Hit::No => Some(false),
        Hit::TooCostly => None,
    }
}
