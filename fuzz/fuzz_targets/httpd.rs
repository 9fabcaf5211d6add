//! A tree of files, as `==== PATH` lines with what follows them: httpd.conf, what it includes, .htaccess, php.ini. The first line
//! of all is the URI that is asked for.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use outlive::files::Memory;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

fuzz_target!(|data: &[u8]| {
    let mut parts = data.split(|&byte| byte == 0x1e);
    let uri = parts.next().unwrap_or_default();
    let mut files = Memory::new().with("/etc/empty", "");
    for part in parts {
        let (path, text) = part.split_at(part.iter().position(|&byte| byte == b'\n').unwrap_or(part.len()));
        if path.first() == Some(&b'/') && path.len() < 200 && !path.contains(&0) {
            files = files.with(Path::new(OsStr::from_bytes(path)), text);
        }
    }
    let config = common::build(files, |builder| drop(builder.load_httpd_conf(Path::new("/etc/httpd.conf"))));
    if let Some(config) = config {
        common::ask(&config, &[uri, b"/p.php", b"/a/b/p.php/info?q"]);
    }
});
