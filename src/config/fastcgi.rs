//! FastCGI's `PHP_VALUE` and `PHP_ADMIN_VALUE` (fact I-153).

use super::builder::FastCgiParam;
use super::core::{Assignment, Core, Source};
use super::directive_state::Authority;
use super::layer::Layer;
use super::lookup::CoreLookup;
use super::reader::{syntax, text_of, unknown};
use super::request_layers::UserIni;
use super::text::Text;
use crate::diagnostic::{Diagnosis, Diagnostic, Severity};
use crate::httpd::Variable;
use crate::ini::{self, Event};
use crate::origin::Origin;
use std::ops::ControlFlow;
use std::sync::Arc;

/// The parameters that were given with the configuration itself.
pub(super) fn read(
    core: &mut Core,
    param: FastCgiParam,
    text: &[u8],
    origin: Option<&Origin>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let (file, at) = match origin {
        Some(origin) => (origin.file.clone(), Some(origin.line)),
        None => (Some(name(param).into()), None),
    };
    let source = Arc::new(Source { layer: Layer::FastCgi, file, text: text.to_vec(), at });
    let mut found = parse(core, param, &source, diagnostics);
    core.global.append(&mut found);
}

fn name(param: FastCgiParam) -> &'static [u8] {
    match param {
        FastCgiParam::Value => b"PHP_VALUE",
        FastCgiParam::AdminValue => b"PHP_ADMIN_VALUE",
    }
}

/// The parameters of one request; FPM applies `PHP_VALUE` first.
pub(super) fn of_request(core: &Core, variables: &[Variable]) -> Option<UserIni> {
    let mut all = UserIni::default();
    for param in [FastCgiParam::Value, FastCgiParam::AdminValue] {
        let Some(given) = variables.iter().find(|one| one.name == name(param)) else { continue };
        let (file, at) = (given.origin.file.clone(), Some(given.origin.line));
        let source = Arc::new(Source { layer: Layer::FastCgi, file, text: given.value.clone(), at });
        let mut found = parse(core, param, &source, &mut all.diagnostics);
        all.assignments.append(&mut found);
        all.sources.push(source);
    }
    all.rehash();
    (!all.sources.is_empty()).then_some(all)
}

fn parse(core: &Core, param: FastCgiParam, source: &Arc<Source>, diagnostics: &mut Vec<Diagnostic>) -> Vec<Assignment> {
    let power = if param == FastCgiParam::Value { Authority::Free } else { Authority::Admin };
    let mut found = Vec::new();
    let lookup = CoreLookup::of_request(core);
    let options = ini::Options { mode: ini::Mode::Normal, version: core.version, stop_at_nul: false, lookup: &lookup };
    let result = ini::scan(&source.text, &options, &mut |event, line| {
        lookup.unset.tell(source, line, diagnostics);
        match event {
            Event::Entry { key, value } => match core.find(key) {
                Some(at) => found.push(Assignment {
                    directive: at as u32,
                    line,
                    power,
                    value: Text::new(text_of(&value)),
                    source: Arc::clone(source),
                }),
                None => diagnostics.push(unknown(key, core.version, source, line)),
            },
            Event::Section { .. } | Event::ArrayEntry { .. } => diagnostics.push(only_entries(source, line)),
            Event::Bare { .. } => {}
        }
        ControlFlow::Continue(())
    });
    if let Err(error) = result {
        diagnostics.push(syntax(source, &error));
    }
    if memchr::memmem::find(&source.text, b"\\n").is_some() {
        diagnostics.push(literal_newline(source));
    }
    found
}

/// In nginx's quotes `\n` is a line end; elsewhere it stays two characters.
fn literal_newline(source: &Source) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        code: Diagnosis::LiteralNewline,
        origin: source.origin(1),
        message:
            "this text has a backslash and an n in it, which are part of a value; nginx makes a line end of them in \
                  its quotes, nobody else does: give a real line end"
                .into(),
    }
}

fn only_entries(source: &Source, line: u32) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        code: Diagnosis::NotAnEntry,
        origin: source.origin(line),
        message: "only plain NAME = VALUE lines count here; this line does nothing".into(),
    }
}
