//! Which sections take part in a request, in merge order (facts ).

use super::context::ResolveContext;
use super::htaccess;
use super::htaccess::Memo;
use crate::files::Kind;
use crate::httpd::model::answer::{AccessFile, ServerLayer};
use crate::httpd::model::section::{AllowOverride, Hit, Matcher, Section, options, options_below};
use crate::httpd::model::server::Server;
use crate::httpd::pattern::hash::{FNV_START, finish, hash, step};
use crate::httpd::pattern::head::Start;
use crate::httpd::syntax::path::path_of;
use std::path::Path;
use std::sync::Arc;

/// A section of the configuration, or of an `.htaccess` that was read for this request.
#[derive(Clone, Debug)]
pub(super) enum SectionRef<'c> {
    Config(&'c Section),
    Htaccess(Arc<Section>),
}

impl SectionRef<'_> {
    pub fn get(&self) -> &Section {
        match self {
            SectionRef::Config(section) => section,
            SectionRef::Htaccess(section) => section,
        }
    }
}

/// What a path turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    File,
    Directory,
    Missing,
}

/// The result of the directory walk.
#[derive(Clone, Debug)]
pub(super) struct Walked<'c> {
    /// Server level, directories and `.htaccess`, in merge order.
    pub sections: Vec<SectionRef<'c>>,
    /// How many of these are servers.
    pub servers: usize,
    /// The directory of the walk, with a slash; for a file, the directory that it is in.
    pub directory: Vec<u8>,
    pub filename: Vec<u8>,
    pub path_info: Vec<u8>,
    pub found: Found,
    pub options: u16,
}

/// An answer instead of a walk.
#[derive(Debug)]
pub(super) struct Denied {
    pub status: u16,
    pub because: String,
}

struct Walk<'e, 'c> {
    context: &'e ResolveContext<'c>,
    servers: [Option<&'c Server>; 2],
    sections: Vec<SectionRef<'c>>,
    options: u16,
    allow: Option<AllowOverride>,
    /// Which of the sections says so.
    allow_at: usize,
    allow_list: Option<Vec<Box<[u8]>>>,
    wild: [usize; 2],
}

/// Walks from `/` to `filename`. `known`: the caller says that it is a file, so nothing is asked of the disk.
pub(super) fn directories<'c>(
    context: &ResolveContext<'c>,
    server: usize,
    filename: &[u8],
    known: bool,
    before: Option<&Walked<'c>>,
    notes: &mut Vec<String>,
) -> Result<Walked<'c>, Denied> {
    let initial = if known { Found::File } else { context.stat(filename) };
    let directory = match initial {
        Found::File => filename[..=memchr::memrchr(b'/', filename).unwrap_or(0)].to_vec(),
        _ if filename.ends_with(b"/") => filename.to_vec(),
        _ => [filename, b"/"].concat(),
    };
    if let Some(before) = before.filter(|before| before.directory == directory && initial != Found::Missing) {
        let mut same = before.clone();
        same.filename = filename.to_vec();
        same.path_info = Vec::new();
        same.found = initial;
        return Ok(same);
    }
    let servers = [Some(context.main()), context.host(server)];
    let mut walk = Walk {
        context,
        servers,
        sections: Vec::with_capacity(8),
        options: options::FOLLOW,
        allow: None,
        allow_at: 0,
        allow_list: None,
        wild: [0, 0],
    };
    for server in servers.into_iter().flatten() {
        walk.add(SectionRef::Config(&server.section));
    }
    walk.descend(server, filename, initial, known, directory, notes)
}

