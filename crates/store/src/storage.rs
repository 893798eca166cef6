//! The store as requests use it: in owners and elements, and every call is awaited, so that none holds up
//! the others.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::spawn_local;

use super::{ChangeSet, NamespaceUsage, Owner, ReadError, SetError, Store, Totals};
use xps_base::clock::Instant;
use xps_base::panics;
use xps_base::threads::Workers;

/// How many bytes may have been read that nobody has sent on yet, beside one batch.
const MAX_HELD: usize = 1024 * 1024;

/// How many queries are read in a batch at most; it is over, too, when so many bytes have been read, or
/// for so long.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 512 * 1024;
const BATCH_TIME: Duration = Duration::from_millis(2);

/// What is asked for.
#[derive(Debug)]
pub struct Query {
    pub owner: Owner,
    /// The namespace of the elements.
    pub namespace: String,
    /// Their names, none twice.
    pub names: Vec<String>,
    /// Whether, where nothing is found under a name, all that is in the namespace is to be found instead.
    pub or_all: bool,
}

/// What is found under one name of a query.
#[derive(Debug, Default)]
pub struct Elements {
    /// The elements as text, one behind the other.
    pub text: String,
    pub under: Under,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Under {
    /// Under the name that was asked for.
    Name,
    /// In the namespace, under other names: all that is there, ordered by name.
    Namespace,
    #[default]
    Nothing,
}

/// The memory of what was read, while it counts for [`Storage::get`]. It does until this is dropped.
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

#[derive(Clone)]
pub struct Storage(Rc<Inner>);

struct Inner {
    store: Store,
    /// Without threads, whoever reads does it.
    threads: Option<Threads>,
    /// What is to be read next, and whether that is under way.
    asked: RefCell<VecDeque<Box<dyn Asked>>>,
    is_reading: Cell<bool>,
    held: Arc<AllHeld>,
    /// Whether a single request is open: then nobody waits for whoever reads at once, and changing
    /// threads would take longer than most reads.
    is_alone: Cell<bool>,
}

/// One each: a read may have to wait for the disk.
struct Threads {
    reader: Workers,
    /// For what must not wait behind [`Storage::get`].
    aside: Workers,
    /// For what goes through many keys.
    counter: Workers,
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

impl Storage {
    /// This store, read by threads of its own.
    ///
    /// # Errors
    ///
    /// When the system refuses them.
    pub fn new(store: Store) -> io::Result<Self> {
        let threads = Threads {
            reader: Workers::start("reader", 1)?,
            aside: Workers::start("reader", 1)?,
            counter: Workers::start("reader", 1)?,
        };
        Ok(Self::with(store, Some(threads)))
    }

    /// This store without threads: whoever reads does it, at once. So a run can be repeated.
    #[must_use]
    pub fn by_caller(store: Store) -> Self {
        Self::with(store, None)
    }

    fn with(store: Store, threads: Option<Threads>) -> Self {
        Self(Rc::new(Inner {
            store,
            threads,
            asked: RefCell::default(),
            is_reading: Cell::new(false),
            held: Arc::default(),
            is_alone: Cell::new(false),
        }))
    }

    /// Says whether a single request is open.
    pub fn set_alone(&self, is_alone: bool) {
        self.0.is_alone.set(is_alone);
    }

    /// What is stored under each of the names, or rather what is made of it on the thread that reads. It is
    /// asked when this returns, and what one owner asks for is read in that order.
    ///
    /// Where too much has been read that is still [`Held`], nothing more is for now. Whoever holds
    /// something may wait for whatever was asked for the same owner before, and for nothing that is asked
    /// later.
    ///
    /// # Errors
    ///
    /// What is made is made of an error when what is stored is damaged, or the store has failed.
    pub fn get<T, F>(
        &self,
        query: Arc<Query>,
        make: F,
    ) -> impl Future<Output = (T, Held)> + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(Result<Vec<Elements>, ReadError>) -> T + Send + 'static,
    {
        let inner = &self.0;
        let (tell, told) = oneshot::channel();
        let mut question = Box::new(Question {
            query,
            make: Some(make),
            made: None,
            tell,
        });
        if inner.is_alone.get() || inner.threads.is_none() {
            let bytes = question.read(&inner.store);
            question.tell(inner.hold(bytes));
        } else {
            inner.asked.borrow_mut().push_back(question);
            if !inner.is_reading.replace(true) {
                drop(spawn_local(Rc::clone(inner).read_all()));
            }
        }
        async move {
            let (made, held) = told.await.unwrap_or_default();
            (made.unwrap_or_else(|| panics::again()), held)
        }
    }

