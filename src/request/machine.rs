//! The machine itself.

use super::limit::{Timer, effective_limit};
use super::output::{Buffer, Output};
use super::vocabulary::{Begin, Ending, Events, Finish, Stage, Verdict, status};
use crate::config::{AfterFinish, Disconnect, Policy, ShutdownMode};

/// Bytes that PHP-FPM collects after an early finish before it tries to write them (C-192).
const LATE_OUTPUT: u32 = 8_184;

/// The state of the response's way to the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Way {
    #[default]
    Open,
    /// Disabled for good: after the first abort event (C-062), or the first output of a HEAD request (C-040).
    Disabled,
}

/// Whether the submission is kept durably. If it is, a disconnect never stops the request, whatever `ignore` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
enum Accepted {
    #[default]
    No = 0,
    Yes = 1,
    /// Before the request began: there is no response.
    Resumed = 3,
}

/// One request's connection handling. See the [module](super) for how it is driven.
#[derive(Debug, Default)]
#[repr(C)] // what every request touches comes first
pub struct Machine {
    state: State,
    /// `None`: output has never been buffered here.
    buffer: Option<Box<Buffer>>,
}

/// `output_buffering` is off.
const UNBUFFERED: u32 = u32::MAX;

/// What begins anew with each request.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    status: u8,
    stage: Stage,
    way: Way,
    ignore: bool,
    head: bool,
    implicit_flush: bool,
    safe_method: bool,
    /// This stage has been told to stop.
    stopped: bool,
    /// TIME_UP has been counted in the status, and waits to be delivered.
    time_is_up: bool,
    /// An abort event happened inside a hold: the last release checks `ignore`.
    owed_abort: bool,
    /// An abort event has happened while the response was not complete.
    noticed_gone: bool,
    /// The host was told that the response is complete.
    finished_early: bool,
    accepted: Accepted,
    /// Bit n: the ending with number n was a cause.
    causes: u16,
    ending: Option<Ending>,
    held: u32,
    functions: u32,
    next_function: u32,
    pass_is_over: bool,
    after_finish: AfterFinish,
    shutdown: ShutdownMode,
    /// Bytes that came after the response was finished.
    late: u32,
    /// The buffer is handed down when it holds so many bytes; 0: at the end; [`UNBUFFERED`]: there is none.
    buffering: u32,
}

impl Machine {
    /// Begins a request, forgetting the previous one (C-003), and returns what its timer does.
    #[inline]
    pub fn begin(&mut self, policy: &Policy, begin: Begin) -> Timer {
        if let Some(buffer) = &mut self.buffer {
            buffer.reset();
        }
        self.state.begin(policy, begin);
        Self::timer_at_begin(policy, begin)
    }

    /// What the timer of a request does when it begins.
    #[inline]
    pub fn timer_at_begin(policy: &Policy, begin: Begin) -> Timer {
        let input = begin.reading_input && policy.max_input_time >= 0;
        effective_limit(if input { policy.max_input_time } else { policy.max_execution_time })
    }
}

impl State {
    /// Written in its place: a state that is put together elsewhere, byte by byte, is slow to copy.
    #[inline]
    fn begin(&mut self, policy: &Policy, begin: Begin) {
        *self = Self::default();
        self.stage = if begin.reading_input { Stage::Input } else { Stage::Running };
        self.ignore = ignore_at_begin(policy.disconnect, policy.ignore_user_abort, begin.safe_method);
        self.head = begin.head;
        self.safe_method = begin.safe_method;
        // Buffering wins over implicit flush at start-up (C-032).
        self.implicit_flush = policy.implicit_flush && policy.output_buffering.is_none();
        self.after_finish = policy.after_finish;
        self.shutdown = policy.shutdown;
        self.buffering = policy.output_buffering.map_or(UNBUFFERED, |size| size.min(UNBUFFERED as usize - 1) as u32);
        if begin.resumed {
            // As after an early finish, for a request without a client.
            (self.accepted, self.finished_early, self.buffering) = (Accepted::Resumed, true, UNBUFFERED);
        }
    }
}

impl Machine {
    /// Takes in events from outside; the status has its TIMEOUT bit from the moment time is up (C-006). Every call of
    /// the owner does this first.
    pub fn absorb(&mut self, events: Events) {
        if events.has(Events::TIME_UP) && !self.state.time_is_up {
            self.state.time_is_up = true;
            self.state.status |= status::TIMEOUT;
        }
        if events.has(Events::FORCED) {
            self.note(Ending::Forced);
        }
    }

