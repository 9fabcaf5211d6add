//! `outlive_config_builder`, `outlive_config` and `outlive_target`

use super::error::{outlive_error, report, report_code};
use super::host::outlive_destroy_function;
use super::settings::outlive_settings;
use super::text::{Terminated, bytes, optional, outlive_str};
use super::{guard, sized_struct};
use crate::config::{Access, Builder, Check, Config, Directive};
use crate::error::{Code, Error};
use crate::files::Disk;
use crate::target::Target;
use crate::version::PhpVersion;
use std::ffi::{OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;

/// Collects files, definitions and options, and makes a configuration of them. One thread at a time. Nothing is read from
/// the process's environment, and no file is read, unless it is asked for.
pub struct outlive_config_builder {
    /// None once built.
    builder: Option<Builder>,
}

/// A configuration: immutable, shared by all threads, counted. To reload, build another and resolve new requests against
/// it; requests in flight keep their settings.
pub struct outlive_config {
    _private: [u8; 0],
}

/// A directive of the host's own. OUTLIVE_DIRECTIVE_INIT sets the size, access to OUTLIVE_ACCESS_ALL, and the rest to 0. May
/// grow at its end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct outlive_directive {
    /// sizeof(outlive_directive)
    pub size: usize,
    /// Its name, NUL-terminated; copied.
    pub name: *const c_char,
    /// Who may change it: OUTLIVE_ACCESS_… bits.
    pub access: c_int,
    /// Its default, NUL-terminated; copied. NULL: none, which reads as empty.
    pub default_value: *const c_char,
    /// Says whether it takes a value: not 0, yes. NULL: it takes anything. Any thread may call it, several at once; it
    /// must not throw, longjmp, or call the library.
    pub check: outlive_check_function,
    /// Handed to check.
    pub userdata: *mut c_void,
    /// Gets userdata when no configuration needs it any more; may be NULL. If registering fails, userdata stays the caller's.
    pub destroy: outlive_destroy_function,
}

/// Says whether a directive takes a value: not 0, yes.
pub type outlive_check_function =
    Option<unsafe extern "C" fn(userdata: *mut c_void, value: *const c_char, len: usize) -> c_int>;

/// A request header of a target; both NUL-terminated.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct outlive_header {
    /// Its name, in any letter case.
    pub name: *const c_char,
    /// Its value.
    pub value: *const c_char,
}

/// What a request asks for. OUTLIVE_TARGET_INIT sets the size, and the rest to 0. Everything is optional; texts are
/// NUL-terminated, NULL where unknown, and only read during the call. May grow at its end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct outlive_target {
    /// sizeof(outlive_target)
    pub size: usize,
    /// The host that was asked for (the Host header, or the URL's), with or without a port.
    pub server_name: *const c_char,
    /// The local address that was connected to.
    pub server_address: *const c_char,
    /// The local port that was connected to; 0: the scheme's own.
    pub port: c_int,
    /// "http" (as NULL) or "https".
    pub scheme: *const c_char,
    /// The method; NULL: GET.
    pub method: *const c_char,
    /// The request target as it came: path and query, still encoded; NULL, and filename NULL too: what holds for the whole
    /// server.
    pub uri: *const c_char,
    /// The file served, where the host knows it; NULL: derived from the httpd configuration.
    pub filename: *const c_char,
    /// The document root, where the host knows it.
    pub document_root: *const c_char,
    /// "HTTP/1.1" (as NULL), "HTTP/1.0" …
    pub protocol: *const c_char,
    /// The client's address.
    pub client_address: *const c_char,
    /// Request headers that <If> may ask for; NULL: none.
    pub headers: *const outlive_header,
    /// How many.
    pub header_count: usize,
}

/// Something odd that was met while reading configuration. May grow at its end; `size` says how far.
#[repr(C)]
pub struct outlive_diagnostic {
    /// Bytes that the library wrote.
    pub size: usize,
    /// The file; empty: none.
    pub file: outlive_str,
    /// Line, counted from 1; 0: none.
    pub line: u32,
    /// 0 note, 1 warning, 2 error.
    pub severity: c_int,
    /// A short stable word for programs.
    pub code: outlive_str,
    /// For people: what it is and what to do.
    pub text: outlive_str,
}

/// Sees one diagnostic; it and its texts live until it returns. Not 0: no more. Must not throw or longjmp.
pub type outlive_diagnostic_visitor =
    Option<unsafe extern "C" fn(userdata: *mut c_void, diagnostic: *const outlive_diagnostic) -> c_int>;

fn path(text: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(text))
}

