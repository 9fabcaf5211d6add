//! A name that may have been meant.

use outlive::config::Config;

/// The nearest directive, where one is near.
pub fn directive(config: &Config, name: &[u8]) -> Option<String> {
    let wanted = String::from_utf8_lossy(name).to_ascii_lowercase();
    let names = config.directives().iter().map(|directive| String::from_utf8_lossy(directive.name()).into_owned());
    let scored = names.map(|known| (strsim::damerau_levenshtein(&known.to_ascii_lowercase(), &wanted), known));
    let limit = (wanted.len() / 4).max(1);
    scored.filter(|(distance, _)| *distance <= limit).min().map(|(_, known)| known)
}

/// `; did you mean …?`, or nothing.
pub fn did_you_mean(config: &Config, name: &[u8]) -> String {
    directive(config, name).map_or_else(String::new, |known| format!("; did you mean `{known}`?"))
}
