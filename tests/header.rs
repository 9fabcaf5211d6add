//! `include/outlive.h` says what the library does: generated, committed, never stale, with the version of Cargo.toml.

use std::fs;
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The order in which a C programmer reads it. Only the C ABI: constants of other modules are nobody's business.
const SOURCES: [&str; 13] = [
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
    "request",
    "scoreboard",
];

fn generated() -> String {
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
    let header = generated();
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
