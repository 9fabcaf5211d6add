//! The beginning of a request. A request like the previous one in its slot copies what was prepared for that one.

use super::call_guard::state_of;
use super::flag_word::TAG_BITS;
use super::handle::Handle;
use super::slot::{Host, Owned, Slot, state};
use super::sys::{self, guarded::Guard};
use super::watched::Member;
use crate::config::{Clock, Detect, HalfClose, Policy, Settings};
use crate::request::{Begin, Machine};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The options of a request.
pub struct Options<'a, H: Host> {
    /// Shown to people; at most 96 bytes are kept.
    pub label: &'a [u8],
    /// The method; empty: unknown.
    pub method: &'a [u8],
    /// A connected socket to watch where `outlive.detect` says so; it stays the host's.
    pub socket: Option<i32>,
    /// The request begins in the input stage.
    pub reading_input: bool,
    /// It resumes a submission that was accepted before: it begins as if it had finished early, and has no client that
    /// could go.
    pub resumed: bool,
    /// The engine's stop queue that reports its stops.
    pub stop_queue: u32,
    /// The key by which equal submissions are recognised; empty: none. A key of more than 64 bytes is replaced by its SHA-256 in hexadecimal digits.
    pub key: &'a [u8],
    /// Called at the very end.
    pub on_ended: Option<H::OnEnded>,
    /// The host's side.
    pub callbacks: H::Callbacks,
}

impl<H: Host> Options<'_, H> {
    /// Nothing but a host.
    pub fn new(callbacks: H::Callbacks) -> Self {
        Self {
            label: b"",
            method: b"",
            socket: None,
            reading_input: false,
            resumed: false,
            stop_queue: 0,
            key: b"",
            on_ended: None,
            callbacks,
        }
    }
}

/// Begins a request in a slot that the caller took from the free list.
#[inline(always)] // what a plain request does not ask for is known to be nothing
pub(super) fn begin<'e, H: Host>(
    slot: &'e Slot<H>,
    settings: &Arc<Settings>,
    options: Options<'_, H>,
) -> Handle<'e, H> {
    slot.prefetch();
    let now = slot.shared().now();
    let is_queued = slot.shared().queues.is_some();
    let notices = (!is_queued && H::wants_notice(&options.callbacks)).then(|| &slot.notified().notices);
    let wants_notice = notices.is_some();
    slot.host.attach(options.callbacks, notices);
    let begin = Begin { resumed: options.resumed, ..Begin::of_method(options.method, options.reading_input) };
    let is_clean = slot.state.load(Relaxed) & state::CHANGED == 0;
    let mut new = match slot.template(settings, begin) {
        Some(found) if is_clean => found,
        _ => new_template(slot, settings, begin),
    };
    if is_queued {
        slot.queue.store(options.stop_queue as u16, Relaxed); // no engine has more than MOST_QUEUES
        new |= state::QUEUED;
    } else if wants_notice {
        new |= state::NOTICE;
    }
    if slot.host.has_flush() {
        new |= state::ENDS_SLOWLY;
    }
    if !options.method.is_empty() {
        slot.shown().method.store(super::whole_words::word_of(options.method), Relaxed);
        new |= state::METHOD;
    }
    if !options.label.is_empty() {
        slot.set_label(options.label);
        new |= state::LABELLED;
    }
    if !options.key.is_empty() || options.on_ended.is_some() {
        new |= fill_annex(slot, options.key, options.on_ended);
    }
    slot.written.store(0, Relaxed);
    slot.began.store(now, Relaxed);
    slot.terms.begin(sys::thread_clock());
    let limit = Machine::timer_at_begin(settings.policy(), begin).limit().unwrap_or(0);
    let due = slot.timing().start(limit, now, new & state::CPU != 0);
    slot.state.store(new & !state::WATCHED, Relaxed);
    let generation = slot.word.begin(|| slot.begin_lap());
    slot.shared().board.began(slot);
    slot.look_at(due);
    if let (Some(socket), true) = (options.socket, new & state::WATCHED != 0) {
        watch(slot, socket, generation);
    }
    Handle { slot, tag: generation & TAG_BITS }
}

