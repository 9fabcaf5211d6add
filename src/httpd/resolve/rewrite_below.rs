//! Rewriting in directories: applies the rules to a file's path, and finds the URI of the result.

use super::mapping::{Mapped, control_in, far_away, pass_to, rule_answer};
use super::outcome::{Outcome, Sent};
use super::subrequest::Subrequest;
use super::walk::{SectionRef, Walked};
use super::walk_cache::WalkCache;
use crate::httpd::model::answer::ServerLayer;
use crate::httpd::model::rewrite::{Changed, Rewritten, Rules, Start, scheme};
use crate::httpd::model::section;
use crate::httpd::model::section::options;

/// The internal redirect that rules ask for, if any; or the answer.
type Rewriting<'c, 't> = Result<Option<Sent>, Box<Outcome<'c, 't>>>;

impl<'c, 't> Subrequest<'c, 't> {
    /// Applies the rules of the innermost container that has any.
    pub(super) fn rewrite(&mut self, walked: &Walked<'c>, bare: &WalkCache<'c>) -> Rewriting<'c, 't> {
        let mut rules = Rules::default();
        let mut last = None;
        for section in walked.sections.iter().map(SectionRef::get) {
            let below = !matches!(section.layer, ServerLayer::Server | ServerLayer::VirtualHost);
            if let Some(config) = section.core.as_ref().and_then(|core| core.rewrite.as_deref()).filter(|_| below) {
                rules = rules.merge(Some(config));
                last = Some(section);
            }
        }
        let Some((section, directory)) = last.and_then(|last| Some((last, directory_of(last)?))) else {
            return Ok(None);
        };
        // A directory without its slash is redirected to the slash first.
        if !rules.inherit.no_slash && directory.strip_suffix(b"/") == Some(&walked.filename) || !rules.engine {
            return Ok(None);
        }
        let fail = |subrequest: &Self, mapped: Mapped| match mapped {
            Mapped::Answer { status, because } => {
                Err(Box::new(subrequest.answer(status, because, walked, bare.clone())))
            }
            Mapped::Redirect { status, to, because } => Err(Box::new(subrequest.redirected(status, to, because))),
            Mapped::Ruled { status, to: None, because } => {
                Err(Box::new(subrequest.answer(status, because, walked, bare.clone()).afresh()))
            }
            Mapped::Ruled { status, to, because } => Err(Box::new(subrequest.redirected(status, to, because).afresh())),
            Mapped::File(place) => Err(Box::new(subrequest.passed(*place, walked.sections.clone()))),
            Mapped::Passed { to, because } => {
                Err(Box::new(subrequest.passed_on(to, because, walked.sections.clone(), bare.clone())))
            }
        };
        if walked.options & (options::FOLLOW | options::OWNER) == 0 {
            let because =
                format!("{}: RewriteRule is forbidden where Options does not allow FollowSymLinks", section.origin);
            return fail(self, Mapped::Answer { status: 403, because });
        }
        if self.ended {
            return Ok(None);
        }
        let start = Start {
            filename: &walked.filename,
            path_info: &walked.path_info,
            directory: Some(&directory),
            query: self.query.as_deref(),
            sub: self.depth > 0,
        };
        let done = match rules.run(start, self) {
            Rewritten::Done(done) => *done,
            Rewritten::Status(status, origin, why) => return fail(self, rule_answer(status, &origin, why)),
        };
        self.ended |= done.end;
        if done.forced.handler.is_some() {
            self.forced.handler.clone_from(&done.forced.handler);
        }
        if done.forced.media_type.is_some() {
            self.forced.media_type.clone_from(&done.forced.media_type);
        }
        if !done.changed {
            return Ok(None);
        }
        match self.sent(done, &directory, rules.base, walked) {
            Ok(sent) => Ok(sent),
            Err(mapped) => fail(self, mapped),
        }
    }

