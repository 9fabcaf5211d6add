//! The statements of an ini text, without a configuration around it.

use outlive::PhpVersion;
use outlive::ini::{self, Event};
use std::borrow::Cow;
use std::ops::ControlFlow;

/// Names do not matter here, so none are known.
struct Nothing(PhpVersion);

impl ini::Lookup for Nothing {
    fn variable(&self, _name: &[u8]) -> Option<Cow<'_, [u8]>> {
        None
    }

    fn constant(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        ini::constants::get(self.0, name).map(Cow::Borrowed)
    }
}

/// Every statement of a text, with its line, as far as PHP reads it.
pub fn statements(version: PhpVersion, text: &[u8], visit: &mut dyn FnMut(Event<'_>, u32)) {
    let lookup = Nothing(version);
    let options = ini::Options { mode: ini::Mode::Normal, version, stop_at_nul: false, lookup: &lookup };
    // Syntax errors are among the configuration's own diagnostics.
    let _ = ini::scan(text, &options, &mut |event, line| {
        visit(event, line);
        ControlFlow::Continue(())
    });
}
