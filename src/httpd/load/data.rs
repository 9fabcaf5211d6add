//! A loaded configuration in memory.

use super::build;
use crate::diagnostic::{Diagnosis, Diagnostic, Severity};
use crate::error::{Error, Result};
use crate::files::Files;
use crate::httpd::model::dir_config::DirConfig;
use crate::httpd::model::fast_index::FastIndex;
use crate::httpd::model::htaccess_cache::Cache;
use crate::httpd::model::methods::Registered;
use crate::httpd::model::section::Section;
use crate::httpd::model::server::Servers;
use crate::httpd::model::types::Types;
use crate::httpd::model::vhost::Hosts;
use crate::httpd::syntax::defines::Defines;
use crate::httpd::syntax::include;
use crate::httpd::syntax::macros::Macros;
use crate::httpd::syntax::messages::push;
use crate::httpd::syntax::modules::Registry;
use crate::httpd::syntax::options::Options;
use crate::httpd::syntax::reader::Reader;
use crate::httpd::syntax::tree::Tree;
use crate::origin::Origin;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything that resolving needs.
#[derive(Debug)]
pub(crate) struct Data {
    pub root: PathBuf,
    pub version: (u32, u32, u32),
    pub registry: Arc<Registry>,
    /// The same, as an `.htaccess` may use it.
    pub registry_below: Arc<Registry>,
    pub defines: Arc<Defines>,
    pub macros: Arc<Macros>,
    pub servers: Servers,
    pub hosts: Hosts,
    pub fast_index: FastIndex,
    /// How many sections set values.
    pub ids: u32,
    pub default_document_root: Box<[u8]>,
    pub php_ini_dir: Option<(PathBuf, Origin)>,
    pub php_module: Option<(PathBuf, Origin)>,
    pub outlive_module: Option<PathBuf>,
    pub diagnostics: Vec<Diagnostic>,
    pub tree: Tree,
    pub kept: Vec<u32>,
    /// The lines that set values, those of one section together: their nodes.
    pub values: Vec<u32>,
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    pub methods: Registered,
    /// Conditions, redirects or aliases stand where httpd also evaluates them before a request is mapped.
    pub early: bool,
    pub htaccess: Cache,
    pub types: Types,
}

impl Data {
    /// As [`Self::read_once`]; where httpd would not start, the error has all lines that it refuses.
    pub fn load(files: &dyn Files, path: &Path, options: &Options) -> Result<Self> {
        Self::read_once(files, path, options).map_err(|mut first| {
            let mut all = Self::refusals(files, path, options);
            all.retain(|other| *other != first);
            first.others = all;
            first
        })
    }

    /// Everything that httpd would refuse, had it read on.
    fn refusals(files: &dyn Files, path: &Path, options: &Options) -> Vec<Error> {
        let all = |registry: Registry| {
            let mut reader = Self::reader(files, path, options, registry);
            reader.refusals = Some(Vec::new());
            // What is too large ends it.
            let _ = Self::read(&mut reader, path, options).and_then(|()| Self::build(&mut reader, options).map(drop));
            (reader.registry.has_loaded(), reader.refusals.unwrap_or_default())
        };
        match all(Registry::new()) {
            (true, found) => found,
            (false, _) => all(Registry::stock()).1,
        }
    }

    /// Reads with the modules that the files load. Files without any `LoadModule` line say nothing about modules (httpd may
    /// have them compiled in, or a host keeps a file of its own): then every stock module counts as compiled in.
    fn read_once(files: &dyn Files, path: &Path, options: &Options) -> Result<Self> {
        let mut reader = Self::reader(files, path, options, Registry::new());
        let read = Self::read(&mut reader, path, options);
        if read.is_ok() && !reader.registry.has_loaded() && reader.take_stock() {
            return Self::build(&mut reader, options).map(Self::with_stock_note);
        }
        let strict = read.and_then(|()| Self::build(&mut reader, options));
        if reader.registry.has_loaded() {
            return strict;
        }
        let mut reader = Self::reader(files, path, options, Registry::stock());
        let read = Self::read(&mut reader, path, options);
        let generous = read.and_then(|()| Self::build(&mut reader, options));
        // There is a LoadModule line, after the first error.
        if reader.registry.has_loaded() { strict } else { generous.map(Self::with_stock_note) }
    }

