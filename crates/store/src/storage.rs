//! The store as requests use it: in owners and elements, and every call is awaited, so that none holds up
//! the others.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::task::spawn_local;

use super::{ChangeSet, NamespaceUsage, Owner, ReadError, SetError, Store, Totals};
use xps_base::panics;
use xps_base::threads::Workers;

/// How many threads read for requests. A read may have to wait for the disk.
const READERS: usize = 4;

/// The places of two more: for what must not wait behind [`Storage::get`], and for what goes through many
/// keys.
const ASIDE: usize = READERS;
const COUNTER: usize = READERS + 1;

/// How many bytes may have been read that nobody has sent on yet. Each reader may exceed it by a batch.
const MAX_HELD: usize = 1024 * 1024;

/// How many queries are read in a batch, which is over when so many bytes have been read.
const BATCH: usize = 64;
const BATCH_BYTES: usize = 256 * 1024;

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
    all: Option<Rc<AllHeld>>,
}

#[derive(Debug, Default)]
struct AllHeld {
    bytes: Cell<usize>,
    less: Notify,
}

#[derive(Clone)]
pub struct Storage(Rc<Inner>);

struct Inner {
    store: Store,
    /// Each reads for the same owners always. Without any, whoever reads does it.
    readers: Vec<Reader>,
    held: Rc<AllHeld>,
    /// Whether a single request is open: then nobody waits for whoever reads at once, and changing
    /// threads would take longer than most reads.
    is_alone: Cell<bool>,
}

/// A thread that reads, and what it is to read next.
struct Reader {
    thread: Workers,
    asked: RefCell<VecDeque<Asked>>,
    is_busy: Cell<bool>,
}

/// A query, and whom to tell what it finds.
type Asked = (Arc<Query>, oneshot::Sender<Answer>);

/// `None` where whoever read has panicked.
type Answer = Option<Result<(Vec<Elements>, Held), ReadError>>;

impl Storage {
    /// This store, read by threads of its own.
    ///
    /// # Errors
    ///
    /// When the system refuses them.
    pub fn new(store: Store) -> io::Result<Self> {
        let readers = (0..=COUNTER).map(|_| {
            Ok(Reader {
                thread: Workers::start("reader", 1)?,
                asked: RefCell::default(),
                is_busy: Cell::new(false),
            })
        });
        Ok(Self::with(store, readers.collect::<io::Result<_>>()?))
    }

    /// This store without threads: whoever reads does it, at once. So a run can be repeated.
    #[must_use]
    pub fn by_caller(store: Store) -> Self {
        Self::with(store, Vec::new())
    }

    fn with(store: Store, readers: Vec<Reader>) -> Self {
        Self(Rc::new(Inner {
            store,
            readers,
            held: Rc::default(),
            is_alone: Cell::new(false),
        }))
    }

    /// Says whether a single request is open.
    pub fn set_alone(&self, is_alone: bool) {
        self.0.is_alone.set(is_alone);
    }

    /// What is stored under each of the names. It is asked when this returns, and what one owner asks for
    /// is read in that order.
    ///
    /// Where too much has been read that is still [`Held`], nothing more is for now. Whoever holds
    /// something may wait for whatever was asked for the same owner before, and for nothing that is asked
    /// later.
    ///
    /// # Errors
    ///
    /// When what is stored is damaged, or the store has failed.
    pub fn get(
        &self,
        query: Arc<Query>,
    ) -> impl Future<Output = Result<(Vec<Elements>, Held), ReadError>> + use<> {
        let inner = &self.0;
        let (tell, told) = oneshot::channel();
        if inner.is_alone.get() || inner.readers.is_empty() {
            let found = find(&inner.store, &query).map(|elements| inner.hold(elements));
            // It is received below.
            let _ = tell.send(Some(found));
        } else {
            let mut hash = DefaultHasher::new();
            query.owner.hash(&mut hash);
            let number = usize::try_from(hash.finish() % READERS as u64).unwrap_or(0);
            if let Some(reader) = inner.readers.get(number) {
                reader.asked.borrow_mut().push_back((query, tell));
                if !reader.is_busy.replace(true) {
                    drop(spawn_local(Rc::clone(inner).read_all(number)));
                }
            }
        }
        async move { told.await.ok().flatten().unwrap_or_else(|| panics::again()) }
    }

