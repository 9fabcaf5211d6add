//! `outlive_config` and `outlive_target`

use super::error::{outlive_error, report, report_code};
use super::settings::outlive_settings;
use super::text::{Terminated, optional, outlive_str};
use super::{guard, guard_with, sized_struct};
use crate::config::{Config, Outcome};
use crate::error::Code;
use crate::target::Target;
use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;

/// A configuration: immutable, shared by all threads, counted. To reload, build another and resolve new requests against
/// it; requests in flight keep their settings.
pub struct outlive_config {
    _private: [u8; 0],
}

/// A request header of a target; both NUL-terminated.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct outlive_header {
    /// Its name, in any letter case.
    pub name: *const c_char,
    /// Its value.
    pub value: *const c_char,
}

/// The request that settings are asked for. OUTLIVE_TARGET_INIT sets the size, and the rest to 0. Everything is
/// optional; texts are NUL-terminated, NULL where unknown, and only read during the call. May grow at its end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct outlive_target {
    /// sizeof(outlive_target)
    pub size: usize,
    /// The host that was asked for (the Host header, or the URL's), with or without a port.
    pub server_name: *const c_char,
    /// The local address that was connected to; NULL: 127.0.0.1, or where no virtual host is there, any that has one of the host's name.
    pub server_address: *const c_char,
    /// The local port that was connected to; 0: the scheme's own.
    pub port: c_int,
    /// "http" (as NULL) or "https".
    pub scheme: *const c_char,
    /// The method; NULL: GET.
    pub method: *const c_char,
    /// The request target as received: path and query, still encoded. NULL, and filename NULL too: the settings of the
    /// whole server.
    pub uri: *const c_char,
    /// The file served, where the host knows it; NULL: derived from the httpd configuration. Without a DocumentRoot, no file is looked for:
    /// a server with routes instead of files gets the settings of the path (`<Location>`).
    pub filename: *const c_char,
    /// The document root, where the host knows it.
    pub document_root: *const c_char,
    /// "HTTP/1.1" (as NULL), "HTTP/1.0" …
    pub protocol: *const c_char,
    /// The client's address.
    pub client_address: *const c_char,
    /// Request headers, which `<If>` may test; NULL: none.
    pub headers: *const outlive_header,
    /// How many.
    pub header_count: usize,
}

/// A finding about the configuration that is no error. May grow at its end; `size` says how far.
#[repr(C)]
pub struct outlive_diagnostic {
    /// Bytes that the library wrote.
    pub size: usize,
    /// The file; empty: none.
    pub file: outlive_str,
    /// Line, counted from 1; 0: none.
    pub line: u32,
    /// One of OUTLIVE_SEVERITY_NOTE …
    pub severity: c_int,
    /// A short stable word for programs.
    pub code: outlive_str,
    /// For people: what it is and what to do.
    pub text: outlive_str,
}

/// Sees one diagnostic; it and its texts live until it returns. Returns 0 to see the next one, anything else to end the visit.
/// Must not throw or longjmp.
pub type outlive_diagnostic_visitor =
    Option<unsafe extern "C" fn(userdata: *mut c_void, diagnostic: *const outlive_diagnostic) -> c_int>;

impl outlive_config {
    /// # Safety
    /// `config` is NULL or a reference that the caller owns.
    pub(super) unsafe fn borrow<'a>(config: *const Self) -> Option<&'a Config> {
        // SAFETY: made from an Arc<Config> that the caller keeps alive.
        unsafe { config.cast::<Config>().as_ref() }
    }
}

/// Makes another reference to the same configuration, which also has to be freed. NULL for NULL.
///
/// Thread safety: any thread. Fork safety: yes. Signal safety: yes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_ref(config: *const outlive_config) -> *const outlive_config {
    if !config.is_null() {
        // SAFETY: a reference that the caller owns.
        unsafe { Arc::increment_strong_count(config.cast::<Config>()) };
    }
    config
}

/// Gives a reference back; NULL does nothing. Settings that came from the configuration stay valid.
///
/// Thread safety: any thread. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_free(config: *const outlive_config) {
    if !config.is_null() {
        guard(|| {
            // SAFETY: a reference that the caller owned.
            unsafe { Arc::decrement_strong_count(config.cast::<Config>()) };
            Code::Ok.number()
        });
    }
}

/// Visits the diagnostics of reading, in the order of reading.
///
/// OUTLIVE_ERROR_INTERRUPTED: the visitor asked for no more.
/// Thread safety: any thread. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_diagnostics(
    config: *const outlive_config,
    visit: outlive_diagnostic_visitor,
    userdata: *mut c_void,
) -> c_int {
    guard(|| {
        // SAFETY: NULL or a reference that the caller owns.
        let (Some(config), Some(visit)) = (unsafe { outlive_config::borrow(config) }, visit) else {
            return Code::Argument.number();
        };
        for diagnostic in config.diagnostics() {
            let file = Terminated::new(diagnostic.origin.file.as_deref().unwrap_or_default());
            let (code, text) =
                (Terminated::new(diagnostic.code.name().as_bytes()), Terminated::new(diagnostic.message.as_bytes()));
            let seen = outlive_diagnostic {
                size: size_of::<outlive_diagnostic>(),
                file: file.view(),
                line: diagnostic.origin.line,
                severity: diagnostic.severity as c_int,
                code: code.view(),
                text: text.view(),
            };
            // SAFETY: the host's function with the host's userdata; the texts live through the call.
            if unsafe { visit(userdata, &raw const seen) } != 0 {
                return Code::Interrupted.number();
            }
        }
        Code::Ok.number()
    })
}

