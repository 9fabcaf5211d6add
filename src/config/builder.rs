//! Collects files, values and options, and builds a configuration from them.

use super::Config;
use super::build;
use super::directive::Directive;
use super::reader::Env;
use super::sapi::Sapi;
use super::text::Text;
use crate::error::{Code, Error, Result};
use crate::files::{Files, Kind};
use crate::httpd;
use crate::origin::Origin;
use crate::version::PhpVersion;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files that a configuration reads, now and later (`.htaccess`, `.user.ini`).
pub type SharedFiles = Arc<dyn Files + Send + Sync>;

/// The two FastCGI parameters that set directives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FastCgiParam {
    /// `PHP_VALUE`
    Value,
    /// `PHP_ADMIN_VALUE`
    AdminValue,
}

/// What a PHP was built with; `None`: not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompiledIn {
    /// The directory of its php.ini (PHP_CONFIG_FILE_PATH).
    pub directory: Option<PathBuf>,
    /// The directory of more .ini files (PHP_CONFIG_FILE_SCAN_DIR).
    pub scan_directory: Option<PathBuf>,
    /// Its version.
    pub version: Option<PhpVersion>,
}

/// Reads from a module's file what its PHP was built with.
pub(super) type ModuleReader = Box<dyn Fn(&Path) -> CompiledIn + Send>;

/// Gives an account's name and home directory.
pub(super) type AccountReader = Box<dyn Fn(&[u8]) -> Option<(Vec<u8>, Vec<u8>)> + Send>;

/// Collects files, definitions and options. Nothing but the existence of files is looked at before
/// [`Builder::build`], so the order of calls matters only among calls of the same kind.
pub struct Builder {
    pub(super) files: SharedFiles,
    /// `None`: not set; see [`Builder::set_php_version`].
    pub(super) version: Option<PhpVersion>,
    pub(super) module_reader: Option<ModuleReader>,
    pub(super) account_reader: Option<AccountReader>,
    pub(super) sapi: Option<Sapi>,
    pub(super) env: Env,
    pub(super) sets: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    pub(super) inis: Vec<PathBuf>,
    pub(super) search: bool,
    /// The search uses what the loaded mod_php was built with.
    pub(super) by_module: bool,
    pub(super) compiled_in: Option<PathBuf>,
    pub(super) compiled_in_scan: Option<PathBuf>,
    pub(super) binary_dir: Option<PathBuf>,
    pub(super) scan_dirs: Option<Vec<u8>>,
    pub(super) httpd: Option<PathBuf>,
    pub(super) httpd_options: httpd::Options,
    pub(super) pools: Vec<(PathBuf, Option<Vec<u8>>)>,
    pub(super) fpm_prefix: Option<PathBuf>,
    pub(super) params: Vec<(FastCgiParam, Vec<u8>, Option<Origin>)>,
    pub(super) variables: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) working_directory: Option<PathBuf>,
    pub(super) httpd_loaded: Option<Arc<httpd::Configuration>>,
    pub(super) registered: Vec<Directive>,
    pub(super) defaults: Vec<(Vec<u8>, Text)>,
}

impl Builder {
    /// Nothing but PHP's defaults; files are read through `files`.
    pub fn new(files: SharedFiles) -> Self {
        Self {
            files,
            version: None,
            module_reader: None,
            account_reader: None,
            sapi: None,
            env: Env::new(),
            sets: Vec::new(),
            inis: Vec::new(),
            search: false,
            by_module: false,
            compiled_in: None,
            compiled_in_scan: None,
            binary_dir: None,
            scan_dirs: None,
            httpd: None,
            httpd_options: httpd::Options::default(),
            pools: Vec::new(),
            fpm_prefix: None,
            params: Vec::new(),
            variables: Vec::new(),
            working_directory: None,
            httpd_loaded: None,
            registered: Vec::new(),
            defaults: Vec::new(),
        }
    }

    /// The PHP that is the model; 8.2 if never called.
    pub fn set_php_version(&mut self, version: PhpVersion) {
        self.version = Some(version);
    }

