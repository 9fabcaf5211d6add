//! An engine's requests as a host: settings are resolved, and limits are real.
//!
//! They count elapsed time (`outlive.clock = wall`), so that many scenarios can wait for theirs at once. What is not a `burn` takes
//! microseconds; where a machine stood still for so long that a limit of a second means nothing, the scenario is played again.

use super::play::{Request, play_all, play_function};
use super::{Connection, Layer};
use outlive::config::{Builder, Settings};
use outlive::engine::{Engine, EngineOptions, Handle, Host, Options};
use outlive::error::Code;
use outlive::files::Disk;
use outlive::request::Ending;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const STALL: Duration = Duration::from_millis(500);
const ATTEMPTS: usize = 5;

/// The engine's side of a connection.
#[derive(Default)]
pub struct Below(Mutex<Option<Arc<Mutex<Connection>>>>);

impl Below {
    fn with(&self, call: impl FnOnce(&mut Connection) -> bool) -> bool {
        let client = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().expect("a client");
        let mut client = client.lock().unwrap();
        call(&mut client)
    }
}

impl Host for Below {
    type Callbacks = Arc<Mutex<Connection>>;
    type Function = usize;
    type OnEnded = ();
    type Notices = ();

    fn attach(&self, client: Self::Callbacks, _: Option<&()>) {
        *self.0.lock().unwrap() = Some(client);
    }

    fn write(&self, bytes: &[u8]) -> bool {
        self.with(|client| client.write(bytes))
    }

    fn flush(&self) -> bool {
        self.with(Connection::flush)
    }

    fn wants_notice(_: &Self::Callbacks) -> bool {
        false
    }

    fn on_stop(&self, (): &(), _: Ending) {}

    fn on_forced(&self, (): &(), _: Ending) {}

    fn ended(&self, (): (), _: Ending) {}
}

struct InEngine<'e> {
    handle: Handle<'e, Below>,
    client: Arc<Mutex<Connection>>,
    stretch: Instant,
    stalled: bool,
}

impl InEngine<'_> {
    fn stretch_ends(&mut self) {
        self.stalled |= self.stretch.elapsed() > STALL;
    }
}

const IGNORE: &[u8] = b"ignore_user_abort";

impl Request for InEngine<'_> {
    fn write(&mut self, bytes: &[u8]) -> bool {
        self.handle.write(bytes).unwrap() == Code::Ok
    }

    fn flush(&mut self) -> bool {
        self.handle.flush().unwrap() == Code::Ok
    }

    fn close(&mut self) {
        self.client.lock().unwrap().closed = true;
    }

    fn ignores_abort(&self) -> bool {
        self.handle.ignore_user_abort(None).unwrap()
    }

    fn ignore_user_abort(&mut self, on: bool) -> bool {
        self.handle.ignore_user_abort(Some(on)).unwrap()
    }

    fn ini_get(&self) -> String {
        self.handle.ini_get(IGNORE, text).unwrap()
    }

    fn ini_set(&mut self, value: &str) -> String {
        let mut before = String::new();
        self.handle.ini_set(IGNORE, value.as_bytes(), |value| before = text(value)).unwrap();
        before
    }

    fn ini_restore(&mut self) {
        self.handle.ini_restore(IGNORE).unwrap();
    }

    fn status(&mut self) -> u8 {
        self.handle.connection_status().unwrap()
    }

    fn register(&mut self, function: usize) {
        self.handle.register(function).unwrap();
    }

    fn exit(&mut self) {
        self.handle.exit(Ending::Completed).unwrap();
    }

    fn set_time_limit(&mut self, seconds: i64) -> String {
        self.handle.set_time_limit(seconds).unwrap();
        self.handle.ini_get(b"max_execution_time", text).unwrap()
    }

    fn burn(&mut self) {
        self.stretch_ends();
        while self.handle.check().unwrap() == Code::Ok {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.stretch = Instant::now();
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8(value.to_vec()).unwrap()
}

fn settings_of(scenario: &Value) -> Arc<Settings> {
    let mut builder = Builder::new(Arc::new(Disk));
    builder.set(b"outlive.clock", Some(b"wall")).unwrap();
    for (name, value) in scenario["ini"].as_object().unwrap() {
        builder.set(name.as_bytes(), Some(value.as_str().unwrap().as_bytes())).unwrap();
    }
    builder.build().unwrap().base()
}

fn run_once(engine: &Engine<Below>, settings: &Arc<Settings>, scenario: &Value, layer: Layer) -> Option<Vec<String>> {
    let client = Arc::new(Mutex::new(Connection::new(layer)));
    let callbacks = Arc::clone(&client);
    let options = Options { method: b"GET", ..Options::new(callbacks) };
    let handle = engine.begin(settings, options).unwrap();
    let mut request = InEngine { handle, client, stretch: Instant::now(), stalled: false };
    let mut log = Vec::new();
    play_all(&mut request, &mut log, "main", &scenario["main"]);
    handle.end(|&mut function, _| !play_function(&mut request, &mut log, scenario, function)).unwrap();
    request.stretch_ends();
    (!request.stalled).then_some(log)
}

/// Plays scenarios, `at_once` of them at the same time: their logs.
pub fn run_all(scenarios: &[Value], layer: Layer, at_once: usize) -> Vec<Vec<String>> {
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let play = |scenario: &Value| {
        let settings = settings_of(scenario);
        let mut attempts = (0..ATTEMPTS).filter_map(|_| run_once(&engine, &settings, scenario, layer));
        attempts.next().expect("this machine is too busy for limits of elapsed time")
    };
    scenarios
        .chunks(at_once)
        .flat_map(|chunk| {
            std::thread::scope(|scope| {
                let threads: Vec<_> = chunk.iter().map(|scenario| scope.spawn(|| play(scenario))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
            })
        })
        .collect()
}