    /// The input has been read. Exceeding `max_input_time` leaves only its mark in the status (C-165).
    /// `None`: the request was not in the input stage.
    pub fn run(&mut self, policy: &Policy, events: &mut Events) -> Option<Timer> {
        if self.state.stage != Stage::Input {
            return None;
        }
        self.absorb(*events);
        self.enter(Stage::Running);
        if policy.max_input_time < 0 {
            return Some(Timer::Keep);
        }
        self.state.time_is_up = false;
        *events = events.without(Events::TIME_UP);
        Some(effective_limit(policy.max_execution_time))
    }

    /// A safe point that does nothing else. As at all safe points, the events that were handled are removed from
    /// `events`.
    pub fn check(&mut self, events: &mut Events) -> Verdict {
        self.absorb(*events);
        if self.state.stopped {
            return Verdict::Stop;
        }
        // The time limit comes first: PHP checks it before it runs the call.
        if self.state.time_is_up && self.state.held == 0 && self.state.stage != Stage::Input {
            self.state.time_is_up = false;
            *events = events.without(Events::TIME_UP);
            return self.stop(Ending::TimeLimit);
        }
        if events.has(Events::GONE) {
            *events = events.without(Events::GONE);
            if !self.is_finished() && self.abort_event() == Verdict::Stop {
                return Verdict::Stop;
            }
        }
        if self.state.held > 0 {
            return Verdict::Go;
        }
        if std::mem::take(&mut self.state.owed_abort) && !self.ignores_abort() {
            return self.stop(Ending::Aborted);
        }
        if events.has(Events::CANCEL.with(Events::CAP).with(Events::DRAIN)) {
            self.stop_for(events)
        } else {
            Verdict::Go
        }
    }

    /// Stops that others ask for: cancels, caps, a drain.
    #[cold]
    fn stop_for(&mut self, events: &mut Events) -> Verdict {
        if events.has(Events::CANCEL) {
            *events = events.without(Events::CANCEL);
            // It does not stop shutdown functions.
            if self.state.stage < Stage::Shutdown {
                return self.stop(Ending::Cancelled);
            }
        }
        for (event, ending) in [(Events::CAP, Ending::Aborted), (Events::DRAIN, Ending::Shutdown)] {
            if events.has(event) {
                *events = events.without(event);
                return self.stop(if self.is_accepted() { Ending::HandedBack } else { ending });
            }
        }
        Verdict::Go
    }

    /// Output, as echo.
    pub fn write(&mut self, bytes: &[u8], output: &mut impl Output, events: &mut Events) -> Verdict {
        if self.check(events) == Verdict::Stop {
            return Verdict::Stop;
        }
        if bytes.is_empty() {
            return Verdict::Go; // C-029
        }
        match self.state.way {
            Way::Open if self.is_buffering() => {
                if self.buffer.get_or_insert_default().push(bytes, self.state.buffering as usize) {
                    self.hand_down_buffer(output)
                } else {
                    Verdict::Go
                }
            }
            Way::Open if self.state.finished_early => self.write_late(bytes.len()),
            Way::Open => self.hand_down(bytes, output),
            Way::Disabled => Verdict::Go,
        }
    }

    /// `flush()`: what lies below the machine's buffer. The host is asked each time, even once output is disabled
    /// (C-063 … C-065).
    pub fn flush(&mut self, output: &mut impl Output, events: &mut Events) -> Verdict {
        if self.check(events) == Verdict::Stop {
            return Verdict::Stop;
        }
        match self.state.after_finish {
            _ if !self.state.finished_early => self.asked(output.flush()),
            _ if self.state.accepted == Accepted::Resumed => Verdict::Go,
            AfterFinish::Discard => Verdict::Go,
            AfterFinish::Abort => self.abort_event(), // C-193
        }
    }

    /// `fastcgi_finish_request()`: the response is complete, the work goes on (C-190).
    pub fn finish(&mut self, output: &mut impl Output, events: &mut Events) -> Finish {
        if self.check(events) == Verdict::Stop {
            return Finish::Stop;
        }
        if self.is_finished() {
            return Finish::Already;
        }
        if self.hand_down_buffer(output) == Verdict::Stop {
            return Finish::Stop;
        }
        self.state.buffering = UNBUFFERED;
        // A client that has gone by now is not an abort any more: the response was complete (C-196).
        output.flush();
        self.state.finished_early = true;
        Finish::Done
    }

    /// Begins a section in which no stop is delivered; nestable. False: nested too deeply.
    pub fn hold(&mut self) -> bool {
        match self.state.held.checked_add(1) {
            Some(held) => {
                self.state.held = held;
                true
            }
            None => false,
        }
    }

    /// Ends the section; the last release delivers a stop that waited. `None`: nothing was held.
    pub fn release(&mut self, events: &mut Events) -> Option<Verdict> {
        self.state.held = self.state.held.checked_sub(1)?;
        Some(if self.state.held > 0 { Verdict::Go } else { self.check(events) })
    }