/// Calls with the builder; its error goes to the caller's record.
///
/// # Safety
/// `builder` is NULL or a builder; `error` is NULL or valid for writing.
unsafe fn with(
    builder: *mut outlive_config_builder,
    error: *mut outlive_error,
    call: impl FnOnce(&mut Builder) -> Result<(), Error>,
) -> c_int {
    guard(|| {
        // SAFETY: NULL or a builder that no other thread uses.
        let builder = unsafe { builder.as_mut() }.and_then(|builder| builder.builder.as_mut());
        let done = match builder {
            Some(builder) => call(builder),
            None => Err(Error::new(Code::Argument, "the builder is NULL, or has been built already")),
        };
        match done {
            Ok(()) => Code::Ok.number(),
            // SAFETY: NULL or the caller's record.
            Err(failure) => unsafe { report(error, &failure) },
        }
    })
}

fn argument(what: &str) -> impl FnOnce(Code) -> Error {
    move |code| Error::new(code, format!("{what} is NULL, or its length makes no sense"))
}

/// A builder with nothing loaded: PHP's defaults. Freed with outlive_config_builder_free. NULL: no memory.
///
/// Thread safety: any thread. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub extern "C" fn outlive_config_builder_new() -> *mut outlive_config_builder {
    let mut made = std::ptr::null_mut();
    guard(|| {
        let builder = Some(Builder::new(Arc::new(Disk)));
        made = Box::into_raw(Box::new(outlive_config_builder { builder }));
        Code::Ok.number()
    });
    made
}

/// Frees a builder, built or not; NULL does nothing.
///
/// Thread safety: one thread at a time. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_builder_free(builder: *mut outlive_config_builder) {
    if !builder.is_null() {
        guard(|| {
            // SAFETY: made by outlive_config_builder_new and not freed before.
            drop(unsafe { Box::from_raw(builder) });
            Code::Ok.number()
        });
    }
}

/// The PHP that is the model, as PHP_VERSION_ID: 70400 to 80500; 80200 if never called.
///
/// OUTLIVE_ERROR_ARGUMENT: not a version that is known.
/// Thread safety: one thread at a time. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_builder_set_php_version(
    builder: *mut outlive_config_builder,
    version: u32,
    error: *mut outlive_error,
) -> c_int {
    // SAFETY: the header's contract.
    unsafe {
        with(builder, error, |builder| {
            let known = PhpVersion::from_id(version).ok_or_else(|| {
                let text = format!("PHP version {version} is not known; use 70400 (7.4) to 80500 (8.5), such as 80200");
                Error::new(Code::Argument, text)
            })?;
            builder.set_php_version(known);
            Ok(())
        })
    }
}

/// The SAPI that is the model: "apache2handler", "fpm-fcgi", "cgi-fcgi", "cli-server", "cli". If never called: a web server
/// without a SAPI's own overrides.
///
/// Thread safety: one thread at a time. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_builder_set_sapi(
    builder: *mut outlive_config_builder,
    name: *const c_char,
    len: usize,
    error: *mut outlive_error,
) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(builder, error, |builder| builder.set_sapi(bytes(name, len).map_err(argument("the SAPI's name"))?)) }
}

/// One variable that ${NAME}, PHPRC and PHP_INI_SCAN_DIR may see.
///
/// Thread safety: one thread at a time. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_builder_set_env(
    builder: *mut outlive_config_builder,
    name: *const c_char,
    len: usize,
    value: *const c_char,
    value_len: usize,
    error: *mut outlive_error,
) -> c_int {
    // SAFETY: the header's contract.
    unsafe {
        with(builder, error, |builder| {
            let name = bytes(name, len).map_err(argument("the variable's name"))?;
            builder.set_env(name, bytes(value, value_len).map_err(argument("the variable's value"))?);
            Ok(())
        })
    }
}

/// All variables of the process, as they are now, but for those that were set before.
///
/// Thread safety: one thread at a time, and none may change the environment meanwhile. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_builder_use_process_env(builder: *mut outlive_config_builder) -> c_int {
    // SAFETY: the header's contract.
    unsafe {
        with(builder, std::ptr::null_mut(), |builder| {
            builder.use_env(std::env::vars_os().map(|(name, value)| (name.into_vec(), value.into_vec())));
            Ok(())
        })
    }
}

/// As php -d name=value: on top of php.ini.
///
/// Thread safety: one thread at a time. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_builder_set(
    builder: *mut outlive_config_builder,
    name: *const c_char,
    len: usize,
    value: *const c_char,
    value_len: usize,
    error: *mut outlive_error,
) -> c_int {
    // SAFETY: the header's contract.
    unsafe {
        with(builder, error, |builder| {
            let name = bytes(name, len).map_err(argument("the directive's name"))?;
            builder.set(name, Some(bytes(value, value_len).map_err(argument("the directive's value"))?))
        })
    }
}

