//! The requests of each owner, in the order they came, and what they take.
//!
//! Invariants held here:
//! - requests of one owner take effect in the order they came, and are answered in it; a get starts only
//!   when no change of its owner is on its way to the disk: it shows nothing that a crash could take back;
//! - the store is asked in that order too: so whoever holds memory of what was read waits for nobody who
//!   needs it to read (see [`Storage::get`](crate::store::Storage::get));
//! - what is open is bounded in bytes, for each owner and for all (see [`Limits`]).

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use tokio::sync::{Notify, oneshot};

use crate::limits::Limits;
use crate::store::Owner;

/// How many changes of one owner are with the store at once. More would only stand before those of
/// others there.
const MAX_CHANGES: usize = 16;

/// How many gets of one owner are read at once.
const MAX_GETS: usize = 32;

/// What a request does with the data of its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Get,
    Change,
}

#[derive(Debug)]
pub struct Owners {
    queues: RefCell<HashMap<Owner, Rc<RefCell<Queue>>>>,
    limits: Cell<Limits>,
    open: Cell<usize>,
    open_bytes: Cell<usize>,
    /// Whenever a request is over.
    pub over: Notify,
}

/// The requests of one owner.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(Access, oneshot::Sender<u64>)>,
    /// The turns that have begun and not ended, by number; and whom to tell when one is the first.
    begun: VecDeque<(u64, Option<oneshot::Sender<()>>)>,
    next: u64,
    gets: usize,
    changes: usize,
    /// Whether the store has not been asked for the last that has begun. Nothing else is begun meanwhile,
    /// so that the store is asked in order.
    is_held: bool,
    open: usize,
    bytes: usize,
}

/// A request that is open. It is over when this is dropped.
#[derive(Debug)]
pub struct Open {
    owners: Rc<Owners>,
    owner: Owner,
    queue: Rc<RefCell<Queue>>,
    bytes: usize,
}

/// The turn of a request. It ends when this is dropped.
#[derive(Debug)]
pub struct Turn {
    queue: Rc<RefCell<Queue>>,
    access: Access,
    number: u64,
    holds: bool,
}

impl Owners {
    /// None is open.
    pub fn new(limits: Limits) -> Rc<Self> {
        Rc::new(Self {
            queues: RefCell::default(),
            limits: Cell::new(limits),
            open: Cell::new(0),
            open_bytes: Cell::new(0),
            over: Notify::new(),
        })
    }

    /// Bounds the requests to come by these.
    pub fn set_limits(&self, limits: Limits) {
        self.limits.set(limits);
    }

    pub fn limits(&self) -> Limits {
        self.limits.get()
    }

    pub fn count(&self) -> usize {
        self.open.get()
    }

    /// How many bytes they take.
    pub fn bytes(&self) -> usize {
        self.open_bytes.get()
    }

    /// Takes in a request of so many bytes; `None` if its owner has too much open already. One is
    /// always taken.
    pub fn open(self: &Rc<Self>, owner: &Owner, bytes: usize) -> Option<Open> {
        let mut queues = self.queues.borrow_mut();
        let of_owner = queues.entry(owner.clone()).or_default();
        let mut queue = of_owner.borrow_mut();
        if queue.bytes > 0 && queue.bytes + bytes > self.limits.get().max_user_open_bytes {
            return None;
        }
        queue.open += 1;
        queue.bytes += bytes;
        self.open.set(self.open.get() + 1);
        self.open_bytes.set(self.open_bytes.get() + bytes);
        Some(Open {
            owners: Rc::clone(self),
            owner: owner.clone(),
            queue: Rc::clone(of_owner),
            bytes,
        })
    }
}

impl Open {
    /// Waits for the turn of this request, behind those of its owner that have asked before.
    pub async fn turn(&self, access: Access) -> Turn {
        let gone = {
            let mut queue = self.queue.borrow_mut();
            match queue.waiting.is_empty() && queue.may_begin(access) {
                true => Ok(queue.begin(access)),
                false => {
                    let (go, gone) = oneshot::channel();
                    queue.waiting.push_back((access, go));
                    Err(gone)
                }
            }
        };
        let number = match gone {
            Ok(number) => number,
            // Whoever has the queue lives as long as we do.
            Err(gone) => gone.await.unwrap_or_default(),
        };
        Turn {
            queue: Rc::clone(&self.queue),
            access,
            number,
            holds: true,
        }
    }
}

