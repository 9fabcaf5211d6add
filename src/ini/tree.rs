//! What `parse_ini_string` and `parse_ini_file` return: ordered arrays with integer and text keys (I-034, I-040 to
//! I-044). All texts lie in one arena and all keys in one index, so a key costs no allocation of its own.

use super::index::Index;
use super::{Event, Options, SyntaxError, Value, scan};
use crate::version::PhpVersion;
use std::ops::ControlFlow;

/// A key of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key<'t> {
    /// A key that PHP makes an integer.
    Int(i64),
    /// Any other key.
    Text(&'t [u8]),
}

/// What stands under a key.
#[derive(Clone, Copy, Debug)]
pub enum Item<'t> {
    /// A value.
    Value(Value<'t>),
    /// A section, or an array of `key[offset]` entries.
    List(Entries<'t>),
}

/// A parsed text.
#[derive(Debug)]
pub struct Tree {
    arena: Vec<u8>,
    nodes: Vec<Node>,
    lists: Vec<List>,
    index: Index,
}

/// The entries of a list, in PHP's order: by the first time that each key was met.
#[derive(Clone, Copy, Debug)]
pub struct Entries<'t> {
    tree: &'t Tree,
    next: u32,
}

#[derive(Clone, Copy, Debug)]
struct Text {
    start: usize,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
enum StoredKey {
    Int(i64),
    Text(Text),
}

#[derive(Clone, Copy, Debug)]
enum Stored {
    Text(Text),
    Bool(bool),
    Null,
    Int(i64),
    Float(f64),
    List(u32),
}

#[derive(Debug)]
struct Node {
    list: u32,
    next: u32,
    key: StoredKey,
    value: Stored,
}

#[derive(Debug)]
struct List {
    first: u32,
    last: u32,
    /// The key of the next appended value; `None`: there is no more.
    free: Option<i64>,
    /// Whether `free` still is where a list begins to count.
    fresh: bool,
}

const NONE: u32 = u32::MAX;
const ROOT: u32 = 0;

/// Parses a text. With `sections`, each section is a list under its name, else headers are ignored.
///
/// Errors: PHP's message; PHP keeps nothing of such a text (I-090).
pub fn parse(text: &[u8], options: &Options<'_>, sections: bool) -> Result<Tree, SyntaxError> {
    let mut tree = Tree::with_capacity(text.len());
    let version = options.version;
    let mut current = ROOT;
    scan(text, options, &mut |event, _| {
        match event {
            Event::Section { name } if sections => {
                let key = symbol(name);
                let list = tree.new_list();
                let node = tree.place(ROOT, key);
                tree.nodes[node as usize].value = Stored::List(list);
                current = list;
            }
            Event::Section { .. } | Event::Bare { .. } => {}
            Event::Entry { key, value } => {
                let node = tree.place(current, symbol(key));
                let value = tree.store(value);
                tree.nodes[node as usize].value = value;
            }
            Event::ArrayEntry { key, offset, value } => {
                let list = tree.sub_list(current, array_key(key, version));
                tree.put(list, offset, value, version);
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(tree)
}

impl Tree {
    fn with_capacity(bytes: usize) -> Self {
        let root = List { first: NONE, last: NONE, free: Some(0), fresh: true };
        Self {
            arena: Vec::with_capacity(bytes / 2),
            nodes: Vec::with_capacity(bytes / 80),
            lists: vec![root],
            index: Index::with_capacity(bytes / 80),
        }
    }

    /// All entries.
    pub fn entries(&self) -> Entries<'_> {
        Entries { tree: self, next: self.lists[ROOT as usize].first }
    }

    /// What stands under a key of the text itself.
    pub fn get(&self, key: Key<'_>) -> Option<Item<'_>> {
        let node = self.find(ROOT, key)?;
        Some(self.item(node))
    }

    fn item(&self, node: u32) -> Item<'_> {
        let text = |text: Text| &self.arena[text.start..text.start + text.len];
        Item::Value(match self.nodes[node as usize].value {
            Stored::Text(span) => Value::Text(text(span)),
            Stored::Bool(value) => Value::Bool(value),
            Stored::Null => Value::Null,
            Stored::Int(value) => Value::Int(value),
            Stored::Float(value) => Value::Float(value),
            Stored::List(list) => {
                return Item::List(Entries { tree: self, next: self.lists[list as usize].first });
            }
        })
    }

    fn key(&self, node: u32) -> Key<'_> {
        match self.nodes[node as usize].key {
            StoredKey::Int(int) => Key::Int(int),
            StoredKey::Text(text) => Key::Text(&self.arena[text.start..text.start + text.len]),
        }
    }

    fn find(&self, list: u32, key: Key<'_>) -> Option<u32> {
        let hash = self.index.hash(list, key);
        self.index.find(hash, |node| self.nodes[node as usize].list == list && self.key(node) == key)
    }

    fn new_list(&mut self) -> u32 {
        self.lists.push(List { first: NONE, last: NONE, free: Some(0), fresh: true });
        self.lists.len() as u32 - 1
    }

    fn save(&mut self, text: &[u8]) -> Text {
        let start = self.arena.len();
        self.arena.extend_from_slice(text);
        Text { start, len: text.len() }
    }

    fn store(&mut self, value: Value<'_>) -> Stored {
        match value {
            Value::Text(text) => Stored::Text(self.save(text)),
            Value::Bool(value) => Stored::Bool(value),
            Value::Null => Stored::Null,
            Value::Int(value) => Stored::Int(value),
            Value::Float(value) => Stored::Float(value),
        }
    }

    /// The node of a key, made at the end of the list if there is none.
    fn place(&mut self, list: u32, key: Key<'_>) -> u32 {
        let hash = self.index.hash(list, key);
        let found = self.index.find(hash, |node| self.nodes[node as usize].list == list && self.key(node) == key);
        if let Some(node) = found {
            return node;
        }
        let key = match key {
            Key::Int(int) => StoredKey::Int(int),
            Key::Text(text) => StoredKey::Text(self.save(text)),
        };
        let node = self.nodes.len() as u32;
        self.nodes.push(Node { list, next: NONE, key, value: Stored::Null });
        self.index.insert(hash, node);
        let list = &mut self.lists[list as usize];
        match list.last {
            NONE => list.first = node,
            last => self.nodes[last as usize].next = node,
        }
        list.last = node;
        node
    }

    /// The list under a key; it takes the place of a value that was there.
    fn sub_list(&mut self, list: u32, key: Key<'_>) -> u32 {
        let node = self.place(list, key);
        if let Stored::List(found) = self.nodes[node as usize].value {
            return found;
        }
        let new = self.new_list();
        self.nodes[node as usize].value = Stored::List(new);
        new
    }

    /// `offset = value` in a list. Where no next integer is left, an appended value is lost (I-044).
    fn put(&mut self, list: u32, offset: &[u8], value: Value<'_>, version: PhpVersion) {
        let entry = &self.lists[list as usize];
        let key = if offset.is_empty() {
            match entry.free {
                Some(free) => Key::Int(free),
                None => return,
            }
        } else {
            symbol(offset)
        };
        if let Key::Int(int) = key {
            let entry = &mut self.lists[list as usize];
            // A list that begins below zero goes on from there since 8.0 (I-041).
            let counts = entry.fresh && (int >= 0 || version >= PhpVersion::V8_0);
            if counts || entry.free.is_some_and(|free| int >= free) {
                entry.free = int.checked_add(1);
                entry.fresh = false;
            }
        }
        let node = self.place(list, key);
        let value = self.store(value);
        self.nodes[node as usize].value = value;
    }
}

impl<'t> Iterator for Entries<'t> {
    type Item = (Key<'t>, Item<'t>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == NONE {
            return None;
        }
        let node = self.next;
        self.next = self.tree.nodes[node as usize].next;
        Some((self.tree.key(node), self.tree.item(node)))
    }
}

/// A key as PHP's arrays take it: texts that are exactly a decimal integer become one.
fn symbol(text: &[u8]) -> Key<'_> {
    match text.first() {
        Some(b'0'..=b'9' | b'-') => {}
        _ => return Key::Text(text),
    }
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let canonical = match digits {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if !canonical || digits.len() > 19 {
        return Key::Text(text);
    }
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).map_or(Key::Text(text), Key::Int)
}

/// The key in front of an offset: any numeric text becomes an integer, read as C's `strtoul` with base 0 reads it.
fn array_key(text: &[u8], version: PhpVersion) -> Key<'_> {
    let white = |byte: &u8| matches!(byte, b' ' | 9..=13);
    if text.len() > 1 && text[0] == b'0' {
        return Key::Text(text);
    }
    let start = text.iter().position(|byte| !white(byte)).unwrap_or(0);
    let mut end = text.len();
    if version >= PhpVersion::V8_0 {
        end = text.iter().rposition(|byte| !white(byte)).map_or(0, |last| last + 1);
    }
    let number = &text[start.min(end)..end];
    let (negative, digits) = match number {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Key::Text(text);
    }
    let signed = format!("{}{}", if negative { "-" } else { "" }, String::from_utf8_lossy(digits));
    let Ok(decimal) = signed.parse::<i64>() else { return Key::Text(text) };
    if digits[0] != b'0' {
        return Key::Int(decimal);
    }
    let octal = digits.iter().take_while(|byte| matches!(byte, b'0'..=b'7'));
    let value = octal.fold(0_i64, |value, byte| value.wrapping_mul(8).wrapping_add(i64::from(byte - b'0')));
    Key::Int(if negative { -value } else { value })
}
