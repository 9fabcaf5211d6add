//! mod_dir: the slash of a directory, index files, and FallbackResource (fact A-113).

use super::outcome::{Looked, Outcome, Ready};
use super::subrequest::Subrequest;
use super::walk::{Found, Walked};
use super::walk_cache::WalkCache;
use crate::httpd::model::section::Core;
use crate::httpd::syntax::uri;

fn cores<'w>(walked: &'w Walked<'_>) -> impl Iterator<Item = &'w Core> {
    walked.sections.iter().rev().filter_map(|section| section.get().core.as_deref())
}

impl<'c, 't> Ready<'c, 't> {
    /// A directory: the slash, then the first index file that exists. Each is tried with a whole subrequest, so access control can
    /// refuse it.
    pub fn index(self, notes: &mut Vec<String>) -> Looked<'c, 't> {
        if !self.subrequest.context.data.registry.is_loaded(b"mod_dir.c") || !self.subrequest.path_info.is_empty() {
            return Ok(self);
        }
        if !self.subrequest.uri.ends_with(b"/") {
            return match self.subrequest.slash(&self.walked) {
                Some(answer) => Err(Box::new(answer)),
                None => Ok(self),
            };
        }
        // A rule has asked for a redirect: nothing else happens before it.
        if self.redirect.is_some() {
            return Ok(self);
        }
        let checks = cores(&self.walked).find_map(|core| core.index_unhandled).unwrap_or(false);
        if checks && self.subrequest.set_handler(&self.walked).is_some() {
            return Ok(self);
        }
        let default: [Box<[u8]>; 1] = [Box::from(&b"index.html"[..])];
        let names: Vec<Box<[u8]>> =
            cores(&self.walked).find_map(|core| core.index.as_deref()).unwrap_or(&default).to_vec();
        let mut worst: Option<(u16, String)> = None;
        for (at, name) in names.iter().enumerate() {
            let mut target = if name.starts_with(b"/") {
                name.to_vec()
            } else {
                [&uri::escape(&self.subrequest.uri)[..], name].concat()
            };
            if let Some(query) = &self.subrequest.query {
                target = [&target[..], b"?", query].concat();
            }
            match self.subrequest.sub(&target, Some(&self.bare), notes) {
                Ok(found) if found.walked.found == Found::File => {
                    let status = cores(&self.walked).find_map(|core| core.index_redirect).unwrap_or(0);
                    if status != 0 {
                        let to = Some(uri::escape(&found.subrequest.uri));
                        let because = "the index file is redirected to (DirectoryIndexRedirect)".into();
                        return Err(Box::new(self.subrequest.redirected(status, to, because)));
                    }
                    return Ok(self.taken(found));
                }
                Err(outcome) => match *outcome {
                    Outcome::Answer { status, because, location, .. } if (300..400).contains(&status) => {
                        let past = WalkCache::default();
                        return Err(Box::new(Outcome::Answer {
                            status,
                            because,
                            location,
                            page: None,
                            past,
                            afresh: false,
                        }));
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
                Err(Box::new(self.subrequest.answer(status, because, &self.walked, self.bare.clone())))
            }
            None => Ok(self),
        }
    }

    /// `FallbackResource`, where there is neither a file nor a handler.
    pub fn fallback(self, notes: &mut Vec<String>) -> Looked<'c, 't> {
        let target = cores(&self.walked).find_map(|core| core.fallback.as_ref()).and_then(|(target, _)| target.clone());
        let Some(target) = target else { return Ok(self) };
        let dir = self.subrequest.context.data.registry.is_loaded(b"mod_dir.c");
        if !dir || self.redirect.is_some() || self.subrequest.set_handler(&self.walked).is_some() {
            return Ok(self);
        }
        let mut full = match target.starts_with(b"/") {
            true => target.to_vec(),
            false => {
                let end = memchr::memrchr(b'/', &self.subrequest.uri).map_or(0, |at| at + 1);
                [&uri::escape(&self.subrequest.uri[..end])[..], &target].concat()
            }
        };
        if let Some(query) = &self.subrequest.query {
            full = [&full[..], b"?", query].concat();
        }
        match self.subrequest.sub(&full, Some(&self.bare), notes) {
            Ok(found) if found.walked.found == Found::File => Ok(self.taken(found)),
            Err(outcome) => match *outcome {
                Outcome::Answer { status: 200 | 404, .. } => Ok(self),
                Outcome::Answer { status, because, location, .. } if (300..400).contains(&status) => {
                    let past = WalkCache::default();
                    Err(Box::new(Outcome::Answer { status, because, location, page: None, past, afresh: false }))
                }
                Outcome::Answer { status, because, .. } => {
                    Err(Box::new(self.subrequest.answer(status, because, &self.walked, self.bare.clone())))
                }
                other => Err(Box::new(other)),
            },
            _ => Ok(self),
        }
    }

    /// The request continues with the result of its subrequest.
    pub(super) fn taken(self, mut found: Self) -> Self {
        (*self.subrequest.env.borrow_mut()).clone_from(&found.subrequest.env.borrow());
        found.subrequest.env = self.subrequest.env;
        found.subrequest.headers = self.subrequest.headers;
        found.subrequest.depth = self.subrequest.depth;
        (found.subrequest.method, found.subrequest.status) = (self.subrequest.method, self.subrequest.status);
        found.subrequest.outer = self.subrequest.outer;
        found.subrequest.ended = self.subrequest.ended;
        found
    }
}

impl<'c, 't> Subrequest<'c, 't> {
    /// The redirect that adds the slash to a directory's URI; `None`: it has one, or the server does not add it.
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
