//! Puts `sqlite3.h` where the Makefile finds it: `target/<profile>/include`.

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let path = |name: &str| env::var_os(name).map(PathBuf::from).ok_or_else(|| io::Error::other(format!("no {name}")));
    // OUT_DIR is target/<profile>/build/<package>-<hash>/out.
    let out = path("OUT_DIR")?;
    let profile = out.ancestors().nth(3).ok_or_else(|| io::Error::other("OUT_DIR is too short"))?;
    let include = profile.join("include");
    let header = path("DEP_SQLITE3_INCLUDE")?.join("sqlite3.h");
    fs::create_dir_all(&include)?;
    fs::copy(&header, include.join("sqlite3.h"))?;
    println!("cargo::rerun-if-changed={}", header.display());
    println!("cargo::rerun-if-changed={}", include.join("sqlite3.h").display());
    Ok(())
}
