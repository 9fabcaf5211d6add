//! The engine's thread: it reads the clock for everybody, checks limits, watches sockets and notifies hosts. An engine without a thread does
//! the same in the rounds of its host's loop (`rounds.rs`): what is said of the engine's thread here is true of these.
//!
//! It sets bits and calls `on_stop` and `on_forced`; it never touches the owned part of a request.

use super::deadlines::{NEVER, Taken};
use super::flag_word::{FLAG_CANCELLED, FLAG_COUNTED, FLAG_COUNTED_HERE, FLAG_GONE, FLAG_REFUSED, Seen};
use super::gather::gather;
use super::numbers::Numbers;
use super::scoreboard::Counted;
use super::shared::Shared;
use super::slot::{Host, Slot, state};
use super::slot_table::Table;
use super::stop_queue::StopKind;
use super::sys::{self, Readiness};
use super::timing::Look;
use super::watched::Member;
use super::{drain, stops};
use crate::request::{Ending, Events, Stage};
use std::sync::Arc;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    fence,
};
use std::time::Duration;

/// Milliseconds between two looks at the clock while anything is timed.
pub const TICK: u64 = 10;
/// Ticks without anything timed before the thread sleeps until it is woken.
const IDLE_TICKS: u32 = 100;

/// The thread's loop; ends when the engine closes.
pub fn run<H: Host>(shared: &Shared, table: &Arc<Table<H>>) {
    shared.thread.store(sys::thread_number(), Relaxed);
    let (mut idle, mut busy) = (0, true);
    let mut round = Round::default();
    while !shared.closing.load(SeqCst) {
        let now = shared.publish_now();
        let drains = round.step(shared, table, now);
        let armed = drains || table.deadlines().any(|(deadlines, _)| deadlines.any());
        idle = if armed { 0 } else { idle + 1 };
        let asleep = idle >= IDLE_TICKS && fall_asleep(shared, table);
        // From here on, a begin wakes the thread, so a deadline that this check misses is not missed.
        if shared.board.is_due(now) || asleep {
            busy = round.refresh(shared, table, now);
        }
        let time = if asleep { shared.board.pause(busy) } else { Some(Duration::from_millis(TICK)) };
        shared.poll.wait(time, &mut round.seen);
    }
}

/// What one look around leaves to the next, and the memory that they use again.
#[derive(Default)]
pub struct Round {
    /// The sockets that have changed.
    pub seen: Vec<Readiness>,
    members: Vec<Member>,
    clocks: Clocks,
    taken: Taken,
    counted: Numbers,
}

impl Round {
    /// Does what is due of sockets, limits, caps and a drain. Returns whether more will be due of the drain.
    pub fn step<H: Host>(&mut self, shared: &Shared, table: &Table<H>, now: u64) -> bool {
        for socket in &self.seen {
            notice(shared, table, socket, &mut self.members);
        }
        self.clocks.forget();
        let drains = drain::step(shared, table, now);
        for (deadlines, slots) in table.deadlines() {
            let clocks = &mut self.clocks;
            deadlines.sweep(now, &mut self.taken, &shared.barrier, |slot| look(&slots[slot], now, clocks));
        }
        shared.gate.close();
        drains
    }

    /// Brings the scoreboard up to date. Returns whether to do it again soon: a request is in flight, or was until just now.
    pub fn refresh<H: Host>(&mut self, shared: &Shared, table: &Table<H>, now: u64) -> bool {
        let (turn, is_asked) = shared.board.turn(shared.free.used());
        let (numbers, gauges) = gather(shared, table, |slot, word| {
            if turn.contains(&slot.index()) {
                shared.board.refresh(slot, word, now, &mut |clock| self.clocks.read(clock));
            }
            if is_asked && shared.board.is_cancelled(slot, word) {
                slot.cancel(word.generation());
            }
        });
        shared.board.publish(&numbers, gauges, now);
        let has_changed = self.counted != numbers;
        self.counted = numbers;
        has_changed || gauges.in_flight > 0
    }
}

/// Publishes that the thread sleeps, then looks for work once more. A deadline armed before that is found here; a thread that arms
/// one later wakes this thread.
fn fall_asleep<H: Host>(shared: &Shared, table: &Table<H>) -> bool {
    shared.fall_asleep();
    let armed = table.deadlines().any(|(deadlines, _)| deadlines.any());
    if armed || shared.closing.load(SeqCst) {
        shared.publish_now();
        return false;
    }
    true
}

/// CPU clocks read in this tick: requests of one thread share a reading.
#[derive(Default)]
struct Clocks(Vec<(i32, u64)>);

impl Clocks {
    fn forget(&mut self) {
        self.0.clear();
    }

