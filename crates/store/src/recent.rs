//! What is remembered of the owners who wrote last.

use std::collections::HashMap;

use super::change::Owner;

/// What can be remembered of an owner.
pub trait Weigh {
    /// About the memory it takes, with this owner's address, in bytes.
    fn weight(&self, owner: &Owner) -> usize;
}

/// What is remembered of the owners who wrote last, within a bound in bytes.
///
/// Two generations: whoever is put goes into the young one; when it has half of the room, it
/// becomes the old one, and what was old is forgotten. So what goes is what was not written for
/// longest, more or less, and nothing is ever sorted.
#[derive(Debug)]
pub struct Recent<T> {
    young: HashMap<Owner, T>,
    old: HashMap<Owner, T>,
    young_weight: usize,
    room: usize,
}

impl<T: Weigh> Recent<T> {
    /// Nothing yet, and room for so many bytes.
    #[must_use]
    pub fn new(room: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            young_weight: 0,
            room,
        }
    }

    /// Takes out what is remembered of an owner: while they are written it is not true, and nobody
    /// else may plan over it.
    pub fn take(&mut self, owner: &Owner) -> Option<T> {
        if let Some(taken) = self.young.remove(owner) {
            self.young_weight = self.young_weight.saturating_sub(taken.weight(owner));
            return Some(taken);
        }
        self.old.remove(owner)
    }

    /// Puts in what has become true.
    pub fn put(&mut self, owner: Owner, value: T) {
        self.young_weight += value.weight(&owner);
        self.young.insert(owner, value);
        if self.young_weight > self.room / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_weight = 0;
        }
    }

    /// Of how many owners something is remembered.
    #[must_use]
    pub fn count(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
