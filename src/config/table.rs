//! PHP's own directives and constants, version by version: data that `tests/tools/directives.py` wrote.

use super::Access;
use super::check::Check;
use super::directive::Directive;
use super::text::Text;
use crate::version::PhpVersion;
use once_cell::race::OnceBox;
use std::borrow::Cow;

static DIRECTIVES: &str = include_str!("directives.tsv");
static CONSTANTS: &str = include_str!("constants.tsv");

/// One line of the data, read once per process.
struct Row {
    name: &'static str,
    extension: &'static str,
    check: Check,
    /// Access and default of each version; `None`: the version does not have it.
    cells: [Option<(Access, Option<Text>)>; PhpVersion::ALL.len()],
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.starts_with('#'))
}

/// The cells of a line; an empty one repeats its left neighbour.
fn cells<T: Clone>(
    fields: impl Iterator<Item = &'static str>,
    mut read: impl FnMut(&'static str) -> Option<T>,
) -> [Option<T>; PhpVersion::ALL.len()] {
    let mut out = [const { None }; PhpVersion::ALL.len()];
    let mut last = None;
    for (slot, field) in out.iter_mut().zip(fields) {
        match field {
            "" => {}
            "-" => last = None,
            field => last = read(field),
        }
        slot.clone_from(&last);
    }
    out
}

fn rows() -> &'static [Row] {
    static ROWS: OnceBox<Vec<Row>> = OnceBox::new();
    ROWS.get_or_init(|| Box::new(lines(DIRECTIVES).map(row).collect()))
}

fn row(line: &'static str) -> Row {
    let mut fields = line.split('\t');
    let mut next = || fields.next().unwrap_or_default();
    let (name, extension, check) = (next(), next(), Check::from_word(next()));
    let cells = cells(fields, |field| {
        let (access, default) = match field.split_once(':') {
            Some((access, default)) => (access, Some(Text::new(default.as_bytes()))),
            None => (field, None),
        };
        Some((Access(access.parse().unwrap_or_default()), default))
    });
    Row { name, extension, check, cells }
}

fn column(version: PhpVersion) -> usize {
    PhpVersion::ALL.iter().position(|&known| known == version).unwrap_or_default()
}

/// PHP's directives of a version, sorted by name.
pub(super) fn directives(version: PhpVersion) -> impl Iterator<Item = Directive> {
    let column = column(version);
    rows().iter().filter_map(move |row| {
        let (access, default) = row.cells[column].clone()?;
        let name = Cow::Borrowed(row.name.as_bytes());
        Some(Directive { name, access, default, check: row.check.clone(), extension: row.extension })
    })
}

/// Whether any version that is known has a directive of this name, and which ones.
pub(super) fn versions_with(name: &[u8]) -> Vec<PhpVersion> {
    let Some(row) = rows().iter().find(|row| row.name.as_bytes() == name) else { return Vec::new() };
    let there = PhpVersion::ALL.into_iter().zip(&row.cells).filter(|(_, cell)| cell.is_some());
    there.map(|(version, _)| version).collect()
}

type ConstantRow = (&'static str, [Option<Cow<'static, str>>; PhpVersion::ALL.len()]);

fn constant_rows() -> &'static [ConstantRow] {
    static ROWS: OnceBox<Vec<ConstantRow>> = OnceBox::new();
    ROWS.get_or_init(|| {
        let read = |line: &'static str| {
            let mut fields = line.split('\t');
            let name = fields.next().unwrap_or_default();
            let cells = cells(fields, |field| {
                let text = &field[1..];
                Some(if text.contains('\\') {
                    text.replace("\\n", "\n").replace("\\\\", "\\").into()
                } else {
                    text.into()
                })
            });
            (name, cells)
        };
        Box::new(lines(CONSTANTS).map(read).collect())
    })
}

/// The text of a core constant, as it is known while php.ini is read (fact I-061).
pub fn core_constant(version: PhpVersion, name: &[u8]) -> Option<&'static [u8]> {
    let rows = constant_rows();
    let at = rows.binary_search_by(|(known, _)| known.as_bytes().cmp(name)).ok()?;
    rows[at].1[column(version)].as_deref().map(str::as_bytes)
}

/// All core constants of a version with their texts, sorted by name.
pub fn core_constants(version: PhpVersion) -> impl Iterator<Item = (&'static str, &'static str)> {
    constant_rows().iter().filter_map(move |(name, cells)| Some((*name, cells[column(version)].as_deref()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_constants_are_found() {
        assert!(rows().windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(constant_rows().windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(core_constant(PhpVersion::V8_2, b"E_ALL"), Some(&b"32767"[..]));
        assert_eq!(core_constant(PhpVersion::V8_4, b"E_ALL"), Some(&b"30719"[..]));
        assert_eq!(core_constant(PhpVersion::V8_0, b"PHP_MINOR_VERSION"), Some(&b"0"[..]));
        assert_eq!(core_constant(PhpVersion::V8_2, b"M_PI"), None);
        assert_eq!(versions_with(b"track_errors"), [PhpVersion::V7_4]);
    }
}
