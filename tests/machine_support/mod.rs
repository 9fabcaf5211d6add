//! Hosts that replay scenarios of real PHP in Rust, for both lower layers; see tests/conformance/README.md.

pub mod bare;
pub mod engine;
mod play;

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

/// The way to a client that only exists as far as the machine can see it.
pub struct Connection {
    layer: Layer,
    pub closed: bool,
    headers_sent: bool,
    pending: usize,
}

impl Connection {
    pub fn new(layer: Layer) -> Self {
        Self { layer, closed: false, headers_sent: false, pending: 0 }
    }

    /// Takes output; false: the client has gone.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
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

    /// Pushes out what is pending; false: the client has gone.
    pub fn flush(&mut self) -> bool {
        self.pending = 0;
        self.layer == Layer::Cgi || !self.closed
    }
}

/// One JSON document a line.
pub fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What differs between the traces that PHP recorded and ours: nothing, if all is well.
pub fn differences(scenarios: &[Value], recorded: &[Value], logs: &[Vec<String>]) -> Vec<String> {
    assert_eq!(scenarios.len(), recorded.len());
    assert_eq!(scenarios.len(), logs.len());
    let mut wrong = Vec::new();
    for (number, (scenario, expected)) in scenarios.iter().zip(recorded).enumerate() {
        let expected: Vec<&str> =
            expected["log"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        if logs[number] != expected {
            wrong.push(format!("{number}: {scenario}\n  PHP  {expected:?}\n  here {:?}", logs[number]));
        }
    }
    wrong
}
