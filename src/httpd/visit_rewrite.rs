//! Rewriting in directories: what the rules make of a file's path, and which URI that is.

use super::Layer;
use super::mapping::Context;
use super::merges::Past;
use super::rewrite::{Place, Rewritten, Rules};
use super::section::options;
use super::visit::{Outcome, Visit};
use super::walk::{Found, Ref, Walked};

impl<'c, 't> Visit<'c, 't> {
    /// The rules of the innermost container that has any.
    pub(super) fn rewrite(&mut self, walked: &Walked<'c>, bare: &Past<'c>) -> Option<Outcome<'c, 't>> {
        let mut rules = Rules::default();
        let mut last = None;
        for section in walked.sections.iter().map(Ref::get) {
            let below = !matches!(section.layer, Layer::Server | Layer::VirtualHost);
            if let Some(config) = section.core.as_ref().and_then(|core| core.rewrite.as_ref()).filter(|_| below) {
                rules = rules.merge(Some(config));
                last = Some(section);
            }
        }
        let section = last.filter(|_| rules.engine && !self.ended)?;
        let directory = directory_of(section, &walked.filename)?;
        // A directory whose slash is still missing is sent there first.
        if directory.strip_suffix(b"/") == Some(&walked.filename) {
            return None;
        }
        if walked.options & (options::FOLLOW | options::OWNER) == 0 {
            let because =
                format!("{}: RewriteRule is forbidden where Options does not allow FollowSymLinks", section.origin);
            return Some(self.answer(403, because, walked, bare.clone()));
        }
        let full = [&walked.filename[..], &walked.path_info].concat();
        let below = full.strip_prefix(&directory[..])?.to_vec();
        let place = Place { server: false, sub: self.depth > 0 };
        match rules.run(&below, self.query.as_deref(), place, self) {
            Rewritten::Unchanged => None,
            Rewritten::Status(status, origin) => {
                Some(self.answer(status, format!("{origin}: RewriteRule"), walked, bare.clone()))
            }
            Rewritten::Proxied(origin) => Some(self.answer(
                502,
                format!("{origin}: RewriteRule passes it to another server"),
                walked,
                bare.clone(),
            )),
            Rewritten::Redirect { to, status, origin } => {
                let to = match rules.base {
                    _ if to.starts_with(b"/") || memchr::memmem::find(&to, b"://").is_some() => to,
                    Some(_) => self.uri_of(&directory, rules.base, &to),
                    // Without a RewriteBase, the place on the disk is shown to the world.
                    None => [&directory[..], &to].concat(),
                };
                Some(self.redirected(status, Some(to), format!("{origin}: RewriteRule redirects")))
            }
            Rewritten::Path { path, query, end, handler, .. } => {
                if path == below && query == self.query {
                    self.handler = handler.or(self.handler.take());
                    return None;
                }
                let uri = if path.starts_with(b"/") { path } else { self.uri_of(&directory, rules.base, &path) };
                if uri == self.uri && query == self.query {
                    return None;
                }
                // The slash that a directory's URI lacks comes first.
                if walked.found == Found::Directory
                    && let Some(answer) = self.slash(walked)
                {
                    return Some(answer);
                }
                let mut next = self.clone();
                (next.uri, next.query, next.ended) = (uri, query, end);
                (next.filename, next.path_info) = (Vec::new(), Vec::new());
                Some(Outcome::Again { next: Box::new(next), past: bare.clone() })
            }
        }
    }

    /// A path below a directory as a URI: by `RewriteBase`, or by taking the document root off.
    fn uri_of(&self, directory: &[u8], base: Option<&[u8]>, path: &[u8]) -> Vec<u8> {
        if let Some(base) = base {
            let base = base.strip_suffix(b"/").unwrap_or(base);
            return [base, b"/", path].concat();
        }
        let full = [directory, path].concat();
        let Context { prefix, root } = &self.context;
        if let Some(rest) = full.strip_prefix(&root[..]).filter(|rest| !root.is_empty() && rest.starts_with(b"/")) {
            return [&prefix[..], rest].concat();
        }
        let root = self.engine.document_root(self.asked.server);
        let root = root.strip_suffix(b"/").unwrap_or(root);
        full.strip_prefix(root).map_or(full.clone(), <[u8]>::to_vec)
    }
}

/// The directory that a container's rewrite rules are relative to.
fn directory_of(section: &super::section::Section, filename: &[u8]) -> Option<Vec<u8>> {
    use super::section::Matcher;
    if section.layer == Layer::Htaccess {
        let file = section.origin.file.as_deref()?;
        return Some(file[..=memchr::memrchr(b'/', file)?].to_vec());
    }
    match &section.matcher {
        Matcher::Literal(path) if section.layer == Layer::Directory => Some(path.to_vec()),
        _ => Some(filename[..=memchr::memrchr(b'/', filename)?].to_vec()),
    }
}
