//! What was read: directives in order, sections around them.

use crate::error::{Code, Error, Result};
use crate::origin::Origin;
use std::sync::Arc;

/// No parent, no directive.
pub(crate) const NONE: u32 = u32::MAX;
/// A directive that no loaded module knows.
pub(crate) const UNKNOWN: u16 = u16::MAX;

/// More text than this after includes, macros and substitution is refused.
const MAX_TEXT: usize = 128 << 20;
/// More directives than this are refused.
const MAX_NODES: usize = 4 << 20;

/// A piece of the tree's text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    from: u32,
    to: u32,
}

/// One directive, or a section and what is in it: the nodes up to `end`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub directive: u16,
    pub source: u32,
    pub line: u32,
    pub parent: u32,
    pub end: u32,
    pub name: Span,
    args: Span,
}

/// A text that directives were read from: a file, or a macro's body.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub file: Option<Arc<[u8]>>,
    /// For a macro: the true line of each of its lines, and the words Apache uses for it.
    pub macro_lines: Option<(Arc<[u32]>, String)>,
}

/// An `<IfModule>` that is false and meant for another PHP.
#[derive(Clone, Debug)]
pub(crate) struct Dead {
    pub source: u32,
    /// The line that opens it.
    pub line: u32,
    pub opening: Box<[u8]>,
    /// The text behind that line, up to the end of the line that closes it.
    pub inside: Span,
}

/// All directives, in reading order.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub nodes: Vec<Node>,
    pub sources: Vec<Source>,
    pub dead: Vec<Dead>,
    text: Vec<u8>,
}

impl Tree {
    pub fn origin(&self, source: u32, line: u32) -> Origin {
        let Some(source) = self.sources.get(source as usize) else { return Origin::default() };
        let line = match &source.macro_lines {
            Some((lines, _)) => lines.get((line as usize).saturating_sub(1)).copied().unwrap_or(0),
            None => line,
        };
        Origin { file: source.file.clone(), line }
    }

    /// The addition to a message about a line that a macro produced.
    pub fn macro_note(&self, source: u32) -> Option<&str> {
        Some(&self.sources.get(source as usize)?.macro_lines.as_ref()?.1)
    }

    pub fn node_origin(&self, node: &Node) -> Origin {
        self.origin(node.source, node.line)
    }

    /// Reserves memory for a file of so many bytes, about what its directives need, so that nothing is moved while it grows.
    pub fn reserve(&mut self, length: usize) {
        let length = length.min(MAX_TEXT);
        self.text.reserve(length);
        self.nodes.reserve(length / size_of::<Node>());
    }

    /// Keeps a text that directives will be read from: most of them need no copy of their own then. The answer is where it begins.
    pub fn keep(&mut self, text: &[u8]) -> Result<u32> {
        if self.text.len() + text.len() > MAX_TEXT {
            return Err(too_large());
        }
        let from = self.text.len() as u32;
        self.text.extend_from_slice(text);
        Ok(from)
    }

    /// Adds a directive; `text` is the one that it was read from, and `kept` where that is kept.
    pub fn push(&mut self, name: &[u8], args: &[u8], text: &[u8], kept: u32, mut node: Node) -> Result<u32> {
        if self.nodes.len() >= MAX_NODES {
            return Err(too_large());
        }
        node.name = self.span(name, text, kept)?;
        node.args = self.span(args, text, kept)?;
        self.nodes.push(node);
        Ok(self.nodes.len() as u32 - 1)
    }

    /// Where a piece is kept. One that is no part of the text, because a line was joined or a variable was put in, is kept by itself.
    fn span(&mut self, piece: &[u8], text: &[u8], kept: u32) -> Result<Span> {
        let offset = (piece.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
        let from = match text.len().checked_sub(piece.len()) {
            Some(most) if offset <= most => kept + offset as u32,
            _ => self.keep(piece)?,
        };
        Ok(Span { from, to: from + piece.len() as u32 })
    }

    /// The part of a text that is kept from here on: from one place in it to another.
    pub fn part(kept: u32, from: usize, to: usize) -> Span {
        Span { from: kept + from as u32, to: kept + to as u32 }
    }

    pub fn slice(&self, span: Span) -> &[u8] {
        &self.text[span.from as usize..span.to as usize]
    }

    pub fn name(&self, node: &Node) -> &[u8] {
        self.slice(node.name)
    }

    pub fn args(&self, node: &Node) -> &[u8] {
        self.slice(node.args)
    }
}

fn too_large() -> Error {
    Error::new(
        Code::TooLarge,
        "The configuration is larger than 128 MiB, or has more than 4 million directives, with what is included and made by macros: split it, and look for files that are included again and again",
    )
}

impl Node {
    /// A node whose texts are not kept yet.
    pub fn new(directive: u16, source: u32, line: u32, parent: u32) -> Self {
        let empty = Span { from: 0, to: 0 };
        Self { directive, source, line, parent, end: NONE, name: empty, args: empty }
    }
}
