//! The Apache configuration language: which `php_value`, `php_flag`, `php_admin_value` and `php_admin_flag` are in
//! force for a request, as httpd with mod_php would have it.
#![forbid(unsafe_code)]

mod dir_config;

pub use dir_config::{DirConfig, DirValue, ValueKind};

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
}

/// What httpd does with a request.
#[derive(Clone, Debug)]
pub enum Resolution {
    /// It serves the file, with these values.
    Run(Run),
    /// It answers by itself.
    Answer {
        /// The status: 301, 400, 403, 404, 500 …
        status: u16,
        /// Why, with file and line where there are any.
        because: String,
        /// Where a redirect leads.
        location: Option<Vec<u8>>,
    },
}

/// A configuration that httpd would start with.
#[derive(Debug)]
pub struct Configuration {}

impl Configuration {
    /// Reads the main file and everything it includes. What httpd would refuse to start on is an error with its
    /// meaning, file and line.
    pub fn load(_files: &dyn Files, _path: &Path, _options: &Options) -> Result<Self> {
        Ok(Self {})
    }

    /// Which containers take part in a request, `.htaccess` files read through `files`.
    pub fn resolve(&self, _files: &dyn Files, _target: &Target<'_>) -> Result<Resolution> {
        Ok(Resolution::Run(Run {
            filename: Vec::new(),
            path_info: Vec::new(),
            document_root: Vec::new(),
            server_name: Vec::new(),
            containers: Vec::new(),
        }))
    }

    /// `PHPINIDir`, where it is set.
    pub fn php_ini_dir(&self) -> Option<(&Path, &Origin)> {
        None
    }

    /// What was odd.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &[]
    }
}
