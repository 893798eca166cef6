//! A request about room bookmarks, and how it is answered: once, and it is remembered what the client was
//! shown.

use std::cell::{Cell, RefCell};

use super::baseline::Baseline;
use super::legacy::Legacy;
use super::steps::View;
use super::views::{LastView, Views};
use crate::metrics;
use crate::replies::Pending;
use crate::service::Found;
use crate::store::Owner;
use crate::threads::SHORT;

pub struct Request {
    pub owner: Owner,
    pub asker: String,
    /// Those that came later have higher ones.
    pub number: u64,
    pub reply: RefCell<Pending>,
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
        stored: RefCell<Option<Legacy>>,
        rooms: Baseline,
        /// What the client had been shown when it stored them. It may be shown other things before
        /// their turn comes.
        shown: Option<LastView>,
    },
}

impl Request {
    pub fn is_set(&self) -> bool {
        matches!(self.content, Content::Set { .. })
    }

    /// Answers a get with this, or from the store where that is too long.
    pub fn show(&self, views: &RefCell<Views>, metrics: &metrics::Pep, view: View) {
        let Content::Get(found) = &self.content else {
            return;
        };
        let mut fits = true;
        let is_sent = self.reply.borrow_mut().send(|answer| {
            let answered = answer.bookmarks(found, view.text.as_deref());
            fits = answered.is_some();
            answered.unwrap_or_else(|| answer.found(found))
        });
        match (is_sent, fits) {
            (false, _) => {}
            (true, true) => {
                let mut views = views.borrow_mut();
                views.put(&self.asker, view.rooms, self.number);
            }
            (true, false) => self.is_shown_from_store(views, metrics, found),
        }
    }

    /// Both sides are in step.
    pub fn reply_in_step(&self, views: &RefCell<Views>) {
        let mut views = views.borrow_mut();
        views.is_in_step(&self.asker, self.number);
        if self.is_set() {
            let mut reply = self.reply.borrow_mut();
            reply.send(|answer| answer.set(&Ok(())));
        }
    }

    /// Answers from the store, unless it is answered.
    pub fn reply_from_store(&self, views: &RefCell<Views>, metrics: &metrics::Pep) {
        let mut reply = self.reply.borrow_mut();
        match &self.content {
            Content::Get(found) => {
                if reply.send(|answer| answer.found(found)) {
                    self.is_shown_from_store(views, metrics, found);
                }
            }
            Content::Set { .. } => {
                if reply.send(|answer| answer.set(&Ok(()))) {
                    metrics.did_without();
                }
            }
        }
    }

    /// The client was shown what the store alone has.
    fn is_shown_from_store(&self, views: &RefCell<Views>, metrics: &metrics::Pep, found: &Found) {
        metrics.did_without();
        let mut views = views.borrow_mut();
        // Where it takes long to see what the client is shown, nobody knows.
        match found.shown() {
            shown if shown.len() <= SHORT => {
                let rooms = Legacy::read(shown).base();
                views.put(&self.asker, rooms, self.number);
            }
            _ => views.forget(&self.asker),
        }
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