    /// The same, for whoever keeps nothing of it: it counts for nobody, and waits for nothing.
    ///
    /// # Errors
    ///
    /// As [`Storage::get`].
    pub async fn look_up(&self, query: Query) -> Result<Vec<Elements>, ReadError> {
        self.read_on(ASIDE, move |store| find(store, &query)).await
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
        self.read_on(ASIDE, move |store| store.note(&of)).await
    }

    /// The namespaces in which an owner has something, and how much.
    ///
    /// # Errors
    ///
    /// When the store has failed.
    pub async fn namespace_usage(&self, owner: &Owner) -> Result<Vec<NamespaceUsage>, ReadError> {
        let of = owner.clone();
        self.read_on(COUNTER, move |store| store.namespace_usage(&of))
            .await
    }

    /// How much all owners have, counted for so long and no longer.
    ///
    /// # Errors
    ///
    /// When the store has failed.
    pub async fn totals(&self, patience: Duration) -> Result<Totals, ReadError> {
        self.read_on(COUNTER, move |store| store.totals(patience))
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
        reader: usize,
        work: impl FnOnce(&Store) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let Some(reader) = self.0.readers.get(reader) else {
            return work(&self.0.store);
        };
        let store = self.0.store.clone();
        reader.thread.run(move || work(&store)).await
    }
}

impl Inner {
    /// Reads what this reader is asked for, as long as that is something: in batches, as a change of
    /// threads takes longer than most reads.
    async fn read_all(self: Rc<Self>, reader: usize) {
        let Some(Reader {
            thread,
            asked,
            is_busy,
        }) = self.readers.get(reader)
        else {
            return;
        };
        while !asked.borrow().is_empty() {
            while self.held.bytes.get() >= MAX_HELD {
                self.held.less.notified().await;
            }
            let query = |(query, _): &Asked| Arc::clone(query);
            let batch: Vec<_> = asked.borrow().iter().take(BATCH).map(query).collect();
            let store = self.store.clone();
            for found in thread.run(move || read(&store, &batch)).await {
                let found = found.map(|found| found.map(|elements| self.hold(elements)));
                if let Some((_, tell)) = asked.borrow_mut().pop_front() {
                    // It may be over.
                    let _ = tell.send(found);
                }
            }
        }
        is_busy.set(false);
    }

    fn hold(&self, elements: Vec<Elements>) -> (Vec<Elements>, Held) {
        let bytes = bytes_of(&elements);
        let all = Rc::clone(&self.held);
        all.bytes.update(|all| all + bytes);
        let all = Some(all);
        (elements, Held { bytes, all })
    }
}

/// What the first of these find, at least one; `None` for a query that met a panic.
fn read(store: &Store, batch: &[Arc<Query>]) -> Vec<Option<Result<Vec<Elements>, ReadError>>> {
    let mut bytes = 0;
    let find = |query: &Arc<Query>| {
        if bytes >= BATCH_BYTES {
            return None;
        }
        let found = panics::caught(|| find(store, query));
        if let Some(Ok(elements)) = &found {
            bytes += bytes_of(elements);
        }
        Some(found)
    };
    batch.iter().map_while(find).collect()
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

fn bytes_of(elements: &[Elements]) -> usize {
    elements.iter().map(|it| it.text.len()).sum()
}

async fn answered(answer: oneshot::Receiver<Result<(), SetError>>) -> Result<(), SetError> {
    // It is answered always, whatever fails.
    answer.await.unwrap_or(Err(SetError::Failed))
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(all) = &self.all {
            let was_full = all.bytes.get() >= MAX_HELD;
            all.bytes.update(|all| all - self.bytes);
            if was_full && all.bytes.get() < MAX_HELD {
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
