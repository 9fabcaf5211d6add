//! How a container asks for a password: `AuthType` and what belongs to it (fact A-121).

use super::section::Text;
use crate::httpd::expression::parse::Word;

/// What one container says.
#[derive(Debug, Default)]
pub(crate) struct Auth {
    /// `AuthType`
    pub kind: Option<Word>,
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

/// Whether a file of groups says that a user is in a group.
pub(crate) fn is_in_group(file: &[u8], user: &[u8], group: &[u8]) -> bool {
    let members = lines(file).filter_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        (line[..colon].trim_ascii() == group).then_some(&line[colon + 1..])
    });
    members.flat_map(|rest| rest.split(u8::is_ascii_whitespace)).any(|name| name == user)
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
