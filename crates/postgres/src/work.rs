//! What is to be done for an owner, and who waits for it.

use std::cell::Cell;

use xps_base::clock::Instant;
use xps_store::{Done, Owner, SetError, Work};

/// Something to be done, until whoever waits for it was told.
pub(crate) struct Item {
    pub(crate) work: Work,
    /// `None` once they were told.
    done: Cell<Option<Done>>,
    /// When they are told in any case.
    pub(crate) deadline: Instant,
    /// The text in it.
    pub(crate) bytes: usize,
}

impl Item {
    pub(crate) fn new(work: Work, done: Done, deadline: Instant) -> Self {
        Self {
            bytes: bytes(&work),
            work,
            done: Cell::new(Some(done)),
            deadline,
        }
    }

    /// Tells whoever waits, if nobody has yet.
    pub(crate) fn tell(&self, result: Result<(), SetError>) {
        if let Some(done) = self.done.take() {
            done.tell(result);
        }
    }

    pub(crate) fn is_awaited(&self) -> bool {
        let done = self.done.take();
        let is_awaited = done.is_some();
        self.done.set(done);
        is_awaited
    }

    pub(crate) fn expire(&self, now: Instant) {
        if self.deadline <= now {
            self.tell(Err(SetError::Unreachable));
        }
    }
}

/// What is done together for one owner, in this order.
pub(crate) struct Job {
    pub(crate) owner: Owner,
    pub(crate) items: Vec<Item>,
}

impl Job {
    /// Whether anybody still waits for any of it.
    pub(crate) fn is_awaited(&self) -> bool {
        self.items.iter().any(Item::is_awaited)
    }

    /// Tells all who wait the same.
    pub(crate) fn tell(&self, result: &Result<(), SetError>) {
        for item in &self.items {
            item.tell(result.clone());
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.items.iter().map(|item| item.bytes).sum()
    }
}

pub(crate) fn owner(work: &Work) -> &Owner {
    match work {
        Work::Set(set, _) => &set.owner,
        Work::Note(owner, _) | Work::NoteIf { owner, .. } | Work::Remove(owner, _) => owner,
    }
}

/// Whether it touches the owner's note.
pub(crate) fn notes(work: &Work) -> bool {
    match work {
        Work::Note(..) | Work::NoteIf { .. } | Work::Remove(_, None) => true,
        Work::Set(..) | Work::Remove(_, Some(_)) => false,
    }
}

fn bytes(work: &Work) -> usize {
    match work {
        Work::Set(set, _) => {
            let values = set.changes.iter().filter_map(|it| it.value.as_ref());
            values.map(|value| value.text.len()).sum()
        }
        Work::Note(_, text) => text.as_ref().map_or(0, String::len),
        Work::NoteIf { was, text, .. } => [was, text].into_iter().flatten().map(String::len).sum(),
        Work::Remove(..) => 0,
    }
}
