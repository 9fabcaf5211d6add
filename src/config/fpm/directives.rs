//! The directives of php-fpm.conf, and what php-fpm takes for them, as `php-fpm -t` showed it.

use crate::version::PhpVersion;

/// Where a directive may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Global,
    Pool,
    Both,
}

/// What it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Anything.
    Text,
    /// Digits, with a minus in front or not; nothing is 0.
    Number,
    /// A number and s, m, h or d.
    Time,
    Switch,
    /// A number that is not negative, or `unlimited`.
    Core,
    /// One of these words, in any letter case.
    Word(&'static [&'static str]),
}

/// A row of the table: name, place, kind, first version that has it.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) place: Place,
    pub(super) kind: Kind,
    since: PhpVersion,
}

const fn row(name: &'static str, place: Place, kind: Kind) -> Row {
    Row { name, place, kind, since: PhpVersion::V7_4 }
}

const fn since(since: PhpVersion, row: Row) -> Row {
    Row { since, ..row }
}

const LEVELS: Kind = Kind::Word(&["alert", "debug", "error", "notice", "warn", "warning"]);
const FACILITIES: Kind = Kind::Word(&[
    "auth", "authpriv", "cron", "daemon", "ftp", "kern", "local0", "local1", "local2", "local3", "local4", "local5",
    "local6", "local7", "lpr", "mail", "news", "syslog", "user", "uucp",
]);

/// `listen.setfib` is FreeBSD's alone, and no Linux build has it.
pub(super) const ROWS: [Row; 55] = [
    row("access.format", Place::Pool, Kind::Text),
    row("access.log", Place::Pool, Kind::Text),
    row("apparmor_hat", Place::Pool, Kind::Text),
    row("catch_workers_output", Place::Pool, Kind::Switch),
    row("chdir", Place::Pool, Kind::Text),
    row("chroot", Place::Pool, Kind::Text),
    row("clear_env", Place::Pool, Kind::Switch),
    row("daemonize", Place::Global, Kind::Switch),
    row("decorate_workers_output", Place::Pool, Kind::Switch),
    row("emergency_restart_interval", Place::Global, Kind::Time),
    row("emergency_restart_threshold", Place::Global, Kind::Number),
    row("error_log", Place::Global, Kind::Text),
    row("events.mechanism", Place::Global, Kind::Text),
    row("group", Place::Pool, Kind::Text),
    row("listen", Place::Pool, Kind::Text),
    row("listen.acl_groups", Place::Pool, Kind::Text),
    row("listen.acl_users", Place::Pool, Kind::Text),
    row("listen.allowed_clients", Place::Pool, Kind::Text),
    row("listen.backlog", Place::Pool, Kind::Number),
    row("listen.group", Place::Pool, Kind::Text),
    row("listen.mode", Place::Pool, Kind::Text),
    row("listen.owner", Place::Pool, Kind::Text),
    row("log_buffering", Place::Global, Kind::Switch),
    row("log_level", Place::Global, LEVELS),
    row("log_limit", Place::Global, Kind::Number),
    row("pid", Place::Global, Kind::Text),
    row("ping.path", Place::Pool, Kind::Text),
    row("ping.response", Place::Pool, Kind::Text),
    row("pm", Place::Pool, Kind::Word(&["dynamic", "ondemand", "static"])),
    row("pm.max_children", Place::Pool, Kind::Number),
    row("pm.max_requests", Place::Pool, Kind::Number),
    row("pm.max_spare_servers", Place::Pool, Kind::Number),
    since(PhpVersion::V8_1, row("pm.max_spawn_rate", Place::Pool, Kind::Number)),
    row("pm.min_spare_servers", Place::Pool, Kind::Number),
    row("pm.process_idle_timeout", Place::Pool, Kind::Time),
    row("pm.start_servers", Place::Pool, Kind::Number),
    since(PhpVersion::V8_0, row("pm.status_listen", Place::Pool, Kind::Text)),
    row("pm.status_path", Place::Pool, Kind::Text),
    row("prefix", Place::Pool, Kind::Text),
    row("process.dumpable", Place::Pool, Kind::Switch),
    row("process.max", Place::Global, Kind::Number),
    row("process.priority", Place::Both, Kind::Number),
    row("process_control_timeout", Place::Global, Kind::Time),
    row("request_slowlog_timeout", Place::Pool, Kind::Time),
    row("request_slowlog_trace_depth", Place::Pool, Kind::Number),
    row("request_terminate_timeout", Place::Pool, Kind::Time),
    row("request_terminate_timeout_track_finished", Place::Pool, Kind::Switch),
    row("rlimit_core", Place::Both, Kind::Core),
    row("rlimit_files", Place::Both, Kind::Number),
    row("security.limit_extensions", Place::Pool, Kind::Text),
    row("slowlog", Place::Pool, Kind::Text),
    row("syslog.facility", Place::Global, FACILITIES),
    row("syslog.ident", Place::Global, Kind::Text),
    row("systemd_interval", Place::Global, Kind::Time),
    row("user", Place::Pool, Kind::Text),
];

