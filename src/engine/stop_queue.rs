//! Stops as events: for each of the host's event loops a list of the stops that the engine's thread reports, and a signal that is set
//! while the list is not empty.
//!
//! Everything happens with the queue's lock held, so the argument is about what each holder checks:
//! 1. *Push* (engine's thread): checks the request's generation and whether its end has begun, then puts its node at the end of the
//!    list. A node that is in the list already keeps its place and gets the graver stop: there is one entry per request.
//! 2. *Withdraw* (owner): an end publishes that it has begun, then takes out what is due; it moves the generation on, then takes out the
//!    rest, and only then gives the place back. So whatever a push has seen, the node is out of the list when the slot's next request
//!    begins, which may use another queue.
//! 3. *Pop* (host): takes the first of the list. If there is none, it clears the signal. So a host that pops until nothing comes has
//!    emptied the list, and a later push sets the signal again.
//!
//! An end for which nothing was ever raised has no node to take out and skips the queue.

use super::sync::{AtomicU32, AtomicU64, Mutex, Ordering::Relaxed, lock};

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum StopKind {
    /// A stop is due at the next safe point.
    Due = 0,
    /// The forced stage.
    Forced = 1,
    /// The engine has drained: no request is left.
    Drained = 2,
}

/// An entry of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop {
    /// What is told.
    pub kind: StopKind,
    /// The number of the ending that is due; 0: none.
    pub ending: u32,
    /// Of the request; 0: none.
    pub id: u64,
}

/// A way to wake the host: set or not.
pub trait Signal {
    /// Sets it.
    fn set(&self);
    /// Clears it.
    fn clear(&self);
}

/// One request's place in the list of its queue.
#[derive(Debug, Default)]
pub struct Node {
    /// 1 + the kind; 0: it is in no list.
    kind: AtomicU32,
    ending: AtomicU32,
    id: AtomicU64,
    /// 1 + the neighbour's index; 0: none.
    before: AtomicU32,
    after: AtomicU32,
}

/// Where the nodes are.
pub trait Nodes {
    /// That of a slot.
    fn node(&self, index: u32) -> &Node;
}

#[derive(Debug, Default)]
struct List {
    first: u32,
    last: u32,
    is_set: bool,
    drained: Drained,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Drained {
    #[default]
    No,
    Waits,
    Told,
}

/// See the [module](self).
#[derive(Debug)]
pub struct StopQueue<S> {
    list: Mutex<List>,
    pub signal: S,
}

impl<S: Signal> StopQueue<S> {
    pub fn new(signal: S) -> Self {
        Self { list: Mutex::new(List::default()), signal }
    }

    /// Adds a stop of the slot's request, if `may` allows it. Of two stops for one request the graver stays, of equal ones
    /// the first.
    pub fn push(&self, nodes: &impl Nodes, index: u32, stop: Stop, may: impl FnOnce() -> bool) -> bool {
        let mut list = lock(&self.list);
        if !may() {
            return false;
        }
        let node = nodes.node(index);
        let waiting = node.kind.load(Relaxed);
        if waiting > stop.kind as u32 {
            return true;
        }
        node.kind.store(1 + stop.kind as u32, Relaxed);
        node.ending.store(stop.ending, Relaxed);
        node.id.store(stop.id, Relaxed);
        if waiting == 0 {
            node.before.store(list.last, Relaxed);
            node.after.store(0, Relaxed);
            match list.last.checked_sub(1) {
                Some(last) => nodes.node(last).after.store(1 + index, Relaxed),
                None => list.first = 1 + index,
            }
            list.last = 1 + index;
        }
        self.set(&mut list);
        true
    }

    /// Reports that the engine has drained: once, after everything else.
    pub fn push_drained(&self) {
        let mut list = lock(&self.list);
        if list.drained == Drained::No {
            list.drained = Drained::Waits;
            self.set(&mut list);
        }
    }

    fn set(&self, list: &mut List) {
        if !list.is_set {
            list.is_set = true;
            self.signal.set();
        }
    }

    /// Takes the slot's node out, if its stop is not graver than `kind`.
    pub fn withdraw(&self, nodes: &impl Nodes, index: u32, most: StopKind) {
        let mut list = lock(&self.list);
        let kind = nodes.node(index).kind.load(Relaxed);
        if kind != 0 && kind <= 1 + most as u32 {
            list.take_out(nodes, index);
        }
    }

