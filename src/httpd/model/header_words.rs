//! The words of a `Header` or `RequestHeader` line.

use super::section::Text;
use crate::httpd::syntax::tokens::Tokens;

/// What a line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Set,
    SetIfEmpty,
    Add,
    Append,
    Merge,
    Unset,
    Echo,
    Note,
    Edit,
    EditAll,
}

const ACTIONS: [(&str, Action); 10] = [
    ("set", Action::Set),
    ("setifempty", Action::SetIfEmpty),
    ("add", Action::Add),
    ("append", Action::Append),
    ("merge", Action::Merge),
    ("unset", Action::Unset),
    ("echo", Action::Echo),
    ("note", Action::Note),
    ("edit", Action::Edit),
    ("edit*", Action::EditAll),
];

/// The words of one line, each where it belongs.
#[derive(Debug)]
pub(crate) struct Words {
    pub action: Action,
    pub header: Text,
    /// A value; for an edit, the pattern.
    pub value: Option<Text>,
    /// What an edit puts in place of a match.
    pub new: Option<Text>,
    /// The condition at the end.
    pub clause: Option<Text>,
}

impl Words {
    /// Reads a line; `request`: it is a `RequestHeader`.
    pub fn of(args: &[u8], request: bool) -> Result<Self, String> {
        let mut words = Tokens::new(args);
        let mut action = words.word().to_ascii_lowercase();
        if !request && matches!(&*action, b"always" | b"onsuccess") {
            action = words.word().to_ascii_lowercase();
        }
        let mut next = || words.next().map(Text::from);
        let header = next().unwrap_or_default();
        let mut value = next();
        let new = if action.starts_with(b"edit") { next() } else { None };
        let mut clause = if value.is_some() { next() } else { None };
        if next().is_some() {
            return Err("Too many arguments to directive".into());
        }
        let (name, action) = ACTIONS.iter().find(|(own, _)| own.as_bytes() == action).ok_or_else(|| {
            "first argument must be 'add', 'set', 'setifempty', 'append', 'merge', 'unset', 'echo', 'note', 'edit', or 'edit*'"
                .to_owned()
        })?;
        match action {
            Action::Echo if request => return Err("Header echo only valid on Header directives".into()),
            Action::Unset | Action::Echo if clause.is_some() => {
                return Err(format!("header {name} takes two arguments"));
            }
            Action::Unset | Action::Echo => clause = value.take(),
            Action::Edit | Action::EditAll if new.is_none() => {
                return Err("Header edit requires a match and a substitution".into());
            }
            Action::Edit | Action::EditAll => {}
            Action::Note if request => return Err("RequestHeader does not support the 'note' action".into()),
            _ if value.is_none() => return Err("Header requires three arguments".into()),
            _ => {}
        }
        Ok(Self { action: *action, header, value, new, clause })
    }
}

/// The rest of a word that begins with this, in any letter case.
pub(crate) fn prefixed<'w>(word: &'w [u8], start: &[u8]) -> Option<&'w [u8]> {
    let (first, rest) = word.split_at_checked(start.len())?;
    first.eq_ignore_ascii_case(start).then_some(rest)
}