    /// Where a changed path leads.
    fn sent(
        &mut self,
        done: Changed,
        directory: &[u8],
        base: Option<&[u8]>,
        walked: &Walked<'c>,
    ) -> Result<Option<Sent>, Mapped> {
        let Changed { mut filename, query, origin, status, .. } = done;
        self.status = status.or(self.status);
        if done.proxy {
            return Err(pass_to(&filename, &origin, "RewriteRule [P]", &self.uri, query.as_deref()));
        }
        let before = std::mem::replace(&mut self.query, query.clone());
        // With `[PT]` the result is always a path, even if it looks like a URL.
        let far = scheme(&filename).filter(|_| !done.pass_through);
        if (far.is_none() || done.no_escape)
            && let Some(answer) = control_in(query.as_deref(), &origin)
        {
            return Err(answer);
        }
        if let Some(start) = far {
            // `RewriteBase` replaces the directory in the URL.
            if let Some(base) = base
                && let Some(slash) = memchr::memchr(b'/', &filename[start..]).map(|at| start + at + 1)
                && let Some(rest) = filename[slash..].strip_prefix(directory.strip_prefix(b"/").unwrap_or(directory))
            {
                filename = [&filename[..slash], &joined(&base[1..], rest)].concat();
            }
            let to = far_away(&filename, start, query.as_deref(), before.as_deref(), done.no_escape);
            let because = format!("{origin}: RewriteRule redirects");
            return Err(Mapped::Ruled { status: done.status.unwrap_or(302), to: Some(to), because });
        }
        if filename.first() != Some(&b'/') {
            let because = format!("{origin}: RewriteRule makes a path without a slash in front");
            return Err(Mapped::Answer { status: 400, because });
        }
        // The same file: no redirect, but the changed query stays.
        if filename == walked.filename {
            if done.no_path_info {
                self.path_info.clear();
            }
            return Ok(None);
        }
        Ok(Some(Sent { uri: self.uri_of(filename, directory, base), query, origin }))
    }

    /// A path as a URI: by `RewriteBase`, or by taking the document root off, or by an alias.
    fn uri_of(&self, path: Vec<u8>, directory: &[u8], base: Option<&[u8]>) -> Vec<u8> {
        if let Some(base) = base {
            if let Some(rest) = path.strip_prefix(directory) {
                return joined(base, rest);
            }
        } else {
            let root = self.document_root();
            let root = root.strip_suffix(b"/").unwrap_or(&root);
            if let Some(rest) = path.strip_prefix(root).filter(|rest| rest.starts_with(b"/")) {
                return rest.to_vec();
            }
        }
        let (prefix, root) = (&self.alias_context.prefix, &self.alias_context.root);
        match path.strip_prefix(&root[..]).filter(|rest| !root.is_empty() && rest.starts_with(b"/")) {
            Some(rest) => [&prefix[..], rest].concat(),
            None => path,
        }
    }
}

fn joined(base: &[u8], rest: &[u8]) -> Vec<u8> {
    let slash: &[u8] = if base.ends_with(b"/") || base.is_empty() { b"" } else { b"/" };
    [base, slash, rest].concat()
}

/// The directory that a container's rewrite rules are relative to: for all but plain directories, the container's own text with a slash,
/// which few paths begin with (fact A-128).
fn directory_of(section: &section::Section) -> Option<Vec<u8>> {
    use section::Matcher;
    if section.layer == ServerLayer::Htaccess {
        let file = section.origin.file.as_deref()?;
        return Some(file[..=memchr::memrchr(b'/', file)?].to_vec());
    }
    let text = match &section.matcher {
        Matcher::Literal(text) | Matcher::Wild(text) => text,
        Matcher::Regex(pattern) => pattern.text(),
        Matcher::Condition { .. } => b"*If",
        Matcher::Always | Matcher::Never => return None,
    };
    let slash: &[u8] = if text.ends_with(b"/") { b"" } else { b"/" };
    Some([text, slash].concat())
}
