//! The outcome of a request in httpd: an answer, or a program with its containers.

use super::dir_config::DirConfig;
use crate::origin::Origin;
use std::sync::Arc;

/// The kind of container that set a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerLayer {
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
    pub layer: ServerLayer,
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
    /// What mod_outlive was told about the request; none: it is not loaded.
    pub watch: Option<Box<Watch>>,
    /// What could not be known, and what was assumed instead.
    pub notes: Vec<String>,
}

/// What mod_outlive does about a request: the lines in force, and where they stand.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// `OutliveEngine`; none: no line says it, which is as `Off`.
    pub engine: Option<(bool, Origin)>,
    /// `OutliveHandlers`; none: no line says it, which is as `Off`.
    pub handlers: Option<(bool, Origin)>,
}

impl Watch {
    /// Whether it looks after the request.
    pub fn is_on(&self) -> bool {
        self.engine.as_ref().is_some_and(|(on, _)| *on)
    }
}

/// What httpd does about the access file of a directory on the way to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessFile {
    /// It opens this one, whether it can use what stands there or not.
    Read {
        /// The directory and the file's name.
        path: Vec<u8>,
    },
    /// It opens none, since `AllowOverride` lets nothing be set there.
    Closed {
        /// With a slash at its end.
        directory: Vec<u8>,
        /// The line in force.
        by: Origin,
    },
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
