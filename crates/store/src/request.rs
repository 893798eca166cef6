//! What the writer thread is asked.

use std::sync::Arc;

use super::change::{ChangeSet, Existing, Owner};
use super::compact::Asked;
use super::engine::Engine;
use super::observer::Observer;
use super::shared::Done;

/// What is written together with others.
pub(super) enum Update {
    Set(ChangeSet, Existing),
    /// What is noted about an owner, if it was this where that is said.
    Note {
        owner: Owner,
        was: Option<Option<String>>,
        text: Option<String>,
    },
}

/// What is sent to the writer thread.
pub(super) enum Request {
    Update(Update, Done),
    /// Nothing shall be left of an owner, or of one namespace of theirs.
    Remove(Owner, Option<String>, Done),
    Compact(Asked),
    /// The engine broke, and was opened again.
    Revived(Arc<dyn Engine>),
    /// To be measured from now on.
    Measure(Arc<dyn Observer>),
    /// To be counted, if it is not yet.
    Count,
    /// To be called when it is reached: a sign of life.
    Reached(Box<dyn FnOnce() + Send>),
    Close,
}
