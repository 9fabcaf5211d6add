//! What httpd remembers of a request's walks for those that follow from it: index files, error pages, rewritten URIs.
//!
//! A walk that meets the same sections on the same ground as the walk it follows gives the very configuration that that one gave.
//! Two things hang on that, as was seen: conditions nested in such a result are not looked at again, and who was let in (or kept
//! out) with it is not asked again.

use super::walk::{SectionRef, Walked};
use crate::httpd::model::section::Section;

/// The four walks of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    Files,
    Location,
    If,
}

/// A configuration that was merged from sections, weakest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Merged<'c> {
    /// Equal numbers in one line of requests: one and the same to httpd. 0: the server's own.
    pub number: u32,
    pub sections: Vec<SectionRef<'c>>,
}

/// One finished walk: the sections it matched, what they were merged onto, and the result.
#[derive(Clone, Debug)]
struct Call<'c> {
    met: Vec<usize>,
    ground: u32,
    result: Merged<'c>,
}

/// The walks of one request, in order, and those of the request that it follows from.
#[derive(Clone, Debug, Default)]
pub(super) struct Walks<'c> {
    own: [Vec<Call<'c>>; 4],
    earlier: [Vec<Call<'c>>; 4],
    last_number: u32,
    /// The number of what was merged last.
    pub number: u32,
}

/// The results of a request that an internal redirect may reuse.
#[derive(Clone, Debug, Default)]
pub(super) struct WalkCache<'c> {
    /// Its walk down the directories, if it came so far.
    pub walked: Option<Walked<'c>>,
    pub walks: Walks<'c>,
}

fn places(sections: &[SectionRef<'_>]) -> Vec<usize> {
    let place = |section: &SectionRef<'_>| std::ptr::from_ref::<Section>(section.get()) as usize;
    sections.iter().map(place).collect()
}

impl<'c> Walks<'c> {
    /// Those of a request that follows from another one, or from none.
    pub fn after(before: Option<&Self>) -> Self {
        let Some(before) = before else { return Self::default() };
        Self { earlier: before.own.clone(), last_number: before.last_number, ..Self::default() }
    }

    /// Merges the sections of a walk onto `ground`. True: the same merge was done before.
    pub fn join(&mut self, kind: Kind, met: Vec<SectionRef<'c>>, ground: Merged<'c>) -> (Merged<'c>, bool) {
        let own = &self.own[kind as usize];
        // The same call of the request before, or else this request's last one.
        let model = self.earlier[kind as usize].get(own.len()).or(own.last());
        let places = places(&met);
        let known = model.filter(|model| model.met == places && model.ground == ground.number);
        let (result, again) = match known {
            Some(known) => (known.result.clone(), true),
            None if met.is_empty() => (ground.clone(), false),
            None => {
                self.last_number += 1;
                let mut sections = ground.sections;
                sections.extend(met);
                (Merged { number: self.last_number, sections }, false)
            }
        };
        self.number = result.number;
        self.own[kind as usize].push(Call { met: places, ground: ground.number, result: result.clone() });
        (result, again)
    }
}
