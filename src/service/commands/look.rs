//! The steps of commands for which the store is read.

use std::time::{Duration, SystemTime};

use super::form::{Head, Listing};
use super::{admin, own};
use crate::service::error::StanzaError;
use crate::service::error::unreadable;
use crate::store::{Owner, Storage};

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
    /// What all have; the server has let us in since this moment.
    Totals(Head, SystemTime),
}

impl Look {
    /// Reads the store: the payload of the answer.
    pub async fn execute(&self, storage: &Storage) -> Result<String, StanzaError> {
        let listing = async |owner: &Owner| {
            let namespace_usage = storage.namespace_usage(owner).await;
            namespace_usage.map(Listing::new).map_err(|_| unreadable())
        };
        Ok(match self {
            Self::Stored(head, owner) => own::stored(head, owner, &listing(owner).await?),
            Self::Namespaces(head, owner) => own::choose(head, &listing(owner).await?),
            Self::All(head, owner) => own::confirm(head, &listing(owner).await?),
            Self::User(head, owner) => admin::confirm(head, owner, &listing(owner).await?),
            Self::Totals(head, linked) => {
                let totals = storage.totals(PATIENCE).await;
                let totals = totals.map_err(|_| unreadable())?;
                admin::statistics(head, *linked, &totals)
            }
        })
    }
}
