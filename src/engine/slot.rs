//! One place for a request: what its owner works on, and what other threads may see of it.

use super::deadlines::{Deadlines, NEVER};
use super::shared::Shared;
use super::timing::Timing;
use super::word::Word;
use crate::config::Settings;
use crate::request::{Ending, Machine, RunTime};
use atomic_refcell::AtomicRefCell;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// The host's side of requests: where output goes and who is told.
///
/// One value lives in each slot and is given new callbacks by each begin. All methods may be called from the thread that
/// works on the request; `on_stop` and `on_forced` from the engine's thread.
pub trait Host: Default + Send + Sync + 'static {
    /// What a begin brings along.
    type Callbacks;
    /// A registered shutdown function.
    type Function: Send + Sync;

    /// Takes the callbacks of a new request.
    fn attach(&self, callbacks: Self::Callbacks);
    /// Writes all of `bytes`; false: the client has gone.
    fn write(&self, bytes: &[u8]) -> bool;
    /// Pushes what the host still holds; false: the client has gone.
    fn flush(&self) -> bool;
    /// Whether [`Host::on_stop`] or [`Host::on_forced`] does anything.
    fn wants_notice(&self) -> bool;
    /// A stop is due at the next safe point.
    fn on_stop(&self, ending: Ending);
    /// The forced stage: no safe point came. False: nobody was told.
    fn on_forced(&self, ending: Ending) -> bool;
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
    /// What the machine says anew after each step.
    pub const OF_MACHINE: u32 = STAGE | HELD | FINISHED | IGNORES | DIRECT;
}

/// No `set_time_limit` call is waiting to be written into the run-time layer.
pub const NO_LIMIT_TEXT: i64 = i64::MIN;

/// What only the thread that works on the request touches.
pub struct Owned<H: Host> {
    pub machine: Machine,
    pub run_time: RunTime,
    pub settings: Option<Arc<Settings>>,
    pub functions: Vec<Option<H::Function>>,
    pub socket: Option<i32>,
}

/// The label that people see: at most this many bytes of it.
pub const LABEL: usize = 96;

/// A request's place. Aligned, so that a handle can carry a tag in the low bits of its address.
#[repr(C, align(512))]
pub struct Slot<H: Host> {
    // The first cache line is all that check and a plain write touch.
    pub(super) word: Word,
    pub(super) facts: AtomicU32,
    pub(super) index: u32,
    pub(super) shared: Arc<Shared>,
    pub(super) host: H,

    pub(super) timing: Timing,
    pub(super) limit_text: AtomicI64,
    pub(super) deadlines: Arc<Deadlines>,
    pub(super) lane: usize,
    pub(super) owned: AtomicRefCell<Owned<H>>,

    pub(super) next_free: AtomicU32,
    pub(super) status: AtomicU32,
    pub(super) written: AtomicU64,
    pub(super) began: AtomicU64,
    pub(super) gone_at: AtomicU64,
    pub(super) max_detached: AtomicU32,
    pub(super) max_detached_time: AtomicU32,
    /// Held by the engine's thread while it calls the host about this request; an end waits for it.
    pub(super) notifying: Mutex<()>,
    pub(super) notified: AtomicU64,
    pub(super) method: AtomicU64,
    /// How many requests ended here, by ending; only the owner counts.
    pub(super) endings: [AtomicU64; 8],
    pub(super) label: [AtomicU64; LABEL / 8],
}

impl<H: Host> Slot<H> {
    pub(super) fn new(index: u32, lane: usize, shared: &Arc<Shared>, deadlines: &Arc<Deadlines>) -> Self {
        Self {
            word: Word::default(),
            facts: AtomicU32::new(0),
            index,
            shared: Arc::clone(shared),
            host: H::default(),
            timing: Timing::default(),
            limit_text: AtomicI64::new(NO_LIMIT_TEXT),
            deadlines: Arc::clone(deadlines),
            lane,
            owned: AtomicRefCell::new(Owned {
                machine: Machine::default(),
                run_time: RunTime::default(),
                settings: None,
                functions: Vec::new(),
                socket: None,
            }),
            next_free: AtomicU32::new(0),
            status: AtomicU32::new(0),
            written: AtomicU64::new(0),
            began: AtomicU64::new(0),
            gone_at: AtomicU64::new(0),
            max_detached: AtomicU32::new(0),
            max_detached_time: AtomicU32::new(0),
            notifying: Mutex::new(()),
            notified: AtomicU64::new(0),
            method: AtomicU64::new(0),
            endings: Default::default(),
            label: Default::default(),
        }
    }

    /// The engine looks at this slot at `due` at the latest.
    pub(super) fn look_at(&self, due: u64) {
        if due != NEVER {
            self.deadlines.at_most(self.lane, due);
            self.shared.wake_if_asleep();
        }
    }

    pub(super) fn set_label(&self, label: &[u8]) {
        if label.is_empty() && self.label[0].load(Relaxed) == 0 {
            return;
        }
        let label = cut(label, LABEL);
        for (number, word) in self.label.iter().enumerate() {
            let start = (number * 8).min(label.len());
            let part = &label[start..label.len().min(start + 8)];
            word.store(pack(part), Relaxed);
        }
    }

    pub(super) fn label(&self) -> Vec<u8> {
        let mut label: Vec<u8> = self.label.iter().flat_map(|word| word.load(Relaxed).to_ne_bytes()).collect();
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

/// At most `most` bytes, not cutting a UTF-8 character in half, and nothing from the first NUL on.
fn cut(text: &[u8], most: usize) -> &[u8] {
    let text = &text[..memchr::memchr(0, text).unwrap_or(text.len())];
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
        assert_eq!(cut(b"a\0b", 8), b"a");
    }
}
