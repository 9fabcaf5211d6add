//! The slot of a request: the part that its owner works on, and the part that other threads read.

use super::annex::{Annex, Beside, Notified, Shown};
use super::deadlines::{Deadlines, NEVER};
use super::flag_word::{Flags, Hint, Seen, Word};
use super::gather::Completed;
use super::limit::{Started, Terms};
use super::shared::Shared;
use super::sys::guarded::{Guard, Guarded};
use super::sys::{self, ForkMark};
use super::timing::{Counted, Timing};
use super::whole_words;
use crate::config::Settings;
use crate::request::{Begin, Ending, Machine, RunTime};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, fence};

/// The host's side of requests: takes output and receives notices.
///
/// One value lives in each slot and is given new callbacks by each begin. All methods may be called from the thread that
/// works on the request; `on_stop` and `on_forced` from the engine's thread.
pub trait Host: Default + Send + Sync + 'static {
    /// The callbacks that a begin brings.
    type Callbacks;
    /// A registered shutdown function.
    type Function: Send + Sync;
    /// A callback for the end of one request.
    type OnEnded: Send + Sync;
    /// What [`Host::on_stop`] and [`Host::on_forced`] need. Kept apart, because few requests have it.
    type Notices: Default + Send + Sync;

    /// Whether [`Host::on_stop`] or [`Host::on_forced`] would do anything: only then are they called. False unless the host says otherwise.
    fn wants_notice(_callbacks: &Self::Callbacks) -> bool {
        false
    }
    /// Takes the callbacks of a new request; `notices`, where it wants notice and no queue reports its stops.
    fn attach(&self, callbacks: Self::Callbacks, notices: Option<&Self::Notices>);
    /// Writes all of `bytes`; false: the client has gone.
    fn write(&self, bytes: &[u8]) -> bool;
    /// Flushes the host's own buffers; false: the client has gone. A host without buffers of its own has nothing to do.
    fn flush(&self) -> bool {
        true
    }
    /// Whether [`Host::flush`] does anything.
    fn has_flush(&self) -> bool {
        true
    }
    /// A stop is due at the next safe point.
    fn on_stop(&self, _notices: &Self::Notices, _ending: Ending) {}
    /// The forced stage: no safe point came in time.
    fn on_forced(&self, _notices: &Self::Notices, _ending: Ending) {}
    /// The request has ended; called last, on the thread that ends it, where it was begun with [`Options::on_ended`](super::Options::on_ended).
    fn ended(&self, _on_ended: Self::OnEnded, _ending: Ending) {}
}

/// A host without a client: its output goes nowhere and always arrives, and it is told of nothing.
#[derive(Debug, Default)]
pub struct NoClient;

impl Host for NoClient {
    type Callbacks = ();
    type Function = ();
    type OnEnded = ();
    type Notices = ();

    fn attach(&self, (): (), _: Option<&()>) {}

    fn write(&self, _: &[u8]) -> bool {
        true
    }
}

