//! Who has the turns of owners at a store that is played.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::backend::Backend;
use crate::{Hold, Owner, Take, Taken};

/// The turns that are had, as one instance sees them.
#[derive(Debug, Default)]
pub(crate) struct Table {
    all: Arc<Mutex<All>>,
    instance: u64,
}

#[derive(Debug, Default)]
struct All {
    /// By which instance, and the number of each.
    owners: HashMap<Owner, (u64, u64)>,
    next: u64,
    /// As a server that takes every lock and keeps none.
    keeps_none: bool,
}

#[derive(Debug)]
struct Seat {
    all: Arc<Mutex<All>>,
    owner: Owner,
    number: u64,
}

impl Table {
    /// The same turns, as another instance sees them.
    pub(crate) fn of_another(&self) -> Self {
        let mut all = open(&self.all);
        all.next += 1;
        Self {
            all: Arc::clone(&self.all),
            instance: all.next,
        }
    }

    /// Takes a turn, if nobody has it, and reads what is noted there.
    pub(crate) fn take(&self, owner: &Owner, near: &dyn Backend, take: Take) {
        let mut all = open(&self.all);
        if !all.keeps_none && all.owners.contains_key(owner) {
            drop(all);
            return take.tell(Ok(None));
        }
        all.next += 1;
        let number = all.next;
        all.owners.insert(owner.clone(), (self.instance, number));
        drop(all);
        let hold = Box::new(Seat {
            all: Arc::clone(&self.all),
            owner: owner.clone(),
            number,
        });
        let note = near.note(owner);
        take.tell(Ok(Some(Taken { hold, note })));
    }

    /// This instance has none any more.
    pub(crate) fn lose(&self) {
        let mut all = open(&self.all);
        all.owners.retain(|_, (of, _)| *of != self.instance);
    }

    /// Nobody has any more.
    pub(crate) fn clear(&self) {
        open(&self.all).owners.clear();
    }

    /// Gives out every turn from now on, whoever else has it.
    pub(crate) fn keep_none(&self) {
        open(&self.all).keeps_none = true;
    }
}

impl Hold for Seat {
    fn is_held(&self) -> bool {
        let all = open(&self.all);
        let last = all.owners.get(&self.owner);
        all.keeps_none || last.is_some_and(|(_, last)| *last == self.number)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.is_held() {
            open(&self.all).owners.remove(&self.owner);
        }
    }
}

fn open(all: &Mutex<All>) -> MutexGuard<'_, All> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}
