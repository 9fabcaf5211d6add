//! Entries of php.ini that are no directives; `${NAME}` can use them nevertheless (I-119). Their texts lie in one arena and
//! their names in one index, so that a file full of them costs no allocation for each.

use super::core::Source;
use crate::ini::index::{Index, Region};
use crate::ini::tree::Key;
use std::ops::Range;
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Unknowns {
    arena: Vec<u8>,
    /// How many bytes of the arena are values that were replaced.
    dead: usize,
    entries: Vec<Entry>,
    index: Index,
    region: Region,
    sources: Vec<Arc<Source>>,
}

#[derive(Clone, Debug)]
struct Entry {
    key: Range<usize>,
    value: Range<usize>,
    line: u32,
    source: u32,
}

impl Default for Unknowns {
    fn default() -> Self {
        Self {
            arena: Vec::new(),
            dead: 0,
            entries: Vec::new(),
            index: Index::with_capacity(0),
            region: Region::default(),
            sources: Vec::new(),
        }
    }
}

impl Unknowns {
    fn find(&self, key: &[u8], hash: u64) -> Option<usize> {
        let is = |at: u32| self.arena[self.entries[at as usize].key.clone()] == *key;
        self.index.find(self.region, hash, is).map(|at| at as usize)
    }

    /// The value of a name.
    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let at = self.find(key, self.index.hash(Key::Text(key)))?;
        Some(&self.arena[self.entries[at].value.clone()])
    }

    /// The value of a name, with the place where it was set last.
    pub(super) fn get_with_place(&self, key: &[u8]) -> Option<(&[u8], &Source, u32)> {
        let entry = &self.entries[self.find(key, self.index.hash(Key::Text(key)))?];
        Some((&self.arena[entry.value.clone()], &self.sources[entry.source as usize], entry.line))
    }

    /// Adds a name, or gives it another value.
    pub(super) fn insert(&mut self, key: &[u8], value: &[u8], line: u32, source: &Arc<Source>) {
        if !self.sources.last().is_some_and(|last| Arc::ptr_eq(last, source)) {
            self.sources.push(Arc::clone(source));
        }
        let source = self.sources.len() as u32 - 1;
        let hash = self.index.hash(Key::Text(key));
        match self.find(key, hash) {
            Some(at) => {
                self.dead += self.entries[at].value.len();
                let value = self.save(value);
                let entry = &mut self.entries[at];
                (entry.value, entry.line, entry.source) = (value, line, source);
                // Otherwise a name that is set again and again would keep all its values.
                if self.dead > self.arena.len() / 2 {
                    self.compact();
                }
            }
            None => {
                let (key, value) = (self.save(key), self.save(value));
                self.index.insert(&mut self.region, hash, self.entries.len() as u32);
                self.entries.push(Entry { key, value, line, source });
            }
        }
    }

    fn save(&mut self, text: &[u8]) -> Range<usize> {
        let start = self.arena.len();
        self.arena.extend_from_slice(text);
        start..self.arena.len()
    }

    fn compact(&mut self) {
        let old = std::mem::take(&mut self.arena);
        let mut entries = std::mem::take(&mut self.entries);
        for entry in &mut entries {
            entry.key = self.save(&old[entry.key.clone()]);
            entry.value = self.save(&old[entry.value.clone()]);
        }
        self.entries = entries;
        self.dead = 0;
    }

    /// Each name with the place where it was set last.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &Source, u32)> {
        let source = |entry: &Entry| &*self.sources[entry.source as usize];
        self.entries.iter().map(move |entry| (&self.arena[entry.key.clone()], source(entry), entry.line))
    }
}

#[cfg(test)]
mod tests {
    use super::super::layer::Layer;
    use super::*;

    #[test]
    fn the_last_value_stands() {
        let source = Arc::new(Source { layer: Layer::PhpIni, file: None, text: Vec::new(), at: None });
        let mut unknowns = Unknowns::default();
        for round in 0..3_u32 {
            for name in 0..1000 {
                let value = format!("value {name} of round {round}");
                unknowns.insert(format!("name{name}").as_bytes(), value.as_bytes(), round + 1, &source);
            }
        }
        assert_eq!(unknowns.get(b"name7"), Some(&b"value 7 of round 2"[..]));
        assert_eq!(unknowns.get(b"name1000"), None);
        assert_eq!(unknowns.iter().filter(|(_, _, line)| *line == 3).count(), 1000);
        assert!(unknowns.arena.len() < 3000 * 25);
        for _ in 0..100_000 {
            unknowns.insert(b"name7", &[b'x'; 100], 9, &source);
        }
        assert!(unknowns.arena.len() < 200_000, "{}", unknowns.arena.len());
        assert_eq!(unknowns.get(b"name8"), Some(&b"value 8 of round 2"[..]));
    }
}
