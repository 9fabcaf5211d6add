//! The names of time zones, as `DateTimeZone::listIdentifiers(ALL_WITH_BC)` of PHP 8.2 gives them.

static ZONES: &str = include_str!("zones.txt");

/// Whether PHP knows a zone of this name; letter case does not count. Names that only a system's own database has
/// (`localtime`, `posix/…`, `right/…`) are accepted: a packager may build PHP to read that database.
pub(super) fn is_known(value: &[u8]) -> bool {
    let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = name.strip_prefix(b"posix/").or_else(|| name.strip_prefix(b"right/")).unwrap_or(name);
    let own = [&b"localtime"[..], b"posixrules", b"Factory"];
    let mut known = ZONES.lines().map(str::as_bytes).chain(own);
    known.any(|zone| zone.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_known_in_any_letter_case() {
        for zone in ["europe/paris", "UTC", "Etc/GMT+5", "posix/Europe/Paris", "EST5EDT"] {
            assert!(is_known(zone.as_bytes()), "{zone}");
        }
        for zone in ["", "UTC ", "+02:00", "Europe/Nowhere", "CEST", "Europe"] {
            assert!(!is_known(zone.as_bytes()), "{zone}");
        }
    }
}
