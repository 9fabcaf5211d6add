//! php.ini.example names every directive that the library acts on, with its default.

use outlive::PhpVersion;
use outlive::config::{Access, Builder, Config, Layer};
use outlive::files::Memory;
use std::collections::BTreeSet;
use std::sync::Arc;

const TEXT: &str = include_str!("../php.ini.example");

/// PHP's own directives among those that the library acts on; the `outlive.*` ones name themselves.
const PHP: [&str; 8] = [
    "hard_timeout",
    "ignore_user_abort",
    "implicit_flush",
    "max_execution_time",
    "max_input_time",
    "output_buffering",
    "user_ini.cache_ttl",
    "user_ini.filename",
];

fn config(version: PhpVersion) -> Config {
    let mut builder = Builder::new(Arc::new(Memory::new().with("/php.ini", TEXT)));
    builder.set_php_version(version);
    builder.load_php_ini("/php.ini".as_ref()).unwrap();
    builder.build().unwrap()
}

#[test]
fn it_sets_every_directive_to_its_default_in_every_version() {
    for version in PhpVersion::ALL {
        let config = config(version);
        assert!(config.diagnostics().is_empty(), "{:?}", config.diagnostics());
        let settings = config.base();
        let mut named = BTreeSet::new();
        for (directive, entry) in settings.each() {
            let trail = settings.explain(directive.name()).unwrap().trail;
            if trail.iter().any(|step| step.layer == Layer::PhpIni) {
                named.insert(std::str::from_utf8(directive.name()).unwrap());
                assert_eq!(entry.value, directive.default().unwrap_or_default(), "{directive:?}");
            }
        }
        let own = config.directives().iter().filter(|directive| directive.extension() == "outlive");
        let own = own.map(|directive| std::str::from_utf8(directive.name()).unwrap());
        assert_eq!(named, own.chain(PHP).collect());
        assert_eq!(*settings.policy(), outlive::config::Policy::default());
    }
}

#[test]
fn where_it_may_be_changed_is_what_is_in_force() {
    let config = config(PhpVersion::default());
    let mut place = None;
    let mut checked = 0;
    for line in TEXT.lines() {
        if let Some(word) = line.strip_prefix("; Where: ") {
            place = Some(match word {
                "everywhere." => Access::ALL,
                "files." => Access(6),
                "system." => Access::SYSTEM,
                other => panic!("{other}"),
            });
        } else if !line.starts_with(';')
            && let Some((name, _)) = line.split_once(" =")
        {
            let settings = config.base();
            assert_eq!(Some(settings.directive(name.as_bytes()).unwrap().access()), place.take(), "{name}");
            checked += 1;
        }
    }
    assert_eq!(checked, 22);
}
