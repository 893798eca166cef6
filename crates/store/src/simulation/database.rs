//! A database that several instances use, and that a simulator takes out of their reach.
//!
//! What is real: what is done to owners and notes, in whatever order it comes in. What is played: the way there. What
//! is to be written waits while the database is away, as long as the real backend lets it, and may have been done
//! though nobody could say so.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::spawn_local;
use tokio::time::sleep;
use xps_base::clock::Instant;
use xps_base::simulation;

use crate::backend::{Asked, Backend, Work};
use crate::local::Local;
use crate::memory::Memory;
use crate::shared::{Done, Told};
use crate::table::Table;
use crate::{
    Amount, CompactError, Compacted, Elements, NamespaceUsage, Observer, Owner, OwnerData,
    ReadError, SetError, Store, Take, Totals,
};

/// How long what is to be written waits for the database at most.
const HELD: Duration = Duration::from_secs(25);

/// How long a way takes, in milliseconds: as often as it stands here.
const WAY: [u64; 8] = [0, 1, 1, 1, 2, 3, 20, 200];

/// How soon it is seen that it is there again.
const LOOK: Duration = Duration::from_millis(250);

/// The database. Clones are the same one.
#[derive(Clone)]
pub struct Database {
    near: Arc<Local>,
    turns: Arc<Table>,
    is_away: Arc<AtomicBool>,
}

impl Default for Database {
    fn default() -> Self {
        Self {
            near: Arc::new(Local::by_caller(Arc::new(Memory::default()))),
            turns: Arc::default(),
            is_away: Arc::default(),
        }
    }
}

impl Database {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes it out of everybody's reach, or back: what was done is there, and nobody has a turn any more.
    pub fn set_away(&self, is_away: bool) {
        self.turns.clear();
        self.is_away.store(is_away, SeqCst);
    }

    #[must_use]
    pub fn is_away(&self) -> bool {
        self.is_away.load(SeqCst)
    }

    /// The store, as an instance reaches it. To be called in a set of local tasks, which it lives and ends with.
    #[must_use]
    pub fn open(&self) -> Store {
        let (queue, come) = unbounded_channel();
        drop(spawn_local(write(self.clone(), come)));
        Store::on(Arc::new(Reached {
            database: self.clone(),
            queue,
        }))
    }
}

type Asking = (Work, Done, Instant);

/// Does what is asked, in order, each after its way.
async fn write(database: Database, mut come: UnboundedReceiver<Asking>) {
    while let Some((work, done, since)) = come.recv().await {
        way().await;
        if since.elapsed() >= HELD || !database.comes_back(since).await {
            done.tell(Err(SetError::Unreachable));
            continue;
        }
        let result = database.do_now(work);
        way().await;
        // Where it has gone away since, it is asked what has become of that.
        let is_known = database.comes_back(since).await;
        done.tell(if is_known {
            result
        } else {
            Err(SetError::Unreachable)
        });
    }
}

async fn way() {
    simulation::wait_for_one_of(&WAY).await;
}

impl Database {
    /// Waits for it to be within reach, but not for too long.
    async fn comes_back(&self, since: Instant) -> bool {
        while self.is_away() {
            if since.elapsed() >= HELD {
                return false;
            }
            sleep(LOOK).await;
        }
        true
    }

    fn do_now(&self, work: Work) -> Result<(), SetError> {
        let result = Arc::new(Mutex::new(Err(SetError::Failed)));
        let told = Arc::clone(&result);
        let note = move |how| *told.lock().unwrap_or_else(PoisonError::into_inner) = how;
        self.near.submit(work, Instant::now(), Done::new(note));
        result
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn find(&self, asked: &[Asked]) -> Vec<Result<Vec<Elements>, ReadError>> {
        match self.near() {
            Ok(near) => near.find(asked),
            Err(error) => asked.iter().map(|_| Err(error)).collect(),
        }
    }

    fn near(&self) -> Result<&Local, ReadError> {
        match self.is_away() {
            true => Err(ReadError::Unreachable),
            false => Ok(&self.near),
        }
    }
}

/// The database, as one instance reaches it.
struct Reached {
    database: Database,
    queue: UnboundedSender<Asking>,
}

impl Backend for Reached {
    fn is_quick(&self) -> bool {
        false
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn find(&self, asked: &[Asked]) -> Vec<Result<Vec<Elements>, ReadError>> {
        self.database.find(asked)
    }

    fn find_later(&self, asked: Vec<Asked>, found: Told<Vec<Result<Vec<Elements>, ReadError>>>) {
        let database = self.database.clone();
        drop(spawn_local(async move {
            way().await;
            found.tell(database.find(&asked));
        }));
    }

    fn read(
        &self,
        owner: &Owner,
        namespace: &str,
        name: Option<&str>,
        out: &mut String,
    ) -> Result<u64, ReadError> {
        self.database.near()?.read(owner, namespace, name, out)
    }

    fn note(&self, owner: &Owner) -> Result<Option<String>, ReadError> {
        self.database.near()?.note(owner)
    }

    fn owners(
        &self,
        after: Option<&Owner>,
        most: usize,
    ) -> Result<Vec<(Owner, Amount)>, ReadError> {
        self.database.near()?.owners(after, most)
    }

    fn owner_data(&self, owner: &Owner) -> Result<OwnerData, ReadError> {
        self.database.near()?.owner_data(owner)
    }

    fn amount(&self, owner: &Owner) -> Result<Amount, ReadError> {
        self.database.near()?.amount(owner)
    }

    fn namespace_usage(&self, owner: &Owner) -> Result<Vec<NamespaceUsage>, ReadError> {
        self.database.near()?.namespace_usage(owner)
    }

    fn totals(&self, patience: Duration) -> Result<Totals, ReadError> {
        self.database.near()?.totals(patience)
    }

    fn take_turn(&self, owner: &Owner, take: Take) {
        let (database, owner) = (self.database.clone(), owner.clone());
        drop(spawn_local(async move {
            way().await;
            match database.near() {
                Ok(near) => database.turns.take(&owner, near, take),
                Err(error) => take.tell(Err(error)),
            }
        }));
    }

    fn submit(&self, work: Work, since: Instant, done: Done) {
        // Dropped where nobody receives it, it is told that it failed.
        let _ = self.queue.send((work, done, since));
    }

    fn compact(&self, done: Told<Result<Compacted, CompactError>>) {
        done.tell(Err(CompactError::NothingToDo));
    }

    fn failed(&self) -> bool {
        self.database.is_away()
    }

    fn measure(&self, _: Arc<dyn Observer>) {}

    fn count(&self) {}

    fn when_reached(&self, tell: Box<dyn FnOnce() + Send>) {
        tell();
    }

    fn when_lost(&self, _: Box<dyn FnOnce() + Send>) {}

    fn close(&self) {}
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Database")
    }
}

impl fmt::Debug for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reached")
    }
}
