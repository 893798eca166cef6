//! A request about room bookmarks.

use std::cell::{Cell, RefCell};

use super::baseline::Baseline;
use super::delivery::Due;
use super::legacy::Legacy;
use super::queue::Place;
use super::shown::Whose;
use super::views::LastView;
use crate::replies::Pending;
use crate::service::Found;
use crate::store::{Owner, Turn};

pub struct Request {
    pub owner: Owner,
    pub asker: String,
    /// Those that came later have higher ones.
    pub number: u64,
    pub reply: RefCell<Pending>,
    /// Its owner's turn among all instances, which began before anything was read or stored for it; `None` where that
    /// was not to be had.
    pub turn: Option<Turn>,
    pub content: Content,
    /// Whether its turn has come.
    pub has_begun: Cell<bool>,
}

/// What a request is about.
pub enum Content {
    /// They are read: this was found in the store.
    Get(Found),
    /// They were stored, durably.
    Set {
        /// This; none once it is being brought into step.
        stored: Cell<Option<Legacy>>,
        rooms: Baseline,
        /// What the client had been shown when it stored them. It may be shown other things before
        /// their turn comes.
        shown: Option<LastView>,
        /// That it is told so, until it is.
        due: Cell<Option<Due>>,
    },
}

impl Request {
    /// Whose it is, for what is noted of that.
    pub fn whose<'a>(&'a self, place: &'a Place<'_>) -> Whose<'a> {
        Whose {
            owner: &self.owner,
            client: &self.asker,
            is_gone: place.is_gone(),
        }
    }

    pub fn is_set(&self) -> bool {
        matches!(self.content, Content::Set { .. })
    }

    pub fn is_answered(&self) -> bool {
        self.reply.borrow().is_sent()
    }

    /// Says that what was to be stored is, if that is not said. Whether it was not.
    pub fn reply_done(&self) -> bool {
        let Content::Set { due, .. } = &self.content else {
            return false;
        };
        let is_sent = self.reply.borrow_mut().send(|answer| answer.set(&Ok(())));
        if is_sent {
            due.take().map(Due::give);
        }
        is_sent
    }
}

impl Content {
    /// Bytes that are held beside what the request itself costs.
    pub fn held(&self) -> usize {
        match self {
            Self::Get(found) => found.bytes(),
            Self::Set { .. } => 0,
        }
    }
}
