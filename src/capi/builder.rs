//! `outlive_config_builder` and `outlive_directive`

use super::config::outlive_config;
use super::error::{outlive_error, report, report_code};
use super::host::outlive_destroy_function;
use super::text::{bytes, optional};
use super::{guard, guard_with, sized_struct};
use crate::config::{Access, Builder, Directive, ValueRule};
use crate::error::{Code, Error};
use crate::files::Disk;
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
    /// Called with userdata when no configuration needs it any more; may be NULL. If registering fails, userdata stays the
    /// caller's.
    pub destroy: outlive_destroy_function,
}

/// Says whether a directive takes a value: not 0, yes.
pub type outlive_check_function =
    Option<unsafe extern "C" fn(userdata: *mut c_void, value: *const c_char, len: usize) -> c_int>;

pub(super) fn path(text: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(text))
}

/// Runs a call on the builder and writes its error to the caller's record.
///
/// # Safety
/// `builder` is NULL or a builder; `error` is NULL or valid for writing.
pub(super) unsafe fn with(
    builder: *mut outlive_config_builder,
    error: *mut outlive_error,
    call: impl FnOnce(&mut Builder) -> Result<(), Error>,
) -> c_int {
    guard_with(error, || {
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

pub(super) fn argument(what: &str) -> impl FnOnce(Code) -> Error {
    move |code| Error::new(code, format!("{what} is NULL, or its length is invalid"))
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

/// All present variables of the process, except those that were set here before.
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

/// As php -d name=value: on top of php.ini. `value` NULL: as php -d name, which means 1.
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
            let value = (!value.is_null()).then(|| bytes(value, value_len)).transpose();
            builder.set(name, value.map_err(argument("the directive's value"))?)
        })
    }
}

/// One php.ini; later ones override earlier ones. `path` NULL: PHP's own search, scan directories included; finding nothing is
/// no error then.
///
/// OUTLIVE_ERROR_IO: the file cannot be read, or is no file. Syntax errors are diagnostics, because PHP starts nevertheless.
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
/// OUTLIVE_ERROR_IO: the file cannot be read, or is no file. outlive_config_builder_build reports what httpd would
/// refuse to start on.
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
/// OUTLIVE_ERROR_IO: the file cannot be read, or is no file.
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

/// Registers a directive of the host's own: it can be set, locked and explained like PHP's.
///
/// OUTLIVE_ERROR_ARGUMENT: no name, invalid access bits, a wrong size. outlive_config_builder_build reports a name that
/// exists already.
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
    let rule = ValueRule::Host(Arc::new(move |value| host.accepts(value)));
    builder.register(Directive::new(name, access, default).with_value_rule(rule))
}

/// Reads everything and makes the configuration; *out is a reference that the caller owns. It uses up everything that
/// was loaded, whether it succeeds or not; the builder is then freed as usual. With nothing loaded: PHP's defaults.
///
/// OUTLIVE_ERROR_IO: a file cannot be read. OUTLIVE_ERROR_REFUSED: httpd or FPM would refuse to start, with file and line.
/// OUTLIVE_ERROR_TOO_LARGE: too large or nested too deeply. outlive_config_diagnostics gives everything else that is odd.
/// Thread safety: one thread at a time. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_builder_build(
    builder: *mut outlive_config_builder,
    out: *mut *mut outlive_config,
    error: *mut outlive_error,
) -> c_int {
    guard_with(error, || {
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
