//! One container: its pattern, and the values it sets.

use super::access::{LegacyAccess, Requirement};
use super::answer::ServerLayer;
use super::auth::Auth;
use super::dir_config::DirConfig;
use super::env::{SetEnv, SetEnvIf};
use super::fastcgi::Handed;
use super::negotiation::Negotiation;
use super::request_header::RequestHeader;
use super::rewrite::RewriteConfig;
use super::server::Passed;
use crate::httpd::expression::parse::{Expr, Word};
use crate::httpd::pattern::Pattern;
use crate::httpd::pattern::glob::{self, Rules};
use crate::origin::Origin;
use once_cell::race::OnceBox;
use std::ops::Range;
use std::sync::Arc;

/// What a container is for.
#[derive(Debug)]
pub(crate) enum Matcher {
    /// Everything: a server, a virtual host, an `.htaccess`.
    Always,
    /// It matches nothing: `<Proxy>`, for which no program runs here, or a pattern that cannot be used.
    Never,
    /// A literal path or name.
    Literal(Box<[u8]>),
    /// Wildcards.
    Wild(Box<[u8]>),
    /// A regular expression.
    Regex(Box<Pattern>),
    /// An expression; none: `<Else>`.
    Condition { expr: Option<Box<Expr>>, chained: bool },
}

/// The result of matching a pattern.
pub(crate) enum Hit {
    Yes,
    No,
    /// The expression took too long.
    TooCostly,
}

impl Matcher {
    /// Whether it matches a name, path or URI, each compared as a whole.
    pub fn hits(&self, text: &[u8]) -> Hit {
        let yes = match self {
            Matcher::Always => true,
            Matcher::Never | Matcher::Condition { .. } => false,
            Matcher::Literal(own) => **own == *text,
            Matcher::Wild(own) => glob::matches(own, text, Rules { path: true, ..Rules::default() }),
            Matcher::Regex(own) => match own.is_match(text) {
                Ok(yes) => yes,
                Err(_) => return Hit::TooCostly,
            },
        };
        if yes { Hit::Yes } else { Hit::No }
    }
}

/// The values of a container. Most containers of a large configuration are never met, so a container has its lines, and its values
/// are made of them when they are first asked for.
#[derive(Debug, Default)]
pub(crate) struct Values {
    /// Places in the list of all lines that set values.
    lines: Range<u32>,
    made: OnceBox<Arc<DirConfig>>,
}