/// What the owner of a request publishes of it: the bits of [`Slot::state`]. Other threads only read them; what they have to say goes into
/// the flag word.
pub mod state {
    /// The stage, in the low bits.
    pub const STAGE: u32 = 7;
    /// A hold is open.
    pub const HELD: u32 = 1 << 3;
    /// The response was finished early.
    pub const FINISHED: u32 = 1 << 4;
    /// An abort would be ignored now.
    pub const IGNORES: u32 = 1 << 5;
    /// Output goes straight to the host.
    pub const DIRECT: u32 = 1 << 6;
    /// Suspended: no CPU time is charged.
    pub const SUSPENDED: u32 = 1 << 7;
    /// `max_execution_time` is locked.
    pub const LIMIT_LOCKED: u32 = 1 << 8;
    /// The limit counts CPU time.
    pub const CPU: u32 = 1 << 9;
    /// The host wants to be told of stops.
    pub const NOTICE: u32 = 1 << 10;
    /// The socket is watched.
    pub const WATCHED: u32 = 1 << 11;
    /// The end of the client's sending side does not mean that it has gone.
    pub const HALF_OPEN: u32 = 1 << 12;
    /// A label was given; otherwise the slot's label is an old one. The same holds for [`METHOD`] and [`KEYED`].
    pub const LABELLED: u32 = 1 << 13;
    /// A method was given.
    pub const METHOD: u32 = 1 << 14;
    /// Detached requests are capped, by number or by time.
    pub const CAPPED: u32 = 1 << 15;
    /// The run-time layer is not empty.
    pub const CHANGED: u32 = 1 << 16;
    /// `connection_status()`, in two bits from here.
    pub const STATUS_SHIFT: u32 = 17;
    /// See [`STATUS_SHIFT`].
    pub const STATUS: u32 = 3 << STATUS_SHIFT;
    /// `outlive.shutdown_time` is set.
    pub const SHUTDOWN_TIME: u32 = 1 << 19;
    /// The end has something to do even if nothing was called: a buffer, something to flush, or input to abandon.
    pub const ENDS_SLOWLY: u32 = 1 << 20;
    /// Detached requests are capped over all processes.
    pub const TOTAL_CAPPED: u32 = 1 << 21;
    /// The submission is kept durably (accepted).
    pub const ACCEPTED: u32 = 1 << 22;
    /// It was begun as resumed: its submission was accepted before.
    pub const RESUMED: u32 = 1 << 23;
    /// A limit that passes in the input stage stops nothing.
    pub const INPUT_UNLIMITED: u32 = 1 << 24;
    /// The host wants to be told of the end.
    pub const ON_ENDED: u32 = 1 << 25;
    /// A key was given.
    pub const KEYED: u32 = 1 << 26;
    /// Stops are reported by a queue.
    pub const QUEUED: u32 = 1 << 27;
    /// How it began, in four bits from here: [`Begin::bits`](crate::request::Begin::bits).
    pub const BEGIN_SHIFT: u32 = 28;
    /// Unless the stage alone is [`Stage::Running`](crate::request::Stage::Running) of these, an end has more to do than to run functions.
    pub const BEYOND_FUNCTIONS: u32 = STAGE | FINISHED | WATCHED | QUEUED | NOTICE | SHUTDOWN_TIME | ENDS_SLOWLY;
    /// The bits that follow the machine: set anew when a call has changed it.
    pub const OF_MACHINE: u32 = STAGE | HELD | FINISHED | IGNORES | DIRECT | STATUS | ACCEPTED | RESUMED;
}

/// The part that only the thread that works on the request touches.
#[repr(C)]
pub struct Owned<H: Host> {
    /// Of the last request that began here. Most requests are like the previous one.
    pub settings: Option<Arc<Settings>>,
    work: Option<Box<Work<H>>>,
}

/// What the first call that enters a request needs. Until then it still belongs to the previous request; `None`: none was ever entered.
pub struct Work<H: Host> {
    machine: Machine,
    functions: Vec<Option<H::Function>>,
    run_time: Option<Box<RunTime>>,
}

impl<H: Host> Work<H> {
    #[cold]
    #[inline(never)]
    fn boxed() -> Box<Self> {
        Box::new(Self { machine: Machine::default(), functions: Vec::new(), run_time: None })
    }
}

impl<H: Host> Owned<H> {
    /// The first call enters a request that began like this.
    pub fn begin(&mut self, begin: Begin) {
        let work = self.work.get_or_insert_with(Work::boxed);
        if let Some(settings) = &self.settings {
            let _ = work.machine.begin(settings.policy(), begin); // its limit runs already
        }
    }

    #[inline]
    fn work(&mut self) -> &mut Work<H> {
        self.work.get_or_insert_with(Work::boxed)
    }

    #[inline]
    pub fn machine(&mut self) -> &mut Machine {
        &mut self.work().machine
    }

    /// See [`Machine::is_calm`].
    #[inline]
    pub fn is_calm(&self) -> bool {
        self.work.as_ref().is_some_and(|work| work.machine.is_calm())
    }

    /// The machine and the settings in force at the beginning.
    pub fn machine_and_settings(&mut self) -> (&mut Machine, Option<&Settings>) {
        (&mut self.work.get_or_insert_with(Work::boxed).machine, self.settings.as_deref())
    }

    #[inline]
    pub fn functions(&mut self) -> &mut Vec<Option<H::Function>> {
        &mut self.work().functions
    }

    /// One more shutdown function; `None`: too late.
    #[inline]
    pub fn register(&mut self, function: H::Function) -> std::result::Result<(), H::Function> {
        let work = self.work();
        if work.machine.register().is_none() {
            return Err(function);
        }
        work.functions.push(Some(function));
        Ok(())
    }

    /// The shutdown function whose turn it is, and the ending that it is told; `None`: the pass is over.
    #[inline]
    pub fn next_function(&mut self) -> Option<(Option<H::Function>, Ending)> {
        let work = self.work.as_mut()?;
        let number = work.machine.next_function()?;
        let ending = work.machine.ending().unwrap_or(Ending::Completed);
        Some((work.functions.get_mut(number as usize).and_then(Option::take), ending))
    }

    /// The run-time layer; `None`: it is empty.
    pub fn run_time(&self) -> Option<&RunTime> {
        self.work.as_ref()?.run_time.as_deref()
    }

