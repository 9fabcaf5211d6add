//! `outlive check --list`: the codes of findings, out of the library's table.

use crate::json::Object;
use crate::output::Answer;
use outlive::diagnostic::Diagnosis;
use std::fmt::Write;

/// The whole table.
pub fn answer(as_json: bool) -> Answer {
    if as_json { Answer::raw(json()) } else { Answer::text(text()) }
}

fn severities(code: Diagnosis) -> impl Iterator<Item = &'static str> {
    code.severities().iter().map(|severity| severity.word())
}

fn text() -> String {
    let width = Diagnosis::ALL.iter().map(|code| code.name().len()).max().unwrap_or_default();
    let mut out = String::new();
    for code in Diagnosis::ALL {
        let severities: Vec<&str> = severities(*code).collect();
        let _ = writeln!(out, "{code:width$}  {:15}  {}", severities.join(" or "), code.sentence());
    }
    out
}

fn json() -> Vec<u8> {
    let mut out = String::from("[");
    for (at, code) in Diagnosis::ALL.iter().enumerate() {
        out.push_str(if at == 0 { "\n  " } else { ",\n  " });
        let mut object = Object::new(&mut out);
        object.text("code", code.name().as_bytes());
        let severities: Vec<String> = severities(*code).map(|word| format!("\"{word}\"")).collect();
        object.key(b"severities").push_str(&format!("[{}]", severities.join(", ")));
        object.text("sentence", code.sentence().as_bytes());
        object.end();
    }
    out.push_str("\n]\n");
    out.into_bytes()
}
