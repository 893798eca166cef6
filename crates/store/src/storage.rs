//! The store as requests use it: in owners and elements, and every call is awaited, so that none holds up
//! the others.

use std::cell::Cell;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::{ChangeSet, NamespaceUsage, Owner, ReadError, SetError, Store, Totals};
use xps_base::threads::Workers;

/// How many threads read for requests. A read may have to wait for the disk.
const READERS: usize = 4;

/// The place of one more, for what goes through many keys.
const COUNTER: usize = READERS;

/// How many bytes may have been read that nobody has sent on yet. Each thread may exceed it by what one
/// query finds.
const MAX_HELD: usize = 1024 * 1024;

/// What is asked for.
#[derive(Debug)]
pub struct Query {
    pub owner: Owner,
    /// The namespace of the elements.
    pub namespace: String,
    /// Their names, none twice.
    pub names: Vec<String>,
}

/// What is found under one name of a query.
#[derive(Debug)]
pub struct Elements {
    /// The elements as text, one behind the other.
    pub text: String,
    pub under: Under,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Under {
    /// Under the name that was asked for.
    Name,
    /// In the namespace, under other names: all that is there, ordered by name.
    Namespace,
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
    /// Each reads for the same owners always: so what one owner asks for is answered in order. Without
    /// any, whoever reads does it.
    readers: Vec<Workers>,
    held: Arc<AllHeld>,
    /// Whether a single request is open: then nobody waits for whoever reads at once, and changing
    /// threads would take longer than most reads.
    is_alone: Cell<bool>,
}

impl Storage {
    /// This store, read by threads of its own.
    ///
    /// # Errors
    ///
    /// When the system refuses them.
    pub fn new(store: Store) -> io::Result<Self> {
        let readers = (0..=COUNTER).map(|_| Workers::start("reader", 1));
        Ok(Self::with(store, readers.collect::<io::Result<_>>()?))
    }

    /// This store without threads: whoever reads does it, at once. So a run can be repeated.
    #[must_use]
    pub fn by_caller(store: Store) -> Self {
        Self::with(store, Vec::new())
    }

    fn with(store: Store, readers: Vec<Workers>) -> Self {
        Self(Rc::new(Inner {
            store,
            readers,
            held: Arc::default(),
            is_alone: Cell::new(false),
        }))
    }

    /// Says whether a single request is open.
    pub fn set_alone(&self, is_alone: bool) {
        self.0.is_alone.set(is_alone);
    }

    /// What is stored under each of the names; where one alone is asked for and nothing is stored under
    /// it, all that is in its namespace. (Real clients depend on that: nbxmpp stores `<roster
    /// xmlns='roster:delimiter'>` and asks for `<storage xmlns='roster:delimiter'/>`.)
    ///
    /// It waits as long as too much has been read that is still [`Held`].
    ///
    /// # Errors
    ///
    /// When what is stored is damaged, or the store has failed.
    pub async fn get(&self, query: &Arc<Query>) -> Result<(Vec<Elements>, Held), ReadError> {
        loop {
            let held = Arc::clone(&self.0.held);
            held.room().await;
            let asked = Arc::clone(query);
            let work = move |store: &Store| {
                // Others may have read so much meanwhile.
                if held.is_full() {
                    return Ok(None);
                }
                let elements = find(store, &asked)?;
                let bytes = elements.iter().map(|it| it.text.len()).sum();
                Ok(Some((elements, held.hold(bytes))))
            };
            let found = match self.0.is_alone.get() {
                true => work(&self.0.store)?,
                false => self.read(&query.owner, work).await?,
            };
            if let Some(found) = found {
                return Ok(found);
            }
        }
    }

    /// The same, for whoever keeps nothing of it: it counts for nobody, and waits for nothing.
    ///
    /// # Errors
    ///
    /// As [`Storage::get`].
    pub async fn look_up(&self, query: Query) -> Result<Vec<Elements>, ReadError> {
        let owner = query.owner.clone();
        self.read(&owner, move |store| find(store, &query)).await
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
        self.read(owner, move |store| store.note(&of)).await
    }

    /// The namespaces in which an owner has something, and how much.
    ///
    /// # Errors
    ///
    /// When the store has failed.
    pub async fn namespace_usage(&self, owner: &Owner) -> Result<Vec<NamespaceUsage>, ReadError> {
        let of = owner.clone();
        self.read_on(COUNTER, move |store| store.namespace_usage(&of)).await
    }

    /// How much all owners have, counted for so long and no longer.
    ///
    /// # Errors
    ///
    /// When the store has failed.
    pub async fn totals(&self, patience: Duration) -> Result<Totals, ReadError> {
        self.read_on(COUNTER, move |store| store.totals(patience)).await
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
    async fn read<T: Send + 'static>(
        &self,
        owner: &Owner,
        work: impl FnOnce(&Store) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let mut hash = DefaultHasher::new();
        owner.hash(&mut hash);
        let reader = usize::try_from(hash.finish() % READERS as u64).unwrap_or(0);
        self.read_on(reader, work).await
    }

    async fn read_on<T: Send + 'static>(
        &self,
        reader: usize,
        work: impl FnOnce(&Store) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let Some(reader) = self.0.readers.get(reader) else {
            return work(&self.0.store);
        };
        let store = self.0.store.clone();
        reader.run(move || work(&store)).await
    }
}

fn find(store: &Store, query: &Query) -> Result<Vec<Elements>, ReadError> {
    let Query {
        owner,
        namespace,
        names,
    } = query;
    let is_alone = names.len() == 1;
    let find_one = |name: &String| {
        let mut text = String::new();
        let under = if store.read(owner, namespace, Some(name), &mut text)? > 0 {
            Under::Name
        } else if is_alone && store.read(owner, namespace, None, &mut text)? > 0 {
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

impl AllHeld {
    fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Acquire) >= MAX_HELD
    }

    async fn room(&self) {
        while self.is_full() {
            let less = self.less.notified();
            if self.is_full() {
                less.await;
            }
        }
    }

    fn hold(self: Arc<Self>, bytes: usize) -> Held {
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
        let all = Some(self);
        Held { bytes, all }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(all) = &self.all {
            let before = all.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
            if before >= MAX_HELD {
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
