//! `outlive_settings`

use super::constants::{OUTLIVE_FATE_IN_FORCE, OUTLIVE_FATE_OVERRIDDEN, OUTLIVE_FATE_REFUSED};
use super::guard;
use super::text::{Terminated, bytes, outlive_str};
use crate::config::{Fate, Settings};
use crate::error::Code;
use std::ffi::{c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::sync::Arc;

/// The values in force for one target: immutable, shared by all threads, counted. The caller of outlive_config_resolve owns
/// one reference; outlive_settings_ref makes another, outlive_settings_free gives one back.
pub struct outlive_settings {
    _private: [u8; 0],
}

/// One directive, as outlive_settings_each shows it. May grow at its end; `size` says how far.
#[repr(C)]
pub struct outlive_setting {
    /// Bytes that the library wrote.
    pub size: usize,
    /// Its name.
    pub name: outlive_str,
    /// The value in force.
    pub value: outlive_str,
    /// The value that ini_restore() goes back to.
    pub global_value: outlive_str,
    /// Who may change it now: OUTLIVE_ACCESS_… bits.
    pub access: c_int,
    /// Not 0: an admin layer has locked it.
    pub locked: c_int,
}

/// One layer that sets a directive. May grow at its end; `size` says how far.
#[repr(C)]
pub struct outlive_origin {
    /// Bytes that the library wrote.
    pub size: usize,
    /// The layer: "built-in default", "php.ini" …
    pub layer: outlive_str,
    /// The file; empty: none.
    pub file: outlive_str,
    /// Line, counted from 1; 0: none.
    pub line: u32,
    /// The value as it was written.
    pub raw: outlive_str,
    /// The value as PHP would store it.
    pub value: outlive_str,
    /// The level with which the layer sets it: OUTLIVE_ACCESS_… bits.
    pub access: c_int,
    /// Not 0: it locks the directive.
    pub locks: c_int,
    /// OUTLIVE_FATE_IN_FORCE, OUTLIVE_FATE_OVERRIDDEN or OUTLIVE_FATE_REFUSED.
    pub fate: c_int,
    /// Why it is not in force; empty where it is.
    pub because: outlive_str,
}

/// Sees one directive; it and its texts live until it returns. Returns 0 to see the next one, anything else to end the visit.
/// Must not throw or longjmp.
pub type outlive_setting_visitor =
    Option<unsafe extern "C" fn(userdata: *mut c_void, setting: *const outlive_setting) -> c_int>;

/// Sees one layer; it and its texts live until it returns. Returns 0 to see the next one, anything else to end the visit.
/// Must not throw or longjmp.
pub type outlive_origin_visitor =
    Option<unsafe extern "C" fn(userdata: *mut c_void, origin: *const outlive_origin) -> c_int>;

impl outlive_settings {
    /// A reference that the caller owns.
    pub(super) fn give(settings: Arc<Settings>) -> *const Self {
        Arc::into_raw(settings).cast()
    }

    /// The caller's reference, borrowed.
    ///
    /// # Safety
    /// `settings` is NULL or a reference that the caller owns.
    pub(super) unsafe fn borrow(settings: *const Self) -> Option<ManuallyDrop<Arc<Settings>>> {
        // SAFETY: came from `give`; not dropped here.
        (!settings.is_null()).then(|| ManuallyDrop::new(unsafe { Arc::from_raw(settings.cast()) }))
    }
}

/// Makes another reference to the same settings, which also has to be freed. NULL for NULL.
///
/// Thread safety: any thread. Fork safety: yes. Signal safety: yes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_settings_ref(settings: *const outlive_settings) -> *const outlive_settings {
    if !settings.is_null() {
        // SAFETY: a reference that the caller owns.
        unsafe { Arc::increment_strong_count(settings.cast::<Settings>()) };
    }
    settings
}

/// Gives a reference back; NULL does nothing. Requests that began with the settings keep their own.
///
/// Thread safety: any thread. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_settings_free(settings: *const outlive_settings) {
    if !settings.is_null() {
        guard(|| {
            // SAFETY: a reference that the caller owned.
            unsafe { Arc::decrement_strong_count(settings.cast::<Settings>()) };
            Code::Ok.number()
        });
    }
}

/// Runs a look-up in the settings by name; `write` stores the result for the caller.
///
/// # Safety
/// `settings` is NULL or the caller's reference; `name` is as the header says; `out` is NULL or valid for writing.
unsafe fn get<T>(
    settings: *const outlive_settings,
    name: *const c_char,
    len: usize,
    out: *mut T,
    find: impl FnOnce(&Settings, &[u8]) -> Option<T>,
) -> c_int {
    guard(|| {
        // SAFETY: passed on.
        unsafe {
            let (Some(settings), Ok(name), false) =
                (outlive_settings::borrow(settings), bytes(name, len), out.is_null())
            else {
                return Code::Argument.number();
            };
            match find(&settings, name) {
                Some(found) => {
                    out.write(found);
                    Code::Ok.number()
                }
                None => Code::NotFound.number(),
            }
        }
    })
}

/// A directive's value as text, as ini_get() gives it: an Off of php.ini is empty, an On is "1". outlive_settings_explain
/// gives the value as written. *value lives as long as the settings.
///
/// OUTLIVE_ERROR_NOT_FOUND: no such directive.
/// Thread safety: any thread. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_settings_get(
    settings: *const outlive_settings,
    name: *const c_char,
    len: usize,
    value: *mut outlive_str,
) -> c_int {
    // SAFETY: the header's contract.
    unsafe {
        get(settings, name, len, value, |settings, name| {
            settings.entry(name).map(|entry| outlive_str::of_terminated(entry.value))
        })
    }
}

