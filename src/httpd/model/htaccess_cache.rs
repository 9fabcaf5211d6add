//! The access files that were read, kept as long as they have not changed.

use super::section::{AllowOverride, Section};
use crate::files::Stamp;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

/// The most bytes of text, and the most files, that the cache holds. A full cache is emptied.
const MAX_CACHED: usize = 32 << 20;
const MAX_FILES: usize = 4096;

/// What `AllowOverride` and `AllowOverrideList` say: the same file may mean different things under different ones.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rules {
    pub allow: AllowOverride,
    pub list: Option<Vec<Box<[u8]>>>,
}

impl Rules {
    pub fn are(&self, allow: AllowOverride, list: Option<&[Box<[u8]>]>) -> bool {
        self.allow == allow && self.list.as_deref() == list
    }
}

/// The content of a file, with its diagnostics.
#[derive(Clone, Debug)]
pub(crate) struct Parsed {
    pub section: Arc<Section>,
    pub notes: Arc<[String]>,
    /// Its meaning depends on other files (`<IfFile>`), so it may change although the file does not.
    pub asks: bool,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub generation: u64,
    pub stamp: Stamp,
    pub rules: Rules,
    pub parsed: Parsed,
}

#[derive(Debug, Default)]
struct Entries {
    files: HashMap<Box<[u8]>, Entry>,
    size: usize,
}

/// The access files of a configuration. A file that was read is taken from here as long as [`crate::files::Files::stamp`], asked
/// each time, gives the same answer. That a file is missing is never remembered.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    // The lock is only tried, never waited for: a caller that does not get it reads the file.
    entries: RwLock<Entries>,
    pub generation: AtomicU64,
}

impl Cache {
    /// From now on every file is read anew, whatever its stamp.
    pub fn refresh(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    pub fn get(&self, path: &[u8], stamp: &Stamp, allow: AllowOverride, list: Option<&[Box<[u8]>]>) -> Option<Parsed> {
        let generation = self.generation.load(Ordering::Acquire);
        let entries = self.entries.try_read().ok()?;
        let entry = entries.files.get(path)?;
        let same = entry.generation == generation && entry.stamp == *stamp && entry.rules.are(allow, list);
        same.then(|| entry.parsed.clone())
    }

    pub fn put(&self, path: &[u8], entry: Entry) {
        let Ok(mut entries) = self.entries.try_write() else { return };
        let size = entry.stamp.size as usize + path.len();
        if entries.size.saturating_add(size) > MAX_CACHED || entries.files.len() >= MAX_FILES {
            *entries = Entries::default();
        }
        // A replaced entry stays counted: the sum is only an upper bound.
        entries.size += size;
        entries.files.insert(path.into(), entry);
    }
}
