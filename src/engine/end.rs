//! The end of a request: shutdown functions, the last output, and the place is free.

use super::call_guard::{Below, CallGuard};
use super::flag_word::{FLAG_ASKED, FLAG_COUNTED, FLAG_COUNTED_HERE, FLAG_LEFT_OFF};
use super::gather::{QUICK, count_detached, count_slow};
use super::handle::Handle;
use super::scoreboard::Counted;
use super::slot::{Host, Owned, state};
use super::stop_queue::StopKind;
use super::stops;
use super::sys::guarded::Guard;
use super::watched::Member;
use crate::error::Code;
use crate::request::{Ending, Events, Stage};
use std::sync::atomic::Ordering::{Relaxed, Release};

/// How often an end yields to other threads before it gives up.
const PATIENCE: u32 = 100;

impl<'e, H: Host> Handle<'e, H> {
    /// Ends the request: shutdown functions, then buffered output. `call` runs a function and returns whether it asks
    /// to stop, as `exit` does. Returns the ending; the handle is invalid from here on, and its slot is free.
    ///
    /// `Busy` before anything has happened: another call has not returned, or the caller is a callback of the engine's thread. `Busy`
    /// after a shutdown function: another thread is in a call on the request; call again, and the pass goes on where it was.
    #[inline]
    pub fn end(self, call: impl FnMut(&mut H::Function, Ending) -> bool) -> Result<Ending, Code> {
        self.slot.prefetch();
        let state = self.slot.state.load(Relaxed);
        if state & (state::ENDS_SLOWLY | state::NOTICE | state::WATCHED) == 0
            && self.shared().fork.is_surely_parent()
            && self.slot.word.end_quietly(self.tag)
        {
            // Only quick calls were made, and nothing is left to do. The slot is ours until it is pushed onto the free list.
            self.shared().board.ended(self.slot);
            self.count_completed(self.shared().now());
            self.push();
            return Ok(Ending::Completed);
        }
        self.end_slowly(state, call)
    }

    /// Apart, so that a quiet end saves no registers for it.
    #[inline(never)]
    fn end_slowly(self, state: u32, mut call: impl FnMut(&mut H::Function, Ending) -> bool) -> Result<Ending, Code> {
        let runs = |state: u32| state & state::BEYOND_FUNCTIONS == Stage::Running as u32;
        // Asked again behind the lock: another call may have begun the end meanwhile.
        let is_calm = |owned: &Guard<'e, Owned<H>>| owned.is_calm() && runs(self.slot.state.load(Relaxed));
        if runs(state)
            && let Some(owned) = self.enter_calmly().filter(is_calm)
        {
            return self.end_calmly(owned, call);
        }
        let guard = self.pass(state, &mut call)?;
        Ok(self.finish_end(guard))
    }

    /// The end of a request to which nothing has happened: its functions run, and nothing else is to be done. It asks for what may be asked
    /// of a request meanwhile, and for nothing twice: if something does happen, it goes on as any end.
    #[inline(always)]
    fn end_calmly(
        self,
        mut owned: Guard<'e, Owned<H>>,
        mut call: impl FnMut(&mut H::Function, Ending) -> bool,
    ) -> Result<Ending, Code> {
        let slot = self.slot;
        let mut nothing = Events::NONE; // has happened, and no timer starts
        let _ = owned.machine().begin_shutdown(None, &mut nothing);
        if owned.machine().has_functions() {
            slot.set_stage(Stage::Shutdown); // others see it while they run
            slot.shared().board.changed(slot);
        }
        let (began, mut ran) = (slot.shared().now(), 0);
        while let Some((function, ending)) = owned.next_function() {
            drop(owned);
            let asks_to_stop = function.is_some_and(|mut function| call(&mut function, ending));
            ran += 1;
            owned = match self.enter_after(asks_to_stop) {
                Some(owned) => owned,
                None => {
                    self.count_functions(ran, began);
                    return self.go_on(asks_to_stop, &mut call);
                }
            };
        }
        owned.functions().clear();
        owned.machine().end_output(&mut Below(slot));
        self.count_functions(ran, began);
        let ending = owned.machine().ending().unwrap_or(Ending::Completed);
        self.leave(owned, ending);
        Ok(ending)
    }

