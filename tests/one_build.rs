//! One build of the library serves whoever asks for it alone and whoever asks for the command. Cargo keeps one file of a cdylib: with other features of a
//! dependency it builds the library anew each time that the two are asked for by turns, half a minute each.
use std::collections::BTreeSet;
use std::process::Command;

/// What a package is built with: `name version features`, one for each crate.
fn built_with(package: &str) -> BTreeSet<String> {
    let tree =
        ["tree", "--locked", "--prefix", "none", "--edges", "normal", "--format", "{p} {f}", "--package", package];
    let output = Command::new(env!("CARGO")).args(tree).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| line.trim_end_matches(" (*)").to_string()).collect()
}

#[test]
fn the_command_asks_for_no_feature_that_the_library_lacks() {
    let (library, command) = (built_with("outlive"), built_with("outlive-cli"));
    assert!(library.len() > 5, "cargo tree names few crates: {library:?}");
    let others: Vec<_> = library.difference(&command).collect();
    assert!(
        others.is_empty(),
        "the command builds these with other features; name them in the library's Cargo.toml: {others:?}"
    );
}
