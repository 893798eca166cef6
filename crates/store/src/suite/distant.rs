//! A backend that is out of reach when a test says so.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::local::Local;
use crate::memory::Memory;
use crate::table::Table;
use crate::{
    Amount, Asked, Backend, CompactError, Compacted, Done, Elements, NamespaceUsage, Observer,
    Owner, OwnerData, ReadError, SetError, Take, Told, Totals, Work,
};
use xps_base::clock::Instant;
use xps_base::threads;

/// How long whoever wants something written waits at most.
const HOLD: Duration = Duration::from_secs(25);

/// A store in memory that is like a database server: reading it takes long, others may write to it, and it can be out
/// of reach.
#[derive(Debug)]
pub struct Distant {
    near: Arc<Local>,
    turns: Table,
    is_away: AtomicBool,
    /// What is to be written and waits, while nothing that is written is answered: it may have been done already.
    held: Mutex<Option<Vec<(Work, Done)>>>,
}

impl Distant {
    /// One without threads, which can be reached.
    #[must_use]
    pub fn by_caller() -> Arc<Self> {
        let near = Local::by_caller(Arc::new(Memory::default()));
        Self::over(Arc::new(near), Table::default())
    }

    fn over(near: Arc<Local>, turns: Table) -> Arc<Self> {
        Arc::new(Self {
            near,
            turns,
            is_away: AtomicBool::new(false),
            held: Mutex::default(),
        })
    }

    /// The same store, as another instance reaches it.
    #[must_use]
    pub fn of_another(&self) -> Arc<Self> {
        Self::over(Arc::clone(&self.near), self.turns.of_another())
    }

    /// Takes it out of reach, or back. Whoever cannot reach it has no turn any more.
    pub fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, SeqCst);
        self.turns.lose();
    }

    /// All turns are lost, as when another server has become the primary.
    pub fn lose_turns(&self) {
        self.turns.clear();
    }

    /// Is like a server that takes every lock and keeps none.
    pub fn keep_no_turns(&self) {
        self.turns.keep_none();
    }

    /// Answers nothing of what is to be written from now on, or does all of that.
    pub fn set_silent(&self, is_silent: bool) {
        let hold = is_silent.then(Vec::new);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = std::mem::replace(&mut *held, hold);
        drop(held);
        for (work, done) in waited.into_iter().flatten() {
            self.submit(work, Instant::now(), done);
        }
    }

    fn near(&self) -> Result<&Local, ReadError> {
        match self.is_away.load(SeqCst) {
            true => Err(ReadError::Unreachable),
            false => Ok(&self.near),
        }
    }
}

impl Backend for Distant {
    fn is_quick(&self) -> bool {
        false
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn find(&self, asked: &[Asked]) -> Vec<Result<Vec<Elements>, ReadError>> {
        match self.near() {
            Ok(near) => near.find(asked),
            Err(error) => asked.iter().map(|_| Err(error)).collect(),
        }
    }

    fn find_later(&self, asked: Vec<Asked>, found: Told<Vec<Result<Vec<Elements>, ReadError>>>) {
        let answers = self.find(&asked);
        // It is told, too, where there is no thread.
        drop(threads::start("reader", move || found.tell(answers)));
    }

    fn read(
        &self,
        owner: &Owner,
        namespace: &str,
        name: Option<&str>,
        out: &mut String,
    ) -> Result<u64, ReadError> {
        self.near()?.read(owner, namespace, name, out)
    }

    fn note(&self, owner: &Owner) -> Result<Option<String>, ReadError> {
        self.near()?.note(owner)
    }

    fn owners(
        &self,
        after: Option<&Owner>,
        most: usize,
    ) -> Result<Vec<(Owner, Amount)>, ReadError> {
        self.near()?.owners(after, most)
    }

    fn owner_data(&self, owner: &Owner) -> Result<OwnerData, ReadError> {
        self.near()?.owner_data(owner)
    }

    fn amount(&self, owner: &Owner) -> Result<Amount, ReadError> {
        self.near()?.amount(owner)
    }

    fn namespace_usage(&self, owner: &Owner) -> Result<Vec<NamespaceUsage>, ReadError> {
        self.near()?.namespace_usage(owner)
    }

    fn totals(&self, patience: Duration) -> Result<Totals, ReadError> {
        self.near()?.totals(patience)
    }

    fn take_turn(&self, owner: &Owner, take: Take) {
        match self.near() {
            Ok(near) => self.turns.take(owner, near, take),
            Err(error) => take.tell(Err(error)),
        }
    }

    fn submit(&self, work: Work, since: Instant, done: Done) {
        if since.elapsed() >= HOLD {
            return done.tell(Err(SetError::Unreachable));
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = &mut *held {
            return held.push((work, done));
        }
        drop(held);
        match self.near() {
            Ok(near) => near.submit(work, since, done),
            Err(_) => done.tell(Err(SetError::Unreachable)),
        }
    }

    fn compact(&self, done: Told<Result<Compacted, CompactError>>) {
        done.tell(Err(CompactError::NothingToDo));
    }

    fn failed(&self) -> bool {
        self.near().is_err()
    }

    fn measure(&self, observer: Arc<dyn Observer>) {
        self.near.measure(observer);
    }

    fn count(&self) {
        self.near.count();
    }

    fn when_reached(&self, tell: Box<dyn FnOnce() + Send>) {
        self.near.when_reached(tell);
    }

    fn when_lost(&self, callback: Box<dyn FnOnce() + Send>) {
        self.near.when_lost(callback);
    }

    fn close(&self) {
        self.near.close();
    }
}
