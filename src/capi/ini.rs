//! `outlive_ini_parse`

use super::constants::{
    OUTLIVE_INI_ARRAY_ENTRY, OUTLIVE_INI_BARE, OUTLIVE_INI_BOOL, OUTLIVE_INI_ENTRY, OUTLIVE_INI_FLOAT, OUTLIVE_INI_INT,
    OUTLIVE_INI_NORMAL, OUTLIVE_INI_NULL, OUTLIVE_INI_RAW, OUTLIVE_INI_SECTION, OUTLIVE_INI_TEXT, OUTLIVE_INI_TYPED,
};
use super::error::{outlive_error, report, report_code};
use super::text::{bytes, data, optional, outlive_str};
use super::{guard_with, sized_struct};
use crate::error::{Code, Error};
use crate::ini::{self, Event, Lookup, Mode, Value};
use crate::origin::Origin;
use crate::version::PhpVersion;
use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Looks up a name: a variable for ${NAME}, or a constant. Not 0: found, and *value is its text, which has to live until the library's
/// next call of this function. The text's length is given in bytes, never as OUTLIVE_NTS: an impossible length makes outlive_ini_parse
/// answer OUTLIVE_ERROR_ARGUMENT. Must not throw or longjmp.
pub type outlive_ini_lookup = Option<
    unsafe extern "C" fn(userdata: *mut c_void, name: *const c_char, len: usize, value: *mut outlive_str) -> c_int,
>;

/// How an ini text is read. OUTLIVE_INI_OPTIONS_INIT sets the size, and the rest to 0. May grow at its end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct outlive_ini_options {
    /// sizeof(outlive_ini_options)
    pub size: usize,
    /// OUTLIVE_INI_NORMAL, OUTLIVE_INI_RAW or OUTLIVE_INI_TYPED.
    pub mode: c_int,
    /// As PHP_VERSION_ID; 0: 80200.
    pub php_version: u32,
    /// The file's name for messages, NUL-terminated; NULL: none.
    pub file: *const c_char,
    /// Not 0: the text ends at its first NUL, as for parse_ini_string.
    pub stop_at_nul: c_int,
    /// ${NAME}; NULL: there are no variables.
    pub variable: outlive_ini_lookup,
    /// Constants; NULL: the core constants of that PHP version.
    pub constant: outlive_ini_lookup,
    /// Handed to both.
    pub lookup_userdata: *mut c_void,
}

/// One statement of an ini text. May grow at its end; `size` says how far.
#[repr(C)]
pub struct outlive_ini_event {
    /// Bytes that the library wrote.
    pub size: usize,
    /// OUTLIVE_INI_SECTION, OUTLIVE_INI_ENTRY, OUTLIVE_INI_ARRAY_ENTRY or OUTLIVE_INI_BARE.
    pub kind: c_int,
    /// The line of the text, counted from 1.
    pub line: u32,
    /// The key, or the section's name.
    pub key: outlive_str,
    /// The offset of an array entry; empty: append.
    pub offset: outlive_str,
    /// OUTLIVE_INI_TEXT, or in typed mode OUTLIVE_INI_BOOL, OUTLIVE_INI_NULL, OUTLIVE_INI_INT, OUTLIVE_INI_FLOAT.
    pub value_type: c_int,
    /// The value, where it is text.
    pub text: outlive_str,
    /// The value, where it is an integer, or a boolean (0, 1).
    pub integer: i64,
    /// The value, where it is a decimal number.
    pub real: f64,
}

/// Sees one statement; it and its texts live until it returns. Returns 0 to see the next one, anything else to end the visit.
/// Must not throw or longjmp.
pub type outlive_ini_visitor =
    Option<unsafe extern "C" fn(userdata: *mut c_void, event: *const outlive_ini_event) -> c_int>;

/// With it: whether an answer could not be a text.
struct Lookups(outlive_ini_options, PhpVersion, Cell<bool>);

impl Lookups {
    fn ask(&self, function: outlive_ini_lookup, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        let mut value = outlive_str::of_static("\0");
        // SAFETY: the host's function with the host's userdata; the name lives through the call.
        let found = unsafe { function?(self.0.lookup_userdata, name.as_ptr().cast(), name.len(), &raw mut value) };
        if found == 0 {
            return None;
        }
        // SAFETY: the host says that the text it gave is valid.
        let text = unsafe { data(value.ptr, value.len) };
        self.2.set(self.2.get() || text.is_err());
        text.ok().map(|text| Cow::Owned(text.to_vec()))
    }
}

impl Lookup for Lookups {
    fn variable(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        self.ask(self.0.variable, name)
    }

    fn constant(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        match self.0.constant {
            None => ini::constants::get(self.1, name).map(Cow::Borrowed),
            function => self.ask(function, name),
        }
    }

    fn has_lowercase_constants(&self) -> bool {
        self.0.constant.is_some()
    }
}

/// NUL-terminated texts in one reused buffer.
#[derive(Default)]
struct Texts(Vec<u8>);

