//! `Define`, `UnDefine` and `${NAME}` (facts ).

use super::options::Options;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// A line longer than this after substitution is refused, so that doubling definitions cannot fill the memory.
pub(crate) const MAX_LINE: usize = 16 << 20;

/// The variables of one configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Defines {
    names: HashSet<Box<[u8]>>,
    values: HashMap<Box<[u8]>, Box<[u8]>>,
    env: HashMap<Box<[u8]>, Box<[u8]>>,
}

/// The result of substitution.
pub(crate) enum Expanded<'a> {
    Line(Cow<'a, [u8]>),
    TooLong,
}

impl Defines {
    pub fn new(options: &Options) -> Self {
        let mut new = Self::default();
        for (name, value) in &options.env {
            new.env.insert(name.as_slice().into(), value.as_slice().into());
        }
        for (name, value) in &options.defines {
            new.define(name, value.as_deref());
        }
        new
    }

    /// `Define NAME [VALUE]`: the value's name in any case, the name itself exact.
    pub fn define(&mut self, name: &[u8], value: Option<&[u8]>) {
        self.names.insert(name.into());
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.values.insert(name.to_ascii_lowercase().into(), value.into());
        }
    }

    pub fn undefine(&mut self, name: &[u8]) {
        self.names.remove(name);
        self.values.remove(&*name.to_ascii_lowercase());
    }

    /// `<IfDefine>`'s question.
    pub fn is_defined(&self, name: &[u8]) -> bool {
        self.names.contains(name)
    }

    /// Substitutes the values: one pass, no escapes. `unknown` gets each name without a value.
    pub fn expand<'a>(&self, line: &'a [u8], mut unknown: impl FnMut(&[u8])) -> Expanded<'a> {
        if !has_variable(line) {
            return Expanded::Line(Cow::Borrowed(line));
        }
        let mut out = Vec::with_capacity(line.len() + 64);
        let mut rest = line;
        while let Some(start) = find_open(rest) {
            let Some(length) = memchr::memchr(b'}', &rest[start + 2..]) else { break };
            let name = &rest[start + 2..start + 2 + length];
            out.extend_from_slice(&rest[..start]);
            match self.value(name) {
                Some(value) => out.extend_from_slice(value),
                None => {
                    unknown(name);
                    out.extend_from_slice(&rest[start..start + 3 + length]);
                }
            }
            if out.len() > MAX_LINE {
                return Expanded::TooLong;
            }
            rest = &rest[start + 3 + length..];
        }
        out.extend_from_slice(rest);
        Expanded::Line(Cow::Owned(out))
    }

    /// A variable of the server's environment.
    pub fn variable(&self, name: &[u8]) -> Option<&[u8]> {
        self.env.get(name).map(|value| &**value)
    }

    fn value(&self, name: &[u8]) -> Option<&[u8]> {
        let defined = self.values.get(&*name.to_ascii_lowercase());
        defined.or_else(|| self.env.get(name)).map(|value| &**value)
    }
}

fn has_variable(line: &[u8]) -> bool {
    memchr::memchr(b'$', line).is_some() && find_open(line).is_some()
}

fn find_open(text: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, b"${")
}