/// One php.ini; later ones override earlier ones. `path` NULL: PHP's own search, scan directories included; finding nothing is
/// no error then.
///
/// OUTLIVE_ERROR_IO: the file cannot be read, or is none. Syntax errors are diagnostics: PHP starts all the same.
/// Thread safety: one thread at a time. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_builder_load_php_ini(
    builder: *mut outlive_config_builder,
    path: *const c_char,
    len: usize,
    error: *mut outlive_error,
) -> c_int {
    // SAFETY: the header's contract.
    unsafe {
        with(builder, error, |builder| {
            if path.is_null() {
                builder.search_php_ini();
                return Ok(());
            }
            builder.load_php_ini(self::path(bytes(path, len).map_err(argument("the path"))?))
        })
    }
}

/// Apache's main configuration file, with everything that it includes.
///
/// OUTLIVE_ERROR_IO: the file cannot be read, or is none. What httpd would refuse to start on shows at
/// outlive_config_builder_build.
/// Thread safety: one thread at a time. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_builder_load_httpd_conf(
    builder: *mut outlive_config_builder,
    path: *const c_char,
    len: usize,
    error: *mut outlive_error,
) -> c_int {
    // SAFETY: the header's contract.
    unsafe {
        with(builder, error, |builder| {
            builder.load_httpd_conf(self::path(bytes(path, len).map_err(argument("the path"))?))
        })
    }
}

/// A pool of a PHP-FPM configuration; `pool` NULL: the first one.
///
/// OUTLIVE_ERROR_IO: the file cannot be read, or is none.
/// Thread safety: one thread at a time. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_builder_load_fpm_pool(
    builder: *mut outlive_config_builder,
    path: *const c_char,
    len: usize,
    pool: *const c_char,
    pool_len: usize,
    error: *mut outlive_error,
) -> c_int {
    // SAFETY: the header's contract.
    unsafe {
        with(builder, error, |builder| {
            let path = self::path(bytes(path, len).map_err(argument("the path"))?);
            let pool = if pool.is_null() { None } else { Some(bytes(pool, pool_len).map_err(argument("the pool"))?) };
            builder.load_fpm_pool(path, pool)
        })
    }
}

/// httpd's -D NAME (value NULL), or Define NAME VALUE before its first line.
///
/// Thread safety: one thread at a time. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_builder_define(
    builder: *mut outlive_config_builder,
    name: *const c_char,
    len: usize,
    value: *const c_char,
    value_len: usize,
    error: *mut outlive_error,
) -> c_int {
    // SAFETY: the header's contract.
    unsafe {
        with(builder, error, |builder| {
            let name = bytes(name, len).map_err(argument("the name"))?;
            let value =
                if value.is_null() { None } else { Some(bytes(value, value_len).map_err(argument("the value"))?) };
            builder.define(name, value);
            Ok(())
        })
    }
}

/// The host's check function with its userdata, which is destroyed with the last configuration that needs it.
struct HostCheck {
    check: outlive_check_function,
    userdata: *mut c_void,
    destroy: outlive_destroy_function,
}

// SAFETY: the header says that any thread may call the check, several at once.
unsafe impl Send for HostCheck {}
// SAFETY: as above.
unsafe impl Sync for HostCheck {}

impl HostCheck {
    fn accepts(&self, value: &[u8]) -> bool {
        // SAFETY: the host's function with the host's userdata; the bytes live through the call.
        self.check.is_none_or(|check| unsafe { check(self.userdata, value.as_ptr().cast(), value.len()) } != 0)
    }
}

impl Drop for HostCheck {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the host's function with the host's userdata, once.
            unsafe { destroy(self.userdata) };
        }
    }
}

/// Makes a directive of the host's own known: it can be set, locked and explained like PHP's.
///
/// OUTLIVE_ERROR_ARGUMENT: no name, access bits that make no sense, a wrong size. A name that is taken shows at
/// outlive_config_builder_build.
/// Thread safety: one thread at a time. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_builder_register(
    builder: *mut outlive_config_builder,
    directive: *const outlive_directive,
    error: *mut outlive_error,
) -> c_int {
    // SAFETY: the header's contract.
    unsafe { with(builder, error, |builder| register(builder, directive)) }
}

