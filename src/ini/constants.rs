//! The constants that exist while php.ini is read (I-061).

use crate::find;
use crate::version::PhpVersion;

/// One line each: name, first and last version, text, with a tab between. Names of all versions stand together.
const TABLE: &str = include_str!("constants.tsv");

/// Where each line of a table begins, plus one, by the hash of its name; 0: a free slot.
/// There are several times as many slots as lines.
static INDEX: [u16; 1024] = index(TABLE);

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
    find(TABLE, &INDEX, version, name)
}

/// Those that exist once start-up is over besides, of extensions that every PHP has: FPM's pools, `PHP_VALUE` and `.user.ini` know them.
const LATE: &str = include_str!("late_constants.tsv");

static LATE_INDEX: [u16; 4096] = index(LATE);

/// The text of a constant that exists only once start-up is over (I-158).
pub fn get_late(version: PhpVersion, name: &[u8]) -> Option<&'static [u8]> {
    find(LATE, &LATE_INDEX, version, name)
}

fn find(table: &'static str, index: &[u16], version: PhpVersion, name: &[u8]) -> Option<&'static [u8]> {
    // No name in the tables begins with this byte; most words of a text do.
    if name.first().is_some_and(u8::is_ascii_lowercase) {
        return None;
    }
    let mut slot = hash(name, 0, name.len()) % index.len();
    loop {
        let start = usize::from(index[slot]).checked_sub(1)?;
        let line = &table.as_bytes()[start..];
        if line.starts_with(name) && line.get(name.len()) == Some(&b'\t') {
            let row = row(name, &line[name.len() + 1..])?;
            if row.is_known_to(version) {
                return Some(row.text);
            }
        }
        slot = (slot + 1) % index.len();
    }
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
    len.wrapping_mul(0x2F5) ^ first.wrapping_mul(0x1D) ^ middle.wrapping_mul(0x65) ^ last.wrapping_mul(0xFB)
}

const fn index<const SLOTS: usize>(table: &str) -> [u16; SLOTS] {
    let text = table.as_bytes();
    let mut index = [0; SLOTS];
    let mut start = 0;
    while start < text.len() {
        assert!(!text[start].is_ascii_lowercase(), "`find` looks for no such name");
        let mut end = start;
        if text[start] == b'#' {
            while text[end] != b'\n' {
                end += 1;
            }
            start = end + 1;
            continue;
        }
        while text[end] != b'\t' {
            end += 1;
        }
        let mut slot = hash(text, start, end) % SLOTS;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_both_tables_is_found() {
        for (table, find) in [(TABLE, get as fn(_, &[u8]) -> _), (LATE, get_late)] {
            let mut lines = 0;
            for line in table.lines().filter(|line| !line.starts_with('#')) {
                let (name, rest) = line.split_once('\t').unwrap();
                let row = row(name.as_bytes(), rest.as_bytes()).unwrap();
                for version in PhpVersion::ALL.into_iter().filter(|version| row.is_known_to(*version)) {
                    assert_eq!(find(version, name.as_bytes()), Some(row.text), "{name} {version}");
                }
                lines += 1;
            }
            assert!(lines > 100);
            assert_eq!(find(PhpVersion::default(), b"NO_SUCH_CONSTANT"), None);
        }
    }
}
