//! What clients have been shown, and where that is kept: in memory; from an orderly end to the next start in a
//! note; and in a store that other instances use too, in a note for each owner all the time, so that whichever
//! takes over knows it.
//!
//! In a shared store it is noted before a client is shown rooms, as it may act on them at once. So it may happen that
//! rooms are noted that the client never came to see, because the instance or its link ended just then. Another
//! instance, or the next run, believes it only where that answer is known to have got through:
//! [`delivery`](super::delivery).

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::baseline::Baseline;
use super::delivery::{Delivery, Due, Mark};
use super::views::{self, LastView, Views};
use crate::clock::Instant;
use crate::store::{Owner, ReadError, SetError, Storage, unless_damaged};

/// How often a note is read again because another instance has noted something about the same owner's clients.
const TRIES: usize = 10;

#[derive(Debug)]
pub struct Shown {
    views: RefCell<Views>,
    /// Which answers have got through.
    delivery: Rc<RefCell<Delivery>>,
    storage: Storage,
}

/// A client of an owner's, of whom something is to be noted.
#[derive(Debug, Clone, Copy)]
pub struct Whose<'a> {
    pub owner: &'a Owner,
    pub client: &'a str,
    /// Whether all that the owner has is being removed: then nothing is noted any more.
    pub is_gone: &'a Cell<bool>,
}

impl Shown {
    /// Nobody has been shown anything yet.
    pub fn new(storage: Storage) -> Self {
        Self {
            views: RefCell::default(),
            delivery: Rc::new(RefCell::new(Delivery::new())),
            storage,
        }
    }

    pub fn views(&self) -> &RefCell<Views> {
        &self.views
    }

    /// What a client was shown, as far as that is known.
    pub fn of(&self, client: &str) -> Option<LastView> {
        self.views.borrow().of(client).cloned()
    }

    /// A client is shown this now, by the answer to the request of this number. Whether that is the last that it knows.
    pub fn now(&self, client: &str, view: LastView, number: u64, due: Due) -> bool {
        let mark = Some(due.give());
        let mut views = self.views.borrow_mut();
        views.put(client, LastView { mark, ..view }, number)
    }

    /// A client has stored this by the request of this number. It is to be said when it is [told](Due::give): one that
    /// never hears of it may go on from what it had before.
    pub fn has_stored(&self, client: &str, rooms: Baseline, number: u64) -> Due {
        let due = self.due();
        let mark = Some(due.mark);
        let view = LastView::new(rooms);
        let mut views = self.views.borrow_mut();
        views.put(client, LastView { mark, ..view }, number);
        due
    }

    /// Goes on from what was noted at the [end](Self::end) of the last run, under this name. After a crash that must not
    /// be found: clients have been shown other things since.
    pub async fn begin(&self, notes: &Owner) {
        if self.storage.is_shared() {
            return;
        }
        if let Ok(Some(memory)) = self.storage.note(notes).await {
            self.views.borrow_mut().read(&memory);
        }
        drop(self.storage.put_note(notes, None));
    }

    /// Nothing will come any more: what clients know that were answered before this moment is noted, under this name.
    pub fn end(&self, notes: &Owner, before: Option<Instant>) {
        self.confirmed(before);
        if self.storage.is_shared() {
            return;
        }
        let delivery = self.delivery.borrow();
        let has_got_through = |mark| delivery.knows(mark) == Some(true);
        let memory = self.views.borrow().write(has_got_through);
        drop(self.storage.put_note(notes, memory));
    }

    /// The server has read all answers, or those before this moment.
    pub fn confirmed(&self, before: Option<Instant>) {
        let through = self.delivery.borrow_mut().confirm(before);
        if let Some(Mark { run, number }) = through
            && self.storage.is_shared()
            && let Some(note) = note_of(run)
        {
            drop(self.storage.put_note(&note, Some(number.to_string())));
        }
    }

    /// Answers were lost, and nobody knows whose: nothing is known any more of what clients were shown.
    pub fn was_lost(&self) {
        self.views.borrow_mut().clear();
        self.delivery.borrow_mut().renew();
    }