/// Prepares the start of a request with these settings, and keeps it for the next request in this slot.
#[cold]
#[inline(never)]
fn new_template<H: Host>(slot: &Slot<H>, settings: &Arc<Settings>, begin: Begin) -> u32 {
    let mut owned = take_over(slot);
    let policy = settings.policy();
    let mut machine = Machine::default();
    let _ = machine.begin(policy, begin); // the limit starts later
    owned.forget_run_time();
    owned.settings = Some(Arc::clone(settings));
    let slow = if begin.reading_input { state::ENDS_SLOWLY } else { 0 };
    let mut state = state_of(&machine) | state_of_policy(policy) | slow | begin.bits() << state::BEGIN_SHIFT;
    if begin.resumed {
        state &= !state::WATCHED; // nobody waits for it
    }
    slot.set_template(settings, state);
    slot.terms.set_hard(u32::try_from(policy.hard_timeout.clamp(0, 999_999_999)).unwrap_or(0));
    if state & (state::CAPPED | state::TOTAL_CAPPED) != 0 {
        let annex = slot.annex();
        annex.max_detached.store(policy.max_detached, Relaxed);
        annex.max_detached_time.store(policy.max_detached_time, Relaxed);
        annex.max_detached_total.store(policy.max_detached_total, Relaxed);
    }
    state
}

/// The owned part of a free slot. A late call on the slot's previous request may hold it for the moment that it takes to see
/// that the request has ended.
fn take_over<H: Host>(slot: &Slot<H>) -> Guard<'_, Owned<H>> {
    let mut turn = 0;
    loop {
        match slot.try_own() {
            Some(owned) => return owned,
            None => super::sync::pause(&mut turn),
        }
    }
}

/// The bits of the state that the settings fix for the whole request.
#[inline]
fn state_of_policy(policy: &Policy) -> u32 {
    let bit = |set: bool, bit: u32| if set { bit } else { 0 };
    bit(policy.max_execution_time_locked, state::LIMIT_LOCKED)
        | bit(policy.clock == Clock::Cpu && sys::HAS_THREAD_CLOCKS, state::CPU)
        | bit(policy.half_close == HalfClose::Open, state::HALF_OPEN)
        | bit(policy.max_detached | policy.max_detached_time != 0, state::CAPPED)
        | bit(policy.max_detached_total != 0, state::TOTAL_CAPPED)
        | bit(policy.shutdown_time.is_some(), state::SHUTDOWN_TIME)
        | bit(policy.max_input_time >= 0, state::INPUT_UNLIMITED)
        | bit(policy.detect == Detect::Watch, state::WATCHED)
        | bit(policy.output_buffering.is_some(), state::ENDS_SLOWLY)
}

/// Stores the options that most requests do not have; returns the state's bits for them.
#[cold]
#[inline(never)]
fn fill_annex<H: Host>(slot: &Slot<H>, key: &[u8], on_ended: Option<H::OnEnded>) -> u32 {
    let annex = slot.annex();
    let mut new = 0;
    if !key.is_empty() {
        annex.set_key(key);
        new |= state::KEYED;
    }
    if on_ended.is_some() {
        *annex.on_ended.borrow_mut() = on_ended;
        new |= state::ON_ENDED | state::ENDS_SLOWLY;
    }
    new
}

#[cold]
fn watch<H: Host>(slot: &Slot<H>, socket: i32, generation: u64) {
    // Not a socket: there is nothing to watch, and the live table shows that.
    let member = Member { slot: slot.index(), generation };
    if slot.shared().watched.add(&slot.shared().poll, socket, member).is_ok() {
        slot.annex().socket.store(socket, Relaxed);
        slot.state.store(slot.state.load(Relaxed) | state::WATCHED, Relaxed);
        slot.shared().board.changed(slot);
    }
}
