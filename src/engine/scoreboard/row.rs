//! One row of the file: how its owner writes it, and how a reader decodes it.
//!
//! | word | what |
//! | --- | --- |
//! | 0 | sequence: count of requests << 16, count of labels << 2 (an odd one is the second), phase (0 free, 1 being written, 2 live) |
//! | 1 | when it began, milliseconds of the machine's monotonic clock; above bit 48 the length of the key |
//! | 2 | when the client went, with the low 16 bits of the count above bit 48; another count: it is there |
//! | 3 | time limit in seconds << 32, thread |
//! | 4 | what is left: when the limit is due, or with bit 62 the CPU time left; all ones: no limit |
//! | 5 | [`state`] |
//! | 6 | bytes written |
//! | 7 | method |
//! | 8 … 19, 20 … 31 | two labels, zeros behind them |
//! | 32 … 39 | the key of a submission |
//!
//! Word 0 is a sequence lock: a reader that finds it live and the same before and after has one whole request between.
//! A row is live from its last store in `begin`, so a process killed before that has begun nothing. A new label is
//! written beside the old one and put in force by one store into the sequence; so there is no moment at which a
//! killed process leaves half a label. Words 2 to 6 stand each for itself and change without the lock.
//!
//! The count goes on when a block changes hands, so that number and count of a row name one request for as long as the file lives. Whoever
//! stores that count in the row's cancel word, which stands behind the block's rows, cancels that request and no other.

use super::super::annex;
use super::layout::{BLOCK, ROW, ROWS};
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    fence,
};

const PHASE: u64 = 3;
const WRITING: u64 = 1;
const LIVE: u64 = 2;
const NEXT_LABEL: u64 = 1 << 2;
const COUNT_SHIFT: u32 = 16;

const SEQUENCE: usize = 0;
const BEGAN: usize = 1;
const GONE: usize = 2;
const LIMIT: usize = 3;
const LEFT: usize = 4;
const STATE: usize = 5;
const WRITTEN: usize = 6;
const METHOD: usize = 7;
const LABELS: [usize; 2] = [8, 20];
const LABEL: usize = 12;
const KEY: usize = 32;
const KEY_SHIFT: u32 = 48;

const TIME: u64 = (1 << 48) - 1;
/// The word for the time left: no limit.
pub const NO_LIMIT: u64 = u64::MAX;
/// With this bit, that word holds the CPU time left instead of the time when the limit is due. Both use one word, because the clock may
/// be changed at run time.
pub const CPU_LEFT: u64 = 1 << 62;

/// Bits of the state word: what the row shows of a slot's state.
pub mod state {
    /// The stage, in the low bits.
    pub const STAGE: u64 = 7;
    /// A hold is open.
    pub const HELD: u64 = 1 << 3;
    /// The response was finished early.
    pub const FINISHED: u64 = 1 << 4;
    /// An abort would be ignored now.
    pub const IGNORES: u64 = 1 << 5;
    /// The socket is watched.
    pub const WATCHED: u64 = 1 << 6;
    /// A journal has accepted it.
    pub const ACCEPTED: u64 = 1 << 10;
    /// It works on a submission that the journal handed out.
    pub const RESUMED: u64 = 1 << 11;
    /// Where `connection_status()` stands, two bits.
    pub const STATUS_SHIFT: u32 = 8;
}

/// The first columns of a new row.
pub struct First<'a> {
    pub began: u64,
    pub limit: u32,
    pub thread: u32,
    pub left: u64,
    pub state: u64,
    pub method: u64,
    pub label: &'a [AtomicU64],
    pub key: &'a [u8],
}

/// A row of this process. One request at a time uses it; [`RowWriter::set_gone`] and [`RowWriter::refresh`] may come from any thread.
#[derive(Clone, Copy)]
pub struct RowWriter<'a>(&'a [AtomicU64; ROW], &'a AtomicU64);