    fn read(&mut self, clock: i32) -> u64 {
        if let Some((_, ns)) = self.0.iter().find(|(known, _)| *known == clock) {
            return *ns;
        }
        let ns = sys::thread_cpu_ns(clock).unwrap_or(0);
        if self.0.len() == 64 {
            self.0.clear(); // many threads: a second reading is cheaper than a long search
        }
        self.0.push((clock, ns));
        ns
    }
}

/// A watched socket has changed.
fn notice<H: Host>(shared: &Shared, table: &Table<H>, seen: &Readiness, members: &mut Vec<Member>) {
    shared.watched.members(seen.token, members);
    for &Member { slot, generation } in &*members {
        let slot = table.slot(slot);
        let half_open = slot.state.load(Relaxed) & state::HALF_OPEN != 0;
        if slot.word.load().generation() == generation && (seen.closed || (seen.half_closed && !half_open)) {
            slot.client_gone(generation);
        }
    }
}

/// Looks at one slot; returns when to look again.
fn look<H: Host>(slot: &Slot<H>, now: u64, clocks: &mut Clocks) -> u64 {
    let word = slot.word.load();
    if !word.is_live() {
        return NEVER;
    }
    let generation = word.generation();
    let limit = match slot.timing().look(now, || slot.counts_cpu(), &mut |clock| clocks.read(clock)) {
        Look::Never => NEVER,
        Look::Later(at) => at,
        Look::Fired(next) => {
            fired(slot, generation);
            next
        }
    };
    let detached = cap_time(slot, generation, now);
    let counted = count_in_total(slot, generation, now);
    tell(slot, generation);
    limit.min(detached).min(counted)
}

/// The limit, or the hard timeout behind it, has run out.
fn fired<H: Host>(slot: &Slot<H>, generation: u64) {
    let time_up = u64::from(Events::TIME_UP.0);
    if slot.flags().raise(generation, time_up, time_up) {
        count_alone(&slot.shared().counters.time_limits);
    } else {
        // No safe point has come since the limit: the forced stage.
        force(slot, generation, Ending::TimeLimit);
    }
}

/// Counts what the engine's thread alone counts.
fn count_alone(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Release);
}

/// The forced stage, once per request.
pub fn force<H: Host>(slot: &Slot<H>, generation: u64, ending: Ending) {
    let forced = u64::from(Events::FORCED.0);
    if !slot.flags().raise(generation, forced, forced) {
        return;
    }
    count_alone(&slot.shared().counters.forced);
    if slot.state.load(Relaxed) & state::QUEUED != 0 {
        stops::push(slot, generation, StopKind::Forced, ending);
    }
    // An end waits for callbacks only if the host has any.
    if slot.state.load(Relaxed) & state::NOTICE != 0 {
        with_host(slot, generation, |host, notices| host.on_forced(notices, ending));
    }
}

/// `outlive.max_detached_time`: stops a request that has been detached for that long; returns when to look again.
fn cap_time<H: Host>(slot: &Slot<H>, generation: u64, now: u64) -> u64 {
    let Some(until) = slot.detached_until(slot.word.load(), now) else { return NEVER };
    if until <= now {
        slot.flags().raise(generation, Events::CAP.0.into(), 0);
        return NEVER;
    }
    until
}

/// `outlive.max_detached_total`: counts a detached request, or tells it to stop where the cap is reached. This is decided once, here
/// and not where the disconnect is noticed: it needs other processes' counts, and the disconnect may be noticed in a signal handler.
fn count_in_total<H: Host>(slot: &Slot<H>, generation: u64, now: u64) -> u64 {
    const DECIDED: u64 = FLAG_COUNTED | FLAG_COUNTED_HERE | FLAG_REFUSED;
    let state = slot.state.load(Relaxed);
    if state & state::TOTAL_CAPPED == 0 {
        return NEVER;
    }
    let word = slot.word.load();
    // A resumed request never had a client: if a cap stopped it, it would only be resumed again.
    let works_on = word.is_gone() || state & (state::FINISHED | state::RESUMED) == state::FINISHED;
    if !works_on || word.has_any(DECIDED) {
        return NEVER;
    }
    let board = &slot.shared().board;
    let Some(counted) = board.count_detached(slot.annex().max_detached_total.load(Relaxed), now) else {
        return now + 1;
    };
    let flag = match counted {
        Counted::InBoard => FLAG_COUNTED,
        Counted::InEngine => FLAG_COUNTED_HERE,
        Counted::Refused => FLAG_REFUSED | u64::from(Events::CAP.0),
    };
    if !slot.flags().raise(generation, flag, DECIDED) {
        board.uncount_detached(counted); // it has ended meanwhile
    }
    NEVER
}

