//! A configuration, as it stays in memory.

use super::build;
use super::defines::Defines;
use super::macros::Macros;
use super::modules::Registry;
use super::reader::Reader;
use super::server::Server;
use super::tree::Tree;
use super::vhost::Hosts;
use super::{Options, include};
use crate::diagnostic::Diagnostic;
use crate::error::Result;
use crate::files::Files;
use crate::origin::Origin;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything that resolving needs.
#[derive(Debug)]
pub(super) struct Data {
    pub root: PathBuf,
    pub version: (u32, u32, u32),
    pub registry: Arc<Registry>,
    pub defines: Arc<Defines>,
    pub macros: Arc<Macros>,
    pub servers: Vec<Server>,
    pub hosts: Hosts,
    pub default_document_root: Box<[u8]>,
    pub php_ini_dir: Option<(PathBuf, Origin)>,
    pub diagnostics: Vec<Diagnostic>,
    pub tree: Tree,
    pub kept: Vec<u32>,
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    pub env_doubt: bool,
}

impl Data {
    /// Reads, then builds: an error of the first pass comes before any of the second.
    pub fn load(files: &dyn Files, path: &Path, options: &Options) -> Result<Self> {
        let root = match &options.server_root {
            Some(root) => root.clone(),
            None => path.parent().map(Path::to_path_buf).unwrap_or_default(),
        };
        let mut reader = Reader::new(files, include::clean(root), options);
        let lines = |texts: &[Vec<u8>]| texts.join(&b'\n');
        if !options.before.is_empty() {
            reader.read_text(&lines(&options.before), None)?;
        }
        reader.read_main(path)?;
        if !options.after.is_empty() {
            reader.read_text(&lines(&options.after), None)?;
        }
        let mut builder = build::server(&mut reader);
        builder.run()?;
        let servers = build::finish_server(&mut builder);
        let (php_ini_dir, kept, env_doubt) =
            (builder.php_ini_dir.take(), std::mem::take(&mut builder.kept), builder.env_doubt);
        let default_document_root = reader.root.join("htdocs").as_os_str().as_bytes().into();
        Ok(Self {
            hosts: Hosts::new(&servers),
            servers,
            default_document_root,
            php_ini_dir,
            kept,
            env_doubt,
            env: options.env.clone(),
            version: options.version,
            root: reader.root,
            registry: reader.registry,
            defines: reader.defines,
            macros: reader.macros,
            diagnostics: reader.diagnostics,
            tree: reader.tree,
        })
    }
}
