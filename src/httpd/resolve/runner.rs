//! Which program runs a file: PHP, another handler, or none.

use super::handlers::{Work, work};
use crate::httpd::load::data::Data;
use crate::httpd::model::answer::Run;
use crate::httpd::model::dir_config::DirConfig;

/// Why no PHP runs for a request, with the status (0: another server's, not known). `None`: PHP runs, or the files have no
/// LoadModule line and do not say what runs.
pub(crate) fn no_program(data: &Data, run: &Run) -> Option<(u16, String)> {
    if !data.registry.has_loaded() {
        return None;
    }
    let handler = run.handler.as_deref();
    let shown = String::from_utf8_lossy(handler.unwrap_or_default());
    let is_php = |handler: &[u8]| memchr::memmem::find(&handler.to_ascii_lowercase(), b"php").is_some();
    match (handler, work(handler, &data.registry)) {
        (Some(handler), Work::Send) if is_php(handler) => Some((
            run.status,
            format!("no program runs: no module that is loaded knows the handler {shown}, and the source is sent"),
        )),
        (_, Work::Send) => Some((run.status, "no program runs: a plain file".to_owned())),
        // An unknown module may run PHP; so may a program, which can be php-cgi.
        (_, Work::Unknown) | (Some(b"fcgid-script"), _) => None,
        (_, Work::Program) if run.program.is_some() => None,
        (_, Work::Program) => Some((
            0,
            "httpd runs the file itself as a program, whose answer is not known here: PHP only where its first line names php-cgi".into(),
        )),
        (Some(handler), _) if handler.starts_with(b"proxy:") => {
            let fcgi = memchr::memmem::find(handler, b"fcgi://").is_some()
                || memchr::memmem::find(handler, b"balancer://").is_some();
            (!fcgi).then(|| (0, format!("passed on to another server ({shown}), whose answer is not known here")))
        }
        (Some(b"application/x-httpd-php-source"), _) => {
            Some((run.status, format!("no program runs: the handler {shown} shows the source")))
        }
        (Some(b"application/x-httpd-php" | b"php-script"), _) => engine_off(run.containers.iter().map(|one| &*one.values))
            .map(|place| (run.status, format!("no program runs: {place} turns engine off, and the source is sent"))),
        _ => Some((run.status, format!("no PHP runs: the handler {shown} answers"))),
    }
}

/// The line that turns mod_php off.
pub(super) fn engine_off<'v>(values: impl Iterator<Item = &'v DirConfig> + Clone) -> Option<String> {
    // Hardly ever is there such a line.
    values.clone().any(|one| one.iter().any(|value| *value.name == *b"engine")).then_some(())?;
    let merged = values.fold(DirConfig::new(), |all, one| DirConfig::merge(&all, one));
    let engine = merged.iter().find(|value| *value.name == *b"engine")?;
    let off = [&b"0"[..], b"off", b"no", b"false", b""].iter().any(|word| engine.value.eq_ignore_ascii_case(word));
    off.then(|| engine.origin.to_string())
}
