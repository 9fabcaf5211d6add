//! `${NAME}` and constants, once start-up is over.

use super::core::Core;
use super::reader::constant;
use super::unset::Unset;
use crate::ini;
use std::borrow::Cow;

/// Directives as start-up left them, then the environment (I-071, I-073).
pub(super) struct CoreLookup<'a> {
    core: &'a Core,
    pub(super) unset: Unset,
}

impl<'a> CoreLookup<'a> {
    pub(super) fn new(core: &'a Core) -> Self {
        Self { core, unset: Unset::default() }
    }
}

impl ini::Lookup for CoreLookup<'_> {
    fn variable(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        self.core.variable(name).map(Cow::Borrowed)
    }

    fn unset(&self, name: &[u8]) {
        self.unset.add(name);
    }

    fn constant(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        constant(self.core.version, self.core.sapi.name(), name)
    }

    fn has_lowercase_constants(&self) -> bool {
        false
    }
}
