//! FPM pool files, with an included one, and FastCGI parameters.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use outlive::config::FastCgiParam;
use outlive::files::Memory;
use std::path::Path;

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(3, |&byte| byte == 0x1e);
    let mut next = || parts.next().unwrap_or_default();
    let (pool, included, param) = (next(), next(), next());
    let files =
        Memory::new().with("/etc/fpm.conf", pool).with("/etc/pool.d/a.conf", included).with("/w/p.php", "<?php");
    let config = common::build(files, |builder| {
        drop(builder.set_sapi(b"fpm-fcgi"));
        drop(builder.load_fpm_pool(Path::new("/etc/fpm.conf"), None));
        builder.fastcgi_param(FastCgiParam::Value, param);
        builder.fastcgi_param(FastCgiParam::AdminValue, param);
    });
    if let Some(config) = config {
        common::ask(&config, &[b"/p.php"]);
    }
});
