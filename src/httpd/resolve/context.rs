//! What every step of a request needs.

use super::htaccess::Memo;
use super::walk::Found;
use crate::files::{Files, Kind};
use crate::httpd::expression::budget::substitute;
use crate::httpd::load::data::Data;
use crate::httpd::model::server::Server;
use crate::httpd::pattern::Pattern;
use crate::httpd::syntax::path::path_of;
use crate::origin::Origin;
use std::os::unix::ffi::OsStrExt;

/// What a request that is passed on to another server counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passing {
    /// Its answer is that server's, and nothing more is asked.
    Answers,
    /// A run of its own, with the sections that it meets.
    Runs,
}

/// What every step needs.
#[derive(Clone, Copy)]
pub(super) struct ResolveContext<'c> {
    pub data: &'c Data,
    pub files: &'c dyn Files,
    pub memo: &'c Memo,
    pub passing: Passing,
}

impl<'c> ResolveContext<'c> {
    pub fn main(&self) -> &'c Server {
        &self.data.servers[0]
    }

    /// The virtual host; `None`: the main server.
    pub fn host(&self, server: usize) -> Option<&'c Server> {
        if server == 0 { None } else { self.data.servers.get(server).map(|server| &**server) }
    }

    /// The host's settings, then the main server's.
    pub fn layers(&self, server: usize) -> impl Iterator<Item = &'c Server> {
        [self.host(server), Some(self.main())].into_iter().flatten()
    }

    pub fn document_root(&self, server: usize) -> &'c [u8] {
        let set = self.layers(server).find_map(|server| server.document_root.as_deref());
        set.unwrap_or(&self.data.default_document_root)
    }

    /// Advice for a missing file whose document root is missing too; empty: the document root is not the reason.
    pub fn root_trouble(&self, server: usize, filename: &[u8]) -> String {
        let root = self.document_root(server);
        let bare = root.strip_suffix(b"/").unwrap_or(root);
        // The missing path may be a directory above the document root.
        let apart = !filename.starts_with(bare) && !bare.starts_with(filename);
        if apart || matches!(self.files.kind(path_of(root)), Ok(Kind::Directory)) {
            return String::new();
        }
        let shown = String::from_utf8_lossy(root);
        match self.layers(server).any(|server| server.document_root.is_some()) {
            true => {
                format!(
                    "; its DocumentRoot {shown} is no directory: create it, or give the file of the request (filename)"
                )
            }
            false => format!(
                "; no DocumentRoot is set, and {shown}, which stands for it, is not there: set DocumentRoot, or give the \
                 file of the request (filename)"
            ),
        }
    }

    /// The groups of a pattern's first match, paid out of the request's budget; none: it does not match, or nobody can afford to know.
    pub fn groups(&self, pattern: &Pattern, text: &[u8], place: &Origin) -> Option<Vec<Option<Vec<u8>>>> {
        let found = self.memo.budget.groups(pattern, text);
        self.memo.budget.blame(|| place.to_string());
        found.unwrap_or_else(|_| {
            self.memo.doubt(format!("{place}: the pattern takes too many steps; taken as not matching"));
            None
        })
    }

    /// A text with these groups put in.
    pub fn substitute(&self, template: &[u8], groups: &[Option<Vec<u8>>], place: &Origin) -> Vec<u8> {
        let made = substitute(template, groups, &self.memo.budget);
        self.memo.budget.blame(|| place.to_string());
        made
    }

    /// Whether mod_rewrite works on the URIs of a server; it is not inherited from the main server.
    pub fn has_rules(&self, server: usize) -> bool {
        let own =
            self.host(server).unwrap_or(self.main()).section.core.as_ref().and_then(|core| core.rewrite.as_deref());
        own.is_some_and(|rewrite| rewrite.engine == Some(true))
    }

    pub fn access_names(&self, server: usize) -> impl Iterator<Item = &'c [u8]> {
        Server::access_names(self.layers(server))
    }

    pub fn root(&self) -> Vec<u8> {
        self.data.root.as_os_str().as_bytes().to_vec()
    }

    /// What a path names; the path of a file must not end in a slash.
    pub fn stat(&self, path: &[u8]) -> Found {
        match self.files.kind(path_of(path)) {
            Ok(Kind::File) if !path.ends_with(b"/") => Found::File,
            Ok(Kind::Directory) => Found::Directory,
            _ => Found::Missing,
        }
    }
}
