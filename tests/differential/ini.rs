//! Holds us against real PHP on random ini texts and quantities.
//!
//!     cargo test --release --test ini_differential -- --texts 200000 [--seed N] [--quantities N]
//!         [--every N] [--mutate] [--from FILE] [--wasm NODE_MODULES] [--versions 7.4,8.3] [--found FILE]
//!
//! Without `--texts` or `--quantities` it does nothing, so that a plain `cargo test` passes it by. Without `--wasm`
//! the machine's `php8.2` is asked; with it, the builds of `@php-wasm/node` that are installed there. `--mutate` breaks real
//! files instead of making texts up. `--every` asks every quantity of up to N characters of those that mean something in one. `--found` gets the texts that differ, one JSON string a line (bytes as Latin-1 code
//! points); `--from` reads such a file.

#[path = "../ini_support/mod.rs"]
mod ini_support;
mod mutate;
mod texts;

use ini_support::{Bytes, MODES, Tables, entries_json, from_latin1, message, to_latin1};
use mutate::Corpus;
use outlive::ini::number::quantity;
use outlive::ini::{Options, constants, tree};
use outlive::version::PhpVersion;
use serde_json::{Value as Json, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use texts::Random;

struct Arguments {
    texts: usize,
    quantities: usize,
    every: u32,
    seed: u64,
    wasm: Option<String>,
    versions: Vec<PhpVersion>,
    found: Option<String>,
    from: Option<String>,
    mutate: bool,
}

fn arguments() -> Arguments {
    let versions = PhpVersion::ALL.to_vec();
    let mut arguments = Arguments {
        texts: 0,
        quantities: 0,
        every: 0,
        seed: 1,
        wasm: None,
        versions,
        found: None,
        from: None,
        mutate: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().expect("a value");
        match word.as_str() {
            "--texts" => arguments.texts = value().parse().expect("a count"),
            "--quantities" => arguments.quantities = value().parse().expect("a count"),
            "--every" => arguments.every = value().parse().expect("a length"),
            "--seed" => arguments.seed = value().parse().expect("a number"),
            "--wasm" => arguments.wasm = Some(value()),
            "--found" => arguments.found = Some(value()),
            "--from" => arguments.from = Some(value()),
            "--mutate" => arguments.mutate = true,
            "--versions" => {
                let list = value();
                arguments.versions = list.split(',').filter_map(PhpVersion::from_text).collect();
            }
            _ => {} // what the test runner is given
        }
    }
    arguments
}

/// Every text of up to `length` characters of an alphabet.
fn every(length: u32) -> impl Iterator<Item = Vec<u8>> {
    const ALPHABET: &[u8] = b"0178fFxXoObBkMG-+ \x0b\0.";
    let count = ALPHABET.len();
    (1..=length).flat_map(move |length| {
        let digit = move |number: usize, place: u32| ALPHABET[number / count.pow(place) % count];
        (0..count.pow(length)).map(move |number| (0..length).map(|place| digit(number, place)).collect())
    })
}

/// How many texts one run of PHP is asked; a WebAssembly build has little memory.
const BATCH: usize = 4000;

fn main() {
    let arguments = arguments();
    if arguments.texts + arguments.quantities + arguments.every as usize == 0 && arguments.from.is_none() {
        println!("differential: nothing asked (--texts N, --quantities N)");
        return;
    }
    let versions = if arguments.wasm.is_some() { arguments.versions.clone() } else { vec![PhpVersion::V8_2] };
    let mut random = Random::new(arguments.seed);
    let mut found = Vec::new();
    let mut compared = 0;
    if let Some(path) = &arguments.from {
        let texts = std::fs::read_to_string(path).expect("a file of texts");
        let texts =
            texts.lines().map(|line| from_latin1(&serde_json::from_str::<String>(line).expect("a JSON string")));
        let texts: Vec<_> = texts.collect();
        for version in &versions {
            compared += compare(&arguments, *version, "texts", &texts, &mut found);
        }
    }
    let corpus = arguments.mutate.then(Corpus::read);
    let mut left = arguments.texts;
    while left > 0 {
        let mut text = || match &corpus {
            Some(corpus) => corpus.text(&mut random),
            None => random.text(),
        };
        let texts: Vec<Vec<u8>> = (0..left.min(BATCH)).map(|_| text()).collect();
        left -= texts.len();
        for version in &versions {
            compared += compare(&arguments, *version, "texts", &texts, &mut found);
        }
        eprintln!("{compared} texts compared, {} differ", found.len());
    }
    let made = (0..arguments.quantities).map(|_| random.quantity());
    let made: Vec<Vec<u8>> = made.chain(every(arguments.every)).collect();
    for texts in made.chunks(BATCH) {
        for version in versions.iter().filter(|version| **version >= PhpVersion::V8_2) {
            compared += compare(&arguments, *version, "quantities", texts, &mut found);
        }
    }
    println!("differential: {compared} texts compared (seed {}), {} differ", arguments.seed, found.len());
    if let Some(path) = &arguments.found {
        let lines: String = found.iter().map(|text| format!("{}\n", json!(to_latin1(text)))).collect();
        std::fs::write(path, lines).expect("the file of findings");
    }
    assert!(found.is_empty(), "PHP answers otherwise");
}

fn compare(
    arguments: &Arguments,
    version: PhpVersion,
    what: &str,
    texts: &[Vec<u8>],
    found: &mut Vec<Vec<u8>>,
) -> usize {
    let answers = ask(arguments.wasm.as_deref(), version, what, texts);
    let tables = tables(version, arguments.wasm.is_none());
    for (text, php) in texts.iter().zip(&answers) {
        let ours = if what == "texts" { our_answers(text, version, &tables) } else { our_quantity(text, version) };
        if ours == *php || (arguments.wasm.is_some() && (of_32_bits(text) || of_one_build(text))) {
            continue;
        }
        if found.len() < 30 {
            println!("{version}: {}", text.escape_ascii());
            let pairs = ours.as_array().into_iter().flatten().zip(php.as_array().into_iter().flatten());
            for (place, (ours, php)) in pairs.enumerate().filter(|(_, (ours, php))| ours != php).take(2) {
                println!("    {place}: ours {ours}\n    {place}: PHP  {php}");
            }
        }
        found.push(text.clone());
    }
    answers.len()
}

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("outlive-differential-{}-{name}", std::process::id()))
}

