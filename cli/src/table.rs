//! Text that fits the terminal.

use crate::output::width;

/// Cuts a text that is too long for its column, with a mark where something is left out.
pub fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(columns.saturating_sub(1)).collect();
    out.push('…');
    out
}

/// The same from the left: the end of a path says most.
pub fn cut_left(text: &str, columns: usize) -> String {
    let length = text.chars().count();
    if length <= columns {
        return text.to_owned();
    }
    let mut out = String::from("…");
    out.extend(text.chars().skip(length + 1 - columns.max(1)));
    out
}

/// Cut, or filled with blanks.
pub fn pad(text: &str, columns: usize) -> String {
    format!("{:columns$}", cut(text, columns))
}

/// Words in as many lines as they need.
pub fn paragraph(out: &mut String, indent: &str, words: impl Iterator<Item = String>) {
    let mut used = 0;
    for word in words {
        let length = word.chars().count();
        if used > 0 && used + 2 + length > width() {
            out.push_str(",\n");
            used = 0;
        }
        let before = if used == 0 { indent } else { ", " };
        out.push_str(before);
        out.push_str(&word);
        used += before.len() + length;
    }
    if used > 0 {
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_where_they_do_not_fit() {
        assert_eq!((cut("abcdef", 6), cut("abcdefg", 6)), ("abcdef".into(), "abcde…".into()));
        assert_eq!(pad("äb", 4), "äb  ");
    }
}
