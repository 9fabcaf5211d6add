//! What is on a machine, or below a directory: web servers, PHPs, pools; and which of them a question is about.

pub mod accounts;
pub mod agree;
mod cgi;
pub mod find;
pub mod follow;
pub mod layouts;
pub mod named;
mod panels;
mod processes;
pub mod question;
pub mod runner;
mod units;
pub mod watch;

use crate::answering::Unknown;
use crate::args::SourceArgs;
use crate::output::Problem;
use crate::php_elf;
use crate::view::View;
use layouts::Place;
use outlive::PhpVersion;
use outlive::config::{Builder, FastCgiParam, Layer, Outcome, Pool, Sapi};
use outlive::httpd::Configuration;
use outlive::origin::Origin;
use std::cell::OnceCell;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What discovery has found and no option can express. It accompanies the options.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub view: View,
    /// The short name.
    pub id: String,
    /// What stands behind its id, where another one has the same.
    pub behind: String,
    /// Discovery found the web server in its usual place; no option named it.
    pub in_place: bool,
    /// Who it is, where it is no PHP.
    pub who: Option<String>,
    /// Where this PHP looks for php.ini; none: what the options and httpd's files say.
    pub search: Option<Search>,
    /// Variables, stronger than those of `--env`'s relatives and weaker than `--env`.
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    pub found_by: Option<String>,
    pub version_by: Option<String>,
    /// Further notes.
    pub notes: Vec<String>,
    pub unknown: Option<Unknown>,
    /// Whose build of PHP it is, as the table of layouts calls it; none: not known.
    pub layout: Option<String>,
    /// It reads `.user.ini` only below the home of the account that runs it.
    pub user_ini_below_home: bool,
    /// What nginx hands over, with its lines.
    pub params: Vec<(FastCgiParam, Vec<u8>, Origin)>,
    /// httpd's configuration, read already.
    pub httpd: Option<Arc<Configuration>>,
    /// The web server in front, where it is not httpd.
    pub server: Option<PathBuf>,
    /// The web server answers by itself.
    pub answer: Option<Outcome>,
    /// The way from the request to the PHP, for people.
    pub steps: Vec<String>,
}

/// Where a PHP looks for its files.
#[derive(Clone, Debug, Default)]
pub struct Search {
    pub ini_dir: Option<PathBuf>,
    pub scan_dir: Option<PathBuf>,
    /// The directory of its program.
    pub program_dir: Option<PathBuf>,
    /// Where it is started.
    pub working_dir: Option<PathBuf>,
    /// `-c FILE`
    pub ini: Option<PathBuf>,
    /// `-n`, or a packager's change: no scan directory.
    pub no_scan: bool,
    pub no_ini: bool,
}

/// A web server.
#[derive(Debug, Default)]
pub struct WebServer {
    pub view: View,
    pub is_nginx: bool,
    pub config: PathBuf,
    pub root: Option<PathBuf>,
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    pub defines: Vec<OsString>,
    pub before: Vec<OsString>,
    pub after: Vec<OsString>,
    /// The process.
    pub running: Option<u32>,
    pub found_by: String,
    pub notes: Vec<String>,
}

/// One PHP that is installed.
#[derive(Debug)]
pub struct Php {
    pub view: View,
    pub sapi: Sapi,
    pub place: Option<Place>,
    pub program: Option<PathBuf>,
    pub version: Option<PhpVersion>,
    pub fpm_conf: Option<PathBuf>,
    pub fpm_prefix: Option<PathBuf>,
    pub ini: Option<PathBuf>,
    pub no_ini: bool,
    pub set: Vec<OsString>,
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    pub running: Option<u32>,
    pub found_by: String,
    pub notes: Vec<String>,
    /// A path that distinguishes it from another with the same id.
    pub behind: String,
    pub pools: OnceCell<Result<Vec<Pool>, String>>,
    pub built: OnceCell<Result<outlive::config::CompiledIn, String>>,
}

/// All that was found.
#[derive(Debug, Default)]
pub struct Machine {
    pub view: View,
    pub servers: Vec<WebServer>,
    pub phps: Vec<Php>,
    pub notes: Vec<String>,
}

/// PHP's SAPI as ids have it.
pub fn word(sapi: Sapi) -> &'static str {
    match sapi {
        Sapi::Apache => "apache2",
        Sapi::Fpm => "fpm",
        Sapi::Cgi => "cgi",
        Sapi::CliServer => "cli-server",
        Sapi::Cli => "cli",
        Sapi::Web => "web",
    }
}

impl Php {
    /// A PHP of which only the path is known.
    fn new(view: &View, sapi: Sapi, place: Option<Place>) -> Self {
        Self {
            view: view.clone(),
            sapi,
            version: place.as_ref().and_then(|place| place.version),
            fpm_prefix: place.as_ref().and_then(|place| place.fpm_prefix.clone()),
            place,
            program: None,
            fpm_conf: None,
            ini: None,
            no_ini: false,
            set: Vec::new(),
            env: Vec::new(),
            running: None,
            found_by: String::new(),
            notes: Vec::new(),
            behind: String::new(),
            pools: OnceCell::new(),
            built: OnceCell::new(),
        }
    }