    /// The SAPI that is the model, by PHP's name. If it is never called: PHP-FPM with a pool, mod_php with an httpd
    /// configuration; with neither of them, or with a pool beside an httpd that loads mod_php, a web server to which every
    /// layer applies.
    pub fn set_sapi(&mut self, name: &[u8]) -> Result<()> {
        let known = Sapi::from_name(name).ok_or_else(|| {
            let names: Vec<_> = Sapi::ALL.iter().map(|sapi| sapi.name()).collect();
            let name = String::from_utf8_lossy(name);
            Error::new(Code::Argument, format!("no such SAPI: {name}; known are {}", names.join(", ")))
        })?;
        self.sapi = (known != Sapi::Web).then_some(known);
        Ok(())
    }

    /// One variable that `${NAME}`, `PHPRC` and `PHP_INI_SCAN_DIR` may see. Nothing is read from the process.
    pub fn set_env(&mut self, name: &[u8], value: &[u8]) {
        self.env.insert(name.into(), value.into());
    }

    /// Many at once, such as `std::env::vars_os()`. Names that were set before stay as they are.
    pub fn use_env(&mut self, variables: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) {
        for (name, value) in variables {
            self.env.entry(name.into()).or_insert_with(|| value.into());
        }
    }

    /// As `-d name=value`; without a value as `-d name`, which means 1 (I-117).
    pub fn set(&mut self, name: &[u8], value: Option<&[u8]>) -> Result<()> {
        if name.is_empty() {
            return Err(Error::new(Code::Argument, "a directive needs a name: NAME=VALUE"));
        }
        self.sets.push((name.to_vec(), value.map(<[u8]>::to_vec)));
        Ok(())
    }

    /// The directory that relative includes of FPM's files start from (`php-fpm -p`, or what it was built with). If never
    /// called: for a file `PREFIX/etc/php-fpm.conf`, PREFIX.
    pub fn set_fpm_prefix(&mut self, prefix: &Path) {
        self.fpm_prefix = Some(prefix.to_path_buf());
    }

    /// One php.ini; later ones override earlier ones.
    pub fn load_php_ini(&mut self, path: &Path) -> Result<()> {
        self.must_be_file(path)?;
        self.inis.push(path.to_path_buf());
        Ok(())
    }

    /// PHP's own search, scan directories included (I-110 … I-115). Finding nothing is no error.
    pub fn search_php_ini(&mut self) {
        self.search = true;
    }

    /// The directory that the model was compiled to look into, and its scan directory.
    pub fn set_compiled_in(&mut self, directory: Option<&Path>, scan_directory: Option<&Path>) {
        self.compiled_in = directory.map(Path::to_path_buf);
        self.compiled_in_scan = scan_directory.map(Path::to_path_buf);
    }

    /// If httpd's files load mod_php and that mod_php is the model, [`Builder::build`] asks `reader` once what the module's file was built
    /// with. Its php.ini and scan directory are then looked for as that module would, and its version becomes the model's, unless
    /// [`Builder::load_php_ini`], [`Builder::search_php_ini`], [`Builder::set_php_version`] or `PHPINIDir` in the files say otherwise.
    pub fn ask_php_module(&mut self, reader: impl Fn(&Path) -> CompiledIn + Send + 'static) {
        self.module_reader = Some(Box::new(reader));
    }

    /// [`Builder::build`] asks `reader` for the account that a pool's `user` names, by name or number: its name and its home directory. A worker of
    /// FPM has them as `USER` and `HOME`; without an answer, `HOME` is not known.
    pub fn ask_account(&mut self, reader: impl Fn(&[u8]) -> Option<(Vec<u8>, Vec<u8>)> + Send + 'static) {
        self.account_reader = Some(Box::new(reader));
    }

    /// The directory of the PHP program, which CGI, FPM and the command line search too.
    pub fn set_binary_dir(&mut self, directory: &Path) {
        self.binary_dir = Some(directory.to_path_buf());
    }

