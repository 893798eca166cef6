//! The thread that reads for requests: what it is asked, and what is held of what it has found.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::spawn_local;

use super::query::{Elements, Query, find};
use crate::{ReadError, Store};
use xps_base::clock::Instant;
use xps_base::panics;
use xps_base::threads::Workers;

/// How many bytes may have been read that nobody has sent on yet, beside one batch.
pub(super) const MAX_HELD: usize = 1024 * 1024;

/// How many queries are read in a batch at most; it is over, too, when so many bytes have been read, or
/// for so long.
const BATCH: usize = 256;
pub(super) const BATCH_BYTES: usize = 512 * 1024;
const BATCH_TIME: Duration = Duration::from_millis(2);

/// The memory of what was read, while it counts for [`Storage::get`](super::Storage::get). It does until
/// this is dropped.
#[derive(Debug, Default)]
pub struct Held {
    bytes: usize,
    all: Option<Arc<AllHeld>>,
}

#[derive(Debug, Default)]
struct AllHeld {
    bytes: AtomicUsize,
    less: Notify,
}

pub struct Reader {
    store: Store,
    /// One, as a read may have to wait for the disk; without it, whoever asks reads.
    thread: Option<Workers>,
    /// What is to be read next, and whether that is under way.
    asked: RefCell<VecDeque<Box<dyn Asked>>>,
    is_reading: Cell<bool>,
    held: Arc<AllHeld>,
}

/// Something that was asked for.
trait Asked: Send {
    /// Reads it. How many bytes were found.
    fn read(&mut self, store: &Store) -> usize;

    /// Tells whoever has asked. What was read is held until they let go of it.
    fn tell(self: Box<Self>, held: Held);
}

struct Question<T, F> {
    query: Arc<Query>,
    /// What is made of what is found, on the thread that reads.
    make: Option<F>,
    /// `None` where that has panicked.
    made: Option<T>,
    tell: oneshot::Sender<(Option<T>, Held)>,
}

impl Reader {
    /// A thread that reads from this store, or whoever asks.
    pub fn new(store: Store, thread: Option<Workers>) -> Rc<Self> {
        Rc::new(Self {
            store,
            thread,
            asked: RefCell::default(),
            is_reading: Cell::new(false),
            held: Arc::default(),
        })
    }

    /// Reads this behind all that was asked before, or else at once; see
    /// [`Storage::get`](super::Storage::get).
    pub fn read<T, F>(
        self: &Rc<Self>,
        query: Arc<Query>,
        make: F,
        at_once: bool,
    ) -> impl Future<Output = (T, Held)> + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(Result<Vec<Elements>, ReadError>) -> T + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let mut question = Box::new(Question {
            query,
            make: Some(make),
            made: None,
            tell,
        });
        if at_once || self.thread.is_none() {
            let bytes = question.read(&self.store);
            question.tell(self.hold(bytes));
        } else {
            self.asked.borrow_mut().push_back(question);
            if !self.is_reading.replace(true) {
                drop(spawn_local(Rc::clone(self).read_all()));
            }
        }
        async move {
            let (made, held) = told.await.unwrap_or_default();
            (made.unwrap_or_else(|| panics::again()), held)
        }
    }

    /// Reads what is asked for, as long as that is something: in batches, as a change of threads takes
    /// longer than most reads.
    async fn read_all(self: Rc<Self>) {
        while let Some(thread) = &self.thread
            && !self.asked.borrow().is_empty()
        {
            while self.held.bytes.load(Relaxed) >= MAX_HELD {
                self.held.less.notified().await;
            }
            let batch = self.asked.borrow().len().min(BATCH);
            let batch: Vec<_> = self.asked.borrow_mut().drain(..batch).collect();
            let store = self.store.clone();
            let (mut batch, found) = thread.run(move || read(&store, batch)).await;
            for it in batch.drain(found.len()..).rev() {
                self.asked.borrow_mut().push_front(it);
            }
            for (it, bytes) in batch.into_iter().zip(found) {
                it.tell(self.hold(bytes));
            }
        }
        self.is_reading.set(false);
    }

    fn hold(&self, bytes: usize) -> Held {
        self.held.bytes.fetch_add(bytes, Relaxed);
        Held {
            bytes,
            all: Some(Arc::clone(&self.held)),
        }
    }
}

/// Reads the first of these, at least one; how many bytes were found for each.
fn read(store: &Store, mut batch: Vec<Box<dyn Asked>>) -> (Vec<Box<dyn Asked>>, Vec<usize>) {
    let begun = Instant::now();
    let mut all = 0;
    let mut found = Vec::with_capacity(batch.len());
    for it in &mut batch {
        let bytes = it.read(store);
        found.push(bytes);
        all += bytes;
        if all >= BATCH_BYTES || begun.elapsed() >= BATCH_TIME {
            break;
        }
    }
    (batch, found)
}

impl<T, F> Asked for Question<T, F>
where
    T: Send,
    F: FnOnce(Result<Vec<Elements>, ReadError>) -> T + Send,
{
    fn read(&mut self, store: &Store) -> usize {
        let make = self.make.take();
        let read = panics::caught(|| {
            let found = find(store, &self.query);
            let elements = found.as_deref().unwrap_or_default();
            let bytes = elements.iter().map(|it| it.text.len()).sum();
            (make.map(|make| make(found)), bytes)
        });
        let (made, bytes) = read.unwrap_or_default();
        self.made = made;
        bytes
    }

    fn tell(self: Box<Self>, held: Held) {
        // They may be gone.
        let _ = self.tell.send((self.made, held));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(all) = &self.all {
            let before = all.bytes.fetch_sub(self.bytes, Relaxed);
            if before >= MAX_HELD && before - self.bytes < MAX_HELD {
                all.less.notify_waiters();
            }
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader of {:?}", self.store)
    }
}

#[cfg(test)]
mod tests;
