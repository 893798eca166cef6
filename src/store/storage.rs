//! The store as requests use it: every call is awaited, and none holds up the others.

use std::cell::Cell;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{ChangeSet, Holding, Owner, ReadError, SetError, Store, Totals};
use crate::workers::Workers;

/// How many threads read. A read may have to wait for the disk.
const READERS: usize = 4;

/// Elements that are stored, as text.
#[derive(Debug, Default)]
pub struct Elements {
    /// One behind the other.
    pub text: String,
    /// How many.
    pub count: u64,
}

/// The store.
#[derive(Clone)]
pub struct Storage(Rc<Inner>);

struct Inner {
    store: Store,
    /// Each reads for the same owners always: so what one owner asks for is answered in order.
    readers: Vec<Workers>,
    /// Whether a single request is open: then nobody waits for whoever reads at once, and changing
    /// threads would take longer than most reads.
    is_alone: Cell<bool>,
}

impl Storage {
    /// This store.
    ///
    /// # Errors
    ///
    /// When the system refuses threads.
    pub fn new(store: Store) -> io::Result<Self> {
        let readers = (0..READERS).map(|_| Workers::start("reader", 1));
        Ok(Self(Rc::new(Inner {
            store,
            readers: readers.collect::<io::Result<_>>()?,
            is_alone: Cell::new(false),
        })))
    }

    /// Says whether a single request is open.
    pub fn set_alone(&self, is_alone: bool) {
        self.0.is_alone.set(is_alone);
    }

    /// What is stored under this name; without one, everything in the namespace, ordered by name.
    pub async fn get(
        &self,
        owner: &Owner,
        namespace: &str,
        name: Option<&str>,
    ) -> Result<Elements, ReadError> {
        let get = |store: &Store, owner: &Owner, namespace: &str, name: Option<&str>| {
            let mut text = String::new();
            let count = store.read(owner, namespace, name, &mut text)?;
            Ok(Elements { text, count })
        };
        if self.0.is_alone.get() {
            return get(&self.0.store, owner, namespace, name);
        }
        let (namespace, name) = (namespace.to_owned(), name.map(str::to_owned));
        let of = owner.clone();
        let work = move |store: &Store| get(store, &of, &namespace, name.as_deref());
        self.read(owner, work).await
    }

    /// What is noted about an owner.
    pub async fn note(&self, owner: &Owner) -> Result<Option<String>, ReadError> {
        if self.0.is_alone.get() {
            return self.0.store.note(owner);
        }
        let of = owner.clone();
        self.read(owner, move |store| store.note(&of)).await
    }

    /// The namespaces in which an owner has something, and how much.
    pub async fn holdings(&self, owner: &Owner) -> Result<Vec<Holding>, ReadError> {
        let of = owner.clone();
        self.read(owner, move |store| store.holdings(&of)).await
    }

    /// How much all owners have, counted for so long and no longer.
    pub async fn totals(&self, patience: Duration) -> Result<Totals, ReadError> {
        self.read_at(0, move |store| store.totals(patience)).await
    }

    /// Changes what an owner has. It is with the store when this returns, and durable when it is done.
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
        let place = usize::try_from(hash.finish() % READERS as u64).unwrap_or(0);
        self.read_at(place, work).await
    }

    async fn read_at<T: Send + 'static>(
        &self,
        place: usize,
        work: impl FnOnce(&Store) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let Some(reader) = self.0.readers.get(place) else {
            return work(&self.0.store);
        };
        let store = self.0.store.clone();
        reader.run(move || work(&store)).await
    }
}

async fn answered(answer: oneshot::Receiver<Result<(), SetError>>) -> Result<(), SetError> {
    // It is answered always, whatever fails.
    answer.await.unwrap_or(Err(SetError::Failed))
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.store.fmt(f)
    }
}