    /// The host ends this stage, as `exit` (C-113).
    pub fn exit(&mut self, ending: Ending) {
        self.note(ending);
        self.state.stopped = true;
    }

    /// `ignore_user_abort` as it is in force, on for what was accepted; asked at the instant of each abort event.
    pub fn ignores_abort(&self) -> bool {
        self.state.ignore || self.is_accepted()
    }

    /// The submission is kept durably: from now on a disconnect never stops the request. A stop that a safe point has delivered
    /// already stays delivered. `None`: too late, shutdown functions run or the request is over; false: it was accepted before.
    pub fn accept(&mut self) -> Option<bool> {
        if self.state.stage > Stage::Running {
            return None;
        }
        let is_new = !self.is_accepted();
        if is_new {
            self.state.accepted = Accepted::Yes;
        }
        Some(is_new)
    }

    /// Bit 0: it was accepted; bit 1: before it began.
    pub fn accepted_bits(&self) -> u32 {
        self.state.accepted as u32
    }

    /// Whether it was accepted.
    pub fn is_accepted(&self) -> bool {
        self.accepted_bits() & 1 != 0
    }

    /// Changes it. Whether it may be changed is the caller's business.
    pub fn set_ignore(&mut self, ignore: bool) {
        self.state.ignore = ignore;
    }

    /// `outlive.disconnect` was changed at run time.
    pub fn set_disconnect(&mut self, disconnect: Disconnect, directive: bool) {
        self.state.ignore = ignore_at_begin(disconnect, directive, self.state.safe_method);
    }

    /// `outlive.after_finish` was changed at run time.
    pub fn set_after_finish(&mut self, after_finish: AfterFinish) {
        self.state.after_finish = after_finish;
    }

    /// `outlive.shutdown` was changed at run time.
    pub fn set_shutdown(&mut self, shutdown: ShutdownMode) {
        self.state.shutdown = shutdown;
    }

    /// One more shutdown function; it runs after those before it, even when registered by one of them (C-112).
    /// Returns its number; `None`: too late, the request is over or a function has ended the pass.
    pub fn register(&mut self) -> Option<u32> {
        if self.state.stage > Stage::Shutdown || self.state.pass_is_over {
            return None;
        }
        let number = self.state.functions;
        self.state.functions = number.checked_add(1)?;
        Some(number)
    }

    /// The request ends: from here on shutdown functions run. `shutdown_time` is `outlive.shutdown_time`; without
    /// it they go on with what is left (C-153). Events that could only have stopped the program are dropped.
    pub fn begin_shutdown(&mut self, shutdown_time: Option<u32>, events: &mut Events) -> Timer {
        self.absorb(*events);
        *events = events.without(Events::CAP.with(Events::DRAIN).with(Events::CANCEL));
        if self.state.ending.is_none() {
            self.note(if self.state.finished_early { Ending::Finished } else { Ending::Completed });
        }
        self.enter(Stage::Shutdown);
        shutdown_time.map_or(Timer::Keep, |seconds| effective_limit(seconds.into()))
    }

    /// The number of the function to run now; `None`: the pass is over.
    pub fn next_function(&mut self) -> Option<u32> {
        if self.state.pass_is_over || self.state.next_function == self.state.functions {
            return None;
        }
        self.state.next_function += 1;
        Some(self.state.next_function - 1)
    }

    /// Whether the pass ended before all functions had run.
    pub fn has_skipped(&self) -> bool {
        self.state.next_function < self.state.functions
    }

    /// A shutdown function has returned. One that was stopped, or that asks to stop as `exit` does, ends the pass
    /// (C-067, C-113, C-157) unless `outlive.shutdown = all`.
    pub fn function_returned(&mut self, asks_to_stop: bool) {
        self.state.held = 0;
        if (asks_to_stop || self.state.stopped) && self.state.shutdown == ShutdownMode::Php {
            self.state.pass_is_over = true;
        } else {
            self.state.stopped = false;
        }
    }

    /// The last stage: what is still buffered goes out, after the shutdown functions (C-011, C-121).
    pub fn end_output(&mut self, output: &mut impl Output) {
        self.enter(Stage::FinalFlush);
        if self.state.way == Way::Open && self.is_buffering() {
            let _ = self.hand_down_buffer(output);
        }
        if self.state.way == Way::Open && !self.state.finished_early {
            let _ = self.asked(output.flush());
        }
        self.state.stage = Stage::Ended;
        self.state.way = Way::Disabled;
    }

    /// `connection_status()`, as of the last [`Machine::absorb`].
    pub fn status(&self) -> u8 {
        self.state.status
    }

