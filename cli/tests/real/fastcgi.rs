//! As much FastCGI as one request needs.

use std::io::{Read, Write};
use std::net::TcpStream;

const BEGIN: u8 = 1;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;

fn record(out: &mut Vec<u8>, kind: u8, body: &[u8]) {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    out.extend([1, kind, 0, 1, length[0], length[1], 0, 0]);
    out.extend_from_slice(body);
}

fn length(out: &mut Vec<u8>, length: usize) {
    match u8::try_from(length) {
        Ok(short @ 0..=127) => out.push(short),
        _ => out.extend((u32::try_from(length).unwrap() | 1 << 31).to_be_bytes()),
    }
}

/// Sends one request and gives what came to standard output.
pub fn ask(port: u16, params: &[(&str, &str)]) -> String {
    let mut body = Vec::new();
    for (name, value) in params {
        length(&mut body, name.len());
        length(&mut body, value.len());
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(value.as_bytes());
    }
    let mut request = Vec::new();
    // A responder, and the connection ends with the request.
    record(&mut request, BEGIN, &[0, 1, 0, 0, 0, 0, 0, 0]);
    record(&mut request, PARAMS, &body);
    record(&mut request, PARAMS, &[]);
    record(&mut request, STDIN, &[]);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(&request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let (mut out, mut rest) = (Vec::new(), &answer[..]);
    while let [_, kind, _, _, high, low, padding, _, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if *kind == STDOUT {
            out.extend_from_slice(&after[..length]);
        }
        rest = &after[length + usize::from(*padding)..];
    }
    String::from_utf8_lossy(&out).into_owned()
}
