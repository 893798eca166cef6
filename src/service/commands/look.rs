//! The steps of commands for which the store is read.

use std::time::{Duration, SystemTime};

use super::form::{Head, Listing};
use super::{admin, own};
use crate::service::private;
use crate::stanza::StanzaError;
use crate::store::{Owner, Store};

/// How long is counted for the statistics. A thread of those that read is taken meanwhile.
const PATIENCE: Duration = Duration::from_millis(200);

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
    /// What all have; the router has let us in since this moment.
    Totals(Head, SystemTime),
}

impl Look {
    /// Reads the store, and appends the payload of the answer.
    pub fn carry_out(&self, store: &Store, answer: &mut String) -> Result<(), StanzaError> {
        let listing = |owner: &Owner| {
            let holdings = store.holdings(owner);
            holdings
                .map(Listing::new)
                .map_err(|_| private::unreadable())
        };
        answer.push_str(&match self {
            Self::Stored(head, owner) => own::stored(head, owner, &listing(owner)?),
            Self::Namespaces(head, owner) => own::choose(head, &listing(owner)?),
            Self::All(head, owner) => own::confirm(head, &listing(owner)?),
            Self::User(head, owner) => admin::confirm(head, owner, &listing(owner)?),
            Self::Totals(head, linked) => {
                let totals = store.totals(PATIENCE).map_err(|_| private::unreadable())?;
                admin::statistics(head, *linked, &totals)
            }
        });
        Ok(())
    }
}
