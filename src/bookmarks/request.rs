//! A request about room bookmarks, and how it is answered: once, and it is remembered what the client was
//! shown.

use std::cell::{Cell, RefCell};

use super::baseline::Baseline;
use super::delivery::Due;
use super::legacy::{EMPTY, Legacy};
use super::shown::Shown;
use super::steps::View;
use super::views::LastView;
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

    pub fn is_answered(&self) -> bool {
        self.reply.borrow().is_sent()
    }

    /// Answers a get with this, or from the store where that is too long. Whether it is this that is shown; then what
    /// is due is given.
    pub fn show(
        &self,
        shown: &Shown,
        metrics: &metrics::Pep,
        view: View,
        in_step: bool,
        due: &mut Option<Due>,
    ) -> bool {
        let Content::Get(found) = &self.content else {
            return false;
        };
        // What was found may have been deleted by another instance since.
        let is_deleted = view.text.is_none() && !found.stored().is_empty();
        let text = view.text.or_else(|| is_deleted.then(|| EMPTY.to_owned()));
        let mut fits = true;
        let is_sent = self.reply.borrow_mut().send(|answer| {
            let answered = answer.bookmarks(found, text.as_deref());
            fits = answered.is_some();
            answered.unwrap_or_else(|| answer.found(found))
        });
        match (is_sent, fits) {
            (false, _) => {}
            (true, true) => {
                let view = LastView::new(view.rooms, in_step);
                shown.now(&self.asker, view, self.number, due.take());
            }
            (true, false) => self.is_shown_from_store(shown, metrics, found),
        }
        is_sent && fits
    }

    /// Both sides are in step: whether that is new of what the client was shown.
    pub fn is_in_step(&self, shown: &Shown) -> bool {
        let mut views = shown.views().borrow_mut();
        views.is_in_step(&self.asker, self.number)
    }

    /// Says that what was to be stored is, if that is not said.
    pub fn reply_done(&self) {
        if self.is_set() {
            let mut reply = self.reply.borrow_mut();
            reply.send(|answer| answer.set(&Ok(())));
        }
    }

    /// Answers from the store, unless it is answered. Whether it was not.
    pub fn reply_from_store(&self, shown: &Shown, metrics: &metrics::Pep) -> bool {
        let mut reply = self.reply.borrow_mut();
        match &self.content {
            Content::Get(found) => {
                let is_sent = reply.send(|answer| answer.found(found));
                if is_sent {
                    self.is_shown_from_store(shown, metrics, found);
                }
                is_sent
            }
            Content::Set { .. } => {
                let is_sent = reply.send(|answer| answer.set(&Ok(())));
                if is_sent {
                    metrics.did_without();
                }
                is_sent
            }
        }
    }

    /// The client was shown what the store alone has.
    fn is_shown_from_store(&self, shown: &Shown, metrics: &metrics::Pep, found: &Found) {
        metrics.did_without();
        // Where it takes long to see what the client is shown, nobody knows.
        match found.shown() {
            text if text.len() <= SHORT => {
                let view = LastView::new(Legacy::read(text).base(), false);
                shown.now(&self.asker, view, self.number, None);
            }
            _ => shown.views().borrow_mut().forget(&self.asker),
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