    /// Where nothing has happened during a function, and it asks for nothing: the next one is called with nothing else to do.
    #[inline(always)]
    fn enter_after(&self, asks_to_stop: bool) -> Option<Guard<'e, Owned<H>>> {
        let owned = if asks_to_stop { None } else { self.enter_calmly() };
        owned.filter(|owned| owned.is_calm())
    }

    /// The rest of an end during one of whose functions something has happened.
    #[cold]
    #[inline(never)]
    fn go_on(
        self,
        asks_to_stop: bool,
        call: &mut impl FnMut(&mut H::Function, Ending) -> bool,
    ) -> Result<Ending, Code> {
        let guard = self.function_returned(asks_to_stop)?;
        let mut guard = self.run_functions(guard, call)?;
        guard.owned.machine().end_output(&mut Below(self.slot));
        Ok(self.finish_end(guard))
    }

    fn finish_end(self, mut guard: CallGuard<'e, H>) -> Ending {
        let ending = guard.owned.machine().ending().unwrap_or(Ending::Completed);
        guard.publishes_nothing = true;
        self.leave(guard, ending);
        ending
    }

    /// The first part of an end: shutdown functions, then buffered output. The request stays in flight until [`Handle::end`],
    /// which then only frees it. `Already`: it was done before. Errors as [`Handle::end`].
    pub fn shut_down(self, mut call: impl FnMut(&mut H::Function, Ending) -> bool) -> Result<(Code, Ending), Code> {
        let was_done = self.enter()?.owned.machine().stage() == Stage::Ended;
        let mut guard = self.pass(self.slot.state.load(Relaxed), &mut call)?;
        let ending = guard.owned.machine().ending().unwrap_or(Ending::Completed);
        Ok((if was_done { Code::Already } else { Code::Ok }, ending))
    }

    #[inline(always)]
    fn pass(
        &self,
        state: u32,
        call: &mut impl FnMut(&mut H::Function, Ending) -> bool,
    ) -> Result<CallGuard<'e, H>, Code> {
        let mut guard = self.enter()?;
        if state & state::NOTICE != 0 && self.shared().is_own_thread() {
            return Err(Code::Busy); // an end would wait for the very callback that calls it
        }
        if guard.owned.machine().stage() == Stage::Ended {
            return Ok(guard); // it was shut down before
        }
        if guard.owned.machine().stage() > Stage::Running {
            guard = self.take_up_again(guard)?;
        } else {
            if state & state::QUEUED != 0 {
                self.withdraw_due();
            }
            let shutdown_time = match state & state::SHUTDOWN_TIME {
                0 => None,
                _ => guard.shutdown_time(),
            };
            let CallGuard { owned, events, .. } = &mut guard;
            let timer = owned.machine().begin_shutdown(shutdown_time, events);
            guard.apply(timer);
        }
        if guard.owned.machine().has_functions() {
            guard = self.run_functions(guard, call)?;
        }
        guard.owned.machine().end_output(&mut Below(self.slot));
        Ok(guard)
    }

    /// From here on the engine's thread reports no stop as due.
    #[cold]
    #[inline(never)]
    fn withdraw_due(&self) {
        self.slot.set_stage(Stage::Shutdown);
        stops::withdraw(self.slot, StopKind::Due);
    }

    /// Calls the host's callback for the end while the request is still in flight. The owned part is held meanwhile, so a call
    /// on the request is answered with `Busy`.
    #[cold]
    #[inline(never)]
    fn tell_ended(&self, ending: Ending) {
        let slot = self.slot;
        slot.set_stage(Stage::FinalFlush);
        slot.shared().board.changed(slot);
        let on_ended = slot.annex().on_ended.borrow_mut().take();
        if let Some(on_ended) = on_ended {
            slot.host.ended(on_ended, ending);
        }
    }

    /// No callback is called for its end.
    pub(super) fn forget_on_ended(&self) {
        if self.slot.state.load(Relaxed) & state::ON_ENDED != 0 {
            *self.slot.annex().on_ended.borrow_mut() = None;
        }
    }

    /// Continues an end that was interrupted after a shutdown function.
    #[cold]
    fn take_up_again(&self, mut guard: CallGuard<'e, H>) -> Result<CallGuard<'e, H>, Code> {
        let word = self.slot.word.load();
        if !word.has(FLAG_LEFT_OFF) {
            return Err(Code::Stage);
        }
        self.slot.word.forget(FLAG_LEFT_OFF | FLAG_ASKED);
        guard.owned.machine().function_returned(word.has(FLAG_ASKED));
        Ok(guard)
    }

    /// Each function runs while the request can be used as usual; then all are dropped, the skipped ones included.
    #[inline(always)]
    fn run_functions(
        &self,
        mut guard: CallGuard<'e, H>,
        call: &mut impl FnMut(&mut H::Function, Ending) -> bool,
    ) -> Result<CallGuard<'e, H>, Code> {
        let (began, mut ran) = (self.shared().now(), 0);
        while let Some((mut function, mut ending)) = guard.owned.next_function() {
            drop(guard); // from here on others see the stage
            guard = loop {
                let asks_to_stop = function.is_some_and(|mut function| call(&mut function, ending));
                ran += 1;
                let Some(mut owned) = self.enter_after(asks_to_stop) else {
                    break self.function_returned(asks_to_stop);
                };
                match owned.next_function() {
                    Some(next) => (function, ending) = next,
                    None => break Ok(CallGuard::new(self.slot, owned, self.slot.word.load())),
                }
            }
            .inspect_err(|_| self.count_functions(ran, began))?;
        }
        guard.publishes_nothing = false;
        if guard.owned.machine().has_skipped() {
            // Dropping a function may call back into the request.
            let functions = std::mem::take(guard.owned.functions());
            drop(guard);
            drop(functions);
            guard = self.enter_again(false).inspect_err(|_| self.count_functions(ran, began))?;
        } else {
            guard.owned.functions().clear();
        }
        self.count_functions(ran, began);
        Ok(guard)
    }

    /// A function has returned, and something has happened meanwhile or is asked for.
    #[cold]
    #[inline(never)]
    fn function_returned(&self, asks_to_stop: bool) -> Result<CallGuard<'e, H>, Code> {
        let mut guard = self.enter_again(asks_to_stop)?;
        let machine = guard.owned.machine();
        let is_quiet = !(asks_to_stop || machine.is_stopped() || machine.is_held());
        machine.function_returned(asks_to_stop);
        guard.publishes_nothing = is_quiet && guard.events == Events::NONE;
        Ok(guard)
    }

    fn count_functions(&self, ran: u64, began: u64) {
        if ran == 0 {
            return;
        }
        let counters = &self.shared().counters;
        if !self.shared().caller().count_functions(ran) {
            counters.functions.fetch_add(ran, Relaxed);
        }
        let ms = self.shared().now().saturating_sub(began);
        if ms > 0 {
            counters.function_ns.fetch_add(ms * 1_000_000, Relaxed);
        }
    }

    /// Takes the owned part again after a callback. Waits a little for another thread's call; then the end gives up and
    /// has to be called again.
    fn enter_again(&self, asks_to_stop: bool) -> Result<CallGuard<'e, H>, Code> {
        match self.enter() {
            Err(Code::Busy) => self.enter_later(asks_to_stop),
            other => other,
        }
    }

    #[cold]
    #[inline(never)]
    fn enter_later(&self, asks_to_stop: bool) -> Result<CallGuard<'e, H>, Code> {
        for _ in 0..PATIENCE {
            std::thread::yield_now();
            match self.enter() {
                Err(Code::Busy) => {}
                other => return other,
            }
        }
        let asked = if asks_to_stop { FLAG_ASKED } else { 0 };
        self.slot.flags().raise(self.slot.word.load().generation(), FLAG_LEFT_OFF | asked, 0);
        Err(Code::Busy)
    }

    /// Clears the slot; `owned` has its owned part, and publishes nothing. Its settings stay until a request with other settings comes, because
    /// most requests have the same.
    #[inline(always)]
    fn leave<G>(&self, owned: G, ending: Ending) {
        let (slot, counters) = (self.slot, &self.shared().counters);
        let state = slot.state.load(Relaxed);
        if state & state::SUSPENDED != 0 {
            slot.timing().forget_suspension();
        }
        if state & state::ON_ENDED != 0 {
            self.tell_ended(ending);
        }
        if state & state::WATCHED != 0 {
            let member = Member { slot: slot.index(), generation: slot.word.load().generation() };
            slot.shared().watched.remove(&slot.shared().poll, slot.annex().socket.load(Relaxed), member);
        }
        let now = slot.shared().now();
        if ending == Ending::Completed {
            self.count_completed(now);
        } else {
            count_slow(self.shared(), now.saturating_sub(slot.began.load(Relaxed)));
            counters.endings[ending as usize].fetch_add(1, Release);
        }
        slot.shared().board.ended(slot);
        let seen = slot.flags().end();
        if seen.is_gone() {
            counters.detached.fetch_sub(1, Relaxed);
            count_detached(self.shared(), now.saturating_sub(slot.gone_at.load(Relaxed)));
        }
        if seen.has_any(FLAG_COUNTED | FLAG_COUNTED_HERE) {
            let counted = if seen.has(FLAG_COUNTED) { Counted::InBoard } else { Counted::InEngine };
            slot.shared().board.uncount_detached(counted);
        }
        if state & state::QUEUED != 0 {
            stops::withdraw(slot, StopKind::Forced);
        }
        drop(owned);
        if state & state::NOTICE != 0 {
            slot.shared().gate.wait(slot.index(), &slot.shared().barrier);
        }
        self.push();
    }

    #[inline]
    fn count_completed(&self, now: u64) {
        // The begin may have read a clock that is slightly ahead: then the request does not count as quick, and took no time.
        let ms = now.wrapping_sub(self.slot.began.load(Relaxed));
        if ms <= QUICK {
            self.slot.completed.count(ms);
        } else {
            count_slow(self.shared(), if ms > u64::MAX / 2 { 0 } else { ms });
            self.slot.completed.count(0);
        }
    }

    /// Gives the slot back to the free list.
    #[inline]
    fn push(&self) {
        let shared = self.shared();
        shared.free.give_back(shared.caller(), self.slot.index(), &self.slot.next_free);
    }
}
