//! Where users' private XML is kept, so that what was acknowledged survives a power loss.
//!
//! The interface speaks of owners, elements and sets of changes, never of trees, keys or pages:
//!
//! ```
//! use xps_store::{Change, ChangeSet, Quota, Owner, Store, Value};
//!
//! let store = Store::in_memory();
//! let owner = Owner::new("juliet@capulet.lit").ok_or("not an owner")?;
//! let value = Value { text: "<prefs xmlns='app'>dark</prefs>".into(), elements: 1 };
//! let change = Change { namespace: "app".into(), name: "prefs".into(), value: Some(value) };
//! let quota = Quota { max_namespace_bytes: 100, max_user_bytes: 100, max_user_elements: 10 };
//!
//! let (done, answer) = std::sync::mpsc::channel();
//! let set = ChangeSet { owner: owner.clone(), quota, changes: vec![change] };
//! store.submit(set, move |result| drop(done.send(result)));
//! answer.recv()??; // it is on disk now, or would be, were this not a store in memory
//!
//! let mut text = String::new();
//! assert_eq!(store.read(&owner, "app", Some("prefs"), &mut text)?, 1);
//! assert_eq!(text, "<prefs xmlns='app'>dark</prefs>");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A set goes `commit` (the writer thread groups what waits) → `plan` (limits, and which records
//! change; `usage` knows what the owner has) → `record` (how a record looks) → an `engine`: `disk`,
//! which is sled, or `memory`. A read goes straight to the engine and through `read`.
//! When the engine breaks, `revive` opens it again; when it holds much garbage, `compact` has a copy
//! of what lives take its place. docs/internals/storage.md says what sled is trusted with,
//! and what not.
//!
//! `census` counts what is stored altogether, for whoever measures it; `totals` does for whoever asks once.
//!
//! Architecture invariants: this crate knows no XMPP and no async runtime. One thread writes. A
//! read sees every set wholly or not at all, but it may see one that is not durable yet: the
//! caller keeps reads of an owner back while that owner's sets are under way.

mod census;
mod change;
mod commit;
mod compact;
mod disk;
pub mod durable;
mod engine;
mod error;
mod format;
mod memory;
mod observer;
mod plan;
mod read;
mod record;
mod request;
mod revive;
mod shared;
mod space;
mod storage;
#[cfg(test)]
mod suite;
mod totals;
mod usage;
mod whole;

use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use change::{Change, ChangeSet, Existing, Owner, Quota, Value};
pub use compact::Compacted;
pub use error::{CompactError, OpenError, ReadError, SetError};
pub use format::FORMAT;
pub use observer::Observer;
pub use space::Scarce;
pub use storage::{Elements, Held, Query, Storage, Under};
pub use totals::Totals;
pub use whole::{Amount, Entry, NamespaceUsage, OwnerData};

use commit::Writer;
use engine::{Engine, Source};
use error::EngineError;
use read::ReadFault;
use request::{Request, Work};
use shared::{Breakdown, Done, Shared, Told};
use xps_base::clock::Instant;
use xps_base::panics;
use xps_base::threads;

/// How to open a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The memory sled may use for its cache of pages.
    pub cache_bytes: u64,
    /// The store compacts itself when its log is larger than three times what lives in it, and
    /// this.
    pub compact_above_bytes: u64,
}

/// A store, shared by its clones; closed with the last of them.
#[derive(Clone)]
pub struct Store(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    requests: Sender<Request>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Where there is no thread that writes, whoever hands something over does it.
    by_caller: Option<Mutex<Writer>>,
}

impl Store {
    /// Whether there is a store in this folder, good or bad.
    #[must_use]
    pub fn is_in(path: &Path) -> bool {
        disk::is_there(path)
    }

    /// The space on the disk of this folder, where it is too little for users to store more.
    #[must_use]
    pub fn scarce_space(path: &Path) -> Option<Scarce> {
        disk::scarce(path)
    }

    /// The files of the store in this folder, and what each takes on the disk.
    #[must_use]
    pub fn files_in(path: &Path) -> Vec<(String, u64)> {
        disk::sizes(path)
    }

    /// Opens the store in this folder, which is made (for this user alone) if it is missing.
    ///
    /// # Errors
    ///
    /// When it is in use, damaged, of a newer release, the folder is somebody else's, or the system
    /// refuses; each says what to do.
    pub fn open(path: &Path, options: &Options) -> Result<Self, OpenError> {
        let (engine, folder) = disk::open(path, options.cache_bytes)?;
        let above = options.compact_above_bytes;
        Self::over(Arc::new(engine), Arc::new(folder), above).map_err(|source| OpenError::Io {
            action: "start a thread for",
            path: path.to_owned(),
            source,
        })
    }

