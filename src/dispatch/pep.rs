//! What the store has come back with, and room bookmarks on their way through PEP.

use std::time::Instant;

use tokio::task::spawn_blocking;

use super::lane::{Stage, Ticket};
use super::reading::Found;
use super::{Dispatch, OpenSet, Outcome};
use crate::bookmarks::{self, Ask, Base, Effect, Legacy, SHORT};
use crate::link::Outbox;
use crate::panics;
use crate::store::{Owner, SetError, Store};

impl Dispatch {
    pub(super) fn written(
        &mut self,
        set: OpenSet,
        result: &Result<(), SetError>,
        now: Instant,
        outbox: &mut Outbox,
    ) {
        let OpenSet {
            owner,
            ticket,
            bookmarks,
        } = set;
        let Some((stored, beside)) = bookmarks.filter(|_| result.is_ok()) else {
            self.answer(ticket.answer.set(result), now, outbox);
            return self.close(&owner, Stage::Writing, ticket.size);
        };
        self.wait_for_pep(&owner, Stage::Writing);
        self.bookmarks.set(ask(owner, ticket), stored, beside);
        self.carry_out(outbox);
    }

    pub(super) fn found(&mut self, owner: Owner, found: Found, now: Instant, outbox: &mut Outbox) {
        match found {
            Found::Answer(answered, size) => {
                self.answer(answered, now, outbox);
                self.close(&owner, Stage::Reading, size);
            }
            Found::Bookmarks(ticket, found) => {
                self.wait_for_pep(&owner, Stage::Reading);
                self.bookmarks.get(ask(owner, ticket), found);
                self.carry_out(outbox);
            }
        }
    }

    /// Does what keeping bookmarks in step has come to.
    pub(super) fn carry_out(&mut self, outbox: &mut Outbox) {
        // What is done at once may come to more.
        loop {
            let effects = self.bookmarks.effects();
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                match effect {
                    Effect::Send(iq) => outbox.push_request(iq),
                    Effect::Answer(answered) => self.answer(answered, Instant::now(), outbox),
                    Effect::Close(owner, size) => self.close(&owner, Stage::InStep, size),
                    Effect::ReadNote(owner, number) => self.read_note(owner, number),
                    Effect::Note(owner, note) => self.put_note(owner, note),
                    Effect::Compare(it) if it.bytes() <= SHORT => {
                        self.bookmarks.compared(it.carry_out());
                    }
                    Effect::Compare(it) => {
                        self.jobs
                            .add(move || Outcome::Compared(Box::new(it.carry_out())));
                    }
                }
            }
        }
    }

    /// Reads a note, as gets are read: at once if there is nobody who would have to wait for that.
    fn read_note(&mut self, owner: Owner, number: u64) {
        // What cannot be read is as good as not noted: then nothing is taken away.
        let read = |store: &Store, owner: &Owner| Base::read(&store.note(owner).ok()??);
        if self.open == 1 {
            let note = read(&self.store, &owner);
            return self.bookmarks.note_is(owner, number, note, Instant::now());
        }
        let (store, back) = (self.store.clone(), self.done.clone());
        spawn_blocking(move || {
            let note = read(&store, &owner);
            let _ = back.send(Outcome::Note(owner, number, note));
        });
    }

    fn put_note(&self, owner: Owner, note: Option<String>) {
        let (about, back) = (owner.clone(), self.done.clone());
        // Where it fails, both sides are compared once more, and nothing is lost.
        self.store.put_note(owner, note, move |_| {
            let _ = back.send(Outcome::Noted(about));
        });
    }

    pub(super) fn look_after_bookmarks(&mut self, outbox: &mut Outbox) {
        self.bookmarks.look(Instant::now());
        self.carry_out(outbox);
    }
}

fn ask(owner: Owner, ticket: Ticket) -> Ask {
    Ask {
        owner,
        asker: ticket.asker.unwrap_or_default(),
        size: ticket.size,
        answer: ticket.answer,
    }
}

/// Bookmarks were stored that are not kept in step: what both sides had in common is less now. They
/// are read only if there is something of that.
pub(super) fn stored_alone(store: &Store, owner: Owner, stored: impl FnOnce() -> Legacy) {
    if let Ok(Some(note)) = store.note(&owner) {
        // Where that panics, nobody knows what is left.
        let left = panics::caught(|| bookmarks::left_of(&note, &stored())).flatten();
        store.put_note(owner, left, |_| {});
    }
}
