//! The requests about each owner's bookmarks, in the order they came, and the memory that they take.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use tokio::sync::futures::Notified;
use tokio::sync::{Mutex, MutexGuard, Notify};

use super::baseline::Baseline;
use super::views::LastView;
use crate::store::Owner;

/// How many bytes of stored text wait here, for one owner.
const MAX_HELD_OF_OWNER: usize = 2 * 1024 * 1024;

#[derive(Debug, Default)]
pub struct Queues {
    owners: RefCell<HashMap<Owner, Rc<Queue>>>,
    held: Cell<usize>,
}

#[derive(Debug, Default)]
struct Queue {
    turn: Mutex<()>,
    is_gone: Cell<bool>,
    gone: Notify,
    held: Cell<usize>,
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
    text: usize,
    size: usize,
}

impl Queues {
    /// Takes a place in an owner's queue, for a request of this size that holds so much stored text beside;
    /// both in bytes.
    pub fn enter(&self, owner: &Owner, text: usize, size: usize) -> Place<'_> {
        let mut owners = self.owners.borrow_mut();
        let queue = Rc::clone(owners.entry(owner.clone()).or_default());
        queue.held.set(queue.held.get() + text);
        self.held.set(self.held.get() + text + size);
        Place {
            queues: self,
            owner: owner.clone(),
            queue,
            text,
            size,
        }
    }

    /// Whether no more would be held than may be if such a request entered; see [`Place::has_room`].
    pub fn has_room(&self, owner: &Owner, text: usize, size: usize, most: usize) -> bool {
        let owners = self.owners.borrow();
        let of_owner = owners.get(owner).map_or(0, |queue| queue.held.get());
        of_owner + text <= MAX_HELD_OF_OWNER && self.held.get() + text + size <= most
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

    /// Leaves this to whoever has the turn, in place of what was left before.
    pub fn pass(&self, passed: Passed) {
        *self.queue.passed.borrow_mut() = Some(passed);
    }

    /// What was left.
    pub fn passed(&self) -> Option<Passed> {
        self.queue.passed.borrow_mut().take()
    }

    /// Whether no more is held than may be: of the owner's, and so many bytes of all.
    pub fn has_room(&self, most: usize) -> bool {
        self.queue.held.get() <= MAX_HELD_OF_OWNER && self.queues.held.get() <= most
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
            text,
            size,
        } = self;
        queue.held.set(queue.held.get() - *text);
        queues.held.set(queues.held.get() - *text - *size);
        let mut owners = queues.owners.borrow_mut();
        // The map's and ours: nobody else stands in it.
        let is_last = Rc::strong_count(queue) == 2;
        if is_last && owners.get(owner).is_some_and(|it| Rc::ptr_eq(it, queue)) {
            owners.remove(owner);
        }
    }
}
