//! `outlive status` on scoreboards that real processes write.

use outlive::config::{Builder, Outcome, Settings};
use outlive::engine::{Engine, EngineOptions, Handle, Host, Options};
use outlive::files::Disk;
use outlive::request::Ending;
use outlive::target::Target;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

/// A host without a client.
#[derive(Default)]
struct Nobody;

impl Host for Nobody {
    type Callbacks = ();
    type Function = ();
    type OnEnded = ();
    fn attach(&self, (): ()) {}
    fn write(&self, _: &[u8]) -> bool {
        true
    }
    fn flush(&self) -> bool {
        true
    }
    fn wants_notice(&self) -> bool {
        false
    }
    fn on_stop(&self, _: Ending) {}
    fn on_forced(&self, _: Ending) -> bool {
        false
    }
    fn ended(&self, (): (), _: Ending) {}
}

fn engine(path: &Path) -> Engine<Nobody> {
    Engine::new(EngineOptions { scoreboard: Some(path.into()), ..EngineOptions::default() }).unwrap()
}

fn settings() -> Arc<Settings> {
    let config = Builder::new(Arc::new(Disk)).build().unwrap();
    match config.outcome(&Target::default()).unwrap() {
        Outcome::Run(settings) => settings,
        Outcome::Answer { .. } => unreachable!(),
    }
}

fn begin<'e>(engine: &'e Engine<Nobody>, method: &[u8], label: &[u8]) -> Handle<'e, Nobody> {
    let options = Options { label, method, ..Options::new(()) };
    engine.begin(&settings(), options).unwrap()
}

/// A directory of a test's own, gone when the test is over.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("outlive-status-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(&root).unwrap();
        Place(root)
    }

    fn board(&self) -> PathBuf {
        self.0.join("board")
    }

    fn status(&self, args: &[&str]) -> Output {
        command().arg(self.board()).args(args).output().unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outlive"));
    command.arg("status").env_remove("NO_COLOR").env("COLUMNS", "150");
    command
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A JSON answer, held against its schema.
fn json(text: &str) -> Value {
    let schema = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/status.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    // A lone surrogate is no Unicode text, so the crate could not read one; labels with such bytes are looked at as text.
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?} in {text}");
    value
}

/// Another process with two requests, one of them detached, until it is killed.
struct Worker(Child);

impl Worker {
    fn start(board: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_worker", "--nocapture", "--ignored"])
            .env("OUTLIVE_TEST_BOARD", board)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line.contains("ready")), "the worker did not start");
        Worker(child)
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "what a worker process of the other tests runs"]
fn a_worker() {
    let Some(board) = std::env::var_os("OUTLIVE_TEST_BOARD") else { return };
    let engine = engine(Path::new(&board));
    begin(&engine, b"POST", b"/order \x1b[31mred\xe2\x80\xae");
    begin(&engine, b"PUT", b"/gone").client_gone().unwrap();
    println!("ready");
    std::io::stdout().flush().unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn living_and_dead_processes_are_told_apart() {
    let place = Place::new("both");
    let own = engine(&place.board());
    let request = begin(&own, b"GET", b"/report");
    let mut worker = Worker::start(&place.board());

    let text = out(&place.status(&[]));
    assert!(text.contains("3 requests in flight in 2 processes, 1 detached\n"), "{text}");
    assert!(text.contains("/order \\u{1b}[31mred\\u{202e}"), "{text}");
    assert!(!text.contains('\x1b'), "no colour without a terminal: {text}");
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("STATE") && lines[0].ends_with("LABEL"));
    assert!(lines[1].starts_with("detached") && lines[1].ends_with("/gone"), "what needs attention is on top: {text}");
    let none = place.status(&["--unfinished"]);
    assert_eq!((out(&none).as_str(), none.status.code()), ("nothing unfinished\n", Some(0)));

    let pid = u64::from(worker.0.id());
    worker.kill();
    let after = place.status(&["--json"]);
    assert_eq!(after.status.code(), Some(0));
    let answer = json(&out(&after));
    let number = |name: &str| answer[name].as_u64();
    assert_eq!((number("in_flight"), number("detached"), number("unfinished")), (Some(1), Some(0), Some(2)));
    let first = &answer["requests"][0];
    assert_eq!(first["state"], "unfinished");
    assert_eq!(first["process"].as_u64(), Some(pid));
    assert_eq!(first["label"], "/order \u{1b}[31mred\u{202e}");
    let unfinished = place.status(&["--unfinished"]);
    assert_eq!(unfinished.status.code(), Some(1));
    assert!(out(&unfinished).ends_with("2 unfinished\n"), "{}", out(&unfinished));

    assert_eq!(json(&out(&place.status(&["--clear", "--json"])))["cleared"], 2);
    assert_eq!(out(&place.status(&["--clear"])), "forgot 0 unfinished requests\n");
    assert_eq!(place.status(&["--unfinished"]).status.code(), Some(0));
    assert!(out(&place.status(&[])).ends_with("1 request in flight in 1 process\n"));
    request.end(|_, _| false).unwrap();
    assert_eq!(out(&place.status(&[])), "no requests in flight\n");
}

