//! The numbered facts of docs/behaviour, held against the repository: a number that is cited exists, and each fact says what holds it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const PAGES: [(&str, u8); 3] = [("ini.md", b'I'), ("httpd.md", b'A'), ("connection.md", b'C')];
/// What is read for citations; recorded data is not.
const TEXTS: [&str; 13] = ["rs", "c", "h", "cpp", "hpp", "py", "php", "md", "toml", "sh", "mk", "mjs", ""];
/// Directories that hold no text of ours.
const LEFT_OUT: [&str; 7] = [".git", "target", "build", "node_modules", "__pycache__", "corpus", "artifacts"];

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).into_owned()
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let (path, name) = (entry.path(), entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && !LEFT_OUT.iter().any(|left_out| name == *left_out) {
            files(&path, found);
        } else if kind.is_file() && TEXTS.iter().any(|end| path.extension().unwrap_or_default() == *end) {
            found.push(path);
        }
    }
}

fn repository() -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(Path::new(ROOT), &mut found);
    found.sort();
    found
}

/// Every `A-000`, `C-000` or `I-000` of a text.
fn cited(text: &str) -> BTreeSet<String> {
    let bytes = text.as_bytes();
    let word = |at: Option<&u8>| at.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let is_number = |at: &usize| {
        let number = &bytes[*at..*at + 5];
        PAGES.iter().any(|(_, letter)| number[0] == *letter)
            && number[1] == b'-'
            && number[2..].iter().all(u8::is_ascii_digit)
            && !word(at.checked_sub(1).map(|before| &bytes[before]))
            && !word(bytes.get(at + 5))
    };
    let starts = 0..bytes.len().saturating_sub(4);
    starts.filter(is_number).map(|at| String::from_utf8_lossy(&bytes[at..at + 5]).into_owned()).collect()
}

/// A fact's number, and what stands in the bracket at its end.
fn facts() -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (page, letter) in PAGES {
        for line in text(&Path::new(ROOT).join("docs/behaviour").join(page)).lines() {
            let Some((number, rest)) = line.strip_prefix("- **").and_then(|line| line.split_once("**")) else {
                continue;
            };
            if cited(number).is_empty() {
                continue;
            }
            assert_eq!(number.as_bytes()[0], letter, "{page}: {number} belongs to another page");
            let bracket = rest.strip_suffix(']').and_then(|rest| rest.rsplit_once('[')).map(|(_, bracket)| bracket);
            let bracket =
                bracket.unwrap_or_else(|| panic!("{page}: {number} does not end with what holds it, in brackets"));
            assert!(all.insert(number.to_owned(), bracket.to_owned()).is_none(), "{page}: {number} is there twice");
        }
    }
    all
}

fn is_below(path: &Path, directory: &str) -> bool {
    path.strip_prefix(ROOT).unwrap().starts_with(directory)
}

/// A test: what stands in a directory of tests, but for this one.
fn is_test(path: &Path) -> bool {
    !path.ends_with("tests/behaviour.rs") && path.parent().unwrap().components().any(|part| part.as_os_str() == "tests")
}

#[test]
fn every_number_that_is_cited_is_a_fact() {
    let facts = facts();
    assert!(facts.len() > 280, "only {} facts were found", facts.len());
    for path in repository().into_iter().filter(|path| !path.ends_with("tests/behaviour.rs")) {
        for number in cited(&text(&path)) {
            assert!(facts.contains_key(&number), "{}: {number} is no fact of docs/behaviour", path.display());
        }
    }
}

#[test]
fn every_fact_says_what_holds_it() {
    let (mut by_tests, mut by_machine) = (BTreeSet::new(), BTreeSet::new());
    for path in repository() {
        if is_test(&path) {
            by_tests.append(&mut cited(&text(&path)));
        } else if is_below(&path, "src/request") || is_below(&path, "src/engine") {
            by_machine.append(&mut cited(&text(&path)));
        }
    }
    // Scenarios say which fact they show; tests/conformance/test plays them.
    for entry in fs::read_dir(Path::new(ROOT).join("tests/conformance/machine")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("scenarios")) {
            by_tests.append(&mut cited(&text(&path)));
        }
    }
    let recorded = recorded();
    for (number, bracket) in facts() {
        match bracket.split_once(' ').unwrap_or((&bracket, "")) {
            ("test", "") => assert!(by_tests.contains(&number), "{number}: no test cites it"),
            ("traces", "") => {
                assert!(by_machine.contains(&number), "{number}: neither src/request nor src/engine cites it")
            }
            ("untested", "") => assert!(!by_tests.contains(&number), "{number}: a test cites it; say [test]"),
            ("cases", names) => {
                for name in names.split(", ") {
                    assert!(
                        recorded.iter().any(|case| meant(name, case)),
                        "{number}: no recorded case is called {name}"
                    );
                }
            }
            _ => panic!("{number}: [{bracket}] is none of [cases …], [test], [traces], [untested]"),
        }
    }
}

