//! What a directive is: its name, who may change it, its default, and what it takes.

use super::Access;
use super::text::Text;
use super::value_rule::ValueRule;
use std::borrow::Cow;

/// A directive as one configuration knows it.
#[derive(Clone, Debug)]
pub struct Directive {
    pub(super) name: Cow<'static, [u8]>,
    pub(super) access: Access,
    pub(super) default: Option<Text>,
    pub(super) value_rule: ValueRule,
    pub(super) extension: &'static str,
}

impl Directive {
    /// A directive of the host's own, for [`super::Builder::register`]. `None`: it has no value until one is set, and
    /// reads as empty.
    pub fn new(name: &[u8], access: Access, default: Option<&[u8]>) -> Self {
        Self {
            name: Cow::Owned(name.to_vec()),
            access,
            default: default.map(Text::new),
            value_rule: ValueRule::Text,
            extension: "host",
        }
    }

    /// The same directive, with a rule for its values.
    #[must_use]
    pub fn with_value_rule(mut self, value_rule: ValueRule) -> Self {
        self.value_rule = value_rule;
        self
    }

    /// Its name. Upper and lower case are different names (fact I-119).
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Who may change it as long as nobody has locked it.
    pub fn access(&self) -> Access {
        self.access
    }

    /// The built-in default; `None`: no value, which `ini_get()` shows as empty text.
    pub fn default(&self) -> Option<&[u8]> {
        self.default.as_ref().map(Text::bytes)
    }

    /// What it takes.
    pub fn value_rule(&self) -> &ValueRule {
        &self.value_rule
    }

    /// The PHP extension that brings it; `core`, `outlive`, `host`, or `sapi/…` for one SAPI's own.
    pub fn extension(&self) -> &str {
        self.extension
    }
}