impl<'a> RowWriter<'a> {
    /// A row of a block.
    pub fn of(block: &'a [AtomicU64], row: usize) -> Self {
        let words = block[row * ROW..].first_chunk().expect("a block of the layout is part of the mapping");
        Self(words, &block[ROWS * ROW + row])
    }
}

impl RowWriter<'_> {
    /// A request has begun: once this returns, readers of the file see it.
    #[inline] // most requests are known to have no key
    pub fn begin(self, first: &First<'_>) {
        let count = (self.0[SEQUENCE].load(Relaxed) >> COUNT_SHIFT) + 1;
        self.0[SEQUENCE].store(count << COUNT_SHIFT | WRITING, Relaxed);
        fence(Release);
        let key = &first.key[..first.key.len().min(annex::KEY)];
        self.0[BEGAN].store(first.began & TIME | (key.len() as u64) << KEY_SHIFT, Relaxed);
        self.0[GONE].store(0, Relaxed);
        self.0[LIMIT].store(u64::from(first.limit) << 32 | u64::from(first.thread), Relaxed);
        self.0[LEFT].store(first.left, Relaxed);
        self.0[STATE].store(first.state, Relaxed);
        self.0[WRITTEN].store(0, Relaxed);
        self.0[METHOD].store(first.method, Relaxed);
        self.copy_label(LABELS[0], first.label);
        for (place, part) in self.0[KEY..].iter().zip(key.chunks(8)) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            place.store(u64::from_ne_bytes(word), Relaxed);
        }
        self.0[SEQUENCE].store(count << COUNT_SHIFT | LIVE, Release);
    }

    /// It has ended.
    pub fn end(self) {
        let sequence = self.0[SEQUENCE].load(Relaxed);
        self.0[SEQUENCE].store(sequence & !PHASE, Release);
    }

    /// Writes another label.
    pub fn set_label(self, label: &[AtomicU64]) {
        let sequence = self.0[SEQUENCE].load(Relaxed);
        if sequence & PHASE != LIVE {
            return;
        }
        let others = (1 << COUNT_SHIFT) - NEXT_LABEL;
        let next = sequence & !others | sequence.wrapping_add(NEXT_LABEL) & others;
        fence(Release);
        self.copy_label(label_of(next), label);
        self.0[SEQUENCE].store(next, Release);
    }

    fn copy_label(self, at: usize, label: &[AtomicU64]) {
        if label.is_empty() {
            self.0[at].store(0, Relaxed);
        }
        for (place, word) in self.0[at..at + LABEL].iter().zip(label) {
            let word = word.load(Relaxed);
            place.store(word, Relaxed);
            if word.to_ne_bytes()[7] == 0 {
                break; // nothing is read behind a zero
            }
        }
    }

    fn gone(self, sequence: u64) -> Option<u64> {
        untagged(sequence, self.0[GONE].load(Relaxed))
    }

    /// Writes the owner's published state.
    pub fn set_state(self, state: u64) {
        self.0[STATE].store(state, Relaxed);
    }

    /// Its client has gone. `is_still` says, once the row's count is known, whether the row is that of the same request.
    pub fn set_gone(self, at: u64, is_still: impl FnOnce() -> bool) {
        let sequence = self.0[SEQUENCE].load(Acquire);
        if is_still() && sequence & PHASE == LIVE && self.gone(sequence).is_none() {
            self.0[GONE].store(tagged(sequence, at), Relaxed);
        }
    }

    /// Writes the columns that only the engine's thread updates. Only changed ones are written, so that an idle row's
    /// page stays clean.
    pub fn refresh(self, limit: u32, thread: u32, left: u64, written: u64) {
        let new = [(LIMIT, u64::from(limit) << 32 | u64::from(thread)), (LEFT, left), (WRITTEN, written)];
        for (at, value) in new {
            if self.0[at].load(Relaxed) != value {
                self.0[at].store(value, Relaxed);
            }
        }
    }

    /// Whether this row's request was asked to be cancelled.
    pub fn is_cancelled(self) -> bool {
        let count = self.1.load(Relaxed);
        let sequence = self.0[SEQUENCE].load(Acquire);
        count != 0 && sequence & PHASE == LIVE && count == sequence >> COUNT_SHIFT
    }

    /// Called by another process, for a dead owner's row: clears the request that was seen, if it is still there.
    pub fn forget(self, seen: RowCopy<'_>) -> bool {
        self.0[SEQUENCE].compare_exchange(seen.sequence(), seen.ended(), SeqCst, Relaxed).is_ok()
    }

    /// Whether a request lives in it.
    pub fn is_live(self) -> bool {
        self.0[SEQUENCE].load(Acquire) & PHASE == LIVE
    }
}

