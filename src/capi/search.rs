//! Where `outlive_config_builder` looks for php.ini, and the parameters that a web server hands to FPM

use super::builder::{argument, outlive_config_builder, path, with};
use super::error::outlive_error;
use super::text::bytes;
use crate::config::FastCgiParam;
use crate::error::{Code, Error};
use std::ffi::{c_char, c_int};

/// The directories that the modelled PHP was compiled with: the last place where php.ini is searched, and the scan directory.
/// NULL: none. Only a search (outlive_config_builder_load_php_ini with NULL) looks for a php.ini there; the scan directory is
/// read with a php.ini that was named, too. As php -c DIRECTORY: this with a search, and no PHPRC set.
///
/// OUTLIVE_ERROR_ARGUMENT: a length is invalid. A missing directory is no error, as in PHP.
/// Thread safety: one thread at a time. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_builder_set_compiled_in(
    builder: *mut outlive_config_builder,
    directory: *const c_char,
    len: usize,
    scan_directory: *const c_char,
    scan_len: usize,
    error: *mut outlive_error,
) -> c_int {
    // SAFETY: the header's contract.
    unsafe {
        with(builder, error, |builder| {
            let read = |text: *const c_char, len| (!text.is_null()).then(|| bytes(text, len)).transpose();
            let directory = read(directory, len).map_err(argument("the directory"))?;
            let scan = read(scan_directory, scan_len).map_err(argument("the scan directory"))?;
            builder.set_compiled_in(directory.map(path), scan.map(path));
            Ok(())
        })
    }
}

/// The directory of the modelled PHP program; the CGI, FPM and command line SAPIs search it for php.ini, too.
///
/// Thread safety: one thread at a time. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_builder_set_binary_dir(
    builder: *mut outlive_config_builder,
    directory: *const c_char,
    len: usize,
    error: *mut outlive_error,
) -> c_int {
    // SAFETY: the header's contract.
    unsafe {
        with(builder, error, |builder| {
            builder.set_binary_dir(path(bytes(directory, len).map_err(argument("the directory"))?));
            Ok(())
        })
    }
}

/// Replaces PHP_INI_SCAN_DIR: directories separated by colons, whose *.ini files are read after php.ini, or without one. An
/// empty element is the compiled-in scan directory, an empty list is none.
///
/// Thread safety: one thread at a time. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_builder_set_scan_dirs(
    builder: *mut outlive_config_builder,
    list: *const c_char,
    len: usize,
    error: *mut outlive_error,
) -> c_int {
    // SAFETY: the header's contract.
    unsafe {
        with(builder, error, |builder| {
            builder.set_scan_dirs(bytes(list, len).map_err(argument("the list"))?);
            Ok(())
        })
    }
}

/// A parameter that a web server hands to PHP-FPM with the request: `name` is "PHP_VALUE" or "PHP_ADMIN_VALUE", `text` is ini
/// text with one assignment a line. Calls add up, in order.
///
/// OUTLIVE_ERROR_ARGUMENT: another name.
/// Thread safety: one thread at a time. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_config_builder_add_fastcgi_param(
    builder: *mut outlive_config_builder,
    name: *const c_char,
    len: usize,
    text: *const c_char,
    text_len: usize,
    error: *mut outlive_error,
) -> c_int {
    // SAFETY: the header's contract.
    unsafe {
        with(builder, error, |builder| {
            let param = match bytes(name, len).map_err(argument("the parameter's name"))? {
                b"PHP_VALUE" => FastCgiParam::Value,
                b"PHP_ADMIN_VALUE" => FastCgiParam::AdminValue,
                name => {
                    let name = String::from_utf8_lossy(name);
                    let text = format!("no such FastCGI parameter: {name}; known are PHP_VALUE and PHP_ADMIN_VALUE");
                    return Err(Error::new(Code::Argument, text));
                }
            };
            builder.fastcgi_param(param, bytes(text, text_len).map_err(argument("the text"))?);
            Ok(())
        })
    }
}
