//! What a host does with one request: the machine, driven on real threads.
//!
//! A call takes the request's owned part for itself and gives it back before it returns; a second call meanwhile, from
//! another thread or from within a callback that may not call back, is answered with `Busy` and changes nothing. The
//! quick paths (`check`, a plain `write`, `set_time_limit`) take no lock and only read atomics.

use super::call_guard::{Below, CallGuard, Failed};
use super::flag_word::{FLAG_ENTERED, Seen};
use super::limit::{limit_of_ms, seconds_of_ms};
use super::shared::Shared;
use super::slot::{Host, Owned, Slot, state};
use super::snapshot::Row;
use super::sys::guarded::Guard;
use crate::error::Code;
use crate::request::{Begin, Ending, Events, Finish, Output, Stage, Timer, Verdict, effective_limit};
use std::sync::atomic::Ordering::Relaxed;

/// The result of a call on a request: a good outcome, or an error.
pub type Answer = std::result::Result<Code, Code>;

/// How the quick way to set a limit went.
pub(crate) enum QuickLimit {
    Done,
    /// All but arming the deadline.
    Arm(u64),
    /// It is no quick one; nothing was done.
    No,
}

/// Identifies one request of an engine. Copies identify the same request. After its end every call answers `Ended`,
/// until 256 later requests have used the same slot.
pub struct Handle<'e, H: Host> {
    pub(crate) slot: &'e Slot<H>,
    pub(crate) tag: u64,
}

impl<H: Host> Clone for Handle<'_, H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H: Host> Copy for Handle<'_, H> {}

impl<'e, H: Host> Handle<'e, H> {
    pub(super) fn shared(&self) -> &Shared {
        self.slot.shared()
    }

    fn is_forked(&self) -> Result<(), Code> {
        if self.shared().fork.is_child() { Err(Code::Forked) } else { Ok(()) }
    }

