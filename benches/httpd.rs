//! Rows 6 to 8 of the performance targets: reading, and resolving with literal sections and with patterns.
//! Run: `cargo bench --bench httpd`. Prints the median of several rounds and its ratio to the gate, at three sizes.

use outlive::config::{Builder, Config};
use outlive::files::{Files, Kind, Memory};
use outlive::httpd::{Configuration, Options};
use outlive::target::Target;
use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::OsString;
use std::hint::black_box;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Counts, so that the figures can say how much a resolve allocates.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is passed on to the system's own allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const PRELUDE: &str =
    "LoadModule php_module x\nLoadModule authz_core_module x\n<Directory />\nAllowOverride None\n</Directory>\n";

/// One text and, in memory, every file that anybody asks for: what a file system costs is no part of the figures.
struct Everything(Vec<u8>);

impl Files for Everything {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if path == Path::new("/etc/httpd.conf") { Ok(self.0.clone()) } else { Err(io::ErrorKind::NotFound.into()) }
    }
    fn kind(&self, path: &Path) -> io::Result<Kind> {
        Ok(if path.extension().is_some() { Kind::File } else { Kind::Directory })
    }
    fn is_symlink(&self, _: &Path) -> bool {
        false
    }
    fn list(&self, _: &Path) -> io::Result<Vec<OsString>> {
        Ok(Vec::new())
    }
}

fn files(conf: String) -> Memory {
    Memory::new().with("/etc/httpd.conf", conf)
}

fn config(conf: String) -> Config {
    let mut builder = Builder::new(Arc::new(Everything(conf.into_bytes())));
    builder.load_httpd_conf(&PathBuf::from("/etc/httpd.conf")).expect("is there");
    builder.build().expect("loads")
}

fn load(files: &Memory) -> Configuration {
    Configuration::load(files, Path::new("/etc/httpd.conf"), &Options::default()).expect("loads")
}

fn median(rounds: usize, mut one: impl FnMut() -> f64) -> f64 {
    let mut all: Vec<f64> = (0..rounds).map(|_| one()).collect();
    all.sort_by(f64::total_cmp);
    all[rounds / 2]
}

fn report(what: &str, ns: f64, gate: f64) {
    println!("{what:64} {ns:9.1} ns   {:5.2} of the gate ({gate} ns)", ns / gate);
}

fn hosts(count: usize) -> String {
    let mut conf = PRELUDE.to_owned();
    for at in 0..count {
        conf += &format!(
            "<VirtualHost *:80>\nServerName h{at}.test\nServerAlias www.h{at}.test m.h{at}.test\nphp_value user_agent h{at}\n\
             <Directory /srv/h{at}/www>\nphp_admin_value docref_root a\n</Directory>\n<Location /app>\nphp_flag display_errors on\n</Location>\n</VirtualHost>\n"
        );
    }
    conf
}

/// Nanoseconds until all is read and built; what it takes to throw it away again is not among them.
fn reading_time(files: &Memory) -> f64 {
    let start = Instant::now();
    let loaded = black_box(load(files));
    let time = start.elapsed().as_nanos() as f64;
    drop(loaded);
    time
}

/// Directives that nothing is built from: what is left is reading them into the tree.
fn reading_alone() {
    for count in [10_000, 1_000_000] {
        let mut conf = PRELUDE.to_owned();
        for at in 0..count / 4 {
            conf += &format!("Timeout {at}\nKeepAlive on\nTimeout {at}\nKeepAlive off\n");
        }
        let files = files(conf);
        let ns = median(5, || reading_time(&files) / count as f64);
        report(&format!("6 read, {count} directives that are only kept, each"), ns, 100.0);
    }
}

fn reading() {
    for count in [10_000, 100_000, 1_000_000] {
        let mut conf = PRELUDE.to_owned();
        for at in 0..count / 4 {
            conf += &format!(
                "<Directory /srv/d{at}>\nphp_value user_agent v{at}\nphp_flag display_errors on\n</Directory>\n"
            );
        }
        let files = files(conf);
        let ns = median(5, || reading_time(&files) / count as f64);
        report(&format!("6 read and build, {count} directives, each"), ns, 100.0);
    }
}

/// One host with so many literal sections, half of them directories and half locations.
fn sections(count: usize) -> String {
    let mut conf = format!("{PRELUDE}<VirtualHost *:80>\nServerName h.test\n");
    for at in 0..count / 2 {
        conf += &format!(
            "<Directory /srv/www/d{at}>\nphp_value user_agent d{at}\n</Directory>\n\
             <Location /d{at}>\nphp_flag display_errors on\n</Location>\n"
        );
    }
    conf + "</VirtualHost>\n"
}

