//! What is answered, on its way to the link: counted, queued, and written by whoever has the link.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use tokio::sync::Notify;

use crate::clock::Instant;
use crate::link::{Outbound, Outbox};
use crate::metrics;
use crate::service::{Answer, Answered};

/// Where replies go, and IQs of our own. Clones share it.
#[derive(Debug, Clone)]
pub struct Replies(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    outbox: RefCell<Outbox>,
    metrics: metrics::Requests,
    /// How many bytes may wait to be written until nothing more is read from the store.
    max_unsent: Cell<usize>,
    queued: Notify,
    written: Notify,
}

/// The one reply that a request gets.
#[derive(Debug)]
pub struct Pending {
    answer: Arc<Answer>,
    is_sent: Rc<Cell<bool>>,
    replies: Replies,
}

impl Replies {
    pub fn new(metrics: metrics::Requests, max_unsent: usize) -> Self {
        Self(Rc::new(Inner {
            outbox: RefCell::default(),
            metrics,
            max_unsent: Cell::new(max_unsent),
            queued: Notify::new(),
            written: Notify::new(),
        }))
    }

    /// Bounds what waits from now on.
    pub fn set_max_unsent(&self, bytes: usize) {
        self.0.max_unsent.set(bytes);
        self.tell_of_room();
    }

    /// Counts a reply, and queues it.
    pub fn send(&self, answered: Answered) {
        let took = Instant::now().saturating_duration_since(answered.asked);
        self.0.metrics.answered(&answered.tally, took);
        self.with(|outbox| outbox.push(answered.reply));
    }

    /// Queues an IQ of our own, which is of no use on another link.
    pub fn request(&self, iq: String) {
        self.with(|outbox| outbox.push_request(iq));
    }

    /// Whether all that was queued is written.
    pub fn is_empty(&self) -> bool {
        self.0.outbox.borrow().is_empty()
    }

    /// Does this with all that is queued.
    pub fn with<T>(&self, work: impl FnOnce(&mut Outbox) -> T) -> T {
        let (done, before, after) = {
            let mut outbox = self.0.outbox.borrow_mut();
            let before = outbox.bytes();
            (work(&mut outbox), before, outbox.bytes())
        };
        if after > before {
            self.0.queued.notify_one();
        } else if after < before {
            self.tell_of_room();
        }
        done
    }

    /// Waits for something to be queued, or for what was since the last call.
    pub async fn queued(&self) {
        self.0.queued.notified().await;
    }

    /// Writes once from what is queued. Cancel safe.
    pub async fn write(&self, outbound: &mut Outbound) -> io::Result<()> {
        outbound.write(&self.0.outbox).await?;
        self.tell_of_room();
        Ok(())
    }

    /// Whether there is room for more.
    pub fn has_room(&self) -> bool {
        self.0.outbox.borrow().bytes() < self.0.max_unsent.get()
    }

    /// Waits for room for one reply, which is to be sent at once then. First come, first served: whoever
    /// waits is woken when its turn comes.
    pub async fn room(&self) {
        while !self.has_room() {
            self.0.written.notified().await;
        }
        self.tell_of_room();
    }

    fn tell_of_room(&self) {
        if self.has_room() {
            self.0.written.notify_one();
        }
    }

    /// A request is to be answered like this.
    pub fn pending(&self, answer: Arc<Answer>) -> Pending {
        Pending {
            answer,
            is_sent: Rc::default(),
            replies: self.clone(),
        }
    }
}

impl Pending {
    /// How to answer.
    pub fn answer(&self) -> Arc<Answer> {
        Arc::clone(&self.answer)
    }

    /// When the request came.
    pub fn came(&self) -> Instant {
        self.answer.asked()
    }

    /// Whether it is answered.
    pub fn is_sent(&self) -> bool {
        self.is_sent.get()
    }

    /// The same reply in other hands: whoever answers first has answered.
    pub fn shared(&self) -> Self {
        Self {
            answer: Arc::clone(&self.answer),
            is_sent: Rc::clone(&self.is_sent),
            replies: self.replies.clone(),
        }
    }

    /// Answers, unless that is done already. Whether it was not.
    pub fn send(&mut self, how: impl FnOnce(&Answer) -> Answered) -> bool {
        if self.is_sent() {
            return false;
        }
        // Where that panics it is not done.
        let answered = how(&self.answer);
        self.is_sent.set(true);
        self.replies.send(answered);
        true
    }
}

impl Pending {
    /// Answers for good, unless that is done already.
    pub fn finish(mut self, how: impl FnOnce(&Answer) -> Answered) {
        self.send(how);
    }
}

impl Drop for Pending {
    /// A panic costs the request that met it, and its sender is told.
    fn drop(&mut self) {
        if thread::panicking() {
            self.send(Answer::broken);
        }
    }
}
