//! The beginning of a request. A request like the previous one in its slot copies what was prepared for that one.

use super::call_guard::facts_of;
use super::flag_word::TAG_BITS;
use super::handle::Handle;
use super::slot::{Host, Owned, Slot, facts};
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
    let is_clean = slot.facts.load(Relaxed) & facts::CHANGED == 0;
    let mut new = match slot.template(settings, begin) {
        Some(found) if is_clean => found,
        _ => new_template(slot, settings, begin),
    };
    if is_queued {
        slot.queue.store(options.stop_queue as u16, Relaxed); // no engine has more than MOST_QUEUES
        new |= facts::QUEUED;
    } else if wants_notice {
        new |= facts::NOTICE;
    }
    if slot.host.has_flush() {
        new |= facts::ENDS_SLOWLY;
    }
    if !options.method.is_empty() {
        slot.shown().method.store(super::slot::pack(options.method), Relaxed);
        new |= facts::METHOD;
    }
    if !options.label.is_empty() {
        slot.set_label(options.label);
        new |= facts::LABELLED;
    }
    if !options.key.is_empty() || options.on_ended.is_some() {
        new |= fill_annex(slot, options.key, options.on_ended);
    }
    slot.written.store(0, Relaxed);
    slot.began.store(now, Relaxed);
    slot.terms.begin();
    let limit = Machine::timer_at_begin(settings.policy(), begin).limit().unwrap_or(0);
    let due = slot.timing().start(limit, now, new & facts::CPU != 0);
    slot.facts.store(new & !facts::WATCHED, Relaxed);
    let generation = slot.word.begin(|| slot.begin_lap());
    slot.shared().board.began(slot);
    slot.look_at(due);
    if let (Some(socket), true) = (options.socket, new & facts::WATCHED != 0) {
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
    let slow = if begin.reading_input { facts::ENDS_SLOWLY } else { 0 };
    let mut facts = facts_of(&machine) | facts_of_policy(policy) | slow | begin.bits() << facts::BEGIN_SHIFT;
    if begin.resumed {
        facts &= !facts::WATCHED; // nobody waits for it
    }
    slot.set_template(settings, facts);
    slot.terms.set_hard(u32::try_from(policy.hard_timeout.clamp(0, 999_999_999)).unwrap_or(0));
    if facts & (facts::CAPPED | facts::TOTAL_CAPPED) != 0 {
        let annex = slot.annex();
        annex.max_detached.store(policy.max_detached, Relaxed);
        annex.max_detached_time.store(policy.max_detached_time, Relaxed);
        annex.max_detached_total.store(policy.max_detached_total, Relaxed);
    }
    facts
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

/// The facts that the settings fix for the whole request. Also begins watching the socket, if there is one to watch.
#[inline]
fn facts_of_policy(policy: &Policy) -> u32 {
    let bit = |set: bool, bit: u32| if set { bit } else { 0 };
    bit(policy.max_execution_time_locked, facts::LIMIT_LOCKED)
        | bit(policy.clock == Clock::Cpu && sys::HAS_THREAD_CLOCKS, facts::CPU)
        | bit(policy.half_close == HalfClose::Open, facts::HALF_OPEN)
        | bit(policy.max_detached | policy.max_detached_time != 0, facts::CAPPED)
        | bit(policy.max_detached_total != 0, facts::TOTAL_CAPPED)
        | bit(policy.shutdown_time.is_some(), facts::SHUTDOWN_TIME)
        | bit(policy.max_input_time >= 0, facts::INPUT_UNLIMITED)
        | bit(policy.detect == Detect::Watch, facts::WATCHED)
        | bit(policy.output_buffering.is_some(), facts::ENDS_SLOWLY)
}

/// Stores the options that most requests do not have; returns the facts for them.
#[cold]
#[inline(never)]
fn fill_annex<H: Host>(slot: &Slot<H>, key: &[u8], on_ended: Option<H::OnEnded>) -> u32 {
    let annex = slot.annex();
    let mut new = 0;
    if !key.is_empty() {
        annex.set_key(key);
        new |= facts::KEYED;
    }
    if on_ended.is_some() {
        *annex.on_ended.borrow_mut() = on_ended;
        new |= facts::ON_ENDED | facts::ENDS_SLOWLY;
    }
    new
}

#[cold]
fn watch<H: Host>(slot: &Slot<H>, socket: i32, generation: u64) {
    // Not a socket: there is nothing to watch, and the live table shows that.
    let member = Member { slot: slot.index(), generation };
    if slot.shared().watched.add(&slot.shared().poll, socket, member).is_ok() {
        slot.annex().socket.store(socket, Relaxed);
        slot.facts.store(slot.facts.load(Relaxed) | facts::WATCHED, Relaxed);
        slot.shared().board.changed(slot);
    }
}
