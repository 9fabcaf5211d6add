//! The constants that exist while php.ini is read (I-061).

use crate::version::PhpVersion;

/// Name and text of each constant that a version knows.
pub fn all(version: PhpVersion) -> impl Iterator<Item = (&'static [u8], &'static [u8])> {
    rows().filter(move |row| row.since <= version && version <= row.until).map(|row| (row.name, row.text))
}

/// The text of a constant; `None`: the version has no such constant.
pub fn get(version: PhpVersion, name: &[u8]) -> Option<&'static [u8]> {
    // The names begin with a capital and are not short; most words in a value are neither.
    if name.len() < 4 || !name[0].is_ascii_uppercase() {
        return None;
    }
    all(version).find(|(known, _)| *known == name).map(|(_, text)| text)
}

struct Row {
    name: &'static [u8],
    since: PhpVersion,
    until: PhpVersion,
    text: &'static [u8],
}

/// One line each: name, first and last version, text, with a tab between.
const TABLE: &str = include_str!("constants.tsv");

fn rows() -> impl Iterator<Item = Row> {
    TABLE.lines().filter_map(|line| {
        let mut fields = line.split('\t');
        let name = fields.next()?.as_bytes();
        let since = PhpVersion::from_text(fields.next()?)?;
        let until = PhpVersion::from_text(fields.next()?)?;
        let text = fields.next()?;
        let text = if text == "\\n" { "\n" } else { text };
        Some(Row { name, since, until, text: text.as_bytes() })
    })
}
