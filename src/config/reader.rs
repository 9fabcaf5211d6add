//! Reads php.ini, scan directory files and `-d` into entries, sections and diagnostics.

use super::core::{Assignment, Directives, Section, SectionPlaces, Source};
use super::diagnose;
use super::directive_state::Authority;
use super::layer::Layer;
use super::table;
use super::text::Text;
use super::unknowns::Unknowns;
use super::unset::Unset;
use crate::diagnostic::{Diagnosis, Diagnostic, Severity};
use crate::error::{Code, Error, Result};
use crate::ini::{self, Event, Value};
use crate::origin::Origin;
use crate::version::PhpVersion;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// The most statements of all start-up texts: each is kept, to answer why a value is in force.
const MAX_STATEMENTS: usize = 1_000_000;

/// The variables and constants that php.ini may use.
pub(super) type Env = HashMap<Box<[u8]>, Box<[u8]>>;

/// Reads start-up texts one after the other.
pub(super) struct Reader<'a> {
    pub(super) version: PhpVersion,
    pub(super) sapi: &'static str,
    pub(super) directives: &'a Directives,
    pub(super) env: &'a Env,
    pub(super) state: RefCell<State>,
    /// How many bytes `${NAME}` has put in, over all texts.
    pub(super) substituted: Cell<usize>,
    /// How many bytes of text have been read.
    pub(super) text_size: Cell<usize>,
    /// How many statements they had.
    pub(super) statements: Cell<usize>,
    pub(super) unset: Unset,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) startup: Vec<Assignment>,
    pub(super) winners: Vec<Option<u32>>,
    pub(super) sections: Vec<Section>,
    pub(super) section_places: SectionPlaces,
    pub(super) sources: Vec<Arc<Source>>,
    pub(super) unknown: Unknowns,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl ini::Lookup for Reader<'_> {
    fn variable(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        let state = self.state.borrow();
        let known = self.directives.find(name).and_then(|at| state.winners[at]);
        let value = if let Some(winner) = known {
            Some(Cow::Owned(state.startup[winner as usize].value.bytes().to_vec()))
        } else if let Some(value) = state.unknown.get(name) {
            Some(Cow::Owned(value.to_vec()))
        } else {
            self.env.get(ini::env_name(name)).map(|value| Cow::Borrowed(&**value))
        };
        let length = value.as_ref().map_or(0, |value| value.len());
        self.substituted.set(self.substituted.get().saturating_add(length));
        value
    }

    fn unset(&self, name: &[u8]) {
        self.unset.add(name);
    }

    fn constant(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        constant(self.version, self.sapi, name)
    }

    fn has_lowercase_constants(&self) -> bool {
        false
    }

    /// One budget for all texts, because each may use values that earlier ones have set.
    fn room(&self) -> usize {
        ini::MAX_SUBSTITUTED.saturating_sub(self.substituted.get())
    }
}

/// A constant's text; `PHP_SAPI` is the SAPI that is the model.
pub(super) fn constant<'a>(version: PhpVersion, sapi: &'static str, name: &[u8]) -> Option<Cow<'a, [u8]>> {
    if name == b"PHP_SAPI" {
        return Some(Cow::Borrowed(sapi.as_bytes()));
    }
    ini::constants::get(version, name).map(Cow::Borrowed)
}

/// The text of a value; only the typed scanner mode has other values.
pub(super) fn text_of<'a>(value: &Value<'a>) -> &'a [u8] {
    if let Value::Text(text) = value { text } else { b"" }
}

/// PHP's message, with the place in front where a diagnostic is shown.
pub(super) fn syntax(source: &Source, error: &ini::SyntaxError) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code: if error.is_limit() { Diagnosis::Unreadable } else { Diagnosis::Syntax },
        origin: source.origin(error.line),
        message: format!("{}; the lines before it count, the rest of this file is not read", error.message),
    }
}

/// The error for a text whose substituted values exceed the limit; its true values are not known.
pub(super) fn too_large(source: &Source, error: ini::SyntaxError) -> Error {
    Error::new(Code::TooLarge, error.message).at(source.origin(error.line))
}

