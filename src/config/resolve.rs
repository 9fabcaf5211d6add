//! A configuration, and the values that it gives a request.

use super::builder::SharedFiles;
use super::core::Core;
use super::directive::Directive;
use super::fpm::Pool;
use super::layer::Layer;
use super::number;
use super::request_layers::{Contribution, UserIni};
use super::sapi::Sapi;
use super::settings::Settings;
use super::user_ini;
use super::{diagnose, fastcgi};
use crate::diagnostic::Diagnostic;
use crate::error::{Code, Error, Result};
use crate::httpd::{Configuration, Container, DirConfig, DirValue, Resolution, Run, path_before};
use crate::target::Target;
use crate::version::PhpVersion;
use rustc_hash::FxBuildHasher;
use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

/// The most entries of either cache; a full cache is emptied.
const CACHE: usize = 4096;

/// By script directory: when its files were read, the generation (see [`Config::refresh`]), and their content.
type UserInis = HashMap<Box<[u8]>, (i64, u64, Arc<UserIni>)>;

/// The settings for a set of sections, by the sections' numbers.
#[derive(Default)]
struct BySections {
    /// Up to [`FEW`] numbers, inside the key itself to save a cache miss; unused places are 0.
    few: HashMap<[u32; FEW], Arc<Settings>, FxBuildHasher>,
    /// More numbers than that.
    many: HashMap<Box<[u32]>, Arc<Settings>, FxBuildHasher>,
}

/// Nearly every request has at most this many sections that set values.
const FEW: usize = 6;

fn few<const MOST: usize>(ids: &[u32]) -> Option<[u32; MOST]> {
    let mut key = [0; MOST];
    key.get_mut(..ids.len())?.copy_from_slice(ids);
    Some(key)
}

impl BySections {
    fn get(&self, ids: &[u32]) -> Option<&Arc<Settings>> {
        match few(ids) {
            Some(key) => self.few.get(&key),
            None => self.many.get(ids),
        }
    }

    /// Adds an entry; a cache of `most` entries is emptied first.
    fn put(&mut self, ids: &[u32], settings: Arc<Settings>, most: usize) {
        if self.few.len() + self.many.len() >= most {
            *self = Self::default();
        }
        match few(ids) {
            Some(key) => self.few.insert(key, settings),
            None => self.many.insert(ids.into(), settings),
        };
    }
}

/// As many numbers, with the settings and what says that they are there, are half a cache line.
const AT_SERVER: usize = 4;

/// What the first request at a server met, and its settings. Most servers give nearly all of their requests the same: no lock and no hash for
/// those, and the place is known as soon as the server is.
#[repr(align(32))]
#[derive(Default)]
struct AtServer(OnceLock<([u32; AT_SERVER], Arc<Settings>)>);

impl AtServer {
    /// Has the settings on their way into the processor's cache.
    fn fetch(&self) {
        if let Some((_, settings)) = self.0.get() {
            black_box(Arc::strong_count(settings));
        }
    }

    fn get(&self, ids: &[u32]) -> Option<&Arc<Settings>> {
        let (known, settings) = self.0.get()?;
        (*known == few(ids)?).then_some(settings)
    }

    /// Whether it was free. To be called by one thread at a time, so that none waits for another.
    fn put(&self, ids: &[u32], settings: &Arc<Settings>) -> bool {
        few(ids).is_some_and(|ids| self.0.set((ids, Arc::clone(settings))).is_ok())
    }
}

/// An immutable configuration, shared by all threads. Cloning shares it. To reload, build another one.
#[derive(Clone)]
pub struct Config {
    inner: Arc<Inner>,
}

struct Inner {
    core: Arc<Core>,
    httpd: Option<Arc<Configuration>>,
    files: SharedFiles,
    diagnostics: Vec<Diagnostic>,
    base: Arc<Settings>,
    // These locks are only tried, never waited for: a child that was forked while another thread held one works without the cache.
    cache: Mutex<HashMap<u64, Arc<Settings>>>,
    /// By the sections of httpd's configuration that apply to a request, where nothing else matters.
    by_sections: RwLock<BySections>,
    /// The same for what comes first at each server; made, and filled, by who holds `by_sections`.
    at_server: OnceLock<Box<[AtServer]>>,
    user_inis: Mutex<UserInis>,
    /// How often [`Config::refresh`] was called.
    generation: AtomicU64,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("version", &self.inner.core.version).finish_non_exhaustive()
    }
}

