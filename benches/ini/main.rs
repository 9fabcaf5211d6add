//! Rows 1 to 5 of the performance targets: our scanner and our tree beside PHP's own, in the same run, round by round,
//! with the ratio printed beside its gate. Also that the tree stays linear.
//!
//!     cargo bench --bench ini [-- --gate | --work events|map|files PATH ROUNDS]
//!
//! Wants `libphp8.2-embed` and `php8.2-dev`; without them only our own times are shown. With `--gate`, a missed gate
//! is an error; with `--work`, only the work itself is done, for a profiler to look at.

mod big;
mod cold;
mod files;

use outlive::ini::{Lookup, Mode, Options, constants, scan, tree};
use outlive::version::PhpVersion;
use std::borrow::Cow;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

struct Core;

impl Lookup for Core {
    fn variable(&self, _: &[u8]) -> Option<Cow<'_, [u8]>> {
        None
    }

    fn constant(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        constants::get(PhpVersion::V8_2, name).map(Cow::Borrowed)
    }

    fn has_lowercase_constants(&self) -> bool {
        false
    }
}

const OPTIONS: Options<'static> =
    Options { mode: Mode::Normal, version: PhpVersion::V8_2, stop_at_nul: true, lookup: &Core };

fn events(text: &[u8]) -> usize {
    let mut count = 0;
    scan(text, &OPTIONS, &mut |event, line| {
        black_box((event, line));
        count += 1;
        ControlFlow::Continue(())
    })
    .expect("a good text");
    count
}

fn map(text: &[u8]) -> usize {
    let tree = tree::parse(text, &OPTIONS, true).expect("a good text");
    black_box(&tree).entries().count()
}

/// Nanoseconds of `rounds` rounds.
fn time(rounds: usize, mut work: impl FnMut() -> usize) -> f64 {
    let start = Instant::now();
    for _ in 0..rounds {
        black_box(work());
    }
    start.elapsed().as_nanos() as f64
}

/// PHP, waiting for what to do.
struct Zend {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Zend {
    fn start(program: &Path, text: &Path) -> Option<Self> {
        let mut command = Command::new(program);
        let mut child = command.arg(text).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let answers = BufReader::new(child.stdout.take()?);
        Some(Self { child, answers })
    }

    fn time(&mut self, what: &str, rounds: usize) -> f64 {
        let input = self.child.stdin.as_mut().expect("a pipe");
        writeln!(input, "{what} {rounds}").expect("PHP listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("PHP answers");
        answer.split(' ').next().and_then(|time| time.parse().ok()).expect("a time")
    }

    fn stop(mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Builds the yardstick; `None`: the packages are not there.
fn yardstick(scratch: &Path) -> Option<PathBuf> {
    let program = scratch.join("zend");
    let includes = Command::new("php-config8.2").arg("--includes").output().ok()?;
    let includes = String::from_utf8(includes.stdout).ok()?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/ini/zend.c");
    let mut command = Command::new("cc");
    command.arg("-O2").args(includes.split_whitespace()).arg(source).arg("-o").arg(&program).arg("-lphp8.2");
    command.status().ok()?.success().then_some(program)
}

/// The quickest series: what the work takes when nothing else is in the way.
fn best(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

struct Row {
    name: &'static str,
    what: &'static str,
    gate: f64,
    stretch: f64,
    rounds: usize,
}

/// Measures a row; `false`: its gate is missed.
fn measure(row: &Row, text: &[u8], zend: Option<&mut Zend>) -> bool {
    const SERIES: usize = 21;
    let work = if row.what == "map" { map } else { events };
    work(text);
    let mut ours = Vec::new();
    let mut ratios = Vec::new();
    let mut theirs = Vec::new();
    let mut zend = zend;
    for _ in 0..SERIES {
        let our = time(row.rounds, || work(text)) / row.rounds as f64;
        ours.push(our);
        if let Some(zend) = zend.as_mut() {
            let their = zend.time(row.what, row.rounds) / row.rounds as f64;
            theirs.push(their);
            ratios.push(our / their);
        }
    }
    let our = best(&ours);
    if ratios.is_empty() {
        println!("{:<22} {:>9.1} us", row.name, our / 1e3);
        return true;
    }
    let their = best(&theirs);
    let ratio = our / their;
    let paired = median(ratios);
    let verdict = if ratio <= row.gate { "ok" } else { "MISSED" };
    println!(
        "{:<22} {:>9.1} us   PHP {:>9.1} us   ratio {ratio:.3} (paired median {paired:.3})   gate {:.2}   stretch {:.2}   {verdict}",
        row.name,
        our / 1e3,
        their / 1e3,
        row.gate,
        row.stretch
    );
    ratio <= row.gate
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    if let [_, word, path] = &words[..]
        && word == "--cold"
    {
        return cold::sample(path);
    }
    if let [_, word, what, path, rounds] = &words[..]
        && word == "--work"
    {
        let rounds = rounds.parse().expect("a count");
        let took = if what == "files" {
            time(rounds, || files::ours(Path::new(path)).diagnostics().len())
        } else {
            let work = if what == "map" { map } else { events };
            let text = std::fs::read(path).expect("a text");
            time(rounds, || work(black_box(&text)))
        };
        println!("{took}");
        return;
    }
    let gate = std::env::args().any(|word| word == "--gate");
    let scratch = std::env::temp_dir().join(format!("outlive-bench-ini-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).expect("a scratch directory");
    let program = yardstick(&scratch);
    if program.is_none() {
        println!("no libphp8.2-embed and php8.2-dev: only our own times");
    }
    let mut good = true;
    let development = Path::new("/usr/lib/php/8.2/php.ini-development").to_path_buf();
    let big = scratch.join("big.ini");
    std::fs::write(&big, big::text(10_000_000)).expect("a scratch file");
    let rows = [
        (&development, Row { name: "1 events, development", what: "events", gate: 0.25, stretch: 0.17, rounds: 300 }),
        (&big, Row { name: "2 events, 10 MB", what: "events", gate: 0.33, stretch: 0.24, rounds: 2 }),
        (&development, Row { name: "4 map, development", what: "map", gate: 0.40, stretch: 0.25, rounds: 300 }),
        (&big, Row { name: "4 map, 10 MB", what: "map", gate: 0.40, stretch: 0.25, rounds: 2 }),
    ];
    for (path, row) in &rows {
        let Ok(text) = std::fs::read(path) else {
            println!("{:<28} no {}", row.name, path.display());
            continue;
        };
        let mut zend = program.as_ref().and_then(|program| Zend::start(program, path));
        good &= measure(row, &text, zend.as_mut());
        if let Some(zend) = zend {
            zend.stop();
        }
    }
    good &= cold::measure(program.as_deref(), &development);
    good &= files::measure(&scratch);
    let (small, large) = (big::text(10_000_000), big::text(20_000_000));
    let pairs: Vec<_> = (0..9).map(|_| (time(1, || map(&small)), time(1, || map(&large)))).collect();
    let (smalls, larges): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let growth = best(&larges) / best(&smalls);
    println!("map, 20 MB against 10 MB: {growth:.2} times   gate 2.20");
    good &= growth <= 2.2;
    let _ = std::fs::remove_dir_all(&scratch);
    if gate && !good {
        std::process::exit(1);
    }
}
