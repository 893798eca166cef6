//! Room bookmarks, kept in step with PEP: old clients have them in private storage (XEP-0048 in
//! XEP-0049), modern ones in a node of their account's (XEP-0402), and both are to see the same
//! rooms. docs/internals/bookmarks.md says what that means at the edges.
//!
//! `sync` takes a request, and `steps` brings both sides into step: fetch the node, `decide`, change it;
//! each by one of the IQs of `pep`. `legacy` and `node` read and write the two forms (`answer`: what PEP
//! sends), `room` what both say of a room. `decide` compares them over what they were before
//! (`baseline`) and what the client had been shown (`shown`, `views`; `delivery`: whether it was), and comes to `change`s of items.

use std::time::SystemTime;

use baseline::Digest;

mod answer;
mod baseline;
mod change;
mod decide;
mod delivery;
mod hosts;
mod legacy;
mod node;
mod pep;
mod queue;
mod request;
mod room;
mod shown;
mod steps;
mod sync;
mod views;

pub use baseline::Baseline;
pub use legacy::{Legacy, List};
pub use pep::{PATIENCE, Pep};
pub use shown::notes_of;
pub use sync::{Ask, BookmarkSync, Settings};
pub use views::LastView;

/// What is to be noted about an owner, of whom this was noted, and who has stored these bookmarks
/// while they were not kept in step.
pub fn left_of(note: &str, stored: &Legacy) -> Option<String> {
    let left = decide::left_unseen(&Baseline::read(note)?, &stored.base());
    Some(left.write())
}

/// Whether this is something that is noted about an owner.
pub fn is_note(text: &str) -> bool {
    Baseline::read(text).is_some()
}

/// A stored list without the rooms that are known to be gone from the node.
#[derive(Debug, PartialEq, Eq)]
pub struct Left {
    /// What is left of it.
    pub text: String,
    /// How many rooms are gone.
    pub gone: usize,
    pub at: SystemTime,
}

/// What is left of a stored list, of whose owner this is noted; `None` if all of it is.
pub fn without_gone(note: &str, list: &str) -> Option<Left> {
    left_by(&Baseline::read(note)?, &Legacy::read(list))
}

/// The same by what both sides had in common.
fn left_by(base: &Baseline, stored: &Legacy) -> Option<Left> {
    let at = base.gone_at()?;
    let rooms = stored.rooms.iter();
    let is_gone = |kept: &legacy::Kept| base.is_gone(Digest::of(&[&kept.key]), kept.room.digest());
    let left: Vec<legacy::Seen<'_>> = rooms
        .filter(|kept| !is_gone(kept))
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