impl<'c> Walk<'_, 'c> {
    fn add(&mut self, section: SectionRef<'c>) {
        let is_directory = section.get().layer == ServerLayer::Directory;
        if let Some(allow) = section.get().allow.filter(|_| is_directory) {
            (self.allow, self.allow_at) = (Some(allow), self.sections.len());
        }
        if let Some(core) = &section.get().core {
            self.options = options_below(self.options, core);
            if core.allow_list.is_some() && is_directory {
                self.allow_list.clone_from(&core.allow_list);
            }
        }
        self.sections.push(section);
    }

    fn descend(
        mut self,
        server: usize,
        filename: &[u8],
        initial: Found,
        known: bool,
        directory: Vec<u8>,
        notes: &mut Vec<String>,
    ) -> Result<Walked<'c>, Denied> {
        // `end` is where the part that has been looked at ends; it always is a directory with its slash.
        let mut found = Found::Directory;
        let (mut end, mut depth, mut state) = (1, 0u32, step(FNV_START, b'/'));
        let mut stopped = filename.len();
        loop {
            let is_file = end > filename.len();
            let own: Vec<u8>;
            let here = if is_file {
                own = [filename, b"/"].concat();
                &own[..]
            } else {
                &filename[..end]
            };
            self.matching(depth, finish(state), here, notes);
            if !(is_file && initial == Found::File) {
                self.htaccess(server, here, notes)?;
            }
            if end >= filename.len() {
                break;
            }
            let length = memchr::memchr(b'/', &filename[end..]).unwrap_or(filename.len() - end);
            let next = end + length;
            for &byte in &filename[end..next] {
                state = step(state, byte);
            }
            state = step(state, b'/');
            let trusted =
                initial != Found::Missing && self.options & (options::FOLLOW | options::OWNER) == options::FOLLOW;
            if !trusted && !known {
                let kind = self.look(&filename[..next], notes)?;
                if kind != Found::Directory {
                    (found, stopped) = (kind, next);
                    break;
                }
            }
            if !trusted && known {
                self.known_link(&filename[..next], notes);
            }
            if known && !trusted && next == filename.len() {
                (found, stopped) = (Found::File, next);
                break;
            }
            end = next + 1;
            depth += 1;
        }
        if found == Found::Directory && initial == Found::File {
            found = Found::File;
        }
        let name = filename[..stopped].to_vec();
        // For a missing file, as for a file, it is the directory above.
        let directory = match found {
            Found::Directory => directory,
            _ => name[..=memchr::memrchr(b'/', &name).unwrap_or(0)].to_vec(),
        };
        self.regexes(&name, notes);
        let path_info = filename[stopped..].to_vec();
        Ok(Walked {
            sections: self.sections,
            servers: self.servers.iter().flatten().count(),
            directory,
            filename: name,
            path_info,
            found,
            options: self.options,
        })
    }

    /// The plain and wildcard sections of one depth: main server's first, each in the order of the file.
    fn matching(&mut self, depth: u32, hash: u64, path: &[u8], notes: &mut Vec<String>) {
        for which in 0..2 {
            let Some(server) = self.servers[which] else { continue };
            let index = &server.dir_index;
            let mut met: Vec<u32> = Vec::new();
            if index.has_literals() && index.depths & (1 << depth.min(63)) != 0 {
                met.extend(index.find(hash, path, &server.dirs));
            }
            let at = &mut self.wild[which];
            let start = Start::new(path);
            while let Some(&(head, number)) = index.wild.get(*at) {
                let section = &server.dirs[number as usize];
                if section.depth > depth {
                    break;
                }
                *at += 1;
                if section.depth == depth && head.may_match(start) && hits(self.context.memo, section, path, notes) {
                    met.push(number);
                }
            }
            met.sort_unstable();
            for number in met {
                self.add(SectionRef::Config(&server.dirs[number as usize]));
            }
        }
    }

    /// All regular expressions, by their slashes, main server's first among equals.
    fn regexes(&mut self, filename: &[u8], notes: &mut Vec<String>) {
        let mut all: Vec<(u32, usize, u32)> = Vec::new();
        let start = Start::with_pairs(filename);
        for (which, server) in self.servers.iter().enumerate() {
            let Some(server) = server else { continue };
            let may = server.dir_index.regex.iter().filter(|(head, _)| head.may_match(start));
            all.extend(may.map(|&(_, n)| (server.dirs[n as usize].depth, which, n)));
        }
        all.sort_unstable();
        for (_, which, number) in all {
            let Some(server) = self.servers[which] else { continue };
            let section: &'c Section = &server.dirs[number as usize];
            if hits(self.context.memo, section, filename, notes) {
                self.add(SectionRef::Config(section));
            }
        }
    }

    fn htaccess(&mut self, server: usize, directory: &[u8], notes: &mut Vec<String>) -> Result<(), Denied> {
        let closed =
            self.allow.is_some_and(|allow| allow.bits == 0 && !allow.nonfatal_override && !allow.nonfatal_unknown);
        if closed && self.allow_list.as_ref().is_none_or(Vec::is_empty) {
            self.context.memo.met(|| {
                let by = self.sections[self.allow_at].get().origin.clone();
                AccessFile::Closed { directory: directory.to_vec(), by }
            });
            return Ok(());
        }
        let allow = self.allow.unwrap_or_default();
        let list = self.allow_list.clone();
        let found = htaccess::read(self.context, server, directory, allow, list.as_deref(), notes)?;
        if let Some(section) = found {
            self.add(SectionRef::Htaccess(section));
        }
        Ok(())
    }

    /// Says of a file that the caller has named what httpd would say of its URL.
    fn known_link(&self, path: &[u8], notes: &mut Vec<String>) {
        let path = path_of(path);
        if self.options & (options::FOLLOW | options::OWNER) == 0 && self.context.files.is_symlink(path) {
            notes.push(format!(
                "{} is a symbolic link, and Options does not allow FollowSymLinks: httpd answers 403 for a URL that leads there",
                path.display()
            ));
        }
    }

    /// Checks one step of the path, where links may not be followed or the file does not exist.
    fn look(&self, path: &[u8], notes: &mut Vec<String>) -> Result<Found, Denied> {
        let files = self.context.files;
        let path = path_of(path);
        let kind = match files.kind(path) {
            Ok(kind) => kind,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(Denied { status: 403, because: format!("{} may not be read", path.display()) });
            }
            Err(error) if error.kind() == std::io::ErrorKind::InvalidFilename => {
                return Err(Denied { status: 403, because: format!("{} is too long a name", path.display()) });
            }
            Err(_) if files.is_symlink(path) => return Err(link_denied(path)),
            Err(_) => return Ok(Found::Missing),
        };
        if files.is_symlink(path) {
            if self.options & options::OWNER != 0 && self.options & options::FOLLOW == 0 {
                notes.push(format!(
                    "{} is a link: SymLinksIfOwnerMatch asks for owners, which are not compared",
                    path.display()
                ));
            } else if self.options & options::FOLLOW == 0 {
                return Err(link_denied(path));
            }
        }
        match kind {
            Kind::File => Ok(Found::File),
            Kind::Directory => Ok(Found::Directory),
            Kind::Other => {
                Err(Denied { status: 403, because: format!("{} is not a file or directory", path.display()) })
            }
        }
    }
}