impl Values {
    pub fn new(lines: Range<u32>) -> Self {
        Self { lines, made: OnceBox::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The values; `make` makes them of their lines.
    pub fn get(&self, make: impl FnOnce(Range<usize>) -> DirConfig) -> Arc<DirConfig> {
        let lines = self.lines.start as usize..self.lines.end as usize;
        Arc::clone(self.made.get_or_init(|| Box::new(Arc::new(make(lines)))))
    }
}

/// A container.
#[derive(Debug)]
pub(crate) struct Section {
    pub layer: ServerLayer,
    pub matcher: Matcher,
    pub origin: Origin,
    pub values: Values,
    /// Here, because most sections that set anything set it, and many nothing else.
    pub allow: Option<AllowOverride>,
    pub core: Option<Box<Core>>,
    pub files: Vec<Arc<Section>>,
    pub ifs: Vec<Arc<Section>>,
    /// For directories: the order among those of one rank.
    pub depth: u32,
    /// Its number among the configuration's sections that set values, from 1; 0: it sets none.
    pub id: u32,
}

impl Section {
    pub fn new(layer: ServerLayer, matcher: Matcher, origin: Origin) -> Self {
        let (files, ifs) = (Vec::new(), Vec::new());
        Self { layer, matcher, origin, values: Values::default(), allow: None, core: None, files, ifs, depth: 0, id: 0 }
    }

    pub fn core_mut(&mut self) -> &mut Core {
        self.core.get_or_insert_default()
    }
}

/// `Options`, as bits.
pub(crate) mod options {
    pub const INDEXES: u16 = 1;
    pub const INCLUDES: u16 = 2;
    pub const FOLLOW: u16 = 4;
    pub const EXEC: u16 = 8;
    pub const OWNER: u16 = 16;
    pub const MULTI: u16 = 32;
    pub const INCLUDES_NO_EXEC: u16 = 64;
    /// What `Options All` means.
    pub const ALL: u16 = INDEXES | INCLUDES | FOLLOW | EXEC | INCLUDES_NO_EXEC;
}

/// A text of the configuration.
pub(crate) type Text = Box<[u8]>;

/// Extension and what it means; none: the meaning is taken away.
pub(crate) type ByExtension = Vec<(Box<[u8]>, Option<Box<[u8]>>)>;

/// Something that was set, and where.
pub(crate) type Placed<T> = (T, Origin);

/// An error page.
#[derive(Clone, Debug)]
pub(crate) enum ErrorPage {
    /// A URL path on this server.
    Local(Arc<Word>),
    /// A redirect.
    Elsewhere(Arc<Word>),
    /// A text, or Apache's own page.
    Text,
}

/// A redirect of mod_alias.
#[derive(Debug)]
pub(crate) struct Redirect {
    pub from: Matcher,
    pub to: Box<[u8]>,
    /// Without a path of its own, the target is put together for each request.
    pub composed: Option<Word>,
    pub status: u16,
    pub origin: Origin,
}

/// What a container sets, apart from PHP values.
#[derive(Debug, Default)]
pub(crate) struct Core {
    pub allow_list: Option<Vec<Box<[u8]>>>,
    /// `Options` without signs sets all; with signs, options are added and removed.
    pub options: Option<u16>,
    pub options_add: u16,
    pub options_remove: u16,
    pub index: Option<Vec<Box<[u8]>>>,
    pub negotiation: Option<Box<Negotiation>>,
    pub index_slash: Option<bool>,
    /// `DirectoryCheckHandler`: a directory with a handler gets no index file.
    pub index_unhandled: Option<bool>,
    /// The status of the redirect to an index file (`DirectoryIndexRedirect`); 0: no redirect.
    pub index_redirect: Option<u16>,
    pub fallback: Option<Placed<Option<Box<[u8]>>>>,
    pub path_info: Option<Option<bool>>,
    /// `SetHandler`; none: `None`.
    pub set_handler: Option<Placed<Option<Word>>>,
    pub handlers: ByExtension,
    pub types: ByExtension,
    pub force_type: Option<Option<Box<[u8]>>>,
    pub error_pages: Vec<(u16, Placed<ErrorPage>)>,
    /// Handler or type, script, and whether the file need not exist.
    pub actions: Vec<(Text, Text, bool)>,
    pub requires: Option<Box<Requirement>>,
    pub auth_merging: Option<AuthMerging>,
    pub legacy: Option<Box<LegacyAccess>>,
    /// `SSLRequireSSL`
    pub tls_only: bool,
    pub rewrite: Option<Box<RewriteConfig>>,
    pub redirects: Vec<Redirect>,
    /// A location's own `ProxyPass`.
    pub passed: Option<Box<Passed>>,
    /// A location's own `Alias`: the whole location leads there, whatever follows in the URI.
    pub alias: Option<Placed<(Word, bool)>>,
    /// `SetEnv`, `PassEnv`, `UnsetEnv`.
    pub env: Vec<SetEnv>,
    /// `SetEnvIf` and its relatives.
    pub env_rules: Vec<SetEnvIf>,
    /// `RequestHeader`
    pub request_headers: Vec<RequestHeader>,
    pub auth: Option<Box<Auth>>,
    /// `ServerSignature`
    pub signed: Option<bool>,
    /// Variables for a FastCGI server.
    pub handed: Vec<Handed>,
    /// `OutliveEngine`
    pub watched: Option<Placed<bool>>,
    /// `OutliveHandlers`
    pub shown: Option<Placed<bool>>,
}

/// `AuthMerging`: how a container's `Require` lines are combined with those around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthMerging {
    Off,
    And,
    Or,
}

/// `AllowOverride`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AllowOverride {
    pub bits: u16,
    /// The options that `Options=` allows; none: all.
    pub options: Option<u16>,
    pub nonfatal_override: bool,
    pub nonfatal_unknown: bool,
}

/// The options in force below a container.
pub(crate) fn options_below(outer: u16, core: &Core) -> u16 {
    let base = core.options.unwrap_or(outer);
    (base | core.options_add) & !core.options_remove
}
