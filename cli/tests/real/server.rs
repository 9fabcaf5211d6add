//! A server that a test starts on loopback, and ends whatever happens.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A port that nobody listens to.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A running server.
pub struct Server(Child);

impl Server {
    /// Starts it, and waits until it takes connections.
    pub fn start(program: &mut Command, port: u16) -> Self {
        Self::start_until(program, || TcpStream::connect(("127.0.0.1", port)).is_ok())
    }

    /// Starts it, and waits until it is ready.
    pub fn start_until(program: &mut Command, ready: impl Fn() -> bool) -> Self {
        // A group of its own: when it ends, Apache ends its whole group.
        program.process_group(0);
        let mut child = program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let begun = Instant::now();
        while !ready() {
            if child.try_wait().unwrap().is_some() {
                let mut text = String::new();
                let _ = child.stderr.take().unwrap().read_to_string(&mut text);
                panic!("{program:?} ended: {text}");
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "{program:?} does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self(child)
    }

    /// Ends it, children included.
    #[allow(dead_code)] // not every test has to end it before its time
    pub fn stop(self) {}
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(60) {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the server answers.
pub fn http_get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost:{port}\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