fn link_denied(path: &Path) -> Denied {
    Denied {
        status: 403,
        because: format!(
            "{} is a symbolic link that leads nowhere, or Options does not allow FollowSymLinks",
            path.display()
        ),
    }
}

/// Whether a section is for a path, name or URI; paid out of the request's budget.
fn hits(memo: &Memo, section: &Section, text: &[u8], notes: &mut Vec<String>) -> bool {
    let budget = &memo.budget;
    let hit = match &section.matcher {
        Matcher::Regex(pattern) => budget.is_match(pattern, text),
        Matcher::Wild(pattern) if !budget.afford_wild(pattern, text) => Ok(false),
        other => Ok(matches!(other.hits(text), Hit::Yes)),
    };
    budget.blame(|| section.origin.to_string());
    hit.unwrap_or_else(|_| {
        notes.push(format!("{}: the pattern takes too many steps; taken as not matching", section.origin));
        false
    })
}

/// `<Files>`: those of the servers in order, then those inside the merged sections.
pub(super) fn files<'c>(
    memo: &Memo,
    sections: &[SectionRef<'c>],
    filename: &[u8],
    notes: &mut Vec<String>,
) -> Vec<SectionRef<'c>> {
    let name = &filename[memchr::memrchr(b'/', filename).map_or(0, |at| at + 1)..];
    let mut found: Vec<SectionRef<'c>> = Vec::new();
    for section in sections {
        match section {
            SectionRef::Config(section) => {
                let section: &'c Section = section;
                found.extend(
                    section.files.iter().filter(|one| hits(memo, one, name, notes)).map(|one| SectionRef::Config(one)),
                );
            }
            SectionRef::Htaccess(section) => {
                let own = section.files.iter().filter(|one| hits(memo, one, name, notes));
                found.extend(own.map(|one| SectionRef::Htaccess(Arc::clone(one))));
            }
        }
    }
    found
}

/// `<Location>`: main server's, then the host's, in the order of the file.
pub(super) fn locations<'c>(
    context: &ResolveContext<'c>,
    server: usize,
    uri: &[u8],
    notes: &mut Vec<String>,
) -> Vec<SectionRef<'c>> {
    let mut found = Vec::new();
    let start = Start::with_pairs(uri);
    for server in [Some(context.main()), context.host(server)].into_iter().flatten() {
        let index = &server.location_index;
        let mut numbers: Vec<u32> = Vec::new();
        if index.has_literals() {
            prefixes(uri, |prefix, hash| numbers.extend(index.find(hash, prefix, &server.locations)));
        }
        let others = index.wild.iter().chain(&index.regex).filter(|(head, _)| head.may_match(start));
        numbers
            .extend(others.map(|&(_, n)| n).filter(|&n| hits(context.memo, &server.locations[n as usize], uri, notes)));
        numbers.sort_unstable();
        found.extend(numbers.into_iter().map(|n| SectionRef::Config(&server.locations[n as usize])));
    }
    found
}

/// Every prefix of a URI that a literal `<Location>` may name: the empty one, each up to a slash without and with it,
/// and the whole.
pub(super) fn prefixes(uri: &[u8], mut each: impl FnMut(&[u8], u64)) {
    each(b"", hash(b""));
    let mut state = FNV_START;
    for (at, &byte) in uri.iter().enumerate() {
        if byte == b'/' && at > 0 {
            each(&uri[..at], finish(state));
        }
        state = step(state, byte);
        if byte == b'/' && at + 1 < uri.len() {
            each(&uri[..=at], finish(state));
        }
    }
    each(uri, finish(state));
}