    /// What the program's file shows, read once.
    pub fn built(&self) -> &Result<outlive::config::CompiledIn, String> {
        self.built.get_or_init(|| match &self.program {
            Some(program) => php_elf::read(&self.view, program),
            None => Err("its program is not known".into()),
        })
    }

    pub fn version(&self) -> Option<PhpVersion> {
        self.version.or_else(|| self.built().as_ref().ok().and_then(|built| built.version))
    }

    /// `8.2/fpm`
    pub fn id(&self) -> String {
        self.id_as(self.version(), None)
    }

    /// Its id as if there was no other.
    pub fn id_alone(&self) -> String {
        format!("{}/{}", self.version.unwrap_or_default(), word(self.sapi))
    }

    fn id_as(&self, version: Option<PhpVersion>, pool: Option<&[u8]>) -> String {
        let pool = pool.map_or_else(String::new, |pool| format!("/{}", crate::text::shown(pool)));
        format!("{}/{}{pool}{}", version.unwrap_or_default(), word(self.sapi), self.behind)
    }

    /// The id of one of its pools.
    pub fn pool_id(&self, pool: &[u8]) -> String {
        self.id_as(self.version(), Some(pool))
    }

    /// Where it looks for php.ini, how that is known, and what is not.
    pub fn search(&self) -> (Search, String, Option<Unknown>) {
        let built = self.built().as_ref().ok().filter(|built| built.directory.is_some());
        let layout = self.place.as_ref().map(|place| (place.ini_dir.clone(), place.scan_dir.clone()));
        let (dirs, by) = match (built, layout, &self.program) {
            (Some(built), _, Some(program)) => (
                Some((built.directory.clone(), built.scan_directory.clone())),
                format!("{}; its php.ini read from {}", self.found_by, self.view.shown(program)),
            ),
            (_, Some((ini, scan)), _) => (Some((Some(ini), scan)), self.by_layout()),
            _ => (None, self.found_by.clone()),
        };
        let known = dirs.is_some() || self.no_ini || self.ini.is_some();
        let (ini_dir, scan_dir) = dirs.unwrap_or_default();
        let unknown = (!known).then(|| {
            let why = self.built().as_ref().err().cloned().unwrap_or_default();
            Unknown {
                why: format!("which php.ini it reads is unknown: {why}; give --php-ini FILE"),
                overrides: &[Layer::BuiltIn],
            }
        });
        let is_dir = self.ini.as_ref().is_some_and(|path| self.view.is_dir(path));
        let changes = self.place.as_ref().map_or("", |place| place.changes);
        let phprc = self.env.iter().any(|(name, value)| name == b"PHPRC" && !value.is_empty());
        let search = Search {
            ini_dir: self.ini.clone().filter(|_| is_dir).or(ini_dir),
            scan_dir,
            program_dir: self.program.as_ref().and_then(|path| path.parent()).map(Path::to_path_buf),
            working_dir: Some("/".into()),
            ini: self.ini.clone().filter(|_| !is_dir),
            no_scan: self.no_ini || (changes.contains("phprc-hides-scan") && phprc),
            no_ini: self.no_ini,
        };
        (search, by, unknown)
    }

    fn by_layout(&self) -> String {
        let why = match (&self.program, self.built()) {
            (Some(program), Err(_)) if !self.view.is_file(program) => "the program is not there".to_owned(),
            (_, Err(why)) => why.clone(),
            (_, Ok(_)) => "the program does not show it".to_owned(),
        };
        let layout = self.place.as_ref().map_or("", |place| place.layout);
        format!("{}; its php.ini where the layout {layout} has it ({why})", self.found_by)
    }

    /// The pools of its php-fpm.conf.
    pub fn pools(&self) -> &Result<Vec<Pool>, String> {
        self.pools.get_or_init(|| {
            let Some(conf) = &self.fpm_conf else { return Ok(Vec::new()) };
            let mut builder = Builder::new(Arc::new(self.view.clone()));
            if let Some(prefix) = &self.fpm_prefix {
                builder.set_fpm_prefix(prefix);
            }
            // Each version has directives of its own.
            if let Some(version) = self.version() {
                builder.set_php_version(version);
            }
            let read = builder.load_fpm_pool(conf, None).and_then(|()| builder.build());
            read.map(|config| config.pools().to_vec()).map_err(|error| error.to_string())
        })
    }

    /// The notes about it that every answer needs.
    fn told(&self) -> Vec<String> {
        let mut notes = self.notes.clone();
        let changes = self.place.as_ref().map_or("", |place| place.changes);
        if changes.contains("cagefs") {
            notes.push(
                "CloudLinux gives each user a scan directory of their own (CageFS); this one is what this view shows"
                    .into(),
            );
        }
        if self.version().is_none() {
            notes.push(format!(
                "the version of the PHP {} is not known, and {} is assumed; give --php-version V",
                self.found_by,
                PhpVersion::default()
            ));
        }
        notes
    }

