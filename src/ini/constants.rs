//! The constants that exist while php.ini is read (I-061).

use crate::find;
use crate::version::PhpVersion;

/// One line each: name, first and last version, text, with a tab between. Names of all versions stand together.
const TABLE: &str = include_str!("constants.tsv");

/// How many slots the index has: a power of two, several times the lines.
const SLOTS: usize = 1024;

/// Where each line of the table begins, plus one, by the hash of its name; 0: a free slot.
static INDEX: [u16; SLOTS] = index();

/// Name and text of each constant that a version knows. `TRUE`, `FALSE` and `NULL` are not among them: they are known
/// in any letter case, and need no looking up.
pub fn all(version: PhpVersion) -> impl Iterator<Item = (&'static [u8], &'static [u8])> {
    let rows = TABLE.lines().filter_map(|line| {
        let (name, rest) = line.split_once('\t')?;
        row(name.as_bytes(), rest.as_bytes())
    });
    rows.filter(move |row| row.is_known_to(version)).map(|row| (row.name, row.text))
}

/// The text of a constant; `None`: the version has no such constant.
pub fn get(version: PhpVersion, name: &[u8]) -> Option<&'static [u8]> {
    // No name in the table begins with this byte; most words of a text do.
    if name.first().is_some_and(u8::is_ascii_lowercase) {
        return None;
    }
    let mut slot = hash(name, 0, name.len());
    loop {
        let start = usize::from(INDEX[slot]).checked_sub(1)?;
        let line = &TABLE.as_bytes()[start..];
        if line.starts_with(name) && line.get(name.len()) == Some(&b'\t') {
            let row = row(name, &line[name.len() + 1..])?;
            if row.is_known_to(version) {
                return Some(row.text);
            }
        }
        slot = (slot + 1) % SLOTS;
    }
}

/// Those that exist once start-up is over besides, of extensions that every PHP has: FPM's pools, `PHP_VALUE` and `.user.ini` know them.
const LATE: &str = include_str!("late_constants.tsv");

/// As [`get`], once start-up is over (I-158). Few words ask for one, so there is no index.
pub fn get_late(version: PhpVersion, name: &[u8]) -> Option<&'static [u8]> {
    if !name.first().is_some_and(u8::is_ascii_uppercase) {
        return None;
    }
    get(version, name).or_else(|| {
        let rows = LATE.lines().filter_map(|line| {
            let (own, rest) = line.split_once('\t')?;
            (own.as_bytes() == name).then(|| row(own.as_bytes(), rest.as_bytes()))?
        });
        rows.into_iter().find(|row| row.is_known_to(version)).map(|row| row.text)
    })
}

struct Row<'n> {
    name: &'n [u8],
    since: u32,
    until: u32,
    text: &'static [u8],
}

impl Row<'_> {
    fn is_known_to(&self, version: PhpVersion) -> bool {
        self.since <= version.id() && version.id() <= self.until
    }
}

/// A row from the text after its name: two versions of three characters each, then the constant's text.
fn row<'n>(name: &'n [u8], rest: &'static [u8]) -> Option<Row<'n>> {
    let &[major, _, minor, b'\t', last_major, _, last_minor, b'\t', ..] = rest else { return None };
    let id = |major: u8, minor: u8| u32::from(major - b'0') * 10_000 + u32::from(minor - b'0') * 100;
    let text = &rest[8..];
    let text = &text[..find::one(b'\n', text).unwrap_or(text.len())];
    let text = if text == b"\\n" { b"\n" } else { text };
    Some(Row { name, since: id(major, minor), until: id(last_major, last_minor), text })
}

/// A slot for a name: good enough to tell its length, its ends and its middle apart.
const fn hash(text: &[u8], start: usize, end: usize) -> usize {
    let len = end - start;
    if len == 0 {
        return 0;
    }
    let (first, middle, last) = (text[start] as usize, text[start + len / 2] as usize, text[end - 1] as usize);
    (len.wrapping_mul(0x2F5) ^ first.wrapping_mul(0x1D) ^ middle.wrapping_mul(0x65) ^ last.wrapping_mul(0xFB)) % SLOTS
}

const fn index() -> [u16; SLOTS] {
    let text = TABLE.as_bytes();
    let mut index = [0; SLOTS];
    let mut start = 0;
    while start < text.len() {
        assert!(!text[start].is_ascii_lowercase(), "`get` looks for no such name");
        let mut end = start;
        while text[end] != b'\t' {
            end += 1;
        }
        let mut slot = hash(text, start, end);
        while index[slot] != 0 {
            slot = (slot + 1) % SLOTS;
        }
        index[slot] = start as u16 + 1;
        while text[end] != b'\n' {
            end += 1;
        }
        start = end + 1;
    }
    index
}
