//! What becomes of a request for the store, from its turn to its reply: told from top to bottom.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::out_of_reach;
use super::owners::{Access, Open, Turn};
use crate::address;
use crate::bookmarks::{Ask, Baseline, BookmarkSync, LastView, Legacy, List, PATIENCE};
use crate::clock::Instant;
use crate::replies::{Pending, Replies};
use crate::service::{Action, BOOKMARKS, Got, Request, bookmarks_in};
use crate::store::{self, ChangeSet, Owner, Query, ReadError, Storage, unless_damaged};
use crate::threads::Workers;

/// How long a set of bookmarks waits for another instance that brings those of its owner into step: longer than one that
/// has gone may hold it up.
const LONGEST_TURN: Duration = Duration::from_secs(12);

#[derive(Debug)]
pub struct Handler {
    pub storage: Storage,
    /// What keeps bookmarks in step.
    pub bookmarks: BookmarkSync,
    replies: Replies,
    workers: Rc<Workers>,
    /// One looks at a time: what it shows may be long.
    looks: Mutex<()>,
}

impl Handler {
    /// One that sends its replies there. The workers take apart what is long.
    pub fn new(
        storage: Storage,
        bookmarks: BookmarkSync,
        replies: Replies,
        workers: Rc<Workers>,
    ) -> Self {
        Self {
            storage,
            bookmarks,
            replies,
            workers,
            looks: Mutex::default(),
        }
    }

    /// Serves a request: it is answered when this is done. Thousands may be open at once, so what only few
    /// of them come to is boxed.
    pub async fn serve(&self, request: Request, reply: Pending, open: &Open) {
        let Request {
            owner,
            mut asker,
            size,
            action,
            answer: _,
        } = request;
        // Where the bookmarks of this owner are not kept in step.
        let passed_over = asker.take_if(|_| !self.bookmarks.keeps(&owner));
        let access = match action.is_change() {
            true => Access::Change,
            false => Access::Get,
        };
        let mut turn = open.turn(access).await;
        if reply.is_sent() {
            // Its sender was told to try again, before any of it was done.
            return;
        }
        let mut shown = None;
        if let Some(asker) = passed_over {
            let stores = access == Access::Change;
            let Ok(before) = Box::pin(self.bookmarks.pass_over(&owner, &asker, stores)).await
            else {
                turn.in_order().await;
                return reply.finish(|answer| out_of_reach(answer, stores));
            };
            shown = before;
        }
        match action {
            Action::Get(get) => {
                let since = Instant::now();
                // What is read is there until both sides are in step.
                let of_all = match &asker {
                    Some(_) => Box::pin(self.storage.turn(&owner, since + PATIENCE)).await,
                    None => Ok(None),
                };
                let of_all = match of_all {
                    Ok(of_all) => of_all,
                    Err(error) => {
                        turn.in_order().await;
                        return reply.finish(|answer| answer.unreadable(error));
                    }
                };
                let (query, of) = (get.query(), reply.answer());
                let got = self.storage.get(query, move |read| of.got(get.found(read)));
                turn.submitted();
                let (got, held) = got.await;
                let found = match got {
                    Got::Answer(answered) => {
                        turn.in_order().await;
                        self.replies.room().await;
                        return reply.finish(|_| answered);
                    }
                    Got::Bookmarks(mut found) => {
                        found.hold(held);
                        found
                    }
                };
                if let Some(asker) = asker {
                    let ask = Ask {
                        owner,
                        asker,
                        size,
                        reply,
                        since,
                        turn: of_all,
                    };
                    if self.bookmarks.may_wait(&ask, &found) {
                        drop(turn);
                        return Box::pin(self.bookmarks.get(ask, found)).await;
                    }
                    // It is as any other get, of which only few are read at once.
                    turn.in_order().await;
                    return Box::pin(self.bookmarks.get_alone(ask, found)).await;
                }
                let left = Box::pin(self.bookmarks.leave_out_gone(&owner, None, &found)).await;
                turn.in_order().await;
                self.replies.room().await;
                reply.finish(|answer| match left {
                    Ok(_) => answer.found(&found),
                    Err(error) => answer.unreadable(error),
                });
            }
            Action::Look(look) => {
                let _looking = self.looks.lock().await;
                turn.in_order().await;
                self.replies.room().await;
                let payload = Box::pin(look.execute(&self.storage)).await;
                reply.finish(|answer| answer.payload(payload));
            }
            Action::Set(set) => match (bookmarks_in(&set), asker) {
                (None, _) => {
                    let stored = self.storage.set(set, reply.came());
                    turn.submitted();
                    let result = stored.await;
                    turn.in_order().await;
                    reply.finish(|answer| answer.set(&result));
                }
                (Some(list), None) => {
                    Box::pin(self.set_alone(&owner, (list, shown), set, reply, turn)).await;
                }
                (Some(list), Some(asker)) => {
                    let ask = Ask {
                        owner,
                        asker,
                        size,
                        reply,
                        since: Instant::now(),
                        turn: None,
                    };
                    Box::pin(self.set_in_step(ask, list, set, turn)).await;
                }
            },
            Action::Remove(namespace) => {
                if namespace.is_none() {
                    self.bookmarks.release(&owner);
                }
                let removed = self.storage.remove(&owner, namespace, reply.came());
                turn.submitted();
                let result = removed.await;
                turn.in_order().await;
                reply.finish(|answer| answer.set(&result));
            }
            Action::Forget => {
                self.bookmarks.release(&owner);
                let removed = self.storage.remove(&owner, None, reply.came());
                turn.submitted();
                let result = removed.await;
                if result.is_ok() {
                    tell_of_removal(&owner);
                }
                turn.in_order().await;
                reply.finish(|answer| answer.set(&result));
            }
        }
    }

