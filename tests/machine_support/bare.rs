//! The bare machine as a host: no engine, no thread, and time stands still but for `burn`.

use super::play::{Request, play_all, play_function};
use super::{Connection, Layer};
use outlive::config::Policy;
use outlive::request::{Begin, Change, Ending, Events, Machine, Output, Timer, Verdict};
use serde_json::Value;

impl Output for Connection {
    fn write(&mut self, bytes: &[u8]) -> bool {
        Connection::write(self, bytes)
    }

    fn flush(&mut self) -> bool {
        Connection::flush(self)
    }
}

struct Bare {
    machine: Machine,
    events: Events,
    connection: Connection,
    policy: Policy,
    start_text: String,
    ignore_text: String,
    timer: Option<u32>,
    functions: Vec<usize>,
}

impl Bare {
    fn new(scenario: &Value, layer: Layer) -> Self {
        let ini = &scenario["ini"];
        let text = |name: &str, default: &str| ini[name].as_str().unwrap_or(default).to_string();
        let number = |name: &str, default: i64| text(name, "").parse().unwrap_or(default);
        let policy = Policy {
            ignore_user_abort: is_on(&text("ignore_user_abort", "0")),
            max_execution_time: number("max_execution_time", 30),
            hard_timeout: number("hard_timeout", 2),
            output_buffering: match number("output_buffering", 0) {
                0 => None,
                1 => Some(0),
                n => Some(n as usize),
            },
            implicit_flush: number("implicit_flush", 0) != 0,
            ..Policy::default()
        };
        let mut machine = Machine::default();
        let timer = machine.begin(&policy, Begin::default());
        let mut host = Bare {
            machine,
            events: Events::NONE,
            connection: Connection::new(layer),
            policy,
            start_text: text("ignore_user_abort", "0"),
            ignore_text: text("ignore_user_abort", "0"),
            timer: None,
            functions: Vec::new(),
        };
        host.apply(timer);
        host
    }

    fn apply(&mut self, timer: Timer) {
        match timer {
            Timer::Keep => {}
            Timer::Start(seconds) => self.timer = Some(seconds),
            Timer::Stop => self.timer = None,
        }
    }
}

impl Request for Bare {
    fn write(&mut self, bytes: &[u8]) -> bool {
        self.machine.write(bytes, &mut self.connection, &mut self.events) == Verdict::Go
    }

    fn flush(&mut self) -> bool {
        self.machine.flush(&mut self.connection, &mut self.events) == Verdict::Go
    }

    fn close(&mut self) {
        self.connection.closed = true;
    }

    fn ignores_abort(&self) -> bool {
        self.machine.ignores_abort()
    }

    fn ignore_user_abort(&mut self, on: bool) -> bool {
        let before = self.machine.ignores_abort();
        self.ini_set(if on { "1" } else { "0" });
        before
    }

    fn ini_get(&self) -> String {
        self.ignore_text.clone()
    }

    fn ini_set(&mut self, text: &str) -> String {
        self.machine.set_ignore(is_on(text));
        std::mem::replace(&mut self.ignore_text, text.into())
    }

    fn ini_restore(&mut self) {
        let text = self.start_text.clone();
        self.ini_set(&text);
    }

    fn status(&mut self) -> u8 {
        self.machine.absorb(self.events);
        self.machine.status()
    }

    fn register(&mut self, function: usize) {
        self.machine.register().unwrap();
        self.functions.push(function);
    }

    fn exit(&mut self) {
        self.machine.exit(Ending::Completed);
    }

    fn set_time_limit(&mut self, seconds: i64) -> String {
        self.apply(outlive::request::effective_limit(seconds));
        seconds.to_string()
    }

    /// Burns CPU until the timer fires; the hard time-out is armed by the firing (C-154, C-155).
    fn burn(&mut self) {
        assert!(self.timer.is_some(), "this would burn for ever");
        self.events = self.events.with(Events::TIME_UP);
        self.timer = u32::try_from(self.policy.hard_timeout).ok().filter(|&seconds| seconds > 0);
        assert_eq!(self.machine.check(&mut self.events), Verdict::Stop, "burn only ends by a stop");
    }
}

fn is_on(text: &str) -> bool {
    Change::of(b"ignore_user_abort", text.as_bytes()) == Change::IgnoreUserAbort(true)
}

/// Plays a scenario: its log.
pub fn run(scenario: &Value, layer: Layer) -> Vec<String> {
    let (mut host, mut log) = (Bare::new(scenario, layer), Vec::new());
    play_all(&mut host, &mut log, "main", &scenario["main"]);
    let timer = host.machine.begin_shutdown(None, &mut host.events);
    host.apply(timer);
    while let Some(number) = host.machine.next_function() {
        let function = host.functions[number as usize];
        let ran_through = play_function(&mut host, &mut log, scenario, function);
        host.machine.function_returned(!ran_through);
    }
    host.machine.end_output(&mut host.connection);
    log
}
