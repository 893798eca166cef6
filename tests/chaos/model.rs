//! What one user's data may be.
//!
//! A set that was not acknowledged may have happened or not, whole or not at all. So there are
//! several worlds, each with the data as it is if things went that way; a set in doubt doubles
//! them, and whatever a get shows ends those in which it could not have been shown.

use std::collections::BTreeMap;

/// A namespace and an element's name, by number.
pub type Key = (u8, u8);

/// Names one stored element for ever; its content follows from it.
pub type Mark = String;

/// What one set does to one key: the elements that replace what was there, or none.
#[derive(Debug, Clone)]
pub struct Change {
    pub key: Key,
    pub value: Vec<Mark>,
}

/// What a get asks for.
#[derive(Debug, Clone)]
pub struct Fetch {
    pub namespace: u8,
    pub names: Vec<u8>,
}

/// What a get brought: names, with their marks unless empty.
pub type Fetched = Vec<(u8, Option<Mark>)>;

type World = BTreeMap<Key, Vec<Mark>>;

/// All that may be.
#[derive(Debug, Clone)]
pub struct Worlds(Vec<World>);

impl Default for Worlds {
    /// Nothing is stored, for certain.
    fn default() -> Worlds {
        Worlds(vec![World::new()])
    }
}

impl Worlds {
    /// A set that happened.
    pub fn apply(&mut self, set: &[Change]) {
        for world in &mut self.0 {
            for Change { key, value } in set {
                match value.is_empty() {
                    true => world.remove(key),
                    false => world.insert(*key, value.clone()),
                };
            }
        }
        self.0.sort();
        self.0.dedup();
    }

    /// A set that may have happened.
    pub fn doubt(&mut self, set: &[Change]) {
        let unchanged = self.0.clone();
        self.apply(set);
        self.0.extend(unchanged);
        self.0.sort();
        self.0.dedup();
    }

    /// A get that brought this; false if it could not have, in any world.
    pub fn observe(&mut self, fetch: &Fetch, fetched: &Fetched) -> bool {
        let possible = |world: &World| shown(world, fetch) == *fetched;
        let any = self.0.iter().any(possible);
        if any {
            self.0.retain(possible);
        }
        any
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What a get may bring, for a person to read.
    pub fn expectations(&self, fetch: &Fetch) -> String {
        let each: Vec<_> = self.0.iter().map(|world| shown(world, fetch)).collect();
        format!("{each:?}")
    }
}

/// What a get brings: what is stored under each name; if a single name has nothing, all of its
/// namespace; an empty element for what is not there at all.
fn shown(world: &World, fetch: &Fetch) -> Fetched {
    let stored = |key: &Key| world.get(key).into_iter().flatten().cloned().map(Some);
    let mut shown = Vec::new();
    for &name in &fetch.names {
        let before = shown.len();
        shown.extend(stored(&(fetch.namespace, name)).map(|mark| (name, mark)));
        if shown.len() == before && fetch.names.len() == 1 {
            for key in world.keys().filter(|key| key.0 == fetch.namespace) {
                shown.extend(stored(key).map(|mark| (key.1, mark)));
            }
        }
        if shown.len() == before {
            shown.push((name, None));
        }
    }
    shown
}

#[test]
fn a_set_in_doubt_is_all_or_nothing() {
    let change = |name, mark: &str| Change {
        key: (0, name),
        value: vec![mark.to_owned()],
    };
    let both = Fetch {
        namespace: 0,
        names: vec![1, 2],
    };
    let show = |one: &str, two: &str| -> Fetched {
        vec![(1, Some(one.to_owned())), (2, Some(two.to_owned()))]
    };
    let mut worlds = Worlds::default();
    worlds.apply(&[change(1, "a"), change(2, "b")]);
    worlds.doubt(&[change(1, "c"), change(2, "d")]);
    assert!(!worlds.observe(&both, &show("c", "b")));
    assert!(!worlds.observe(&both, &show("a", "d")));
    assert!(worlds.clone().observe(&both, &show("a", "b")));
    assert!(worlds.observe(&both, &show("c", "d")));
    assert!(!worlds.observe(&both, &show("a", "b")));
    assert_eq!(worlds.len(), 1);
}
