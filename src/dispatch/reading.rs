//! Gets, read from the store a batch at a time.

use std::collections::VecDeque;

use super::Outcome;
use super::lane::{Get, Ticket};
use crate::bookmarks;
use crate::panics;
use crate::service::{Answered, Bookmarks};
use crate::store::{Owner, Store};

/// A batch stops early when its replies have this many bytes.
const BATCH_BYTES: usize = 1024 * 1024;

/// The gets of one owner that have their turn, in order.
#[derive(Debug)]
pub struct Turn {
    /// The owner.
    pub owner: Owner,
    /// The gets.
    pub gets: VecDeque<Get>,
}

/// What comes of a get.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "most gets are answered at once, and it is moved once"
)]
pub enum Found {
    /// Its answer; and its size.
    Answer(Answered, usize),
    /// Bookmarks as they are stored, which are to be brought into step first.
    Bookmarks(Ticket, Bookmarks),
}

impl Turn {
    /// Whether it is over so soon that others can wait for it.
    pub fn is_short(&self) -> bool {
        self.gets.iter().all(|get| get.fetch.is_short())
    }
}

/// Reads. This may wait for the disk.
pub fn read(mut batch: Vec<Turn>, store: &Store) -> Outcome {
    let mut done = Vec::new();
    let mut bytes = 0;
    for turn in &mut batch {
        while bytes < BATCH_BYTES
            && let Some(get) = turn.gets.pop_front()
        {
            let found = carry_out(&turn.owner, get, store);
            bytes += match &found {
                Found::Answer(answered, _) => answered.reply.len(),
                Found::Bookmarks(_, found) => found.bytes(),
            };
            done.push((turn.owner.clone(), found));
        }
    }
    batch.retain(|turn| !turn.gets.is_empty());
    Outcome::Gets { done, left: batch }
}

fn carry_out(owner: &Owner, Get { fetch, ticket }: Get, store: &Store) -> Found {
    let answer = &ticket.answer;
    let work = || {
        if !fetch.is_about_bookmarks() {
            return Err(fetch.carry_out(store, answer));
        }
        let mut found = fetch.bookmarks(store, answer)?;
        // Wherever the store answers alone, no room comes back that is known to be gone.
        let note = store.note(owner).ok().flatten();
        if let Some(left) = note.and_then(|note| bookmarks::without_gone(&note, found.stored())) {
            found.leave(left.text);
        }
        match ticket.asker {
            Some(_) => Ok(found),
            None => Err(answer
                .bookmarks(&found, None)
                .unwrap_or_else(|| answer.broken())),
        }
    };
    // A panic would take the whole batch with it, and all its answers.
    match panics::caught(work).unwrap_or_else(|| Err(answer.broken())) {
        Ok(found) => Found::Bookmarks(ticket, found),
        Err(answered) => Found::Answer(answered, ticket.size),
    }
}
