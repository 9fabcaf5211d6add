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

#[test]
fn what_is_read_at_start_is_bounded_in_files_and_lines() {
    let scratch = Scratch::new("bounds");
    for number in 0..1_000 {
        scratch.put(&format!("{number:04}.ini"), "");
    }
    let mut builder = Builder::new(Arc::new(Disk));
    builder.set_scan_dirs(vec![scratch.0.to_str().unwrap(); 101].join(":").as_bytes());
    let error = builder.build().unwrap_err();
    assert_eq!(error.code, Code::TooLarge);
    let text = error.to_string();
    assert!(text.starts_with(scratch.0.to_str().unwrap()) && text.contains("100,000 .ini files"), "{text}");

    let path = scratch.put("php.ini", &"a=\n".repeat(1_000_001));
    let mut builder = Builder::new(Arc::new(Disk));
    builder.load_php_ini(&path).unwrap();
    let error = builder.build().unwrap_err();
    assert_eq!(error.code, Code::TooLarge);
    assert!(error.to_string().starts_with(&format!("{}:1000001: ", path.display())), "{error}");
}

#[test]
fn more_diagnostics_than_anybody_reads_are_not_kept() {
    let scratch = Scratch::new("diagnostics");
    let path = scratch.put("php.ini", &"a=${x}\n".repeat(20_000));
    let mut builder = Builder::new(Arc::new(Disk));
    builder.load_php_ini(&path).unwrap();
    let config = builder.build().unwrap();
    let said = config.diagnostics();
    let last =
        said.iter().find(|one| one.message.contains("more than 10,000")).expect("it is said that there are more");
    assert!(said.len() < 11_100 && last.origin.line == 10_001, "{} {last:?}", said.len());
}

/// Ten links to the same directory, and twelve levels of them.
#[test]
fn a_pool_s_include_that_looks_everywhere_is_refused_where_it_stands() {
    let scratch = Scratch::new("links");
    for link in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
        symlink(".", scratch.0.join(link)).unwrap();
    }
    let text = format!("[global]\ninclude={}/{}x\n", scratch.0.display(), "*/".repeat(12));
    let path = scratch.put("php-fpm.conf", &text);
    let mut builder = Builder::new(Arc::new(Disk));
    builder.load_fpm_pool(&path, None).unwrap();
    let error = builder.build().unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}:2: ", path.display())) && error.contains("narrow it"), "{error}");
}

#[test]
fn a_user_ini_that_is_too_large_is_left_out_and_named() {
    use outlive::target::Target;
    let scratch = Scratch::new("user-ini");
    let (script, ini) = (scratch.put("p.php", ""), scratch.put(".user.ini", "precision = 3\n"));
    let mut builder = Builder::new(Arc::new(Disk));
    builder.set_sapi(b"fpm-fcgi").unwrap();
    let config = builder.build().unwrap();
    let target = Target {
        filename: Some(script.as_os_str().as_bytes()),
        document_root: Some(scratch.0.as_os_str().as_bytes()),
        ..Target::default()
    };
    assert_eq!(config.resolve(&target).unwrap().get(b"precision"), Some(&b"3"[..]));
    std::fs::File::options().write(true).open(&ini).unwrap().set_len(17 << 20).unwrap();
    config.refresh();
    let settings = config.resolve(&target).unwrap();
    assert_eq!(settings.get(b"precision"), Some(&b"14"[..]));
    let said: Vec<String> = settings.diagnostics().iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|one| one.contains(".user.ini") && one.contains("larger than 16 MiB")), "{said:?}");
}