    /// As `PHP_INI_SCAN_DIR`: a `:` list; an empty element is the compiled-in directory, an empty list is none.
    pub fn set_scan_dirs(&mut self, list: &[u8]) {
        self.scan_dirs = Some(list.to_vec());
    }

    /// httpd's main configuration file. `PHPINIDir` in it counts unless [`Builder::load_php_ini`] named a file.
    pub fn load_httpd_conf(&mut self, path: &Path) -> Result<()> {
        self.must_be_file(path)?;
        self.httpd = Some(path.to_path_buf());
        Ok(())
    }

    /// How httpd would be started; definitions made with [`Builder::define`] come on top.
    pub fn httpd_options(&mut self) -> &mut httpd::Options {
        &mut self.httpd_options
    }

    /// httpd's `-D NAME`, or `Define NAME VALUE` before its first line.
    pub fn define(&mut self, name: &[u8], value: Option<&[u8]>) {
        self.httpd_options.defines.push((name.to_vec(), value.map(<[u8]>::to_vec)));
    }

    /// A pool of an FPM configuration, from the main file or the pool's own; `None`: the first pool there.
    pub fn load_fpm_pool(&mut self, path: &Path, pool: Option<&[u8]>) -> Result<()> {
        self.must_be_file(path)?;
        self.pools.push((path.to_path_buf(), pool.map(<[u8]>::to_vec)));
        Ok(())
    }

    /// A variable that the web server hands over with each request; `${NAME}` in a `.user.ini` finds it (I-073).
    pub fn cgi_variable(&mut self, name: &[u8], value: &[u8]) {
        self.variables.push((name.to_vec(), value.to_vec()));
    }

    /// What the web server hands to FPM with each request (I-153): ini text, one assignment per line.
    pub fn fastcgi_param(&mut self, param: FastCgiParam, text: &[u8]) {
        self.params.push((param, text.to_vec(), None));
    }

    /// As [`Builder::fastcgi_param`], with the line that hands it over: origins show that line.
    pub fn fastcgi_param_at(&mut self, param: FastCgiParam, text: &[u8], origin: Origin) {
        self.params.push((param, text.to_vec(), Some(origin)));
    }

    /// The directory that PHP is started in, which php-cgi searches for a php.ini. If never called: this process's own.
    pub fn set_working_directory(&mut self, directory: &Path) {
        self.working_directory = Some(directory.to_path_buf());
    }

    /// httpd's configuration as another [`Config`] has read it ([`Config::httpd_shared`]): it is not read again.
    pub fn use_httpd(&mut self, configuration: Arc<httpd::Configuration>) {
        self.httpd_loaded = Some(configuration);
    }

    /// Puts a default of the host's own in the place of a directive's built-in one; every line of a file is stronger.
    pub fn set_default(&mut self, name: &[u8], value: &[u8]) {
        self.defaults.push((name.to_vec(), Text::new(value)));
    }

    /// A directive of the host's own; the name must be free.
    pub fn register(&mut self, directive: Directive) -> Result<()> {
        if directive.name().is_empty() || directive.name().contains(&0) {
            return Err(Error::new(Code::Argument, "a directive needs a name, without NUL bytes"));
        }
        self.registered.push(directive);
        Ok(())
    }

    /// Reads everything. Errors: what the real server or PHP would refuse to start on, and files that cannot be read.
    /// Anything else that is odd is among [`Config::diagnostics`].
    pub fn build(self) -> Result<Config> {
        build::build(self)
    }

    fn must_be_file(&self, path: &Path) -> Result<()> {
        let problem = match self.files.kind(path) {
            Ok(Kind::File) => return Ok(()),
            Ok(Kind::Directory) => "it is a directory".to_owned(),
            Ok(Kind::Other) => "it is not a regular file".to_owned(),
            Err(error) => error.to_string(),
        };
        let file = Arc::from(path.as_os_str().as_encoded_bytes());
        Err(Error::new(Code::Io, format!("cannot read it: {problem}")).at(Origin { file: Some(file), line: 0 }))
    }
}
