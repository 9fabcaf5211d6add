//! The Apache configuration language: which `php_value`, `php_flag`, `php_admin_value` and `php_admin_flag` are in
//! force for a request, as httpd with mod_php would have it.
//!
//! ```
//! use outlive::files::Memory;
//! use outlive::httpd::{Configuration, Options, Resolution};
//! use outlive::target::Target;
//!
//! let conf = "DocumentRoot /www\n<Directory /www>\nphp_value memory_limit 64M\n</Directory>\n\
//!             <Location /admin>\nphp_admin_value memory_limit 256M\n</Location>\n";
//! let files = Memory::new().with("/etc/httpd.conf", conf).with("/www/admin/index.php", "");
//! let configuration = Configuration::load(&files, "/etc/httpd.conf".as_ref(), &Options::default())?;
//!
//! let target = Target { uri: Some(b"/admin/index.php"), ..Target::default() };
//! let Resolution::Run(run) = configuration.resolve(&files, &target)? else { panic!("the server answers by itself") };
//! // Weakest first: the directory, then the location.
//! let lines: Vec<u32> = run.containers.iter().map(|container| container.origin.line).collect();
//! assert_eq!((run.filename.as_slice(), lines), (&b"/www/admin/index.php"[..], vec![2, 5]));
//! # Ok::<(), outlive::Error>(())
//! ```
#![forbid(unsafe_code)]

mod expression;
mod load;
mod model;
pub(crate) mod pattern;
mod resolve;
mod syntax;

pub use model::answer::{AccessFile, Container, Resolution, Run, ServerLayer, Variable, Watch};
pub use model::dir_config::{DirConfig, DirValue, ValueKind};
pub(crate) use model::fastcgi::path_before;
pub(crate) use resolve::fast_path::SectionIds;
pub use syntax::options::Options;

use self::load::data::Data;
use self::model::section::Matcher;
use self::model::server::Server;
use self::resolve::context::Passing;
use self::syntax::path::path_of;
use self::syntax::tokens::Tokens;
use self::syntax::tree::Node;
use crate::diagnostic::Diagnostic;
use crate::error::{Error, Result};
use crate::files::Files;
use crate::origin::Origin;
use crate::target::Target;
use std::path::Path;

/// A directive that is kept, but not acted on.
#[derive(Clone, Debug)]
pub struct KeptDirective<'c> {
    /// Its name, as written.
    pub name: &'c [u8],
    /// Its arguments, as written.
    pub args: &'c [u8],
    /// The name and the arguments of the section that it stands in.
    pub section: Option<(&'c [u8], &'c [u8])>,
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

/// A server: the main one, or a virtual host.
#[derive(Clone, Debug)]
pub struct Host<'c> {
    /// Its name; `None`: it has none of its own.
    pub name: Option<&'c [u8]>,
    /// The first address of its section, where that names an IP.
    pub address: Option<std::net::IpAddr>,
    /// The port of its first address, or of its name; 0: any.
    pub port: u16,
    /// Its `DocumentRoot`, the main server's where it has none.
    pub document_root: &'c [u8],
    /// The names of access files, of which the first that is there counts.
    pub access_names: Vec<&'c [u8]>,
    /// The beginnings of URLs that its own `Alias` and `ScriptAlias` lines give a directory or a file, with it.
    pub aliases: Vec<(&'c [u8], Vec<u8>)>,
    /// Where its section opens; without a file: the main server.
    pub origin: &'c Origin,
    number: usize,
}

/// An `<IfModule>` for another PHP that httpd skips ([`crate::diagnostic::Diagnosis::DeadSection`]).
#[derive(Clone, Debug)]
pub struct DeadSection<'c> {
    /// Where it opens.
    pub origin: Origin,
    /// The line that opens it.
    pub opening: Vec<u8>,
    /// The lines in it with their numbers, as they stand in the file.
    pub lines: Vec<(u32, &'c [u8])>,
}

/// A configuration that httpd would start with.
#[derive(Debug)]
pub struct Configuration {
    data: Data,
}

impl Configuration {
    /// Reads the main file and everything it includes. What httpd would refuse to start on is an error with its
    /// meaning, file and line; [`Error::others`] are the lines that it would refuse behind that one.
    pub fn load(files: &dyn Files, path: &Path, options: &Options) -> Result<Self> {
        Ok(Self { data: Data::load(files, path, options)? })
    }

    /// Which containers take part in a request. `.htaccess` files are looked for in `files` each time (A-080), and read again
    /// where [`Files::stamp`] says that they have changed, or says nothing.
    pub fn resolve(&self, files: &dyn Files, target: &Target<'_>) -> Result<Resolution> {
        resolve::resolve(&self.data, files, target, Passing::Answers)
    }

    /// As [`Configuration::resolve`], and what is passed on to another server is a run as well, whose handler is `proxy:` and the URL: what
    /// a module sees that looks after requests whoever answers them.
    pub fn resolve_passed(&self, files: &dyn Files, target: &Target<'_>) -> Result<Resolution> {
        resolve::resolve(&self.data, files, target, Passing::Runs)
    }

    /// Everything that the first `.htaccess` of the target that httpd refuses has wrong: httpd itself stops at the first.
    pub fn refusals(&self, files: &dyn Files, target: &Target<'_>) -> Result<Vec<Error>> {
        resolve::refusals(&self.data, files, target)
    }

