//! What users ask for: anything, at random.

use super::dice::Dice;
use super::model::{Change, Fetch, Mark};
use super::request;

/// The namespaces that every user uses, and the names in each.
pub const NAMESPACES: u8 = 3;
const NAMES: u8 = 3;

/// What a request is about.
#[derive(Debug)]
pub enum What {
    Set(Vec<Change>),
    Get(Fetch),
    /// To change another's data.
    Trespass,
}

impl What {
    /// A get of everything in a namespace.
    pub fn all_of(namespace: u8) -> What {
        let names = (0..NAMES).collect();
        What::Get(Fetch { namespace, names })
    }

    /// A get of one name or of all.
    pub fn any_get(dice: &mut Dice) -> What {
        let (namespace, name) = key(dice);
        match dice.percent(60) {
            true => What::all_of(namespace),
            false => What::Get(Fetch {
                namespace,
                names: vec![name],
            }),
        }
    }

    /// Anything. No other request is called `unique`.
    pub fn anything(dice: &mut Dice, unique: &str) -> What {
        match dice.below(100) {
            0..3 => What::Trespass,
            3..45 => What::any_get(dice),
            _ => What::Set(set(dice, unique)),
        }
    }

    /// The type of the iq.
    pub fn kind(&self) -> &'static str {
        match self {
            What::Get(_) => "get",
            What::Set(_) | What::Trespass => "set",
        }
    }

    /// What stands in the query.
    pub fn elements(&self) -> String {
        match self {
            What::Set(set) => request::elements(set),
            What::Get(fetch) => request::asked(fetch),
            What::Trespass => "<n0 xmlns='urn:chaos:0'>1</n0>".to_owned(),
        }
    }
}

fn key(dice: &mut Dice) -> (u8, u8) {
    let namespace = dice.below(NAMESPACES.into()) as u8;
    (namespace, dice.below(NAMES.into()) as u8)
}

/// One change, or several of one namespace or of many.
fn set(dice: &mut Dice, unique: &str) -> Vec<Change> {
    let count = match dice.percent(60) {
        true => 1,
        false => dice.between(2, 4),
    };
    let mut set: Vec<Change> = Vec::new();
    for part in 0..count {
        let key = key(dice);
        if set.iter().all(|change| change.key != key) {
            let value = value(dice, &format!("{unique}-{part}"));
            set.push(Change { key, value });
        }
    }
    set
}

/// The elements of one name: none (a delete), one, or several; small or large.
fn value(dice: &mut Dice, unique: &str) -> Vec<Mark> {
    let elements = match dice.below(10) {
        0..2 => return Vec::new(),
        2..8 => 1,
        _ => dice.between(2, 3),
    };
    let longest = match dice.below(20) {
        0..14 => 200,
        14..19 => 8_000,
        _ => 100_000,
    };
    let mut mark = |element| {
        let bytes = dice.below(longest / elements);
        request::mark(&format!("{unique}-{element}"), bytes)
    };
    (0..elements).map(&mut mark).collect()
}
