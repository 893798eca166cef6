//! Room bookmarks, kept in step with PEP: old clients have them in private storage (XEP-0048 in
//! XEP-0049), modern ones in a node of their account's (XEP-0402), and both are to see the same
//! rooms. docs/BOOKMARKS.md says what that means at the edges.
//!
//! `legacy` and `node` read and write the two forms (`answer`: what PEP sends), `room` what both say
//! of a room. `decide`
//! compares them over what they were before (`base`) and what the client had been shown (`shown`), and
//! comes to `change`s of items.
//! A `step` does that once for one owner, IQ by IQ; the `keeper` has the steps of all owners, and
//! knows which `hosts` let us.

mod answer;
mod asked;
mod base;
mod change;
mod decide;
mod hosts;
mod keeper;
mod legacy;
mod line;
mod node;
mod room;
mod shown;
mod step;

pub use base::Base;
pub use keeper::{Ask, Compared, Comparison, Effect, Keeper, Settings};
pub use legacy::Legacy;
pub use line::SHORT;
pub use step::List;

/// What is to be noted about an owner, of whom this was noted, and who has stored these bookmarks
/// while they were not kept in step.
pub fn left_of(note: &str, stored: &Legacy) -> Option<String> {
    let left = decide::left_unseen(&Base::read(note)?, &stored.base());
    Some(left.write())
}

#[cfg(test)]
mod tests;
