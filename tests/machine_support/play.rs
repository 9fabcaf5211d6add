//! The scenario language, for anything that is a request.

use serde_json::Value;

/// A request as a scenario sees it. Calls that may stop the program answer whether it goes on.
pub trait Request {
    fn write(&mut self, bytes: &[u8]) -> bool;
    fn flush(&mut self) -> bool;
    /// The client closes.
    fn close(&mut self);
    fn ignores_abort(&self) -> bool;
    /// `ignore_user_abort(on)`: the value before.
    fn ignore_user_abort(&mut self, on: bool) -> bool;
    fn ini_get(&self) -> String;
    /// `ini_set('ignore_user_abort', text)`: the text before.
    fn ini_set(&mut self, text: &str) -> String;
    fn ini_restore(&mut self);
    fn status(&mut self) -> u8;
    fn register(&mut self, function: usize);
    fn exit(&mut self);
    /// `max_execution_time` as text, afterwards.
    fn set_time_limit(&mut self, seconds: i64) -> String;
    /// Works until a limit stops it.
    fn burn(&mut self);
}

/// One operation: its line, if it has one, and whether anything behind it runs.
fn play(request: &mut impl Request, operation: &Value) -> (Option<String>, bool) {
    let name = operation[0].as_str().unwrap();
    let argument = &operation[1];
    let line = match name {
        "echo" => {
            let bytes = vec![b'x'; argument.as_u64().unwrap() as usize];
            if !request.write(&bytes) {
                return (None, false);
            }
            "echo".into()
        }
        "flush" => {
            if !request.flush() {
                return (None, false);
            }
            "flush".into()
        }
        "close" => {
            request.close();
            return (None, true);
        }
        "iua" => format!("iua {}", i32::from(request.ignore_user_abort(argument.as_i64() != Some(0)))),
        "iuaq" => format!("iua {}", i32::from(request.ignores_abort())),
        "set" => {
            let before = request.ini_set(argument.as_str().unwrap());
            format!("set '{before}' {}", i32::from(request.ignores_abort()))
        }
        "get" => format!("get '{}'", request.ini_get()),
        "restore" => {
            request.ini_restore();
            format!("restore {}", i32::from(request.ignores_abort()))
        }
        "st" => {
            let status = request.status();
            format!("st {status}/{}", status & 1)
        }
        "sd" => {
            request.register(argument.as_u64().unwrap() as usize);
            format!("reg {argument}")
        }
        "exit" => {
            request.exit();
            return (Some("exit".into()), false);
        }
        "stl" => format!("stl true {}", request.set_time_limit(argument.as_i64().unwrap())),
        "burn" => {
            request.burn();
            return (Some("burn".into()), false);
        }
        other => panic!("unknown operation {other}"),
    };
    (Some(line), true)
}

/// All operations of a part; whether they ran to their end.
pub fn play_all(request: &mut impl Request, log: &mut Vec<String>, who: &str, operations: &Value) -> bool {
    for operation in operations.as_array().unwrap() {
        let (line, goes_on) = play(request, operation);
        log.extend(line.map(|line| format!("{who} {line}")));
        if !goes_on {
            return false;
        }
    }
    log.push(format!("{who} end"));
    true
}

/// A shutdown function; whether it ran to its end.
pub fn play_function(request: &mut impl Request, log: &mut Vec<String>, scenario: &Value, function: usize) -> bool {
    let who = format!("sd{function}");
    log.push(format!("{who} in {}", request.status()));
    let ran_through = play_all(request, log, &who, &scenario["sd"][function]);
    if ran_through {
        log.push(format!("{who} out {}", request.status()));
    }
    ran_through
}
