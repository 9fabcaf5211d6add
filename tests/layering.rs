//! Who may import whom: the data flow of ARCHITECTURE.md, held against the sources. A new arrow that runs against it fails here.
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of the crate from the ground up: each may use those before it, and none behind it.
const CRATE: [&str; 6] = ["ini", "httpd", "config", "request", "engine", "capi"];
/// As [`CRATE`], within `src/httpd`.
const HTTPD: [&str; 6] = ["pattern", "syntax", "expression", "model", "load", "resolve"];
/// Rooms that do not use each other, though one stands before the other.
const APART: [(&str, &str); 1] = [("ini", "httpd")];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The lines of a file that are code, with their numbers: comments and tests may name what they like.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().take_while(|(_, line)| !line.starts_with("#[cfg(test)]"));
    lines.map(|(at, line)| (at + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// What stands behind each `prefix` in a line.
fn named<'l>(line: &'l str, prefix: &'l str) -> impl Iterator<Item = &'l str> {
    line.split(prefix).skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

/// Every import that runs upwards, or between rooms that are apart, as `file:line: what`.
fn arrows_up(root: &str, rooms: &[&str], prefix: &str) -> Vec<String> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join(root);
    let mut wrong = Vec::new();
    for (floor, room) in rooms.iter().enumerate() {
        let mut files = Vec::new();
        sources(&base.join(room), &mut files);
        assert!(!files.is_empty(), "{root}/{room} has no sources: the list in tests/layering.rs is out of date");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            for (number, line) in code(&text) {
                let bad = |name: &&str| {
                    let above = rooms.iter().position(|other| other == name).is_some_and(|other| other > floor);
                    above || APART.contains(&(*name, *room)) || APART.contains(&(*room, *name))
                };
                wrong.extend(named(line, prefix).filter(bad).map(|name| {
                    format!("{}:{number}: {room} uses {name}, which is above it or apart from it", file.display())
                }));
            }
        }
    }
    wrong
}

#[test]
fn no_room_of_the_crate_uses_one_above_it() {
    assert_eq!(arrows_up("src", &CRATE, "crate::"), Vec::<String>::new());
}

#[test]
fn no_room_of_httpd_uses_one_above_it() {
    assert_eq!(arrows_up("src/httpd", &HTTPD, "crate::httpd::"), Vec::<String>::new());
}

/// What is beside the rooms (files, errors, origins) is used by all of them and uses none.
#[test]
fn what_all_rooms_use_uses_none() {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(base).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() || path.file_name().is_some_and(|name| name == "lib.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in code(&text) {
            for name in named(line, "crate::") {
                assert!(!CRATE.contains(&name), "{}:{number} uses {name}", path.display());
            }
        }
    }
}

/// `unsafe` stands in the C interface and in the engine's system calls only.
#[test]
fn unsafe_stays_in_its_rooms() {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&base, &mut files);
    for path in files {
        let inside = path.strip_prefix(&base).unwrap();
        if inside.starts_with("capi") || inside.starts_with("engine/sys") || inside == Path::new("engine/sys.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in code(&text) {
            let uses = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == "unsafe");
            assert!(!uses, "{}:{number}: {line}", path.display());
        }
    }
}

#[test]
fn an_arrow_that_runs_up_is_seen() {
    assert_eq!(named("use crate::engine::Engine;", "crate::").collect::<Vec<_>>(), ["engine"]);
    assert_eq!(code("// use crate::engine;\nlet a = 1;\n#[cfg(test)]\nuse crate::engine;").count(), 1);
}
