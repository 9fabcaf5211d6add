//! What an `.htaccess` may hold (facts ).

/// What `.htaccess` may hold; `None`: a server's own files, which may hold anything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed<'a> {
    pub bits: u16,
    pub list: Option<&'a [Box<[u8]>]>,
    pub nonfatal_override: bool,
    pub nonfatal_unknown: bool,
}

impl Allowed<'_> {
    pub fn has(&self, place: u16, name: &str) -> bool {
        self.bits & place != 0
            || self.list.is_some_and(|list| list.iter().any(|n| n.eq_ignore_ascii_case(name.as_bytes())))
    }
}
