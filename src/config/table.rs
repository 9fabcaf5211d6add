//! PHP's own directives, version by version: data that `tests/tools/directives.py` wrote.
//!
//! Values that only PHP itself can judge are accepted unchecked: `mbstring.language`, `mbstring.http_input`, `mbstring.http_output`,
//! `mbstring.detect_order` and `mbstring.http_output_conv_mimetypes` with names and patterns that mbstring does not know. A packager may
//! build other defaults in: `session.upload_progress.enabled` is 1 in every recorded build, and 0 in Debian's 8.2.36 whatever the SAPI.

use super::Access;
use super::directive::Directive;
use super::text::Text;
use super::value_rule::ValueRule;
use crate::version::PhpVersion;
use once_cell::race::OnceBox;
use std::borrow::Cow;

static DIRECTIVES: &str = include_str!("directives.tsv");

/// One line of the data, read once per process.
struct Row {
    name: &'static str,
    extension: &'static str,
    value_rule: ValueRule,
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
    let (name, extension, value_rule) = (next(), next(), ValueRule::named(next()));
    let cells = cells(fields, |field| {
        let (access, default) = match field.split_once(':') {
            Some((access, default)) => (access, Some(Text::new(default.as_bytes()))),
            None => (field, None),
        };
        Some((Access(access.parse().unwrap_or_default()), default))
    });
    Row { name, extension, value_rule, cells }
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
        Some(Directive { name, access, default, value_rule: row.value_rule.clone(), extension: row.extension })
    })
}

/// The PHP versions that have a directive of this name; empty: none has it.
pub fn versions_with(name: &[u8]) -> Vec<PhpVersion> {
    let Ok(at) = rows().binary_search_by(|row| row.name.as_bytes().cmp(name)) else { return Vec::new() };
    let row = &rows()[at];
    let there = PhpVersion::ALL.into_iter().zip(&row.cells).filter(|(_, cell)| cell.is_some());
    there.map(|(version, _)| version).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_found() {
        assert!(rows().windows(2).all(|pair| pair[0].name < pair[1].name));
        assert_eq!(versions_with(b"track_errors"), [PhpVersion::V7_4]);
    }
}
