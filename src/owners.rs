//! Owners as an administrator sees them: page by page, each with all that they have; to be put,
//! removed, counted.
//!
//! sled lets one process open a store. So there are two ways to the same [`Owners`]: in this
//! process ([`LocalStore`]), or through the control socket of the service that runs (`wire` has both
//! ends), and whoever works with them sees no difference.

pub mod sound;
pub mod wire;

use std::sync::{Arc, Mutex, PoisonError, mpsc};

use crate::archive::Document;
use crate::bookmarks;
use crate::config::Config;
use crate::service::BOOKMARKS;
use crate::store::{
    Amount, Change, ChangeSet, CompactError, Compacted, Existing, Owner, OwnerData, Quota,
    ReadError, SetError, Store,
};
use sound::Sound;

/// How many owners make a page at most.
const PAGE: usize = 500;

/// How often an owner is read again because something has come between.
const TRIES: usize = 100;

/// A page of documents ends early when it has this many bytes of text.
const PAGE_BYTES: u64 = 2 * 1024 * 1024;

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OwnersError {
    /// It was refused, for what it is; others may be taken.
    #[error("{0}")]
    Refused(String),
    /// Nothing can be done at all.
    #[error("{0}")]
    Broken(String),
}

/// What can be asked for and done.
pub trait Owners {
    /// The owners behind this one, or from the first on, with how much they have. None: there are
    /// no more.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    fn page(&self, after: Option<&Owner>) -> Result<Vec<(Owner, Amount)>, OwnersError>;

    /// Every owner, one after another, in any order.
    ///
    /// # Errors
    ///
    /// When the store cannot be read; then it was some.
    fn for_each(&self, work: &mut dyn FnMut(Owner, Amount)) -> Result<(), OwnersError> {
        let mut last = None;
        loop {
            let page = self.page(last.as_ref())?;
            let Some((owner, _)) = page.last() else {
                return Ok(());
            };
            last = Some(owner.clone());
            page.into_iter()
                .for_each(|(owner, amount)| work(owner, amount));
        }
    }

    /// The owners of a page with all that they have.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    fn documents(&self, after: Option<&Owner>) -> Result<Vec<Document>, OwnersError>;

    /// All that one owner has.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    fn document(&self, owner: &Owner) -> Result<Document, OwnersError>;

    /// Stores what is in a document, all of it or nothing, durably.
    ///
    /// # Errors
    ///
    /// When it is refused, by the configured limits say, or cannot be stored.
    fn put(&self, sound: Sound, existing: Existing) -> Result<(), OwnersError>;

    /// The same for many, of whom some may be stored when it fails.
    ///
    /// # Errors
    ///
    /// With the first trouble that there is.
    fn put_all(&self, all: Vec<Sound>, existing: Existing) -> Result<(), OwnersError> {
        all.into_iter()
            .try_for_each(|sound| self.put(sound, existing))
    }

    /// Deletes all that an owner has, durably.
    ///
    /// # Errors
    ///
    /// When that fails.
    fn remove(&self, owner: &Owner) -> Result<(), OwnersError>;

    /// Rewrites the store, so that nothing is left in its files of what was deleted. `None` where it is a database
    /// server's, which does that by itself.
    ///
    /// # Errors
    ///
    /// When that fails; then nothing has changed.
    fn compact(&self) -> Result<Option<Compacted>, OwnersError>;
}

/// Owners of a store that is open in this process. What it does may wait for the disk.
#[derive(Debug, Clone)]
pub struct LocalStore {
    store: Store,
    /// What is put is held to these. They may change with a reload.
    quota: Arc<Mutex<Quota>>,
}

impl LocalStore {
    /// The owners of this store.
    pub fn new(store: Store, config: &Config) -> Self {
        let quota = Arc::new(Mutex::new(config.limits.quota()));
        Self { store, quota }
    }

    /// The same, where whatever is put was once within the limits of its time.
    pub fn without_limits(store: Store) -> Self {
        let quota = Arc::new(Mutex::new(Quota::NONE));
        Self { store, quota }
    }

    /// Holds what is put to the limits of another configuration from now on.
    pub fn set_limits(&self, config: &Config) {
        *self.quota.lock().unwrap_or_else(PoisonError::into_inner) = config.limits.quota();
    }

    /// Stores what is in a document, all of it or nothing, and says when it is durable, or why it is not. Waits for
    /// nothing.
    pub fn submit(
        &self,
        sound: Sound,
        existing: Existing,
        done: impl FnOnce(Result<(), SetError>) + Send + 'static,
    ) {
        let Document {
            owner,
            owner_data,
            note,
        } = sound.into_document();
        let mut entries = owner_data.entries.iter();
        // Of bookmarks that come again nobody knows whether they are in step, unless they say it.
        let is_noted = note.is_some() || entries.any(|it| (&*it.namespace, &*it.name) == BOOKMARKS);
        let changes = owner_data.entries.into_iter().map(|entry| Change {
            namespace: entry.namespace,
            name: entry.name,
            value: Some(entry.value),
        });
        let set = ChangeSet {
            owner: owner.clone(),
            quota: *self.quota.lock().unwrap_or_else(PoisonError::into_inner),
            changes: changes.collect(),
        };
        let store = self.store.clone();
        self.store
            .submit_over(set, existing, move |result| match result {
                Ok(()) if is_noted => store.put_note(owner, note, done),
                result => done(result),
            });
    }

