//! The `php_value` lines of httpd's configuration, whichever requests they are for.

use super::{note, values, warning};
use crate::estate::watch;
use crate::extensions::Extensions;
use outlive::config::{Access, Config, Sapi};
use outlive::diagnostic::{Diagnosis, Diagnostic};
use outlive::httpd::{DirValue, ValueKind, ValueLine};
use std::collections::HashMap;

/// Looks at each line once. What the request of this check has met already is not said again.
pub fn check(config: &Config, extensions: &Extensions, found: &mut Vec<Diagnostic>) {
    let Some(httpd) = config.httpd() else { return };
    let mut lines = Vec::new();
    let mut last: HashMap<(u32, Box<[u8]>), DirValue> = HashMap::new();
    for line in httpd.value_lines() {
        one(config, extensions, &line, &mut lines);
        if let Some(earlier) = last.insert((line.container, line.value.name.clone()), line.value.clone()) {
            let name = crate::text::shown(&earlier.name);
            let text = format!(
                "`{name}` is set again in the same container, in line {}, and the last one counts; take this one out",
                line.value.origin.line
            );
            lines.push(note(Diagnosis::Duplicate, earlier.origin, text));
        }
    }
    lines.retain(|new| !found.iter().any(|old| old.origin == new.origin && old.code == new.code));
    found.append(&mut lines);
}

fn one(config: &Config, extensions: &Extensions, line: &ValueLine, found: &mut Vec<Diagnostic>) {
    let DirValue { name, value, kind, origin, .. } = &line.value;
    let shown = crate::text::shown(name);
    let sapi = config.sapi();
    let is_watched = config.httpd().is_some_and(watch::is_loaded) && watch::acts_on(name);
    if !matches!(sapi, Sapi::Apache | Sapi::Web) && !is_watched {
        let text = format!(
            "`{shown}` has no effect here: php_value and its like belong to mod_php; {} does not see them; set it in \
             php.ini, .user.ini or the pool",
            sapi.name()
        );
        found.push(warning(Diagnosis::WrongSapi, origin.clone(), text));
        return;
    }
    let Ok(at) = config.directives().binary_search_by(|known| known.name().cmp(name)) else {
        found.extend(config.line_diagnostics(&line.value));
        return;
    };
    let directive = &config.directives()[at];
    found.extend(config.line_diagnostics(&line.value));
    values::meaning(directive, value, origin, found);
    values::extension(extensions, directive, value, origin, found);
    if matches!(kind, ValueKind::Flag | ValueKind::AdminFlag) {
        values::flag(name, &line.value.raw, origin, found);
    }
    if !kind.is_admin() && !directive.access().allows(Access::PERDIR) {
        let admin = if *kind == ValueKind::Flag { "php_admin_flag" } else { "php_admin_value" };
        let text =
            format!("`{shown}` has no effect here: not allowed at this level; write {admin}, or set it in php.ini");
        found.push(warning(Diagnosis::WrongLevel, origin.clone(), text));
    }
}
