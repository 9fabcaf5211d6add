//! The Apache configuration language: which `php_value`, `php_flag`, `php_admin_value` and `php_admin_flag` are in
//! force for a request, as httpd with mod_php would have it.
#![forbid(unsafe_code)]

mod access;
mod allowed;
mod apply;
mod apply_access;
mod arguments;
mod arguments_header;
mod arguments_server;
mod brief;
mod build;
mod conditions;
mod data;
mod defines;
mod dir_config;
mod directives;
mod directory;
mod env;
mod evaluate;
mod expr;
mod extension;
mod facts;
mod fastcgi;
mod glob;
mod guard;
mod handle;
mod head;
mod htaccess;
mod if_walk;
mod include;
mod lines;
mod macros;
mod mapping;
mod merges;
mod messages;
mod methods;
mod modules;
mod not_acted;
mod override_args;
mod pairs;
mod pattern;
mod quick;
mod reader;
mod request;
mod resolve;
mod rewrite;
mod rewrite_cond;
mod rewrite_expand;
mod rewrite_flags;
mod rewrite_map;
mod runner;
mod section;
mod section_args;
mod server;
mod stock;
mod translate;
mod tree;
mod types;
mod uri;
mod vhost;
mod visit;
mod visit_rewrite;
mod walk;
mod words;

pub use dir_config::{DirConfig, DirValue, ValueKind};
pub(crate) use quick::Met;

use crate::diagnostic::Diagnostic;
use crate::error::Result;
use crate::files::Files;
use crate::origin::Origin;
use crate::target::Target;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How an httpd would be started.
#[derive(Clone, Debug)]
pub struct Options {
    /// `-d`: what relative paths start from; none: what `ServerRoot` says, else the main file's directory.
    pub server_root: Option<PathBuf>,
    /// `-D NAME`, or `Define NAME VALUE` before the first line.
    pub defines: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// `-C`: directives before the main file.
    pub before: Vec<Vec<u8>>,
    /// `-c`: directives after it.
    pub after: Vec<Vec<u8>>,
    /// What `${NAME}` falls back to.
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    /// httpd's version, for `<IfVersion>`.
    pub version: (u32, u32, u32),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            server_root: None,
            defines: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            env: Vec::new(),
            version: (2, 4, 71),
        }
    }
}

/// The kind of container that set a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layer {
    /// Outside every section.
    Server,
    /// `<VirtualHost>`
    VirtualHost,
    /// `<Directory>`, `<DirectoryMatch>`
    Directory,
    /// `.htaccess`, or whatever `AccessFileName` says
    Htaccess,
    /// `<Files>`, `<FilesMatch>`
    Files,
    /// `<Location>`, `<LocationMatch>`
    Location,
    /// `<If>`, `<ElseIf>`, `<Else>`
    If,
}

/// One container that takes part in a request.
#[derive(Clone, Debug)]
pub struct Container {
    /// Its kind.
    pub layer: Layer,
    /// Where it opens.
    pub origin: Origin,
    /// What it sets.
    pub values: Arc<DirConfig>,
}

/// A variable that a FastCGI server is handed.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name.
    pub name: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// Whether `ProxyFCGISetEnvIf` gives it, which may also replace what httpd itself hands over, such as `SCRIPT_FILENAME`.
    pub is_conditional: bool,
    /// The line that gives it.
    pub origin: Origin,
}

/// A request that a program would run for.
#[derive(Clone, Debug)]
pub struct Run {
    /// The file that the request maps to.
    pub filename: Vec<u8>,
    /// What follows the file in the URI.
    pub path_info: Vec<u8>,
    /// The document root in force.
    pub document_root: Vec<u8>,
    /// The name of the chosen server.
    pub server_name: Vec<u8>,
    /// The containers, in merge order: weakest first.
    pub containers: Vec<Container>,
    /// The status: 200, or that of the error whose page this is.
    pub status: u16,
    /// The handler in force, such as `application/x-httpd-php`; none: the file is sent as it is.
    pub handler: Option<Vec<u8>>,
    /// What a FastCGI server is handed besides: `SetEnv`, `ProxyFCGISetEnvIf`.
    pub variables: Vec<Variable>,
    /// The script that `Action` runs for the file; none: the handler does by itself.
    pub program: Option<Vec<u8>>,
    /// What could not be known, and what was assumed instead.
    pub notes: Vec<String>,
}

