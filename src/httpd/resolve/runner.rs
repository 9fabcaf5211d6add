//! Who runs a file: PHP, or somebody else, or nobody.

use crate::httpd::load::data::Data;
use crate::httpd::model::answer::Run;
use crate::httpd::model::dir_config::DirConfig;

const PHP_MODULES: [&[u8]; 3] = [b"mod_php.c", b"mod_php7.c", b"mod_php5.c"];

/// Why no PHP runs for a request, with the status (0: another server's, not known); none: it runs. Files that load no module leave
/// it to the caller what runs.
pub(crate) fn no_program(data: &Data, run: &Run) -> Option<(u16, String)> {
    if !data.registry.has_loaded() {
        return None;
    }
    let plain = || Some((run.status, "no program runs: a plain file".to_owned()));
    let Some(handler) = run.handler.as_deref().map(<[u8]>::to_ascii_lowercase) else { return plain() };
    let shown = String::from_utf8_lossy(&handler);
    let strangers = !data.registry.strangers().is_empty();
    match &handler[..] {
        b"default-handler" => plain(),
        handler if handler.starts_with(b"proxy:") => {
            let fcgi = memchr::memmem::find(handler, b"fcgi://").is_some()
                || memchr::memmem::find(handler, b"balancer://").is_some();
            (!fcgi).then(|| (0, format!("passed on to another server ({shown}), whose answer is not known here")))
        }
        b"application/x-httpd-php-source" | b"application/x-httpd-phps" => {
            Some((run.status, format!("no program runs: the handler {shown} shows the source")))
        }
        b"application/x-httpd-php" | b"php-script" if PHP_MODULES.iter().any(|name| data.registry.is_loaded(name)) => {
            engine_off(run)
                .map(|place| (run.status, format!("no program runs: {place} turns engine off, and the source is sent")))
        }
        // A program of its own, which may be php-cgi.
        b"cgi-script" | b"fcgid-script" => None,
        _ if strangers => None,
        handler if memchr::memmem::find(handler, b"php").is_some() => Some((
            run.status,
            format!("no program runs: no module that is loaded knows the handler {shown}, and the source is sent"),
        )),
        handler if memchr::memchr(b'/', handler).is_some() => plain(),
        _ => Some((run.status, format!("no PHP runs: the handler {shown} answers"))),
    }
}

/// The line that turns mod_php off.
fn engine_off(run: &Run) -> Option<String> {
    let merged = run.containers.iter().fold(DirConfig::new(), |all, one| DirConfig::merge(&all, &one.values));
    let engine = merged.iter().find(|value| *value.name == *b"engine")?;
    let off = [&b"0"[..], b"off", b"no", b"false", b""].iter().any(|word| engine.value.eq_ignore_ascii_case(word));
    off.then(|| engine.origin.to_string())
}
