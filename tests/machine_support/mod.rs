//! A host that replays scenarios of real PHP on the pure machine, for both lower layers; see tests/conformance/README.md.

use outlive::config::Policy;
use outlive::request::{Begin, Change, Ending, Events, Machine, Output, Timer, Verdict};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// What lies below PHP's own buffers in the recordings; see tests/conformance/README.md.
#[derive(Clone, Copy, PartialEq)]
pub enum Layer {
    /// Each write goes straight to a pipe; a flush never writes.
    Cgi,
    /// Bytes collect in records of 8,184; a flush always writes.
    FastCgi,
}

const RECORD: usize = 8_184;
/// PHP's response headers, sent just before the first body byte.
const HEADERS: usize = 68;

struct Connection {
    layer: Layer,
    closed: bool,
    headers_sent: bool,
    pending: usize,
}

impl Output for Connection {
    fn write(&mut self, bytes: &[u8]) -> bool {
        if self.layer == Layer::Cgi {
            return !self.closed;
        }
        if !self.headers_sent {
            self.headers_sent = true;
            self.pending += HEADERS;
        }
        self.pending += bytes.len();
        let Some(rest) = self.pending.checked_sub(RECORD) else { return true };
        // What does not fill another record is kept; more goes out at once, but for what is no multiple of eight.
        self.pending = if rest < RECORD { rest } else { bytes.len() % 8 };
        !self.closed
    }

    fn flush(&mut self) -> bool {
        self.pending = 0;
        self.layer == Layer::Cgi || !self.closed
    }
}

/// A host that plays one scenario. Time stands still but for `burn`.
struct Host<'a> {
    scenario: &'a Value,
    machine: Machine,
    events: Events,
    connection: Connection,
    policy: Policy,
    start_text: String,
    ignore_text: String,
    limit_text: String,
    timer: Option<u32>,
    functions: Vec<usize>,
    log: Vec<String>,
}

impl<'a> Host<'a> {
    fn new(scenario: &'a Value, layer: Layer) -> Self {
        let ini = &scenario["ini"];
        let text = |name: &str, default: &str| ini[name].as_str().unwrap_or(default).to_string();
        let number = |name: &str, default: i64| text(name, "").parse().unwrap_or(default);
        let policy = Policy {
            ignore_user_abort: is_on("ignore_user_abort", &text("ignore_user_abort", "0")),
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
        let mut host = Host {
            scenario,
            machine,
            events: Events::NONE,
            connection: Connection { layer, closed: false, headers_sent: false, pending: 0 },
            start_text: text("ignore_user_abort", "0"),
            ignore_text: text("ignore_user_abort", "0"),
            limit_text: text("max_execution_time", "30"),
            policy,
            timer: None,
            functions: Vec::new(),
            log: Vec::new(),
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

    /// Burns CPU until the timer fires; the hard time-out is armed by the firing (C-154, C-155).
    fn burn(&mut self) -> Verdict {
        assert!(self.timer.is_some(), "this would burn for ever");
        self.events = self.events.with(Events::TIME_UP);
        self.timer = u32::try_from(self.policy.hard_timeout).ok().filter(|&seconds| seconds > 0);
        self.machine.check(&mut self.events)
    }

    fn set_ignore_text(&mut self, text: &str) {
        self.ignore_text = text.into();
        self.machine.set_ignore(is_on("ignore_user_abort", text));
    }

    /// One operation; false: the script does not go on behind it.
    fn play(&mut self, who: &str, operation: &Value) -> bool {
        let name = operation[0].as_str().unwrap();
        let argument = &operation[1];
        let now = |host: &Self| i32::from(host.machine.ignores_abort());
        let line = match name {
            "echo" => {
                let bytes = vec![b'x'; argument.as_u64().unwrap() as usize];
                if self.machine.write(&bytes, &mut self.connection, &mut self.events) == Verdict::Stop {
                    return false;
                }
                "echo".into()
            }
            "flush" => {
                if self.machine.flush(&mut self.connection, &mut self.events) == Verdict::Stop {
                    return false;
                }
                "flush".into()
            }
            "close" => {
                self.connection.closed = true;
                return true;
            }
            "iua" => {
                let before = now(self);
                self.set_ignore_text(if argument.as_i64() == Some(0) { "0" } else { "1" });
                format!("iua {before}")
            }
            "iuaq" => format!("iua {}", now(self)),
            "set" => {
                let before = self.ignore_text.clone();
                self.set_ignore_text(argument.as_str().unwrap());
                format!("set '{before}' {}", now(self))
            }
            "get" => format!("get '{}'", self.ignore_text),
            "restore" => {
                let text = self.start_text.clone();
                self.set_ignore_text(&text);
                format!("restore {}", now(self))
            }
            "st" => {
                self.machine.absorb(self.events);
                let status = self.machine.status();
                format!("st {status}/{}", status & 1)
            }
            "sd" => {
                let function = argument.as_u64().unwrap() as usize;
                self.machine.register().unwrap();
                self.functions.push(function);
                format!("reg {function}")
            }
            "exit" => {
                self.machine.exit(Ending::Completed);
                self.log.push(format!("{who} exit"));
                return false;
            }
            "stl" => {
                let seconds = argument.as_i64().unwrap();
                self.limit_text = seconds.to_string();
                self.apply(outlive::request::effective_limit(seconds));
                format!("stl true {}", self.limit_text)
            }
            "burn" => {
                self.log.push(format!("{who} burn"));
                assert_eq!(self.burn(), Verdict::Stop, "burn only ends by a stop");
                return false;
            }
            other => panic!("unknown operation {other}"),
        };
        self.log.push(format!("{who} {line}"));
        true
    }

    fn play_all(&mut self, who: &str, operations: &Value) -> bool {
        for operation in operations.as_array().unwrap() {
            if !self.play(who, operation) {
                return false;
            }
        }
        self.log.push(format!("{who} end"));
        true
    }

    fn run(mut self) -> Vec<String> {
        let scenario = self.scenario;
        self.play_all("main", &scenario["main"]);
        let timer = self.machine.begin_shutdown(None, &mut self.events);
        self.apply(timer);
        while let Some(number) = self.machine.next_function() {
            let function = self.functions[number as usize];
            let who = format!("sd{function}");
            self.machine.absorb(self.events);
            self.log.push(format!("{who} in {}", self.machine.status()));
            let ran_through = self.play_all(&who, &scenario["sd"][function]);
            if ran_through {
                self.machine.absorb(self.events);
                self.log.push(format!("{who} out {}", self.machine.status()));
            }
            self.machine.function_returned(!ran_through);
        }
        self.machine.end_output(&mut self.connection);
        self.log
    }
}

fn is_on(name: &str, text: &str) -> bool {
    Change::of(name.as_bytes(), text.as_bytes()) == Change::IgnoreUserAbort(true)
}

/// One JSON document a line.
pub fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What differs between the traces that PHP recorded and ours: nothing, if all is well.
pub fn differences(scenarios: &[Value], recorded: &[Value], layer: Layer) -> Vec<String> {
    assert_eq!(scenarios.len(), recorded.len());
    let mut wrong = Vec::new();
    for (number, (scenario, expected)) in scenarios.iter().zip(recorded).enumerate() {
        let log = Host::new(scenario, layer).run();
        let expected: Vec<&str> =
            expected["log"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        if log != expected {
            wrong.push(format!("{number}: {scenario}\n  PHP  {expected:?}\n  here {log:?}"));
        }
    }
    wrong
}
