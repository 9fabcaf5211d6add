//! `.htaccess`: looked for at every request, as httpd does, and parsed when it has changed (facts ).

use super::Layer;
use super::build;
use super::lines;
use super::reader::{Allowed, Reader};
use super::resolve::Engine;
use super::section::{AllowOverride, Matcher, Section, options};
use super::walk::{Denied, path_of};
use crate::files::Stamp;
use crate::origin::Origin;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

/// An `.htaccess` larger than this is refused: it may be read for every request.
const MAX_SIZE: usize = 16 << 20;
/// Text that the cache stands for, in bytes, and files; when there is more it begins anew.
const MAX_CACHED: usize = 32 << 20;
const MAX_FILES: usize = 4096;

/// What `AllowOverride` and `AllowOverrideList` say: the same file may mean different things under different ones.
#[derive(Clone, Debug, PartialEq)]
struct Rules {
    allow: AllowOverride,
    list: Option<Vec<Box<[u8]>>>,
}

impl Rules {
    fn are(&self, allow: AllowOverride, list: Option<&[Box<[u8]>]>) -> bool {
        self.allow == allow && self.list.as_deref() == list
    }
}

/// What a file says, and what is odd about it.
#[derive(Clone, Debug)]
struct Parsed {
    section: Arc<Section>,
    notes: Arc<[String]>,
    /// It asks for other files as it is read, so that it may mean something else the next time.
    asks: bool,
}

#[derive(Debug)]
struct Entry {
    generation: u64,
    stamp: Stamp,
    rules: Rules,
    parsed: Parsed,
}

#[derive(Debug, Default)]
struct Entries {
    files: HashMap<Box<[u8]>, Entry>,
    size: usize,
}

/// The access files of a configuration. One that was read is taken from here as long as [`crate::files::Files::stamp`] gives the
/// same answer, for which it is asked each time; that a file is missing is never remembered.
#[derive(Debug, Default)]
pub(super) struct Cache {
    // Only ever locked where nobody has to wait: who cannot get it reads the file.
    entries: RwLock<Entries>,
    generation: AtomicU64,
}

