//! The content of a configuration: texts, assignments, and the values in force before any request.

use super::directive::Directive;
use super::directive_state::{Authority, Slot};
use super::layer::Layer;
use super::sapi::Sapi;
use super::text::Text;
use super::unknowns::Unknowns;
use crate::origin::Origin;
use crate::version::PhpVersion;
use rustc_hash::FxHasher;
use std::collections::HashMap;
use std::hash::Hasher;
use std::ops::Deref;
use std::sync::Arc;

/// One text that assignments come from. It is kept so that a line can be shown as it was written.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Source {
    pub(super) layer: Layer,
    /// The file; `None`: no file.
    pub(super) file: Option<Arc<[u8]>>,
    pub(super) text: Vec<u8>,
    /// The one line that the whole text is written in; `None`: the text is a whole file.
    pub(super) at: Option<u32>,
}

/// One line that sets a directive.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    pub(super) directive: u32,
    pub(super) line: u32,
    pub(super) power: Authority,
    pub(super) value: Text,
    pub(super) source: Arc<Source>,
}

impl Assignment {
    pub(super) fn origin(&self) -> Origin {
        self.source.origin(self.line)
    }
}

impl Source {
    pub(super) fn origin(&self, line: u32) -> Origin {
        match &self.file {
            Some(file) => Origin::new(file, self.at.unwrap_or(line)),
            None => Origin::default(),
        }
    }
}

/// Where each line of a text begins, found once for all questions about it.
#[derive(Default)]
pub(super) struct Lines {
    source: Option<Arc<Source>>,
    starts: Vec<usize>,
}

impl Lines {
    /// The value of an assignment as it was written, without a comment behind it.
    pub(super) fn raw(&mut self, assignment: &Assignment) -> Vec<u8> {
        let source = &assignment.source;
        if !self.source.as_ref().is_some_and(|known| Arc::ptr_eq(known, source)) {
            let ends = memchr::memchr_iter(b'\n', &source.text);
            self.starts = [0].into_iter().chain(ends.map(|end| end + 1)).collect();
            self.source = Some(Arc::clone(source));
        }
        let place = (assignment.line as usize).checked_sub(1);
        let start = place.and_then(|place| self.starts.get(place));
        let line = start.map(|&start| {
            let rest = &source.text[start..];
            &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())]
        });
        line.and_then(written).unwrap_or_else(|| assignment.value.bytes().to_vec())
    }
}

/// The part of a line after its `=`, without a comment.
fn written(line: &[u8]) -> Option<Vec<u8>> {
    let after = &line[memchr::memchr(b'=', line)? + 1..];
    let mut quoted = false;
    let end = after.iter().position(|&byte| {
        quoted ^= byte == b'"';
        byte == b';' && !quoted
    });
    Some(after[..end.unwrap_or(after.len())].trim_ascii().to_vec())
}

/// A `[PATH=…]` or `[HOST=…]` section.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) layer: Layer,
    pub(super) assignments: Vec<Assignment>,
}

/// Which section has which key.
pub(super) type SectionPlaces = HashMap<(Layer, Box<[u8]>), usize>;