    /// The run-time layer, to be changed.
    pub fn run_time_mut(&mut self) -> &mut RunTime {
        self.work().run_time.get_or_insert_default()
    }

    /// The run-time layer, to be changed, and the settings in force at the beginning.
    pub fn run_time_and_settings(&mut self) -> (&mut RunTime, Option<&Settings>) {
        let work = self.work.get_or_insert_with(Work::boxed);
        (work.run_time.get_or_insert_default(), self.settings.as_deref())
    }

    /// The run-time layer becomes empty.
    pub fn forget_run_time(&mut self) {
        if let Some(work) = &mut self.work {
            work.run_time = None;
        }
    }
}

/// The label that people see: at most this many bytes of it.
pub const LABEL: usize = 96;

/// What the slots of a chunk share.
pub struct Common<H: Host> {
    pub(super) fork: ForkMark,
    pub(super) shared: Arc<Shared>,
    pub(super) deadlines: Deadlines,
    /// The number of the first slot.
    pub(super) first: u32,
    pub(super) annexes: Beside<Annex<H>>,
    pub(super) notified: Beside<Notified<H>>,
    pub(super) shown: Beside<Shown>,
}

impl<H: Host> Common<H> {
    pub(super) fn new(shared: &Arc<Shared>, first: u32, count: usize) -> Self {
        Self {
            fork: shared.fork.clone(),
            shared: Arc::clone(shared),
            deadlines: Deadlines::new(count),
            first,
            annexes: Beside::new(count),
            notified: Beside::new(count),
            shown: Beside::new(count),
        }
    }
}

/// A request's slot. Its fields are ordered so that a plain request touches two cache lines, and the calls within it one.
#[repr(C, align(64))]
pub struct Slot<H: Host> {
    // First cache line: all that check, a plain write and set_time_limit touch.
    pub(super) word: Word,
    /// Follows `word`, for hosts.
    pub(super) hint: Hint,
    pub(super) state: AtomicU32,
    started: Started,
    pub(super) common: Arc<Common<H>>,
    pub(super) written: AtomicU64,
    pub(super) host: H, // a C host's ends in the next line

    // Second cache line: begin and end.
    /// The completed requests of this slot; only the owner counts.
    pub(super) completed: Completed,
    pub(super) began: AtomicU64,
    pub(super) gone_at: AtomicU64,
    /// The address of the last request's settings, which [`Owned::settings`] keeps alive, and its slot's state when it began: prepared for all
    /// requests with the same settings and the same kind of method. 0: none yet. Written by a begin, read by the next one.
    template: AtomicUsize,
    template_state: AtomicU32,
    pub(super) next_free: AtomicU32,
    /// Its place in its chunk.
    lane: u16,
    /// The stop queue.
    pub(super) queue: AtomicU16,
    pub(super) terms: Terms,
    /// How often the generations have wrapped around here; see [`Slot::id`].
    lap: AtomicU32,

    // Third.
    owned: Guarded<Owned<H>>,
    counted: Counted,
}

impl<H: Host> Slot<H> {
    pub(super) fn new(lane: usize, common: &Arc<Common<H>>) -> Self {
        Self {
            word: Word::default(),
            hint: Hint::default(),
            state: AtomicU32::new(0),
            started: Started::default(),
            common: Arc::clone(common),
            written: AtomicU64::new(0),
            host: H::default(),
            completed: Completed::default(),
            began: AtomicU64::new(0),
            gone_at: AtomicU64::new(0),
            template: AtomicUsize::new(0),
            template_state: AtomicU32::new(0),
            next_free: AtomicU32::new(0),
            lane: u16::try_from(lane).expect("no chunk has so many slots"),
            queue: AtomicU16::new(0),
            terms: Terms::default(),
            lap: AtomicU32::new(u32::MAX),
            owned: Guarded::new(Owned { settings: None, work: None }),
            counted: Counted::default(),
        }
    }

    /// The state that a new request with these settings begins with; `None`: the previous request began differently.
    #[inline]
    pub(super) fn template(&self, settings: &Arc<Settings>, begin: Begin) -> Option<u32> {
        let state = self.template_state.load(Relaxed);
        let is_like =
            self.template.load(Relaxed) == Arc::as_ptr(settings).addr() && state >> state::BEGIN_SHIFT == begin.bits();
        is_like.then_some(state)
    }

    /// Keeps that state for the next request.
    pub(super) fn set_template(&self, settings: &Arc<Settings>, state: u32) {
        self.template.store(Arc::as_ptr(settings).addr(), Relaxed);
        self.template_state.store(state, Relaxed);
    }

