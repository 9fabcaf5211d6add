//! What `parse_ini_string` and `parse_ini_file` return: ordered arrays with integer and text keys (I-034, I-040 to
//! I-044). All texts lie in one arena and all keys in one index, so a key costs no allocation of its own.

use super::index::{Index, Region};
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

/// The value under a key.
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

/// An entry. Keys and values are eight bytes each, of the kind that stands beside them: new pages cost more than
/// anything else here, so a node is small.
#[derive(Debug)]
struct Node {
    key: u64,
    value: u64,
    next: u32,
    key_kind: Kind,
    value_kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Where in the arena it begins (high half), and its length.
    Text,
    Bool,
    Null,
    Int,
    Float,
    /// A list's number.
    List,
}

#[derive(Debug)]
struct List {
    first: u32,
    last: u32,
    /// The key of the next appended value; `None`: there is no more.
    free: Option<i64>,
    /// Whether no integer key has been used yet, so that `free` is where the list begins to count.
    fresh: bool,
    region: Region,
}

const NONE: u32 = u32::MAX;
const ROOT: u32 = 0;

/// Parses a text. With `sections`, each section is a list under its name, else headers are ignored.
///
/// Errors: PHP's message; PHP keeps nothing of such a text (I-090). A text of which more than 4 GiB would have to be
/// kept is refused with PHP's `memory exhausted`.
///
/// ```
/// use outlive::PhpVersion;
/// use outlive::ini::tree::{Item, Key, parse};
/// use outlive::ini::{Lookup, Mode, Options};
/// use std::borrow::Cow;
///
/// struct Nothing;
/// impl Lookup for Nothing {
///     fn variable(&self, _: &[u8]) -> Option<Cow<'_, [u8]>> {
///         None
///     }
///     fn constant(&self, _: &[u8]) -> Option<Cow<'_, [u8]>> {
///         None
///     }
/// }
///
/// let options = Options { mode: Mode::Normal, version: PhpVersion::V8_2, stop_at_nul: false, lookup: &Nothing };
/// let tree = parse(b"[shop]\nname = outlive\n", &options, true).unwrap();
/// let Some(Item::List(shop)) = tree.get(Key::Text(b"shop")) else { panic!("a section is a list") };
/// let names: Vec<_> = shop.map(|(key, _)| key).collect();
/// assert_eq!(names, [Key::Text(b"name")]);
/// ```
pub fn parse(text: &[u8], options: &Options<'_>, sections: bool) -> Result<Tree, SyntaxError> {
    let mut tree = Tree::with_capacity(text.len());
    let version = options.version;
    let mut current = ROOT;
    let mut full = None;
    scan(text, options, &mut |event, line| {
        match event {
            Event::Section { name } if sections => {
                let key = symbol(name);
                let list = tree.new_list();
                let node = tree.place(ROOT, key);
                tree.set(node, Kind::List, list.into());
                current = list;
            }
            Event::Section { .. } | Event::Bare { .. } => {}
            Event::Entry { key, value } => {
                let node = tree.place(current, symbol(key));
                tree.store(node, value);
            }
            Event::ArrayEntry { key, offset, value } => {
                let list = tree.sub_list(current, array_key(key, version));
                tree.put(list, offset, value, version);
            }
        }
        if u32::try_from(tree.arena.len()).is_err() {
            full = Some(line);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    match full {
        Some(line) => Err(SyntaxError { message: "memory exhausted".to_string(), line }),
        None => Ok(tree),
    }
}

impl Tree {
    fn with_capacity(bytes: usize) -> Self {
        let root = List { first: NONE, last: NONE, free: Some(0), fresh: true, region: Region::default() };
        Self {
            arena: Vec::with_capacity(bytes / 2),
            nodes: Vec::with_capacity(bytes / 64),
            lists: vec![root],
            index: Index::with_capacity(bytes / 64),
        }
    }

    /// All entries.
    pub fn entries(&self) -> Entries<'_> {
        Entries { tree: self, next: self.lists[ROOT as usize].first }
    }

    /// The value under a top-level key.
    pub fn get(&self, key: Key<'_>) -> Option<Item<'_>> {
        let node = self.find(ROOT, key)?;
        Some(self.item(node))
    }

    fn text(&self, packed: u64) -> &[u8] {
        let start = (packed >> 32) as usize;
        &self.arena[start..start + packed as u32 as usize]
    }

    fn item(&self, node: u32) -> Item<'_> {
        let node = &self.nodes[node as usize];
        Item::Value(match node.value_kind {
            Kind::Text => Value::Text(self.text(node.value)),
            Kind::Bool => Value::Bool(node.value != 0),
            Kind::Null => Value::Null,
            Kind::Int => Value::Int(node.value as i64),
            Kind::Float => Value::Float(f64::from_bits(node.value)),
            Kind::List => {
                return Item::List(Entries { tree: self, next: self.lists[node.value as usize].first });
            }
        })
    }

    #[inline]
    fn key(&self, node: u32) -> Key<'_> {
        let node = &self.nodes[node as usize];
        match node.key_kind {
            Kind::Int => Key::Int(node.key as i64),
            _ => Key::Text(self.text(node.key)),
        }
    }

    fn find(&self, list: u32, key: Key<'_>) -> Option<u32> {
        self.index.find(self.lists[list as usize].region, self.index.hash(key), |node| self.key(node) == key)
    }

    fn new_list(&mut self) -> u32 {
        self.lists.push(List { first: NONE, last: NONE, free: Some(0), fresh: true, region: Region::default() });
        self.lists.len() as u32 - 1
    }

    fn save(&mut self, text: &[u8]) -> u64 {
        let start = self.arena.len() as u64;
        self.arena.extend_from_slice(text);
        // Lengths of 4 GiB and more do not matter: the text is refused as soon as the arena holds that much.
        start << 32 | u64::from(text.len() as u32)
    }

    fn set(&mut self, node: u32, kind: Kind, value: u64) {
        let node = &mut self.nodes[node as usize];
        node.value_kind = kind;
        node.value = value;
    }

    fn store(&mut self, node: u32, value: Value<'_>) {
        let (kind, value) = match value {
            Value::Text(text) => (Kind::Text, self.save(text)),
            Value::Bool(value) => (Kind::Bool, value.into()),
            Value::Null => (Kind::Null, 0),
            Value::Int(value) => (Kind::Int, value as u64),
            Value::Float(value) => (Kind::Float, value.to_bits()),
        };
        self.set(node, kind, value);
    }

    /// The node of a key, made at the end of the list if there is none.
    fn place(&mut self, list: u32, key: Key<'_>) -> u32 {
        let hash = self.index.hash(key);
        let found = self.index.find(self.lists[list as usize].region, hash, |node| self.key(node) == key);
        if let Some(node) = found {
            return node;
        }
        let (key_kind, key) = match key {
            Key::Int(int) => (Kind::Int, int as u64),
            Key::Text(text) => (Kind::Text, self.save(text)),
        };
        let node = self.nodes.len() as u32;
        self.nodes.push(Node { key, value: 0, next: NONE, key_kind, value_kind: Kind::Null });
        let list = &mut self.lists[list as usize];
        self.index.insert(&mut list.region, hash, node);
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
        let found = &self.nodes[node as usize];
        if found.value_kind == Kind::List {
            return found.value as u32;
        }
        let new = self.new_list();
        self.set(node, Kind::List, new.into());
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
        self.store(node, value);
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
