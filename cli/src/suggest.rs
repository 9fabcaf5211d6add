//! Unknown names, and suggestions for them.

use crate::extensions::Extensions;
use outlive::config::{Config, versions_with};

/// The most similar directive, if any is similar.
pub fn directive(config: &Config, name: &[u8]) -> Option<String> {
    let wanted = String::from_utf8_lossy(name).to_ascii_lowercase();
    let names = config.directives().iter().map(|directive| String::from_utf8_lossy(directive.name()).into_owned());
    nearest(names, &wanted).or_else(|| with_words(config, &wanted))
}

/// The nearest of some words: a quarter of the letters may be wrong.
pub fn nearest(words: impl Iterator<Item = String>, wanted: &str) -> Option<String> {
    let scored = words.map(|known| (strsim::damerau_levenshtein(&known.to_ascii_lowercase(), wanted), known));
    let limit = (wanted.len() / 4).max(1);
    scored.filter(|(distance, _)| *distance <= limit).min().map(|(_, known)| known)
}

/// The shortest directive that has every word of a name that there is not: `upload_max_size` is upload_max_filesize.
fn with_words(config: &Config, wanted: &str) -> Option<String> {
    let words: Vec<&str> = wanted.split(['_', '.', '-']).filter(|word| word.len() > 2).collect();
    let names = config.directives().iter().map(|directive| String::from_utf8_lossy(directive.name()).into_owned());
    let has_all = |name: &String| !words.is_empty() && words.iter().all(|word| name.contains(word));
    names.filter(has_all).min_by_key(String::len)
}

/// The message about a directive whose extension is missing: which line would set it.
fn without_extension(config: &Config, shown: &str, name: &[u8], owner: &str) -> String {
    let explanation = config.base().explain(name);
    let line = explanation.and_then(|explanation| {
        let step = explanation.trail.into_iter().rfind(|step| step.origin.file.is_some())?;
        let value = crate::secrets::of_step(name, &step.value, &step).unwrap_or(crate::secrets::HIDDEN);
        Some(format!("; {} would set it to {}", step.origin, crate::text::value(value)))
    });
    format!(
        "{shown} belongs to {owner}, which no file loads{}; where that PHP has it built in, say --compiled-in {owner}",
        line.unwrap_or_default()
    )
}

/// Why that PHP has no such directive; `None`: it has.
pub fn why_absent(config: &Config, extensions: &Extensions, name: &[u8]) -> Option<String> {
    let shown = crate::text::shown(name);
    if let Some((name, _)) = shown.split_once('=') {
        return Some(format!("no such directive: {shown}; to ask for it write {name}, to set it write -d {shown}"));
    }
    if let Some(known) = config.directives().iter().find(|directive| directive.name() == name) {
        let owner = extensions.missing(known)?;
        return Some(without_extension(config, &shown, name, owner));
    }
    let version = config.php_version();
    let versions: Vec<String> = versions_with(name).iter().map(ToString::to_string).collect();
    if versions.contains(&version.to_string()) {
        return Some(format!("no such directive: the SAPI {} has no {shown}", config.sapi().name()));
    }
    if !versions.is_empty() {
        let versions = versions.join(", ");
        return Some(format!("no such directive: {shown} is not in PHP {version} (it is in {versions})"));
    }
    let hint = directive(config, name).map_or_else(String::new, |known| format!("; did you mean `{known}`?"));
    Some(format!("no such directive: {shown}{hint}"))
}