    /// What all slots of the engine share.
    #[inline]
    pub(super) fn shared(&self) -> &Shared {
        &self.common.shared
    }

    /// The owned part, for the caller alone; `None`: somebody has it.
    #[inline(always)]
    pub(super) fn try_own(&self) -> Option<Guard<'_, Owned<H>>> {
        self.owned.enter(self.shared().caller())
    }

    /// Its place in its chunk.
    pub(crate) fn lane(&self) -> u16 {
        self.lane
    }

    /// Its number.
    #[inline]
    pub(super) fn index(&self) -> u32 {
        self.common.first + u32::from(self.lane)
    }

    /// The time limit.
    #[inline]
    pub(super) fn timing(&self) -> Timing<'_> {
        let caller = self.shared().caller_of_counts();
        Timing { started: &self.started, terms: &self.terms, counted: &self.counted, caller }
    }

    /// The word with its hint.
    #[inline]
    pub(super) fn flags(&self) -> Flags<'_> {
        Flags { word: &self.word, hint: &self.hint }
    }

    /// The slot's annex; makes those of its chunk if there are none yet.
    #[inline]
    pub(super) fn annex(&self) -> &Annex<H> {
        self.common.annexes.of(self.lane)
    }

    /// What its host is told of; makes those of its chunk if there are none yet.
    #[inline]
    pub(super) fn notified(&self) -> &Notified<H> {
        self.common.notified.of(self.lane)
    }

    /// Its label and method; makes those of its chunk if there are none yet.
    #[inline]
    pub(super) fn shown(&self) -> &Shown {
        self.common.shown.of(self.lane)
    }

    /// Makes the engine look at this slot by `due`; that look sees what the caller has written before.
    #[inline]
    pub(super) fn look_at(&self, due: u64) {
        if due != NEVER && !self.is_early(due) {
            self.arm(due);
        }
    }

    /// Whether the engine looks at this slot by `due` in any case. If an early enough deadline is armed, its thread does not sleep.
    #[inline]
    pub(super) fn is_early(&self, due: u64) -> bool {
        self.common.deadlines.is_early(usize::from(self.lane), due, &self.shared().barrier)
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn arm(&self, due: u64) {
        self.common.deadlines.move_forward(usize::from(self.lane), due, &self.shared().barrier);
        self.shared().wake_by(due);
    }

    /// Prefetches what a begin or an end is about to need; after an end, the next begin here comes soon.
    #[inline]
    pub(super) fn prefetch(&self) {
        sys::prefetch(&raw const self.completed);
        self.common.deadlines.prefetch(usize::from(self.lane));
    }

    /// Fetches what says whether a request lives here, and what has been counted.
    #[inline]
    pub(super) fn prefetch_counts(&self) {
        sys::prefetch(&raw const self.word);
        sys::prefetch(&raw const self.completed);
    }

    /// Called by the holder of the free slot: its generations have wrapped around.
    #[cold]
    #[inline(never)]
    pub(super) fn begin_lap(&self) {
        self.lap.store(self.lap.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// The id of the request that `word` is about, if it lives here: of one engine, never used twice (2^42 requests in each slot).
    pub(super) fn id(&self, word: Seen) -> Option<u64> {
        let id = word.id(self.lap.load(Relaxed), self.index());
        fence(Acquire);
        (word.is_live() && self.word.load().generation() == word.generation()).then_some(id)
    }

    /// By the owner, or before the slot is live.
    #[inline]
    pub(super) fn set_label(&self, label: &[u8]) {
        let shown = self.shown();
        whole_words::write_text(&shown.label_turn, &shown.label, cut(label, LABEL));
    }

    /// A consistent copy, even if it is being written; empty where its writer is stuck.
    pub(super) fn label(&self) -> Vec<u8> {
        let shown = self.shown();
        let mut label = whole_words::read(&shown.label_turn, &shown.label)
            .map_or_else(Vec::new, |words| whole_words::text_of(&words, LABEL));
        label.truncate(label.iter().position(|&byte| byte == 0).unwrap_or(LABEL));
        label
    }
}

/// At most `most` bytes, not cutting a UTF-8 character in half. Whoever reads a label stops at its first NUL: here nobody has to look for one.
fn cut(text: &[u8], most: usize) -> &[u8] {
    let mut end = text.len().min(most);
    if end < text.len() {
        while end > 0 && text[end] & 0xc0 == 0x80 {
            end -= 1;
        }
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_cut_between_characters() {
        assert_eq!(cut(b"abc", 8), b"abc");
        assert_eq!(cut("aé".as_bytes(), 2), b"a");
        assert_eq!(cut("aé".as_bytes(), 3), "aé".as_bytes());
    }
}