/// # Safety
/// `directive` is NULL or valid for the size that it names.
unsafe fn register(builder: &mut Builder, directive: *const outlive_directive) -> Result<(), Error> {
    let none = outlive_directive {
        size: 0,
        name: std::ptr::null(),
        access: Access::ALL.0.into(),
        default_value: std::ptr::null(),
        check: None,
        userdata: std::ptr::null_mut(),
        destroy: None,
    };
    let wrong = |text: &str| Error::new(Code::Argument, format!("outlive_directive: {text}"));
    if directive.is_null() {
        return Err(wrong("it is NULL"));
    }
    // SAFETY: passed on.
    let directive = unsafe { sized_struct(directive.cast(), none) }
        .ok_or_else(|| wrong("size is wrong; use OUTLIVE_DIRECTIVE_INIT"))?;
    // SAFETY: NULL or NUL-terminated.
    let (name, default) = unsafe { (optional(directive.name), optional(directive.default_value)) };
    let access = u8::try_from(directive.access).ok().filter(|bits| (1..=7).contains(bits));
    let access = Access(access.ok_or_else(|| wrong("access must be OUTLIVE_ACCESS_… bits, 1 to 7"))?);
    if name.is_empty() {
        return Err(wrong("name is NULL or empty"));
    }
    let default = (!directive.default_value.is_null()).then_some(default);
    let host = HostCheck { check: directive.check, userdata: directive.userdata, destroy: directive.destroy };
    let check = Check::Host(Arc::new(move |value| host.accepts(value)));
    builder.register(Directive::new(name, access, default).with_check(check))
}

/// Reads everything and makes the configuration; *out is a reference that the caller owns. What was loaded is used up,
/// whether it succeeds or not; the builder is then freed as usual. With nothing loaded: PHP's defaults.
///
/// OUTLIVE_ERROR_IO: a file cannot be read. OUTLIVE_ERROR_REFUSED: httpd or FPM would refuse to start, with file and line.
/// OUTLIVE_ERROR_TOO_LARGE: too large or nested too deeply. Whatever else is odd: outlive_config_diagnostics.
/// Thread safety: one thread at a time. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_builder_build(
    builder: *mut outlive_config_builder,
    out: *mut *mut outlive_config,
    error: *mut outlive_error,
) -> c_int {
    guard(|| {
        // SAFETY: NULL, or what the header says.
        unsafe {
            let Some(builder) = builder.as_mut().filter(|_| !out.is_null()) else {
                return report_code(error, Code::Argument, "outlive_config_builder_build: an argument is NULL");
            };
            let Some(builder) = builder.builder.take() else {
                return report_code(error, Code::Argument, "the builder has been built already; make a new one");
            };
            match builder.build() {
                Ok(config) => {
                    *out = Arc::into_raw(Arc::new(config)).cast::<outlive_config>().cast_mut();
                    Code::Ok.number()
                }
                Err(failure) => report(error, &failure),
            }
        }
    })
}

impl outlive_config {
    /// # Safety
    /// `config` is NULL or a reference that the caller owns.
    pub(super) unsafe fn borrow<'a>(config: *const Self) -> Option<&'a Config> {
        // SAFETY: made from an Arc<Config> that the caller keeps alive.
        unsafe { config.cast::<Config>().as_ref() }
    }
}

/// Another reference to the same configuration, to be freed too. NULL for NULL.
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

/// Gives a reference back; NULL does nothing. Settings that came from it stay.
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

/// Visits everything odd that was met while reading, in the order of reading.
///
/// OUTLIVE_ERROR_CANCELLED: the visitor asked for no more.
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
                (Terminated::new(diagnostic.code.as_bytes()), Terminated::new(diagnostic.message.as_bytes()));
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
                return Code::Cancelled.number();
            }
        }
        Code::Ok.number()
    })
}

/// The settings in force for a target; *out is a reference that the caller owns. Targets to which the same layers apply share
/// theirs. `target` may be NULL: what holds for all.
///
/// OUTLIVE_ERROR_NOT_SERVED: httpd would answer by itself (400, 403, 404, 500, a redirect); the record says which and why.
/// Thread safety: any thread. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_resolve(
    config: *const outlive_config,
    target: *const outlive_target,
    out: *mut *const outlive_settings,
    error: *mut outlive_error,
) -> c_int {
    guard(|| {
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
        // SAFETY: as many headers as the caller says.
        let given = unsafe { std::slice::from_raw_parts(target.headers, target.header_count) };
        headers
            .extend(given.iter().map(|header| (text(header.name).unwrap_or(b""), text(header.value).unwrap_or(b""))));
    }
    Some(call(&Target {
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