/// Notifies the host that a stop is due at the next safe point, once for each cause.
fn tell<H: Host>(slot: &Slot<H>, generation: u64) {
    // The events that belong to this state were written before it.
    let state = slot.state.load(Acquire);
    let word = slot.word.load();
    let last = if state & state::QUEUED != 0 { Stage::Running } else { Stage::Shutdown };
    if state & (state::NOTICE | state::QUEUED) == 0
        || state & state::STAGE > last as u32
        || word.generation() != generation
    {
        return;
    }
    let events = word.events();
    if events == Events::NONE {
        return; // looked at for its limit: nothing is made for its notices
    }
    let running = state & state::STAGE != Stage::Input as u32;
    let handed_back = (state & state::ACCEPTED != 0).then_some(Ending::HandedBack);
    let due = [
        (Events::TIME_UP, Ending::TimeLimit, running),
        (Events::GONE, Ending::Aborted, state & state::IGNORES == 0),
        (Events::CANCEL, Ending::Cancelled, state & state::STAGE < Stage::Shutdown as u32),
        (Events::CAP, handed_back.unwrap_or(Ending::Aborted), true),
        (Events::DRAIN, handed_back.unwrap_or(Ending::Shutdown), true),
    ];
    let notified = &slot.notified().events;
    for (event, ending, stops) in due {
        let told = notified.load(Relaxed);
        let told = if u64::from(told >> 8) == generation { told & 0xff } else { 0 };
        if stops && events.has(event) && told & event.0 == 0 {
            notified.store((generation as u32) << 8 | told | event.0, Relaxed);
            if state & state::QUEUED != 0 {
                stops::push(slot, generation, StopKind::Due, ending);
            } else {
                with_host(slot, generation, |host, notices| host.on_stop(notices, ending));
            }
        }
    }
}

/// Calls the host while the request cannot end.
fn with_host<H: Host>(slot: &Slot<H>, generation: u64, call: impl FnOnce(&H, &H::Notices)) {
    let (shared, notices) = (slot.shared(), &slot.notified().notices);
    let is_live = || slot.word.load().generation() == generation;
    shared.gate.tell(slot.index(), &shared.barrier, is_live, || call(&slot.host, notices));
}

impl<H: Host> Slot<H> {
    /// Notes that the client has gone; counted once. From any thread and from signal handlers. False: it was known, the
    /// response was finished before, or the request has ended.
    pub(super) fn client_gone(&self, generation: u64) -> bool {
        if self.state.load(Relaxed) & state::FINISHED != 0 {
            return false;
        }
        let new = self.flags().raise(generation, u64::from(Events::GONE.0) | FLAG_GONE, FLAG_GONE);
        if new {
            self.detached(generation);
        }
        new
    }

    /// Cancels the request, from any thread and from signal handlers. False: it was cancelled before, or it has ended.
    pub(super) fn cancel(&self, generation: u64) -> bool {
        let new = self.flags().raise(generation, u64::from(Events::CANCEL.0) | FLAG_CANCELLED, FLAG_CANCELLED);
        if new && self.state.load(Relaxed) & (state::NOTICE | state::QUEUED) != 0 {
            self.look_at(0);
            self.shared().wake();
        }
        new
    }

    /// Called once, by the thread that was first to set the flag.
    pub(super) fn detached(&self, generation: u64) {
        let now = self.shared().now();
        self.gone_at.store(now, Relaxed);
        self.shared().board.gone(self, generation);
        let count = self.shared().counters.detach();
        // The owner may be changing the cap at this moment; it then checks whether the client has gone.
        fence(SeqCst);
        let (most, time) = self.caps();
        if most > 0 && count > i64::from(most) {
            self.flags().raise(generation, Events::CAP.0.into(), 0);
        }
        if self.state.load(Relaxed) & (state::NOTICE | state::QUEUED | state::TOTAL_CAPPED) != 0 {
            self.look_at(0);
            self.shared().wake();
        } else if time > 0 {
            self.look_at(now + time);
        }
    }

    /// Until when the request that `word` is about may work on after its client has gone; `None`: its client is there, or there is
    /// no cap.
    pub(super) fn detached_until(&self, word: Seen, now: u64) -> Option<u64> {
        let (_, most) = self.caps();
        if most == 0 || !word.is_gone() {
            return None;
        }
        // If the disconnect is being noticed at this moment, the stored time is an earlier request's.
        let gone_at = self.gone_at.load(Relaxed);
        Some(if gone_at < self.began.load(Relaxed) { now } else { gone_at } + most)
    }

    /// How many requests may be detached at once, and for how many milliseconds each; 0: no cap.
    pub(super) fn caps(&self) -> (u32, u64) {
        if self.state.load(Relaxed) & state::CAPPED == 0 {
            return (0, 0);
        }
        let annex = self.annex();
        (annex.max_detached.load(Relaxed), 1_000 * u64::from(annex.max_detached_time.load(Relaxed)))
    }
}
