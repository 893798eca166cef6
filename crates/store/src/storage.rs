//! The store as requests use it: in owners and elements, and every call is awaited, so that none holds up
//! the others.

use std::cell::Cell;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::{ChangeSet, NamespaceUsage, Owner, ReadError, SetError, Store, Totals};
use xps_base::threads::Workers;

/// How many threads read for requests. A read may have to wait for the disk.
const READERS: usize = 4;

/// The places of two more: for what must not wait behind [`Storage::get`], and for what goes through many
/// keys.
const ASIDE: usize = READERS;
const COUNTER: usize = READERS + 1;

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
    bytes: Mutex<usize>,
    less: Condvar,
}

#[derive(Clone)]
pub struct Storage(Rc<Inner>);

struct Inner {
    store: Store,
    /// Each reads for the same owners always, so what one owner asks for is read in order. Without any,
    /// whoever reads does it.
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

    /// What is stored under each of the names.
    ///
    /// Where too much has been read that is still [`Held`], the thread that reads waits. Whoever holds
    /// something may wait for whatever was asked before, which is read before, and for nothing that is
    /// asked later.
    ///
    /// # Errors
    ///
    /// When what is stored is damaged, or the store has failed.
    pub async fn get(&self, query: &Arc<Query>) -> Result<(Vec<Elements>, Held), ReadError> {
        let (held, asked) = (Arc::clone(&self.0.held), Arc::clone(query));
        let work = move |store: &Store| {
            let elements = find(store, &asked)?;
            let bytes = elements.iter().map(|it| it.text.len()).sum();
            Ok((elements, held.hold(bytes)))
        };
        if self.0.is_alone.get() || self.0.readers.is_empty() {
            return work(&self.0.store);
        }
        let held = Arc::clone(&self.0.held);
        let in_turn = move |store: &Store| {
            held.wait_for_room();
            work(store)
        };
        let mut hash = DefaultHasher::new();
        query.owner.hash(&mut hash);
        let reader = usize::try_from(hash.finish() % READERS as u64).unwrap_or(0);
        self.read_on(reader, in_turn).await
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
        reader.run(move || work(&store)).await
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

impl AllHeld {
    fn wait_for_room(&self) {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.less.wait_while(bytes, |bytes| *bytes >= MAX_HELD);
        drop(room);
    }

    fn hold(self: Arc<Self>, bytes: usize) -> Held {
        *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) += bytes;
        let all = Some(self);
        Held { bytes, all }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(all) = &self.all {
            let mut bytes = all.bytes.lock().unwrap_or_else(PoisonError::into_inner);
            let was_full = *bytes >= MAX_HELD;
            *bytes -= self.bytes;
            if was_full && *bytes < MAX_HELD {
                all.less.notify_all();
            }
        }
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.store.fmt(f)
    }
}
