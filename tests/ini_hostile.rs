//! Texts that are meant to hurt: an answer or an error, in time that grows with their length and no faster.

mod ini_support;

use ini_support::Tables;
use outlive::ini::{Mode, Options, SyntaxError, tree};
use outlive::version::PhpVersion;
use std::time::{Duration, Instant};

fn parse(text: &[u8], mode: Mode, version: PhpVersion) -> (Duration, Result<usize, SyntaxError>) {
    let tables = Tables::default();
    let options = Options { mode, version, stop_at_nul: false, lookup: &tables };
    let start = Instant::now();
    let result = tree::parse(text, &options, true).map(|tree| tree.entries().count());
    (start.elapsed(), result)
}

/// Units that, repeated, have made parsers of ini texts slow or deep.
const UNITS: &[&str] = &[
    "x", "a", " ", "\t", "'", "''", "\"", "\"\"", "a='", "a='\n", "a=\"\n", "a=''\n", "a=x'\n", "\\", "\\\"", "$",
    "$\\", "${", "${a", "${ab:-", "${ab:-\"", "\"${ab:-", "[", "[a", "[\\", "[$", "]", "a[", "a[$", "a[]=1\n",
    "a[-1]=\n", "(", "!", "~", "1|", "|", "a=(", "a=1|", ";", ";\n", "\r", "\n", "\r\n", "=", "a==", "on ", "on\n",
    "a=on ", "a=1 ", "E_ALL ", "a=\0", "\0", "\u{feff}", "-", "1.", "0", "a= ;", "a b ", "[s]\n", "k=v\n",
];

#[test]
fn time_grows_with_the_text() {
    for unit in UNITS {
        for prefix in ["", "a=", "a=\"", "[", "a["] {
            for version in [PhpVersion::V7_4, PhpVersion::V8_2, PhpVersion::V8_4] {
                for mode in [Mode::Normal, Mode::Raw] {
                    let text = |len: usize| format!("{prefix}{}", unit.repeat(len / unit.len())).into_bytes();
                    let (time, _) = parse(&text(60_000), mode, version);
                    // Quadratic work on this would take minutes.
                    assert!(time < Duration::from_secs(5), "{prefix}{unit:?} {version} {mode:?}: {time:?}");
                }
            }
        }
    }
}

#[test]
fn a_million_keys_are_a_million_keys() {
    let keys: String = (0..1_000_000).map(|key| format!("key{key}={key}\n")).collect();
    let (_, count) = parse(keys.as_bytes(), Mode::Normal, PhpVersion::V8_2);
    assert_eq!(count, Ok(1_000_000));
}

#[test]
fn one_line_may_be_very_long() {
    let line = format!("a={}", "x".repeat(100_000_000));
    let (_, count) = parse(line.as_bytes(), Mode::Normal, PhpVersion::V8_2);
    assert_eq!(count, Ok(1));
}

#[test]
fn depth_ends_in_phps_own_message() {
    for deep in ["(", "!", "${ab:-", "\"${ab:-"] {
        let text = format!("\na={}", deep.repeat(1_000_000));
        let (_, result) = parse(text.as_bytes(), Mode::Normal, PhpVersion::V8_4);
        assert_eq!(result, Err(SyntaxError { message: "memory exhausted".to_string(), line: 2 }), "{deep}");
    }
}
