//! The visible state of an engine: the requests in flight, and numbers.

use super::Engine;
use super::flag_word::Seen;
use super::slot::{Host, Slot, state};
use super::watched::Member;
use crate::request::{Events, Stage};
use std::sync::atomic::Ordering::{Acquire, Relaxed};

/// How well a client is being watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watching {
    /// Its socket is watched.
    Socket,
    /// Not watched: only output or the host can notice that the client has gone.
    No,
}

/// One request in flight. Read without stopping it, so that columns may be of slightly different moments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Of one engine, never used twice; 0: not known, as in a scoreboard.
    pub id: u64,
    /// The host's label, at most 96 bytes.
    pub label: Vec<u8>,
    /// The method, at most eight bytes.
    pub method: Vec<u8>,
    /// Milliseconds since it began.
    pub age_ms: u64,
    /// The stage that it is in.
    pub stage: Stage,
    /// `connection_status()`
    pub status: u8,
    /// Milliseconds since the client went; `None`: as far as is known, it is there.
    pub gone_ms: Option<u64>,
    /// A hold is open.
    pub held: bool,
    /// An abort would be ignored now.
    pub ignores_abort: bool,
    /// The response was finished early.
    pub finished: bool,
    /// The time limit in force in seconds; 0: none.
    pub time_limit: u32,
    /// Milliseconds that are left of it, of CPU or elapsed time, whichever it counts; `None`: no limit.
    pub time_left_ms: Option<u64>,
    /// Bytes handed to the host.
    pub written: u64,
    /// The thread that works on it, as the kernel numbers it.
    pub thread: u32,
    /// How well the client is being watched.
    pub watching: Watching,
    /// The key by which equal submissions are recognised, at most 64 bytes; empty: none was given.
    pub key: Vec<u8>,
    /// The submission is kept durably (accepted).
    pub accepted: bool,
    /// It was begun as resumed: its submission was accepted before.
    pub resumed: bool,
}

impl Row {
    pub(super) fn of<H: Host>(slot: &Slot<H>) -> Option<Self> {
        let word = slot.word.load();
        if !word.is_live() {
            return None;
        }
        let state = slot.state.load(Acquire);
        let now = slot.shared().now();
        let since = |then: u64| now.saturating_sub(then);
        let given = |bit: u32, text: &dyn Fn() -> Vec<u8>| if state & bit != 0 { text() } else { Vec::new() };
        let mut method = given(state::METHOD, &|| slot.shown().method.load(Relaxed).to_ne_bytes().to_vec());
        method.retain(|&byte| byte != 0);
        let row = Self {
            id: slot.id(word)?,
            label: given(state::LABELLED, &|| slot.label()),
            method,
            age_ms: since(slot.began.load(Relaxed)),
            stage: Stage::of_number(state & state::STAGE).min(Stage::FinalFlush), // in flight, if only to be freed
            status: ((state & state::STATUS) >> state::STATUS_SHIFT) as u8,
            gone_ms: word.is_gone().then(|| since(slot.gone_at.load(Relaxed))),
            held: state & state::HELD != 0,
            ignores_abort: state & state::IGNORES != 0,
            finished: state & state::FINISHED != 0,
            time_limit: slot.timing().started.seconds(),
            time_left_ms: slot.time_left(now, |clock| super::sys::thread_cpu_ns(clock).unwrap_or(0)),
            written: slot.written.load(Relaxed),
            thread: slot.terms.thread(),
            key: given(state::KEYED, &|| slot.annex().key()),
            accepted: state & state::ACCEPTED != 0,
            resumed: state & state::RESUMED != 0,
            watching: if state & state::WATCHED != 0 && slot.is_watched(word) {
                Watching::Socket
            } else {
                Watching::No
            },
        };
        // A request that ended while it was read is left out, and so is one that began in its slot meanwhile.
        (slot.word.load().generation() == word.generation()).then_some(row)
    }
}

impl<H: Host> Engine<H> {
    /// The requests in flight, in no particular order.
    pub fn requests(&self) -> impl Iterator<Item = Row> {
        self.table.used().filter_map(Row::of)
    }
}

impl<H: Host> Slot<H> {
    /// Milliseconds until the request that `word` is about may be told to stop, at the earliest: 0 where a stop waits, before that at
    /// least 1; `None`: no known reason.
    pub(super) fn until_stop(&self, word: Seen) -> Option<u64> {
        let (state, events) = (self.state.load(Acquire), word.events());
        let stage = Stage::of_number(state & state::STAGE);
        let is_limited = stage != Stage::Input || state & state::INPUT_UNLIMITED == 0;
        let stops = [
            (Events::STOPPED.with(Events::CAP).with(Events::DRAIN), true),
            (Events::TIME_UP, is_limited),
            (Events::GONE, state & state::IGNORES == 0),
            (Events::CANCEL, stage < Stage::Shutdown),
        ];
        if stops.iter().any(|&(event, stops)| stops && events.has(event)) {
            return Some(0);
        }
        let now = super::sys::now_ms(); // not the last tick's time: callers set timers by it
        let limit = if is_limited { self.until_limit(now) } else { None };
        // Once it has passed, the next tick raises the stop. A request whose end has begun gets no further stop.
        let is_ahead = |until: &u64| *until > now || stage < Stage::Shutdown;
        let detached = self.detached_until(word, now).filter(is_ahead).map(|until| until.saturating_sub(now));
        let drain = self.shared().drain.deadline().map(|deadline| deadline.saturating_sub(now));
        limit.into_iter().chain(detached).chain(drain).min().map(|left| left.max(1))
    }

    fn until_limit(&self, now: u64) -> Option<u64> {
        let mut read = |clock| super::sys::thread_cpu_ns(clock).unwrap_or(0);
        let cpu: Option<&mut dyn FnMut(i32) -> u64> =
            if self.state.load(Relaxed) & state::CPU != 0 { Some(&mut read) } else { None };
        self.timing().until_fired(now, cpu)
    }

    /// Whether its descriptor is still the watched socket.
    fn is_watched(&self, word: Seen) -> bool {
        let member = Member { slot: self.index(), generation: word.generation() };
        self.shared().watched.has(self.annex().socket.load(Relaxed), member)
    }

    /// What is left of the time limit, in milliseconds; `cpu_ns` reads a thread's CPU clock.
    pub(super) fn time_left(&self, now: u64, mut cpu_ns: impl FnMut(i32) -> u64) -> Option<u64> {
        let state = self.state.load(Relaxed);
        let cpu: Option<&mut dyn FnMut(i32) -> u64> = if state & state::CPU != 0 { Some(&mut cpu_ns) } else { None };
        self.timing().left(now, cpu)
    }
}
