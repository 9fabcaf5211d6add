//! How a container asks for a password: `AuthType` and what belongs to it (fact A-121).

use super::section::{Placed, Text};
use crate::httpd::expression::parse::Word;
use std::collections::BTreeSet;

/// What one container says.
#[derive(Debug, Default)]
pub(crate) struct Auth {
    /// `AuthType`
    pub kind: Option<Placed<Word>>,
    /// `AuthName`
    pub name: Option<Word>,
    /// `AuthBasicProvider`
    pub providers: Option<Vec<Text>>,
    /// `AuthUserFile`, as an absolute path.
    pub users: Option<Text>,
    /// `AuthGroupFile`, as an absolute path.
    pub groups: Option<Text>,
    /// `AuthBasicAuthoritative`
    pub authoritative: Option<bool>,
    /// `AuthzSendForbiddenOnFailure`
    pub forbids: Option<bool>,
}

/// Who has logged in, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Login {
    pub user: Vec<u8>,
    /// The `AuthType`.
    pub kind: Vec<u8>,
    /// The file with the groups of users, if there is one.
    pub groups: Option<Vec<u8>>,
}

/// Whether a file of passwords has this user.
pub(crate) fn has_user(file: &[u8], user: &[u8]) -> bool {
    lines(file).any(|line| line.strip_prefix(user).is_some_and(|rest| rest.starts_with(b":")))
}

/// The groups that a file of groups has a user in.
pub(crate) fn groups_of<'f>(file: &'f [u8], user: &[u8]) -> BTreeSet<&'f [u8]> {
    let group = |line: &'f [u8]| {
        let (group, members) = line.split_at(memchr::memchr(b':', line)?);
        members[1..].split(u8::is_ascii_whitespace).any(|name| name == user).then(|| group.trim_ascii())
    };
    lines(file).filter_map(group).collect()
}

fn lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    file.split(|&byte| byte == b'\n').filter(|line| !line.starts_with(b"#"))
}

/// The user that an `Authorization` header of the kind `Basic` names; its text is decoded by `decode`.
pub(crate) fn named_in(header: &[u8], decode: impl Fn(&[u8]) -> Vec<u8>) -> Option<Vec<u8>> {
    let (scheme, rest) = header.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let text = decode(rest.trim_ascii());
    let colon = memchr::memchr(b':', &text).unwrap_or(text.len());
    Some(text[..colon].to_vec())
}
