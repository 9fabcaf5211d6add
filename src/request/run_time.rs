//! The last layer: what the program itself sets while it runs (`ini_set`, `ini_restore`, `set_time_limit`,
//! `ignore_user_abort`).

use super::vocabulary::Stage;
use crate::config::{Access, AfterFinish, Clock, Disconnect, Settings, ShutdownMode, whole_number};
use crate::error::Code;
use crate::ini::number;

/// What a changed directive means to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// `ignore_user_abort`
    IgnoreUserAbort(bool),
    /// `max_execution_time`: the limit starts anew with this many seconds (C-144).
    TimeLimit(i64),
    /// `outlive.disconnect`
    Disconnect(Disconnect),
    /// `outlive.after_finish`
    AfterFinish(AfterFinish),
    /// `outlive.shutdown`
    Shutdown(ShutdownMode),
    /// `outlive.clock`: what was used of the limit stays used.
    Clock(Clock),
    /// `outlive.max_detached_time`, in seconds; 0: no cap.
    MaxDetachedTime(u32),
    /// `outlive.shutdown_time`, in seconds; `None`: as PHP. Too late once shutdown functions run.
    ShutdownTime(Option<u32>),
}

impl Change {
    /// What `name = value` changes.
    pub fn of(name: &[u8], value: &[u8]) -> Self {
        match name {
            b"ignore_user_abort" => Self::IgnoreUserAbort(number::boolean(value)),
            b"max_execution_time" => Self::TimeLimit(number::int_prefix(value)),
            b"outlive.disconnect" => Disconnect::from_text(value).map_or(Self::None, Self::Disconnect),
            b"outlive.after_finish" => AfterFinish::from_text(value).map_or(Self::None, Self::AfterFinish),
            b"outlive.shutdown" => ShutdownMode::from_text(value).map_or(Self::None, Self::Shutdown),
            b"outlive.clock" => Clock::from_text(value).map_or(Self::None, Self::Clock),
            b"outlive.max_detached_time" => Self::MaxDetachedTime(whole_number(value).unwrap_or_default()),
            b"outlive.shutdown_time" => Self::ShutdownTime(whole_number(value)),
            _ => Self::None,
        }
    }

    /// Whether it still acts in this stage.
    fn acts_in(self, stage: Stage) -> bool {
        !matches!(self, Self::ShutdownTime(_)) || stage < Stage::Shutdown
    }
}

#[derive(Debug)]
struct Override {
    name: Box<[u8]>,
    /// With a NUL behind it, so that C sees a string.
    value: Box<[u8]>,
}

/// The directives that one request has changed. Few, so a list.
#[derive(Debug, Default)]
pub struct RunTime {
    overrides: Vec<Override>,
    /// The value replaced last. It is kept because the caller has a view of it.
    replaced: Option<Box<[u8]>>,
}

impl RunTime {
    /// The value in force, a NUL behind it that is not counted; `None`: no such directive.
    pub fn get<'a>(&'a self, settings: &'a Settings, name: &[u8]) -> Option<&'a [u8]> {
        match self.find(name) {
            Some(at) => Some(without_nul(&self.overrides[at].value)),
            None => settings.entry(name).map(|entry| entry.value),
        }
    }

    /// `ini_set` (I-161): what the change means, and a view of the previous value, valid until the next change. A change
    /// that could not act any more in this stage is refused.
    pub fn set<'a>(
        &'a mut self,
        settings: &'a Settings,
        stage: Stage,
        name: &[u8],
        value: &[u8],
    ) -> Result<(Change, &'a [u8]), Code> {
        let entry = settings.entry(name).ok_or(Code::NotFound)?;
        if entry.locked {
            return Err(Code::Locked);
        }
        if !entry.access.allows(Access::USER) {
            return Err(Code::Access);
        }
        if !settings.accepts(name, value) {
            return Err(Code::Value);
        }
        let change = Change::of(name, value);
        if !change.acts_in(stage) {
            return Err(Code::Stage);
        }
        self.put(name, value);
        Ok((change, self.replaced.as_deref().map_or(entry.value, without_nul)))
    }

    /// `ini_restore` (I-164, C-093): back to the start-up value. Does nothing for what a program may not set.
    pub fn restore(&mut self, settings: &Settings, stage: Stage, name: &[u8]) -> Result<Change, Code> {
        let entry = settings.entry(name).ok_or(Code::NotFound)?;
        if entry.locked || !entry.access.allows(Access::USER) {
            return Ok(Change::None);
        }
        let Some(now) = self.get(settings, name) else { return Ok(Change::None) };
        if self.find(name).is_none() && now == entry.global {
            return Ok(Change::None);
        }
        let change = Change::of(name, entry.global);
        if !change.acts_in(stage) {
            return Err(Code::Stage);
        }
        self.put(name, entry.global);
        Ok(change)
    }

    /// Writes a value without access checks: the machine's own calls have made them (C-081, C-144).
    pub fn put(&mut self, name: &[u8], value: &[u8]) {
        let mut text = Vec::with_capacity(value.len() + 1);
        text.extend_from_slice(value);
        text.push(0);
        let value = text.into_boxed_slice();
        self.replaced = match self.find(name) {
            Some(at) => Some(std::mem::replace(&mut self.overrides[at].value, value)),
            None => {
                self.overrides.push(Override { name: name.into(), value });
                None
            }
        };
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        self.overrides.iter().position(|one| *one.name == *name)
    }
}

fn without_nul(text: &[u8]) -> &[u8] {
    text.strip_suffix(&[0]).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Builder;
    use crate::files::Memory;
    use std::sync::Arc;

    /// Refused, because accepting a value that does nothing would mislead.
    #[test]
    fn every_directive_of_ours_that_a_program_may_set_acts() {
        let config = Builder::new(Arc::new(Memory::new())).build().unwrap();
        let own = config.directives().iter().filter(|directive| directive.extension() == "outlive");
        let may_be_set = |directive: &&crate::config::Directive| directive.access().allows(Access::USER);
        for directive in own.filter(may_be_set) {
            let change = Change::of(directive.name(), directive.default().unwrap_or_default());
            assert_ne!(change, Change::None, "{directive:?}");
        }
    }

    #[test]
    fn what_comes_too_late_changes_nothing() {
        let settings = Builder::new(Arc::new(Memory::new())).build().unwrap().base();
        let mut run_time = RunTime::default();
        let name = b"outlive.shutdown_time";
        assert!(run_time.set(&settings, Stage::Running, name, b"1").is_ok());
        assert_eq!(run_time.set(&settings, Stage::Shutdown, name, b"2"), Err(Code::Stage));
        assert_eq!(run_time.restore(&settings, Stage::Shutdown, name), Err(Code::Stage));
        assert_eq!(run_time.get(&settings, name), Some(&b"1"[..]));
        assert_eq!(run_time.restore(&settings, Stage::Running, name), Ok(Change::ShutdownTime(None)));
    }
}
