//! What comes of a stanza, and what becomes of a request until it is answered.

use std::sync::Arc;

use super::announcement::Announcement;
use super::answer::{Answer, Answered};
use super::commands::Look;
use super::get::{BOOKMARKS, Get};
use super::privilege::Grant;
use crate::store::{Change, ChangeSet, Owner};

/// What is to be done with a stanza.
#[derive(Debug)]
pub enum Plan {
    /// Nothing: it asks for no answer, or cannot be answered.
    Nothing,
    Reply(Answered),
    /// The store is asked first.
    Store(Request),
    /// A host asks what it is to announce for us.
    Announce(Announcement),
    /// Somebody has answered an IQ of ours.
    Answered {
        /// The id that we gave it.
        id: String,
        /// Who answered, as received.
        from: String,
    },
    /// A domain, served or not, says that it delegates private storage to us.
    Delegated {
        /// The domain, normalised.
        domain: String,
    },
    /// A domain, served or not, says what it lets us do with its users' PEP nodes.
    Granted {
        /// The domain, normalised.
        domain: String,
        grant: Grant,
    },
}

/// A valid request for the store.
#[derive(Debug)]
pub struct Request {
    /// Whose data it is about. Requests of one owner take effect in the order they came.
    pub owner: Owner,
    /// The full address of who asks, as received, where it is about room bookmarks.
    pub asker: Option<String>,
    /// What it costs to hold it, in bytes.
    pub size: usize,
    /// What is to be done.
    pub action: Action,
    pub answer: Arc<Answer>,
}

/// What is to be done with what an owner has.
#[derive(Debug)]
pub enum Action {
    /// To show some of it.
    Get(Get),
    /// To show it as a command does.
    Look(Look),
    /// To store or delete, all of these or nothing.
    Set(ChangeSet),
    /// To delete what is in this namespace; in all of them where none is named.
    Remove(Option<String>),
    /// To delete all: the account is gone.
    Forget,
}

impl Action {
    /// Whether room bookmarks are among what is fetched or stored.
    pub fn is_about_bookmarks(&self) -> bool {
        match self {
            Self::Get(get) => get.is_about_bookmarks(),
            Self::Set(set) => set.changes.iter().any(is_of_bookmarks),
            Self::Look(_) | Self::Remove(_) | Self::Forget => false,
        }
    }

    /// Whether what the owner has may be another afterwards.
    pub fn is_change(&self) -> bool {
        match self {
            Self::Get(_) | Self::Look(_) => false,
            Self::Set(_) | Self::Remove(_) | Self::Forget => true,
        }
    }
}

/// The room bookmarks that a set stores, as text: empty if it deletes them. `None` if it leaves them alone.
pub fn bookmarks_in(set: &ChangeSet) -> Option<String> {
    let change = set.changes.iter().find(|it| is_of_bookmarks(it))?;
    let value = change.value.as_ref();
    Some(value.map_or_else(String::new, |value| value.text.clone()))
}

fn is_of_bookmarks(change: &Change) -> bool {
    (&*change.namespace, &*change.name) == BOOKMARKS
}
