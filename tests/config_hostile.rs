//! Files that are none, cannot be read, or go round in circles: a result, or an error that names file and reason.

use outlive::config::Builder;
use outlive::error::Code;
use outlive::files::Disk;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// A directory of a test's own, gone when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("outlive-hostile-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// What is no regular file, under these names.
    fn strange(&self) -> Vec<PathBuf> {
        let names = ["directory.ini", "pipe.ini", "socket.ini", "loop.ini", "dangling.ini", "zero.ini"];
        let paths: Vec<PathBuf> = names.iter().map(|name| self.0.join(name)).collect();
        std::fs::create_dir(&paths[0]).unwrap();
        assert!(Command::new("mkfifo").arg(&paths[1]).status().unwrap().success());
        drop(UnixListener::bind(&paths[2]).unwrap());
        symlink("loop.ini", &paths[3]).unwrap();
        symlink("nowhere", &paths[4]).unwrap();
        symlink("/dev/zero", &paths[5]).unwrap();
        paths
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn scan(dir: &Path) -> Builder {
    let mut builder = Builder::new(Arc::new(Disk));
    builder.set_scan_dirs(dir.as_os_str().as_bytes());
    builder
}

#[test]
fn a_php_ini_that_is_none_is_an_error_with_its_name() {
    let scratch = Scratch::new("one");
    for path in scratch.strange() {
        let mut builder = Builder::new(Arc::new(Disk));
        let error = builder.load_php_ini(&path).unwrap_err();
        assert_eq!(error.code, Code::Io);
        assert!(error.to_string().starts_with(path.to_str().unwrap()), "{error}");
        let reasons = ["directory", "not a regular file", "symbolic links", "No such file"];
        assert!(reasons.iter().any(|reason| error.to_string().contains(reason)), "{error}");
    }
}

#[test]
fn ten_thousand_files_are_read_and_what_is_no_file_is_passed_over() {
    let scratch = Scratch::new("many");
    for number in 0..10_000 {
        scratch.put(&format!("{number:05}.ini"), &format!("precision = {number}\nuser_agent = ${{precision}}\n"));
    }
    scratch.strange();
    symlink("00007.ini", scratch.0.join("99999.ini")).unwrap(); // read a second time, last
    let config = scan(&scratch.0).build().unwrap();
    assert_eq!(config.base().get(b"precision"), Some(&b"7"[..]));
    assert_eq!(config.base().get(b"user_agent"), Some(&b"7"[..]));
    assert!(config.diagnostics().is_empty(), "{:?}", config.diagnostics());
}

#[test]
fn more_than_can_be_held_is_an_error() {
    let scratch = Scratch::new("large");
    let path = scratch.put("php.ini", "");
    std::fs::File::options().write(true).open(&path).unwrap().set_len(257 << 20).unwrap(); // takes no room on the disk
    let mut builder = Builder::new(Arc::new(Disk));
    builder.load_php_ini(&path).unwrap();
    let error = builder.build().unwrap_err();
    assert_eq!(error.code, Code::TooLarge);
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    let config = scan(&scratch.0).build().unwrap();
    assert_eq!(config.diagnostics().len(), 1, "as PHP, which goes on without it");
    assert!(config.diagnostics()[0].message.contains("256 MiB"), "{:?}", config.diagnostics());
}

/// Each line doubles what the one before has made: sixty lines would be an exabyte.
#[test]
fn values_that_double_end_in_an_error_with_file_and_line() {
    let doubling = |first: &str| {
        let lines = (1..60).map(|line| format!("a{line}=\"${{a{0}}}${{a{0}}}\"\n", line - 1));
        format!("a0={first}\n{}", lines.collect::<String>())
    };
    let scratch = Scratch::new("doubling");
    let path = scratch.put("php.ini", &doubling("0123456789abcdef"));
    let mut builder = Builder::new(Arc::new(Disk));
    builder.load_php_ini(&path).unwrap();
    let error = builder.build().unwrap_err();
    assert_eq!(error.code, Code::TooLarge);
    let text = error.to_string();
    assert!(text.starts_with(&format!("{}:", path.display())) && text.contains("16 MiB"), "{text}");
    std::fs::remove_file(&path).unwrap();
    // Many files share one budget: each of these alone would be within it.
    scratch.put("0.ini", &format!("big={}\n", "x".repeat(1 << 20)));
    for number in 1..40 {
        scratch.put(&format!("{number}.ini"), &format!("big{number}=${{big}}\n"));
    }
    let error = scan(&scratch.0).build().unwrap_err();
    assert_eq!(error.code, Code::TooLarge);
    assert!(error.to_string().contains(".ini:1:"), "{error}");
}

/// Permissions do not bind uid 0, so the asking is done by a child with another.
#[test]
fn what_may_not_be_read_is_named() {
    const PLACE: &str = "OUTLIVE_HOSTILE_PLACE";
    if let Some(place) = std::env::var_os(PLACE) {
        return ask_for_unreadable(Path::new(&place));
    }
    let scratch = Scratch::new("forbidden");
    let forbidden = scratch.put("10.ini", "precision = 1\n");
    scratch.put("20.ini", "precision = 2\n");
    std::fs::set_permissions(&scratch.0, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(&forbidden, PermissionsExt::from_mode(0o000)).unwrap();
    if std::fs::File::open(&forbidden).is_err() {
        return ask_for_unreadable(&scratch.0);
    }
    // Where the build stands, the other user may not come.
    let program = scratch.0.join("asks");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let mut child = Command::new(&program);
    child.args(["--exact", "what_may_not_be_read_is_named"]).env(PLACE, &scratch.0).current_dir("/");
    let output = child.uid(65_534).gid(65_534).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

fn ask_for_unreadable(dir: &Path) {
    let forbidden = dir.join("10.ini");
    let mut builder = Builder::new(Arc::new(Disk));
    let named = builder.load_php_ini(&forbidden).and_then(|()| builder.build()).unwrap_err();
    assert_eq!(named.code, Code::Io);
    let shown = named.to_string();
    assert!(shown.contains("10.ini") && shown.contains("Permission denied"), "{shown}");
    let config = scan(dir).build().unwrap();
    assert_eq!(config.base().get(b"precision"), Some(&b"2"[..]));
    let [diagnostic] = config.diagnostics() else { panic!("{:?}", config.diagnostics()) };
    assert!(diagnostic.message.contains("Permission denied"), "{}", diagnostic.message);
}