fn ask(wasm: Option<&str>, version: PhpVersion, what: &str, texts: &[Vec<u8>]) -> Vec<Json> {
    let (input, output) = (scratch("in"), scratch("out"));
    let mut file = std::fs::File::create(&input).expect("a scratch file");
    for text in texts {
        writeln!(file, "{}", json!(to_latin1(text))).expect("a scratch file");
    }
    drop(file);
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential");
    let mut command = match wasm {
        None => {
            let mut command = Command::new("php8.2");
            command.args(["-n", "-d", "memory_limit=256M"]).arg(here.join("ini.php"));
            command
        }
        Some(modules) => {
            let mut command = Command::new("node");
            command.arg(here.join("ini.mjs")).arg(modules).arg(version.to_string());
            command
        }
    };
    // A shell says in `_` what it has started, and a text may ask for that.
    let status = command.env_remove("_").arg(&input).arg(&output).arg(what).status().expect("PHP starts");
    assert!(status.success(), "PHP {version} ends well");
    let answers = std::fs::read_to_string(&output).expect("answers");
    let _ = std::fs::remove_file(input);
    let _ = std::fs::remove_file(output);
    let answers: Vec<Json> = answers.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(answers.len(), texts.len(), "PHP {version} answers every text");
    answers
}

fn tables(version: PhpVersion, native: bool) -> Tables {
    let mut tables = Tables::default();
    for (name, value) in [("FOO", "foo val"), ("BAR", "7"), ("EMPTY", "")] {
        tables.env.insert(name.into(), value.into());
    }
    let mut variables = vec![("memory_limit", "256M")];
    if native {
        variables.extend([("max_execution_time", "0"), ("html_errors", "0")]);
    }
    for (name, value) in variables {
        tables.variables.insert(name.into(), value.into());
    }
    for (name, value) in constants::all(version) {
        tables.constants.insert(name.to_vec(), value.to_vec());
    }
    for (name, value) in [("INI_ALL", "7"), ("M_PI", "3.1415926535898")] {
        tables.constants.insert(name.into(), value.into());
    }
    tables
}

fn our_answers(text: &[u8], version: PhpVersion, tables: &Tables) -> Json {
    let mut answers = Vec::new();
    for (_, mode) in MODES {
        for stop_at_nul in [true, false] {
            for sections in [false, true] {
                answers.push(our_answer(text, Options { mode, version, stop_at_nul, lookup: tables }, sections));
            }
        }
    }
    Json::Array(answers)
}

fn our_answer(text: &[u8], options: Options<'_>, sections: bool) -> Json {
    match tree::parse(text, &options, sections) {
        Ok(tree) => json!({ "r": entries_json(tree.entries(), Bytes::Latin1), "e": null }),
        Err(error) => json!({ "r": false, "e": message(&error, "Unknown") }),
    }
}

fn our_quantity(text: &[u8], version: PhpVersion) -> Json {
    let ours = quantity(text, version);
    let warnings: Vec<Json> = ours.warning.iter().enumerate().map(|(at, text)| json!([at, to_latin1(text)])).collect();
    json!([ours.value, { "a": warnings }])
}

/// `PHP_VERSION` and its like: a WebAssembly build is not the release that the table was recorded from.
fn of_one_build(text: &[u8]) -> bool {
    text.windows(11).enumerate().any(|(at, name)| name == b"PHP_VERSION" && text.get(at + 11) != Some(&b'_'))
}

/// The WebAssembly builds have a 32-bit `long`: an operand that does not fit comes out otherwise than on the 64-bit
/// machines that we speak for. Such texts have an operator and a number of ten digits or more.
fn of_32_bits(text: &[u8]) -> bool {
    let long = text.split(|byte| !byte.is_ascii_digit()).any(|digits| digits.len() >= 10);
    long && text.iter().any(|byte| b"|&^~!".contains(byte))
}