impl Turn {
    /// The store has been asked: the next of its owner's may be begun.
    pub fn submitted(&mut self) {
        if std::mem::take(&mut self.holds) {
            let mut queue = self.queue.borrow_mut();
            queue.is_held = false;
            queue.start();
        }
    }

    /// Waits until all turns that have begun before are over: so that replies come in order.
    pub async fn in_order(&self) {
        let gone = {
            let mut queue = self.queue.borrow_mut();
            let mut others = queue.begun.iter_mut().enumerate();
            let own = others.find(|(_, (number, _))| *number == self.number);
            own.filter(|(place, _)| *place > 0).map(|(_, (_, tell))| {
                let (go, gone) = oneshot::channel();
                *tell = Some(go);
                gone
            })
        };
        if let Some(gone) = gone {
            let _ = gone.await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut queue = self.queue.borrow_mut();
        match self.access {
            Access::Get => queue.gets -= 1,
            Access::Change => queue.changes -= 1,
        }
        queue.is_held &= !self.holds;
        queue.begun.retain(|(number, _)| *number != self.number);
        if let Some((_, tell)) = queue.begun.front_mut()
            && let Some(go) = tell.take()
        {
            // It may have been dropped.
            let _ = go.send(());
        }
        queue.start();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Owners {
            queues,
            open,
            open_bytes,
            over,
            ..
        } = &*self.owners;
        let mut queue = self.queue.borrow_mut();
        queue.open -= 1;
        queue.bytes -= self.bytes;
        if queue.open == 0 {
            queues.borrow_mut().remove(&self.owner);
        }
        open.set(open.get() - 1);
        open_bytes.set(open_bytes.get() - self.bytes);
        over.notify_one();
    }
}

impl Queue {
    /// Begins what may begin: a get when nothing is being changed, a change when nothing is being
    /// read, so that no get shows what came after it, or what is not durable.
    fn start(&mut self) {
        while let Some((access, _)) = self.waiting.front()
            && self.may_begin(*access)
            && let Some((access, go)) = self.waiting.pop_front()
        {
            // Who does not wait any more has no turn.
            if !go.is_closed() {
                let number = self.begin(access);
                let _ = go.send(number);
            }
        }
    }

    fn begin(&mut self, access: Access) -> u64 {
        self.next += 1;
        self.begun.push_back((self.next, None));
        match access {
            Access::Get => self.gets += 1,
            Access::Change => self.changes += 1,
        }
        self.is_held = true;
        self.next
    }

    fn may_begin(&self, access: Access) -> bool {
        !self.is_held
            && match access {
                Access::Get => self.changes == 0 && self.gets < MAX_GETS,
                Access::Change => self.gets == 0 && self.changes < MAX_CHANGES,
            }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// A get that had its turn had to wait before it could ask the store, and a later one of the same owner
    /// went past it: then the later one waited to be answered in order, with memory that the first needed
    /// to be read.
    #[test]
    fn nothing_of_an_owners_begins_before_the_store_is_asked_for_what_began_last() {
        let limits = Limits {
            max_stanza_bytes: 1,
            max_depth: 1,
            max_namespace_bytes: 1,
            max_user_bytes: 1,
            max_user_elements: 1,
            max_open_bytes: 9,
            max_user_open_bytes: 9,
            max_unsent_bytes: 1,
        };
        let owners = Owners::new(limits);
        let owner = Owner::new("u@h").unwrap();
        let [first, second] = [1, 1].map(|bytes| owners.open(&owner, bytes).unwrap());
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(mut turn) = pin!(first.turn(Access::Get)).poll(&mut context) else {
            panic!("nobody is before the first");
        };
        let mut waiting = pin!(second.turn(Access::Get));
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        turn.submitted();
        assert!(waiting.as_mut().poll(&mut context).is_ready());
    }
}