impl Texts {
    fn put(&mut self, texts: [&[u8]; 3]) -> [outlive_str; 3] {
        self.0.clear();
        for text in texts {
            self.0.extend_from_slice(text);
            self.0.push(0);
        }
        let mut rest = &self.0[..];
        texts.map(|text| {
            let (this, behind) = rest.split_at(text.len() + 1);
            rest = behind;
            outlive_str::of_terminated(&this[..text.len()])
        })
    }

    fn event(&mut self, event: Event<'_>, line: u32) -> outlive_ini_event {
        let (kind, key, offset, value) = match event {
            Event::Section { name } => (OUTLIVE_INI_SECTION, name, &b""[..], Value::Text(b"")),
            Event::Entry { key, value } => (OUTLIVE_INI_ENTRY, key, &b""[..], value),
            Event::ArrayEntry { key, offset, value } => (OUTLIVE_INI_ARRAY_ENTRY, key, offset, value),
            Event::Bare { key } => (OUTLIVE_INI_BARE, key, &b""[..], Value::Text(b"")),
        };
        let (value_type, text, integer, real) = match value {
            Value::Text(text) => (OUTLIVE_INI_TEXT, text, 0, 0.0),
            Value::Bool(value) => (OUTLIVE_INI_BOOL, &b""[..], value.into(), 0.0),
            Value::Null => (OUTLIVE_INI_NULL, &b""[..], 0, 0.0),
            Value::Int(value) => (OUTLIVE_INI_INT, &b""[..], value, 0.0),
            Value::Float(value) => (OUTLIVE_INI_FLOAT, &b""[..], 0, value),
        };
        let [key, offset, text] = self.put([key, offset, text]);
        outlive_ini_event {
            size: size_of::<outlive_ini_event>(),
            kind,
            line,
            key,
            offset,
            value_type,
            text,
            integer,
            real,
        }
    }
}

/// Reads a text in PHP's ini language and hands each section, entry and array entry, in order and with its line, to `visit`.
/// `options` may be NULL.
///
/// OUTLIVE_ERROR_SYNTAX: with PHP's own message, and the line that PHP names; the statements visited before it count.
/// OUTLIVE_ERROR_INTERRUPTED: the visitor asked for no more.
/// Thread safety: any thread. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_ini_parse(
    text: *const c_char,
    len: usize,
    options: *const outlive_ini_options,
    visit: outlive_ini_visitor,
    userdata: *mut c_void,
    error: *mut outlive_error,
) -> c_int {
    guard_with(error, || {
        // SAFETY: NULL, or what the header says.
        unsafe {
            let (Ok(text), Some(visit)) = (bytes(text, len), visit) else {
                return report_code(error, Code::Argument, "outlive_ini_parse: text or visit is NULL");
            };
            let Some((options, mode, version)) = ini_options(options) else {
                let message = "outlive_ini_options: size, mode or php_version is wrong; use OUTLIVE_INI_OPTIONS_INIT";
                return report_code(error, Code::Argument, message);
            };
            let lookup = Lookups(options, version, Cell::new(false));
            let scan = ini::Options { mode, version, stop_at_nul: options.stop_at_nul != 0, lookup: &lookup };
            let (mut texts, mut cancelled) = (Texts::default(), false);
            let scanned = ini::scan(text, &scan, &mut |event, line| {
                let event = texts.event(event, line);
                cancelled = visit(userdata, &raw const event) != 0;
                if cancelled || lookup.2.get() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            if lookup.2.get() {
                let message = "outlive_ini_parse: a lookup gave a text that cannot be as long as it says";
                return report_code(error, Code::Argument, message);
            }
            match scanned {
                Err(failure) => {
                    let file = optional(options.file);
                    let file = (!file.is_empty()).then(|| Arc::from(file));
                    let origin = Origin { file, line: failure.line };
                    let code = if failure.is_limit() { Code::TooLarge } else { Code::Syntax };
                    report(error, &Error::new(code, failure.message).at(origin))
                }
                Ok(()) if cancelled => Code::Interrupted.number(),
                Ok(()) => Code::Ok.number(),
            }
        }
    })
}

/// # Safety
/// `options` is NULL or valid for the size that it names.
unsafe fn ini_options(options: *const outlive_ini_options) -> Option<(outlive_ini_options, Mode, PhpVersion)> {
    let none = outlive_ini_options {
        size: 0,
        mode: OUTLIVE_INI_NORMAL,
        php_version: 0,
        file: std::ptr::null(),
        stop_at_nul: 0,
        variable: None,
        constant: None,
        lookup_userdata: std::ptr::null_mut(),
    };
    // SAFETY: passed on.
    let options = if options.is_null() { none } else { unsafe { sized_struct(options.cast(), none) }? };
    let mode = match options.mode {
        OUTLIVE_INI_NORMAL => Mode::Normal,
        OUTLIVE_INI_RAW => Mode::Raw,
        OUTLIVE_INI_TYPED => Mode::Typed,
        _ => return None,
    };
    let version = match options.php_version {
        0 => PhpVersion::default(),
        id => PhpVersion::from_id(id)?,
    };
    Some((options, mode, version))
}
