//! What a host does with one request: the machine, driven on real threads.
//!
//! A call takes the request's owned part for itself and gives it back before it returns; a second call meanwhile, from
//! another thread or from within a callback that may not call back, is answered with `Busy` and changes nothing. The
//! quick paths (`check`, a plain `write`, `set_time_limit`) take nothing and only look at atomics.

use super::inside::{Below, Failed, Inside, facts_of};
use super::live::Row;
use super::shared::Shared;
use super::slot::{Host, NO_LIMIT_TEXT, Owned, Slot, facts};
use super::sys;
use super::word::TAG_BITS;
use crate::config::{Clock, Detect, HalfClose, Settings};
use crate::error::Code;
use crate::request::{Begin, Ending, Events, Finish, Output, Stage, Timer, Verdict, effective_limit};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

/// What a call on a request answers: a good outcome, or why not.
pub type Answer = std::result::Result<Code, Code>;

/// Names one request of an engine. Copies name the same request; after its end every call says `Ended` (a name is
/// told from later ones in the same place 256 times over).
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

/// What a host says when a request begins.
pub struct Options<'a, H: Host> {
    /// Shown to people; at most 96 bytes are kept.
    pub label: &'a [u8],
    /// The method; empty: unknown.
    pub method: &'a [u8],
    /// A connected socket to watch where `outlive.detect` says so; it stays the host's.
    pub socket: Option<i32>,
    /// The request begins in the input stage.
    pub reading_input: bool,
    /// The host's side.
    pub callbacks: H::Callbacks,
}

/// Begins a request in a slot that nobody else has.
pub(super) fn begin<'e, H: Host>(
    slot: &'e Slot<H>,
    settings: &Arc<Settings>,
    options: Options<'_, H>,
) -> Result<Handle<'e, H>, Code> {
    let policy = settings.policy();
    let begin = Begin::of_method(options.method, options.reading_input);
    slot.host.attach(options.callbacks);
    let mut owned = slot.owned.try_borrow_mut().map_err(|_| Code::Busy)?;
    let timer = owned.machine.begin(policy, begin);
    owned.run_time.reset();
    if !owned.settings.as_ref().is_some_and(|old| Arc::ptr_eq(old, settings)) {
        owned.settings = Some(Arc::clone(settings));
    }
    owned.socket = options.socket.filter(|_| policy.detect == Detect::Watch);
    let bit = |set: bool, bit: u32| if set { bit } else { 0 };
    let fixed = bit(policy.max_execution_time_locked, facts::LIMIT_LOCKED)
        | bit(policy.clock == Clock::Cpu, facts::CPU)
        | bit(slot.host.wants_notice(), facts::NOTICE)
        | bit(policy.half_close == HalfClose::Open, facts::HALF_OPEN);
    let now = slot.shared.now();
    slot.facts.store(fixed | facts_of(&owned.machine), Relaxed);
    slot.status.store(0, Relaxed);
    slot.written.store(0, Relaxed);
    slot.limit_text.store(NO_LIMIT_TEXT, Relaxed);
    slot.max_detached.store(policy.max_detached, Relaxed);
    slot.max_detached_time.store(policy.max_detached_time, Relaxed);
    slot.method.store(super::slot::pack(options.method), Relaxed);
    slot.set_label(options.label);
    slot.began.store(now, Relaxed);
    slot.timing.begin(policy.hard_timeout);
    let seconds = if let Timer::Start(seconds) = timer { seconds } else { 0 };
    let due = slot.timing.start_before_turn(seconds, now, policy.clock == Clock::Cpu);
    let generation = slot.word.turn(true).generation;
    slot.shared.board.began(slot);
    slot.look_at(due);
    if let Some(socket) = owned.socket {
        // Not a socket, or a file: nothing to watch, and the live table says so.
        if slot.shared.poll.add(socket, generation << 32 | u64::from(slot.index)).is_ok() {
            slot.facts.fetch_or(facts::WATCHED, Relaxed);
            slot.shared.board.changed(slot);
        }
    }
    Ok(Handle { slot, tag: generation & TAG_BITS })
}

impl<'e, H: Host> Handle<'e, H> {
    fn shared(&self) -> &Shared {
        &self.slot.shared
    }

    fn is_forked(&self) -> Result<(), Code> {
        if self.shared().fork.is_child() { Err(Code::Forked) } else { Ok(()) }
    }

