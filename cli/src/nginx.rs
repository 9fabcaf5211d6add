//! nginx in front of PHP-FPM: which server and location take a request, and what they pass to FPM. Decisions that depend on unknown
//! facts are reported with their line.

mod listen;
mod location;
mod phases;
mod rewrite;
mod roots;
mod serve;
mod tokens;
mod tree;
mod uri;
mod variables;

use crate::output::Problem;
use crate::view::View;
use outlive::config::FastCgiParam;
use outlive::origin::Origin;
use outlive::target::Target;
pub use roots::Root;
use std::path::{Path, PathBuf};
use tree::Directive;

/// A configuration, read.
#[derive(Debug)]
pub struct Nginx {
    http: Vec<Directive>,
    /// What relative paths of files to serve start from.
    prefix: Option<PathBuf>,
}

/// What becomes of a request.
pub enum Answer {
    /// nginx answers by itself (0: another server does).
    Own { status: u16, because: String, location: Option<Vec<u8>>, notes: Vec<String> },
    /// It is handed to a FastCGI server.
    FastCgi(Box<Handed>),
}

/// What a FastCGI server is handed.
#[derive(Debug, Default)]
pub struct Handed {
    /// Where: `unix:PATH` or `HOST:PORT`.
    pub pass: Vec<u8>,
    /// `SCRIPT_FILENAME`, as PHP finds its file by it.
    pub script: Option<Vec<u8>>,
    /// `DOCUMENT_ROOT`
    pub document_root: Option<Vec<u8>>,
    /// `SERVER_NAME`
    pub server_name: Option<Vec<u8>>,
    /// `PHP_VALUE` and `PHP_ADMIN_VALUE`
    pub php_values: Vec<(FastCgiParam, Vec<u8>, Origin)>,
    /// What may change this.
    pub notes: Vec<String>,
    /// The way, for people.
    pub steps: Vec<String>,
}

/// Reads the main file and what it includes.
pub fn read(view: &View, path: &Path, prefix: Option<&Path>) -> Result<Nginx, Problem> {
    let all = tree::read(view, path).map_err(|error| Problem::Call(format!("nginx would not start: {error}")))?;
    let http = all.into_iter().filter(|one| one.name == b"http").flat_map(|one| one.block.unwrap_or_default());
    // Where nothing else says it: Debian's.
    let prefix =
        prefix.map(Path::to_path_buf).or_else(|| path.starts_with("/etc/nginx").then(|| "/usr/share/nginx".into()));
    Ok(Nginx { http: http.collect(), prefix })
}

/// The port that a request is for.
pub fn port_of(target: &Target<'_>) -> u16 {
    match target.port {
        0 if target.scheme == Some(b"https") => 443,
        0 => 80,
        port => port,
    }
}

impl Nginx {
    /// The first line of the outlive module, wherever it stands: its values are named and not followed.
    pub fn module_line(&self) -> Option<&Origin> {
        fn first(all: &[Directive]) -> Option<&Origin> {
            all.iter().find_map(|one| {
                let is_own = one.name.starts_with(b"outlive_");
                if is_own { Some(&one.origin) } else { first(one.inside()) }
            })
        }
        first(&self.http)
    }

    /// Whether a server listens on a port.
    pub fn listens(&self, port: u16) -> bool {
        listen::servers(&self.http).iter().any(|server| server.listens.iter().any(|one| one.port == port))
    }

    /// What becomes of a request.
    pub fn ask(&self, view: &View, target: &Target<'_>) -> Answer {
        let mut notes = Vec::new();
        let servers = listen::servers(&self.http);
        // A file alone is asked of the server that has it below its root.
        let file = target.filename.filter(|_| target.uri.is_none() && target.server_name.is_none());
        if let Some((server, uri)) = file.and_then(|file| listen::with_file(&servers, file)) {
            let target = Target { uri: Some(uri), filename: None, ..*target };
            return phases::Request::new(self, view, server, &target, Default::default(), notes).answer();
        }
        if let Some(file) = file.filter(|_| servers.len() > 1) {
            notes.push(format!(
                "no server of nginx has {} below a root of its own: it is taken for a file of the one that takes requests by default; give its URL",
                crate::text::shown(file)
            ));
        }
        match listen::choose(&servers, target, &mut notes) {
            Some((server, captures)) => phases::Request::new(self, view, server, target, captures, notes).answer(),
            None => Answer::Own {
                status: 0,
                because: format!("no server of nginx listens on port {}", port_of(target)),
                location: None,
                notes,
            },
        }
    }
}
