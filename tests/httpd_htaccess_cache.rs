//! When an `.htaccess` is read again: whenever its stamp is another one, and once after a refresh; from memory and from disk.
#![cfg(unix)]

use outlive::config::{Builder, Config, Outcome};
use outlive::files::{Disk, Files, Kind, Stamp};
use outlive::target::Target;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// One `.htaccess` in memory, which counts how often it is read, and whose stamp is what the test says.
struct Counting {
    text: Mutex<Option<&'static str>>,
    stamp: AtomicU64,
    reads: AtomicUsize,
}

impl Files for Counting {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        if path == Path::new("/c/httpd.conf") {
            return Ok(b"LoadModule php_module x\nLoadModule dir_module x\n<Directory /w/a>\nAllowOverride All\n</Directory>\n\
                        <Directory />\nAllowOverride None\n</Directory>\nDocumentRoot /w\n"
                .to_vec());
        }
        if path != Path::new("/w/a/.htaccess") {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.text.lock().unwrap().map(|text| text.as_bytes().to_vec()).ok_or(io::ErrorKind::NotFound.into())
    }
    fn kind(&self, path: &Path) -> io::Result<Kind> {
        Ok(if path.extension().is_some() { Kind::File } else { Kind::Directory })
    }
    fn is_symlink(&self, _: &Path) -> bool {
        false
    }
    fn stamp(&self, path: &Path) -> io::Result<Option<Stamp>> {
        if path != Path::new("/w/a/.htaccess") || self.text.lock().unwrap().is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let stamp = self.stamp.load(Ordering::Relaxed);
        // 0: a store that has nothing to know a file by.
        Ok((stamp > 0).then_some(Stamp { place: (1, 1), size: 1, changed: (stamp.into(), 0) }))
    }
    fn list(&self, _: &Path) -> io::Result<Vec<OsString>> {
        Ok(Vec::new())
    }
}

fn config(files: Arc<dyn Files + Send + Sync>, conf: &Path) -> Config {
    let mut builder = Builder::new(files);
    builder.load_httpd_conf(&PathBuf::from(conf)).expect("is there");
    builder.build().expect("builds")
}

fn user_agent(config: &Config, file: &Path) -> String {
    let name = file.to_str().expect("UTF-8").as_bytes();
    let target = Target { uri: Some(b"/a/p.php"), filename: Some(name), ..Target::default() };
    match config.outcome(&target).expect("resolves") {
        Outcome::Run(settings) => String::from_utf8_lossy(settings.get(b"user_agent").expect("is one")).into_owned(),
        Outcome::Answer { status, because, .. } => format!("{status} {because}"),
    }
}

#[test]
fn a_file_is_read_again_when_its_stamp_changes() {
    let files = Arc::new(Counting {
        text: Mutex::new(Some("php_value user_agent one\n")),
        stamp: AtomicU64::new(1),
        reads: AtomicUsize::new(0),
    });
    let config = config(files.clone(), Path::new("/c/httpd.conf"));
    let ask = || user_agent(&config, Path::new("/w/a/p.php"));
    let reads = || files.reads.load(Ordering::Relaxed);
    assert_eq!([ask(), ask(), ask()], ["one", "one", "one"]);
    assert_eq!(reads(), 1);

    *files.text.lock().unwrap() = Some("php_value user_agent two\n");
    assert_eq!(ask(), "one", "the stamp is the same");
    files.stamp.store(2, Ordering::Relaxed);
    assert_eq!([ask(), ask()], ["two", "two"]);
    assert_eq!(reads(), 2);

    *files.text.lock().unwrap() = Some("php_value user_agent three\n");
    config.refresh();
    assert_eq!([ask(), ask()], ["three", "three"]);
    assert_eq!(reads(), 3);

    // Gone, and there again: nothing is remembered of a file that is not there.
    *files.text.lock().unwrap() = None;
    assert_eq!(ask(), "");
    *files.text.lock().unwrap() = Some("php_value user_agent four\n");
    files.stamp.store(3, Ordering::Relaxed);
    assert_eq!(ask(), "four");

    // What is refused is refused each time, and what depends on other files is read each time.
    *files.text.lock().unwrap() = Some("Nonsense\n");
    files.stamp.store(4, Ordering::Relaxed);
    assert!(ask().starts_with("500 ") && ask().contains("/w/a/.htaccess:1"));
    *files.text.lock().unwrap() = Some("<IfFile /w/x.txt>\nphp_value user_agent five\n</IfFile>\n");
    files.stamp.store(5, Ordering::Relaxed);
    let before = reads();
    assert_eq!([ask(), ask()], ["five", "five"]);
    assert_eq!(reads(), before + 2);

    // Without a stamp, each time.
    files.stamp.store(0, Ordering::Relaxed);
    *files.text.lock().unwrap() = Some("php_value user_agent six\n");
    assert_eq!(ask(), "six");
    *files.text.lock().unwrap() = Some("php_value user_agent seven\n");
    assert_eq!(ask(), "seven");
}

#[test]
fn a_change_on_disk_is_seen_at_once() {
    let place = std::env::temp_dir().join(format!("outlive-htaccess-{}", std::process::id()));
    std::fs::create_dir_all(place.join("w/a")).expect("mkdir");
    let conf = place.join("httpd.conf");
    let root = place.join("w");
    let text = format!(
        "LoadModule php_module x\nDocumentRoot {0}\n<Directory {0}>\nAllowOverride All\n</Directory>\n",
        root.display()
    );
    std::fs::write(&conf, text).expect("write");
    let (file, htaccess) = (root.join("a/p.php"), root.join("a/.htaccess"));
    std::fs::write(&file, "").expect("write");
    let config = config(Arc::new(Disk), &conf);
    assert_eq!(user_agent(&config, &file), "");
    // Of different lengths, so that no clock has to be fine enough; and one that is moved there.
    for text in ["a", "bb", "ccc", "d"] {
        std::fs::write(&htaccess, format!("php_value user_agent {text}\n")).expect("write");
        assert_eq!([user_agent(&config, &file), user_agent(&config, &file)], [text, text]);
    }
    std::fs::write(root.join("new"), "php_value user_agent e\n").expect("write");
    std::fs::rename(root.join("new"), &htaccess).expect("rename");
    assert_eq!(user_agent(&config, &file), "e");
    std::fs::write(&htaccess, "php_value user_agent f\n").expect("write");
    config.refresh();
    assert_eq!(user_agent(&config, &file), "f");
    std::fs::remove_file(&htaccess).expect("remove");
    assert_eq!(user_agent(&config, &file), "");
    std::fs::remove_dir_all(&place).expect("remove");
}

#[test]
fn many_threads_see_one_change() {
    let files = Arc::new(Counting {
        text: Mutex::new(Some("php_value user_agent one\n")),
        stamp: AtomicU64::new(1),
        reads: AtomicUsize::new(0),
    });
    let config = config(files.clone(), Path::new("/c/httpd.conf"));
    let ask = || user_agent(&config, Path::new("/w/a/p.php"));
    for (round, text) in [(2, "two"), (3, "three"), (4, "four")] {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..200).for_each(|_| assert!(["one", "two", "three", "four"].contains(&&*ask()))));
            }
            *files.text.lock().unwrap() = Some(match text {
                "two" => "php_value user_agent two\n",
                "three" => "php_value user_agent three\n",
                _ => "php_value user_agent four\n",
            });
            files.stamp.store(round, Ordering::Relaxed);
        });
        assert_eq!(ask(), text);
    }
}
