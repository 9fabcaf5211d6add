//! Row 5: a scan directory of a thousand small files, from the page cache, against opening, reading and closing each.

use super::{best, median, time};
use outlive::config::{Builder, Config};
use outlive::files::Disk;
use std::hint::black_box;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

const FILES: usize = 1000;
const ROUNDS: usize = 15;
/// Times the floor, and microseconds each.
const GATE: (f64, f64) = (1.3, 6.0);

/// As packages write them: a module, and a few of its settings and of PHP's own.
fn write(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(dir)?;
    let write = |number: usize| {
        let path = dir.join(format!("{number:04}-module.ini"));
        let text = format!(
            "; configuration for php module{number} module\n; priority={number}\nextension=module{number}.so\n\
             memory_limit = {number}M\ndisplay_errors = Off\nerror_log = \"/var/log/php/module{number}.log\"\n"
        );
        std::fs::write(&path, text).map(|()| path)
    };
    (0..FILES).map(write).collect()
}

fn floor(paths: &[PathBuf], buffer: &mut [u8]) -> usize {
    let read = |path: &PathBuf| std::fs::File::open(path).and_then(|mut file| file.read(buffer)).expect("a file");
    paths.iter().map(read).sum()
}

/// Reads the directory.
pub fn ours(dir: &Path) -> Config {
    let mut builder = Builder::new(Arc::new(Disk));
    builder.set_scan_dirs(dir.as_os_str().as_bytes());
    let config = builder.build().expect("good files");
    assert!(config.diagnostics().is_empty());
    config
}

/// Nanoseconds until the directory is read; what it takes to throw it away again is not among them.
fn reading(dir: &Path) -> f64 {
    let start = Instant::now();
    let config = black_box(ours(dir));
    let time = start.elapsed().as_nanos() as f64;
    drop(config);
    time
}

/// Measures the row; `false`: its gate is missed.
pub fn measure(scratch: &Path) -> bool {
    let dir = scratch.join("conf.d");
    let paths = write(&dir).expect("scratch files");
    let mut buffer = vec![0; 1 << 16];
    ours(&dir);
    let pairs = (0..ROUNDS).map(|_| (reading(&dir), time(1, || floor(&paths, &mut buffer))));
    let (our, floor): (Vec<_>, Vec<_>) = pairs.unzip();
    let paired = median(our.iter().zip(&floor).map(|(our, floor)| our / floor).collect());
    let each = best(&our) / FILES as f64 / 1e3;
    let ratio = best(&our) / best(&floor);
    let good = ratio <= GATE.0 && each <= GATE.1;
    println!(
        "{:<22} {each:>9.2} us each   floor {:.2} us   ratio {ratio:.3} (paired median {paired:.3})   gate {:.2} and {:.1} us   stretch 1.15   {}",
        "5 a thousand files",
        best(&floor) / FILES as f64 / 1e3,
        GATE.0,
        GATE.1,
        if good { "ok" } else { "MISSED" }
    );
    good
}