    fn with_stock_note(mut self) -> Self {
        let message =
            "no LoadModule line was read: every stock module, mod_php included, is taken for compiled in".into();
        push(&mut self.diagnostics, Severity::Note, Diagnosis::StockModules, Origin::default(), message);
        self
    }

    fn reader<'f>(files: &'f dyn Files, path: &Path, options: &Options, registry: Registry) -> Reader<'f> {
        let root = match &options.server_root {
            Some(root) => root.clone(),
            None => path.parent().map(Path::to_path_buf).unwrap_or_default(),
        };
        // httpd's root is always absolute: everything that is relative in the files starts there.
        let root =
            if root.is_relative() { std::path::absolute(Path::new(".").join(&root)).unwrap_or(root) } else { root };
        Reader::new(files, include::clean(root), options, registry)
    }

    /// The first pass: its errors come before any of the second.
    fn read(reader: &mut Reader<'_>, path: &Path, options: &Options) -> Result<()> {
        let lines = |texts: &[Vec<u8>]| texts.join(&b'\n');
        if !options.before.is_empty() {
            reader.read_text(&lines(&options.before), None)?;
        }
        reader.read_main(path)?;
        if !options.after.is_empty() {
            reader.read_text(&lines(&options.after), None)?;
        }
        Ok(())
    }

    /// The values of a section, which is of these files or of an access file.
    pub fn values(&self, section: &Section) -> Arc<DirConfig> {
        section.values.get(|lines| build::values_of(&self.tree, &self.values[lines]))
    }

    /// The second pass.
    fn build(reader: &mut Reader<'_>, options: &Options) -> Result<Self> {
        let mut builder = build::server(reader);
        builder.run()?;
        let servers = build::finish_server(&mut builder);
        let (php_ini_dir, kept, methods) =
            (builder.php_ini_dir.take(), std::mem::take(&mut builder.kept), std::mem::take(&mut builder.methods));
        let (ids, values) = (builder.ids, std::mem::take(&mut builder.values));
        let types = builder.types_config.take();
        let types = types_of(reader, types);
        let default_document_root: Box<[u8]> = reader.root.join("htdocs").as_os_str().as_bytes().into();
        Ok(Self {
            hosts: Hosts::new(&servers),
            fast_index: FastIndex::new(&servers, &default_document_root),
            ids,
            htaccess: Cache::default(),
            types,
            early: servers.iter().any(|server| server.is_early()),
            servers,
            default_document_root,
            php_ini_dir,
            php_module: reader.php_module.take(),
            outlive_module: reader.outlive_module.take(),
            kept,
            values,
            methods,
            env: options.env.clone(),
            version: options.version,
            root: reader.root.clone(),
            registry: Arc::clone(&reader.registry),
            registry_below: Arc::new(reader.registry.restricted()),
            defines: Arc::clone(&reader.defines),
            macros: Arc::clone(&reader.macros),
            diagnostics: std::mem::take(&mut reader.diagnostics),
            tree: std::mem::take(&mut reader.tree),
        })
    }
}

/// The file of `TypesConfig`, or httpd's default.
fn types_of(reader: &mut Reader<'_>, told: Option<(PathBuf, Origin)>) -> Types {
    let has_mime = reader.registry.is_loaded(b"mod_mime.c");
    let path = told.as_ref().map_or_else(|| reader.root.join("conf/mime.types"), |(path, _)| path.clone());
    let types = has_mime.then(|| Types::read(reader.files, &path)).flatten();
    if let Some((path, origin)) = told.filter(|_| types.is_none())
        && !matches!(reader.files.kind(&path), Ok(crate::files::Kind::Other))
    {
        let text = format!("TypesConfig {} cannot be read: httpd will not start with it", path.display());
        push(&mut reader.diagnostics, Severity::Warning, Diagnosis::NoTypesFile, origin, text);
    }
    types.unwrap_or_default()
}