#[test]
fn the_path_comes_from_the_configuration_or_is_asked_for() {
    let place = Place::new("path");
    let own = engine(&place.board());
    begin(&own, b"GET", b"/report");
    let ini = place.0.join("php.ini");
    std::fs::write(&ini, format!("outlive.scoreboard = \"{}\"\n", place.board().display())).unwrap();
    let found = command().arg("--php-ini").arg(&ini).output().unwrap();
    assert!(out(&found).contains("/report"), "{}{}", out(&found), err(&found));
    let none = command().output().unwrap();
    assert_eq!(none.status.code(), Some(2));
    assert!(err(&none).contains("which scoreboard?") && err(&none).contains("--php-ini"), "{}", err(&none));
}

#[test]
fn files_that_are_no_scoreboard_are_named() {
    let place = Place::new("bad");
    let missing = place.status(&[]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(err(&missing).contains("there is no such scoreboard"), "{}", err(&missing));
    std::fs::write(place.board(), "[PHP]\nmemory_limit = 1\n".repeat(400)).unwrap();
    for args in [&[][..], &["--json"], &["--clear"], &["--watch"]] {
        let wrong = place.status(args);
        assert_eq!(wrong.status.code(), Some(2), "{args:?}");
        assert!(err(&wrong).contains("this is no scoreboard"), "{}", err(&wrong));
        assert!(err(&wrong).contains("/board: "), "the file is named: {}", err(&wrong));
    }
    std::fs::write(place.board(), "").unwrap();
    assert_eq!(out(&place.status(&[])), "no requests in flight\n", "made, and not yet used");
}

#[test]
fn watching_into_a_pipe_goes_on_until_nobody_reads() {
    let place = Place::new("pipe");
    let own = engine(&place.board());
    begin(&own, b"GET", b"/report");
    let mut child = command().arg(place.board()).args(["--watch", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ages: Vec<_> =
        (0..2).map(|_| json(&lines.next().unwrap().unwrap())["requests"][0]["age_ms"].as_u64().unwrap()).collect();
    assert!(ages[1] > ages[0], "{ages:?}");
    drop(lines);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Six decisions, played on loopback connections; each is compared with what its line says.
#[test]
fn the_demo_comes_out_as_its_configuration_says() {
    let played = Command::new(env!("CARGO_BIN_EXE_outlive")).arg("demo").output().unwrap();
    assert_eq!(played.status.code(), Some(0), "{}{}", out(&played), err(&played));
    let text = out(&played);
    for line in [
        ("✓ as PHP", "A B C -", "aborted", "demo.ini:4: ignore_user_abort = Off"),
        ("✓ finish, whoever is gone", "A B C D", "completed", "ignore_user_abort = On"),
        ("✓ a time limit", "A B - -", "time limit", "max_execution_time = 1"),
    ] {
        let found = text.lines().find(|text| text.starts_with(line.0)).unwrap_or_default();
        assert!(found.contains(line.1) && found.contains(line.2) && found.ends_with(line.3), "{text}");
    }
}

/// `script` gives the command a terminal of its own.
#[test]
fn watching_on_a_terminal_puts_it_back() {
    if Command::new("script").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "script (bsdutils) is missing");
        return;
    }
    let place = Place::new("terminal");
    let own = engine(&place.board());
    begin(&own, b"GET", b"/report").client_gone().unwrap();
    let line = format!(
        "stty rows 24 columns 120; {} status --watch '{}'; echo left with $?; stty -a | tr ';' '\\n' | grep -w -e icanon -e echo",
        env!("CARGO_BIN_EXE_outlive"),
        place.board().display()
    );
    let mut child = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keys = child.stdin.take().unwrap();
    let mut screen = child.stdout.take().unwrap();
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    let has = |seen: &[u8], what: &[u8]| seen.windows(what.len()).any(|window| window == what);
    while !has(&seen, b"/report") {
        let count = screen.read(&mut buffer).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&buffer[..count]);
    }
    keys.write_all(b"q").unwrap();
    // A terminal whose other side has gone ends with an error and not with an end.
    let _ = screen.read_to_end(&mut seen);
    child.wait().unwrap();
    let text = String::from_utf8_lossy(&seen);
    for what in
        ["\x1b[?1049h", "1 request in flight in 1 process", "\x1b[33m", "\x1b[?25h", "\x1b[?1049l", "left with 0"]
    {
        assert!(text.contains(what), "{what:?} is not in {text:?}");
    }
    assert!(text.contains(" icanon ") && text.contains(" echo "), "the terminal is as it was: {text:?}");
}
