//! A configuration in memory, asked for everything that can be asked.

use outlive::config::{Builder, Config, Fate};
use outlive::files::Memory;
use outlive::target::Target;
use std::sync::Arc;

/// Asks `config` for a few requests: whatever the answer, it is an answer.
pub fn ask(config: &Config, uris: &[&[u8]]) {
    for uri in uris {
        for method in [&b"GET"[..], b"POST"] {
            let target = Target {
                uri: Some(uri),
                server_name: Some(b"www.a.example"),
                method: Some(method),
                ..Target::default()
            };
            if let Ok(settings) = config.resolve(&target) {
                let again = config.resolve(&target).expect("the same question");
                for name in [&b"ignore_user_abort"[..], b"max_execution_time", b"precision", b"outlive.disconnect"] {
                    assert_eq!(again.get(name), settings.get(name));
                    let why = settings.explain(name).expect("a directive that every version has");
                    assert_eq!(Some(&why.value[..]), settings.get(name));
                    let winners = why.trail.iter().filter(|step| step.fate == Fate::InForce);
                    assert_eq!(winners.count(), 1, "{why:?}");
                }
            }
        }
    }
}

/// Builds from files in memory; what is refused is refused with a text.
pub fn build(files: Memory, load: impl FnOnce(&mut Builder)) -> Option<Config> {
    let mut builder = Builder::new(Arc::new(files));
    load(&mut builder);
    match builder.build() {
        Ok(config) => Some(config),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            None
        }
    }
}