    /// Looks up what a client of this owner's was shown last, if another instance has shown it.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn recall(&self, owner: &Owner, client: &str) -> Result<(), ReadError> {
        if !self.storage.is_shared() {
            return Ok(());
        }
        let Some(notes) = notes_of(owner) else {
            return Ok(());
        };
        let text = unless_damaged(self.storage.note(&notes).await)?;
        let noted = text.and_then(|text| views::read_of(client, &text));
        let mark = noted.as_ref().and_then(|view| view.mark);
        let is_ours = mark.is_some_and(|mark| self.delivery.borrow().is_ours(mark));
        if is_ours && self.views.borrow().of(client).is_some() {
            return Ok(());
        }
        let is_known = match mark {
            Some(mark) => self.has_got_through(mark).await?,
            None => false,
        };
        let mut views = self.views.borrow_mut();
        views.forget(client);
        if let Some(view) = noted.filter(|_| is_known) {
            views.put(client, view, 0);
        }
        Ok(())
    }

    /// Whether the answer of this mark, of whichever instance, is known to have got to the server.
    async fn has_got_through(&self, mark: Mark) -> Result<bool, ReadError> {
        let known = self.delivery.borrow().knows(mark);
        if let Some(known) = known {
            return Ok(known);
        }
        let Some(note) = note_of(mark.run) else {
            return Ok(false);
        };
        let text = unless_damaged(self.storage.note(&note).await)?;
        let through = text.and_then(|text| text.parse().ok());
        Ok(through.is_some_and(|through: u64| mark.number <= through))
    }

    /// A client of this owner's is about to be shown this. That is to be said
    /// [then](Self::now), or else [taken back](Self::take_back).
    ///
    /// # Errors
    ///
    /// As [`save`](Self::save). Then the client must not be shown it.
    pub async fn will_be(&self, whose: Whose<'_>, view: &LastView) -> Result<Due, SetError> {
        let due = self.due();
        if self.storage.is_shared() {
            let line = views::line(whose.client, &view.rooms, Some(due.mark));
            self.put(whose, Some(line)).await?;
        }
        Ok(due)
    }

    fn due(&self) -> Due {
        Due::new(&self.delivery)
    }

    /// A client was not shown what it [was to be](Self::will_be).
    pub async fn take_back(&self, whose: Whose<'_>, due: Due) {
        if self.save(whose).await.is_ok() {
            due.take_back();
        }
    }

    /// Notes what is known of what this client was shown.
    ///
    /// # Errors
    ///
    /// When the store is out of reach. Where it takes nothing any more, clients are served all the same.
    pub async fn save(&self, whose: Whose<'_>) -> Result<(), SetError> {
        if !self.storage.is_shared() {
            return Ok(());
        }
        let line = self.views.borrow().line(whose.client);
        self.put(whose, line).await
    }

    /// Puts the line of a client into the note about its owner's.
    async fn put(&self, whose: Whose<'_>, line: Option<String>) -> Result<(), SetError> {
        let Whose {
            owner,
            client,
            is_gone,
        } = whose;
        let Some(notes) = notes_of(owner) else {
            return Ok(());
        };
        for _ in 0..TRIES {
            let was = self.storage.note(&notes).await;
            // What was read may have been removed since, and what is noted then nobody removes.
            if is_gone.get() {
                return Ok(());
            }
            let was = match unless_damaged(was) {
                Err(ReadError::Unreachable) => return Err(SetError::Unreachable),
                was => was.unwrap_or_default(),
            };
            let text = was.as_deref().unwrap_or_default();
            let Some(now) = views::with_line(text, client, line.as_deref()) else {
                return Ok(());
            };
            let now = Some(now).filter(|text| !text.is_empty());
            match self.storage.put_note_if(&notes, was, now).await {
                Err(SetError::Outdated) => {}
                Err(SetError::Unreachable) => return Err(SetError::Unreachable),
                Ok(()) | Err(_) => return Ok(()),
            }
        }
        // Others were always quicker.
        Err(SetError::Unreachable)
    }

    /// Nothing is to be left of this owner.
    pub fn remove(&self, owner: &Owner) {
        if self.storage.is_shared()
            && let Some(notes) = notes_of(owner)
        {
            drop(self.storage.put_note(&notes, None));
        }
    }
}

/// Under whose name it is noted in a shared store what this owner's clients were shown: nobody's who has anything, as no
/// address begins like this. `None` if there is no such name.
pub fn notes_of(owner: &Owner) -> Option<Owner> {
    Owner::new(&format!("/{}", owner.as_str()))
}

/// Under whose name it is noted there up to which answer those of this run have got through: nobody's, either. It is a
/// few bytes for each run in which any have.
fn note_of(run: u64) -> Option<Owner> {
    Owner::new(&format!("//shown/{run:x}"))
}