impl Reader<'_> {
    /// Reads one text. Each begins outside of any section (I-116).
    pub(super) fn read(&self, source: &Arc<Source>) -> Result<()> {
        let options = ini::Options { mode: ini::Mode::Normal, version: self.version, stop_at_nul: false, lookup: self };
        self.state.borrow_mut().sources.push(Arc::clone(source));
        let mut section = None;
        let mut many = None;
        let result = ini::scan(&source.text, &options, &mut |event, line| {
            self.statements.set(self.statements.get() + 1);
            if self.statements.get() > MAX_STATEMENTS {
                many = Some(line);
                return ControlFlow::Break(());
            }
            self.event(event, line, source, &mut section);
            ControlFlow::Continue(())
        });
        if let Some(line) = many {
            let message = "php.ini and the files of the scan directories have more than a million lines that say something: take out what is not needed";
            return Err(Error::new(Code::TooLarge, message).at(source.origin(line)));
        }
        match result {
            Err(error) if error.is_limit() => Err(too_large(source, error)),
            Err(error) => {
                self.state.borrow_mut().diagnostics.push(syntax(source, &error));
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn event(&self, event: Event<'_>, line: u32, source: &Arc<Source>, section: &mut Option<usize>) {
        let mut state = self.state.borrow_mut();
        self.unset.tell(source, line, &mut state.diagnostics);
        match event {
            // An ordinary header does not leave a special section (I-131).
            Event::Section { name } => {
                if let Some((layer, key)) = special(name) {
                    *section = state.section(layer, &key);
                }
            }
            Event::Entry { key, value } => {
                let value = text_of(&value);
                match *section {
                    Some(at) => self.section_entry(&mut state, at, key, value, line, source),
                    None => self.entry(&mut state, key, value, line, source),
                }
            }
            Event::ArrayEntry { key, .. } if self.directives.find(key).is_some() => {
                diagnose::add(&mut state.diagnostics, || Diagnostic {
                    severity: Severity::Error,
                    code: Diagnosis::ArrayEntry,
                    origin: source.origin(line),
                    message: format!(
                        "`{0}[…]` is an array, but `{0}` is a single value: real PHP breaks down on this line; it is \
                         left out here. Write `{0} = …`",
                        String::from_utf8_lossy(key)
                    ),
                });
            }
            Event::ArrayEntry { .. } | Event::Bare { .. } => {}
        }
    }

    /// An entry outside of special sections.
    pub(super) fn entry(&self, state: &mut State, key: &[u8], value: &[u8], line: u32, source: &Arc<Source>) {
        if let Some(at) = self.directives.find(key) {
            let value = Text::new(value);
            state.winners[at] = Some(state.startup.len() as u32);
            let (directive, source) = (at as u32, Arc::clone(source));
            state.startup.push(Assignment { directive, line, power: Authority::Startup, value, source });
        } else if !is_load_request(key) {
            state.unknown.insert(key, value, line, source);
        }
    }

    fn section_entry(&self, state: &mut State, at: usize, key: &[u8], value: &[u8], line: u32, source: &Arc<Source>) {
        match self.directives.find(key) {
            Some(directive) => state.sections[at].assignments.push(Assignment {
                directive: directive as u32,
                line,
                power: Authority::Admin,
                value: Text::new(value),
                source: Arc::clone(source),
            }),
            None => {
                diagnose::add(&mut state.diagnostics, || unknown(key, self.version, source, line));
            }
        }
    }
}

impl State {
    /// The section of that key, new or met before (I-131).
    fn section(&mut self, layer: Layer, key: &[u8]) -> Option<usize> {
        if key.is_empty() {
            return None;
        }
        let new = self.sections.len();
        let place = *self.section_places.entry((layer, key.into())).or_insert(new);
        if place == new {
            self.sections.push(Section { layer, assignments: Vec::new() });
        }
        Some(place)
    }
}

/// `extension=` and `zend_extension=` load an extension; they are not entries (I-119).
fn is_load_request(key: &[u8]) -> bool {
    key.eq_ignore_ascii_case(b"extension") || key.eq_ignore_ascii_case(b"zend_extension")
}

/// The kind and key of a special section (I-130).
fn special(name: &[u8]) -> Option<(Layer, Vec<u8>)> {
    let (word, rest) = name.split_at_checked(4)?;
    let layer = if word.eq_ignore_ascii_case(b"PATH") {
        Layer::PathSection
    } else if word.eq_ignore_ascii_case(b"HOST") {
        Layer::HostSection
    } else {
        return None;
    };
    let end = rest.iter().rposition(|byte| !matches!(byte, b'/' | b'\\')).map_or(0, |last| last + 1);
    let start = rest[..end].iter().position(|byte| !matches!(byte, b'=' | b' ' | b'\t')).unwrap_or(end);
    let mut key = rest[start..end].to_vec();
    if layer == Layer::HostSection {
        key.make_ascii_lowercase();
    }
    Some((layer, key))
}

/// The diagnostic for a name that is no directive.
pub(super) fn unknown(key: &[u8], version: PhpVersion, source: &Source, line: u32) -> Diagnostic {
    unknown_at(key, version, source.origin(line))
}

/// The diagnostic for a name that is no directive, at any place.
pub(super) fn unknown_at(key: &[u8], version: PhpVersion, origin: Origin) -> Diagnostic {
    let name = String::from_utf8_lossy(key);
    let versions: Vec<String> = table::versions_with(key).iter().map(ToString::to_string).collect();
    let message = if versions.is_empty() {
        format!(
            "there is no directive `{name}` in PHP {version}; unless an extension brings it, this line does nothing"
        )
    } else if versions.contains(&version.to_string()) {
        format!("`{name}` belongs to another SAPI; this line does nothing here")
    } else {
        format!("PHP {version} has no directive `{name}` (PHP {} has); this line does nothing", versions.join(", "))
    };
    Diagnostic::new(Severity::Note, Diagnosis::UnknownDirective, origin, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_sections_have_many_spellings() {
        for name in ["PATH=/x", "PATH = /x", "path /x", "PATH/x", "PATH=/x/", "PATH=\t/x\\/"] {
            assert_eq!(special(name.as_bytes()), Some((Layer::PathSection, b"/x".to_vec())), "{name}");
        }
        assert_eq!(special(b"hostname"), Some((Layer::HostSection, b"name".to_vec())));
        assert_eq!(special(b"HOST=Example.ORG"), Some((Layer::HostSection, b"example.org".to_vec())));
        assert_eq!(special(b"PHP"), None);
        assert_eq!(special(b"Session"), None);
    }
}