    /// Takes the owned part. The handle's tag is checked before, so that a late call does not disturb a new request, and again
    /// after, because only then the result is certain.
    #[inline(always)]
    pub(super) fn enter(&self) -> Result<CallGuard<'e, H>, Code> {
        let (owned, word) = self.own()?;
        Ok(CallGuard::new(self.slot, owned, word))
    }

    #[inline(always)]
    fn own(&self) -> Result<(Guard<'e, Owned<H>>, Seen), Code> {
        self.is_forked()?;
        if !self.slot.word.load().is_tagged(self.tag) {
            return Err(Code::Ended);
        }
        let mut owned = self.slot.try_own().ok_or(Code::Busy)?;
        let word = self.slot.word.load();
        if !word.is_tagged(self.tag) {
            return Err(Code::Ended);
        }
        if !word.has(FLAG_ENTERED) && !self.enters_first(&mut owned, word) {
            return Err(Code::Ended);
        }
        Ok((owned, word))
    }

    /// As [`Handle::enter`], where nothing waits and a call has entered before; `None`: otherwise, or something is wrong.
    #[inline(always)]
    pub(super) fn enter_calmly(&self) -> Option<Guard<'e, Owned<H>>> {
        if !self.slot.word.is_calm(self.tag) || !self.slot.common.fork.is_surely_parent() {
            return None;
        }
        let owned = self.slot.try_own()?;
        // Only now the result is certain.
        self.slot.word.is_calm(self.tag).then_some(owned)
    }

    /// Marks the owned part as this request's. False: the request has ended meanwhile.
    #[inline(never)]
    fn enters_first(self, owned: &mut Owned<H>, word: Seen) -> bool {
        let is_live = self.slot.flags().raise(word.generation(), FLAG_ENTERED, 0);
        if is_live {
            owned.begin(Begin::from_bits(self.slot.state.load(Relaxed) >> state::BEGIN_SHIFT));
        }
        is_live
    }

    /// Whether no event waits for the owner: the first test of a check.
    #[inline]
    pub fn is_quiet(&self) -> bool {
        self.slot.word.is_quiet(self.tag) && self.slot.common.fork.is_surely_parent()
    }

    /// The input has been read: the running stage begins.
    pub fn run(&self) -> Answer {
        let mut guard = self.enter()?;
        let CallGuard { owned, events, .. } = &mut guard;
        let (machine, settings) = owned.machine_and_settings();
        let policy = settings.ok_or(Code::Ended)?.policy();
        let timer = machine.run(policy, events).ok_or(Code::Stage)?;
        guard.apply(timer);
        Ok(Code::Ok)
    }

    /// A safe point. `Stop`: the request should end now.
    #[inline]
    pub fn check(&self) -> Answer {
        if self.is_quiet() { Ok(Code::Ok) } else { self.check_slowly() }
    }

    #[cold]
    fn check_slowly(self) -> Answer {
        let mut guard = self.enter()?;
        let CallGuard { owned, events, .. } = &mut guard;
        Ok(said(owned.machine().check(events)))
    }

    /// Output, as echo.
    #[inline]
    pub fn write(&self, bytes: &[u8]) -> Answer {
        if self.writes_directly(bytes) {
            self.write_directly(bytes)
        } else {
            self.write_slowly(bytes, &mut Below(self.slot))
        }
    }

    /// Whether output goes straight to the host.
    #[inline]
    pub(crate) fn writes_directly(&self, bytes: &[u8]) -> bool {
        self.is_quiet() && self.slot.state.load(Relaxed) & state::DIRECT != 0 && !bytes.is_empty()
    }

    /// Only behind [`Handle::writes_directly`].
    #[inline]
    pub(crate) fn write_directly(&self, bytes: &[u8]) -> Answer {
        if self.slot.host.write(bytes) {
            self.slot.count_written(bytes.len());
            return Ok(Code::Ok);
        }
        self.write_slowly(bytes, &mut Failed)
    }

    #[cold]
    fn write_slowly(self, bytes: &[u8], output: &mut impl Output) -> Answer {
        let mut guard = self.enter()?;
        let CallGuard { owned, events, .. } = &mut guard;
        if owned.machine().stage() == Stage::Ended {
            return Err(Code::Stage);
        }
        Ok(said(owned.machine().write(bytes, output, events)))
    }

    /// `flush()`
    pub fn flush(&self) -> Answer {
        let mut guard = self.enter()?;
        let CallGuard { owned, events, .. } = &mut guard;
        if owned.machine().stage() == Stage::Ended {
            return Err(Code::Stage);
        }
        Ok(said(owned.machine().flush(&mut Below(self.slot), events)))
    }

    /// `fastcgi_finish_request()`: `Already` where the response was complete before.
    pub fn finish(&self) -> Answer {
        let mut guard = self.enter()?;
        let CallGuard { owned, events, .. } = &mut guard;
        if !matches!(owned.machine().stage(), Stage::Running | Stage::Shutdown) {
            return Err(Code::Stage);
        }
        Ok(match owned.machine().finish(&mut Below(self.slot), events) {
            Finish::Done => Code::Ok,
            Finish::Already => Code::Already,
            Finish::Stop => Code::Stop,
        })
    }

    /// The host saw the client go. From any thread and from signal handlers.
    pub fn client_gone(&self) -> Answer {
        self.is_forked()?;
        let word = self.slot.word.load();
        if !word.is_tagged(self.tag) {
            return Err(Code::Ended);
        }
        self.slot.client_gone(word.generation());
        Ok(Code::Ok)
    }

    /// Whether the client has gone.
    pub fn is_gone(&self) -> Result<bool, Code> {
        self.is_forked()?;
        let word = self.slot.word.load();
        if word.is_tagged(self.tag) { Ok(word.is_gone()) } else { Err(Code::Ended) }
    }

    /// `connection_status()`
    pub fn connection_status(&self) -> Result<u8, Code> {
        Ok(self.enter()?.owned.machine().status())
    }

    /// `ignore_user_abort()`: sets it (`None`: only asks) and returns the value in force before. Locked, it
    /// changes nothing (C-086).
    pub fn ignore_user_abort(&self, enable: Option<bool>) -> Result<bool, Code> {
        let mut guard = self.enter()?;
        let before = guard.owned.machine().ignores_abort();
        let policy = guard.policy().ok_or(Code::Ended)?;
        let locked = policy.ignore_user_abort_locked || policy.disconnect_locked;
        if let (Some(ignore), false) = (enable, locked) {
            guard.owned.machine().set_ignore(ignore);
            guard.put(b"ignore_user_abort", if ignore { b"1" } else { b"0" });
        }
        Ok(before)
    }

    /// `set_time_limit()`: a full number of seconds from now; 0 or less: none. `Locked` where an admin layer set the
    /// limit; the running one is untouched then (C-087).
    #[inline]
    pub fn set_time_limit(&self, seconds: i64) -> Answer {
        match self.set_limit_quickly(seconds) {
            QuickLimit::Done => Ok(Code::Ok),
            QuickLimit::Arm(due) => {
                self.slot.arm(due);
                Ok(Code::Ok)
            }
            QuickLimit::No => self.set_limit_slowly(seconds),
        }
    }

    /// The usual case of [`Handle::set_time_limit`]. Kept short: of a million requests, it waits for a cache line each time, and a processor
    /// looks ahead at so many instructions and no more.
    #[inline(always)]
    pub(crate) fn set_limit_quickly(&self, seconds: i64) -> QuickLimit {
        let slot = self.slot;
        let state = slot.state.load(Relaxed);
        let (Timer::Start(limit), Some(now)) = (effective_limit(seconds), self.shared().tick()) else {
            return QuickLimit::No;
        };
        if !slot.word.load().is_tagged(self.tag)
            || !slot.common.fork.is_surely_parent()
            || state & state::LIMIT_LOCKED != 0
            || state & state::STAGE == Stage::Input as u32
        {
            return QuickLimit::No;
        }
        let due = slot.timing().set_seconds(limit, now, state & state::CPU != 0);
        if slot.is_early(due) { QuickLimit::Done } else { QuickLimit::Arm(due) }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn set_limit_slowly(self, seconds: i64) -> Answer {
        self.may_set_time_limit()?;
        let limit = effective_limit(seconds).limit().unwrap_or(0);
        let due = self.slot.timing().set(limit, seconds, self.shared().now_within(), self.slot.counts_cpu());
        self.slot.look_at(due);
        Ok(Code::Ok)
    }

    /// The same in milliseconds from now; `None`: no limit; 0 or less: it passes at the next tick.
    pub fn set_time_limit_ms(&self, milliseconds: Option<i64>) -> Answer {
        self.may_set_time_limit()?;
        let (seconds, limit) = milliseconds.map_or((0, 0), |time| (seconds_of_ms(time), limit_of_ms(time)));
        // Counted from now, not from the last tick as limits in seconds are: the tick may be ten milliseconds old, and
        // a limit must never be early.
        let due = self.slot.timing().set(limit, seconds, super::sys::now_ms(), self.slot.counts_cpu());
        self.slot.look_at(due);
        Ok(Code::Ok)
    }

    /// Milliseconds until it may be told to stop, at the earliest; `None`: no known reason. 0 only once a stop waits.
    pub fn time_left(&self) -> Result<Option<u64>, Code> {
        self.about(|slot, word| slot.until_stop(word))
    }

    /// The request's number: of one engine, never used twice, not 0.
    pub fn id(&self) -> Result<u64, Code> {
        self.about(Slot::id)?.ok_or(Code::Ended)
    }

    /// Cancels the request, from any thread and from signal handlers: a stop with ending `Cancelled`, whatever `ignore_user_abort` says.
    /// `Already`: it was cancelled before.
    pub fn cancel(&self) -> Answer {
        self.is_forked()?;
        let word = self.slot.word.load();
        if !word.is_tagged(self.tag) {
            return Err(Code::Ended);
        }
        cancel(self.slot, word.generation()).ok_or(Code::Ended)
    }

    /// The submission is kept durably: from here on a disconnect does not stop the request. Not a safe point. `Already`: it was accepted
    /// before; `Stage`: shutdown functions run or have run.
    pub fn set_accepted(&self) -> Answer {
        match self.enter()?.owned.machine().accept() {
            Some(true) => Ok(Code::Ok),
            Some(false) => Ok(Code::Already),
            None => Err(Code::Stage),
        }
    }

    /// A value read from the slot, if the slot still belonged to this request.
    fn about<T>(&self, look: impl FnOnce(&Slot<H>, Seen) -> T) -> Result<T, Code> {
        self.is_forked()?;
        let word = self.slot.word.load();
        if !word.is_tagged(self.tag) {
            return Err(Code::Ended);
        }
        let found = look(self.slot, word);
        if self.slot.word.load().generation() == word.generation() { Ok(found) } else { Err(Code::Ended) }
    }

    /// The host's side, if it was this request's.
    pub(crate) fn host<T>(&self, look: impl FnOnce(&H) -> T) -> Result<T, Code> {
        self.about(|slot, _| look(&slot.host))
    }

    fn may_set_time_limit(self) -> Result<(), Code> {
        self.is_forked()?;
        let state = self.slot.state.load(Relaxed);
        match () {
            () if !self.slot.word.load().is_tagged(self.tag) => Err(Code::Ended),
            () if state & state::LIMIT_LOCKED != 0 => Err(Code::Locked),
            () if state & state::STAGE == Stage::Input as u32 => Err(Code::Stage),
            () => Ok(()),
        }
    }

    /// Registers a shutdown function; it runs at every ending, once, in order. On an error the function is returned.
    #[inline]
    pub fn register(&self, function: H::Function) -> Result<Code, (Code, H::Function)> {
        match self.enter_calmly() {
            Some(mut owned) => {
                owned.register(function).map_or_else(|function| Err((Code::Stage, function)), |()| Ok(Code::Ok))
            }
            None => self.register_slowly(function),
        }
    }

    #[cold]
    #[inline(never)]
    fn register_slowly(self, function: H::Function) -> Result<Code, (Code, H::Function)> {
        let (mut owned, word) = match self.own() {
            Ok(own) => own,
            Err(code) => return Err((code, function)),
        };
        if word.events() != Events::NONE {
            owned.machine().absorb(word.events());
        }
        owned.register(function).map_or_else(|function| Err((Code::Stage, function)), |()| Ok(Code::Ok))
    }

    /// Changes what people see of the request.
    pub fn set_label(&self, label: &[u8]) -> Answer {
        let guard = self.enter()?;
        guard.slot.set_label(label);
        guard.set_state(state::LABELLED);
        self.shared().board.relabelled(self.slot);
        Ok(Code::Ok)
    }

    /// Whether the forced stage has come.
    pub fn is_forced(&self) -> Result<bool, Code> {
        Ok(self.enter()?.events.has(Events::FORCED))
    }

    /// Begins a hold: no stop is delivered until the last [`Handle::release`].
    pub fn hold(&self) -> Answer {
        if self.enter()?.owned.machine().hold() { Ok(Code::Ok) } else { Err(Code::Full) }
    }

    /// Ends a hold: the last release delivers a stop that waited.
    pub fn release(&self) -> Answer {
        let mut guard = self.enter()?;
        let CallGuard { owned, events, .. } = &mut guard;
        owned.machine().release(events).map(said).ok_or(Code::Stage)
    }

    /// The calling thread stops working on the request: CPU time is not charged until [`Handle::resume`].
    pub fn suspend(&self) -> Answer {
        let guard = self.enter()?;
        if guard.slot.state.load(Relaxed) & state::SUSPENDED != 0 {
            return Err(Code::Stage);
        }
        guard.set_state(state::SUSPENDED);
        guard.slot.timing().suspend();
        Ok(Code::Ok)
    }

    /// The calling thread goes on with it.
    pub fn resume(&self) -> Answer {
        let guard = self.enter()?;
        if guard.slot.state.load(Relaxed) & state::SUSPENDED == 0 {
            return Err(Code::Stage);
        }
        let due = guard.slot.timing().resume(guard.slot.shared().now());
        guard.clear_state(state::SUSPENDED);
        guard.slot.look_at(due);
        Ok(Code::Ok)
    }

    /// A directive as it is in force now; `visit` sees the text, a NUL behind it that is not counted.
    pub fn ini_get<T>(&self, name: &[u8], visit: impl FnOnce(&[u8]) -> T) -> Result<T, Code> {
        let mut guard = self.enter()?;
        guard.write_limit_text();
        let settings = guard.owned.settings.as_deref().ok_or(Code::Ended)?;
        match guard.owned.run_time() {
            Some(run_time) => run_time.get(settings, name),
            None => settings.get(name),
        }
        .map(visit)
        .ok_or(Code::NotFound)
    }

    /// `ini_set()`; `previous` sees the value before.
    pub fn ini_set(&self, name: &[u8], value: &[u8], previous: impl FnOnce(&[u8])) -> Answer {
        let mut guard = self.enter()?;
        guard.write_limit_text();
        let stage = guard.owned.machine().stage();
        let (run_time, settings) = guard.owned.run_time_and_settings();
        let (change, before) = run_time.set(settings.ok_or(Code::Ended)?, stage, name, value)?;
        previous(before);
        guard.set_state(state::CHANGED);
        guard.change(change);
        Ok(Code::Ok)
    }

    /// `ini_restore()`
    pub fn ini_restore(&self, name: &[u8]) -> Answer {
        let mut guard = self.enter()?;
        guard.write_limit_text();
        let stage = guard.owned.machine().stage();
        let (run_time, settings) = guard.owned.run_time_and_settings();
        let change = run_time.restore(settings.ok_or(Code::Ended)?, stage, name)?;
        guard.set_state(state::CHANGED);
        guard.change(change);
        Ok(Code::Ok)
    }

    /// Why it ends; `None`: nothing has ended it yet.
    pub fn ending(&self) -> Result<Option<Ending>, Code> {
        Ok(self.enter()?.owned.machine().ending())
    }

    /// The host ends this stage early, as `exit()`.
    pub fn exit(&self, ending: Ending) -> Answer {
        let mut guard = self.enter()?;
        if guard.owned.machine().stage() > Stage::Shutdown {
            return Err(Code::Stage);
        }
        guard.owned.machine().exit(ending);
        Ok(Code::Ok)
    }

    /// The request as the live table shows it.
    pub fn row(&self) -> Option<Row> {
        Row::of(self.slot).filter(|_| self.slot.word.load().is_tagged(self.tag))
    }

    /// Where C reads the events that wait for this request.
    pub(crate) fn flags(&self) -> *const u32 {
        self.slot.hint.as_ptr()
    }
}

/// `None`: the request with this generation has ended.
pub(super) fn cancel<H: Host>(slot: &Slot<H>, generation: u64) -> Option<Code> {
    match slot.cancel(generation) {
        true => Some(Code::Ok),
        false => (slot.word.load().generation() == generation).then_some(Code::Already),
    }
}

fn said(verdict: Verdict) -> Code {
    match verdict {
        Verdict::Go => Code::Ok,
        Verdict::Stop => Code::Stop,
    }
}
