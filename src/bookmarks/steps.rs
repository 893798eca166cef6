//! Bringing one owner's bookmarks into step: their node is fetched, compared, and changed.
//!
//! Invariant: only few IQs are under way at once, and fewer that change something: whatever else is asked
//! of Prosody waits while it carries one of those out. Changes do not wait behind fetches.

use std::time::UNIX_EPOCH;

use tokio::sync::futures::Notified;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::sleep_until;

use super::baseline::Baseline;
use super::change::Change;
use super::decide::{Before, decide};
use super::legacy::List;
use super::node::{Node, Payload};
use super::pep::{Account, Failure, PATIENCE, Pep, Said};
use super::views::LastView;
use crate::clock::{self, Instant};
use crate::panics;
use crate::stanza::Refusal;

/// How many nodes are fetched at once, with those that are being compared, and how many are changed.
const MAX_FETCHES: usize = 6;
const MAX_CHANGES: usize = 2;

/// How many changes PEP may refuse, and make none, until it is asked for no more of them.
const MAX_REFUSED: usize = 8;

/// What is to be compared with the node.
#[derive(Debug)]
pub struct Stored {
    /// The list that is stored.
    pub list: List,
    /// What both sides had in common when they were last in step; `None` if they never were.
    pub baseline: Option<Baseline>,
    /// What the client had been shown that stores it just now; `None` if it is read, or that is not known.
    pub shown: Option<LastView>,
    /// Whether it is being stored just now.
    pub is_set: bool,
    /// How many items the node may be given.
    pub max_rooms: usize,
}

/// What a client is to see.
#[derive(Debug)]
pub struct View {
    /// What is shown in place of what is stored; `None` if nothing is stored, and there is nothing
    /// to show.
    pub text: Option<String>,
    pub rooms: Baseline,
}

/// What the comparison has come to.
#[derive(Debug)]
pub struct Compared {
    /// What is to be shown, if the bookmarks are read.
    pub view: Option<View>,
    /// What both sides have in common once they are in step.
    pub base: Baseline,
    /// That, as it is to be noted then, if it is something else than was.
    pub note: Option<String>,
    /// What is to be changed for that.
    pub changes: Changes,
}

/// What is to be changed in a node.
#[derive(Debug)]
pub struct Changes {
    changes: Vec<Change>,
    /// Those that are not to be made: the node would get more items than it may.
    too_many: Vec<Change>,
    /// Whether the node has held nothing yet: for some users PEP takes what is published, and keeps
    /// nothing of it (Prosody: anonymous ones).
    was_empty: bool,
}

/// What has become of changes.
#[derive(Debug)]
pub struct Made {
    /// Those that were not made, or of which nobody knows it.
    pub left: Vec<Change>,
    /// Why not.
    pub result: Result<(), Failure>,
}

#[derive(Debug)]
pub struct Steps {
    pep: Pep,
    fetches: Semaphore,
    changes: Semaphore,
    given_up: Notify,
}

impl Steps {
    /// Takes them by these IQs.
    pub fn new(pep: Pep) -> Self {
        Self {
            pep,
            fetches: Semaphore::new(MAX_FETCHES),
            changes: Semaphore::new(MAX_CHANGES),
            given_up: Notify::new(),
        }
    }

    pub fn pep(&self) -> &Pep {
        &self.pep
    }

    /// Nothing more is read from the link.
    pub fn give_up(&self) {
        self.pep.clear();
        self.given_up.notify_waiters();
    }

