//! Room bookmarks, kept in step with PEP: old clients have them in private storage (XEP-0048 in
//! XEP-0049), modern ones in a node of their account's (XEP-0402), and both are to see the same
//! rooms. docs/BOOKMARKS.md says what that means at the edges.
//!
//! `legacy` and `node` read and write the two forms (`answer`: what PEP sends), `room` what both say
//! of a room. `decide`
//! compares them over what they were before (`base`) and what the client had been shown (`shown`), and
//! comes to `change`s of items.
//! `sync` does that for one request after the other, IQ by IQ (`pep`), on the `hosts` that let us.

use std::time::SystemTime;

mod answer;
mod base;
mod change;
mod decide;
mod hosts;
mod legacy;
mod node;
mod pep;
mod room;
mod shown;
mod sync;

pub use base::Base;
pub use legacy::Legacy;
pub use sync::{Ask, BookmarkSync, Settings};

/// How many bytes of a list are taken apart in less than half a millisecond: where they are.
pub const SHORT: usize = 4 * 1024;

/// What is stored.
#[derive(Debug)]
pub enum List {
    /// As it is stored.
    Text(String),
    /// Read already.
    Read(Legacy),
}

impl List {
    /// Reads it, if it is not yet.
    pub fn read(self) -> Legacy {
        match self {
            Self::Text(text) => Legacy::read(text),
            Self::Read(stored) => stored,
        }
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Read(stored) => stored.bytes(),
        }
    }
}

/// What is to be noted about an owner, of whom this was noted, and who has stored these bookmarks
/// while they were not kept in step.
pub fn left_of(note: &str, stored: &Legacy) -> Option<String> {
    let left = decide::left_unseen(&Base::read(note)?, &stored.base());
    Some(left.write())
}

/// Whether this is something that is noted about an owner.
pub fn is_note(text: &str) -> bool {
    Base::read(text).is_some()
}

/// A stored list without the rooms that are known to be gone from the node.
#[derive(Debug, PartialEq, Eq)]
pub struct Left {
    /// What is left of it.
    pub text: String,
    /// How many rooms are gone.
    pub gone: usize,
    /// When that was noted.
    pub at: SystemTime,
}

/// What is left of a stored list, of whose owner this is noted; `None` if all of it is.
pub fn without_gone(note: &str, list: &str) -> Option<Left> {
    let base = Base::read(note)?;
    let at = base.gone_at()?;
    let stored = Legacy::read(list);
    let rooms = stored.rooms.iter();
    let left = rooms.filter(|kept| !base.is_gone(&kept.key, kept.room.digest()));
    let left: Vec<legacy::Seen<'_>> = left
        .map(|kept| legacy::Seen {
            key: &kept.key,
            room: &kept.room,
            kept: Some(kept),
        })
        .collect();
    let gone = stored.rooms.len() - left.len();
    let text = stored.with(&left).filter(|_| gone > 0)?;
    Some(Left { text, gone, at })
}

#[cfg(test)]
mod tests;
