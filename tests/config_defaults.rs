//! The data file holds what real PHP answered, and a configuration without files is PHP's defaults.

use outlive::config::{Access, Builder, Directive};
use outlive::files::Memory;
use outlive::target::Target;
use outlive::{Code, PhpVersion};
use serde_json::Value;
use std::sync::Arc;

/// The recorded builds were started with values of their own for these.
const STARTED_WITH: [&str; 4] =
    ["opcache.file_cache", "opcache.file_cache_only", "opcache.max_accelerated_files", "opcache.memory_consumption"];

fn builder() -> Builder {
    Builder::new(Arc::new(Memory::new()))
}

fn recorded() -> Value {
    serde_json::from_str(include_str!("conformance/php/directives.json")).unwrap()
}

/// I-160, and of the directives that decide what becomes of a request: I-170, I-171, I-172, I-173, I-174, I-175, I-176, I-177, I-178, I-179, I-180,
/// I-181, I-182, I-183.
#[test]
fn names_access_and_defaults_are_those_of_seven_versions() {
    let mut compared = 0;
    for (version, data) in recorded()["versions"].as_object().unwrap() {
        let version = PhpVersion::from_text(version).unwrap();
        let mut builder = builder();
        builder.set_php_version(version);
        let config = builder.build().unwrap();
        let recorded = data["directives"].as_object().unwrap();
        for (name, want) in recorded {
            let settings = config.resolve(&Target::default()).unwrap();
            let directive = settings.directive(name.as_bytes()).unwrap_or_else(|| panic!("{version}: no {name}"));
            assert_eq!(u64::from(directive.access().0), want["access"].as_u64().unwrap(), "{version} {name}");
            compared += 1;
            if STARTED_WITH.contains(&&**name) {
                continue;
            }
            assert_eq!(directive.default(), want["default"].as_str().map(str::as_bytes), "{version} {name}");
            assert_eq!(settings.get(name.as_bytes()), Some(want["default"].as_str().unwrap_or("").as_bytes()));
        }
        for directive in config.directives() {
            let name = std::str::from_utf8(directive.name()).unwrap();
            let own = matches!(
                directive.extension(),
                "outlive"
                    | "sapi/cgi"
                    | "sapi/php-cgi"
                    | "sapi/fpm"
                    | "sapi/apache"
                    | "readline"
                    | "ffi"
                    | "Zend OPcache"
            );
            assert!(own || recorded.contains_key(name), "{version} has no {name}");
        }
    }
    assert_eq!(compared, 1730);
}

/// I-118
#[test]
fn the_command_line_sapi_fixes_six_values() {
    let mut builder = builder();
    builder.set_sapi(b"cli").unwrap();
    let settings = builder.build().unwrap().base();
    for (name, want) in [("max_execution_time", "0"), ("html_errors", "0"), ("implicit_flush", "1")] {
        assert_eq!(settings.get(name.as_bytes()), Some(want.as_bytes()), "{name}");
    }
    assert_eq!(settings.policy().max_execution_time, 0);
    assert!(settings.policy().implicit_flush);
}

#[test]
fn a_host_registers_directives_of_its_own() {
    let mut builder = builder();
    builder.register(Directive::new(b"host.colour", Access::ALL, Some(b"blue"))).unwrap();
    let settings = builder.build().unwrap().base();
    let entry = settings.entry(b"host.colour").unwrap();
    assert_eq!(
        (entry.value, entry.global, entry.access, entry.locked),
        (&b"blue"[..], &b"blue"[..], Access::ALL, false)
    );
    let mut twice = self::builder();
    twice.register(Directive::new(b"ignore_user_abort", Access::ALL, None)).unwrap();
    assert_eq!(twice.build().unwrap_err().code, Code::Argument);
}

#[test]
fn what_is_not_there_is_an_error_or_nothing() {
    let mut builder = builder();
    assert_eq!(builder.load_php_ini("/none/php.ini".as_ref()).unwrap_err().code, Code::Io);
    assert_eq!(builder.set_sapi(b"apache").unwrap_err().code, Code::Argument);
    builder.search_php_ini();
    let settings = builder.build().unwrap().base();
    assert_eq!(settings.get(b"no.such"), None);
    assert!(settings.entry(b"no.such").is_none());
    assert!(settings.explain(b"no.such").is_none());
    assert!(!settings.accepts(b"no.such", b"1"));
}