    /// The same, for whoever keeps nothing of it: it counts for nobody, and waits for nothing.
    ///
    /// # Errors
    ///
    /// As [`Storage::get`].
    pub async fn look_up(&self, query: Query) -> Result<Vec<Elements>, ReadError> {
        self.read_on(|it| &it.aside, move |store| find(store, &query))
            .await
    }

    /// What is noted about an owner.
    ///
    /// # Errors
    ///
    /// As [`Storage::get`].
    pub async fn note(&self, owner: &Owner) -> Result<Option<String>, ReadError> {
        if self.0.is_alone.get() {
            return self.0.store.note(owner);
        }
        let of = owner.clone();
        self.read_on(|it| &it.aside, move |store| store.note(&of))
            .await
    }

    /// The namespaces in which an owner has something, and how much.
    ///
    /// # Errors
    ///
    /// When the store has failed.
    pub async fn namespace_usage(&self, owner: &Owner) -> Result<Vec<NamespaceUsage>, ReadError> {
        let of = owner.clone();
        self.read_on(|it| &it.counter, move |store| store.namespace_usage(&of))
            .await
    }

    /// How much all owners have, counted for so long and no longer.
    ///
    /// # Errors
    ///
    /// When the store has failed.
    pub async fn totals(&self, patience: Duration) -> Result<Totals, ReadError> {
        self.read_on(|it| &it.counter, move |store| store.totals(patience))
            .await
    }

    /// Changes what an owner has. It has its place among the owner's changes when this returns, and is
    /// durable when what is returned is done; see [`Store::submit`].
    pub fn set(&self, set: ChangeSet) -> impl Future<Output = Result<(), SetError>> + use<> {
        let (done, answer) = oneshot::channel();
        self.0.store.submit(set, move |result| {
            let _ = done.send(result);
        });
        answered(answer)
    }

    /// Deletes what an owner has in this namespace, or all that they have; as [`Storage::set`] does.
    pub fn remove(
        &self,
        owner: &Owner,
        namespace: Option<String>,
    ) -> impl Future<Output = Result<(), SetError>> + use<> {
        let (done, answer) = oneshot::channel();
        let done = move |result| {
            let _ = done.send(result);
        };
        self.0.store.remove_some(owner.clone(), namespace, done);
        answered(answer)
    }

    /// Notes this about an owner, or nothing; as [`Storage::set`] does.
    pub fn put_note(
        &self,
        owner: &Owner,
        note: Option<String>,
    ) -> impl Future<Output = Result<(), SetError>> + use<> {
        let (done, answer) = oneshot::channel();
        self.0.store.put_note(owner.clone(), note, move |result| {
            let _ = done.send(result);
        });
        answered(answer)
    }

    /// Reads where it holds up nobody.
    async fn read_on<T: Send + 'static>(
        &self,
        thread: impl FnOnce(&Threads) -> &Workers,
        work: impl FnOnce(&Store) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let Some(threads) = &self.0.threads else {
            return work(&self.0.store);
        };
        let store = self.0.store.clone();
        thread(threads).run(move || work(&store)).await
    }
}

impl Inner {
    /// Reads what is asked for, as long as that is something: in batches, as a change of threads takes
    /// longer than most reads.
    async fn read_all(self: Rc<Self>) {
        while let Some(Threads { reader, .. }) = &self.threads
            && !self.asked.borrow().is_empty()
        {
            while self.held.bytes.load(Relaxed) >= MAX_HELD {
                self.held.less.notified().await;
            }
            let batch = self.asked.borrow().len().min(BATCH);
            let batch: Vec<_> = self.asked.borrow_mut().drain(..batch).collect();
            let store = self.store.clone();
            let (mut batch, found) = reader.run(move || read(&store, batch)).await;
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

fn find(store: &Store, query: &Query) -> Result<Vec<Elements>, ReadError> {
    let Query {
        owner,
        namespace,
        names,
        or_all,
    } = query;
    let find_one = |name: &String| {
        let mut text = String::new();
        let under = if store.read(owner, namespace, Some(name), &mut text)? > 0 {
            Under::Name
        } else if *or_all && store.read(owner, namespace, None, &mut text)? > 0 {
            Under::Namespace
        } else {
            Under::Nothing
        };
        Ok(Elements { text, under })
    };
    names.iter().map(find_one).collect()
}

async fn answered(answer: oneshot::Receiver<Result<(), SetError>>) -> Result<(), SetError> {
    // It is answered always, whatever fails.
    answer.await.unwrap_or(Err(SetError::Failed))
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

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.store.fmt(f)
    }
}

#[cfg(test)]
mod tests;
