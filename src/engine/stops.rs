//! The stop queues of an engine: one for each of the host's loops, with an event descriptor to wait on.

use super::shared::Shared;
use super::slot::{Host, Slot, state};
use super::slot_table::{CHUNKS, extent, place};
use super::stop_queue::{Node, Nodes, Signal, Stop, StopKind, StopQueue};
use super::sys::EventFd;
use super::{Answer, Engine};
use crate::error::Code;
use crate::request::{Ending, Stage};
use once_cell::race::OnceBox;
use std::sync::atomic::Ordering::Relaxed;

/// How many queues an engine may have.
pub const MOST_QUEUES: u32 = 1024;

impl Signal for EventFd {
    fn set(&self) {
        EventFd::set(self);
    }

    fn clear(&self) {
        EventFd::clear(self);
    }
}

/// The queues of an engine, and a node for each slot.
pub struct StopQueues {
    queues: Box<[StopQueue<EventFd>]>,
    nodes: NodeTable,
}

/// In chunks like the slots, made with them, so that a push allocates nothing.
struct NodeTable(Box<[OnceBox<Box<[Node]>>]>);

impl Nodes for NodeTable {
    fn node(&self, index: u32) -> &Node {
        let (chunk, offset) = place(index);
        &self.chunk(chunk)[offset]
    }
}

impl NodeTable {
    fn chunk(&self, number: usize) -> &[Node] {
        self.0[number].get_or_init(|| {
            let (_, count) = extent(number as u32);
            Box::new((0..count).map(|_| Node::default()).collect())
        })
    }
}

impl StopQueues {
    /// Makes this many queues; `None` for 0.
    pub fn new(count: u32) -> std::io::Result<Option<Self>> {
        let queues = (0..count).map(|_| EventFd::new().map(StopQueue::new)).collect::<Result<Box<[_]>, _>>()?;
        let nodes = NodeTable((0..CHUNKS).map(|_| OnceBox::new()).collect());
        Ok((count > 0).then_some(Self { queues, nodes }))
    }

    /// Makes the nodes of a chunk.
    pub fn prepare(&self, chunk: usize) {
        self.nodes.chunk(chunk);
    }

    pub fn has(&self, queue: u32) -> bool {
        (queue as usize) < self.queues.len()
    }

    /// Whether any queue has a stop that waits.
    pub fn has_any(&self) -> bool {
        self.queues.iter().any(|queue| !queue.is_empty())
    }

    /// Reports that the engine has drained.
    pub fn push_drained(&self) {
        self.queues[0].push_drained();
    }
}

/// The queue of a slot's request. Its number was checked when the request began.
fn queue_of<'s, H: Host>(slot: &Slot<H>, queues: &'s StopQueues) -> &'s StopQueue<EventFd> {
    &queues.queues[usize::from(slot.queue.load(Relaxed))]
}

/// Called by the engine's thread: reports a stop of the request with this generation, unless it has ended, or is ending and the stop is
/// only due.
pub fn push<H: Host>(slot: &Slot<H>, generation: u64, kind: StopKind, ending: Ending) {
    let Some(queues) = &slot.shared().queues else { return };
    let word = slot.word.load();
    let Some(id) = slot.id(word).filter(|_| word.generation() == generation) else { return };
    let may = || {
        let stage = slot.state.load(Relaxed) & state::STAGE;
        slot.word.load().generation() == generation && (kind == StopKind::Forced || stage < Stage::Shutdown as u32)
    };
    queue_of(slot, queues).push(&queues.nodes, slot.index(), Stop { kind, ending: ending as u32, id }, may);
}

/// Called by the owner: takes out this slot's stop, if it is not graver than `kind`. The caller has already published what prevents
/// further stops.
#[cold]
#[inline(never)]
pub fn withdraw<H: Host>(slot: &Slot<H>, most: StopKind) {
    if let Some(queues) = &slot.shared().queues {
        queue_of(slot, queues).withdraw(&queues.nodes, slot.index(), most);
    }
}

impl Shared {
    /// A queue, in the process that made it.
    fn queue(&self, queue: u32) -> Result<(&StopQueues, &StopQueue<EventFd>), Code> {
        if self.fork.is_child() {
            return Err(Code::Forked);
        }
        let queues = self.queues.as_ref().ok_or(Code::Argument)?;
        queues.queues.get(queue as usize).map(|queue| (queues, queue)).ok_or(Code::Argument)
    }
}

impl<H: Host> Engine<H> {
    /// A descriptor that is readable while the queue is not empty. It belongs to the engine: wait on it, and never read it.
    pub fn stop_fd(&self, queue: u32) -> Result<i32, Code> {
        let fd = self.shared.queue(queue).map(|(_, queue)| queue.signal.fd())?;
        Ok(if self.shared.rounds.is_some() { self.shared.poll.fd() } else { fd })
    }

    /// The first stop of a queue, with the result of `see` for the request's host. `None`: there is none, and the descriptor is not
    /// readable until there is one. An engine without a thread looks around first, where none waits.
    pub fn next_stop<T>(&self, queue: u32, see: impl FnOnce(&H) -> T) -> Result<Option<(Stop, Option<T>)>, Code> {
        let (queues, queue) = self.shared.queue(queue)?;
        if let Some(rounds) = self.shared.rounds.as_ref().filter(|_| queue.is_empty()) {
            rounds.look_around(&self.shared, &self.table);
        }
        Ok(queue.pop(&queues.nodes, |index| see(&self.table.slot(index).host)))
    }

    /// Whether a request may name this queue.
    pub(super) fn has_queue(&self, queue: u32) -> Answer {
        let has = match &self.shared.queues {
            Some(queues) => queues.has(queue),
            None => queue == 0,
        };
        if has { Ok(Code::Ok) } else { Err(Code::Argument) }
    }
}
