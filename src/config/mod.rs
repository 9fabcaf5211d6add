//! Where values come from: layers, access levels, locks, provenance; and the [`Settings`] in force for one target.
#![forbid(unsafe_code)]

mod policy;

pub use policy::{AfterFinish, Clock, Detect, Disconnect, HalfClose, Policy, ShutdownMode};

/// Who may change a directive; PHP's access levels as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access(pub u8);

impl Access {
    /// A running program (`ini_set`).
    pub const USER: Access = Access(1);
    /// `.htaccess`, `.user.ini`, `php_value`.
    pub const PERDIR: Access = Access(2);
    /// php.ini, and admin layers.
    pub const SYSTEM: Access = Access(4);
    /// Everybody.
    pub const ALL: Access = Access(7);

    /// Whether all bits of `who` are there.
    pub fn allows(self, who: Access) -> bool {
        self.0 & who.0 == who.0
    }
}

/// A directive as it stands for one target, for the run-time layer.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// The value in force when the request begins, as `ini_get()` gives it, with a NUL behind it that is not counted.
    pub value: &'a [u8],
    /// The value that `ini_restore()` goes back to (fact C-093), NUL behind it as well.
    pub global: &'a [u8],
    /// Who may change it now; `SYSTEM` alone once it is locked.
    pub access: Access,
    /// Whether an admin layer has locked it.
    pub locked: bool,
}

/// The immutable values in force for one target.
#[derive(Debug)]
pub struct Settings {
    policy: Policy,
}

impl Settings {
    /// What the connection machine needs of them.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// One directive; `None`: there is none of that name.
    pub fn entry(&self, _name: &[u8]) -> Option<Entry<'_>> {
        None
    }

    /// Whether the directive would take this value at run time (PHP's own checks).
    pub fn accepts(&self, _name: &[u8], _value: &[u8]) -> bool {
        true
    }
}