    /// The stage.
    pub fn stage(&self) -> Stage {
        self.state.stage
    }

    /// Whether an abort event has shown that the client has gone.
    pub fn noticed_gone(&self) -> bool {
        self.state.noticed_gone
    }

    /// Whether this stage has been told to stop.
    pub fn is_stopped(&self) -> bool {
        self.state.stopped
    }

    /// Whether nothing has happened that the end of a shutdown function would have to undo: see [`Machine::function_returned`].
    pub fn is_calm(&self) -> bool {
        !self.state.stopped & (self.state.held == 0)
    }

    /// Whether a hold is open.
    pub fn is_held(&self) -> bool {
        self.state.held > 0
    }

    /// Whether the response was finished early.
    pub fn is_finished(&self) -> bool {
        self.state.finished_early
    }

    /// Whether output goes straight to [`Output::write`], with nothing else to do before or after.
    pub fn is_direct(&self) -> bool {
        let State { way, finished_early, implicit_flush, head, .. } = self.state;
        way == Way::Open && !finished_early && !self.is_buffering() && !implicit_flush && !head
    }

    /// Whether any shutdown function was registered.
    pub fn has_functions(&self) -> bool {
        self.state.functions > 0
    }

    /// Why the request ends or ended; `None`: nothing has ended it yet.
    pub fn ending(&self) -> Option<Ending> {
        self.state.ending
    }

    /// Every cause that was noticed, the winning one included.
    pub fn causes(&self) -> impl Iterator<Item = Ending> {
        let causes = self.state.causes;
        Ending::ALL.into_iter().filter(move |ending| causes & (1 << *ending as u8) != 0)
    }

    fn note(&mut self, ending: Ending) {
        self.state.ending.get_or_insert(ending);
        self.state.causes |= 1 << ending as u8;
    }

    fn enter(&mut self, stage: Stage) {
        self.state.stage = stage;
        self.state.stopped = false;
        self.state.held = 0;
        self.state.owed_abort = false;
    }

    fn stop(&mut self, ending: Ending) -> Verdict {
        self.note(ending);
        self.state.stopped = true;
        Verdict::Stop
    }

    /// A write or flush failed, or the client is known to have gone: the status is assigned (C-005), output is off for
    /// good (C-062), and `ignore` is read now.
    fn abort_event(&mut self) -> Verdict {
        self.state.status = status::ABORTED;
        self.state.noticed_gone |= !self.state.finished_early;
        self.state.way = Way::Disabled;
        if self.state.held > 0 {
            self.state.owed_abort = true;
            return Verdict::Go;
        }
        if self.ignores_abort() { Verdict::Go } else { self.stop(Ending::Aborted) }
    }

    fn asked(&mut self, went_well: bool) -> Verdict {
        if went_well { Verdict::Go } else { self.abort_event() }
    }

    fn is_buffering(&self) -> bool {
        self.state.buffering != UNBUFFERED
    }

    fn hand_down_buffer(&mut self, output: &mut impl Output) -> Verdict {
        if !self.is_buffering() {
            return Verdict::Go;
        }
        let Some(bytes) = self.buffer.as_mut().map(|buffer| buffer.take()) else { return Verdict::Go };
        let verdict = if bytes.is_empty() { Verdict::Go } else { self.hand_down(&bytes, output) };
        self.buffer.get_or_insert_default().give_back(bytes);
        verdict
    }

    fn hand_down(&mut self, bytes: &[u8], output: &mut impl Output) -> Verdict {
        if self.state.way != Way::Open {
            return Verdict::Go;
        }
        if self.state.head {
            self.state.way = Way::Disabled;
            return Verdict::Go;
        }
        let verdict = self.asked(output.write(bytes));
        if verdict == Verdict::Go && self.state.implicit_flush && self.state.way == Way::Open {
            return self.asked(output.flush());
        }
        verdict
    }

    /// PHP-FPM collects late output, and fails to write it when there is enough of it (C-192), or at once where each
    /// output is flushed (C-193).
    fn write_late(&mut self, bytes: usize) -> Verdict {
        self.state.late = self.state.late.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        let tries = self.state.late >= LATE_OUTPUT || self.state.implicit_flush;
        let has_response = self.state.accepted != Accepted::Resumed;
        if self.state.after_finish == AfterFinish::Abort && tries && has_response {
            self.abort_event()
        } else {
            Verdict::Go
        }
    }
}

/// `outlive.disconnect` decides what `ignore` is when a request begins.
fn ignore_at_begin(disconnect: Disconnect, directive: bool, safe_method: bool) -> bool {
    match disconnect {
        Disconnect::Php => directive,
        Disconnect::Finish => true,
        Disconnect::Stop => false,
        Disconnect::Auto => !safe_method,
    }
}
