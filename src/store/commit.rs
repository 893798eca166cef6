//! The writer thread: it takes all sets that wait, applies them, syncs once, then answers.
//!
//! Invariants: a set is answered `Ok` only after a sync that followed it; sets take effect in the
//! order they were submitted; every set is answered exactly once, whatever fails; after the first
//! error nothing is written any more.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::change::ChangeSet;
use super::engine::{Engine, EngineError};
use super::error::SetError;
use super::plan::{Group, Refusal, Writes};
use super::room::Room;
use super::usage::Cache;

/// Bounds of a group: past them a longer group is hardly faster, and answers come late.
const GROUP_SETS: usize = 1024;
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// How long trouble that the engine swallowed may go unnoticed.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// The room for remembered usage: that of some 50,000 owners with a few namespaces each.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// What the writer thread and the readers share.
pub(super) struct Shared {
    /// Readers hold it while they read, and the writer while it applies (not while it syncs), so
    /// that nobody sees half a set. `None` once closed.
    pub(super) engine: RwLock<Option<Arc<dyn Engine>>>,
    failed: AtomicBool,
    damage_seen: AtomicBool,
}

impl Shared {
    pub(super) fn new(engine: Arc<dyn Engine>) -> Self {
        let engine = RwLock::new(Some(engine));
        Self {
            engine,
            failed: AtomicBool::new(false),
            damage_seen: AtomicBool::new(false),
        }
    }

    pub(super) fn failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    fn fail(&self, reason: &str) {
        if !self.failed.swap(true, Ordering::AcqRel) {
            tracing::error!(
                "the store has failed and takes no more changes: {reason}; look at the disk and at \
                 the system's log, then restart the service"
            );
        }
    }

    /// Reports data that cannot be read; once, because anybody can ask for it again and again.
    pub(super) fn damaged(&self, details: std::fmt::Arguments<'_>) {
        if !self.damage_seen.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "some stored data is damaged and cannot be read; look at the disk, and consider a \
                 backup (the log at level debug says what is affected)"
            );
        }
        tracing::debug!("damaged data: {details}");
    }
}

type Listener = Box<dyn FnOnce(Result<(), SetError>) + Send>;

/// Whom to tell how a set went. Told that it failed if dropped before.
pub(super) struct Done(Option<Listener>);

impl Done {
    pub(super) fn new(done: impl FnOnce(Result<(), SetError>) + Send + 'static) -> Self {
        Self(Some(Box::new(done)))
    }

    fn tell(mut self, result: Result<(), SetError>) {
        self.tell_once(result);
    }

    fn tell_once(&mut self, result: Result<(), SetError>) {
        let Some(done) = self.0.take() else { return };
        // One listener's panic must not cost the others their answers.
        if catch_unwind(AssertUnwindSafe(|| done(result))).is_err() {
            tracing::error!("the answer to a set was lost in a panic");
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        self.tell_once(Err(SetError::Failed));
    }
}

/// What is sent to the writer thread.
pub(super) enum Request {
    Set(ChangeSet, Done),
    Close,
}

/// The writer thread's own.
pub(super) struct Writer {
    shared: Arc<Shared>,
    engine: Arc<dyn Engine>,
    requests: Receiver<Request>,
    cache: Cache,
    room: Room,
    /// When the oldest write was made that no check has followed yet.
    unchecked: Option<Instant>,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        engine: Arc<dyn Engine>,
        requests: Receiver<Request>,
    ) -> Self {
        Self {
            shared,
            engine,
            requests,
            cache: Cache::new(CACHE_BYTES),
            room: Room::default(),
            unchecked: None,
        }
    }

    /// Serves until it is told to close.
    pub(super) fn run(self) {
        let shared = Arc::clone(&self.shared);
        if catch_unwind(AssertUnwindSafe(|| self.serve())).is_err() {
            shared.fail("its writer thread panicked");
        }
    }

    fn serve(mut self) {
        let mut open = true;
        while open {
            let (sets, still_open) = self.gather();
            open = still_open;
            if !sets.is_empty() {
                self.commit(sets);
            }
            let due = self
                .unchecked
                .is_some_and(|since| since.elapsed() >= CHECK_EVERY);
            if due || (!open && !self.shared.failed()) {
                self.check();
            }
        }
        let mut engine = self
            .shared
            .engine
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // Readers never keep it, so with our own it is gone, and its lock with it.
        *engine = None;
        drop(self.engine);
    }

    /// Waits for a set or for the next check, and takes what else is there already.
    fn gather(&self) -> (Vec<(ChangeSet, Done)>, bool) {
        let (mut sets, mut bytes) = (Vec::new(), 0);
        let mut next = match self.unchecked {
            Some(since) => {
                match self
                    .requests
                    .recv_timeout(CHECK_EVERY.saturating_sub(since.elapsed()))
                {
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => Some(Request::Close),
                    Ok(request) => Some(request),
                }
            }
            None => Some(self.requests.recv().unwrap_or(Request::Close)),
        };
        while let Some(Request::Set(set, done)) = next {
            bytes += size(&set);
            sets.push((set, done));
            let full = sets.len() >= GROUP_SETS || bytes >= GROUP_BYTES;
            next = if full {
                None
            } else {
                self.requests.try_recv().ok()
            };
        }
        (sets, !matches!(next, Some(Request::Close)))
    }

    fn commit(&mut self, sets: Vec<(ChangeSet, Done)>) {
        if self.shared.failed() {
            // Dropped, each is told so.
            return;
        }
        let has_room = self.room.look(&*self.engine);
        let mut group = Group::new(&*self.engine, &mut self.cache, has_room);
        let plan = |(set, done): (ChangeSet, Done)| match group.add(&set) {
            Ok(()) => (done, Ok(()), size(&set)),
            Err(Refusal::Set(error)) => (done, Err(error), 0),
            Err(Refusal::Engine(error)) => {
                self.shared
                    .damaged(format_args!("{}: {error}", set.owner.as_str()));
                (done, Err(SetError::Failed), 0)
            }
        };
        let planned: Vec<_> = sets.into_iter().map(plan).collect();
        let writes = group.writes();
        if !writes.is_empty() {
            self.unchecked.get_or_insert_with(Instant::now);
            if let Err(error) = write(&self.shared, &*self.engine, writes) {
                self.shared.fail(&error.to_string());
                return;
            }
        }
        group.succeeded();
        for (done, result, bytes) in planned {
            self.room.taken(bytes);
            done.tell(result);
        }
    }

    fn check(&mut self) {
        self.unchecked = None;
        if let Err(error) = self.engine.check() {
            self.shared.fail(&error.to_string());
        }
    }
}

fn write(shared: &Shared, engine: &dyn Engine, writes: Writes) -> Result<(), EngineError> {
    let alone = || {
        shared
            .engine
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    };
    match writes {
        Writes::Single(writes) => {
            for write in writes {
                let _alone = alone();
                engine.write_one(write)?;
            }
        }
        Writes::Together(writes) => {
            let _alone = alone();
            engine.write_all(writes)?;
        }
    }
    engine.flush()
}

fn size(set: &ChangeSet) -> usize {
    set.changes
        .iter()
        .filter_map(|change| change.value.as_ref())
        .map(|value| value.text.len())
        .sum()
}

#[cfg(test)]
mod tests;
