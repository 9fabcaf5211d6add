//! The slot of a request: the part that its owner works on, and the part that other threads read.

use super::annex::{Annex, Annexes};
use super::callback_gate::Notice;
use super::deadlines::{Deadlines, NEVER};
use super::flag_word::{Flags, Hint, Seen, Word};
use super::gather::Quick;
use super::shared::Shared;
use super::sys;
use super::timing::{Counted, Timing};
use super::whole_words;
use crate::config::Settings;
use crate::request::{Begin, Ending, Machine, RunTime, Start};
use atomic_refcell::AtomicRefCell;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicI32, AtomicI64, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, fence,
};

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

    /// Takes the callbacks of a new request.
    fn attach(&self, callbacks: Self::Callbacks);
    /// Writes all of `bytes`; false: the client has gone.
    fn write(&self, bytes: &[u8]) -> bool;
    /// Flushes the host's own buffers; false: the client has gone.
    fn flush(&self) -> bool;
    /// Whether [`Host::flush`] does anything.
    fn has_flush(&self) -> bool {
        true
    }
    /// Whether [`Host::on_stop`] or [`Host::on_forced`] does anything.
    fn wants_notice(&self) -> bool;
    /// A stop is due at the next safe point.
    fn on_stop(&self, ending: Ending);
    /// The forced stage: no safe point came in time. Returns whether the host has a callback for it.
    fn on_forced(&self, ending: Ending) -> bool;
    /// The request has ended; called last, on the thread that ends it.
    fn ended(&self, on_ended: Self::OnEnded, ending: Ending);
}

/// A host without a client: its output goes nowhere and always arrives, and it is told of nothing.
#[derive(Debug, Default)]
pub struct NoClient;

impl Host for NoClient {
    type Callbacks = ();
    type Function = ();
    type OnEnded = ();

    fn attach(&self, (): ()) {}

    fn write(&self, _: &[u8]) -> bool {
        true
    }

    fn flush(&self) -> bool {
        true
    }

    fn wants_notice(&self) -> bool {
        false
    }

    fn on_stop(&self, _: Ending) {}

    fn on_forced(&self, _: Ending) -> bool {
        false
    }

    fn ended(&self, (): (), _: Ending) {}
}

/// Lasting facts about a request that its owner publishes: bits of [`Slot::facts`].
pub mod facts {
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
    /// A label was given; otherwise the slot's label is an old one. The same holds for the three facts that follow.
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
    /// The facts that the machine sets again after each step.
    pub const OF_MACHINE: u32 = STAGE | HELD | FINISHED | IGNORES | DIRECT | STATUS | ACCEPTED | RESUMED;
}

/// No `set_time_limit` call is waiting to be written into the run-time layer.
pub const NO_LIMIT_TEXT: i64 = i64::MIN;

/// The part that only the thread that works on the request touches. Until the first call enters a request, it still belongs
/// to the previous request.
#[repr(C)]
pub struct Owned<H: Host> {
    /// With `start`: of the last request that began here. Most requests are like the previous one.
    pub settings: Option<Arc<Settings>>,
    pub machine: Machine,
    pub start: Start,
    pub functions: Vec<Option<H::Function>>,
    pub run_time: Option<Box<RunTime>>,
}

impl<H: Host> Owned<H> {
    /// The first call enters a request.
    pub fn begin(&mut self) {
        self.machine.begin_as(&self.start);
    }

    /// A shutdown function whose turn it is, and the ending that it is told.
    #[inline]
    pub fn take_function(&mut self, number: u32) -> (Option<H::Function>, Ending) {
        let ending = self.machine.ending().unwrap_or(Ending::Completed);
        (self.functions.get_mut(number as usize).and_then(Option::take), ending)
    }
}

/// The prepared start of all requests with the same settings and the same kind of method. Written by a begin, read by the
/// next one.
#[derive(Default)]
#[repr(C)]
pub struct Template {
    /// The settings' address; [`Owned::settings`] keeps them alive. 0: none yet.
    pub settings: AtomicUsize,
    pub facts: AtomicU32,
    /// The limit; 0: none.
    pub seconds: AtomicU32,
}

impl Template {
    /// The facts and the limit of a request with these settings; `None`: the previous request began differently.
    #[inline]
    pub fn of(&self, settings: &Arc<Settings>, begin: Begin) -> Option<(u32, u32)> {
        let facts = self.facts.load(Relaxed);
        let is_like =
            self.settings.load(Relaxed) == Arc::as_ptr(settings).addr() && facts >> facts::BEGIN_SHIFT == begin.bits();
        is_like.then(|| (facts, self.seconds.load(Relaxed)))
    }
}

/// The label that people see: at most this many bytes of it.
pub const LABEL: usize = 96;

/// The data that the slots of a chunk share.
pub struct Common<H: Host> {
    pub(super) deadlines: Deadlines,
    pub(super) annexes: Annexes<H>,
}

/// A request's slot. Aligned, so that a handle can carry a tag in the low bits of the address; its fields are ordered so
/// that a plain request touches three cache lines.
#[repr(C, align(512))]
pub struct Slot<H: Host> {
    // First cache line: all that check, a plain write and the free list touch.
    pub(super) word: Word,
    pub(super) facts: AtomicU32,
    pub(super) next_free: AtomicU32,
    /// Follows `word`, for hosts.
    pub(super) hint: Hint,
    /// Its place in its chunk.
    lane: u16,
    /// The stop queue.
    pub(super) queue: AtomicU16,
    pub(super) shared: Arc<Shared>,
    pub(super) chunk: Arc<Common<H>>,
    pub(super) written: AtomicU64,
    pub(super) host: H,