    /// A store that forgets everything when it is closed.
    ///
    /// # Panics
    ///
    /// If the system starts no more threads.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "a tool of tests and fuzzers, with no data to lose"
    )]
    pub fn in_memory() -> Self {
        let memory = Arc::new(memory::Memory::default());
        Self::over(Arc::clone(&memory) as _, memory, u64::MAX).expect("a thread")
    }

    /// The same without threads: whoever asks for something does it, at once. So a run can be repeated.
    #[must_use]
    pub fn by_caller() -> Self {
        let shared = Arc::new(Shared::default());
        let (requests, receiver) = mpsc::channel();
        let memory = Arc::new(memory::Memory::default());
        let writer = Writer::alone(Arc::clone(&shared), memory, receiver);
        Self(Arc::new(Handle {
            shared,
            requests,
            writer: Mutex::new(None),
            by_caller: Some(Mutex::new(writer)),
        }))
    }

    fn over(
        engine: Arc<dyn Engine>,
        source: Arc<dyn Source>,
        compact_above: u64,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (requests, receiver) = mpsc::channel();
        let to_self = (requests.clone(), receiver);
        let writer = Writer::new(Arc::clone(&shared), engine, source, to_self, compact_above)?;
        let known = Arc::clone(&shared);
        let work = move || {
            if panics::caught(|| writer.run()).is_none() {
                known.fail(&Breakdown::panic());
                known.lose(
                    "the thread that writes the store has ended because of a bug; please report it",
                );
            }
        };
        let writer = threads::start("store", work)?;
        Ok(Self(Arc::new(Handle {
            shared,
            requests,
            writer: Mutex::new(Some(writer)),
            by_caller: None,
        })))
    }

    /// Appends what is stored under (`namespace`, `name`) to `out`; without a name, everything in
    /// the namespace, ordered by name. Returns how many elements that are.
    ///
    /// # Errors
    ///
    /// When what is stored is damaged, or the store has failed; then `out` is as it was.
    pub fn read(
        &self,
        owner: &Owner,
        namespace: &str,
        name: Option<&str>,
        out: &mut String,
    ) -> Result<u64, ReadError> {
        let reading = |engine: &dyn Engine| read::read(engine, owner, namespace, name, out);
        self.reading(reading)?.map_err(|trouble| {
            let what = format_args!("{owner:?} {namespace:?} {name:?}: {trouble}");
            self.damaged(what, &trouble)
        })
    }

    fn damaged(&self, what: std::fmt::Arguments<'_>, trouble: &ReadFault) -> ReadError {
        self.0.shared.damaged(what);
        match trouble {
            ReadFault::Damage(_) => ReadError::Damaged,
            ReadFault::Engine(_) => ReadError::Failed,
        }
    }

    /// At most so many owners behind this one, or from the first on, in a fixed order.
    ///
    /// # Errors
    ///
    /// When the store has failed.
    pub fn owners(&self, after: Option<&Owner>, most: usize) -> Result<Vec<Owner>, ReadError> {
        self.reading_whole(|engine| whole::owners(engine, after, most))
    }

    /// All that an owner has, as of one moment.
    ///
    /// # Errors
    ///
    /// When the store has failed, or the owner's data is so damaged that not even its names can
    /// be read.
    pub fn owner_data(&self, owner: &Owner) -> Result<OwnerData, ReadError> {
        self.reading_whole(|engine| whole::owner_data(engine, owner))
    }

    /// How much an owner has.
    ///
    /// # Errors
    ///
    /// As [`Store::owner_data`].
    pub fn amount(&self, owner: &Owner) -> Result<Amount, ReadError> {
        self.reading_whole(|engine| whole::amount(engine, owner))
    }

    /// The namespaces in which an owner has something, in order, and how much.
    ///
    /// # Errors
    ///
    /// When the store has failed.
    pub fn namespace_usage(&self, owner: &Owner) -> Result<Vec<NamespaceUsage>, ReadError> {
        self.reading_whole(|engine| whole::namespace_usage(engine, owner))
    }

    /// How much all owners have, counted for so long and no longer.
    ///
    /// # Errors
    ///
    /// When the store has failed.
    pub fn totals(&self, patience: Duration) -> Result<Totals, ReadError> {
        let until = Instant::now() + patience;
        let mut count = totals::Count::default();
        while !count.is_done() && Instant::now() < until {
            // A set may have to wait for each slice.
            self.reading_whole(|engine| count.go_on(engine))?;
        }
        Ok(count.totals())
    }

    fn reading_whole<T>(
        &self,
        work: impl FnOnce(&dyn Engine) -> Result<T, EngineError>,
    ) -> Result<T, ReadError> {
        self.reading(work)?.map_err(|error| {
            self.0.shared.damaged(format_args!("{error}"));
            ReadError::Failed
        })
    }

    /// Works on the engine while nobody applies a set.
    fn reading<T>(&self, work: impl FnOnce(&dyn Engine) -> T) -> Result<T, ReadError> {
        let shared = &self.0.shared;
        let engine = shared.engine.read().unwrap_or_else(PoisonError::into_inner);
        let engine = engine
            .as_deref()
            .filter(|_| !shared.failed())
            .ok_or(ReadError::Failed)?;
        Ok(work(engine))
    }

    /// Hands a set to the writer thread, and never blocks; the caller bounds what is under way.
    ///
    /// `done` is called exactly once, usually from the writer thread: with `Ok` when the set is
    /// durable, with an error when nothing of it took effect. (After `Failed` an unacknowledged
    /// set may still be found, whole, once the store works again.) Sets of one owner take effect
    /// in the order they are submitted.
    pub fn submit(&self, set: ChangeSet, done: impl FnOnce(Result<(), SetError>) + Send + 'static) {
        self.submit_over(set, Existing::Replace, done);
    }

    /// The same, with a say in what becomes of that which is stored already.
    pub fn submit_over(
        &self,
        set: ChangeSet,
        existing: Existing,
        done: impl FnOnce(Result<(), SetError>) + Send + 'static,
    ) {
        self.0
            .hand_over(Request::Set(Work::Set(set, existing), Done::new(done)));
    }

    /// What the service has noted about an owner: text of its own, which is no part of what the
    /// owner has and counts for no limit. It goes when all that the owner has is removed.
    ///
    /// # Errors
    ///
    /// As [`Store::read`].
    pub fn note(&self, owner: &Owner) -> Result<Option<String>, ReadError> {
        self.reading(|engine| read::note(engine, owner))?
            .map_err(|trouble| {
                self.damaged(
                    format_args!("the note about {owner:?}: {trouble}"),
                    &trouble,
                )
            })
    }

    /// Notes this about an owner, or nothing, in place of what was noted before. Never blocks;
    /// `done` is called as by [`Store::submit`].
    pub fn put_note(
        &self,
        owner: Owner,
        text: Option<String>,
        done: impl FnOnce(Result<(), SetError>) + Send + 'static,
    ) {
        self.0
            .hand_over(Request::Set(Work::Note(owner, text), Done::new(done)));
    }

    /// Deletes all that an owner has, behind all sets that were submitted before. Never blocks;
    /// `done` is called as by [`Store::submit`]. What is deleted stays in the files until the
    /// store is compacted.
    pub fn remove(&self, owner: Owner, done: impl FnOnce(Result<(), SetError>) + Send + 'static) {
        self.remove_some(owner, None, done);
    }

    /// The same for what an owner has in one namespace; in all of them where none is named.
    pub fn remove_some(
        &self,
        owner: Owner,
        namespace: Option<String>,
        done: impl FnOnce(Result<(), SetError>) + Send + 'static,
    ) {
        self.0
            .hand_over(Request::Remove(owner, namespace, Done::new(done)));
    }

    /// Rewrites the store, so that nothing is left in its files of what was deleted before this
    /// call; meanwhile it is read and written as ever. Never blocks.
    ///
    /// `done` is called exactly once: with `Ok` when the old files are gone, with an error when
    /// nothing has changed. (After `Failed` it may have changed all the same.) The store does this
    /// by itself when its log is much larger than what lives in it.
    pub fn compact(&self, done: impl FnOnce(Result<Compacted, CompactError>) + Send + 'static) {
        self.0.hand_over(Request::Compact(Told::new(done)));
    }

    /// Whether the store is broken. Nothing is read or stored then; it is opened again by itself
    /// as soon as that works.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.0.shared.failed()
    }

    /// Has the store measured from now on.
    pub fn measure(&self, observer: Arc<dyn Observer>) {
        self.0.hand_over(Request::Measure(observer));
    }

    /// Has what is stored altogether counted, in the background, if that has not been begun. The
    /// observer is told.
    pub fn count(&self) {
        self.0.hand_over(Request::Count);
    }

    /// Calls `tell` on the writer thread when it has done all that was submitted before, soon
    /// unless it is stuck; never once the store is closed.
    pub fn when_reached(&self, tell: impl FnOnce() + Send + 'static) {
        self.0.hand_over(Request::Reached(Box::new(tell)));
    }

    /// What to do if a broken store cannot even be closed: only a new process can open it then.
    pub fn when_lost(&self, callback: impl FnOnce() + Send + 'static) {
        self.0.shared.when_lost(Box::new(callback));
    }

    /// Waits for what was submitted, syncs, and releases the folder.
    pub fn close(&self) {
        self.0.close();
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("failed", &self.failed())
            .finish_non_exhaustive()
    }
}

impl Handle {
    fn hand_over(&self, request: Request) {
        // After closing nobody receives, and dropping a request answers it.
        drop(self.requests.send(request));
        if let Some(writer) = &self.by_caller {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.do_all();
        }
    }

    fn close(&self) {
        self.hand_over(Request::Close);
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writer.take() {
            // The last clone may be dropped by an answer, on the writer thread itself.
            if writer.thread().id() != thread::current().id() {
                // Its panic was caught and logged.
                let _ = writer.join();
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}
