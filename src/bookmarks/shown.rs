//! What clients have been shown, and where that is kept: in memory; from an orderly end to the next start in a
//! note; and in a store that other instances use too, in a note for each owner all the time, so that whichever
//! takes over knows it.
//!
//! In a shared store it is noted before a client is shown rooms, as it may act on them at once. So it may happen that
//! rooms are noted that the client never came to see, because the instance or its link ended just then:
//! [`LastView::counts_for`] is for that.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::task::spawn_local;

use super::baseline::Baseline;
use super::views::{self, LastView, Views};
use crate::clock::Instant;
use crate::store::{Owner, SetError, Storage};

/// How often a note is read again because another instance has noted something about the same owner's clients.
const TRIES: usize = 10;

#[derive(Debug)]
pub struct Shown {
    views: RefCell<Views>,
    storage: Storage,
}

impl Shown {
    /// Nobody has been shown anything yet.
    pub fn new(storage: Storage) -> Self {
        Self {
            views: RefCell::default(),
            storage,
        }
    }

    pub fn views(&self) -> &RefCell<Views> {
        &self.views
    }

    /// What a client was shown that stores these, as far as that is known.
    pub fn of(&self, client: &str, stored: &Baseline) -> Option<LastView> {
        let views = self.views.borrow();
        let view = views.of(client)?;
        view.counts_for(stored).then(|| view.clone())
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
        if !self.storage.is_shared() {
            let memory = self.views.borrow().write(before);
            drop(self.storage.put_note(notes, memory));
        }
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
        if let Ok(Some(text)) = self.storage.note(&notes).await {
            self.views.borrow_mut().read_of(client, &text);
        }
    }

    /// A client of this owner's is about to be shown this.
    pub async fn will_be(&self, owner: &Owner, client: &str, rooms: &Baseline, in_step: bool) {
        if self.storage.is_shared() {
            let line = views::line(client, rooms, in_step);
            save(&self.storage, owner, client, Some(line)).await;
        }
    }

    /// Notes what is known of what this client was shown.
    pub async fn save(&self, owner: &Owner, client: &str) {
        if self.storage.is_shared() {
            let line = self.views.borrow().line(client);
            save(&self.storage, owner, client, line).await;
        }
    }

    /// The same, and nobody waits for it.
    pub fn save_later(self: &Rc<Self>, owner: &Owner, client: &str) {
        if self.storage.is_shared() {
            let shown = Rc::clone(self);
            let (owner, client) = (owner.clone(), client.to_owned());
            drop(spawn_local(async move {
                shown.save(&owner, &client).await;
            }));
        }
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

/// Puts the line of a client into the note about its owner's.
async fn save(storage: &Storage, owner: &Owner, client: &str, line: Option<String>) {
    let Some(notes) = notes_of(owner) else { return };
    for _ in 0..TRIES {
        // Where that fails, nobody comes to know what the client was shown, or only what it was before.
        let Ok(was) = storage.note(&notes).await else {
            return;
        };
        let text = was.as_deref().unwrap_or_default();
        let Some(now) = views::with_line(text, client, line.as_deref()) else {
            return;
        };
        let now = Some(now).filter(|text| !text.is_empty());
        match storage.put_note_if(&notes, was, now).await {
            Err(SetError::Outdated) => {}
            _ => return,
        }
    }
}
