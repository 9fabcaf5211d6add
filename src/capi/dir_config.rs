//! `outlive_dir_config`: for hosts that parse their own configuration.

use super::config::outlive_config;
use super::constants::{
    OUTLIVE_PHP_VALUE_ADMIN_FLAG, OUTLIVE_PHP_VALUE_ADMIN_VALUE, OUTLIVE_PHP_VALUE_FLAG, OUTLIVE_PHP_VALUE_VALUE,
};
use super::error::{outlive_error, report, report_code};
use super::settings::outlive_settings;
use super::text::{bytes, optional};
use super::{guard, guard_with};
use crate::error::{Code, Error};
use crate::httpd::{DirConfig, ValueKind};
use crate::origin::Origin;
use std::ffi::{c_char, c_int};
use std::sync::Arc;

/// The php_value, php_flag, php_admin_value and php_admin_flag of one container (a directory section, a location, a virtual
/// host …), or of several merged, for Apache modules: made in the module's create hook, merged in its merge hook. It is
/// plain memory, without global state.
pub struct outlive_dir_config {
    values: DirConfig,
}

/// An empty container. Freed with outlive_dir_config_free. NULL: no memory.
///
/// Thread safety: any thread. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub extern "C" fn outlive_dir_config_new() -> *mut outlive_dir_config {
    made(DirConfig::new)
}

fn made(make: impl FnOnce() -> DirConfig) -> *mut outlive_dir_config {
    let mut made = std::ptr::null_mut();
    guard(|| {
        made = Box::into_raw(Box::new(outlive_dir_config { values: make() }));
        Code::Ok.number()
    });
    made
}

/// One line of the container. `kind`: OUTLIVE_PHP_VALUE_VALUE … Within one container the last line for a name wins, whatever its
/// kind, as in mod_php. `origin_file` (NUL-terminated, may be NULL) and `line` say where the line is.
///
/// OUTLIVE_ERROR_ACCESS: php_admin_* is not allowed in .htaccess; httpd answers 500. OUTLIVE_ERROR_ARGUMENT: NULL, no such
/// kind, or a name or value that is empty (httpd's "takes two arguments").
/// Thread safety: one thread at a time. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_dir_config_set(
    dir_config: *mut outlive_dir_config,
    kind: c_int,
    name: *const c_char,
    len: usize,
    value: *const c_char,
    value_len: usize,
    origin_file: *const c_char,
    line: u32,
    from_htaccess: c_int,
    error: *mut outlive_error,
) -> c_int {
    guard_with(error, || {
        // SAFETY: NULL, or what the header says.
        unsafe {
            let (Some(dir_config), Ok(name), Ok(value)) =
                (dir_config.as_mut(), bytes(name, len), bytes(value, value_len))
            else {
                return report_code(error, Code::Argument, "outlive_dir_config_set: an argument is NULL");
            };
            let file = optional(origin_file);
            let file = (!file.is_empty()).then(|| Arc::from(file));
            let origin = Origin { file, line };
            let (kind, directive) = match kind {
                OUTLIVE_PHP_VALUE_VALUE => (ValueKind::Value, "php_value"),
                OUTLIVE_PHP_VALUE_FLAG => (ValueKind::Flag, "php_flag"),
                OUTLIVE_PHP_VALUE_ADMIN_VALUE => (ValueKind::AdminValue, "php_admin_value"),
                OUTLIVE_PHP_VALUE_ADMIN_FLAG => (ValueKind::AdminFlag, "php_admin_flag"),
                _ => {
                    return report_code(
                        error,
                        Code::Argument,
                        "outlive_dir_config_set: kind is not OUTLIVE_PHP_VALUE_…",
                    );
                }
            };
            let refused = |code, text: String| report(error, &Error::new(code, text).at(origin.clone()));
            if name.is_empty() || value.is_empty() {
                return refused(
                    Code::Argument,
                    format!("{directive} takes two arguments, a directive's name and its value"),
                );
            }
            if kind.is_admin() && from_htaccess != 0 {
                return refused(
                    Code::Access,
                    format!("{directive} not allowed here: .htaccess takes php_value and php_flag only"),
                );
            }
            dir_config.values.set(kind, name, value, origin);
            Code::Ok.number()
        }
    })
}

/// A new container: `base` with `add` on top. Per name the inner value wins, unless the outer one is an admin value and the
/// inner is not. NULL counts as empty. Both stay as they are and stay the caller's; so does the result. NULL: no memory.
///
/// Thread safety: any thread. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_dir_config_merge(
    base: *const outlive_dir_config,
    add: *const outlive_dir_config,
) -> *mut outlive_dir_config {
    let none = DirConfig::new();
    // SAFETY: NULL or containers that nobody changes meanwhile.
    let (base, add) = unsafe { (base.as_ref(), add.as_ref()) };
    made(|| DirConfig::merge(base.map_or(&none, |base| &base.values), add.map_or(&none, |add| &add.values)))
}

/// The settings in force for a request whose merged container is `dir_config` (NULL: an empty one), on top of the
/// configuration's settings for the whole server. *out is a reference that the caller owns.
///
/// Thread safety: any thread. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_resolve_dir(
    config: *const outlive_config,
    dir_config: *const outlive_dir_config,
    out: *mut *const outlive_settings,
    error: *mut outlive_error,
) -> c_int {
    guard_with(error, || {
        // SAFETY: NULL, or what the header says.
        unsafe {
            let Some(config) = outlive_config::borrow(config).filter(|_| !out.is_null()) else {
                return report_code(error, Code::Argument, "outlive_config_resolve_dir: an argument is NULL");
            };
            let none = DirConfig::new();
            let values = dir_config.as_ref().map_or(&none, |dir_config| &dir_config.values);
            match config.resolve_dir(values) {
                Ok(settings) => {
                    *out = outlive_settings::give(settings);
                    Code::Ok.number()
                }
                Err(failure) => report(error, &failure),
            }
        }
    })
}

/// Frees a container; NULL does nothing. Settings that came from it stay.
///
/// Thread safety: one thread at a time. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_dir_config_free(dir_config: *mut outlive_dir_config) {
    if !dir_config.is_null() {
        guard(|| {
            // SAFETY: made by outlive_dir_config_new or _merge and not freed before.
            drop(unsafe { Box::from_raw(dir_config) });
            Code::Ok.number()
        });
    }
}
