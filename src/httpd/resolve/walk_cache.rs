//! What httpd keeps of a request's walks for the requests that follow from it: index files, error pages, rewritten URIs.
//!
//! A walk that matches the same sections, and merges them onto the same configuration, as the earlier walk reuses the earlier
//! result. As recorded from httpd, this has two consequences: conditions nested in a reused result are not evaluated again, and
//! access control is not checked again with it. A module that wants access checked for each URI, as mod_allowmethods does, ends both.

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
    /// Within a chain of requests, equal numbers mean the same configuration to httpd. 0: the server's own.
    pub number: u32,
    pub sections: Vec<SectionRef<'c>>,
}

/// One finished walk: the sections it matched, what they were merged onto, and the result.
#[derive(Clone, Debug)]
struct Call<'c> {
    /// What was matched: a directory, a file's name, a URI.
    subject: Vec<u8>,
    met: Vec<usize>,
    ground: u32,
    result: Merged<'c>,
}

/// The walks of one request, in order, and those of the previous request in the chain.
#[derive(Clone, Debug, Default)]
pub(super) struct Walks<'c> {
    own: [Vec<Call<'c>>; 4],
    earlier: [Vec<Call<'c>>; 4],
    last_number: u32,
    /// A module wants access checked for each URI: only the walk of the same subject is reused.
    each: bool,
    /// The number of the last merged configuration.
    pub number: u32,
}

/// The results of a request that the next one in the chain may reuse.
#[derive(Clone, Debug, Default)]
pub(super) struct WalkCache<'c> {
    /// Its directory walk, if it got so far.
    pub walked: Option<Walked<'c>>,
    pub walks: Walks<'c>,
}

fn places(sections: &[SectionRef<'_>]) -> Vec<usize> {
    let place = |section: &SectionRef<'_>| std::ptr::from_ref::<Section>(section.get()) as usize;
    sections.iter().map(place).collect()
}

impl<'c> Walks<'c> {
    /// The walks of a request that follows `before`; `None`: of the first one.
    pub fn after(before: Option<&Self>, each: bool) -> Self {
        let Some(before) = before else { return Self { each, ..Self::default() } };
        Self { earlier: before.own.clone(), last_number: before.last_number, each, ..Self::default() }
    }

    /// Merges the sections of a walk onto `ground`. True: an earlier result was reused.
    pub fn join(
        &mut self,
        kind: Kind,
        subject: &[u8],
        met: Vec<SectionRef<'c>>,
        ground: Merged<'c>,
    ) -> (Merged<'c>, bool) {
        let own = &self.own[kind as usize];
        // Compared with the same call of the previous request, or else with this request's last one.
        let model = self.earlier[kind as usize].get(own.len()).or(own.last());
        let places = places(&met);
        let known = model.filter(|model| {
            let familiar = !self.each || kind != Kind::If && model.subject == subject;
            familiar && model.met == places && model.ground == ground.number
        });
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
        self.own[kind as usize].push(Call {
            subject: subject.to_vec(),
            met: places,
            ground: ground.number,
            result: result.clone(),
        });
        (result, again)
    }
}