    fn enter(&self) -> Result<Inside<'e, H>, Code> {
        self.is_forked()?;
        if !self.slot.word.load().is_tagged(self.tag) {
            return Err(Code::Ended);
        }
        let owned = self.slot.owned.try_borrow_mut().map_err(|_| Code::Busy)?;
        let word = self.slot.word.load();
        if !word.is_tagged(self.tag) {
            return Err(Code::Ended);
        }
        let events = word.events();
        let mut inside =
            Inside { slot: self.slot, owned, generation: word.generation(), before: events, events, is_over: false };
        inside.owned.machine.absorb(events);
        Ok(inside)
    }

    /// Whether nothing waits for the owner: what a check asks first.
    #[inline]
    pub fn is_quiet(&self) -> bool {
        self.slot.word.is_quiet(self.tag) && !self.shared().fork.is_child()
    }

    /// The input has been read: the running stage begins.
    pub fn run(&self) -> Answer {
        let mut inside = self.enter()?;
        let Inside { owned, events, .. } = &mut inside;
        let Owned { machine, settings, .. } = &mut **owned;
        let policy = settings.as_deref().ok_or(Code::Ended)?.policy();
        let timer = machine.run(policy, events).ok_or(Code::Stage)?;
        inside.apply(timer);
        Ok(Code::Ok)
    }

    /// A safe point. `Stop`: the request should end now.
    #[inline]
    pub fn check(&self) -> Answer {
        if self.is_quiet() { Ok(Code::Ok) } else { self.check_slowly() }
    }

    #[cold]
    fn check_slowly(&self) -> Answer {
        let mut inside = self.enter()?;
        let Inside { owned, events, .. } = &mut inside;
        Ok(said(owned.machine.check(events)))
    }

    /// Output, as echo.
    #[inline]
    pub fn write(&self, bytes: &[u8]) -> Answer {
        if self.slot.facts.load(Relaxed) & facts::DIRECT == 0 || bytes.is_empty() || !self.is_quiet() {
            return self.write_slowly(bytes, &mut Below(self.slot));
        }
        if self.slot.host.write(bytes) {
            self.slot.count_written(bytes.len());
            return Ok(Code::Ok);
        }
        self.write_slowly(bytes, &mut Failed)
    }

    #[cold]
    fn write_slowly(&self, bytes: &[u8], output: &mut impl Output) -> Answer {
        let mut inside = self.enter()?;
        let Inside { owned, events, .. } = &mut inside;
        Ok(said(owned.machine.write(bytes, output, events)))
    }

    /// `flush()`
    pub fn flush(&self) -> Answer {
        let mut inside = self.enter()?;
        let Inside { owned, events, .. } = &mut inside;
        Ok(said(owned.machine.flush(&mut Below(self.slot), events)))
    }

    /// `fastcgi_finish_request()`: `Already` where the response was complete before.
    pub fn finish(&self) -> Answer {
        let mut inside = self.enter()?;
        let Inside { owned, events, .. } = &mut inside;
        if !matches!(owned.machine.stage(), Stage::Running | Stage::Shutdown) {
            return Err(Code::Stage);
        }
        Ok(match owned.machine.finish(&mut Below(self.slot), events) {
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
        Ok(self.enter()?.owned.machine.status())
    }

    /// `ignore_user_abort()`: sets it (`None`: only asks) and returns the value in force before. Locked, it
    /// changes nothing (C-086).
    pub fn ignore_user_abort(&self, enable: Option<bool>) -> Result<bool, Code> {
        let mut inside = self.enter()?;
        let before = inside.owned.machine.ignores_abort();
        let policy = inside.policy().ok_or(Code::Ended)?;
        let locked = policy.ignore_user_abort_locked || policy.disconnect_locked;
        if let (Some(ignore), false) = (enable, locked) {
            inside.owned.machine.set_ignore(ignore);
            inside.owned.run_time.put(b"ignore_user_abort", if ignore { b"1" } else { b"0" });
        }
        Ok(before)
    }

    /// `set_time_limit()`: a full number of seconds from now; 0 or less: none. `Locked` where an admin layer set the
    /// limit; the running one is untouched then (C-087).
    #[inline]
    pub fn set_time_limit(&self, seconds: i64) -> Answer {
        let word = self.slot.word.load();
        if !word.is_tagged(self.tag) || self.shared().fork.is_child() {
            return self.check_slowly();
        }
        let facts = self.slot.facts.load(Relaxed);
        if facts & facts::LIMIT_LOCKED != 0 {
            return Err(Code::Locked);
        }
        if facts & facts::STAGE == Stage::Input as u32 {
            return Err(Code::Stage);
        }
        // i64::MIN stands for "nothing said"; one more is as negative.
        self.slot.limit_text.store(seconds.max(NO_LIMIT_TEXT + 1), Relaxed);
        self.slot.start_limit(match effective_limit(seconds) {
            Timer::Start(seconds) => seconds,
            _ => 0,
        });
        Ok(Code::Ok)
    }

    /// Registers a shutdown function; it runs at every ending, once, in order. Refused, it comes back.
    pub fn register(&self, function: H::Function) -> Result<Code, (Code, H::Function)> {
        let mut inside = match self.enter() {
            Ok(inside) => inside,
            Err(code) => return Err((code, function)),
        };
        if inside.owned.machine.register().is_none() {
            return Err((Code::Stage, function));
        }
        inside.owned.functions.push(Some(function));
        Ok(Code::Ok)
    }

    /// Changes what people see of the request.
    pub fn set_label(&self, label: &[u8]) -> Answer {
        let inside = self.enter()?;
        inside.slot.set_label(label);
        self.shared().board.relabelled(self.slot);
        Ok(Code::Ok)
    }

    /// Whether the forced stage has come.
    pub fn is_forced(&self) -> Result<bool, Code> {
        Ok(self.enter()?.events.has(Events::FORCED))
    }

    /// No stop is delivered from here …
    pub fn hold(&self) -> Answer {
        if self.enter()?.owned.machine.hold() { Ok(Code::Ok) } else { Err(Code::Full) }
    }

    /// … to here: the last release delivers one that waited.
    pub fn release(&self) -> Answer {
        let mut inside = self.enter()?;
        let Inside { owned, events, .. } = &mut inside;
        owned.machine.release(events).map(said).ok_or(Code::Stage)
    }

    /// The calling thread stops working on the request: CPU time is not charged until [`Handle::resume`].
    pub fn suspend(&self) -> Answer {
        let inside = self.enter()?;
        let before = inside.slot.facts.fetch_or(facts::SUSPENDED, Relaxed);
        if before & facts::SUSPENDED != 0 {
            return Err(Code::Stage);
        }
        inside.slot.timing.suspend();
        Ok(Code::Ok)
    }

    /// The calling thread goes on with it.
    pub fn resume(&self) -> Answer {
        let inside = self.enter()?;
        if inside.slot.facts.load(Relaxed) & facts::SUSPENDED == 0 {
            return Err(Code::Stage);
        }
        let due = inside.slot.timing.resume(inside.slot.shared.now());
        inside.slot.facts.fetch_and(!facts::SUSPENDED, Relaxed);
        inside.slot.look_at(due);
        Ok(Code::Ok)
    }

    /// A directive as it is in force now; `visit` sees the text, a NUL behind it that is not counted.
    pub fn ini_get<T>(&self, name: &[u8], visit: impl FnOnce(&[u8]) -> T) -> Result<T, Code> {
        let mut inside = self.enter()?;
        inside.write_limit_text();
        let Owned { settings, run_time, .. } = &*inside.owned;
        let settings = settings.as_deref().ok_or(Code::Ended)?;
        run_time.get(settings, name).map(visit).ok_or(Code::NotFound)
    }

    /// `ini_set()`; `previous` sees the value before.
    pub fn ini_set(&self, name: &[u8], value: &[u8], previous: impl FnOnce(&[u8])) -> Answer {
        let mut inside = self.enter()?;
        inside.write_limit_text();
        let Owned { settings, run_time, .. } = &mut *inside.owned;
        let (change, before) = run_time.set(settings.as_deref().ok_or(Code::Ended)?, name, value)?;
        previous(before);
        inside.change(change);
        Ok(Code::Ok)
    }

    /// `ini_restore()`
    pub fn ini_restore(&self, name: &[u8]) -> Answer {
        let mut inside = self.enter()?;
        inside.write_limit_text();
        let Owned { settings, run_time, .. } = &mut *inside.owned;
        let change = run_time.restore(settings.as_deref().ok_or(Code::Ended)?, name)?;
        inside.change(change);
        Ok(Code::Ok)
    }

    /// Why it ends; `None`: nothing has ended it yet.
    pub fn ending(&self) -> Result<Option<Ending>, Code> {
        Ok(self.enter()?.owned.machine.ending())
    }

    /// The host ends this stage early, as `exit()`.
    pub fn exit(&self, ending: Ending) -> Answer {
        let mut inside = self.enter()?;
        if inside.owned.machine.stage() > Stage::Shutdown {
            return Err(Code::Stage);
        }
        inside.owned.machine.exit(ending);
        Ok(Code::Ok)
    }

    /// Ends the request: shutdown functions, then what is buffered. `call` runs a function and says whether it asks to
    /// stop, as `exit` does. The ending comes back; the handle names nothing from here on.
    pub fn end(self, mut call: impl FnMut(&mut H::Function, Ending) -> bool) -> Result<Ending, Code> {
        let mut inside = self.enter()?;
        if inside.owned.machine.stage() > Stage::Running {
            return Err(Code::Stage);
        }
        if self.slot.facts.load(Relaxed) & facts::NOTICE != 0 && self.shared().is_own_thread() {
            return Err(Code::Busy); // an end waits for the callback that is calling
        }
        let shutdown_time = inside.policy().and_then(|policy| policy.shutdown_time);
        let Inside { owned, events, .. } = &mut inside;
        let timer = owned.machine.begin_shutdown(shutdown_time, events);
        inside.apply(timer);
        if !inside.owned.functions.is_empty() {
            inside = self.run_functions(inside, &mut call)?;
        }
        inside.owned.machine.end_output(&mut Below(self.slot));
        let ending = inside.owned.machine.ending().unwrap_or(Ending::Completed);
        self.leave(inside, ending);
        Ok(ending)
    }

    /// Each function runs while the request can be used as usual; then all are dropped, those that were skipped too.
    fn run_functions(
        &self,
        mut inside: Inside<'e, H>,
        call: &mut impl FnMut(&mut H::Function, Ending) -> bool,
    ) -> Result<Inside<'e, H>, Code> {
        let (began, mut ran) = (sys::coarse_ns(), 0);
        while let Some(number) = inside.owned.machine.next_function() {
            let ending = inside.owned.machine.ending().unwrap_or(Ending::Completed);
            let function = inside.owned.functions[number as usize].take();
            drop(inside);
            let asks_to_stop = function.is_some_and(|mut function| call(&mut function, ending));
            ran += 1;
            inside = self.enter()?;
            inside.owned.machine.function_returned(asks_to_stop);
        }
        let mut functions = std::mem::take(&mut inside.owned.functions);
        if ran < functions.len() as u64 {
            // What a function owns may call back when it is dropped.
            drop(inside);
            functions.clear();
            inside = self.enter()?;
        }
        functions.clear();
        inside.owned.functions = functions;
        let counters = &self.shared().counters;
        counters.functions.fetch_add(ran, Relaxed);
        counters.function_ns.fetch_add(sys::coarse_ns() - began, Relaxed);
        Ok(inside)
    }

    /// The slot forgets the request. Its settings stay until the next one brings others: most bring the same.
    fn leave(&self, mut inside: Inside<'e, H>, ending: Ending) {
        let slot = self.slot;
        if let Some(socket) = inside.owned.socket.take() {
            slot.shared.poll.remove(socket);
        }
        inside.is_over = true;
        let facts = slot.facts.load(Relaxed);
        // One writer at a time, so no read-modify-write is needed.
        let count = &slot.endings[ending as usize];
        count.store(count.load(Relaxed) + 1, Relaxed);
        drop(inside);
        slot.shared.board.ended(slot);
        if slot.word.turn(false).before.is_gone() {
            slot.shared.counters.detached.fetch_sub(1, SeqCst);
        }
        if facts & facts::NOTICE != 0 {
            // A callback that began before the turn has returned when the lock is ours; none begins after it.
            drop(slot.notifying.lock());
        }
    }

    /// The request as the live table shows it.
    pub fn row(&self) -> Option<Row> {
        Row::of(self.slot).filter(|_| self.slot.word.load().is_tagged(self.tag))
    }

    /// Where C reads the events that wait for this request.
    pub(crate) fn flags(&self) -> *const u32 {
        self.slot.word.as_ptr()
    }
}

fn said(verdict: Verdict) -> Code {
    match verdict {
        Verdict::Go => Code::Ok,
        Verdict::Stop => Code::Stop,
    }
}
