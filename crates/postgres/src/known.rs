//! What is known of an owner: the sizes of all that they have, and the stamp under which that is true.

use std::collections::HashMap;

use xps_store::{Amount, Owner, Weigh};

/// What an owner has, without the texts. It may be out of date: the stamp tells, when something is written over it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// That of the owner's row; 0 where there is none, because the owner has nothing.
    pub(crate) stamp: i64,
    amount: Amount,
    namespaces: HashMap<Box<str>, Names>,
    /// About the memory that the names take.
    weight: usize,
}

/// One namespace; without any name it is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Names {
    bytes: u64,
    sizes: HashMap<Box<str>, Amount>,
}

/// About what an entry of a map takes beside its name.
const ENTRY: usize = 64;

impl Known {
    #[cfg(test)]
    pub(crate) fn under(stamp: i64) -> Self {
        Self {
            stamp,
            ..Self::default()
        }
    }

    /// All together.
    pub(crate) fn amount(&self) -> Amount {
        self.amount
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.namespaces.is_empty()
    }

    pub(crate) fn bytes_in(&self, namespace: &str) -> u64 {
        self.namespaces.get(namespace).map_or(0, |it| it.bytes)
    }

    /// What is under a name, if it is there.
    pub(crate) fn size(&self, namespace: &str, name: &str) -> Option<Amount> {
        self.namespaces.get(namespace)?.sizes.get(name).copied()
    }

    /// Each name with its namespace: all, or those in one.
    pub(crate) fn names<'a>(
        &'a self,
        namespace: Option<&str>,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let wanted = move |it: &str| namespace.is_none_or(|wanted| wanted == it);
        let namespaces = self
            .namespaces
            .iter()
            .filter(move |(it, _)| wanted(it.as_ref()));
        namespaces.flat_map(|(namespace, names)| {
            let names = names.sizes.keys();
            names.map(|name| (namespace.as_ref(), name.as_ref()))
        })
    }

    /// Takes note of what is under a name from now on.
    pub(crate) fn put(&mut self, namespace: &str, name: &str, size: Option<Amount>) {
        let old = self.size(namespace, name);
        let (was, is) = (old.unwrap_or_default(), size.unwrap_or_default());
        let replace = |total: u64, was: u64, is: u64| total.saturating_sub(was) + is;
        self.amount.bytes = replace(self.amount.bytes, was.bytes, is.bytes);
        self.amount.elements = replace(self.amount.elements, was.elements, is.elements);
        match size {
            Some(size) => self.insert(namespace, name, size),
            None => self.take_away(namespace, name, was),
        }
    }

    fn insert(&mut self, namespace: &str, name: &str, size: Amount) {
        if !self.namespaces.contains_key(namespace) {
            self.weight += ENTRY + namespace.len();
            self.namespaces.insert(namespace.into(), Names::default());
        }
        let Some(names) = self.namespaces.get_mut(namespace) else {
            return;
        };
        match names.sizes.get_mut(name) {
            Some(old) => {
                names.bytes = names.bytes.saturating_sub(old.bytes) + size.bytes;
                *old = size;
            }
            None => {
                names.bytes += size.bytes;
                names.sizes.insert(name.into(), size);
                self.weight += ENTRY + name.len();
            }
        }
    }

    fn take_away(&mut self, namespace: &str, name: &str, was: Amount) {
        let Some(names) = self.namespaces.get_mut(namespace) else {
            return;
        };
        if names.sizes.remove(name).is_some() {
            names.bytes = names.bytes.saturating_sub(was.bytes);
            self.weight = self.weight.saturating_sub(ENTRY + name.len());
        }
        if names.sizes.is_empty() {
            self.namespaces.remove(namespace);
            self.weight = self.weight.saturating_sub(ENTRY + namespace.len());
        }
    }
}

impl Weigh for Known {
    fn weight(&self, owner: &Owner) -> usize {
        4 * ENTRY + owner.as_str().len() + self.weight
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use xps_store::Recent;

    use super::*;

    fn size(bytes: u64) -> Amount {
        Amount { bytes, elements: 1 }
    }

    #[test]
    fn the_coldest_are_forgotten_and_the_bound_holds() {
        let owner = |number: usize| Owner::new(&format!("user{number:06}@example.org")).unwrap();
        let mut cache = Recent::new(100_000);
        for number in 0..10_000 {
            let mut known = Known::under(1);
            known.put("namespace", &"n".repeat(number % 50), Some(size(1)));
            cache.put(owner(number), known);
            if let Some(hot) = cache.take(&owner(0)) {
                cache.put(owner(0), hot);
            }
        }
        assert!(cache.count() < 500);
        assert!(cache.take(&owner(0)).is_some(), "used all the time");
        assert!(cache.take(&owner(9_999)).is_some(), "used last");
        assert!(cache.take(&owner(1)).is_none(), "used once, long ago");
    }

    proptest! {
        /// Sums and weight are those of what is there, whatever was put before.
        #[test]
        fn what_is_known_adds_up(
            puts in prop::collection::vec((0_u8..4, 0_u8..4, prop::option::of(0_u64..100)), 0..60),
        ) {
            let mut known = Known::default();
            let mut there = std::collections::BTreeMap::new();
            for (namespace, name, bytes) in puts {
                let names = (format!("n{namespace}"), format!("e{name}"));
                known.put(&names.0, &names.1, bytes.map(size));
                match bytes {
                    Some(bytes) => there.insert(names, bytes),
                    None => there.remove(&names),
                };
            }
            let sum = |wanted: Option<&str>| -> u64 {
                let of = there.iter().filter(|((it, _), _)| wanted.is_none_or(|wanted| wanted == it));
                of.map(|(_, bytes)| bytes).sum()
            };
            prop_assert_eq!(known.amount().bytes, sum(None));
            prop_assert_eq!(known.amount().elements, there.len() as u64);
            prop_assert_eq!(known.is_empty(), there.is_empty());
            for namespace in ["n0", "n1", "n2", "n3"] {
                prop_assert_eq!(known.bytes_in(namespace), sum(Some(namespace)));
            }
            let mut names: Vec<_> = known.names(None).map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
            names.sort();
            prop_assert!(names.iter().eq(there.keys()));
            for names in there.keys() {
                known.put(&names.0, &names.1, None);
            }
            prop_assert_eq!(known, Known::default());
        }
    }
}
