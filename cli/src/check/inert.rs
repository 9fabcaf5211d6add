//! Values that PHP accepts and shows, and that have no effect where they are set.

use super::{note, warning};
use outlive::config::{Config, Explanation, Fate, Layer, Sapi, Settings};
use outlive::diagnostic::{Diagnosis, Diagnostic};

/// Directives that PHP reads once at start-up: setting them for a request, a pool or a section has no effect.
const AT_START: [&str; 12] = [
    "disable_classes",
    "disable_functions",
    "opcache.file_cache",
    "opcache.file_cache_only",
    "opcache.huge_code_pages",
    "opcache.interned_strings_buffer",
    "opcache.jit_buffer_size",
    "opcache.lockfile_path",
    "opcache.max_accelerated_files",
    "opcache.memory_consumption",
    "opcache.preload",
    "opcache.preload_user",
];

/// For these two, an FPM pool's value adds to php.ini's: what one place disables, no other can enable.
const ADDED: [&str; 2] = ["disable_classes", "disable_functions"];

fn is_start(layer: Layer) -> bool {
    matches!(layer, Layer::BuiltIn | Layer::PhpIni | Layer::ScanDir | Layer::Sapi | Layer::CommandLine)
}

/// Why the value in force has no effect, if it has none.
pub fn says(explanation: &Explanation, sapi: Sapi) -> Option<String> {
    let name = AT_START.iter().find(|name| name.as_bytes() == &*explanation.name)?;
    let winner = explanation.trail.iter().rfind(|step| step.fate == Fate::InForce)?;
    // A server other than PHP may act on any directive.
    if is_start(winner.layer) || winner.layer == Layer::Server || sapi == Sapi::Web {
        return None;
    }
    let at_start = explanation.trail.iter().rfind(|step| is_start(step.layer) && step.fate != Fate::Refused);
    let started = at_start.map(|step| crate::text::shown(&step.value)).unwrap_or_default();
    let adds = ADDED.contains(name) && matches!(winner.layer, Layer::Pool | Layer::FastCgi);
    if adds {
        let other = explanation.trail.iter().filter(|step| !step.value.is_empty() && step.fate != Fate::Refused);
        let names = other.flat_map(|step| step.value.split(|byte| b", ".contains(byte)));
        let mut all: Vec<String> = names.filter(|name| !name.is_empty()).map(crate::text::shown).collect();
        all.sort();
        all.dedup();
        let text = format!("php.ini and the pool add up here: {} are all disabled", all.join(","));
        return (all.len() > 1).then_some(text);
    }
    let acts = if started.is_empty() { "nothing is set there".to_owned() } else { format!("`{started}`") };
    Some(format!(
        "PHP shows this value and does not act on it: {name} counts at the start of PHP only, from php.ini ({acts}); \
         write it there"
    ))
}

/// The same as findings, for the values in force.
pub fn check(config: &Config, settings: &Settings, found: &mut Vec<Diagnostic>) {
    for name in AT_START {
        let Some(explanation) = settings.explain(name.as_bytes()) else { continue };
        let Some(text) = says(&explanation, config.sapi()) else { continue };
        let Some(winner) = explanation.trail.iter().rfind(|step| step.fate == Fate::InForce) else { continue };
        let adds = ADDED.contains(&name) && winner.layer == Layer::Pool;
        let finding = if adds { note } else { warning };
        found.push(finding(Diagnosis::NoEffect, winner.origin.clone(), format!("`{name}`: {text}")));
    }
}