/// Nanoseconds of a request at a random place of a configuration.
fn at_random(config: &Config, count: usize, place: impl Fn(usize) -> [String; 3]) -> f64 {
    let places: Vec<[String; 3]> = (0..count).map(place).collect();
    let resolve = |[name, uri, file]: &[String; 3]| {
        let target = Target {
            server_name: Some(name.as_bytes()),
            uri: Some(uri.as_bytes()),
            filename: Some(file.as_bytes()),
            port: 80,
            ..Target::default()
        };
        black_box(config.resolve(&target).expect("resolves"));
    };
    places.iter().for_each(resolve);
    just_received(&places, resolve)
}

/// Nanoseconds for one of these requests, at random. A request's own texts come from a socket, so they are in the processor's cache: they are
/// copied, 64 requests at a time, before the clock starts. Otherwise fetching them from among those of all hosts is a third of the time.
fn just_received<R: Clone>(requests: &[R], mut resolve: impl FnMut(&R)) -> f64 {
    const BATCH: usize = 64;
    const BATCHES: usize = 300;
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        requests[(state >> 33) as usize % requests.len()].clone()
    };
    median(9, || {
        let mut ns = 0;
        for _ in 0..BATCHES {
            let batch: Vec<R> = (0..BATCH).map(|_| next()).collect();
            let start = Instant::now();
            batch.iter().for_each(&mut resolve);
            ns += start.elapsed().as_nanos();
        }
        ns as f64 / (BATCH * BATCHES) as f64
    })
}

/// For benches/httpd_growth.py, which shows httpd's own growth beside it; lines as it reads them.
fn growth() {
    for count in [10, 1_000, 10_000] {
        let ns = at_random(&config(sections(count)), count / 2, |at| {
            ["h.test".to_owned(), format!("/d{at}/p.php"), format!("/srv/www/d{at}/p.php")]
        });
        println!("growth sections {count} {ns:.1}");
        let ns = at_random(&config(hosts(count)), count, |at| {
            [format!("h{at}.test"), "/app/index.php".to_owned(), format!("/srv/h{at}/www/app/index.php")]
        });
        println!("growth hosts {count} {ns:.1}");
    }
}

fn resolving(known: bool) {
    for (count, gate) in [(10, 400.0), (1_000, 400.0), (10_000, 800.0), (100_000, 2_000.0)] {
        let config = config(hosts(count));
        let names: Vec<(String, String)> =
            (0..count).map(|at| (format!("h{at}.test"), format!("/srv/h{at}/www/app/index.php"))).collect();
        let one = |(name, file): &(String, String)| {
            let target = Target {
                server_name: Some(name.as_bytes()),
                uri: Some(b"/app/index.php"),
                filename: known.then_some(file.as_bytes()),
                port: 80,
                ..Target::default()
            };
            black_box(config.resolve(&target).expect("resolves"));
        };
        names.iter().for_each(one);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        names.iter().take(1_000).for_each(one);
        let allocations = (ALLOCATIONS.load(Ordering::Relaxed) - before) as f64 / count.min(1_000) as f64;
        let ns = just_received(&names, one);
        let how = if known { "file given" } else { "file mapped" };
        report(&format!("7 resolve, {count} virtual hosts, random host, {how}"), ns, gate);
        println!("{:64} {allocations:9.1}", format!("    allocations of each ({how})"));
    }
}

fn patterns(kind: &str, gate: f64, section: impl Fn(usize) -> String) {
    let mut alone = 0.0;
    for count in [0, 10, 100, 1_000] {
        let config = config((0..count).fold(PRELUDE.to_owned(), |conf, at| conf + &section(at)));
        let target =
            Target { uri: Some(b"/app/index.php"), filename: Some(b"/srv/h/www/app/index.php"), ..Target::default() };
        let ns = median(9, || {
            let start = Instant::now();
            for _ in 0..2_000 {
                black_box(config.resolve(&target).expect("resolves"));
            }
            start.elapsed().as_nanos() as f64 / 2_000.0
        });
        if count == 0 {
            alone = ns;
            continue;
        }
        // What a request costs without any of them is row 7's.
        let ns = (ns - alone) / count as f64;
        report(&format!("8 resolve, {count} {kind} sections that do not match, each"), ns, gate);
    }
}

fn main() {
    // A row's number as an argument runs that row alone.
    let only = std::env::args().find(|arg| matches!(arg.as_str(), "6" | "7" | "8"));
    if std::env::args().any(|arg| arg == "growth") {
        return growth();
    }
    let wanted = |row: &str| only.as_deref().is_none_or(|only| only == row);
    if wanted("7") {
        resolving(true);
        resolving(false);
    }
    if wanted("8") {
        patterns("regex, no common head", 40.0, |at| {
            format!("<LocationMatch \"/other{at}/.*\\.php$\">\nphp_value a b\n</LocationMatch>\n")
        });
        patterns("regex", 40.0, |at| {
            format!("<LocationMatch \"^/other{at}/.*\\.php$\">\nphp_value a b\n</LocationMatch>\n")
        });
        patterns("wildcard", 20.0, |at| format!("<Location \"/other{at}/*.php\">\nphp_value a b\n</Location>\n"));
    }
    if wanted("6") {
        reading_alone();
        reading();
    }
}