/// A directive's value as PHP reads an integer: its leading decimal digits, 0 where there are none.
///
/// OUTLIVE_ERROR_NOT_FOUND: no such directive.
/// Thread safety: any thread. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_settings_get_int(
    settings: *const outlive_settings,
    name: *const c_char,
    len: usize,
    value: *mut i64,
) -> c_int {
    // SAFETY: the header's contract.
    unsafe { get(settings, name, len, value, Settings::get_int) }
}

/// A directive's value as PHP reads a boolean, 0 or 1: "true", "yes", "on" in any letter case, or a number that is not 0.
///
/// OUTLIVE_ERROR_NOT_FOUND: no such directive.
/// Thread safety: any thread. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_settings_get_bool(
    settings: *const outlive_settings,
    name: *const c_char,
    len: usize,
    value: *mut c_int,
) -> c_int {
    // SAFETY: the header's contract.
    unsafe { get(settings, name, len, value, |settings, name| settings.get_bool(name).map(c_int::from)) }
}

/// A directive's value as PHP reads a quantity: "128M" is 134217728.
///
/// OUTLIVE_ERROR_NOT_FOUND: no such directive.
/// Thread safety: any thread. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_settings_get_quantity(
    settings: *const outlive_settings,
    name: *const c_char,
    len: usize,
    value: *mut i64,
) -> c_int {
    // SAFETY: the header's contract.
    unsafe { get(settings, name, len, value, Settings::get_quantity) }
}

/// 1: the value of this directive is a secret, by its name (a password, a token) or because it holds one
/// (`tcp://user:password@host`); 0: it is not. For pages and logs that show settings.
///
/// OUTLIVE_ERROR_ARGUMENT: an argument is NULL, or a length is invalid.
/// Thread safety: any thread. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_holds_secret(
    name: *const c_char,
    len: usize,
    value: *const c_char,
    value_len: usize,
) -> c_int {
    guard(|| {
        // SAFETY: the header's contract.
        match unsafe { (bytes(name, len), bytes(value, value_len)) } {
            (Ok(name), Ok(value)) => crate::config::holds_secret(name, value).into(),
            _ => Code::Argument.number(),
        }
    })
}

/// Why a directive has its value: visits every layer that sets it, from the weakest to the strongest, the built-in
/// default first.
///
/// OUTLIVE_ERROR_NOT_FOUND: no such directive. OUTLIVE_ERROR_INTERRUPTED: the visitor asked for no more.
/// Thread safety: any thread. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_settings_explain(
    settings: *const outlive_settings,
    name: *const c_char,
    len: usize,
    visit: outlive_origin_visitor,
    userdata: *mut c_void,
) -> c_int {
    guard(|| {
        // SAFETY: NULL, or what the header says.
        let arguments = unsafe { (outlive_settings::borrow(settings), bytes(name, len), visit) };
        let (Some(settings), Ok(name), Some(visit)) = arguments else { return Code::Argument.number() };
        let Some(explanation) = settings.explain(name) else { return Code::NotFound.number() };
        for step in &explanation.trail {
            let file = Terminated::new(step.origin.file.as_deref().unwrap_or_default());
            let layer = Terminated::new(step.layer.name().as_bytes());
            let (raw, value) = (Terminated::new(&step.raw), Terminated::new(&step.value));
            let because = Terminated::new(step.because.as_deref().unwrap_or_default().as_bytes());
            let origin = outlive_origin {
                size: size_of::<outlive_origin>(),
                layer: layer.view(),
                file: file.view(),
                line: step.origin.line,
                raw: raw.view(),
                value: value.view(),
                access: step.access.0.into(),
                locks: step.locks.into(),
                fate: match step.fate {
                    Fate::InForce => OUTLIVE_FATE_IN_FORCE,
                    Fate::Overridden => OUTLIVE_FATE_OVERRIDDEN,
                    Fate::Refused => OUTLIVE_FATE_REFUSED,
                },
                because: because.view(),
            };
            // SAFETY: the host's function with the host's userdata; the texts live through the call.
            if unsafe { visit(userdata, &raw const origin) } != 0 {
                return Code::Interrupted.number();
            }
        }
        Code::Ok.number()
    })
}

/// Visits every directive, sorted by name.
///
/// OUTLIVE_ERROR_INTERRUPTED: the visitor asked for no more.
/// Thread safety: any thread. Fork safety: yes. Signal safety: no.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn outlive_settings_each(
    settings: *const outlive_settings,
    visit: outlive_setting_visitor,
    userdata: *mut c_void,
) -> c_int {
    guard(|| {
        // SAFETY: NULL or the caller's reference.
        let (Some(settings), Some(visit)) = (unsafe { outlive_settings::borrow(settings) }, visit) else {
            return Code::Argument.number();
        };
        for (directive, entry) in settings.each() {
            let name = Terminated::new(directive.name());
            let setting = outlive_setting {
                size: size_of::<outlive_setting>(),
                name: name.view(),
                value: outlive_str::of_terminated(entry.value),
                global_value: outlive_str::of_terminated(entry.global),
                access: entry.access.0.into(),
                locked: entry.locked.into(),
            };
            // SAFETY: the host's function with the host's userdata; the texts live through the call.
            if unsafe { visit(userdata, &raw const setting) } != 0 {
                return Code::Interrupted.number();
            }
        }
        Code::Ok.number()
    })
}
