//! The expression language of `<If>`, and the patterns inside it.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use outlive::files::Memory;
use std::path::Path;

fuzz_target!(|data: &[u8]| {
    if data.contains(&b'\n') || data.len() > 4096 {
        return;
    }
    let quoted: Vec<u8> =
        data.iter().flat_map(|&byte| [&b"\\"[..usize::from(byte == b'"')], &[byte]].concat()).collect();
    let conf = [
        &b"DocumentRoot /w\nLoadModule php_module x\n<If \""[..],
        &quoted,
        b"\">\nphp_value ignore_user_abort 1\n</If>\n<Else>\nphp_value precision 3\n</Else>\n",
    ]
    .concat();
    let files = Memory::new().with("/etc/httpd.conf", conf).with("/w/p.php", "<?php");
    if let Some(config) = common::build(files, |builder| drop(builder.load_httpd_conf(Path::new("/etc/httpd.conf")))) {
        common::ask(&config, &[b"/p.php?a=b"]);
    }
});
