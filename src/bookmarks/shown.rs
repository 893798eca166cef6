//! What clients have been shown, and where that is kept: in memory; from an orderly end to the next start in a
//! note; and in a store that other instances use too, in a note for each owner all the time, so that whichever
//! takes over knows it.
//!
//! In a shared store it is noted before a client is shown rooms, as it may act on them at once. So it may happen that
//! rooms are noted that the client never came to see, because the instance or its link ended just then. Another
//! instance believes it only once that answer is known to have got through: [`delivery`](super::delivery).

use std::cell::RefCell;
use std::rc::Rc;

use tokio::task::spawn_local;

use super::baseline::Baseline;
use super::delivery::{Delivery, Due, Mark};
use super::views::{self, LastView, Views};
use crate::clock::Instant;
use crate::store::{Owner, SetError, Storage};

/// How often a note is read again because another instance has noted something about the same owner's clients.
const TRIES: usize = 10;

#[derive(Debug)]
pub struct Shown {
    views: RefCell<Views>,
    /// In a shared store: which answers have got through.
    delivery: Rc<RefCell<Delivery>>,
    storage: Storage,
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

    /// A client is shown this now, by the answer to the request of this number. It [was noted](Self::will_be), or was
    /// not.
    pub fn now(&self, client: &str, view: LastView, number: u64, due: Option<Due>) {
        let mark = match due {
            Some(due) => Some(due.give()),
            None if self.storage.is_shared() => Some(self.delivery.borrow_mut().give()),
            None => None,
        };
        let view = LastView { mark, ..view };
        self.views.borrow_mut().put(client, view, number);
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

    /// Nothing will come any more: what clients were shown before this moment is noted, under this name.
    pub fn end(&self, notes: &Owner, before: Option<Instant>) {
        if self.storage.is_shared() {
            return self.confirmed(before);
        }
        let memory = self.views.borrow().write(before);
        drop(self.storage.put_note(notes, memory));
    }

    /// The server has read all answers, or those before this moment.
    pub fn confirmed(&self, before: Option<Instant>) {
        let through = self.delivery.borrow_mut().confirm(before);
        if let Some(Mark { run, number }) = through.filter(|_| self.storage.is_shared())
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

    /// The server has let us in: in between, other instances may have shown clients other things.
    pub fn logged_in(&self) {
        if self.storage.is_shared() {
            self.views.borrow_mut().clear();
        }
    }

    /// Looks up what a client of this owner's was shown by another instance, if it is not known here.
    pub async fn recall(&self, owner: &Owner, client: &str) {
        if !self.storage.is_shared() || self.views.borrow().of(client).is_some() {
            return;
        }
        let Some(notes) = notes_of(owner) else { return };
        let Ok(Some(text)) = self.storage.note(&notes).await else {
            return;
        };
        if let Some(view) = views::read_of(client, &text)
            && self.has_got_through(view.mark).await
        {
            let view = LastView { mark: None, ..view };
            self.views.borrow_mut().put(client, view, 0);
        }
    }

    /// Whether the answer of this mark, of whichever instance, is known to have got to the server.
    async fn has_got_through(&self, mark: Option<Mark>) -> bool {
        let Some(mark) = mark else { return true };
        let known = self.delivery.borrow().knows(mark);
        if let Some(known) = known {
            return known;
        }
        let Some(note) = note_of(mark.run) else {
            return false;
        };
        let text = self.storage.note(&note).await;
        let through = text.ok().flatten().and_then(|text| text.parse().ok());
        through.is_some_and(|through: u64| mark.number <= through)
    }

    /// A client of this owner's is about to be shown this, which is to be said [then](Self::now).
    pub async fn will_be(
        &self,
        owner: &Owner,
        client: &str,
        rooms: &Baseline,
        in_step: bool,
    ) -> Option<Due> {
        if !self.storage.is_shared() {
            return None;
        }
        let due = Due::new(&self.delivery);
        let line = views::line(client, rooms, in_step, Some(due.mark));
        save(&self.storage, owner, client, Some(line)).await;
        Some(due)
    }

    /// Notes what is known of what this client was shown. Whether that is noted now.
    pub async fn save(&self, owner: &Owner, client: &str) -> bool {
        if !self.storage.is_shared() {
            return true;
        }
        let line = self.views.borrow().line(client);
        save(&self.storage, owner, client, line).await
    }

    /// The same, and nobody waits for it.
    pub fn save_later(self: &Rc<Self>, owner: &Owner, client: &str) {
        self.save_instead(owner, client, None);
    }

    /// The same in place of what the client [was to be](Self::will_be) shown, and was not.
    pub fn save_instead(self: &Rc<Self>, owner: &Owner, client: &str, due: Option<Due>) {
        if !self.storage.is_shared() {
            return;
        }
        let shown = Rc::clone(self);
        let (owner, client) = (owner.clone(), client.to_owned());
        drop(spawn_local(async move {
            let is_saved = shown.save(&owner, &client).await;
            if let Some(due) = due.filter(|_| is_saved) {
                due.take_back();
            }
        }));
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

/// Puts the line of a client into the note about its owner's. Whether it is there now.
async fn save(storage: &Storage, owner: &Owner, client: &str, line: Option<String>) -> bool {
    let Some(notes) = notes_of(owner) else {
        return false;
    };
    for _ in 0..TRIES {
        // Where that fails, nobody comes to know what the client was shown, or only what it was before.
        let Ok(was) = storage.note(&notes).await else {
            return false;
        };
        let text = was.as_deref().unwrap_or_default();
        let Some(now) = views::with_line(text, client, line.as_deref()) else {
            return true;
        };
        let now = Some(now).filter(|text| !text.is_empty());
        match storage.put_note_if(&notes, was, now).await {
            Err(SetError::Outdated) => {}
            put => return put.is_ok(),
        }
    }
    false
}
