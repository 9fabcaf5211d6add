//! Lines of the php.ini that comes with PHP, and extensions whose directives are unknown here.

use super::{note, warning};
use outlive::diagnostic::{Diagnosis, Diagnostic};
use outlive::origin::Origin;

/// Lines of PHP's own php.ini files that have no effect in many installations; they are not mistakes.
const STOCK: [(&str, &str); 20] = [
    ("output_buffering", "4096"),
    ("implicit_flush", ""),
    ("max_execution_time", "30"),
    ("max_input_time", "60"),
    ("register_argc_argv", ""),
    ("cli_server.color", "1"),
    ("odbc.allow_persistent", "1"),
    ("odbc.check_persistent", "1"),
    ("odbc.max_persistent", "-1"),
    ("odbc.max_links", "-1"),
    ("odbc.defaultlrl", "4096"),
    ("odbc.defaultbinmode", "1"),
    ("pgsql.allow_persistent", "1"),
    ("pgsql.auto_reset_persistent", ""),
    ("pgsql.max_persistent", "-1"),
    ("pgsql.max_links", "-1"),
    ("pgsql.ignore_notice", "0"),
    ("pgsql.log_notice", "0"),
    ("ldap.max_links", "-1"),
    ("mysqlnd.collect_memory_statistics", "1"),
];

/// Prefixes of directives, and the extension that brings them.
const OWNERS: [(&str, &str); 34] = [
    ("apc", "apcu"),
    ("blackfire", "blackfire"),
    ("cli_server", "cli_server"),
    ("com", "com_dotnet"),
    ("datadog", "ddtrace"),
    ("dba", "dba"),
    ("event", "event"),
    ("excimer", "excimer"),
    ("geoip", "geoip"),
    ("grpc", "grpc"),
    ("igbinary", "igbinary"),
    ("imap", "imap"),
    ("intl", "intl"),
    ("ldap", "ldap"),
    ("memcache", "memcache"),
    ("memcached", "memcached"),
    ("mongodb", "mongodb"),
    ("msgpack", "msgpack"),
    ("newrelic", "newrelic"),
    ("oci8", "oci8"),
    ("odbc", "odbc"),
    ("opentelemetry", "opentelemetry"),
    ("pcov", "pcov"),
    ("pdo_odbc", "pdo_odbc"),
    ("pgsql", "pgsql"),
    ("redis", "redis"),
    ("snuffleupagus", "snuffleupagus"),
    ("sqlsrv", "sqlsrv"),
    ("swoole", "swoole"),
    ("sp", "snuffleupagus"),
    ("tidy", "tidy"),
    ("uopz", "uopz"),
    ("xdebug", "xdebug"),
    ("yaml", "yaml"),
];

/// Extensions that some builds have compiled in where Debian loads them.
const OFTEN_COMPILED_IN: [&str; 8] =
    ["curl", "iconv", "mbstring", "mysqlnd", "phar", "readline", "sqlite3", "cli_server"];

/// Whether PHP's own php.ini has this line.
pub fn has(name: &[u8], value: &[u8]) -> bool {
    STOCK.iter().any(|(known, stock)| known.as_bytes() == name && stock.as_bytes() == value)
}

/// The extension that a directive which nobody here knows belongs to, by its prefix.
pub fn owner(name: &[u8]) -> Option<&'static str> {
    let dot = name.iter().position(|&byte| byte == b'.')?;
    OWNERS.iter().find(|(prefix, _)| prefix.as_bytes() == &name[..dot]).map(|(_, owner)| *owner)
}

/// The finding about a value for an extension that is not there.
pub fn missing(name: &[u8], owner: &str, origin: Origin) -> Diagnostic {
    let name = crate::text::shown(name);
    let often = OFTEN_COMPILED_IN.contains(&owner);
    let line = if matches!(owner, "opcache" | "xdebug") { "zend_extension" } else { "extension" };
    let text = format!(
        "`{name}` has no effect here: no line loads its extension {owner}; write {line} = {owner} (or install it), or \
         say --compiled-in {owner} if that PHP has it built in"
    );
    if often { note(Diagnosis::NoExtension, origin, text) } else { warning(Diagnosis::NoExtension, origin, text) }
}
