//! mod_dir: the slash of a directory, index files, and FallbackResource (fact A-113).

use super::outcome::{Outcome, Ready};
use super::subrequest::Subrequest;
use super::walk::{Found, Walked};
use super::walk_cache::WalkCache;
use crate::httpd::model::section::Core;
use crate::httpd::syntax::uri;

type Looked<'c, 't> = Result<Ready<'c, 't>, Box<Outcome<'c, 't>>>;

fn cores<'w>(walked: &'w Walked<'_>) -> impl Iterator<Item = &'w Core> {
    walked.sections.iter().rev().filter_map(|section| section.get().core.as_deref())
}

impl<'c, 't> Ready<'c, 't> {
    /// A directory: the slash, then the first index file that is there. Its subrequest is looked at as a whole: what refuses it counts.
    pub fn index(self, notes: &mut Vec<String>) -> Looked<'c, 't> {
        if !self.visit.context.data.registry.is_loaded(b"mod_dir.c") || !self.visit.path_info.is_empty() {
            return Ok(self);
        }
        if !self.visit.uri.ends_with(b"/") {
            return match self.visit.slash(&self.walked) {
                Some(answer) => Err(Box::new(answer)),
                None => Ok(self),
            };
        }
        // Between a rule and the redirect that it asks for nothing is done.
        if self.redirect.is_some() {
            return Ok(self);
        }
        let default: [Box<[u8]>; 1] = [Box::from(&b"index.html"[..])];
        let names: Vec<Box<[u8]>> =
            cores(&self.walked).find_map(|core| core.index.as_deref()).unwrap_or(&default).to_vec();
        let mut worst: Option<(u16, String)> = None;
        for (at, name) in names.iter().enumerate() {
            let mut target =
                if name.starts_with(b"/") { name.to_vec() } else { [&uri::escape(&self.visit.uri)[..], name].concat() };
            if let Some(query) = &self.visit.query {
                target = [&target[..], b"?", query].concat();
            }
            match self.visit.sub(&target, Some(&self.bare), notes) {
                Some(Ok(found)) if found.walked.found == Found::File => {
                    let status = cores(&self.walked).find_map(|core| core.index_redirect).unwrap_or(0);
                    if status != 0 {
                        let to = Some(uri::escape(&found.visit.uri));
                        let because = "the index file is redirected to (DirectoryIndexRedirect)".into();
                        return Err(Box::new(self.visit.redirected(status, to, because)));
                    }
                    return Ok(self.taken(found));
                }
                Some(Err(outcome)) => match *outcome {
                    Outcome::Answer { status, because, location, .. } if (300..400).contains(&status) => {
                        let past = WalkCache::default();
                        return Err(Box::new(Outcome::Answer { status, because, location, page: None, past }));
                    }
                    Outcome::Answer { status, because, .. } if status != 404 && status != 200 => {
                        worst = Some((status, because));
                        if matches!(status, 401 | 406) && at + 1 == names.len() {
                            break;
                        }
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        match worst {
            Some((status, because)) => {
                Err(Box::new(self.visit.answer(status, because, &self.walked, self.bare.clone())))
            }
            None => Ok(self),
        }
    }

    /// `FallbackResource`, where there is no file and nobody to ask.
    pub fn fallback(self, notes: &mut Vec<String>) -> Looked<'c, 't> {
        let target = cores(&self.walked).find_map(|core| core.fallback.as_ref()).and_then(|(target, _)| target.clone());
        let Some(target) = target else { return Ok(self) };
        let dir = self.visit.context.data.registry.is_loaded(b"mod_dir.c");
        if !dir || self.redirect.is_some() || self.visit.set_handler(&self.walked).is_some() {
            return Ok(self);
        }
        let mut full = match target.starts_with(b"/") {
            true => target.to_vec(),
            false => {
                let end = memchr::memrchr(b'/', &self.visit.uri).map_or(0, |at| at + 1);
                [&uri::escape(&self.visit.uri[..end])[..], &target].concat()
            }
        };
        if let Some(query) = &self.visit.query {
            full = [&full[..], b"?", query].concat();
        }
        match self.visit.sub(&full, Some(&self.bare), notes) {
            Some(Ok(found)) if found.walked.found == Found::File => Ok(self.taken(found)),
            Some(Err(outcome)) => match *outcome {
                Outcome::Answer { status: 200 | 404, .. } => Ok(self),
                Outcome::Answer { status, because, location, .. } if (300..400).contains(&status) => {
                    let past = WalkCache::default();
                    Err(Box::new(Outcome::Answer { status, because, location, page: None, past }))
                }
                Outcome::Answer { status, because, .. } => {
                    Err(Box::new(self.visit.answer(status, because, &self.walked, self.bare.clone())))
                }
                other => Err(Box::new(other)),
            },
            _ => Ok(self),
        }
    }

    /// The request continues with the result of its subrequest.
    pub(super) fn taken(self, mut found: Self) -> Self {
        (*self.visit.env.borrow_mut()).clone_from(&found.visit.env.borrow());
        found.visit.env = self.visit.env;
        found.visit.depth = self.visit.depth;
        found.visit.method = self.visit.method;
        found.visit.outer = self.visit.outer;
        found.visit.ended = self.visit.ended;
        found
    }
}

impl<'c, 't> Subrequest<'c, 't> {
    /// The redirect that gives a directory's URI its slash; none: it has one, or nobody gives it.
    pub(super) fn slash(&self, walked: &Walked<'c>) -> Option<Outcome<'c, 't>> {
        let has_dir = self.context.data.registry.is_loaded(b"mod_dir.c");
        let wanted = has_dir && cores(walked).find_map(|core| core.index_slash).unwrap_or(true);
        if self.uri.ends_with(b"/") || !wanted {
            return None;
        }
        let mut to = uri::escape(&self.uri);
        to.push(b'/');
        if let Some(query) = &self.query {
            to = [&to[..], b"?", query].concat();
        }
        Some(self.redirected(301, Some(to), "the directory's URI gets a slash (DirectorySlash)".into()))
    }
}
