//! The guard of one call on a request: it holds the owned part while the call runs, and publishes the call's changes when it is dropped.

use super::flag_word::{FLAG_GONE, Seen};
use super::slot::{Host, Owned, Slot, state};
use super::sys::{self, guarded::Guard};
use crate::config::{Clock, Policy, Settings, whole_number};
use crate::request::{Change, Events, Machine, Output, Stage, Timer, effective_limit};
use std::sync::atomic::{
    Ordering::{Relaxed, Release, SeqCst},
    fence,
};

/// The host, as the machine sees it.
pub(super) struct Below<'a, H: Host>(pub &'a Slot<H>);

impl<H: Host> Output for Below<'_, H> {
    fn write(&mut self, bytes: &[u8]) -> bool {
        let went_well = self.0.host.write(bytes);
        if went_well {
            self.0.count_written(bytes.len());
        }
        went_well
    }

    fn flush(&mut self) -> bool {
        self.0.host.flush()
    }
}

/// A write that has failed already.
pub(super) struct Failed;

impl Output for Failed {
    fn write(&mut self, _: &[u8]) -> bool {
        false
    }

    fn flush(&mut self) -> bool {
        false
    }
}

/// Holds the owned part for one call. Dropping it publishes what the call has changed.
pub(super) struct CallGuard<'e, H: Host> {
    pub slot: &'e Slot<H>,
    pub owned: Guard<'e, Owned<H>>,
    pub before: Events,
    pub events: Events,
    /// Dropping it publishes nothing: the call has changed nothing that others see, or the request is over.
    pub publishes_nothing: bool,
}

impl<'e, H: Host> CallGuard<'e, H> {
    #[inline]
    pub fn new(slot: &'e Slot<H>, owned: Guard<'e, Owned<H>>, word: Seen) -> Self {
        let events = word.events();
        let mut guard = Self { slot, owned, before: events, events, publishes_nothing: false };
        if events != Events::NONE {
            guard.owned.machine().absorb(events);
        }
        guard
    }

    /// It does not change while a call holds the owned part.
    pub fn generation(&self) -> u64 {
        self.slot.word.load().generation()
    }

    pub fn apply(&mut self, timer: Timer) {
        let Some(limit) = timer.limit() else { return };
        self.write_limit_text(); // the new limit has none
        let slot = self.slot;
        slot.look_at(slot.timing().start(limit, slot.shared().now_within(), slot.counts_cpu()));
    }

    pub fn policy(&self) -> Option<&Policy> {
        self.owned.settings.as_deref().map(Settings::policy)
    }

    /// `set_time_limit` left only a number behind; here it becomes the directive's text (C-144).
    pub fn write_limit_text(&mut self) {
        if let Some(seconds) = self.slot.timing().started.take_text() {
            self.put(b"max_execution_time", seconds.to_string().as_bytes());
        }
    }

    /// Writes into the run-time layer without checking access.
    pub fn put(&mut self, name: &[u8], value: &[u8]) {
        self.owned.run_time_mut().put(name, value);
        self.set_state(state::CHANGED);
    }

    /// Sets bits of the slot's state. Only the owner writes the state, so no read-modify-write is needed.
    pub fn set_state(&self, bits: u32) {
        self.slot.state.store(self.slot.state.load(Relaxed) | bits, Release);
    }

    /// Clears bits of the slot's state.
    pub fn clear_state(&self, bits: u32) {
        self.slot.state.store(self.slot.state.load(Relaxed) & !bits, Release);
    }

    pub fn change(&mut self, change: Change) {
        match change {
            Change::None => {}
            Change::IgnoreUserAbort(ignore) => self.owned.machine().set_ignore(ignore),
            Change::TimeLimit(seconds) => self.apply(effective_limit(seconds)),
            Change::Disconnect(disconnect) => {
                let directive = self.ignore_directive();
                self.owned.machine().set_disconnect(disconnect, directive);
            }
            Change::AfterFinish(after_finish) => self.owned.machine().set_after_finish(after_finish),
            Change::Shutdown(shutdown) => self.owned.machine().set_shutdown(shutdown),
            Change::Clock(clock) => self.change_clock(clock == Clock::Cpu && sys::HAS_THREAD_CLOCKS),
            Change::MaxDetachedTime(seconds) => self.change_detached_time(seconds),
            Change::ShutdownTime(Some(_)) => self.set_state(state::SHUTDOWN_TIME),
            Change::ShutdownTime(None) => self.clear_state(state::SHUTDOWN_TIME),
        }
    }

