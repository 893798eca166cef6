//! What users do while the power fails, and what each of them may find afterwards.

use std::collections::BTreeMap;

use super::random::Random;
use crate::scripted::stage::request;
use crate::support::router::Session;

const OWNERS: usize = 3;
const NAMES: usize = 6;

/// What sets are like.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// One element of up to some hundred bytes: one record, a plain insert.
    Small,
    /// One element of up to some records: one batch.
    Large,
    /// Several elements: one batch, all or nothing.
    Several,
    /// All of these, and deletes.
    Mixed,
    /// One element of some 40 KB, over and over: the store is compacted again and again.
    Replaced,
}

impl Kind {
    pub const ALL: [Kind; 5] = [
        Kind::Small,
        Kind::Large,
        Kind::Several,
        Kind::Mixed,
        Kind::Replaced,
    ];

    /// A log larger than this, and three times what lives in it, is compacted.
    pub fn compact_above(self) -> u64 {
        match self {
            Kind::Replaced => 1 << 20,
            _ => 128 << 20,
        }
    }
}

/// The values of one owner, by the number of their name.
pub type State = BTreeMap<usize, String>;

/// A set: whose, and what becomes of which names.
pub struct Set {
    pub owner: usize,
    changes: BTreeMap<usize, Option<String>>,
}

pub struct Load {
    pub kind: Kind,
    pub sets: Vec<Set>,
    /// Of each owner: the states before the first set, after it, and so on.
    pub states: Vec<Vec<State>>,
}

impl Load {
    pub fn new(kind: Kind, sets: usize, random: &mut Random) -> Load {
        let mut states = vec![vec![State::new()]; OWNERS];
        let sets = (0..sets)
            .map(|number| {
                let set = Set::new(kind, number, random);
                let mut state = states[set.owner].last().cloned().unwrap_or_default();
                for (name, value) in &set.changes {
                    match value {
                        Some(value) => state.insert(*name, value.clone()),
                        None => state.remove(name),
                    };
                }
                states[set.owner].push(state);
                set
            })
            .collect();
        Load { kind, sets, states }
    }

    /// How many sets of each owner are acknowledged at first.
    pub fn none(&self) -> Vec<usize> {
        vec![0; OWNERS]
    }

    /// Counts an answer; those to one owner come in order.
    pub fn acknowledge(&self, set: usize, acknowledged: &mut [usize]) {
        acknowledged[self.sets[set].owner] += 1;
    }

    /// Carries it out, with several sets under way at a time.
    pub fn execute(&self, session: &mut Session) {
        let mut answered = 0;
        for (number, set) in self.sets.iter().enumerate() {
            session.send(set.request(number));
            // Sets in bursts of growing length, so that groups of all sizes are committed.
            if number % 24 >= number / 8 % 24 {
                while answered <= number {
                    let answer = session.next();
                    assert!(answer.contains("type='result'"), "{answer:.300}");
                    answered += 1;
                }
            }
        }
        while answered < self.sets.len() {
            assert!(session.next().contains("type='result'"));
            answered += 1;
        }
    }

    /// What an owner finds.
    pub fn read(&self, owner: usize, session: &mut Session) -> State {
        let mut state = State::new();
        for name in 0..NAMES {
            session.send(request("get", "get", &jid(owner), &element(name, "")));
            let answer = session.next();
            assert!(answer.contains("type='result'"), "{answer:.300}");
            let found = answer.split("<e ").nth(1).expect("an element");
            if let Some((value, _)) = found.split_once("</e>") {
                let (_, value) = value.split_once('>').expect("a tag");
                state.insert(name, value.to_owned());
            }
        }
        state
    }
}

impl Set {
    fn new(kind: Kind, number: usize, random: &mut Random) -> Set {
        let count = match kind {
            Kind::Small | Kind::Large | Kind::Replaced => 1,
            Kind::Several => 2 + random.below(NAMES - 1),
            Kind::Mixed => 1 + random.below(3),
        };
        let mut changes = BTreeMap::new();
        for _ in 0..count {
            let length = match kind {
                Kind::Small => random.below(400),
                Kind::Large => 40_000 + random.below(120_000),
                Kind::Several => random.below(9000),
                Kind::Replaced => 20_000 + random.below(40_000),
                Kind::Mixed if random.below(8) == 0 => random.below(150_000),
                Kind::Mixed => random.below(2000),
            };
            let deletes = matches!(kind, Kind::Mixed) && random.below(4) == 0;
            let value = (!deletes).then(|| format!("{number}:{}", "x".repeat(length)));
            let names = if matches!(kind, Kind::Replaced) {
                1
            } else {
                NAMES
            };
            changes.insert(random.below(names), value);
        }
        Set {
            owner: random.below(OWNERS),
            changes,
        }
    }

    fn request(&self, number: usize) -> String {
        let elements: String = self
            .changes
            .iter()
            .map(|(name, value)| element(*name, value.as_deref().unwrap_or_default()))
            .collect();
        request("set", &id(number), &jid(self.owner), &elements)
    }
}

/// The id of a set's request.
pub fn id(number: usize) -> String {
    format!("set-{number}.")
}

/// For a person to read.
pub fn summary(state: &State) -> String {
    let values = state.iter().map(|(name, value)| {
        let number = value.split(':').next().unwrap_or_default();
        format!("{name}: that of set {number} ({} bytes)", value.len())
    });
    format!("{{{}}}", values.collect::<Vec<_>>().join(", "))
}

fn jid(owner: usize) -> String {
    format!("owner{owner}@localhost/phone")
}

/// Each in a namespace of its own, so that an empty one deletes and a get finds only itself.
fn element(name: usize, text: &str) -> String {
    format!("<e xmlns='urn:power:{name}'>{text}</e>")
}
