//! What each owner uses.
//!
//! There is no record of it in the database, which would turn every set into a batch: it is
//! counted from the owner's keys at the first write and remembered while there is room.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::change::Owner;
use super::engine::Engine;
use super::error::EngineError;
use super::record::{self, Scale, Stored};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) bytes: u64,
    pub(super) elements: u64,
    /// Bytes per namespace; one that holds none has no entry.
    namespaces: HashMap<Box<str>, u64>,
}

impl Usage {
    pub(super) fn count(engine: &dyn Engine, owner: &Owner) -> Result<Self, EngineError> {
        let mut usage = Self::default();
        let mut scale = Scale::default();
        let prefix = record::prefix(owner, None, None);
        engine.scan(&prefix, &mut |key, record| {
            let stored = scale.weigh(key, record);
            let namespace = record::namespace_in(key, prefix.len()).unwrap_or_default();
            usage.change(namespace, Stored::default(), stored);
            ControlFlow::Continue(())
        })?;
        Ok(usage)
    }

    /// The bytes in one namespace.
    pub(super) fn namespace(&self, namespace: &str) -> u64 {
        self.namespaces.get(namespace).copied().unwrap_or(0)
    }

    /// Takes note that `old` made way for `new`.
    pub(super) fn change(&mut self, namespace: &str, old: Stored, new: Stored) {
        let replace = |total: u64, old: u64, new: u64| total.saturating_sub(old) + new;
        self.bytes = replace(self.bytes, old.bytes, new.bytes);
        self.elements = replace(self.elements, old.elements, new.elements);
        match replace(self.namespace(namespace), old.bytes, new.bytes) {
            0 => drop(self.namespaces.remove(namespace)),
            bytes => match self.namespaces.get_mut(namespace) {
                Some(total) => *total = bytes,
                None => drop(self.namespaces.insert(namespace.into(), bytes)),
            },
        }
    }

    /// About the memory it takes, which users decide with the number and length of namespaces.
    fn weight(&self, owner: &Owner) -> usize {
        const ENTRY: usize = 64;
        self.namespaces
            .keys()
            .map(|namespace| ENTRY + namespace.len())
            .sum::<usize>()
            + 2 * ENTRY
            + owner.as_str().len()
    }
}

/// The usage of the owners who wrote last, within a bound in bytes.
///
/// Two generations: whoever is put goes into the young one; when it has half of the room, it
/// becomes the old one, and what was old is forgotten. So what goes is what was not written for
/// longest, more or less, and nothing is ever sorted.
pub(super) struct Cache {
    young: HashMap<Owner, Usage>,
    old: HashMap<Owner, Usage>,
    young_weight: usize,
    room: usize,
}

impl Cache {
    pub(super) fn new(room: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            young_weight: 0,
            room,
        }
    }

    /// Takes out what is known of `owner`: as long as a group changes it, it is not true yet.
    pub(super) fn take(&mut self, owner: &Owner) -> Option<Usage> {
        if let Some(usage) = self.young.remove(owner) {
            self.young_weight = self.young_weight.saturating_sub(usage.weight(owner));
            return Some(usage);
        }
        self.old.remove(owner)
    }

    /// Puts in what has become true.
    pub(super) fn put(&mut self, owner: Owner, usage: Usage) {
        self.young_weight += usage.weight(&owner);
        self.young.insert(owner, usage);
        if self.young_weight > self.room / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_weight = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(number: usize) -> Owner {
        Owner::new(&format!("user{number:06}@example.org")).unwrap()
    }

    #[test]
    fn the_coldest_are_forgotten_and_the_bound_holds() {
        let mut cache = Cache::new(100_000);
        for number in 0..10_000 {
            cache.put(owner(number), Usage::default());
            if let Some(hot) = cache.take(&owner(0)) {
                cache.put(owner(0), hot);
            }
        }
        assert!(cache.young.len() + cache.old.len() < 1_000);
        assert!(cache.take(&owner(0)).is_some(), "used all the time");
        assert!(cache.take(&owner(9_999)).is_some(), "used last");
        assert!(cache.take(&owner(1)).is_none(), "used once, long ago");
    }

    #[test]
    fn changes_add_up_by_namespace() {
        let mut usage = Usage::default();
        let stored = |bytes| Stored {
            bytes,
            elements: 1,
            chunks: 1,
        };
        usage.change("a", Stored::default(), stored(10));
        usage.change("b", Stored::default(), stored(5));
        usage.change("a", stored(10), stored(7));
        assert_eq!((usage.bytes, usage.elements), (12, 2));
        assert_eq!((usage.namespace("a"), usage.namespace("b")), (7, 5));
        usage.change("a", stored(7), Stored::default());
        usage.change("b", stored(5), Stored::default());
        assert_eq!(usage, Usage::default());
    }
}
