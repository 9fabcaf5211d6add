//! One directive's state while layers are applied, and the rule for each kind of layer.

use super::Access;
use super::directive::Directive;
use super::text::Text;
use super::value_rule::{Moment, ValueRule};
use crate::version::PhpVersion;

/// With which right a layer sets a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Authority {
    /// php.ini and `-d`: always.
    Startup,
    /// FPM's `php_value[]` and FastCGI's `PHP_VALUE`: always, and a lock stays (I-150, I-151).
    Free,
    /// `php_value`, `.htaccess`: where access has PERDIR.
    PerDir,
    /// `.user.ini`: the same (I-142).
    User,
    /// Admin layers and `[PATH=]`, `[HOST=]`: always, and the directive is locked (I-133, I-160).
    Admin,
}

impl Authority {
    pub(crate) fn access(self) -> Access {
        if matches!(self, Authority::PerDir | Authority::User) { Access::PERDIR } else { Access::SYSTEM }
    }

    pub(crate) fn locks(self) -> bool {
        self == Authority::Admin
    }
}

/// The state of one directive: value, access and lock.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Slot {
    pub(crate) value: Text,
    pub(crate) access: Access,
    pub(crate) locked: bool,
}

/// Why a value was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The layer's power is not enough, and nobody locked the directive.
    Level,
    /// The directive is locked.
    Locked,
    /// The directive does not take the value.
    Value(String),
}

impl Slot {
    pub(crate) fn new(directive: &Directive) -> Self {
        let value = directive.default.clone().unwrap_or(Text::EMPTY);
        Self { value, access: directive.access, locked: false }
    }

    /// Sets the value as a layer of this power does.
    pub(crate) fn apply(
        &mut self,
        directive: &Directive,
        power: Authority,
        value: &Text,
        version: PhpVersion,
    ) -> Result<(), Refusal> {
        if power.access() == Access::PERDIR && !self.access.allows(Access::PERDIR) {
            return Err(if self.locked { Refusal::Locked } else { Refusal::Level });
        }
        if power == Authority::Admin {
            self.access = Access::SYSTEM;
            self.locked = true;
        }
        let moment = if power == Authority::Startup { Moment::Startup } else { Moment::Later(self.value.bytes()) };
        if power == Authority::User && matches!(directive.value_rule, ValueRule::NotByUsers) {
            return Err(Refusal::Value("PHP does not take it from a .user.ini".into()));
        }
        directive.value_rule.accepts(value.bytes(), moment, version).map_err(Refusal::Value)?;
        self.value = value.clone();
        Ok(())
    }
}
