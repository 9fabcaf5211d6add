//! What the tests of the command share.
#![allow(dead_code)] // no test needs all of it

use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A directory of a test's own, gone when the test is over.
pub struct Place(pub PathBuf);

impl Place {
    pub fn new(name: &str, files: &[(&str, &[u8])]) -> Self {
        let root = std::env::temp_dir().join(format!("outlive-command-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for (file, text) in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Place(root)
    }

    pub fn path(&self, file: &str) -> String {
        self.0.join(file).to_str().unwrap().to_owned()
    }

    pub fn run(&self, args: &[&str]) -> Output {
        command().args(args).current_dir(&self.0).output().unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outlive"));
    command.env_remove("PHPRC").env_remove("PHP_INI_SCAN_DIR");
    command
}

pub fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub fn json(output: &Output) -> Value {
    serde_json::from_str(&out(output)).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Debian's files of apache2 and PHP below a directory of the test's own: etc/apache2, etc/php/8.2, usr/lib/php/8.2. They come out of
/// the packages, so nothing that is installed or enabled here changes them. False: the packages cannot be had.
pub fn debian(place: &Place) -> bool {
    fs::create_dir_all(&place.0).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/stock/debian");
    let output = Command::new(script).arg(&place.0).output().unwrap();
    if output.status.code() == Some(3) {
        assert!(!ci(), "Debian's packages cannot be had: {}", err(&output));
        eprintln!("left out: Debian's packages cannot be had: {}", err(&output));
        return false;
    }
    assert!(output.status.success(), "{output:?}");
    true
}

/// Where a missing part is a failure.
pub fn ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}
