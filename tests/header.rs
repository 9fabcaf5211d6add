//! `include/outlive.h` says what the library does: generated, committed, never stale, with the version of Cargo.toml.

mod header_support;

use std::fs;
use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The order in which a C programmer reads it. Only the C ABI: constants of other modules are nobody's business.
const SOURCES: [&str; 16] = [
    "constants",
    "text",
    "error",
    "ini",
    "host",
    "builder",
    "search",
    "config",
    "dir_config",
    "settings",
    "engine",
    "request/begin",
    "request",
    "request/ending",
    "scoreboard",
    "render",
];

/// The committed file: cbindgen's answer, section by section.
fn generated() -> String {
    header_support::arranged(&declared())
}

/// As cbindgen writes it.
fn declared() -> String {
    let config = cbindgen::Config::from_root_or_default(ROOT);
    let builder = SOURCES.iter().fold(cbindgen::Builder::new().with_config(config), |builder, name| {
        builder.with_src(Path::new(ROOT).join(format!("src/capi/{name}.rs")))
    });
    let bindings = builder.generate().expect("cbindgen reads src/capi");
    let mut header = Vec::new();
    bindings.write(&mut header);
    String::from_utf8(header).unwrap()
}

#[test]
fn the_committed_header_is_what_the_source_says() {
    let path = Path::new(ROOT).join("include/outlive.h");
    let header = generated();
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &header).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(header == committed, "include/outlive.h is stale: run `make header` and commit it");
}

#[test]
fn the_header_has_the_version_of_the_package() {
    let header = generated();
    let version = env!("CARGO_PKG_VERSION");
    assert!(header.contains(&format!("#define OUTLIVE_VERSION \"{version}\"")));
    for (name, part) in ["MAJOR", "MINOR", "PATCH"].into_iter().zip(version.split('.')) {
        assert!(header.contains(&format!("#define OUTLIVE_VERSION_{name} {part}\n")), "{name}");
    }
}

/// Every function says who may call it, and when.
#[test]
fn every_function_states_its_safety() {
    let header = declared();
    let mut comment = String::new();
    let mut functions = 0;
    for line in header.lines() {
        match line.trim_start() {
            "/**" => comment.clear(),
            text if text.starts_with('*') => comment.push_str(text),
            _ if is_function(line) => {
                functions += 1;
                for word in ["Thread safety:", "Fork safety:", "Signal safety:"] {
                    assert!(comment.contains(word), "{word} is missing at: {line}");
                }
            }
            _ => {}
        }
    }
    assert!(functions >= 30, "only {functions} functions were found");
}

fn is_function(line: &str) -> bool {
    let named = line.contains(" outlive_") || line.contains("*outlive_");
    named && line.starts_with(char::is_alphabetic) && line.contains('(') && !line.starts_with("typedef")
}

/// A C programmer's oldest compiler takes it, and so does one for C++.
#[test]
fn the_header_is_plain_c() {
    for (language, standard) in [("c", "-std=c90"), ("c", "-std=c99"), ("c", "-std=c17"), ("c++", "-std=c++11")] {
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
        let output = Command::new(compiler)
            .args(["-x", language, standard, "-pedantic-errors", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"])
            .arg(Path::new(ROOT).join("include/outlive.h"))
            .output()
            .expect("a C compiler");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{language} {standard}: {said}");
    }
}

/// Each declaration of cbindgen's is in the header once.
#[test]
fn nothing_is_lost_on_the_way() {
    let (declared, header) = (declared(), generated());
    let mut functions = 0;
    for line in declared
        .lines()
        .filter(|line| is_function(line) || line.starts_with("#define ") || line.starts_with("typedef struct"))
    {
        if line.starts_with("#define OUTLIVE_H") {
            continue;
        }
        functions += usize::from(is_function(line));
        let times = |text: &str| text.lines().filter(|other| *other == line).count();
        assert_eq!(times(&header), times(&declared), "{line}");
    }
    assert!(functions > 80, "only {functions} functions were compared");
}