    /// Waits for that.
    pub fn given_up(&self) -> Notified<'_> {
        self.given_up.notified()
    }

    /// Fetches the node, and compares.
    pub async fn compare(&self, account: Account<'_>, stored: Stored) -> Result<Compared, Failure> {
        let _fetch = self.turn_to_fetch(account).await?;
        let bytes = stored.list.bytes();
        let compare = move |said| compare(stored, said);
        let compared = self.pep.request(account, &Payload::Fetch, bytes, compare);
        compared.await?
    }

    /// Changes the node, one item after the other; it may be configured again for that or not. What PEP does not want of
    /// one item is no reason to leave the others.
    pub async fn make(
        &self,
        account: Account<'_>,
        changes: Changes,
        mut may_configure: bool,
    ) -> Made {
        let Changes {
            changes,
            too_many: mut left,
            was_empty: mut may_forget,
        } = changes;
        let mut result = match left.is_empty() {
            true => Ok(()),
            false => Err(Failure::TooMany),
        };
        let (mut refused, mut is_any_made) = (0, false);
        let mut changes = changes.into_iter();
        for change in changes.by_ref() {
            // Nothing is to come between the reading of an item and its change.
            let _change = self.changes.acquire().await;
            let making = self.make_one(account, &change, &mut may_configure, &mut may_forget);
            let Err(failure) = making.await else {
                is_any_made = true;
                continue;
            };
            refused += 1;
            let goes_on = failure.is_of_one_item() && (is_any_made || refused < MAX_REFUSED);
            left.push(change);
            result = Err(failure);
            if !goes_on {
                break;
            }
        }
        left.extend(changes);
        Made { left, result }
    }

    /// Makes a change over what its item is directly before.
    async fn make_one(
        &self,
        account: Account<'_>,
        change: &Change,
        may_configure: &mut bool,
        may_forget: &mut bool,
    ) -> Result<(), Failure> {
        loop {
            let made = change.clone();
            let over = move |said| match said {
                Said::Done(node) => Ok(made.over(&node.items)),
                Said::Refused(refusal) if is_absent(&refusal) => Ok(made.over(&[])),
                Said::Refused(refusal) => Err(Failure::Refused(refusal.condition)),
            };
            let payload = self
                .pep
                .request(account, &change.fetch(), 0, over)
                .await??;
            let Some(payload) = payload else {
                return Ok(());
            };
            match self.pep.request(account, &payload, 0, |said| said).await? {
                Said::Done(_) if change.is_removal() || !std::mem::take(may_forget) => {
                    return Ok(());
                }
                Said::Done(_) => return self.was_kept(account, change).await,
                Said::Refused(refusal) => {
                    let wrong = refusal.pubsub.as_deref() == Some("precondition-not-met");
                    match refusal.condition.as_str() {
                        NOT_FOUND if change.is_removal() => return Ok(()),
                        _ if wrong && std::mem::take(may_configure) => {
                            self.configure(account).await?;
                        }
                        _ if wrong => return Err(Failure::Options),
                        condition => return Err(Failure::Refused(condition.to_owned())),
                    }
                }
            }
        }
    }

    /// Whether PEP has kept the first item of a node.
    async fn was_kept(&self, account: Account<'_>, change: &Change) -> Result<(), Failure> {
        let fetch = change.fetch();
        let said = self.pep.request(account, &fetch, 0, |said| said);
        match said.await? {
            Said::Done(node) if node.total > 0 => Ok(()),
            Said::Done(_) => Err(Failure::Forgotten),
            Said::Refused(refusal) => Err(Failure::Refused(refusal.condition)),
        }
    }

    /// Makes the node what it must be.
    async fn configure(&self, account: Account<'_>) -> Result<(), Failure> {
        let said = self
            .pep
            .request(account, &Payload::Configure, 0, |said| said);
        match said.await? {
            Said::Done(_) => Ok(()),
            Said::Refused(_) => Err(Failure::Options),
        }
    }

    /// Waits for a turn among those that fetch, and for that of a large node, but not for so long that the
    /// store would have to answer anyway.
    async fn turn_to_fetch(
        &self,
        account: Account<'_>,
    ) -> Result<Option<SemaphorePermit<'_>>, Failure> {
        loop {
            // It is never closed.
            let fetch = self.fetches.acquire().await.ok();
            let now = Instant::now();
            let wait = {
                let mut hosts = self.pep.hosts().borrow_mut();
                hosts.wait_to_fetch(account.owner, now)
            };
            match wait {
                None => return Ok(fetch),
                Some(until) if until > now + PATIENCE / 2 => return Err(Failure::TooSoon),
                Some(until) => {
                    // Others need not wait for it, too.
                    drop(fetch);
                    tokio::select! {
                        biased;
                        () = sleep_until(until) => {}
                        () = self.given_up() => return Err(Failure::Gone),
                    }
                }
            }
        }
    }
}

fn compare(stored: Stored, fetched: Said) -> Result<Compared, Failure> {
    let Stored {
        list,
        baseline,
        shown,
        is_set,
        max_rooms,
    } = stored;
    let (node, base, shown) = match fetched {
        Said::Done(node) => (node, baseline.as_ref(), shown),
        // There is no node. Who deletes rooms leaves it empty, so none was deleted: this is
        // a first contact, if only with a new server.
        Said::Refused(refusal) if is_absent(&refusal) => (Node::default(), None, None),
        Said::Refused(refusal) => return Err(Failure::Refused(refusal.condition)),
    };
    let list = list.read();
    panics::test_at("decide", list.text().as_bytes());
    let before = Before {
        base,
        shown: shown.as_ref(),
        is_set,
        max_rooms,
        now: clock::wall(),
    };
    let decision = decide(&list, &node, before);
    let rooms = decision.rooms.iter();
    let is_news = base != Some(&decision.base);
    Ok(Compared {
        view: (!is_set).then(|| View {
            text: list.with(&decision.rooms),
            rooms: Baseline::of(rooms.map(|seen| (seen.key, seen.room.digest())))
                .without(decision.ahead.iter().copied(), UNIX_EPOCH),
        }),
        note: is_news.then(|| decision.base.write()),
        base: decision.base,
        changes: Changes {
            changes: decision.changes,
            too_many: decision.too_many,
            was_empty: node.total == 0,
        },
    })
}

const NOT_FOUND: &str = "item-not-found";

/// Whether this says that there is no node, or none that keeps anything: so Prosody puts it.
fn is_absent(refusal: &Refusal) -> bool {
    let is_without_items = refusal.condition == "feature-not-implemented"
        && matches!(
            refusal.pubsub.as_deref(),
            Some("persistent-items" | "unsupported")
        );
    refusal.condition == NOT_FOUND || is_without_items
}
