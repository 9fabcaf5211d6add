//! mod_macro (facts ).

use super::messages::lossy;
use super::tokens::{Tokens, next_token, trim};
use super::tree::MacroLines;
use crate::origin::Origin;
use std::collections::HashMap;
use std::sync::Arc;

/// A use that becomes longer than this is refused.
const MAX_USE: usize = 16 << 20;

/// One definition.
#[derive(Clone, Debug)]
pub(crate) struct Macro {
    name: Box<[u8]>,
    params: Vec<Box<[u8]>>,
    lines: Vec<u8>,
    numbers: Vec<u32>,
    depth: usize,
    pub origin: Origin,
}

/// What a `Use` puts in its place.
pub(crate) struct Instance {
    pub name: Box<[u8]>,
    pub text: Vec<u8>,
    /// Where the macro is defined.
    pub file: Option<Arc<[u8]>>,
    pub lines: MacroLines,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Macros {
    by_name: HashMap<Box<[u8]>, Macro>,
}

impl Macro {
    fn defined(&self) -> String {
        format!("macro '{}' (defined on {})", lossy(&self.name), on_line(&self.origin))
    }

    pub fn not_closed(&self) -> String {
        "expected token not found: </Macro>".into()
    }

    /// Takes a line of the body; true: it was the end.
    pub fn take(&mut self, line: &[u8], number: u32) -> Result<bool, String> {
        let (first, _) = next_token(line);
        if first.eq_ignore_ascii_case(b"</Macro>") {
            if self.depth == 0 {
                return Ok(true);
            }
            self.depth -= 1;
        } else if first.eq_ignore_ascii_case(b"<Macro") {
            self.depth += 1;
        }
        if self.lines.len() + line.len() > MAX_USE {
            return Err("The macro is longer than 16 MiB: split it".into());
        }
        self.lines.extend_from_slice(line);
        self.lines.push(b'\n');
        self.numbers.push(number);
        Ok(false)
    }

    /// Puts arguments in, those whose names begin with `@` in quotes; where several names fit, the longest is taken.
    fn text(&self, args: &[Box<[u8]>]) -> Result<Vec<u8>, String> {
        let mut order: Vec<usize> = (0..self.params.len()).collect();
        order.sort_by_key(|&at| std::cmp::Reverse(self.params[at].len()));
        let mut out = Vec::with_capacity(self.lines.len());
        let mut rest = &self.lines[..];
        while let Some(&byte) = rest.first() {
            match order.iter().find(|&&at| rest.starts_with(&self.params[at])) {
                Some(&at) if self.params[at].starts_with(b"@") => {
                    out.push(b'"');
                    for &byte in &args[at] {
                        if matches!(byte, b'"' | b'\\') {
                            out.push(b'\\');
                        }
                        out.push(byte);
                    }
                    out.push(b'"');
                    rest = &rest[self.params[at].len()..];
                }
                Some(&at) => {
                    out.extend_from_slice(&args[at]);
                    rest = &rest[self.params[at].len()..];
                }
                None => {
                    // A backslash at the end of a joined line must not join it with the next one.
                    if byte == b'\n' && out.last() == Some(&b'\\') {
                        out.push(b' ');
                    }
                    out.push(byte);
                    rest = &rest[1..];
                }
            }
            if out.len() > MAX_USE {
                return Err("The macro becomes longer than 16 MiB here: shorten its arguments".into());
            }
        }
        Ok(out)
    }
}

fn on_line(origin: &Origin) -> String {
    format!("line {} of \"{}\"", origin.line, origin.file_text().unwrap_or_default())
}

impl Macros {
    /// `<Macro NAME $a …>`.
    pub fn begin(&self, args: &[u8], origin: Origin) -> Result<Macro, String> {
        let Some(end) = memchr::memrchr(b'>', args) else {
            return Err("<Macro> directive missing closing '>'".into());
        };
        let mut words = Tokens::new(trim(&args[..end]));
        let name: Box<[u8]> = words.word().to_ascii_lowercase().into();
        if name.is_empty() {
            return Err("<Macro macro definition: empty name".into());
        }
        let params: Vec<Box<[u8]>> = words.map(|word| word.into_owned().into()).collect();
        let new = Macro { name, params, lines: Vec::new(), numbers: Vec::new(), depth: 0, origin };
        if new.params.len() > 1000 {
            return Err(format!("{}: more than 1,000 arguments", new.defined()));
        }
        for (at, param) in new.params.iter().enumerate() {
            if param.is_empty() {
                return Err(format!("{}: empty argument #{} name", new.defined(), at + 1));
            }
            if let Some(first) = new.params[..at].iter().position(|other| other.eq_ignore_ascii_case(param)) {
                return Err(format!(
                    "argument name conflict in {}: argument '{}': #{} and #{}, change argument names!",
                    new.defined(),
                    lossy(param),
                    first + 1,
                    at + 1
                ));
            }
        }
        Ok(new)
    }

    pub fn insert(&mut self, new: Macro, mut warn: impl FnMut(String, Origin)) {
        if let Some(old) = self.by_name.get(&new.name) {
            let (first, second) = (on_line(&old.origin), on_line(&new.origin));
            let text =
                format!("macro '{}' multiply defined: defined on {first}, redefined on {second}", lossy(&new.name));
            warn(text, new.origin.clone());
        }
        if new.lines.is_empty() {
            warn(format!("{}: empty contents!", new.defined()), new.origin.clone());
        }
        self.by_name.insert(new.name.clone(), new);
    }

    pub fn remove(&mut self, name: &[u8]) -> Result<(), String> {
        let key = name.to_ascii_lowercase();
        match self.by_name.remove(&*key) {
            Some(_) => Ok(()),
            None => Err(format!("cannot remove undefined macro '{}'", lossy(&key))),
        }
    }

    /// `Use NAME args`.
    pub fn instance(&self, args: &[u8], origin: &Origin, active: impl Fn(&[u8]) -> bool) -> Result<Instance, String> {
        let mut words = Tokens::new(args);
        let name = words.word().to_ascii_lowercase();
        if name.is_empty() {
            return Err("no macro name specified in Use".into());
        }
        if self.by_name.is_empty() {
            return Err("no macro defined before Use".into());
        }
        let Some(found) = self.by_name.get(&*name) else {
            return Err(format!("macro '{}' undefined", lossy(&name)));
        };
        if active(&name) {
            return Err(format!("recursive use of macro '{}' is invalid", lossy(&name)));
        }
        let given: Vec<Box<[u8]>> = words.map(|word| word.into_owned().into()).collect();
        if given.len() != found.params.len() {
            return Err(format!(
                "{} used with {} arguments instead of {}",
                found.defined(),
                given.len(),
                found.params.len()
            ));
        }
        let text = found.text(&given)?;
        let note = format!("{} used on {}", found.defined(), on_line(origin));
        let numbers: Arc<[u32]> = found.numbers.as_slice().into();
        Ok(Instance { name: name.into(), text, file: found.origin.file.clone(), lines: (numbers, note) })
    }
}