/// The names of the recorded ini texts and layouts.
fn recorded() -> BTreeSet<String> {
    let data = Path::new(ROOT).join("tests/conformance");
    let name = |case: &serde_json::Value, key: &str| case[key].as_str().expect("a name").to_owned();
    let mut all = BTreeSet::new();
    for file in ["cases.json", "random.json"] {
        let page: serde_json::Value = serde_json::from_str(&text(&data.join("ini").join(file))).unwrap();
        all.extend(page["cases"].as_array().unwrap().iter().map(|case| name(case, "id")));
    }
    for file in ["layouts.jsonl", "found.jsonl", "estate.jsonl"] {
        for line in text(&data.join("httpd").join(file)).lines().filter(|line| !line.trim().is_empty()) {
            all.insert(name(&serde_json::from_str(line).unwrap(), "name"));
        }
    }
    all
}

/// `name-*`, `name-003..007`, or a name.
fn meant(pattern: &str, case: &str) -> bool {
    if let Some((first, last)) = pattern.split_once("..") {
        let (stem, first) = first.split_at(first.len() - 3);
        return case.strip_prefix(stem).is_some_and(|number| number.len() == 3 && (first..=last).contains(&number));
    }
    match pattern.split_once('*') {
        Some((start, end)) => case.starts_with(start) && case.ends_with(end),
        None => case == pattern,
    }
}

/// A file that a document names is there; one that the map names without its directory is somewhere.
#[test]
fn the_documents_name_files_that_exist() {
    let rooms =
        ["src/", "cli/", "tests/", "bindings/", "include/", "docs/", "packaging/", "benches/", "examples/", "fuzz/"];
    let ends = [".rs", ".c", ".h", ".py", ".tsv"];
    let (all, mut named) = (repository(), 0);
    for document in
        ["ARCHITECTURE.md", "CONTRIBUTING.md", "RELEASING.md", "docs/behaviour/ini.md", "docs/behaviour/httpd.md"]
    {
        let page = text(&Path::new(ROOT).join(document));
        for code in page.split('`').skip(1).step_by(2) {
            let is_path = rooms.iter().any(|room| code.starts_with(room)) && !code.contains([' ', '*', '{', '…']);
            if is_path && !code.chars().any(char::is_uppercase) {
                named += 1;
                assert!(Path::new(ROOT).join(code).exists(), "{document}: {code} is not there");
            } else if document == "ARCHITECTURE.md"
                && ends.iter().any(|end| code.ends_with(end))
                && !code.contains([' ', '*', '/'])
            {
                named += 1;
                assert!(all.iter().any(|path| path.ends_with(code)), "{document}: no file is called {code}");
            }
        }
    }
    assert!(named > 40, "only {named} were found");
}

/// Nothing of the repository leans on a place beside it.
#[test]
fn no_place_outside_the_repository_is_named() {
    let outside = ["../shared", "shared/facts", "shared/cases", "shared/design"];
    for path in repository() {
        if path.ends_with("tests/behaviour.rs") {
            continue;
        }
        let page = text(&path);
        for place in outside {
            assert!(!page.contains(place), "{} names {place}", path.display());
        }
    }
}

#[test]
fn patterns_mean_what_they_say() {
    assert!(
        meant("key-002..007", "key-005") && !meant("key-002..007", "key-008") && !meant("key-002..007", "sys-key-005")
    );
    assert!(meant("bom-*", "bom-001") && meant("ht-static", "ht-static") && !meant("ht", "ht-static"));
    assert_eq!(cited("see C-062, UTF-8, XA-001, A-0011").into_iter().collect::<Vec<_>>(), ["C-062"]);
}