#[derive(Debug)]
pub(super) struct Core {
    pub(super) version: PhpVersion,
    pub(super) sapi: Sapi,
    pub(super) directives: Directives,
    /// The state of each directive before any request.
    pub(super) slots: Vec<Slot>,
    /// php.ini, scan directory, SAPI and `-d`, in order; the last one of a name counts (I-114).
    pub(super) startup: Vec<Assignment>,
    /// Which of them counts, for each directive.
    pub(super) winners: Vec<Option<u32>>,
    /// FPM pool and FastCGI parameters, in the order in which they are applied.
    pub(super) global: Vec<Assignment>,
    /// Pool lines that have no effect because an earlier line has the same name (I-151).
    pub(super) doubled: Vec<Assignment>,
    /// Every pool of the FPM configurations.
    pub(super) pools: Vec<super::fpm::Pool>,
    pub(super) sections: Vec<Section>,
    pub(super) section_places: SectionPlaces,
    /// Every php.ini text, in order.
    pub(super) sources: Vec<Arc<Source>>,
    /// Entries of php.ini that are no directives.
    pub(super) unknown: Unknowns,
    pub(super) env: HashMap<Box<[u8]>, Box<[u8]>>,
    /// What FPM's chosen pool makes of the environment.
    pub(super) worker: Option<Worker>,
    /// What the web server hands over with each request, besides `PHP_VALUE` and `PHP_ADMIN_VALUE`.
    pub(super) params: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The environment of an FPM worker.
#[derive(Debug)]
pub(super) struct Worker {
    /// The pool's own variables, then `USER` and `HOME`.
    pub(super) env: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether there are no others.
    pub(super) clears_env: bool,
}

/// All directives, sorted by name, and where each name stands among them: every line of every file asks for one.
#[derive(Debug)]
pub(super) struct Directives {
    list: Vec<Directive>,
    /// Places in the list, plus one, by the hashes of the names; 0: a free slot. A quarter is taken at most.
    slots: Box<[u32]>,
}

impl Directives {
    /// Of directives that are sorted by name.
    pub(super) fn new(list: Vec<Directive>) -> Self {
        let mut slots = vec![0; (4 * list.len()).next_power_of_two()].into_boxed_slice();
        for (at, directive) in list.iter().enumerate() {
            let mut slot = slot(&directive.name, slots.len());
            while slots[slot] != 0 {
                slot = (slot + 1) % slots.len();
            }
            slots[slot] = at as u32 + 1;
        }
        Self { list, slots }
    }

    /// Where a name stands.
    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        let mut slot = slot(name, self.slots.len());
        loop {
            let at = (self.slots[slot] as usize).checked_sub(1)?;
            if *self.list[at].name == *name {
                return Some(at);
            }
            slot = (slot + 1) % self.slots.len();
        }
    }
}

impl Deref for Directives {
    type Target = [Directive];

    fn deref(&self) -> &[Directive] {
        &self.list
    }
}

/// The first slot for a name; the number of slots is a power of two.
fn slot(name: &[u8], slots: usize) -> usize {
    let mut hasher = FxHasher::default();
    hasher.write(name);
    hasher.finish() as usize & (slots - 1)
}

impl Core {
    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        self.directives.find(name)
    }

    /// What `${NAME}` gives without the environment, once php.ini has been read (I-071).
    pub(super) fn entry(&self, name: &[u8]) -> Option<&[u8]> {
        let known = self.find(name).and_then(|at| Some(self.startup[self.winners[at]? as usize].value.bytes()));
        known.or_else(|| self.unknown.get(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_directive_is_found_by_its_name() {
        let list: Vec<_> = super::super::table::directives(PhpVersion::default()).collect();
        let all = Directives::new(list);
        assert!(all.len() > 200);
        for (at, directive) in all.iter().enumerate() {
            assert_eq!(all.find(directive.name()), Some(at));
            assert_eq!(all.find(&[directive.name(), b"x"].concat()), None);
        }
        assert_eq!((all.find(b""), Directives::new(Vec::new()).find(b"x")), (None, None));
    }

    #[test]
    fn what_was_written_is_found_again() {
        let text = b"a = 1\nb=\"x;y\" ; why\n c = On ; z\r\nd".to_vec();
        let source = Arc::new(Source { layer: Layer::PhpIni, file: None, text, at: None });
        let mut lines = Lines::default();
        let mut got = |line| {
            let (source, value) = (Arc::clone(&source), Text::new(b"as stored"));
            let raw = lines.raw(&Assignment { directive: 0, line, power: Authority::Startup, value, source });
            String::from_utf8(raw).unwrap()
        };
        assert_eq!((got(1), got(2), got(3)), ("1".into(), "\"x;y\"".into(), "On".into()));
        assert!([0, 4, 9].into_iter().all(|line| got(line) == "as stored"));
    }
}