/// The directive of that name, in any letter case as php-fpm has it; one of another version alone is none.
pub(super) fn scalar(name: &[u8], version: PhpVersion) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name.as_bytes().eq_ignore_ascii_case(name) && version >= row.since)
}

/// Names that take brackets, letter case included.
pub(super) fn takes_brackets(name: &[u8], version: PhpVersion) -> bool {
    match name {
        b"php_value" | b"php_flag" | b"php_admin_value" | b"php_admin_flag" | b"env" => true,
        b"access.suppress_path" => version >= PhpVersion::V8_2,
        _ => false,
    }
}

impl Row {
    /// Whether php-fpm takes the value; the text says what it wants.
    pub(super) fn takes(&self, value: &[u8]) -> Result<(), String> {
        match self.kind {
            Kind::Text => Ok(()),
            Kind::Number if is_number(value) => Ok(()),
            Kind::Number => Err("it must be a whole number".into()),
            Kind::Time => seconds(value).map(|_| ()),
            Kind::Switch if switch(value).is_some() => Ok(()),
            Kind::Switch => Err("it must be yes or no".into()),
            Kind::Core if value.eq_ignore_ascii_case(b"unlimited") => Ok(()),
            Kind::Core if is_number(value) && number(value) >= 0 => Ok(()),
            Kind::Core => Err("it must be a number that is not negative, or unlimited".into()),
            Kind::Word(words) if words.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes())) => Ok(()),
            Kind::Word(words) => Err(format!("it must be one of {}", words.join(", "))),
        }
    }
}

fn is_number(value: &[u8]) -> bool {
    value.strip_prefix(b"-").unwrap_or(value).iter().all(u8::is_ascii_digit)
}

/// C's `atoi`, with what its 32 bits make of large numbers.
pub(super) fn number(value: &[u8]) -> i32 {
    let text = value.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    let size = digits.fold(0i64, |sum, digit| sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    (if negative { -size } else { size }) as i32
}

/// FPM's times: what leads a number, and its unit.
pub(super) fn seconds(value: &[u8]) -> Result<i32, String> {
    let unit = match value.last() {
        None => return Err("it must be a time, such as 30s or 5m".into()),
        Some(b'0'..=b'9' | b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3600,
        Some(b'd') => 86400,
        Some(_) => return Err("it must be a number with s, m, h or d behind it".into()),
    };
    Ok(number(value).wrapping_mul(unit))
}

/// FPM's own booleans (I-152).
pub(super) fn switch(value: &[u8]) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()));
    if is(&["on", "1", "yes", "true"]) {
        Some(true)
    } else if is(&["off", "0", "no", "none", "false", ""]) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers() {
        for (value, want) in [("30", 30), ("5m", 300), ("s", 0), ("2h", 7200), ("1.5", 1), ("-5s", -5), (" 7", 7)] {
            assert_eq!(seconds(value.as_bytes()), Ok(want), "{value}");
        }
        assert!(seconds(b"").is_err() && seconds(b"5x").is_err() && seconds(b"5M").is_err());
        assert_eq!((number(b"99999999999"), number(b"4294967296"), number(b"abc")), (1_215_752_191, 0, 0));
    }

    #[test]
    fn names_and_their_versions() {
        assert!(scalar(b"PM.Max_Children", PhpVersion::V8_2).is_some());
        assert!(scalar(b"pm.status_listen", PhpVersion::V7_4).is_none());
        assert!(scalar(b"env", PhpVersion::V8_2).is_none() && scalar(b"listen.setfib", PhpVersion::V8_2).is_none());
        assert!(takes_brackets(b"env", PhpVersion::V8_2) && !takes_brackets(b"PHP_VALUE", PhpVersion::V8_2));
    }
}
