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

/// Marks a span whose text is no part of what was read.
const OWN: u32 = 1 << 31;

/// Where a text is: in its source's, or, with [`OWN`], in the tree's own.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    from: u32,
    to: u32,
}

/// A piece of the tree's text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Piece {
    source: u32,
    span: Span,
}

/// One directive, or a section and what is in it: the nodes up to `end`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub directive: u16,
    pub source: u32,
    pub line: u32,
    pub parent: u32,
    pub end: u32,
    name: Span,
    args: Span,
}

/// A text that directives were read from: a file, or a macro's body.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub file: Option<Arc<[u8]>>,
    /// Directives are places in it, so most of them need no copy of their own.
    pub text: Arc<Vec<u8>>,
    pub macro_lines: Option<MacroLines>,
}

/// For a macro: the true line of each of its lines, and the words Apache uses for it.
pub(crate) type MacroLines = (Arc<[u32]>, String);

/// An `<IfModule>` that is false and meant for another PHP.
#[derive(Clone, Debug)]
pub(crate) struct Dead {
    pub source: u32,
    /// The line that opens it.
    pub line: u32,
    pub opening: Box<[u8]>,
    /// The text behind that line, up to the end of the line that closes it.
    pub inside: Piece,
}

/// All directives, in reading order.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub nodes: Vec<Node>,
    pub dead: Vec<Dead>,
    sources: Vec<Source>,
    /// Pieces that are no part of a source: joined lines, and lines with variables.
    own: Vec<u8>,
    /// Bytes of all texts.
    size: usize,
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

    /// Keeps a text that directives will be read from, and reserves what they need at most, so that nothing is moved while it grows; what is
    /// not used of it is never touched.
    pub fn add_source(&mut self, source: Source) -> Result<u32> {
        let number = self.sources.len() as u32;
        let file = source.file.clone();
        self.grow(source.text.len()).map_err(|error| error.at(Origin { file, line: 0 }))?;
        let lines = memchr::memchr_iter(b'\n', &source.text).count() + 1;
        self.nodes.reserve(lines.min(MAX_NODES - self.nodes.len()));
        self.sources.push(source);
        Ok(number)
    }

    fn grow(&mut self, by: usize) -> Result<()> {
        self.size = self.size.saturating_add(by);
        if self.size > MAX_TEXT { Err(too_large()) } else { Ok(()) }
    }

    /// Adds a directive. Its name and arguments are parts of its source's text, but for those that were put together.
    pub fn push(&mut self, name: &[u8], args: &[u8], mut node: Node) -> Result<u32> {
        if self.nodes.len() >= MAX_NODES {
            return Err(too_large());
        }
        node.name = self.span(name, node.source)?;
        node.args = self.span(args, node.source)?;
        self.nodes.push(node);
        Ok(self.nodes.len() as u32 - 1)
    }

    fn span(&mut self, piece: &[u8], source: u32) -> Result<Span> {
        let text = self.source_text(source);
        let offset = (piece.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
        let from = match text.len().checked_sub(piece.len()) {
            Some(most) if offset <= most => offset as u32,
            _ => {
                self.grow(piece.len())?;
                let from = self.own.len() as u32 | OWN;
                self.own.extend_from_slice(piece);
                from
            }
        };
        Ok(Span { from, to: from + piece.len() as u32 })
    }

    fn source_text(&self, source: u32) -> &[u8] {
        self.sources.get(source as usize).map_or(&[], |source| &source.text)
    }

    /// The part of a source's text from one place in it to another.
    pub fn part(source: u32, from: usize, to: usize) -> Piece {
        Piece { source, span: Span { from: from as u32, to: to as u32 } }
    }

    /// A directive's name, to be asked for later.
    pub fn name_piece(node: &Node) -> Piece {
        Piece { source: node.source, span: node.name }
    }

    pub fn slice(&self, piece: Piece) -> &[u8] {
        let Piece { source, span } = piece;
        let text = if span.from & OWN == 0 { self.source_text(source) } else { &self.own };
        &text[(span.from & !OWN) as usize..(span.to & !OWN) as usize]
    }

    pub fn name(&self, node: &Node) -> &[u8] {
        self.slice(Self::name_piece(node))
    }

    pub fn args(&self, node: &Node) -> &[u8] {
        self.slice(Piece { source: node.source, span: node.args })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_million_directives_are_the_most() {
        let mut tree = Tree::default();
        let add = |tree: &mut Tree| tree.push(b"", b"", Node::new(0, 0, 1, NONE));
        for _ in 0..MAX_NODES {
            add(&mut tree).expect("there is room");
        }
        let error = add(&mut tree).expect_err("one more");
        assert_eq!(error.code, Code::TooLarge);
        assert!(error.to_string().contains("more than 4 million directives"), "{error}");
    }
}
