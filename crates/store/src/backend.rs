//! What a store is over: sled in a folder, or a database server.
//!
//! Everything above works with a [`Store`](super::Store) and does not know which.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use super::change::{ChangeSet, Existing, Owner};
use super::compact::Compacted;
use super::error::{CompactError, ReadError};
use super::observer::Observer;
use super::shared::{Done, Told};
use super::storage::{Elements, Query};
use super::totals::Totals;
use super::turn::Take;
use super::whole::{Amount, NamespaceUsage, OwnerData};
use xps_base::clock::Instant;

/// How many owners are listed at once where nobody says.
const PAGE: usize = 500;

/// What is to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    Set(ChangeSet, Existing),
    /// The note about an owner becomes this, or goes.
    Note(Owner, Option<String>),
    /// The same if the note is still `was`, and otherwise nothing: that is
    /// [`SetError::Outdated`](super::SetError::Outdated).
    NoteIf {
        owner: Owner,
        was: Option<String>,
        text: Option<String>,
    },
    /// Nothing shall be left of an owner (their note included), or of one namespace of theirs.
    Remove(Owner, Option<String>),
}

/// Something that is to be read for a request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub query: Arc<Query>,
    /// When the request asked for it.
    pub since: Instant,
}

/// Where owners' elements are kept.
///
/// Calls may block, except for those that say that they never do. A `done` that is dropped has been told that
/// the store failed, so whoever is asked something is always answered.
///
/// A note belongs to an owner, and is no part of what they have: it counts for no limit, nor in any sum, and an owner who
/// has nothing else is not listed. An empty one is none.
pub trait Backend: Debug + Send + Sync {
    /// Whether reading takes so little that whoever serves everybody may do it.
    fn is_quick(&self) -> bool;

    /// Whether others may write to it at the same time: other instances of the program.
    fn is_shared(&self) -> bool;

    /// Reads the first of these, at least one: as many as are read well at once. Whoever asks comes back for
    /// the others.
    ///
    /// Each sees every set that anybody was told of before it was asked, and each set wholly or not at all.
    fn find(&self, asked: &[Asked]) -> Vec<Result<Vec<Elements>, ReadError>>;

    /// The same for a backend that is not quick, and so has threads of its own: `found` is told there. Never blocks.
    fn find_later(&self, asked: Vec<Asked>, found: Told<Vec<Result<Vec<Elements>, ReadError>>>) {
        found.tell(self.find(&asked));
    }

    /// See [`Store::read`](super::Store::read).
    fn read(
        &self,
        owner: &Owner,
        namespace: &str,
        name: Option<&str>,
        out: &mut String,
    ) -> Result<u64, ReadError>;

    fn note(&self, owner: &Owner) -> Result<Option<String>, ReadError>;

    /// At most so many owners behind this one, or from the first on, in the order of their addresses as
    /// bytes, and how much each has.
    fn owners(&self, after: Option<&Owner>, most: usize)
    -> Result<Vec<(Owner, Amount)>, ReadError>;

    /// The same without the amounts, for a backend that has to count them.
    ///
    /// # Errors
    ///
    /// As [`Backend::owners`].
    fn addresses(&self, after: Option<&Owner>, most: usize) -> Result<Vec<Owner>, ReadError> {
        let owners = self.owners(after, most)?;
        Ok(owners.into_iter().map(|(owner, _)| owner).collect())
    }

    /// See [`Store::amounts`](super::Store::amounts).
    fn amounts(&self, each: &mut dyn FnMut(Vec<(Owner, Amount)>)) -> Result<(), ReadError> {
        let mut last = None;
        loop {
            let page = self.owners(last.as_ref(), PAGE)?;
            let Some((owner, _)) = page.last() else {
                return Ok(());
            };
            last = Some(owner.clone());
            each(page);
        }
    }

    fn owner_data(&self, owner: &Owner) -> Result<OwnerData, ReadError>;

    fn amount(&self, owner: &Owner) -> Result<Amount, ReadError>;

    /// In the order of the namespaces as bytes.
    fn namespace_usage(&self, owner: &Owner) -> Result<Vec<NamespaceUsage>, ReadError>;

    fn totals(&self, patience: Duration) -> Result<Totals, ReadError>;

    /// Never blocks. See [`Store::take_turn`](super::Store::take_turn); asked only of what is shared.
    fn take_turn(&self, _: &Owner, take: Take) {
        drop(take);
    }

    /// Never blocks. What is done to one owner takes effect in the order of these calls, and `done` is told once it is
    /// durable. Whoever waits has done so since that moment: a backend that can be out of reach begins nothing when they
    /// have been told to try again.
    fn submit(&self, work: Work, since: Instant, done: Done);

    /// Never blocks.
    fn compact(&self, done: Told<Result<Compacted, CompactError>>);

    fn failed(&self) -> bool;

    /// Never blocks.
    fn measure(&self, observer: Arc<dyn Observer>);

    /// Never blocks.
    fn count(&self);

    /// Never blocks. See [`Store::when_reached`](super::Store::when_reached).
    fn when_reached(&self, tell: Box<dyn FnOnce() + Send>);

    fn when_lost(&self, callback: Box<dyn FnOnce() + Send>);

    /// Waits for what was submitted. What comes afterwards is refused.
    fn close(&self);
}