    fn change_clock(&self, to_cpu: bool) {
        let slot = self.slot;
        if (slot.state.load(Relaxed) & state::CPU != 0) == to_cpu {
            return;
        }
        let due = slot.timing().change_clock(slot.shared().now_within(), to_cpu, || match to_cpu {
            true => self.set_state(state::CPU),
            false => self.clear_state(state::CPU),
        });
        slot.look_at(due);
        slot.shared().board.clock_changed(slot);
    }

    fn change_detached_time(&self, seconds: u32) {
        let slot = self.slot;
        let (annex, policy) = (slot.annex(), self.policy());
        annex.max_detached.store(policy.map_or(0, |policy| policy.max_detached), Relaxed);
        annex.max_detached_time.store(seconds, Relaxed);
        match seconds > 0 || policy.is_some_and(Policy::caps_number) {
            true => self.set_state(state::CAPPED),
            false => self.clear_state(state::CAPPED),
        }
        // The client's disconnect may be noticed at this moment: either this thread sees the disconnect, or the other
        // one sees the new cap.
        fence(SeqCst);
        if slot.word.load().is_gone() {
            slot.look_at(0);
        }
    }

    /// `outlive.shutdown_time` as it is in force; asked only where [`state::SHUTDOWN_TIME`] says that it is set.
    pub fn shutdown_time(&self) -> Option<u32> {
        self.text_in_force(b"outlive.shutdown_time").and_then(whole_number)
    }

    fn ignore_directive(&self) -> bool {
        let text = self.text_in_force(b"ignore_user_abort");
        text.is_some_and(|text| Change::of(b"ignore_user_abort", text) == Change::IgnoreUserAbort(true))
    }

    fn text_in_force(&self, name: &[u8]) -> Option<&[u8]> {
        let settings = self.owned.settings.as_deref()?;
        match self.owned.run_time() {
            Some(run_time) => run_time.get(settings, name),
            None => settings.get(name),
        }
    }
}

impl<H: Host> Drop for CallGuard<'_, H> {
    #[inline]
    fn drop(&mut self) {
        if !self.publishes_nothing {
            self.publish();
        }
    }
}

impl<H: Host> CallGuard<'_, H> {
    #[inline(never)]
    fn publish(&mut self) {
        let machine = self.owned.machine();
        let (is_stopped, gone, state) = (machine.is_stopped(), machine.noticed_gone(), state_of(machine));
        let after = match is_stopped {
            true => self.events.with(Events::STOPPED),
            false => self.events.without(Events::STOPPED),
        };
        // Events first: whoever sees a new stage must not see events of the old one.
        self.slot.flags().settle(self.before, after);
        let old = self.slot.state.load(Relaxed);
        let new = old & !state::OF_MACHINE | state;
        if new != old {
            self.slot.state.store(new, Release);
            self.slot.shared().board.changed(self.slot);
            // From here on the request works without its client.
            if new & !old & state::FINISHED != 0 && new & state::TOTAL_CAPPED != 0 {
                self.slot.look_at(0);
                self.slot.shared().wake();
            }
        }
        if gone {
            let generation = self.generation();
            if self.slot.flags().raise(generation, FLAG_GONE, FLAG_GONE) {
                self.slot.detached(generation);
            }
        }
    }
}

impl<H: Host> Slot<H> {
    /// The owner publishes a stage by itself.
    pub(super) fn set_stage(&self, stage: Stage) {
        self.state.store(self.state.load(Relaxed) & !state::STAGE | stage as u32, Release);
    }

    /// Whether the limit counts CPU time.
    #[inline]
    pub(super) fn counts_cpu(&self) -> bool {
        self.state.load(Relaxed) & state::CPU != 0
    }

    #[inline]
    pub(super) fn count_written(&self, bytes: usize) {
        // One writer at a time, so no read-modify-write is needed.
        self.written.store(self.written.load(Relaxed) + bytes as u64, Relaxed);
    }
}

/// The machine's part of a slot's state.
pub(super) fn state_of(machine: &Machine) -> u32 {
    let bit = |set: bool, bit: u32| if set { bit } else { 0 };
    machine.stage() as u32
        | u32::from(machine.status()) << state::STATUS_SHIFT
        | bit(machine.is_held(), state::HELD)
        | bit(machine.is_finished(), state::FINISHED)
        | bit(machine.ignores_abort(), state::IGNORES)
        | bit(machine.is_direct(), state::DIRECT)
        | (machine.accepted_bits() * state::ACCEPTED)
}