impl Cache {
    /// From now on every file is read anew, whatever its stamp.
    pub fn refresh(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    fn get(&self, path: &[u8], stamp: &Stamp, allow: AllowOverride, list: Option<&[Box<[u8]>]>) -> Option<Parsed> {
        let generation = self.generation.load(Ordering::Acquire);
        let entries = self.entries.try_read().ok()?;
        let entry = entries.files.get(path)?;
        let same = entry.generation == generation && entry.stamp == *stamp && entry.rules.are(allow, list);
        same.then(|| entry.parsed.clone())
    }

    fn put(&self, path: &[u8], entry: Entry) {
        let Ok(mut entries) = self.entries.try_write() else { return };
        let size = entry.stamp.size as usize + path.len();
        if entries.size.saturating_add(size) > MAX_CACHED || entries.files.len() >= MAX_FILES {
            *entries = Entries::default();
        }
        // What an entry replaces is counted on: the sum is a bound, and nothing more.
        entries.size += size;
        entries.files.insert(path.into(), entry);
    }
}

/// A directory, under which rules, and what its access file says.
type Seen = (Box<[u8]>, Rules, Option<Arc<Section>>);

/// The access files of one request: all that follows from it sees the same ones.
#[derive(Debug, Default)]
pub(super) struct Memo {
    seen: RefCell<Vec<Seen>>,
    spent: Cell<u32>,
}

/// Steps of rules, conditions and subrequests that one request may take: enough for what ends by itself.
const MAX_STEPS: u32 = 2_000_000;

impl Memo {
    /// Takes steps off what is left; no: there are none.
    pub fn spend(&self, steps: u32) -> bool {
        self.spent.set(self.spent.get().saturating_add(steps));
        self.spent.get() <= MAX_STEPS
    }
}

/// Reads the first access file that `directory` (with its slash) has.
pub(super) fn read(
    engine: &Engine<'_>,
    server: usize,
    directory: &[u8],
    allow: AllowOverride,
    list: Option<&[Box<[u8]>]>,
    notes: &mut Vec<String>,
) -> Result<Option<Arc<Section>>, Denied> {
    let seen = |known: &&Seen| *known.0 == *directory && known.1.are(allow, list);
    if let Some((.., section)) = engine.memo.seen.borrow().iter().find(seen) {
        return Ok(section.clone());
    }
    let section = look(engine, server, directory, allow, list, notes)?;
    let rules = Rules { allow, list: list.map(<[_]>::to_vec) };
    engine.memo.seen.borrow_mut().push((directory.into(), rules, section.clone()));
    Ok(section)
}

fn look(
    engine: &Engine<'_>,
    server: usize,
    directory: &[u8],
    allow: AllowOverride,
    list: Option<&[Box<[u8]>]>,
    notes: &mut Vec<String>,
) -> Result<Option<Arc<Section>>, Denied> {
    let default: [Box<[u8]>; 1] = [Box::from(&b".htaccess"[..])];
    let names = engine.access_names(server).unwrap_or(&default);
    let cache = &engine.data.htaccess;
    let is_missing = |kind| matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory);
    for name in names {
        let path = [directory, name].concat();
        // Taken before reading: a file that changes meanwhile has another one the next time.
        let stamp = match engine.files.stamp(path_of(&path)) {
            Err(error) if is_missing(error.kind()) => continue,
            stamp => stamp.ok().flatten(),
        };
        if let Some(stamp) = &stamp
            && let Some(parsed) = cache.get(&path, stamp, allow, list)
        {
            notes.extend(parsed.notes.iter().cloned());
            return Ok(Some(parsed.section));
        }
        let generation = cache.generation.load(Ordering::Acquire);
        let parsed = match engine.files.read(path_of(&path)) {
            Ok(text) => parse(engine, &path, text, allow, list)?,
            Err(error) if is_missing(error.kind()) => continue,
            Err(error) => {
                let because = format!("{} cannot be read: {error}", String::from_utf8_lossy(&path));
                return Err(Denied { status: 403, because });
            }
        };
        notes.extend(parsed.notes.iter().cloned());
        let section = Arc::clone(&parsed.section);
        if let Some(stamp) = stamp.filter(|_| !parsed.asks) {
            let rules = Rules { allow, list: list.map(<[_]>::to_vec) };
            cache.put(&path, Entry { generation, stamp, rules, parsed });
        }
        return Ok(Some(section));
    }
    Ok(None)
}

fn parse(
    engine: &Engine<'_>,
    path: &[u8],
    text: Vec<u8>,
    allow: AllowOverride,
    list: Option<&[Box<[u8]>]>,
) -> Result<Parsed, Denied> {
    let shown = String::from_utf8_lossy(path);
    let refuse = |because: String| Denied { status: 500, because };
    if text.len() > MAX_SIZE {
        return Err(refuse(format!("{shown}: larger than 16 MiB")));
    }
    if let Some(line) = lines::too_long(&text) {
        return Err(refuse(format!("{shown}:{line}: Error reading {shown} at line {line}: Line too long")));
    }
    let data = engine.data;
    let mut reader = Reader::again(
        engine.files,
        data.root.clone(),
        data.version,
        Arc::clone(&data.registry),
        Arc::clone(&data.defines),
        Arc::clone(&data.macros),
    );
    let (nonfatal_override, nonfatal_unknown) = (allow.nonfatal_override, allow.nonfatal_unknown);
    reader.allowed = Some(Allowed { bits: allow.bits, list, nonfatal_override, nonfatal_unknown });
    reader.allowed_options = Some(allow.options.unwrap_or(options::ALL | options::MULTI | options::OWNER));
    let file: Arc<[u8]> = path.into();
    reader.read_text(&text, Some(Arc::clone(&file))).map_err(|error| refuse(error.to_string()))?;
    let section = Section::new(Layer::Htaccess, Matcher::Always, Origin { file: Some(file), line: 0 });
    let mut builder = build::htaccess(&mut reader, section);
    builder.methods.clone_from(&data.methods);
    builder.run().map_err(|error| refuse(error.to_string()))?;
    let built = build::finish_htaccess(builder);
    let notes = reader.diagnostics.iter().take(100).map(ToString::to_string).collect();
    match built {
        Some(section) => Ok(Parsed { section: Arc::new(section), notes, asks: reader.asks }),
        None => Err(refuse(format!("{shown}: could not be read"))),
    }
}
