//! `outlive status` on scoreboards that real processes write.

use outlive::config::{Builder, Outcome, Settings};
use outlive::engine::{Engine, EngineOptions, Handle, NoClient, Options};
use outlive::files::Disk;
use outlive::target::Target;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

fn engine(path: &Path) -> Engine<NoClient> {
    Engine::new(EngineOptions { scoreboard: Some(path.into()), ..EngineOptions::default() }).unwrap()
}

fn settings() -> Arc<Settings> {
    let config = Builder::new(Arc::new(Disk)).build().unwrap();
    match config.outcome(&Target::default()).unwrap() {
        Outcome::Run(settings) => settings,
        Outcome::Answer { .. } => unreachable!(),
    }
}

fn begin<'e>(engine: &'e Engine<NoClient>, method: &[u8], label: &[u8]) -> Handle<'e, NoClient> {
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
    let options = Options { label: b"/gone", method: b"PUT", key: b"key of /gone", ..Options::new(()) };
    engine.begin(&settings(), options).unwrap().client_gone().unwrap();
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

fn outlive(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_outlive")).args(args).env_remove("NO_COLOR").output().unwrap()
}

/// The value of a series in Prometheus text.
fn series(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn numbers_are_printed_or_replace_a_file() {
    let place = Place::new("metrics");
    let own = engine(&place.board());
    begin(&own, b"GET", b"/one").end(|_, _| false).unwrap();
    let request = begin(&own, b"GET", b"/two");
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while series(&out(&place.status(&["--metrics"])), "outlive_requests_begun_total") != Some(2.0) {
        assert!(std::time::Instant::now() < until, "{}", out(&place.status(&["--metrics"])));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let text = out(&place.status(&["--metrics"]));
    assert_eq!(series(&text, "outlive_requests_ended_total{ending=\"completed\"}"), Some(1.0), "{text}");
    assert_eq!(series(&text, "outlive_requests_in_flight"), Some(1.0), "{text}");
    let file = place.0.join("outlive.prom");
    std::fs::write(&file, "old").unwrap();
    let written = place.status(&["--metrics", "--output", file.to_str().unwrap()]);
    assert_eq!((out(&written).as_str(), written.status.code()), ("", Some(0)));
    assert_eq!(series(&std::fs::read_to_string(&file).unwrap(), "outlive_requests_in_flight"), Some(1.0));
    assert_eq!(std::fs::read_dir(&place.0).unwrap().count(), 2, "nothing is left beside it");
    let nowhere = place.status(&["--metrics", "--output", "/nowhere/at/all"]);
    assert!(nowhere.status.code() == Some(2) && err(&nowhere).contains("/nowhere/at/all cannot be written"));
    let alone = place.status(&["--output", "x"]);
    assert!(alone.status.code() == Some(2) && err(&alone).contains("--metrics"), "{}", err(&alone));
    request.end(|_, _| false).unwrap();
}

#[test]
fn a_request_is_cancelled_by_the_name_that_is_shown() {
    let place = Place::new("cancel");
    let own = engine(&place.board());
    let request = begin(&own, b"POST", b"/order");
    let answer = json(&out(&place.status(&["--json"])));
    let id = answer["requests"][0]["id"].as_str().unwrap().to_owned();
    assert!(out(&place.status(&[])).contains(&id));
    let board = place.board();
    let board = board.to_str().unwrap();
    let (row, count) = id.split_once('.').unwrap();
    let other = format!("{row}.{}", count.parse::<u64>().unwrap() + 1);
    let late = outlive(&["cancel", board, &other]);
    assert!(late.status.code() == Some(1) && out(&late).contains("is not in flight"), "{}", out(&late));
    assert!(request.check().is_ok_and(|code| code == outlive::Code::Ok));
    assert_eq!(outlive(&["cancel", board, &id]).status.code(), Some(0));
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while request.check() != Ok(outlive::Code::Stop) {
        assert!(std::time::Instant::now() < until, "it was not told to stop");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(request.end(|_, _| false), Ok(outlive::request::Ending::Cancelled));
    for wrong in ["17", "17.x", "", "1.2.3"] {
        let refused = outlive(&["cancel", board, wrong]);
        assert!(refused.status.code() == Some(2) && err(&refused).contains("ROW.COUNT"), "{wrong}: {}", err(&refused));
    }
}

#[test]
fn what_one_dead_process_left_or_one_key_is_forgotten_alone() {
    let place = Place::new("some");
    let mut workers = [Worker::start(&place.board()), Worker::start(&place.board())];
    let pids = workers.each_ref().map(|worker| worker.0.id().to_string());
    workers.iter_mut().for_each(Worker::kill);
    assert_eq!(json(&out(&place.status(&["--json"])))["unfinished"], 4);
    assert!(out(&place.status(&["--unfinished"])).contains("key of /gone"), "keys are whole there");
    assert_eq!(out(&place.status(&["--clear", "--process", "1"])), "forgot 0 unfinished requests\n");
    assert_eq!(out(&place.status(&["--clear", "--process", &pids[0]])), "forgot 2 unfinished requests\n");
    assert_eq!(out(&place.status(&["--clear", "--key", "key of"])), "forgot 0 unfinished requests\n");
    assert_eq!(out(&place.status(&["--clear", "--key", "key of /gone"])), "forgot 1 unfinished request\n");
    let left = json(&out(&place.status(&["--json"])));
    assert_eq!((&left["unfinished"], &left["requests"][0]["method"]), (&1.into(), &"POST".into()));
    assert_eq!(place.status(&["--key", "x"]).status.code(), Some(2), "only with --clear");
}

#[test]
fn the_same_policy_has_the_same_fingerprint() {
    let place = Place::new("policy");
    let of = |name: &str, text: &str| {
        let file = place.0.join(name);
        std::fs::write(&file, text).unwrap();
        let said = outlive(&["dump", "--fingerprint", "--php-ini", file.to_str().unwrap()]);
        assert_eq!(said.status.code(), Some(0), "{}", err(&said));
        out(&said)
    };
    let one = of(
        "one.ini",
        "ignore_user_abort = On\noutlive.max_detached = 7\noutlive.scoreboard = /run/one\nmemory_limit = 1G\n",
    );
    assert!(one.len() == 17 && one.trim_end().bytes().all(|byte| byte.is_ascii_hexdigit()), "{one}");
    assert_eq!(of("two.ini", "outlive.max_detached=07\nignore_user_abort=yes\noutlive.scoreboard=/run/two\n"), one);
    assert_ne!(of("three.ini", "ignore_user_abort = On\noutlive.max_detached = 8\n"), one);
    assert_eq!(of("four.ini", "outlive.clock = cpu\n"), of("five.ini", ""), "a default that is written down");
}

#[test]
fn files_of_another_layout_are_put_aside_and_named() {
    let place = Place::new("layout");
    drop(engine(&place.board()));
    let file = std::fs::OpenOptions::new().write(true).open(place.board()).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &1u64.to_ne_bytes(), 16).unwrap();
    let old = place.status(&[]);
    assert!(old.status.code() == Some(2) && err(&old).contains("layout 1"), "{}", err(&old));
    let own = engine(&place.board());
    begin(&own, b"GET", b"/new");
    let text = out(&place.status(&[]));
    assert!(text.contains("/new") && text.contains("board.layout1 has layout 1"), "{text}");
    assert_eq!(json(&out(&place.status(&["--json"])))["notes"].as_array().unwrap().len(), 1);
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