    // Second cache line: time limits.
    pub(super) timing: Timing,
    pub(super) limit_text: AtomicI64,
    pub(super) began: AtomicU64,

    // Third cache line: begin and end.
    /// The completed requests of this slot; only the owner counts.
    pub(super) completed: Quick,
    pub(super) template: Template,
    pub(super) index: u32,
    /// The watched socket; only the owner uses it.
    pub(super) socket: AtomicI32,
    pub(super) owned: AtomicRefCell<Owned<H>>,
    /// How often the generations have wrapped around here; see [`Slot::id`].
    lap: AtomicU32,
    /// Generation << 8 | the events that the host was told of.
    pub(super) notified: AtomicU32,

    pub(super) method: AtomicU64,
    pub(super) max_detached: AtomicU32,
    pub(super) max_detached_time: AtomicU32,
    pub(super) gone_at: AtomicU64,
    pub(super) counted: Counted,
    pub(super) notice: Notice,
    pub(super) max_detached_total: AtomicU32,
    /// Odd while the label is written.
    label_turn: AtomicU32,
    pub(super) label: [AtomicU64; LABEL / 8],
}

impl<H: Host> Slot<H> {
    pub(super) fn new(index: u32, lane: u32, shared: &Arc<Shared>, chunk: &Arc<Common<H>>) -> Self {
        Self {
            word: Word::default(),
            facts: AtomicU32::new(0),
            next_free: AtomicU32::new(0),
            hint: Hint::default(),
            lane: u16::try_from(lane).expect("no chunk has so many slots"),
            queue: AtomicU16::new(0),
            shared: Arc::clone(shared),
            chunk: Arc::clone(chunk),
            written: AtomicU64::new(0),
            host: H::default(),
            timing: Timing::default(),
            limit_text: AtomicI64::new(NO_LIMIT_TEXT),
            began: AtomicU64::new(0),
            completed: Quick::default(),
            template: Template::default(),
            index,
            socket: AtomicI32::new(-1),
            owned: AtomicRefCell::new(Owned {
                settings: None,
                machine: Machine::default(),
                functions: Vec::new(),
                start: Start::default(),
                run_time: None,
            }),
            lap: AtomicU32::new(u32::MAX),
            notified: AtomicU32::new(0),
            method: AtomicU64::new(0),
            max_detached: AtomicU32::new(0),
            max_detached_time: AtomicU32::new(0),
            max_detached_total: AtomicU32::new(0),
            gone_at: AtomicU64::new(0),
            counted: Counted::default(),
            notice: Notice::default(),
            label_turn: AtomicU32::new(0),
            label: Default::default(),
        }
    }

    /// The word with its hint.
    #[inline]
    pub(super) fn flags(&self) -> Flags<'_> {
        Flags { word: &self.word, hint: &self.hint }
    }

    /// The slot's annex, if its chunk has any.
    pub(super) fn annex(&self) -> &Annex<H> {
        self.chunk.annexes.of(self.lane.into())
    }

    /// Makes the engine look at this slot by `due`; that look sees what the caller has written before.
    #[inline]
    pub(super) fn look_at(&self, due: u64) {
        // If an early enough deadline is armed, the engine's thread does not sleep.
        if due != NEVER && !self.chunk.deadlines.is_early(usize::from(self.lane), due, &self.shared.barrier) {
            self.arm(due);
        }
    }

    #[cold]
    #[inline(never)]
    fn arm(&self, due: u64) {
        self.chunk.deadlines.move_forward(usize::from(self.lane), due, &self.shared.barrier);
        self.shared.wake_if_asleep();
    }

    /// Prefetches what a begin or an end is about to need; after an end, the next begin here comes soon.
    #[inline]
    pub(super) fn prefetch(&self) {
        sys::prefetch(&raw const self.timing);
        sys::prefetch(&raw const self.completed);
        self.chunk.deadlines.prefetch(usize::from(self.lane));
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
        let id = word.id(self.lap.load(Relaxed), self.index);
        fence(Acquire);
        (word.is_live() && self.word.load().generation() == word.generation()).then_some(id)
    }

    /// By the owner, or before the slot is live.
    pub(super) fn set_label(&self, label: &[u8]) {
        whole_words::write(&self.label_turn, &self.label, whole_words::of_text(cut(label, LABEL)));
    }

    /// A consistent copy, even if it is being written; empty where its writer is stuck.
    pub(super) fn label(&self) -> Vec<u8> {
        let mut label = whole_words::read(&self.label_turn, &self.label)
            .map_or_else(Vec::new, |words| whole_words::text_of(&words, LABEL));
        label.truncate(label.iter().position(|&byte| byte == 0).unwrap_or(LABEL));
        label
    }
}

/// Up to eight bytes in one word, zeros behind them.
pub(super) fn pack(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    let count = bytes.len().min(8);
    word[..count].copy_from_slice(&bytes[..count]);
    u64::from_ne_bytes(word)
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
