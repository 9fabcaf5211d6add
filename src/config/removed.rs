//! Directives that PHP has removed, and with which it refuses to start.

use super::core::Core;
use super::number;
use super::sapi::Sapi;
use crate::diagnostic::{Diagnosis, Diagnostic, Severity};
use crate::error::{Code, Error, Result};
use crate::version::PhpVersion;

/// The directives with which PHP refuses to start when they are on, in every known version.
const REMOVED: [&str; 17] = [
    "allow_call_time_pass_reference",
    "asp_tags",
    "define_syslog_variables",
    "highlight.bg",
    "magic_quotes_gpc",
    "magic_quotes_runtime",
    "magic_quotes_sybase",
    "register_globals",
    "register_long_arrays",
    "safe_mode",
    "safe_mode_gid",
    "safe_mode_include_dir",
    "safe_mode_exec_dir",
    "safe_mode_allowed_env_vars",
    "safe_mode_protected_env_vars",
    "zend.ze1_compatibility_mode",
    "track_errors",
];

/// Refuses what PHP would not start with. For a server other than PHP (no SAPI) it is only a diagnostic.
pub(super) fn check(core: &Core, diagnostics: &mut Vec<Diagnostic>) -> Result<()> {
    for name in REMOVED {
        // 7.4 still has this directive, so it is not among the unknown ones.
        let Some((value, source, line)) = core.unknown.get_with_place(name.as_bytes()) else { continue };
        if number::integer(value) == 0 {
            continue;
        }
        let message = format!(
            "PHP {} does not start with this line: Directive '{name}' is no longer available in PHP; take it out",
            core.version
        );
        if core.sapi != Sapi::Web {
            return Err(Error::new(Code::Refused, message).at(source.origin(line)));
        }
        let (severity, origin) = (Severity::Error, source.origin(line));
        diagnostics.push(Diagnostic { severity, code: Diagnosis::NoStart, origin, message });
    }
    Ok(())
}

/// Whether the name has a diagnostic of its own.
pub(super) fn is_removed(name: &[u8], version: PhpVersion) -> bool {
    REMOVED.iter().any(|known| known.as_bytes() == name) && (name != b"track_errors" || version >= PhpVersion::V8_0)
}
