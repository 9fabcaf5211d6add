//! What the tests of the command share.
#![allow(dead_code)] // no test needs all of it

pub mod roots;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
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

/// mod_php, built for the place: a copy of Debian's in which /etc/php/8.2 is another name of the same length, which leads to the place's
/// own etc/php/8.2. The place's files load it. Keep what this gives: the name goes with it.
pub fn mod_php_of(place: &Place) -> Option<Link> {
    let module = "/usr/lib/apache2/modules/libphp8.2.so";
    let Ok(mut bytes) = fs::read(module) else {
        assert!(!ci(), "{module} is missing: tests/run names the packages");
        eprintln!("left out: {module} is missing");
        return None;
    };
    let seed = std::process::id() as usize * 1000;
    let link = (0..1000).map(|at| PathBuf::from(format!("/tmp/o{:06}", (seed + at) % 1_000_000)));
    let mut link = link.filter(|link| std::os::unix::fs::symlink(place.path("etc/php/8.2"), link).is_ok());
    let link = link.next().expect("a free name");
    let (old, new) = (b"/etc/php/8.2", link.to_str().unwrap().as_bytes());
    assert_eq!(old.len(), new.len());
    let mut seen = 0;
    for at in 0..bytes.len() - old.len() {
        if bytes[at..].starts_with(old) {
            bytes[at..at + old.len()].copy_from_slice(new);
            seen += 1;
        }
    }
    assert!(seen > 0, "{module} is not Debian's");
    fs::write(place.0.join("libphp8.2.so"), bytes).unwrap();
    let load = place.0.join("etc/apache2/mods-available/php8.2.load");
    let text = fs::read_to_string(&load).unwrap();
    fs::write(&load, text.replace(module, &place.path("libphp8.2.so"))).unwrap();
    Some(Link(link))
}

/// A symbolic link that goes when it is dropped.
pub struct Link(pub PathBuf);

impl Drop for Link {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Whether a program is there; where a missing part is a failure, it must be.
pub fn has(program: &str) -> bool {
    let there = Path::new(program).exists();
    if !there {
        assert!(!ci(), "{program} is missing: tests/run names the packages");
        eprintln!("left out: {program} is missing");
    }
    there
}

/// Where a missing part is a failure.
pub fn ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}
