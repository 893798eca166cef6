//! The requests about each owner's bookmarks, in the order they came, and the memory that they take.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use tokio::sync::futures::Notified;
use tokio::sync::{Mutex, MutexGuard, Notify};

use super::baseline::Baseline;
use super::views::LastView;
use crate::store::Owner;

/// What may wait here of one owner's. Carrying out a set can take PEP seconds; and nobody's sets may take the room
/// that there is for all. One request is never too large.
const MAX_OF_OWNER: Load = Load {
    requests: 64,
    text: 2 * 1024 * 1024,
    size: 1024 * 1024,
};

#[derive(Debug, Default)]
pub struct Queues {
    owners: RefCell<HashMap<Owner, Rc<Queue>>>,
    all: Cell<Load>,
}

/// What requests take that wait.
#[derive(Debug, Clone, Copy, Default)]
pub struct Load {
    requests: usize,
    /// Bytes of stored text, beside what the requests themselves cost.
    text: usize,
    /// Bytes of these.
    size: usize,
}

#[derive(Debug, Default)]
struct Queue {
    turn: Mutex<()>,
    is_gone: Cell<bool>,
    gone: Notify,
    load: Cell<Load>,
    /// The last set that did not wait for its turn.
    passed: RefCell<Option<Passed>>,
}

/// What a set has stored of which PEP does not learn, and that did not wait for its turn. Whoever has the
/// turn notes it.
#[derive(Debug)]
pub struct Passed {
    /// The rooms that were stored.
    pub rooms: Baseline,
    /// What the client had been shown.
    pub shown: Option<LastView>,
}

/// A place in an owner's queue, until it is dropped.
#[derive(Debug)]
pub struct Place<'q> {
    queues: &'q Queues,
    owner: Owner,
    queue: Rc<Queue>,
    load: Load,
}

impl Load {
    /// That of a request of this size that holds so much stored text beside; both in bytes.
    pub fn of(text: usize, size: usize) -> Self {
        Self {
            requests: 1,
            text,
            size,
        }
    }

    /// That of whoever waits for nothing but the queue, or takes memory that is bounded elsewhere.
    pub fn none() -> Self {
        Self::default()
    }

    fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            text: self.text + other.text,
            size: self.size + other.size,
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            requests: self.requests - other.requests,
            text: self.text - other.text,
            size: self.size - other.size,
        }
    }

    /// Whether one owner may have this.
    fn is_fair(self) -> bool {
        let Self {
            requests,
            text,
            size,
        } = MAX_OF_OWNER;
        let is_small = self.size <= size || self.requests <= 1;
        self.requests <= requests && self.text <= text && is_small
    }
}

impl Queues {
    /// Takes a place in an owner's queue, for a request that takes so much.
    pub fn enter(&self, owner: &Owner, load: Load) -> Place<'_> {
        let mut owners = self.owners.borrow_mut();
        let queue = Rc::clone(owners.entry(owner.clone()).or_default());
        queue.load.set(queue.load.get().plus(load));
        self.all.set(self.all.get().plus(load));
        Place {
            queues: self,
            owner: owner.clone(),
            queue,
            load,
        }
    }

    /// Whether no more would wait than may if such a request entered; see [`Place::has_room`].
    pub fn has_room_for(&self, owner: &Owner, load: Load, most: usize) -> bool {
        let owners = self.owners.borrow();
        let before = owners.get(owner).map(|queue| queue.load.get());
        self.is_within(before.unwrap_or_default().plus(load), load, most)
    }

    /// Whether an owner may have this, and all together so many bytes, with this more of them.
    fn is_within(&self, of_owner: Load, more: Load, most: usize) -> bool {
        let all = self.all.get().plus(more);
        of_owner.is_fair() && all.text + all.size <= most
    }

    /// All that this owner has is being removed. Says whether somebody stood in the queue: whoever does is
    /// told, and whoever comes stands in another.
    pub fn release(&self, owner: &Owner) -> bool {
        let queue = self.owners.borrow_mut().remove(owner);
        if let Some(queue) = &queue {
            queue.is_gone.set(true);
            queue.gone.notify_waiters();
        }
        queue.is_some()
    }
}

impl Place<'_> {
    /// Waits until all that came before are over, or out of the queue.
    pub async fn turn(&self) -> MutexGuard<'_, ()> {
        self.queue.turn.lock().await
    }

    /// The turn, if nobody has it.
    pub fn turn_at_once(&self) -> Option<MutexGuard<'_, ()>> {
        self.queue.turn.try_lock().ok()
    }

    /// Whether nobody stands behind this, or has passed.
    pub fn is_last(&self) -> bool {
        // The map's and ours.
        Rc::strong_count(&self.queue) <= 2 && self.queue.passed.borrow().is_none()
    }

    /// Leaves this to whoever has the turn, in place of what was left before.
    pub fn pass(&self, passed: Passed) {
        *self.queue.passed.borrow_mut() = Some(passed);
    }

    /// What was left.
    pub fn passed(&self) -> Option<Passed> {
        self.queue.passed.borrow_mut().take()
    }

    /// Whether no more waits than may: of the owner's, and so many bytes of all.
    pub fn has_room(&self, most: usize) -> bool {
        let of_owner = self.queue.load.get();
        self.queues.is_within(of_owner, Load::none(), most)
    }

    /// Whether all that the owner has is being removed: nothing is to be noted any more.
    pub fn is_gone(&self) -> &Cell<bool> {
        &self.queue.is_gone
    }

    /// Waits for that.
    pub fn gone(&self) -> Notified<'_> {
        self.queue.gone.notified()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Self {
            queues,
            owner,
            queue,
            load,
        } = self;
        queue.load.set(queue.load.get().minus(*load));
        queues.all.set(queues.all.get().minus(*load));
        let mut owners = queues.owners.borrow_mut();
        // The map's and ours: nobody else stands in it.
        let is_last = Rc::strong_count(queue) == 2;
        if is_last && owners.get(owner).is_some_and(|it| Rc::ptr_eq(it, queue)) {
            owners.remove(owner);
        }
    }
}
