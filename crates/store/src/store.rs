//! A store, whatever it is over.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::backend::{Asked, Backend, Work};
use super::change::{ChangeSet, Existing, Owner};
use super::compact::Compacted;
use super::disk;
use super::engine::{Engine, Source};
use super::error::{CompactError, OpenError, ReadError, SetError};
use super::local::Local;
use super::memory;
use super::observer::Observer;
use super::shared::{Done, Told};
use super::space::Scarce;
use super::storage::Elements;
use super::totals::Totals;
use super::turn::Taken;
use super::whole::{Amount, NamespaceUsage, OwnerData};
use xps_base::clock::Instant;

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
#[derive(Clone, Debug)]
pub struct Store(Arc<dyn Backend>);

impl Store {
    /// A store over this.
    #[must_use]
    pub fn on(backend: Arc<dyn Backend>) -> Self {
        Self(backend)
    }

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
        let memory = Arc::new(memory::Memory::default());
        Self::on(Arc::new(Local::by_caller(memory)))
    }

    pub(super) fn over(
        engine: Arc<dyn Engine>,
        source: Arc<dyn Source>,
        compact_above: u64,
    ) -> io::Result<Self> {
        let local = Local::start(engine, source, compact_above)?;
        Ok(Self::on(Arc::new(local)))
    }

    /// Whether reading takes so little that whoever serves everybody may do it.
    #[must_use]
    pub fn is_quick(&self) -> bool {
        self.0.is_quick()
    }

    /// Whether others may write to it at the same time: other instances of the program.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.0.is_shared()
    }

    /// Reads the first of these, at least one; the others have to be asked for again.
    ///
    /// Each sees every set that anybody was told of before it was asked.
    #[must_use]
    pub fn find(&self, asked: &[Asked]) -> Vec<Result<Vec<Elements>, ReadError>> {
        self.0.find(asked)
    }

    /// The same where the store is not quick: `found` is told, on a thread of the store's. Never blocks.
    pub(crate) fn find_later(
        &self,
        asked: Vec<Asked>,
        found: Told<Vec<Result<Vec<Elements>, ReadError>>>,
    ) {
        self.0.find_later(asked, found);
    }

    /// Appends what is stored under (`namespace`, `name`) to `out`; without a name, everything in
    /// the namespace, ordered by name. Returns how many elements that are.
    ///
    /// # Errors
    ///
    /// When what is stored is damaged, the store has failed, or its database server cannot be reached; then
    /// `out` is as it was.
    pub fn read(
        &self,
        owner: &Owner,
        namespace: &str,
        name: Option<&str>,
        out: &mut String,
    ) -> Result<u64, ReadError> {
        self.0.read(owner, namespace, name, out)
    }

    /// At most so many owners behind this one, or from the first on, in a fixed order.
    ///
    /// # Errors
    ///
    /// When the store has failed, or cannot be reached.
    pub fn owners(&self, after: Option<&Owner>, most: usize) -> Result<Vec<Owner>, ReadError> {
        self.0.addresses(after, most)
    }

    /// The same, with how much each has.
    ///
    /// # Errors
    ///
    /// As [`Store::owners`].
    pub fn owners_with_amounts(
        &self,
        after: Option<&Owner>,
        most: usize,
    ) -> Result<Vec<(Owner, Amount)>, ReadError> {
        self.0.owners(after, most)
    }

    /// Everybody who has something, and how much: some at a time, in any order. Who comes or goes meanwhile may be missing,
    /// or be there.
    ///
    /// # Errors
    ///
    /// As [`Store::owners`], and then some may have been told.
    pub fn amounts(&self, each: &mut dyn FnMut(Vec<(Owner, Amount)>)) -> Result<(), ReadError> {
        self.0.amounts(each)
    }

    /// All that an owner has, as of one moment.
    ///
    /// # Errors
    ///
    /// When the store has failed or cannot be reached, or the owner's data is so damaged that not even its names
    /// can be read.
    pub fn owner_data(&self, owner: &Owner) -> Result<OwnerData, ReadError> {
        self.0.owner_data(owner)
    }

    /// How much an owner has.
    ///
    /// # Errors
    ///
    /// As [`Store::owner_data`].
    pub fn amount(&self, owner: &Owner) -> Result<Amount, ReadError> {
        self.0.amount(owner)
    }

    /// The namespaces in which an owner has something, in order, and how much.
    ///
    /// # Errors
    ///
    /// As [`Store::owners`].
    pub fn namespace_usage(&self, owner: &Owner) -> Result<Vec<NamespaceUsage>, ReadError> {
        self.0.namespace_usage(owner)
    }

    /// How much all owners have, counted for so long and no longer.
    ///
    /// # Errors
    ///
    /// As [`Store::owners`].
    pub fn totals(&self, patience: Duration) -> Result<Totals, ReadError> {
        self.0.totals(patience)
    }

    /// Hands a set over to be stored, and never blocks; the caller bounds what is under way.
    ///
    /// `done` is called exactly once, usually from a thread of the store: with `Ok` when the set is
    /// durable, with an error when nothing of it took effect. (After `Failed` or `Unreachable` an unacknowledged
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
        self.do_for(Work::Set(set, existing), Instant::now(), done);
    }

    /// Has this done for somebody who has waited since that moment; as [`Store::submit`] otherwise. One that can be out of
    /// reach, and so holds what it is handed for a while, counts from there.
    pub(crate) fn do_for(
        &self,
        work: Work,
        since: Instant,
        done: impl FnOnce(Result<(), SetError>) + Send + 'static,
    ) {
        self.0.submit(work, since, Done::new(done));
    }

    /// What the service has noted about an owner: text of its own, which is no part of what the
    /// owner has and counts for no limit. It goes when all that the owner has is removed.
    ///
    /// # Errors
    ///
    /// As [`Store::read`].
    pub fn note(&self, owner: &Owner) -> Result<Option<String>, ReadError> {
        self.0.note(owner)
    }

    /// Notes this about an owner, or nothing, in place of what was noted before. Never blocks;
    /// `done` is called as by [`Store::submit`].
    pub fn put_note(
        &self,
        owner: Owner,
        text: Option<String>,
        done: impl FnOnce(Result<(), SetError>) + Send + 'static,
    ) {
        self.do_for(Work::Note(owner, text), Instant::now(), done);
    }

    /// The same if what is noted is still `was`, and otherwise nothing: that is [`SetError::Outdated`]. A note that
    /// cannot be read any more counts as none.
    pub fn put_note_if(
        &self,
        owner: Owner,
        was: Option<String>,
        text: Option<String>,
        done: impl FnOnce(Result<(), SetError>) + Send + 'static,
    ) {
        let work = Work::NoteIf { owner, was, text };
        self.do_for(work, Instant::now(), done);
    }

    /// Takes the turn of an owner at a store that is [shared](Self::is_shared), if nobody has it. Never blocks; `told` is
    /// called exactly once. Every other instance has to be without it until what is told is dropped; but whether it
    /// was lost before is for its holder to look at.
    pub fn take_turn(
        &self,
        owner: &Owner,
        told: impl FnOnce(Result<Option<Taken>, ReadError>) + Send + 'static,
    ) {
        self.0.take_turn(owner, Told::new(told));
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
        let work = Work::Remove(owner, namespace);
        self.do_for(work, Instant::now(), done);
    }

    /// Rewrites the store, so that nothing is left in its files of what was deleted before this
    /// call; meanwhile it is read and written as ever. Never blocks.
    ///
    /// `done` is called exactly once: with `Ok` when the old files are gone, with an error when
    /// nothing has changed. (After `Failed` it may have changed all the same.) The store does this
    /// by itself when its log is much larger than what lives in it.
    pub fn compact(&self, done: impl FnOnce(Result<Compacted, CompactError>) + Send + 'static) {
        self.0.compact(Told::new(done));
    }

    /// Whether the store is broken. Nothing is read or stored then; it is opened again by itself
    /// as soon as that works.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.0.failed()
    }

    /// Has the store measured from now on.
    pub fn measure(&self, observer: Arc<dyn Observer>) {
        self.0.measure(observer);
    }

    /// Has what is stored altogether counted, in the background, if that has not been begun. The
    /// observer is told.
    pub fn count(&self) {
        self.0.count();
    }

    /// Calls `tell` when all has been done that was submitted before, soon unless the store is stuck, and from a
    /// thread of its own; never once the store is closed.
    pub fn when_reached(&self, tell: impl FnOnce() + Send + 'static) {
        self.0.when_reached(Box::new(tell));
    }

    /// What to do if a broken store cannot even be closed: only a new process can open it then.
    pub fn when_lost(&self, callback: impl FnOnce() + Send + 'static) {
        self.0.when_lost(Box::new(callback));
    }

    /// Waits for what was submitted, syncs, and releases the folder.
    pub fn close(&self) {
        self.0.close();
    }
}
