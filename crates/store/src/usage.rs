//! What each owner uses.
//!
//! There is no record of it in the database, which would turn every set into a batch: it is
//! counted from the owner's keys at the first write and remembered while there is room.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::change::Owner;
use super::engine::Engine;
use super::error::EngineError;
use super::recent::Weigh;
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
}

impl Weigh for Usage {
    /// Users decide it with the number and length of namespaces.
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

#[cfg(test)]
mod tests {
    use super::super::recent::Recent;
    use super::*;

    fn owner(number: usize) -> Owner {
        Owner::new(&format!("user{number:06}@example.org")).unwrap()
    }

    #[test]
    fn the_coldest_are_forgotten_and_the_bound_holds() {
        let mut cache = Recent::new(100_000);
        for number in 0..10_000 {
            cache.put(owner(number), Usage::default());
            if let Some(hot) = cache.take(&owner(0)) {
                cache.put(owner(0), hot);
            }
        }
        assert!(cache.count() < 1_000);
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
