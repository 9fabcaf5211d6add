//! `${NAME}` and constants, once start-up is over.

use super::core::Core;
use super::reader::constant;
use super::unset::Unset;
use crate::ini;
use std::borrow::Cow;
use std::cell::Cell;

/// Directives as start-up left them, then the environment (I-071, I-073). It may serve many texts: all of them have one budget.
pub(super) struct CoreLookup<'a> {
    core: &'a Core,
    place: Place,
    pub(super) unset: Unset,
    substituted: Cell<usize>,
}

/// Whose environment it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// PHP's, and that of FPM's master, which reads the pools.
    Process,
    /// A request's, which FPM's worker reads `PHP_VALUE` in, and PHP `.user.ini`: what the web server hands over comes first.
    Request,
}

impl<'a> CoreLookup<'a> {
    pub(super) fn new(core: &'a Core) -> Self {
        Self { core, place: Place::Process, unset: Unset::default(), substituted: Cell::new(0) }
    }

    pub(super) fn of_request(core: &'a Core) -> Self {
        Self { place: Place::Request, ..Self::new(core) }.cleared()
    }

    fn cleared(mut self) -> Self {
        self.unset.cleared_by_pool = self.core.worker.as_ref().is_some_and(|worker| worker.clears_env);
        self
    }

    fn environment(&self, name: &[u8]) -> Option<&'a [u8]> {
        let find = |list: &'a [(Vec<u8>, Vec<u8>)]| list.iter().find(|(own, _)| own == name).map(|(_, value)| &**value);
        let process = || self.core.env.get(name).map(|value| &**value);
        let param = || find(&self.core.params).filter(|_| self.place == Place::Request);
        let Some(worker) = self.core.worker.as_ref().filter(|_| self.place != Place::Process) else {
            return param().or_else(process);
        };
        param().or_else(|| find(&worker.env)).or_else(|| process().filter(|_| !worker.clears_env))
    }
}

impl ini::Lookup for CoreLookup<'_> {
    fn variable(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        let value = self.core.entry(name).or_else(|| self.environment(ini::env_name(name)))?;
        self.substituted.set(self.substituted.get().saturating_add(value.len()));
        Some(Cow::Borrowed(value))
    }

    fn unset(&self, name: &[u8]) {
        self.unset.add(name);
    }

    fn constant(&self, name: &[u8]) -> Option<Cow<'_, [u8]>> {
        constant(self.core.version, self.core.sapi.name(), name)
            .or_else(|| ini::constants::get_late(self.core.version, name).map(Cow::Borrowed))
    }

    fn has_lowercase_constants(&self) -> bool {
        false
    }

    fn room(&self) -> usize {
        ini::MAX_SUBSTITUTED.saturating_sub(self.substituted.get())
    }
}