    /// An owner that cannot be read at all has lost everything, whatever that was.
    fn read(&self, owner: Owner) -> Result<Document, ReadError> {
        match self.read_whole(&owner) {
            // Then it is the store that cannot be read, and nothing is known of what its owners have.
            Err(ReadError::Failed) if self.store.failed() => Err(ReadError::Failed),
            Err(ReadError::Damaged | ReadError::Failed) => Ok(Document {
                owner,
                owner_data: OwnerData {
                    entries: Vec::new(),
                    damaged: vec![(String::new(), String::new())],
                },
                note: None,
            }),
            read => read,
        }
    }

    fn read_whole(&self, owner: &Owner) -> Result<Document, ReadError> {
        // What is stored and what is noted stand apart, so both are read until nothing has come between.
        // A note that cannot be read is as good as none: then nothing is taken away. So it is with one
        // that never stands still.
        let note = || match self.store.note(owner) {
            Err(ReadError::Damaged | ReadError::Failed) => Ok(None),
            read => read,
        };
        let mut before = note()?;
        for _ in 0..TRIES {
            let owner_data = self.store.owner_data(owner)?;
            let after = note()?;
            if before == after {
                return Ok(Document {
                    owner: owner.clone(),
                    owner_data,
                    note: after,
                });
            }
            before = after;
        }
        Ok(Document {
            owner: owner.clone(),
            owner_data: self.store.owner_data(owner)?,
            note: None,
        })
    }
}

impl Owners for LocalStore {
    fn page(&self, after: Option<&Owner>) -> Result<Vec<(Owner, Amount)>, OwnersError> {
        self.store.owners_with_amounts(after, PAGE).map_err(broken)
    }

    fn for_each(&self, work: &mut dyn FnMut(Owner, Amount)) -> Result<(), OwnersError> {
        let each = &mut |some: Vec<(Owner, Amount)>| {
            some.into_iter()
                .for_each(|(owner, amount)| work(owner, amount));
        };
        self.store.amounts(each).map_err(broken)
    }

    fn documents(&self, after: Option<&Owner>) -> Result<Vec<Document>, OwnersError> {
        let mut documents = Vec::new();
        let mut bytes = 0;
        for owner in self.store.owners(after, PAGE).map_err(broken)? {
            let document = self.read(owner).map_err(broken)?;
            let texts = document.owner_data.entries.iter();
            bytes += texts
                .map(|entry| entry.value.text.len() as u64)
                .sum::<u64>();
            documents.push(document);
            if bytes >= PAGE_BYTES {
                break;
            }
        }
        Ok(documents)
    }

    fn document(&self, owner: &Owner) -> Result<Document, OwnersError> {
        self.read_whole(owner).map_err(broken)
    }

    fn put(&self, sound: Sound, existing: Existing) -> Result<(), OwnersError> {
        self.put_all(vec![sound], existing)
    }

    /// They share syncs.
    fn put_all(&self, all: Vec<Sound>, existing: Existing) -> Result<(), OwnersError> {
        let (done, answers) = mpsc::channel();
        for sound in all {
            let done = done.clone();
            // Whoever asked may have gone at the first trouble.
            self.submit(sound, existing, move |result| drop(done.send(result)));
        }
        drop(done);
        // Each is answered, whatever becomes of the store.
        answers.into_iter().try_for_each(|answer| match answer {
            Ok(()) => Ok(()),
            Err(error @ (SetError::Failed | SetError::Full | SetError::Unreachable)) => {
                Err(broken(error))
            }
            Err(error) => Err(OwnersError::Refused(error.to_string())),
        })
    }

    fn remove(&self, owner: &Owner) -> Result<(), OwnersError> {
        let (done, answer) = mpsc::channel();
        self.store.remove(owner.clone(), move |result| {
            let _ = done.send(result);
        });
        if self.store.is_shared()
            && let Some(shown) = bookmarks::notes_of(owner)
        {
            self.store.put_note(shown, None, |_| {});
        }
        match answer.recv() {
            Ok(result) => result.map_err(broken),
            Err(_) => Err(OwnersError::Broken("the store was closed".into())),
        }
    }

    fn compact(&self) -> Result<Option<Compacted>, OwnersError> {
        let (done, answer) = mpsc::channel();
        self.store.compact(move |result| {
            let _ = done.send(result);
        });
        match answer.recv() {
            Ok(Err(CompactError::NothingToDo)) => Ok(None),
            Ok(result) => result.map(Some).map_err(broken),
            Err(_) => Err(OwnersError::Broken("the store was closed".into())),
        }
    }
}

fn broken(error: impl std::fmt::Display) -> OwnersError {
    OwnersError::Broken(error.to_string())
}

/// Every owner with all that they have, one after another; each as of one moment, which is not
/// before the call.
pub fn for_each_document<E: From<OwnersError>>(
    owners: &dyn Owners,
    mut work: impl FnMut(Document) -> Result<(), E>,
) -> Result<(), E> {
    let mut last = None;
    loop {
        let page = owners.documents(last.as_ref())?;
        let Some(document) = page.last() else {
            return Ok(());
        };
        last = Some(document.owner.clone());
        for document in page {
            work(document)?;
        }
    }
}
