//! Handlers by name, and the modules that provide them. A file whose handler no loaded module provides is sent as it is.

use crate::httpd::syntax::modules::Registry;

/// What a handler does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// It sends the file.
    Send,
    /// It runs or shows the file.
    File,
    /// It runs the file as a program of its own.
    Program,
    /// It answers whether or not the file exists.
    Anything,
    /// No known module provides it, and an unknown module is loaded that might.
    Unknown,
}

/// A handler, what it does, and the modules that provide it.
type Known = (&'static [u8], Work, &'static [&'static [u8]]);

const KNOWN: [Known; 28] = [
    (b"application/x-httpd-php", Work::File, &[b"mod_php.c", b"mod_php7.c", b"mod_php5.c"]),
    (b"application/x-httpd-php-source", Work::File, &[b"mod_php.c", b"mod_php7.c", b"mod_php5.c"]),
    (b"php-script", Work::File, &[b"mod_php.c", b"mod_php7.c"]),
    (b"cgi-script", Work::Program, &[b"mod_cgi.c", b"mod_cgid.c"]),
    (b"fcgid-script", Work::Program, &[b"mod_fcgid.c", b"fcgid_module"]),
    (b"send-as-is", Work::File, &[b"mod_asis.c"]),
    (b"httpd/send-as-is", Work::File, &[b"mod_asis.c"]),
    (b"type-map", Work::File, &[b"mod_negotiation.c"]),
    (b"application/x-type-map", Work::File, &[b"mod_negotiation.c"]),
    (b"imap-file", Work::File, &[b"mod_imagemap.c"]),
    (b"application/x-httpd-imap", Work::File, &[b"mod_imagemap.c"]),
    (b"lua-script", Work::File, &[b"mod_lua.c"]),
    (b"wsgi-script", Work::File, &[b"mod_wsgi.c", b"wsgi_module"]),
    (b"perl-script", Work::Anything, &[b"mod_perl.c", b"perl_module"]),
    (b"modperl", Work::Anything, &[b"mod_perl.c", b"perl_module"]),
    (b"server-status", Work::Anything, &[b"mod_status.c"]),
    (b"server-info", Work::Anything, &[b"mod_info.c"]),
    (b"balancer-manager", Work::Anything, &[b"mod_proxy_balancer.c"]),
    (b"ldap-status", Work::Anything, &[b"util_ldap.c"]),
    (b"http2-status", Work::Anything, &[b"mod_http2.c"]),
    (b"md-status", Work::Anything, &[b"mod_md.c"]),
    (b"dav-handler", Work::Anything, &[b"mod_dav.c"]),
    (b"proxy-server", Work::Anything, &[b"mod_proxy.c"]),
    (b"isapi-handler", Work::Program, &[b"mod_isapi.c"]),
    (b"outlive-settings", Work::Anything, &[b"mod_outlive.c"]),
    (b"outlive-settings-as-php", Work::Anything, &[b"mod_outlive.c"]),
    (b"outlive-status", Work::Anything, &[b"mod_outlive.c"]),
    (b"outlive-metrics", Work::Anything, &[b"mod_outlive.c"]),
];

/// What this handler does; a media type counts as a handler of that name.
pub(super) fn work(handler: Option<&[u8]>, registry: &Registry) -> Work {
    let Some(handler) = handler.filter(|handler| *handler != b"default-handler") else { return Work::Send };
    if handler.starts_with(b"proxy:") {
        return Work::File;
    }
    if let Some((_, work, modules)) = KNOWN.iter().find(|(name, ..)| *name == handler) {
        let has_one = modules.iter().any(|module| registry.is_loaded(module));
        return if has_one { *work } else { Work::Send };
    }
    // Without a LoadModule line, unknown modules may be compiled in.
    let others = !registry.has_loaded() || !registry.strangers().is_empty();
    // What panels call their PHPs is a handler, though it looks like a media type.
    let media = memchr::memchr(b'/', handler).is_some() && !handler.starts_with(b"application/x-httpd-");
    if others && !media { Work::Unknown } else { Work::Send }
}
