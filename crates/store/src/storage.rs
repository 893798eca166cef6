//! The store as requests use it: in owners and elements, and every call is awaited, so that none holds up
//! the others.

mod query;
mod reader;
mod turns;

use std::cell::Cell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{
    Asked, ChangeSet, Existing, NamespaceUsage, Owner, ReadError, SetError, Store, Totals, Work,
};
use reader::{By, Reader};
use turns::Turns;
use xps_base::clock::Instant;
use xps_base::threads::Workers;

pub use query::{Elements, Query, Under};
pub use reader::Held;
pub use turns::Turn;

#[derive(Clone)]
pub struct Storage(Rc<Inner>);

struct Inner {
    store: Store,
    reader: Rc<Reader>,
    turns: Rc<Turns>,
    /// Without threads, whoever reads does it.
    threads: Option<Threads>,
    /// Whether a single request is open: then nobody waits for whoever reads at once, and changing
    /// threads would take longer than most reads.
    is_alone: Cell<bool>,
}

struct Threads {
    /// For what must not wait behind [`Storage::get`].
    aside: Workers,
    /// One for what goes through many keys.
    counter: Workers,
}

/// How many threads wait for a store that is not quick, each for one thing that is read aside.
const ASIDE: usize = 4;

impl Storage {
    /// This store, read by threads of its own.
    ///
    /// # Errors
    ///
    /// When the system refuses them.
    pub fn new(store: Store) -> io::Result<Self> {
        let aside = if store.is_quick() { 1 } else { ASIDE };
        let threads = Threads {
            aside: Workers::start("reader", aside)?,
            counter: Workers::start("reader", 1)?,
        };
        let by = match store.is_quick() {
            true => By::Thread(Workers::start("reader", 1)?),
            false => By::Store,
        };
        let reader = Reader::new(store.clone(), by);
        Ok(Self::with(store, reader, Some(threads)))
    }

    /// This store without threads: whoever reads does it, at once. So a run can be repeated.
    #[must_use]
    pub fn by_caller(store: Store) -> Self {
        let reader = Reader::new(store.clone(), By::Caller);
        Self::with(store, reader, None)
    }

    fn with(store: Store, reader: Rc<Reader>, threads: Option<Threads>) -> Self {
        Self(Rc::new(Inner {
            turns: Turns::of(store.clone()),
            store,
            reader,
            threads,
            is_alone: Cell::new(false),
        }))
    }

    /// Whether others may write to the store at the same time.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.0.store.is_shared()
    }

    /// Whether it is out of reach now, as far as is known.
    #[must_use]
    pub fn is_out_of_reach(&self) -> bool {
        self.is_shared() && self.0.store.failed()
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
        let Inner {
            reader, is_alone, ..
        } = &*self.0;
        reader.read(query, make, is_alone.get())
    }

    /// The same, for whoever keeps nothing of it: it counts for nobody, and waits for nothing.
    ///
    /// # Errors
    ///
    /// As [`Storage::get`].
    pub async fn look_up(&self, query: Query) -> Result<Vec<Elements>, ReadError> {
        let asked = [Asked {
            query: Arc::new(query),
            since: Instant::now(),
        }];
        let work = move |store: &Store| {
            let found = store.find(&asked).into_iter().next();
            found.unwrap_or(Err(ReadError::Failed))
        };
        self.read_on(|it| &it.aside, work).await
    }

    /// What is noted about an owner.
    ///
    /// # Errors
    ///
    /// As [`Storage::get`].
    pub async fn note(&self, owner: &Owner) -> Result<Option<String>, ReadError> {
        if self.0.is_alone.get() && self.0.store.is_quick() {
            return self.0.store.note(owner);
        }
        let of = owner.clone();
        self.read_on(|it| &it.aside, move |store| store.note(&of))
            .await
    }

    /// The turn of an owner among all instances, as soon as no other has it; whoever asks here while it is had here
    /// shares it. `None` if another has it until this moment. Where nobody else writes to the store it costs nothing.
    ///
    /// # Errors
    ///
    /// When the store is out of reach, or has failed.
    pub async fn turn(&self, owner: &Owner, until: Instant) -> Result<Option<Turn>, ReadError> {
        match self.is_shared() {
            true => self.0.turns.take(owner, until).await,
            false => Ok(Some(Turn::default())),
        }
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

    /// Changes what an owner has, for a request that came at that moment. It has its place among the owner's changes when
    /// this returns, and is durable when what is returned is done; see [`Store::submit`]. Where the store cannot be reached
    /// for so long that the request is told to try again, it is not begun any more, whatever the request has waited for
    /// before.
    pub fn set(
        &self,
        set: ChangeSet,
        came: Instant,
    ) -> impl Future<Output = Result<(), SetError>> + use<> {
        self.change(Work::Set(set, Existing::Replace), came)
    }

    /// Deletes what an owner has in this namespace, or all that they have; as [`Storage::set`] does.
    pub fn remove(
        &self,
        owner: &Owner,
        namespace: Option<String>,
        came: Instant,
    ) -> impl Future<Output = Result<(), SetError>> + use<> {
        self.change(Work::Remove(owner.clone(), namespace), came)
    }

    fn change(
        &self,
        work: Work,
        came: Instant,
    ) -> impl Future<Output = Result<(), SetError>> + use<> {
        let (done, answer) = oneshot::channel();
        self.0.store.do_for(work, came, move |result| {
            let _ = done.send(result);
        });
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

    /// The same if what is noted is still `was`; otherwise nothing is noted, and that is [`SetError::Outdated`].
    pub fn put_note_if(
        &self,
        owner: &Owner,
        was: Option<String>,
        note: Option<String>,
    ) -> impl Future<Output = Result<(), SetError>> + use<> {
        let (done, answer) = oneshot::channel();
        let done = move |result| {
            let _ = done.send(result);
        };
        let owner = owner.clone();
        self.0.store.put_note_if(owner, was, note, done);
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

async fn answered(answer: oneshot::Receiver<Result<(), SetError>>) -> Result<(), SetError> {
    // It is answered always, whatever fails.
    answer.await.unwrap_or(Err(SetError::Failed))
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.store.fmt(f)
    }
}
