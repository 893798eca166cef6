//! Random edits by two old clients and a modern one, one after another: after each of them PEP holds
//! what a model says.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

use super::modern::Modern;
use super::old::Old;
use super::room::{Room, room};
use super::stage::{On, Stage, on_each_server};
use crate::chaos::variable;

on_each_server! {
    after_each_edit_both_see_what_the_model_says
}

const CASES: u32 = 48;
const ROOMS: u8 = 3;
const VARIANTS: u8 = 4;

#[derive(Debug, Clone)]
pub enum Edit {
    /// An old client looks.
    Get(usize),
    /// An old client stores what it knows, with these rooms changed or, without a variant, left out.
    Set(usize, Vec<(u8, Option<u8>)>),
    Publish(u8, u8),
    Retract(u8),
}

pub fn edit() -> impl Strategy<Value = Edit> {
    let change = (0..ROOMS, proptest::option::weighted(0.5, 0..VARIANTS));
    prop_oneof![
        2 => (0..2_usize).prop_map(Edit::Get),
        4 => (0..2_usize, prop::collection::vec(change, 0..3))
            .prop_map(|(client, changes)| Edit::Set(client, changes)),
        2 => (0..ROOMS, 0..VARIANTS).prop_map(|(number, variant)| Edit::Publish(number, variant)),
        1 => (0..ROOMS).prop_map(Edit::Retract),
    ]
}

/// `BOOKMARKS_SEED` repeats a run.
fn after_each_edit_both_see_what_the_model_says(on: On) {
    let edits = prop::collection::vec(edit(), 1..32);
    let outcome = runner(CASES, 200).run(&edits, |edits| {
        let mut play = Play::new(on.shared());
        edits.iter().try_for_each(|edit| play.go_on(edit))
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// Plays so many cases, of which each takes a user of its own, and as many as `shrinking` to find a short one that
/// fails.
pub fn runner(cases: u32, shrinking: u32) -> TestRunner {
    let seed = variable("BOOKMARKS_SEED");
    let seed = seed.unwrap_or_else(|| RandomState::new().build_hasher().finish());
    println!("BOOKMARKS_SEED={seed}");
    TestRunner::new(Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: shrinking,
        ..Config::default()
    })
}

type Rooms = BTreeMap<String, Room>;

/// One user's clients, and what they must see.
pub struct Play {
    pub jid: String,
    modern: Modern,
    /// What PEP must hold.
    node: Rooms,
    /// Each with what it knows.
    clients: [(Old, Rooms); 2],
}

impl Play {
    pub fn new(stage: &Stage) -> Play {
        let jid = stage.newcomer();
        let (modern, clients) = (stage.modern(&jid), [stage.old(&jid), stage.old(&jid)]);
        Play::with(jid, modern, clients)
    }

    /// With these clients of a user who has no rooms.
    pub fn with(jid: String, modern: Modern, clients: [Old; 2]) -> Play {
        // Everybody has had a look.
        let clients = clients.map(|mut old| {
            assert_eq!(old.rooms(), []);
            (old, Rooms::new())
        });
        let node = Rooms::new();
        Play {
            jid,
            modern,
            node,
            clients,
        }
    }

    pub fn go_on(&mut self, edit: &Edit) -> Result<(), TestCaseError> {
        match edit {
            Edit::Get(client) => {
                let (old, known) = &mut self.clients[*client];
                let seen = old.rooms();
                prop_assert_eq!(&seen, &in_order(&self.node), "an old client sees");
                known.clone_from(&self.node);
            }
            Edit::Set(client, changes) => {
                let (old, known) = &mut self.clients[*client];
                let mut list = known.clone();
                for (number, variant) in changes {
                    let jid = room_of(*number, 0).jid;
                    match variant {
                        Some(variant) => list.insert(jid, room_of(*number, *variant)),
                        None => list.remove(&jid),
                    };
                }
                old.set(list.values());
                for jid in known.keys().filter(|jid| !list.contains_key(*jid)) {
                    self.node.remove(jid);
                }
                for (jid, room) in &list {
                    if known.get(jid) != Some(room) {
                        self.node.insert(jid.clone(), room.clone());
                    }
                }
                *known = list;
            }
            Edit::Publish(number, variant) => {
                let room = room_of(*number, *variant);
                self.modern.publish(&room);
                self.node.insert(room.jid.clone(), room);
            }
            Edit::Retract(number) => {
                let room = room_of(*number, 0);
                if self.node.remove(&room.jid).is_some() {
                    self.modern.retract(&room);
                }
            }
        }
        let held = self.modern.rooms();
        prop_assert_eq!(&held, &in_order(&self.node), "after {:?} PEP holds", edit);
        Ok(())
    }
}

fn room_of(number: u8, variant: u8) -> Room {
    let room = room(&format!("room{number}"));
    match variant {
        0 => room,
        1 => room.name("A").autojoin(),
        2 => room.name("B"),
        _ => room.name("B").nick("n").password("p"),
    }
}

fn in_order(rooms: &Rooms) -> Vec<Room> {
    rooms.values().cloned().collect()
}