/// The settings in force for a target; *out is a reference that the caller owns. Targets to which the same layers apply share
/// one settings object. `target` may be NULL: the settings of the whole server.
///
/// OUTLIVE_ERROR_NOT_SERVED: httpd would answer by itself (400, 403, 404, 500, a redirect); the record says why,
/// outlive_config_status gives the status.
/// Thread safety: any thread. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_resolve(
    config: *const outlive_config,
    target: *const outlive_target,
    out: *mut *const outlive_settings,
    error: *mut outlive_error,
) -> c_int {
    guard_with(error, || {
        // SAFETY: NULL, or what the header says.
        unsafe {
            let Some(config) = outlive_config::borrow(config).filter(|_| !out.is_null()) else {
                return report_code(error, Code::Argument, "outlive_config_resolve: an argument is NULL");
            };
            let resolved = with_target(target, |target| config.resolve(target));
            match resolved {
                Some(Ok(settings)) => {
                    *out = outlive_settings::give(settings);
                    Code::Ok.number()
                }
                Some(Err(failure)) => report(error, &failure),
                None => {
                    report_code(error, Code::Argument, "outlive_target: size or port is wrong; use OUTLIVE_TARGET_INIT")
                }
            }
        }
    })
}

/// What httpd would do with a request. *status 0: a program runs, and outlive_config_resolve gives its settings; otherwise the HTTP
/// status that httpd answers with by itself (301, 400, 403, 404, 500 …), the case of OUTLIVE_ERROR_NOT_SERVED. Without an
/// httpd configuration it is always 0. `target` may be NULL.
///
/// Thread safety: any thread. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_status(
    config: *const outlive_config,
    target: *const outlive_target,
    status: *mut c_int,
    error: *mut outlive_error,
) -> c_int {
    guard_with(error, || {
        // SAFETY: NULL, or what the header says.
        unsafe {
            let Some(config) = outlive_config::borrow(config).filter(|_| !status.is_null()) else {
                return report_code(error, Code::Argument, "outlive_config_status: an argument is NULL");
            };
            match with_target(target, |target| config.outcome(target)) {
                Some(Ok(outcome)) => {
                    let answer = match outcome {
                        Outcome::Run(_) => 0,
                        Outcome::Answer { status, .. } => status.into(),
                    };
                    status.write(answer);
                    Code::Ok.number()
                }
                Some(Err(failure)) => report(error, &failure),
                None => {
                    report_code(error, Code::Argument, "outlive_target: size or port is wrong; use OUTLIVE_TARGET_INIT")
                }
            }
        }
    })
}

/// From now on every .htaccess and .user.ini is read again once. Seldom needed: a .htaccess is looked at for every request, as
/// httpd does, and read again when its device, inode, size, modification or change time is another one; a .user.ini is read again
/// after user_ini.cache_ttl seconds, as PHP does. It is for file systems whose clock is too coarse to tell two changes that leave
/// the same size. Everything else that was read stays as it is: build another configuration for that. NULL does nothing.
///
/// Never waits; requests under way are not disturbed.
/// Thread safety: any thread. Fork safety: yes. Signal safety: yes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_refresh(config: *const outlive_config) {
    // SAFETY: NULL or a reference that the caller owns.
    if let Some(config) = unsafe { outlive_config::borrow(config) } {
        config.refresh();
    }
}

/// # Safety
/// `target` is NULL or valid for the size that it names, and its texts are NUL-terminated.
unsafe fn with_target<T>(target: *const outlive_target, call: impl FnOnce(&Target<'_>) -> T) -> Option<T> {
    if target.is_null() {
        return Some(call(&Target::default()));
    }
    let null = std::ptr::null();
    let none = outlive_target {
        size: 0,
        server_name: null,
        server_address: null,
        port: 0,
        scheme: null,
        method: null,
        uri: null,
        filename: null,
        document_root: null,
        protocol: null,
        client_address: null,
        headers: std::ptr::null(),
        header_count: 0,
    };
    // SAFETY: passed on.
    let target = unsafe { sized_struct(target.cast(), none) }?;
    // SAFETY: NULL or NUL-terminated; read while the caller's call lasts.
    let text = |text: *const c_char| (!text.is_null()).then(|| unsafe { optional(text) });
    let mut headers = Vec::new();
    if !target.headers.is_null() {
        if target.header_count > isize::MAX as usize / size_of::<outlive_header>() {
            return None;
        }
        // SAFETY: as many headers as the caller says, and memory can hold so many.
        let given = unsafe { std::slice::from_raw_parts(target.headers, target.header_count) };
        headers
            .extend(given.iter().map(|header| (text(header.name).unwrap_or(b""), text(header.value).unwrap_or(b""))));
    }
    Some(call(&Target {
        user: None,
        routes: true,
        server_name: text(target.server_name),
        server_address: text(target.server_address),
        port: u16::try_from(target.port).ok()?,
        scheme: text(target.scheme),
        method: text(target.method),
        protocol: text(target.protocol),
        uri: text(target.uri),
        filename: text(target.filename),
        document_root: text(target.document_root),
        client_address: text(target.client_address),
        headers: &headers,
    }))
}