    /// Stores bookmarks of which PEP does not learn; this is what the client had been shown that stores them.
    async fn set_alone(
        &self,
        owner: &Owner,
        (list, shown): (String, Option<LastView>),
        set: ChangeSet,
        reply: Pending,
        mut turn: Turn,
    ) {
        let of_all = match self.turn_to_store(owner).await {
            Ok(of_all) => of_all,
            Err(error) => {
                turn.in_order().await;
                return reply.finish(|answer| answer.unreadable(error));
            }
        };
        let stored = self.storage.set(set, reply.came());
        turn.submitted();
        let result = stored.await;
        turn.in_order().await;
        reply.finish(|answer| answer.set(&result));
        // No get of the owner's comes between: it would not show what was added again.
        if result.is_ok() {
            let list = List::Text(list);
            let bookmarks = &self.bookmarks;
            bookmarks.stored_alone(owner, list, shown, &of_all).await;
        }
    }

    /// Stores bookmarks, and brings PEP into step with them. A long list is read before it is stored, so
    /// that order stays.
    async fn set_in_step(&self, mut ask: Ask, list: String, set: ChangeSet, turn: Turn) {
        let bytes = list.len();
        let read = move || Legacy::read(list);
        let list = self.workers.compute(bytes, read).await;
        let of_all = match self.turn_to_store(&ask.owner).await {
            Ok(of_all) => of_all,
            Err(error) => return ask.reply.finish(|answer| answer.unreadable(error)),
        };
        ask.turn = Some(of_all.clone());
        let recalled = self.bookmarks.shown().recall(&ask.owner, &ask.asker);
        if let Err(error) = recalled.await {
            return ask.reply.finish(|answer| answer.unreadable(error));
        }
        if self.bookmarks.are_many(&list) {
            let before = match self.rooms_before(&ask.owner).await {
                Ok(before) => before,
                Err(error) => return ask.reply.finish(|answer| answer.unreadable(error)),
            };
            if let Some(most) = self.bookmarks.too_many(&list, before, &ask.asker) {
                return ask.reply.finish(|answer| answer.too_many_rooms(most));
            }
        }
        // What else is stored with them does not wait for PEP.
        let at_once = set.changes.len() > 1;
        // Its owner's next does not begin meanwhile: they come to PEP in the order in which they were stored.
        let bookmarks = &self.bookmarks;
        let will_store = bookmarks.will_store(&ask.owner, &ask.asker, &list, &of_all);
        let result = match will_store.await {
            Ok(()) => self.storage.set(set, ask.reply.came()).await,
            error => error,
        };
        ask.since = Instant::now();
        if result.is_err() {
            return ask.reply.finish(|answer| answer.set(&result));
        }
        let stored = self.bookmarks.has_stored(ask, list, at_once).await;
        drop(turn);
        self.bookmarks.set(stored).await;
    }

    /// The owner's turn among all instances. Where it is not to be had, nothing may be stored.
    async fn turn_to_store(&self, owner: &Owner) -> Result<store::Turn, ReadError> {
        let until = Instant::now() + LONGEST_TURN;
        let of_all = self.storage.turn(owner, until).await?;
        if of_all.is_none() {
            tracing::debug!(
                "another instance has been at the bookmarks of {} for {LONGEST_TURN:?}",
                owner.as_str()
            );
        }
        of_all.ok_or(ReadError::Unreachable)
    }

    /// How many rooms somebody has, as far as the store knows: in the list, or when both sides were last
    /// in step.
    async fn rooms_before(&self, owner: &Owner) -> Result<usize, ReadError> {
        let query = Query {
            owner: owner.clone(),
            namespace: BOOKMARKS.0.to_owned(),
            names: vec![BOOKMARKS.1.to_owned()],
            or_all: false,
        };
        let listed = unless_damaged(self.storage.look_up(query).await)?;
        let noted = unless_damaged(self.storage.note(owner).await)?;
        let work = move || {
            let lists = listed.into_iter();
            let listed = lists.map(|it| Legacy::read(it.text).rooms.len()).sum();
            let noted = noted.and_then(|note| Baseline::read(&note));
            noted.map_or(0, |it| it.count()).max(listed)
        };
        Ok(self.workers.run(work).await)
    }
}

fn tell_of_removal(owner: &Owner) {
    let domain = address::domain_of(owner.as_str());
    tracing::info!("an account of {domain} was deleted: what it had stored is removed");
    tracing::debug!("removed what {} had stored", owner.as_str());
}
