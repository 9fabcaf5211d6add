//! The values in force for one target.

use super::core::Core;
use super::directive::Directive;
use super::directive_state::Slot;
use super::number;
use super::policy::{self, Policy};
use super::request_layers::Contribution;
use super::value_rule::Moment;
use super::{Access, Entry, diagnose};
use crate::diagnostic::Diagnostic;
use std::fmt;
use std::sync::Arc;

/// The immutable values in force for one target. Shared by all requests to which the same layers apply; keeps
/// everything that it needs alive by itself.
pub struct Settings {
    pub(super) core: Arc<Core>,
    /// What layers below the configuration changed, sorted by directive.
    pub(super) overlay: Box<[(u32, Slot)]>,
    /// The values that a web server handed over before the request began: `ini_restore()` goes back to them.
    handed: Box<[(u32, Slot)]>,
    pub(super) contributions: Box<[Contribution]>,
    policy: Policy,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl Settings {
    /// Applies what a request adds, weakest first.
    pub(super) fn new(core: Arc<Core>, contributions: Box<[Contribution]>) -> Self {
        let mut overlay: Vec<(u32, Slot)> = Vec::new();
        let mut handed: Box<[(u32, Slot)]> = Box::default();
        for contribution in &contributions {
            contribution.each(&core, &mut |at, power, value| {
                let place = overlay.binary_search_by_key(&at, |(known, _)| *known);
                let mut slot = match place {
                    Ok(known) => overlay[known].1.clone(),
                    Err(_) => core.slots[at as usize].clone(),
                };
                // Refused values are shown by `explain`, which applies the same rule again.
                let _ = slot.apply(&core.directives[at as usize], power, value, core.version);
                match place {
                    Ok(known) => overlay[known].1 = slot,
                    Err(new) => overlay.insert(new, (at, slot)),
                }
            });
            if contribution.is_handed_over() {
                handed = overlay.clone().into_boxed_slice();
            }
        }
        let overlay = overlay.into_boxed_slice();
        let mut settings = Self { core, overlay, handed, contributions, policy: Policy::default() };
        settings.policy = policy::of(&settings);
        settings
    }

    /// The part that the connection machine uses.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(super) fn slot(&self, at: usize) -> &Slot {
        match self.overlay.binary_search_by_key(&(at as u32), |(known, _)| *known) {
            Ok(place) => &self.overlay[place].1,
            Err(_) => &self.core.slots[at],
        }
    }

    fn entry_at(&self, at: usize) -> Entry<'_> {
        let slot = self.slot(at);
        let global = match self.handed.binary_search_by_key(&(at as u32), |(known, _)| *known) {
            Ok(place) => &self.handed[place].1,
            Err(_) => &self.core.slots[at],
        };
        Entry { value: slot.value.bytes(), global: global.value.bytes(), access: slot.access, locked: slot.locked }
    }

    /// One directive; `None`: there is none of that name.
    pub fn entry(&self, name: &[u8]) -> Option<Entry<'_>> {
        self.core.find(name).map(|at| self.entry_at(at))
    }

    /// The value as `ini_get()` gives it (I-161); `None`: there is no directive of that name.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.core.find(name).map(|at| self.slot(at).value.bytes())
    }

    /// The value's leading decimal integer (C-146), saturated.
    pub fn get_int(&self, name: &[u8]) -> Option<i64> {
        self.get(name).map(number::integer)
    }

    /// The value as a boolean directive reads it (I-103).
    pub fn get_bool(&self, name: &[u8]) -> Option<bool> {
        self.get(name).map(number::boolean)
    }

    /// The value as a quantity (I-100): `128M` is 134217728.
    pub fn get_quantity(&self, name: &[u8]) -> Option<i64> {
        self.get(name).map(|value| number::quantity(value, self.core.version).0)
    }

    /// Every directive with its entry, sorted by name.
    pub fn each(&self) -> impl Iterator<Item = (&Directive, Entry<'_>)> {
        self.core.directives.iter().enumerate().map(|(at, directive)| (directive, self.entry_at(at)))
    }

    /// The `.user.ini` files of this request, outermost first: name and text.
    pub fn user_ini_files(&self) -> impl Iterator<Item = (&Arc<[u8]>, &[u8])> {
        let sources = self.contributions.iter().flat_map(|contribution| match contribution {
            Contribution::UserIni(user) => &user.sources[..],
            _ => &[],
        });
        sources.filter_map(|source| Some((source.file.as_ref()?, &*source.text)))
    }

    /// The directive of that name: access, default, the rule for its values.
    pub fn directive(&self, name: &[u8]) -> Option<&Directive> {
        self.core.find(name).map(|at| &self.core.directives[at])
    }

    /// The diagnostics about the layers of this request alone: `.htaccess` and other containers, `.user.ini`.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let mut out = Vec::new();
        for contribution in &self.contributions {
            diagnose::contribution(&self.core, contribution, &mut out);
        }
        out
    }

    /// Whether the directive would take this value at run time (PHP's own rules). Whether it may be changed at all is
    /// a matter of [`Entry::access`].
    pub fn accepts(&self, name: &[u8], value: &[u8]) -> bool {
        let Some(at) = self.core.find(name) else { return false };
        let moment = Moment::Later(self.slot(at).value.bytes());
        self.core.directives[at].value_rule.accepts(value, moment, self.core.version).is_ok()
    }

    /// Whether a running program may change the directive at all; false where there is none.
    pub fn may_set(&self, name: &[u8]) -> bool {
        self.entry(name).is_some_and(|entry| entry.access.allows(Access::USER))
    }
}