    /// Whether a pop would find nothing.
    #[cfg(not(loom))]
    pub fn is_empty(&self) -> bool {
        let list = lock(&self.list);
        list.first == 0 && list.drained != Drained::Waits
    }

    /// The first stop, with the result of `see` for its slot. `None`: there is none, and the signal is clear.
    pub fn pop<T>(&self, nodes: &impl Nodes, see: impl FnOnce(u32) -> T) -> Option<(Stop, Option<T>)> {
        let mut list = lock(&self.list);
        if let Some(index) = list.first.checked_sub(1) {
            let node = nodes.node(index);
            let kind = if node.kind.load(Relaxed) == 1 { StopKind::Due } else { StopKind::Forced };
            let stop = Stop { kind, ending: node.ending.load(Relaxed), id: node.id.load(Relaxed) };
            list.take_out(nodes, index);
            return Some((stop, Some(see(index))));
        }
        if list.drained == Drained::Waits {
            list.drained = Drained::Told;
            return Some((Stop { kind: StopKind::Drained, ending: 0, id: 0 }, None));
        }
        if list.is_set {
            list.is_set = false;
            self.signal.clear();
        }
        None
    }
}

impl List {
    fn take_out(&mut self, nodes: &impl Nodes, index: u32) {
        let node = nodes.node(index);
        let (before, after) = (node.before.load(Relaxed), node.after.load(Relaxed));
        match before.checked_sub(1) {
            Some(before) => nodes.node(before).after.store(after, Relaxed),
            None => self.first = after,
        }
        match after.checked_sub(1) {
            Some(after) => nodes.node(after).before.store(before, Relaxed),
            None => self.last = before,
        }
        node.kind.store(0, Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[derive(Default)]
    struct Flag(Cell<(bool, u32)>);

    impl Signal for Flag {
        fn set(&self) {
            self.0.set((true, self.0.get().1 + 1));
        }

        fn clear(&self) {
            self.0.set((false, self.0.get().1));
        }
    }

    impl Nodes for Vec<Node> {
        fn node(&self, index: u32) -> &Node {
            &self[index as usize]
        }
    }

    fn due(id: u64) -> Stop {
        Stop { kind: StopKind::Due, ending: 4, id }
    }

    #[test]
    fn in_order_once_each_and_the_graver_in_the_place_of_the_other() {
        let (queue, nodes) = (StopQueue::new(Flag::default()), (0..9).map(|_| Node::default()).collect::<Vec<_>>());
        for slot in [3, 5, 0, 8] {
            assert!(queue.push(&nodes, slot, due(slot.into()), || true));
        }
        assert!(!queue.push(&nodes, 7, due(7), || false));
        let forced = Stop { kind: StopKind::Forced, ending: 6, id: 5 };
        queue.push(&nodes, 5, forced, || true);
        queue.push(&nodes, 5, due(5), || true); // it does not get milder again
        queue.withdraw(&nodes, 0, StopKind::Due);
        queue.withdraw(&nodes, 5, StopKind::Due);
        queue.withdraw(&nodes, 1, StopKind::Forced); // it is not there
        queue.push_drained();
        queue.push_drained();
        let mut popped = Vec::new();
        while let Some((stop, slot)) = queue.pop(&nodes, |slot| slot) {
            popped.push((stop, slot));
        }
        let drained = Stop { kind: StopKind::Drained, ending: 0, id: 0 };
        assert_eq!(popped, [(due(3), Some(3)), (forced, Some(5)), (due(8), Some(8)), (drained, None)]);
        assert_eq!(queue.signal.0.get(), (false, 1), "set once, cleared at the end");
        queue.push_drained();
        assert!(queue.pop(&nodes, |_| ()).is_none(), "told once");
        queue.push(&nodes, 2, due(2), || true);
        queue.withdraw(&nodes, 2, StopKind::Forced);
        assert_eq!(queue.signal.0.get(), (true, 2));
        assert!(queue.pop(&nodes, |_| ()).is_none(), "a wake-up for nothing");
        assert_eq!(queue.signal.0.get(), (false, 2));
    }
}
