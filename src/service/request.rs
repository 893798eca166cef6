//! What comes of a stanza, and what becomes of a request until it is answered.

use super::announcement::Announcement;
use super::answer::Answer;
use super::answer::Answered;
use super::commands::Look;
use super::private::{self, Bookmarks, Get};
use super::privilege::Grant;
use crate::stanza::StanzaError;
use crate::store::{ChangeSet, Owner, Storage};

/// What is to be done with a stanza.
#[derive(Debug)]
pub enum Plan {
    /// Nothing: it asks for no answer, or cannot be answered.
    Nothing,
    /// This is the answer.
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
        /// What it grants.
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
    pub work: Work,
    /// How to answer it.
    pub answer: Answer,
}

/// What a request wants of the store.
#[derive(Debug)]
pub enum Work {
    /// To read.
    Get(Fetch),
    /// To change it.
    Write(Write),
}

/// A change that a request wants.
#[derive(Debug)]
pub enum Write {
    /// These.
    Set(ChangeSet),
    /// To delete all that the owner has in this namespace; in all of them where none is named.
    Remove(Option<String>),
    /// To delete all that the owner has: the account is gone.
    Forget,
}

/// What is to be read.
#[derive(Debug)]
pub struct Fetch(pub(super) Asked);

/// What asks for it.
#[derive(Debug)]
pub(super) enum Asked {
    /// A query for private storage.
    Query(Get),
    /// A command.
    Command(Look),
}

impl Fetch {
    /// The payload of the answer.
    pub async fn carry_out(&self, storage: &Storage) -> Result<String, StanzaError> {
        match &self.0 {
            Asked::Query(get) => private::fetch(get, storage).await,
            Asked::Command(look) => look.carry_out(storage).await,
        }
    }

    /// The same, where it asks for room bookmarks: they are not the answer yet. `None` if they are not
    /// in it.
    pub async fn bookmarks(&self, storage: &Storage) -> Result<Option<Bookmarks>, StanzaError> {
        match &self.0 {
            Asked::Query(get) if get.is_about_bookmarks() => {
                private::fetch_bookmarks(get, storage).await
            }
            Asked::Query(_) | Asked::Command(_) => Ok(None),
        }
    }
}