    /// Why no PHP runs for a [`Run`], with the status. `None`: PHP runs, or the files have no `LoadModule` line and do not say what
    /// runs.
    pub fn no_program(&self, run: &Run) -> Option<(u16, String)> {
        resolve::runner::no_program(&self.data, run)
    }

    /// From now on every `.htaccess` is read again once, whatever its stamp. Neither waits nor disturbs requests under way.
    pub fn refresh(&self) {
        self.data.htaccess.refresh();
    }

    /// The numbers of the sections that give a request its values; `None`: only [`Configuration::resolve`] can tell. Within one
    /// configuration, equal answers mean equal containers. Does not allocate; reads one path's kind where the target names no file.
    /// `likely` is told the number of a server that it may be, before that is known.
    pub(crate) fn met(&self, files: &dyn Files, target: &Target<'_>, likely: impl Fn(usize)) -> Option<SectionIds> {
        resolve::fast_path::met(&self.data, files, target, likely)
    }

    /// How many servers there are, the main one counted.
    pub(crate) fn servers(&self) -> usize {
        self.data.servers.len()
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

    /// The file that the first `LoadModule` line of mod_outlive names; none: no line loads it.
    pub fn outlive_module(&self) -> Option<&Path> {
        self.data.outlive_module.as_deref()
    }

    /// Whether a module is loaded, by its source file's name (`mod_php.c`) or its identifier (`php_module`).
    pub fn has_module(&self, name: &[u8]) -> bool {
        self.data.registry.is_loaded(name)
    }

    /// Whether no line loads any module, so that every stock module is taken for compiled in.
    pub fn is_stock(&self) -> bool {
        !self.data.registry.has_loaded()
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
            let mut words = Tokens::new(tree.args(node));
            let mut one = DirConfig::new();
            one.set(kind, &words.next()?, &words.next()?, tree.node_origin(node));
            Some(ValueLine { value: one.iter().next()?.clone(), container: node.parent })
        })
    }

    /// All servers, the main one first.
    pub fn hosts(&self) -> impl Iterator<Item = Host<'_>> {
        let main = &self.data.servers[0];
        self.data.servers.iter().enumerate().map(|(number, server)| {
            let first = server.addresses.first();
            let layers = [&**server, &**main];
            let root = layers.iter().find_map(|server| server.document_root.as_deref());
            let aliases = server.aliases.iter().filter_map(|alias| match &alias.from {
                Matcher::Literal(from) => {
                    let to = self.data.root.join(path_of(&alias.to)).into_os_string().into_encoded_bytes();
                    Some((&**from, to))
                }
                _ => None,
            });
            Host {
                name: server.own_name(),
                address: first.and_then(|address| address.ip),
                port: first.map(|address| address.port).filter(|&port| port != 0).or(server.port).unwrap_or_default(),
                document_root: root.unwrap_or(&self.data.default_document_root),
                access_names: Server::access_names(layers).collect(),
                aliases: aliases.collect(),
                number,
                origin: &server.section.origin,
            }
        })
    }

    /// What httpd does about the access files of the directories on the way to a target's file, from `/` on, as far as it gets. Those
    /// of its subrequests and error pages follow. The line in force is that of `dir` (with a slash at its end); elsewhere it is where its section opens.
    pub fn access_files(&self, files: &dyn Files, target: &Target<'_>, dir: &[u8]) -> Result<Vec<AccessFile>> {
        let tree = &self.data.tree;
        let mut all = resolve::access_files(&self.data, files, target)?;
        for one in &mut all {
            let AccessFile::Closed { directory, by } = one else { continue };
            if directory != dir {
                continue;
            }
            let is_line = |node: &&Node| {
                let section = tree.nodes.get(node.parent as usize);
                tree.name(node).eq_ignore_ascii_case(b"AllowOverride")
                    && section.is_some_and(|section| tree.node_origin(section) == *by)
            };
            if let Some(line) = tree.nodes.iter().rev().find(is_line) {
                *by = tree.node_origin(line);
            }
        }
        Ok(all)
    }

    /// The directories that the `UserDir` lines of one of [`Configuration::hosts`] itself give to users, as far as they are there: names of
    /// users, each with its directory. Accounts are those of `/etc/passwd` in `files`.
    pub fn user_directories(&self, files: &dyn Files, host: &Host<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
        resolve::user_directories(&self.data, files, host.number)
    }

    /// The sections that are skipped because they are meant for another PHP, in reading order.
    pub fn dead_sections(&self) -> impl Iterator<Item = DeadSection<'_>> {
        let tree = &self.data.tree;
        tree.dead.iter().map(|dead| {
            let lines = tree.slice(dead.inside).split(|&byte| byte == b'\n').zip(dead.line + 1..);
            DeadSection {
                origin: tree.origin(dead.source, dead.line),
                opening: dead.opening.to_vec(),
                lines: lines.map(|(line, number)| (tree.origin(dead.source, number).line, line)).collect(),
            }
        })
    }

    /// Directives that are known, or may be, and have no effect on what this crate answers.
    pub fn kept_directives(&self) -> impl Iterator<Item = KeptDirective<'_>> {
        let tree = &self.data.tree;
        self.data.kept.iter().map(|&at| {
            let node = &tree.nodes[at as usize];
            let section = tree.nodes.get(node.parent as usize).map(|section| (tree.name(section), tree.args(section)));
            KeptDirective { name: tree.name(node), args: tree.args(node), section, origin: tree.node_origin(node) }
        })
    }
}