/// A directive that is kept, but not acted on.
#[derive(Clone, Debug)]
pub struct KeptDirective<'c> {
    /// Its name, as written.
    pub name: &'c [u8],
    /// Its arguments, as written.
    pub args: &'c [u8],
    /// Where.
    pub origin: Origin,
}

/// A `php_value`, `php_flag`, `php_admin_value` or `php_admin_flag` line, whichever requests it is for.
#[derive(Clone, Debug)]
pub struct ValueLine {
    /// What it sets.
    pub value: DirValue,
    /// Which container it stands in: lines of one container have the same number.
    pub container: u32,
}

/// What httpd does with a request.
#[derive(Clone, Debug)]
pub enum Resolution {
    /// It serves the file, with these values.
    Run(Run),
    /// It answers by itself.
    Answer {
        /// The status: 301, 400, 403, 404, 500 …; 0: the request is passed on to another server, whose answer is not known here.
        status: u16,
        /// Why, with file and line where there are any.
        because: String,
        /// Where a redirect leads.
        location: Option<Vec<u8>>,
    },
}

/// A configuration that httpd would start with.
#[derive(Debug)]
pub struct Configuration {
    data: data::Data,
}

impl Configuration {
    /// Reads the main file and everything it includes. What httpd would refuse to start on is an error with its
    /// meaning, file and line.
    pub fn load(files: &dyn Files, path: &Path, options: &Options) -> Result<Self> {
        Ok(Self { data: data::Data::load(files, path, options)? })
    }

    /// Which containers take part in a request. `.htaccess` files are looked for in `files` each time, and read again
    /// where [`Files::stamp`] says that they have changed, or says nothing.
    pub fn resolve(&self, files: &dyn Files, target: &Target<'_>) -> Result<Resolution> {
        resolve::resolve(&self.data, files, target)
    }

    /// Why no PHP runs for what [`Configuration::resolve`] has found, with the status; none: it runs. Files without any `LoadModule`
    /// line say nothing of who runs what.
    pub fn no_program(&self, run: &Run) -> Option<(u16, String)> {
        runner::no_program(&self.data, run)
    }

    /// From now on every `.htaccess` is read again once, whatever its stamp. Neither waits nor disturbs requests under way.
    pub fn refresh(&self) {
        self.data.htaccess.refresh();
    }

    /// The sections that give a request its values, by their numbers; none: only [`Configuration::resolve`] can tell. Equal answers
    /// of one configuration mean equal containers. Does not allocate; where the target says no file, looks at one path.
    pub(crate) fn met(&self, files: &dyn Files, target: &Target<'_>) -> Option<Met> {
        quick::met(&self.data, files, target)
    }

    /// How many servers and sections set values.
    pub(crate) fn containers(&self) -> usize {
        self.data.ids as usize
    }

    /// `PHPINIDir`, where it is set.
    pub fn php_ini_dir(&self) -> Option<(&Path, &Origin)> {
        self.data.php_ini_dir.as_ref().map(|(path, origin)| (path.as_path(), origin))
    }

    /// The file that the first `LoadModule` line of mod_php names, and that line; none: no line loads it.
    pub fn php_module(&self) -> Option<(&Path, &Origin)> {
        self.data.php_module.as_ref().map(|(path, origin)| (path.as_path(), origin))
    }

    /// Whether a module is loaded, by its source file's name (`mod_php.c`) or its identifier (`php_module`).
    pub fn has_module(&self, name: &[u8]) -> bool {
        self.data.registry.is_loaded(name)
    }

    /// What was odd.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.data.diagnostics
    }

    /// Every line of the files that sets a PHP directive, in reading order; `.htaccess` files are no part of it.
    pub fn value_lines(&self) -> impl Iterator<Item = ValueLine> {
        let tree = &self.data.tree;
        tree.nodes.iter().filter_map(|node| {
            let kind = ValueKind::of(tree.name(node))?;
            let mut words = words::Words::new(tree.args(node));
            let mut one = DirConfig::new();
            one.set(kind, &words.next()?, &words.next()?, tree.node_origin(node));
            Some(ValueLine { value: one.iter().next()?.clone(), container: node.parent })
        })
    }

    /// Directives that are known, or may be, and have no effect on what this crate answers.
    pub fn kept_directives(&self) -> impl Iterator<Item = KeptDirective<'_>> {
        let tree = &self.data.tree;
        self.data.kept.iter().map(|&at| {
            let node = &tree.nodes[at as usize];
            KeptDirective { name: tree.name(node), args: tree.args(node), origin: tree.node_origin(node) }
        })
    }
}