/// The outcome of a request: a program runs, or the server answers by itself.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A program runs for it, with these settings.
    Run(Arc<Settings>),
    /// The server answers by itself.
    Answer {
        /// The status: 301, 403, 404 …; 200 where no program runs; 0 where another server answers.
        status: u16,
        /// Why.
        because: String,
        /// Where a redirect leads.
        location: Option<Vec<u8>>,
    },
}

impl Config {
    pub(super) fn new(
        core: Core,
        httpd: Option<Arc<Configuration>>,
        files: SharedFiles,
        diagnostics: Vec<Diagnostic>,
    ) -> Self {
        let core = Arc::new(core);
        let base = Arc::new(Settings::new(Arc::clone(&core), Box::default()));
        let (cache, by_sections, user_inis) = (Mutex::default(), RwLock::default(), Mutex::default());
        let (generation, at_server) = (AtomicU64::new(0), OnceLock::new());
        let inner =
            Inner { core, httpd, files, diagnostics, base, cache, by_sections, at_server, user_inis, generation };
        Self { inner: Arc::new(inner) }
    }

    /// The PHP that is the model.
    pub fn php_version(&self) -> PhpVersion {
        self.inner.core.version
    }

    /// The SAPI that is the model.
    pub fn sapi(&self) -> Sapi {
        self.inner.core.sapi
    }

    /// Every directive that there is, sorted by name.
    pub fn directives(&self) -> &[Directive] {
        &self.inner.core.directives
    }