/// Where the label in force stands.
fn label_of(sequence: u64) -> usize {
    LABELS[usize::from(sequence & NEXT_LABEL != 0)]
}

fn tagged(sequence: u64, at: u64) -> u64 {
    (sequence >> COUNT_SHIFT) << 48 | (at & TIME).max(1)
}

fn untagged(sequence: u64, gone: u64) -> Option<u64> {
    let same = gone >> 48 == sequence >> COUNT_SHIFT & 0xffff;
    Some(gone & TIME).filter(|&at| same && at != 0)
}

/// A copy of a row; its content is not trusted.
#[derive(Clone, Copy)]
pub struct RowCopy<'a>(pub &'a [u8]);

/// A row's columns, decoded but not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    pub began: u64,
    pub gone: Option<u64>,
    pub limit: u32,
    pub thread: u32,
    pub left: u64,
    pub state: u64,
    pub written: u64,
    pub method: Vec<u8>,
    pub label: Vec<u8>,
    pub key: Vec<u8>,
    pub count: u64,
}

impl RowCopy<'_> {
    fn word(self, number: usize) -> u64 {
        let bytes = self.0.get(8 * number..8 * number + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_ne_bytes)
    }

    /// Equal before and after: the same request with the same label.
    pub fn sequence(self) -> u64 {
        self.word(SEQUENCE)
    }

    pub fn is_live(self) -> bool {
        self.sequence() & PHASE == LIVE
    }

    /// Which request of the row it is.
    pub fn count(self) -> u64 {
        self.sequence() >> COUNT_SHIFT
    }

    /// The sequence with which it is over.
    fn ended(self) -> u64 {
        self.sequence() & !PHASE
    }

    pub fn columns(self) -> Columns {
        let (sequence, limit) = (self.sequence(), self.word(LIMIT));
        let text = |at: usize, words: usize| {
            let bytes = self.0.get(8 * at..8 * (at + words)).unwrap_or_default();
            bytes.split(|&byte| byte == 0).next().unwrap_or_default().to_vec()
        };
        let began = self.word(BEGAN);
        let key_len = ((began >> KEY_SHIFT) as usize).min(annex::KEY);
        Columns {
            began: began & TIME,
            key: self.0.get(8 * KEY..8 * KEY + key_len).unwrap_or_default().to_vec(),
            count: self.count(),
            gone: untagged(sequence, self.word(GONE)),
            limit: (limit >> 32) as u32,
            thread: limit as u32,
            left: self.word(LEFT),
            state: self.word(STATE),
            written: self.word(WRITTEN),
            method: text(METHOD, 1),
            label: text(label_of(sequence), LABEL),
        }
    }
}

/// What a block begins with under a new owner: every row free, its count as it was; no cancel word. `before`: what stood there.
pub fn cleaned(before: &[u8; BLOCK]) -> [u8; BLOCK] {
    let mut after = [0; BLOCK];
    for row in 0..ROWS {
        let at = row * 8 * ROW;
        let count = RowCopy(&before[at..at + 8 * ROW]).count();
        after[at..at + 8].copy_from_slice(&(count << COUNT_SHIFT).to_ne_bytes());
    }
    after
}
