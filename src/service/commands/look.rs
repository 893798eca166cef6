//! The steps of commands for which the store is read.

use std::time::SystemTime;

use super::form::Head;
use crate::store::Owner;

/// What is to be looked at, and for which step.
#[derive(Debug)]
pub enum Look {
    /// What somebody has, to show it.
    Stored(Head, Owner),
    /// What the asker has, to choose a namespace.
    Namespaces(Head, Owner),
    /// What the asker has, to delete all of it.
    All(Head, Owner),
    /// What another user has, to delete all of it.
    User(Head, Owner),
    /// What all have; the server has let us in since this moment.
    Totals(Head, SystemTime),
}
