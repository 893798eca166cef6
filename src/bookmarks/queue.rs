//! The requests about each owner's bookmarks, in the order they came, and the memory that they take.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use tokio::sync::{Mutex, MutexGuard};

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
    held: Cell<usize>,
}

/// A place in an owner's queue, until it is dropped.
#[derive(Debug)]
pub struct Place<'q> {
    queues: &'q Queues,
    owner: &'q Owner,
    queue: Rc<Queue>,
    text: usize,
    size: usize,
}

impl Queues {
    /// Takes a place in an owner's queue, for a request of this size that holds so much stored text beside;
    /// both in bytes.
    pub fn enter<'q>(&'q self, owner: &'q Owner, text: usize, size: usize) -> Place<'q> {
        let mut owners = self.owners.borrow_mut();
        let queue = Rc::clone(owners.entry(owner.clone()).or_default());
        queue.held.set(queue.held.get() + text);
        self.held.set(self.held.get() + text + size);
        Place {
            queues: self,
            owner,
            queue,
            text,
            size,
        }
    }

    /// All that this owner has is being removed. Says whether somebody stood in the queue: whoever does is
    /// told, and whoever comes stands in another.
    pub fn release(&self, owner: &Owner) -> bool {
        let queue = self.owners.borrow_mut().remove(owner);
        if let Some(queue) = &queue {
            queue.is_gone.set(true);
        }
        queue.is_some()
    }
}

impl Place<'_> {
    /// Waits until all that came before are over, or out of the queue.
    pub async fn turn(&self) -> MutexGuard<'_, ()> {
        self.queue.turn.lock().await
    }

    /// Whether no more is held than may be: of the owner's, and so many bytes of all.
    pub fn has_room(&self, most: usize) -> bool {
        self.queue.held.get() <= MAX_HELD_OF_OWNER && self.queues.held.get() <= most
    }

    /// Whether all that the owner has is being removed: nothing is to be noted any more.
    pub fn is_gone(&self) -> &Cell<bool> {
        &self.queue.is_gone
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
        if is_last && owners.get(*owner).is_some_and(|it| Rc::ptr_eq(it, queue)) {
            owners.remove(*owner);
        }
    }
}
