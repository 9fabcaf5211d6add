//! The values of one container, and mod_php's rule for merging two (facts ).

use crate::origin::Origin;
use std::sync::Arc;

/// Which of the four directives set a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// `php_value`
    Value,
    /// `php_flag`
    Flag,
    /// `php_admin_value`
    AdminValue,
    /// `php_admin_flag`
    AdminFlag,
}

impl ValueKind {
    /// Whether it locks the directive.
    pub fn is_admin(self) -> bool {
        matches!(self, Self::AdminValue | Self::AdminFlag)
    }
}

/// One line of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirValue {
    /// The directive's name, as written.
    pub name: Box<[u8]>,
    /// The value as it was written.
    pub raw: Box<[u8]>,
    /// The value as mod_php keeps it: `none` is empty, a flag is `1` or `0`.
    pub value: Box<[u8]>,
    /// Which directive set it.
    pub kind: ValueKind,
    /// Where.
    pub origin: Origin,
}

/// The values of one container, or of several merged.
#[derive(Clone, Debug, Default)]
pub struct DirConfig {
    values: Vec<Arc<DirValue>>,
}

impl DirConfig {
    /// Nothing set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Sets a value as mod_php does. In one container the last line for a name wins, whatever its kind.
    pub fn set(&mut self, kind: ValueKind, name: &[u8], raw: &[u8], origin: Origin) {
        let value: Box<[u8]> = match kind {
            ValueKind::Flag | ValueKind::AdminFlag => {
                let on = raw.eq_ignore_ascii_case(b"on") || raw == b"1";
                Box::from(if on { &b"1"[..] } else { b"0" })
            }
            _ if raw.eq_ignore_ascii_case(b"none") => Box::default(),
            _ => raw.into(),
        };
        let new = Arc::new(DirValue { name: name.into(), raw: raw.into(), value, kind, origin });
        match self.values.iter_mut().find(|old| *old.name == *name) {
            Some(old) => *old = new,
            None => self.values.push(new),
        }
    }

    /// `base` with `add` on top: per name the inner one wins unless the outer one is an admin value and it is not.
    #[must_use]
    pub fn merge(base: &Self, add: &Self) -> Self {
        let mut values = base.values.clone();
        for new in &add.values {
            match values.iter_mut().find(|old| old.name == new.name) {
                Some(old) if old.kind.is_admin() && !new.kind.is_admin() => {}
                Some(old) => *old = Arc::clone(new),
                None => values.push(Arc::clone(new)),
            }
        }
        Self { values }
    }

    /// The values, in the order in which their names first appeared.
    pub fn iter(&self) -> impl Iterator<Item = &DirValue> {
        self.values.iter().map(|value| &**value)
    }
}
