//! The values of one container, and mod_php's rule for merging two (facts A-100, A-101).

use crate::origin::Origin;
use std::collections::HashMap;
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
    /// From the directive's name, in any letter case.
    pub(crate) fn of(name: &[u8]) -> Option<Self> {
        // Most names are none of these, and most of those begin with another letter.
        if !name.first().is_some_and(|first| first.eq_ignore_ascii_case(&b'p')) {
            return None;
        }
        let all = [
            ("php_value", Self::Value),
            ("php_flag", Self::Flag),
            ("php_admin_value", Self::AdminValue),
            ("php_admin_flag", Self::AdminFlag),
        ];
        all.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes())).map(|(_, kind)| kind)
    }

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
    pub raw: Arc<[u8]>,
    /// The value as mod_php keeps it: `none` is empty (A-102), a flag is `1` or `0` (A-103).
    pub value: Arc<[u8]>,
    /// Which directive set it.
    pub kind: ValueKind,
    /// Where.
    pub origin: Origin,
}

/// The values of one container, or of several merged.
#[derive(Clone, Debug, Default)]
pub struct DirConfig {
    values: Vec<Arc<DirValue>>,
    /// Places by name, once there are many: a container with a million names must not take a million scans.
    places: Option<HashMap<Box<[u8]>, u32>>,
}

/// Up to here a scan is quicker than a table.
const FEW: usize = 32;

impl DirConfig {
    /// Nothing set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Sets a value as mod_php does. In one container the last line for a name wins, whatever its kind (A-100).
    pub fn set(&mut self, kind: ValueKind, name: &[u8], raw: &[u8], origin: Origin) {
        let raw: Arc<[u8]> = raw.into();
        let value = match kind {
            ValueKind::Flag | ValueKind::AdminFlag => {
                let on = raw.eq_ignore_ascii_case(b"on") || *raw == *b"1";
                let value = if on { b"1" } else { b"0" };
                // Most are written as they are meant: then there is one text.
                if *raw == *value { Arc::clone(&raw) } else { Arc::from(&value[..]) }
            }
            _ if raw.eq_ignore_ascii_case(b"none") => Arc::default(),
            _ => Arc::clone(&raw),
        };
        let new = Arc::new(DirValue { name: name.into(), raw, value, kind, origin });
        match self.place(name) {
            Some(at) => self.values[at] = new,
            None => self.append(new),
        }
    }

    fn place(&self, name: &[u8]) -> Option<usize> {
        match &self.places {
            Some(places) => places.get(name).map(|&at| at as usize),
            None => self.values.iter().position(|old| *old.name == *name),
        }
    }

    fn append(&mut self, new: Arc<DirValue>) {
        let at = self.values.len();
        if let Some(places) = &mut self.places {
            places.insert(new.name.clone(), at as u32);
        }
        self.values.push(new);
        if self.places.is_none() && at >= FEW {
            self.places = Some(self.values.iter().zip(0..).map(|(value, at)| (value.name.clone(), at)).collect());
        }
    }

    /// `base` with `add` on top: per name the inner one wins unless the outer one is an admin value and it is not (A-101).
    ///
    /// ```
    /// use outlive::httpd::{DirConfig, ValueKind};
    /// use outlive::origin::Origin;
    ///
    /// let (mut outer, mut inner) = (DirConfig::new(), DirConfig::new());
    /// outer.set(ValueKind::AdminValue, b"memory_limit", b"64M", Origin::default());
    /// inner.set(ValueKind::Value, b"memory_limit", b"1G", Origin::default());
    /// inner.set(ValueKind::Flag, b"display_errors", b"on", Origin::default());
    /// let merged = DirConfig::merge(&outer, &inner);
    /// let values: Vec<(&[u8], &[u8])> = merged.iter().map(|value| (&*value.name, &*value.value)).collect();
    /// assert_eq!(values, [(&b"memory_limit"[..], &b"64M"[..]), (b"display_errors", b"1")]);
    /// ```
    #[must_use]
    pub fn merge(base: &Self, add: &Self) -> Self {
        let mut merged = base.clone();
        for new in &add.values {
            match merged.place(&new.name) {
                Some(at) if merged.values[at].kind.is_admin() && !new.kind.is_admin() => {}
                Some(at) => merged.values[at] = Arc::clone(new),
                None => merged.append(Arc::clone(new)),
            }
        }
        merged
    }

    /// The values, in the order in which their names first appeared.
    pub fn iter(&self) -> impl Iterator<Item = &DirValue> {
        self.values.iter().map(|value| &**value)
    }
}