    /// The options that stand for it.
    pub fn source(&self, given: &SourceArgs, pool: Option<&Pool>) -> SourceArgs {
        let mut source = given.clone();
        let (search, found_by, unknown) = self.search();
        source.php = None;
        source.sapi = Some(self.sapi.name().into());
        let known = self.version();
        source.php_version = known.map(|version| version.to_string()).or(source.php_version);
        source.set = self.set.iter().cloned().chain(given.set.iter().cloned()).collect();
        if self.sapi == Sapi::Fpm {
            source.fpm_pool.clone_from(&self.fpm_conf);
            source.fpm_prefix.clone_from(&self.fpm_prefix);
            source.pool = pool.map(|pool| OsString::from_vec(pool.name.clone())).or(source.pool);
        }
        let old = given.found.as_deref().cloned().unwrap_or_default();
        let assumed = source.php_version.as_deref().and_then(PhpVersion::from_text);
        let id = self.id_as(known.or(assumed), pool.map(|pool| &*pool.name));
        let version_by = match (known, &given.php_version) {
            (None, None) => Some("assumed".into()),
            _ => None,
        };
        let mut env = self.env.clone();
        if self.place.as_ref().is_some_and(|place| place.changes.contains("no-scan-variable")) {
            env.retain(|(name, _)| name != b"PHP_INI_SCAN_DIR");
        }
        let notes = old.notes.iter().cloned().chain(self.told()).collect();
        source.found = Some(Arc::new(Found {
            view: self.view.clone(),
            id,
            search: Some(search),
            env: [env, old.env.clone()].concat(),
            found_by: Some(found_by),
            version_by,
            notes,
            unknown,
            layout: self.place.as_ref().map(|place| place.layout.to_string()),
            user_ini_below_home: self.sapi != Sapi::Cli
                && self.place.as_ref().is_some_and(|place| place.changes.contains("user-ini-below-home")),
            ..old
        }));
        source
    }
}

impl WebServer {
    /// The options that stand for it.
    pub fn source(&self, given: &SourceArgs) -> SourceArgs {
        let mut source = given.clone();
        (source.php, source.php_version) = (None, None);
        if self.is_nginx {
            source.nginx_conf = Some(self.config.clone());
        } else {
            source.httpd_conf = Some(self.config.clone());
            source.server_root = given.server_root.clone().or_else(|| self.root.clone());
            source.define = self.defines.iter().chain(&given.define).cloned().collect();
            source.httpd_before = self.before.iter().chain(&given.httpd_before).cloned().collect();
            source.httpd_after = self.after.iter().chain(&given.httpd_after).cloned().collect();
        }
        source.found = Some(Arc::new(Found {
            view: self.view.clone(),
            in_place: true,
            env: self.env.clone(),
            notes: self.notes.clone(),
            ..Found::default()
        }));
        source
    }
}

/// Whether the options name something to read, so that nothing is looked for.
pub fn names_a_source(args: &SourceArgs) -> bool {
    args.built_in
        || args.php_ini.is_some()
        || args.php_ini_search
        || args.scan_dir.is_some()
        || args.httpd_conf.is_some()
        || args.fpm_pool.is_some()
        || args.nginx_conf.is_some()
}

/// All that discovery finds in the options' view.
pub fn machine(args: &SourceArgs) -> Result<Machine, Problem> {
    let view = view(args)?;
    let machine = find::all(view);
    if machine.servers.is_empty() && machine.phps.is_empty() {
        return Err(Problem::Call(nothing(&machine)));
    }
    Ok(machine)
}

/// The view that `--root` names.
pub fn view(args: &SourceArgs) -> Result<View, Problem> {
    let Some(root) = &args.root else { return Ok(View::default()) };
    match std::fs::read_dir(root) {
        Ok(_) => {
            let root = std::path::absolute(root)?;
            crate::secrets::look_below(&root);
            Ok(View::below(&root))
        }
        Err(error) => Err(Problem::Call(format!("--root {}: cannot read it: {error}", root.display()))),
    }
}

fn nothing(machine: &Machine) -> String {
    let place = match machine.view.root() {
        Some(root) => format!("below {}", root.display()),
        None => "on this machine".to_owned(),
    };
    let notes: String = machine.notes.iter().map(|note| format!("; {note}")).collect();
    format!(
        "no PHP and no web server was found {place}: looked for the layouts {}{}{notes}; name what to read (--php-ini, --httpd-conf, \
         --fpm-conf, --nginx-conf), another tree (--root DIR), or --built-in for PHP's own defaults",
        layouts::places(),
        if machine.view.is_machine() { ", and for running servers in /proc" } else { "" }
    )
}
