//! What reads for requests: what it is asked, and what is held of what it has found.

use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::{Notify, oneshot};
use tokio::task::spawn_local;

use super::query::{Elements, Query};
use crate::{Asked, Owner, ReadError, Store, Told};
use xps_base::clock::Instant;
use xps_base::panics;
use xps_base::threads::Workers;

/// How many bytes may have been read that nobody has sent on yet, beside one batch of each lane.
pub(super) const MAX_HELD: usize = 1024 * 1024;

/// How many queries the store is asked at once at most. It may read fewer.
const BATCH: usize = 256;

/// How many batches are asked at once of a store that is not quick: while one is answered, the next is on its way.
const LANES: usize = 2;

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
    by: By,
    /// How many batches are being read.
    busy: Cell<usize>,
    /// What is to be read next.
    waiting: RefCell<VecDeque<Box<dyn Waiting>>>,
    /// For whom something is being read, where that may be in several lanes.
    owners: RefCell<HashSet<Owner>>,
    held: Arc<AllHeld>,
}

/// Who reads.
pub enum By {
    /// Whoever asks, at once.
    Caller,
    /// A thread, as reading may have to wait for the disk.
    Thread(Workers),
    /// The store, which has threads for it.
    Store,
}

/// Something that was asked for.
trait Waiting: Send {
    fn asked(&self) -> Asked;

    fn owner(&self) -> &Owner;

    /// Makes of what was found what is to be told: `None` if reading it has panicked. How many bytes were found.
    fn make(&mut self, found: Found) -> usize;

    /// Tells whoever has asked. What was read is held until they let go of it.
    fn tell(self: Box<Self>, held: Held);
}

/// `None` where reading has panicked.
type Found = Option<Result<Vec<Elements>, ReadError>>;

struct Question<T, F> {
    asked: Asked,
    /// What is made of what is found, on a thread that reads.
    make: Option<F>,
    /// `None` where that, or reading, has panicked.
    made: Option<T>,
    tell: oneshot::Sender<(Option<T>, Held)>,
}

impl Reader {
    /// What is asked for is read from this store.
    pub fn new(store: Store, by: By) -> Rc<Self> {
        Rc::new(Self {
            store,
            by,
            busy: Cell::new(0),
            waiting: RefCell::default(),
            owners: RefCell::default(),
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
            asked: Asked {
                query,
                since: Instant::now(),
            },
            make: Some(make),
            made: None,
            tell,
        });
        let is_here = matches!(self.by, By::Caller);
        if is_here || (at_once && self.store.is_quick()) {
            let found = find(&self.store, &[question.asked()]).pop();
            let bytes = question.make(found.flatten());
            question.tell(self.hold(bytes));
        } else {
            self.waiting.borrow_mut().push_back(question);
            if self.busy.get() < self.lanes() {
                self.busy.set(self.busy.get() + 1);
                drop(spawn_local(Rc::clone(self).read_all()));
            }
        }
        async move {
            let (made, held) = told.await.unwrap_or_default();
            (made.unwrap_or_else(|| panics::again()), held)
        }
    }

    /// How many batches are read at once at most.
    fn lanes(&self) -> usize {
        match self.by {
            By::Store => LANES,
            By::Caller | By::Thread(_) => 1,
        }
    }

    /// Reads what is asked for, as long as there is something that may be read: in batches, as a change of threads takes
    /// longer than most reads.
    async fn read_all(self: Rc<Self>) {
        loop {
            while self.held.bytes.load(Relaxed) >= MAX_HELD {
                self.held.less.notified().await;
            }
            let batch = self.take();
            if batch.is_empty() {
                break;
            }
            let (batch, found) = self.read_batch(batch).await;
            let batch = self.put_back(batch, found.len());
            for (it, bytes) in batch.into_iter().zip(found) {
                it.tell(self.hold(bytes));
            }
        }
        self.busy.set(self.busy.get() - 1);
    }

    /// Reads the first of these, at least one; how many bytes were found for each.
    async fn read_batch(
        &self,
        mut batch: Vec<Box<dyn Waiting>>,
    ) -> (Vec<Box<dyn Waiting>>, Vec<usize>) {
        let asked: Vec<Asked> = batch.iter().map(|it| it.asked()).collect();
        let make = move |found: Vec<Found>| {
            let made = batch.iter_mut().zip(found);
            let bytes: Vec<usize> = made.map(|(it, found)| it.make(found)).collect();
            (batch, bytes)
        };
        match &self.by {
            By::Caller => make(find(&self.store, &asked)),
            By::Thread(thread) => {
                let store = self.store.clone();
                thread.run(move || make(find(&store, &asked))).await
            }
            By::Store => {
                let (tell, told) = oneshot::channel();
                let told_there = Told::new(move |found: Vec<_>| {
                    // This reader may be gone.
                    let _ = tell.send(make(found.into_iter().map(Some).collect()));
                });
                self.store.find_later(asked, told_there);
                // It is told in any case.
                told.await.unwrap_or_default()
            }
        }
    }

    /// The next that may be read: nothing of those for whom another lane is reading, so that order stays.
    fn take(&self) -> Vec<Box<dyn Waiting>> {
        let mut waiting = self.waiting.borrow_mut();
        let most = waiting.len().min(BATCH);
        if self.lanes() == 1 {
            return waiting.drain(..most).collect();
        }
        let mut owners = self.owners.borrow_mut();
        let first = waiting.drain(..most);
        let (busy, free): (Vec<_>, Vec<_>) = first.partition(|it| owners.contains(it.owner()));
        owners.extend(free.iter().map(|it| it.owner().clone()));
        for it in busy.into_iter().rev() {
            waiting.push_front(it);
        }
        free
    }

    /// So many of these were read, and are returned; the others are the next.
    fn put_back(&self, mut batch: Vec<Box<dyn Waiting>>, read: usize) -> Vec<Box<dyn Waiting>> {
        let mut owners = self.owners.borrow_mut();
        if self.lanes() > 1 {
            for it in &batch {
                owners.remove(it.owner());
            }
        }
        for it in batch.drain(read..).rev() {
            self.waiting.borrow_mut().push_front(it);
        }
        batch
    }

    fn hold(&self, bytes: usize) -> Held {
        self.held.bytes.fetch_add(bytes, Relaxed);
        Held {
            bytes,
            all: Some(Arc::clone(&self.held)),
        }
    }
}

/// What is found for the first of these, at least one.
fn find(store: &Store, asked: &[Asked]) -> Vec<Found> {
    let together = panics::caught(|| store.find(asked)).unwrap_or_default();
    if !together.is_empty() {
        return together.into_iter().map(Some).collect();
    }
    // Whichever it was that has panicked, it costs that one.
    let alone = match asked {
        [first, _, ..] => panics::caught(|| store.find(std::slice::from_ref(first))),
        _ => None,
    };
    vec![alone.and_then(|found| found.into_iter().next())]
}

impl<T, F> Waiting for Question<T, F>
where
    T: Send,
    F: FnOnce(Result<Vec<Elements>, ReadError>) -> T + Send,
{
    fn asked(&self) -> Asked {
        self.asked.clone()
    }

    fn owner(&self) -> &Owner {
        &self.asked.query.owner
    }

    fn make(&mut self, found: Found) -> usize {
        let (Some(found), Some(make)) = (found, self.make.take()) else {
            return 0;
        };
        let texts = found.iter().flatten();
        let bytes = texts.map(|it| it.text.len()).sum();
        self.made = panics::caught(|| make(found));
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
