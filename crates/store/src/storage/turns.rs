//! The turns of owners that this instance has, or waits for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{sleep_until, timeout_at};

use crate::turn::{Hold, Taken};
use crate::{Owner, ReadError, Store};
use xps_base::clock::Instant;

/// How many are had at once. Where they are locks, a database server has room for some thousands, of all instances.
const MOST: usize = 256;

/// The pause before a turn that another has is asked for again: at first, doubled up to the longest.
const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_millis(80);

/// The turn of an owner. Clones are the same; it is over with the last.
#[derive(Clone, Debug, Default)]
pub struct Turn(Option<Rc<Had>>);

#[derive(Debug)]
struct Had {
    hold: Box<dyn Hold>,
    note: RefCell<Option<Result<Option<String>, ReadError>>>,
    owner: Owner,
    turns: Rc<Turns>,
    _room: OwnedSemaphorePermit,
}

#[derive(Debug)]
pub struct Turns {
    store: Store,
    owners: RefCell<HashMap<Owner, Weak<Had>>>,
    room: Arc<Semaphore>,
}

impl Turns {
    pub fn of(store: Store) -> Rc<Self> {
        Rc::new(Self {
            store,
            owners: RefCell::default(),
            room: Arc::new(Semaphore::new(MOST)),
        })
    }

    /// See [`Storage::turn`](super::Storage::turn).
    pub async fn take(
        self: &Rc<Self>,
        owner: &Owner,
        until: Instant,
    ) -> Result<Option<Turn>, ReadError> {
        let mut pause = SHORTEST;
        loop {
            if let Some(had) = self.had(owner) {
                return Ok(Some(Turn(Some(had))));
            }
            // Whoever waits for another instance takes no room from others.
            let room = Arc::clone(&self.room).acquire_owned();
            let Ok(Ok(room)) = timeout_at(until, room).await else {
                return Ok(None);
            };
            let Ok(asked) = timeout_at(until, self.ask(owner)).await else {
                return Ok(None);
            };
            if let Some(Taken { hold, note }) = asked? {
                let had = Rc::new(Had {
                    hold,
                    note: RefCell::new(Some(note)),
                    owner: owner.clone(),
                    turns: Rc::clone(self),
                    _room: room,
                });
                let mut owners = self.owners.borrow_mut();
                owners.insert(owner.clone(), Rc::downgrade(&had));
                return Ok(Some(Turn(Some(had))));
            }
            drop(room);
            let next = Instant::now() + pause;
            if next > until {
                return Ok(None);
            }
            sleep_until(next).await;
            pause = LONGEST.min(2 * pause);
        }
    }

    /// The one that is had.
    fn had(&self, owner: &Owner) -> Option<Rc<Had>> {
        let had = self.owners.borrow().get(owner)?.upgrade();
        had.filter(|it| it.hold.is_held())
    }

    /// Asks for it once.
    async fn ask(&self, owner: &Owner) -> Result<Option<Taken>, ReadError> {
        let (tell, told) = oneshot::channel();
        self.store.take_turn(owner, move |taken| {
            // Where nobody waits any more, it is given back.
            drop(tell.send(taken));
        });
        told.await.unwrap_or(Err(ReadError::Failed))
    }
}

impl Drop for Had {
    fn drop(&mut self) {
        let mut owners = self.turns.owners.borrow_mut();
        // After one that was lost there may be another.
        if owners
            .get(&self.owner)
            .is_some_and(|it| it.strong_count() == 0)
        {
            owners.remove(&self.owner);
        }
    }
}

impl Turn {
    /// Whether it is known that no other instance has taken it since.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.0.as_ref().is_none_or(|had| had.hold.is_held())
    }

    /// What was noted about the owner when it was taken, for whoever asks first: by the next time something else may be.
    #[must_use]
    pub fn first_note(&self) -> Option<Result<Option<String>, ReadError>> {
        self.0.as_ref()?.note.take()
    }
}

#[cfg(test)]
mod tests;