    /// Everything odd that was met while the files were read.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.inner.diagnostics
    }

    /// What is odd about one line of httpd's files, independent of any request.
    pub fn line_diagnostics(&self, line: &DirValue) -> Vec<Diagnostic> {
        let mut out = Vec::new();
        diagnose::dir_value(&self.inner.core, line, &mut out);
        out
    }

    /// The php.ini and scan directory files that were read, in order: layer, name and text.
    pub fn ini_files(&self) -> impl Iterator<Item = (Layer, &Arc<[u8]>, &[u8])> {
        let sources = self.inner.core.sources.iter();
        sources.filter_map(|source| Some((source.layer, source.file.as_ref()?, &*source.text)))
    }

    /// Every pool of the FPM configurations that were read, in order; the values are those of the chosen ones.
    pub fn pools(&self) -> &[Pool] {
        &self.inner.core.pools
    }

    /// The files that it was read from, and that requests are looked up in.
    pub fn files(&self) -> &SharedFiles {
        &self.inner.files
    }

    /// httpd's own configuration, for another [`super::Builder`] to use.
    pub fn httpd_shared(&self) -> Option<&Arc<Configuration>> {
        self.inner.httpd.as_ref()
    }

    /// httpd's own configuration, where one was loaded.
    pub fn httpd(&self) -> Option<&Configuration> {
        self.inner.httpd.as_deref()
    }

    /// The values in force before any request is looked at.
    pub fn base(&self) -> Arc<Settings> {
        Arc::clone(&self.inner.base)
    }

    /// The values in force for a request. `.user.ini` files are read anew each time. Error [`Code::NotServed`]: the
    /// server itself would answer; [`Config::outcome`] gives the answer.
    pub fn resolve(&self, target: &Target<'_>) -> Result<Arc<Settings>> {
        self.resolve_at(target, None)
    }

    /// As [`Config::resolve`], at a time in seconds of any clock: `.user.ini` files that were read within
    /// `user_ini.cache_ttl` seconds are not read again (I-143).
    pub fn resolve_at(&self, target: &Target<'_>, now: Option<i64>) -> Result<Arc<Settings>> {
        match self.outcome_at(target, now)? {
            Outcome::Run(settings) => Ok(settings),
            Outcome::Answer { status, because, .. } => {
                Err(Error::new(Code::NotServed, format!("the server answers {status}: {because}")))
            }
        }
    }

    /// The outcome of a request.
    pub fn outcome(&self, target: &Target<'_>) -> Result<Outcome> {
        self.outcome_at(target, None)
    }

    /// As [`Config::outcome`]; for a target with a URI and no file it also checks, by httpd's handlers, that PHP runs the request. A file
    /// that is only sent, or that another handler answers, is then an answer. A server that runs programs of its own uses
    /// [`Config::outcome`].
    pub fn outcome_of_php(&self, target: &Target<'_>) -> Result<Outcome> {
        let asks_httpd = target.filename.is_none() && target.uri.is_some();
        let Some(httpd) = self.inner.httpd.as_ref().filter(|_| asks_httpd) else { return self.outcome(target) };
        let run = match httpd.resolve(&*self.inner.files, target)? {
            Resolution::Run(run) => run,
            Resolution::Answer { status, because, location } => {
                return Ok(Outcome::Answer { status, because, location });
            }
        };
        if let Some((status, because)) = httpd.no_program(&run) {
            return Ok(Outcome::Answer { status, because, location: None });
        }
        Ok(Outcome::Run(self.settings(self.contributions(target, Some(run), None))))
    }

    /// As [`Config::outcome`], at a time.
    pub fn outcome_at(&self, target: &Target<'_>, now: Option<i64>) -> Result<Outcome> {
        let inner = &*self.inner;
        // `.user.ini` files and PHP's own sections depend on more than httpd's sections.
        let at_server = inner.at_server.get().map_or(&[][..], |all| all);
        let fetch = |server: usize| at_server.get(server).map_or((), AtServer::fetch);
        let met = match &inner.httpd {
            Some(httpd) if !inner.core.sapi.has_user_ini() => httpd.met(&*inner.files, target, fetch),
            _ => None,
        };
        if let Some(met) = &met {
            if let Some(known) = at_server.get(met.server()).and_then(|known| known.get(met.ids())) {
                return Ok(Outcome::Run(Arc::clone(known)));
            }
            if let Ok(by_sections) = inner.by_sections.try_read()
                && let Some(known) = by_sections.get(met.ids())
            {
                return Ok(Outcome::Run(Arc::clone(known)));
            }
        }
        let run = match &inner.httpd {
            None => None,
            Some(httpd) => match httpd.resolve(&*inner.files, target)? {
                Resolution::Run(run) => Some(run),
                Resolution::Answer { status, because, location } => {
                    return Ok(Outcome::Answer { status, because, location });
                }
            },
        };
        let settings = self.settings(self.contributions(target, run, now));
        if let Some(met) = met
            && let Ok(mut by_sections) = inner.by_sections.try_write()
        {
            let httpd = inner.httpd.as_deref();
            let servers = || (0..httpd.map_or(0, Configuration::servers)).map(|_| AtServer::default()).collect();
            let at_server = inner.at_server.get_or_init(servers);
            if !at_server.get(met.server()).is_some_and(|free| free.put(met.ids(), &settings)) {
                // The cache may hold one entry for each section: no more memory than the configuration itself.
                let most = httpd.map_or(0, |httpd| 2 * httpd.containers()).max(CACHE);
                by_sections.put(met.ids(), Arc::clone(&settings), most);
            }
        }
        Ok(Outcome::Run(settings))
    }

    /// From now on every `.htaccess` and `.user.ini` is read again once. Without it, an `.htaccess` is read again when
    /// [`crate::files::Files::stamp`] says that it has changed, and a `.user.ini` after `user_ini.cache_ttl` seconds. Everything else that was
    /// read stays as it is: build another configuration for that.
    pub fn refresh(&self) {
        let inner = &*self.inner;
        inner.generation.fetch_add(1, Ordering::AcqRel);
        if let Some(httpd) = &inner.httpd {
            httpd.refresh();
        }
    }

    /// The values for a host that parsed its own configuration and merged it down to one container.
    pub fn resolve_dir(&self, values: &DirConfig) -> Result<Arc<Settings>> {
        let own = (!values.is_empty()).then(|| Contribution::Server(values.clone()));
        Ok(self.settings(own.into_iter().collect()))
    }

    /// The values that containers of httpd give, weakest first: those of a [`Run`] that whoever asks has looked up, or changed.
    pub fn of_containers(&self, mut containers: Vec<Container>) -> Arc<Settings> {
        containers.retain(|container| !container.values.is_empty());
        let own = (!containers.is_empty()).then(|| Contribution::Containers(containers.into_boxed_slice()));
        self.settings(own.into_iter().collect())
    }

    /// What the request adds, in the order in which it is applied.
    fn contributions(&self, target: &Target<'_>, run: Option<Run>, now: Option<i64>) -> Vec<Contribution> {
        let core = &*self.inner.core;
        let mut all = Vec::new();
        if core.sapi.has_user_ini() {
            let handed = |name: &[u8]| {
                let given = run.as_ref()?.variables.iter().find(|one| one.name == name && one.is_conditional)?;
                Some(&*given.value)
            };
            let filename = target.filename.or_else(|| handed(b"SCRIPT_FILENAME"));
            let filename = filename.or(run.as_ref().map(|run| &*run.filename));
            // PHP takes the path as it is handed over.
            let before = run.as_ref().and_then(|run| run.handler.as_deref()).map_or(&b""[..], path_before);
            let whole = filename.filter(|_| !before.is_empty()).map(|filename| [before, filename].concat());
            let filename = whole.as_deref().or(filename);
            let root = target.document_root.or_else(|| handed(b"DOCUMENT_ROOT"));
            let root = root.or(run.as_ref().map(|run| &*run.document_root));
            if let Some(run) = run.as_ref().filter(|_| core.sapi.has_pool()) {
                let given = fastcgi::of_request(core, &run.variables);
                all.extend(given.map(|given| Contribution::UserIni(Arc::new(given))));
            }
            if !core.sections.is_empty() {
                sections(core, target.server_name, filename, &mut all);
            }
            if let (Some(root), Some(filename)) = (root, filename) {
                all.extend(self.user_ini(root, filename, now).map(Contribution::UserIni));
            }
        }
        if let Some(mut run) = run {
            run.containers.retain(|container| !container.values.is_empty());
            if !run.containers.is_empty() {
                all.push(Contribution::Containers(run.containers.into_boxed_slice()));
            }
        }
        all
    }

    /// Settings for these contributions, from the cache where they were asked for before.
    fn settings(&self, contributions: Vec<Contribution>) -> Arc<Settings> {
        let inner = &*self.inner;
        if contributions.is_empty() {
            return self.base();
        }
        let mut hasher = DefaultHasher::new();
        contributions.iter().for_each(|contribution| contribution.hash(&mut hasher));
        let key = hasher.finish();
        let same = |known: &Arc<Settings>| {
            let pairs = known.contributions.iter().zip(&contributions);
            known.contributions.len() == contributions.len() && pairs.into_iter().all(|(one, two)| one.same(two))
        };
        if let Ok(cache) = inner.cache.try_lock()
            && let Some(known) = cache.get(&key).filter(|known| same(known))
        {
            return Arc::clone(known);
        }
        let new = Arc::new(Settings::new(Arc::clone(&inner.core), contributions.into_boxed_slice()));
        if let Ok(mut cache) = inner.cache.try_lock() {
            if cache.len() >= CACHE {
                cache.clear();
            }
            cache.insert(key, Arc::clone(&new));
        }
        new
    }

    /// The `.user.ini` files of a script (I-140, I-143).
    fn user_ini(&self, root: &[u8], filename: &[u8], now: Option<i64>) -> Option<Arc<UserIni>> {
        let inner = &*self.inner;
        let name = inner.base.get(b"user_ini.filename").filter(|name| !name.is_empty())?;
        let dir = user_ini::directory(filename)?;
        let ttl = inner.base.get(b"user_ini.cache_ttl").map_or(0, |ttl| number::quantity(ttl, inner.core.version).0);
        let now = now.filter(|_| ttl >= 0);
        let generation = inner.generation.load(Ordering::Acquire);
        if let Some(now) = now
            && let Ok(cache) = inner.user_inis.try_lock()
            && let Some((loaded, age, user)) = cache.get(dir)
            && *age == generation
            && now <= loaded.saturating_add(ttl)
        {
            return keep(Arc::clone(user));
        }
        let user = Arc::new(user_ini::read(&inner.core, &*inner.files, name, root, dir));
        if let Some(now) = now
            && let Ok(mut cache) = inner.user_inis.try_lock()
        {
            if cache.len() >= CACHE {
                cache.clear();
            }
            cache.insert(dir.into(), (now, generation, Arc::clone(&user)));
        }
        keep(user)
    }
}

fn keep(user: Arc<UserIni>) -> Option<Arc<UserIni>> {
    (!user.sources.is_empty() || !user.diagnostics.is_empty()).then_some(user)
}

/// The `[HOST=…]` section of the server's name, then the `[PATH=…]` sections of the script's directories, deeper ones
/// later (I-132).
fn sections(core: &Core, server_name: Option<&[u8]>, filename: Option<&[u8]>, all: &mut Vec<Contribution>) {
    let find = |layer: Layer, key: &[u8]| {
        let place = core.section_places.get(&(layer, Box::from(key)));
        place.copied().map(Contribution::Section)
    };
    if let Some(name) = server_name {
        let host = name.split(|&byte| byte == b':').next().unwrap_or_default().to_ascii_lowercase();
        all.extend(find(Layer::HostSection, &host));
    }
    let filename = filename.unwrap_or_default();
    for slash in memchr::memchr_iter(b'/', filename).filter(|&at| at > 0) {
        all.extend(find(Layer::PathSection, &filename[..slash]));
    }
}
